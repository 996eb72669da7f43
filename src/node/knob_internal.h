/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of knobs: what the mechanisms share. */
#ifndef ROOST_NODE_KNOB_INTERNAL_H
#define ROOST_NODE_KNOB_INTERNAL_H

#include "base/file.h"
#include "node/cgroup.h"
#include "node/journal.h"
#include "node/knob.h"
#include "node/resctrl.h"

enum { KNOB_OWNER_BYTES = 64 };

/* Where processes are put; one for v2, one for each controller of v1. */
struct knob_groups {
    char home[FILE_PATH_BYTES_MAX];   /* the group that we found ourselves in */
    char parent[FILE_PATH_BYTES_MAX]; /* the one that is divided: home, or the one above it */
    char own[FILE_PATH_BYTES_MAX];    /* ours in it, with one group per process */
    bool used;                        /* `own` is there */
};

enum { GROUPS_V2, GROUPS_V1_CPU, GROUPS_V1_CPUSET, GROUPS_KINDS };

struct knobs {
    char root[FILE_PATH_BYTES_MAX];
    bool pretend;
    char owner[KNOB_OWNER_BYTES]; /* "roost-PID-START" */
    struct knob_report reports[KNOB_KINDS];
    struct knob_ranges ranges;
    struct knob_groups groups[GROUPS_KINDS]; /* parent "": not used here */
    struct resctrl resctrl;
    unsigned host_count; /* in force */
    struct knob_host *hosts;
};

/* One mechanism. */
struct knob_mechanism {
    /* Reports and ranges; called once. */
    void (*probe)(struct knobs *knobs);
    /* Does what differs from what is in force, through the journal. */
    enum roost_err (*apply)(struct knobs *knobs, const struct knob_plan *plan,
                            struct journal *journal, struct detail *detail);
    /* The plan is in force, and knobs->hosts is not yet it: drops what nobody needs any more. */
    void (*settle)(struct knobs *knobs, const struct knob_plan *plan);
    /* Takes down what is left; nobody is granted anything any more. */
    void (*close)(struct knobs *knobs);
};

extern const struct knob_mechanism knob_cgroup;
extern const struct knob_mechanism knob_schedule;
extern const struct knob_mechanism knob_resctrl;

/* What is in force for a process; NULL: nothing. */
const struct knob_grant *knob_in_force(const struct knobs *knobs, int pid);
const struct knob_grant *knob_planned(const struct knob_plan *plan, int pid);

void knob_report_set(struct knobs *knobs, enum knob_kind kind, bool available, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

/* True when the name is that of a process of ours that is not there any more. */
bool knob_owner_dead(const struct knobs *knobs, const char *name);

/* Calls `visit` for every name in a directory that belongs to a dead owner. */
void knob_leftovers(const struct knobs *knobs, const char *directory,
                    void (*visit)(const struct knobs *knobs, const char *path));

/* A failure of one process's part: it has ended, which is no failure of the plan. */
static inline bool knob_gone(enum roost_err err)
{
    return err == ROOST_NOT_FOUND;
}

#endif
