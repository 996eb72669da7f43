/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrivals in virtual time: when requests come and how many rows they have, by seed alone, so that
 * every policy sees the same ones. One thread per object.
 *
 * The rate at a time is rate * profile(time) * state(time): a profile of steps or straight lines
 * that may repeat (a day, a flash crowd), and random states of exponential length (a Markov-
 * modulated process), whose factors are scaled such that their mean over time is 1. Poisson
 * arrivals are drawn at the highest rate and thinned; constant ones follow the rate at the time.
 */
#ifndef ROOST_SIM_ARRIVALS_H
#define ROOST_SIM_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum { ARRIVALS_STATES_MAX = 8, ARRIVALS_POINTS_MAX = 256, ARRIVALS_ROWS_MAX = 65536 };

enum arrivals_process { ARRIVALS_POISSON, ARRIVALS_CONSTANT, ARRIVALS_TRACE };
enum arrivals_shape { ARRIVALS_STEPS, ARRIVALS_LINES };

struct arrivals_state {
    double factor;
    uint64_t mean_ns;
};

struct arrivals_point {
    uint64_t at_ns;
    double factor;
};

struct arrivals_event {
    uint64_t at_ns;
    uint32_t rows; /* 0: drawn like all others */
};

struct arrivals_options {
    int process; /* enum arrivals_process */
    double rate_per_s;
    uint32_t state_count; /* 0: none */
    struct arrivals_state states[ARRIVALS_STATES_MAX];
    int shape;            /* enum arrivals_shape */
    uint32_t point_count; /* 0: no profile; ascending, the first at 0 */
    struct arrivals_point points[ARRIVALS_POINTS_MAX];
    uint64_t repeat_ns;                 /* 0: the last point's factor goes on */
    const struct arrivals_event *trace; /* ARRIVALS_TRACE: borrowed, ascending */
    size_t trace_count;
    /* Rows: of the list when there is one, else lognormal when sigma > 0, else rows_max. */
    double mu, sigma;
    uint32_t rows_min, rows_max; /* bounds of what is drawn */
    const uint32_t *rows_list;   /* (optional) borrowed */
    size_t rows_count;
};

struct arrivals {
    const struct arrivals_options *options; /* borrowed */
    struct rng times, rows, states;
    double at_ns, until_ns;
    double highest_per_s; /* rate that is thinned */
    double state_scale;
    uint32_t state;
    double state_end_ns;
    size_t next; /* of the trace */
};

/* Arrivals from time 0 on, before `until_ns`. */
void arrivals_init(struct arrivals *arrivals, const struct arrivals_options *options, uint64_t seed,
                   uint64_t until_ns);

/* The next one; false when there is none any more. */
bool arrivals_next(struct arrivals *arrivals, struct arrivals_event *event);

/* Factor of the profile at a time. */
double arrivals_profile(const struct arrivals_options *options, uint64_t at_ns);

/* A seed of its own for one of many streams. */
uint64_t arrivals_seed(uint64_t seed, uint64_t stream);

#endif
