/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xoshiro256** with an explicit seed. Not for secrets. Same seed, same sequence, on every machine.
 * One thread per generator.
 */
#ifndef ROOST_BASE_RNG_H
#define ROOST_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* Uniform in [0, 1) with 53 bits. */
double rng_uniform(struct rng *rng);

/* Uniform integer in [0, bound); bound > 0; without modulo bias. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* Mean 0, standard deviation 1 (Marsaglia's polar method, one value per call). */
double rng_normal(struct rng *rng);

/* Exponential with the given mean. */
double rng_exponential(struct rng *rng, double mean);

#endif
