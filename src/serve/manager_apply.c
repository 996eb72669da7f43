/* SPDX-License-Identifier: Apache-2.0 */
/* What is done about a plan. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/plan.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/server.h"
#include "serve/tenant.h"

/* Every version of the tenant goes by its hold. */
static void hold_changed(struct tenant *tenant)
{
    for (unsigned i = 0; i < tenant->lane_count; i++) {
        lane_update(tenant->lanes[i], &tenant->lanes[i]->settings);
    }
    for (unsigned i = 0; i < tenant->coming_count; i++) {
        lane_update(tenant->coming[i], &tenant->coming[i]->settings);
    }
}

void manager_hold(struct lane *lane)
{
    struct tenant_hold *hold = &lane->tenant->hold;
    if (hold->held) {
        return;
    }
    *hold = (struct tenant_hold){
        .held = true, .grant = view_grant_default(), .changed_ns = clock_now_ns()};
    hold->grant.workers = lane->workers;
}

void manager_let_go(struct server *server)
{
    bool any = false;
    for (size_t i = 0; i < server->tenant_count; i++) {
        struct tenant *tenant = server->tenants[i];
        if (tenant->hold.held) {
            any = true;
            tenant->hold = (struct tenant_hold){0};
            hold_changed(tenant);
        }
    }
    struct detail detail = {""};
    if (any && grants_apply(server, 0, &detail) != ROOST_OK) {
        log_error("knob.apply", "why=\"nobody decides any more\" reason=%s", LOG_Q(detail.text));
    }
}

/* ---- cores ------------------------------------------------------------------------------ */

/* Only whole ones are pinned; a share of one is a cap on a tenant that runs with the others. */
static unsigned cores_wanted(const struct roost_grant *grant)
{
    bool whole = grant->mode == ROOST_EXCLUSIVE && grant->slots % ROOST_SLOTS_PER_CORE == 0;
    return whole ? grant->slots / ROOST_SLOTS_PER_CORE : 0;
}

/* Gives whole cores that nobody has taken, of those `within` (NULL: of all). */
static void cores_take(const struct server *server, unsigned count, const struct cpus *within,
                       struct cpus *taken, struct cpus *own)
{
    for (unsigned i = 0; i < server->limits.cpu_count && cpus_count(own) < count; i++) {
        unsigned cpu = server->limits.cpus[i];
        if (!cpus_has(taken, cpu) && (within == NULL || cpus_has(within, cpu))) {
            cpus_add(taken, cpu);
            cpus_add(own, cpu);
        }
    }
}

/* Which cores each tenant of the plan runs on: its own, or all that nobody holds alone. `cpus` has
 * room for all tenants; empty sets where every core is free for all. */
static void cores_divide(const struct server *server, struct lane *const *lanes,
                         const struct roost_plan *plan, struct cpus *cpus)
{
    struct cpus taken = {0}, rest = {0};
    memset(cpus, 0, plan->tenant_count * sizeof *cpus);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        /* What somebody keeps is not for others, whoever comes first. */
        const struct tenant_hold *hold = &lanes[i]->tenant->hold;
        if (hold->held && hold->grant.mode == ROOST_EXCLUSIVE) {
            cores_take(server, cores_wanted(&plan->tenants[i].grant), &hold->cpus, &taken,
                       &cpus[i]);
        }
    }
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        cores_take(server, cores_wanted(&plan->tenants[i].grant), NULL, &taken, &cpus[i]);
    }
    bool divided = cpus_count(&taken) > 0;
    cores_take(server, divided ? server->limits.cpu_count : 0, NULL, &taken, &rest);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        if (cores_wanted(&plan->tenants[i].grant) == 0) {
            cpus[i] = rest;
        }
    }
}

/* ---- applying ----------------------------------------------------------------------------- */

static void log_move(const struct roost_view *view, const struct roost_plan *plan, uint32_t tenant,
                     const char *policy)
{
    const struct roost_plan_tenant *planned = &plan->tenants[tenant];
    const struct roost_tenant *seen = &view->tenants[tenant];
    const struct roost_grant *grant = &planned->grant;
    char sentence[DETAIL_BYTES_MAX];
    plan_reason_format(plan, view, tenant, sentence, sizeof sentence);
    log_info(
        "policy.move",
        "policy=%s tenant=%s tick=%llu variant=%s mode=%s slots=%u weight=%u workers=%u batch=%u "
        "shed=%s slice_us=%llu class=%s ways=%u bandwidth=%u why=%s reason=%s",
        policy, seen->name, (unsigned long long)view->tick, seen->variants[grant->variant].name,
        grant->mode == ROOST_EXCLUSIVE ? "exclusive" : "shared", grant->slots, grant->weight,
        grant->workers, grant->batch_rows, grant->shed == ROOST_SHED_SLO ? "slo" : "configured",
        (unsigned long long)grant->slice_ns / NS_PER_US,
        grant->sched_class == ROOST_CLASS_IDLE ? "idle" : "normal", grant->ways, grant->bandwidth,
        plan_reason_name(planned->reason.code), LOG_Q(sentence));
}

static void apply_variant(struct lane *lane, const struct roost_plan_tenant *planned,
                          uint32_t variant_held)
{
    struct detail detail = {""};
    uint32_t variant = planned->grant.variant;
    if (variant != variant_held && lane_switch(lane, variant, &detail) != ROOST_OK) {
        log_warn("policy.switch", "tenant=%s variant=%s result=\"stays\" reason=%s",
                 lane->tenant->name, lane->variants[variant].desired.name, LOG_Q(detail.text));
    }
}

static bool cpus_equal(const struct cpus *a, const struct cpus *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A host to stand by: the one that the policy thinks of, or else the cheapest that may be chosen,
 * since an overload is no time to start one. */
static void apply_standby(struct lane *lane, const struct roost_tenant *seen, uint32_t wish)
{
    for (uint32_t i = seen->variant_count; wish == ROOST_NONE && i-- > 0;) {
        bool allowed = seen->accuracy_floor <= 0 ||
                       seen->variants[i].accuracy >= seen->accuracy_floor;
        if (allowed && seen->variants[i].state != ROOST_VARIANT_FAILED) {
            wish = i;
        }
    }
    if (wish != ROOST_NONE) {
        lane_warm(lane, wish);
    }
}

/* What everybody is to hold, before it is. */
static enum roost_err holds_plan(const struct server *server, const struct roost_view *view,
                                 struct lane *const *lanes, const struct roost_plan *plan,
                                 struct tenant_hold *holds, uint64_t *ways_rest_mask)
{
    uint32_t count = plan->tenant_count;
    struct cpus *cpus = calloc(count + 1, sizeof *cpus);
    uint64_t *masks = calloc(count + 1, sizeof *masks);
    bool divided = false;
    if (cpus == NULL || masks == NULL) {
        free(cpus);
        free(masks);
        return ROOST_NO_MEMORY;
    }
    cores_divide(server, lanes, plan, cpus);
    plan_way_masks(plan, &view->node, masks, ways_rest_mask);
    for (uint32_t i = 0; i < count; i++) {
        const struct roost_plan_tenant *planned = &plan->tenants[i];
        holds[i] = lanes[i]->tenant->hold;
        if (!view_grant_equal(&planned->grant, &view->tenants[i].grant)) {
            holds[i].changed_ns = view->now_ns;
            holds[i].reason = planned->reason;
        }
        holds[i].grant = planned->grant;
        holds[i].cpus = cpus[i];
        holds[i].ways_mask = masks[i];
        divided |= planned->grant.ways > 0;
    }
    *ways_rest_mask = divided ? *ways_rest_mask : 0;
    free(cpus);
    free(masks);
    return ROOST_OK;
}

static void holds_swap(struct lane *const *lanes, struct tenant_hold *holds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tenant_hold hold = lanes[i]->tenant->hold;
        lanes[i]->tenant->hold = holds[i];
        holds[i] = hold;
    }
}

enum roost_err manager_apply(struct server *server, const struct roost_view *view,
                             struct lane *const *lanes, const struct roost_plan *plan,
                             const char *policy, struct detail *detail)
{
    uint64_t ways_rest_mask;
    struct tenant_hold *holds = calloc(plan->tenant_count + 1, sizeof *holds);
    if (holds == NULL ||
        holds_plan(server, view, lanes, plan, holds, &ways_rest_mask) != ROOST_OK) {
        free(holds);
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    holds_swap(lanes, holds, plan->tenant_count);
    enum roost_err err = grants_apply(server, ways_rest_mask, detail);
    if (err != ROOST_OK) {
        holds_swap(lanes, holds, plan->tenant_count);
        free(holds);
        return err;
    }
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        bool changed = !view_grant_equal(&plan->tenants[i].grant, &view->tenants[i].grant);
        if (changed) {
            log_move(view, plan, i, policy);
        }
        if (changed || !cpus_equal(&holds[i].cpus, &lanes[i]->tenant->hold.cpus)) {
            hold_changed(lanes[i]->tenant);
        }
    }
    free(holds);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        apply_variant(lanes[i], &plan->tenants[i], view->tenants[i].grant.variant);
        apply_standby(lanes[i], &view->tenants[i], plan->tenants[i].standby);
    }
    return ROOST_OK;
}
