/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cores one by one, where a scenario has turns: each has a queue of its own (turn.h), as in Linux.
 *
 *   tick     |                 |                 |
 *   core 0   a a a a a n b b b b b b b b a a a a
 *   core 1   c c c c c c c c - - - - - - - - - -
 *                      ^ n, the network thread, wakes on a's core and starts b, which stays there
 *
 * Who wakes goes to the core where it was last if that is free, else to another one that is free,
 * else to the less busy of that one and its waker's; once there it may take the core from whoever
 * has it. A core that has nobody left fetches somebody who waits elsewhere, unless that one has
 * just run there, with warm caches; those are fetched at a tick. All that a tenant runs on one core
 * takes turns as one, by the tenant's weight.
 *
 * Where a tenant holds cores of its own or runs have several threads, cores are divided as a whole
 * (sim_cpu.c), and nobody waits for turns.
 */
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "sim/sim_internal.h"

/* Linux: sysctl_sched_base_slice, for one core; and sysctl_sched_migration_cost. */
static const double base_slice_ns = 0.7e6;
static const uint64_t hot_ns = 500000;
/* For each core: busy ones look at others so often. */
static const uint64_t balance_ns = 16 * NS_PER_MS;
static const double rounding_ns = 1e-3;
/* Threads that every request passes. The load generator's takes a core at once (schedule.h,
 * thread_go_first), and the server's, which runs briefly and often, hardly waits: on two busy cores
 * 10 us in the median, 0.3 ms in the 95th percentile. A share that is large is near enough to both;
 * a huge one would be what all the others' fairness is reckoned by. */
static const double first_weight = 9.3, first_slice_ns = 1e5;

static struct sim_task *current_of(const struct sim_core *core)
{
    return (struct sim_task *)(void *)core->queue.current;
}

static double default_slice_ns(const struct sim *sim)
{
    uint64_t cores = (uint64_t)sim->scenario->node.cores;
    return base_slice_ns * (1 + floor(log2((double)(cores < 8 ? cores : 8))));
}

static double *left_of(struct sim_task *task)
{
    return task->thread != NULL ? &task->thread->left_ns : &task->first->left_ns;
}

static void core_advance(struct sim *sim, struct sim_core *core)
{
    struct sim_task *task = current_of(core);
    double elapsed = (double)(sim->now_ns - core->charged_ns);
    core->charged_ns = sim->now_ns;
    if (task == NULL || elapsed <= 0)
        return;
    turn_charge(&core->queue, elapsed);
    task->ran_ns = sim->now_ns;
    *left_of(task) -= elapsed * core->speed;
    if (task->thread != NULL)
        return;
    task->first->cpu_ns += elapsed;
    task->tenant->result->core_ns += elapsed;
    task->tenant->sample_core_ns += elapsed;
}

void sim_cores_advance(struct sim *sim)
{
    for (uint32_t i = 0; sim->by_core && i < (uint32_t)sim->scenario->node.cores; i++)
        core_advance(sim, &sim->cores[i]);
}

static double speed_of(const struct sim *sim, const struct sim_task *task)
{
    if (task == NULL || task->thread != NULL)
        return 1;
    return sim->cores_speed * (sim->interferes ? task->tenant->speed : 1);
}

/* When something happens to the core by itself: who has it is done, or a tick ends a turn. */
static void core_plan(struct sim *sim, struct sim_core *core)
{
    struct sim_task *task = current_of(core);
    if (task == NULL) {
        sim_event_cancel(sim, &core->event);
        return;
    }
    uint64_t turn_ns = sim->scenario->node.turn_ns;
    double left_ns = fmax(*left_of(task), 0) / core->speed;
    uint64_t at_ns = sim->now_ns + (left_ns < 1e18 ? (uint64_t)ceil(left_ns) : (uint64_t)1e18);
    uint64_t tick_ns = (sim->now_ns / turn_ns + 1) * turn_ns;
    bool ticks = core->queue.count > 1 || task->first != task->last;
    sim_event_set(sim, &core->event, ticks && tick_ns < at_ns ? tick_ns : at_ns);
}

static void task_weigh(const struct sim *sim, struct sim_task *task)
{
    const struct sim_tenant *tenant = task->tenant;
    if (tenant == NULL)
        return;
    double here = 0;
    for (const struct sim_run *run = task->first; run != NULL; run = run->next)
        here++;
    double all = tenant->running_count > 0 ? tenant->running_count : 1;
    uint64_t slice_ns = tenant->grant.slice_ns;
    task->taker.weight = tenant->grant.weight / (double)ROOST_WEIGHT_DEFAULT * fmax(here, 1) / all;
    task->taker.slice_ns = slice_ns > 0 ? (double)slice_ns : default_slice_ns(sim);
    task->taker.idle = tenant->grant.sched_class == ROOST_CLASS_IDLE;
}

static void task_add(struct sim_task *task, struct sim_run *run)
{
    run->next = NULL;
    if (task->first == NULL)
        task->first = run;
    else
        task->last->next = run;
    task->last = run;
}

static void task_remove(struct sim_core *core, struct sim_task *task, struct sim_run *run)
{
    struct sim_run *before = NULL;
    for (struct sim_run *other = task->first; other != run; other = other->next)
        before = other;
    if (before == NULL)
        task->first = run->next;
    else
        before->next = run->next;
    if (task->last == run)
        task->last = before;
    if (task->first == NULL)
        turn_leave(&core->queue, &task->taker);
}

/* ---- whoever waits where another core is free -------------------------------------------- */

static bool is_hot(const struct sim *sim, const struct sim_task *task, const struct sim_run *run)
{
    bool ran = task->thread != NULL || run->cpu_ns > 0;
    return ran && sim->now_ns - task->ran_ns < hot_ns;
}

/* A run or a thread that waits on the core and may go elsewhere; NULL: none. */
static struct sim_task *waiting_on(const struct sim *sim, const struct sim_core *core,
                                   struct sim_run **run)
{
    for (struct turn_taker *taker = core->queue.first; taker != NULL; taker = taker->next) {
        struct sim_task *task = (struct sim_task *)(void *)taker;
        *run = task->first;
        if (taker == core->queue.current && *run != NULL)
            *run = (*run)->next;
        bool movable = taker != core->queue.current || *run != NULL;
        if (movable && !is_hot(sim, task, *run))
            return task;
    }
    return NULL;
}

/* The thread, or the run of the task, goes from where it waits to another core. */
static void move(struct sim *sim, struct sim_task *task, struct sim_run *run, struct sim_core *core)
{
    struct sim_core *from = task->core;
    core_advance(sim, from);
    if (task->thread != NULL) {
        turn_leave(&from->queue, &task->taker);
    } else {
        task_remove(from, task, run);
        task_weigh(sim, task);
        task = &core->tasks[task->tenant->index];
        task_add(task, run);
        task_weigh(sim, task);
        run->worker->core = core;
    }
    task->core = core;
    if (!task->taker.waits)
        turn_join(&core->queue, &task->taker);
    core_plan(sim, from);
}

static void core_fetch(struct sim *sim, struct sim_core *core)
{
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++) {
        struct sim_core *other = &sim->cores[i];
        struct sim_run *run;
        struct sim_task *task = other != core ? waiting_on(sim, other, &run) : NULL;
        if (task != NULL) {
            move(sim, task, run, core);
            return;
        }
    }
}

static double load_of(const struct sim_core *core)
{
    double sum = 0;
    for (const struct turn_taker *taker = core->queue.first; taker != NULL; taker = taker->next)
        sum += taker->weight;
    return sum;
}

/* While all are busy, who waits is fetched seldom, and only where that makes loads more equal. */
static void core_balance(struct sim *sim, struct sim_core *core)
{
    uint64_t count = (uint64_t)sim->scenario->node.cores;
    struct sim_core *busiest = core;
    if (sim->now_ns < core->balanced_ns + count * balance_ns)
        return;
    core->balanced_ns = sim->now_ns;
    for (uint64_t i = 0; i < count; i++)
        if (load_of(&sim->cores[i]) > load_of(busiest))
            busiest = &sim->cores[i];
    struct sim_run *run;
    struct sim_task *task = busiest != core ? waiting_on(sim, busiest, &run) : NULL;
    if (task == NULL || task->thread != NULL)
        return;
    double weight = task->tenant->grant.weight /
                    ((double)ROOST_WEIGHT_DEFAULT * task->tenant->running_count);
    if (load_of(busiest) - load_of(core) > weight)
        move(sim, task, run, core);
}

/* Gives the core to whom it is due. */
static void core_next(struct sim *sim, struct sim_core *core)
{
    if (core->queue.count == 0)
        core_fetch(sim, core);
    core->again = false;
    core->speed = speed_of(sim, (struct sim_task *)(void *)turn_next(&core->queue));
    core_plan(sim, core);
}

/* ---- waking ------------------------------------------------------- */

static struct sim_core *place(struct sim *sim, struct sim_core *last)
{
    struct sim_core *waker = sim->waker != NULL ? sim->waker : last;
    if (last->queue.count == 0)
        return last;
    if (waker->queue.count == 0)
        return waker;
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++)
        if (sim->cores[i].queue.count == 0)
            return &sim->cores[i];
    return load_of(waker) < load_of(last) ? waker : last;
}

static void wake(struct sim *sim, struct sim_core *core, struct sim_task *task)
{
    struct turn_queue *queue = &core->queue;
    core_advance(sim, core);
    bool over = queue->current != NULL && turn_is_over(queue);
    task->core = core;
    task_weigh(sim, task);
    if (!task->taker.waits)
        turn_join(queue, &task->taker);
    core->again |= over || turn_takes(queue, &task->taker);
    if (core == sim->waker)
        return; /* it looks again before it goes on */
    if (core->again)
        core_next(sim, core);
    else
        core_plan(sim, core);
}

/* The first one that has nothing to do, as hosts wake them. */
static struct sim_worker *worker_of(const struct sim_tenant *tenant)
{
    struct sim_worker *worker = tenant->workers;
    while (worker->busy)
        worker++;
    return worker;
}

void sim_core_start(struct sim *sim, struct sim_run *run)
{
    struct sim_tenant *tenant = run->tenant;
    struct sim_task *stays = sim->staying;
    bool goes_on = stays != NULL && stays->tenant == tenant;
    struct sim_worker *worker = worker_of(tenant);
    struct sim_core *core = goes_on ? stays->core : place(sim, worker->core);
    sim->staying = NULL;
    worker->busy = true;
    worker->core = core;
    run->worker = worker;
    task_add(&core->tasks[tenant->index], run);
    wake(sim, core, &core->tasks[tenant->index]);
}

/* On its waker's core where nobody else is, since that one is about to sleep. */
void sim_core_wake_thread(struct sim *sim, struct sim_thread *thread)
{
    struct sim_core *waker = sim->waker;
    bool beside = waker != NULL && waker->queue.count <= 1;
    wake(sim, beside ? waker : place(sim, thread->task.core), &thread->task);
}

/* ---- what happens on a core ------------------------------------------------------- */

/* It still has its core while it wakes somebody. */
static void thread_is_done(struct sim *sim, struct sim_core *core, struct sim_thread *thread)
{
    sim_thread_done(sim, thread);
    if (thread->first == NULL)
        turn_leave(&core->queue, &thread->task.taker);
}

/* The worker takes its next batch, if there is one, without a sleep. */
static void run_is_done(struct sim *sim, struct sim_core *core, struct sim_task *task)
{
    struct sim_run *run = task->first;
    struct sim_tenant *tenant = task->tenant;
    task->first = run->next;
    run->worker->busy = false;
    sim->staying = task;
    sim_run_done(sim, run);
    sim_pump(sim, tenant);
    sim->staying = NULL;
    if (task->first == NULL) {
        task->last = NULL;
        turn_leave(&core->queue, &task->taker);
    }
}

/* Cores without anybody look whether somebody waits here. */
static void offer(struct sim *sim)
{
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++)
        if (sim->cores[i].queue.count == 0)
            core_next(sim, &sim->cores[i]);
}

static void core_event(struct sim *sim, void *owner)
{
    struct sim_core *core = owner;
    core_advance(sim, core);
    struct sim_task *task = current_of(core);
    sim->waker = core;
    if (*left_of(task) <= rounding_ns) {
        if (task->thread != NULL)
            thread_is_done(sim, core, task->thread);
        else
            run_is_done(sim, core, task);
    } else {
        core->again |= turn_is_over(&core->queue);
        core_balance(sim, core);
        offer(sim);
    }
    sim->waker = NULL;
    if (core->queue.current == NULL || core->again)
        core_next(sim, core);
    else
        core_plan(sim, core);
    sim->moved |= sim->interferes || sim->loads;
}

/* ---- as a whole, and one by one ------------------------------------------------------- */

static bool by_core(const struct sim *sim)
{
    bool shared = sim->cores != NULL;
    for (uint32_t i = 0; i < sim->tenant_count; i++)
        shared &= sim->tenants[i].grant.mode == ROOST_SHARED &&
                  sim->tenants[i].config->threads <= 1;
    return shared;
}

static void thread_to_core(struct sim *sim, struct sim_thread *thread)
{
    if (thread->first == NULL)
        return;
    thread->left_ns = (double)(thread->event.at_ns - sim->now_ns);
    sim_event_cancel(sim, &thread->event);
    sim_core_wake_thread(sim, thread);
}

static void runs_to_cores(struct sim *sim, struct sim_tenant *tenant)
{
    sim_advance(sim, tenant);
    for (struct sim_run *run;
         (run = (struct sim_run *)(void *)heap_pop(&tenant->running)) != NULL;) {
        run->left_ns = run->end_ns - tenant->done_ns;
        run->cpu_ns += tenant->cpu_ns - run->cpu_begin_ns;
        sim_core_start(sim, run);
    }
    sim_event_cancel(sim, &tenant->run_end);
    tenant->speed = tenant->cores_per_run = tenant->cores_used = 0;
}

static void thread_to_whole(struct sim *sim, struct sim_thread *thread)
{
    if (thread->first == NULL)
        return;
    turn_leave(&thread->task.core->queue, &thread->task.taker);
    sim_event_set(sim, &thread->event, sim->now_ns + (uint64_t)fmax(thread->left_ns, 0));
    sim->threads_active++;
}

static void core_to_whole(struct sim *sim, struct sim_core *core)
{
    core_advance(sim, core);
    for (uint32_t i = 0; i < sim->tenant_count; i++) {
        struct sim_tenant *tenant = &sim->tenants[i];
        for (struct sim_run *run; (run = core->tasks[i].first) != NULL;) {
            task_remove(core, &core->tasks[i], run);
            sim_advance(sim, tenant);
            run->worker->busy = false;
            run->end_ns = tenant->done_ns + run->left_ns;
            run->cpu_begin_ns = tenant->cpu_ns;
            if (!heap_push(&tenant->running, &run->node))
                sim->out_of_memory = true;
            tenant->moved = true;
        }
    }
    sim_event_cancel(sim, &core->event);
}

void sim_cores_choose(struct sim *sim, bool may_be_by_core)
{
    bool wanted = may_be_by_core && by_core(sim);
    if (wanted == sim->by_core)
        return;
    sim->by_core = wanted;
    sim->moved = true;
    if (wanted) {
        sim->threads_active = 0;
        for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++)
            sim->cores[i].charged_ns = sim->now_ns;
        for (uint32_t i = 0; i < sim->tenant_count; i++)
            runs_to_cores(sim, &sim->tenants[i]);
        thread_to_core(sim, &sim->network);
        thread_to_core(sim, &sim->generator);
        return;
    }
    thread_to_whole(sim, &sim->network);
    thread_to_whole(sim, &sim->generator);
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++)
        core_to_whole(sim, &sim->cores[i]);
}

void sim_cores_divide(struct sim *sim, double speed)
{
    sim->cores_speed = speed;
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++) {
        struct sim_core *core = &sim->cores[i];
        core_advance(sim, core);
        for (struct turn_taker *taker = core->queue.first; taker != NULL; taker = taker->next)
            task_weigh(sim, (struct sim_task *)(void *)taker);
        core->speed = speed_of(sim, current_of(core));
        core_plan(sim, core);
    }
}

uint32_t sim_cores_free(const struct sim *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < (uint32_t)sim->scenario->node.cores; i++)
        count += sim->cores[i].queue.count == 0;
    return count;
}

static void thread_init(struct sim_thread *thread, struct sim_core *core)
{
    thread->task.core = core;
    thread->task.thread = thread;
    thread->task.taker.weight = first_weight;
    thread->task.taker.slice_ns = first_slice_ns;
}

bool sim_cores_init(struct sim *sim)
{
    size_t count = (size_t)sim->scenario->node.cores;
    if (sim->scenario->node.turn_ns == 0)
        return true;
    sim->cores = calloc(count, sizeof *sim->cores);
    sim->tasks = calloc(count * sim->tenant_count, sizeof *sim->tasks);
    size_t workers = 0;
    for (uint32_t t = 0; t < sim->tenant_count; t++)
        workers += (size_t)sim->scenario->tenants[t].workers_max + 1; /* one that is never busy */
    sim->workers = calloc(workers, sizeof *sim->workers);
    if (sim->cores == NULL || sim->tasks == NULL || sim->workers == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct sim_core *core = &sim->cores[i];
        core->tasks = &sim->tasks[i * sim->tenant_count];
        core->speed = 1;
        turn_init(&core->queue, (double)sim->scenario->node.turn_ns);
        sim_event_init(sim, &core->event, core_event, core);
        for (uint32_t t = 0; t < sim->tenant_count; t++) {
            core->tasks[t].tenant = &sim->tenants[t];
            core->tasks[t].core = core;
        }
    }
    struct sim_worker *worker = sim->workers;
    for (uint32_t t = 0; t < sim->tenant_count; t++) {
        sim->tenants[t].workers = worker;
        for (int64_t w = 0; w <= sim->scenario->tenants[t].workers_max; w++)
            worker++->core = &sim->cores[(t + (size_t)w) % count];
    }
    sim->cores_speed = 1;
    thread_init(&sim->network, sim->cores);
    thread_init(&sim->generator, sim->cores);
    sim_cores_choose(sim, true);
    return true;
}

void sim_cores_fini(struct sim *sim)
{
    free(sim->cores);
    free(sim->tasks);
    free(sim->workers);
}
