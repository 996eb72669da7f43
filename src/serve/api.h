/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP API: one table of routes for all ports, and the calls that are being answered.
 *
 * Inference ports carry inference, health, metadata and metrics (and Triton's repository API,
 * unless it is turned off); the control socket adds Roost's own management. All on the loop's
 * thread.
 */
#ifndef ROOST_SERVE_API_H
#define ROOST_SERVE_API_H

#include "net/http.h"
#include "net/oip.h"
#include "net/url.h"
#include "serve/request.h"
#include "serve/server.h"

struct call;

/* A route's work. `on_headers` (optional) says where the body goes or answers; without one, the
 * body is collected, bounded. `on_body` answers, now or later. `on_gone` (optional) forgets. */
struct route {
    enum http_method method;
    const char *pattern;
    unsigned ports; /* bit per enum server_port */
    void (*on_headers)(struct call *call);
    void (*on_body)(struct call *call);
    void (*on_gone)(struct call *call);
};

enum { CALL_VALUES_MAX = 2 };

struct call {
    struct server *server;
    struct http_request *http; /* NULL after the answer, or when the client is gone */
    const struct route *route;
    enum server_port port;
    char values[CALL_VALUES_MAX][CONFIG_NAME_BYTES_MAX]; /* what {} stood for, decoded */
    unsigned value_count;
    bool waits; /* for a reconciliation, which will end it */
    /* Inference only. */
    struct lane *lane;
    struct request *request; /* NULL once the lane has answered it */
    void *body;              /* in the lane's input memory; NULL: collected by the HTTP server */
    uint64_t body_bytes;
    struct oip_request oip;
    struct call *next_free;
};

/* The handler to give to an HTTP server for this port. */
void api_handler(struct server *server, enum server_port port, struct http_handler *handler);

/* Answers end the call. */
void call_respond(struct call *call, int status, const char *content_type, const char *text,
                  size_t length);
void call_respond_error(struct call *call, enum roost_err err, const char *text,
                        uint64_t retry_after_ns);
/* 200 with JSON from `body`; 503 when `body` ran out of memory. */
void call_respond_json(struct call *call, const struct strbuf *body);

/* Releases a call whose HTTP request is over. */
void call_free(struct call *call);

/* Finds the lane that values[0] (model) and values[1] (version, optional) name. Answers the call
 * and returns NULL when there is none. */
struct lane *call_lane(struct call *call);
struct tenant *call_tenant(struct call *call);

/* The routes' work, by file. */
void api_infer_headers(struct call *call);
void api_infer_body(struct call *call);
void api_infer_gone(struct call *call);

void api_live(struct call *call);
void api_ready(struct call *call);
void api_server_metadata(struct call *call);
void api_model_ready(struct call *call);
void api_model_metadata(struct call *call);
void api_model_config(struct call *call);
void api_model_statistics(struct call *call);
void api_all_statistics(struct call *call);

void api_repository_index(struct call *call);
void api_repository_load(struct call *call);
void api_repository_unload(struct call *call);
void api_repository_gone(struct call *call);

void api_metrics(struct call *call);
void api_status(struct call *call);

#endif
