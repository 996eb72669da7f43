/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange is one request and its answer. It waits in a queue until a connection is free, and is
 * then with that connection until it ends. Connections are idle (in a list, the last used first),
 * busy, being opened, or closing.
 *
 * Callbacks are made from the loop only: a failure is noted, the connection closed, and the
 * exchange ends in libuv's close callback. By then libuv has let go of the caller's buffers too.
 */
#include "net/http_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/http_client_internal.h"

static const size_t reply_bytes_default = (size_t)256 << 20;
static const size_t header_bytes_max = (size_t)1 << 20;
static const uint64_t sweep_ms_max = 100;
static const char local_prefix[] = "unix:";

static void client_pump(struct http_client *client);

/* ---- exchanges ---------------------------------------------------------------------- */

static void exchange_end(struct http_client *client, struct exchange *exchange,
                         struct http_reply *reply)
{
    http_reply_fn *done = exchange->done;
    void *user = exchange->user;
    reply->sent_ns = exchange->sent_ns;
    reply->first_byte_ns = exchange->first_byte_ns;
    reply->done_ns = clock_now_ns();
    exchange->next = client->spare;
    client->spare = exchange;
    client->in_flight--;
    done(user, reply);
}

static void exchange_fail(struct http_client *client, struct exchange *exchange, enum roost_err err)
{
    struct http_reply reply = {.err = err, .headers = "", .body = ""};
    exchange_end(client, exchange, &reply);
}

static struct exchange *waiting_pop(struct http_client *client)
{
    struct exchange *exchange = client->waiting;
    if (exchange != NULL) {
        client->waiting = exchange->next;
        client->waiting_count--;
        if (client->waiting == NULL) {
            client->waiting_tail = &client->waiting;
        }
    }
    return exchange;
}

/* ---- the end of a connection -------------------------------------------------------- */

static void client_check_end(struct http_client *client)
{
    if (!client->closing || client->conns != NULL || !client->sweep_closed) {
        return;
    }
    while (client->spare != NULL) {
        struct exchange *exchange = client->spare;
        client->spare = exchange->next;
        free(exchange);
    }
    void (*on_closed)(void *) = client->on_closed;
    void *user = client->closed_user;
    free(client);
    if (on_closed != NULL) {
        on_closed(user);
    }
}

/* The server is not there, at least not at this address: tries the next, or tells one that waits.
 * The others hear it after attempts of their own. */
static void client_connect_failed(struct http_client *client, size_t address)
{
    if (address == client->address && ++client->address < client->address_count) {
        return;
    }
    if (client->address >= client->address_count) {
        client->address = 0;
        struct exchange *exchange = waiting_pop(client);
        if (exchange != NULL) {
            exchange_fail(client, exchange, ROOST_UNAVAILABLE);
        }
    }
}

static void conn_closed(uv_handle_t *handle)
{
    struct client_conn *conn = handle->data;
    struct http_client *client = conn->client;
    struct exchange *exchange = conn->exchange;
    if (conn->previous == NULL) {
        client->conns = conn->next;
    } else {
        conn->previous->next = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    client->conn_count--;
    if (exchange != NULL) {
        exchange_fail(client, exchange, client->closing ? ROOST_CANCELLED : conn->failure);
    } else if (conn->connect_failed && !client->closing) {
        client_connect_failed(client, conn->address);
    }
    strbuf_fini(&conn->headers);
    strbuf_fini(&conn->body);
    free(conn);
    if (client->closing) {
        client_check_end(client);
    } else {
        client_pump(client);
    }
}

static void idle_remove(struct client_conn *conn)
{
    struct client_conn **place = &conn->client->idle;
    while (*place != conn) {
        place = &(*place)->next_idle;
    }
    *place = conn->next_idle;
}

/* An exchange that is with the connection ends with this error. */
static void conn_close(struct client_conn *conn, enum roost_err failure)
{
    if (conn->state == CLIENT_CLOSING) {
        return;
    }
    if (conn->state == CLIENT_IDLE) {
        idle_remove(conn);
    } else if (conn->state == CLIENT_CONNECTING) {
        conn->client->connecting--;
    }
    conn->state = CLIENT_CLOSING;
    conn->failure = failure;
    uv_close(&conn->uv.handle, conn_closed);
}

/* ---- the parser's callbacks --------------------------------------------------------- */

static int on_header_bytes(llhttp_t *parser, const char *data, size_t length)
{
    struct client_conn *conn = parser->data;
    if (conn->headers.length + length > header_bytes_max) {
        conn->too_large = true;
        return -1;
    }
    strbuf_append(&conn->headers, data, length);
    return conn->headers.failed ? -1 : 0;
}

static int on_field_complete(llhttp_t *parser)
{
    return on_header_bytes(parser, ": ", 2);
}

static int on_value_complete(llhttp_t *parser)
{
    return on_header_bytes(parser, "\r\n", 2);
}

static int on_reply_headers(llhttp_t *parser)
{
    const struct client_conn *conn = parser->data;
    if (parser->status_code < 100) {
        return -1;
    }
    return conn->exchange->is_head ? 1 : 0; /* 1: no body follows */
}

static int on_reply_body(llhttp_t *parser, const char *data, size_t length)
{
    struct client_conn *conn = parser->data;
    conn->body_bytes += length;
    if (conn->body_bytes > conn->client->options.reply_bytes_max) {
        conn->too_large = true;
        return -1;
    }
    if (!conn->client->options.discard_body) {
        strbuf_append(&conn->body, data, length);
    }
    return conn->body.failed ? -1 : 0;
}

static int on_reply_complete(llhttp_t *parser)
{
    struct client_conn *conn = parser->data;
    if (parser->status_code / 100 == 1) {
        strbuf_reset(&conn->headers); /* the answer is still to come */
        return 0;
    }
    conn->complete = true;
    conn->keep_alive = llhttp_should_keep_alive(parser) != 0;
    return HPE_PAUSED;
}

/* ---- reading ------------------------------------------------------------------------ */

static void conn_answer(struct client_conn *conn)
{
    struct http_client *client = conn->client;
    struct exchange *exchange = conn->exchange;
    struct http_reply reply = {.status = conn->parser.status_code,
                               .err = ROOST_OK,
                               .headers = strbuf_text(&conn->headers),
                               .body = strbuf_text(&conn->body),
                               .body_bytes = conn->body_bytes};
    conn->exchange = NULL;
    if (!conn->keep_alive || conn->writing) {
        /* Closed first, so that nothing of the caller's is read after the callback. */
        conn_close(conn, ROOST_OK);
    }
    /* This connection is free after the callback, so what the callback asks for waits for it. */
    client->answering = true;
    exchange_end(client, exchange, &reply);
    client->answering = false;
    if (conn->state == CLIENT_BUSY) {
        conn->state = CLIENT_IDLE;
        conn->next_idle = client->idle;
        client->idle = conn;
    }
    client_pump(client);
}

static void conn_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct client_conn *conn = handle->data;
    buffer->base = conn->client->read_buffer;
    buffer->len = sizeof conn->client->read_buffer;
}

/* The server has closed, which may be how an answer without a length ends. */
static void conn_read_end(struct client_conn *conn, ssize_t status)
{
    if (status == UV_EOF && conn->state == CLIENT_BUSY) {
        (void)llhttp_finish(&conn->parser);
        if (conn->complete) {
            conn->keep_alive = false;
            conn_answer(conn);
            return;
        }
    }
    conn_close(conn, ROOST_UNAVAILABLE);
}

static void conn_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct client_conn *conn = stream->data;
    if (length == 0) {
        return;
    }
    if (length < 0 || conn->state != CLIENT_BUSY) {
        conn_read_end(conn, length);
        return;
    }
    if (conn->exchange->first_byte_ns == 0) {
        conn->exchange->first_byte_ns = clock_now_ns();
    }
    llhttp_errno_t code = llhttp_execute(&conn->parser, buffer->base, (size_t)length);
    if (conn->complete) {
        /* More than the answer: nobody knows what the rest would be taken for. */
        if (llhttp_get_error_pos(&conn->parser) != buffer->base + length) {
            conn->keep_alive = false;
        }
        conn_answer(conn);
    } else if (code != HPE_OK) {
        bool no_memory = conn->headers.failed || conn->body.failed;
        conn_close(conn, conn->too_large ? ROOST_TOO_LARGE
                         : no_memory     ? ROOST_NO_MEMORY
                                         : ROOST_INVALID);
    }
}

/* ---- sending ------------------------------------------------------------------------ */

/* When writing fails, what the server had to say before it closed is still to be read, and the
 * reading ends too. */
static void conn_written(uv_write_t *write, int status)
{
    struct client_conn *conn = write->data;
    conn->writing = status < 0;
}

static void conn_send(struct client_conn *conn, struct exchange *exchange)
{
    conn->state = CLIENT_BUSY;
    conn->exchange = exchange;
    conn->complete = conn->too_large = false;
    conn->body_bytes = 0;
    strbuf_reset(&conn->headers);
    strbuf_reset(&conn->body);
    llhttp_init(&conn->parser, HTTP_RESPONSE, &conn->client->settings);
    conn->parser.data = conn;
    exchange->sent_ns = clock_now_ns();
    uv_buf_t parts[2] = {exchange->parts[0], exchange->parts[1]};
    unsigned count = exchange->part_count, first = 0;
    int taken = uv_try_write(&conn->uv.stream, parts, count);
    if (taken < 0 && taken != UV_EAGAIN) {
        conn_close(conn, ROOST_UNAVAILABLE);
        return;
    }
    size_t skip = taken > 0 ? (size_t)taken : 0;
    while (first < count && skip >= parts[first].len) {
        skip -= parts[first++].len;
    }
    if (first == count) {
        return;
    }
    parts[first].base += skip;
    parts[first].len -= skip;
    conn->write.data = conn;
    conn->writing = true;
    if (uv_write(&conn->write, &conn->uv.stream, parts + first, count - first, conn_written) != 0) {
        conn_close(conn, ROOST_UNAVAILABLE);
    }
}

/* ---- connecting --------------------------------------------------------------------- */

static void conn_connect_failed(struct client_conn *conn)
{
    conn->connect_failed = true;
    conn_close(conn, ROOST_UNAVAILABLE);
}

static void conn_connected(uv_connect_t *connect, int status)
{
    struct client_conn *conn = connect->data;
    struct http_client *client = conn->client;
    if (conn->state == CLIENT_CLOSING) {
        return;
    }
    if (status == 0) {
        status = uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    }
    if (status != 0) {
        conn_connect_failed(conn);
        return;
    }
    if (!client->local) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    client->connecting--;
    conn->state = CLIENT_IDLE;
    conn->next_idle = client->idle;
    client->idle = conn;
    client_pump(client);
}

static bool conn_open(struct http_client *client)
{
    struct client_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return false;
    }
    conn->client = client;
    conn->next = client->conns;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    client->conns = conn;
    client->conn_count++;
    client->connecting++;
    strbuf_init(&conn->headers);
    strbuf_init(&conn->body);
    conn->address = client->address;
    conn->connect.data = conn;
    if (client->local) {
        uv_pipe_init(client->loop, &conn->uv.pipe, 0);
        conn->uv.handle.data = conn;
        uv_pipe_connect(&conn->connect, &conn->uv.pipe, client->path, conn_connected);
        return true;
    }
    uv_tcp_init(client->loop, &conn->uv.tcp);
    conn->uv.handle.data = conn;
    const struct sockaddr_storage *address = &client->addresses[client->address];
    if (uv_tcp_connect(&conn->connect, &conn->uv.tcp, (const struct sockaddr *)address,
                       conn_connected) != 0) {
        conn_connect_failed(conn);
    }
    return true;
}

/* ---- the pool ----------------------------------------------------------------------- */

/* Gives what waits to idle connections, and opens more where there is need. */
static void client_pump(struct http_client *client)
{
    if (client->answering || client->closing) {
        return;
    }
    while (client->waiting != NULL && client->idle != NULL) {
        struct client_conn *conn = client->idle;
        client->idle = conn->next_idle;
        conn_send(conn, waiting_pop(client));
    }
    while (client->waiting_count > client->connecting &&
           client->conn_count < client->options.connections_max) {
        if (!conn_open(client)) {
            break; /* the next sweep tries again */
        }
    }
}

void http_client_sweep(struct http_client *client, uint64_t now_ns)
{
    uint64_t limit_ns = client->options.timeout_ns;
    client_pump(client);
    for (struct client_conn *conn = client->conns; conn != NULL && limit_ns > 0;
         conn = conn->next) {
        const struct exchange *exchange = conn->exchange;
        if (exchange != NULL && exchange->asked_ns + limit_ns < now_ns) {
            conn_close(conn, ROOST_EXPIRED);
        }
    }
    client->answering = true; /* what the callbacks ask for waits until all of them are made */
    while (limit_ns > 0 && client->waiting != NULL &&
           client->waiting->asked_ns + limit_ns < now_ns && !client->closing) {
        exchange_fail(client, waiting_pop(client), ROOST_EXPIRED);
    }
    client->answering = false;
    client_pump(client);
    if (client->in_flight == 0 && !client->closing) {
        uv_timer_stop(&client->sweep);
    }
}

static void client_sweep(uv_timer_t *timer)
{
    http_client_sweep(timer->data, clock_now_ns());
}

/* A tenth of the time-out is late enough to notice it. */
static void client_sweep_start(struct http_client *client)
{
    uint64_t step_ms = client->options.timeout_ns / NS_PER_MS / 10;
    step_ms = step_ms == 0 || step_ms > sweep_ms_max ? sweep_ms_max : step_ms;
    uv_timer_start(&client->sweep, client_sweep, step_ms, step_ms);
}

void http_client_send(struct http_client *client, const uv_buf_t *head, const uv_buf_t *body,
                      http_reply_fn *done, void *user)
{
    roost_assert(!client->closing);
    struct exchange *exchange = client->spare;
    if (exchange != NULL) {
        client->spare = exchange->next;
    } else {
        exchange = malloc(sizeof *exchange);
    }
    if (exchange == NULL) {
        struct http_reply reply = {.err = ROOST_NO_MEMORY, .headers = "", .body = ""};
        done(user, &reply);
        return;
    }
    *exchange = (struct exchange){.done = done, .user = user, .asked_ns = clock_now_ns()};
    exchange->parts[exchange->part_count++] = *head;
    exchange->is_head = head->len >= 5 && memcmp(head->base, "HEAD ", 5) == 0;
    if (body != NULL && body->len > 0) {
        exchange->parts[exchange->part_count++] = *body;
    }
    *client->waiting_tail = exchange;
    client->waiting_tail = &exchange->next;
    client->waiting_count++;
    client->in_flight++;
    if (!uv_is_active((uv_handle_t *)&client->sweep)) {
        client_sweep_start(client);
    }
    client_pump(client);
}

unsigned http_client_in_flight(const struct http_client *client)
{
    return client->in_flight;
}

/* ---- opening and closing ------------------------------------------------------------ */

static enum roost_err client_resolve(struct http_client *client, struct detail *detail)
{
    const char *host = client->options.host;
    const size_t prefix = sizeof local_prefix - 1;
    if (strncmp(host, local_prefix, prefix) == 0) {
        const char *path = host + prefix;
        if (path[0] == '\0' || strlen(path) >= sizeof client->path) {
            return detail_set(detail, ROOST_INVALID,
                              "the socket's path must have 1 to %zu bytes: '%s'",
                              sizeof client->path - 1, path);
        }
        memcpy(client->path, path, strlen(path) + 1);
        client->local = true;
        client->address_count = 1;
        return ROOST_OK;
    }
    if (client->options.port == 0 || client->options.port > UINT16_MAX) {
        return detail_set(detail, ROOST_INVALID, "%u is not a server's port", client->options.port);
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int status = getaddrinfo(host, NULL, &hints, &found);
    if (status != 0) {
        return detail_set(detail, ROOST_UNAVAILABLE, "no server called '%s': %s", host,
                          gai_strerror(status));
    }
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        if (client->address_count < CLIENT_ADDRESSES_MAX) {
            struct sockaddr_storage *address = &client->addresses[client->address_count++];
            memcpy(address, a->ai_addr, a->ai_addrlen);
            /* The port is at the same place in both families. */
            ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)client->options.port);
        }
    }
    freeaddrinfo(found);
    return ROOST_OK;
}

enum roost_err http_client_open(uv_loop_t *loop, const struct http_client_options *options,
                                struct http_client **out, struct detail *detail)
{
    struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    client->loop = loop;
    client->options = *options;
    if (client->options.reply_bytes_max == 0) {
        client->options.reply_bytes_max = reply_bytes_default;
    }
    if (client->options.connections_max == 0) {
        client->options.connections_max = 1;
    }
    client->waiting_tail = &client->waiting;
    enum roost_err err = client_resolve(client, detail);
    if (err != ROOST_OK) {
        free(client);
        return err;
    }
    client->options.host = NULL; /* was the caller's */
    llhttp_settings_init(&client->settings);
    client->settings.on_header_field = on_header_bytes;
    client->settings.on_header_field_complete = on_field_complete;
    client->settings.on_header_value = on_header_bytes;
    client->settings.on_header_value_complete = on_value_complete;
    client->settings.on_headers_complete = on_reply_headers;
    client->settings.on_body = on_reply_body;
    client->settings.on_message_complete = on_reply_complete;
    uv_timer_init(loop, &client->sweep);
    client->sweep.data = client;
    *out = client;
    return ROOST_OK;
}

static void client_sweep_closed(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    struct exchange *exchange;
    while ((exchange = waiting_pop(client)) != NULL) {
        exchange_fail(client, exchange, ROOST_CANCELLED);
    }
    client->sweep_closed = true;
    client_check_end(client);
}

void http_client_close(struct http_client *client, void (*on_closed)(void *user), void *user)
{
    roost_assert(!client->closing);
    client->closing = true;
    client->on_closed = on_closed;
    client->closed_user = user;
    for (struct client_conn *conn = client->conns; conn != NULL; conn = conn->next) {
        conn_close(conn, ROOST_CANCELLED);
    }
    uv_close((uv_handle_t *)&client->sweep, client_sweep_closed);
}

bool http_reply_header(const struct http_reply *reply, const char *name, char *out,
                       size_t out_bytes)
{
    size_t length = strlen(name);
    for (const char *line = reply->headers; *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL) {
            return false;
        }
        if (strncasecmp(line, name, length) == 0 && strncmp(line + length, ": ", 2) == 0) {
            const char *value = line + length + 2;
            size_t bytes = (size_t)(end - value);
            if (bytes >= out_bytes) {
                return false;
            }
            memcpy(out, value, bytes);
            out[bytes] = '\0';
            return true;
        }
        line = end + 2;
    }
    return false;
}
