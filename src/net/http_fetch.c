/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "net/http_client.h"

/* Loading a large model is asked for this way too. */
static const uint64_t fetch_timeout_ns = 600 * NS_PER_S;

struct fetch {
    struct http_client *client;
    enum roost_err err;
    int status;
    struct strbuf body;
};

static void fetch_done(void *user, const struct http_reply *reply)
{
    struct fetch *fetch = user;
    fetch->err = reply->err;
    fetch->status = reply->status;
    strbuf_append(&fetch->body, reply->body, reply->body_bytes);
    http_client_close(fetch->client, NULL, NULL);
}

static bool fetch_is_local(const char *host)
{
    return strncmp(host, "unix:", 5) == 0;
}

static void fetch_head(struct strbuf *head, const char *host, unsigned port, const char *method,
                       const char *path, const char *body)
{
    bool local = fetch_is_local(host);
    bool bare6 = !local && strchr(host, ':') != NULL;
    strbuf_printf(head, "%s %s HTTP/1.1\r\nHost: ", method, path);
    if (local) {
        strbuf_puts(head, "localhost\r\n");
    } else {
        strbuf_printf(head, bare6 ? "[%s]:%u\r\n" : "%s:%u\r\n", host, port);
    }
    if (body != NULL) {
        strbuf_printf(head, "Content-Length: %zu\r\n", strlen(body));
    }
    strbuf_puts(head, "Connection: close\r\n\r\n");
}

static enum roost_err fetch_run(struct fetch *fetch, uv_loop_t *loop, const struct strbuf *head,
                                const char *body)
{
    if (head->failed) {
        http_client_close(fetch->client, NULL, NULL);
        fetch->err = ROOST_NO_MEMORY;
    } else {
        uv_buf_t parts[2] = {{.base = head->data, .len = head->length},
                             {.base = (char *)body, .len = body == NULL ? 0 : strlen(body)}};
        http_client_send(fetch->client, &parts[0], &parts[1], fetch_done, fetch);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    return fetch->err == ROOST_OK && fetch->body.failed ? ROOST_NO_MEMORY : fetch->err;
}

/* For the person at the terminal, who wants to know what to look at. */
static const char *fetch_reason(enum roost_err err)
{
    switch (err) {
    case ROOST_UNAVAILABLE:
        return "nothing listens there, or it closed the connection";
    case ROOST_INVALID:
        return "what listens there does not speak HTTP";
    default:
        return roost_err_text(err);
    }
}

enum roost_err http_fetch(const char *host, unsigned port, const char *method, const char *path,
                          const char *body, int *status, char **reply_body, size_t *reply_bytes,
                          struct detail *detail)
{
    uv_loop_t loop;
    struct fetch fetch = {.err = ROOST_INTERNAL};
    struct http_client_options options = {
        .host = host, .port = port, .connections_max = 1, .timeout_ns = fetch_timeout_ns};
    *reply_body = NULL;
    if (uv_loop_init(&loop) != 0) {
        return detail_set(detail, ROOST_IO, "no event loop: too many open files?");
    }
    struct strbuf head;
    strbuf_init(&head);
    strbuf_init(&fetch.body);
    enum roost_err err = http_client_open(&loop, &options, &fetch.client, detail);
    if (err == ROOST_OK) {
        fetch_head(&head, host, port, method, path, body);
        err = fetch_run(&fetch, &loop, &head, body);
        if (err != ROOST_OK) {
            if (fetch_is_local(host)) {
                detail_set(detail, err, "no answer from %s: %s", host, fetch_reason(err));
            } else {
                detail_set(detail, err, "no answer from %s port %u: %s", host, port,
                           fetch_reason(err));
            }
        }
    }
    roost_assert(uv_loop_close(&loop) == 0);
    if (err == ROOST_OK) {
        *status = fetch.status;
        *reply_bytes = fetch.body.length;
        strbuf_append(&fetch.body, "", 0);
        *reply_body = strbuf_take(&fetch.body);
        err = *reply_body == NULL ? ROOST_NO_MEMORY : ROOST_OK;
    }
    strbuf_fini(&head);
    strbuf_fini(&fetch.body);
    return err;
}
