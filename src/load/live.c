/* SPDX-License-Identifier: Apache-2.0 */
#include "load/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/number.h"
#include "load/table.h"

enum { LINES_AROUND = 4 }; /* title, empty, heads, and the last one for the cursor */

bool live_init(struct live *live, size_t tenant_count)
{
    *live = (struct live){.tenant_count = tenant_count};
    live->tenants = calloc(tenant_count, sizeof(*live->tenants));
    if (live->tenants == NULL) {
        live->tenant_count = 0;
        return false;
    }
    live_reset(live);
    return true;
}

static void slot_reset(struct live *live, unsigned slot)
{
    live->slot_ns[slot] = 0;
    for (size_t i = 0; i < live->tenant_count; i++) {
        struct live_slot *one = &live->tenants[i].slots[slot];
        hist_reset(&one->latency);
        one->answers = 0;
        one->failures = 0;
        one->hits = 0;
    }
}

void live_reset(struct live *live)
{
    for (unsigned i = 0; i < LIVE_SLOTS; i++)
        slot_reset(live, i);
    live->slot = 0;
}

void live_fini(struct live *live)
{
    free(live->tenants);
    *live = (struct live){0};
}

void live_name(struct live *live, size_t tenant, const char *name, const struct slo *slo)
{
    roost_assert(tenant < live->tenant_count);
    live->tenants[tenant].name = name;
    live->tenants[tenant].slo = *slo;
}

void live_add(struct live *live, const struct load_record *record)
{
    roost_assert(record->tenant < live->tenant_count);
    struct live_tenant *tenant = &live->tenants[record->tenant];
    struct live_slot *slot = &tenant->slots[live->slot];
    if (record->outcome != OUTCOME_OK) {
        slot->failures++;
        return;
    }
    slot->answers++;
    hist_record(&slot->latency, record->latency_ns);
    if (tenant->slo.time_ns == 0 || record->latency_ns <= tenant->slo.time_ns)
        slot->hits++;
}

void live_turn(struct live *live, uint64_t slot_ns)
{
    live->slot_ns[live->slot] = slot_ns;
    live->slot = (live->slot + 1) % LIVE_SLOTS;
    slot_reset(live, live->slot);
}

/* The slots of one tenant together, but for the one that is being filled. */
struct window {
    struct hist latency;
    double seconds;
    double answers, failures, hits;
};

static void window_sum(const struct live *live, const struct live_tenant *tenant,
                       struct window *window)
{
    *window = (struct window){0};
    hist_reset(&window->latency);
    for (unsigned i = 0; i < LIVE_SLOTS; i++) {
        const struct live_slot *slot = &tenant->slots[i];
        if (i == live->slot)
            continue;
        hist_merge(&window->latency, &slot->latency);
        window->seconds += (double)live->slot_ns[i] / (double)NS_PER_S;
        window->answers += (double)slot->answers;
        window->failures += (double)slot->failures;
        window->hits += (double)slot->hits;
    }
}

static double window_rate(const struct window *window, double count)
{
    return window->seconds > 0 ? count / window->seconds : 0.0;
}

static double window_attainment(const struct window *window)
{
    double all = window->answers + window->failures;
    return all > 0 ? window->hits / all : 1.0;
}

/* Green or red where the column's percentile is the promised one. */
static void latency_add(struct table *table, const struct live_tenant *tenant,
                        const struct window *window, double quantile)
{
    uint64_t ns = hist_quantile(&window->latency, quantile);
    double ms = (double)ns / (double)NS_PER_MS;
    int decimals = ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0;
    double off = quantile - tenant->slo.quantile;
    bool is_promised = tenant->slo.time_ns > 0 && off < 1e-9 && off > -1e-9;
    enum table_color color = !is_promised                ? TABLE_PLAIN
                             : ns <= tenant->slo.time_ns ? TABLE_GREEN
                                                         : TABLE_RED;
    if (window->latency.count == 0)
        table_add(table, TABLE_DIM, "-");
    else
        table_add(table, color, "%.*f", decimals, ms);
}

static void gauge_add(struct table *table, const struct scrape_gauge *gauge, bool is_bytes)
{
    char text[32];
    if (!gauge->is_known || gauge->value < 0)
        table_add(table, TABLE_DIM, "-");
    else if (is_bytes)
        table_add(table, TABLE_PLAIN, "%s",
                  bytes_format((uint64_t)(gauge->value / 1048576.0) << 20, text, sizeof(text)));
    else
        table_add(table, TABLE_PLAIN, "%.0f", gauge->value);
}

static void tenant_row(const struct live *live, size_t index, const struct scrape_model *models,
                       struct table *table)
{
    const struct live_tenant *tenant = &live->tenants[index];
    struct window window;
    char slo[SLO_TEXT_BYTES_MAX];
    window_sum(live, tenant, &window);
    double attainment = window_attainment(&window);
    double failures = window_rate(&window, window.failures);
    double rate = window_rate(&window, window.answers);
    table_add(table, TABLE_BOLD, "%s", tenant->name);
    table_add(table, TABLE_PLAIN, "%s", slo_format(&tenant->slo, slo));
    table_add(table, TABLE_PLAIN, "%.*f", rate < 100 ? 1 : 0, rate);
    table_add(table, failures > 0 ? TABLE_RED : TABLE_PLAIN, "%.1f", failures);
    latency_add(table, tenant, &window, 0.50);
    latency_add(table, tenant, &window, 0.95);
    latency_add(table, tenant, &window, 0.99);
    if (tenant->slo.time_ns == 0)
        table_add(table, TABLE_DIM, "-");
    else
        table_add(table, attainment >= tenant->slo.quantile ? TABLE_GREEN : TABLE_RED, "%.1f %%",
                  100.0 * attainment);
    if (models != NULL) {
        gauge_add(table, &models[index].queue, false);
        gauge_add(table, &models[index].workers, false);
        gauge_add(table, &models[index].resident_bytes, true);
    }
}

/* What is to last longer has no end that anybody waits for: it runs until Ctrl-C. */
static const uint64_t endless_ns = 24 * 3600 * NS_PER_S;

static void title_write(const struct live_status *status, const char *line_end, struct strbuf *out)
{
    strbuf_printf(out, "roost load  %s  %.1f s", status->title,
                  (double)status->elapsed_ns / (double)NS_PER_S);
    if (status->total_ns < endless_ns)
        strbuf_printf(out, " of %.1f s", (double)status->total_ns / (double)NS_PER_S);
    if (status->phase[0] != '\0')
        strbuf_printf(out, "  %s", status->phase);
    strbuf_printf(out, "%s%s", line_end, line_end);
}

unsigned live_table(const struct live *live, const struct live_status *status, unsigned lines_max,
                    bool with_color, const char *line_end, struct strbuf *out)
{
    static const char *const heads[] = {"TENANT", "SLO",    "REQ/S", "FAILED/S", "P50 ms", "P95",
                                        "P99",    "IN SLO", "QUEUE", "WORKERS",  "MEMORY"};
    unsigned columns = status->models != NULL ? 11 : 8;
    size_t room = lines_max > LINES_AROUND + 1 ? lines_max - LINES_AROUND : 1;
    /* When not all fit, the last line says how many are missing. */
    size_t shown = live->tenant_count <= room ? live->tenant_count : room - 1;
    struct table table;
    table_init(&table, columns);
    for (unsigned i = 0; i < columns; i++)
        table_add(&table, TABLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < shown; i++)
        tenant_row(live, i, status->models, &table);
    title_write(status, line_end, out);
    table_write(&table, with_color, line_end, out);
    table_fini(&table);
    unsigned lines = 3 + (unsigned)shown;
    if (shown < live->tenant_count) {
        strbuf_printf(out, "and %zu more%s", live->tenant_count - shown, line_end);
        lines++;
    }
    return lines;
}

void live_lines(const struct live *live, const struct live_status *status, struct strbuf *out)
{
    for (size_t i = 0; i < live->tenant_count; i++) {
        const struct live_tenant *tenant = &live->tenants[i];
        struct window window;
        char text[3][24];
        window_sum(live, tenant, &window);
        strbuf_printf(
            out, "%.1f s %s%s%s: %.1f req/s, %.1f failed/s, p50 %s, p95 %s, p99 %s",
            (double)status->elapsed_ns / (double)NS_PER_S, status->phase,
            status->phase[0] == '\0' ? "" : " ", tenant->name, window_rate(&window, window.answers),
            window_rate(&window, window.failures),
            duration_format(hist_quantile(&window.latency, 0.50), text[0], sizeof(text[0])),
            duration_format(hist_quantile(&window.latency, 0.95), text[1], sizeof(text[1])),
            duration_format(hist_quantile(&window.latency, 0.99), text[2], sizeof(text[2])));
        if (tenant->slo.time_ns > 0)
            strbuf_printf(out, ", %.1f %% in SLO", 100.0 * window_attainment(&window));
        const struct scrape_model *model = status->models == NULL ? NULL : &status->models[i];
        if (model != NULL && model->queue.is_known)
            strbuf_printf(out, ", queue %.0f", model->queue.value);
        if (model != NULL && model->workers.is_known)
            strbuf_printf(out, ", workers %.0f", model->workers.value);
        if (model != NULL && model->resident_bytes.is_known)
            strbuf_printf(out, ", memory %.0f MB", model->resident_bytes.value / 1e6);
        strbuf_putc(out, '\n');
    }
}
