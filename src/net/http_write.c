/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_internal.h"
#include "net/oip.h"

enum { HEAD_BYTES_MAX = 2048, WRITE_PARTS_MAX = 80 };

/* A write that the socket did not take at once; the bytes follow. */
struct http_unsent {
    uv_write_t write;
    struct http_conn *conn;
    size_t bytes;
    char data[];
};

static const char *status_text(int status)
{
    const llhttp_status_t known = (llhttp_status_t)status;
    switch (known) {
#define STATUS_CASE(number, name, text)                                                            \
    case HTTP_STATUS_##name:                                                                       \
        return #text;
        HTTP_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    default:
        return "Unknown";
    }
}

/* The Date header's value, made once a second. */
static const char *date_text(void)
{
    static char text[40];
    static time_t made;
    time_t now = time(NULL);
    if (now != made) {
        struct tm tm;
        gmtime_r(&now, &tm);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        made = now;
    }
    return text;
}

static size_t body_bytes(const struct http_response *response)
{
    size_t bytes = 0;
    for (size_t i = 0; i < response->body_count; i++) {
        bytes += response->body[i].len;
    }
    return bytes;
}

/* Status line and headers; returns their length. */
static size_t head_write(const struct http_request *request, const struct http_response *response,
                         bool close, char *out)
{
    int used = snprintf(out, HEAD_BYTES_MAX,
                        "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nDate: %s\r\n", response->status,
                        status_text(response->status), body_bytes(response), date_text());
    size_t length = (size_t)used;
    if (response->content_type != NULL) {
        length += (size_t)snprintf(out + length, HEAD_BYTES_MAX - length, "Content-Type: %s\r\n",
                                   response->content_type);
    }
    if (close || request->http10) {
        length += (size_t)snprintf(out + length, HEAD_BYTES_MAX - length, "Connection: %s\r\n",
                                   close ? "close" : "keep-alive");
    }
    for (size_t i = 0; i < response->header_count; i++) {
        length += (size_t)snprintf(out + length, HEAD_BYTES_MAX - length, "%s: %s\r\n",
                                   response->headers[i].name, response->headers[i].value);
        roost_assert(length + 2 < HEAD_BYTES_MAX);
    }
    memcpy(out + length, "\r\n", 2);
    return length + 2;
}

static void conn_written(uv_write_t *write, int status)
{
    struct http_unsent *unsent = (struct http_unsent *)write;
    struct http_conn *conn = unsent->conn;
    conn->unsent -= unsent->bytes;
    conn->write_ns = clock_now_ns();
    free(unsent);
    if (status < 0) {
        http_conn_close(conn);
    } else if (conn->last_answer && conn->unsent == 0) {
        http_conn_finish(conn);
    } else if (conn->paused) {
        http_conn_resume(conn);
    }
}

/* Queues the bytes behind `skip` of the parts. */
static void conn_keep(struct http_conn *conn, const uv_buf_t *parts, size_t count, size_t skip)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += parts[i].len;
    }
    bytes -= skip;
    struct http_unsent *unsent = NULL;
    if (conn->unsent + bytes <= conn->server->limits.write_bytes_max) {
        unsent = malloc(sizeof *unsent + bytes);
    }
    if (unsent == NULL) {
        http_conn_close(conn);
        return;
    }
    unsent->conn = conn;
    unsent->bytes = bytes;
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = skip < parts[i].len ? skip : parts[i].len;
        skip -= from;
        memcpy(unsent->data + place, parts[i].base + from, parts[i].len - from);
        place += parts[i].len - from;
    }
    if (conn->unsent == 0) {
        conn->write_ns = clock_now_ns();
    }
    conn->unsent += bytes;
    uv_buf_t buffer = uv_buf_init(unsent->data, (unsigned)bytes);
    if (uv_write(&unsent->write, &conn->uv.stream, &buffer, 1, conn_written) != 0) {
        conn->unsent -= bytes;
        free(unsent);
        http_conn_close(conn);
    }
}

static void conn_send(struct http_conn *conn, const uv_buf_t *parts, size_t count)
{
    size_t bytes = 0, sent = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += parts[i].len;
    }
    conn->server->counters.bytes_out += bytes;
    if (conn->unsent == 0) {
        int taken = uv_try_write(&conn->uv.stream, parts, (unsigned)count);
        if (taken < 0 && taken != UV_EAGAIN) {
            http_conn_close(conn);
            return;
        }
        sent = taken > 0 ? (size_t)taken : 0;
    }
    if (sent < bytes) {
        conn_keep(conn, parts, count, sent);
    }
}

/* What follows an answer that has been handed to the socket. */
static void conn_after_answer(struct http_conn *conn, struct http_request *request)
{
    request->sent = true;
    conn->active_ns = clock_now_ns();
    if (request->close_after && !conn->closing) {
        conn->last_answer = true;
        if (conn->unsent == 0) {
            http_conn_finish(conn);
        }
    }
}

void http_conn_flush(struct http_conn *conn)
{
    while (!conn->closing && conn->first != NULL) {
        struct http_request *request = conn->first;
        if (request->answered && !request->sent && !conn->last_answer) {
            uv_buf_t part = uv_buf_init(request->answer.data, (unsigned)request->answer.length);
            conn_send(conn, &part, 1);
            conn_after_answer(conn, request);
        }
        if (conn->closing || request->reading || !request->sent) {
            return;
        }
        http_request_release(request);
    }
    if (!conn->closing && conn->paused && !conn->in_parser) {
        http_conn_resume(conn);
    }
}

void http_respond(struct http_request *request, const struct http_response *response)
{
    struct http_conn *conn = request->conn;
    char head[HEAD_BYTES_MAX];
    roost_assert(!request->answered && response->body_count < WRITE_PARTS_MAX);
    /* A body that is still to come in full is not worth reading just to keep the connection. */
    bool close = response->close || conn->server->draining || !request->keep_alive ||
                 (request->reading && request->headers_done && request->mode == BODY_UNDECIDED);
    request->answered = true;
    request->close_after = close;
    if (request->mode == BODY_UNDECIDED) {
        request->mode = BODY_DISCARD;
    }
    uv_buf_t parts[WRITE_PARTS_MAX];
    parts[0] = uv_buf_init(head, (unsigned)head_write(request, response, close, head));
    size_t count = 1;
    for (size_t i = 0; i < response->body_count && !request->head; i++) {
        if (response->body[i].len > 0) {
            parts[count++] = response->body[i];
        }
    }
    if (conn->first != request || conn->last_answer) {
        for (size_t i = 0; i < count; i++) {
            strbuf_append(&request->answer, parts[i].base, parts[i].len);
        }
        if (request->answer.failed) {
            http_conn_close(conn);
        }
        return;
    }
    conn_send(conn, parts, count);
    if (!conn->closing) {
        conn_after_answer(conn, request);
        http_conn_flush(conn);
    }
}

void http_respond_error(struct http_request *request, enum roost_err err, const char *text,
                        uint64_t retry_after_ns)
{
    struct strbuf body;
    char seconds[24];
    struct http_header header[2];
    size_t header_count = 0;
    strbuf_init(&body);
    oip_write_error(&body, text);
    if (retry_after_ns > 0) {
        uint64_t wait_s = (retry_after_ns + NS_PER_S - 1) / NS_PER_S;
        snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)wait_s);
        header[header_count++] = (struct http_header){"Retry-After", seconds};
    }
    if (err == ROOST_UNSUPPORTED) {
        header[header_count++] = (struct http_header){"Accept-Encoding", "gzip, deflate"};
    }
    uv_buf_t part = uv_buf_init((char *)strbuf_text(&body), (unsigned)body.length);
    struct http_response response = {.status = roost_err_http_status(err),
                                     .content_type = "application/json",
                                     .headers = header,
                                     .header_count = header_count,
                                     .body = &part,
                                     .body_count = 1};
    http_respond(request, &response);
    strbuf_fini(&body);
}
