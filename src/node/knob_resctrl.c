/* SPDX-License-Identifier: Apache-2.0 */
/* Ways and bandwidth: a group of resctrl for every different grant, as many as there are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/knob_internal.h"

enum { PATH_BYTES = FILE_PATH_BYTES_MAX + 128, SCHEMATA_BYTES = 3072 };

static void leftover_remove(const struct knobs *knobs, const char *path)
{
    (void)group_remove(path, knobs->pretend); /* its threads fall back to the default group */
}

static void resctrl_probe_knobs(struct knobs *knobs)
{
    struct detail detail = {""};
    struct resctrl *resctrl = &knobs->resctrl;
    if (resctrl_probe(knobs->root, resctrl, &detail) != ROOST_OK) {
        knob_report_set(knobs, KNOB_WAYS, false, "%.250s", detail.text);
        knob_report_set(knobs, KNOB_BANDWIDTH, false, "%.250s", detail.text);
        return;
    }
    knob_leftovers(knobs, resctrl->directory, leftover_remove);
    struct knob_ranges *ranges = &knobs->ranges;
    ranges->groups = resctrl->closids - 1;
    if (resctrl->ways) {
        ranges->ways_mask = resctrl->cbm_mask;
        ranges->ways_shareable_mask = resctrl->shareable_mask;
        ranges->ways = (unsigned)__builtin_popcountll(resctrl->cbm_mask);
        ranges->ways_min = resctrl->min_cbm_bits;
        knob_report_set(knobs, KNOB_WAYS, true, "resctrl L3: %u ways, at least %u, %u groups",
                        ranges->ways, ranges->ways_min, ranges->groups);
    } else {
        knob_report_set(knobs, KNOB_WAYS, false, "resctrl here does not divide L3 as one");
    }
    if (resctrl->bandwidth) {
        ranges->bandwidth_min = resctrl->bandwidth_min;
        ranges->bandwidth_step = resctrl->bandwidth_step;
        knob_report_set(knobs, KNOB_BANDWIDTH, true, "resctrl MB: %u to 100 %% in steps of %u",
                        ranges->bandwidth_min, ranges->bandwidth_step);
    } else {
        knob_report_set(knobs, KNOB_BANDWIDTH, false, "resctrl here does not divide bandwidth");
    }
}

/* ---- classes ------------------------------------------------------------------------------ */

static struct resctrl_class class_of(const struct knobs *knobs, const struct knob_grant *grant,
                                     uint64_t rest_mask)
{
    uint64_t rest = rest_mask != 0 ? rest_mask : knobs->resctrl.cbm_mask;
    return (struct resctrl_class){
        .ways_mask = grant->ways_mask != 0 ? grant->ways_mask : rest,
        .bandwidth_percent = grant->bandwidth_percent != 0 ? grant->bandwidth_percent
                                                           : RESCTRL_BANDWIDTH_FULL,
    };
}

static bool is_default(const struct knob_grant *grant)
{
    return grant->ways_mask == 0 &&
           (grant->bandwidth_percent == 0 || grant->bandwidth_percent == RESCTRL_BANDWIDTH_FULL);
}

static void group_path(const struct knobs *knobs, unsigned number, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s-%u", knobs->resctrl.directory, knobs->owner, number);
}

static enum roost_err schemata_put(const struct knobs *knobs, const char *group,
                                   const struct resctrl_class *class_, struct journal *journal,
                                   struct detail *detail)
{
    char path[PATH_BYTES + 16], text[SCHEMATA_BYTES], status[256];
    (void)snprintf(path, sizeof path, "%s/schemata", group);
    resctrl_schemata(&knobs->resctrl, class_, text, sizeof text);
    enum roost_err err = journal_write(journal, path, text, detail);
    (void)snprintf(path, sizeof path, "%s/info/last_cmd_status", knobs->resctrl.directory);
    if (err != ROOST_OK && setting_read(path, status, sizeof status) && status[0] != '\0')
        detail_prefix(detail, "resctrl says \"%.120s\"", status);
    return err;
}

/* Thread by thread: that is what the file takes. */
static enum roost_err process_move(const struct knobs *knobs, int pid, const char *to,
                                   const char *from, struct journal *journal, struct detail *detail)
{
    char path[PATH_BYTES], list[PATH_BYTES + 16], back[PATH_BYTES + 16];
    enum roost_err err = ROOST_OK;
    (void)snprintf(path, sizeof path, "%s/proc/%d/task", knobs->root, pid);
    (void)snprintf(list, sizeof list, "%s/tasks", to);
    (void)snprintf(back, sizeof back, "%s/tasks", from);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && err == ROOST_OK && (entry = readdir(dir)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0)
            err = journal_move(journal, tid, list, back, detail);
        err = knob_gone(err) ? ROOST_OK : err;
    }
    if (dir != NULL)
        closedir(dir);
    return err;
}

/* ---- applying ----------------------------------------------------------------------------- */

struct sharing {
    unsigned count, members; /* groups; processes that need one */
    unsigned merged;         /* different classes that have no group of their own */
    struct resctrl_class classes[RESCTRL_CLASSES_MAX];
    unsigned place[RESCTRL_CLASSES_MAX]; /* by the number among those that need a group */
};

static enum roost_err sharing_make(const struct knobs *knobs, const struct knob_plan *plan,
                                   struct sharing *sharing, struct detail *detail)
{
    memset(sharing, 0, sizeof *sharing);
    for (unsigned i = 0; i < plan->host_count; i++) {
        const struct knob_host *host = &plan->hosts[i];
        if (is_default(&host->grant))
            continue;
        if (sharing->members == RESCTRL_CLASSES_MAX)
            return detail_set(detail, ROOST_INVALID, "more than %d processes in resctrl groups",
                              RESCTRL_CLASSES_MAX);
        struct resctrl_class made = class_of(knobs, &host->grant, plan->ways_rest_mask);
        enum roost_err err = resctrl_check(&knobs->resctrl, &made, detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "process %d", host->pid);
            return err;
        }
        sharing->classes[sharing->members++] = made;
    }
    /* Equal ones first, which is no loss to anyone. */
    unsigned again[RESCTRL_CLASSES_MAX];
    unsigned differ = resctrl_share(sharing->classes, sharing->members, RESCTRL_CLASSES_MAX,
                                    sharing->place);
    sharing->count = resctrl_share(sharing->classes, differ, knobs->resctrl.closids - 1, again);
    sharing->merged = differ - sharing->count;
    for (unsigned i = 0; i < sharing->members; i++)
        sharing->place[i] = again[sharing->place[i]];
    return ROOST_OK;
}

/* The groups first, then who is in them, so that no one is without ways for a moment. */
static enum roost_err groups_make(const struct knobs *knobs, const struct sharing *sharing,
                                  struct journal *journal, struct detail *detail)
{
    char group[PATH_BYTES];
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < sharing->count && err == ROOST_OK; i++) {
        group_path(knobs, i, group);
        err = journal_group(journal, group, detail);
        if (err == ROOST_OK)
            err = schemata_put(knobs, group, &sharing->classes[i], journal, detail);
    }
    return err;
}

static enum roost_err rest_put(const struct knobs *knobs, const struct knob_plan *plan,
                               struct journal *journal, struct detail *detail)
{
    static const struct knob_grant none;
    struct resctrl_class rest = class_of(knobs, &none, plan->ways_rest_mask);
    bool asked = plan->ways_rest_mask != 0 || knobs->resctrl.rest_mask != 0;
    enum roost_err err = asked ? resctrl_check(&knobs->resctrl, &rest, detail) : ROOST_OK;
    if (err != ROOST_OK || !asked)
        return err;
    return schemata_put(knobs, knobs->resctrl.directory, &rest, journal, detail);
}

/* The group of the plan's process with this id; the default one for who needs none. */
static void group_of(const struct knobs *knobs, const struct knob_plan *plan,
                     const struct sharing *sharing, int pid, char path[PATH_BYTES])
{
    unsigned member = 0;
    (void)snprintf(path, PATH_BYTES, "%s", knobs->resctrl.directory);
    for (unsigned i = 0; i < plan->host_count; i++) {
        if (is_default(&plan->hosts[i].grant))
            continue;
        if (plan->hosts[i].pid == pid)
            group_path(knobs, sharing->place[member], path);
        member++;
    }
}

static enum roost_err move_if_needed(const struct knobs *knobs, int pid, const char *to,
                                     const char *from, struct journal *journal,
                                     struct detail *detail)
{
    return strcmp(to, from) == 0 ? ROOST_OK : process_move(knobs, pid, to, from, journal, detail);
}

/* `was` is what is in force, made anew: the same plan always gives the same groups. */
static enum roost_err members_move(const struct knobs *knobs, const struct knob_plan *plan,
                                   const struct sharing sharing[2], struct journal *journal,
                                   struct detail *detail)
{
    const struct knob_plan was = {.host_count = knobs->host_count, .hosts = knobs->hosts};
    char to[PATH_BYTES], from[PATH_BYTES];
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < plan->host_count && err == ROOST_OK; i++) {
        group_of(knobs, plan, &sharing[0], plan->hosts[i].pid, to);
        group_of(knobs, &was, &sharing[1], plan->hosts[i].pid, from);
        err = move_if_needed(knobs, plan->hosts[i].pid, to, from, journal, detail);
    }
    for (unsigned i = 0; i < was.host_count && err == ROOST_OK; i++) {
        if (knob_planned(plan, was.hosts[i].pid) != NULL)
            continue;
        group_of(knobs, &was, &sharing[1], was.hosts[i].pid, from);
        err = move_if_needed(knobs, was.hosts[i].pid, knobs->resctrl.directory, from, journal,
                             detail);
    }
    return err;
}

static enum roost_err resctrl_apply(struct knobs *knobs, const struct knob_plan *plan,
                                    struct journal *journal, struct detail *detail)
{
    if (knobs->resctrl.directory[0] == '\0')
        return ROOST_OK;
    const struct knob_plan was = {.host_count = knobs->host_count,
                                  .hosts = knobs->hosts,
                                  .ways_rest_mask = knobs->resctrl.rest_mask};
    struct sharing *sharing = malloc(2 * sizeof *sharing);
    if (sharing == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    enum roost_err err = sharing_make(knobs, plan, &sharing[0], detail);
    if (err == ROOST_OK)
        err = sharing_make(knobs, &was, &sharing[1], detail);
    if (err == ROOST_OK)
        err = groups_make(knobs, &sharing[0], journal, detail);
    if (err == ROOST_OK)
        err = rest_put(knobs, plan, journal, detail);
    if (err == ROOST_OK)
        err = members_move(knobs, plan, sharing, journal, detail);
    free(sharing);
    return err;
}

static void resctrl_settle(struct knobs *knobs, const struct knob_plan *plan)
{
    char group[PATH_BYTES];
    if (knobs->resctrl.directory[0] == '\0')
        return;
    struct sharing *sharing = malloc(sizeof *sharing);
    if (sharing == NULL)
        return; /* groups too many stay until the next plan */
    if (sharing_make(knobs, plan, sharing, NULL) == ROOST_OK) {
        for (unsigned i = sharing->count; i < knobs->resctrl.group_count; i++) {
            group_path(knobs, i, group);
            (void)group_remove(group, knobs->pretend);
        }
        knobs->resctrl.group_count = sharing->count;
        knobs->resctrl.shared = sharing->merged;
    }
    knobs->resctrl.rest_mask = plan->ways_rest_mask;
    free(sharing);
}

static void resctrl_close(struct knobs *knobs)
{
    (void)knobs; /* the empty plan before it removed every group */
}

const struct knob_mechanism knob_resctrl = {
    .probe = resctrl_probe_knobs,
    .apply = resctrl_apply,
    .settle = resctrl_settle,
    .close = resctrl_close,
};
