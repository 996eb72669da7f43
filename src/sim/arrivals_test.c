/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/arrivals.h"

#include <math.h>

#include "base/clock.h"
#include "base/test.h"

struct counts {
    uint64_t all, buckets[10];
    double rows, gap_mean, gap_cv;
};

/* Everything that comes within `seconds`, counted per tenth of it. */
static struct counts count(const struct arrivals_options *options, uint64_t seed, uint64_t seconds)
{
    struct arrivals arrivals;
    struct arrivals_event event;
    struct counts counts = {0};
    double before = 0, sum = 0, squares = 0;
    arrivals_init(&arrivals, options, seed, seconds * NS_PER_S);
    while (arrivals_next(&arrivals, &event)) {
        double gap = (double)event.at_ns - before;
        assert_true(gap >= 0);
        before = (double)event.at_ns;
        sum += gap;
        squares += gap * gap;
        counts.all++;
        counts.rows += event.rows;
        counts.buckets[event.at_ns * 10 / (seconds * NS_PER_S)]++;
    }
    double n = (double)counts.all;
    counts.gap_mean = sum / n;
    counts.gap_cv = sqrt(squares / n - counts.gap_mean * counts.gap_mean) / counts.gap_mean;
    return counts;
}

static void check(double value, double expected, double relative)
{
    if (fabs(value - expected) > relative * expected)
        fail_msg("%g is not within %g of %g", value, relative, expected);
}

static struct arrivals_options with_rate(double rate)
{
    return (struct arrivals_options){.rate_per_s = rate, .rows_min = 1, .rows_max = 1};
}

static void test_poisson(void **state)
{
    (void)state;
    struct arrivals_options options = with_rate(1000);
    struct counts counts = count(&options, 1, 100);
    check((double)counts.all, 1e5, 0.01);
    check(counts.gap_cv, 1, 0.02);
    struct counts again = count(&options, 1, 100), other = count(&options, 2, 100);
    assert_int_equal(counts.all, again.all);
    assert_true(counts.gap_cv <= again.gap_cv && counts.gap_cv >= again.gap_cv);
    assert_true(counts.gap_cv < other.gap_cv || counts.gap_cv > other.gap_cv);
}

static void test_constant(void **state)
{
    (void)state;
    struct arrivals_options options = with_rate(100);
    options.process = ARRIVALS_CONSTANT;
    struct counts counts = count(&options, 1, 10);
    assert_in_range(counts.all, 999, 1000);
    assert_true(counts.gap_cv < 0.01);
    options.point_count = 1;
    options.points[0].factor = 0;
    assert_int_equal(count(&options, 1, 10).all, 0);
}

static void test_steps_and_lines(void **state)
{
    (void)state;
    struct arrivals_options options = with_rate(1000);
    options.point_count = 3;
    options.points[1] = (struct arrivals_point){40 * NS_PER_S, 5};
    options.points[2] = (struct arrivals_point){60 * NS_PER_S, 0};
    options.points[0].factor = 1;
    struct counts counts = count(&options, 3, 100);
    check((double)counts.buckets[0], 10000, 0.05);
    check((double)counts.buckets[4], 50000, 0.03);
    assert_int_equal(counts.buckets[7], 0);
    options.shape = ARRIVALS_LINES;
    options.points[1].factor = 0;
    options.points[2].factor = 2;
    options.repeat_ns = 80 * NS_PER_S;
    check(arrivals_profile(&options, 20 * NS_PER_S), 0.5, 1e-9);
    check(arrivals_profile(&options, 50 * NS_PER_S), 1, 1e-9);
    check(arrivals_profile(&options, 70 * NS_PER_S), 1.5, 1e-9);
    check(arrivals_profile(&options, 100 * NS_PER_S), 0.5, 1e-9);
}

/* Bursts keep the mean rate, and gaps spread more than a Poisson process's. */
static void test_states(void **state)
{
    (void)state;
    struct arrivals_options options = with_rate(200);
    options.state_count = 2;
    options.states[0] = (struct arrivals_state){1, 3 * NS_PER_S};
    options.states[1] = (struct arrivals_state){9, NS_PER_S};
    struct counts counts = count(&options, 4, 4000);
    check((double)counts.all, 200 * 4000, 0.05);
    assert_true(counts.gap_cv > 1.3);
}

static void test_trace(void **state)
{
    (void)state;
    static const struct arrivals_event trace[] = {{0, 7}, {NS_PER_S, 0}, {90 * NS_PER_S, 1}};
    struct arrivals_options options = {
        .process = ARRIVALS_TRACE, .trace = trace, .trace_count = 3, .rows_min = 3, .rows_max = 3};
    struct counts counts = count(&options, 1, 60);
    assert_int_equal(counts.all, 2);
    check(counts.rows, 10, 1e-9);
}

static void test_rows(void **state)
{
    (void)state;
    static const uint32_t list[] = {1, 3};
    struct arrivals_options options = with_rate(1000);
    options.mu = 5.1;
    options.sigma = 0.2;
    options.rows_max = 1024;
    struct counts counts = count(&options, 5, 100);
    check(counts.rows / (double)counts.all, 167.3, 0.005);
    options.rows_max = 100;
    assert_true(count(&options, 5, 100).rows / (double)counts.all <= 100);
    options.rows_list = list;
    options.rows_count = 2;
    check(count(&options, 5, 100).rows / (double)counts.all, 2, 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisson),         cmocka_unit_test(test_constant),
        cmocka_unit_test(test_steps_and_lines), cmocka_unit_test(test_states),
        cmocka_unit_test(test_trace),           cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
