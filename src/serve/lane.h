/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane serves one version of one tenant under one configuration: its queue, its input memory, its
 * learned curves, and the hosts that run it. A reload makes a new lane beside the old one; when the
 * new one is ready they change places and the old one drains. A switch of variant stays inside the
 * lane: the next host is warmed, the queue simply goes on with it, the old host drains.
 *
 * One thread (the loop's).
 */
#ifndef ROOST_SERVE_LANE_H
#define ROOST_SERVE_LANE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/admission.h"
#include "core/batcher.h"
#include "core/view_build.h"
#include "host/host.h"
#include "net/oip.h"
#include "serve/desired.h"
#include "serve/labels.h"
#include "serve/properties.h"
#include "serve/request.h"
#include "serve/statistics.h"

struct server;
struct tenant;
struct unit;

enum lane_state {
    LANE_LOADING,     /* no host has ever been ready */
    LANE_READY,       /* serves, or its host is being replaced after a death */
    LANE_PARKED,      /* host stopped while idle; the next request starts it */
    LANE_UNAVAILABLE, /* `reason` says why */
    LANE_RETIRING,    /* replaced or unloaded: answers what it has, then goes */
};

/* How a host ended: by itself (a crash, or it hung), or by somebody's SIGKILL, which is hardly its
 * requests' fault. */
enum death { DEATH_CRASHED, DEATH_KILLED };

struct lane_variant {
    struct desired_variant desired;
    struct curve curve;       /* service time by rows */
    struct curve cpu_curve;   /* CPU time by rows */
    double cpu_ns, cpu_rows;  /* CPU time and rows, what is older weighing less */
    uint64_t start_ns;        /* how long the last start took, to ready */
    uint64_t memory_bytes;    /* of a host of it, as last measured; 0: none ever ran */
    uint64_t failed_until_ns; /* a policy leaves it alone until then; 0: it has not failed */
    unsigned failures;        /* in a row */
    struct unit *standby;     /* ready, and not the one that serves */
    struct queue pinned;      /* requests that want this variant and no other */
    struct engine_metadata metadata;
    enum roost_err err; /* of the last failed load */
    struct detail reason;
};

/* What a unit was to its lane. */
enum lane_role { LANE_ROLE_NONE, LANE_ROLE_ACTIVE, LANE_ROLE_COMING, LANE_ROLE_STANDBY };

struct lane {
    struct server *server;
    struct tenant *tenant;
    struct lane *next_retiring;
    int64_t version;
    char version_text[24];
    enum lane_state state;
    enum roost_err err;
    struct detail reason;
    struct tenant_settings settings; /* own copy */
    struct model_config config;      /* completed when `known` */
    uint64_t config_stamp;
    bool known; /* signature and config are complete */
    struct model_signature signature;
    unsigned graph_input_count;
    struct model_io graph; /* as the first host reported it */
    struct labels labels;
    struct properties properties; /* what clients are told of the model */
    struct oip_model model;       /* for the codec */
    struct batcher_limits limits;
    bool leaving;            /* not wanted any more; stays until its successors have come up */
    uint32_t batch_rows_max; /* without what a policy grants */
    unsigned workers;
    struct cpus cpus; /* of the workers; empty: anywhere */
    bool placed;      /* they were bound to some cores once */
    unsigned variant_count;
    struct lane_variant *variants;
    unsigned variant;       /* serving, or being started for service */
    unsigned wanted;        /* last asked for; not `variant` while switching */
    uint64_t switches;      /* of the variant that serves */
    uint64_t switched_ns;   /* when the last one took effect */
    uint64_t warm_after_ns; /* no host is started just to stand by before */
    struct unit *active;    /* takes batches */
    struct unit *coming;    /* being started, to serve or to stand by */
    unsigned units;         /* all that still exist, draining ones included */
    unsigned failed_starts; /* in a row */
    uint64_t restart_at_ns; /* 0: no restart is due */
    bool served;            /* a host was ready once */
    uint64_t idle_since_ns;
    struct queue queue;
    struct admission admission;
    bool dropping; /* refuses somebody who waited; what that leads to must not do so as well */
    struct input_memory *memory;
    uint64_t bodies;  /* requests that exist, queued or not */
    uv_timer_t *wake; /* for batches that wait for companions, and for restarts */
    struct view_meter meter;
    struct statistics *statistics;
    bool unbatchable; /* an output turned out to have no batch dimension */
};

/* Copies what it needs from the desired tenant. On OK *lane is the caller's; nothing is started
 * yet. */
enum roost_err lane_new(struct server *server, struct tenant *tenant,
                        const struct desired_tenant *desired, const struct desired_version *version,
                        struct lane **lane, struct detail *detail);

/* Begins the start of a variant's host. Used for the first start, restart, un-park and switch. */
void lane_start(struct lane *lane, unsigned variant);

/*
 * Asks for another variant. A host of it that stands by takes over at once; else one is started
 * beside the one that serves, and takes over when it is ready. When it cannot be started the old
 * one goes on serving, and the variant's `reason` says why. Asking for the one that serves calls a
 * switch off. OK: it serves, or is on its way. INVALID, UNAVAILABLE or the start's own failure.
 */
enum roost_err lane_switch(struct lane *lane, unsigned variant, struct detail *detail);

/* Starts a host of the variant to stand by, if nothing else is being started and memory is left. */
void lane_warm(struct lane *lane, unsigned variant);

/* The most workers that its hosts can have. */
unsigned lane_workers_max(const struct lane *lane);

/* The variant's index by its name, or variant_count. */
unsigned lane_find_variant(const struct lane *lane, const char *name);
/* OK when a request that is pinned to this variant may be admitted; else UNAVAILABLE and why. */
enum roost_err lane_admits_pin(const struct lane *lane, unsigned variant, struct detail *detail);
/* A plan may choose it, as far as its last loads tell. */
bool lane_variant_failed(const struct lane *lane, unsigned variant, uint64_t now_ns);

/* Between the lane's own files: a ready host becomes the one that takes batches; a ready host that
 * does not take any (more) is kept, or drained; the best host to step in for one that died; hosts
 * that stand by are let go; pinned requests that nobody can run any more are answered. */
void lane_take_over(struct lane *lane, struct unit *unit);
void lane_stand_by(struct lane *lane, struct unit *unit);
struct unit *lane_stand_in(const struct lane *lane);
void lane_drop_standby(struct lane *lane);
void lane_check_pins(struct lane *lane);

/* Memory of all lanes: lets hosts that stand by go until as many bytes are on their way back, or
 * none at all and false; what they hold now; and a tick, on which starts that wait go on. */
bool lane_make_room(struct server *server, uint64_t bytes);
uint64_t lane_standby_bytes(const struct server *server);
void lane_memory_tick(struct server *server);

/* What can be changed without a new host: SLO, deadline, queue, shed, workers within workers_max
 * ... */
void lane_update(struct lane *lane, const struct tenant_settings *settings);

/* No new requests; goes when the last one is answered and the last host is gone. */
void lane_retire(struct lane *lane);
/* For the server, when the loop is about to sleep: one step towards the end. True: the lane is
 * freed. */
bool lane_retire_step(struct lane *lane);

/* Answers everything that waits with this error. */
void lane_fail_queue(struct lane *lane, enum roost_err err, const char *text);

/* A request's time is up. */
void lane_expire(struct lane *lane, struct request *request, uint64_t now_ns);

/* OK when a request may be admitted now; else UNAVAILABLE (or the lane's own error) with the
 * reason. */
enum roost_err lane_admits(const struct lane *lane, struct detail *detail);

/* Puts an admitted request into the queue and forms batches. */
void lane_enqueue(struct lane *lane, struct request *request);

/* Forms as many batches as the hosts may have now, and refuses who would be too late for one. Safe
 * to call at any time; who is refused may submit more before it returns. */
void lane_pump(struct lane *lane);

/* Requests that wait, pinned ones included, and where one of them does. */
uint64_t lane_waiting(const struct lane *lane);
uint64_t lane_waiting_rows(const struct lane *lane);
struct queue *lane_queue_of(struct lane *lane, const struct request *request);

/* Called by units. */
void lane_unit_loaded(struct lane *lane, struct unit *unit, const struct model_io *io,
                      const struct engine_metadata *metadata);
void lane_unit_ready(struct lane *lane, struct unit *unit);
void lane_unit_failed(struct lane *lane, struct unit *unit, enum roost_err err, const char *reason);
/* Its process has ended: the lane forgets what it was, and is told of it again by the next two. */
enum lane_role lane_unit_lost(struct lane *lane, struct unit *unit);
void lane_unit_died(struct lane *lane, struct unit *unit, enum lane_role role, const char *how);
void lane_unit_gone(struct lane *lane, struct unit *unit); /* freed; the last call about it */
void lane_result(struct lane *lane, struct unit *unit, const struct link_result *result);
void lane_orphans(struct lane *lane, struct unit *unit, const unsigned *slots, unsigned count,
                  enum death death);

/* Once a tick: parking, restarts. */
void lane_tick(struct lane *lane, uint64_t now_ns);
/* Once a tick for every host that has batches or ends: finds those that hang. */
void lane_check_hang(struct lane *lane, struct unit *unit, uint64_t now_ns);

/* SLO bookkeeping of one finished request. */
void lane_count_reply(struct lane *lane, const struct request *request, const struct reply *reply);

/* Whether what would miss the SLO is refused: by roost.yaml, or by a policy's grant. */
bool lane_sheds_by_slo(const struct lane *lane);
/* Sets priority, deadline and expiry of a request that arrives now. */
void lane_prepare(const struct lane *lane, struct request *request);
/* Whether as many wait at its level as config.pbtxt allows there (*size_max; 0: any number). */
bool lane_level_full(const struct lane *lane, const struct request *request, uint32_t *size_max);

#endif
