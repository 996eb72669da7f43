/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of CPUs, and giving them to threads. Any thread may call this; nothing blocks.
 */
#ifndef ROOST_NODE_AFFINITY_H
#define ROOST_NODE_AFFINITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"

enum { NODE_CPUS_MAX = 1024 };

/* Bit c % 64 of mask[c / 64] stands for CPU c. */
struct cpus {
    uint64_t mask[NODE_CPUS_MAX / 64];
};

bool cpus_empty(const struct cpus *cpus);
unsigned cpus_count(const struct cpus *cpus);
void cpus_add(struct cpus *cpus, unsigned cpu); /* cpu < NODE_CPUS_MAX */
bool cpus_has(const struct cpus *cpus, unsigned cpu);

/* Reads the kernel's list format, "0-3,8"; blanks and a final newline are allowed, the empty text
 * is the empty set. INVALID with what is wrong and where. */
enum roost_err cpus_parse(const char *text, struct cpus *cpus, struct detail *detail);

/* Writes "0-3,8"; cut (at a comma) when it does not fit, always terminated. Returns `out`. */
char *cpus_format(const struct cpus *cpus, char *out, size_t out_bytes);

/* Lets a thread (0: the calling one) run on these CPUs only; the empty set leaves it as it is.
 * INVALID when none of them is there for us, PERMISSION, NOT_FOUND when the thread is gone. */
enum roost_err affinity_set(int tid, const struct cpus *cpus, struct detail *detail);

/* Where a thread (0: the calling one) may run. */
enum roost_err affinity_get(int tid, struct cpus *cpus, struct detail *detail);

#endif
