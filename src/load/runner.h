/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of a load: a thread of its own with its own loop, which sends every request at
 * the time that the arrival processes say, whether or not earlier ones have been answered.
 *
 *   command's thread                              load thread
 *     runner_run(plan) ───── commands ──────────►   pace: timer, short spin, send what is due
 *     runner_take() ◄── chunks of records ───────   replies, time-outs
 *
 * All functions are for the thread that opened the runner. What a chunk holds is the taker's. The
 * notify callback runs on the load thread and must only wake the other one.
 */
#ifndef ROOST_LOAD_RUNNER_H
#define ROOST_LOAD_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "load/record.h"
#include "load/request.h"
#include "load/spec.h"
#include "load/target.h"

struct runner;

/* Borrowed from the opener until runner_close; the pool is used by the load thread alone. */
struct runner_tenant {
    const struct tenant_spec *spec;
    const struct load_model *model;
    struct batch_sizes *sizes;
    struct request_pool *pool;
};

struct runner_options {
    const struct target *target;
    const struct runner_tenant *tenants;
    size_t tenant_count;
    unsigned connections_max;
    unsigned outstanding_max; /* beyond it a request counts as unsent at once */
    uint64_t timeout_ns;      /* of one request */
    uint64_t spin_ns;         /* busy wait before a request is due, for precision; 0: none */
    void (*notify)(void *user);
    void *user;
};

struct runner_plan {
    uint64_t seed;
    double multiplier;     /* of all rates */
    uint64_t warmup_ns;    /* sent, but not counted */
    uint64_t duration_ns;  /* after the warm-up; UINT64_MAX: until stopped or traces end */
    uint64_t requests_max; /* counted ones; 0: no bound */
    uint64_t drain_ns;     /* how long to wait for answers after the last request */
};

enum { RUNNER_CHUNK_RECORDS = 1024 };

struct runner_chunk {
    uint64_t mark_ns; /* every arrival before this time of the run has been scheduled */
    uint64_t now_ns;  /* of the run; what was done before it is in this chunk or an earlier one */
    bool is_last;     /* of the plan: everything is accounted for */
    uint64_t end_ns;  /* is_last: when the sending ended */
    uint64_t cpu_ns;  /* is_last: used by the load thread during the plan */
    uint64_t lost;    /* records that found no memory; a report without them is void */
    uint64_t crowded; /* requests that were due while every connection was busy */
    size_t record_count;
    struct load_record *records;
    uint64_t *scheduled; /* is_last: per tenant, counted requests */
};

/* Resolves the server's name and starts the thread; connects on demand. */
enum roost_err runner_open(const struct runner_options *options, struct runner **runner,
                           struct detail *detail);

/* Starts a plan; only when the last one's is_last chunk has been taken. */
void runner_run(struct runner *runner, const struct runner_plan *plan);

/* No further requests; answers are still waited for. */
void runner_stop(struct runner *runner);

/* What is open is given up as well. */
void runner_abandon(struct runner *runner);

/* The next chunk, or NULL. The caller frees it with runner_chunk_free. */
struct runner_chunk *runner_take(struct runner *runner);
void runner_chunk_free(struct runner_chunk *chunk);

/* Of what failed: the first reason that the server, or the connection, gave. "" when there is
 * none. Only between a plan's last chunk and the next runner_run. */
const char *runner_reason(const struct runner *runner, size_t tenant, enum outcome outcome);

/* Ends the thread, giving up what is open, and frees everything. */
void runner_close(struct runner *runner);

/* The seed of one of the streams of a tenant: the streams do not depend on each other. */
enum runner_stream { STREAM_ARRIVALS, STREAM_SIZES, STREAM_DATA };
uint64_t runner_seed(uint64_t seed, size_t tenant, enum runner_stream stream);

#endif
