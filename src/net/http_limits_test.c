/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server does with clients that want too much or take too long. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/test.h"
#include "net/http_fixture.h"

static struct web web;

static void expect_refusal(const char *request, int status)
{
    struct peer peer;
    peer_open(&web, &peer);
    peer_send(&peer, request);
    peer_expect_refusal(&peer, status);
    peer_close(&peer);
}

static char *text_of(const char *before, char filler, size_t count, const char *after)
{
    size_t length = strlen(before);
    char *text = malloc(length + count + strlen(after) + 1);
    memcpy(text, before, length);
    memset(text + length, filler, count);
    memcpy(text + length + count, after, strlen(after) + 1);
    return text;
}

static void refuse_filled(const char *before, char filler, size_t count, const char *after)
{
    char *text = text_of(before, filler, count, after);
    expect_refusal(text, 431);
    free(text);
}

static void header_bytes(void **state)
{
    (void)state;
    web_init(&web);
    web.limits.header_bytes_max = 1000;
    web_open(&web);
    refuse_filled("GET /", 'a', 1000, " HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse_filled("GET / HTTP/1.1\r\nHost: a\r\nValue: ", 'a', 1000, "\r\n\r\n");
    refuse_filled("GET / HTTP/1.1\r\nHost: a\r\n", 'a', 1000, ": b\r\n\r\n");
    /* Without an end, too. */
    refuse_filled("GET / HTTP/1.1\r\nHost: a\r\nValue: ", 'a', 100000, "");
    assert_int_equal(web.begun, 0);
    static const char chunked[] = "POST /collect HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
    char *extension = text_of(chunked, '0', 1, "1;");
    refuse_filled(extension, 'e', 1000, "=v\r\na\r\n0\r\n\r\n");
    free(extension);
    char *trailer = text_of(chunked, '0', 1, "\r\nTrailer: ");
    refuse_filled(trailer, 't', 1000, "\r\n\r\n");
    free(trailer);
    assert_int_equal(web.gone, 2);
    assert_int_equal(web_counters(&web).bad_requests, 6);
    /* As much as is allowed. */
    char *fits = text_of("GET /echo HTTP/1.1\r\nHost: a\r\nV: ", 'a', 980, "\r\n\r\n");
    struct peer peer;
    peer_open(&web, &peer);
    for (int i = 0; i < 3; i++) {
        peer_send(&peer, fits);
        peer_expect(&peer, 200, "");
    }
    peer_close(&peer);
    free(fits);
    web_fini(&web);
}

static void header_count(void **state)
{
    (void)state;
    struct strbuf request;
    struct peer peer;
    strbuf_init(&request);
    web_init(&web);
    web_open(&web);
    strbuf_puts(&request, "GET /echo HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < HTTP_FIELDS_MAX; i++) {
        strbuf_printf(&request, "N%d: v\r\n", i);
    }
    char *enough = text_of(strbuf_text(&request), '\r', 1, "\n");
    peer_open(&web, &peer);
    peer_send(&peer, enough);
    peer_expect(&peer, 200, "");
    peer_close(&peer);
    char *many = text_of(strbuf_text(&request), 'M', 1, ": v\r\n\r\n");
    expect_refusal(many, 431);
    free(enough);
    free(many);
    strbuf_fini(&request);
    web_fini(&web);
}

static void body_bytes(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web.limits.body_bytes_max = 100;
    web_open(&web);
    expect_refusal("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413);
    expect_refusal("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n"
                   "Expect: 100-continue\r\n\r\n",
                   413);
    expect_refusal("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
                   413);
    assert_int_equal(web.begun, 0);
    char *chunks = text_of("POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                           "\r\n50\r\n",
                           'b', 80, "\r\n15\r\nccccccccccccccccccccc\r\n0\r\n\r\n");
    expect_refusal(chunks, 413);
    free(chunks);
    /* What this handler takes. */
    expect_refusal("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413);
    expect_refusal("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "b\r\n12345678901\r\n",
                   413);
    assert_int_equal(web.gone, 3);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1234567890");
    peer_expect(&peer, 200, "1234567890");
    /* A refusal waits for the answers before it. */
    unsigned first = web.begun;
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                     "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    WEB_UNTIL(&web, web.gone == 4);
    web_answer(&web, first + 1, "two");
    web_answer(&web, first, "one");
    peer_expect(&peer, 200, "one");
    peer_expect(&peer, 200, "two");
    peer_expect_refusal(&peer, 413);
    peer_close(&peer);
    web_fini(&web);
}

/* The whole of a body that is too large can be sent before the refusal is read. */
static void refusal_outlives_the_body(void **state)
{
    (void)state;
    struct peer peer;
    char *zeros = calloc(1, 5000000);
    web_init(&web);
    web.limits.body_bytes_max = 100;
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    assert_true(peer_send_n(&peer, zeros, 5000000));
    peer_expect_refusal(&peer, 413);
    assert_true(peer.eof);
    peer_close(&peer);
    free(zeros);
    web_fini(&web);
}

/* ---- time --------------------------------------------------------------------------- */

static void late_headers(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHo");
    WEB_UNTIL(&web, web.begun == 1 && web_counters(&web).bytes_in > 30 + 22);
    web_sweep_after(&web, 9 * NS_PER_S);
    assert_int_equal(web_counters(&web).timeouts, 0);
    web_sweep_after(&web, 11 * NS_PER_S);
    assert_int_equal(web_counters(&web).timeouts, 1);
    /* The request before it is not late: it waits for us. */
    peer_send(&peer, "st: a\r\n\r\n");
    web_answer(&web, 0, "one");
    peer_expect(&peer, 200, "one");
    peer_expect_refusal(&peer, 408);
    peer_close(&peer);
    assert_int_equal(web.begun, 1);
    web_fini(&web);
}

static void late_body(void **state)
{
    (void)state;
    static const char *const paths[] = {"echo", "collect", "early"};
    web_init(&web);
    web_open(&web);
    for (unsigned i = 0; i < 3; i++) {
        struct peer peer;
        char request[100];
        peer_open(&web, &peer);
        snprintf(request, sizeof request,
                 "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", paths[i]);
        uint64_t in = web_counters(&web).bytes_in;
        peer_send(&peer, request);
        WEB_UNTIL(&web, web_counters(&web).bytes_in == in + strlen(request));
        web_sweep_after(&web, 29 * NS_PER_S);
        assert_int_equal(web_counters(&web).timeouts, i);
        web_sweep_after(&web, 31 * NS_PER_S);
        assert_int_equal(web_counters(&web).timeouts, i + 1);
        if (i < 2) {
            assert_int_equal(web.gone, i + 1);
            peer_expect_refusal(&peer, 408);
        } else {
            peer_expect(&peer, 200, "early"); /* it was answered before */
            assert_true(peer_ended(&peer));
        }
        peer_close(&peer);
    }
    web_fini(&web);
}

static void idle_connections(void **state)
{
    (void)state;
    struct peer fresh, used, working;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &fresh);
    peer_open(&web, &used);
    peer_open(&web, &working);
    peer_send(&used, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&used, 200, "");
    peer_send(&working, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 2 && web_counters(&web).connections_open == 3);
    web_sweep_after(&web, 119 * NS_PER_S);
    assert_int_equal(web_counters(&web).connections_open, 3);
    web_sweep_after(&web, 121 * NS_PER_S);
    assert_true(peer_ended(&fresh));
    assert_true(peer_ended(&used));
    web_sweep_after(&web, 1000 * NS_PER_S);
    web_answer(&web, 1, "at last");
    peer_expect(&working, 200, "at last");
    peer_close(&fresh);
    peer_close(&used);
    peer_close(&working);
    web_fini(&web);
}

/* A client that has its answer and its end, and stays. */
static void lingering(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peer, 200, "bye");
    assert_true(peer_ended(&peer));
    uint64_t in = web_counters(&web).bytes_in;
    peer_send(&peer, "more");
    WEB_UNTIL(&web, web_counters(&web).bytes_in == in + 4);
    web_sweep_after(&web, NS_PER_S);
    assert_int_equal(web_counters(&web).connections_open, 1);
    web_sweep_after(&web, 3 * NS_PER_S);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    assert_int_equal(web.begun, 1);
    peer_close(&peer);
    web_fini(&web);
}

/* ---- clients that do not read ------------------------------------------------------- */

/* Asks for far more than socket buffers hold, and reads none of it. */
static void peer_open_deaf(struct peer *peer, const char *path)
{
    char request[100];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_open(&web, peer);
    web.peer_count--; /* so that turning the server reads nothing */
    peer_send(peer, request);
}

static void unread_answers(void **state)
{
    (void)state;
    struct peer peer;
    char byte[65536];
    web_init(&web);
    web_open(&web);
    peer_open_deaf(&peer, "/big?50000000");
    WEB_UNTIL(&web, web.answered == 1);
    web_sweep_after(&web, 29 * NS_PER_S);
    assert_int_equal(web_counters(&web).timeouts, 0);
    /* Taking some of it is enough to stay. */
    struct http_conn *conn = web.server->conns;
    size_t before = uv_stream_get_write_queue_size(&conn->uv.stream);
    while (uv_stream_get_write_queue_size(&conn->uv.stream) == before) {
        recv(peer.fd, byte, sizeof byte, MSG_DONTWAIT);
        web_look(&web);
    }
    web_sweep_after(&web, 31 * NS_PER_S);
    assert_int_equal(web_counters(&web).timeouts, 0);
    assert_int_equal(web_counters(&web).connections_open, 1);
    web_sweep_after(&web, 62 * NS_PER_S + 2 * NS_PER_S);
    assert_int_equal(web_counters(&web).timeouts, 1);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    peer_close(&peer);
    web_fini(&web);
}

static void unread_answers_are_bounded(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web.limits.write_bytes_max = 10000000;
    web_open(&web);
    peer_open_deaf(&peer, "/big?50000000");
    WEB_UNTIL(&web, web.answered == 1 && web_counters(&web).connections_open == 0);
    peer_close(&peer);
    /* Answers that wait for their turn count too. */
    char *large = malloc(4000001);
    memset(large, 'x', 4000000);
    large[4000000] = '\0';
    peer_open(&web, &peer);
    for (int i = 0; i < 4; i++) {
        peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    WEB_UNTIL(&web, web.begun == 5);
    web_answer(&web, 2, large);
    web_answer(&web, 3, large);
    assert_int_equal(web.gone, 0);
    web_answer(&web, 4, large);
    assert_int_equal(web.gone, 1);
    assert_true(peer_ended(&peer));
    free(large);
    peer_close(&peer);
    web_fini(&web);
}

/* Requests are not read while the answers before them pile up. */
static void unread_answers_stop_reading(void **state)
{
    (void)state;
    struct peer peer;
    enum { REQUESTS = 200 };
    web_init(&web);
    web.limits.write_bytes_max = 20000000;
    web_open(&web);
    peer_open_deaf(&peer, "/big?1000000");
    for (int i = 1; i < REQUESTS; i++) {
        peer_send(&peer, "GET /big?1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    WEB_UNTIL(&web, web.server->conns != NULL && web.server->conns->paused);
    assert_true(web.begun < REQUESTS);
    assert_true(uv_stream_get_write_queue_size(&web.server->conns->uv.stream) <= 20000000);
    web.peers[web.peer_count++] = &peer;
    for (int i = 0; i < REQUESTS; i++) {
        struct web_reply reply;
        assert_true(peer_reply(&peer, &reply));
        assert_int_equal(reply.body_length, 1000000);
        peer_forget(&peer);
    }
    peer_close(&peer);
    web_fini(&web);
}

/* ---- connections -------------------------------------------------------------------- */

static void connections(void **state)
{
    (void)state;
    struct peer peers[3], refused[70];
    web_init(&web);
    web.limits.connections_max = 3;
    web_open(&web);
    for (int p = 0; p < 3; p++) {
        peer_open(&web, &peers[p]);
    }
    WEB_UNTIL(&web, web_counters(&web).connections_open == 3);
    for (int p = 0; p < 70; p++) {
        peer_open(&web, &refused[p]);
    }
    WEB_UNTIL(&web, web_counters(&web).connections_refused == 70);
    for (int p = 0; p < 64; p++) {
        struct web_reply reply;
        peer_send(&refused[p], "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(peer_reply(&refused[p], &reply));
        assert_true(reply_has(&reply, "Retry-After: 1"));
        assert_true(reply_has(&reply, "Connection: close"));
        assert_int_equal(reply.status, 503);
        assert_true(peer_ended(&refused[p]));
    }
    for (int p = 64; p < 70; p++) {
        assert_true(peer_ended(&refused[p]));
    }
    for (int p = 0; p < 70; p++) {
        peer_close(&refused[p]);
    }
    for (int p = 0; p < 3; p++) {
        peer_send(&peers[p], "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_expect(&peers[p], 200, "");
    }
    assert_int_equal(web.begun, 3);
    /* A place that becomes free is given to the next. */
    peer_close(&peers[0]);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 2);
    peer_open(&web, &peers[0]);
    peer_send(&peers[0], "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(&peers[0], 200, "");
    assert_int_equal(web_counters(&web).connections_total, 4);
    for (int p = 0; p < 3; p++) {
        peer_close(&peers[p]);
    }
    web_fini(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_bytes),
        cmocka_unit_test(header_count),
        cmocka_unit_test(body_bytes),
        cmocka_unit_test(refusal_outlives_the_body),
        cmocka_unit_test(late_headers),
        cmocka_unit_test(late_body),
        cmocka_unit_test(idle_connections),
        cmocka_unit_test(lingering),
        cmocka_unit_test(unread_answers),
        cmocka_unit_test(unread_answers_are_bounded),
        cmocka_unit_test(unread_answers_stop_reading),
        cmocka_unit_test(connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
