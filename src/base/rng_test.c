/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>

#include "base/test.h"

enum { DRAWS = 200000 };

/* The published reference: splitmix64 of seed 0 begins 0xE220A8397B1DCDAF, and xoshiro256** from
 * the state {1, 2, 3, 4} begins 11520, 0, 1509978240, 1215971899390074240. */
static void sequences_are_the_published_ones(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 0);
    assert_true(rng.state[0] == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(rng.state[1] == UINT64_C(0x6E789E6AA1B965F4));
    rng = (struct rng){{1, 2, 3, 4}};
    static const uint64_t wanted[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
    for (int i = 0; i < 4; i++)
        assert_true(rng_next(&rng) == wanted[i]);
}

static void seeds_tell_sequences_apart(void **state)
{
    (void)state;
    struct rng a, b, c;
    rng_seed(&a, 7);
    rng_seed(&b, 7);
    rng_seed(&c, 8);
    unsigned differs = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = rng_next(&a);
        assert_true(value == rng_next(&b));
        differs += value != rng_next(&c) ? 1 : 0;
    }
    assert_true(differs > 95);
}

static void below_is_even_and_in_range(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    unsigned counts[6] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = rng_below(&rng, 6);
        assert_true(value < 6);
        counts[value]++;
    }
    for (int i = 0; i < 6; i++)
        assert_true(fabs(counts[i] - DRAWS / 6.0) < 1000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rng_below(&rng, 1), 0);
        assert_true(rng_below(&rng, UINT64_C(3) << 62) < UINT64_C(3) << 62);
    }
}

/* Draws far more than enough for the bounds, which are five standard errors and more. */
static void moments(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    double uniform = 0, normal = 0, square = 0, exponential = 0, least = 1;
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&rng);
        assert_true(u >= 0.0 && u < 1.0);
        uniform += u;
        double n = rng_normal(&rng);
        normal += n;
        square += n * n;
        double e = rng_exponential(&rng, 3.0);
        assert_true(isfinite(e) && e >= 0.0);
        exponential += e;
        least = fmin(least, u);
    }
    assert_true(fabs(uniform / DRAWS - 0.5) < 0.005);
    assert_true(fabs(normal / DRAWS) < 0.015);
    assert_true(fabs(square / DRAWS - 1.0) < 0.02);
    assert_true(fabs(exponential / DRAWS - 3.0) < 0.05);
    assert_true(least < 0.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_the_published_ones),
        cmocka_unit_test(seeds_tell_sequences_apart),
        cmocka_unit_test(below_is_even_and_in_range),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
