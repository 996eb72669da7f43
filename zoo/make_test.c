/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that zoo_make writes: what is in them, and when they are left alone or replaced. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "onnx.pb-c.h"
#include "zoo/zoo.h"

enum { FILE_BYTES_MAX = 64 << 20, PAGE_BYTES = 4096 };

static char folder[] = "/tmp/roost-zoo-XXXXXX";

static int folder_make(void **state)
{
    (void)state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL) == ROOST_OK ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char path[FILE_PATH_BYTES_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static struct zoo_made make(const char *model, double scale, bool force)
{
    struct detail detail = {0};
    struct zoo_made made = {0};
    struct zoo_request request = {
        .directory = folder, .model = model, .scale = scale, .force = force};
    if (zoo_make(&request, &made, &detail) != ROOST_OK)
        fail_msg("%s: %s", model, detail.text);
    return made;
}

static off_t bytes_of(const char *name)
{
    struct stat status;
    return stat(in_folder(name), &status) == 0 ? status.st_size : -1;
}

static char *text_of(const char *name)
{
    char *text;
    size_t length;
    assert_int_equal(file_read(in_folder(name), FILE_BYTES_MAX, &text, &length, NULL), ROOST_OK);
    return text;
}

static void layout_is_tritons(void **state)
{
    (void)state;
    struct zoo_made made = make("squeezenet_1_1", 1.0, false);
    assert_false(made.skipped);
    assert_string_equal(made.path, in_folder("squeezenet_1_1"));
    assert_int_equal(made.bytes, (uint64_t)(bytes_of("squeezenet_1_1/1/model.onnx") +
                                            bytes_of("squeezenet_1_1/1/model.onnx.data")));
    char *config = text_of("squeezenet_1_1/config.pbtxt");
    assert_non_null(strstr(config, "name: \"squeezenet_1_1\"\n"));
    assert_non_null(strstr(config, "platform: \"onnxruntime_onnx\"\n"));
    assert_non_null(strstr(config, "max_batch_size: 32\n"));
    assert_non_null(strstr(config, "dims: [ 3, 224, 224 ]\n"));
    assert_non_null(strstr(config, "label_filename: \"labels.txt\"\n"));
    assert_null(strstr(config, "dynamic_batching"));
    free(config);
    char *labels = text_of("squeezenet_1_1/labels.txt");
    assert_int_equal(strncmp(labels, "class 0\nclass 1\n", 16), 0);
    free(labels);
    /* What was staged is gone. */
    assert_int_equal(bytes_of(".squeezenet_1_1.zoo"), -1);
}

static void recommendation_config_tells_index_ranges(void **state)
{
    (void)state;
    (void)make("din", 0.001, false);
    char *config = text_of("din/config.pbtxt");
    assert_non_null(strstr(config, "dynamic_batching { }\n"));
    assert_non_null(strstr(config, "key: \"roost.input.indices_behavior.range\"\n"
                                   "  value { string_value: \"0:100\" }"));
    assert_null(strstr(config, "label_filename"));
    free(config);
    assert_int_equal(bytes_of("din/labels.txt"), -1);
}

static const char *metadata_of(const Onnx__ModelProto *model, const char *key)
{
    for (size_t i = 0; i < model->n_metadata_props; i++) {
        if (strcmp(model->metadata_props[i]->key, key) == 0)
            return model->metadata_props[i]->value;
    }
    return NULL;
}

static Onnx__ModelProto *model_of(const char *name)
{
    char *data;
    size_t length;
    assert_int_equal(file_read(in_folder(name), FILE_BYTES_MAX, &data, &length, NULL), ROOST_OK);
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, length, (const uint8_t *)data);
    free(data);
    assert_non_null(model);
    return model;
}

/* An engine maps what lies outside: page by page, in order, without overlap, inside the file. */
static void weights_outside_are_aligned(void **state)
{
    (void)state;
    (void)make("mobilenet_v1_100", 1.0, false);
    Onnx__ModelProto *model = model_of("mobilenet_v1_100/1/model.onnx");
    assert_int_equal(model->ir_version, 8);
    assert_int_equal(model->opset_import[0]->version, 17);
    assert_string_equal(metadata_of(model, "roost.accuracy"), "0.709");
    assert_string_equal(metadata_of(model, "roost.mflops"), "1137.482752");
    uint64_t end = 0;
    size_t outside = 0;
    for (size_t i = 0; i < model->graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = model->graph->initializer[i];
        if (!tensor->has_data_location) {
            assert_true(tensor->has_raw_data);
            continue;
        }
        assert_int_equal(tensor->n_external_data, 3);
        assert_string_equal(tensor->external_data[0]->value, "model.onnx.data");
        uint64_t offset = strtoull(tensor->external_data[1]->value, NULL, 10);
        uint64_t length = strtoull(tensor->external_data[2]->value, NULL, 10);
        assert_int_equal(offset % PAGE_BYTES, 0);
        assert_true(offset >= end);
        end = offset + length;
        outside++;
    }
    assert_in_range(outside, 10, 100);
    assert_int_equal(end, (uint64_t)bytes_of("mobilenet_v1_100/1/model.onnx.data"));
    onnx__model_proto__free_unpacked(model, NULL);
}

static void small_model_is_one_file(void **state)
{
    (void)state;
    (void)make("ncf", 1e-6, false);
    assert_int_equal(bytes_of("ncf/1/model.onnx.data"), -1);
    Onnx__ModelProto *model = model_of("ncf/1/model.onnx");
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        assert_true(model->graph->initializer[i]->has_raw_data);
    assert_string_equal(metadata_of(model, "roost.input.indices_mf.range"), "0:16");
    onnx__model_proto__free_unpacked(model, NULL);
}

/* Mean and variance of the table that lies in the data file are as its fill says. */
static void weights_are_near_normal(void **state)
{
    (void)state;
    (void)make("wnd", 0.001, false);
    char *data;
    size_t length;
    assert_int_equal(
        file_read(in_folder("wnd/1/model.onnx.data"), FILE_BYTES_MAX, &data, &length, NULL),
        ROOST_OK);
    const float *table = (const float *)(const void *)data;
    size_t count = 27 * 1000 * 32;
    assert_true(length >= count * sizeof(float));
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        assert_true(table[i] > -3.5F && table[i] < 3.5F);
        sum += (double)table[i];
        squares += (double)table[i] * (double)table[i];
    }
    assert_true(fabs(sum / (double)count) < 0.01);
    assert_true(fabs(squares / (double)count - 1.0) < 0.01);
    free(data);
}

static void same_request_gives_the_same_bytes(void **state)
{
    static const char *const files[] = {"model.onnx", "model.onnx.data"};
    (void)state;
    char first[2][65], second[2][65], path[64];
    for (int round = 0; round < 2; round++) {
        (void)make("dlrm_rmc1", 0.0005, round > 0);
        for (int i = 0; i < 2; i++) {
            (void)snprintf(path, sizeof(path), "dlrm_rmc1/1/%s", files[i]);
            assert_int_equal(file_sha256(in_folder(path), round == 0 ? first[i] : second[i], NULL),
                             ROOST_OK);
        }
    }
    assert_string_equal(first[0], second[0]);
    assert_string_equal(first[1], second[1]);
}

static void what_is_up_to_date_stays(void **state)
{
    (void)state;
    assert_false(make("ncf", 0.01, false).skipped);
    assert_int_equal(file_write_atomic(in_folder("ncf/config.pbtxt"), "edited", 6, NULL), ROOST_OK);
    assert_true(make("ncf", 0.01, false).skipped);
    assert_int_equal(bytes_of("ncf/config.pbtxt"), 6);
    assert_false(make("ncf", 0.01, true).skipped);
    assert_true(bytes_of("ncf/config.pbtxt") > 6);
}

static void what_differs_is_made_again(void **state)
{
    (void)state;
    (void)make("ncf", 0.01, false);
    off_t before = bytes_of("ncf/1/model.onnx.data");
    assert_false(make("ncf", 0.02, false).skipped);
    off_t after = bytes_of("ncf/1/model.onnx.data");
    assert_true(after > before);
    assert_int_equal(truncate(in_folder("ncf/1/model.onnx.data"), after - 1), 0);
    assert_false(make("ncf", 0.02, false).skipped);
    assert_int_equal(bytes_of("ncf/1/model.onnx.data"), after);
    assert_int_equal(unlink(in_folder("ncf/1/model.onnx")), 0);
    assert_false(make("ncf", 0.02, false).skipped);
}

static void classifier_does_not_depend_on_scale(void **state)
{
    (void)state;
    assert_false(make("mobilenet_v1_025_128", 0.1, false).skipped);
    assert_true(make("mobilenet_v1_025_128", 1.0, false).skipped);
}

static void foreign_directory_is_not_touched(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(in_folder("ncf/1"), NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(in_folder("ncf/1/model.onnx"), "mine", 4, NULL), ROOST_OK);
    struct detail detail = {0};
    struct zoo_request request = {.directory = folder, .model = "ncf", .scale = 0.01};
    assert_int_equal(zoo_make(&request, NULL, &detail), ROOST_EXISTS);
    assert_non_null(strstr(detail.text, "not made by the zoo"));
    assert_int_equal(bytes_of("ncf/1/model.onnx"), 4);
    assert_false(make("ncf", 0.01, true).skipped);
    assert_true(bytes_of("ncf/1/model.onnx") > 4);
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    struct detail detail = {0};
    struct zoo_request request = {.directory = folder, .model = "dlrm_rcm1", .scale = 1.0};
    assert_int_equal(zoo_make(&request, NULL, &detail), ROOST_NOT_FOUND);
    assert_non_null(strstr(detail.text, "dlrm_rmc1"));
    request.model = "ncf";
    request.scale = 2.0;
    assert_int_equal(zoo_make(&request, NULL, &detail), ROOST_INVALID);
    request.scale = 0.01;
    request.directory = "/dev/null/zoo";
    assert_int_not_equal(zoo_make(&request, NULL, &detail), ROOST_OK);
    assert_non_null(strstr(detail.text, "/dev/null"));
}

struct seen {
    uint64_t last, total;
    unsigned calls;
};

static void progress_note(void *context, const struct zoo_model *model, uint64_t done,
                          uint64_t total)
{
    struct seen *seen = context;
    assert_string_equal(model->name, "mobilenet_v1_050");
    assert_true(done >= seen->last && done <= total);
    *seen = (struct seen){done, total, seen->calls + 1};
}

static void progress_ends_at_the_total(void **state)
{
    (void)state;
    struct seen seen = {0, 0, 0};
    struct zoo_request request = {.directory = folder,
                                  .model = "mobilenet_v1_050",
                                  .scale = 1.0,
                                  .progress = progress_note,
                                  .context = &seen};
    struct zoo_made made;
    assert_int_equal(zoo_make(&request, &made, NULL), ROOST_OK);
    assert_true(seen.calls > 2);
    assert_int_equal(seen.last, seen.total);
    assert_int_equal(seen.total, made.bytes);
}

/* Several processes at once: one makes it, the others wait and find it. */
static void makers_take_turns(void **state)
{
    enum { MAKERS = 4 };
    (void)state;
    pid_t children[MAKERS];
    for (int i = 0; i < MAKERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct zoo_request request = {.directory = folder, .model = "ncf", .scale = 0.05};
            struct zoo_made made;
            enum roost_err err = zoo_make(&request, &made, NULL);
            _exit(err != ROOST_OK ? 2 : made.skipped ? 1 : 0);
        }
    }
    int makers = 0;
    for (int i = 0; i < MAKERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        makers += WEXITSTATUS(status) == 0;
    }
    assert_int_equal(makers, 1);
}

#define MAKE_TEST(function) cmocka_unit_test_setup_teardown(function, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAKE_TEST(layout_is_tritons),
        MAKE_TEST(recommendation_config_tells_index_ranges),
        MAKE_TEST(weights_outside_are_aligned),
        MAKE_TEST(small_model_is_one_file),
        MAKE_TEST(weights_are_near_normal),
        MAKE_TEST(same_request_gives_the_same_bytes),
        MAKE_TEST(what_is_up_to_date_stays),
        MAKE_TEST(what_differs_is_made_again),
        MAKE_TEST(classifier_does_not_depend_on_scale),
        MAKE_TEST(foreign_directory_is_not_touched),
        MAKE_TEST(mistakes_are_explained),
        MAKE_TEST(progress_ends_at_the_total),
        MAKE_TEST(makers_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
