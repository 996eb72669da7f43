/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine, or the container that we run in, gives us: cores from the affinity mask,
 * cpuset and CPU quota, memory from cgroup limits. Never the machine's own numbers when a limit is
 * lower. The root path is a parameter so that tests run on a directory tree.
 *
 * Any thread; reads a few small files.
 */
#ifndef ROOST_NODE_LIMITS_H
#define ROOST_NODE_LIMITS_H

#include <stdint.h>

#include "base/detail.h"
#include "node/affinity.h"
#include "node/process.h"

struct node_limits {
    unsigned cpu_count;           /* usable cores: the set, capped by the quota rounded up */
    unsigned cpus[NODE_CPUS_MAX]; /* their numbers, ascending; the first cpu_count of the set */
    double cpu_quota_cores;       /* 0: none */
    uint64_t memory_bytes;        /* the lowest limit on the way to the root, else the machine's */
    const char *memory_source, *cpu_source; /* for people: "cgroup v2 memory.max", ... */
};

/* `root`: "/" on a real machine. Follows /proc/self/cgroup in v1, v2 and hybrid trees. What cannot
 * be read does not limit; IO when not even the machine's memory is known. */
enum roost_err node_limits_read(const char *root, struct node_limits *limits,
                                struct detail *detail);

#endif
