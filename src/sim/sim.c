/* SPDX-License-Identifier: Apache-2.0 */
/* The clock: takes the earliest event, lets it happen, and divides the cores anew where it moved
 * something. */
#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "sim/sim_internal.h"

enum { CHUNK_ITEMS = 256 };

static const uint64_t drain_longest_ns = 3600 * NS_PER_S;

struct chunk {
    struct chunk *next;
};

static bool event_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sim_event *x = (const struct sim_event *)(const void *)a;
    const struct sim_event *y = (const struct sim_event *)(const void *)b;
    return x->at_ns != y->at_ns ? x->at_ns < y->at_ns : x->order < y->order;
}

static bool run_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sim_run *x = (const struct sim_run *)(const void *)a;
    const struct sim_run *y = (const struct sim_run *)(const void *)b;
    if (x->end_ns < y->end_ns || x->end_ns > y->end_ns)
        return x->end_ns < y->end_ns;
    return x->sequence < y->sequence;
}

void sim_event_init(struct sim *sim, struct sim_event *event,
                    void (*fire)(struct sim *sim, void *owner), void *owner)
{
    *event = (struct sim_event){
        .node.index = HEAP_OUT, .order = sim->event_count++, .fire = fire, .owner = owner};
}

void sim_event_set(struct sim *sim, struct sim_event *event, uint64_t at_ns)
{
    event->at_ns = at_ns < sim->now_ns ? sim->now_ns : at_ns;
    if (event->node.index != HEAP_OUT)
        heap_update(&sim->events, &event->node);
    else if (!heap_push(&sim->events, &event->node))
        sim->out_of_memory = true;
}

void sim_event_cancel(struct sim *sim, struct sim_event *event)
{
    if (event->node.index != HEAP_OUT)
        heap_remove(&sim->events, &event->node);
}

/* Items of a fresh block, each of which is then freed into its list. NULL when memory is short. */
static char *chunk_new(struct sim *sim, size_t item_bytes)
{
    struct chunk *chunk = malloc(sizeof *chunk + CHUNK_ITEMS * item_bytes);
    if (chunk == NULL) {
        sim->out_of_memory = true;
        return NULL;
    }
    chunk->next = sim->chunks;
    sim->chunks = chunk;
    return (char *)(chunk + 1);
}

struct sim_request *sim_request_new(struct sim *sim)
{
    if (sim->free_requests == NULL) {
        char *items = chunk_new(sim, sizeof(struct sim_request));
        for (size_t i = 0; items != NULL && i < CHUNK_ITEMS; i++)
            sim_request_free(sim, (void *)(items + i * sizeof(struct sim_request)));
    }
    struct sim_request *request = sim->free_requests;
    if (request != NULL)
        sim->free_requests = request->next;
    return request;
}

void sim_request_free(struct sim *sim, struct sim_request *request)
{
    request->next = sim->free_requests;
    sim->free_requests = request;
}

struct sim_run *sim_run_new(struct sim *sim)
{
    if (sim->free_runs == NULL) {
        char *items = chunk_new(sim, sizeof(struct sim_run));
        for (size_t i = 0; items != NULL && i < CHUNK_ITEMS; i++)
            sim_run_free(sim, (void *)(items + i * sizeof(struct sim_run)));
    }
    struct sim_run *run = sim->free_runs;
    if (run != NULL)
        sim->free_runs = run->next;
    return run;
}

void sim_run_free(struct sim *sim, struct sim_run *run)
{
    run->next = sim->free_runs;
    sim->free_runs = run;
}

/* Cores that a tenant may count on: what it holds, or its part by weight of what nobody holds. */
static double cores_granted(const struct sim *sim, const struct sim_tenant *tenant)
{
    if (tenant->grant.mode == ROOST_EXCLUSIVE)
        return (double)tenant->grant.slots / ROOST_SLOTS_PER_CORE;
    double held = 0, weights = 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        const struct roost_grant *grant = &sim->tenants[i].grant;
        bool alone = grant->mode == ROOST_EXCLUSIVE;
        held += alone ? (double)grant->slots / ROOST_SLOTS_PER_CORE : 0;
        weights += alone ? 0 : grant->weight;
    }
    return ((double)sim->scenario->node.cores - held) * tenant->grant.weight / weights;
}

static void sample_tenant(struct sim *sim, struct sim_tenant *tenant, struct result_sample *sample)
{
    double span_ns = (double)sim->scenario->sample_ns;
    double percentile = tenant->config->slo_percentile > 0 ? tenant->config->slo_percentile : 95;
    uint64_t due = tenant->sample_due, hits = tenant->sample_hits;
    sim_advance(sim, tenant);
    sim_cores_advance(sim);
    *sample = (struct result_sample){
        .variant = tenant->serving,
        .arrivals_per_s = (float)((double)tenant->sample_arrivals / span_ns * 1e9),
        .cores_used = (float)(tenant->sample_core_ns / span_ns),
        .cores_granted = (float)cores_granted(sim, tenant),
        .latency_slo_ms =
            (float)((double)hist_quantile(&tenant->sample_latency_ns, percentile / 100) / 1e6),
        .attainment = due == 0 ? -1 : (float)hits / (float)due,
        .queued = (float)queue_count(&tenant->queue),
        .ways = tenant->grant.ways,
    };
    hist_reset(&tenant->sample_latency_ns);
    tenant->sample_arrivals = tenant->sample_hits = tenant->sample_due = 0;
    tenant->sample_core_ns = 0;
}

static void sim_sample(struct sim *sim, void *unused)
{
    (void)unused;
    struct result *result = sim->result;
    if (result->sample_count < result->samples_max) {
        size_t at = (size_t)result->sample_count++ * sim->tenant_count;
        for (uint32_t i = 0; i < sim->tenant_count; i++)
            sample_tenant(sim, &sim->tenants[i], &result->samples[at + i]);
    }
    if (result->sample_count < result->samples_max)
        sim_event_set(sim, &sim->sample, sim->now_ns + sim->scenario->sample_ns);
}

static void tenant_init(struct sim *sim, uint32_t index)
{
    struct sim_tenant *tenant = &sim->tenants[index];
    const struct scenario *scenario = sim->scenario;
    tenant->index = index;
    tenant->config = &scenario->tenants[index];
    tenant->ladder = &scenario->ladders[tenant->config->ladder];
    tenant->result = &sim->result->tenants[index];
    tenant->clock_ns = tenant->changed_ns = tenant->switched_ns = sim->now_ns;
    tenant->grant = view_grant_default();
    tenant->grant.workers = (uint32_t)tenant->config->workers;
    tenant->grant.variant = tenant->config->variant;
    uint64_t seed = arrivals_seed(sim->seed, index);
    arrivals_init(&tenant->arrivals, &tenant->config->arrivals, seed, scenario->duration_ns);
    rng_seed(&tenant->variation, arrivals_seed(seed, 4));
    queue_init(&tenant->queue);
    heap_init(&tenant->running, run_before);
    hist_reset(&tenant->sample_latency_ns);
    view_meter_init(&tenant->meter, scenario->window_ns, tenant->config->slo_ns, sim->now_ns);
    admission_init(&tenant->admission);
    sim_limits_refresh(tenant);
    sim_hosts_init(sim, tenant);
    sim_event_init(sim, &tenant->arrival, sim_arrival, tenant);
    sim_event_init(sim, &tenant->run_end, sim_run_end, tenant);
    sim_event_init(sim, &tenant->wake, sim_wake, tenant);
    sim_event_init(sim, &tenant->load_end, sim_load_end, tenant);
    sim_event_init(sim, &tenant->switch_end, sim_switch_end, tenant);
    if (arrivals_next(&tenant->arrivals, &tenant->coming))
        sim_event_set(sim, &tenant->arrival, SIM_BEGIN_NS + tenant->coming.at_ns);
    for (uint32_t v = 0; v < tenant->ladder->variant_count; v++)
        sim->interferes |= tenant->ladder->variants[v].service.stall > 0;
}

static void thread_init(struct sim *sim, struct sim_thread *thread,
                        const struct scenario_thread *cost)
{
    thread->cost = *cost;
    thread->slept_ns = sim->now_ns;
    sim_event_init(sim, &thread->event, sim_thread_done, thread);
}

static enum roost_err sim_init(struct sim *sim, const struct sim_options *options,
                               struct result *result, struct detail *detail)
{
    const struct scenario *scenario = options->scenario;
    memset(sim, 0, sizeof *sim);
    sim->scenario = scenario;
    sim->options = options;
    sim->result = result;
    sim->seed = options->seed;
    sim->now_ns = SIM_BEGIN_NS;
    sim->end_ns = SIM_BEGIN_NS + scenario->duration_ns;
    heap_init(&sim->events, event_before);
    sim->tenants = calloc(scenario->tenant_count, sizeof *sim->tenants);
    sim->shares = calloc(2 * (size_t)scenario->tenant_count, sizeof *sim->shares);
    if (sim->tenants == NULL || sim->shares == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    sim->tenant_count = scenario->tenant_count;
    thread_init(sim, &sim->network, &scenario->network);
    thread_init(sim, &sim->generator, &scenario->generator);
    for (uint32_t i = 0; i < sim->tenant_count; i++)
        tenant_init(sim, i);
    for (uint32_t i = 0; i < sim->tenant_count; i++)
        sim->tenants[i].ways = sim_ways_of(sim, &sim->tenants[i]);
    if (!sim_cores_init(sim))
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    if (scenario->node.memory_bytes > 0 && sim->memory_used_bytes > scenario->node.memory_bytes)
        return detail_set(detail, ROOST_INVALID,
                          "the hosts of the first variants need more memory "
                          "than the node has");
    sim_event_init(sim, &sim->sample, sim_sample, NULL);
    sim_event_init(sim, &sim->tick, sim_tick, NULL);
    sim_event_set(sim, &sim->tick, sim->now_ns);
    sim_event_set(sim, &sim->sample, sim->now_ns + scenario->sample_ns);
    return sim_manager_init(sim, detail);
}

static void sim_fini(struct sim *sim)
{
    sim_cores_choose(sim, false);
    sim_abandon_thread(sim, &sim->generator);
    sim_abandon_thread(sim, &sim->network);
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        sim_count_accuracy(sim, &sim->tenants[i]);
        sim_abandon(sim, &sim->tenants[i]);
        queue_fini(&sim->tenants[i].queue);
        heap_fini(&sim->tenants[i].running);
    }
    sim_manager_fini(sim);
    heap_fini(&sim->events);
    sim_cores_fini(sim);
    free(sim->tenants);
    free(sim->shares);
    for (struct chunk *chunk = sim->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}

/* All that has come is answered, for as long as the slowest host takes. */
static bool is_over(const struct sim *sim)
{
    return sim->now_ns >= sim->end_ns &&
           (sim->outstanding == 0 || sim->now_ns >= sim->end_ns + drain_longest_ns);
}

static void sim_loop(struct sim *sim)
{
    while (!sim->out_of_memory) {
        struct sim_event *event = (struct sim_event *)(void *)heap_pop(&sim->events);
        /* The tick never ends, so there always is a next event. */
        roost_assert(event != NULL && event->at_ns >= sim->now_ns);
        sim->now_ns = event->at_ns;
        if (is_over(sim))
            break;
        sim->result->events++;
        event->fire(sim, event->owner);
        if (sim->moved)
            sim_divide(sim);
    }
}

enum roost_err sim_run(const struct sim_options *options, struct result *result,
                       struct detail *detail)
{
    struct sim sim;
    enum roost_err err = result_init(result, options->scenario);
    if (err != ROOST_OK)
        return detail_set(detail, err, "out of memory");
    err = sim_init(&sim, options, result, detail);
    if (err == ROOST_OK) {
        sim_loop(&sim);
        if (sim.out_of_memory)
            err = detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    result->policy = options->policy->name;
    result->seed = options->seed;
    result->faults = sim.runner.faults;
    sim_fini(&sim);
    if (err != ROOST_OK)
        result_fini(result);
    return err;
}
