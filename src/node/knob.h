/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knobs: what this node can do to divide itself among processes, and doing it.
 *
 *   affinity    where threads run                      sched_setaffinity, by the hosts themselves
 *   weight      shares of the CPU by weight            cgroup v2 cpu.weight, or v1 cpu.shares
 *   quota       a cap in tenths of a core              cgroup v2 cpu.max, or v1 cpu.cfs_*
 *   cpuset      where a process may run at all         cgroup v2 or v1 cpuset
 *   slice       how long a turn on a core lasts        sched_setattr, Linux 6.12
 *   class       to run only when no one else wants to  SCHED_IDLE
 *   ways        ways of the last-level cache           resctrl L3
 *   bandwidth   memory bandwidth in percent            resctrl MB
 *
 * Everything is found below a root path, so that a directory tree can stand in for a machine. What
 * is made in the kernel's trees bears this process's id and start, so that the next one finds what
 * a crashed one left. One thread; blocks as the kernel's files do (microseconds each).
 */
#ifndef ROOST_NODE_KNOB_H
#define ROOST_NODE_KNOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"
#include "node/affinity.h"

/* symbol, name, what it does */
#define KNOB_TABLE(X)                                                                              \
    X(AFFINITY, "affinity", "hosts pin their workers to cores")                                    \
    X(WEIGHT, "weight", "CPU time by weight while it is short")                                    \
    X(QUOTA, "quota", "a cap on CPU time in tenths of a core")                                     \
    X(CPUSET, "cpuset", "the cores that a process may use at all")                                 \
    X(SLICE, "slice", "how long a turn on a core lasts")                                           \
    X(CLASS, "class", "to run only when no one else wants the core")                               \
    X(WAYS, "ways", "ways of the last-level cache of its own")                                     \
    X(BANDWIDTH, "bandwidth", "a share of the memory bandwidth")

enum knob_kind {
#define KNOB_ENUM(symbol, name, text) KNOB_##symbol,
    KNOB_TABLE(KNOB_ENUM)
#undef KNOB_ENUM
        KNOB_KINDS
};

const char *knob_name(enum knob_kind kind);
const char *knob_summary(enum knob_kind kind);

struct knob_report {
    bool available;
    char text[256]; /* what it does here, or why it cannot */
};

/* What the knobs that are available can be set to. */
struct knob_ranges {
    uint64_t slice_min_ns, slice_max_ns;
    uint64_t ways_mask;                     /* all ways; they are contiguous */
    uint64_t ways_shareable_mask;           /* of them, those that devices use as well */
    unsigned ways, ways_min;                /* how many; the least of one group */
    unsigned groups;                        /* of ways and bandwidth, the default one not counted */
    unsigned bandwidth_min, bandwidth_step; /* percent */
};

/* What one process is to have. Zero everywhere: as if nobody had touched it. */
struct knob_grant {
    struct cpus cpus;      /* empty: anywhere */
    unsigned weight;       /* 1 to 10000; 0: 100, the default; no matter when idle */
    unsigned quota_tenths; /* of a core; 0: no cap */
    uint64_t slice_ns;     /* 0: the kernel's */
    bool idle;
    uint64_t ways_mask;         /* contiguous; 0: the default group's */
    unsigned bandwidth_percent; /* a multiple of the step; 0 or 100: free */
};

struct knob_host {
    int pid;
    struct knob_grant grant;
};

/* All that is to be in force, whatever was before. */
struct knob_plan {
    unsigned host_count;
    const struct knob_host *hosts; /* any order; no process twice */
    uint64_t ways_rest_mask;       /* of the default group; 0: all */
};

struct knob_options {
    const char *root; /* (optional; default: "/") */
    bool pretend;     /* the root has plain files instead of a kernel's; for tests */
};

struct knobs;

/* Finds out what there is, changing nothing but what a dead process of ours has left, which is
 * removed. NO_MEMORY; a knob that is not there is no failure. On OK *knobs is the caller's. */
enum roost_err knobs_open(const struct knob_options *options, struct knobs **knobs,
                          struct detail *detail);

/* Gives everything back, then frees. NULL is allowed. */
void knobs_close(struct knobs *knobs);

const struct knob_report *knobs_report(const struct knobs *knobs, enum knob_kind kind);
const struct knob_ranges *knobs_ranges(const struct knobs *knobs);

/*
 * Applies a plan wholly or not at all: when a part fails, what was done is taken back and the
 * reason returned. Processes that have ended are passed over; those that earlier plans had and this
 * one has not are given back. UNSUPPORTED for what a knob cannot do here, INVALID for values out of
 * range. Threads that a process starts later inherit slice and class from those that start them.
 */
enum roost_err knobs_apply(struct knobs *knobs, const struct knob_plan *plan,
                           struct detail *detail);

/*
 * The first move of a process between control groups in a while waits for the kernel for some
 * 10 ms, those right after it do not. This waits in its place, so that a knobs_apply soon after it
 * with this process new in its plan is quick. Changes nothing; any thread.
 */
void knobs_ease(const struct knobs *knobs, int pid);

/* How many groups of ways and bandwidth share one with others, since there are too few. */
unsigned knobs_groups_shared(const struct knobs *knobs);

#endif
