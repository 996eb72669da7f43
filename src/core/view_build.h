/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what happens to a tenant to what a policy sees of it: counts events in a sliding window and
 * since the last tick, and writes both into the tenant of a view. The manager and the simulator
 * build their views with it, so that a policy sees the same of the same. Time is a parameter and
 * is never 0; one thread per meter.
 */
#ifndef ROOST_CORE_VIEW_BUILD_H
#define ROOST_CORE_VIEW_BUILD_H

#include <stdbool.h>

#include "core/curve.h"
#include "core/view.h"
#include "core/window.h"

/* Since the beginning. */
struct view_totals {
    uint64_t arrivals, rows, completions, slo_misses, busy_ns, cpu_ns;
};

struct view_meter {
    uint64_t slo_ns; /* 0: no SLO; may be changed at any time */
    struct window window;
    struct view_totals totals, ticked; /* now, and at the last tick */
    uint64_t ticked_ns;
};

void view_meter_init(struct view_meter *meter, uint64_t window_ns, uint64_t slo_ns,
                     uint64_t now_ns);

/* A request came; whether it is let in is told later. */
void view_meter_arrival(struct view_meter *meter, uint64_t rows, uint64_t now_ns);
void view_meter_refusal(struct view_meter *meter, uint64_t now_ns);
/* A request that was let in is answered: with outputs (`good`) or with anything else. */
void view_meter_answer(struct view_meter *meter, uint64_t latency_ns, bool good, uint64_t now_ns);
/* A run has ended. */
void view_meter_run(struct view_meter *meter, uint64_t rows, uint64_t busy_ns, uint64_t cpu_ns,
                    uint64_t now_ns);

/*
 * Fills the tenant's window and recent, of which the latter begins anew. The tenant's SLO and queue
 * are there already (its late ones count as misses). The window is as short as it can be with
 * length_min_ns and enough samples for the SLO's percentile (five beyond it).
 */
void view_build_counts(struct view_meter *meter, uint64_t length_min_ns, uint64_t now_ns,
                       struct roost_tenant *tenant);

/* Fills a variant's points from what was learnt; `cpu` (optional) has learnt CPU times of the same
 * runs. */
void view_build_points(const struct curve *service, const struct curve *cpu,
                       struct roost_variant *variant);

#endif
