/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_internal.h"

enum { SPARE_REQUESTS_MAX = 256, SPARE_TEXT_BYTES_MAX = 16 * 1024 };

struct http_request *http_request_begin(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_request *request = server->spare;
    struct strbuf text = {0};
    if (request != NULL) {
        server->spare = request->next;
        server->spare_count--;
        text = request->text;
    } else {
        request = malloc(sizeof *request);
        if (request == NULL) {
            return NULL;
        }
        strbuf_init(&text);
    }
    memset(request, 0, offsetof(struct http_request, fields));
    request->fields[0].name = 0;
    request->text = text;
    strbuf_reset(&request->text);
    strbuf_init(&request->collected);
    strbuf_init(&request->answer);
    request->close_after = false;
    request->fields[0].name = 0;
    request->conn = conn;
    request->reading = true;
    request->started_ns = clock_now_ns();
    if (conn->last == NULL) {
        conn->first = request;
    } else {
        conn->last->next = request;
    }
    conn->last = request;
    conn->open_requests++;
    return request;
}

void http_request_release(struct http_request *request)
{
    struct http_conn *conn = request->conn;
    struct http_server *server = conn->server;
    roost_assert(conn->first == request);
    conn->first = request->next;
    if (conn->first == NULL) {
        conn->last = NULL;
    }
    conn->open_requests--;
    strbuf_fini(&request->collected);
    strbuf_fini(&request->answer);
    if (server->spare_count == SPARE_REQUESTS_MAX ||
        request->text.capacity > SPARE_TEXT_BYTES_MAX) {
        http_request_destroy(request);
        return;
    }
    request->next = server->spare;
    server->spare = request;
    server->spare_count++;
}

void http_request_destroy(struct http_request *request)
{
    strbuf_fini(&request->text);
    free(request);
}

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return strbuf_text(&request->text);
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
    roost_assert(request->mode == BODY_UNDECIDED && !request->chunked);
    request->mode = BODY_INTO;
    request->body = buffer;
}

void http_body_collect(struct http_request *request, uint64_t bytes_max)
{
    roost_assert(request->mode == BODY_UNDECIDED);
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
