/* SPDX-License-Identifier: Apache-2.0 */
/* A host as a process of its own: what the spawner's child does. */
#ifndef ROOST_HOST_HOST_PROCESS_H
#define ROOST_HOST_HOST_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/sandbox.h"
#include "host/spawner_wire.h"

/* Takes the descriptors. Called in a fresh, single-threaded child of `spawner`; `sandbox` was
 * prepared there. With `may_rise` it begins at SCHED_IDLE, from where the supervisor raises it when
 * the sandbox is shut. Exit status 0: drained, or let go by the supervisor; 1: failed, and said so.
 */
_Noreturn void host_process_run(const int fds[SPAWN_FD_COUNT], pid_t spawner,
                                const struct sandbox *sandbox, bool may_rise);

#endif
