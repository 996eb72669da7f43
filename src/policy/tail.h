/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predicts a tenant's tail latency from what its batches cost and how many cores it can have: the
 * model behind policy `roost`. Pure; any thread.
 *
 * With c cores a tenant is a queue with k = min(workers, c / p) servers, where a run keeps p cores
 * busy; where that is no whole number, that many slower ones. Batches of b rows arrive as a Poisson
 * process and are served in the time that the learnt curve says. The mean wait is Sakasegawa's
 * approximation of M/G/k with the Allen-Cunneen factor for variability, the tail of the wait is
 * taken to be exponential:
 *
 *   P(wait) = rho^(sqrt(2 (k + 1)) - 1)       mean wait given a wait = v s / (k (1 - rho))
 *
 * Batches grow by themselves under load, to as many requests as come while one batch runs. So where
 * single requests are too much, the tail is that batch and the one that it waited for, and only the
 * largest batch that pays has a queue before it. What the model leaves out is what the caller's
 * calibration is for: the ratio of measured to predicted tails.
 */
#ifndef ROOST_POLICY_TAIL_H
#define ROOST_POLICY_TAIL_H

#include "roost/policy.h"

enum { TAIL_SIZES_MAX = 8 };

/* Batches of one size. */
struct tail_size {
    double run_s;    /* of one batch, with all the cores that it can use */
    double requests; /* in it */
    double work;     /* runs that go on at a time: CPU time per second over `parallel` */
};

/* A tenant's load with one of its variants, ready to be asked many times. */
struct tail {
    uint32_t size_count; /* 0: nothing is known of the variant */
    struct tail_size sizes[TAIL_SIZES_MAX];
    double workers;
    double parallel;    /* cores that a run keeps busy; sizes are in units of so many */
    double log_odds;    /* of being beyond the percentile */
    double calibration; /* measured over predicted */
};

struct tail_load {
    double rows_per_s, abs_rows;
    double batch_rows_max, workers;
    double parallel;   /* at least 1 */
    double percentile; /* of the SLO; 0: 95 */
    double slo_ns;     /* batches that run longer than half of it are not counted on; 0: none */
    double scale;      /* cost of this variant over that of the curve given */
    double calibration;
};

/* Prepares the load with the costs of `variant` (times scale). */
void tail_init(struct tail *tail, const struct roost_variant *variant,
               const struct tail_load *load);

/* Cores that the load takes at its cheapest batch size. 0: unknown. */
double tail_work_cores(const struct tail *tail);

/* The tail at the percentile in ns with so many cores, INFINITY when they do not carry the load. */
double tail_predict_ns(const struct tail *tail, double cores);

/* The least cores with which the tail is within `target_ns`; more than cores_max when even those do
 * not do. */
double tail_need_cores(const struct tail *tail, double target_ns, double cores_max);

#endif
