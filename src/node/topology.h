/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs share what: cores (hyper-threads), caches and memory. Numbers of cores, caches and
 * memory nodes count from 0 in this topology; they are not the system's. Blocks for some
 * milliseconds; call it once. Any thread.
 */
#ifndef ROOST_NODE_TOPOLOGY_H
#define ROOST_NODE_TOPOLOGY_H

#include <stdint.h>

#include "base/detail.h"
#include "node/affinity.h"

struct topology_cpu {
    unsigned cpu; /* the system's number */
    unsigned core, l2, l3, numa;
};

struct topology {
    unsigned cpu_count, core_count, l2_count, l3_count, numa_count;
    uint64_t l2_bytes, l3_bytes;             /* of one cache (the first); 0: not known */
    struct topology_cpu cpus[NODE_CPUS_MAX]; /* ascending by `cpu` */
};

/* `synthetic` (optional): hwloc's description of an invented machine, as in
 * "numa:2 l3:1 l2:4 core:1 pu:2"; else this machine, limited to the CPUs that we may use. A level
 * that is not there counts as one, shared by all. IO when the machine cannot be read. */
enum roost_err topology_read(const char *synthetic, struct topology *topology,
                             struct detail *detail);

/* NULL when it is not there. */
const struct topology_cpu *topology_find(const struct topology *topology, unsigned cpu);

#endif
