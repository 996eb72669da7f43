/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to a tenant lately: a sliding window made of slices. Time is a parameter; one
 * thread.
 */
#ifndef ROOST_CORE_WINDOW_H
#define ROOST_CORE_WINDOW_H

#include <stdint.h>

#include "base/hist.h"

enum { WINDOW_SLICES = 8 };

/* What is counted; in a slice, and summed over the window. */
struct window_counts {
    uint64_t arrivals;    /* requests, refused ones included */
    uint64_t rows;        /* of those that were admitted */
    uint64_t completions; /* answered with outputs */
    uint64_t refusals;    /* turned away; 0 where they are counted as errors */
    uint64_t errors;      /* answered with anything else */
    uint64_t slo_misses;  /* late answers, errors and refusals; 0 without an SLO */
    uint64_t batches, batch_rows;
    uint64_t busy_ns; /* workers' time inside runs */
    uint64_t cpu_ns;  /* CPU time in the runs; 0: not measured */
    struct hist latency_ns;
};

struct window {
    uint64_t slice_ns;
    uint64_t slice_start_ns; /* of the current slice; 0: nothing recorded yet */
    uint64_t first_ns;       /* when recording began */
    unsigned current;
    struct window_counts slices[WINDOW_SLICES];
};

void window_init(struct window *window, uint64_t length_ns);

/* The slice to count in at this time; older slices are forgotten as time goes on. */
struct window_counts *window_at(struct window *window, uint64_t now_ns);

/* Sums over the window; returns the time that it covers (less than its length at first). */
uint64_t window_sum(struct window *window, uint64_t now_ns, struct window_counts *sum);

/* The same over the newest slices only: as few as cover length_min_ns and hold so many latencies,
 * or all of them. A quantile needs samples, and a decision wants them fresh. */
uint64_t window_sum_newest(struct window *window, uint64_t now_ns, uint64_t samples_min,
                           uint64_t length_min_ns, struct window_counts *sum);

#endif
