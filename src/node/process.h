/* SPDX-License-Identifier: Apache-2.0 */
/* What a process uses: its memory and CPU time. Any thread; reads a small file each. */
#ifndef ROOST_NODE_PROCESS_H
#define ROOST_NODE_PROCESS_H

#include <stdint.h>

#include "base/detail.h"

struct process_memory {
    uint64_t resident_bytes;    /* all that is mapped and present, shared pages included */
    uint64_t anonymous_bytes;   /* of it, not backed by a file; still shared after a fork, or not */
    uint64_t shared_file_bytes; /* of it, files and shared memory */
};

/* Cheap: the kernel's own counters. NOT_FOUND when the process is gone. */
enum roost_err process_memory_read(int pid, struct process_memory *memory, struct detail *detail);

/* Resident memory in which every page is divided by the number of its users. Walks the page tables
 * of the process: not for every tick. NOT_FOUND, PERMISSION. */
enum roost_err process_pss_read(int pid, uint64_t *pss_bytes, struct detail *detail);

/* User plus system CPU time of a process, all threads, those that ended included. 0: it is gone. */
uint64_t process_cpu_ns(int pid);

/* How long the machine's cores have had nothing to do, summed, since it started; in steps of some
 * milliseconds. 0: that cannot be read. */
uint64_t machine_idle_ns(void);

/* How busy the machine is, between two looks. All zero: never looked. */
struct machine_load {
    uint64_t since_ns, since_idle_ns;
    double utilisation; /* of all cores between the last two looks, 0 to 1 */
};

/* One look: idle_ns is machine_idle_ns() at now_ns; unknown idle time (0) leaves it as it is. */
void machine_load_look(struct machine_load *load, uint64_t idle_ns, unsigned cores,
                       uint64_t now_ns);

#endif
