/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: everything that is one per process. Its parts are owned by the loop's thread; the
 * thread pool only gets copies.
 */
#ifndef ROOST_SERVE_SERVER_H
#define ROOST_SERVE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/heap.h"
#include "engine/cache.h"
#include "host/host.h"
#include "net/http.h"
#include "node/limits.h"
#include "serve/desired.h"
#include "serve/sandbox_log.h"
#include "serve/settings.h"
#include "serve/spin.h"

struct grants;
struct lane;
struct manager;
struct reconcile;
struct request;
struct tenant;
struct unit;

enum server_state { SERVER_STARTING, SERVER_RUNNING, SERVER_DRAINING, SERVER_STOPPED };

/* Where an HTTP server listens and what it offers. */
enum server_port { PORT_INFERENCE, PORT_METRICS, PORT_CONTROL, PORT_COUNT };

struct server {
    uv_loop_t loop;
    bool loop_open;
    enum server_state state;
    struct settings settings;
    struct node_limits limits;
    struct spawner *spawner;
    struct detail engine_error; /* why ONNX Runtime is not there; "": it is */
    struct sandbox_log sandbox_log;
    struct model_cache cache;
    struct http_server *http[PORT_COUNT]; /* NULL: not offered */
    uv_poll_t spawner_poll;
    uv_timer_t tick, expiry_timer, poll_timer, grace_timer;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_signal_t signals[3];
    struct spin spin;
    struct machine_load load;
    struct heap expiry; /* of requests, by expiry_ns */
    size_t tenant_count;
    struct tenant **tenants; /* sorted by name */
    struct lane *retiring;
    struct unit *units;
    uint64_t next_spawn_id;
    uint32_t next_tenant_id;
    unsigned permits; /* starts that may begin now */
    unsigned ticks;
    struct reconcile *reconcile;
    struct grants *grants;
    struct manager *manager;
    bool first_reconciled;
    bool http_drained;
    int exit_code;
    uint64_t started_ns, started_wall_ns;
};

struct server_options {
    const char *config_path; /* (optional) roost.yaml, for SIGHUP */
    /* (optional) Puts the command line's words over settings that were read anew. From a thread of
     * the pool. */
    void (*override)(void *user, struct settings *settings);
    void *user;
};

/*
 * Runs until SIGTERM, SIGINT or server_stop; blocks. Takes over `settings`. The process must be
 * single-threaded: the spawner is forked here. Returns the process's exit code; the reason of a
 * failed start is logged in one line.
 */
int server_run(struct settings *settings, const struct server_options *options);

/* Begins a graceful end. On the loop's thread. */
void server_stop(struct server *server);

/* NULL when there is none of this name. */
struct tenant *server_tenant(const struct server *server, const char *name);

/* Every tenant that should be served is; with strict_readiness off, that the first round is over.
 * */
bool server_ready(const struct server *server);

/* Expiry bookkeeping of a request (its expiry_ns is set). Removing one that is not there is fine.
 * */
void server_expiry_add(struct server *server, struct request *request);
void server_expiry_remove(struct server *server, struct request *request);

/* Memory that hosts may still take: the limit less the reserve, ourselves, and what all hosts have
 * or are expected to take. */
uint64_t server_memory_left(const struct server *server);

/* Permits for starts. */
bool server_permit_take(struct server *server);
void server_permit_give(struct server *server);

#endif
