/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From desired to actual: start, SIGHUP, polling and the load/unload API all end here. The desired
 * state is built on the thread pool (it reads directories), then compared and applied on the loop.
 * One round at a time; what comes meanwhile waits for the next round.
 */
#ifndef ROOST_SERVE_RECONCILE_H
#define ROOST_SERVE_RECONCILE_H

#include <stdbool.h>

#include "base/detail.h"

struct server;
struct server_options;
struct reconcile;

/* Called once: when the tenant (or with name NULL everything) has settled, or the round failed. */
typedef void reconcile_done_fn(void *user, enum roost_err err, const char *reason);

struct reconcile *reconcile_new(struct server *server, const struct server_options *options);

/* The server is on its way down: whoever waits or asks from now on is told UNAVAILABLE, and a round
 * under way changes nothing any more. */
void reconcile_stop(struct reconcile *reconcile);
void reconcile_free(struct reconcile *reconcile); /* after reconcile_stop and the loop's end */

/* Another round, with roost.yaml read anew when `reload_settings`. `done` (optional). */
void reconcile_request(struct reconcile *reconcile, bool reload_settings, reconcile_done_fn *done,
                       void *user);

/* The API's load or unload of one model; config_json (optional) overrides its config.pbtxt.
 * NOT_FOUND when no repository has it. */
void reconcile_load(struct reconcile *reconcile, const char *name, bool wanted,
                    const char *config_json, reconcile_done_fn *done, void *user);

/* A lane came up or failed: somebody may be waiting for it. */
void reconcile_settled(struct reconcile *reconcile);

#endif
