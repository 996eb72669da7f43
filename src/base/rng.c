/* SPDX-License-Identifier: Apache-2.0 */
/* Generator and seeding as published by Blackman and Vigna (xoshiro256**, splitmix64). */
#include "base/rng.h"

#include <math.h>

#include "base/assert.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix_next(&seed);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

/* Lemire, "Fast Random Integer Generation in an Interval" (2019): a product instead of a modulo,
 * and a new draw where the low half falls into the part that would favour some results. */
uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    roost_assert(bound > 0);
    wide product = (wide)rng_next(rng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = (0 - bound) % bound;
        while ((uint64_t)product < threshold)
            product = (wide)rng_next(rng) * bound;
    }
    return (uint64_t)(product >> 64);
}

double rng_normal(struct rng *rng)
{
    for (;;) {
        double u = 2.0 * rng_uniform(rng) - 1.0;
        double v = 2.0 * rng_uniform(rng) - 1.0;
        double square = u * u + v * v;
        if (square > 0.0 && square < 1.0)
            return u * sqrt(-2.0 * log(square) / square);
    }
}

double rng_exponential(struct rng *rng, double mean)
{
    /* 1 - u lies in (0, 1], where the logarithm is finite. */
    return -mean * log(1.0 - rng_uniform(rng));
}
