/* SPDX-License-Identifier: Apache-2.0 */
/* Answers, metadata, statistics and errors, byte by byte. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/strbuf.h"
#include "base/test.h"
#include "net/oip_fixture.h"

/* One answer of up to four outputs. */
struct writer {
    struct fixture f;
    struct tensor outputs[4];
    struct oip_response response;
    struct strbuf head, scratch;
    struct oip_part parts[MODEL_TENSORS_MAX];
    size_t part_count, header_length;
    struct detail detail;
};

static void writer_init(struct writer *w, int64_t max_batch_size)
{
    memset(w, 0, sizeof(*w));
    fixture_init(&w->f, max_batch_size);
    strbuf_init(&w->head);
    strbuf_init(&w->scratch);
    w->response = (struct oip_response){
        .model = &w->f.model, .request = &w->f.request, .outputs = w->outputs};
}

static void writer_fini(struct writer *w)
{
    strbuf_fini(&w->head);
    strbuf_fini(&w->scratch);
    fixture_fini(&w->f);
}

/* Adds an output that is wanted, with this content. */
static struct oip_output_request *output_add(struct writer *w, const char *name, enum dtype dtype,
                                             struct shape shape, const void *data, size_t bytes)
{
    unsigned i = w->f.io.output_count;
    fixture_output(&w->f, name, dtype, shape);
    w->outputs[i] = (struct tensor){
        .dtype = dtype, .shape = shape, .data = (void *)(uintptr_t)data, .bytes = bytes};
    w->f.request.output_order[w->f.request.outputs_wanted++] = i;
    w->f.request.outputs[i].wanted = true;
    return &w->f.request.outputs[i];
}

static enum roost_err answer_write(struct writer *w)
{
    strbuf_reset(&w->head);
    strbuf_reset(&w->scratch);
    return oip_write_infer(&w->response, &w->head, &w->scratch, w->parts, &w->part_count,
                           &w->header_length, &w->detail);
}

static void expect(struct writer *w, const char *text)
{
    assert_int_equal(answer_write(w), ROOST_OK);
    assert_string_equal(strbuf_text(&w->head), text);
    assert_int_equal(w->header_length, w->part_count > 0 ? w->head.length : 0);
}

static void refuse(struct writer *w, enum roost_err err, const char *text)
{
    assert_int_equal(answer_write(w), err);
    assert_string_equal(w->detail.text, text);
}

#define HEAD "{\"model_name\":\"m\",\"model_version\":\"1\","

static void data_expect(enum dtype dtype, const void *data, size_t bytes, size_t count,
                        const char *text)
{
    struct writer w;
    writer_init(&w, 0);
    output_add(&w, "y", dtype, SHAPE((int64_t)count), data, bytes);
    assert_int_equal(answer_write(&w), ROOST_OK);
    const char *found = strstr(strbuf_text(&w.head), "\"data\":");
    assert_non_null(found);
    assert_memory_equal(found + 7, text, strlen(text));
    assert_string_equal(found + 7 + strlen(text), "}]}");
    assert_int_equal(w.part_count, 0);
    assert_int_equal(w.header_length, 0);
    writer_fini(&w);
}

#define DATA(dtype, type, text, ...)                                                               \
    data_expect(dtype, (const type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}),                 \
                sizeof((type[]){__VA_ARGS__}) / sizeof(type), text)

static void every_dtype(void **state)
{
    (void)state;
    DATA(DTYPE_BOOL, uint8_t, "[true,false]", 1, 0);
    DATA(DTYPE_UINT8, uint8_t, "[0,255]", 0, 255);
    DATA(DTYPE_UINT16, uint16_t, "[65535]", 65535);
    DATA(DTYPE_UINT32, uint32_t, "[4294967295]", UINT32_MAX);
    DATA(DTYPE_UINT64, uint64_t, "[18446744073709551615]", UINT64_MAX);
    DATA(DTYPE_INT8, int8_t, "[-128,127]", -128, 127);
    DATA(DTYPE_INT16, int16_t, "[-32768]", INT16_MIN);
    DATA(DTYPE_INT32, int32_t, "[-2147483648]", INT32_MIN);
    DATA(DTYPE_INT64, int64_t, "[-9223372036854775808]", INT64_MIN);
    DATA(DTYPE_FP32, float, "[0.1,1.0,3.4028235e+38,-0.5]", 0.1F, 1.0F, 3.4028235e38F, -0.5F);
    DATA(DTYPE_FP64, double, "[0.1,0.30000000000000004]", 0.1, 0.1 + 0.2);
    /* JSON has no word for these; binary data has. */
    DATA(DTYPE_FP32, float, "[null,null,1.5]", NAN, INFINITY, 1.5F);
    data_expect(DTYPE_BYTES, "\3\0\0\0a\"\0\0\0\0\0\2\0\0\0\xC3\xA9", 17, 3,
                "[\"a\\\"\\u0000\",\"\",\"\xC3\xA9\"]");
    data_expect(DTYPE_INT32, "", 0, 0, "[]");
}

static void golden(void **state)
{
    (void)state;
    struct writer w;
    static const float y[] = {1.5F, -2.0F};
    static const int64_t z[] = {7};
    writer_init(&w, 8);
    output_add(&w, "y", DTYPE_FP32, SHAPE(1, 2), y, sizeof(y));
    output_add(&w, "z", DTYPE_INT64, SHAPE(1), z, sizeof(z));
    expect(&w, HEAD "\"outputs\":["
                    "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1.5,-2.0]},"
                    "{\"name\":\"z\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[7]}]}");
    /* In the order that was asked for, one of them as bytes. */
    w.f.request.output_order[0] = 1;
    w.f.request.output_order[1] = 0;
    w.f.request.outputs[1].binary = true;
    w.f.request.has_id = true;
    strcpy(w.f.request.id, "a\"b");
    struct oip_response_parameter parameter = {"variant", "small"};
    w.response.parameters = &parameter;
    w.response.parameter_count = 1;
    expect(&w, "{\"id\":\"a\\\"b\",\"model_name\":\"m\",\"model_version\":\"1\","
               "\"parameters\":{\"variant\":\"small\"},\"outputs\":["
               "{\"name\":\"z\",\"datatype\":\"INT64\",\"shape\":[1],"
               "\"parameters\":{\"binary_data_size\":8}},"
               "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1.5,-2.0]}]}");
    assert_int_equal(w.part_count, 1);
    assert_ptr_equal(w.parts[0].data, z);
    assert_int_equal(w.parts[0].bytes, 8);
    w.f.request.outputs_wanted = 0;
    w.f.request.has_id = false;
    w.response.parameter_count = 0;
    expect(&w, HEAD "\"outputs\":[]}");
    writer_fini(&w);
}

/* The header with the JSON's length is sent only where bytes follow. */
static void empty_blob(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 0);
    output_add(&w, "y", DTYPE_FP16, SHAPE(0), "", 0)->binary = true;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP16\",\"shape\":[0],"
                    "\"parameters\":{\"binary_data_size\":0}}]}");
    assert_int_equal(w.part_count, 0);
    output_add(&w, "z", DTYPE_FP16, SHAPE(1), "ab", 2)->binary = true;
    assert_int_equal(answer_write(&w), ROOST_OK);
    assert_int_equal(w.part_count, 1);
    assert_true(w.header_length > 0);
    writer_fini(&w);
}

static void refused(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 0);
    output_add(&w, "y", DTYPE_FP16, SHAPE(1), "ab", 2);
    refuse(&w, ROOST_INVALID,
           "output \"y\" is FP16, which JSON cannot carry; ask for it with binary_data: true");
    w.outputs[0].shape = SHAPE(2);
    refuse(&w, ROOST_INTERNAL,
           "output \"y\": the model's 2 bytes disagree with its type and shape");
    w.outputs[0].shape = SHAPE(-1);
    refuse(&w, ROOST_INTERNAL,
           "output \"y\": the model's 2 bytes disagree with its type and shape");
    w.outputs[0] = (struct tensor){
        .dtype = DTYPE_BYTES, .shape = SHAPE(1), .data = (char[]){"\1\0\0\0\xFF"}, .bytes = 5};
    refuse(&w, ROOST_INVALID,
           "output \"y\": element 0 is not UTF-8, which JSON cannot carry; ask for it with "
           "binary_data: true");
    w.f.request.outputs[0].binary = true;
    assert_int_equal(answer_write(&w), ROOST_OK);
    w.outputs[0].bytes = 4;
    refuse(&w, ROOST_INTERNAL,
           "output \"y\": the model's 4 bytes disagree with its type and shape");
    w.outputs[0] = (struct tensor){
        .dtype = DTYPE_BOOL, .shape = SHAPE(2), .data = (char[]){"\1\2"}, .bytes = 2};
    refuse(&w, ROOST_INTERNAL,
           "output \"y\": the model's 2 bytes disagree with its type and shape");
    w.outputs[0] = (struct tensor){
        .dtype = DTYPE_FP16, .shape = SHAPE(1), .data = (char[]){"ab"}, .bytes = 2};
    w.f.request.outputs[0].classification = 1;
    refuse(&w, ROOST_INTERNAL, "output \"y\" turned out to be FP16, which cannot be ranked");
    w.outputs[0].dtype = (enum dtype)99;
    refuse(&w, ROOST_INTERNAL,
           "output \"y\": the model's 2 bytes disagree with its type and shape");
    writer_fini(&w);
}

static const char *const animals[] = {"cat", "dog", NULL};
static const char *const *const label_tables[] = {animals};

static void classification(void **state)
{
    (void)state;
    struct writer w;
    static const float scores[] = {0.25F, 0.5F, 0.125F, 0.5F, NAN, 0.75F};
    writer_init(&w, 4);
    output_add(&w, "y", DTYPE_FP32, SHAPE(2, 3), scores, sizeof(scores))->classification = 2;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[2,2],"
                    "\"data\":[\"0.5:1\",\"0.25:0\",\"0.75:2\",\"0.5:0\"]}]}");
    w.f.model.labels = label_tables;
    w.f.request.outputs[0].classification = 9;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[2,3],"
                    "\"data\":[\"0.5:1:dog\",\"0.25:0:cat\",\"0.125:2\","
                    "\"0.75:2\",\"0.5:0:cat\",\"nan:1:dog\"]}]}");
    /* Two binary results, the first of which has moved with the scratch. */
    w.f.request.outputs[0].binary = true;
    w.f.request.outputs[0].classification = 1;
    static const int64_t big[] = {INT64_MAX, INT64_MIN};
    struct oip_output_request *second = output_add(&w, "z", DTYPE_INT64, SHAPE(1, 2), big,
                                                   sizeof(big));
    w.f.model.labels = NULL;
    second->binary = true;
    second->classification = 2;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[2,1],"
                    "\"parameters\":{\"binary_data_size\":19}},"
                    "{\"name\":\"z\",\"datatype\":\"BYTES\",\"shape\":[1,2],"
                    "\"parameters\":{\"binary_data_size\":51}}]}");
    assert_int_equal(w.part_count, 2);
    assert_memory_equal(w.parts[0].data, "\5\0\0\0000.5:1\6\0\0\0000.75:2", 19);
    assert_memory_equal(w.parts[1].data,
                        "\25\0\0\0009223372036854775807:0\26\0\0\000-9223372036854775808:1", 51);
    writer_fini(&w);
}

static void classification_unbatched(void **state)
{
    (void)state;
    struct writer w;
    static const uint8_t scores[] = {3, 9, 9, 1, 200, 7};
    writer_init(&w, 0);
    struct oip_output_request *wanted = output_add(&w, "y", DTYPE_UINT8, SHAPE(2, 3), scores,
                                                   sizeof(scores));
    wanted->classification = 4;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[4],"
                    "\"data\":[\"200:4\",\"9:1\",\"9:2\",\"7:5\"]}]}");
    w.outputs[0].shape = SHAPE(0, 3);
    w.outputs[0].bytes = 0;
    expect(&w, HEAD "\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[0],"
                    "\"data\":[]}]}");
    writer_fini(&w);
}

static void class_expect(enum dtype dtype, const void *data, size_t bytes, const char *text)
{
    struct writer w;
    writer_init(&w, 0);
    int64_t count = (int64_t)(bytes / dtype_bytes(dtype));
    output_add(&w, "y", dtype, SHAPE(count), data, bytes)->classification = 2;
    assert_int_equal(answer_write(&w), ROOST_OK);
    const char *found = strstr(strbuf_text(&w.head), "\"data\":");
    assert_non_null(found);
    assert_memory_equal(found + 7, text, strlen(text));
    writer_fini(&w);
}

#define CLASSES(dtype, type, text, ...)                                                            \
    class_expect(dtype, (const type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}), text)

static void classification_of_every_dtype(void **state)
{
    (void)state;
    CLASSES(DTYPE_BOOL, uint8_t, "[\"1:1\",\"0:0\"]", 0, 1, 0);
    CLASSES(DTYPE_UINT8, uint8_t, "[\"255:1\",\"3:0\"]", 3, 255, 0);
    CLASSES(DTYPE_UINT16, uint16_t, "[\"65535:1\",\"3:0\"]", 3, UINT16_MAX, 0);
    CLASSES(DTYPE_UINT32, uint32_t, "[\"4294967295:1\",\"3:0\"]", 3, UINT32_MAX, 0);
    CLASSES(DTYPE_UINT64, uint64_t, "[\"18446744073709551615:1\",\"3:0\"]", 3, UINT64_MAX, 0);
    CLASSES(DTYPE_INT8, int8_t, "[\"3:0\",\"-1:1\"]", 3, -1, -128);
    CLASSES(DTYPE_INT16, int16_t, "[\"3:0\",\"-1:1\"]", 3, -1, INT16_MIN);
    CLASSES(DTYPE_INT32, int32_t, "[\"3:0\",\"-1:1\"]", 3, -1, INT32_MIN);
    CLASSES(DTYPE_INT64, int64_t, "[\"3:0\",\"-1:1\"]", 3, -1, INT64_MIN);
    CLASSES(DTYPE_FP32, float, "[\"inf:2\",\"0.1:0\"]", 0.1F, -INFINITY, INFINITY);
    CLASSES(DTYPE_FP64, double, "[\"0.1:0\",\"-inf:1\"]", 0.1, -INFINITY);
}

enum { TAKEN = UINT8_MAX };

/* The plainest way to find the best: look through all that is left. */
static void best_write(const uint8_t *scores, size_t count, size_t wanted, struct strbuf *out)
{
    uint8_t left[64];
    memcpy(left, scores, count);
    for (size_t i = 0; i < wanted && i < count; i++) {
        size_t best = 0;
        for (size_t j = 1; j < count; j++) {
            if (left[best] == TAKEN || (left[j] != TAKEN && left[j] > left[best]))
                best = j;
        }
        strbuf_printf(out, "%s\"%d:%zu\"", i > 0 ? "," : "", scores[best], best);
        left[best] = TAKEN;
    }
}

/* With many equal values. */
static void classification_in_order(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (int round = 0; round < 200; round++) {
        uint8_t scores[40];
        struct writer w;
        struct strbuf expected;
        size_t count = 1 + (size_t)rng_below(&rng, sizeof(scores));
        size_t wanted = 1 + (size_t)rng_below(&rng, sizeof(scores));
        for (size_t i = 0; i < count; i++)
            scores[i] = (uint8_t)rng_below(&rng, 12);
        writer_init(&w, 0);
        output_add(&w, "y", DTYPE_UINT8, SHAPE((int64_t)count), scores, count)->classification =
            (uint32_t)wanted;
        strbuf_init(&expected);
        best_write(scores, count, wanted, &expected);
        strbuf_puts(&expected, "]}]}");
        assert_int_equal(answer_write(&w), ROOST_OK);
        const char *found = strstr(strbuf_text(&w.head), "\"data\":[");
        assert_non_null(found);
        assert_string_equal(found + 8, strbuf_text(&expected));
        strbuf_fini(&expected);
        writer_fini(&w);
    }
}

static void metadata(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out);
    static const char *const extensions[] = {"statistics", "classification"};
    oip_write_server_metadata(&out, "roost", "0.1.0", extensions, 2);
    assert_string_equal(strbuf_text(&out), "{\"name\":\"roost\",\"version\":\"0.1.0\","
                                           "\"extensions\":[\"statistics\",\"classification\"]}");
    strbuf_reset(&out);
    struct fixture f;
    fixture_init(&f, 4);
    fixture_input(&f, "x", DTYPE_FP32, SHAPE(-1, 3, 224));
    fixture_output(&f, "y", DTYPE_BYTES, SHAPE(-1));
    static const char *const versions[] = {"1", "12"};
    oip_write_model_metadata(&out, &f.model, "onnxruntime_onnx", versions, 2, NULL, 0);
    assert_string_equal(strbuf_text(&out),
                        "{\"name\":\"m\",\"versions\":[\"1\",\"12\"],"
                        "\"platform\":\"onnxruntime_onnx\",\"inputs\":[{\"name\":\"x\","
                        "\"datatype\":\"FP32\",\"shape\":[-1,3,224]}],\"outputs\":[{\"name\":\"y\","
                        "\"datatype\":\"BYTES\",\"shape\":[-1]}]}");
    strbuf_reset(&out);
    f.io.input_count = 0;
    f.io.output_count = 0;
    static const struct oip_property properties[] = {{"mflops", "569"}, {"k", ""}};
    oip_write_model_metadata(&out, &f.model, "onnxruntime_onnx", versions, 1, properties, 2);
    assert_string_equal(strbuf_text(&out),
                        "{\"name\":\"m\",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\","
                        "\"inputs\":[],\"outputs\":[],"
                        "\"properties\":{\"mflops\":\"569\",\"k\":\"\"}}");
    strbuf_reset(&out);
    oip_write_error(&out, "inputs[0].name: \"x\" \xFF\n");
    assert_string_equal(strbuf_text(&out),
                        "{\"error\":\"inputs[0].name: \\\"x\\\" \xEF\xBF\xBD\\n\"}");
    strbuf_fini(&out);
}

static void statistics(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out);
    struct oip_batch_statistics batch = {.batch_size = 4,
                                         .compute_input = {1, 2},
                                         .compute_infer = {3, 4},
                                         .compute_output = {5, 6}};
    struct oip_statistics models[] = {{.name = "m",
                                       .version = "1",
                                       .last_inference_ms = 1700000000000,
                                       .inference_count = 8,
                                       .execution_count = 2,
                                       .success = {1, 10},
                                       .fail = {2, 20},
                                       .queue = {3, 30},
                                       .compute_input = {4, 40},
                                       .compute_infer = {5, 50},
                                       .compute_output = {6, 60},
                                       .cache_hit = {7, 70},
                                       .cache_miss = {8, UINT64_MAX},
                                       .batches = &batch,
                                       .batch_count = 1,
                                       .memory_bytes = 4096},
                                      {.name = "n", .version = "2"}};
    oip_write_statistics(&out, models, 2);
#define ZERO "{\"count\":0,\"ns\":0}"
    assert_string_equal(
        strbuf_text(&out),
        "{\"model_stats\":[{\"name\":\"m\",\"version\":\"1\",\"last_inference\":1700000000000,"
        "\"inference_count\":8,\"execution_count\":2,\"inference_stats\":{"
        "\"success\":{\"count\":1,\"ns\":10},\"fail\":{\"count\":2,\"ns\":20},"
        "\"queue\":{\"count\":3,\"ns\":30},\"compute_input\":{\"count\":4,\"ns\":40},"
        "\"compute_infer\":{\"count\":5,\"ns\":50},\"compute_output\":{\"count\":6,\"ns\":60},"
        "\"cache_hit\":{\"count\":7,\"ns\":70},"
        "\"cache_miss\":{\"count\":8,\"ns\":18446744073709551615}},\"response_stats\":{},"
        "\"batch_stats\":[{\"batch_size\":4,\"compute_input\":{\"count\":1,\"ns\":2},"
        "\"compute_infer\":{\"count\":3,\"ns\":4},\"compute_output\":{\"count\":5,\"ns\":6}}],"
        "\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":4096}]},"
        "{\"name\":\"n\",\"version\":\"2\",\"last_inference\":0,\"inference_count\":0,"
        "\"execution_count\":0,\"inference_stats\":{\"success\":" ZERO ",\"fail\":" ZERO
        ",\"queue\":" ZERO ",\"compute_input\":" ZERO ",\"compute_infer\":" ZERO
        ",\"compute_output\":" ZERO ",\"cache_hit\":" ZERO ",\"cache_miss\":" ZERO
        "},\"response_stats\":{},\"batch_stats\":[],\"memory_usage\":[]}]}");
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype),
        cmocka_unit_test(golden),
        cmocka_unit_test(empty_blob),
        cmocka_unit_test(refused),
        cmocka_unit_test(classification),
        cmocka_unit_test(classification_unbatched),
        cmocka_unit_test(classification_of_every_dtype),
        cmocka_unit_test(classification_in_order),
        cmocka_unit_test(metadata),
        cmocka_unit_test(statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
