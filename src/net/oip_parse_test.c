/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose tensors are JSON: what is understood, and every refusal word by word. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/test.h"
#include "net/oip_fixture.h"

static void refuse(struct fixture *f, const char *json, const char *text)
{
    fixture_refuse_json(f, json, ROOST_INVALID, text);
}

/* One unbatched input "x" of variable length, and an output "y". */
static void vector_init(struct fixture *f, enum dtype dtype)
{
    fixture_init(f, 0);
    fixture_input(f, "x", dtype, SHAPE(-1));
    fixture_output(f, "y", DTYPE_FP32, SHAPE(-1));
}

static enum roost_err vector_parse(struct fixture *f, size_t count, const char *data)
{
    char json[1024];
    (void)snprintf(json, sizeof(json),
                   "{\"inputs\":[{\"name\":\"x\",\"shape\":[%zu],\"datatype\":\"%s\","
                   "\"data\":%s}]}",
                   count, dtype_name(f->io.inputs[0].dtype), data);
    return fixture_parse_json(f, json);
}

static void vector_expect(enum dtype dtype, const char *data, const void *bytes, size_t size,
                          size_t count)
{
    struct fixture f;
    vector_init(&f, dtype);
    assert_int_equal(vector_parse(&f, count, data), ROOST_OK);
    assert_int_equal(f.request.inputs[0].dtype, dtype);
    assert_int_equal(f.request.inputs[0].shape.dims[0], count);
    assert_int_equal(f.request.inputs[0].bytes, size);
    assert_memory_equal(f.request.inputs[0].data, bytes, size);
    fixture_fini(&f);
}

#define EXPECT(dtype, type, data, ...)                                                             \
    vector_expect(dtype, data, (const type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}),         \
                  sizeof((type[]){__VA_ARGS__}) / sizeof(type))

static void every_dtype(void **state)
{
    (void)state;
    EXPECT(DTYPE_BOOL, uint8_t, "[true,false,1,0]", 1, 0, 1, 0);
    EXPECT(DTYPE_UINT8, uint8_t, "[0,255]", 0, 255);
    EXPECT(DTYPE_UINT16, uint16_t, "[0,65535]", 0, 65535);
    EXPECT(DTYPE_UINT32, uint32_t, "[0,4294967295]", 0, UINT32_MAX);
    EXPECT(DTYPE_UINT64, uint64_t, "[0,18446744073709551615]", 0, UINT64_MAX);
    EXPECT(DTYPE_INT8, int8_t, "[-128,127]", -128, 127);
    EXPECT(DTYPE_INT16, int16_t, "[-32768,32767]", INT16_MIN, INT16_MAX);
    EXPECT(DTYPE_INT32, int32_t, "[-2147483648,2147483647]", INT32_MIN, INT32_MAX);
    EXPECT(DTYPE_INT64, int64_t, "[-9223372036854775808,9223372036854775807,-1]", INT64_MIN,
           INT64_MAX, -1);
    EXPECT(DTYPE_FP32, float, "[0.1,-1,1e-45,3.4028235e38,18446744073709551615,-0.0]", 0.1F, -1.0F,
           1e-45F, 3.4028235e38F, 0x1p64F, -0.0F);
    EXPECT(DTYPE_FP64, double, "[0.1,-7,1e308,5e-324]", 0.1, -7, 1e308, 5e-324);
    /* Lengths are little-endian; "\u0000" is a byte like others. */
    vector_expect(DTYPE_BYTES, "[\"ab\",\"\",\"\\u0000\\u00e9\"]",
                  "\2\0\0\0ab\0\0\0\0\3\0\0\0\0\xC3\xA9", 17, 3);
}

static void no_elements(void **state)
{
    (void)state;
    for (int dtype = DTYPE_BOOL; dtype < DTYPE_BF16; dtype++) {
        struct fixture f;
        if (dtype == DTYPE_FP16)
            continue;
        vector_init(&f, (enum dtype)dtype);
        assert_int_equal(vector_parse(&f, 0, "[]"), ROOST_OK);
        assert_non_null(f.request.inputs[0].data);
        assert_int_equal(f.request.inputs[0].bytes, 0);
        assert_int_equal(f.allocations, 0);
        fixture_fini(&f);
    }
}

static void half_precision_is_binary(void **state)
{
    (void)state;
    struct fixture f;
    vector_init(&f, DTYPE_FP16);
    assert_int_equal(vector_parse(&f, 1, "[1.5]"), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "inputs[0].data: FP16 cannot be sent as JSON; send binary data");
    f.io.inputs[0].dtype = DTYPE_BF16;
    assert_int_equal(vector_parse(&f, 1, "[1.5]"), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "inputs[0].data: BF16 cannot be sent as JSON; send binary data");
    fixture_fini(&f);
}

static void wrong_value(enum dtype dtype, const char *data, const char *text)
{
    struct fixture f;
    vector_init(&f, dtype);
    assert_int_equal(vector_parse(&f, 2, data), ROOST_INVALID);
    assert_string_equal(f.detail.text, text);
    fixture_fini(&f);
}

static void wrong_values(void **state)
{
    (void)state;
    wrong_value(DTYPE_UINT8, "[1,256]", "inputs[0].data[1]: 256 is out of the range of UINT8");
    wrong_value(DTYPE_UINT8, "[1,-1]", "inputs[0].data[1]: -1 is out of the range of UINT8");
    wrong_value(DTYPE_UINT64, "[-1,1]", "inputs[0].data[0]: -1 is out of the range of UINT64");
    wrong_value(DTYPE_UINT64, "[18446744073709551616,1]",
                "inputs[0].data[0]: 18446744073709552000.0 is out of the range of UINT64");
    wrong_value(DTYPE_INT8, "[0,-129]", "inputs[0].data[1]: -129 is out of the range of INT8");
    wrong_value(DTYPE_INT64, "[9223372036854775808,0]",
                "inputs[0].data[0]: 9223372036854775808 is out of the range of INT64");
    wrong_value(DTYPE_INT32, "[1,1.0]",
                "inputs[0].data[1]: has a fraction or an exponent, but INT32 wants an integer");
    wrong_value(DTYPE_INT32, "[1,1e3]",
                "inputs[0].data[1]: has a fraction or an exponent, but INT32 wants an integer");
    wrong_value(DTYPE_INT32, "[\"1\",1]",
                "inputs[0].data[0]: is a string, but INT32 wants an integer");
    wrong_value(DTYPE_FP32, "[1,3.5e38]", "inputs[0].data[1]: 3.5e38 is out of the range of FP32");
    wrong_value(DTYPE_FP32, "[1,null]", "inputs[0].data[1]: is null, but FP32 wants a number");
    wrong_value(DTYPE_FP32, "[1,{\"a\":1}]",
                "inputs[0].data[1]: is an object, but FP32 wants a number");
    wrong_value(DTYPE_FP32, "[[1],2]", "inputs[0].data[0]: is an array, but FP32 wants a number");
    wrong_value(DTYPE_FP64, "[true,1]", "inputs[0].data[0]: is a boolean, but FP64 wants a number");
    wrong_value(DTYPE_BOOL, "[1,2]",
                "inputs[0].data[1]: is a number, but BOOL wants true or false");
    wrong_value(DTYPE_BYTES, "[\"\",1]",
                "inputs[0].data[1]: is a number, but BYTES wants a string");
    wrong_value(DTYPE_FP32, "[1]", "inputs[0].data: has 1 elements, but the shape [2] has 2");
    wrong_value(DTYPE_FP32, "7", "inputs[0].data: must be an array, not a number");
}

/* Neither is JSON, and a number that no double can hold is no number either. */
static void not_a_number(void **state)
{
    (void)state;
    const char *const values[] = {"[NaN,1]",   "[1,Infinity]", "[1,-inf]",
                                  "[1,1e999]", "[1,]",         "[1,01]"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct fixture f;
        vector_init(&f, DTYPE_FP32);
        assert_int_equal(vector_parse(&f, 2, values[i]), ROOST_INVALID);
        assert_memory_equal(f.detail.text, "JSON: ", 6);
        assert_non_null(strstr(f.detail.text, " at byte "));
        fixture_fini(&f);
    }
}

static void matrix_init(struct fixture *f)
{
    fixture_init(f, 0);
    fixture_input(f, "x", DTYPE_INT32, SHAPE(-1, -1, -1));
    fixture_output(f, "y", DTYPE_FP32, SHAPE(-1));
}

#define MATRIX(shape, data)                                                                        \
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"INT32\",\"shape\":" shape ",\"data\":" data "}]}"

static void nested(void **state)
{
    (void)state;
    const int32_t expected[] = {1, 2, 3, 4, 5, 6};
    const char *const same[] = {
        MATRIX("[1,2,3]", "[1,2,3,4,5,6]"),
        MATRIX("[1,2,3]", "[[[1,2,3],[4,5,6]]]"),
        MATRIX("[3,2,1]", "[[[1],[2]],[[3],[4]],[[5],[6]]]"),
    };
    struct fixture f;
    matrix_init(&f);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        assert_int_equal(fixture_parse_json(&f, same[i]), ROOST_OK);
        assert_int_equal(f.request.inputs[0].bytes, sizeof(expected));
        assert_memory_equal(f.request.inputs[0].data, expected, sizeof(expected));
        assert_int_equal(f.allocations, 1);
    }
    assert_int_equal(fixture_parse_json(&f, MATRIX("[2,0,3]", "[[],[]]")), ROOST_OK);
    assert_int_equal(fixture_parse_json(&f, MATRIX("[2,0,3]", "[]")), ROOST_OK);
    assert_int_equal(fixture_parse_json(&f, MATRIX("[9223372036854775807,0,3]", "[]")), ROOST_OK);
    fixture_fini(&f);
}

static void nested_wrong(void **state)
{
    (void)state;
    struct fixture f;
    matrix_init(&f);
    refuse(&f, MATRIX("[1,2,3]", "[[[1,2,3],[4,5]]]"),
           "inputs[0].data[0][1]: has 2 elements, but the shape is [1,2,3]");
    refuse(&f, MATRIX("[1,2,3]", "[[1,2,3],[4,5,6]]"),
           "inputs[0].data: has 2 elements, but the shape is [1,2,3]");
    refuse(&f, MATRIX("[2,2,3]", "[[1,2,3,4,5,6],[1,2,3,4,5,6]]"),
           "inputs[0].data[0]: has 6 elements, but the shape is [2,2,3]");
    refuse(&f, MATRIX("[2,1,1]", "[[[1]],2]"),
           "inputs[0].data[1]: must be an array, not a number, in nested data");
    refuse(&f, MATRIX("[1,2,2]", "[[[1,2],[3,\"4\"]]]"),
           "inputs[0].data[0][1][1]: is a string, but INT32 wants an integer");
    refuse(&f, MATRIX("[1,1,1]", "[[[[1]]]]"),
           "inputs[0].data[0][0][0]: is an array, but INT32 wants an integer");
    refuse(&f, MATRIX("[2,3,4]", "[]"),
           "inputs[0].data: has 0 elements, but the shape [2,3,4] "
           "has 24");
    /* Nothing is allocated before the document is seen to hold that much. */
    refuse(&f, MATRIX("[1000000,1000000,1]", "[[[1]]]"),
           "inputs[0].data: has 1 elements, but the shape is [1000000,1000000,1]");
    refuse(&f, MATRIX("[4294967296,4294967296,1]", "[1]"),
           "inputs[0].shape: [4294967296,4294967296,1] is too large");
    assert_int_equal(f.allocations, 0);
    fixture_fini(&f);
}

static void deep_nesting(void **state)
{
    (void)state;
    struct fixture f;
    struct strbuf json;
    vector_init(&f, DTYPE_FP32);
    strbuf_init(&json);
    strbuf_puts(&json, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],"
                       "\"data\":");
    for (int i = 0; i < 100000; i++)
        strbuf_putc(&json, '[');
    for (int i = 0; i < 100000; i++)
        strbuf_putc(&json, ']');
    strbuf_puts(&json, "}]}");
    refuse(&f, strbuf_text(&json), "JSON: more than 64 levels deep at byte 121");
    strbuf_fini(&json);
    fixture_fini(&f);
}

/* Batched, with two inputs of which one is optional, and two outputs. */
static void pair_init(struct fixture *f)
{
    fixture_init(f, 4);
    fixture_input(f, "a", DTYPE_FP32, SHAPE(-1, 2));
    fixture_input(f, "b", DTYPE_INT64, SHAPE(-1, 1))->optional = true;
    fixture_output(f, "y", DTYPE_FP32, SHAPE(-1, 2));
    fixture_output(f, "z", DTYPE_FP16, SHAPE(-1));
    fixture_output(f, "s", DTYPE_BYTES, SHAPE(-1));
}

#define A    "{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[1,2,3,4]}"
#define B(n) "{\"name\":\"b\",\"datatype\":\"INT64\",\"shape\":[" n ",1],\"data\":[5,6]}"
#define Y    "\"outputs\":[{\"name\":\"y\"}]"

static void whole_request(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
    assert_int_equal(
        fixture_parse_json(
            &f, "{\"id\":\"r-1\",\"unknown\":[{}],\"model_name\":\"m\","
                "\"parameters\":{\"priority\":2,\"timeout\":1500,\"trace\":\"abc\","
                "\"n\":-3,\"f\":0.5,\"t\":true,\"u\":18446744073709551615,"
                "\"sequence_id\":7,\"sequence_start\":true,\"headers\":{\"a\":1},"
                "\"none\":null},"
                "\"inputs\":[" B(
                    "2") "," A "],"
                         "\"outputs\":[{\"name\":\"z\",\"parameters\":{\"binary_data\":true}},"
                         "{\"name\":\"y\",\"parameters\":{\"classification\":3}}]}"),
        ROOST_OK);
    const struct oip_request *r = &f.request;
    assert_true(r->has_id);
    assert_string_equal(r->id, "r-1");
    assert_int_equal(r->priority, 2);
    assert_int_equal(r->timeout_us, 1500);
    assert_int_equal(r->rows, 2);
    assert_int_equal(((const int64_t *)r->inputs[1].data)[1], 6);
    assert_float_equal(((const float *)r->inputs[0].data)[3], 4, 0);
    assert_int_equal(r->outputs_wanted, 2);
    assert_int_equal(r->output_order[0], 1);
    assert_int_equal(r->output_order[1], 0);
    assert_true(r->outputs[1].binary);
    assert_false(r->outputs[0].binary);
    assert_int_equal(r->outputs[0].classification, 3);
    assert_false(r->outputs[2].wanted);
    assert_int_equal(r->parameter_count, 5);
    assert_string_equal(r->parameters[0].key, "trace");
    assert_int_equal(r->parameters[0].type, OIP_STRING);
    assert_string_equal(r->parameters[0].text, "abc");
    assert_int_equal(r->parameters[1].type, OIP_INT);
    assert_int_equal(r->parameters[1].integer, -3);
    assert_int_equal(r->parameters[2].type, OIP_DOUBLE);
    assert_float_equal(r->parameters[2].number, 0.5, 0);
    assert_int_equal(r->parameters[3].type, OIP_BOOL);
    assert_true(r->parameters[3].boolean);
    assert_int_equal(r->parameters[4].type, OIP_DOUBLE);
    fixture_fini(&f);
}

static void defaults(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
    assert_int_equal(fixture_parse_json(&f, "{\"id\":null,\"inputs\":[" A "],\"parameters\":"
                                            "{\"binary_data_output\":true,"
                                            "\"timeout\":9223372036854775807},\"outputs\":[]}"),
                     ROOST_OK);
    assert_false(f.request.has_id);
    assert_int_equal(f.request.priority, 0);
    assert_true(f.request.timeout_us * 1000 / 1000 == f.request.timeout_us);
    assert_null(f.request.inputs[1].data);
    assert_null(f.request.keep);
    assert_int_equal(f.request.outputs_wanted, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f.request.output_order[i], i);
        assert_true(f.request.outputs[i].binary);
    }
    /* A second request does not see what the first one left behind. */
    assert_int_equal(fixture_parse_json(&f, "{" Y ",\"inputs\":[" A "]}"), ROOST_OK);
    assert_false(f.request.outputs[0].binary);
    assert_false(f.request.outputs[1].wanted);
    assert_int_equal(f.request.timeout_us, 0);
    fixture_fini(&f);
}

static void refused_document(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
    refuse(&f, "", "JSON: the text is empty");
    refuse(&f, "[]", "body: must be a JSON object, not an array");
    refuse(&f, "{}",
           "outputs: \"z\" is FP16, which JSON cannot carry; ask for it with "
           "binary_data: true");
    refuse(&f, "{" Y "}", "inputs: must be an array, not nothing");
    refuse(&f, "{" Y ",\"inputs\":{}}", "inputs: must be an array, not an object");
    refuse(&f, "{" Y ",\"inputs\":[]}", "inputs: \"a\" is missing");
    refuse(&f, "{" Y ",\"inputs\":[1]}", "inputs[0]: must be an object, not a number");
    refuse(&f, "{" Y ",\"inputs\":[" B("2") "]}", "inputs: \"a\" is missing");
    refuse(&f, "{" Y ",\"inputs\":[" A "," A "]}", "inputs[1].name: \"a\" was given already");
    refuse(&f, "{\"id\":7}", "id: must be a string, not a number");
    refuse(&f, "{\"id\":\"a\\u0000\"}", "id: must have at most 255 bytes and no NUL");
    char json[400];
    (void)snprintf(json, sizeof(json), "{\"id\":\"%0256d\"}", 0);
    refuse(&f, json, "id: must have at most 255 bytes and no NUL");
    (void)snprintf(json, sizeof(json), "{\"id\":\"%0255d\"," Y ",\"inputs\":[" A "]}", 0);
    assert_int_equal(fixture_parse_json(&f, json), ROOST_OK);
    assert_int_equal(strlen(f.request.id), 255);
    fixture_fini(&f);
}

static void refused_input(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
#define INPUT(members) "{" Y ",\"inputs\":[{" members "}]}"
    refuse(&f, INPUT(""), "inputs[0].name: must be a string, not nothing");
    refuse(&f, INPUT("\"name\":1"), "inputs[0].name: must be a string, not a number");
    refuse(&f, INPUT("\"name\":\"c\\n\""),
           "inputs[0].name: model \"m\" has no input \"c?\"; it has \"a\", \"b\"");
    refuse(&f, INPUT("\"name\":\"a\\u0000\""),
           "inputs[0].name: model \"m\" has no input \"a?\"; it has \"a\", \"b\"");
    refuse(&f, INPUT("\"name\":\"a\""), "inputs[0].datatype: must be a string, not nothing");
    refuse(&f, INPUT("\"name\":\"a\",\"datatype\":\"INT8\""),
           "inputs[0].datatype: INT8, but \"a\" is FP32");
#define TYPED(members) INPUT("\"name\":\"a\",\"datatype\":\"FP32\"," members)
    refuse(&f, TYPED("\"data\":[1]"), "inputs[0].shape: must be an array, not nothing");
    refuse(&f, TYPED("\"shape\":[1,-2]"), "inputs[0].shape[1]: must be an integer of at least 0");
    refuse(&f, TYPED("\"shape\":[1.0,2]"), "inputs[0].shape[0]: must be an integer of at least 0");
    refuse(&f, TYPED("\"shape\":[9223372036854775808,2]"),
           "inputs[0].shape[0]: must be an integer of at least 0");
    refuse(&f, TYPED("\"shape\":[1,1,1,1,1,1,1,1,1]"),
           "inputs[0].shape: has 9 dimensions, at most 8 are possible");
    refuse(&f, TYPED("\"shape\":[2]"), "inputs[0].shape: [2], but \"a\" has 2 dimensions: [-1,2]");
    refuse(&f, TYPED("\"shape\":[1,3]"), "inputs[0].shape[1]: 3, but \"a\" has the shape [-1,2]");
    refuse(&f, TYPED("\"shape\":[0,2],\"data\":[]"),
           "inputs[0].shape[0]: a batch has at least one row");
    refuse(&f, TYPED("\"shape\":[5,2],\"data\":[]"),
           "inputs[0].shape[0]: 5 rows, but the model takes at most 4");
    refuse(&f, TYPED("\"shape\":[1,2]"),
           "inputs[0].data: is missing, and there is no parameters.binary_data_size either");
    refuse(&f, TYPED("\"shape\":[1,2],\"data\":null,\"parameters\":3"),
           "inputs[0].parameters: must be an object, not a number");
    refuse(&f, TYPED("\"shape\":[1,2],\"data\":[1,2],\"parameters\":{\"binary_data_size\":8}"),
           "inputs[0]: has both data and parameters.binary_data_size");
    refuse(&f, TYPED("\"shape\":[1,2],\"parameters\":{\"binary_data_size\":-8}"),
           "inputs[0].parameters.binary_data_size: must be an integer of at least 0");
    refuse(&f, TYPED("\"shape\":[1,2],\"parameters\":{\"binary_data_size\":8}"),
           "inputs[0].parameters.binary_data_size: 8, but 0 bytes are left in the body; the "
           "header Inference-Header-Content-Length is missing");
    fixture_refuse_json(&f,
                        TYPED("\"shape\":[1,2],\"parameters\":{\"shared_memory_region\":\"r\","
                              "\"shared_memory_byte_size\":8}"),
                        ROOST_UNSUPPORTED,
                        "inputs[0].parameters.shared_memory_region: shared memory is not "
                        "supported; send the data in the body");
    refuse(&f, "{" Y ",\"inputs\":[" A "," B("3") "]}",
           "inputs[1].shape[0]: 3 rows, but \"a\" has 2");
    fixture_fini(&f);
}

static void refused_output(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
#define OUTPUTS(text) "{\"inputs\":[" A "],\"outputs\":" text "}"
    refuse(&f, OUTPUTS("7"), "outputs: must be an array, not a number");
    refuse(&f, OUTPUTS("[7]"), "outputs[0]: must be an object, not a number");
    refuse(&f, OUTPUTS("[{}]"), "outputs[0].name: must be a string, not nothing");
    refuse(&f, OUTPUTS("[{\"name\":\"w\"}]"),
           "outputs[0].name: model \"m\" has no output \"w\"; it has \"y\", \"z\", \"s\"");
    refuse(&f, OUTPUTS("[{\"name\":\"y\"},{\"name\":\"y\"}]"),
           "outputs[1].name: \"y\" was asked for already");
    refuse(&f, OUTPUTS("[{\"name\":\"y\",\"parameters\":[]}]"),
           "outputs[0].parameters: must be an object, not an array");
    refuse(&f, OUTPUTS("[{\"name\":\"y\",\"parameters\":{\"binary_data\":1}}]"),
           "outputs[0].parameters.binary_data: must be true or false");
    refuse(&f, OUTPUTS("[{\"name\":\"y\",\"parameters\":{\"classification\":-1}}]"),
           "outputs[0].parameters.classification: must be an integer of at least 0");
    refuse(&f, OUTPUTS("[{\"name\":\"s\",\"parameters\":{\"classification\":1}}]"),
           "outputs[0].parameters.classification: \"s\" is BYTES, which cannot be ranked");
    refuse(&f, OUTPUTS("[{\"name\":\"z\"}]"),
           "outputs[0]: \"z\" is FP16, which JSON cannot carry; ask for it with binary_data: true");
    fixture_refuse_json(
        &f, OUTPUTS("[{\"name\":\"y\",\"parameters\":{\"shared_memory_region\":\"r\"}}]"),
        ROOST_UNSUPPORTED,
        "outputs[0].parameters.shared_memory_region: shared memory is not supported");
    /* As much as is there. */
    assert_int_equal(
        fixture_parse_json(&f, OUTPUTS("[{\"name\":\"y\",\"parameters\":{\"classification\":"
                                       "9223372036854775807}}]")),
        ROOST_OK);
    assert_int_equal(f.request.outputs[0].classification, UINT32_MAX);
    fixture_fini(&f);
}

static void refused_parameters(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
#define PARAMETERS(text) "{\"parameters\":" text "}"
    refuse(&f, PARAMETERS("[]"), "parameters: must be an object, not an array");
    refuse(&f, PARAMETERS("{\"priority\":-1}"),
           "parameters.priority: must be an integer of at least 0");
    refuse(&f, PARAMETERS("{\"timeout\":1.5}"),
           "parameters.timeout: must be an integer of at least 0");
    refuse(&f, PARAMETERS("{\"binary_data_output\":1}"),
           "parameters.binary_data_output: must be true or false");
    refuse(&f, PARAMETERS("{\"ok\":\"text\",\"triton_x\":true}"),
           "parameters.triton_x: names that begin with \"triton_\" are reserved");
    refuse(&f, PARAMETERS("{\"a\":[1]}"),
           "parameters.a: must be a string, a number or a boolean, not an array");
    refuse(&f, PARAMETERS("{\"a\":\"x\\u0000y\"}"), "parameters.a: contains a NUL");
    refuse(&f, PARAMETERS("{\"timeout\\u0000\":1}"), "parameters.timeout?: contains a NUL");
    struct strbuf json;
    strbuf_init(&json);
    strbuf_puts(&json, "{\"parameters\":{");
    for (int i = 0; i <= OIP_PARAMETERS_MAX; i++)
        strbuf_printf(&json, "%s\"p%d\":%d", i > 0 ? "," : "", i, i);
    strbuf_puts(&json, "}}");
    refuse(&f, strbuf_text(&json), "parameters: more than 32 custom parameters");
    strbuf_reset(&json);
    strbuf_printf(&json, "{\"parameters\":{\"a\":\"%0*d\"}}", OIP_PARAMETER_BYTES_MAX, 0);
    refuse(&f, strbuf_text(&json), "parameters: more than 16384 bytes of text");
    strbuf_fini(&json);
    fixture_fini(&f);
}

static void split(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    fixture_input(&f, "x", DTYPE_UINT8, SHAPE(-1, 1));
    fixture_output(&f, "y", DTYPE_UINT8, SHAPE(-1));
    const char *json = "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"UINT8\",\"shape\":[3,1],"
                       "\"data\":[[1],[2],[3]]}]}";
    refuse(&f, json, "inputs[0].shape[0]: 3 rows, but the model takes at most 2");
    f.split_allowed = true;
    assert_int_equal(fixture_parse_json(&f, json), ROOST_OK);
    assert_int_equal(f.request.rows, 3);
    fixture_fini(&f);
}

static void scalars(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    fixture_input(&f, "x", DTYPE_FP32, (struct shape){.rank = 0});
    fixture_output(&f, "y", DTYPE_FP32, (struct shape){.rank = 0});
    assert_int_equal(fixture_parse_json(&f, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\","
                                            "\"shape\":[],\"data\":[2.5]}]}"),
                     ROOST_OK);
    assert_float_equal(*(const float *)f.request.inputs[0].data, 2.5, 0);
    assert_int_equal(f.request.rows, 1);
    fixture_fini(&f);
}

/* Each allocation is refused in turn; what was given before stays the caller's. */
static void budget(void **state)
{
    (void)state;
    struct fixture f;
    pair_init(&f);
    const char *json = "{" Y ",\"inputs\":[" A "," B("2") "],\"parameters\":{\"k\":\"v\"}}";
    f.fail_at = 1;
    fixture_refuse_json(&f, json, ROOST_OVERLOADED, "inputs[0]: no room for 16 bytes");
    f.fail_at = 2;
    f.fail_as = ROOST_TOO_LARGE;
    fixture_refuse_json(&f, json, ROOST_TOO_LARGE, "inputs[1]: no room for 16 bytes");
    assert_int_equal(f.block_count, 1);
    f.fail_at = 3;
    assert_int_equal(fixture_parse_json(&f, json), ROOST_OK);
    assert_int_equal(f.allocations, 2);
    fixture_fini(&f);
}

static void many_names(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    for (int i = 0; i < MODEL_TENSORS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "a_rather_long_name_%d", i);
        fixture_input(&f, name, DTYPE_FP32, SHAPE(1));
    }
    refuse(&f,
           "{\"inputs\":[{\"name\":\"0123456789012345678901234567890123456789012345678901234567"
           "8901234567890123456789\"}]}",
           "inputs[0].name: model \"m\" has no input \"0123456789012345678901234567890123456789012"
           "3456789012345678901234567...\"; it has \"a_rather_long_name_0\", "
           "\"a_rather_long_name_1\", \"a_rather_long_name_2\", \"a_rather_long_name_3\", "
           "\"a_rather_long_name_4\", \"a_rather_long_name_5\", \"a_rather_long_name_6\", "
           "\"a_rather_long_name_7\", ...");
    fixture_fini(&f);
}

static void lengths(void **state)
{
    (void)state;
    uint64_t length = 7;
    struct detail detail;
    assert_int_equal(oip_parse_length("0", &length, NULL), ROOST_OK);
    assert_int_equal(length, 0);
    assert_int_equal(oip_parse_length("18446744073709551615", &length, NULL), ROOST_OK);
    assert_true(length == UINT64_MAX);
    assert_int_equal(oip_parse_length("18446744073709551616", &length, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, "the length 18446744073709551616 is too large");
    const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1,2"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(oip_parse_length(wrong[i], &length, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, "\"1,2\" is not a length in bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype),
        cmocka_unit_test(no_elements),
        cmocka_unit_test(half_precision_is_binary),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(nested),
        cmocka_unit_test(nested_wrong),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(whole_request),
        cmocka_unit_test(defaults),
        cmocka_unit_test(refused_document),
        cmocka_unit_test(refused_input),
        cmocka_unit_test(refused_output),
        cmocka_unit_test(refused_parameters),
        cmocka_unit_test(split),
        cmocka_unit_test(scalars),
        cmocka_unit_test(budget),
        cmocka_unit_test(many_names),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
