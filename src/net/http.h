/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on a libuv loop, parsed by llhttp.
 *
 * One thread: everything here is called on the loop's thread, handlers included. It does
 * keep-alive, pipelining (answers leave in the order of the requests, whatever order they are made
 * in), chunked bodies, Expect: 100-continue, limits and time-outs on everything. It knows nothing
 * of inference, and the request's Content-Encoding is the handler's business.
 *
 * A request's life:
 *
 *   on_headers ─► http_body_into, http_body_collect or http_respond
 *        │              └─► on_body_complete ─► http_respond
 *        └─ client goes away at any time before http_respond ─► on_gone
 *
 * Exactly one of http_respond (by the handler) and on_gone (by the server) ends a request; the
 * pointer is dead afterwards. http_respond may come at any time after on_headers, also while the
 * body is still on its way: the handler's buffer is free again then. on_gone may come from within
 * http_respond for another request, and from http_server_close.
 *
 * A client that closes its sending side is taken to be gone: clients of this protocol never close
 * one side only, and a server that waits for the other cannot tell who has given up. While a
 * connection has pipeline_max requests open it is not read, so that its end is seen later.
 *
 * The process must ignore SIGPIPE.
 */
#ifndef ROOST_NET_HTTP_H
#define ROOST_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/detail.h"

struct http_server;
struct http_request;

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER,
};

struct http_limits {
    size_t header_bytes_max;    /* (default: 16 KiB) request line and headers; 431 beyond */
    uint64_t body_bytes_max;    /* (default: 64 MiB) declared or received; 413 beyond */
    unsigned connections_max;   /* (default: 4096) beyond it new ones get 503 and are closed */
    unsigned pipeline_max;      /* (default: 32) read ahead per connection; then reading pauses */
    uint64_t idle_timeout_ns;   /* (default: 120 s) keep-alive without a request; closed */
    uint64_t header_timeout_ns; /* (default: 10 s) first byte to the end of the headers; 408 */
    uint64_t body_timeout_ns;   /* (default: 30 s) without a byte of body; 408 */
    uint64_t write_timeout_ns;  /* (default: 30 s) without the client taking a byte; closed */
    size_t write_bytes_max;     /* (default: 256 MiB) unsent answers per connection; closed */
};

struct http_handler {
    void *user;
    /* Headers are in. The handler says where the body goes, or answers at once (an unread body is
     * then drained up to a small bound, or the connection closed after the answer). */
    void (*on_headers)(void *user, struct http_request *request);
    /* The body is whole. */
    void (*on_body_complete)(void *user, struct http_request *request);
    /* The client closed, or broke the protocol, or was too slow: no answer is wanted any more. Also
     * called for every open request by http_server_close. */
    void (*on_gone)(void *user, struct http_request *request);
};

/* `requests` are those that the handler got: each was answered by it, or is counted in `gone`, or
 * is still open. `bad_requests` and `timeouts` count what the server itself answered or cut off. */
struct http_counters {
    uint64_t connections_open, connections_total, connections_refused;
    uint64_t requests, bad_requests, timeouts, gone;
    uint64_t bytes_in, bytes_out;
};

void http_limits_default(struct http_limits *limits);

/* Listens on host:port (port 0: any; host NULL: all addresses, IPv6 too where there is any), or on
 * the Unix socket of "unix:/path", which only this user may open. `handler` and `limits` are
 * copied. On OK *server is the caller's (http_server_close). The reason is fit for the user: "port
 * 8000 is in use: ...". EXISTS, PERMISSION, INVALID, NO_MEMORY, IO. May block to look up a name. */
enum roost_err http_server_open(uv_loop_t *loop, const char *host, unsigned port,
                                const struct http_handler *handler,
                                const struct http_limits *limits, struct http_server **server,
                                struct detail *detail);
unsigned http_server_port(const struct http_server *server); /* 0 for a Unix socket */
void http_server_counters(const struct http_server *server, struct http_counters *counters);

/* Graceful end: stops accepting and closes idle connections, those that were active a moment ago
 * only a second later, since their next request may be on its way. What has been received is
 * answered, with `Connection: close` on the last answer. `on_drained` is called once, when no
 * connection is left; this can be before the function returns. */
void http_server_drain(struct http_server *server, void (*on_drained)(void *user), void *user);

/* Ends everything now (on_gone for open requests), frees the server when libuv has closed its
 * handles, then calls on_closed (optional). on_drained is not called any more. */
void http_server_close(struct http_server *server, void (*on_closed)(void *user), void *user);

/* What was asked. Texts live until the request ends. The path comes without the query and still
 * percent-encoded; the query is "" when there is none. */
enum http_method http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_query(const struct http_request *request);
/* The first header of this name, whatever the case; NULL when absent. */
const char *http_request_header(const struct http_request *request, const char *name);
/* False: chunked, the length is not known. */
bool http_request_content_length(const struct http_request *request, uint64_t *length);
uint64_t http_request_started_ns(const struct http_request *request); /* first byte seen */
void http_request_set_user(struct http_request *request, void *user); /* the handler's own */
void *http_request_user(const struct http_request *request);

/* In on_headers only. The body (whose length is known) goes straight to `buffer`, which must hold
 * content_length bytes and stay until on_body_complete, on_gone or http_respond. Large bodies are
 * read from the socket right into it. */
void http_body_into(struct http_request *request, void *buffer);
/* In on_headers only. The body is collected in memory of the server's, at most `bytes_max` (413
 * beyond). */
void http_body_collect(struct http_request *request, uint64_t bytes_max);
/* In on_body_complete and later, after http_body_collect: the body, NUL-terminated; lives until
 * the request ends. */
const void *http_body(const struct http_request *request, size_t *length);

enum { HTTP_BODY_PARTS_MAX = 80 };

struct http_header {
    const char *name, *value; /* without control characters */
};

struct http_response {
    int status;               /* 200 to 599, one that has a body */
    const char *content_type; /* (optional) */
    /* (optional) further ones; the server adds Content-Length, Connection and Date. */
    const struct http_header *headers;
    size_t header_count;
    /* At most HTTP_BODY_PARTS_MAX, borrowed for the call: sent at once, and only what the socket
     * does not take is copied. */
    const uv_buf_t *body;
    size_t body_count;
    bool close; /* close the connection after this answer; requests behind it are gone */
};

void http_respond(struct http_request *request, const struct http_response *response);

/* {"error": text} with the status of `err`; adds Retry-After (whole seconds, at least 1) when
 * retry_after_ns > 0, and to UNSUPPORTED the content codings that are spoken here. */
void http_respond_error(struct http_request *request, enum roost_err err, const char *text,
                        uint64_t retry_after_ns);

#endif
