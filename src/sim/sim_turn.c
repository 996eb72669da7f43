/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns, where a scenario has them: whoever runs keeps its core until the kernel's next tick, so a
 * worker that wakes while all cores are busy waits for the tick, or for a core that somebody leaves
 * before. From then on they share (sim_cpu.c).
 *
 *   tick     |                 |                 |
 *   core 0   a a a a a a a a a a/b a/b a/b a a a a
 *                    ^ b wakes
 *
 * Nobody waits for tenants of less weight or of the idle class, which give way at once, nor where a
 * tenant holds cores of its own, nor do the threads that every request passes.
 */
#include "sim/sim_internal.h"

static bool takes_turns(const struct sim_tenant *tenant)
{
    return tenant->grant.mode == ROOST_SHARED && tenant->grant.sched_class != ROOST_CLASS_IDLE;
}

/* Is there a core for one more run of the tenant, without anybody that it has to wait for? */
static bool core_is_free(const struct sim *sim, const struct sim_tenant *tenant)
{
    double cores = (double)sim->scenario->node.cores, busy = sim->threads_active;
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        const struct sim_tenant *other = &sim->tenants[i];
        if (other->grant.mode == ROOST_EXCLUSIVE)
            cores -= (double)other->grant.slots / ROOST_SLOTS_PER_CORE;
        else if (takes_turns(other) && other->grant.weight >= tenant->grant.weight)
            busy += other->running_count * other->config->threads;
    }
    return busy + 1 <= cores;
}

static void begin_first(struct sim *sim)
{
    struct sim_run *run = sim->waiting_first;
    sim->waiting_first = run->next;
    run->tenant->waiting_count--;
    sim_run_begin(sim, run);
}

void sim_turn_end(struct sim *sim, void *unused)
{
    (void)unused;
    while (sim->waiting_first != NULL)
        begin_first(sim);
}

void sim_turn_lend(struct sim *sim)
{
    if (sim->waiting_first == NULL)
        return;
    while (sim->waiting_first != NULL && core_is_free(sim, sim->waiting_first->tenant))
        begin_first(sim);
    if (sim->waiting_first == NULL)
        sim_event_cancel(sim, &sim->turn);
}

void sim_turn_start(struct sim *sim, struct sim_run *run)
{
    uint64_t turn_ns = sim->scenario->node.turn_ns;
    if (turn_ns == 0 || !takes_turns(run->tenant) || core_is_free(sim, run->tenant)) {
        sim_run_begin(sim, run);
        return;
    }
    run->next = NULL;
    if (sim->waiting_first == NULL) {
        sim->waiting_first = run;
        sim_event_set(sim, &sim->turn, (sim->now_ns / turn_ns + 1) * turn_ns);
    } else {
        sim->waiting_last->next = run;
    }
    sim->waiting_last = run;
    run->tenant->waiting_count++;
}
