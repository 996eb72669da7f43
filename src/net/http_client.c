/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <llhttp.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/strbuf.h"

static const size_t reply_bytes_default = (size_t)256 << 20;
static const uint64_t sweep_ms = 10;
enum { CLIENT_READ_BYTES = 64 * 1024 };

struct exchange {
    struct exchange *next;
    uv_buf_t parts[2];
    unsigned part_count;
    http_reply_fn *done;
    void *user;
    uint64_t asked_ns, sent_ns, first_byte_ns;
};

struct client_conn {
    struct client_conn *next;
    struct http_client *client;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_connect_t connect;
    uv_write_t write;
    bool connected, closing, complete;
    bool keep_alive;
    uint64_t answers; /* on this connection */
    struct exchange *exchange;
    llhttp_t parser;
    struct strbuf headers, body;
    size_t body_bytes;
    bool too_large;
};

struct http_client {
    uv_loop_t *loop;
    struct http_client_options options;
    struct sockaddr_storage address;
    bool local;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    uv_timer_t sweep;
    llhttp_settings_t settings;
    struct client_conn *conns;
    unsigned conn_count;
    struct exchange *waiting, **waiting_tail;
    struct exchange *spare;
    unsigned in_flight;
    bool closing, sweep_closed;
    void (*on_closed)(void *user);
    void *closed_user;
    char read_buffer[CLIENT_READ_BYTES];
};

static void client_pump(struct http_client *client);

/* ---- exchanges ---------------------------------------------------------------------- */

static void exchange_end(struct http_client *client, struct exchange *exchange,
                         struct http_reply *reply)
{
    reply->sent_ns = exchange->sent_ns;
    reply->first_byte_ns = exchange->first_byte_ns;
    reply->done_ns = clock_now_ns();
    http_reply_fn *done = exchange->done;
    void *user = exchange->user;
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

/* ---- connections -------------------------------------------------------------------- */

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

static void conn_closed(uv_handle_t *handle)
{
    struct client_conn *conn = handle->data;
    struct http_client *client = conn->client;
    struct client_conn **place = &client->conns;
    while (*place != conn) {
        place = &(*place)->next;
    }
    *place = conn->next;
    client->conn_count--;
    strbuf_fini(&conn->headers);
    strbuf_fini(&conn->body);
    free(conn);
    if (client->closing) {
        client_check_end(client);
    } else {
        client_pump(client);
    }
}

/* Closes; an exchange in progress fails with this error. */
static void conn_drop(struct client_conn *conn, enum roost_err err)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    uv_close(&conn->uv.handle, conn_closed);
    struct exchange *exchange = conn->exchange;
    conn->exchange = NULL;
    if (exchange != NULL) {
        exchange_fail(conn->client, exchange, err);
    }
}

static int on_header_bytes(llhttp_t *parser, const char *data, size_t length)
{
    struct client_conn *conn = parser->data;
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
    if (parser->status_code == 100) {
        strbuf_reset(&conn->headers);
        return 0;
    }
    conn->complete = true;
    conn->keep_alive = llhttp_should_keep_alive(parser) != 0;
    return HPE_PAUSED;
}

static void conn_answer(struct client_conn *conn)
{
    struct exchange *exchange = conn->exchange;
    struct http_client *client = conn->client;
    struct http_reply reply = {.status = conn->parser.status_code,
                               .err = ROOST_OK,
                               .headers = strbuf_text(&conn->headers),
                               .body = strbuf_text(&conn->body),
                               .body_bytes = conn->body_bytes};
    conn->exchange = NULL;
    conn->answers++;
    if (!conn->keep_alive) {
        conn->closing = true;
        uv_close(&conn->uv.handle, conn_closed);
    }
    /* The connection stays marked busy while the callback looks at its buffers. */
    bool reuse = conn->keep_alive;
    conn->complete = true;
    exchange_end(client, exchange, &reply);
    conn->complete = false;
    if (reuse && !conn->closing) {
        client_pump(client);
    }
}

static void conn_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct client_conn *conn = handle->data;
    buffer->base = conn->client->read_buffer;
    buffer->len = sizeof conn->client->read_buffer;
}

static void conn_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct client_conn *conn = stream->data;
    if (length == 0) {
        return;
    }
    if (length < 0 || conn->exchange == NULL) {
        if (length == UV_EOF && conn->exchange != NULL &&
            llhttp_finish(&conn->parser) == HPE_PAUSED && conn->complete) {
            conn->keep_alive = false;
            conn_answer(conn);
            return;
        }
        conn_drop(conn, ROOST_UNAVAILABLE);
        return;
    }
    if (conn->exchange->first_byte_ns == 0) {
        conn->exchange->first_byte_ns = clock_now_ns();
    }
    llhttp_errno_t code = llhttp_execute(&conn->parser, buffer->base, (size_t)length);
    if (conn->complete) {
        conn_answer(conn);
    } else if (code != HPE_OK) {
        conn_drop(conn, conn->too_large ? ROOST_TOO_LARGE : ROOST_INVALID);
    }
}

static void conn_written(uv_write_t *write, int status)
{
    struct client_conn *conn = write->data;
    if (status < 0) {
        conn_drop(conn, ROOST_UNAVAILABLE);
    }
}

static void conn_send(struct client_conn *conn, struct exchange *exchange)
{
    conn->exchange = exchange;
    conn->complete = conn->too_large = false;
    conn->body_bytes = 0;
    strbuf_reset(&conn->headers);
    strbuf_reset(&conn->body);
    llhttp_init(&conn->parser, HTTP_RESPONSE, &conn->client->settings);
    conn->parser.data = conn;
    exchange->sent_ns = clock_now_ns();
    exchange->first_byte_ns = 0;
    uv_buf_t parts[2] = {exchange->parts[0], exchange->parts[1]};
    unsigned count = exchange->part_count, first = 0;
    int taken = uv_try_write(&conn->uv.stream, parts, count);
    if (taken < 0 && taken != UV_EAGAIN) {
        conn_drop(conn, ROOST_UNAVAILABLE);
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
    if (uv_write(&conn->write, &conn->uv.stream, parts + first, count - first, conn_written) != 0) {
        conn_drop(conn, ROOST_UNAVAILABLE);
    }
}

static void conn_connected(uv_connect_t *connect, int status)
{
    struct client_conn *conn = connect->data;
    struct http_client *client = conn->client;
    if (conn->closing) {
        return;
    }
    if (status < 0) {
        /* Whoever waits hears that the server is not there; one per failed attempt. */
        struct exchange *exchange = client->waiting;
        conn->closing = true;
        uv_close(&conn->uv.handle, conn_closed);
        if (exchange != NULL) {
            client->waiting = exchange->next;
            if (client->waiting == NULL) {
                client->waiting_tail = &client->waiting;
            }
            exchange_fail(client, exchange, ROOST_UNAVAILABLE);
        }
        return;
    }
    conn->connected = true;
    if (!client->local) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    uv_read_start(&conn->uv.stream, conn_allocate, conn_read);
    client_pump(client);
}

static void conn_open(struct http_client *client)
{
    struct client_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return;
    }
    conn->client = client;
    conn->next = client->conns;
    client->conns = conn;
    client->conn_count++;
    conn->connect.data = conn;
    int status;
    if (client->local) {
        uv_pipe_init(client->loop, &conn->uv.pipe, 0);
        conn->uv.handle.data = conn;
        uv_pipe_connect(&conn->connect, &conn->uv.pipe, client->path, conn_connected);
        return;
    }
    uv_tcp_init(client->loop, &conn->uv.tcp);
    conn->uv.handle.data = conn;
    status = uv_tcp_connect(&conn->connect, &conn->uv.tcp,
                            (const struct sockaddr *)&client->address, conn_connected);
    if (status != 0) {
        conn->connect.data = conn;
        conn_connected(&conn->connect, status);
    }
}

/* ---- the pool ----------------------------------------------------------------------- */

/* Gives waiting exchanges to idle connections, and opens more while there is need. */
static void client_pump(struct http_client *client)
{
    unsigned opening = 0;
    for (struct client_conn *conn = client->conns; conn != NULL && client->waiting != NULL;
         conn = conn->next) {
        if (conn->closing || conn->exchange != NULL || conn->complete) {
            continue;
        }
        if (!conn->connected) {
            opening++;
            continue;
        }
        struct exchange *exchange = client->waiting;
        client->waiting = exchange->next;
        if (client->waiting == NULL) {
            client->waiting_tail = &client->waiting;
        }
        conn_send(conn, exchange);
    }
    unsigned waiting = 0;
    for (struct exchange *e = client->waiting; e != NULL && waiting <= opening; e = e->next) {
        waiting++;
    }
    if (waiting > opening && client->conn_count < client->options.connections_max) {
        conn_open(client);
    }
}

void http_client_send(struct http_client *client, const uv_buf_t *head, const uv_buf_t *body,
                      http_reply_fn *done, void *user)
{
    struct exchange *exchange = client->spare;
    if (exchange != NULL) {
        client->spare = exchange->next;
    } else {
        exchange = malloc(sizeof *exchange);
    }
    client->in_flight++;
    if (exchange == NULL) {
        struct http_reply reply = {.err = ROOST_NO_MEMORY, .headers = "", .body = ""};
        client->in_flight--;
        done(user, &reply);
        return;
    }
    *exchange = (struct exchange){.done = done, .user = user, .asked_ns = clock_now_ns()};
    exchange->parts[exchange->part_count++] = *head;
    if (body != NULL && body->len > 0) {
        exchange->parts[exchange->part_count++] = *body;
    }
    *client->waiting_tail = exchange;
    client->waiting_tail = &exchange->next;
    client_pump(client);
}

static void client_sweep(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    uint64_t now_ns = clock_now_ns(), limit_ns = client->options.timeout_ns;
    if (client->waiting != NULL) {
        client_pump(client);
    }
    if (limit_ns == 0) {
        return;
    }
    for (struct client_conn *conn = client->conns; conn != NULL; conn = conn->next) {
        if (conn->exchange != NULL && now_ns - conn->exchange->asked_ns > limit_ns) {
            conn_drop(conn, ROOST_EXPIRED);
        }
    }
    while (client->waiting != NULL && now_ns - client->waiting->asked_ns > limit_ns) {
        struct exchange *exchange = client->waiting;
        client->waiting = exchange->next;
        if (client->waiting == NULL) {
            client->waiting_tail = &client->waiting;
        }
        exchange_fail(client, exchange, ROOST_EXPIRED);
    }
}

static enum roost_err client_resolve(struct http_client *client, struct detail *detail)
{
    const char *host = client->options.host;
    if (strncmp(host, "unix:", 5) == 0) {
        client->local = true;
        if (strlen(host + 5) >= sizeof client->path) {
            return detail_set(detail, ROOST_INVALID, "the socket's path is too long: %s", host + 5);
        }
        strcpy(client->path, host + 5);
        return ROOST_OK;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int status = getaddrinfo(host, NULL, &hints, &found);
    if (status != 0) {
        return detail_set(detail, ROOST_UNAVAILABLE, "%s: %s", host, gai_strerror(status));
    }
    memcpy(&client->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    uint16_t port = htons((uint16_t)client->options.port);
    if (client->address.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&client->address)->sin6_port = port;
    } else {
        ((struct sockaddr_in *)&client->address)->sin_port = port;
    }
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
    client->settings.on_body = on_reply_body;
    client->settings.on_message_complete = on_reply_complete;
    uv_timer_init(loop, &client->sweep);
    client->sweep.data = client;
    uv_timer_start(&client->sweep, client_sweep, sweep_ms, sweep_ms);
    *out = client;
    return ROOST_OK;
}

unsigned http_client_in_flight(const struct http_client *client)
{
    return client->in_flight;
}

static void sweep_closed(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    client->sweep_closed = true;
    client_check_end(client);
}

void http_client_close(struct http_client *client, void (*on_closed)(void *user), void *user)
{
    client->closing = true;
    client->on_closed = on_closed;
    client->closed_user = user;
    while (client->waiting != NULL) {
        struct exchange *exchange = client->waiting;
        client->waiting = exchange->next;
        exchange_fail(client, exchange, ROOST_CANCELLED);
    }
    for (struct client_conn *conn = client->conns; conn != NULL; conn = conn->next) {
        conn_drop(conn, ROOST_CANCELLED);
    }
    uv_close((uv_handle_t *)&client->sweep, sweep_closed);
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
