/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for the highest load at which every tenant meets its SLO.
 *
 * A pure controller: it says which multiplier of all rates to try next, is told what happened in
 * short slices of time, and says when it has seen enough. No clock, no I/O; one thread.
 *
 *   ramp        times 2 until something fails (or by half until nothing does)
 *   bisect      between the highest that passed and the lowest that failed, on a logarithmic
 *               scale, until they are within `precision`
 *   verify      the winner again, twice as long; if it fails, the next lower one
 *   challenge   what failed just above it again: a failure may have been the machine's noise. If
 *               it passes now, the ramp goes on from there
 *
 * A step passes when every tenant's attainment is at least its SLO's percentile, in the whole step
 * and in its second half (a backlog grows slowly just above the capacity), with confidence
 * intervals (Wilson) that are widened when slices differ more than independent requests would. A
 * clear failure ends a step early. What stays undecided runs up to three times as long and is then
 * decided by the estimate.
 */
#ifndef ROOST_LOAD_FINDMAX_H
#define ROOST_LOAD_FINDMAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FINDMAX_STEPS_MAX = 60, FINDMAX_SLICES_MAX = 1024 };

struct findmax_options {
    size_t criterion_count;  /* tenants, and whatever else must hold */
    const double *quantiles; /* per criterion: share of good requests wanted; 0: no wish.
                                Borrowed */
    double start;            /* first multiplier */
    double precision;        /* relative, e.g. 0.05 */
    double highest, lowest;  /* multipliers beyond which the search gives up */
    uint64_t step_ns;
    uint64_t samples_min; /* per criterion, before anything is concluded from it */
};

enum findmax_phase { FINDMAX_RAMP, FINDMAX_BISECT, FINDMAX_VERIFY, FINDMAX_CHALLENGE };
enum findmax_verdict { FINDMAX_GO_ON, FINDMAX_PASS, FINDMAX_FAIL };

struct findmax_slice {
    const uint64_t *total, *good; /* requests due, and good ones, per criterion */
};

/* One step as it was, for the report. */
struct findmax_step {
    double multiplier;
    enum findmax_phase phase;
    enum findmax_verdict verdict;
    bool was_close;      /* decided by the estimate alone */
    int worst;           /* criterion with the smallest margin; -1: none */
    double worst_share;  /* its share of good ones */
    uint64_t elapsed_ns; /* of the slices */
};

struct findmax {
    struct findmax_options options;
    double passed;   /* highest multiplier that did; 0: none */
    double verified; /* the highest that did twice */
    double failed;   /* lowest that did; INFINITY: none */
    int failed_by;   /* the criterion, -1: none */
    double factor;   /* of the ramp */
    bool is_challenged, is_done;
    unsigned lowered;         /* verifications that failed in a row */
    struct findmax_step step; /* under way */
    uint64_t length_ns;       /* of it */
    /* By slice and criterion. Where there are too many, neighbours are joined. */
    uint64_t *total, *good;
    uint64_t slice_ns[FINDMAX_SLICES_MAX];
    size_t slice_count;
    struct findmax_step history[FINDMAX_STEPS_MAX];
    unsigned step_count;
};

/* False when memory is short. */
bool findmax_init(struct findmax *search, const struct findmax_options *options);
void findmax_fini(struct findmax *search);

/* Begins the next step; false when the search is over. */
bool findmax_next(struct findmax *search, double *multiplier);

/* What happened in one more slice of the step. When the verdict is not GO_ON the step is over. */
enum findmax_verdict findmax_observe(struct findmax *search, const struct findmax_slice *slice,
                                     uint64_t length_ns);

/* No more slices can come (a trace ended): decides by what there is. */
enum findmax_verdict findmax_conclude(struct findmax *search);

/* The multiplier found, or 0. */
double findmax_result(const struct findmax *search);

const char *findmax_phase_name(enum findmax_phase phase);

/* Bounds of a share of `good` in `total`, Wilson's score interval with normal quantile z;
 * `dispersion` >= 1 says how much more than binomial it varies. */
struct findmax_interval {
    double low, high;
};
struct findmax_interval findmax_wilson(uint64_t good, uint64_t total, double dispersion, double z);

#endif
