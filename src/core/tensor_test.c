/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SHAPE(...)                                                                                 \
    (struct shape)                                                                                 \
    {                                                                                              \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }        \
    }

static void names_go_there_and_back(void **state)
{
    (void)state;
    for (int i = DTYPE_INVALID + 1; i < DTYPE_COUNT; i++) {
        enum dtype dtype = (enum dtype)i;
        assert_int_equal(dtype_parse(dtype_name(dtype)), dtype);
        assert_int_equal(dtype_parse_config(dtype_config_name(dtype)), dtype);
    }
    assert_string_equal(dtype_name(DTYPE_BYTES), "BYTES");
    assert_string_equal(dtype_config_name(DTYPE_BYTES), "TYPE_STRING");
    assert_string_equal(dtype_config_name(DTYPE_BF16), "TYPE_BF16");
    assert_int_equal(dtype_bytes(DTYPE_FP64), 8);
    assert_int_equal(dtype_bytes(DTYPE_BYTES), 0);
}

static void foreign_names_and_codes_are_invalid(void **state)
{
    (void)state;
    static const char *const names[] = {"", "INVALID", "fp32", "FP32 ", "TYPE_FP32", "FLOAT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(dtype_parse(names[i]), DTYPE_INVALID);
    assert_int_equal(dtype_parse_config("TYPE_BYTES"), DTYPE_INVALID);
    assert_int_equal(dtype_parse_config("TYPE_INVALID"), DTYPE_INVALID);
    assert_int_equal(dtype_parse_config("FP32"), DTYPE_INVALID);
    assert_string_equal(dtype_name((enum dtype)77), "INVALID");
    assert_int_equal(dtype_bytes((enum dtype)77), 0);
}

static void elements_are_counted_without_overflow(void **state)
{
    (void)state;
    uint64_t elements = 7;
    struct shape scalar = {0};
    assert_true(shape_elements(&scalar, &elements));
    assert_int_equal(elements, 1);
    assert_true(shape_elements(&SHAPE(2, 3, 4), &elements));
    assert_int_equal(elements, 24);
    assert_true(shape_elements(&SHAPE(INT64_MAX, INT64_MAX, 0), &elements));
    assert_int_equal(elements, 0);
    assert_true(shape_elements(&SHAPE(INT64_MAX, 2), &elements));
    assert_true(elements == (uint64_t)INT64_MAX * 2);

    elements = 7;
    assert_false(shape_elements(&SHAPE(INT64_MAX, 3), &elements));
    assert_false(shape_elements(&SHAPE(0, -1), &elements));
    assert_false(shape_elements(&SHAPE(-5), &elements));
    struct shape deep = {.rank = TENSOR_RANK_MAX + 1};
    assert_false(shape_elements(&deep, &elements));
    assert_int_equal(elements, 7);
}

static void shapes_compare_and_match(void **state)
{
    (void)state;
    assert_true(shape_equal(&SHAPE(-1, 3), &SHAPE(-1, 3)));
    assert_false(shape_equal(&SHAPE(1, 3), &SHAPE(-1, 3)));
    assert_false(shape_equal(&SHAPE(1, 3), &SHAPE(1, 3, 1)));
    assert_true(shape_matches(&SHAPE(-1, 3), &SHAPE(0, 3)));
    assert_true(shape_matches(&SHAPE(-1, 3), &SHAPE(9, 3)));
    assert_false(shape_matches(&SHAPE(-1, 3), &SHAPE(9, 4)));
    assert_false(shape_matches(&SHAPE(-1, 3), &SHAPE(-1, 3)));
    assert_false(shape_matches(&SHAPE(-1, 3), &SHAPE(3)));
    struct shape deep = {.rank = TENSOR_RANK_MAX + 1};
    assert_false(shape_matches(&deep, &deep));
    assert_false(shape_equal(&deep, &deep));
}

static void shapes_are_written(void **state)
{
    (void)state;
    char text[64];
    struct shape scalar = {0};
    assert_string_equal(shape_format(&scalar, text, sizeof(text)), "[]");
    assert_string_equal(shape_format(&SHAPE(1, -1, 224), text, sizeof(text)), "[1,-1,224]");
    assert_string_equal(shape_format(&SHAPE(1, 2, 3, 4, 5, 6, 7, 8), text, sizeof(text)),
                        "[1,2,3,4,5,6,7,8]");
    /* Every length of buffer gives a terminated prefix. */
    for (size_t bytes = 1; bytes <= 11; bytes++) {
        memset(text, 'x', sizeof(text));
        (void)shape_format(&SHAPE(1, -1, 224), text, bytes);
        assert_int_equal(strlen(text), bytes - 1);
        assert_memory_equal(text, "[1,-1,224]", bytes - 1);
        assert_int_equal(text[bytes], 'x');
    }
    assert_ptr_equal(shape_format(&scalar, text, 0), text);
}

static void blobs_of_strings_are_checked(void **state)
{
    (void)state;
    static const char two[] = "\x02\0\0\0ab\0\0\0\0";
    assert_true(tensor_bytes_valid(two, 10, 2));
    assert_false(tensor_bytes_valid(two, 10, 1));
    assert_false(tensor_bytes_valid(two, 10, 3));
    for (size_t cut = 0; cut < 10; cut++)
        assert_false(tensor_bytes_valid(two, cut, 2));
    static const char huge[] = "\xff\xff\xff\xff"
                               "ab";
    assert_false(tensor_bytes_valid(huge, 6, 1));
    assert_true(tensor_bytes_valid(NULL, 0, 0));
    assert_false(tensor_bytes_valid(NULL, 0, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_there_and_back),
        cmocka_unit_test(foreign_names_and_codes_are_invalid),
        cmocka_unit_test(elements_are_counted_without_overflow),
        cmocka_unit_test(shapes_compare_and_match),
        cmocka_unit_test(shapes_are_written),
        cmocka_unit_test(blobs_of_strings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
