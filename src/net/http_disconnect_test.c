/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server does when clients go away, at any moment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/test.h"
#include "net/http_fixture.h"

static struct web web;

static const char *const requests[] = {
    "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /later?x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /middle HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;e=\"v\"\r\nhel\r\n2\r\nlo\r\n0\r\nT: t\r\n\r\n",
    "POST /later HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "GET /later HTTP/1.1\r\nHost: a\r\n\r\nPOST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2"
    "\r\n\r\nhiGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
};

/* Every request that was begun ends once, and the server serves on. */
static void at_every_byte(bool reset)
{
    struct peer peer;
    unsigned connections = 0;
    web_init(&web);
    web_open(&web);
    for (size_t r = 0; r < sizeof requests / sizeof *requests; r++) {
        size_t length = strlen(requests[r]);
        for (size_t cut = 0; cut <= length; cut++) {
            uint64_t in = web_counters(&web).bytes_in;
            peer_open(&web, &peer);
            connections++;
            peer_send_n(&peer, requests[r], cut);
            /* A reset may throw away what was sent, so it is read first. */
            WEB_UNTIL(&web, web_counters(&web).connections_total == connections &&
                                (!reset || web_counters(&web).bytes_in == in + cut));
            if (reset) {
                struct linger linger = {.l_onoff = 1};
                setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
            }
            peer_close(&peer);
            WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
            assert_int_equal(web.begun, web.answered + web.gone);
        }
        web.begun = web.answered = web.gone = 0;
    }
    peer_open(&web, &peer);
    peer_send(&peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    peer_expect(&peer, 200, "hi");
    peer_close(&peer);
    assert_int_equal(web_counters(&web).bad_requests, 0);
    web_fini(&web);
}

static void end_at_every_byte(void **state)
{
    (void)state;
    at_every_byte(false);
}

static void reset_at_every_byte(void **state)
{
    (void)state;
    at_every_byte(true);
}

/* Noticed while the request is with the handler, not when its answer is written. */
static void while_the_handler_works(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    for (int i = 0; i < 5; i++) {
        peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    WEB_UNTIL(&web, web.begun == 5);
    web_answer(&web, 3, "waits for its turn in vain");
    peer_close(&peer);
    WEB_UNTIL(&web, web.gone == 4);
    assert_int_equal(web_counters(&web).gone, 4);
    /* One side only: taken for the same. */
    peer_open(&web, &peer);
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 6);
    shutdown(peer.fd, SHUT_WR);
    WEB_UNTIL(&web, web.gone == 5);
    assert_true(peer_ended(&peer));
    peer_close(&peer);
    web_fini(&web);
}

static void while_an_answer_is_sent(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    for (unsigned i = 0; i < 8; i++) {
        struct peer peer;
        peer_open(&web, &peer);
        peer_send(&peer, "GET /big?20000000 HTTP/1.1\r\nHost: a\r\n\r\n"
                         "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
        WEB_UNTIL(&web, web.begun == 2 * i + 2 && peer.in.length > i * 100000);
        peer_close(&peer);
        WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
        assert_int_equal(web.gone, i + 1);
    }
    web_fini(&web);
}

/* In the middle of a body that is read straight into the handler's memory, which is gone then. */
static void within_a_large_body(void **state)
{
    (void)state;
    static const char *const paths[] = {"middle", "collect", "early"};
    char *zeros = calloc(1, 1000000), head[100];
    web_init(&web);
    web_open(&web);
    for (unsigned i = 0; i < 30; i++) {
        struct peer peer;
        peer_open(&web, &peer);
        snprintf(head, sizeof head,
                 "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", paths[i % 3]);
        peer_send(&peer, head);
        peer_send_n(&peer, zeros, 33333 * i);
        WEB_UNTIL(&web, web.begun == i + 1);
        peer_close(&peer);
        WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    }
    assert_int_equal(web.gone, 20);
    free(zeros);
    web_fini(&web);
}

/* A connection that is not read, because too many requests are open, ends all the same. */
static void while_reading_is_paused(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web.limits.pipeline_max = 2;
    web_open(&web);
    peer_open(&web, &peer);
    for (int i = 0; i < 4; i++) {
        peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    WEB_UNTIL(&web, web.begun == 2);
    peer_close(&peer);
    web_look(&web);
    assert_int_equal(web.gone, 0);
    for (unsigned i = 0; i < 4; i++) {
        WEB_UNTIL(&web, web.begun > i || web_counters(&web).connections_open == 0);
        if (web.begun > i && !web.calls[i].gone) {
            web_answer(&web, i, "nobody");
        }
    }
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    assert_int_equal(web.begun, web.answered + web.gone);
    web_fini(&web);
}

/* The handler of one connection's end answers requests of the same and of others. */
static void answers_from_on_gone(void **state)
{
    (void)state;
    struct peer first, second;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &first);
    peer_open(&web, &second);
    peer_send(&first,
              "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 2);
    peer_send(&second, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 3);
    web.answer_when_gone = &web.calls[1];
    peer_close(&first);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 1);
    assert_int_equal(web.gone, 1);
    assert_true(web.calls[1].answered);
    peer_open(&web, &first);
    peer_send(&first, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    WEB_UNTIL(&web, web.begun == 4);
    web.answer_when_gone = &web.calls[2];
    peer_close(&first);
    peer_expect(&second, 200, "room");
    peer_close(&second);
    web_fini(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_at_every_byte),       cmocka_unit_test(reset_at_every_byte),
        cmocka_unit_test(while_the_handler_works), cmocka_unit_test(while_an_answer_is_sent),
        cmocka_unit_test(within_a_large_body),     cmocka_unit_test(while_reading_is_paused),
        cmocka_unit_test(answers_from_on_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
