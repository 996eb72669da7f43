/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <string.h>

#include "base/test.h"

static void clocks_do_not_go_back(void **state)
{
    (void)state;
    uint64_t now = clock_now_ns();
    uint64_t thread = clock_thread_cpu_ns();
    uint64_t process = clock_process_cpu_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now_2 = clock_now_ns();
        uint64_t thread_2 = clock_thread_cpu_ns();
        uint64_t process_2 = clock_process_cpu_ns();
        assert_true(now_2 >= now && thread_2 >= thread && process_2 >= process);
        now = now_2;
        thread = thread_2;
        process = process_2;
    }
    /* Later than 2020, which a monotonic clock read by mistake would not be. */
    assert_true(clock_wall_ns() > UINT64_C(1577836800) * NS_PER_S);
}

struct duration_case {
    const char *text;
    uint64_t duration_ns;
};

static void durations_parse(void **state)
{
    (void)state;
    static const struct duration_case cases[] = {
        {"120 ms", 120 * NS_PER_MS},
        {"1.5s", 1500 * NS_PER_MS},
        {"50us", 50 * NS_PER_US},
        {"2m", 120 * NS_PER_S},
        {"1h", 3600 * NS_PER_S},
        {"100ns", 100},
        {"0 s", 0},
        {"  7 \t us  ", 7 * NS_PER_US},
        {"0.1s", 100 * NS_PER_MS},
        {"0.0000000014 s", 1},
        {"0.0000000015 s", 2},
        {"1.0000000000000000000000000001 ns", 1},
        {"18446744073709551615ns", UINT64_MAX},
        {"18446744073.709551615 s", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t duration_ns = 42;
        assert_int_equal(duration_parse(cases[i].text, &duration_ns), 0);
        assert_int_equal(duration_ns, cases[i].duration_ns);
    }
}

static void bad_durations_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "ms",
        "12",
        "-1 s",
        "+1 s",
        "1 sec",
        "1 MS",
        "1..5s",
        ".5s",
        "1.s",
        "1e3 s",
        "1 ms x",
        "0x1 s",
        "1 m s",
        "nan s",
        "1,5 s",
        "18446744073709551616ns",
        "18446744073.709551616 s",
        "99999999999999999999 h",
        "6000000 h",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t duration_ns = 42;
        assert_int_equal(duration_parse(texts[i], &duration_ns), -1);
        assert_int_equal(duration_ns, 42);
    }
}

static void durations_format(void **state)
{
    (void)state;
    static const struct duration_case cases[] = {
        {"0 ns", 0},
        {"999 ns", 999},
        {"1.00 us", 1000},
        {"1.25 ms", 1250 * NS_PER_US},
        {"9.99 us", 9994},
        {"10.0 us", 9996},
        {"99.9 us", 99940},
        {"100 us", 99960},
        {"999 us", 999499},
        {"1.00 ms", 999500},
        {"1.00 s", 999500 * NS_PER_US},
        {"90.0 s", 90 * NS_PER_S},
        {"3661 s", 3661 * NS_PER_S},
        {"18446744074 s", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        assert_string_equal(duration_format(cases[i].duration_ns, text, sizeof(text)),
                            cases[i].text);
    }
    char small[5];
    assert_string_equal(duration_format(1250 * NS_PER_US, small, sizeof(small)), "1.25");
}

static void what_is_formatted_parses(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 + 1) {
        char text[32];
        uint64_t back = 0;
        (void)duration_format(value, text, sizeof(text));
        assert_int_equal(duration_parse(text, &back), 0);
        uint64_t apart = back > value ? back - value : value - back;
        assert_true(apart <= value / 199);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_do_not_go_back),     cmocka_unit_test(durations_parse),
        cmocka_unit_test(bad_durations_are_refused), cmocka_unit_test(durations_format),
        cmocka_unit_test(what_is_formatted_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
