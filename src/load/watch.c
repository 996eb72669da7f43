/* SPDX-License-Identifier: Apache-2.0 */
#include "load/watch.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

enum {
    TURN_MS = 500,
    LINE_TURNS = 10, /* between lines where there is no terminal */
    SCRAPE_FAILURES_MAX = 3,
    TERMINAL_LINES = 24,
    LINE_BYTES_MAX = 256,
};
#define SCRAPE_TIMEOUT_NS NS_PER_S

static void scrape_arrived(void *user, const struct http_reply *reply)
{
    struct watch *watch = user;
    watch->is_asking = false;
    watch->has_metrics = reply->status == 200;
    if (watch->has_metrics) {
        watch->failures = 0;
        scrape_read(reply->body, reply->body_bytes, watch->models, watch->live.tenant_count);
    } else {
        watch->failures++;
    }
}

static void scrape_ask(struct watch *watch)
{
    if (watch->client == NULL || watch->is_asking || watch->failures == SCRAPE_FAILURES_MAX)
        return;
    uv_buf_t head = {.base = watch->request.data, .len = watch->request.length};
    uv_buf_t body = {0};
    watch->is_asking = true;
    http_client_send(watch->client, &head, &body, scrape_arrived, watch);
}

static void status_fill(const struct watch *watch, struct live_status *status)
{
    bool is_warm = watch->phase[0] != '\0' || watch->now_ns >= watch->warmup_ns;
    *status = (struct live_status){
        .title = watch->url,
        .phase = is_warm ? watch->phase : "warm-up",
        .elapsed_ns = watch->now_ns,
        .total_ns = watch->total_ns,
        .models = watch->has_metrics ? watch->models : NULL,
    };
}

static unsigned terminal_lines(const struct watch *watch)
{
    struct winsize size;
    if (ioctl(fileno(watch->out), TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return TERMINAL_LINES;
    return size.ws_row;
}

/* Takes the table away: the cursor goes to where it began. */
static void table_clear(struct watch *watch, struct strbuf *out)
{
    if (watch->lines > 0)
        strbuf_printf(out, "\x1b[%uA\r\x1b[J", watch->lines);
    watch->lines = 0;
}

static void out_write(struct watch *watch, const struct strbuf *text)
{
    (void)fwrite(strbuf_text(text), 1, text->length, watch->out);
    (void)fflush(watch->out);
}

static void table_draw(struct watch *watch)
{
    struct live_status status;
    struct strbuf out;
    strbuf_init(&out);
    status_fill(watch, &status);
    if (watch->lines > 0)
        strbuf_printf(&out, "\x1b[%uA\r", watch->lines);
    /* Long lines are cut by the terminal; wrapped ones would spoil the count of lines. */
    strbuf_puts(&out, "\x1b[?7l");
    watch->lines = live_table(&watch->live, &status, terminal_lines(watch), watch->with_color,
                              "\x1b[K\n", &out);
    strbuf_puts(&out, "\x1b[J\x1b[?7h");
    out_write(watch, &out);
    strbuf_fini(&out);
}

static void lines_print(struct watch *watch)
{
    struct live_status status;
    struct strbuf out;
    strbuf_init(&out);
    status_fill(watch, &status);
    live_lines(&watch->live, &status, &out);
    out_write(watch, &out);
    strbuf_fini(&out);
}

static void watch_turn(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    scrape_ask(watch);
    if (watch->now_ns > watch->turn_ns) {
        live_turn(&watch->live, watch->now_ns - watch->turn_ns);
        watch->turn_ns = watch->now_ns;
    }
    watch->turns++;
    if (watch->is_terminal)
        table_draw(watch);
    else if (watch->with_lines && watch->turns % LINE_TURNS == 0)
        lines_print(watch);
}

/* Without its metrics a server is watched from outside; so no failure here matters. */
static void scrape_open(struct watch *watch, uv_loop_t *loop, const struct session_options *options)
{
    struct http_client_options client = {
        .host = options->target->host,
        .port = options->target->port,
        .connections_max = 1,
        .timeout_ns = SCRAPE_TIMEOUT_NS,
    };
    strbuf_printf(&watch->request, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n",
                  options->target->authority);
    if (!watch->request.failed)
        (void)http_client_open(loop, &client, &watch->client, NULL);
}

enum roost_err watch_open(struct watch *watch, uv_loop_t *loop,
                          const struct session_options *options, struct detail *detail)
{
    const struct load_tenants *tenants = options->tenants;
    *watch = (struct watch){.is_terminal = options->live_is_terminal,
                            .with_color = options->with_color,
                            .with_lines = !options->find_max,
                            .url = options->url};
    strbuf_init(&watch->request);
    if (options->live == NULL)
        return ROOST_OK;
    watch->models = calloc(tenants->count, sizeof(*watch->models));
    if (!live_init(&watch->live, tenants->count) || watch->models == NULL) {
        live_fini(&watch->live);
        free(watch->models);
        watch->models = NULL;
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the live table");
    }
    for (size_t i = 0; i < tenants->count; i++) {
        live_name(&watch->live, i, tenants->items[i].name, &tenants->items[i].slo);
        watch->models[i].name = tenants->items[i].spec->name;
    }
    watch->out = options->live;
    scrape_open(watch, loop, options);
    int rc = uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    rc |= uv_timer_start(&watch->timer, watch_turn, TURN_MS, TURN_MS);
    roost_assert(rc == 0);
    return ROOST_OK;
}

static void watch_free(uv_handle_t *timer)
{
    struct watch *watch = timer->data;
    live_fini(&watch->live);
    free(watch->models);
    strbuf_fini(&watch->request);
}

static void client_closed(void *user)
{
    struct watch *watch = user;
    uv_close((uv_handle_t *)&watch->timer, watch_free);
}

void watch_close(struct watch *watch)
{
    if (watch->out == NULL) {
        strbuf_fini(&watch->request);
        return;
    }
    watch->out = NULL;
    (void)uv_timer_stop(&watch->timer);
    if (watch->client != NULL)
        http_client_close(watch->client, client_closed, watch);
    else
        client_closed(watch);
}

void watch_begin(struct watch *watch, uint64_t warmup_ns, uint64_t total_ns)
{
    watch->warmup_ns = warmup_ns;
    watch->total_ns = total_ns;
    watch->now_ns = 0;
    watch->turn_ns = 0;
    live_reset(&watch->live);
}

void watch_add(struct watch *watch, const struct load_record *record)
{
    if (watch->out != NULL)
        live_add(&watch->live, record);
}

void watch_time(struct watch *watch, uint64_t now_ns)
{
    watch->now_ns = now_ns;
}

void watch_phase(struct watch *watch, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(watch->phase, sizeof(watch->phase), format, arguments);
    va_end(arguments);
}

void watch_line(struct watch *watch, const char *format, ...)
{
    if (watch->out == NULL)
        return;
    char text[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct strbuf out;
    strbuf_init(&out);
    table_clear(watch, &out);
    strbuf_printf(&out, "%s\n", text);
    out_write(watch, &out);
    strbuf_fini(&out);
    if (watch->is_terminal && watch->turns > 0)
        table_draw(watch);
}

void watch_end(struct watch *watch)
{
    if (watch->out == NULL)
        return;
    struct strbuf out;
    strbuf_init(&out);
    table_clear(watch, &out);
    out_write(watch, &out);
    strbuf_fini(&out);
}
