/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/http_internal.h"

static const uint64_t sweep_ms = 250;
static const uint64_t linger_ns = 2 * NS_PER_S;
static const int backlog = 1024;
static const char local_prefix[] = "unix:";

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

static void conn_time_out(struct http_conn *conn, const char *text)
{
    struct http_request *request = conn->last;
    conn->server->counters.timeouts++;
    if (request->headers_done && request->mode != BODY_UNDECIDED && !request->answered) {
        const struct http_handler *handler = &conn->server->handler;
        handler->on_gone(handler->user, request);
    }
    if (request->answered) {
        http_conn_close(conn);
        return;
    }
    request->keep_alive = false;
    http_respond_error(request, ROOST_REQUEST_TIMEOUT, text, 0);
}

static void conn_sweep(struct http_conn *conn, uint64_t now_ns)
{
    const struct http_limits *limits = &conn->server->limits;
    uint64_t quiet_ns = now_ns > conn->active_ns ? now_ns - conn->active_ns : 0;
    const struct http_request *last = conn->last;
    if (conn->unsent > 0) {
        if (now_ns > conn->write_ns && now_ns - conn->write_ns > limits->write_timeout_ns) {
            conn->server->counters.timeouts++;
            http_conn_close(conn);
        }
    } else if (conn->lingering) {
        if (quiet_ns > linger_ns) {
            http_conn_close(conn);
        }
    } else if (last == NULL) {
        if (quiet_ns > limits->idle_timeout_ns) {
            http_conn_close(conn);
        }
    } else if (last->reading && !last->headers_done) {
        if (now_ns > last->started_ns && now_ns - last->started_ns > limits->header_timeout_ns) {
            conn_time_out(conn, "the request's headers took too long");
        }
    } else if (last->reading && !conn->paused && quiet_ns > limits->body_timeout_ns) {
        conn_time_out(conn, "the request's body took too long");
    }
}

static void server_sweep(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now_ns = clock_now_ns();
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (!conn->closing) {
            conn_sweep(conn, now_ns);
        }
    }
}

/* ---- life --------------------------------------------------------------------------- */

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
    if (server->draining && server->conns == NULL && server->on_drained != NULL) {
        void (*on_drained)(void *) = server->on_drained;
        server->on_drained = NULL;
        on_drained(server->drained_user);
    }
    if (server->closing && server->conns == NULL && server->handles_open == 0) {
        server_free(server);
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
    server->counters.connections_open--;
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
    if (server->listening) {
        server->listening = false;
        uv_close(&server->uv.handle, server_handle_closed);
    }
}

void http_server_drain(struct http_server *server, void (*on_drained)(void *user), void *user)
{
    server->draining = true;
    server->on_drained = on_drained;
    server->drained_user = user;
    server_stop_listening(server);
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (conn->open_requests == 0 && conn->unsent == 0) {
            http_conn_close(conn);
        }
    }
    server_check_end(server);
}

void http_server_close(struct http_server *server, void (*on_closed)(void *user), void *user)
{
    server->closing = true;
    server->on_closed = on_closed;
    server->closed_user = user;
    server_stop_listening(server);
    uv_close((uv_handle_t *)&server->sweep, server_handle_closed);
    for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        http_conn_close(conn);
    }
}

/* ---- listening ---------------------------------------------------------------------- */

static void server_connection(uv_stream_t *stream, int status)
{
    struct http_server *server = stream->data;
    if (status == 0 && !server->closing) {
        http_conn_accept(server);
    }
}

static enum roost_err bind_tcp(struct http_server *server, const char *host, unsigned port,
                               struct detail *detail)
{
    struct sockaddr_storage address;
    const char *name = host == NULL ? "0.0.0.0" : host;
    if (strcmp(name, "localhost") == 0) {
        name = "127.0.0.1";
    }
    if (uv_ip4_addr(name, (int)port, (struct sockaddr_in *)&address) != 0 &&
        uv_ip6_addr(name, (int)port, (struct sockaddr_in6 *)&address) != 0) {
        return detail_set(detail, ROOST_INVALID, "'%s' is not an IP address to listen on", name);
    }
    int status = uv_tcp_bind(&server->uv.tcp, (const struct sockaddr *)&address, 0);
    if (status == 0) {
        status = uv_listen(&server->uv.stream, backlog, server_connection);
    }
    if (status == UV_EADDRINUSE) {
        return detail_set(detail, ROOST_EXISTS,
                          "port %u is in use: stop the other server, or choose another port", port);
    }
    if (status == UV_EACCES) {
        return detail_set(detail, ROOST_PERMISSION,
                          "no permission to listen on port %u: choose one above 1023", port);
    }
    if (status != 0) {
        return detail_set(detail, ROOST_IO, "cannot listen on %s port %u: %s", name, port,
                          uv_strerror(status));
    }
    int length = sizeof address;
    uv_tcp_getsockname(&server->uv.tcp, (struct sockaddr *)&address, &length);
    server->port = address.ss_family == AF_INET6
                       ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                       : ntohs(((struct sockaddr_in *)&address)->sin_port);
    return ROOST_OK;
}

/* A socket file that nobody listens on any more is in the way of the next server only by accident.
 * */
static bool socket_is_stale(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return false;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

static enum roost_err bind_local(struct http_server *server, const char *path,
                                 struct detail *detail)
{
    if (socket_is_stale(path)) {
        unlink(path);
    }
    int status = uv_pipe_bind(&server->uv.pipe, path);
    if (status == 0) {
        status = uv_listen(&server->uv.stream, backlog, server_connection);
    }
    if (status != 0) {
        return detail_set(detail, status == UV_EADDRINUSE ? ROOST_EXISTS : ROOST_IO,
                          "cannot listen on the socket %s: %s", path, uv_strerror(status));
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
    server->local = host != NULL && strncmp(host, local_prefix, sizeof local_prefix - 1) == 0;
    http_parser_settings(&server->settings);
    uv_timer_init(loop, &server->sweep);
    server->sweep.data = server;
    roost_assert((server->local ? uv_pipe_init(loop, &server->uv.pipe, 0)
                                : uv_tcp_init(loop, &server->uv.tcp)) == 0);
    server->uv.handle.data = server;
    server->listening = true;
    server->handles_open = 2;
    enum roost_err err = server->local ? bind_local(server, host + sizeof local_prefix - 1, detail)
                                       : bind_tcp(server, host, port, detail);
    if (err != ROOST_OK) {
        http_server_close(server, NULL, NULL);
        return err;
    }
    uv_timer_start(&server->sweep, server_sweep, sweep_ms, sweep_ms);
    *out = server;
    return ROOST_OK;
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_counters(const struct http_server *server, struct http_counters *counters)
{
    *counters = server->counters;
}
