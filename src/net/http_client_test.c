/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against our server, and against one that does as the test says. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"
#include "net/http_client_internal.h"
#include "net/http_fixture.h"

enum { ASKED_MAX = 512 };

static struct web web;
static struct http_client *client;

struct asked {
    unsigned replies;
    int status;
    enum roost_err err;
    char header[64];
    char *body;
    size_t body_bytes;
    bool was_sent;
};

static struct asked asked[ASKED_MAX];
static unsigned asked_count, replied, closed;
static unsigned ask_again; /* so many more from callbacks */
static bool close_when_replied;

static void count_closed(void *user)
{
    assert_ptr_equal(user, &closed);
    closed++;
}

static uv_buf_t text_buf(const char *text)
{
    return (uv_buf_t){.base = (char *)text, .len = strlen(text)};
}

static void ask(const char *head, const char *body, size_t body_bytes);

static void reply_arrived(void *user, const struct http_reply *reply)
{
    struct asked *a = user;
    a->replies++;
    assert_int_equal(a->replies, 1);
    assert_true(reply->done_ns >= reply->first_byte_ns);
    assert_int_equal(reply->status == 0, reply->err != ROOST_OK);
    a->status = reply->status;
    a->err = reply->err;
    a->was_sent = reply->sent_ns != 0;
    a->body = malloc(reply->body_bytes + 1);
    a->body_bytes = reply->body_bytes;
    if (strlen(reply->body) > 0 || reply->body_bytes == 0) {
        memcpy(a->body, reply->body, reply->body_bytes + 1);
    }
    if (!http_reply_header(reply, "x-REPLY", a->header, sizeof a->header)) {
        memcpy(a->header, "none", sizeof "none");
    }
    replied++;
    if (ask_again > 0) {
        ask_again--;
        ask("GET /big?7 HTTP/1.1\r\nHost: a\r\n\r\n", NULL, 0);
    }
    if (close_when_replied) {
        close_when_replied = false;
        http_client_close(client, count_closed, &closed);
        client = NULL;
    }
}

static void ask(const char *head, const char *body, size_t body_bytes)
{
    uv_buf_t head_buf = text_buf(head);
    uv_buf_t body_buf = {.base = (char *)body, .len = body_bytes};
    unsigned before = replied;
    assert_true(asked_count < ASKED_MAX);
    http_client_send(client, &head_buf, body == NULL ? NULL : &body_buf, reply_arrived,
                     &asked[asked_count++]);
    assert_int_equal(before, replied); /* never from within */
}

static void ask_get(const char *path)
{
    static char heads[ASKED_MAX][128];
    snprintf(heads[asked_count], sizeof heads[0], "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    ask(heads[asked_count], NULL, 0);
}

/* `options` says all but the place. */
static void client_open(struct http_client_options options, const char *host, unsigned port)
{
    options.host = host;
    options.port = port;
    enum roost_err err = http_client_open(&web.loop, &options, &client, &web.detail);
    if (err != ROOST_OK) {
        fail_msg("%s", web.detail.text);
    }
}

static void forget_asked(void)
{
    for (unsigned i = 0; i < asked_count; i++) {
        free(asked[i].body);
    }
    memset(asked, 0, sizeof asked);
    asked_count = replied = closed = ask_again = 0;
}

/* Closes the client; every request has had its reply by then. */
static void client_close(void)
{
    http_client_close(client, count_closed, &closed);
    client = NULL;
    WEB_UNTIL(&web, closed == 1);
    assert_int_equal(replied, asked_count);
    forget_asked();
}

static void expect_reply(unsigned i, int status, const char *body)
{
    WEB_UNTIL(&web, asked[i].replies == 1);
    assert_int_equal(asked[i].err, ROOST_OK);
    assert_int_equal(asked[i].status, status);
    assert_int_equal(asked[i].body_bytes, strlen(body));
    assert_string_equal(asked[i].body, body);
}

static void expect_failure(unsigned i, enum roost_err err)
{
    WEB_UNTIL(&web, asked[i].replies == 1);
    assert_int_equal(asked[i].err, err);
}

/* ---- against our server ------------------------------------------------------------- */

static void requests_and_replies(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 1}, "127.0.0.1",
                http_server_port(web.server));
    ask_get("/big?3");
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "hello", 5);
    ask("HEAD /big?10 HTTP/1.1\r\nHost: a\r\n\r\n", NULL, 0);
    ask_get("/echo");
    ask_get("/close");
    ask_get("/big?1");
    assert_int_equal(http_client_in_flight(client), 6);
    expect_reply(0, 200, "bbb");
    expect_reply(1, 200, "hello");
    expect_reply(2, 200, "");
    expect_reply(3, 200, "");
    expect_reply(4, 200, "bye");
    expect_reply(5, 200, "b");
    assert_int_equal(http_client_in_flight(client), 0);
    assert_int_equal(web_counters(&web).connections_total, 2); /* the other after the "bye" */
    client_close();
    web_fini(&web);
}

static void the_pool(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 4}, "127.0.0.1",
                http_server_port(web.server));
    for (int i = 0; i < 100; i++) {
        ask_get("/big?5");
    }
    for (unsigned i = 0; i < 100; i++) {
        expect_reply(i, 200, "bbbbb");
    }
    assert_in_range(web_counters(&web).connections_total, 1, 4);
    client_close();
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
    /* One after the other needs only one, also when asked for by the callback. */
    uint64_t before = web_counters(&web).connections_total;
    client_open((struct http_client_options){.connections_max = 4}, "127.0.0.1",
                http_server_port(web.server));
    ask_again = 50;
    ask_get("/big?7");
    WEB_UNTIL(&web, replied == 51);
    assert_int_equal(web_counters(&web).connections_total, before + 1);
    /* Those that are open at the same time need one each. */
    unsigned call = web.begun;
    for (int i = 0; i < 4; i++) {
        ask_get("/later");
    }
    ask_get("/big?5");
    WEB_UNTIL(&web, web.begun == call + 4);
    assert_int_equal(web_counters(&web).connections_open, 4);
    for (unsigned i = 0; i < 4; i++) {
        web_answer(&web, call + i, "later");
    }
    expect_reply(asked_count - 1, 200, "bbbbb");
    WEB_UNTIL(&web, replied == asked_count);
    client_close();
    web_fini(&web);
}

static void large_both_ways(void **state)
{
    (void)state;
    enum { BYTES = 8000000 };
    char *body = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        body[i] = (char)(1 + i % 251);
    }
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 2}, "127.0.0.1",
                http_server_port(web.server));
    for (unsigned i = 0; i < 4; i++) {
        ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n", body, BYTES);
    }
    for (unsigned i = 0; i < 4; i++) {
        WEB_UNTIL(&web, asked[i].replies == 1);
        assert_int_equal(asked[i].status, 200);
        assert_int_equal(asked[i].body_bytes, BYTES);
        assert_memory_equal(asked[i].body, body, BYTES);
    }
    client_close();
    /* A refusal in the middle of sending is read all the same. */
    web.server->limits.body_bytes_max = 1000;
    client_open((struct http_client_options){.connections_max = 1}, "127.0.0.1",
                http_server_port(web.server));
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n", body, BYTES);
    WEB_UNTIL(&web, replied == 1);
    assert_int_equal(asked[0].status, 413);
    client_close();
    free(body);
    web_fini(&web);
}

static void limits_of_replies(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 1, .reply_bytes_max = 1000},
                "127.0.0.1", http_server_port(web.server));
    ask_get("/big?1001");
    ask_get("/big?3");
    expect_failure(0, ROOST_TOO_LARGE);
    expect_reply(1, 200, "bbb");
    client_close();
    client_open((struct http_client_options){.connections_max = 1, .discard_body = true},
                "127.0.0.1", http_server_port(web.server));
    ask_get("/big?1001");
    WEB_UNTIL(&web, replied == 1);
    assert_int_equal(asked[0].body_bytes, 1001);
    client_close();
    web_fini(&web);
}

static void time_outs(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 2, .timeout_ns = 3600 * NS_PER_S},
                "127.0.0.1", http_server_port(web.server));
    for (int i = 0; i < 5; i++) {
        ask_get("/later");
    }
    WEB_UNTIL(&web, web.begun == 2);
    http_client_sweep(client, clock_now_ns() + 3599 * NS_PER_S);
    assert_int_equal(replied, 0);
    http_client_sweep(client, clock_now_ns() + 3601 * NS_PER_S);
    for (unsigned i = 0; i < 5; i++) {
        expect_failure(i, ROOST_EXPIRED);
        assert_int_equal(asked[i].was_sent, i < 2);
    }
    /* The server hears of it, and the client goes on. */
    WEB_UNTIL(&web, web.gone == 2);
    ask_get("/big?2");
    expect_reply(5, 200, "bb");
    client_close();
    web_fini(&web);
}

static void closing(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 2}, "127.0.0.1",
                http_server_port(web.server));
    for (int i = 0; i < 5; i++) {
        ask_get("/later");
    }
    WEB_UNTIL(&web, web.begun == 2);
    http_client_close(client, count_closed, &closed);
    assert_int_equal(replied, 0);
    WEB_UNTIL(&web, closed == 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(asked[i].replies, 1);
        assert_int_equal(asked[i].err, ROOST_CANCELLED);
    }
    forget_asked();
    /* Before anything was connected, and from a callback. */
    client_open((struct http_client_options){.connections_max = 2}, "127.0.0.1",
                http_server_port(web.server));
    ask_get("/big?1");
    client_close();
    client_open((struct http_client_options){.connections_max = 2}, "127.0.0.1",
                http_server_port(web.server));
    close_when_replied = true;
    ask_get("/big?1");
    ask_get("/later");
    ask_get("/later");
    WEB_UNTIL(&web, closed == 1);
    assert_int_equal(replied, 3);
    forget_asked();
    web_fini(&web);
}

/* ---- places ------------------------------------------------------------------------- */

static void nobody_there(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    unsigned port = http_server_port(web.server);
    http_server_close(web.server, NULL, NULL);
    web.server = NULL;
    web.closed = 1;
    client_open((struct http_client_options){.connections_max = 3}, "127.0.0.1", port);
    for (int i = 0; i < 10; i++) {
        ask_get("/");
    }
    for (unsigned i = 0; i < 10; i++) {
        expect_failure(i, ROOST_UNAVAILABLE);
        assert_false(asked[i].was_sent);
    }
    client_close();
    client_open((struct http_client_options){.connections_max = 3}, "unix:/no/such/socket", 0);
    ask_get("/");
    expect_failure(0, ROOST_UNAVAILABLE);
    client_close();
    struct http_client_options options = {.host = "no.such.host.invalid", .port = 1};
    struct detail detail;
    assert_int_equal(http_client_open(&web.loop, &options, &client, &detail), ROOST_UNAVAILABLE);
    assert_non_null(strstr(detail.text, "no.such.host.invalid"));
    options.host = "127.0.0.1";
    options.port = 0;
    assert_int_equal(http_client_open(&web.loop, &options, &client, &detail), ROOST_INVALID);
    web_fini(&web);
}

/* A name may stand for several addresses, of which not all are served. */
static void second_address(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    client_open((struct http_client_options){.connections_max = 3}, "127.0.0.1",
                http_server_port(web.server));
    client->addresses[1] = client->addresses[0];
    ((struct sockaddr_in *)&client->addresses[0])->sin_addr.s_addr = htonl(0x7f000009);
    client->address_count = 2;
    for (int i = 0; i < 5; i++) {
        ask_get("/big?1");
    }
    for (unsigned i = 0; i < 5; i++) {
        expect_reply(i, 200, "b");
    }
    client_close();
    web_fini(&web);
}

/* ---- against a server that the test plays ------------------------------------------- */

static int raw_listener;

static void raw_open(struct http_client_options options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    web_init(&web);
    web.closed = 1; /* there is no server of ours */
    raw_listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(raw_listener, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(raw_listener, 10), 0);
    getsockname(raw_listener, (struct sockaddr *)&address, &bytes);
    client_open(options, "127.0.0.1", ntohs(address.sin_port));
}

static void raw_close(void)
{
    client_close();
    close(raw_listener);
    web_fini(&web);
}

/* Takes the client's next connection, and reads its request. */
static void raw_accept(struct peer *peer)
{
    *peer = (struct peer){.web = &web, .fd = -1};
    while (peer->fd < 0) {
        web_look(&web);
        peer->fd = accept4(raw_listener, NULL, NULL, SOCK_CLOEXEC);
    }
    web.peers[web.peer_count++] = peer;
    WEB_UNTIL(&web, strstr(strbuf_text(&peer->in), "\r\n\r\n") != NULL);
    peer->taken = peer->in.length;
}

static void raw_answer(const char *answer, bool then_close)
{
    struct peer peer;
    ask_get("/");
    raw_accept(&peer);
    peer_send(&peer, answer);
    if (then_close) {
        peer_close(&peer);
    }
    WEB_UNTIL(&web, replied == asked_count);
    if (!then_close) {
        assert_true(peer_ended(&peer)); /* the client does not use it any more */
        peer_close(&peer);
    }
}

static void odd_answers(void **state)
{
    (void)state;
    raw_open((struct http_client_options){.connections_max = 1});
    raw_answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", true);
    expect_reply(0, 200, "until the end");
    raw_answer("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
               "X-Reply: r \r\n\r\n3\r\nabc\r\n0\r\n\r\n",
               false);
    expect_reply(1, 404, "abc");
    assert_string_equal(asked[1].header, "r ");
    raw_answer(
        "HTTP/1.1 100 Continue\r\nX-Reply: no\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        "HTTP/1.1 200 OK\r\nX-Reply: yes\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        false);
    expect_reply(2, 200, "ok");
    assert_string_equal(asked[2].header, "yes");
    raw_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false);
    expect_reply(3, 200, "ok");
    raw_answer("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
    expect_reply(4, 200, "ok");
    raw_answer("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", false);
    expect_reply(5, 204, "");
    raw_close();
}

static void broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum roost_err err;
    } answers[] = {
        {"", ROOST_UNAVAILABLE},
        {"HTTP/1.1 2", ROOST_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Len", ROOST_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", ROOST_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", ROOST_UNAVAILABLE},
        {"HTTP/1.1 100 Continue\r\n\r\n", ROOST_UNAVAILABLE},
        {"SSH-2.0-OpenSSH\r\n", ROOST_INVALID},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", ROOST_INVALID},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ROOST_INVALID},
    };
    raw_open((struct http_client_options){.connections_max = 1});
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        raw_answer(answers[i].answer, true);
        if (asked[i].err != answers[i].err) {
            fail_msg("%s: %s", answers[i].answer, roost_err_name(asked[i].err));
        }
    }
    raw_close();
}

static void resets(void **state)
{
    (void)state;
    raw_open((struct http_client_options){.connections_max = 1});
    struct peer peer;
    for (unsigned i = 0; i < 6; i++) {
        ask_get("/");
        raw_accept(&peer);
        if (i % 2 == 1) {
            peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        struct linger linger = {.l_onoff = 1};
        setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        peer_close(&peer);
        expect_failure(i, ROOST_UNAVAILABLE);
        assert_true(asked[i].was_sent);
    }
    /* An idle connection that the server closes is no loss. */
    ask_get("/");
    raw_accept(&peer);
    peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect_reply(6, 200, "ok");
    peer_close(&peer);
    WEB_UNTIL(&web, client->conn_count == 0);
    raw_answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnew", true);
    expect_reply(7, 200, "new");
    raw_close();
}

static void endless_headers(void **state)
{
    (void)state;
    struct peer peer;
    raw_open((struct http_client_options){.connections_max = 1});
    ask_get("/");
    raw_accept(&peer);
    peer_send(&peer, "HTTP/1.1 200 OK\r\n");
    while (replied == 0 && peer_send(&peer, "Another: header of many\r\n")) {
        web_look(&web);
    }
    expect_failure(0, ROOST_TOO_LARGE);
    peer_close(&peer);
    raw_close();
}

/* ---- the blocking call -------------------------------------------------------------- */

static void stop_serving(uv_async_t *async)
{
    http_server_close(web.server, NULL, NULL);
    web.server = NULL;
    web.closed = 1;
    uv_close((uv_handle_t *)async, NULL);
}

static void *serve(void *user)
{
    (void)user;
    uv_run(&web.loop, UV_RUN_DEFAULT);
    return NULL;
}

static void fetching(void **state)
{
    (void)state;
    pthread_t thread;
    uv_async_t stop;
    web_init(&web);
    web_open(&web);
    unsigned port = http_server_port(web.server);
    assert_int_equal(uv_async_init(&web.loop, &stop, stop_serving), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    struct detail detail;
    char *body;
    size_t bytes;
    int status;
    assert_int_equal(
        http_fetch("127.0.0.1", port, "POST", "/echo", "text", &status, &body, &bytes, &detail),
        ROOST_OK);
    assert_int_equal(status, 200);
    assert_int_equal(bytes, 4);
    assert_string_equal(body, "text");
    free(body);
    assert_int_equal(
        http_fetch("localhost", port, "GET", "/collect", NULL, &status, &body, &bytes, &detail),
        ROOST_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(body, "");
    free(body);
    uv_async_send(&stop);
    pthread_join(thread, NULL);
    assert_int_equal(
        http_fetch("127.0.0.1", port, "GET", "/", NULL, &status, &body, &bytes, &detail),
        ROOST_UNAVAILABLE);
    assert_null(body);
    assert_non_null(strstr(detail.text, "no answer from 127.0.0.1 port"));
    assert_int_equal(
        http_fetch("unix:/no/such/socket", 0, "GET", "/", NULL, &status, &body, &bytes, &detail),
        ROOST_UNAVAILABLE);
    assert_non_null(strstr(detail.text, "no answer from unix:/no/such/socket: "));
    web_fini(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_replies),
        cmocka_unit_test(the_pool),
        cmocka_unit_test(large_both_ways),
        cmocka_unit_test(limits_of_replies),
        cmocka_unit_test(time_outs),
        cmocka_unit_test(closing),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(second_address),
        cmocka_unit_test(odd_answers),
        cmocka_unit_test(broken_answers),
        cmocka_unit_test(resets),
        cmocka_unit_test(endless_headers),
        cmocka_unit_test(fetching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
