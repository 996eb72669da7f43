/* SPDX-License-Identifier: Apache-2.0 */
/* Slice and class of a process's threads. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "node/knob_internal.h"

static const uint64_t slice_min_ns = SCHEDULE_SLICE_MIN_NS, slice_max_ns = SCHEDULE_SLICE_MAX_NS;

/* ---- what there is ------------------------------------------------------------------------ */

struct trial {
    enum roost_err slice_err, class_err;
    bool slice_kept;
    struct detail slice_reason, class_reason;
};

/* On a thread of its own, which may end in whatever state it likes. */
static void *trial_main(void *argument)
{
    struct trial *trial = argument;
    struct thread_schedule normal, wanted, found;
    trial->slice_err = thread_schedule_get(0, &normal, &trial->slice_reason);
    trial->class_err = trial->slice_err;
    if (trial->slice_err != ROOST_OK)
        return NULL;
    wanted = normal;
    wanted.runtime_ns = slice_min_ns;
    trial->slice_err = thread_schedule_set(0, &wanted, &trial->slice_reason);
    /* An older kernel takes the number and forgets it. */
    trial->slice_kept = thread_schedule_get(0, &found, NULL) == ROOST_OK &&
                        found.runtime_ns == slice_min_ns;
    wanted = normal;
    wanted.policy = SCHED_IDLE;
    trial->class_err = thread_schedule_set(0, &wanted, &trial->class_reason);
    if (trial->class_err == ROOST_OK)
        trial->class_err = thread_schedule_set(0, &normal, &trial->class_reason);
    return NULL;
}

static void schedule_probe(struct knobs *knobs)
{
    struct trial trial = {0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, trial_main, &trial) != 0) {
        knob_report_set(knobs, KNOB_SLICE, false, "cannot be tried: no thread");
        knob_report_set(knobs, KNOB_CLASS, false, "cannot be tried: no thread");
        return;
    }
    (void)pthread_join(thread, NULL);
    knobs->ranges.slice_min_ns = slice_min_ns;
    knobs->ranges.slice_max_ns = slice_max_ns;
    if (trial.slice_err != ROOST_OK)
        knob_report_set(knobs, KNOB_SLICE, false, "%.200s", trial.slice_reason.text);
    else if (!trial.slice_kept)
        knob_report_set(knobs, KNOB_SLICE, false,
                        "this kernel has one slice for all threads: needs Linux 6.12");
    else
        knob_report_set(knobs, KNOB_SLICE, true, "0.1 to 100 ms, by sched_setattr");
    if (trial.class_err != ROOST_OK)
        knob_report_set(knobs, KNOB_CLASS, false, "SCHED_IDLE could not be left again: %.180s",
                        trial.class_reason.text);
    else
        knob_report_set(knobs, KNOB_CLASS, true, "SCHED_IDLE");
}

/* ---- applying ----------------------------------------------------------------------------- */

static enum roost_err thread_apply(struct journal *journal, int tid, const struct knob_grant *grant,
                                   struct detail *detail)
{
    struct thread_schedule schedule;
    enum roost_err err = thread_schedule_get(tid, &schedule, detail);
    /* A loader's own class is its own business. */
    bool ours = err == ROOST_OK &&
                (schedule.policy == SCHED_OTHER || schedule.policy == SCHED_IDLE);
    if (!ours)
        return err;
    uint32_t policy = grant->idle ? SCHED_IDLE : SCHED_OTHER;
    if (schedule.policy == policy && schedule.runtime_ns == grant->slice_ns)
        return ROOST_OK;
    schedule.policy = policy;
    schedule.runtime_ns = grant->slice_ns;
    schedule.flags = 0;
    return journal_schedule(journal, tid, &schedule, detail);
}

static enum roost_err process_apply(const struct knobs *knobs, struct journal *journal, int pid,
                                    const struct knob_grant *grant, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX + 32];
    enum roost_err err = ROOST_OK;
    (void)snprintf(path, sizeof path, "%s/proc/%d/task", knobs->root, pid);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && err == ROOST_OK && (entry = readdir(dir)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0)
            err = thread_apply(journal, tid, grant, detail);
        err = knob_gone(err) ? ROOST_OK : err;
    }
    if (dir != NULL)
        closedir(dir);
    return err;
}

static bool schedule_equal(const struct knob_grant *a, const struct knob_grant *b)
{
    static const struct knob_grant none;
    a = a != NULL ? a : &none;
    b = b != NULL ? b : &none;
    return a->slice_ns == b->slice_ns && a->idle == b->idle;
}

static enum roost_err schedule_apply(struct knobs *knobs, const struct knob_plan *plan,
                                     struct journal *journal, struct detail *detail)
{
    static const struct knob_grant none;
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < plan->host_count && err == ROOST_OK; i++) {
        const struct knob_host *host = &plan->hosts[i];
        if (!schedule_equal(knob_in_force(knobs, host->pid), &host->grant))
            err = process_apply(knobs, journal, host->pid, &host->grant, detail);
    }
    for (unsigned i = 0; i < knobs->host_count && err == ROOST_OK; i++) {
        const struct knob_host *host = &knobs->hosts[i];
        if (knob_planned(plan, host->pid) == NULL && !schedule_equal(&host->grant, NULL))
            err = process_apply(knobs, journal, host->pid, &none, detail);
    }
    return err;
}

static void schedule_settle(struct knobs *knobs, const struct knob_plan *plan)
{
    (void)knobs;
    (void)plan;
}

static void schedule_close(struct knobs *knobs)
{
    (void)knobs;
}

const struct knob_mechanism knob_schedule = {
    .probe = schedule_probe,
    .apply = schedule_apply,
    .settle = schedule_settle,
    .close = schedule_close,
};
