/* SPDX-License-Identifier: Apache-2.0 */
/* What runner.c (its thread and plans) and runner_send.c (one request) share. */
#ifndef ROOST_LOAD_RUNNER_INTERNAL_H
#define ROOST_LOAD_RUNNER_INTERNAL_H

#include <pthread.h>
#include <uv.h>

#include "base/heap.h"
#include "base/ring.h"
#include "load/arrival.h"
#include "load/runner.h"
#include "net/http_client.h"

enum { RUNNER_REASON_BYTES_MAX = 200 };

/* One tenant during a plan. */
struct runner_lane {
    struct heap_node node; /* by the time of the next arrival */
    const struct runner_tenant *tenant;
    size_t index;
    struct arrival arrival;
    struct arrival_event next;
    struct rng sizes_rng;
    uint64_t scheduled; /* counted ones */
    char reasons[OUTCOME_COUNT][RUNNER_REASON_BYTES_MAX];
};

/* One request on its way. */
struct flight {
    struct flight *next; /* in the list of spare ones */
    struct runner *runner;
    struct runner_lane *lane;
    struct request *request;
    uint64_t intended_ns;
    uint32_t rows;
    bool is_counted;
};

/* FINISHING: all is accounted for, but the last chunk has found no room yet. */
enum runner_state {
    RUNNER_IDLE,
    RUNNER_SENDING,
    RUNNER_DRAINING,
    RUNNER_CUTTING,
    RUNNER_FINISHING,
};

struct runner {
    struct runner_options options;
    pthread_t thread;
    struct ring commands; /* from the opener */
    struct ring chunks;   /* to the opener */
    uv_async_t command_bell;

    /* The load thread's own. */
    uv_loop_t loop;
    uv_poll_t pace;
    int pace_fd;
    uv_timer_t flush_timer, drain_timer;
    struct http_client *client;
    bool is_closing;
    enum runner_state state;
    struct runner_plan plan;
    uint64_t start_ns; /* on the clock */
    uint64_t end_ns;   /* of the run: no arrival at or after it is sent */
    uint64_t cpu_start_ns;
    uint64_t counted, lost, crowded;
    unsigned in_flight;
    struct heap due;
    struct runner_lane *lanes;
    struct flight *spare;
    struct runner_chunk *chunk; /* being filled */
};

uint64_t runner_now_ns(const struct runner *runner); /* of the run */

/* Sends the lane's next arrival, or accounts for why not. */
void runner_send(struct runner *runner, struct runner_lane *lane);

/* Called when a flight ended: the plan may be over. */
void runner_landed(struct runner *runner);

/* Passes on what has been recorded. False when there is no room for it now. */
bool runner_flush(struct runner *runner, bool is_last);

#endif
