/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/schedule.h"
#include "host/serving.h"

/* A worker that has had nothing to do for so long gives memory back. */
static const uint64_t idle_trim_ns = 500 * NS_PER_MS;
/* Free memory below this is kept for the next batch. */
enum { IDLE_KEEP_BYTES = 1 << 20 };
/* How often a spinning worker looks before it reads the clock and offers the core to others. */
enum { SPIN_LOOKS = 64 };

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- one batch ---------------------------------------------------------------------------- */

static void worker_mark(struct worker *worker, uint64_t sequence)
{
    pthread_mutex_lock(&worker->running_lock);
    worker->running = sequence;
    pthread_mutex_unlock(&worker->running_lock);
}

static void worker_run(struct worker *worker, unsigned slot, uint64_t sequence)
{
    struct serving *serving = worker->serving;
    uint64_t gap_ns = clock_now_ns() - worker->finished_ns;
    worker->gap_ns += gap_ns / 8 - worker->gap_ns / 8;
    worker_mark(worker, sequence);
    batch_run(worker, slot, sequence);
    worker_mark(worker, 0);
    worker->untrimmed = true;
    if (region_finish(serving->region, worker->index, slot, sequence)) {
        uint64_t one = 1;
        while (write(serving->completion_fd, &one, sizeof one) < 0 && errno == EINTR)
            continue;
    }
    scratch_trim(&worker->scratch, false);
    worker->finished_ns = clock_now_ns();
}

/* ---- waiting ------------------------------------------------------------------------------ */

static bool worker_wanted(const struct worker *worker)
{
    return worker->index < atomic_load(&worker->serving->worker_limit);
}

/*
 * Looks for work for a while without sleeping, if batches have lately come closer together than
 * that: while traffic is dense this saves both sides a system call and the time to wake up. One
 * worker at a time does it, and lets others have the core who want it. True when there may be work.
 */
static bool worker_spin(struct worker *worker)
{
    struct serving *serving = worker->serving;
    struct region *region = serving->region;
    uint64_t spin_ns = serving->spec.spin_ns;
    if (worker->gap_ns > spin_ns || atomic_load(&region->may_spin) == 0)
        return false;
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&region->spinning, &none, 1))
        return false;
    uint64_t until_ns = clock_now_ns() + spin_ns;
    bool work = false;
    while (!work && clock_now_ns() < until_ns && !atomic_load(&serving->draining)) {
        for (unsigned i = 0; i < SPIN_LOOKS && !work; i++) {
            work = region_has_work(region);
            cpu_relax();
        }
        if (!work)
            sched_yield();
    }
    /* A publisher that has turned it to 0 already relies on us. */
    return atomic_exchange(&region->spinning, 0) == 0 || work;
}

static void worker_give_back(struct worker *worker)
{
    worker->untrimmed = false;
    scratch_trim(&worker->scratch, true);
    worker->serving->engine->rest(worker->context);
    struct mallinfo2 info = mallinfo2();
    if (info.fordblks > IDLE_KEEP_BYTES)
        malloc_trim(0);
}

/*
 * Sleeps until there may be work, or something else to look at. The idle bit is set before the last
 * look at the slots, and a publisher looks at the bits after it has filled its slot, so that one of
 * them sees the other.
 */
static void worker_sleep(struct worker *worker)
{
    struct serving *serving = worker->serving;
    struct region *region = serving->region;
    uint64_t bit = UINT64_C(1) << worker->index;
    uint32_t seen = atomic_load(&region->workers[worker->index].wake);
    bool wanted = worker_wanted(worker);
    if (wanted)
        atomic_fetch_or(&region->idle, bit);
    bool look = (wanted && region_has_work(region)) || wanted != worker_wanted(worker) ||
                atomic_load(&serving->draining);
    bool awake = look;
    if (!look)
        awake = region_sleep(region, worker->index, seen, worker->untrimmed ? idle_trim_ns : 0);
    bool handed = wanted && (atomic_fetch_and(&region->idle, ~bit) & bit) == 0;
    /* Somebody woke us for his batch, but we were about to look anyway and may take another one, or
     * are not to work any more: then his would lie while others sleep. */
    if (handed && (look || !worker_wanted(worker)))
        region_wake_idle(region);
    if (!awake)
        worker_give_back(worker);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct serving *serving = worker->serving;
    char name[16];
    if (!serving->in_process) {
        /* The process has the spawner's class, which lets others go first. */
        thread_to_foreground(0);
    }
    /* Last, so that who finds a worker by its name finds it set up. */
    (void)snprintf(name, sizeof name, "w%u", worker->index);
    pthread_setname_np(pthread_self(), name);
    worker->finished_ns = clock_now_ns();
    worker->gap_ns = NS_PER_S;
    for (;;) {
        unsigned slot;
        uint64_t sequence;
        if (worker_wanted(worker) && region_take(serving->region, worker->index, &slot, &sequence))
            worker_run(worker, slot, sequence);
        else if (atomic_load(&serving->draining))
            break;
        else if (!worker_wanted(worker) || !worker_spin(worker))
            worker_sleep(worker);
    }
    atomic_fetch_add(&serving->ended, 1);
    serving_tell(serving);
    return NULL;
}

/* ---- all of them -------------------------------------------------------------------------- */

enum roost_err workers_start(struct serving *serving, unsigned count, struct detail *detail)
{
    roost_assert(count <= serving->region->worker_count);
    while (serving->started < count) {
        struct worker *worker = &serving->workers[serving->started];
        worker->serving = serving;
        worker->index = serving->started;
        enum roost_err err = serving->engine->context_open(serving->session, &worker->context,
                                                           detail);
        if (err != ROOST_OK)
            return err;
        pthread_mutex_init(&worker->running_lock, NULL);
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            serving->engine->context_close(worker->context);
            pthread_mutex_destroy(&worker->running_lock);
            return detail_set(detail, ROOST_NO_MEMORY, "no thread can be started for a worker");
        }
        serving->started++;
    }
    return ROOST_OK;
}

void workers_wake_all(struct serving *serving)
{
    for (unsigned i = 0; i < serving->started; i++)
        region_wake_worker(serving->region, i);
}

void workers_join(struct serving *serving)
{
    for (unsigned i = 0; i < serving->started; i++) {
        struct worker *worker = &serving->workers[i];
        pthread_join(worker->thread, NULL);
        serving->engine->context_close(worker->context);
        pthread_mutex_destroy(&worker->running_lock);
        scratch_free(&worker->scratch);
    }
    serving->started = 0;
}

void workers_cancel(struct serving *serving, uint64_t sequence)
{
    for (unsigned i = 0; i < serving->started; i++) {
        struct worker *worker = &serving->workers[i];
        pthread_mutex_lock(&worker->running_lock);
        if (worker->running != 0 && (sequence == 0 || worker->running == sequence))
            worker->unwanted = worker->running;
        pthread_mutex_unlock(&worker->running_lock);
    }
}

bool workers_cancel_again(struct serving *serving)
{
    bool any = false;
    for (unsigned i = 0; i < serving->started; i++) {
        struct worker *worker = &serving->workers[i];
        /* The lock keeps the worker from going on to its next batch meanwhile. */
        pthread_mutex_lock(&worker->running_lock);
        if (worker->unwanted != 0 && worker->running == worker->unwanted) {
            serving->engine->terminate(worker->context);
            any = true;
        } else {
            worker->unwanted = 0;
        }
        pthread_mutex_unlock(&worker->running_lock);
    }
    return any;
}
