/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_internal.h"

/* Below this, what remains of a body goes through the read buffer with whatever follows it. */
static const uint64_t direct_read_bytes_min = 16 * 1024;
/* A collected body's memory is taken in steps: who only declares a large one gets none. */
static const uint64_t direct_read_bytes_max = 1024 * 1024;
/* How many connections too many may hear a reason for being closed, at one time. */
enum { TURNED_AWAY_MAX = 64 };

static bool conn_is_full(const struct http_conn *conn)
{
    const struct http_limits *limits = &conn->server->limits;
    size_t unsent = uv_stream_get_write_queue_size(&conn->uv.stream) + conn->kept_bytes;
    return conn->open_requests >= limits->pipeline_max || unsent > limits->write_bytes_max / 2;
}

/* ---- requests, step by step --------------------------------------------------------- */

void http_conn_refuse(struct http_conn *conn, enum roost_err err, const char *text)
{
    struct http_request *request = conn->last;
    conn->input_over = true;
    if (request == NULL || request->read == READ_DONE) {
        request = http_request_begin(conn); /* not even its first line was one */
        if (request == NULL) {
            http_conn_close(conn);
            return;
        }
    }
    request->read = READ_DONE;
    request->mode = BODY_DISCARD;
    request->keep_alive = false;
    http_request_give_up(request);
    if (conn->closing) {
        return;
    }
    if (!request->answered) {
        http_answer_error(request, err, text, 0);
        return;
    }
    /* The handler's answer came first and stands; it is this connection's last. */
    request->close_after = true;
    if (request->sent) {
        http_conn_finish(conn);
    } else {
        http_conn_flush(conn);
    }
}

static void conn_refuse_parsed(struct http_conn *conn)
{
    const char *text = conn->refusal_text;
    enum roost_err err = conn->refusal;
    if (err == ROOST_OK) {
        err = ROOST_INVALID;
        text = llhttp_get_error_reason(&conn->parser);
        if (text == NULL || text[0] == '\0') {
            text = "malformed HTTP request";
        }
    }
    conn->server->counters.bad_requests++;
    http_conn_refuse(conn, err, text);
}

void http_conn_continue(struct http_conn *conn)
{
    struct http_request *request = conn->first;
    if (request == NULL || !request->held || !request->expects_continue ||
        request->read != READ_BODY) {
        return;
    }
    request->expects_continue = false;
    bool empty = !request->chunked && request->length == 0;
    if (request->received == 0 && !empty) {
        static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        uv_buf_t part = uv_buf_init(text, sizeof text - 1);
        http_conn_send(conn, &part, 1);
    }
}

static void conn_headers_done(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_request *request = conn->last;
    if (!http_parse_headers(conn, request)) {
        conn_refuse_parsed(conn);
        return;
    }
    request->read = READ_BODY;
    request->held = true;
    server->counters.requests++;
    server->handler.on_headers(server->handler.user, request);
    if (conn->closing || conn->input_over) {
        return;
    }
    roost_assert(!request->held || request->mode != BODY_UNDECIDED);
    if (request->held && request->length > request->body_max) {
        conn->refusal = ROOST_TOO_LARGE;
        conn->refusal_text = "the request's body is too large";
        conn_refuse_parsed(conn);
        return;
    }
    http_conn_continue(conn);
}

static void conn_message_done(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_request *request = conn->last;
    request->read = READ_DONE;
    if (!request->keep_alive) {
        conn->input_over = true;
    }
    if (request->held) {
        server->handler.on_body_complete(server->handler.user, request);
    } else {
        http_conn_flush(conn);
    }
}

/* ---- parsing ------------------------------------------------------------------------ */

/* Parses up to the end of the data or of what the connection takes, and calls handlers in between.
 * Returns how much is left. */
static size_t conn_parse(struct http_conn *conn, const char *data, size_t length)
{
    for (;;) {
        llhttp_errno_t code = llhttp_execute(&conn->parser, data, length);
        if (code == HPE_OK) {
            return 0;
        }
        if (code != HPE_PAUSED) {
            conn_refuse_parsed(conn);
            return 0;
        }
        const char *at = llhttp_get_error_pos(&conn->parser);
        length -= (size_t)(at - data);
        data = at;
        llhttp_resume(&conn->parser);
        bool headers = conn->last->read == READ_HEADERS;
        if (headers) {
            conn_headers_done(conn);
        } else {
            /* Where more requests follow, their answers may share a packet. */
            conn->corked = length > 0;
            conn_message_done(conn);
        }
        if (conn->closing || conn->input_over) {
            return 0;
        }
        /* A request without a body ends where its headers do, so the parser wants another turn. */
        if (!headers && (length == 0 || conn_is_full(conn))) {
            return length;
        }
    }
}

static void conn_pause(struct http_conn *conn, const char *data, size_t length)
{
    conn->paused = true;
    uv_read_stop(&conn->uv.stream);
    if (length == 0) {
        return;
    }
    conn->leftover = malloc(length);
    if (conn->leftover == NULL) {
        http_conn_close(conn);
        return;
    }
    memcpy(conn->leftover, data, length);
    conn->leftover_bytes = length;
}

static void conn_feed(struct http_conn *conn, const char *data, size_t length)
{
    conn->feeding = true;
    size_t rest = conn_parse(conn, data, length);
    conn->feeding = false;
    if (!conn->closing) {
        http_conn_uncork(conn);
    }
    if (conn->closing || conn->input_over) {
        return;
    }
    if (rest > 0 || conn_is_full(conn)) {
        conn_pause(conn, data + (length - rest), rest);
    }
}

/* ---- reading ------------------------------------------------------------------------ */

static void conn_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct http_conn *conn = handle->data;
    struct http_request *request = conn->last;
    buffer->base = conn->server->read_buffer;
    buffer->len = sizeof conn->server->read_buffer;
    if (request == NULL || request->read != READ_BODY || request->chunked || conn->input_over) {
        return;
    }
    uint64_t rest = request->length - request->received;
    if (rest < direct_read_bytes_min) {
        return;
    }
    if (request->mode == BODY_INTO) {
        buffer->base = request->body + request->received;
        buffer->len = (size_t)rest;
    } else if (request->mode == BODY_COLLECT) {
        size_t step = (size_t)(rest < direct_read_bytes_max ? rest : direct_read_bytes_max);
        char *room = strbuf_reserve(&request->collected, step);
        if (room != NULL) {
            buffer->base = room;
            buffer->len = step;
        }
    }
}

static void conn_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct http_conn *conn = stream->data;
    if (length < 0) {
        http_conn_close(conn);
        return;
    }
    conn->active_ns = clock_now_ns();
    conn->server->counters.bytes_in += (uint64_t)length;
    if (length > 0 && !conn->input_over) {
        conn_feed(conn, buffer->base, (size_t)length);
    }
}

void http_conn_resume(struct http_conn *conn)
{
    if (!conn->paused || conn->feeding || conn->closing || conn_is_full(conn)) {
        return;
    }
    conn->paused = false;
    char *data = conn->leftover;
    size_t length = conn->leftover_bytes;
    conn->leftover = NULL;
    conn->leftover_bytes = 0;
    if (length > 0 && !conn->input_over) {
        conn_feed(conn, data, length);
    }
    free(data);
    if (!conn->closing && !conn->paused) {
        uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    }
}

/* ---- the end ------------------------------------------------------------------------ */

/* Handlers may answer other requests meanwhile, but none leaves the list: the connection sends
 * nothing any more. */
static void conn_give_up(struct http_conn *conn)
{
    for (struct http_request *request = conn->first; request != NULL; request = request->next) {
        http_request_give_up(request);
    }
}

static void conn_closed(uv_handle_t *handle)
{
    struct http_conn *conn = handle->data;
    while (conn->first != NULL) {
        http_request_release(conn->first);
    }
    free(conn->leftover);
    strbuf_fini(&conn->out);
    http_server_conn_gone(conn->server, conn);
    free(conn);
}

void http_conn_close(struct http_conn *conn)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    uv_close(&conn->uv.handle, conn_closed);
    conn_give_up(conn);
}

static void conn_shut(uv_shutdown_t *shutdown, int status)
{
    struct http_conn *conn = shutdown->data;
    conn->linger_ns = conn->active_ns = clock_now_ns();
    if (status < 0) {
        http_conn_close(conn);
    }
}

void http_conn_finish(struct http_conn *conn)
{
    if (conn->lingering || conn->closing) {
        return;
    }
    http_conn_uncork(conn);
    if (conn->closing) {
        return;
    }
    conn->lingering = true;
    conn->input_over = true;
    conn->shutdown.data = conn;
    conn->linger_ns = conn->active_ns = clock_now_ns();
    conn_give_up(conn);
    if (conn->closing) {
        return;
    }
    if (uv_shutdown(&conn->shutdown, &conn->uv.stream, conn_shut) != 0) {
        http_conn_close(conn);
        return;
    }
    if (conn->paused) {
        conn->paused = false;
        uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    }
}

/* ---- the beginning ------------------------------------------------------------------ */

/* Beyond the limit of connections: one line to say so. */
static void conn_turn_away(struct http_conn *conn)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                         "Content-Length: 32\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"
                         "{\"error\":\"too many connections\"}";
    struct http_server *server = conn->server;
    if (server->turned_away == TURNED_AWAY_MAX) {
        http_conn_close(conn);
        return;
    }
    conn->turned_away = true;
    server->turned_away++;
    uv_buf_t part = uv_buf_init(text, sizeof text - 1);
    http_conn_send(conn, &part, 1);
    http_conn_finish(conn);
}

static struct http_conn *conn_new(struct http_server *server, bool local)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    int status = local ? uv_pipe_init(server->loop, &conn->uv.pipe, 0)
                       : uv_tcp_init(server->loop, &conn->uv.tcp);
    roost_assert(status == 0);
    conn->server = server;
    conn->uv.handle.data = conn;
    conn->active_ns = conn->taken_ns = clock_now_ns();
    conn->next = server->conns;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    server->conns = conn;
    http_server_conn_new(server);
    strbuf_init(&conn->out);
    llhttp_init(&conn->parser, HTTP_REQUEST, &server->settings);
    conn->parser.data = conn;
    return conn;
}

static void conn_start(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (uv_read_start(&conn->uv.stream, conn_allocate, conn_read) != 0) {
        http_conn_close(conn);
        return;
    }
    if (server->counters.connections_open >= server->limits.connections_max) {
        server->counters.connections_refused++;
        conn_turn_away(conn);
        return;
    }
    conn->counted = true;
    server->counters.connections_open++;
    server->counters.connections_total++;
    if (conn->uv.handle.type == UV_TCP) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
}

void http_conn_accept(struct http_server *server)
{
    struct http_conn *conn = conn_new(server, server->listener.local);
    server->accept_failed = conn == NULL;
    if (conn == NULL) {
        http_server_conn_new(server); /* the next sweep tries again */
        return;
    }
    if (uv_accept(&server->uv.stream, &conn->uv.stream) != 0) {
        http_conn_close(conn);
        return;
    }
    conn_start(conn);
}

void http_conn_adopt(struct http_server *server, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    bool local = address.ss_family == AF_UNIX;
    struct http_conn *conn = conn_new(server, local);
    if (conn == NULL) {
        close(fd);
        return;
    }
    int status = local ? uv_pipe_open(&conn->uv.pipe, fd) : uv_tcp_open(&conn->uv.tcp, fd);
    if (status != 0) {
        close(fd);
        http_conn_close(conn);
        return;
    }
    conn_start(conn);
}
