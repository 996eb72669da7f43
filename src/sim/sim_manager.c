/* SPDX-License-Identifier: Apache-2.0 */
/* The tick: what the policy sees, what it answers, and what is done about it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/plan.h"
#include "sim/sim_internal.h"

enum roost_err sim_manager_init(struct sim *sim, struct detail *detail)
{
    uint32_t tenants = sim->tenant_count;
    const struct sim_options *options = sim->options;
    sim->node = scenario_node_of(sim->scenario);
    for (int i = 0; i < 2; i++)
        if (view_store_init(&sim->views[i], tenants, ROOST_VARIANTS_MAX) != ROOST_OK)
            return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    sim->plan_tenants = calloc(tenants, sizeof *sim->plan_tenants);
    sim->pending_tenants = calloc(tenants, sizeof *sim->pending_tenants);
    sim->raw_tenants = calloc(tenants, sizeof *sim->raw_tenants);
    if (sim->plan_tenants == NULL || sim->pending_tenants == NULL || sim->raw_tenants == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    return policy_runner_init(&sim->runner, options->policy, options->assignments,
                              options->assignment_count, tenants, &sim->node, detail);
}

void sim_manager_fini(struct sim *sim)
{
    policy_runner_fini(&sim->runner);
    view_store_fini(&sim->views[0]);
    view_store_fini(&sim->views[1]);
    free(sim->plan_tenants);
    free(sim->pending_tenants);
    free(sim->raw_tenants);
}

static void see_variants(const struct sim *sim, struct sim_tenant *tenant,
                         struct roost_variant *variants)
{
    for (uint32_t v = 0; v < tenant->ladder->variant_count; v++) {
        const struct scenario_variant *config = &tenant->ladder->variants[v];
        struct sim_host *host = &tenant->hosts[v];
        if (host->state == ROOST_VARIANT_FAILED && sim->now_ns >= host->failed_until_ns)
            host->state = ROOST_VARIANT_COLD;
        variants[v] = (struct roost_variant){.name = config->name,
                                             .accuracy = config->accuracy,
                                             .mflops_declared = config->mflops,
                                             .flops_counted = config->flops,
                                             .cpu_ns_per_row = host->cpu_ns_per_row,
                                             .memory_bytes = config->memory_bytes,
                                             .start_ns = config->start_ns,
                                             .state = host->state,
                                             .load_workers = config->load_workers,
                                             .load_ways = config->load_ways,
                                             .load_per_s = config->load_per_s};
        view_build_points(&host->service, &host->cpu, &variants[v]);
    }
}

static void see_queue(const struct sim *sim, const struct sim_tenant *tenant,
                      struct roost_queue *queue)
{
    const struct heap *heap = &tenant->queue.heap;
    *queue = (struct roost_queue){.requests = heap->count, .rows = tenant->queue.rows};
    for (size_t i = 0; i < heap->count; i++) {
        const struct queue_item *item = (const struct queue_item *)((const char *)heap->nodes[i] -
                                                                    offsetof(struct queue_item,
                                                                             node));
        uint64_t age_ns = sim->now_ns - item->arrival_ns;
        queue->head_age_ns = age_ns > queue->head_age_ns ? age_ns : queue->head_age_ns;
        queue->late += tenant->config->slo_ns > 0 && age_ns > tenant->config->slo_ns;
    }
}

static void see_tenant(struct sim *sim, struct sim_tenant *tenant, struct view_store *store)
{
    const struct scenario_tenant *config = tenant->config;
    struct roost_tenant *seen = view_store_add(store);
    struct roost_variant *variants = view_store_variants(store, tenant->index);
    see_variants(sim, tenant, variants);
    seen->id = tenant->index + 1;
    seen->name = config->name;
    seen->slo_percentile = config->slo_percentile;
    seen->slo_ns = config->slo_ns;
    seen->deadline_ns = config->deadline_ns;
    seen->priority = (int32_t)config->priority;
    seen->accuracy_floor = config->accuracy_floor;
    seen->share_configured = (uint32_t)config->share;
    seen->workers_max = (uint32_t)config->workers_max;
    seen->threads = config->threads < 1 ? 1 : (uint32_t)config->threads;
    seen->batch_rows_max = config->batching == SCENARIO_BATCH_OFF ? 1 : (uint32_t)config->batch_max;
    seen->shed_allowed = config->shed != SCENARIO_SHED_NEVER;
    seen->serving = tenant->serving;
    seen->variant_count = tenant->ladder->variant_count;
    seen->grant = tenant->grant;
    seen->since_change_ns = sim->now_ns - tenant->changed_ns;
    seen->since_switch_ns = sim->now_ns - tenant->switched_ns;
    for (uint32_t v = 0; v < tenant->ladder->variant_count; v++)
        if (tenant->hosts[v].state != ROOST_VARIANT_COLD)
            seen->resident_bytes += tenant->ladder->variants[v].memory_bytes;
    see_queue(sim, tenant, &seen->queue);
    view_build_counts(&tenant->meter, sim->scenario->window_min_ns, sim->now_ns, seen);
}

/* Only to look at it (`glance`): what counts from tick to tick goes on. */
static void see(struct sim *sim, struct view_store *store, bool glance)
{
    view_store_clear(store);
    struct roost_view *view = &store->view;
    view->seed = sim->seed;
    view->tick = sim->tick_number;
    view->now_ns = sim->now_ns;
    view->tick_ns = sim->scenario->tick_ns;
    view->memory_free_bytes = sim_memory_free_bytes(sim);
    view->node = sim->node;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct view_meter *meter = &sim->tenants[i].meter;
        struct view_totals ticked = meter->ticked;
        uint64_t ticked_ns = meter->ticked_ns;
        see_tenant(sim, &sim->tenants[i], store);
        if (glance) {
            meter->ticked = ticked;
            meter->ticked_ns = ticked_ns;
        }
    }
}

static void apply_grant(struct sim *sim, struct sim_tenant *tenant,
                        const struct roost_plan_tenant *planned)
{
    struct roost_grant held = tenant->grant;
    const struct roost_grant *grant = &planned->grant;
    if (planned->standby != tenant->standby)
        sim_standby(sim, tenant, planned->standby);
    if (view_grant_equal(grant, &held))
        return;
    sim_advance(sim, tenant);
    tenant->grant = *grant;
    tenant->grant.variant = held.variant;
    if (grant->variant != held.variant)
        sim_switch_to(sim, tenant, grant->variant);
    struct roost_grant now = *grant;
    now.variant = held.variant;
    if (!view_grant_equal(&now, &held)) {
        tenant->result->grants++;
        tenant->changed_ns = sim->now_ns;
    }
    tenant->moved = sim->moved = true;
}

static void apply_plan(struct sim *sim, const struct roost_plan *plan)
{
    for (uint32_t i = 0; i < sim->tenant_count; i++)
        apply_grant(sim, &sim->tenants[i], &plan->tenants[i]);
    sim_cores_choose(sim, true);
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct sim_tenant *tenant = &sim->tenants[i];
        tenant->ways = sim_ways_of(sim, tenant);
        sim_limits_refresh(tenant);
        sim_pump(sim, tenant);
    }
}

/* The plan of an earlier tick, made to fit what is now. */
static void apply_pending(struct sim *sim)
{
    struct view_store *now = &sim->views[0], *then = &sim->views[1];
    see(sim, now, true);
    policy_runner_rebase(&sim->pending, &then->view, &now->view, &sim->plan, sim->plan_tenants);
    if (plan_check(&sim->plan, &now->view, NULL, NULL) == ROOST_OK)
        apply_plan(sim, &sim->plan);
}

/* Asks the policy. True when the plan is to be applied at once. */
static bool decide(struct sim *sim, struct view_store *store)
{
    struct detail detail;
    const struct roost_view *view = &store->view;
    policy_runner_decide(&sim->runner, view, &sim->plan, sim->plan_tenants);
    struct roost_plan raw = sim->plan;
    raw.tenants = sim->raw_tenants;
    memcpy(sim->raw_tenants, sim->plan_tenants, plan_bytes(sim->tenant_count));
    uint32_t delay_ticks = sim->runner.policy->delay_ticks;
    enum policy_outcome outcome = policy_runner_judge(&sim->runner, view, &sim->plan, 0, 0,
                                                      &detail);
    if (sim->options->decided != NULL)
        sim->options->decided(sim->options->context, view, &raw, outcome);
    if (delay_ticks == 0)
        return true;
    sim->pending = sim->plan;
    sim->pending.tenants = sim->pending_tenants;
    memcpy(sim->pending_tenants, sim->plan_tenants, plan_bytes(sim->tenant_count));
    sim->pending_ticks = delay_ticks;
    return false;
}

void sim_tick(struct sim *sim, void *unused)
{
    (void)unused;
    bool waiting = sim->pending_ticks > 0;
    if (waiting && --sim->pending_ticks == 0) {
        apply_pending(sim);
        waiting = false;
    }
    if (!waiting) {
        /* A plan that waits needs the view that it was made of. */
        struct view_store *store = &sim->views[sim->runner.policy->delay_ticks > 0];
        see(sim, store, false);
        if (decide(sim, store))
            apply_plan(sim, &sim->plan);
    }
    sim->tick_number++;
    sim->result->ticks++;
    sim_event_set(sim, &sim->tick, sim->now_ns + sim->scenario->tick_ns);
}
