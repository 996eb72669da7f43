/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server's tests share: a server on a loop that the test turns by hand, and clients
 * on plain sockets.
 *
 * The handler does what the path says:
 *
 *   /echo       the body, into a buffer of its own where the length is known
 *   /collect    the body, collected by the server
 *   /small      the same with at most 10 bytes
 *   /early      "early", before the body
 *   /close      "bye", and the connection ends
 *   /big        as many bytes as the query says
 *   /later      nothing: the test answers with web_answer
 *   /middle     nothing either, and the body goes to a buffer
 *   /head       what http_request_* say
 */
#ifndef ROOST_NET_HTTP_FIXTURE_H
#define ROOST_NET_HTTP_FIXTURE_H

#include "base/strbuf.h"
#include "net/http_internal.h"

enum { WEB_CALLS_MAX = 4096, WEB_PEERS_MAX = 128, WEB_PARTS_MAX = 4 };

/* One request that the handler got. */
struct web_call {
    struct web *web;
    struct http_request *request;
    char *body;
    bool body_done, answered, gone;
};

struct web {
    uv_loop_t loop;
    struct http_server *server;
    struct http_limits limits;
    struct detail detail;
    struct web_call calls[WEB_CALLS_MAX];
    unsigned begun, answered, gone;
    unsigned drained, closed;
    bool quiet; /* nothing happened in the last turn */
    struct web_call *answer_when_gone;
    bool close_when_done; /* /later closes the server when its body is there */
    struct peer *peers[WEB_PEERS_MAX];
    unsigned peer_count;
};

/* With the default limits, unless `limits` is changed between the two. */
void web_init(struct web *web);
void web_open(struct web *web);
void web_open_at(struct web *web, const char *host);
/* Closes the server and the loop; every request must have ended once. */
void web_fini(struct web *web);

/* Lets take effect what has happened anywhere; waits for something to happen if nothing has. */
void web_look(struct web *web);
void web_turn(struct web *web);
#define WEB_UNTIL(web, condition)                                                                  \
    do {                                                                                           \
        while (!(condition)) {                                                                     \
            web_turn(web);                                                                         \
        }                                                                                          \
    } while (0)

struct http_counters web_counters(const struct web *web);
/* The time-outs as of so much later. */
void web_sweep_after(struct web *web, uint64_t later_ns);

/* Answers the n-th request with this text. */
void web_answer(struct web *web, unsigned call, const char *text);

struct peer {
    struct web *web;
    int fd;
    bool eof, reset;
    struct strbuf in;
    size_t taken; /* of `in`, by peer_reply */
};

void peer_open(struct web *web, struct peer *peer);
/* Closes; unread data make it a reset. */
void peer_close(struct peer *peer);
/* Sends all of it, while the server is turned. False when the server does not want it. */
bool peer_send_n(struct peer *peer, const void *data, size_t length);
bool peer_send(struct peer *peer, const char *text);

struct web_reply {
    int status;
    const char *head; /* status line and headers */
    size_t head_length;
    const char *body;
    size_t body_length;
};

/* The next answer, until the next turn; false when the connection ended before it was whole. */
bool peer_reply(struct peer *peer, struct web_reply *reply);
/* The same for HEAD. */
bool peer_reply_head(struct peer *peer, struct web_reply *reply);
/* Gives up the memory of answers that were looked at. */
void peer_forget(struct peer *peer);
/* Whether the server closed without another byte. */
bool peer_ended(struct peer *peer);

/* An answer with this status and body. */
void peer_expect(struct peer *peer, int status, const char *body);
/* An error of the server's with this status, and then the end. */
void peer_expect_refusal(struct peer *peer, int status);
/* Whether the answer has this header line. */
bool reply_has(const struct web_reply *reply, const char *line);

#endif
