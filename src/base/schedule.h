/* SPDX-License-Identifier: Apache-2.0 */
/* How threads are scheduled. Any thread may ask; system calls, microseconds. */
#ifndef ROOST_BASE_SCHEDULE_H
#define ROOST_BASE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"

/* How a thread is scheduled, as sched_getattr tells it (linux/sched/types.h). */
struct thread_schedule {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* the slice, where the kernel has one per thread; 0: its default */
    uint64_t deadline_ns, period_ns;
    uint32_t util_min, util_max;
};

/* The shortest and the longest slice that the kernel takes. */
#define SCHEDULE_SLICE_MIN_NS UINT64_C(100000)
#define SCHEDULE_SLICE_MAX_NS UINT64_C(100000000)
/* A tenth of the weight of nice 0. */
enum { SCHEDULE_BACKGROUND_NICE = 10 };

/* How a thread (0: the calling one) is scheduled. */
enum roost_err thread_schedule_get(int tid, struct thread_schedule *schedule,
                                   struct detail *detail);
enum roost_err thread_schedule_set(int tid, const struct thread_schedule *schedule,
                                   struct detail *detail);

/*
 * For work that must get on, but beside which others must hardly notice anything: a tenth of a core
 * where they want all of it; no turn begins by taking the core from somebody, and who wakes up ends
 * it, since the kernel prefers shorter slices than this one. Without effect where the kernel or the
 * caller's rights do not allow it.
 */
void thread_to_background(int tid);

/*
 * The calling thread goes to SCHED_IDLE, and who waits for its core has it at once. There it
 * starves while others want every core; leaving that class takes a privilege: see thread_may_rise.
 */
void thread_to_idle(void);

/* Whether this process may take threads out of SCHED_IDLE. */
bool thread_may_rise(void);

/* Lets those go first who wait for this core: nothing else ends a turn before a tick, except that
 * somebody wakes up who is owed enough. */
void thread_give_way(void);

/* A full share, but no turn begins by taking the core from somebody. */
void thread_to_batch(int tid);

/*
 * For a thread that measures others, runs for microseconds and must not be held up by them: what is
 * measured is the server, and not how it delays who measures it. Where that is allowed the calling
 * thread takes a core from any other at once (SCHED_FIFO: with a share, however large, it owes time
 * after each turn, and waits for a tick behind a run). Else it asks to go before others (nice), and
 * not to wait for their whole time slices (Linux 6.12; older kernels ignore it). Threads that it
 * creates are like any other.
 */
void thread_go_first(void);

/* Back from all of these but the last, with the calling process's nice. */
void thread_to_foreground(int tid);

/* That of its main thread, which whoever started it may have chosen. */
int process_nice(void);

#endif
