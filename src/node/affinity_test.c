/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/affinity.h"

static void test_parse_and_format(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
        unsigned count;
    } cases[] = {
        {"", "", 0},
        {"0", "0", 1},
        {"0-3,8", "0-3,8", 5},
        {"3,1,2", "1-3", 3},
        {"1023", "1023", 1},
        {" 0 , 2-2 \n", "0,2", 2},
        {"0-1023", "0-1023", 1024},
        {"63-64", "63-64", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cpus cpus;
        char text[64];
        assert_int_equal(cpus_parse(cases[i].text, &cpus, NULL), ROOST_OK);
        assert_int_equal(cpus_count(&cpus), cases[i].count);
        assert_string_equal(cpus_format(&cpus, text, sizeof text), cases[i].formatted);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const cases[] = {"a",     "1,",          ",1",  "3-1", "1-",
                                        "-1",    "1024",        "1 2", "0x1", "1,,2",
                                        "1-2-3", "99999999999", "+1",  "1-a", "1;2"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cpus cpus = {{7}};
        struct detail detail = {""};
        assert_int_equal(cpus_parse(cases[i], &cpus, &detail), ROOST_INVALID);
        assert_non_null(strstr(detail.text, cases[i]));
        assert_int_equal(cpus.mask[0], 7); /* untouched */
    }
}

static void test_format_is_cut_at_a_comma(void **state)
{
    (void)state;
    struct cpus cpus;
    char text[8];
    assert_int_equal(cpus_parse("100,200,300", &cpus, NULL), ROOST_OK);
    assert_string_equal(cpus_format(&cpus, text, sizeof text), "100,200");
    assert_string_equal(cpus_format(&cpus, text, 7), "100");
    assert_string_equal(cpus_format(&cpus, text, 1), "");
}

static void test_set_and_get(void **state)
{
    (void)state;
    struct cpus all, one = {{0}}, seen;
    struct detail detail = {""};
    assert_int_equal(affinity_get(0, &all, &detail), ROOST_OK);
    assert_false(cpus_empty(&all));
    unsigned first = 0;
    while (!cpus_has(&all, first))
        first++;
    cpus_add(&one, first);
    assert_int_equal(affinity_set(0, &one, &detail), ROOST_OK);
    assert_int_equal(affinity_get(0, &seen, &detail), ROOST_OK);
    assert_memory_equal(&seen, &one, sizeof one);
    struct cpus none = {{0}};
    assert_int_equal(affinity_set(0, &none, &detail), ROOST_OK);
    assert_int_equal(affinity_get(0, &seen, &detail), ROOST_OK);
    assert_memory_equal(&seen, &one, sizeof one);
    assert_int_equal(affinity_set(0, &all, &detail), ROOST_OK);
}

static void test_cpus_that_are_not_there(void **state)
{
    (void)state;
    struct cpus far = {{0}};
    struct detail detail = {""};
    cpus_add(&far, NODE_CPUS_MAX - 1);
    assert_int_equal(affinity_set(0, &far, &detail), ROOST_INVALID);
    assert_non_null(strstr(detail.text, "1023"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),         cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_format_is_cut_at_a_comma), cmocka_unit_test(test_set_and_get),
        cmocka_unit_test(test_cpus_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
