/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weight, quota and cpuset by control groups: one group per process, below a group of ours that is
 * made with the first of them.
 *
 *   version 2:  <own>/roost-PID-START/HOST    cpu.weight  cpu.max  cpuset.cpus
 *   version 1:  the same below each hierarchy  cpu.shares  cpu.cfs_*  |  cpuset.cpus
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/knob_internal.h"

enum {
    /* Short, so that who has used up its quota waits for a short time; a tenth of it is the least
     * that the kernel takes. */
    PERIOD_US = 10000,
    TENTH_US = PERIOD_US / 10,
    WEIGHT_DEFAULT = 100,
    WEIGHT_MAX = 10000,
    SHARES_DEFAULT = 1024,
    SHARES_MIN = 2,
    PATH_BYTES = FILE_PATH_BYTES_MAX + 64,
};

static char *path_of(char path[PATH_BYTES], const char *directory, const char *file)
{
    (void)snprintf(path, PATH_BYTES, "%s/%s", directory, file);
    return path;
}

static bool has(const char *directory, const char *file)
{
    char path[PATH_BYTES];
    return access(path_of(path, directory, file), F_OK) == 0;
}

static bool list_has(const char *directory, const char *file, const char *word)
{
    char path[PATH_BYTES], text[512], *rest = text, *item;
    (void)setting_read(path_of(path, directory, file), text, sizeof text);
    while ((item = strsep(&rest, " \n")) != NULL)
        if (strcmp(item, word) == 0)
            return true;
    return false;
}

/* ---- what there is ------------------------------------------------------------------------ */

/* The kernel wants a group that divides something among children to have no process itself; only
 * the root is excepted. */
static bool v2_divisible(const char *parent)
{
    char path[PATH_BYTES], text[16];
    bool root = !has(parent, "cgroup.type");
    (void)setting_read(path_of(path, parent, "cgroup.procs"), text, sizeof text);
    return root || text[0] == '\0';
}

/* We may be in a group of our own below the one that was given to us, so that that one has no
 * processes and can be divided. The root of all is never given to anyone. */
static void v2_step_up(char *group)
{
    char above[2 * FILE_PATH_BYTES_MAX];
    (void)snprintf(above, sizeof above, "%s", group);
    *strrchr(above, '/') = '\0';
    if (!v2_divisible(group) && has(above, "cgroup.type") && v2_divisible(above))
        *strrchr(group, '/') = '\0';
}

static void leftover_remove(const struct knobs *knobs, const char *path)
{
    char below[FILE_PATH_BYTES_MAX];
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (atoi(entry->d_name) > 0 && path_join(below, sizeof below, path, entry->d_name))
            (void)group_remove(below, knobs->pretend);
    if (dir != NULL)
        closedir(dir);
    (void)group_remove(path, knobs->pretend);
}

static bool groups_find(struct knobs *knobs, unsigned kind, const struct cgroup_files *files,
                        enum cgroup_controller controller)
{
    struct knob_groups *groups = &knobs->groups[kind];
    if (files->hierarchies[controller].mount[0] == '\0')
        return false;
    char parent[2 * FILE_PATH_BYTES_MAX];
    (void)snprintf(parent, sizeof parent, "%s%s", files->hierarchies[controller].mount,
                   files->hierarchies[controller].group);
    if (strlen(parent) + 96 >= sizeof groups->parent)
        return false;
    memcpy(groups->home, parent, strlen(parent) + 1);
    if (kind == GROUPS_V2 && files->hierarchies[controller].group[0] != '\0')
        v2_step_up(parent);
    if (access(parent, W_OK) != 0)
        return false;
    memcpy(groups->parent, parent, strlen(parent) + 1);
    (void)path_join(groups->own, sizeof groups->own, groups->parent, knobs->owner);
    knob_leftovers(knobs, groups->parent, leftover_remove);
    return true;
}

/* Version 2 for this controller? Otherwise the reason why not. */
static bool v2_probe(struct knobs *knobs, const char *controller, const char **reason)
{
    const char *parent = knobs->groups[GROUPS_V2].parent;
    if (parent[0] == '\0')
        *reason = "no control group that may be divided: needs a writable cgroup tree";
    else if (!list_has(parent, "cgroup.controllers", controller))
        *reason = "the controller is not delegated to our control group";
    else if (!v2_divisible(parent))
        *reason = "our control group has processes of its own, so it cannot be divided: start "
                  "Roost in a group whose children divide it (systemd: Delegate=yes and "
                  "DelegateSubgroup=)";
    else
        return true;
    return false;
}

static void cpu_probe(struct knobs *knobs)
{
    const char *reason = "", *v1 = knobs->groups[GROUPS_V1_CPU].parent;
    if (v2_probe(knobs, "cpu", &reason)) {
        knobs->groups[GROUPS_V1_CPU].parent[0] = '\0';
        knob_report_set(knobs, KNOB_WEIGHT, true, "cgroup v2, cpu.weight");
        knob_report_set(knobs, KNOB_QUOTA, true, "cgroup v2, cpu.max with a period of %d ms",
                        PERIOD_US / 1000);
        return;
    }
    bool weight = v1[0] != '\0' && has(v1, "cpu.shares");
    bool quota = v1[0] != '\0' && has(v1, "cpu.cfs_quota_us");
    if (!weight && !quota)
        knobs->groups[GROUPS_V1_CPU].parent[0] = '\0';
    knob_report_set(knobs, KNOB_WEIGHT, weight, "%s", weight ? "cgroup v1, cpu.shares" : reason);
    if (quota)
        knob_report_set(knobs, KNOB_QUOTA, true,
                        "cgroup v1, cpu.cfs_quota_us with a period of %d ms", PERIOD_US / 1000);
    else
        knob_report_set(knobs, KNOB_QUOTA, false, "%s",
                        weight ? "this kernel has no CPU bandwidth control" : reason);
}

static void cgroup_probe(struct knobs *knobs)
{
    const char *reason = "";
    struct cgroup_files *files = malloc(sizeof *files);
    if (files != NULL) {
        cgroup_find(knobs->root[0] == '\0' ? "/" : knobs->root, files);
        (void)groups_find(knobs, GROUPS_V2, files, CGROUP_V2);
        (void)groups_find(knobs, GROUPS_V1_CPU, files, CGROUP_V1_CPU);
        (void)groups_find(knobs, GROUPS_V1_CPUSET, files, CGROUP_V1_CPUSET);
        free(files);
    }
    cpu_probe(knobs);
    struct knob_groups *v1 = &knobs->groups[GROUPS_V1_CPUSET];
    if (v2_probe(knobs, "cpuset", &reason)) {
        v1->parent[0] = '\0';
        knob_report_set(knobs, KNOB_CPUSET, true, "cgroup v2, cpuset.cpus");
    } else if (v1->parent[0] != '\0' && has(v1->parent, "cpuset.cpus")) {
        knob_report_set(knobs, KNOB_CPUSET, true, "cgroup v1, cpuset.cpus");
    } else {
        v1->parent[0] = '\0';
        knob_report_set(knobs, KNOB_CPUSET, false, "%s", reason);
    }
}

/* ---- which groups a grant needs ----------------------------------------------------------- */

static bool needs(const struct knobs *knobs, unsigned kind, const struct knob_grant *grant)
{
    if (grant == NULL || knobs->groups[kind].parent[0] == '\0')
        return false;
    /* In a group with a weight an idle thread would only be idle among its own. */
    bool cpu = (grant->weight != 0 && !grant->idle) || grant->quota_tenths != 0;
    bool set = !cpus_empty(&grant->cpus);
    bool cpu_v1 = knobs->groups[GROUPS_V1_CPU].parent[0] != '\0';
    bool set_v1 = knobs->groups[GROUPS_V1_CPUSET].parent[0] != '\0';
    switch (kind) {
    case GROUPS_V1_CPU:
        return cpu;
    case GROUPS_V1_CPUSET:
        return set;
    default:
        return (cpu && !cpu_v1) || (set && !set_v1);
    }
}

static bool grants_equal(const struct knob_grant *a, const struct knob_grant *b)
{
    static const struct knob_grant none;
    a = a != NULL ? a : &none;
    b = b != NULL ? b : &none;
    return a->weight == b->weight && a->quota_tenths == b->quota_tenths && a->idle == b->idle &&
           memcmp(&a->cpus, &b->cpus, sizeof a->cpus) == 0;
}

/* ---- settings ----------------------------------------------------------------------------- */

static enum roost_err put(struct journal *journal, const char *group, const char *file,
                          const char *text, struct detail *detail)
{
    char path[PATH_BYTES];
    return journal_write(journal, path_of(path, group, file), text, detail);
}

/* A new group of v1's cpuset has neither cores nor memory, and takes no process like that. */
static enum roost_err cpuset_inherit(struct journal *journal, const char *from, const char *group,
                                     const char *file, struct detail *detail)
{
    char path[PATH_BYTES], text[1024];
    (void)setting_read(path_of(path, from, file), text, sizeof text);
    return put(journal, group, file, text, detail);
}

static enum roost_err group_ready(unsigned kind, const char *from, const char *group,
                                  struct journal *journal, struct detail *detail)
{
    enum roost_err err = journal_group(journal, group, detail);
    if (err == ROOST_OK && kind == GROUPS_V1_CPUSET) {
        err = cpuset_inherit(journal, from, group, "cpuset.mems", detail);
        if (err == ROOST_OK)
            err = cpuset_inherit(journal, from, group, "cpuset.cpus", detail);
    }
    return err;
}

static bool weight_by_v2(const struct knobs *knobs)
{
    return knobs->groups[GROUPS_V1_CPU].parent[0] == '\0' && knobs->reports[KNOB_WEIGHT].available;
}

static unsigned weight_of(const struct knob_grant *grant)
{
    /* Only a cap puts an idle process into a group. */
    return grant->idle ? 1 : grant->weight == 0 ? WEIGHT_DEFAULT : grant->weight;
}

/* Of the group that has all hosts in it: as one thread on every core, against those who are not in
 * it, the supervisor among them. */
static unsigned weight_of_all(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > WEIGHT_MAX / WEIGHT_DEFAULT ? WEIGHT_MAX
           : cpus > 0                         ? (unsigned)cpus * WEIGHT_DEFAULT
                                              : WEIGHT_DEFAULT;
}

static enum roost_err put_weight(const struct knobs *knobs, unsigned kind, const char *group,
                                 unsigned weight, struct journal *journal, struct detail *detail)
{
    char text[32];
    unsigned shares = (unsigned)((uint64_t)weight * SHARES_DEFAULT / WEIGHT_DEFAULT);
    bool v1 = kind == GROUPS_V1_CPU;
    if (!v1 && !(kind == GROUPS_V2 && weight_by_v2(knobs)))
        return ROOST_OK;
    (void)snprintf(text, sizeof text, "%u",
                   !v1                   ? weight
                   : shares < SHARES_MIN ? SHARES_MIN
                                         : shares);
    return put(journal, group, v1 ? "cpu.shares" : "cpu.weight", text, detail);
}

static enum roost_err v2_enable(const struct knobs *knobs, const char *group,
                                struct journal *journal, struct detail *detail)
{
    bool cpu = knobs->reports[KNOB_WEIGHT].available &&
               knobs->groups[GROUPS_V1_CPU].parent[0] == '\0';
    bool set = knobs->reports[KNOB_CPUSET].available &&
               knobs->groups[GROUPS_V1_CPUSET].parent[0] == '\0';
    enum roost_err err = ROOST_OK;
    if (cpu && !list_has(group, "cgroup.subtree_control", "cpu"))
        err = put(journal, group, "cgroup.subtree_control", "+cpu", detail);
    if (err == ROOST_OK && set && !list_has(group, "cgroup.subtree_control", "cpuset"))
        err = put(journal, group, "cgroup.subtree_control", "+cpuset", detail);
    return err;
}

static enum roost_err own_make(const struct knobs *knobs, unsigned kind, struct journal *journal,
                               struct detail *detail)
{
    const struct knob_groups *groups = &knobs->groups[kind];
    if (groups->used)
        return ROOST_OK;
    enum roost_err err = ROOST_OK;
    if (kind == GROUPS_V2)
        err = v2_enable(knobs, groups->parent, journal, detail);
    if (err == ROOST_OK)
        err = group_ready(kind, groups->parent, groups->own, journal, detail);
    if (err == ROOST_OK && kind == GROUPS_V2)
        err = v2_enable(knobs, groups->own, journal, detail);
    if (err == ROOST_OK)
        err = put_weight(knobs, kind, groups->own, weight_of_all(), journal, detail);
    return err;
}

static enum roost_err put_cpu_v1(const struct knobs *knobs, struct journal *journal,
                                 const char *group, const struct knob_grant *grant,
                                 struct detail *detail)
{
    char text[32];
    enum roost_err err = put_weight(knobs, GROUPS_V1_CPU, group, weight_of(grant), journal, detail);
    if (err != ROOST_OK || !knobs->reports[KNOB_QUOTA].available)
        return err;
    (void)snprintf(text, sizeof text, "%d", PERIOD_US);
    err = put(journal, group, "cpu.cfs_period_us", text, detail);
    (void)snprintf(text, sizeof text, "%d",
                   grant->quota_tenths == 0 ? -1 : (int)grant->quota_tenths * TENTH_US);
    return err != ROOST_OK ? err : put(journal, group, "cpu.cfs_quota_us", text, detail);
}

static enum roost_err put_v2(const struct knobs *knobs, struct journal *journal, const char *group,
                             const struct knob_grant *grant, struct detail *detail)
{
    char text[1024];
    enum roost_err err = put_weight(knobs, GROUPS_V2, group, weight_of(grant), journal, detail);
    if (weight_by_v2(knobs)) {
        if (grant->quota_tenths == 0)
            (void)snprintf(text, sizeof text, "max %d", PERIOD_US);
        else
            (void)snprintf(text, sizeof text, "%u %d", grant->quota_tenths * TENTH_US, PERIOD_US);
        if (err == ROOST_OK)
            err = put(journal, group, "cpu.max", text, detail);
    }
    bool set = knobs->groups[GROUPS_V1_CPUSET].parent[0] == '\0' &&
               knobs->reports[KNOB_CPUSET].available;
    if (err == ROOST_OK && set)
        err = put(journal, group, "cpuset.cpus", cpus_format(&grant->cpus, text, sizeof text),
                  detail);
    return err;
}

/* ---- applying ----------------------------------------------------------------------------- */

static void host_group(const struct knobs *knobs, unsigned kind, int pid, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%d", knobs->groups[kind].own, pid);
}

/* Into its group when it was in none, and the settings. */
static enum roost_err host_apply(const struct knobs *knobs, unsigned kind,
                                 const struct knob_host *host, struct journal *journal,
                                 struct detail *detail)
{
    char group[PATH_BYTES], list[PATH_BYTES + 16], back[PATH_BYTES], text[1024];
    host_group(knobs, kind, host->pid, group);
    bool member = needs(knobs, kind, knob_in_force(knobs, host->pid));
    enum roost_err err = own_make(knobs, kind, journal, detail);
    if (err == ROOST_OK && !member)
        err = group_ready(kind, knobs->groups[kind].own, group, journal, detail);
    if (err == ROOST_OK && kind == GROUPS_V2)
        err = put_v2(knobs, journal, group, &host->grant, detail);
    else if (err == ROOST_OK && kind == GROUPS_V1_CPU)
        err = put_cpu_v1(knobs, journal, group, &host->grant, detail);
    else if (err == ROOST_OK)
        err = put(journal, group, "cpuset.cpus", cpus_format(&host->grant.cpus, text, sizeof text),
                  detail);
    if (err != ROOST_OK || member)
        return err;
    (void)snprintf(list, sizeof list, "%s/cgroup.procs", group);
    err = journal_move(journal, host->pid, list,
                       path_of(back, knobs->groups[kind].home, "cgroup.procs"), detail);
    return knob_gone(err) ? ROOST_OK : err;
}

static enum roost_err host_leave(const struct knobs *knobs, unsigned kind, int pid,
                                 struct journal *journal, struct detail *detail)
{
    char group[PATH_BYTES], list[PATH_BYTES + 16], back[PATH_BYTES];
    host_group(knobs, kind, pid, group);
    (void)snprintf(list, sizeof list, "%s/cgroup.procs", group);
    enum roost_err err = journal_move(
        journal, pid, path_of(back, knobs->groups[kind].home, "cgroup.procs"), list, detail);
    return knob_gone(err) ? ROOST_OK : err;
}

static enum roost_err kind_apply(const struct knobs *knobs, unsigned kind,
                                 const struct knob_plan *plan, struct journal *journal,
                                 struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < plan->host_count && err == ROOST_OK; i++) {
        const struct knob_host *host = &plan->hosts[i];
        const struct knob_grant *before = knob_in_force(knobs, host->pid);
        if (needs(knobs, kind, &host->grant) && !grants_equal(before, &host->grant))
            err = host_apply(knobs, kind, host, journal, detail);
    }
    for (unsigned i = 0; i < knobs->host_count && err == ROOST_OK; i++) {
        const struct knob_host *host = &knobs->hosts[i];
        if (needs(knobs, kind, &host->grant) && !needs(knobs, kind, knob_planned(plan, host->pid)))
            err = host_leave(knobs, kind, host->pid, journal, detail);
    }
    return err;
}

static enum roost_err cgroup_apply(struct knobs *knobs, const struct knob_plan *plan,
                                   struct journal *journal, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (unsigned kind = 0; kind < GROUPS_KINDS && err == ROOST_OK; kind++)
        err = kind_apply(knobs, kind, plan, journal, detail);
    return err;
}

static void cgroup_settle(struct knobs *knobs, const struct knob_plan *plan)
{
    char group[PATH_BYTES];
    for (unsigned kind = 0; kind < GROUPS_KINDS; kind++) {
        for (unsigned i = 0; i < plan->host_count; i++)
            knobs->groups[kind].used |= needs(knobs, kind, &plan->hosts[i].grant);
        for (unsigned i = 0; i < knobs->host_count; i++) {
            const struct knob_host *host = &knobs->hosts[i];
            if (!needs(knobs, kind, &host->grant) ||
                needs(knobs, kind, knob_planned(plan, host->pid)))
                continue;
            host_group(knobs, kind, host->pid, group);
            (void)group_remove(group, knobs->pretend);
        }
    }
}

static void cgroup_close(struct knobs *knobs)
{
    for (unsigned kind = 0; kind < GROUPS_KINDS; kind++)
        if (knobs->groups[kind].used)
            leftover_remove(knobs, knobs->groups[kind].own);
}

const struct knob_mechanism knob_cgroup = {
    .probe = cgroup_probe,
    .apply = cgroup_apply,
    .settle = cgroup_settle,
    .close = cgroup_close,
};
