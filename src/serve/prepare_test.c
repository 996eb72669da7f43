/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/prepare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/spec.h"

static const char key[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const struct adapter_settings adapter = {.present = true};
static char root[] = "/tmp/roost-prepare-XXXXXX";
static struct model_cache cache;
static uv_loop_t loop;
static struct prepared result;

static void take(void *user, const struct prepared *prepared)
{
    (void)user;
    result = *prepared;
}

/* What follows an optimiser that left these files, "" for none, and ended well or not. */
static void commit(const char *model, const char *adapted, bool good,
                   const struct adapter_settings *settings)
{
    char stage[FILE_PATH_BYTES_MAX], path[FILE_PATH_BYTES_MAX + 32];
    memset(&result, 0, sizeof result);
    assert_int_equal(cache_stage(&cache, key, stage, sizeof stage, NULL), ROOST_OK);
    snprintf(path, sizeof path, "%s/model.onnx", stage);
    if (model[0] != '\0')
        assert_int_equal(file_write_atomic(path, model, strlen(model), NULL), ROOST_OK);
    if (adapted[0] != '\0') {
        snprintf(path, sizeof path, "%s/" HOST_ADAPTED_DIRECTORY, stage);
        assert_int_equal(file_make_directory(path, NULL), ROOST_OK);
        snprintf(path, sizeof path, "%s/" HOST_ADAPTED_DIRECTORY "/model.onnx", stage);
        assert_int_equal(file_write_atomic(path, adapted, strlen(adapted), NULL), ROOST_OK);
    }
    const struct prepare_request request = {
        .loop = &loop,
        .cache = &cache,
        .model_path = "original.onnx",
        .adapter = settings,
        .key = key,
        .stage = stage,
        .keep = good,
        .done = take,
    };
    assert_int_equal(prepare_commit(&request), ROOST_OK);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
}

/* The adapted copy serves from where it is, which stays until its caller removes it. */
static void without_an_optimised_copy(void **state)
{
    (void)state;
    commit("half of it", "graph", false, &adapter);
    assert_int_equal(result.err, ROOST_OK);
    assert_false(result.optimised);
    assert_non_null(strstr(result.path, HOST_ADAPTED_DIRECTORY "/model.onnx"));
    assert_true(file_exists(result.path));
    assert_memory_equal(result.path, result.stage, strlen(result.stage));
    assert_int_equal(file_remove_tree(result.stage, NULL), ROOST_OK);

    commit("", "", false, NULL);
    assert_int_equal(result.err, ROOST_OK);
    assert_string_equal(result.path, "original.onnx");
    assert_string_equal(result.stage, "");
}

/* The original would answer something else. */
static void nothing_to_serve(void **state)
{
    (void)state;
    commit("half of it", "", false, &adapter);
    assert_int_not_equal(result.err, ROOST_OK);
    assert_int_equal(file_remove_tree(result.stage, NULL), ROOST_OK);
    commit("", "", true, &adapter);
    assert_int_not_equal(result.err, ROOST_OK);
    assert_non_null(strstr(result.detail.text, "the adapted copy cannot be kept"));
    assert_string_equal(result.stage, "");
}

static void with_an_optimised_copy(void **state)
{
    (void)state;
    commit("graph", "", true, &adapter);
    assert_int_equal(result.err, ROOST_OK);
    assert_true(result.optimised);
    assert_non_null(strstr(result.path, key));
    assert_string_equal(result.stage, "");
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL || cache_open(&cache, root, 0, NULL) != ROOST_OK ||
           uv_loop_init(&loop) != 0;
}

static int end(void **state)
{
    (void)state;
    return uv_loop_close(&loop) != 0 || file_remove_tree(root, NULL) != ROOST_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_optimised_copy),
        cmocka_unit_test(nothing_to_serve),
        cmocka_unit_test(with_an_optimised_copy),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
