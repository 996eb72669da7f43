/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A closed loop for tests of policies: requests of one row that come at random, wait in order, and
 * are worked on by workers which share the cores as their grants say, in steps of a millisecond.
 * Small and deterministic; for figures there is the simulator. One thread per loop.
 */
#ifndef ROOST_POLICY_LOOP_FIXTURE_H
#define ROOST_POLICY_LOOP_FIXTURE_H

#include "base/rng.h"
#include "core/view_build.h"
#include "policy/runner.h"

enum { LOOP_TENANTS_MAX = 8, LOOP_QUEUE_MAX = 2048, LOOP_WORKERS_MAX = 32 };

struct loop_request {
    uint64_t arrival_ns;
    double left_ns; /* CPU time still to be spent; < 0: not begun */
    uint32_t variant;
};

/* Configured by the test between loop_add and loop_run, or between two runs. */
struct loop_tenant {
    double per_s;
    uint32_t variant_count;
    double accuracies[ROOST_VARIANTS_MAX], costs_ns[ROOST_VARIANTS_MAX];
    uint64_t switch_ns; /* from asked to done */
    bool stops;         /* nothing is begun while it switches */

    /* Counted since the last loop_count. */
    uint64_t arrivals, hits, refusals, switches;
    double accuracy_hits;

    uint64_t changed_ns, switched_ns, asked_ns;
    uint64_t queue_begin, queue_end; /* queue[i % LOOP_QUEUE_MAX] */
    struct loop_request queue[LOOP_QUEUE_MAX];
    struct loop_request running[LOOP_WORKERS_MAX];
    uint32_t running_count;
    struct view_meter meter;
    struct curve curves[ROOST_VARIANTS_MAX];
};

struct loop {
    struct policy_runner runner;
    struct view_store store;
    struct roost_plan plan;
    struct roost_plan_tenant planned[LOOP_TENANTS_MAX];
    struct loop_tenant tenants[LOOP_TENANTS_MAX];
    struct rng rng;
    double contention; /* by how much longer runs take when all cores are busy; 0 */
    double dear;       /* times as long as alone that runs take now */
    uint64_t now_ns;
    uint64_t faults;                      /* plans that did not pass */
    uint64_t reasons[ROOST_REASON_COUNT]; /* of changes */
};

/* Fails the test on an unknown policy or option. NULL-ended options; free with loop_free. */
struct loop *loop_new(const char *policy, const char *const *options, uint32_t cores);
void loop_free(struct loop *loop);

/* A tenant with p95 within slo_ns (0: none) and its ladder, best first. */
struct loop_tenant *loop_add(struct loop *loop, double per_s, uint64_t slo_ns, uint32_t variants,
                             const double *accuracies, const double *costs_ns);
/* Its part of the view, for what the loop's tenant has no word for. */
struct roost_tenant *loop_view(struct loop *loop, uint32_t tenant);

/* Goes on for so many seconds at ticks of 100 ms. */
void loop_run(struct loop *loop, double seconds);
/* Begins to count anew. */
void loop_count(struct loop *loop);

double loop_attainment(const struct loop *loop, uint32_t tenant);
/* Accuracy of what was in time over all that came, the mean of all tenants. */
double loop_effective_accuracy(const struct loop *loop);
uint32_t loop_variant(const struct loop *loop, uint32_t tenant);
uint64_t loop_switches(const struct loop *loop);

#endif
