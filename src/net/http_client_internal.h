/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the HTTP client; for http_client.c and its test. */
#ifndef ROOST_NET_HTTP_CLIENT_INTERNAL_H
#define ROOST_NET_HTTP_CLIENT_INTERNAL_H

#include <llhttp.h>
#include <sys/un.h>

#include "base/strbuf.h"
#include "net/http_client.h"

enum { CLIENT_READ_BYTES = 64 * 1024, CLIENT_ADDRESSES_MAX = 4 };

struct exchange {
    struct exchange *next; /* in the queue, or in the list of spare ones */
    uv_buf_t parts[2];
    unsigned part_count;
    bool is_head;
    http_reply_fn *done;
    void *user;
    uint64_t asked_ns, sent_ns, first_byte_ns;
};

enum client_conn_state { CLIENT_CONNECTING, CLIENT_IDLE, CLIENT_BUSY, CLIENT_CLOSING };

struct client_conn {
    struct client_conn *next, *previous;
    struct client_conn *next_idle;
    struct http_client *client;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_connect_t connect;
    uv_write_t write;
    enum client_conn_state state;
    size_t address; /* which of the server's */
    bool connect_failed;
    bool writing;  /* not all of the request has left, or never will */
    bool complete; /* the answer is whole */
    bool keep_alive;
    bool too_large;
    enum roost_err failure; /* how the exchange ends, when the connection was closed */
    struct exchange *exchange;
    llhttp_t parser;
    struct strbuf headers, body;
    size_t body_bytes;
};

struct http_client {
    uv_loop_t *loop;
    struct http_client_options options;
    struct sockaddr_storage addresses[CLIENT_ADDRESSES_MAX];
    size_t address_count;
    size_t address; /* the one to try next: the last that worked */
    bool local;     /* a Unix socket */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    uv_timer_t sweep; /* runs while something is in flight */
    llhttp_settings_t settings;
    struct client_conn *conns, *idle;
    unsigned conn_count, connecting;
    struct exchange *waiting, **waiting_tail;
    unsigned waiting_count;
    struct exchange *spare;
    unsigned in_flight;
    bool answering; /* within a callback */
    bool closing, sweep_closed;
    void (*on_closed)(void *user);
    void *closed_user;
    char read_buffer[CLIENT_READ_BYTES];
};

/* Applies the time-outs as of `now_ns`. */
void http_client_sweep(struct http_client *client, uint64_t now_ns);

#endif
