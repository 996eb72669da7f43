/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "serve/control.h"
#include "serve/lane.h"
#include "serve/tenant.h"

#define EVERYWHERE (1U << PORT_INFERENCE | 1U << PORT_METRICS | 1U << PORT_CONTROL)
#define INFERENCE  (1U << PORT_INFERENCE | 1U << PORT_CONTROL)
#define CONTROL    (1U << PORT_CONTROL)

static const uint64_t collected_bytes_max = UINT64_C(64) << 20; /* a load may carry model files */
enum { CALLS_KEPT_MAX = 256 };

/* The first that matches counts; the one that is asked for most comes first. */
static const struct route routes[] = {
    {METHOD_POST, "v2/models/{}/infer", INFERENCE, api_infer_headers, api_infer_body,
     api_infer_gone},
    {METHOD_POST, "v2/models/{}/versions/{}/infer", INFERENCE, api_infer_headers, api_infer_body,
     api_infer_gone},
    {METHOD_GET, "v2/health/live", EVERYWHERE, NULL, api_live, NULL},
    {METHOD_GET, "v2/health/ready", EVERYWHERE, NULL, api_ready, NULL},
    {METHOD_GET, "metrics", EVERYWHERE, NULL, api_metrics, NULL},
    {METHOD_GET, "v2", INFERENCE, NULL, api_server_metadata, NULL},
    {METHOD_GET, "v2/models/stats", INFERENCE, NULL, api_all_statistics, NULL},
    {METHOD_GET, "v2/models/{}", INFERENCE, NULL, api_model_metadata, NULL},
    {METHOD_GET, "v2/models/{}/versions/{}", INFERENCE, NULL, api_model_metadata, NULL},
    {METHOD_GET, "v2/models/{}/ready", INFERENCE, NULL, api_model_ready, NULL},
    {METHOD_GET, "v2/models/{}/versions/{}/ready", INFERENCE, NULL, api_model_ready, NULL},
    {METHOD_GET, "v2/models/{}/config", INFERENCE, NULL, api_model_config, NULL},
    {METHOD_GET, "v2/models/{}/versions/{}/config", INFERENCE, NULL, api_model_config, NULL},
    {METHOD_GET, "v2/models/{}/stats", INFERENCE, NULL, api_model_statistics, NULL},
    {METHOD_GET, "v2/models/{}/versions/{}/stats", INFERENCE, NULL, api_model_statistics, NULL},
    {METHOD_POST, "v2/repository/index", INFERENCE, NULL, api_repository_index, NULL},
    {METHOD_POST, "v2/repository/models/{}/load", INFERENCE, NULL, api_repository_load,
     api_repository_gone},
    {METHOD_POST, "v2/repository/models/{}/unload", INFERENCE, NULL, api_repository_unload,
     api_repository_gone},
    {METHOD_GET, "v2/roost/status", CONTROL, NULL, api_status, NULL},
    {METHOD_POST, "v2/roost/tenants/{}/switch", CONTROL, NULL, control_switch, NULL},
    {METHOD_GET, "v2/roost/policy", CONTROL, NULL, control_policy, NULL},
    {METHOD_POST, "v2/roost/policy", CONTROL, NULL, control_policy_set, NULL},
};

/* One of these is an HTTP server's handler data. */
static struct api_port {
    struct server *server;
    enum server_port port;
} api_ports[PORT_COUNT];

static struct call *calls_free;
static unsigned calls_kept;

static struct call *call_new(void)
{
    struct call *call = calls_free;
    if (call != NULL) {
        calls_free = call->next_free;
        calls_kept--;
    } else {
        call = malloc(sizeof *call);
    }
    if (call != NULL) {
        memset(call, 0, offsetof(struct call, oip));
        call->oip.keep = NULL;
        call->next_free = NULL;
    }
    return call;
}

void call_free(struct call *call)
{
    oip_request_fini(&call->oip);
    if (calls_kept == CALLS_KEPT_MAX) {
        free(call);
        return;
    }
    call->next_free = calls_free;
    calls_free = call;
    calls_kept++;
}

/* ---- answers ------------------------------------------------------------------------ */

void call_respond(struct call *call, int status, const char *content_type, const char *text,
                  size_t length)
{
    uv_buf_t body = uv_buf_init((char *)text, (unsigned)length);
    struct http_response response = {.status = status,
                                     .content_type = content_type,
                                     .body = &body,
                                     .body_count = length > 0 ? 1 : 0};
    http_respond(call->http, &response);
    call_free(call);
}

void call_respond_json(struct call *call, const struct strbuf *body)
{
    if (body->failed) {
        call_respond_error(call, ROOST_NO_MEMORY, "out of memory", 0);
    } else {
        call_respond(call, 200, "application/json", strbuf_text(body), body->length);
    }
}

void call_respond_error(struct call *call, enum roost_err err, const char *text,
                        uint64_t retry_after_ns)
{
    http_respond_error(call->http, err, text, retry_after_ns);
    call_free(call);
}

/* ---- looking up --------------------------------------------------------------------- */

struct tenant *call_tenant(struct call *call)
{
    struct tenant *tenant = server_tenant(call->server, call->values[0]);
    if (tenant == NULL) {
        struct detail detail;
        detail_set(&detail, ROOST_NOT_FOUND, "there is no model '%s'", call->values[0]);
        call_respond_error(call, ROOST_NOT_FOUND, detail.text, 0);
    }
    return tenant;
}

struct lane *call_lane(struct call *call)
{
    struct tenant *tenant = call_tenant(call);
    if (tenant == NULL) {
        return NULL;
    }
    int64_t version = 0;
    if (call->value_count > 1) {
        char *end;
        version = strtoll(call->values[1], &end, 10);
        if (*end != '\0' || version <= 0) {
            version = -1; /* none is called that */
        }
    }
    struct lane *lane = tenant_lane(tenant, version);
    if (lane != NULL) {
        return lane;
    }
    struct detail detail;
    enum roost_err err = ROOST_NOT_FOUND;
    if (version != 0) {
        detail_set(&detail, err, "model '%s' has no version '%s'", tenant->name, call->values[1]);
    } else {
        err = ROOST_UNAVAILABLE;
        detail_set(&detail, err, "model '%s' is not available: %s", tenant->name,
                   tenant->err != ROOST_OK ? tenant->reason.text : "it is not loaded");
    }
    call_respond_error(call, err, detail.text, 0);
    return NULL;
}

/* ---- the HTTP server's calls -------------------------------------------------------- */

/* The route for a request; *err says METHOD when only the verb is wrong. */
static const struct route *route_find(const struct api_port *port, enum http_method method,
                                      const struct url_path *path, const char **values,
                                      enum roost_err *err)
{
    *err = ROOST_NOT_FOUND;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        if ((route->ports >> port->port & 1) == 0 ||
            !url_path_match(path, route->pattern, values, CALL_VALUES_MAX)) {
            continue;
        }
        if (route->method == method || (method == METHOD_HEAD && route->method == METHOD_GET)) {
            return route;
        }
        *err = ROOST_METHOD;
    }
    return NULL;
}

static bool call_take_values(struct call *call, const char *const *values)
{
    for (unsigned i = 0; i < CALL_VALUES_MAX && values[i] != NULL; i++) {
        size_t length = strlen(values[i]);
        if (length >= sizeof call->values[i]) {
            return false;
        }
        memcpy(call->values[i], values[i], length + 1);
        call->value_count++;
    }
    return true;
}

static void api_on_headers(void *user, struct http_request *http)
{
    const struct api_port *port = user;
    struct url_path path;
    struct detail detail;
    const char *values[CALL_VALUES_MAX] = {NULL};
    enum roost_err err = url_path_parse(http_request_path(http), &path, &detail);
    const struct route *route = err == ROOST_OK ? route_find(port, http_request_method(http), &path,
                                                             values, &err)
                                                : NULL;
    if (route == NULL) {
        const char *text = err == ROOST_METHOD      ? "Method Not Allowed"
                           : err == ROOST_NOT_FOUND ? "Not Found"
                                                    : detail.text;
        http_respond_error(http, err, text, 0);
        return;
    }
    struct call *call = call_new();
    if (call == NULL || !call_take_values(call, values)) {
        if (call != NULL) {
            call_free(call);
        }
        http_respond_error(http, call == NULL ? ROOST_NO_MEMORY : ROOST_NOT_FOUND,
                           call == NULL ? "out of memory" : "Not Found", 0);
        return;
    }
    call->server = port->server;
    call->port = port->port;
    call->http = http;
    call->route = route;
    http_request_set_user(http, call);
    if (route->on_headers != NULL) {
        route->on_headers(call);
    } else {
        http_body_collect(http, collected_bytes_max);
    }
}

static void api_on_body_complete(void *user, struct http_request *http)
{
    (void)user;
    struct call *call = http_request_user(http);
    call->route->on_body(call);
}

static void api_on_gone(void *user, struct http_request *http)
{
    (void)user;
    struct call *call = http_request_user(http);
    if (call == NULL) {
        return;
    }
    call->http = NULL;
    if (call->route->on_gone != NULL) {
        call->route->on_gone(call);
    } else {
        call_free(call);
    }
}

void api_handler(struct server *server, enum server_port port, struct http_handler *handler)
{
    api_ports[port] = (struct api_port){.server = server, .port = port};
    *handler = (struct http_handler){.user = &api_ports[port],
                                     .on_headers = api_on_headers,
                                     .on_body_complete = api_on_body_complete,
                                     .on_gone = api_on_gone};
}
