/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tenants hold, put into force by the node's knobs on every host process of theirs: those that
 * serve, stand by and drain. A host that is still loading runs beside all grants, at SCHED_IDLE and
 * then at a small share (host/loader.c), and gets its tenant's when it is ready. Cores and workers
 * are no part of this: the hosts see to them (lane_update).
 *
 * The loop's thread.
 */
#ifndef ROOST_SERVE_GRANTS_H
#define ROOST_SERVE_GRANTS_H

#include <stdint.h>

#include "base/detail.h"
#include "base/json.h"
#include "roost/policy.h"

struct grants;
struct server;
struct unit;

/* Finds the knobs, unless the settings turn them off, and logs what there is. What a supervisor
 * that was killed has left is removed. NO_MEMORY. On OK *grants is the caller's. */
enum roost_err grants_open(const struct server *server, struct grants **grants,
                           struct detail *detail);
/* Gives everything back. NULL is allowed. */
void grants_close(struct grants *grants);

/* Knobs of the view, with their ranges. */
void grants_see_node(const struct grants *grants, struct roost_node *node);

/* Brings all hosts to what their tenants hold: wholly, or not at all and the reason.
 * `ways_rest_mask` has the ways that are left to those who hold none alone; 0: all. */
enum roost_err grants_apply(struct server *server, uint64_t ways_rest_mask, struct detail *detail);

/* Gives everything back and uses no knob any more: one that fails again and again would keep every
 * plan from being applied. */
void grants_give_up(struct grants *grants);

/* A host is ready to serve: its tenant's grant follows within some 10 ms. */
void grants_unit_ready(struct unit *unit);
/* One that was ready is gone. */
void grants_unit_gone(struct server *server);

void grants_write_status(const struct grants *grants, struct json_writer *w);

#endif
