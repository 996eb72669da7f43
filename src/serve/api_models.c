/* SPDX-License-Identifier: Apache-2.0 */
/* Health, metadata, configuration and statistics. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "roost/version.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/tenant.h"
#include "serve/unit.h"

void api_live(struct call *call)
{
    call_respond(call, 200, NULL, "", 0);
}

void api_ready(struct call *call)
{
    if (server_ready(call->server)) {
        call_respond(call, 200, NULL, "", 0);
    } else {
        call_respond_error(call, ROOST_UNAVAILABLE,
                           call->server->state == SERVER_DRAINING
                               ? "the server is stopping"
                               : "not every model is ready: see v2/repository/index",
                           0);
    }
}

void api_server_metadata(struct call *call)
{
    static const char *const extensions[] = {
        "classification",  "model_repository",    "model_repository(unload_dependents)",
        "schedule_policy", "model_configuration", "binary_tensor_data",
        "parameters",      "statistics",
    };
    struct strbuf out;
    strbuf_init(&out);
    oip_write_server_metadata(&out, "roost", ROOST_VERSION, extensions,
                              sizeof extensions / sizeof *extensions);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

/* The lane, when it can say what the model looks like; else answers the call. */
static struct lane *call_known_lane(struct call *call)
{
    struct lane *lane = call_lane(call);
    if (lane == NULL) {
        return NULL;
    }
    struct detail detail;
    enum roost_err err = lane_admits(lane, &detail);
    if (err != ROOST_OK || !lane->known) {
        call_respond_error(call, ROOST_UNAVAILABLE,
                           err != ROOST_OK ? detail.text : "the model is not known yet", 0);
        return NULL;
    }
    return lane;
}

void api_model_ready(struct call *call)
{
    struct lane *lane = call_lane(call);
    if (lane == NULL) {
        return;
    }
    struct detail detail;
    enum roost_err err = lane_admits(lane, &detail);
    if (err == ROOST_OK) {
        call_respond(call, 200, NULL, "", 0);
    } else {
        call_respond_error(call, err, detail.text, 0);
    }
}

void api_model_metadata(struct call *call)
{
    struct lane *lane = call_known_lane(call);
    if (lane == NULL) {
        return;
    }
    const struct tenant *tenant = lane->tenant;
    const char *versions[CONFIG_VERSIONS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < tenant->lane_count && count < CONFIG_VERSIONS_MAX; i++) {
        versions[count++] = tenant->lanes[i]->version_text;
    }
    struct strbuf out;
    strbuf_init(&out);
    oip_write_model_metadata(&out, &lane->model, lane->config.platform, versions, count,
                             lane->properties.items, lane->properties.count);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

void api_model_config(struct call *call)
{
    struct lane *lane = call_known_lane(call);
    if (lane == NULL) {
        return;
    }
    struct strbuf out;
    strbuf_init(&out);
    model_config_write_json(&lane->config, &out);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

static void lane_statistics(const struct lane *lane, struct oip_statistics *out)
{
    const struct statistics *s = lane->statistics;
    *out = (struct oip_statistics){
        .name = lane->tenant->name,
        .version = lane->version_text,
        .last_inference_ms = s->last_inference_wall_ns / NS_PER_MS,
        .inference_count = s->inference_count,
        .execution_count = s->execution_count,
        .success = s->success,
        .fail = s->fail,
        .queue = s->queue,
        .compute_input = s->compute_input,
        .compute_infer = s->compute_infer,
        .compute_output = s->compute_output,
        .batches = s->batches,
        .batch_count = s->batch_count,
        .memory_bytes = lane->active != NULL ? lane->active->memory.resident_bytes : 0,
    };
}

void api_model_statistics(struct call *call)
{
    if (call->value_count > 1) {
        struct lane *lane = call_lane(call);
        if (lane == NULL) {
            return;
        }
        struct oip_statistics one;
        struct strbuf out;
        strbuf_init(&out);
        lane_statistics(lane, &one);
        oip_write_statistics(&out, &one, 1);
        call_respond_json(call, &out);
        strbuf_fini(&out);
        return;
    }
    const struct tenant *tenant = call_tenant(call);
    if (tenant == NULL) {
        return;
    }
    struct oip_statistics some[CONFIG_VERSIONS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < tenant->lane_count && count < CONFIG_VERSIONS_MAX; i++) {
        lane_statistics(tenant->lanes[i], &some[count++]);
    }
    struct strbuf out;
    strbuf_init(&out);
    oip_write_statistics(&out, some, count);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

void api_all_statistics(struct call *call)
{
    const struct server *server = call->server;
    struct oip_statistics *all = calloc(server->tenant_count * CONFIG_VERSIONS_MAX + 1,
                                        sizeof *all);
    if (all == NULL) {
        call_respond_error(call, ROOST_NO_MEMORY, "out of memory", 0);
        return;
    }
    size_t count = 0;
    for (size_t t = 0; t < server->tenant_count; t++) {
        const struct tenant *tenant = server->tenants[t];
        for (unsigned i = 0; i < tenant->lane_count && i < CONFIG_VERSIONS_MAX; i++) {
            if (tenant->lanes[i]->state == LANE_READY || tenant->lanes[i]->state == LANE_PARKED) {
                lane_statistics(tenant->lanes[i], &all[count++]);
            }
        }
    }
    struct strbuf out;
    strbuf_init(&out);
    oip_write_statistics(&out, all, count);
    call_respond_json(call, &out);
    strbuf_fini(&out);
    free(all);
}
