/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 client on a libuv loop: a pool of keep-alive connections to one server. For the load
 * generator and the command line. One thread. Requests are sent as given (the caller builds header
 * and body once and sends it many times).
 *
 * Nothing is sent twice: a server that closes a kept connection just when a request is sent on it
 * makes that request fail. The process must ignore SIGPIPE.
 */
#ifndef ROOST_NET_HTTP_CLIENT_H
#define ROOST_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/detail.h"

struct http_client;

struct http_reply {
    int status; /* 0: no answer; `err` says why */
    /* OK, UNAVAILABLE (refused, reset), EXPIRED (time-out), INVALID (not HTTP), TOO_LARGE,
     * NO_MEMORY, CANCELLED (closed). */
    enum roost_err err;
    const char *headers; /* raw header lines, NUL-terminated; use http_reply_header */
    const char *body;    /* lives for the callback only */
    size_t body_bytes;
    uint64_t sent_ns, first_byte_ns, done_ns; /* 0: did not happen */
};
typedef void http_reply_fn(void *user, const struct http_reply *reply);

struct http_client_options {
    const char *host; /* name or address, or "unix:/path" */
    unsigned port;
    unsigned connections_max; /* open at most so many; further requests wait in a queue */
    size_t reply_bytes_max;   /* (default: 256 MiB) */
    uint64_t timeout_ns;      /* 0: none; from http_client_send to the whole answer */
    bool discard_body;        /* count the body's bytes but do not keep them */
};

/* Looks up the name, which may block, but does not connect yet. UNAVAILABLE for a name that is not
 * known, INVALID, NO_MEMORY. `options` is copied. */
enum roost_err http_client_open(uv_loop_t *loop, const struct http_client_options *options,
                                struct http_client **client, struct detail *detail);
/* Sends one prepared request: `head` (request line and headers up to and including the empty line)
 * and body (NULL: none); both must stay until the callback, which is called exactly once and, but
 * for NO_MEMORY, from the loop. It may send again, and close the client. */
void http_client_send(struct http_client *client, const uv_buf_t *head, const uv_buf_t *body,
                      http_reply_fn *done, void *user);
unsigned http_client_in_flight(const struct http_client *client); /* sent or waiting */
/* Cancels what is open (callbacks with CANCELLED, from the loop), closes, frees, and then calls
 * on_closed (optional). */
void http_client_close(struct http_client *client, void (*on_closed)(void *user), void *user);

/* Value of a header of the reply into `out`; false when absent or too long. */
bool http_reply_header(const struct http_reply *reply, const char *name, char *out,
                       size_t out_bytes);

/* One blocking request on a loop of its own: for commands. `body` (NULL: none) is a text.
 * *reply_body is the caller's (free) and NUL-terminated; NULL unless OK. OK means an answer,
 * whatever its status; one that takes longer than ten minutes is EXPIRED. */
enum roost_err http_fetch(const char *host, unsigned port, const char *method, const char *path,
                          const char *body, int *status, char **reply_body, size_t *reply_bytes,
                          struct detail *detail);

#endif
