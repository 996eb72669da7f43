/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the HTTP server: connections, their requests, and who frees what.
 *
 *   http_server.c   listening, limits, time-outs, drain, close
 *   http_conn.c     a connection: reading, parsing, pausing, closing
 *   http_request.c  what handlers ask of a request
 *   http_write.c    answers, in the order of the requests
 *
 * A connection's requests form a list in order of arrival. A request leaves it when it is both read
 * to its end and answered to its end (or given up). A connection is freed in libuv's close
 * callback, never earlier.
 */
#ifndef ROOST_NET_HTTP_INTERNAL_H
#define ROOST_NET_HTTP_INTERNAL_H

#include <llhttp.h>

#include "base/strbuf.h"
#include "net/http.h"

enum { HTTP_READ_BYTES = 64 * 1024, HTTP_HEADERS_MAX = 64 };

enum http_body_mode {
    BODY_UNDECIDED,
    BODY_INTO,    /* the handler's buffer */
    BODY_COLLECT, /* our own */
    BODY_DISCARD, /* answered already: read and forget */
};

/* Places in request->text, so that it may grow. */
struct http_field {
    unsigned name, value;
};

struct http_request {
    struct http_request *next;
    struct http_conn *conn;
    void *user;
    uint64_t started_ns;
    enum http_method method;
    bool reading; /* not all of it has been parsed */
    bool headers_done;
    bool answered; /* by the handler; or given up */
    bool sent;     /* the answer has left, or is with the socket */
    bool head;     /* no body in the answer */
    bool keep_alive;
    bool http10;
    bool chunked, has_length;
    uint64_t length, received;
    enum http_body_mode mode;
    char *body;
    uint64_t body_max;
    struct strbuf collected;
    struct strbuf text; /* target, then names and values, each NUL-terminated */
    unsigned query;     /* place of the query in text */
    unsigned field_count;
    struct http_field fields[HTTP_HEADERS_MAX];
    struct strbuf answer; /* made before its turn came */
    bool close_after;
};

struct http_conn {
    struct http_conn *next, *previous;
    struct http_server *server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    llhttp_t parser;
    struct http_request *first, *last; /* last is the one being read, if it still is */
    unsigned open_requests;
    size_t header_bytes;
    bool closing, lingering, last_answer, paused, stopped_reading;
    bool in_parser;
    enum roost_err refusal; /* to answer a request that broke a limit or the protocol */
    const char *refusal_text;
    char *leftover; /* read, not parsed, while paused */
    size_t leftover_bytes;
    uint64_t active_ns; /* last byte read, or answer begun */
    uint64_t write_ns;  /* last byte that the client took */
    size_t unsent;
    uv_shutdown_t shutdown;
};

struct http_server {
    uv_loop_t *loop;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_timer_t sweep;
    bool local; /* a Unix socket */
    bool draining, closing, listening;
    unsigned handles_open;
    struct http_handler handler;
    struct http_limits limits;
    struct http_counters counters;
    llhttp_settings_t settings;
    struct http_conn *conns;
    unsigned port;
    void (*on_drained)(void *user);
    void *drained_user;
    void (*on_closed)(void *user);
    void *closed_user;
    struct http_request *spare; /* recycled */
    unsigned spare_count;
    char read_buffer[HTTP_READ_BYTES];
};

/* http_conn.c */
void http_conn_accept(struct http_server *server);
void http_conn_close(struct http_conn *conn);
/* Parses on after a pause, when requests have left. */
void http_conn_resume(struct http_conn *conn);
void http_parser_settings(llhttp_settings_t *settings);
/* After its last answer: stop writing, read what still comes for a moment, close. */
void http_conn_finish(struct http_conn *conn);

/* http_request.c */
struct http_request *http_request_begin(struct http_conn *conn);
void http_request_release(struct http_request *request); /* removes it from the connection's list */
void http_request_destroy(struct http_request *request);

/* http_write.c */
/* Sends what may be sent; releases requests that are over. */
void http_conn_flush(struct http_conn *conn);

/* http_server.c */
void http_server_conn_gone(struct http_server *server, struct http_conn *conn);

#endif
