/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time on the tenants' cores that is not their hosts': the supervisor, its clients on the same
 * machine, everybody else. From /proc/stat, whose clock ticks are coarse, so over a second at
 * least. One thread.
 */
#ifndef ROOST_SERVE_MANAGER_OTHER_H
#define ROOST_SERVE_MANAGER_OTHER_H

#include <stdint.h>

struct server;

struct other_meter {
    uint64_t since_ns, busy_ns, own_ns; /* when the present span began, and the clocks then */
    uint64_t hosts_ns;                  /* of all hosts that there ever were */
    uint64_t hosts_since_ns;            /* the same at the span's begin */
    uint64_t other_ns, length_ns;       /* of the last whole span; 0: none yet */
};

/* A look at the clocks; to be called on every tick. */
void other_meter_tick(struct other_meter *meter, const struct server *server, uint64_t now_ns);

#endif
