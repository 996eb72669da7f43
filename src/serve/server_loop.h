/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor does each time the loop turns: results, expiry, ticks, news of processes. */
#ifndef ROOST_SERVE_SERVER_LOOP_H
#define ROOST_SERVE_SERVER_LOOP_H

#include <uv.h>

struct server;

void server_loop_init(struct server *server);

/* The spawner has news. */
void server_loop_spawner(uv_poll_t *poll, int status, int events);

/* Takes every result that is there, then asks the busy hosts to wake us. */
void server_loop_arm(struct server *server);

/* Awake again: hosts need not tell us of results. */
void server_loop_awake(struct server *server);

/* One step for every lane that retires, and for tenants that nobody knows any more. */
void server_loop_retire(struct server *server);

/* Every 100 ms. */
void server_loop_tick(struct server *server);

/* Frees tenants that no repository knows and no lane serves any more. */
void server_loop_forget(struct server *server);

#endif
