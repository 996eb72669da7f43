/* SPDX-License-Identifier: Apache-2.0 */
/* How threads are scheduled. Any thread may ask; system calls, microseconds. */
#ifndef ROOST_NODE_SCHEDULE_H
#define ROOST_NODE_SCHEDULE_H

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

/* The shortest slice that the kernel takes. */
#define SCHEDULE_SLICE_MIN_NS UINT64_C(100000)
/* A tenth of the weight of nice 0. */
enum { SCHEDULE_BACKGROUND_NICE = 10 };

/* How a thread (0: the calling one) is scheduled. */
enum roost_err thread_schedule_get(int tid, struct thread_schedule *schedule,
                                   struct detail *detail);
enum roost_err thread_schedule_set(int tid, const struct thread_schedule *schedule,
                                   struct detail *detail);

/*
 * For work that must get on, but beside which others must hardly notice anything: a tenth of a core
 * where they want all of it, in turns so short that who wakes up need not wait for the end of one,
 * and no turn begins by taking the core from somebody. Without effect where the kernel or the
 * caller's rights do not allow it.
 */
void thread_to_background(int tid);

/* Only the last of these: a full share, but whoever has the core keeps it until his turn ends. */
void thread_to_batch(int tid);

/* Back from both, and from SCHED_IDLE. */
void thread_to_foreground(int tid);

#endif
