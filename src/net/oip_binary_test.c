/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose tensors are bytes: behind the JSON, or the whole body. */
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "net/oip_fixture.h"

#define X(dtype, shape, bytes)                                                                     \
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"" dtype "\",\"shape\":" shape                     \
    ",\"parameters\":{\"binary_data_size\":" #bytes "}}]}"

static void vector_init(struct fixture *f, enum dtype dtype)
{
    fixture_init(f, 0);
    fixture_input(f, "x", dtype, SHAPE(-1));
    fixture_output(f, "y", DTYPE_FP32, SHAPE(-1));
}

static void refuse(struct fixture *f, const char *json, const void *blobs, size_t bytes,
                   const char *text)
{
    fixture_refuse_binary(f, json, blobs, bytes, ROOST_INVALID, text);
}

static enum roost_err parse_raw(struct fixture *f, const void *data, size_t bytes)
{
    struct oip_body body = {
        .data = data, .bytes = bytes, .has_header_length = true, .header_length = 0};
    return fixture_parse(f, &body);
}

static void every_dtype(void **state)
{
    (void)state;
    for (int i = DTYPE_BOOL; i < DTYPE_COUNT; i++) {
        struct fixture f;
        enum dtype dtype = (enum dtype)i;
        char json[256];
        static const char ones[17] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        static const char strings[12] = "\1\0\0\0a\2\0\0\0b";
        size_t bytes = dtype == DTYPE_BYTES ? sizeof(strings) - 1 : 2 * dtype_bytes(dtype);
        const char *blob = dtype == DTYPE_BYTES ? strings : ones;
        vector_init(&f, dtype);
        (void)snprintf(json, sizeof(json),
                       "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"%s\",\"shape\":[2],"
                       "\"parameters\":{\"binary_data_size\":%zu}}]}",
                       dtype_name(dtype), bytes);
        assert_int_equal(fixture_parse_binary(&f, json, blob, bytes, 0), ROOST_OK);
        assert_int_equal(f.allocations, 0);
        assert_int_equal(f.request.inputs[0].bytes, bytes);
        assert_memory_equal(f.request.inputs[0].data, blob, bytes);
        /* A byte too few or too many in the body, or in what the JSON says. */
        assert_int_equal(fixture_parse_binary(&f, json, blob, bytes - 1, 0), ROOST_INVALID);
        assert_int_equal(fixture_parse_binary(&f, json, blob, bytes + 1, 0), ROOST_INVALID);
        fixture_fini(&f);
    }
}

/* In place where it is aligned, else one copy. */
static void alignment(void **state)
{
    (void)state;
    static const int64_t numbers[2] = {-1, INT64_MAX};
    struct fixture f;
    vector_init(&f, DTYPE_INT64);
    for (size_t skew = 0; skew < 64; skew++) {
        assert_int_equal(fixture_parse_binary(&f, X("INT64", "[2]", 16), numbers, 16, skew),
                         ROOST_OK);
        assert_int_equal(f.allocations, skew % 8 == 0 ? 0 : 1);
        assert_int_equal((uintptr_t)f.request.inputs[0].data % 8, 0);
        assert_memory_equal(f.request.inputs[0].data, numbers, 16);
    }
    f.fail_at = 1;
    assert_int_equal(fixture_parse_binary(&f, X("INT64", "[2]", 16), numbers, 16, 4),
                     ROOST_OVERLOADED);
    fixture_fini(&f);
    vector_init(&f, DTYPE_BYTES);
    assert_int_equal(fixture_parse_binary(&f, X("BYTES", "[1]", 6), "\2\0\0\0\0a", 6, 3), ROOST_OK);
    assert_int_equal(f.allocations, 0);
    fixture_fini(&f);
}

static void empty_blobs(void **state)
{
    (void)state;
    struct fixture f;
    vector_init(&f, DTYPE_FP32);
    assert_int_equal(fixture_parse_binary(&f, X("FP32", "[0]", 0), "", 0, 0), ROOST_OK);
    assert_non_null(f.request.inputs[0].data);
    assert_int_equal(f.request.inputs[0].bytes, 0);
    /* Without any blob the header with the length of the JSON is not needed. */
    assert_int_equal(fixture_parse_json(&f, X("FP32", "[0]", 0)), ROOST_OK);
    fixture_fini(&f);
}

/* Blobs come in the request's order, JSON inputs have none, and the model's order is another. */
static void several(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 8);
    fixture_input(&f, "a", DTYPE_UINT8, SHAPE(-1, 2));
    fixture_input(&f, "b", DTYPE_UINT8, SHAPE(-1, 1));
    fixture_input(&f, "c", DTYPE_UINT8, SHAPE(-1, 1));
    fixture_output(&f, "y", DTYPE_FP32, SHAPE(-1));
    const char *json = "{\"inputs\":["
                       "{\"name\":\"c\",\"datatype\":\"UINT8\",\"shape\":[1,1],"
                       "\"parameters\":{\"binary_data_size\":1}},"
                       "{\"name\":\"b\",\"datatype\":\"UINT8\",\"shape\":[1,1],\"data\":[9]},"
                       "{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[1,2],"
                       "\"parameters\":{\"binary_data_size\":2}}]}";
    assert_int_equal(fixture_parse_binary(&f, json, "\1\2\3", 3, 0), ROOST_OK);
    assert_memory_equal(f.request.inputs[0].data, "\2\3", 2);
    assert_memory_equal(f.request.inputs[1].data, "\11", 1);
    assert_memory_equal(f.request.inputs[2].data, "\1", 1);
    refuse(&f, json, "\1\2", 2,
           "inputs[2].parameters.binary_data_size: 2, but 1 bytes are left in the body");
    fixture_fini(&f);
}

static void refused(void **state)
{
    (void)state;
    struct fixture f;
    vector_init(&f, DTYPE_FP32);
    refuse(&f, X("FP32", "[3]", 8), "12345678", 8,
           "inputs[0].parameters.binary_data_size: 8, but FP32 of shape [3] has 12 bytes");
    refuse(&f, X("FP32", "[2]", 8), "1234567", 7,
           "inputs[0].parameters.binary_data_size: 8, but 7 bytes are left in the body");
    refuse(&f, X("FP32", "[2]", 8), "123456789", 9,
           "body: unexpected additional input data: 1 bytes after the last tensor");
    refuse(&f, X("FP32", "[4611686018427387904]", 0), "", 0,
           "inputs[0].parameters.binary_data_size: 0, but FP32 of shape [4611686018427387904] has "
           "18446744073709551615 bytes");
    refuse(&f, X("FP32", "[1]", 9223372036854775808), "", 0,
           "inputs[0].parameters.binary_data_size: must be an integer of at least 0");
    struct oip_body body = {
        .data = "{}", .bytes = 2, .has_header_length = true, .header_length = 3};
    assert_int_equal(fixture_parse(&f, &body), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "Inference-Header-Content-Length: 3, but the body has 2 bytes");
    body.header_length = UINT64_MAX;
    assert_int_equal(fixture_parse(&f, &body), ROOST_INVALID);
    body.header_length = 1;
    assert_int_equal(fixture_parse(&f, &body), ROOST_INVALID);
    assert_non_null(
        strstr(f.detail.text, "the first 1 bytes (Inference-Header-Content-Length): JSON: "));
    fixture_fini(&f);

    vector_init(&f, DTYPE_BOOL);
    refuse(&f, X("BOOL", "[3]", 3), "\0\1\2", 3,
           "inputs[0]: element 2 of its binary data is 2, but a BOOL is 0 or 1");
    fixture_fini(&f);

    vector_init(&f, DTYPE_BYTES);
    refuse(&f, X("BYTES", "[2]", 5), "\1\0\0\0a", 5,
           "inputs[0]: its 5 bytes of binary data are not 2 elements, each after its length");
    refuse(&f, X("BYTES", "[1]", 5), "\2\0\0\0a", 5,
           "inputs[0]: its 5 bytes of binary data are not 1 elements, each after its length");
    refuse(&f, X("BYTES", "[1]", 4), "\xFF\xFF\xFF\xFF", 4,
           "inputs[0]: its 4 bytes of binary data are not 1 elements, each after its length");
    fixture_fini(&f);
}

static void raw(void **state)
{
    (void)state;
    _Alignas(8) static const char data[12] = "abcdefghijkl";
    struct fixture f;
    fixture_init(&f, 4);
    fixture_input(&f, "x", DTYPE_INT16, SHAPE(-1, -1, 2));
    fixture_output(&f, "y", DTYPE_FP16, SHAPE(-1));
    assert_int_equal(parse_raw(&f, data, 12), ROOST_OK);
    struct shape expected = SHAPE(1, 3, 2);
    assert_true(shape_equal(&f.request.inputs[0].shape, &expected));
    assert_ptr_equal(f.request.inputs[0].data, data);
    assert_int_equal(f.request.rows, 1);
    assert_true(f.request.outputs[0].binary);
    assert_int_equal(f.request.outputs_wanted, 1);
    assert_int_equal(parse_raw(&f, data, 0), ROOST_OK);
    assert_int_equal(f.request.inputs[0].shape.dims[1], 0);
    assert_int_equal(parse_raw(&f, data, 10), ROOST_INVALID);
    assert_string_equal(
        f.detail.text,
        "body: 10 bytes of raw data, but INT16 of shape [-1,-1,2] has a multiple of 4 bytes");
    f.io.inputs[0].shape = SHAPE(-1, 3, 2);
    assert_int_equal(parse_raw(&f, data, 12), ROOST_OK);
    assert_int_equal(parse_raw(&f, data, 8), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "body: 8 bytes of raw data, but INT16 of shape [-1,3,2] has 12 bytes");
    f.io.inputs[0].shape = SHAPE(-1, -1, -1);
    assert_int_equal(parse_raw(&f, data, 8), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "body: \"x\" has more than one variable dimension ([-1,-1,-1]), so its "
                        "shape cannot be told from raw data");
    f.io.inputs[0].shape = SHAPE(-1, -1, 0);
    assert_int_equal(parse_raw(&f, data, 8), ROOST_INVALID);
    assert_int_equal(parse_raw(&f, data, 0), ROOST_OK);
    fixture_input(&f, "x2", DTYPE_INT16, SHAPE(-1, 2));
    assert_int_equal(parse_raw(&f, data, 8), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "body: raw data needs a model with one input, but \"m\" has 2");
    fixture_fini(&f);
}

static void raw_string(void **state)
{
    (void)state;
    struct fixture f;
    vector_init(&f, DTYPE_BYTES);
    assert_int_equal(parse_raw(&f, "a\0b", 3), ROOST_OK);
    assert_int_equal(f.request.inputs[0].bytes, 7);
    assert_memory_equal(f.request.inputs[0].data, "\3\0\0\0a\0b", 7);
    assert_int_equal(parse_raw(&f, "", 0), ROOST_OK);
    assert_memory_equal(f.request.inputs[0].data, "\0\0\0\0", 4);
    f.fail_at = 1;
    assert_int_equal(parse_raw(&f, "a", 1), ROOST_OVERLOADED);
    f.io.inputs[0].shape = SHAPE(2);
    assert_int_equal(parse_raw(&f, "a", 1), ROOST_INVALID);
    assert_string_equal(f.detail.text,
                        "body: raw data is one element, but \"x\" has the shape [2]");
    fixture_fini(&f);
}

/* A multi-input request in which each allocation fails in turn. */
static void budget(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    fixture_input(&f, "a", DTYPE_BYTES, SHAPE(-1));
    fixture_input(&f, "b", DTYPE_FP64, SHAPE(-1));
    fixture_input(&f, "c", DTYPE_INT8, SHAPE(-1));
    fixture_output(&f, "y", DTYPE_FP32, SHAPE(-1));
    const char *json =
        "{\"inputs\":["
        "{\"name\":\"a\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"u\",\"v\"]},"
        "{\"name\":\"b\",\"datatype\":\"FP64\",\"shape\":[1],"
        "\"parameters\":{\"binary_data_size\":8}},"
        "{\"name\":\"c\",\"datatype\":\"INT8\",\"shape\":[2],\"data\":[1,2]}]}";
    unsigned failures = 0;
    enum roost_err err;
    do {
        f.fail_at = ++failures;
        err = fixture_parse_binary(&f, json, "12345678", 8, 1);
        assert_true(err == ROOST_OK || err == ROOST_OVERLOADED);
    } while (err != ROOST_OK);
    assert_int_equal(failures, 4);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype), cmocka_unit_test(alignment), cmocka_unit_test(empty_blobs),
        cmocka_unit_test(several),     cmocka_unit_test(refused),   cmocka_unit_test(raw),
        cmocka_unit_test(raw_string),  cmocka_unit_test(budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
