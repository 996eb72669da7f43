/* SPDX-License-Identifier: Apache-2.0 */
#include "load/fake_oip.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/http.h"
#include "net/oip.h"
#include "net/url.h"

enum { BLOCKS_MAX = 16, BODY_BYTES_MAX = 16 * 1024 * 1024 };

struct fake_oip {
    struct fake_oip_options options;
    struct fake_oip_counts counts;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t end;
    struct http_server *server;
    unsigned port;
    struct model_io io[2];
};

struct blocks {
    void *items[BLOCKS_MAX];
    unsigned count;
};

static enum roost_err block_give(void *user, size_t bytes, void **memory, struct detail *detail)
{
    (void)detail;
    struct blocks *blocks = user;
    roost_assert(blocks->count < BLOCKS_MAX);
    blocks->items[blocks->count++] = *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    roost_assert(*memory != NULL);
    return ROOST_OK;
}

static void models_make(struct fake_oip *fake)
{
    fake->io[0] = (struct model_io){
        .input_count = 2,
        .output_count = 1,
        .inputs = {{.name = "x", .dtype = DTYPE_FP32, .shape = {2, {-1, 4}}},
                   {.name = "ids", .dtype = DTYPE_INT64, .shape = {2, {-1, 2}}}},
        .outputs = {{.name = "y", .dtype = DTYPE_FP32, .shape = {2, {-1, 1}}}},
    };
    fake->io[1] = (struct model_io){
        .input_count = 1,
        .output_count = 1,
        .inputs = {{.name = "x", .dtype = DTYPE_FP32, .shape = {1, {3}}}},
        .outputs = {{.name = "y", .dtype = DTYPE_FP32, .shape = {1, {1}}}},
    };
}

static const char *const metadata[] = {
    "{\"name\":\"m\",\"versions\":[\"1\"],\"platform\":\"fake\",\"inputs\":["
    "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,4]},"
    "{\"name\":\"ids\",\"datatype\":\"INT64\",\"shape\":[-1,2]}],"
    "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[-1,1]}],"
    "\"properties\":{\"roost.slo\":\"p95 1 s\",\"roost.accuracy\":\"0.8\","
    "\"roost.variant.small.accuracy\":\"0.4\",\"roost.input.ids.range\":\"0:100\"}}",
    "{\"name\":\"n\",\"versions\":[\"1\"],\"platform\":\"fake\",\"inputs\":["
    "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[3]}],"
    "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1]}]}",
};

static const char *const configs[] = {"{\"name\":\"m\",\"max_batch_size\":32}",
                                      "{\"name\":\"n\",\"max_batch_size\":0}"};

static const char repository_index[] = "[{\"name\":\"m\",\"version\":\"1\",\"state\":\"READY\"},"
                                       "{\"name\":\"n\",\"version\":\"1\",\"state\":\"READY\"},"
                                       "{\"name\":\"o\",\"state\":\"UNAVAILABLE\"}]";

static const char metrics[] = "roost_queue_requests{model=\"m\",version=\"1\"} 5\n"
                              "roost_workers{model=\"m\",version=\"1\"} 3\n";

static void text_respond(struct http_request *request, int status, const char *text, bool close)
{
    uv_buf_t body = {.base = (char *)(uintptr_t)text, .len = strlen(text)};
    struct http_response response = {.status = status,
                                     .content_type = "application/json",
                                     .body = &body,
                                     .body_count = 1,
                                     .close = close};
    http_respond(request, &response);
}

/* False when the codec refuses the request, which is then in counts.reason. */
static bool request_check(struct fake_oip *fake, const struct http_request *request, int model)
{
    struct blocks blocks = {0};
    struct oip_request parsed;
    struct detail detail = {""};
    struct oip_model oip = {.name = model == 0 ? "m" : "n",
                            .version = "1",
                            .max_batch_size = model == 0 ? 32 : 0,
                            .io = &fake->io[model]};
    struct oip_body body = {0};
    const char *length = http_request_header(request, "Inference-Header-Content-Length");
    body.data = http_body(request, &body.bytes);
    body.has_header_length = length != NULL;
    enum roost_err err = length == NULL ? ROOST_OK
                                        : oip_parse_length(length, &body.header_length, &detail);
    if (err == ROOST_OK)
        err = oip_parse_infer(&oip, &body, false, block_give, &blocks, &parsed, &detail);
    if (err == ROOST_OK) {
        for (uint64_t i = 0; model == 0 && i < parsed.rows * 2; i++) {
            int64_t id;
            memcpy(&id, (const char *)parsed.inputs[1].data + 8 * i, sizeof(id));
            if (id < 0 || id >= 100)
                err = detail_set(&detail, ROOST_INVALID, "ids: %lld is no row", (long long)id);
        }
        fake->counts.rows += parsed.rows;
        fake->counts.deadlines += parsed.timeout_us > 0 ? 1 : 0;
        oip_request_fini(&parsed);
    }
    for (unsigned i = 0; i < blocks.count; i++)
        free(blocks.items[i]);
    if (err != ROOST_OK) {
        fake->counts.wrong++;
        (void)snprintf(fake->counts.reason, sizeof(fake->counts.reason), "%.200s", detail.text);
    }
    return err == ROOST_OK;
}

static bool is_nth(uint64_t count, unsigned every)
{
    return every > 0 && count % every == 0;
}

static void infer_respond(struct fake_oip *fake, struct http_request *request, int model)
{
    struct fake_oip_counts *counts = &fake->counts;
    const struct fake_oip_options *options = &fake->options;
    const char *token = http_request_header(request, "token");
    uint64_t number = ++counts->all;
    counts->with_token += token != NULL && strcmp(token, "t") == 0 ? 1 : 0;
    if (number == options->interrupt_after)
        (void)kill(getpid(), SIGINT);
    if (!request_check(fake, request, model)) {
        http_respond_error(request, ROOST_INVALID, counts->reason, 0);
    } else if (options->hold) {
        return;
    } else if (is_nth(number, options->refuse_every)) {
        counts->refused++;
        http_respond_error(request, ROOST_OVERLOADED, "the queue is full", 1);
    } else if (is_nth(number, options->unavailable_every)) {
        counts->unavailable++;
        http_respond_error(request, ROOST_UNAVAILABLE, "not now", 0);
    } else if (is_nth(number, options->hang_up_every)) {
        /* Not HTTP, and then the end: what a client sees of a server that breaks. */
        counts->hung_up++;
        text_respond(request, 599, "", true);
    } else {
        bool is_small = is_nth(number, options->small_every);
        counts->ok++;
        counts->small += is_small ? 1 : 0;
        text_respond(request, 200,
                     is_small ? "{\"parameters\":{\"roost_variant\":\"small\"},\"outputs\":[]}"
                              : "{\"outputs\":[]}",
                     false);
    }
}

static void request_respond(void *user, struct http_request *request)
{
    struct fake_oip *fake = user;
    struct url_path path;
    const char *name[1];
    bool has_extensions = !fake->options.no_extensions;
    if (url_path_parse(http_request_path(request), &path, NULL) != ROOST_OK) {
        text_respond(request, 404, "{}", false);
        return;
    }
    if (url_path_match(&path, "v2/health/ready", NULL, 0)) {
        text_respond(request, 200, "", false);
    } else if (has_extensions && url_path_match(&path, "v2/repository/index", NULL, 0)) {
        text_respond(request, 200, repository_index, false);
    } else if (has_extensions && url_path_match(&path, "metrics", NULL, 0)) {
        text_respond(request, 200, metrics, false);
    } else {
        bool is_config = url_path_match(&path, "v2/models/{}/config", name, 1);
        bool is_infer = !is_config && url_path_match(&path, "v2/models/{}/infer", name, 1);
        bool is_model = is_config || is_infer || url_path_match(&path, "v2/models/{}", name, 1);
        int model = !is_model                   ? -1
                    : strcmp(name[0], "m") == 0 ? 0
                    : strcmp(name[0], "n") == 0 ? 1
                                                : -1;
        if (model < 0 || (is_config && !has_extensions))
            text_respond(request, 404, "{\"error\":\"unknown model\"}", false);
        else if (is_infer)
            infer_respond(fake, request, model);
        else
            text_respond(request, 200, is_config ? configs[model] : metadata[model], false);
    }
}

static void headers_arrived(void *user, struct http_request *request)
{
    (void)user;
    http_body_collect(request, BODY_BYTES_MAX);
}

static void client_went(void *user, struct http_request *request)
{
    (void)user;
    (void)request;
}

static void end_arrived(uv_async_t *end)
{
    struct fake_oip *fake = end->data;
    http_server_close(fake->server, NULL, NULL);
    uv_close((uv_handle_t *)end, NULL);
}

static void *fake_thread(void *argument)
{
    struct fake_oip *fake = argument;
    (void)uv_run(&fake->loop, UV_RUN_DEFAULT);
    return NULL;
}

struct fake_oip *fake_oip_start(const struct fake_oip_options *options)
{
    struct fake_oip *fake = calloc(1, sizeof(*fake));
    struct http_limits limits;
    struct detail detail = {""};
    roost_assert(fake != NULL);
    fake->options = *options;
    models_make(fake);
    int rc = uv_loop_init(&fake->loop);
    rc |= uv_async_init(&fake->loop, &fake->end, end_arrived);
    fake->end.data = fake;
    struct http_handler handler = {.user = fake,
                                   .on_headers = headers_arrived,
                                   .on_body_complete = request_respond,
                                   .on_gone = client_went};
    http_limits_default(&limits);
    enum roost_err err = http_server_open(&fake->loop, "127.0.0.1", 0, &handler, &limits,
                                          &fake->server, &detail);
    roost_assert(rc == 0 && err == ROOST_OK);
    fake->port = http_server_port(fake->server);
    rc = pthread_create(&fake->thread, NULL, fake_thread, fake);
    roost_assert(rc == 0);
    return fake;
}

unsigned fake_oip_port(const struct fake_oip *server)
{
    return server->port;
}

void fake_oip_stop(struct fake_oip *fake, struct fake_oip_counts *counts)
{
    (void)uv_async_send(&fake->end);
    (void)pthread_join(fake->thread, NULL);
    int rc = uv_loop_close(&fake->loop);
    roost_assert(rc == 0);
    *counts = fake->counts;
    free(fake);
}
