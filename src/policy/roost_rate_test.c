/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a change of rate is seen, how well it is known then, and what is none. */
#include <math.h>

#include "base/rng.h"
#include "base/test.h"
#include "policy/roost_state.h"

static const uint64_t tick_ns = 250000000;
static const double tick_s = 0.25;

static void tick(struct roost_rate *rate, uint64_t arrivals)
{
    struct roost_tenant tenant = {.recent = {.arrivals = arrivals, .length_ns = tick_ns}};
    roost_rate_learn(rate, &tenant);
}

/* Arrivals of a tick at random, of which so many come in a second. */
static uint64_t draw(struct rng *rng, double per_s)
{
    uint64_t arrivals = 0;
    for (double left_s = tick_s; (left_s -= rng_exponential(rng, 1 / per_s)) > 0;) {
        arrivals++;
    }
    return arrivals;
}

static void assert_near(double value, double expected, double part)
{
    if (fabs(value / expected - 1) > part) {
        fail_msg("%g, and not about %g", value, expected);
    }
}

/* With what came before in none of it, and with what chance may have done to so few. */
static void a_change_is_known_at_once_and_how_well(void **state)
{
    (void)state;
    static const uint64_t before = 16, after[] = {35, 5};
    for (unsigned i = 0; i < 2; i++) {
        struct roost_rate rate = {0};
        for (int n = 0; n < 60; n++) {
            tick(&rate, before);
        }
        double known = roost_rate_sigma(&rate);
        tick(&rate, after[i]);
        tick(&rate, after[i]);
        double expected = (double)after[i] / tick_s;
        assert_near(rate.per_s, expected, 0.01);
        assert_int_equal(rate.rose, i == 0);
        assert_true(rate.steady_s <= 2 * tick_s);
        assert_near(roost_rate_sigma(&rate), sqrt(expected / rate.known_s), 0.2);
        for (int n = 0; n < 40; n++) {
            tick(&rate, after[i]);
        }
        assert_true(rate.steady_s > 9);
        assert_true(roost_rate_sigma(&rate) < 2 * known * sqrt(expected / 64));
    }
}

/* The standard deviation that is told is that of what is told, right after a change and later. */
static void the_deviation_is_the_real_one(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (int age = 4; age <= 64; age *= 4) {
        double squares = 0;
        for (int n = 0; n < 300; n++) {
            struct roost_rate rate = {0};
            for (int i = 0; i < 60; i++) {
                tick(&rate, draw(&rng, 60));
            }
            for (int i = 0; i < age; i++) {
                tick(&rate, draw(&rng, 140));
            }
            double off = (rate.per_s - 140) / roost_rate_sigma(&rate);
            squares += off * off;
        }
        assert_in_range((uint64_t)(squares / 300 * 100), 50, 150);
    }
}

static void a_few_that_come_together_are_no_change(void **state)
{
    (void)state;
    struct roost_rate rate = {0};
    for (int n = 0; n < 100; n++) {
        tick(&rate, n % 4 == 0);
    }
    tick(&rate, 7);
    assert_true(rate.steady_s > 20);
    assert_true(rate.per_s < 3);
}

/* Nor is chance, but for a few times in an hour. */
static void chance_is_no_change(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (double per_s = 1; per_s < 1000; per_s *= 9) {
        struct roost_rate rate = {0};
        unsigned changes = 0;
        for (int n = 0; n < 4 * 3600; n++) {
            double before_s = rate.steady_s;
            tick(&rate, draw(&rng, per_s));
            changes += rate.steady_s < before_s;
        }
        assert_in_range(changes, 0, 6);
        assert_near(rate.per_s, per_s, 6 * roost_rate_sigma(&rate) / per_s);
    }
}

/* A load that rises by little every second is followed, if not at once. */
static void a_slow_rise_is_followed(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    struct roost_rate rate = {0};
    double per_s = 100;
    for (int n = 0; n < 400; n++) {
        tick(&rate, draw(&rng, per_s));
        per_s *= 1.005;
        if (n > 40) {
            assert_near(rate.per_s, per_s, 0.25);
        }
    }
}

static void nothing_comes_and_comes_again(void **state)
{
    (void)state;
    struct roost_rate rate = {0};
    for (int n = 0; n < 50; n++) {
        tick(&rate, 0);
    }
    assert_true(rate.per_s == 0 && isfinite(roost_rate_sigma(&rate)));
    tick(&rate, 30);
    assert_near(rate.per_s, 120, 0.01);
    for (int n = 0; n < 50; n++) {
        tick(&rate, 0);
    }
    assert_true(rate.per_s == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_known_at_once_and_how_well),
        cmocka_unit_test(the_deviation_is_the_real_one),
        cmocka_unit_test(a_few_that_come_together_are_no_change),
        cmocka_unit_test(chance_is_no_change),
        cmocka_unit_test(a_slow_rise_is_followed),
        cmocka_unit_test(nothing_comes_and_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
