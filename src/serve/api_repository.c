/* SPDX-License-Identifier: Apache-2.0 */
/* Triton's model repository API: index, load, unload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/reconcile.h"
#include "serve/tenant.h"

static const char *lane_state_text(const struct lane *lane)
{
    switch (lane->state) {
    case LANE_LOADING:
        return "LOADING";
    case LANE_READY:
    case LANE_PARKED:
        return "READY";
    case LANE_RETIRING:
        return "UNLOADING";
    case LANE_UNAVAILABLE:
        break;
    }
    return "UNAVAILABLE";
}

static void index_entry(struct json_writer *w, const char *name, const char *version,
                        const char *state, const char *reason)
{
    json_begin_object(w);
    json_field_string(w, "name", name);
    if (version != NULL) {
        json_field_string(w, "version", version);
    }
    if (state != NULL) {
        json_field_string(w, "state", state);
        json_field_string(w, "reason", reason == NULL ? "" : reason);
    }
    json_end_object(w);
}

static void index_tenant(struct json_writer *w, const struct tenant *tenant, bool only_ready)
{
    bool any = false;
    for (unsigned i = 0; i < tenant->lane_count + tenant->coming_count; i++) {
        bool coming = i >= tenant->lane_count;
        const struct lane *lane = coming ? tenant->coming[i - tenant->lane_count]
                                         : tenant->lanes[i];
        const char *state = lane_state_text(lane);
        bool ready = strcmp(state, "READY") == 0;
        any = true;
        if (ready || !only_ready) {
            const char *reason = lane->reason.text;
            if (reason[0] == '\0' && ready && tenant->err != ROOST_OK) {
                reason = tenant->reason.text; /* of the reload that failed */
            }
            index_entry(w, tenant->name, lane->version_text, state, reason);
        }
    }
    if (!any && !only_ready) {
        bool failed = tenant->wanted && tenant->err != ROOST_OK;
        index_entry(w, tenant->name, NULL, failed ? "UNAVAILABLE" : NULL, tenant->reason.text);
    }
}

/* The body of a repository request: nothing, or a JSON object. False: the call has been answered.
 * */
static bool repository_body(struct call *call, yyjson_doc **doc)
{
    size_t length;
    const char *body = http_body(call->http, &length);
    struct detail detail;
    *doc = NULL;
    if (length == 0) {
        return true;
    }
    enum roost_err err = json_parse(body, length, doc, &detail);
    if (err == ROOST_OK && !yyjson_is_obj(yyjson_doc_get_root(*doc))) {
        yyjson_doc_free(*doc);
        err = detail_set(&detail, ROOST_INVALID, "the body must be a JSON object");
    }
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
        return false;
    }
    return true;
}

void api_repository_index(struct call *call)
{
    yyjson_doc *doc;
    if (!repository_body(call, &doc)) {
        return;
    }
    yyjson_val *ready = yyjson_obj_get(yyjson_doc_get_root(doc), "ready");
    bool only_ready = yyjson_is_true(ready), good = ready == NULL || yyjson_is_bool(ready);
    yyjson_doc_free(doc);
    if (!good) {
        call_respond_error(call, ROOST_INVALID, "ready: must be true or false", 0);
        return;
    }
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < call->server->tenant_count; i++) {
        index_tenant(&w, call->server->tenants[i], only_ready);
    }
    json_end_array(&w);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

/* A load or unload is over. The client may have gone meanwhile. */
static void repository_done(void *user, enum roost_err err, const char *reason)
{
    struct call *call = user;
    if (call->http == NULL) {
        call_free(call);
        return;
    }
    if (err == ROOST_OK) {
        call_respond(call, 200, "application/json", "", 0);
        return;
    }
    struct detail detail;
    detail_set(&detail, err, "model '%s': %s", call->values[0], reason);
    call_respond_error(call, err, detail.text, 0);
}

/* The client is gone, but the work goes on; repository_done frees the call. */
void api_repository_gone(struct call *call)
{
    if (!call->waits) {
        call_free(call);
    }
}

/* True when the repository may be changed over this port. */
static bool repository_allowed(struct call *call)
{
    const struct settings *settings = &call->server->settings;
    const char *why = NULL;
    if (settings->control_mode != CONTROL_EXPLICIT) {
        why = "loading and unloading by API needs control_mode: explicit (--model-control-mode "
              "explicit)";
    } else if (call->port == PORT_INFERENCE && !settings->repository_api) {
        why = "the repository API is turned off on this port";
    }
    if (why != NULL) {
        call_respond_error(call, ROOST_UNSUPPORTED, why, 0);
    }
    return why == NULL;
}

static void repository_change(struct call *call, bool wanted, const char *config)
{
    call->waits = true;
    reconcile_load(call->server->reconcile, call->values[0], wanted, config, repository_done, call);
}

/* The one parameter of a load that is taken: the config, as a string of JSON. */
static enum roost_err load_config(yyjson_val *root, const char **config, struct detail *detail)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_val *parameters = yyjson_obj_get(root, "parameters");
    *config = NULL;
    if (parameters == NULL) {
        return ROOST_OK;
    }
    if (!yyjson_is_obj(parameters)) {
        return detail_set(detail, ROOST_INVALID, "parameters: must be an object");
    }
    yyjson_obj_foreach(parameters, i, count, key, value)
    {
        if (strcmp(yyjson_get_str(key), "config") != 0) {
            return detail_set(detail, ROOST_UNSUPPORTED,
                              "parameters.%s: only 'config' is supported in a load request",
                              yyjson_get_str(key));
        }
        *config = yyjson_get_str(value);
        if (*config == NULL) {
            return detail_set(detail, ROOST_INVALID,
                              "parameters.config: must be a string that holds JSON");
        }
    }
    return ROOST_OK;
}

void api_repository_load(struct call *call)
{
    yyjson_doc *doc;
    const char *config;
    struct detail detail;
    if (!repository_allowed(call) || !repository_body(call, &doc)) {
        return;
    }
    enum roost_err err = load_config(yyjson_doc_get_root(doc), &config, &detail);
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
    } else {
        repository_change(call, true, config);
    }
    yyjson_doc_free(doc);
}

void api_repository_unload(struct call *call)
{
    yyjson_doc *doc;
    if (repository_allowed(call) && repository_body(call, &doc)) {
        yyjson_doc_free(doc);
        repository_change(call, false, NULL);
    }
}
