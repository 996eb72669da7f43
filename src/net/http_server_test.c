/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server does with proper clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/test.h"
#include "net/http_fixture.h"

static struct web web;

static void methods_and_versions(void **state)
{
    (void)state;
    struct peer peer;
    struct web_reply reply;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peer, 200, "");
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(peer_reply(&peer, &reply));
    assert_true(reply_has(&reply, "Content-Type: text/plain"));
    assert_non_null(memmem(reply.head, reply.head_length, "\r\nDate: ", 8));
    assert_null(memmem(reply.head, reply.head_length, "Connection", 10));
    assert_memory_equal(reply.head, "HTTP/1.1 200 OK\r\n", 17);
    peer_send(&peer, "HEAD /big?100 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(peer_reply_head(&peer, &reply));
    assert_true(reply_has(&reply, "Content-Length: 100"));
    peer_send(&peer, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(peer_reply(&peer, &reply));
    assert_true(reply_has(&reply, "Connection: keep-alive"));
    peer_send(&peer, "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                     "Connection: close\r\n\r\nbye");
    assert_true(peer_reply(&peer, &reply));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_memory_equal(reply.body, "bye", 3);
    assert_true(peer_ended(&peer));
    peer_close(&peer);
    peer_open(&web, &peer);
    peer_send(&peer, "GET /echo HTTP/1.0\r\n\r\n");
    assert_true(peer_reply(&peer, &reply));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(peer_ended(&peer));
    peer_close(&peer);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_true(peer_reply(&peer, &reply));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(peer_ended(&peer));
    peer_close(&peer);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    struct http_counters counters = web_counters(&web);
    assert_int_equal(counters.connections_total, 3);
    assert_int_equal(counters.requests, 7);
    assert_int_equal(counters.bad_requests + counters.timeouts + counters.gone, 0);
    web_fini(&web);
}

static void describe(const char *request, const char *text)
{
    struct peer peer;
    peer_open(&web, &peer);
    /* The second one runs on a recycled request. */
    for (int i = 0; i < 2; i++) {
        peer_send(&peer, request);
        peer_expect(&peer, 200, text);
    }
    peer_close(&peer);
}

static void what_was_asked(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    describe("GET /head HTTP/1.1\r\nHost: a\r\nX-Value: one\r\n\r\n", "0 /head ?  | one | none");
    describe("PUT /head?a=b?c HTTP/1.1\r\nX-value: one\r\nHost:\r\nx-value: two\r\n\r\n",
             "3 /head ? a=b?c | one | none");
    describe("OPTIONS /head HTTP/1.1\r\nhost:a\r\nOTHER:  b c \t \r\nX-Value:\r\n\r\n",
             "5 /head ?  |  | b c");
    describe("DELETE /head?#f HTTP/1.1\r\nhost:a\r\nX-Valu: 1\r\nX-Value2: 2\r\n\r\n",
             "4 /head ?  | none | none");
    describe("GET http://example.org/head?q HTTP/1.1\r\nHost: example.org\r\n\r\n",
             "0 /head ? q | none | none");
    describe("PATCH /head/a%20b?x HTTP/1.1\r\nHost: a\r\n\r\n", "6 /head/a%20b ? x | none | none");
    describe("\r\n\r\nGET /head HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
             "0 /head ?  | none | none");
    /* Nothing but a host. */
    struct peer peer;
    peer_open(&web, &peer);
    peer_send(&peer, "GET http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n");
    peer_expect(&peer, 200, "");
    peer_close(&peer);
    web_fini(&web);
}

/* Answers leave in the order of the requests. */
static void pipelining_keeps_order(void **state)
{
    (void)state;
    static const unsigned orders[][4] = {
        {0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 0, 3, 1}, {3, 0, 1, 2}};
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        unsigned before = web.begun;
        for (int i = 0; i < 4; i++) {
            peer_send(&peer, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy");
        }
        WEB_UNTIL(&web, web.begun == before + 4 && web.calls[before + 3].body_done);
        for (int i = 0; i < 4; i++) {
            char text[16];
            snprintf(text, sizeof text, "answer %u", orders[o][i]);
            web_answer(&web, before + orders[o][i], text);
        }
        peer_expect(&peer, 200, "answer 0");
        peer_expect(&peer, 200, "answer 1");
        peer_expect(&peer, 200, "answer 2");
        peer_expect(&peer, 200, "answer 3");
    }
    peer_close(&peer);
    web_fini(&web);
}

static void pipelining_is_bounded(void **state)
{
    (void)state;
    struct peer peer;
    enum { REQUESTS = 100 };
    web_init(&web);
    web.limits.pipeline_max = 8;
    web_open(&web);
    peer_open(&web, &peer);
    for (int i = 0; i < REQUESTS; i++) {
        peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (unsigned answered = 0; answered < REQUESTS; answered++) {
        unsigned wanted = answered + 8 < REQUESTS ? answered + 8 : REQUESTS;
        WEB_UNTIL(&web, web.begun >= wanted);
        assert_int_equal(web.begun, wanted);
        web_answer(&web, answered, "x");
        peer_expect(&peer, 200, "x");
    }
    peer_close(&peer);
    web_fini(&web);
}

/* Answers to what came in one packet share one, and large ones are not cut up wrongly. */
static void pipelined_answers_of_all_sizes(void **state)
{
    (void)state;
    static const unsigned sizes[] = {0, 1, 9000, 9000, 3, 20000, 16000, 300, 3000000, 5, 16384};
    struct strbuf requests;
    struct peer peer;
    struct web_reply reply;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    strbuf_init(&requests);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        strbuf_printf(&requests, "GET /big?%u HTTP/1.1\r\nHost: a\r\n\r\n", sizes[i]);
    }
    assert_true(peer_send_n(&peer, requests.data, requests.length));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(peer_reply(&peer, &reply));
        assert_int_equal(reply.body_length, sizes[i]);
        for (size_t b = 0; b < reply.body_length; b++) {
            if (reply.body[b] != 'b') {
                fail_msg("byte %zu of answer %zu", b, i);
            }
        }
    }
    strbuf_fini(&requests);
    peer_close(&peer);
    web_fini(&web);
}

static const char *const whole_requests[][2] = {
    {"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", ""},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "hello"},
    {"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "hello"},
    {"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "early"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3;name=\"v\"\r\nhel\r\n1\r\nl\r\n01\r\no\r\n0\r\nTrailer: t\r\n\r\n",
     "hello"},
    {"POST /head?q HTTP/1.1\r\nOther: o\r\nHost: a\r\nX-Value: v\r\nTransfer-Encoding: "
     "Chunked\r\n\r\n0\r\n\r\n",
     "2 /head ? q | v | o"},
};
enum { WHOLE_REQUESTS = sizeof whole_requests / sizeof *whole_requests };

/* Sends, and waits until the server has read it. */
static void send_alone(struct peer *peer, const char *data, size_t length, uint64_t *sent)
{
    assert_true(peer_send_n(peer, data, length));
    *sent += length;
    WEB_UNTIL(&web, web_counters(&web).bytes_in == *sent);
}

/* However the bytes are cut, the request is the same. */
static void split_anywhere(void **state)
{
    (void)state;
    struct peer peer;
    uint64_t sent = 0;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    for (size_t r = 0; r < WHOLE_REQUESTS; r++) {
        const char *request = whole_requests[r][0];
        size_t length = strlen(request);
        for (size_t cut = 1; cut < length; cut++) {
            send_alone(&peer, request, cut, &sent);
            send_alone(&peer, request + cut, length - cut, &sent);
            peer_expect(&peer, 200, whole_requests[r][1]);
        }
        for (size_t i = 0; i < length; i++) {
            send_alone(&peer, request + i, 1, &sent);
        }
        peer_expect(&peer, 200, whole_requests[r][1]);
    }
    peer_close(&peer);
    assert_int_equal(web_counters(&web).bad_requests, 0);
    web_fini(&web);
}

static void expect_100(struct peer *peer)
{
    struct web_reply reply;
    assert_true(peer_reply(peer, &reply));
    assert_int_equal(reply.status, 100);
}

static void continue_100(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                     "Expect: 100-Continue\r\n\r\n");
    expect_100(&peer);
    peer_send(&peer, "hi");
    peer_expect(&peer, 200, "hi");
    /* One that does not wait, and one without a body, are not told. */
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                     "Expect: 100-continue\r\n\r\n");
    peer_expect(&peer, 200, "");
    /* Behind another request the word has to wait for its turn. */
    unsigned before = web.begun;
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                     "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                     "Expect: 100-continue\r\n\r\n");
    WEB_UNTIL(&web, web.begun == before + 2);
    web_answer(&web, before, "first");
    peer_expect(&peer, 200, "first");
    expect_100(&peer);
    peer_send(&peer, "2\r\nhi\r\n0\r\n\r\n");
    peer_expect(&peer, 200, "hi");
    /* HTTP/1.0 knows no such thing. */
    peer_send(&peer, "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
                     "Expect: 100-continue\r\n\r\nhi");
    peer_expect(&peer, 200, "hi");
    /* After an early answer nobody knows whether the body comes. */
    peer_send(&peer, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                     "Expect: 100-continue\r\n\r\n");
    peer_expect(&peer, 200, "early");
    assert_true(peer_ended(&peer));
    peer_close(&peer);
    web_fini(&web);
}

static void large_bodies(void **state)
{
    (void)state;
    static const size_t sizes[] = {16383, 16384, 65536, 100000, 1 << 20, 5000000};
    static const char *const paths[] = {"/echo", "/collect"};
    struct peer peer;
    struct web_reply reply;
    struct rng rng;
    char *body = malloc(5000000), head[128];
    rng_seed(&rng, 7);
    for (size_t i = 0; i < 5000000; i++) {
        body[i] = (char)rng_below(&rng, 256);
    }
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    for (size_t s = 0; s < 2 * sizeof sizes / sizeof *sizes; s++) {
        size_t bytes = sizes[s / 2];
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                 paths[s % 2], bytes);
        assert_true(peer_send(&peer, head));
        assert_true(peer_send_n(&peer, body, bytes));
        /* The next one must not be taken for a part of it. */
        assert_true(peer_send(&peer, "GET /big?3 HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_true(peer_reply(&peer, &reply));
        assert_int_equal(reply.body_length, bytes);
        assert_memory_equal(reply.body, body, bytes);
        peer_expect(&peer, 200, "bbb");
    }
    free(body);
    peer_close(&peer);
    web_fini(&web);
}

/* An answer before the body: a short rest is read, a long one ends the connection. */
static void early_answers(void **state)
{
    (void)state;
    struct peer peer;
    static char zeros[4 << 20];
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    peer_expect(&peer, 200, "early");
    peer_send_n(&peer, zeros, 100000);
    peer_send(&peer, "GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peer, 200, "early");
    peer_send(&peer, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
    assert_true(peer_send_n(&peer, zeros, sizeof zeros)); /* no reset in the middle of it */
    peer_expect(&peer, 200, "early");
    assert_true(peer_ended(&peer));
    assert_true(peer.eof);
    peer_close(&peer);
    /* The answer may also come while the body is under way, whose buffer is free again then. */
    peer_open(&web, &peer);
    unsigned call = web.begun;
    peer_send(&peer, "POST /middle HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    peer_send_n(&peer, zeros, 50000);
    WEB_UNTIL(&web, web.begun > call);
    web_answer(&web, call, "enough");
    peer_send_n(&peer, zeros, 50000);
    peer_expect(&peer, 200, "enough");
    assert_false(web.calls[call].body_done);
    peer_send(&peer, "GET /big?2 HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peer, 200, "bb");
    peer_close(&peer);
    web_fini(&web);
}

/* Requests behind an answer that ends the connection have no client any more. */
static void close_with_others_behind(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer,
              "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /close HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 4);
    web_answer(&web, 3, "never seen");
    web_answer(&web, 0, "first");
    peer_expect(&peer, 200, "first");
    peer_expect(&peer, 200, "bye");
    assert_true(peer_ended(&peer));
    assert_true(web.calls[2].gone);
    peer_close(&peer);
    web_fini(&web);
}

/* ---- conservation ------------------------------------------------------------------- */

enum { CROWD = 20, CROWD_REQUESTS = 150 };

struct crowd {
    struct peer peers[CROWD];
    unsigned sent[CROWD], seen[CROWD];
    struct rng rng;
};

static void crowd_send(struct crowd *crowd)
{
    unsigned p = (unsigned)rng_below(&crowd->rng, CROWD);
    uint64_t burst = rng_below(&crowd->rng, 6);
    while (burst-- > 0 && crowd->sent[p] < CROWD_REQUESTS) {
        char request[160];
        snprintf(request, sizeof request,
                 "POST /later HTTP/1.1\r\nHost: a\r\nX-Value: %u.%u\r\nContent-Length: 3\r\n\r\n"
                 "abc",
                 p, crowd->sent[p]++);
        assert_true(peer_send(&crowd->peers[p], request));
    }
}

/* Answers some that are open, from a random one on. */
static void crowd_answer(struct crowd *crowd)
{
    uint64_t count = rng_below(&crowd->rng, 6);
    unsigned first = web.begun > 0 ? (unsigned)rng_below(&crowd->rng, web.begun) : 0;
    for (unsigned i = 0; i < web.begun && count > 0; i++) {
        unsigned c = (first + i) % web.begun;
        if (web.calls[c].body_done && !web.calls[c].answered) {
            char text[32];
            snprintf(text, sizeof text, "%s", http_request_header(web.calls[c].request, "x-value"));
            web_answer(&web, c, text);
            count--;
        }
    }
}

/* Looks only at what has come: the test itself makes the answers. */
static unsigned crowd_read(struct crowd *crowd)
{
    unsigned done = 0;
    for (unsigned p = 0; p < CROWD; p++) {
        struct peer *peer = &crowd->peers[p];
        while (peer->in.length > peer->taken && crowd->seen[p] < crowd->sent[p]) {
            char wanted[32];
            snprintf(wanted, sizeof wanted, "%u.%u", p, crowd->seen[p]++);
            peer_expect(peer, 200, wanted);
        }
        done += crowd->seen[p];
    }
    return done;
}

/* Every request is answered once, with its own text, in its connection's order. */
static void conservation(void **state)
{
    (void)state;
    static struct crowd crowd;
    rng_seed(&crowd.rng, 42);
    web_init(&web);
    web_open(&web);
    for (int p = 0; p < CROWD; p++) {
        peer_open(&web, &crowd.peers[p]);
    }
    do {
        crowd_send(&crowd);
        web_look(&web);
        crowd_answer(&crowd);
    } while (crowd_read(&crowd) < CROWD * CROWD_REQUESTS);
    web_look(&web);
    for (int p = 0; p < CROWD; p++) {
        assert_int_equal(crowd.peers[p].in.length, crowd.peers[p].taken);
        peer_close(&crowd.peers[p]);
    }
    assert_int_equal(web.begun, CROWD * CROWD_REQUESTS);
    assert_int_equal(web.answered, CROWD * CROWD_REQUESTS);
    assert_int_equal(web_counters(&web).requests, CROWD * CROWD_REQUESTS);
    web_fini(&web);
}

/* ---- beginning and end -------------------------------------------------------------- */

static void drained(void *user)
{
    struct web *w = user;
    w->drained++;
}

static void drain_without_connections(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    http_server_drain(web.server, drained, &web);
    assert_int_equal(web.drained, 1);
    web_fini(&web);
}

/* What has been received is answered; the last answer says that the connection ends. */
static void drain_answers_what_came(void **state)
{
    (void)state;
    struct peer idle, busy, fresh;
    struct web_reply reply;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &idle);
    peer_open(&web, &busy);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 2);
    peer_send(&busy,
              "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 2);
    peer_open(&web, &fresh); /* connected, but nobody has accepted it */
    peer_send(&fresh, "GET /big?4 HTTP/1.1\r\nHost: a\r\n\r\n");
    http_server_drain(web.server, drained, &web);
    assert_true(peer_reply(&fresh, &reply));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(peer_ended(&fresh));
    peer_close(&fresh);
    web_answer(&web, 0, "one");
    assert_true(peer_reply(&busy, &reply));
    assert_false(reply_has(&reply, "Connection: close"));
    web_answer(&web, 1, "two");
    assert_true(peer_reply(&busy, &reply));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(peer_ended(&busy));
    peer_close(&busy);
    assert_int_equal(web.drained, 0);
    web_sweep_after(&web, 2 * NS_PER_S);
    assert_true(peer_ended(&idle));
    peer_close(&idle);
    WEB_UNTIL(&web, web.drained == 1);
    web_fini(&web);
}

static void close_with_requests_open(void **state)
{
    (void)state;
    struct peer peers[3];
    web_init(&web);
    web_open(&web);
    for (int p = 0; p < 3; p++) {
        peer_open(&web, &peers[p]);
        peer_send(&peers[p], "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                             "POST /middle HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    }
    WEB_UNTIL(&web, web.begun == 6);
    web.answer_when_gone = &web.calls[5]; /* on_gone may make room for others */
    http_server_close(web.server, drained, &web);
    web.server = NULL;
    assert_int_equal(web.gone, 5);
    web.closed = 1;
    for (int p = 0; p < 3; p++) {
        assert_true(peer_ended(&peers[p]));
        peer_close(&peers[p]);
    }
    assert_int_equal(web.drained, 1);
    web_fini(&web);
}

static void close_from_a_handler(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    web.close_when_done = true;
    peer_open(&web, &peer);
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(peer_ended(&peer));
    assert_int_equal(web.begun, 1);
    assert_int_equal(web.gone, 1);
    peer_close(&peer);
    web_fini(&web);
}

static void expect_open_fails(const char *host, unsigned port, enum roost_err err, const char *text)
{
    struct http_handler handler = {0};
    struct http_server *server = NULL;
    struct detail detail;
    assert_int_equal(
        http_server_open(&web.loop, host, port, &handler, &web.limits, &server, &detail), err);
    assert_null(server);
    if (strstr(detail.text, text) == NULL || strchr(detail.text, '\n') != NULL) {
        fail_msg("%s", detail.text);
    }
}

static void open_failures(void **state)
{
    (void)state;
    char port[64], path[200] = "unix:/tmp/";
    web_init(&web);
    web_open(&web);
    snprintf(port, sizeof port, "port %u is in use", http_server_port(web.server));
    expect_open_fails("127.0.0.1", http_server_port(web.server), ROOST_EXISTS, port);
    expect_open_fails(NULL, http_server_port(web.server), ROOST_EXISTS, port);
    expect_open_fails("127.0.0.1", 70000, ROOST_INVALID, "70000 is not a port");
    expect_open_fails("no.such.host.invalid", 0, ROOST_INVALID, "'no.such.host.invalid'");
    expect_open_fails("192.0.2.1", 0, ROOST_INVALID, "192.0.2.1");
    expect_open_fails("unix:", 0, ROOST_INVALID, "path must have");
    expect_open_fails("unix:/no/such/folder/socket", 0, ROOST_NOT_FOUND, "/no/such/folder/socket");
    memset(path + strlen(path), 'x', sizeof path - strlen(path) - 1);
    expect_open_fails(path, 0, ROOST_INVALID, "path must have 1 to 107 bytes");
    web_fini(&web);
    web_init(&web);
    web_open_at(&web, NULL);
    struct peer peer;
    peer_open(&web, &peer); /* over IPv4 too */
    peer_send(&peer, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peer, 200, "");
    peer_close(&peer);
    web_fini(&web);
    web_init(&web);
    web_open_at(&web, "localhost");
    web_fini(&web);
}

static void local_peer_open(struct peer *peer, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    *peer = (struct peer){.web = &web, .fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof address), 0);
    web.peers[web.peer_count++] = peer;
}

static void local_sockets(void **state)
{
    (void)state;
    char folder[] = "/tmp/roost-http-XXXXXX", host[64], *path = host + strlen("unix:");
    struct stat status;
    struct peer peer;
    assert_non_null(mkdtemp(folder));
    snprintf(host, sizeof host, "unix:%s/socket", folder);
    /* A socket that a dead server left behind. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
    web_init(&web);
    web_open_at(&web, host);
    assert_int_equal(http_server_port(web.server), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    expect_open_fails(host, 0, ROOST_EXISTS, "in use");
    local_peer_open(&peer, path);
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    peer_expect(&peer, 200, "hi");
    peer_close(&peer);
    web_fini(&web);
    assert_int_equal(access(path, F_OK), -1);
    /* What is no socket is not removed. */
    assert_int_equal(mkdir(path, 0700), 0);
    web_init(&web);
    expect_open_fails(host, 0, ROOST_EXISTS, "in use");
    uv_loop_close(&web.loop);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_versions),
        cmocka_unit_test(what_was_asked),
        cmocka_unit_test(pipelining_keeps_order),
        cmocka_unit_test(pipelining_is_bounded),
        cmocka_unit_test(pipelined_answers_of_all_sizes),
        cmocka_unit_test(split_anywhere),
        cmocka_unit_test(continue_100),
        cmocka_unit_test(large_bodies),
        cmocka_unit_test(early_answers),
        cmocka_unit_test(close_with_others_behind),
        cmocka_unit_test(conservation),
        cmocka_unit_test(drain_without_connections),
        cmocka_unit_test(drain_answers_what_came),
        cmocka_unit_test(close_with_requests_open),
        cmocka_unit_test(close_from_a_handler),
        cmocka_unit_test(open_failures),
        cmocka_unit_test(local_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
