/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One host process of a lane, from the wish to have it until it is reaped:
 *
 *   WAITING ─► KEYING ─► OPTIMISING ─► LOADING ─► READY ─► DRAINING ─► gone
 *   (permit)   (hash,     (a process    (load, warm)
 *              thread pool) of its own; skipped when cached)
 *
 * It owns the link, the batches that the host has, and libuv's handles; it reports to its lane.
 * Starts are limited by permits (one per core), so that many models loading at once do not starve
 * those that serve. One thread.
 */
#ifndef ROOST_SERVE_UNIT_H
#define ROOST_SERVE_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/cache.h"
#include "host/host.h"
#include "node/limits.h"
#include "serve/request.h"

struct lane;
struct server;

enum unit_state {
    UNIT_WAITING,
    UNIT_KEYING,
    UNIT_OPTIMISING,
    UNIT_LOADING,
    UNIT_READY,
    UNIT_DRAINING
};

struct batch {
    unsigned count;
    uint64_t rows;
    bool returned; /* from the host: its requests are being answered and freed, one by one */
    struct request *requests[HOST_PIECES_MAX];
};

struct unit {
    struct server *server;
    struct lane *lane;
    struct unit *next; /* in the server's list */
    unsigned variant;
    enum unit_state state;
    uint64_t spawn_id;
    struct link *link; /* NULL before OPTIMISING and between stages */
    uv_poll_t *control, *completion;
    bool permit;    /* holds one of the server's start permits */
    bool unwanted;  /* be gone as soon as possible */
    bool failed;    /* LINK_FAILED was reported */
    bool exited;    /* reaped; only what it left is still handled */
    bool killed;    /* its process, by us, because it hung */
    bool suspect;   /* a request that saw a host die runs, and nothing beside it */
    bool starved;   /* waits for memory that hosts which end now will free */
    bool grantable; /* has its tenant's grant, where there is one (grants.h) */
    uint64_t started_ns, process_started_ns, ready_ns;
    uint64_t last_done_ns;  /* when its newest result was done */
    uint64_t taken_over_ns; /* in a switch that found requests waiting, until its first result */
    uint64_t idle_ns;       /* since when it stands by or drains */
    uint64_t batches_done, batches_ticked; /* ticked: those before the last tick */
    bool spins;                            /* its workers may look for work without sleeping */
    uint64_t cpu_ns;                       /* of its process, as last counted by the manager */
    char key[CACHE_KEY_BYTES];
    char stage[FILE_PATH_BYTES_MAX]; /* removed with the unit, unless it became a cache entry */
    char path[FILE_PATH_BYTES_MAX];
    bool optimised;
    enum roost_err start_err;       /* why the optimiser failed, as far as it said, or what */
    struct detail start_reason;     /* took too long */
    uint64_t memory_need_bytes;     /* what preparing it said */
    uint64_t memory_estimate_bytes; /* the same, once it has been granted */
    struct process_memory memory;   /* measured on ticks */
    struct sandbox_report sandbox;
    struct link_result result;             /* the one being handled; large, so not on the stack */
    struct batch *batches[HOST_SLOTS_MAX]; /* by slot; kept for the next batch */
};

/* Starts one for the lane's variant and makes it lane->coming; the lane hears of it through
 * lane_unit_*, possibly before this returns. False when memory is short. */
bool unit_start(struct lane *lane, unsigned variant);

/* Finish what it has, then go. Also cancels a start in progress. */
void unit_drain(struct unit *unit);

/* Ends it now; its batches come back as orphans. */
void unit_kill(struct unit *unit, const char *why);

/* Slots: how many batches the host has, running or staged. */
unsigned unit_busy(const struct unit *unit);

/* Hands a batch over. The requests are RUNNING afterwards. False: no slot is free. */
bool unit_publish(struct unit *unit, struct request *const *requests, unsigned count,
                  uint64_t rows);

/* Rows of the largest batch that the host has; 0: none. */
uint64_t unit_rows_largest(const struct unit *unit);

/* A request of this slot needs no answer any more; ends the run when nobody waits for it. */
void unit_request_over(struct unit *unit, unsigned slot);

/* The spawner's news about the process with this id. */
void unit_spawned(struct unit *unit, pid_t pid, int pidfd);
void unit_exited(struct unit *unit, int status);
void unit_spawn_failed(struct unit *unit, const char *reason);

/* Takes what results there are. True: some were there. */
bool unit_take_results(struct unit *unit);

/* Once a tick: lifts starved loaders, ends those that never finish, measures memory. */
void unit_tick(struct unit *unit, uint64_t now_ns, bool measure);

/* A permit is free: go on if waiting. */
void unit_permit(struct unit *unit);

/* For one that is starved: looks for memory again. */
void unit_feed(struct unit *unit);

const char *unit_state_name(enum unit_state state);

#endif
