/* SPDX-License-Identifier: Apache-2.0 */
/* From lanes to the view that policies and people see. */
#include "base/clock.h"
#include "core/view_build.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

void manager_see_node(const struct server *server, struct roost_node *node)
{
    unsigned cores = server->limits.cpu_count;
    *node = (struct roost_node){
        .knobs = ROOST_KNOB_WORKERS | ROOST_KNOB_BATCH | ROOST_KNOB_VARIANT | ROOST_KNOB_SHED,
        .cores = cores,
        .memory_bytes = server->limits.memory_bytes,
    };
    node->knobs |= cores > 1 ? ROOST_KNOB_CORES : 0;
    grants_see_node(server->grants, node);
}

static uint32_t see_state(const struct lane *lane, unsigned variant, uint64_t now_ns)
{
    if (variant == lane->variant) {
        return ROOST_VARIANT_SERVING;
    }
    if (lane->variants[variant].standby != NULL) {
        return ROOST_VARIANT_WARM;
    }
    if (lane->coming != NULL && lane->coming->variant == variant) {
        return ROOST_VARIANT_STARTING;
    }
    return lane_variant_failed(lane, variant, now_ns) ? ROOST_VARIANT_FAILED : ROOST_VARIANT_COLD;
}

static void see_variant(const struct lane *lane, unsigned number, uint64_t now_ns,
                        struct roost_variant *seen)
{
    const struct lane_variant *variant = &lane->variants[number];
    double accuracy = variant->desired.accuracy;
    *seen = (struct roost_variant){
        .name = variant->desired.name,
        .accuracy = accuracy >= 0 ? accuracy : variant->metadata.accuracy,
        .mflops_declared = variant->desired.mflops > 0 ? variant->desired.mflops : 0,
        .flops_counted = (double)variant->metadata.mflops_x1000 * 1000,
        .cpu_ns_per_row = variant->cpu_rows > 0 ? variant->cpu_ns / variant->cpu_rows : 0,
        .memory_bytes = variant->memory_bytes,
        .start_ns = variant->start_ns,
        .state = see_state(lane, number, now_ns),
    };
    view_build_points(&variant->curve, &variant->cpu_curve, seen);
}

static void see_queue(const struct queue *queue, uint64_t slo_ns, uint64_t now_ns,
                      struct roost_queue *seen)
{
    seen->requests += queue_count(queue);
    seen->rows += queue->rows;
    for (size_t i = 0; i < queue->heap.count; i++) {
        const char *node = (const char *)queue->heap.nodes[i];
        const struct queue_item *item =
            (const struct queue_item *)(node - offsetof(struct queue_item, node));
        uint64_t age_ns = now_ns > item->arrival_ns ? now_ns - item->arrival_ns : 0;
        seen->head_age_ns = age_ns > seen->head_age_ns ? age_ns : seen->head_age_ns;
        seen->late += slo_ns > 0 && age_ns > slo_ns;
    }
}

static void see_settings(const struct lane *lane, struct roost_tenant *tenant)
{
    const struct tenant_settings *settings = &lane->settings;
    tenant->slo_percentile = settings->slo_percentile;
    tenant->slo_ns = settings->slo_ns;
    tenant->deadline_ns = settings->deadline_ns != 0 ? settings->deadline_ns
                          : settings->slo_ns != 0    ? 4 * settings->slo_ns
                                                     : lane->server->settings.default_deadline_ns;
    tenant->priority = settings->priority;
    tenant->accuracy_floor = settings->accuracy_floor;
    tenant->share_configured = settings->share;
    tenant->workers_max = lane_workers_max(lane);
    tenant->threads = settings->intra_op_threads != 0 ? settings->intra_op_threads
                                                      : lane->config.intra_op_threads;
    tenant->batch_rows_max = lane->config.max_batch_size > 0 && !lane->unbatchable
                                 ? lane->batch_rows_max
                                 : 1;
    tenant->shed_allowed = settings->shed != SHED_NEVER;
}

static void see_grant(const struct lane *lane, uint64_t now_ns, struct roost_tenant *tenant)
{
    const struct tenant_hold *hold = &lane->tenant->hold;
    if (hold->held) {
        tenant->grant = hold->grant;
        tenant->since_change_ns = now_ns - hold->changed_ns;
    } else {
        tenant->grant = view_grant_default();
        tenant->grant.workers = lane->workers;
    }
    tenant->grant.variant = lane->wanted;
    tenant->serving = lane->variant;
    tenant->since_switch_ns = now_ns - lane->switched_ns;
}

void manager_see_lane(struct lane *lane, uint64_t window_min_ns, uint64_t now_ns, bool glance,
                      struct roost_tenant *tenant, struct roost_variant *variants)
{
    tenant->id = lane->tenant->id;
    tenant->name = lane->tenant->name;
    tenant->variant_count = lane->variant_count;
    tenant->variants = variants;
    see_settings(lane, tenant);
    see_grant(lane, now_ns, tenant);
    see_queue(&lane->queue, tenant->slo_ns, now_ns, &tenant->queue);
    for (unsigned i = 0; i < lane->variant_count; i++) {
        see_variant(lane, i, now_ns, &variants[i]);
        see_queue(&lane->variants[i].pinned, tenant->slo_ns, now_ns, &tenant->queue);
    }
    tenant->resident_bytes = input_memory_used_bytes(lane->memory);
    for (const struct unit *unit = lane->server->units; unit != NULL; unit = unit->next) {
        tenant->resident_bytes += unit->lane == lane ? unit->memory.resident_bytes : 0;
    }
    struct view_totals ticked = lane->meter.ticked;
    uint64_t ticked_ns = lane->meter.ticked_ns;
    view_build_counts(&lane->meter, window_min_ns, now_ns, tenant);
    if (glance) {
        lane->meter.ticked = ticked;
        lane->meter.ticked_ns = ticked_ns;
    }
}

/* The lane that a tenant is seen through: its default version, when that serves. */
static struct lane *see_through(const struct tenant *tenant)
{
    struct lane *lane = tenant_lane(tenant, 0);
    bool serves = lane != NULL && lane->known && lane->variant_count <= ROOST_VARIANTS_MAX &&
                  (lane->state == LANE_READY || lane->state == LANE_PARKED);
    return serves ? lane : NULL;
}

uint32_t manager_count(const struct server *server)
{
    uint32_t count = 0;
    for (size_t i = 0; i < server->tenant_count; i++) {
        count += see_through(server->tenants[i]) != NULL;
    }
    return count;
}

void manager_see(struct server *server, struct view_store *store, struct lane **lanes, bool glance)
{
    uint64_t now_ns = clock_now_ns();
    struct roost_view *view = &store->view;
    view_store_clear(store);
    view->now_ns = now_ns;
    view->tick_ns = server->settings.tick_ns;
    view->memory_free_bytes = server_memory_left(server) + lane_standby_bytes(server);
    manager_see_node(server, &view->node);
    for (size_t i = 0; i < server->tenant_count; i++) {
        struct lane *lane = see_through(server->tenants[i]);
        struct roost_tenant *seen = lane != NULL ? view_store_add(store) : NULL;
        if (seen != NULL) {
            uint32_t number = view->tenant_count - 1;
            lanes[number] = lane;
            manager_see_lane(lane, view->tick_ns, now_ns, glance, seen,
                             view_store_variants(store, number));
        }
    }
}
