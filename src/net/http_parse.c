/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "net/http_internal.h"

/* Notes why, and stops the parser. */
static int parse_refuse(struct http_conn *conn, enum roost_err err, const char *text)
{
    conn->refusal = err;
    conn->refusal_text = text;
    return -1;
}

/* Everything of a request that is not its body counts as headers, so that none of it goes on
 * without end. */
static int parse_count(struct http_conn *conn, size_t length)
{
    conn->header_bytes += length;
    return conn->header_bytes > conn->server->limits.header_bytes_max
               ? parse_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the request's headers are too large")
               : 0;
}

static int parse_append(struct http_conn *conn, const char *data, size_t length)
{
    struct strbuf *text = &conn->last->text;
    strbuf_append(text, data, length);
    return text->failed ? parse_refuse(conn, ROOST_NO_MEMORY, "out of memory") : 0;
}

static int on_message_begin(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    return http_request_begin(conn) == NULL ? parse_refuse(conn, ROOST_NO_MEMORY, "out of memory")
                                            : 0;
}

static int on_url(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    return parse_count(conn, length) != 0 ? -1 : parse_append(conn, data, length);
}

/* "path?query" becomes "path\0query\0". Proxies may send "http://host/path?query". */
static int on_url_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (parse_append(conn, "", 1) != 0) {
        return -1;
    }
    char *target = request->text.data;
    char *path = target;
    char *fragment = strchr(target, '#');
    if (fragment != NULL) {
        *fragment = '\0';
    }
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        request->query = (unsigned)(query + 1 - target);
    }
    char *authority = *target != '/' ? strstr(target, "://") : NULL;
    if (authority != NULL) {
        path = strchr(authority + 3, '/');
        if (path == NULL) {
            /* Nothing but a host was asked for; the text before its end is free to hold a path. */
            path = authority + 1;
            memcpy(path, "/", 2);
        }
    }
    request->path = (unsigned)(path - target);
    if (query == NULL) {
        request->query = (unsigned)(path + strlen(path) - target);
    }
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (parse_count(conn, length) != 0) {
        return -1;
    }
    if (request->read != READ_HEADERS) {
        return 0; /* a trailer: nobody asks for it */
    }
    if (request->field_count == HTTP_FIELDS_MAX) {
        return parse_refuse(conn, ROOST_HEADERS_TOO_LARGE, "the request has too many headers");
    }
    struct http_field *field = &request->fields[request->field_count];
    if (!conn->in_field) {
        conn->in_field = true;
        field->name = (unsigned)request->text.length;
    }
    return parse_append(conn, data, length);
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (request->read != READ_HEADERS) {
        return 0;
    }
    conn->in_field = false;
    if (parse_append(conn, "", 1) != 0) {
        return -1;
    }
    request->fields[request->field_count].value = (unsigned)request->text.length;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    if (parse_count(conn, length) != 0) {
        return -1;
    }
    return conn->last->read == READ_HEADERS ? parse_append(conn, data, length) : 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    if (request->read != READ_HEADERS) {
        return 0;
    }
    struct strbuf *text = &request->text;
    unsigned value = request->fields[request->field_count].value;
    while (text->length > value &&
           (text->data[text->length - 1] == ' ' || text->data[text->length - 1] == '\t')) {
        text->length--;
    }
    request->field_count++;
    return parse_append(conn, "", 1);
}

static int on_chunk_extension(llhttp_t *parser, const char *data, size_t length)
{
    (void)data;
    return parse_count(parser->data, length);
}

static int on_pause(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *data, size_t length)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->last;
    uint64_t place = request->received;
    request->received += length;
    if (request->received > request->body_max) {
        return parse_refuse(conn, ROOST_TOO_LARGE, "the request's body is too large");
    }
    if (request->mode == BODY_INTO) {
        roost_assert(request->received <= request->length);
        if (data != request->body + place) {
            memcpy(request->body + place, data, length);
        }
    } else if (request->mode == BODY_COLLECT) {
        struct strbuf *collected = &request->collected;
        if (collected->data != NULL && data == collected->data + collected->length) {
            strbuf_commit(collected, length);
        } else {
            strbuf_append(collected, data, length);
        }
        if (collected->failed) {
            return parse_refuse(conn, ROOST_NO_MEMORY, "out of memory");
        }
    }
    return 0;
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
    settings->on_headers_complete = on_pause;
    settings->on_chunk_extension_name = on_chunk_extension;
    settings->on_chunk_extension_value = on_chunk_extension;
    settings->on_body = on_body;
    settings->on_message_complete = on_pause;
}

/* ---- what the headers say ----------------------------------------------------------- */

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

static bool refuse_headers(struct http_conn *conn, enum roost_err err, const char *text)
{
    (void)parse_refuse(conn, err, text);
    return false;
}

/* One pass over the names, by their first letter. */
static bool fields_check(struct http_conn *conn, struct http_request *request)
{
    const char *text = request->text.data;
    unsigned hosts = 0, codings = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        const char *name = text + request->fields[i].name;
        const char *value = text + request->fields[i].value;
        switch (*name | 0x20) {
        case 'h':
            hosts += strcasecmp(name, "host") == 0;
            break;
        case 'e':
            request->expects_continue |= !request->http10 && strcasecmp(name, "expect") == 0 &&
                                         strcasecmp(value, "100-continue") == 0;
            break;
        case 't':
            if (strcasecmp(name, "transfer-encoding") == 0) {
                codings++;
                if (strcasecmp(value, "chunked") != 0) {
                    return refuse_headers(conn, ROOST_UNSUPPORTED,
                                          "no Transfer-Encoding but chunked is spoken here");
                }
            }
            break;
        default:
            break;
        }
    }
    if (codings > 1 || (codings == 1 && request->http10)) {
        return refuse_headers(conn, ROOST_INVALID, "Transfer-Encoding is not allowed here");
    }
    if (hosts > 1 || (hosts == 0 && !request->http10)) {
        return refuse_headers(conn, ROOST_INVALID, "exactly one Host header is needed");
    }
    return true;
}

bool http_parse_headers(struct http_conn *conn, struct http_request *request)
{
    llhttp_t *parser = &conn->parser;
    request->method = method_of(llhttp_get_method(parser));
    request->http10 = parser->http_minor == 0;
    request->keep_alive = llhttp_should_keep_alive(parser) != 0;
    request->chunked = (parser->flags & F_CHUNKED) != 0;
    request->length = (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0;
    request->body_max = conn->server->limits.body_bytes_max;
    if (parser->http_major != 1 || parser->http_minor > 1) {
        return refuse_headers(conn, ROOST_INVALID, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    if (llhttp_get_method(parser) == HTTP_CONNECT) {
        return refuse_headers(conn, ROOST_METHOD, "CONNECT is not spoken here");
    }
    /* An offer to speak something else may be ignored, and is. */
    parser->upgrade = 0;
    if (!fields_check(conn, request)) {
        return false;
    }
    if (request->length > request->body_max) {
        return refuse_headers(conn, ROOST_TOO_LARGE, "the request's body is too large");
    }
    return true;
}
