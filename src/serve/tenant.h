/* SPDX-License-Identifier: Apache-2.0 */
/* A served model name and its lanes, one per version. */
#ifndef ROOST_SERVE_TENANT_H
#define ROOST_SERVE_TENANT_H

#include "serve/lane.h"

/* What a policy lets a tenant have; its versions share it. */
struct tenant_hold {
    bool held; /* false: as configured */
    struct roost_grant grant;
    struct cpus cpus;    /* that go with it; empty: anywhere */
    uint64_t ways_mask;  /* of the ways that it holds alone */
    uint64_t changed_ns; /* when it last changed */
    struct roost_reason reason;
};

struct tenant {
    uint32_t id; /* never used again for another one */
    struct tenant_hold hold;
    char name[CONFIG_NAME_BYTES_MAX];
    struct server *server;
    bool retry;         /* somebody asked: load again what failed, though nothing changed */
    bool wanted;        /* false: known to the repository only */
    bool gone;          /* no repository knows it any more: freed when its last lane is */
    enum roost_err err; /* of the desired state: nothing to serve, and why */
    struct detail reason;
    unsigned lanes_alive; /* retiring ones included */
    unsigned lane_count;
    struct lane **lanes; /* ascending by version: they serve */
    unsigned coming_count;
    struct lane **coming; /* loading, to take the place of lanes[] (reload) or to be added */
    bool came_up;         /* all versions have settled since it was wanted */
};

struct tenant *tenant_new(struct server *server, const char *name);
void tenant_free(struct tenant *tenant); /* no lanes any more */

/* The lane for a version: 0 means the highest that serves (or, if none does, the highest). NULL: no
 * such version. */
struct lane *tenant_lane(const struct tenant *tenant, int64_t version);

/* Takes the desired state over: starts, updates, replaces and retires lanes. */
void tenant_apply(struct tenant *tenant, const struct desired_tenant *desired);

/* Retires every lane. */
void tenant_unload(struct tenant *tenant, const char *why);

/* A lane came up (or cannot): put it in its place. */
void tenant_lane_settled(struct tenant *tenant, struct lane *lane);

/* One of its retiring lanes is freed. */
void tenant_lane_gone(struct tenant *tenant);

/* True when no lane is loading. */
bool tenant_settled(const struct tenant *tenant);
/* Every wanted lane serves. */
bool tenant_ready(const struct tenant *tenant);

#endif
