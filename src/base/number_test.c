/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <string.h>

#include "base/test.h"
#include "base/yaml.h"

struct bytes_case {
    const char *text;
    uint64_t bytes;
};

static void sizes_parse(void **state)
{
    (void)state;
    static const struct bytes_case cases[] = {
        {"1024", 1024},
        {"0", 0},
        {"7 B", 7},
        {"512 MiB", UINT64_C(512) << 20},
        {"2GB", UINT64_C(2000000000)},
        {"1.5 KiB", 1536},
        {"1 kB", 1000},
        {"1 KB", 1000},
        {"3TiB", UINT64_C(3) << 40},
        {"1TB", UINT64_C(1000000000000)},
        {"18446744073709551615", UINT64_MAX},
        {"0.5", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 42;
        assert_int_equal(bytes_parse(cases[i].text, &bytes), 0);
        assert_int_equal(bytes, cases[i].bytes);
    }
    static const char *const bad[] = {"",        "MiB",          "1 mb", "-1",
                                      "1 MiB/s", "1 Mi",         "1e6",  "0x10",
                                      "1 2 MiB", "16777216 TiB", "1.",   "18446744073709551616"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 42;
        assert_int_equal(bytes_parse(bad[i], &bytes), -1);
        assert_int_equal(bytes, 42);
    }
}

static void sizes_format(void **state)
{
    (void)state;
    static const struct bytes_case cases[] = {
        {"0 B", 0},
        {"1023 B", 1023},
        {"1 KiB", 1024},
        {"1.50 KiB", 1536},
        {"512 MiB", UINT64_C(512) << 20},
        {"5 TiB", UINT64_C(5) << 40},
        {"1024 TiB", UINT64_C(1) << 50},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        assert_string_equal(bytes_format(cases[i].bytes, text, sizeof(text)), cases[i].text);
    }
}

static void integers_parse(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_int_equal(number_parse_int("9223372036854775807", &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(number_parse_int("-9223372036854775808", &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(number_parse_int("+0x1F", &value), 0);
    assert_int_equal(value, 31);
    assert_int_equal(number_parse_int("0o17", &value), 0);
    assert_int_equal(value, 15);
    assert_int_equal(number_parse_int("007", &value), 0);
    assert_int_equal(value, 7);
    static const char *const bad[] = {"",
                                      "-",
                                      "0x",
                                      "0o8",
                                      "1.0",
                                      "1e3",
                                      " 1",
                                      "1 ",
                                      "--1",
                                      "1_000",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "0xg",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(number_parse_int(bad[i], &value), -1);
}

static void doubles_parse(void **state)
{
    (void)state;
    static const char *const good[] = {"1", "-1.5", "+.5", "5.", "1e3", "1E-3", "0.1e+2"};
    static const double values[] = {1, -1.5, 0.5, 5, 1000, 0.001, 10};
    double value = 0;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(number_parse_double(good[i], &value), 0);
        assert_true(value >= values[i] && value <= values[i]);
    }
    static const char *const bad[] = {"",      ".",  "-",  "e3",  "1e",    "nan",   "inf", ".inf",
                                      "0x1p3", "1 ", " 1", "1,5", "1e999", "1.5.2", "- 1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(number_parse_double(bad[i], &value), -1);
}

static void bounds(void **state)
{
    (void)state;
    char text[NUMBER_BOUNDS_BYTES_MAX];
    struct number_bounds none = {0, 0};
    struct number_bounds both = {1, 64};
    struct number_bounds from = {1e6, 0};
    struct number_bounds below = {-5, 0};
    assert_true(number_in_bounds(-1e300, none));
    assert_true(number_in_bounds(1, both) && number_in_bounds(64, both));
    assert_false(number_in_bounds(0.5, both) || number_in_bounds(64.5, both));
    assert_true(number_in_bounds(1e300, from));
    assert_false(number_in_bounds(5, from));
    assert_true(number_in_bounds(0, below));
    assert_false(number_in_bounds(1, below));
    assert_string_equal(number_bounds_format(both, NUMBER_PLAIN, text, sizeof(text)),
                        "between 1 and 64");
    assert_string_equal(number_bounds_format(from, NUMBER_DURATION, text, sizeof(text)),
                        "at least 1.00 ms");
    assert_string_equal(number_bounds_format(both, NUMBER_BYTES, text, sizeof(text)),
                        "between 1 B and 64 B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_parse),    cmocka_unit_test(sizes_format),
        cmocka_unit_test(integers_parse), cmocka_unit_test(doubles_parse),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
