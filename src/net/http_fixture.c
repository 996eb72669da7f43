/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"

/* ---- the handler -------------------------------------------------------------------- */

static void call_respond(struct web_call *call, const void *text, size_t length, bool close)
{
    uv_buf_t body = {.base = (char *)text, .len = length};
    struct http_response response = {.status = 200,
                                     .content_type = "text/plain",
                                     .body = &body,
                                     .body_count = 1,
                                     .close = close};
    assert_false(call->answered || call->gone);
    call->answered = true;
    call->web->answered++;
    http_respond(call->request, &response);
    free(call->body);
    call->body = NULL;
}

void web_answer(struct web *web, unsigned call, const char *text)
{
    call_respond(&web->calls[call], text, strlen(text), false);
}

static bool path_is(const struct http_request *request, const char *path)
{
    return strcmp(http_request_path(request), path) == 0;
}

static void handle_headers(void *user, struct http_request *request)
{
    struct web *web = user;
    uint64_t length;
    assert_true(web->begun < WEB_CALLS_MAX);
    struct web_call *call = &web->calls[web->begun++];
    *call = (struct web_call){.web = web, .request = request};
    http_request_set_user(request, call);
    if (path_is(request, "/early")) {
        call_respond(call, "early", 5, false);
    } else if (path_is(request, "/small")) {
        http_body_collect(request, 10);
    } else if (path_is(request, "/echo") || path_is(request, "/middle")) {
        if (http_request_content_length(request, &length)) {
            call->body = malloc(length > 0 ? length : 1); /* exactly: ASan sees a byte beyond */
            http_body_into(request, call->body);
        } else {
            http_body_collect(request, UINT64_MAX);
        }
    } else {
        http_body_collect(request, UINT64_MAX);
    }
}

static void call_echo(struct web_call *call)
{
    size_t length;
    const void *body = http_body(call->request, &length);
    uint64_t declared = 0;
    if (call->body != NULL) {
        assert_true(http_request_content_length(call->request, &declared));
        body = call->body;
        length = declared;
    }
    call_respond(call, body, length, false);
}

static void call_describe(struct web_call *call)
{
    const char *value = http_request_header(call->request, "x-VALUE");
    const char *other = http_request_header(call->request, "other");
    char text[512];
    int length = snprintf(text, sizeof text, "%d %s ? %s | %s | %s",
                          (int)http_request_method(call->request), http_request_path(call->request),
                          http_request_query(call->request), value == NULL ? "none" : value,
                          other == NULL ? "none" : other);
    call_respond(call, text, (size_t)length, false);
}

static void call_big(struct web_call *call)
{
    size_t length = strtoul(http_request_query(call->request), NULL, 10);
    char *body = malloc(length);
    memset(body, 'b', length);
    call_respond(call, body, length, false);
    free(body);
}

static void web_count_closed(void *user)
{
    struct web *web = user;
    web->closed++;
}

static void handle_body(void *user, struct http_request *request)
{
    struct web *web = user;
    struct web_call *call = http_request_user(request);
    assert_ptr_equal(call->request, request);
    assert_false(call->body_done || call->answered || call->gone);
    call->body_done = true;
    if (path_is(request, "/later") || path_is(request, "/middle")) {
        if (web->close_when_done) {
            http_server_close(web->server, web_count_closed, web);
            web->server = NULL;
        }
    } else if (path_is(request, "/close")) {
        call_respond(call, "bye", 3, true);
    } else if (path_is(request, "/big")) {
        call_big(call);
    } else if (path_is(request, "/head") || strncmp(http_request_path(request), "/head/", 6) == 0) {
        call_describe(call);
    } else {
        call_echo(call);
    }
}

static void handle_gone(void *user, struct http_request *request)
{
    struct web *web = user;
    struct web_call *call = http_request_user(request);
    assert_ptr_equal(call->request, request);
    assert_false(call->answered || call->gone);
    call->gone = true;
    free(call->body);
    call->body = NULL;
    web->gone++;
    struct web_call *other = web->answer_when_gone;
    if (other != NULL && other != call) {
        web->answer_when_gone = NULL;
        call_respond(other, "room", 4, false);
    }
}

/* ---- the server --------------------------------------------------------------------- */

void web_init(struct web *web)
{
    memset(web, 0, sizeof *web);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&web->loop), 0);
    http_limits_default(&web->limits);
}

void web_open_at(struct web *web, const char *host)
{
    struct http_handler handler = {.user = web,
                                   .on_headers = handle_headers,
                                   .on_body_complete = handle_body,
                                   .on_gone = handle_gone};
    enum roost_err err = http_server_open(&web->loop, host, 0, &handler, &web->limits, &web->server,
                                          &web->detail);
    if (err != ROOST_OK) {
        fail_msg("%s", web->detail.text);
    }
}

void web_open(struct web *web)
{
    web_open_at(web, "127.0.0.1");
}

void web_fini(struct web *web)
{
    if (web->server != NULL) {
        http_server_close(web->server, web_count_closed, web);
    }
    assert_int_equal(uv_run(&web->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(web->closed, 1);
    assert_int_equal(uv_loop_close(&web->loop), 0);
    assert_int_equal(web->begun, web->answered + web->gone);
}

static void peer_receive(struct peer *peer)
{
    char bytes[64 * 1024];
    while (!peer->eof && !peer->reset) {
        ssize_t got = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0) {
            strbuf_append(&peer->in, bytes, (size_t)got);
        } else if (got == 0) {
            peer->eof = true;
        } else if (errno == EAGAIN || errno == EINTR) {
            return;
        } else {
            peer->reset = true;
        }
    }
}

static void web_turn_within(struct web *web, int timeout_ms)
{
    struct pollfd fds[WEB_PEERS_MAX + 1];
    nfds_t count = 0;
    fds[count++] = (struct pollfd){.fd = uv_backend_fd(&web->loop), .events = POLLIN};
    for (unsigned i = 0; i < web->peer_count; i++) {
        struct peer *peer = web->peers[i];
        if (!peer->eof && !peer->reset) {
            fds[count++] = (struct pollfd){.fd = peer->fd, .events = POLLIN};
        }
    }
    web->quiet = poll(fds, count, timeout_ms) == 0;
    /* Twice, since what the first run begins to watch is known to the kernel after the second. */
    uv_run(&web->loop, UV_RUN_NOWAIT);
    uv_run(&web->loop, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < web->peer_count; i++) {
        peer_receive(web->peers[i]);
    }
}

void web_look(struct web *web)
{
    web_turn_within(web, 0);
}

void web_turn(struct web *web)
{
    /* Only a look at which nothing happened is followed by waiting: what is waited for may be there
     * already. */
    web_turn_within(web, web->quiet ? uv_backend_timeout(&web->loop) : 0);
}

struct http_counters web_counters(const struct web *web)
{
    struct http_counters counters;
    http_server_counters(web->server, &counters);
    return counters;
}

void web_sweep_after(struct web *web, uint64_t later_ns)
{
    http_server_sweep(web->server, clock_now_ns() + later_ns);
}

/* ---- clients ------------------------------------------------------------------------ */

void peer_open(struct web *web, struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_server_port(web->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *peer = (struct peer){.web = web, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(peer->fd >= 0);
    assert_int_equal(connect(peer->fd, (const struct sockaddr *)&address, sizeof address), 0);
    int on = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_true(web->peer_count < WEB_PEERS_MAX);
    web->peers[web->peer_count++] = peer;
}

void peer_close(struct peer *peer)
{
    struct web *web = peer->web;
    for (unsigned i = 0; i < web->peer_count; i++) {
        if (web->peers[i] == peer) {
            web->peers[i] = web->peers[--web->peer_count];
            break;
        }
    }
    close(peer->fd);
    strbuf_fini(&peer->in);
}

bool peer_send_n(struct peer *peer, const void *data, size_t length)
{
    const char *bytes = data;
    while (length > 0) {
        ssize_t sent = send(peer->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            /* The server makes room by reading; it may also be the one that waits for us. */
            uv_run(&peer->web->loop, UV_RUN_NOWAIT);
            peer_receive(peer);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool peer_send(struct peer *peer, const char *text)
{
    return peer_send_n(peer, text, strlen(text));
}

static bool reply_parse(struct peer *peer, bool has_body, struct web_reply *reply)
{
    const char *text = strbuf_text(&peer->in) + peer->taken;
    size_t length = peer->in.length - peer->taken;
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    *reply = (struct web_reply){.head = text, .head_length = (size_t)(end + 4 - text)};
    assert_int_equal(sscanf(text, "HTTP/1.1 %d ", &reply->status), 1);
    reply->body = end + 4;
    if (has_body && reply->status != 100) {
        const char *declared = strcasestr(text, "\r\nContent-Length: ");
        assert_non_null(declared);
        assert_true(declared < end);
        reply->body_length = strtoul(declared + 18, NULL, 10);
    }
    if (length < reply->head_length + reply->body_length) {
        return false;
    }
    peer->taken += reply->head_length + reply->body_length;
    return true;
}

static bool peer_reply_any(struct peer *peer, bool has_body, struct web_reply *reply)
{
    for (;;) {
        if (reply_parse(peer, has_body, reply)) {
            return true;
        }
        if (peer->eof || peer->reset) {
            return false;
        }
        web_turn(peer->web);
    }
}

bool peer_reply(struct peer *peer, struct web_reply *reply)
{
    return peer_reply_any(peer, true, reply);
}

bool peer_reply_head(struct peer *peer, struct web_reply *reply)
{
    return peer_reply_any(peer, false, reply);
}

void peer_forget(struct peer *peer)
{
    memmove(peer->in.data, peer->in.data + peer->taken, peer->in.length - peer->taken);
    peer->in.length -= peer->taken;
    peer->taken = 0;
}

bool peer_ended(struct peer *peer)
{
    WEB_UNTIL(peer->web, peer->eof || peer->reset || peer->in.length > peer->taken);
    return peer->in.length == peer->taken;
}

void peer_expect(struct peer *peer, int status, const char *body)
{
    struct web_reply reply;
    assert_true(peer_reply(peer, &reply));
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.body_length, strlen(body));
    assert_memory_equal(reply.body, body, reply.body_length);
}

bool reply_has(const struct web_reply *reply, const char *line)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    return memmem(reply->head, reply->head_length, wanted, strlen(wanted)) != NULL;
}

void peer_expect_refusal(struct peer *peer, int status)
{
    struct web_reply reply;
    assert_true(peer_reply(peer, &reply));
    assert_int_equal(reply.status, status);
    assert_true(reply_has(&reply, "Content-Type: application/json"));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_memory_equal(reply.body, "{\"error\":\"", 10);
    assert_memory_equal(reply.body + reply.body_length - 2, "\"}", 2);
    assert_true(peer_ended(peer));
}
