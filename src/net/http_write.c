/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/compress.h"
#include "net/http_internal.h"

enum {
    HEAD_BYTES_TYPICAL = 1024,
    HEAD_BYTES_FIXED = 256, /* the status line and our own headers */
    CORK_BYTES_MAX = 16 * 1024,
};

/* An unread body up to this size is read to keep the connection; beyond it the connection ends. */
static const uint64_t drain_bytes_max = 1024 * 1024;

/* What the socket did not take at once. */
struct http_unsent {
    uv_write_t write;
    struct http_conn *conn;
    char data[];
};

/* ---- the socket --------------------------------------------------------------------- */

static size_t parts_bytes(const uv_buf_t *parts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += parts[i].len;
    }
    return bytes;
}

static void conn_written(uv_write_t *write, int status)
{
    struct http_unsent *unsent = (struct http_unsent *)write;
    struct http_conn *conn = unsent->conn;
    free(unsent);
    if (status < 0) {
        http_conn_close(conn);
    } else {
        http_conn_resume(conn);
    }
}

/* Queues a copy of the `bytes` that follow the first `skip` of the parts. */
static void conn_queue(struct http_conn *conn, const uv_buf_t *parts, size_t count, size_t skip,
                       size_t bytes)
{
    size_t waiting = uv_stream_get_write_queue_size(&conn->uv.stream);
    struct http_unsent *unsent = NULL;
    if (waiting + bytes <= conn->server->limits.write_bytes_max) {
        unsent = malloc(sizeof *unsent + bytes);
    }
    if (unsent == NULL) {
        http_conn_close(conn);
        return;
    }
    unsent->conn = conn;
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = skip < parts[i].len ? skip : parts[i].len;
        skip -= from;
        if (parts[i].len > from) {
            memcpy(unsent->data + place, parts[i].base + from, parts[i].len - from);
            place += parts[i].len - from;
        }
    }
    uv_buf_t buffer = {.base = unsent->data, .len = bytes};
    if (uv_write(&unsent->write, &conn->uv.stream, &buffer, 1, conn_written) != 0) {
        free(unsent);
        http_conn_close(conn);
        return;
    }
    if (waiting == 0) {
        conn->taken_ns = clock_now_ns();
    }
    conn->queued_bytes += bytes;
}

static void conn_write(struct http_conn *conn, const uv_buf_t *parts, size_t count, size_t bytes)
{
    conn->server->counters.bytes_out += bytes;
    int taken = uv_try_write(&conn->uv.stream, parts, (unsigned)count);
    if (taken < 0 && taken != UV_EAGAIN) {
        http_conn_close(conn);
        return;
    }
    size_t sent = taken > 0 ? (size_t)taken : 0;
    if (sent < bytes) {
        conn_queue(conn, parts, count, sent, bytes - sent);
    }
}

static void conn_write_gathered(struct http_conn *conn)
{
    if (conn->out.length > 0) {
        uv_buf_t part = {.base = conn->out.data, .len = conn->out.length};
        conn_write(conn, &part, 1, part.len);
        strbuf_reset(&conn->out);
    }
}

void http_conn_uncork(struct http_conn *conn)
{
    conn->corked = false;
    conn_write_gathered(conn);
}

void http_conn_send(struct http_conn *conn, const uv_buf_t *parts, size_t count)
{
    size_t bytes = parts_bytes(parts, count);
    if (conn->corked && conn->out.length + bytes <= CORK_BYTES_MAX) {
        size_t before = conn->out.length;
        for (size_t i = 0; i < count; i++) {
            strbuf_append(&conn->out, parts[i].base, parts[i].len);
        }
        if (!conn->out.failed) {
            return;
        }
        conn->out.failed = false;
        conn->out.length = before;
    }
    conn_write_gathered(conn);
    if (!conn->closing) {
        conn_write(conn, parts, count, bytes);
    }
}

/* ---- the head ----------------------------------------------------------------------- */

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

/* May be empty: clients go by the number. */
static const char *status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "";
}

/* The Date header, made once a second. */
static void server_date(struct http_server *server)
{
    time_t now_s = time(NULL);
    if (now_s != server->date_s) {
        struct tm tm;
        server->date_s = now_s;
        gmtime_r(&now_s, &tm);
        server->date_bytes = strftime(server->date, sizeof server->date,
                                      "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
}

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static char *put_text(char *at, const char *text)
{
    return put(at, text, strlen(text));
}

static char *put_header(char *at, const char *name, const char *value)
{
    at = put_text(at, name);
    at = put_text(at, ": ");
    at = put_text(at, value);
    return put_text(at, "\r\n");
}

static size_t head_bytes_max(const struct http_response *response)
{
    size_t bytes = HEAD_BYTES_FIXED;
    if (response->content_type != NULL) {
        bytes += strlen(response->content_type);
    }
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *header = &response->headers[i];
        /* A line break would let a client's text become headers of its own. */
        roost_assert(strpbrk(header->name, "\r\n") == NULL &&
                     strpbrk(header->value, "\r\n") == NULL);
        bytes += strlen(header->name) + strlen(header->value) + sizeof ": \r\n";
    }
    return bytes;
}

/* Status line and headers; returns their length. */
static size_t head_write(struct http_request *request, const struct http_response *response,
                         char *out)
{
    struct http_server *server = request->conn->server;
    char *at = put_text(out, "HTTP/1.1 ");
    at += json_format_uint((uint64_t)response->status, at);
    *at++ = ' ';
    at = put_text(at, status_text(response->status));
    at = put_text(at, "\r\nContent-Length: ");
    at += json_format_uint(parts_bytes(response->body, response->body_count), at);
    at = put_text(at, "\r\n");
    server_date(server);
    at = put(at, server->date, server->date_bytes);
    if (response->content_type != NULL) {
        at = put_header(at, "Content-Type", response->content_type);
    }
    if (request->close_after) {
        at = put_text(at, "Connection: close\r\n");
    } else if (request->http10) {
        at = put_text(at, "Connection: keep-alive\r\n");
    }
    for (size_t i = 0; i < response->header_count; i++) {
        at = put_header(at, response->headers[i].name, response->headers[i].value);
    }
    at = put_text(at, "\r\n");
    return (size_t)(at - out);
}

/* ---- answers ------------------------------------------------------------------------ */

/* Whether the connection ends with this answer. */
static bool answer_closes(const struct http_request *request, const struct http_response *response)
{
    const struct http_conn *conn = request->conn;
    if (response->close || !request->keep_alive) {
        return true;
    }
    if (request->read == READ_BODY) {
        /* A client that waits for "100 Continue" may or may not send its body now, and one with
         * much or who knows how much to send is not worth listening to. */
        bool empty = !request->chunked && request->length == 0;
        if (!empty && (request->expects_continue || request->chunked ||
                       request->length - request->received > drain_bytes_max)) {
            return true;
        }
    }
    /* What was sent behind this request is answered too before the server ends. */
    return conn->server->draining && conn->last == request && !conn->corked && !conn->paused;
}

static void conn_after_answer(struct http_conn *conn, struct http_request *request)
{
    request->sent = true;
    conn->active_ns = clock_now_ns();
    if (request->close_after) {
        http_conn_finish(conn);
    }
}

void http_conn_flush(struct http_conn *conn)
{
    bool corked = conn->corked;
    while (!conn->closing && !conn->lingering && conn->first != NULL) {
        struct http_request *request = conn->first;
        if (request->answered && !request->sent) {
            conn->corked |= request->next != NULL && request->next->answered;
            uv_buf_t part = {.base = request->answer.data, .len = request->answer.length};
            conn->kept_bytes -= part.len;
            http_conn_send(conn, &part, 1);
            if (!conn->closing) {
                conn_after_answer(conn, request);
            }
        }
        if (conn->closing || conn->lingering || !request->sent || request->read != READ_DONE) {
            break;
        }
        http_request_release(request);
        http_conn_continue(conn);
    }
    if (!corked && conn->corked && !conn->closing) {
        http_conn_uncork(conn);
    }
    http_conn_resume(conn);
}

/* The answer's turn has not come: it is kept. */
static void answer_keep(struct http_request *request, const uv_buf_t *parts, size_t count)
{
    struct http_conn *conn = request->conn;
    conn->kept_bytes += parts_bytes(parts, count);
    bool fits = conn->kept_bytes <= conn->server->limits.write_bytes_max;
    for (size_t i = 0; i < count && fits; i++) {
        strbuf_append(&request->answer, parts[i].base, parts[i].len);
    }
    if (!fits || request->answer.failed) {
        http_conn_close(conn);
    }
}

static void answer_parts(struct http_request *request, const uv_buf_t *parts, size_t count)
{
    struct http_conn *conn = request->conn;
    if (conn->first != request) {
        answer_keep(request, parts, count);
        return;
    }
    http_conn_send(conn, parts, count);
    if (!conn->closing) {
        conn_after_answer(conn, request);
        http_conn_flush(conn);
    }
}

void http_answer(struct http_request *request, const struct http_response *response)
{
    roost_assert(!request->answered && response->body_count <= HTTP_BODY_PARTS_MAX);
    request->answered = true;
    if (request->read == READ_BODY) {
        request->mode = BODY_DISCARD;
    }
    /* Nobody listens any more, but the handler could not know yet. */
    if (request->conn->closing || request->conn->lingering) {
        return;
    }
    request->close_after = answer_closes(request, response);
    char typical[HEAD_BYTES_TYPICAL];
    size_t bytes_max = head_bytes_max(response);
    char *head = bytes_max <= sizeof typical ? typical : malloc(bytes_max);
    if (head == NULL) {
        http_conn_close(request->conn);
        return;
    }
    uv_buf_t parts[HTTP_BODY_PARTS_MAX + 1];
    parts[0] = (uv_buf_t){.base = head, .len = head_write(request, response, head)};
    size_t count = 1;
    for (size_t i = 0; i < response->body_count && request->method != METHOD_HEAD; i++) {
        if (response->body[i].len > 0) {
            parts[count++] = response->body[i];
        }
    }
    answer_parts(request, parts, count);
    if (head != typical) {
        free(head);
    }
}

void http_respond(struct http_request *request, const struct http_response *response)
{
    roost_assert(request->held);
    request->held = false;
    http_answer(request, response);
}

void http_answer_error(struct http_request *request, enum roost_err err, const char *text,
                       uint64_t retry_after_ns)
{
    struct strbuf body;
    char seconds[JSON_NUMBER_BYTES_MAX];
    struct http_header headers[2];
    struct http_response response = {.status = roost_err_http_status(err),
                                     .content_type = "application/json",
                                     .headers = headers};
    strbuf_init(&body);
    struct json_writer json;
    json_writer_init(&json, &body);
    json_begin_object(&json);
    json_field_string(&json, "error", text);
    json_end_object(&json);
    if (retry_after_ns > 0) {
        uint64_t wait_s = retry_after_ns / NS_PER_S + (retry_after_ns % NS_PER_S != 0);
        seconds[json_format_uint(wait_s, seconds)] = '\0';
        headers[response.header_count++] = (struct http_header){"Retry-After", seconds};
    }
    if (err == ROOST_UNSUPPORTED) {
        headers[response.header_count++] = (struct http_header){"Accept-Encoding",
                                                                COMPRESS_CODINGS};
    }
    uv_buf_t part = {.base = body.data, .len = body.length};
    response.body = &part;
    response.body_count = 1;
    http_answer(request, &response);
    strbuf_fini(&body);
}

void http_respond_error(struct http_request *request, enum roost_err err, const char *text,
                        uint64_t retry_after_ns)
{
    roost_assert(request->held);
    request->held = false;
    http_answer_error(request, err, text, retry_after_ns);
}
