/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_internal.h"

static const uint64_t sweep_ms = 250;
static const int backlog = 1024;
/* After the last answer, for the client to close: without a byte, and in all. */
static const uint64_t linger_quiet_ns = 2 * NS_PER_S;
static const uint64_t linger_max_ns = 30 * NS_PER_S;
/* In a drain, how long a connection must have been quiet to count as idle. */
static const uint64_t drain_quiet_ns = NS_PER_S;

void http_limits_default(struct http_limits *limits)
{
    *limits = (struct http_limits){
        .header_bytes_max = 16 * 1024,
        .body_bytes_max = UINT64_C(64) << 20,
        .connections_max = 4096,
        .pipeline_max = 32,
        .idle_timeout_ns = 120 * NS_PER_S,
        .header_timeout_ns = 10 * NS_PER_S,
        .body_timeout_ns = 30 * NS_PER_S,
        .write_timeout_ns = 30 * NS_PER_S,
        .write_bytes_max = (size_t)256 << 20,
    };
}

/* ---- time-outs ---------------------------------------------------------------------- */

static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Closes a connection whose client takes nothing of what waits for it. True when nothing waits. */
static bool sweep_unsent(struct http_conn *conn, uint64_t now_ns)
{
    size_t unsent = uv_stream_get_write_queue_size(&conn->uv.stream);
    uint64_t taken_bytes = conn->queued_bytes - unsent;
    if (taken_bytes != conn->taken_bytes) {
        conn->taken_bytes = taken_bytes;
        conn->taken_ns = now_ns;
    }
    if (unsent > 0 && since(conn->taken_ns, now_ns) > conn->server->limits.write_timeout_ns) {
        conn->server->counters.timeouts++;
        http_conn_close(conn);
    }
    return unsent == 0;
}

/* True when a client's next request has come that nobody has read yet. */
static bool conn_has_input(const struct http_conn *conn)
{
    char byte;
    uv_os_fd_t fd;
    return uv_fileno(&conn->uv.handle, &fd) == 0 &&
           recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void sweep_idle(struct http_conn *conn, uint64_t now_ns)
{
    const struct http_server *server = conn->server;
    uint64_t quiet_ns = since(conn->active_ns, now_ns);
    if (quiet_ns > server->limits.idle_timeout_ns ||
        (server->draining && quiet_ns > drain_quiet_ns && !conn_has_input(conn))) {
        http_conn_close(conn);
    }
}

static void sweep_conn(struct http_conn *conn, uint64_t now_ns)
{
    const struct http_limits *limits = &conn->server->limits;
    const struct http_request *last = conn->last;
    const char *late = NULL;
    uint64_t quiet_ns = since(conn->active_ns, now_ns);
    if (!sweep_unsent(conn, now_ns)) {
        return;
    }
    if (conn->lingering) {
        if (quiet_ns > linger_quiet_ns || since(conn->linger_ns, now_ns) > linger_max_ns) {
            http_conn_close(conn);
        }
    } else if (last == NULL) {
        sweep_idle(conn, now_ns);
    } else if (last->read == READ_HEADERS) {
        late = since(last->started_ns, now_ns) > limits->header_timeout_ns
                   ? "the request's headers took too long"
                   : NULL;
    } else if (last->read == READ_BODY && quiet_ns > limits->body_timeout_ns) {
        late = "the request's body took too long";
    }
    if (late != NULL) {
        conn->server->counters.timeouts++;
        http_conn_refuse(conn, ROOST_REQUEST_TIMEOUT, late);
    }
}

void http_server_sweep(struct http_server *server, uint64_t now_ns)
{
    if (server->accept_failed && server->listening) {
        http_conn_accept(server);
    }
    /* Handlers may close connections meanwhile, but none is freed before this is over. */
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (!conn->closing) {
            sweep_conn(conn, now_ns);
        }
    }
    if (server->conns == NULL && !server->accept_failed && !server->closing) {
        uv_timer_stop(&server->sweep);
    }
}

static void server_sweep(uv_timer_t *timer)
{
    http_server_sweep(timer->data, clock_now_ns());
}

/* ---- the end ------------------------------------------------------------------------ */

static void server_free(struct http_server *server)
{
    while (server->spare != NULL) {
        struct http_request *request = server->spare;
        server->spare = request->next;
        http_request_destroy(request);
    }
    void (*on_closed)(void *) = server->on_closed;
    void *user = server->closed_user;
    free(server);
    if (on_closed != NULL) {
        on_closed(user);
    }
}

static void server_check_end(struct http_server *server)
{
    if (server->closing) {
        if (server->conns == NULL && server->handles_open == 0) {
            server_free(server);
        }
    } else if (server->draining && server->conns == NULL && server->on_drained != NULL) {
        void (*on_drained)(void *) = server->on_drained;
        server->on_drained = NULL;
        on_drained(server->drained_user);
    }
}

void http_server_conn_gone(struct http_server *server, struct http_conn *conn)
{
    if (conn->previous == NULL) {
        server->conns = conn->next;
    } else {
        conn->previous->next = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    server->counters.connections_open -= conn->counted;
    server->turned_away -= conn->turned_away;
    server_check_end(server);
}

static void server_handle_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->handles_open--;
    server_check_end(server);
}

static void server_stop_listening(struct http_server *server)
{
    if (!server->listening) {
        return;
    }
    server->listening = false;
    uv_close(&server->uv.handle, server_handle_closed);
    if (server->listener.path != NULL) {
        unlink(server->listener.path);
        free(server->listener.path);
        server->listener.path = NULL;
    }
}

/* Clients whose connection the kernel has made already count as received. */
static void server_empty_backlog(struct http_server *server)
{
    uv_os_fd_t listener;
    if (!server->listening || uv_fileno(&server->uv.handle, &listener) != 0) {
        return;
    }
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        http_conn_adopt(server, fd);
    }
}

void http_server_drain(struct http_server *server, void (*on_drained)(void *user), void *user)
{
    roost_assert(!server->draining && !server->closing);
    server->draining = true;
    server->on_drained = on_drained;
    server->drained_user = user;
    server_empty_backlog(server);
    server_stop_listening(server);
    uint64_t now_ns = clock_now_ns();
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (conn->turned_away) {
            http_conn_close(conn);
        } else if (conn->last == NULL && !conn->closing && !conn->lingering) {
            sweep_idle(conn, now_ns);
        }
    }
    server_check_end(server);
}

void http_server_close(struct http_server *server, void (*on_closed)(void *user), void *user)
{
    roost_assert(!server->closing);
    server->closing = true;
    server->on_closed = on_closed;
    server->closed_user = user;
    server_stop_listening(server);
    uv_close((uv_handle_t *)&server->sweep, server_handle_closed);
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        http_conn_close(conn);
    }
}

/* ---- the beginning ------------------------------------------------------------------ */

void http_server_conn_new(struct http_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->sweep) && !server->closing) {
        uv_timer_start(&server->sweep, server_sweep, sweep_ms, sweep_ms);
    }
}

static void server_connection(uv_stream_t *stream, int status)
{
    struct http_server *server = stream->data;
    if (status == 0) {
        http_conn_accept(server);
    } else {
        server->counters.connections_refused++; /* no file descriptor for it */
    }
}

static enum roost_err server_listen(struct http_server *server, struct detail *detail)
{
    struct http_listener *listener = &server->listener;
    server->listening = true;
    server->handles_open = 2;
    uv_timer_init(server->loop, &server->sweep);
    server->sweep.data = server;
    int status;
    if (listener->local) {
        uv_pipe_init(server->loop, &server->uv.pipe, 0);
        status = uv_pipe_open(&server->uv.pipe, listener->fd);
    } else {
        uv_tcp_init(server->loop, &server->uv.tcp);
        status = uv_tcp_open(&server->uv.tcp, listener->fd);
    }
    server->uv.handle.data = server;
    if (status != 0) {
        close(listener->fd);
    } else {
        status = uv_listen(&server->uv.stream, backlog, server_connection);
    }
    if (status != 0) {
        return detail_set(detail, ROOST_IO, "cannot listen: %s", uv_strerror(status));
    }
    return ROOST_OK;
}

enum roost_err http_server_open(uv_loop_t *loop, const char *host, unsigned port,
                                const struct http_handler *handler,
                                const struct http_limits *limits, struct http_server **out,
                                struct detail *detail)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    server->loop = loop;
    server->handler = *handler;
    server->limits = *limits;
    http_parser_settings(&server->settings);
    enum roost_err err = http_listen(host, port, &server->listener, detail);
    if (err != ROOST_OK) {
        free(server);
        return err;
    }
    err = server_listen(server, detail);
    if (err != ROOST_OK) {
        http_server_close(server, NULL, NULL);
        return err;
    }
    *out = server;
    return ROOST_OK;
}

unsigned http_server_port(const struct http_server *server)
{
    return server->listener.port;
}

void http_server_counters(const struct http_server *server, struct http_counters *counters)
{
    *counters = server->counters;
}
