/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "net/http_internal.h"

/* What a request that waits for its next use may keep. */
enum { SPARE_REQUESTS_MAX = 256, SPARE_TEXT_BYTES_MAX = 4096, SPARE_BODY_BYTES_MAX = 16 * 1024 };

static void strbuf_recycle(struct strbuf *buf, size_t bytes_max)
{
    if (buf->capacity > bytes_max) {
        strbuf_fini(buf);
    } else {
        strbuf_reset(buf);
    }
}

struct http_request *http_request_begin(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_request *request = server->spare;
    if (request != NULL) {
        server->spare = request->next;
        server->spare_count--;
    } else {
        request = malloc(sizeof *request);
        if (request == NULL) {
            return NULL;
        }
        strbuf_init(&request->text);
        strbuf_init(&request->collected);
        strbuf_init(&request->answer);
    }
    memset(request, 0, offsetof(struct http_request, text));
    request->conn = conn;
    request->started_ns = conn->active_ns;
    if (conn->last == NULL) {
        conn->first = request;
    } else {
        conn->last->next = request;
    }
    conn->last = request;
    conn->open_requests++;
    conn->header_bytes = 0;
    return request;
}

void http_request_release(struct http_request *request)
{
    struct http_conn *conn = request->conn;
    struct http_server *server = conn->server;
    roost_assert(conn->first == request && !request->held);
    conn->first = request->next;
    if (conn->first == NULL) {
        conn->last = NULL;
    }
    conn->open_requests--;
    if (server->spare_count == SPARE_REQUESTS_MAX) {
        http_request_destroy(request);
        return;
    }
    strbuf_recycle(&request->text, SPARE_TEXT_BYTES_MAX);
    strbuf_recycle(&request->collected, SPARE_BODY_BYTES_MAX);
    strbuf_recycle(&request->answer, SPARE_BODY_BYTES_MAX);
    request->next = server->spare;
    server->spare = request;
    server->spare_count++;
}

void http_request_destroy(struct http_request *request)
{
    strbuf_fini(&request->text);
    strbuf_fini(&request->collected);
    strbuf_fini(&request->answer);
    free(request);
}

void http_request_give_up(struct http_request *request)
{
    struct http_server *server = request->conn->server;
    if (request->held) {
        request->held = false;
        server->counters.gone++;
        server->handler.on_gone(server->handler.user, request);
    }
}

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return strbuf_text(&request->text) + request->path;
}

const char *http_request_query(const struct http_request *request)
{
    return strbuf_text(&request->text) + request->query;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    const char *text = strbuf_text(&request->text);
    for (unsigned i = 0; i < request->field_count; i++) {
        if (strcasecmp(text + request->fields[i].name, name) == 0) {
            return text + request->fields[i].value;
        }
    }
    return NULL;
}

bool http_request_content_length(const struct http_request *request, uint64_t *length)
{
    *length = request->length;
    return !request->chunked;
}

uint64_t http_request_started_ns(const struct http_request *request)
{
    return request->started_ns;
}

void http_request_set_user(struct http_request *request, void *user)
{
    request->user = user;
}

void *http_request_user(const struct http_request *request)
{
    return request->user;
}

void http_body_into(struct http_request *request, void *buffer)
{
    roost_assert(request->held && request->mode == BODY_UNDECIDED && !request->chunked);
    request->mode = BODY_INTO;
    request->body = buffer;
}

void http_body_collect(struct http_request *request, uint64_t bytes_max)
{
    roost_assert(request->held && request->mode == BODY_UNDECIDED);
    request->mode = BODY_COLLECT;
    if (bytes_max < request->body_max) {
        request->body_max = bytes_max;
    }
}

const void *http_body(const struct http_request *request, size_t *length)
{
    *length = request->collected.length;
    return strbuf_text(&request->collected);
}
