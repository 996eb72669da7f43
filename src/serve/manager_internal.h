/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the manager: its state, for manager.c and manager_report.c. */
#ifndef ROOST_SERVE_MANAGER_INTERNAL_H
#define ROOST_SERVE_MANAGER_INTERNAL_H

#include <uv.h>

#include "core/view.h"
#include "policy/runner.h"
#include "serve/manager.h"
#include "serve/manager_log.h"
#include "serve/manager_other.h"

/* A policy with all that it needs for up to tenants_max tenants. */
struct manager_room {
    const struct roost_policy *policy; /* that was asked for; NULL: none */
    char *options;                     /* the assignments' text, cut into them */
    const char **assignments;
    size_t assignment_count;
    uint32_t tenants_max;
    struct policy_runner runner;
    struct view_store now, then; /* then: what a decision beside the ticks looks at */
    struct roost_plan_tenant *plan_tenants, *raw_tenants, *pending_tenants;
    struct lane **lanes; /* of the newest view */
    char *names;         /* of `then`, which may outlive those whose names they are */
};

struct manager {
    struct server *server;
    uv_timer_t timer;
    bool closed;
    struct manager_room room;
    struct manager_room next; /* takes its place once the decision beside the ticks is made */
    struct manager_log log;
    uint64_t seed, tick;
    uint32_t refused_count; /* tenants, more than the policy accepts; 0: accepted */
    /* A decision beside the ticks. */
    uv_work_t work;
    bool working, pending, next_due;
    uint64_t due_tick, pending_spent_ns, postponed;
    struct roost_plan pending_plan;
    struct other_meter other;
    /* For reports. */
    uint64_t moves, apply_failures;
    unsigned failures_in_row;        /* plans that were undone, one after the other */
    uint64_t decisions;              /* that were judged */
    uint64_t faults, overruns;       /* of earlier rooms */
    uint64_t spent_ns, spent_max_ns; /* CPU time of decisions */
    uint64_t cpu_ns;                 /* of ticks, decisions beside them not included */
    uint32_t flags;                  /* of the last plan */
    struct detail last_fault;
};

/* The room of the policy that was asked for last. */
const struct manager_room *manager_room_asked(const struct manager *manager);

#endif
