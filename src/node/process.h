/* SPDX-License-Identifier: Apache-2.0 */
/* What a process uses: its memory and CPU time. Any thread; reads a few small files. */
#ifndef ROOST_NODE_PROCESS_H
#define ROOST_NODE_PROCESS_H

#include <stdint.h>

#include "base/detail.h"

struct process_memory {
    uint64_t resident_bytes;    /* all that is mapped and present */
    uint64_t anonymous_bytes;   /* of it, not backed by a file */
    uint64_t shared_file_bytes; /* of it, files and shared memory */
    uint64_t pss_bytes;         /* with shared pages divided by their users; 0: not known */
};

/* NOT_FOUND when the process is gone. Cheap but for pss, which walks its page tables. */
enum roost_err process_memory_read(int pid, struct process_memory *memory, struct detail *detail);

/* User plus system CPU time of a process, all threads, those that ended included. 0: it is gone. */
uint64_t process_cpu_ns(int pid);

#endif
