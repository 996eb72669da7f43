/* SPDX-License-Identifier: Apache-2.0 */
#include "node/knob.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/knob_internal.h"

enum { WEIGHT_MAX = 10000, BANDWIDTH_FULL = 100 };

static const struct knob_mechanism *const mechanisms[] = {&knob_cgroup, &knob_schedule,
                                                          &knob_resctrl};
enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

const char *knob_name(enum knob_kind kind)
{
    static const char *const names[] = {
#define KNOB_NAME(symbol, name, text) name,
        KNOB_TABLE(KNOB_NAME)
#undef KNOB_NAME
    };
    return names[kind];
}

const char *knob_summary(enum knob_kind kind)
{
    static const char *const summaries[] = {
#define KNOB_SUMMARY(symbol, name, text) text,
        KNOB_TABLE(KNOB_SUMMARY)
#undef KNOB_SUMMARY
    };
    return summaries[kind];
}

void knob_report_set(struct knobs *knobs, enum knob_kind kind, bool available, const char *format,
                     ...)
{
    struct knob_report *report = &knobs->reports[kind];
    va_list args;
    report->available = available;
    va_start(args, format);
    (void)vsnprintf(report->text, sizeof report->text, format, args);
    va_end(args);
}

/* ---- owners ------------------------------------------------------------------------------- */

/* When a process started, in the kernel's ticks; 0: there is none. An id is used again, the pair is
 * not. */
static unsigned long long process_start(const struct knobs *knobs, int pid)
{
    char path[FILE_PATH_BYTES_MAX + 32], text[1024];
    unsigned long long start = 0;
    (void)snprintf(path, sizeof path, "%s/proc/%d/stat", knobs->root, pid);
    if (!setting_read(path, text, sizeof text))
        return 0;
    /* The name may contain anything; what follows its last ')' are fields 3 and on. */
    const char *at = strrchr(text, ')');
    for (unsigned field = 2; at != NULL && field < 22; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || sscanf(at, "%llu", &start) != 1)
        return 0;
    return start;
}

bool knob_owner_dead(const struct knobs *knobs, const char *name)
{
    int pid, length = 0;
    unsigned long long start;
    if (sscanf(name, "roost-%d-%llu%n", &pid, &start, &length) != 2 || pid <= 0 ||
        (name[length] != '\0' && name[length] != '-'))
        return false;
    unsigned long long found = process_start(knobs, pid);
    return found == 0 || found != start;
}

void knob_leftovers(const struct knobs *knobs, const char *directory,
                    void (*visit)(const struct knobs *knobs, const char *path))
{
    char path[FILE_PATH_BYTES_MAX];
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (knob_owner_dead(knobs, entry->d_name) &&
            path_join(path, sizeof path, directory, entry->d_name))
            visit(knobs, path);
    if (dir != NULL)
        closedir(dir);
}

/* ---- life --------------------------------------------------------------------------------- */

enum roost_err knobs_open(const struct knob_options *options, struct knobs **knobs,
                          struct detail *detail)
{
    *knobs = NULL;
    struct knobs *made = calloc(1, sizeof *made);
    if (made == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    const char *root = options->root == NULL || strcmp(options->root, "/") == 0 ? ""
                                                                                : options->root;
    (void)snprintf(made->root, sizeof made->root, "%s", root);
    made->pretend = options->pretend;
    (void)snprintf(made->owner, sizeof made->owner, "roost-%d-%llu", (int)getpid(),
                   process_start(made, getpid()));
    knob_report_set(made, KNOB_AFFINITY, true, "sched_setaffinity, by the hosts themselves");
    for (unsigned m = 0; m < MECHANISMS; m++)
        mechanisms[m]->probe(made);
    *knobs = made;
    return ROOST_OK;
}

void knobs_close(struct knobs *knobs)
{
    if (knobs == NULL)
        return;
    const struct knob_plan nothing = {0};
    (void)knobs_apply(knobs, &nothing, NULL);
    for (unsigned m = 0; m < MECHANISMS; m++)
        mechanisms[m]->close(knobs);
    free(knobs->hosts);
    free(knobs);
}

const struct knob_report *knobs_report(const struct knobs *knobs, enum knob_kind kind)
{
    return &knobs->reports[kind];
}

const struct knob_ranges *knobs_ranges(const struct knobs *knobs)
{
    return &knobs->ranges;
}

/* ---- plans -------------------------------------------------------------------------------- */

static const struct knob_grant *find(const struct knob_host *hosts, unsigned count, int pid)
{
    for (unsigned i = 0; i < count; i++)
        if (hosts[i].pid == pid)
            return &hosts[i].grant;
    return NULL;
}

const struct knob_grant *knob_in_force(const struct knobs *knobs, int pid)
{
    return find(knobs->hosts, knobs->host_count, pid);
}

const struct knob_grant *knob_planned(const struct knob_plan *plan, int pid)
{
    return find(plan->hosts, plan->host_count, pid);
}

static bool grant_uses(const struct knob_grant *grant, enum knob_kind kind)
{
    switch (kind) {
    case KNOB_WEIGHT:
        return grant->weight != 0;
    case KNOB_QUOTA:
        return grant->quota_tenths != 0;
    case KNOB_CPUSET:
        return !cpus_empty(&grant->cpus);
    case KNOB_SLICE:
        return grant->slice_ns != 0;
    case KNOB_CLASS:
        return grant->idle;
    case KNOB_WAYS:
        return grant->ways_mask != 0;
    case KNOB_BANDWIDTH:
        return grant->bandwidth_percent != 0 && grant->bandwidth_percent != BANDWIDTH_FULL;
    case KNOB_AFFINITY:
    case KNOB_KINDS:
        break;
    }
    return false;
}

static enum roost_err grant_check(const struct knobs *knobs, const struct knob_host *host,
                                  struct detail *detail)
{
    const struct knob_grant *grant = &host->grant;
    const struct knob_ranges *ranges = &knobs->ranges;
    for (unsigned kind = 0; kind < KNOB_KINDS; kind++)
        if (grant_uses(grant, (enum knob_kind)kind) && !knobs->reports[kind].available)
            return detail_set(detail, ROOST_UNSUPPORTED, "process %d: %s: %s", host->pid,
                              knob_name((enum knob_kind)kind), knobs->reports[kind].text);
    if (host->pid <= 0)
        return detail_set(detail, ROOST_INVALID, "%d is no process", host->pid);
    if (grant->weight > WEIGHT_MAX)
        return detail_set(detail, ROOST_INVALID, "process %d: weight %u is above %d", host->pid,
                          grant->weight, WEIGHT_MAX);
    if (grant->slice_ns != 0 &&
        (grant->slice_ns < ranges->slice_min_ns || grant->slice_ns > ranges->slice_max_ns))
        return detail_set(detail, ROOST_INVALID, "process %d: slice of %llu ns is out of range",
                          host->pid, (unsigned long long)grant->slice_ns);
    return ROOST_OK;
}

enum roost_err knobs_apply(struct knobs *knobs, const struct knob_plan *plan, struct detail *detail)
{
    struct journal journal;
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < plan->host_count && err == ROOST_OK; i++)
        err = grant_check(knobs, &plan->hosts[i], detail);
    struct knob_host *hosts = calloc(plan->host_count + 1, sizeof *hosts);
    if (err == ROOST_OK && hosts == NULL)
        err = detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    journal_init(&journal, knobs->pretend);
    for (unsigned m = 0; m < MECHANISMS && err == ROOST_OK; m++)
        err = mechanisms[m]->apply(knobs, plan, &journal, detail);
    if (err != ROOST_OK) {
        if (!journal_undo(&journal))
            detail_prefix(detail, "not all could be taken back");
        free(hosts);
        return err;
    }
    journal_keep(&journal);
    for (unsigned m = 0; m < MECHANISMS; m++)
        mechanisms[m]->settle(knobs, plan);
    if (plan->host_count > 0)
        memcpy(hosts, plan->hosts, plan->host_count * sizeof *hosts);
    free(knobs->hosts);
    knobs->hosts = hosts;
    knobs->host_count = plan->host_count;
    return ROOST_OK;
}

void knobs_ease(const struct knobs *knobs, int pid)
{
    struct journal journal;
    char list[FILE_PATH_BYTES_MAX + 16];
    journal_init(&journal, knobs->pretend);
    for (unsigned kind = 0; kind < GROUPS_KINDS && !knobs->pretend; kind++) {
        const struct knob_groups *groups = &knobs->groups[kind];
        (void)snprintf(list, sizeof list, "%s/cgroup.procs", groups->home);
        /* Where it is already, and through the same gate as any other move. */
        if (groups->parent[0] != '\0')
            (void)journal_move(&journal, pid, list, list, NULL);
    }
    journal_keep(&journal);
}

unsigned knobs_groups_shared(const struct knobs *knobs)
{
    return knobs->resctrl.shared;
}
