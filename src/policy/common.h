/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several policies do alike: reading pressure from a view, keeping one record per tenant,
 * sharing a node's cores or dividing them. Pure, without memory of its own; any thread.
 */
#ifndef ROOST_POLICY_COMMON_H
#define ROOST_POLICY_COMMON_H

#include "core/plan.h"
#include "core/view.h"

/* Sets why; values are v0 and v1, the rest is 0. */
void policy_reason(struct roost_plan *plan, uint32_t tenant, enum roost_reason_code code,
                   uint32_t other, double v0, double v1);

/*
 * Records with a `uint32_t id` as their first member, 0 when free: brings them into the view's
 * order, so that records[i] is tenant i's. Those of tenants that have gone are cleared, those of
 * new ones are zero but for the id. False, and nothing done, when the view has more than `max`.
 */
bool policy_sync(void *records, size_t record_bytes, uint32_t max, const struct roost_view *view);

/* Requests that a percentile needs before one says anything: one beyond it. */
uint64_t policy_samples_least(double percentile);

/*
 * How near a tenant is to missing its SLO: the measured tail, or the age of the queue's head where
 * that is past the SLO, over the SLO's time. Above 1 too where so many requests were lost (refused,
 * expired, failed) that too few were answered in time. 0: no SLO, or nothing to judge by.
 */
double policy_pressure(const struct roost_tenant *tenant);

/* The tenant of the highest pressure and that pressure; ROOST_NONE when there is no SLO. */
uint32_t policy_worst(const struct roost_view *view, double *pressure);

/*
 * True when measurements tell of the grants in force: nobody is switching and the last change is
 * `settle_ns` ago, and the windows have left it behind (or four times as long has passed).
 */
bool policy_settled(const struct roost_view *view, uint64_t settle_ns);

/* Ticks in a span, at least 1. */
uint64_t policy_ticks(const struct roost_view *view, uint64_t span_ns);

/* Part of the tenants' cores that is used, by tenants and others. */
double policy_utilisation(const struct roost_view *view);

/* Cores that one run of the tenant's can keep busy. */
static inline uint32_t policy_threads(const struct roost_tenant *tenant)
{
    return tenant->threads == 0 ? 1 : tenant->threads;
}

/* Cores that tenants can have: without what others use. At least a tenth of one. */
double policy_cores(const struct roost_view *view);

/*
 * Puts everybody into shared mode with all workers, usual weight, no partition and no slice of its
 * own, as far as the node's knobs allow. True when that changes anything, with a reason for it.
 */
bool policy_share(const struct roost_view *view, struct roost_plan *plan);

/* Cache and memory bandwidth for all alike; for policies that do not divide them. */
void policy_open_cache(const struct roost_view *view, struct roost_plan *plan);

/* Slots that are moved at a time: `wanted`, or with 0 a core where there are four per tenant, else
 * a tenth of one. 0: these cores cannot be divided among these tenants with these knobs. */
uint32_t policy_unit_slots(const struct roost_view *view, uint32_t wanted);

/*
 * Divides the slots: newcomers get an equal share, taken from those that hold most where nothing is
 * free; with `fill`, or when all are newcomers, what is left goes to those that hold least.
 * Everybody is in exclusive mode then. `unit` is not 0. True when that changes any grant.
 */
bool policy_divide(const struct roost_view *view, struct roost_plan *plan, uint32_t unit,
                   bool fill);

/* Slots that nobody holds, when all are in exclusive mode. */
uint32_t policy_free_slots(const struct roost_view *view, const struct roost_plan *plan);

/* Sets a tenant's slots and the workers that go with them. */
void policy_set_slots(const struct roost_view *view, struct roost_plan *plan, uint32_t tenant,
                      uint32_t slots);

/* True when ways can be given to each tenant: the knob, enough ways and classes of service. */
bool policy_ways_divisible(const struct roost_view *view);

/* Divides the ways as policy_divide does the slots, in units of one. */
bool policy_divide_ways(const struct roost_view *view, struct roost_plan *plan, bool fill);

/* The cost that RUS and the order of rungs go by: as asked for; where that is unknown for this
 * variant, in proportion to what is known of both it and the one in force. 0: unknown. */
double policy_cost(const struct roost_tenant *tenant, uint32_t variant, enum view_cost source);

#endif
