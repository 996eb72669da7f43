/* SPDX-License-Identifier: Apache-2.0 */
#include "core/view_fixture.h"

#include <stdlib.h>

#include "base/assert.h"
#include "core/decision.h"

static const uint64_t second_ns = 1000000000;

static const char *const tenant_names[] = {"ant",  "bee",  "cat",  "dog", "eel", "fox",
                                           "gnu",  "hen",  "ibex", "jay", "kit", "lark",
                                           "mole", "newt", "owl",  "pig"};
static const char *const variant_names[FIXTURE_VARIANTS] = {"v0", "v1", "v2", "v3",
                                                            "v4", "v5", "v6", "v7"};

/* A profile of two workers and four ways. */
static const float loads_per_s[8] = {10, 40, 55, 60, 20, 75, 105, 115};

struct roost_node view_fixture_node(uint32_t cores)
{
    return (struct roost_node){
        .knobs = FIXTURE_KNOBS_ALL,
        .cores = cores,
        .ways = 11,
        .ways_min = 1,
        .closids = 15,
        .bandwidth_min = 10,
        .bandwidth_step = 10,
        .slice_min_ns = 100000,
        .slice_max_ns = 100000000,
        .memory_bytes = UINT64_C(64) << 30,
    };
}

struct roost_variant *view_fixture_variant(struct view_store *store, uint32_t index,
                                           double accuracy, double ns_per_row)
{
    struct roost_tenant *tenant = &store->tenants[index];
    struct roost_variant *variant = &view_store_variants(store, index)[tenant->variant_count];
    *variant = (struct roost_variant){
        .name = variant_names[tenant->variant_count % FIXTURE_VARIANTS],
        .accuracy = accuracy,
        .mflops_declared = ns_per_row * 1e-4,
        .flops_counted = ns_per_row * 10,
        .cpu_ns_per_row = ns_per_row,
        .memory_bytes = 1 << 20,
        .start_ns = second_ns / 10,
        .state = tenant->variant_count == 0 ? ROOST_VARIANT_SERVING : ROOST_VARIANT_WARM,
        .point_count = 2,
        .points =
            {{.samples = 100, .rows_mean = 1, .ns_mean = ns_per_row, .cpu_ns_mean = ns_per_row},
             {.samples = 100,
              .rows_mean = 8,
              .ns_mean = 8 * ns_per_row,
              .cpu_ns_mean = 8 * ns_per_row}},
    };
    tenant->variant_count++;
    return variant;
}

void view_fixture_load(struct roost_tenant *tenant, double per_s, uint64_t latency_ns)
{
    struct roost_window *window = &tenant->window;
    double cost = tenant->variant_count > 0 && tenant->serving < tenant->variant_count
                      ? tenant->variants[tenant->serving].cpu_ns_per_row
                      : 1e6;
    *window = (struct roost_window){.length_ns = 10 * second_ns};
    window->arrivals = window->rows = (uint64_t)(per_s * 10);
    window->completions = window->batches = window->batch_rows = window->arrivals;
    window->latency_samples = window->completions;
    window->latency_p50_ns = latency_ns / 3;
    window->latency_p95_ns = window->latency_slo_ns = latency_ns;
    window->latency_p99_ns = latency_ns + latency_ns / 2;
    window->busy_ns = window->cpu_ns = (uint64_t)((double)window->rows * cost);
    bool late = tenant->slo_ns > 0 && latency_ns > tenant->slo_ns;
    window->slo_misses = late ? window->arrivals / 4 : 0;
    tenant->queue = (struct roost_queue){0};
    tenant->recent = (struct roost_recent){
        .length_ns = second_ns,
        .arrivals = window->arrivals / 10,
        .rows = window->rows / 10,
        .completions = window->completions / 10,
        .slo_misses = window->slo_misses / 10,
        .busy_ns = window->busy_ns / 10,
        .cpu_ns = window->cpu_ns / 10,
    };
    view_window_derive(window, &tenant->queue);
}

struct roost_tenant *view_fixture_add(struct view_store *store, uint32_t id, uint64_t slo_ns)
{
    struct roost_tenant *tenant = view_store_add(store);
    roost_assert(tenant != NULL);
    tenant->id = id;
    tenant->name = tenant_names[id % 16];
    tenant->slo_percentile = slo_ns > 0 ? 95 : 0;
    tenant->slo_ns = slo_ns;
    tenant->deadline_ns = 4 * slo_ns;
    tenant->workers_max = store->view.node.cores > 0 ? store->view.node.cores : 1;
    tenant->batch_rows_max = 32;
    tenant->shed_allowed = 1;
    tenant->since_change_ns = tenant->since_switch_ns = 100 * second_ns;
    view_fixture_variant(store, store->view.tenant_count - 1, 0.9, 1e6);
    view_fixture_load(tenant, 100, slo_ns / 4);
    return tenant;
}

/* Small as often as large: uniform in the number of bits. */
static uint64_t any_magnitude(struct rng *rng, unsigned bits_max)
{
    uint64_t bits = rng_below(rng, bits_max + 1);
    return bits == 0 ? 0 : rng_below(rng, UINT64_C(1) << bits);
}

static bool chance(struct rng *rng, double probability)
{
    return rng_uniform(rng) < probability;
}

static void random_variant(struct roost_variant *variant, struct rng *rng, bool declared)
{
    double ns = 1e4 * rng_exponential(rng, 100);
    variant->accuracy = declared ? rng_uniform(rng) : -1;
    variant->mflops_declared = chance(rng, 0.2) ? 0 : rng_exponential(rng, 100);
    variant->flops_counted = chance(rng, 0.2) ? 0 : 1e6 * rng_exponential(rng, 100);
    variant->cpu_ns_per_row = chance(rng, 0.3) ? 0 : ns;
    variant->memory_bytes = any_magnitude(rng, 32);
    variant->start_ns = any_magnitude(rng, 36);
    variant->state = (uint32_t)rng_below(rng, ROOST_VARIANT_FAILED + 1);
    if (chance(rng, 0.3)) {
        variant->load_workers = 2;
        variant->load_ways = 4;
        variant->load_per_s = loads_per_s;
    }
    variant->point_count = chance(rng, 0.3) ? 0 : (uint32_t)rng_below(rng, ROOST_CURVE_POINTS + 1);
    double rows = 1;
    for (uint32_t i = 0; i < variant->point_count; i++) {
        rows += rng_exponential(rng, 1 << i);
        variant->points[i] = (struct roost_curve_point){
            .samples = any_magnitude(rng, 10),
            .rows_mean = rows,
            .ns_mean = ns * rows * (0.2 + rng_uniform(rng)),
            .cpu_ns_mean = chance(rng, 0.5) ? 0 : ns * rows * (0.2 + rng_uniform(rng)),
        };
    }
}

static void random_window(struct roost_tenant *tenant, struct rng *rng)
{
    struct roost_window *window = &tenant->window;
    struct roost_queue *queue = &tenant->queue;
    double load = chance(rng, 0.15) ? 0 : rng_exponential(rng, 300);
    view_fixture_load(tenant, load, any_magnitude(rng, 36));
    window->length_ns = chance(rng, 0.05) ? 0 : window->length_ns;
    window->rows += any_magnitude(rng, 16);
    window->errors = chance(rng, 0.9) ? 0 : any_magnitude(rng, 12);
    window->refusals = chance(rng, 0.8) ? 0 : any_magnitude(rng, 12);
    window->slo_misses += window->errors + window->refusals;
    if (chance(rng, 0.1)) {
        window->latency_samples = window->completions = window->batches = 0;
        window->latency_p50_ns = window->latency_p95_ns = window->latency_p99_ns = 0;
        window->latency_slo_ns = 0;
    }
    if (chance(rng, 0.4)) {
        queue->requests = any_magnitude(rng, 14);
        queue->rows = queue->requests * (1 + rng_below(rng, 8));
        queue->late = queue->requests == 0 ? 0 : rng_below(rng, queue->requests);
        queue->head_age_ns = any_magnitude(rng, 36);
        window->slo_misses += queue->late;
    }
    tenant->since_change_ns = any_magnitude(rng, 40);
    tenant->since_switch_ns = tenant->since_change_ns + any_magnitude(rng, 40);
    tenant->resident_bytes = any_magnitude(rng, 34);
    view_window_derive(window, queue);
}

static void random_tenant(struct view_store *store, struct rng *rng, uint32_t id)
{
    uint64_t slo_ns = chance(rng, 0.15) ? 0 : 1 + any_magnitude(rng, 32);
    struct roost_tenant *tenant = view_fixture_add(store, id, slo_ns);
    uint32_t index = store->view.tenant_count - 1;
    tenant->slo_percentile = slo_ns == 0 ? 0 : chance(rng, 0.5) ? 95 : 99;
    tenant->priority = chance(rng, 0.8) ? 0 : (int32_t)rng_below(rng, 7) - 3;
    tenant->accuracy_floor = chance(rng, 0.6) ? 0 : rng_uniform(rng);
    tenant->share_configured = chance(rng, 0.6) ? 0 : (uint32_t)rng_below(rng, 20);
    tenant->workers_max = 1 + (uint32_t)rng_below(rng, store->view.node.cores + 2);
    tenant->threads = chance(rng, 0.8) ? 1 : (uint32_t)rng_below(rng, 60);
    tenant->batch_rows_max = 1 + (uint32_t)any_magnitude(rng, 8);
    tenant->shed_allowed = chance(rng, 0.7);
    tenant->variant_count = 0;
    uint32_t most = store->variants_max < FIXTURE_VARIANTS ? store->variants_max : FIXTURE_VARIANTS;
    uint32_t variants = chance(rng, 0.2) ? 1 : 1 + (uint32_t)rng_below(rng, most);
    bool declared = chance(rng, 0.8);
    for (uint32_t i = 0; i < variants; i++) {
        random_variant(view_fixture_variant(store, index, 0, 0), rng, declared);
    }
    tenant->serving = tenant->grant.variant = (uint32_t)rng_below(rng, variants);
    view_store_variants(store, index)[tenant->serving].state = ROOST_VARIANT_SERVING;
    if (chance(rng, 0.1)) {
        tenant->grant.variant = (uint32_t)rng_below(rng, variants);
    }
    tenant->grant.workers = 1 + (uint32_t)rng_below(rng, tenant->workers_max);
    random_window(tenant, rng);
}

static void random_grants(struct view_store *store, struct rng *rng)
{
    struct roost_node *node = &store->view.node;
    uint32_t slots = node->cores * ROOST_SLOTS_PER_CORE, ways = node->ways;
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        struct roost_grant *grant = &store->tenants[i].grant;
        uint32_t after = store->view.tenant_count - 1 - i;
        grant->weight = 1 + (uint32_t)rng_below(rng, 400);
        if (slots > after + 1 && chance(rng, 0.5)) {
            grant->mode = ROOST_EXCLUSIVE;
            grant->slots = 1 + (uint32_t)rng_below(rng, slots - after - 1);
            slots -= grant->slots;
        }
        uint32_t least = node->ways_min;
        if (ways > (after + 2) * least && chance(rng, 0.5)) {
            grant->ways = least + (uint32_t)rng_below(rng, ways - (after + 2) * least);
            ways -= grant->ways;
        }
        grant->shed = store->tenants[i].shed_allowed != 0 && chance(rng, 0.1);
        grant->slice_ns = chance(rng, 0.1) ? 1000000 : 0;
    }
}

void view_fixture_random(struct view_store *store, struct rng *rng)
{
    static const uint32_t way_counts[] = {0, 4, 11, 20};
    store->view = (struct roost_view){.tenants = store->tenants};
    store->view.node = view_fixture_node(1 + (uint32_t)any_magnitude(rng, 5));
    store->view.node.ways = way_counts[rng_below(rng, 4)];
    store->view.node.ways_min = 1 + (uint32_t)rng_below(rng, 2);
    store->view.node.closids = (uint32_t)any_magnitude(rng, 4);
    if (store->view.node.ways == 0) {
        store->view.node.knobs &= ~(uint32_t)ROOST_KNOB_WAYS;
    }
    if (chance(rng, 0.3)) {
        store->view.node.knobs &= (uint32_t)rng_next(rng);
    }
    store->view.seed = rng_next(rng);
    store->view.tick = any_magnitude(rng, 20);
    store->view.tick_ns = chance(rng, 0.5) ? second_ns : second_ns / 10;
    store->view.now_ns = any_magnitude(rng, 50);
    store->view.memory_free_bytes = chance(rng, 0.5) ? UINT64_MAX : any_magnitude(rng, 34);
    store->view.other_length_ns = store->view.tick_ns;
    store->view.other_cpu_ns = any_magnitude(rng, 28);
    uint32_t tenants = (uint32_t)rng_below(rng, store->tenants_max + 1);
    for (uint32_t i = 0; i < tenants; i++) {
        random_tenant(store, rng, 1 + i);
    }
    random_grants(store, rng);
}

void view_fixture_next(struct view_store *store, struct rng *rng, const struct roost_plan *plan)
{
    store->view.tick++;
    store->view.now_ns += store->view.tick_ns;
    /* Ticks are skipped now and then, so that changes settle. */
    uint64_t span_ns = chance(rng, 0.3) ? 100 * second_ns : store->view.tick_ns;
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        struct roost_tenant *tenant = &store->tenants[i];
        bool same = view_grant_equal(&tenant->grant, &plan->tenants[i].grant);
        uint64_t since_change = same ? tenant->since_change_ns + span_ns : 0;
        tenant->grant = plan->tenants[i].grant;
        bool switched = tenant->serving != tenant->grant.variant && chance(rng, 0.7);
        uint64_t since_switch = switched ? 0 : tenant->since_switch_ns + span_ns;
        if (switched) {
            struct roost_variant *variants = view_store_variants(store, i);
            variants[tenant->serving].state = ROOST_VARIANT_WARM;
            tenant->serving = tenant->grant.variant;
            variants[tenant->serving].state = ROOST_VARIANT_SERVING;
        }
        random_window(tenant, rng);
        tenant->since_change_ns = since_change;
        tenant->since_switch_ns = since_switch;
    }
}

uint64_t view_fixture_checksum(const struct roost_view *view)
{
    size_t bytes = decision_write_view(view, NULL, 0);
    uint8_t *data = malloc(bytes);
    roost_assert(data != NULL && decision_write_view(view, data, bytes) == bytes);
    uint64_t sum = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) {
        sum = (sum ^ data[i]) * 1099511628211u;
    }
    free(data);
    return sum;
}
