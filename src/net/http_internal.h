/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the HTTP server: connections, their requests, and who frees what.
 *
 *   http_listen.c   a listening socket from a host and a port
 *   http_server.c   accepting, time-outs, drain, close
 *   http_conn.c     a connection: reading, pausing, refusing, closing
 *   http_parse.c    the parser's callbacks: bytes into requests
 *   http_request.c  what handlers ask of a request
 *   http_write.c    answers, in the order of the requests
 *
 * The parser stops after the headers and after the end of each request, and handlers are called
 * between two calls of the parser, never inside of it: a handler may answer, close the connection's
 * server or answer other requests without anybody's stack noticing.
 *
 * A connection's requests form a list in order of arrival. A request leaves it when it is both read
 * to its end and answered to its end. A connection is freed, with the requests that are left, in
 * libuv's close callback, never earlier.
 */
#ifndef ROOST_NET_HTTP_INTERNAL_H
#define ROOST_NET_HTTP_INTERNAL_H

#include <llhttp.h>

#include "base/strbuf.h"
#include "net/http.h"

enum { HTTP_READ_BYTES = 64 * 1024, HTTP_FIELDS_MAX = 100, HTTP_DATE_BYTES_MAX = 48 };

enum http_read { READ_HEADERS, READ_BODY, READ_DONE };

enum http_body_mode {
    BODY_UNDECIDED,
    BODY_INTO,    /* the handler's buffer */
    BODY_COLLECT, /* our own */
    BODY_DISCARD, /* answered already: read and forget */
};

/* Places in request->text, which may move while it grows. */
struct http_field {
    unsigned name, value;
};

struct http_request {
    struct http_request *next;
    struct http_conn *conn;
    void *user;
    uint64_t started_ns;
    enum http_method method;
    enum http_read read;
    enum http_body_mode mode;
    bool held;     /* the handler has it: one of http_respond and on_gone is due */
    bool answered; /* the answer is made; it may have to wait in `answer` for its turn */
    bool sent;     /* the answer is with the socket */
    bool keep_alive, http10, chunked;
    bool expects_continue; /* the client has not been told yet to go on */
    bool close_after;
    uint64_t length, received, body_max;
    char *body;
    unsigned path, query; /* places in text */
    unsigned field_count;
    struct strbuf text; /* target, then names and values, each NUL-terminated */
    struct strbuf collected;
    struct strbuf answer;
    struct http_field fields[HTTP_FIELDS_MAX];
};

union http_stream {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct http_conn {
    struct http_conn *next, *previous;
    struct http_server *server;
    union http_stream uv;
    llhttp_t parser;
    struct http_request *first, *last; /* last is the one being read, if one is */
    unsigned open_requests;
    size_t header_bytes;    /* of the last request: its line, headers, chunk extensions, trailers */
    bool closing;           /* uv_close was called */
    bool input_over;        /* what still comes is read and forgotten */
    bool lingering;         /* the last answer is with the socket; waits for the client to close */
    bool paused;            /* reading is stopped until requests have left */
    bool feeding;           /* conn_feed is on the stack */
    bool corked;            /* answers are gathered in `out` */
    bool turned_away;       /* beyond connections_max: it only hears why */
    bool counted;           /* in connections_open */
    bool in_field;          /* the parser is within the name of a header */
    enum roost_err refusal; /* why the parser was stopped */
    const char *refusal_text;
    char *leftover; /* read, not parsed, while paused */
    size_t leftover_bytes;
    struct strbuf out;
    uint64_t active_ns;    /* a byte came, or an answer was begun */
    uint64_t taken_ns;     /* the client took a byte, or there was none to take */
    uint64_t linger_ns;    /* since when lingering */
    size_t kept_bytes;     /* of answers that wait for their turn */
    uint64_t queued_bytes; /* ever handed to uv_write */
    uint64_t taken_bytes;  /* of those, what the client had taken at the last sweep */
    uv_shutdown_t shutdown;
};

struct http_listener {
    int fd;
    bool local;    /* a Unix socket */
    unsigned port; /* what was got */
    char *path;    /* of the Unix socket, to remove it at the end */
};

struct http_server {
    uv_loop_t *loop;
    union http_stream uv;
    uv_timer_t sweep;
    struct http_listener listener;
    bool draining, closing, listening;
    bool accept_failed; /* a client waits in the backlog for memory */
    unsigned handles_open;
    unsigned turned_away; /* connections that linger with a 503 */
    struct http_handler handler;
    struct http_limits limits;
    struct http_counters counters;
    llhttp_settings_t settings;
    struct http_conn *conns;
    void (*on_drained)(void *user);
    void *drained_user;
    void (*on_closed)(void *user);
    void *closed_user;
    struct http_request *spare; /* recycled */
    unsigned spare_count;
    time_t date_s;
    size_t date_bytes;
    char date[HTTP_DATE_BYTES_MAX]; /* "Date: ...\r\n" */
    char read_buffer[HTTP_READ_BYTES];
};

/* http_listen.c */
enum roost_err http_listen(const char *host, unsigned port, struct http_listener *listener,
                           struct detail *detail);

/* http_server.c */
/* Applies the time-outs as of `now_ns`. */
void http_server_sweep(struct http_server *server, uint64_t now_ns);
/* A connection has come: there is something to sweep. */
void http_server_conn_new(struct http_server *server);
/* One is about to be freed. */
void http_server_conn_gone(struct http_server *server, struct http_conn *conn);

/* http_conn.c */
/* Takes the next client from the backlog. */
void http_conn_accept(struct http_server *server);
/* Takes a connected socket; it is closed when that fails. */
void http_conn_adopt(struct http_server *server, int fd);
void http_conn_close(struct http_conn *conn);
/* After its last answer: stops writing, reads what still comes for a moment, closes. */
void http_conn_finish(struct http_conn *conn);
/* Parses on after a pause, when there is room again. */
void http_conn_resume(struct http_conn *conn);
/* Answers the request being read with an error, and reads no further one. */
void http_conn_refuse(struct http_conn *conn, enum roost_err err, const char *text);
/* The handler learns that the request has no client any more. */
void http_request_give_up(struct http_request *request);
/* Tells the client to go on with its body, if it is the first's turn and it waits for that. */
void http_conn_continue(struct http_conn *conn);

/* http_parse.c */
void http_parser_settings(llhttp_settings_t *settings);
/* Fills in what the headers say; false after noting why the request is refused. */
bool http_parse_headers(struct http_conn *conn, struct http_request *request);

/* http_request.c */
struct http_request *http_request_begin(struct http_conn *conn);
void http_request_release(struct http_request *request); /* the first of its connection */
void http_request_destroy(struct http_request *request);

/* http_write.c */
/* Makes and sends an answer that is not the handler's. */
void http_answer(struct http_request *request, const struct http_response *response);
void http_answer_error(struct http_request *request, enum roost_err err, const char *text,
                       uint64_t retry_after_ns);
/* Sends what may be sent; releases requests that are over. */
void http_conn_flush(struct http_conn *conn);
/* Sends what was gathered. */
void http_conn_uncork(struct http_conn *conn);
void http_conn_send(struct http_conn *conn, const uv_buf_t *parts, size_t count);

#endif
