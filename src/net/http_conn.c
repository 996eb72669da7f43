/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_internal.h"

/* Below this, what remains of a body goes through the read buffer with whatever follows it. */
static const uint64_t direct_read_bytes_min = 16 * 1024;
static const size_t leftover_bytes_max = 1 << 20;

/* ---- the parser's callbacks --------------------------------------------------------- */

/* Remembers why, and stops the parser; the refusal is sent when it has returned. */
static int conn_refuse(struct http_conn *conn, enum roost_err err, const char *text)
{
    conn->refusal = err;
    conn->refusal_text = text;
    return -1;
}

static int on_message_begin(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    conn->header_bytes = 0;
    conn->server->counters.requests++;
    if (http_request_begin(conn) == NULL) {
        return conn_refuse(conn, ROOST_NO_MEMORY, "out of memory");
    }
    return 0;
}

static int header_append(struct http_conn *conn, const char *data, size_t length)
{
    struct http_request *request = conn->last;
    conn->header_bytes += length;
    if (conn->header_bytes > conn->server->limits.header_bytes_max) {
        return conn_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the request's headers are too large");
    }
    strbuf_append(&request->text, data, length);
    return request->text.failed ? conn_refuse(conn, ROOST_NO_MEMORY, "out of memory") : 0;
}

static int header_end(struct http_conn *conn)
{
    strbuf_append(&conn->last->text, "", 1);
    return conn->last->text.failed ? conn_refuse(conn, ROOST_NO_MEMORY, "out of memory") : 0;
}

static int on_url(llhttp_t *parser, const char *data, size_t length)
{
    return header_append(parser->data, data, length);
}

/* "path?query" becomes "path\0query\0". */
static int on_url_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (header_end(conn) != 0) {
        return -1;
    }
    char *target = request->text.data;
    char *fragment = strchr(target, '#');
    if (fragment != NULL) {
        *fragment = '\0';
    }
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        request->query = (unsigned)(query + 1 - target);
    } else {
        request->query = (unsigned)strlen(target);
    }
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (request->headers_done) {
        conn->header_bytes += length; /* a trailer: read past, but not without end */
        return conn->header_bytes > conn->server->limits.header_bytes_max
                   ? conn_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the trailers are too large")
                   : 0;
    }
    if (request->field_count == HTTP_HEADERS_MAX) {
        return conn_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the request has too many headers");
    }
    struct http_field *field = &request->fields[request->field_count];
    if (field->name == 0) {
        field->name = (unsigned)request->text.length;
    }
    return header_append(conn, data, length);
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (request->headers_done) {
        return 0;
    }
    if (header_end(conn) != 0) {
        return -1;
    }
    request->fields[request->field_count].value = (unsigned)request->text.length;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    if (conn->last->headers_done) {
        conn->header_bytes += length;
        return conn->header_bytes > conn->server->limits.header_bytes_max
                   ? conn_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the trailers are too large")
                   : 0;
    }
    return header_append(conn, data, length);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (request->headers_done) {
        return 0;
    }
    request->field_count++;
    if (request->field_count < HTTP_HEADERS_MAX) {
        request->fields[request->field_count].name = 0;
    }
    return header_end(conn);
}

static enum http_method method_of(unsigned method)
{
    switch (method) {
    case HTTP_GET:
        return METHOD_GET;
    case HTTP_HEAD:
        return METHOD_HEAD;
    case HTTP_POST:
        return METHOD_POST;
    case HTTP_PUT:
        return METHOD_PUT;
    case HTTP_DELETE:
        return METHOD_DELETE;
    case HTTP_OPTIONS:
        return METHOD_OPTIONS;
    default:
        return METHOD_OTHER;
    }
}

/* What HTTP/1.1 asks of a request's headers beyond what the parser checks. */
static int headers_check(struct http_conn *conn, const struct http_request *request,
                         const llhttp_t *parser)
{
    unsigned hosts = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        hosts += strcasecmp(strbuf_text(&request->text) + request->fields[i].name, "host") == 0;
    }
    if (parser->http_major != 1) {
        return conn_refuse(conn, ROOST_INVALID, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    if (hosts > 1 || (hosts == 0 && parser->http_minor >= 1)) {
        return conn_refuse(conn, ROOST_INVALID, "exactly one Host header is needed");
    }
    if (parser->upgrade) {
        return conn_refuse(conn, ROOST_INVALID, "CONNECT is not supported");
    }
    if (request->length > conn->server->limits.body_bytes_max) {
        return conn_refuse(conn, ROOST_TOO_LARGE, "the body is larger than this server takes");
    }
    return 0;
}

static void conn_continue(struct http_conn *conn, const struct http_request *request)
{
    const char *expect = http_request_header(request, "expect");
    if (expect == NULL || strcasecmp(expect, "100-continue") != 0 || request->answered ||
        conn->first != request || conn->unsent > 0 || (request->length == 0 && !request->chunked)) {
        return;
    }
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t part = uv_buf_init(text, sizeof text - 1);
    /* A socket without room for 25 bytes has a client that will go on without them. */
    uv_try_write(&conn->uv.stream, &part, 1);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    request->headers_done = true;
    request->method = method_of(llhttp_get_method(parser));
    request->head = request->method == METHOD_HEAD;
    request->http10 = parser->http_minor == 0;
    request->keep_alive = llhttp_should_keep_alive(parser) != 0;
    request->chunked = (parser->flags & F_CHUNKED) != 0;
    request->has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    request->length = request->has_length ? parser->content_length : 0;
    request->body_max = conn->server->limits.body_bytes_max;
    if (headers_check(conn, request, parser) != 0) {
        return -1;
    }
    const struct http_handler *handler = &conn->server->handler;
    handler->on_headers(handler->user, request);
    if (conn->closing) {
        return -1;
    }
    roost_assert(request->answered || request->mode != BODY_UNDECIDED);
    conn_continue(conn, request);
    if (request->mode == BODY_COLLECT && request->length > request->body_max) {
        return conn_refuse(conn, ROOST_TOO_LARGE, "the body is larger than this request may have");
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    uint64_t place = request->received;
    request->received += length;
    if (request->mode == BODY_INTO) {
        roost_assert(request->received <= request->length);
        if (data != request->body + place) {
            memcpy(request->body + place, data, length);
        }
    } else if (request->mode == BODY_COLLECT) {
        if (request->received > request->body_max) {
            return conn_refuse(conn, ROOST_TOO_LARGE,
                               "the body is larger than this request may have");
        }
        strbuf_append(&request->collected, data, length);
        if (request->collected.failed) {
            return conn_refuse(conn, ROOST_NO_MEMORY, "out of memory");
        }
    } else if (request->close_after && conn->last_answer) {
        return -1; /* answered and over: the rest is read by the lingering close */
    }
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    request->reading = false;
    if (!request->answered) {
        const struct http_handler *handler = &conn->server->handler;
        handler->on_body_complete(handler->user, request);
    }
    if (conn->closing) {
        return -1;
    }
    http_conn_flush(conn);
    if (conn->closing || conn->last_answer) {
        return -1;
    }
    bool full = conn->open_requests >= conn->server->limits.pipeline_max ||
                conn->unsent > conn->server->limits.write_bytes_max / 2;
    return full ? HPE_PAUSED : 0;
}

void http_parser_settings(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_message_begin;
    settings->on_url = on_url;
    settings->on_url_complete = on_url_complete;
    settings->on_header_field = on_header_field;
    settings->on_header_field_complete = on_header_field_complete;
    settings->on_header_value = on_header_value;
    settings->on_header_value_complete = on_header_value_complete;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}

/* ---- refusing ----------------------------------------------------------------------- */

/* Gives up requests that nobody will answer any more. */
static void conn_give_up(struct http_conn *conn)
{
    const struct http_handler *handler = &conn->server->handler;
    for (struct http_request *r = conn->first; r != NULL; r = r->next) {
        if (!r->answered) {
            r->answered = true;
            if (r->headers_done && r->mode != BODY_UNDECIDED) {
                conn->server->counters.gone++;
                handler->on_gone(handler->user, r);
            }
        }
    }
}

/* Answers the request that broke a rule with its error, after those before it, and closes. */
static void conn_send_refusal(struct http_conn *conn)
{
    conn->server->counters.bad_requests++;
    struct http_request *request = conn->last;
    if (request == NULL || !request->reading) {
        request = http_request_begin(conn); /* not even its first line was one */
    }
    if (request == NULL || request->answered) {
        http_conn_close(conn);
        return;
    }
    if (request->headers_done && request->mode != BODY_UNDECIDED) {
        const struct http_handler *handler = &conn->server->handler;
        conn->server->counters.gone++;
        handler->on_gone(handler->user, request);
    }
    request->keep_alive = false;
    http_respond_error(request, conn->refusal, conn->refusal_text, 0);
}

static void conn_parse(struct http_conn *conn, const char *data, size_t length)
{
    conn->in_parser = true;
    llhttp_errno_t code = llhttp_execute(&conn->parser, data, length);
    conn->in_parser = false;
    if (conn->closing || conn->last_answer || code == HPE_OK) {
        return;
    }
    if (code == HPE_PAUSED) {
        const char *at = llhttp_get_error_pos(&conn->parser);
        size_t rest = length - (size_t)(at - data);
        char *kept = rest == 0 ? NULL : malloc(rest);
        if (rest > leftover_bytes_max || (rest > 0 && kept == NULL)) {
            free(kept);
            http_conn_close(conn);
            return;
        }
        if (rest > 0) {
            memcpy(kept, at, rest);
        }
        free(conn->leftover);
        conn->leftover = kept;
        conn->leftover_bytes = rest;
        conn->paused = true;
        uv_read_stop(&conn->uv.stream);
        return;
    }
    if (conn->refusal == ROOST_OK) {
        conn->refusal = ROOST_INVALID;
        conn->refusal_text = llhttp_get_error_reason(&conn->parser);
        if (conn->refusal_text == NULL || conn->refusal_text[0] == '\0') {
            conn->refusal_text = "malformed HTTP request";
        }
    }
    conn_send_refusal(conn);
}

/* ---- reading ------------------------------------------------------------------------ */

static void conn_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct http_conn *conn = handle->data;
    struct http_request *request = conn->last;
    if (request != NULL && request->reading && request->mode == BODY_INTO &&
        request->length - request->received >= direct_read_bytes_min) {
        buffer->base = request->body + request->received;
        buffer->len = (size_t)(request->length - request->received);
        return;
    }
    buffer->base = conn->server->read_buffer;
    buffer->len = sizeof conn->server->read_buffer;
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
    if (length > 0 && !conn->lingering && !conn->last_answer) {
        conn_parse(conn, buffer->base, (size_t)length);
    }
}

void http_conn_resume(struct http_conn *conn)
{
    if (conn->open_requests >= conn->server->limits.pipeline_max || conn->closing ||
        conn->in_parser || conn->unsent > conn->server->limits.write_bytes_max / 2) {
        return;
    }
    conn->paused = false;
    llhttp_resume(&conn->parser);
    char *data = conn->leftover;
    size_t length = conn->leftover_bytes;
    conn->leftover = NULL;
    conn->leftover_bytes = 0;
    if (length > 0) {
        conn_parse(conn, data, length);
    }
    free(data);
    if (!conn->closing && !conn->paused) {
        uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    }
}

/* ---- life --------------------------------------------------------------------------- */

static void conn_closed(uv_handle_t *handle)
{
    struct http_conn *conn = handle->data;
    while (conn->first != NULL) {
        http_request_release(conn->first);
    }
    free(conn->leftover);
    http_server_conn_gone(conn->server, conn);
    free(conn);
}

void http_conn_close(struct http_conn *conn)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    conn_give_up(conn);
    uv_close(&conn->uv.handle, conn_closed);
}

static void conn_shut(uv_shutdown_t *shutdown, int status)
{
    struct http_conn *conn = shutdown->data;
    if (status < 0) {
        http_conn_close(conn);
    }
}

void http_conn_finish(struct http_conn *conn)
{
    if (conn->lingering || conn->closing) {
        return;
    }
    conn->lingering = true;
    conn->shutdown.data = conn;
    conn->active_ns = clock_now_ns();
    if (uv_shutdown(&conn->shutdown, &conn->uv.stream, conn_shut) != 0) {
        http_conn_close(conn);
        return;
    }
    if (conn->paused) {
        uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    }
}

/* Beyond the limit of connections: one line to say so. */
static void conn_turn_away(struct http_conn *conn)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                         "Content-Length: 32\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"
                         "{\"error\":\"too many connections\"}";
    uv_buf_t part = uv_buf_init(text, sizeof text - 1);
    conn->server->counters.connections_refused++;
    uv_try_write(&conn->uv.stream, &part, 1);
    http_conn_close(conn);
}

void http_conn_accept(struct http_server *server)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return; /* the client stays in the backlog */
    }
    conn->server = server;
    int status = server->local ? uv_pipe_init(server->loop, &conn->uv.pipe, 0)
                               : uv_tcp_init(server->loop, &conn->uv.tcp);
    roost_assert(status == 0);
    conn->uv.handle.data = conn;
    conn->next = server->conns;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    server->conns = conn;
    server->counters.connections_open++;
    server->counters.connections_total++;
    if (uv_accept(&server->uv.stream, &conn->uv.stream) != 0) {
        http_conn_close(conn);
        return;
    }
    llhttp_init(&conn->parser, HTTP_REQUEST, &server->settings);
    conn->parser.data = conn;
    conn->active_ns = clock_now_ns();
    if (server->counters.connections_open > server->limits.connections_max) {
        conn_turn_away(conn);
        return;
    }
    if (!server->local) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
}
