/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "net/http_client.h"

static const uint64_t fetch_timeout_ns = 60 * NS_PER_S;

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
    strbuf_append(&fetch->body, "", 0);
    http_client_close(fetch->client, NULL, NULL);
}

enum roost_err http_fetch(const char *host, unsigned port, const char *method, const char *path,
                          const char *body, int *status, char **reply_body, size_t *reply_bytes,
                          struct detail *detail)
{
    uv_loop_t loop;
    struct fetch fetch = {.err = ROOST_INTERNAL};
    struct http_client_options options = {
        .host = host, .port = port, .connections_max = 1, .timeout_ns = fetch_timeout_ns};
    strbuf_init(&fetch.body);
    roost_assert(uv_loop_init(&loop) == 0);
    enum roost_err err = http_client_open(&loop, &options, &fetch.client, detail);
    struct strbuf head;
    strbuf_init(&head);
    if (err == ROOST_OK) {
        size_t length = body == NULL ? 0 : strlen(body);
        strbuf_printf(&head, "%s %s HTTP/1.1\r\nHost: roost\r\nContent-Length: %zu\r\n\r\n", method,
                      path, length);
        uv_buf_t parts[2] = {uv_buf_init(head.data, (unsigned)head.length),
                             uv_buf_init((char *)body, (unsigned)length)};
        http_client_send(fetch.client, &parts[0], &parts[1], fetch_done, &fetch);
        uv_run(&loop, UV_RUN_DEFAULT);
        err = fetch.err;
        if (err != ROOST_OK) {
            detail_set(detail, err, "no answer from %s port %u: %s", host, port,
                       roost_err_text(err));
        }
    }
    strbuf_fini(&head);
    roost_assert(uv_loop_close(&loop) == 0);
    if (err != ROOST_OK) {
        strbuf_fini(&fetch.body);
        return err;
    }
    *status = fetch.status;
    *reply_bytes = fetch.body.length;
    *reply_body = strbuf_take(&fetch.body);
    return *reply_body == NULL ? ROOST_NO_MEMORY : ROOST_OK;
}
