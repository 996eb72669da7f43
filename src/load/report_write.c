/* SPDX-License-Identifier: Apache-2.0 */
/* A report as text for people and as CSV. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "load/report.h"
#include "load/table.h"

static double ms_of(uint64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

/* Three significant digits of milliseconds: 0.012, 1.23, 45.6, 789. */
static void ms_add(struct table *table, enum table_color color, uint64_t ns, bool is_known)
{
    double ms = ms_of(ns);
    int decimals = ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0;
    if (is_known)
        table_add(table, color, "%.*f", decimals, ms);
    else
        table_add(table, TABLE_DIM, "-");
}

static void rate_add(struct table *table, double rate)
{
    table_add(table, TABLE_PLAIN, "%.*f", rate < 100 ? 1 : 0, rate);
}

static void summary_row(struct table *table, const struct report_summary *summary)
{
    char slo[SLO_TEXT_BYTES_MAX];
    bool is_known = summary->ok > 0;
    enum table_color verdict = !summary->has_slo ? TABLE_PLAIN
                               : summary->is_met ? TABLE_GREEN
                                                 : TABLE_RED;
    table_add(table, TABLE_BOLD, "%s", summary->name);
    table_add(table, TABLE_PLAIN, "%s", slo_format(&summary->slo, slo));
    table_add(table, TABLE_PLAIN, "%" PRIu64, summary->scheduled);
    table_add(table, summary->failed > 0 ? TABLE_RED : TABLE_PLAIN, "%" PRIu64, summary->failed);
    rate_add(table, summary->rate);
    rate_add(table, summary->throughput);
    ms_add(table, TABLE_PLAIN, summary->p50_ns, is_known);
    ms_add(table, TABLE_PLAIN, summary->p90_ns, is_known);
    ms_add(table, TABLE_PLAIN, summary->p95_ns, is_known);
    ms_add(table, TABLE_PLAIN, summary->p99_ns, is_known);
    ms_add(table, TABLE_PLAIN, summary->p999_ns, is_known);
    ms_add(table, TABLE_PLAIN, summary->max_ns, is_known);
    if (summary->has_slo && summary->scheduled > 0)
        table_add(table, verdict, "%.2f %%", 100.0 * summary->attainment);
    else
        table_add(table, TABLE_DIM, "-");
    if (isnan(summary->accuracy))
        table_add(table, TABLE_DIM, "n/a");
    else
        table_add(table, TABLE_PLAIN, "%.4f", summary->accuracy);
    rate_add(table, summary->goodput);
}

static void failures_write(const struct report *report, struct strbuf *out)
{
    for (size_t i = 0; i < report->tenant_count; i++) {
        const struct report_tenant *tenant = &report->tenants[i];
        for (unsigned k = OUTCOME_OK + 1; k < OUTCOME_COUNT; k++) {
            if (tenant->outcomes[k] == 0)
                continue;
            const char *reason = tenant->reasons[k];
            strbuf_printf(out, "%s: %" PRIu64 " %s%s%s\n", tenant->info.name, tenant->outcomes[k],
                          outcome_text(k), reason[0] == '\0' ? "" : ", first: ", reason);
        }
    }
}

static void validity_write(const struct report *report, bool with_color, struct strbuf *out)
{
    struct report_validity validity;
    char text[4][24];
    report_validate(report, &validity);
    strbuf_printf(out, "generator: lag p50 %s, p99 %s, max %s",
                  duration_format(validity.lag_p50_ns, text[0], sizeof(text[0])),
                  duration_format(validity.lag_p99_ns, text[1], sizeof(text[1])),
                  duration_format(validity.lag_max_ns, text[2], sizeof(text[2])));
    if (validity.bound_ns > 0)
        strbuf_printf(out, " (p99 allowed: %s)",
                      duration_format(validity.bound_ns, text[3], sizeof(text[3])));
    if (report->duration_ns > 0)
        strbuf_printf(out, "; CPU %.1f %% of a core",
                      100.0 * (double)report->cpu_ns /
                          (double)(report->duration_ns + report->options.warmup_ns));
    strbuf_puts(out, "\n");
    if (!validity.is_valid)
        strbuf_printf(out, "%sINVALID%s: %s\n", with_color ? "\x1b[1;31m" : "",
                      with_color ? "\x1b[0m" : "", validity.reason);
}

void report_text(const struct report *report, bool with_color, struct strbuf *out)
{
    static const char *const heads[] = {"TENANT",    "SLO",    "SCHEDULED", "FAILED", "REQ/S",
                                        "ANSWERS/S", "P50 ms", "P90",       "P95",    "P99",
                                        "P99.9",     "MAX",    "IN SLO",    "EA",     "GOODPUT/S"};
    struct table table;
    struct report_summary summary;
    char text[24];
    table_init(&table, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&table, TABLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < report->tenant_count; i++) {
        report_summarize(report, (int)i, &summary);
        summary_row(&table, &summary);
    }
    if (report->tenant_count != 1) {
        report_summarize(report, REPORT_TOTAL, &summary);
        summary_row(&table, &summary);
    }
    strbuf_printf(out, "%s, %s%s, seed %" PRIu64, report->options.url,
                  duration_format(report->duration_ns, text, sizeof(text)),
                  report->was_interrupted ? " (interrupted)" : "", report->options.seed);
    if (report->options.multiplier < 1.0 || report->options.multiplier > 1.0)
        strbuf_printf(out, ", rates times %.4g", report->options.multiplier);
    strbuf_puts(out, "\n\n");
    table_write(&table, with_color, "\n", out);
    strbuf_puts(out, "\n");
    failures_write(report, out);
    for (size_t i = 0; i < report->tenant_count; i++) {
        if (report->tenants[i].info.note != NULL)
            strbuf_printf(out, "%s: %s\n", report->tenants[i].info.name,
                          report->tenants[i].info.note);
    }
    validity_write(report, with_color, out);
    table_fini(&table);
}

/* Names are quoted where CSV wants it. */
static void csv_text(struct strbuf *out, const char *text)
{
    bool is_plain = true;
    for (const char *c = text; *c != '\0'; c++)
        is_plain = is_plain && *c != ',' && *c != '"' && *c != '\n' && *c != '\r';
    if (is_plain) {
        strbuf_puts(out, text);
        return;
    }
    strbuf_putc(out, '"');
    for (; *text != '\0'; text++)
        strbuf_puts(out, *text == '"' ? "\"\"" : (char[]){*text, '\0'});
    strbuf_putc(out, '"');
}

void report_csv(const struct report *report, struct strbuf *out)
{
    strbuf_puts(out, "start_s,tenant,scheduled");
    for (unsigned k = 0; k < OUTCOME_COUNT; k++)
        strbuf_printf(out, ",%s", outcome_key(k));
    strbuf_puts(out, ",within_slo,p50_ms,p95_ms,p99_ms,max_ms\n");
    for (size_t i = 0; i < report->tenant_count; i++) {
        const struct report_tenant *tenant = &report->tenants[i];
        for (size_t k = 0; k < tenant->interval_count; k++) {
            const struct report_interval *interval = &tenant->intervals[k];
            uint64_t scheduled = 0;
            for (unsigned o = 0; o < OUTCOME_COUNT; o++)
                scheduled += interval->outcomes[o];
            strbuf_printf(out, "%.3f,",
                          (double)(k * report->options.interval_ns) / (double)NS_PER_S);
            csv_text(out, tenant->info.name);
            strbuf_printf(out, ",%" PRIu64, scheduled);
            for (unsigned o = 0; o < OUTCOME_COUNT; o++)
                strbuf_printf(out, ",%" PRIu64, interval->outcomes[o]);
            strbuf_printf(out, ",%" PRIu64 ",%.6f,%.6f,%.6f,%.6f\n", interval->hits,
                          ms_of(interval->p50_ns), ms_of(interval->p95_ns), ms_of(interval->p99_ns),
                          ms_of(interval->max_ns));
        }
    }
}

void report_csv_head(struct strbuf *out)
{
    strbuf_puts(out, "intended_s,tenant,rows,outcome,latency_ms,lag_ms,within_slo,warmup\n");
}

void report_csv_record(const struct report *report, const struct load_record *record,
                       struct strbuf *out)
{
    const struct report_tenant_info *info = &report->tenants[record->tenant].info;
    bool is_hit = record->outcome == OUTCOME_OK &&
                  (info->slo.time_ns == 0 || record->latency_ns <= info->slo.time_ns);
    strbuf_printf(out, "%.9f,", (double)record->intended_ns / (double)NS_PER_S);
    csv_text(out, info->name);
    strbuf_printf(out, ",%" PRIu32 ",%s,%.6f,%.6f,%d,%d\n", record->rows,
                  outcome_key(record->outcome), ms_of(record->latency_ns), ms_of(record->lag_ns),
                  is_hit ? 1 : 0, record->counted ? 0 : 1);
}
