/* SPDX-License-Identifier: Apache-2.0 */
#include "base/schedule.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

enum { FIRST_NICE = -10 };

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
    schedule.runtime_ns = SCHEDULE_SLICE_MAX_NS;
    schedule.flags = 0;
    (void)thread_schedule_set(tid, &schedule, NULL);
}

void thread_to_idle(void)
{
    const struct sched_param parameter = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &parameter);
    thread_give_way(); /* who waits already is not looked for by that */
}

/* Found out on a thread that ends right away. */
static void *rise_try(void *argument)
{
    const struct sched_param parameter = {0};
    bool *may_rise = argument;
    *may_rise = sched_setscheduler(0, SCHED_IDLE, &parameter) == 0 &&
                sched_setscheduler(0, SCHED_OTHER, &parameter) == 0;
    return NULL;
}

bool thread_may_rise(void)
{
    bool may_rise = false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, rise_try, &may_rise) == 0)
        pthread_join(thread, NULL);
    return may_rise;
}

void thread_give_way(void)
{
    (void)sched_yield();
}

void thread_to_batch(int tid)
{
    struct thread_schedule schedule;
    if (thread_schedule_get(tid, &schedule, NULL) != ROOST_OK ||
        (schedule.policy != SCHED_OTHER && schedule.policy != SCHED_IDLE))
        return;
    schedule.policy = SCHED_BATCH;
    schedule.flags = 0;
    (void)thread_schedule_set(tid, &schedule, NULL);
}

void thread_go_first(void)
{
    struct thread_schedule schedule;
    struct sched_param least = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    bool real_time = policy == SCHED_FIFO || policy == SCHED_RR; /* by whoever started it */
    if (real_time || sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &least) == 0)
        return;
    if (getpriority(PRIO_PROCESS, 0) > FIRST_NICE)
        (void)setpriority(PRIO_PROCESS, 0, FIRST_NICE); /* of this thread */
    if (thread_schedule_get(0, &schedule, NULL) != ROOST_OK)
        return;
    schedule.runtime_ns = SCHEDULE_SLICE_MIN_NS;
    schedule.flags = 0;
    (void)thread_schedule_set(0, &schedule, NULL);
}

int process_nice(void)
{
    return getpriority(PRIO_PROCESS, (id_t)getpid());
}

void thread_to_foreground(int tid)
{
    struct thread_schedule schedule;
    if (thread_schedule_get(tid, &schedule, NULL) != ROOST_OK ||
        (schedule.policy != SCHED_IDLE && schedule.policy != SCHED_BATCH))
        return;
    schedule = (struct thread_schedule){
        .size = sizeof schedule, .policy = SCHED_OTHER, .nice = process_nice()};
    (void)thread_schedule_set(tid, &schedule, NULL);
}
