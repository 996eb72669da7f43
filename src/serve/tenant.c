/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/tenant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "serve/reconcile.h"
#include "serve/server.h"

struct tenant *tenant_new(struct server *server, const char *name)
{
    struct tenant *tenant = calloc(1, sizeof *tenant);
    if (tenant != NULL) {
        tenant->server = server;
        tenant->id = ++server->next_tenant_id;
        snprintf(tenant->name, sizeof tenant->name, "%s", name);
    }
    return tenant;
}

void tenant_free(struct tenant *tenant)
{
    roost_assert(tenant->lanes_alive == 0);
    free(tenant->lanes);
    free(tenant->coming);
    free(tenant);
}

/* ---- sets of lanes, ascending by version ------------------------------------------ */

static struct lane *lanes_find(struct lane *const *lanes, unsigned count, int64_t version)
{
    for (unsigned i = 0; i < count; i++) {
        if (lanes[i]->version == version) {
            return lanes[i];
        }
    }
    return NULL;
}

static void lanes_insert(struct lane ***lanes, unsigned *count, struct lane *lane)
{
    struct lane **grown = realloc(*lanes, (*count + 1) * sizeof *grown);
    roost_assert(grown != NULL);
    *lanes = grown;
    unsigned place = *count;
    while (place > 0 && grown[place - 1]->version > lane->version) {
        grown[place] = grown[place - 1];
        place--;
    }
    grown[place] = lane;
    (*count)++;
}

static bool lanes_remove(struct lane **lanes, unsigned *count, const struct lane *lane)
{
    for (unsigned i = 0; i < *count; i++) {
        if (lanes[i] == lane) {
            memmove(&lanes[i], &lanes[i + 1], (*count - i - 1) * sizeof *lanes);
            (*count)--;
            return true;
        }
    }
    return false;
}

struct lane *tenant_lane(const struct tenant *tenant, int64_t version)
{
    if (version != 0) {
        struct lane *lane = lanes_find(tenant->lanes, tenant->lane_count, version);
        return lane != NULL ? lane : lanes_find(tenant->coming, tenant->coming_count, version);
    }
    for (unsigned i = tenant->lane_count; i-- > 0;) {
        if (tenant->lanes[i]->state == LANE_READY || tenant->lanes[i]->state == LANE_PARKED) {
            return tenant->lanes[i];
        }
    }
    if (tenant->lane_count > 0) {
        return tenant->lanes[tenant->lane_count - 1];
    }
    return tenant->coming_count > 0 ? tenant->coming[tenant->coming_count - 1] : NULL;
}

/* ---- desired state ------------------------------------------------------------------ */

static bool variants_equal(const struct lane *lane, const struct desired_version *version)
{
    if (lane->variant_count != version->variant_count) {
        return false;
    }
    for (unsigned i = 0; i < lane->variant_count; i++) {
        const struct desired_variant *a = &lane->variants[i].desired, *b = &version->variants[i];
        if (strcmp(a->model_path, b->model_path) != 0 || strcmp(a->name, b->name) != 0 ||
            a->stamp != b->stamp) {
            return false;
        }
    }
    return true;
}

static bool texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Can the lane go on as it is, with at most lane_update? */
static bool lane_fits(const struct lane *lane, const struct desired_tenant *desired,
                      const struct desired_version *version)
{
    const struct tenant_settings *a = &lane->settings, *b = &desired->settings;
    return lane->config_stamp == desired->config_stamp && variants_equal(lane, version) &&
           a->intra_op_threads == b->intra_op_threads && a->workers_max == b->workers_max &&
           a->workers == b->workers && a->memory_bytes_max == b->memory_bytes_max &&
           a->input_memory_bytes == b->input_memory_bytes &&
           a->output_bytes_max == b->output_bytes_max && texts_equal(a->engine, b->engine) &&
           texts_equal(a->engine_settings, b->engine_settings) && texts_equal(a->cpus, b->cpus);
}

/* What is only declared of the variants changes no host. */
static void lane_update_declared(struct lane *lane, const struct desired_tenant *desired,
                                 const struct desired_version *version)
{
    for (unsigned i = 0; i < lane->variant_count; i++) {
        lane->variants[i].desired.accuracy = version->variants[i].accuracy;
        lane->variants[i].desired.mflops = version->variants[i].mflops;
    }
    lane_update(lane, &desired->settings);
    if (lane->known) {
        properties_fill(&lane->properties, lane);
    }
}

/* What config.pbtxt asks for and does not get, once for all versions that begin together. */
static void tenant_warn(const struct tenant *tenant, const struct model_config *config)
{
    for (const char *line = config->warnings, *end; *line != '\0'; line = end + 1) {
        char text[LOG_QUOTE_BYTES_MAX];
        end = strchrnul(line, '\n');
        snprintf(text, sizeof text, "%.*s", (int)(end - line), line);
        log_warn("model.config", "tenant=%s line=%s", tenant->name, LOG_Q(text));
        if (*end == '\0') {
            break;
        }
    }
}

static void tenant_begin(struct tenant *tenant, const struct desired_tenant *desired,
                         const struct desired_version *version)
{
    struct lane *lane;
    struct detail detail = {""};
    enum roost_err err = lane_new(tenant->server, tenant, desired, version, &lane, &detail);
    if (err != ROOST_OK) {
        tenant->err = err;
        tenant->reason = detail;
        log_error("model.unavailable", "tenant=%s version=%" PRId64 " err=%s reason=\"%s\"",
                  tenant->name, version->number, roost_err_name(err), detail.text);
        return;
    }
    if (version == &desired->versions[0]) {
        tenant_warn(tenant, &desired->config);
    }
    lanes_insert(&tenant->coming, &tenant->coming_count, lane);
    lane_start(lane, 0);
}

static void tenant_drop(struct tenant *tenant, struct lane *lane)
{
    if (!lanes_remove(tenant->lanes, &tenant->lane_count, lane)) {
        lanes_remove(tenant->coming, &tenant->coming_count, lane);
    }
    lane_retire(lane);
}

static bool desired_has(const struct desired_tenant *desired, int64_t version)
{
    for (unsigned i = 0; i < desired->version_count; i++) {
        if (desired->versions[i].number == version) {
            return true;
        }
    }
    return false;
}

static void tenant_apply_version(struct tenant *tenant, const struct desired_tenant *desired,
                                 const struct desired_version *version)
{
    struct lane *coming = lanes_find(tenant->coming, tenant->coming_count, version->number);
    struct lane *lane = lanes_find(tenant->lanes, tenant->lane_count, version->number);
    if (coming != NULL) {
        if (lane_fits(coming, desired, version)) {
            lane_update_declared(coming, desired, version);
            return;
        }
        tenant_drop(tenant, coming);
    }
    /* What failed as it is will fail again: only somebody who asks for it makes us try. */
    bool keep = lane != NULL && (lane->state != LANE_UNAVAILABLE || !tenant->retry);
    if (keep && lane_fits(lane, desired, version)) {
        lane_update_declared(lane, desired, version);
        return;
    }
    tenant_begin(tenant, desired, version);
}

/* Versions that go stay until those that come have settled, and while one of those cannot serve. */
static void tenant_let_leave(struct tenant *tenant)
{
    if (tenant->coming_count > 0) {
        return;
    }
    for (unsigned i = 0; i < tenant->lane_count; i++) {
        if (tenant->lanes[i]->state == LANE_UNAVAILABLE && !tenant->lanes[i]->leaving) {
            return;
        }
    }
    for (unsigned i = tenant->lane_count; i-- > 0;) {
        if (tenant->lanes[i]->leaving) {
            tenant_drop(tenant, tenant->lanes[i]);
        }
    }
}

void tenant_apply(struct tenant *tenant, const struct desired_tenant *desired)
{
    tenant->err = desired->err;
    tenant->reason = desired->reason;
    tenant->wanted = desired->wanted;
    if (!desired->wanted) {
        tenant_unload(tenant, "unloaded");
        return;
    }
    if (desired->err != ROOST_OK) {
        /* What serves goes on serving: a broken reload must not take a tenant down. */
        log_error("model.unavailable", "tenant=%s err=%s reason=\"%s\"", tenant->name,
                  roost_err_name(desired->err), desired->reason.text);
        return;
    }
    for (unsigned i = 0; i < desired->version_count; i++) {
        tenant_apply_version(tenant, desired, &desired->versions[i]);
    }
    for (unsigned i = tenant->coming_count; i-- > 0;) {
        if (!desired_has(desired, tenant->coming[i]->version)) {
            tenant_drop(tenant, tenant->coming[i]);
        }
    }
    for (unsigned i = 0; i < tenant->lane_count; i++) {
        tenant->lanes[i]->leaving = !desired_has(desired, tenant->lanes[i]->version);
    }
    tenant->retry = false;
    tenant_let_leave(tenant);
    tenant->came_up |= tenant->coming_count == 0;
}

void tenant_unload(struct tenant *tenant, const char *why)
{
    if (tenant->lane_count + tenant->coming_count > 0) {
        log_info("model.unload", "tenant=%s why=\"%s\"", tenant->name, why);
    }
    tenant->came_up = false;
    while (tenant->coming_count > 0) {
        tenant_drop(tenant, tenant->coming[0]);
    }
    while (tenant->lane_count > 0) {
        tenant_drop(tenant, tenant->lanes[0]);
    }
}

void tenant_lane_settled(struct tenant *tenant, struct lane *lane)
{
    if (lanes_remove(tenant->coming, &tenant->coming_count, lane)) {
        struct lane *old = lanes_find(tenant->lanes, tenant->lane_count, lane->version);
        bool good = lane->state == LANE_READY;
        if (old != NULL && !good && old->state != LANE_UNAVAILABLE) {
            /* A failed reload leaves the old one serving; its reason is kept for the index. */
            tenant->err = lane->err;
            tenant->reason = lane->reason;
            lane_retire(lane);
        } else {
            if (old != NULL) {
                lane->meter = old->meter; /* what clients saw lately goes on */
                tenant_drop(tenant, old);
            }
            lanes_insert(&tenant->lanes, &tenant->lane_count, lane);
        }
    }
    tenant_let_leave(tenant);
    tenant->came_up |= tenant->coming_count == 0;
    reconcile_settled(tenant->server->reconcile);
}

void tenant_lane_gone(struct tenant *tenant)
{
    tenant->lanes_alive--;
    reconcile_settled(tenant->server->reconcile);
}

bool tenant_settled(const struct tenant *tenant)
{
    return tenant->coming_count == 0;
}

bool tenant_ready(const struct tenant *tenant)
{
    if (!tenant->came_up) {
        return false; /* the first versions are up, others still load */
    }
    if (tenant->err != ROOST_OK && tenant->lane_count == 0) {
        return false;
    }
    for (unsigned i = 0; i < tenant->lane_count; i++) {
        enum lane_state state = tenant->lanes[i]->state;
        if (state != LANE_READY && state != LANE_PARKED) {
            return false;
        }
    }
    return tenant->lane_count > 0;
}
