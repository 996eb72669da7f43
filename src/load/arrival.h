/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When requests are due: open-loop arrival processes, deterministic by seed.
 *
 * Pure: no clock; one thread per process object. Times are nanoseconds since the start of the run
 * and never go back. Poisson gaps are exponential (ALGORITHMS.md B.3 tells what goes wrong with
 * anything else), with a coefficient of variation of 1. A bursty process is a Markov-modulated
 * Poisson process of two states, each of exponentially distributed length:
 *
 *   rate  |      .-----.          .---.        high: `burst` times the low rate, for `surge` on
 *         |      |     |          |   |              average
 *         |______|     |__________|   |____    low:  for `calm` on average
 *
 * with the two rates chosen such that the mean over time is `rate`.
 */
#ifndef ROOST_LOAD_ARRIVAL_H
#define ROOST_LOAD_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "load/trace.h"

enum arrival_kind { ARRIVAL_POISSON, ARRIVAL_CONSTANT, ARRIVAL_BURSTY, ARRIVAL_TRACE };

/* "poisson", "constant", "bursty", "trace"; ended by NULL. */
extern const char *const arrival_kind_names[];

struct arrival_options {
    enum arrival_kind kind;
    double rate;                /* per second, > 0; a trace has its own */
    double burst;               /* ARRIVAL_BURSTY: high rate over low rate, >= 1 */
    uint64_t surge_ns, calm_ns; /* ARRIVAL_BURSTY: mean lengths of the two states, > 0 */
    const struct trace *trace;  /* ARRIVAL_TRACE: borrowed */
    double multiplier;          /* scales every rate, a trace's too; 1: as given */
};

struct arrival {
    struct arrival_options options;
    struct rng rng;
    double at_ns;        /* of the last arrival */
    double switch_at_ns; /* bursty: when the state ends */
    bool is_high;
    uint64_t index; /* of the next arrival */
};

/* One arrival: its time and, from a trace that says so, its batch size (else 0). */
struct arrival_event {
    uint64_t at_ns;
    uint32_t batch;
};

void arrival_init(struct arrival *arrival, const struct arrival_options *options, uint64_t seed);

/* False when the trace is over; the other processes never end. */
bool arrival_next(struct arrival *arrival, struct arrival_event *event);

/* Mean arrivals per second, the multiplier included. */
double arrival_rate(const struct arrival_options *options);

#endif
