/* SPDX-License-Identifier: Apache-2.0 */
#include "load/arrival.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/test.h"

enum { GAPS = 200000 };

struct moments {
    double rate; /* per second */
    double cv;   /* of the gaps */
};

static struct moments gaps_measure(const struct arrival_options *options, uint64_t seed)
{
    struct arrival arrival;
    struct arrival_event event;
    double sum = 0;
    double squares = 0;
    arrival_init(&arrival, options, seed);
    assert_true(arrival_next(&arrival, &event));
    uint64_t last_ns = event.at_ns;
    for (int i = 0; i < GAPS; i++) {
        assert_true(arrival_next(&arrival, &event));
        assert_true(event.at_ns >= last_ns);
        assert_int_equal(event.batch, 0);
        double gap = (double)(event.at_ns - last_ns);
        sum += gap;
        squares += gap * gap;
        last_ns = event.at_ns;
    }
    double mean = sum / GAPS;
    return (struct moments){.rate = 1e9 / mean,
                            .cv = sqrt(fmax(0.0, squares / GAPS - mean * mean)) / mean};
}

static void assert_near(double value, double wanted, double tolerance)
{
    if (fabs(value - wanted) > tolerance * fabs(wanted))
        fail_msg("%g is not within %g of %g", value, tolerance, wanted);
}

static void poisson_gaps_are_exponential(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 20, 5000};
    for (size_t i = 0; i < 3; i++) {
        struct arrival_options options = {
            .kind = ARRIVAL_POISSON, .rate = rates[i], .multiplier = 1};
        struct moments moments = gaps_measure(&options, 7 + i);
        assert_near(moments.rate, rates[i], 0.01);
        assert_near(moments.cv, 1.0, 0.02);
    }
}

/* The counts in windows of equal length have the variance of a Poisson distribution: their mean. */
static void poisson_counts_have_the_variance_of_their_mean(void **state)
{
    (void)state;
    enum { WINDOWS = 20000 };
    struct arrival_options options = {.kind = ARRIVAL_POISSON, .rate = 100, .multiplier = 1};
    struct arrival arrival;
    struct arrival_event event = {0};
    double sum = 0;
    double squares = 0;
    arrival_init(&arrival, &options, 3);
    (void)arrival_next(&arrival, &event);
    for (int i = 0; i < WINDOWS; i++) {
        double count = 0;
        while (event.at_ns < (uint64_t)(i + 1) * 50 * NS_PER_MS) {
            count++;
            (void)arrival_next(&arrival, &event);
        }
        sum += count;
        squares += count * count;
    }
    double mean = sum / WINDOWS;
    assert_near(mean, 5.0, 0.02);
    assert_near(squares / WINDOWS - mean * mean, mean, 0.05);
}

static void constant_gaps_are_constant(void **state)
{
    (void)state;
    struct arrival_options options = {.kind = ARRIVAL_CONSTANT, .rate = 333, .multiplier = 1};
    struct moments moments = gaps_measure(&options, 1);
    assert_near(moments.rate, 333, 1e-6);
    assert_true(moments.cv < 1e-3);
    /* No drift: the n-th arrival is n gaps after the first, rounding aside. */
    struct arrival arrival;
    struct arrival_event first;
    struct arrival_event last;
    arrival_init(&arrival, &options, 1);
    (void)arrival_next(&arrival, &first);
    for (int i = 0; i < 333 * 60; i++)
        (void)arrival_next(&arrival, &last);
    assert_true(fabs((double)(last.at_ns - first.at_ns) - 60e9) < 10);
}

static void constant_phases_differ_by_seed(void **state)
{
    (void)state;
    struct arrival_options options = {.kind = ARRIVAL_CONSTANT, .rate = 1, .multiplier = 1};
    struct arrival_event events[2];
    for (uint64_t i = 0; i < 2; i++) {
        struct arrival arrival;
        arrival_init(&arrival, &options, i);
        (void)arrival_next(&arrival, &events[i]);
        assert_true(events[i].at_ns < NS_PER_S);
    }
    assert_true(events[0].at_ns != events[1].at_ns);
}

/* Gaps of an MMPP are hyperexponential, or nearly: more variable than Poisson's, at the same mean
 * rate. */
static void bursty_keeps_the_mean_and_varies_more(void **state)
{
    (void)state;
    struct arrival_options options = {
        .kind = ARRIVAL_BURSTY,
        .rate = 1000,
        .burst = 10,
        .surge_ns = 100 * NS_PER_MS,
        .calm_ns = 300 * NS_PER_MS,
        .multiplier = 1,
    };
    struct moments moments = gaps_measure(&options, 11);
    assert_near(moments.rate, 1000, 0.05);
    assert_true(moments.cv > 1.4);
    /* Burst 1 is a Poisson process. */
    options.burst = 1;
    moments = gaps_measure(&options, 12);
    assert_near(moments.rate, 1000, 0.01);
    assert_near(moments.cv, 1.0, 0.02);
}

/* The time in surges has the wanted share, seen from the arrivals: burst * share of them fall into
 * one tenth of the time. */
static void bursty_rates_are_those_of_its_states(void **state)
{
    (void)state;
    struct arrival_options options = {
        .kind = ARRIVAL_BURSTY,
        .rate = 2000,
        .burst = 20,
        .surge_ns = NS_PER_S,
        .calm_ns = 9 * NS_PER_S,
        .multiplier = 1,
    };
    struct arrival arrival;
    struct arrival_event event;
    double high = 0;
    double count = 2e6;
    arrival_init(&arrival, &options, 5);
    for (int i = 0; i < (int)count; i++) {
        (void)arrival_next(&arrival, &event);
        high += arrival.is_high ? 1 : 0;
    }
    /* 20 * 0.1 / (20 * 0.1 + 0.9) */
    assert_near(high / count, 2.0 / 2.9, 0.1);
    assert_near(count * 1e9 / (double)event.at_ns, 2000, 0.15);
}

static void a_multiplier_scales_the_same_pattern(void **state)
{
    (void)state;
    static const enum arrival_kind kinds[] = {ARRIVAL_POISSON, ARRIVAL_CONSTANT};
    for (size_t k = 0; k < 2; k++) {
        struct arrival_options options = {.kind = kinds[k], .rate = 50, .multiplier = 1};
        struct arrival one, four;
        arrival_init(&one, &options, 9);
        options.multiplier = 4;
        arrival_init(&four, &options, 9);
        assert_true(fabs(arrival_rate(&options) - 200) < 1e-9);
        for (int i = 0; i < 100; i++) {
            struct arrival_event a, b;
            (void)arrival_next(&one, &a);
            (void)arrival_next(&four, &b);
            assert_true(fabs((double)a.at_ns / 4 - (double)b.at_ns) <= 2);
        }
    }
}

static void equal_seeds_give_equal_arrivals(void **state)
{
    (void)state;
    struct arrival_options options = {.kind = ARRIVAL_BURSTY,
                                      .rate = 50,
                                      .burst = 4,
                                      .surge_ns = 1e8,
                                      .calm_ns = 1e9,
                                      .multiplier = 1};
    struct arrival a, b, other;
    unsigned same = 0;
    arrival_init(&a, &options, 21);
    arrival_init(&b, &options, 21);
    arrival_init(&other, &options, 22);
    for (int i = 0; i < 1000; i++) {
        struct arrival_event x, y, z;
        (void)arrival_next(&a, &x);
        (void)arrival_next(&b, &y);
        (void)arrival_next(&other, &z);
        assert_true(x.at_ns == y.at_ns);
        same += x.at_ns == z.at_ns ? 1 : 0;
    }
    assert_int_equal(same, 0);
}

static void a_trace_is_replayed_and_ends(void **state)
{
    (void)state;
    struct trace_arrival lines[] = {{0, 0}, {10, 3}, {1000, 0}};
    struct trace trace = {.arrivals = lines, .count = 3};
    struct arrival_options options = {.kind = ARRIVAL_TRACE, .trace = &trace, .multiplier = 2};
    struct arrival arrival;
    struct arrival_event event;
    arrival_init(&arrival, &options, 0);
    assert_true(arrival_next(&arrival, &event));
    assert_true(event.at_ns == 0 && event.batch == 0);
    assert_true(arrival_next(&arrival, &event));
    assert_true(event.at_ns == 5 && event.batch == 3);
    assert_true(arrival_next(&arrival, &event));
    assert_true(event.at_ns == 500 && event.batch == 0);
    assert_false(arrival_next(&arrival, &event));
    assert_false(arrival_next(&arrival, &event));
    /* Two gaps in a microsecond, at double speed. */
    assert_near(arrival_rate(&options), 4e6, 1e-9);
}

static void what_is_beyond_the_clock_never_comes(void **state)
{
    (void)state;
    static const enum arrival_kind kinds[] = {ARRIVAL_POISSON, ARRIVAL_CONSTANT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct arrival_options options = {.kind = kinds[i], .rate = 1e-15, .multiplier = 1};
        struct arrival arrival;
        struct arrival_event event;
        arrival_init(&arrival, &options, 1);
        assert_true(arrival_next(&arrival, &event));
        assert_true(arrival_next(&arrival, &event));
        assert_true(event.at_ns >= UINT64_C(1) << 63);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(poisson_counts_have_the_variance_of_their_mean),
        cmocka_unit_test(constant_gaps_are_constant),
        cmocka_unit_test(constant_phases_differ_by_seed),
        cmocka_unit_test(bursty_keeps_the_mean_and_varies_more),
        cmocka_unit_test(bursty_rates_are_those_of_its_states),
        cmocka_unit_test(a_multiplier_scales_the_same_pattern),
        cmocka_unit_test(equal_seeds_give_equal_arrivals),
        cmocka_unit_test(a_trace_is_replayed_and_ends),
        cmocka_unit_test(what_is_beyond_the_clock_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
