/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/common.h"

#include <string.h>

void policy_reason(struct roost_plan *plan, uint32_t tenant, enum roost_reason_code code,
                   uint32_t other, double v0, double v1)
{
    plan->tenants[tenant].reason = (struct roost_reason){
        .code = code, .other = other, .values = {v0, v1}};
}

static uint32_t record_id(const void *records, size_t record_bytes, uint32_t index)
{
    uint32_t id;
    memcpy(&id, (const char *)records + index * record_bytes, sizeof id);
    return id;
}

static void swap_bytes(char *a, char *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char keep = a[i];
        a[i] = b[i];
        b[i] = keep;
    }
}

/* The first record from `from` on with this id; 0 finds a free one. */
static uint32_t record_find(const void *records, size_t record_bytes, uint32_t max, uint32_t from,
                            uint32_t id)
{
    while (from < max && record_id(records, record_bytes, from) != id) {
        from++;
    }
    return from;
}

bool policy_sync(void *records, size_t record_bytes, uint32_t max, const struct roost_view *view)
{
    if (view->tenant_count > max) {
        return false;
    }
    char *base = records;
    for (uint32_t i = 0; i < max; i++) {
        uint32_t id = record_id(records, record_bytes, i);
        if (id != 0 && view_find(view, id) == ROOST_NONE) {
            memset(base + i * record_bytes, 0, record_bytes);
        }
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        uint32_t id = view->tenants[i].id;
        uint32_t at = record_find(records, record_bytes, max, i, id);
        if (at == max) {
            /* Fewer records than places are in use from here on: one is free. */
            at = record_find(records, record_bytes, max, i, 0);
            memcpy(base + at * record_bytes, &id, sizeof id);
        }
        if (at != i) {
            swap_bytes(base + i * record_bytes, base + at * record_bytes, record_bytes);
        }
    }
    return true;
}

uint64_t policy_samples_least(double percentile)
{
    double beyond = 1 - percentile / 100;
    return beyond < 0.001 ? 1000 : (uint64_t)(1 / beyond + 0.5);
}

/* Requests without an answer are in no tail. Where they are why too few were in time: more than 1,
 * up to the deadline over the SLO's time when all are lost; else 0. What the policy in force has
 * refused itself tells it nothing. */
static double lost_pressure(const struct roost_tenant *tenant)
{
    const struct roost_window *window = &tenant->window;
    bool wanted = tenant->grant.shed == ROOST_SHED_SLO;
    double refused = wanted ? 0 : (double)window->refusals;
    double lost = (double)window->errors + refused, due = (double)window->completions + lost;
    double missing = tenant->slo_percentile / 100 - window->attainment;
    if (lost <= 0 || missing <= 0 || due < (double)policy_samples_least(tenant->slo_percentile)) {
        return 0;
    }
    double most = (double)tenant->deadline_ns / (double)tenant->slo_ns;
    double share = lost / due < missing ? lost / due : missing;
    return 1 + share * ((most > 2 ? most : 2) - 1);
}

double policy_pressure(const struct roost_tenant *tenant)
{
    if (!view_has_slo(tenant)) {
        return 0;
    }
    const struct roost_window *window = &tenant->window;
    double slo_ns = (double)tenant->slo_ns, pressure = lost_pressure(tenant);
    if (window->latency_samples >= policy_samples_least(tenant->slo_percentile)) {
        double tail = (double)window->latency_slo_ns / slo_ns;
        pressure = tail > pressure ? tail : pressure;
    }
    double age = (double)tenant->queue.head_age_ns / slo_ns;
    bool waits = tenant->queue.requests > 0 && age > 1;
    return waits && age > pressure ? age : pressure;
}

uint32_t policy_worst(const struct roost_view *view, double *pressure)
{
    uint32_t worst = ROOST_NONE;
    *pressure = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double of_this = policy_pressure(&view->tenants[i]);
        if (view_has_slo(&view->tenants[i]) && (worst == ROOST_NONE || of_this > *pressure)) {
            worst = i;
            *pressure = of_this;
        }
    }
    return worst;
}

bool policy_settled(const struct roost_view *view, uint64_t settle_ns)
{
    uint64_t since_ns = UINT64_MAX, window_ns = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        if (view_is_switching(tenant)) {
            return false;
        }
        since_ns = tenant->since_change_ns < since_ns ? tenant->since_change_ns : since_ns;
        window_ns = tenant->window.length_ns > window_ns ? tenant->window.length_ns : window_ns;
    }
    return since_ns >= settle_ns && (since_ns >= window_ns || since_ns / 4 >= settle_ns);
}

uint64_t policy_ticks(const struct roost_view *view, uint64_t span_ns)
{
    uint64_t ticks = view->tick_ns == 0 ? 1 : span_ns / view->tick_ns;
    return ticks == 0 ? 1 : ticks;
}

static double others_cores(const struct roost_view *view)
{
    return view->other_length_ns == 0 ? 0
                                      : (double)view->other_cpu_ns / (double)view->other_length_ns;
}

double policy_utilisation(const struct roost_view *view)
{
    double cores = others_cores(view);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_window *window = &view->tenants[i].window;
        cores += window->length_ns == 0 ? 0 : (double)window->cpu_ns / (double)window->length_ns;
    }
    return view->node.cores == 0 ? 1 : cores / view->node.cores;
}

double policy_cores(const struct roost_view *view)
{
    double cores = view->node.cores - others_cores(view);
    return cores < 0.1 ? 0.1 : cores;
}

static uint32_t least_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* At least one, and as many as both the tenant and its cores allow. */
static uint32_t workers_for(const struct roost_tenant *tenant, uint32_t cores)
{
    uint32_t workers = least_u32(tenant->workers_max, cores);
    return workers == 0 ? 1 : workers;
}

/* What no policy of exclusive cores, and none that shares, leaves to chance. */
static void grant_reset(const struct roost_view *view, struct roost_grant *grant)
{
    grant->slice_ns = view_has_knob(view, ROOST_KNOB_SLICE) ? 0 : grant->slice_ns;
    grant->sched_class = view_has_knob(view, ROOST_KNOB_CLASS) ? (uint32_t)ROOST_CLASS_NORMAL
                                                               : grant->sched_class;
    grant->shed = view_has_knob(view, ROOST_KNOB_SHED) ? (uint32_t)ROOST_SHED_CONFIGURED
                                                       : grant->shed;
}

void policy_open_cache(const struct roost_view *view, struct roost_plan *plan)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_grant *grant = &plan->tenants[i].grant;
        if (view_has_knob(view, ROOST_KNOB_WAYS)) {
            grant->ways = 0;
        }
        if (view_has_knob(view, ROOST_KNOB_BANDWIDTH)) {
            grant->bandwidth = ROOST_BANDWIDTH_FULL;
        }
    }
}

bool policy_share(const struct roost_view *view, struct roost_plan *plan)
{
    bool changed = false;
    policy_open_cache(view, plan);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_grant *grant = &plan->tenants[i].grant;
        grant->mode = ROOST_SHARED;
        grant->slots = 0;
        grant_reset(view, grant);
        if (view_has_knob(view, ROOST_KNOB_WEIGHT)) {
            grant->weight = ROOST_WEIGHT_DEFAULT;
        }
        if (view_has_knob(view, ROOST_KNOB_WORKERS)) {
            grant->workers = workers_for(&view->tenants[i], view->node.cores);
        }
        if (!view_grant_equal(grant, &view->tenants[i].grant)) {
            policy_reason(plan, i, ROOST_REASON_MODE, ROOST_NONE, 0, 0);
            changed = true;
        }
    }
    return changed;
}

static uint32_t slots_total(const struct roost_view *view)
{
    return view->node.cores * ROOST_SLOTS_PER_CORE;
}

uint32_t policy_unit_slots(const struct roost_view *view, uint32_t wanted)
{
    uint32_t tenants = view->tenant_count;
    bool tenths = view_has_knob(view, ROOST_KNOB_QUOTA);
    bool whole = tenths || view_has_knob(view, ROOST_KNOB_CORES);
    uint32_t unit = wanted;
    if (unit == 0) {
        unit = !tenths || view->node.cores / 4 >= tenants ? ROOST_SLOTS_PER_CORE : 1;
    }
    if (!tenths) {
        unit = (unit + ROOST_SLOTS_PER_CORE - 1) / ROOST_SLOTS_PER_CORE * ROOST_SLOTS_PER_CORE;
    }
    return whole && tenants > 0 && slots_total(view) / unit >= tenants ? unit : 0;
}

void policy_set_slots(const struct roost_view *view, struct roost_plan *plan, uint32_t tenant,
                      uint32_t slots)
{
    struct roost_grant *grant = &plan->tenants[tenant].grant;
    grant->mode = ROOST_EXCLUSIVE;
    grant->slots = slots;
    grant_reset(view, grant);
    if (view_has_knob(view, ROOST_KNOB_WORKERS)) {
        uint32_t cores = (slots + ROOST_SLOTS_PER_CORE - 1) / ROOST_SLOTS_PER_CORE;
        uint32_t threads = policy_threads(&view->tenants[tenant]);
        grant->workers = workers_for(&view->tenants[tenant], (cores + threads - 1) / threads);
    }
}

uint32_t policy_free_slots(const struct roost_view *view, const struct roost_plan *plan)
{
    uint32_t total = slots_total(view);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        uint32_t slots = plan->tenants[i].grant.slots;
        total -= slots < total ? slots : total;
    }
    return total;
}

static uint32_t *held_at(struct roost_plan *plan, uint32_t tenant, enum roost_resource resource)
{
    struct roost_grant *grant = &plan->tenants[tenant].grant;
    return resource == ROOST_WAYS ? &grant->ways : &grant->slots;
}

/* The first of those that hold most, or least. */
static uint32_t held_extreme(struct roost_plan *plan, enum roost_resource resource, bool most)
{
    uint32_t found = 0;
    for (uint32_t i = 1; i < plan->tenant_count; i++) {
        uint32_t held = *held_at(plan, i, resource), best = *held_at(plan, found, resource);
        if (most ? held > best : held < best) {
            found = i;
        }
    }
    return found;
}

/* Everybody a multiple of `unit` and at least `least`, no more than `total` together. */
static void divide(struct roost_plan *plan, enum roost_resource resource, uint32_t total,
                   uint32_t unit, uint32_t least, bool fill)
{
    uint32_t share = total / plan->tenant_count / unit * unit;
    uint64_t given = 0;
    bool any_held = false;
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        uint32_t *held = held_at(plan, i, resource);
        any_held = any_held || *held >= least;
        *held = *held < least ? share : *held / unit * unit;
        *held = *held < least ? least : *held;
        given += *held;
    }
    while (given > total) {
        *held_at(plan, held_extreme(plan, resource, true), resource) -= unit;
        given -= unit;
    }
    while ((fill || !any_held) && given + unit <= total) {
        *held_at(plan, held_extreme(plan, resource, false), resource) += unit;
        given += unit;
    }
}

static bool mark_initial(const struct roost_view *view, struct roost_plan *plan, uint32_t total,
                         enum roost_resource resource)
{
    bool changed = false;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (!view_grant_equal(&plan->tenants[i].grant, &view->tenants[i].grant)) {
            policy_reason(plan, i, ROOST_REASON_INITIAL, ROOST_NONE, *held_at(plan, i, resource),
                          total);
            changed = true;
        }
    }
    return changed;
}

bool policy_divide(const struct roost_view *view, struct roost_plan *plan, uint32_t unit, bool fill)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_grant *grant = &plan->tenants[i].grant;
        grant->slots = grant->mode == ROOST_EXCLUSIVE ? grant->slots : 0;
    }
    /* A remainder below one unit stays free. */
    uint32_t total = slots_total(view) / unit * unit;
    divide(plan, ROOST_CORES, total, unit, unit, fill);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        policy_set_slots(view, plan, i, plan->tenants[i].grant.slots);
    }
    return mark_initial(view, plan, total, ROOST_CORES);
}

bool policy_ways_divisible(const struct roost_view *view)
{
    const struct roost_node *node = &view->node;
    uint64_t least = (uint64_t)(node->ways_min > 0 ? node->ways_min : 1) * view->tenant_count;
    return view_has_knob(view, ROOST_KNOB_WAYS) && view->tenant_count > 0 && node->ways >= least &&
           node->closids >= view->tenant_count;
}

bool policy_divide_ways(const struct roost_view *view, struct roost_plan *plan, bool fill)
{
    uint32_t least = view->node.ways_min > 0 ? view->node.ways_min : 1;
    divide(plan, ROOST_WAYS, view->node.ways, 1, least, fill);
    return mark_initial(view, plan, view->node.ways, ROOST_WAYS);
}

double policy_cost(const struct roost_tenant *tenant, uint32_t variant, enum view_cost source)
{
    const struct roost_variant *wanted = &tenant->variants[variant];
    double cost = view_variant_cost(wanted, source);
    if (cost > 0 || tenant->grant.variant >= tenant->variant_count) {
        return cost;
    }
    const struct roost_variant *held = &tenant->variants[tenant->grant.variant];
    double known = view_variant_cost(held, source);
    static const enum view_cost others[] = {VIEW_COST_COUNTED, VIEW_COST_DECLARED};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        double from = view_variant_cost(held, others[i]);
        double to = view_variant_cost(wanted, others[i]);
        if (known > 0 && from > 0 && to > 0) {
            return known * to / from;
        }
    }
    return 0;
}
