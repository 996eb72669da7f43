/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs how fast: the cores are divided anew whenever somebody starts or stops. */
#include <math.h>

#include "base/clock.h"
#include "sim/sim_internal.h"

static const double threads_leave = 0.1; /* of the cores, at least, to the tenants */
static const double loader_floor_cores = 1.0 / ROOST_SLOTS_PER_CORE;
static const uint64_t loader_idle_ns = 500 * NS_PER_MS; /* then it gets its floor */

static double least(double a, double b)
{
    return a < b ? a : b;
}

void sim_advance(struct sim *sim, struct sim_tenant *tenant)
{
    uint64_t elapsed_ns = sim->now_ns - tenant->clock_ns;
    if (elapsed_ns == 0)
        return;
    tenant->clock_ns = sim->now_ns;
    if (tenant->running_count > 0) {
        double elapsed = (double)elapsed_ns;
        tenant->done_ns += tenant->speed * elapsed;
        tenant->cpu_ns += tenant->cores_per_run * elapsed;
        tenant->result->core_ns += tenant->cores_used * elapsed;
        tenant->sample_core_ns += tenant->cores_used * elapsed;
    }
    if (tenant->loading != ROOST_NONE)
        sim_load_advance(sim, tenant, elapsed_ns);
}

double sim_ways_of(const struct sim *sim, const struct sim_tenant *tenant)
{
    if (tenant->grant.ways > 0)
        return tenant->grant.ways;
    double held = 0, sharers = 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        held += sim->tenants[i].grant.ways;
        sharers += sim->tenants[i].grant.ways == 0;
    }
    double rest = (double)sim->scenario->node.ways - held;
    /* They share what is left; with no way at all to themselves they still have a part of one. */
    return rest / sharers > 0.5 ? rest / sharers : 0.5;
}

/* Cores that `runs` runs keep busy with so many cores in all: an operator's threads sleep while
 * they wait for each other, so this is less than the cores that they could use. */
static double cores_busy(const struct sim_tenant *tenant, double runs, double cores)
{
    double each = least(cores / runs, tenant->config->threads);
    if (each <= 1)
        return each * runs;
    return service_speedup(tenant->hosts[tenant->serving].model, each) * runs;
}

static void fill_shares(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct sim_tenant *tenant = &sim->tenants[i];
        struct share *share = &sim->shares[i], *loader = &sim->shares[sim->tenant_count + i];
        bool alone = tenant->grant.mode == ROOST_EXCLUSIVE;
        share->weight = tenant->grant.weight;
        share->limit = alone ? (double)tenant->grant.slots / ROOST_SLOTS_PER_CORE : -1;
        double room = alone ? share->limit : (double)sim->scenario->node.cores;
        double runs = tenant->running_count;
        share->wants = runs > 0 ? cores_busy(tenant, runs, room) : 0;
        share->idle = tenant->grant.sched_class == ROOST_CLASS_IDLE;
        loader->wants = tenant->loading != ROOST_NONE ? 1 : 0;
        loader->weight = 1;
        loader->limit = -1;
        loader->idle = true;
        bool patient = sim->now_ns - tenant->load_start_ns < loader_idle_ns;
        loader->floor = loader->wants > 0 && !patient ? loader_floor_cores : 0;
    }
}

/* A loader lives in its tenant's group: what an exclusive tenant leaves of its cores is its, and
 * its floor comes out of them where nothing is shared. */
static void feed_loaders(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct share *share = &sim->shares[i], *loader = &sim->shares[sim->tenant_count + i];
        if (loader->wants <= 0 || share->limit < 0)
            continue;
        double spare = fmax(share->limit - share->gets, 0);
        loader->gets = least(loader->gets + spare, 1);
        double missing = loader->floor - loader->gets;
        if (missing > 0) {
            missing = least(missing, share->gets);
            share->gets -= missing;
            loader->gets += missing;
        }
    }
}

/* What a tenant draws at the speed that so many busy cores make. */
static double bandwidth_of(const struct sim_tenant *tenant, double cores)
{
    const struct service_model *model = tenant->hosts[tenant->serving].model;
    return model->bandwidth_bytes_per_s * cores / cores_busy(tenant, 1, tenant->config->threads);
}

/* Demand for memory bandwidth over capacity, from the speeds that the cores would allow. */
static double memory_pressure(const struct sim *sim)
{
    double capacity = sim->scenario->node.bandwidth_bytes_per_s, demand = 0;
    if (capacity <= 0)
        return 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        const struct sim_tenant *tenant = &sim->tenants[i];
        double own = bandwidth_of(tenant, sim->shares[i].gets);
        demand += least(own, capacity * tenant->grant.bandwidth / ROOST_BANDWIDTH_FULL);
    }
    return demand / capacity;
}

static double slowdown_of(const struct sim *sim, const struct sim_tenant *tenant, double gets,
                          double pressure)
{
    const struct service_model *model = tenant->hosts[tenant->serving].model;
    double capacity = sim->scenario->node.bandwidth_bytes_per_s;
    if (capacity > 0 && tenant->grant.bandwidth < ROOST_BANDWIDTH_FULL) {
        double own = bandwidth_of(tenant, gets);
        double allowed = capacity * tenant->grant.bandwidth / ROOST_BANDWIDTH_FULL;
        pressure = fmax(pressure, own / allowed);
    }
    return service_slowdown(model, tenant->ways, (double)sim->scenario->node.ways, pressure);
}

static void schedule_end(struct sim *sim, struct sim_tenant *tenant)
{
    const struct heap_node *node = heap_peek(&tenant->running);
    if (node == NULL || tenant->speed <= 0) {
        sim_event_cancel(sim, &tenant->run_end);
        return;
    }
    const struct sim_run *run = (const struct sim_run *)(const void *)node;
    double left_ns = (run->end_ns - tenant->done_ns) / tenant->speed;
    uint64_t wait_ns = left_ns <= 0 ? 0 : left_ns > 1e18 ? (uint64_t)1e18 : (uint64_t)ceil(left_ns);
    sim_event_set(sim, &tenant->run_end, sim->now_ns + wait_ns);
}

static void apply_share(struct sim *sim, struct sim_tenant *tenant, double gets, double pressure)
{
    double speed = 0, cores = 0;
    if (tenant->running_count > 0) {
        speed = cores = gets / tenant->running_count;
        if (sim->interferes)
            speed /= slowdown_of(sim, tenant, gets, pressure);
    }
    bool same_speed = speed >= tenant->speed && speed <= tenant->speed;
    bool same_cores = gets >= tenant->cores_used && gets <= tenant->cores_used;
    if (same_speed && same_cores && !tenant->moved)
        return;
    tenant->speed = speed;
    tenant->cores_per_run = cores;
    tenant->cores_used = gets;
    tenant->moved = false;
    schedule_end(sim, tenant);
}

static void apply_loader(struct sim *sim, struct sim_tenant *tenant, double gets)
{
    if (tenant->loading == ROOST_NONE)
        return;
    tenant->load_speed = gets;
    uint64_t patient_ns = tenant->load_start_ns + loader_idle_ns;
    uint64_t at_ns = sim->now_ns < patient_ns ? patient_ns : UINT64_MAX;
    if (gets > 0) {
        double left_ns = tenant->load_left_ns / gets;
        double end_ns = (double)sim->now_ns + (left_ns > 0 ? ceil(left_ns) : 0);
        at_ns = end_ns < (double)at_ns ? (uint64_t)end_ns : at_ns;
    }
    if (at_ns == UINT64_MAX)
        sim_event_cancel(sim, &tenant->load_end);
    else
        sim_event_set(sim, &tenant->load_end, at_ns);
}

/* Cores one by one: loaders have what nobody else wants, and their floors. */
static void divide_by_core(struct sim *sim)
{
    double all = (double)sim->scenario->node.cores, open = sim_cores_free(sim), floors = 0;
    uint32_t loaders = 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct sim_tenant *tenant = &sim->tenants[i];
        sim_advance(sim, tenant);
        loaders += tenant->loading != ROOST_NONE;
        sim->shares[i].gets = tenant->running_count;
    }
    fill_shares(sim);
    sim->loads = loaders > 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        double floor = sim->shares[sim->tenant_count + i].floor;
        double gets = loaders > 0 ? least(open / loaders, 1) : 0;
        floors += floor > gets ? floor - gets : 0;
        apply_loader(sim, &sim->tenants[i], fmax(gets, floor));
    }
    double pressure = sim->interferes ? memory_pressure(sim) : 0;
    for (uint32_t i = 0; sim->interferes && i < sim->tenant_count; i++)
        sim->tenants[i].speed = 1 /
                                slowdown_of(sim, &sim->tenants[i], sim->shares[i].gets, pressure);
    sim_cores_divide(sim, 1 - least(floors / all, threads_leave));
}

void sim_divide(struct sim *sim)
{
    sim->moved = false;
    if (sim->by_core) {
        divide_by_core(sim);
        return;
    }
    for (uint32_t i = 0; i < sim->tenant_count; i++)
        sim_advance(sim, &sim->tenants[i]);
    fill_shares(sim);
    /* Threads that every request passes are served first: they run briefly and sleep again. */
    double all = (double)sim->scenario->node.cores;
    double cores = fmax(all - sim->threads_active, all * threads_leave);
    share_divide(sim->shares, 2 * (size_t)sim->tenant_count, cores);
    feed_loaders(sim);
    double pressure = sim->interferes ? memory_pressure(sim) : 0;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        apply_share(sim, &sim->tenants[i], sim->shares[i].gets, pressure);
        apply_loader(sim, &sim->tenants[i], sim->shares[sim->tenant_count + i].gets);
    }
}
