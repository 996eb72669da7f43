/* SPDX-License-Identifier: Apache-2.0 */
#include "load/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "load/target.h"

static const char metadata[] =
    "{\"name\":\"wnd\",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\","
    "\"inputs\":[{\"name\":\"dense\",\"datatype\":\"FP32\",\"shape\":[-1,512]},"
    "{\"name\":\"ids\",\"datatype\":\"INT64\",\"shape\":[\"-1\",27]}],"
    "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[-1,1]}],"
    "\"properties\":{\"roost.slo\":\"p95 25 ms\",\"roost.accuracy\":\"0.78\","
    "\"roost.variant.small.accuracy\":\"0.7\",\"roost.input.ids.range\":\"0:1000\","
    "\"roost.input.other.range\":\"0:9\",\"other\":\"x\"}}";

static struct load_model *model_new(const char *json)
{
    struct detail detail = {""};
    struct load_model *model = malloc(sizeof(*model));
    assert_non_null(model);
    if (load_model_parse("wnd", NULL, json, strlen(json), model, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    return model;
}

static void metadata_is_read(void **state)
{
    (void)state;
    struct load_model *model = model_new(metadata);
    assert_int_equal(model->io.input_count, 2);
    assert_int_equal(model->io.inputs[1].dtype, DTYPE_INT64);
    assert_int_equal(model->io.inputs[1].shape.dims[0], -1);
    assert_int_equal(model->io.inputs[1].shape.dims[1], 27);
    assert_true(model->is_batched);
    assert_int_equal(model->max_batch_size, -1);
    assert_true(model->slo.time_ns == 25000000);
    assert_true(fabs(model->accuracy - 0.78) < 1e-12);
    assert_false(model->ranges[0].is_known);
    assert_true(model->ranges[1].is_known && model->ranges[1].high > 999);
    assert_int_equal(model->variant_count, 1);
    free(model);
}

static void metadata_may_say_little(void **state)
{
    (void)state;
    struct load_model *model = model_new(
        "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3]}],"
        "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[]}]}");
    assert_false(model->is_batched);
    assert_true(isnan(model->accuracy));
    assert_true(model->slo.time_ns == 0);
    assert_true(isnan(load_model_accuracy(model, "{}", 2)));
    free(model);
}

static void the_configuration_adds_the_batch(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t size;
        bool is_batched;
    } cases[] = {
        {"{\"max_batch_size\":64}", 64, true},
        {"{\"max_batch_size\":\"8\"}", 8, true},
        {"{\"name\":\"x\"}", 0, false},
        {"{\"max_batch_size\":-3}", -1, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct detail detail;
        struct load_model *model = model_new(metadata);
        assert_int_equal(
            load_model_parse_config(cases[i].json, strlen(cases[i].json), model, &detail),
            ROOST_OK);
        assert_int_equal(model->max_batch_size, cases[i].size);
        assert_true(model->is_batched == cases[i].is_batched);
        free(model);
    }
}

static void wrong_metadata_names_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *json, *reason;
    } cases[] = {
        {"[]", "inputs: a list"},
        {"{", ""},
        {"{\"inputs\":[]}", "inputs: a list"},
        {"{\"inputs\":[{\"datatype\":\"FP32\",\"shape\":[]}]}", "inputs[0].name"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP33\",\"shape\":[]}]}",
         "inputs[0].datatype: FP33"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\"}]}", "inputs[0].shape"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,-2]}]}",
         "inputs[0].shape[1]"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1.5]}]}",
         "inputs[0].shape[0]"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]}]}", "outputs: a list"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]}],"
         "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1]}],"
         "\"properties\":{\"roost.slo\":\"fast\"}}",
         "properties.roost.slo"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]}],"
         "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1]}],"
         "\"properties\":{\"roost.input.x.range\":\"9:1\"}}",
         "properties.roost.input.x.range"},
    };
    struct load_model *model = malloc(sizeof(*model));
    assert_non_null(model);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct detail detail = {""};
        assert_int_not_equal(
            load_model_parse("m", "", cases[i].json, strlen(cases[i].json), model, &detail),
            ROOST_OK);
        if (strstr(detail.text, cases[i].reason) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", detail.text, cases[i].reason);
    }
    free(model);
}

static void answers_tell_the_accuracy(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        float accuracy;
    } cases[] = {
        {"{\"model_name\":\"wnd\"}", 0.78F},
        {"{\"parameters\":{\"roost_variant\":\"small\"}}", 0.7F},
        {"{\"parameters\":{\"roost_variant\":\"unheard\"}}", 0.78F},
        {"{\"parameters\":{\"roost_variant\": \"small\", \"roost_accuracy\": 0.5 }}", 0.5F},
        {"{\"parameters\":{\"roost_accuracy\":\"0.25\"}}", 0.25F},
        {"{\"parameters\":{\"roost_accuracy\":\"0.25", 0.78F},
        {"{\"parameters\":{\"roost_accuracy\"", 0.78F},
    };
    struct load_model *model = model_new(metadata);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* Exactly as long as the text, so that reading beyond it is seen. */
        size_t length = strlen(cases[i].json);
        char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, cases[i].json, length);
        assert_true(fabsf(load_model_accuracy(model, exact, length) - cases[i].accuracy) < 1e-6F);
        free(exact);
    }
    free(model);
}

static void ready_models_are_listed_once(void **state)
{
    (void)state;
    static const char json[] = "[{\"name\":\"a\",\"version\":\"1\",\"state\":\"READY\"},"
                               "{\"name\":\"a\",\"version\":\"2\",\"state\":\"READY\"},"
                               "{\"name\":\"b\",\"state\":\"UNAVAILABLE\"},{\"name\":\"c\"},"
                               "{\"name\":\"d\",\"version\":\"1\",\"state\":\"READY\"},7]";
    struct load_index *index = malloc(sizeof(*index));
    struct detail detail;
    assert_non_null(index);
    assert_int_equal(load_index_parse(json, strlen(json), index, &detail), ROOST_OK);
    assert_int_equal(index->count, 2);
    assert_string_equal(index->names[0], "a");
    assert_string_equal(index->names[1], "d");
    assert_int_equal(load_index_parse("{}", 2, index, &detail), ROOST_INVALID);
    free(index);
}

static void shapes_are_written_with_x(void **state)
{
    (void)state;
    struct shape shape;
    struct detail detail;
    assert_int_equal(shape_parse_text("3x224x225", &shape, &detail), ROOST_OK);
    assert_int_equal(shape.rank, 3);
    assert_int_equal(shape.dims[2], 225);
    static const char *const wrong[] = {"", "x", "3x", "x3", "0", "-1", "3,4", "1x1x1x1x1x1x1x1x1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(shape_parse_text(wrong[i], &shape, &detail), ROOST_INVALID);
}

static void paths_are_escaped(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out);
    load_model_path("my model/1", "2", "/infer", &out);
    assert_string_equal(strbuf_text(&out), "/v2/models/my%20model%2F1/versions/2/infer");
    strbuf_reset(&out);
    load_model_path("a-b_c.d~e", "", "", &out);
    assert_string_equal(strbuf_text(&out), "/v2/models/a-b_c.d~e");
    strbuf_fini(&out);
}

static void urls_name_a_server(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *authority;
        unsigned port;
    } cases[] = {
        {"http://127.0.0.1:8000", "127.0.0.1", "127.0.0.1:8000", 8000},
        {"http://example.org/", "example.org", "example.org", 80},
        {"example.org:9", "example.org", "example.org:9", 9},
        {"http://[::1]:8000", "::1", "[::1]:8000", 8000},
        {"http://[fe80::1]", "fe80::1", "[fe80::1]", 80},
        {"unix:/tmp/roost.sock", "unix:/tmp/roost.sock", "localhost", 0},
    };
    struct target target;
    struct detail detail;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (target_parse(cases[i].url, &target, &detail) != ROOST_OK)
            fail_msg("%s", detail.text);
        assert_string_equal(target.host, cases[i].host);
        assert_string_equal(target.authority, cases[i].authority);
        assert_int_equal(target.port, cases[i].port);
    }
    static const char *const wrong[] = {"",           "http://",        "http://:80",
                                        "http://h:0", "http://h:70000", "http://h:x",
                                        "unix:",      "http://[::1",    "http://h/path"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (target_parse(wrong[i], &target, &detail) != ROOST_INVALID)
            fail_msg("\"%s\" was not refused", wrong[i]);
    }
    assert_int_equal(target_parse("https://h", &target, &detail), ROOST_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_is_read),
        cmocka_unit_test(metadata_may_say_little),
        cmocka_unit_test(the_configuration_adds_the_batch),
        cmocka_unit_test(wrong_metadata_names_the_field),
        cmocka_unit_test(answers_tell_the_accuracy),
        cmocka_unit_test(ready_models_are_listed_once),
        cmocka_unit_test(shapes_are_written_with_x),
        cmocka_unit_test(paths_are_escaped),
        cmocka_unit_test(urls_name_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
