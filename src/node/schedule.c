/* SPDX-License-Identifier: Apache-2.0 */
#include "node/schedule.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

enum roost_err thread_schedule_get(int tid, struct thread_schedule *schedule, struct detail *detail)
{
    memset(schedule, 0, sizeof *schedule);
    if (syscall(SYS_sched_getattr, tid, schedule, sizeof *schedule, 0) == 0)
        return ROOST_OK;
    if (errno == ESRCH)
        return detail_set(detail, ROOST_NOT_FOUND, "thread %d has ended", tid);
    return errno_translate(errno, "sched_getattr", detail);
}

enum roost_err thread_schedule_set(int tid, const struct thread_schedule *schedule,
                                   struct detail *detail)
{
    if (syscall(SYS_sched_setattr, tid, schedule, 0) == 0)
        return ROOST_OK;
    switch (errno) {
    case ESRCH:
        return detail_set(detail, ROOST_NOT_FOUND, "thread %d has ended", tid);
    case EPERM:
        return detail_set(detail, ROOST_PERMISSION,
                          "thread %d cannot be scheduled otherwise: needs CAP_SYS_NICE", tid);
    default:
        return detail_set(detail, ROOST_UNSUPPORTED, "thread %d: the kernel refuses: %s", tid,
                          strerror(errno));
    }
}

void thread_to_background(int tid)
{
    struct thread_schedule schedule;
    if (thread_schedule_get(tid, &schedule, NULL) != ROOST_OK)
        return;
    schedule.policy = SCHED_BATCH;
    schedule.nice = schedule.nice > SCHEDULE_BACKGROUND_NICE ? schedule.nice
                                                             : SCHEDULE_BACKGROUND_NICE;
    schedule.runtime_ns = SCHEDULE_SLICE_MIN_NS;
    schedule.flags = 0;
    (void)thread_schedule_set(tid, &schedule, NULL);
}

void thread_to_batch(int tid)
{
    struct thread_schedule schedule;
    if (thread_schedule_get(tid, &schedule, NULL) != ROOST_OK || schedule.policy != SCHED_OTHER)
        return;
    schedule.policy = SCHED_BATCH;
    schedule.flags = 0;
    (void)thread_schedule_set(tid, &schedule, NULL);
}

void thread_to_foreground(int tid)
{
    struct thread_schedule schedule;
    if (thread_schedule_get(tid, &schedule, NULL) != ROOST_OK ||
        (schedule.policy != SCHED_IDLE && schedule.policy != SCHED_BATCH))
        return;
    schedule = (struct thread_schedule){.size = sizeof schedule, .policy = SCHED_OTHER};
    (void)thread_schedule_set(tid, &schedule, NULL);
}
