/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: what is started, what stands by, what serves, and the memory that all of them take. */
#include "base/assert.h"
#include "base/clock.h"
#include "sim/sim_internal.h"

static const uint64_t failed_for_ns = 10 * NS_PER_S;

static uint64_t host_bytes(const struct sim_tenant *tenant, uint32_t variant)
{
    return tenant->ladder->variants[variant].memory_bytes;
}

/* The host goes away with its memory. */
static void host_end(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    struct sim_host *host = &tenant->hosts[variant];
    roost_assert(host->state != ROOST_VARIANT_COLD && host->state != ROOST_VARIANT_SERVING);
    if (host->state != ROOST_VARIANT_FAILED)
        sim->memory_used_bytes -= host_bytes(tenant, variant);
    host->state = ROOST_VARIANT_COLD;
}

/* What stands by may go at any time, unless a switch to it is under way. */
static bool is_idle_host(const struct sim_tenant *tenant, uint32_t variant)
{
    return tenant->hosts[variant].state == ROOST_VARIANT_WARM && variant != tenant->grant.variant;
}

uint64_t sim_memory_free_bytes(const struct sim *sim)
{
    uint64_t all = sim->scenario->node.memory_bytes, used = sim->memory_used_bytes;
    if (all == 0)
        return UINT64_MAX;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        const struct sim_tenant *tenant = &sim->tenants[i];
        for (uint32_t v = 0; v < tenant->ladder->variant_count; v++)
            used -= is_idle_host(tenant, v) ? host_bytes(tenant, v) : 0;
    }
    return all > used ? all - used : 0;
}

/* Makes room by ending what stands by, the longest unused first; false when that is not enough. */
static bool make_room(struct sim *sim, uint64_t bytes)
{
    uint64_t all = sim->scenario->node.memory_bytes;
    if (all == 0)
        return true;
    if (bytes > sim_memory_free_bytes(sim))
        return false;
    while (sim->memory_used_bytes + bytes > all) {
        struct sim_tenant *owner = NULL;
        uint32_t oldest = 0;
        for (uint32_t i = 0; i < sim->tenant_count; i++) {
            struct sim_tenant *tenant = &sim->tenants[i];
            for (uint32_t v = 0; v < tenant->ladder->variant_count; v++)
                if (is_idle_host(tenant, v) &&
                    (owner == NULL || tenant->hosts[v].used_ns < owner->hosts[oldest].used_ns)) {
                    owner = tenant;
                    oldest = v;
                }
        }
        roost_assert(owner != NULL);
        host_end(sim, owner, oldest);
    }
    return true;
}

static bool load_begin(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    if (!make_room(sim, host_bytes(tenant, variant)))
        return false;
    sim->memory_used_bytes += host_bytes(tenant, variant);
    tenant->hosts[variant].state = ROOST_VARIANT_STARTING;
    tenant->loading = variant;
    tenant->load_left_ns = (double)tenant->ladder->variants[variant].start_ns;
    tenant->load_speed = 0;
    tenant->load_start_ns = sim->now_ns;
    sim->moved = true;
    return true;
}

static void load_cancel(struct sim *sim, struct sim_tenant *tenant)
{
    if (tenant->loading == ROOST_NONE)
        return;
    uint32_t variant = tenant->loading;
    tenant->loading = ROOST_NONE;
    sim_event_cancel(sim, &tenant->load_end);
    host_end(sim, tenant, variant);
    sim->moved = true;
}

/* The wish for a host that stands by, when the loader has nothing better to do. */
static void load_standby(struct sim *sim, struct sim_tenant *tenant)
{
    uint32_t wish = tenant->standby;
    if (wish >= tenant->ladder->variant_count || tenant->loading != ROOST_NONE ||
        tenant->hosts[wish].state != ROOST_VARIANT_COLD)
        return;
    uint64_t all = sim->scenario->node.memory_bytes;
    if (all == 0 || sim->memory_used_bytes + host_bytes(tenant, wish) <= all)
        load_begin(sim, tenant, wish);
}

void sim_count_accuracy(struct sim *sim, struct sim_tenant *tenant)
{
    uint64_t now_ns = sim->now_ns < sim->end_ns ? sim->now_ns : sim->end_ns;
    uint64_t span_ns = now_ns - tenant->accuracy_since_ns;
    tenant->result->accuracy_ns += tenant->ladder->variants[tenant->serving].accuracy *
                                   (double)span_ns;
    tenant->accuracy_since_ns = now_ns;
}

static void serve(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    struct sim_host *old = &tenant->hosts[tenant->serving];
    sim_advance(sim, tenant);
    if (variant != tenant->serving) {
        sim_count_accuracy(sim, tenant);
        uint32_t before = tenant->serving;
        old->state = ROOST_VARIANT_WARM;
        old->used_ns = sim->now_ns;
        tenant->serving = variant;
        if (sim->scenario->node.switching == SCENARIO_STALL)
            host_end(sim, tenant, before);
        tenant->switched_ns = tenant->changed_ns = sim->now_ns;
        tenant->result->switches++;
    }
    tenant->hosts[variant].state = ROOST_VARIANT_SERVING;
    tenant->moved = sim->moved = true;
    load_standby(sim, tenant);
    sim_pump(sim, tenant);
}

static void switch_failed(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    tenant->hosts[variant].state = ROOST_VARIANT_FAILED;
    tenant->hosts[variant].failed_until_ns = sim->now_ns + failed_for_ns;
    tenant->grant.variant = tenant->serving;
}

/* Stop, start, and nothing is served in between. */
static void switch_by_stall(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    struct sim_host *next = &tenant->hosts[variant];
    if (next->state == ROOST_VARIANT_COLD) {
        if (!make_room(sim, host_bytes(tenant, variant))) {
            switch_failed(sim, tenant, variant);
            return;
        }
        sim->memory_used_bytes += host_bytes(tenant, variant);
        next->state = ROOST_VARIANT_STARTING;
    }
    if (!sim_stalled(sim, tenant))
        tenant->stall_until_ns = sim->now_ns + sim->scenario->node.stall_ns;
    sim_event_set(sim, &tenant->switch_end, tenant->stall_until_ns);
}

/* What was stopped has to come up again: the wait goes on, and ends with the old one. */
static void stall_call_off(struct sim *sim, struct sim_tenant *tenant)
{
    for (uint32_t v = 0; v < tenant->ladder->variant_count; v++)
        if (tenant->hosts[v].state == ROOST_VARIANT_STARTING)
            host_end(sim, tenant, v);
}

void sim_switch_to(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    tenant->grant.variant = variant;
    struct sim_host *next = &tenant->hosts[variant];
    if (next->state == ROOST_VARIANT_FAILED)
        next->state = ROOST_VARIANT_COLD;
    if (sim->scenario->node.switching == SCENARIO_STALL) {
        if (variant != tenant->serving)
            switch_by_stall(sim, tenant, variant);
        else
            stall_call_off(sim, tenant);
        return;
    }
    if (tenant->loading != ROOST_NONE && tenant->loading != variant)
        load_cancel(sim, tenant);
    if (variant == tenant->serving) {
        sim_event_cancel(sim, &tenant->switch_end);
    } else if (next->state == ROOST_VARIANT_WARM) {
        sim_event_set(sim, &tenant->switch_end, sim->now_ns + sim->scenario->node.switch_ns);
    } else if (next->state == ROOST_VARIANT_COLD && !load_begin(sim, tenant, variant)) {
        switch_failed(sim, tenant, variant);
    }
}

void sim_standby(struct sim *sim, struct sim_tenant *tenant, uint32_t variant)
{
    tenant->standby = variant;
    if (sim->scenario->node.switching == SCENARIO_OVERLAP)
        load_standby(sim, tenant);
}

void sim_load_advance(struct sim *sim, struct sim_tenant *tenant, uint64_t elapsed_ns)
{
    (void)sim;
    tenant->load_left_ns -= tenant->load_speed * (double)elapsed_ns;
    tenant->result->core_ns += tenant->load_speed * (double)elapsed_ns;
}

void sim_load_end(struct sim *sim, void *owner)
{
    struct sim_tenant *tenant = owner;
    static const double rounding_ns = 1;
    sim_advance(sim, tenant);
    sim->moved = true;
    if (tenant->load_left_ns > rounding_ns)
        return; /* only its patience has come to an end */
    uint32_t variant = tenant->loading;
    tenant->loading = ROOST_NONE;
    tenant->hosts[variant].state = ROOST_VARIANT_WARM;
    tenant->hosts[variant].used_ns = sim->now_ns;
    if (variant == tenant->grant.variant && variant != tenant->serving)
        serve(sim, tenant, variant);
    else
        load_standby(sim, tenant);
}

void sim_switch_end(struct sim *sim, void *owner)
{
    struct sim_tenant *tenant = owner;
    tenant->stall_until_ns = 0;
    serve(sim, tenant, tenant->grant.variant);
}

void sim_hosts_init(struct sim *sim, struct sim_tenant *tenant)
{
    const struct scenario_ladder *ladder = tenant->ladder;
    tenant->serving = tenant->config->variant;
    tenant->loading = tenant->standby = ROOST_NONE;
    tenant->accuracy_since_ns = sim->now_ns;
    for (uint32_t v = 0; v < ladder->variant_count; v++) {
        struct sim_host *host = &tenant->hosts[v];
        curve_reset(&host->service);
        curve_reset(&host->cpu);
        host->model = &ladder->variants[v].service;
        host->state = ROOST_VARIANT_COLD;
    }
    tenant->hosts[tenant->serving].state = ROOST_VARIANT_SERVING;
    sim->memory_used_bytes += host_bytes(tenant, tenant->serving);
    int standby = sim->scenario->node.standby;
    for (uint32_t v = 0; v < ladder->variant_count; v++) {
        bool wanted = standby == SCENARIO_STANDBY_ALL ||
                      (standby == SCENARIO_STANDBY_CHEAPEST && v + 1 == ladder->variant_count);
        uint64_t all = sim->scenario->node.memory_bytes;
        bool fits = all == 0 || sim->memory_used_bytes + host_bytes(tenant, v) <= all;
        if (wanted && fits && v != tenant->serving) {
            tenant->hosts[v].state = ROOST_VARIANT_WARM;
            sim->memory_used_bytes += host_bytes(tenant, v);
        }
    }
}
