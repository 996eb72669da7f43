/* SPDX-License-Identifier: Apache-2.0 */
#include "load/trace.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"

static struct trace parsed(const char *text)
{
    struct trace trace;
    struct detail detail = {""};
    enum roost_err err = trace_parse(text, strlen(text), &trace, &detail);
    if (err != ROOST_OK)
        fail_msg("%s", detail.text);
    return trace;
}

static void assert_arrival(const struct trace *trace, size_t index, uint64_t at_ns, uint32_t batch)
{
    assert_true(index < trace->count);
    assert_true(trace->arrivals[index].at_ns == at_ns);
    assert_int_equal(trace->arrivals[index].batch, batch);
}

static void times_count_from_the_first(void **state)
{
    (void)state;
    struct trace trace = parsed("1700000000.5\n1700000000.500000001\n1700000002.5\n");
    assert_int_equal(trace.count, 3);
    assert_arrival(&trace, 0, 0, 0);
    assert_arrival(&trace, 1, 1, 0);
    assert_arrival(&trace, 2, 2 * NS_PER_S, 0);
    assert_true(trace_duration_ns(&trace) == 2 * NS_PER_S);
    assert_true(fabs(trace_rate(&trace) - 1.0) < 1e-9);
    trace_fini(&trace);
}

static void lines_may_look_in_many_ways(void **state)
{
    (void)state;
    struct trace trace = parsed("timestamp, batch\n"
                                "# a comment that may be as long as it likes to be, and longer "
                                "than any line of numbers would ever have a reason to become\n"
                                "\n"
                                "0\n"
                                "  0.5 , 8\r\n"
                                "600 ms\n"
                                "700ms,16\n"
                                "0.8 32\n"
                                "900 ms 64\n"
                                "1\t128\n"
                                "1,\n"
                                "2");
    assert_int_equal(trace.count, 9);
    assert_arrival(&trace, 0, 0, 0);
    assert_arrival(&trace, 1, 500 * NS_PER_MS, 8);
    assert_arrival(&trace, 2, 600 * NS_PER_MS, 0);
    assert_arrival(&trace, 3, 700 * NS_PER_MS, 16);
    assert_arrival(&trace, 4, 800 * NS_PER_MS, 32);
    assert_arrival(&trace, 5, 900 * NS_PER_MS, 64);
    assert_arrival(&trace, 6, NS_PER_S, 128);
    assert_arrival(&trace, 7, NS_PER_S, 0);
    assert_arrival(&trace, 8, 2 * NS_PER_S, 0);
    trace_fini(&trace);
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "holds no arrivals"},
        {"time\n", "holds no arrivals"},
        {"0\nx\n", "line 2: a time in seconds wanted, not \"x\""},
        {"0\n-1\n", "line 2: a time"},
        {"0\n1 kg\n", "line 2: a time"},
        {"2\n1\n", "line 2: times must not go back"},
        {"0,0\n", "line 1: a batch size is between 1 and 65536, not \"0\""},
        {"0,1.5\n", "line 1: a batch size"},
        {"0,99999999\n", "line 1: a batch size"},
        {"0,1,2\n", "line 1: a line holds a time and a batch size, nothing more"},
        {"0\n1e9\n", "line 2: a time"},
        {"99999999999999999999\n", "line 1: a time"},
        {"0\n"
         "1.00000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "00000000000000000000000000000000000000000000000000000000\n",
         "line 2: longer than"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace trace;
        struct detail detail = {""};
        const char *text = cases[i].text;
        assert_int_equal(trace_parse(text, strlen(text), &trace, &detail), ROOST_INVALID);
        if (strstr(detail.text, cases[i].reason) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", detail.text, cases[i].reason);
        assert_null(trace.arrivals);
        assert_int_equal(trace.count, 0);
    }
    struct trace trace;
    struct detail detail;
    assert_int_equal(trace_parse("0\0\n", 3, &trace, &detail), ROOST_INVALID);
    assert_non_null(strstr(detail.text, "NUL"));
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct trace trace;
    struct detail detail;
    assert_int_equal(trace_read("/nowhere/trace.csv", &trace, &detail), ROOST_NOT_FOUND);
    assert_non_null(strstr(detail.text, "/nowhere/trace.csv"));
    trace_fini(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_count_from_the_first),
        cmocka_unit_test(lines_may_look_in_many_ways),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
