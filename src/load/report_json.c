/* SPDX-License-Identifier: Apache-2.0 */
/* A report for programs: docs/load.md describes the members. */
#include <math.h>

#include "base/clock.h"
#include "base/json.h"
#include "load/report.h"

/* Nanoseconds are exact in a double's 53 bits; a thousandth of a microsecond is all there is. */
static void ms_field(struct json_writer *json, const char *key, uint64_t ns)
{
    json_field_double(json, key, (double)ns / (double)NS_PER_MS);
}

static void latency_write(struct json_writer *json, const struct report_summary *summary)
{
    json_key(json, "latency_ms");
    if (summary->ok == 0) {
        json_null(json);
        return;
    }
    json_begin_object(json);
    ms_field(json, "mean", summary->mean_ns);
    ms_field(json, "p50", summary->p50_ns);
    ms_field(json, "p90", summary->p90_ns);
    ms_field(json, "p95", summary->p95_ns);
    ms_field(json, "p99", summary->p99_ns);
    ms_field(json, "p999", summary->p999_ns);
    ms_field(json, "max", summary->max_ns);
    json_end_object(json);
}

static void errors_write(struct json_writer *json, const struct report_summary *summary)
{
    json_key(json, "errors");
    json_begin_object(json);
    for (unsigned i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        json_field_uint(json, outcome_key(i), summary->outcomes[i]);
    json_end_object(json);
}

static void summary_write(struct json_writer *json, const struct report_summary *summary)
{
    json_field_uint(json, "scheduled", summary->scheduled);
    json_field_uint(json, "answered", summary->answered);
    json_field_uint(json, "ok", summary->ok);
    json_field_uint(json, "failed", summary->failed);
    errors_write(json, summary);
    json_field_double(json, "rate", summary->rate);
    json_field_double(json, "throughput", summary->throughput);
    json_field_double(json, "rows_per_s", summary->rows_rate);
    latency_write(json, summary);
    json_key(json, "attainment");
    if (summary->has_slo && summary->scheduled > 0)
        json_double(json, summary->attainment);
    else
        json_null(json);
    json_key(json, "slo_met");
    if (summary->has_slo)
        json_bool(json, summary->is_met);
    else
        json_null(json);
    json_field_double(json, "effective_accuracy", summary->accuracy);
    json_field_double(json, "goodput", summary->goodput);
}

static void slo_write(struct json_writer *json, const struct slo *slo)
{
    json_key(json, "slo");
    if (slo->time_ns == 0) {
        json_null(json);
        return;
    }
    json_begin_object(json);
    json_field_double(json, "percentile", slo->quantile * 100.0);
    ms_field(json, "time_ms", slo->time_ns);
    json_end_object(json);
}

static void reasons_write(struct json_writer *json, const struct report *report, size_t tenant)
{
    json_key(json, "reasons");
    json_begin_object(json);
    for (unsigned i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++) {
        const char *reason = report->tenants[tenant].reasons[i];
        if (report->tenants[tenant].outcomes[i] > 0 && reason[0] != '\0')
            json_field_string(json, outcome_key(i), reason);
    }
    json_end_object(json);
}

static void tenant_write(struct json_writer *json, const struct report *report, size_t index)
{
    const struct report_tenant_info *info = &report->tenants[index].info;
    struct report_summary summary;
    report_summarize(report, (int)index, &summary);
    json_begin_object(json);
    json_field_string(json, "name", info->name);
    json_key(json, "version");
    if (info->version == NULL || info->version[0] == '\0')
        json_null(json);
    else
        json_string(json, info->version);
    json_field_double(json, "rate_wanted", info->rate_wanted);
    slo_write(json, &info->slo);
    summary_write(json, &summary);
    reasons_write(json, report, index);
    json_key(json, "note");
    if (info->note == NULL)
        json_null(json);
    else
        json_string(json, info->note);
    json_end_object(json);
}

static void generator_write(struct json_writer *json, const struct report *report,
                            const struct report_validity *validity)
{
    json_key(json, "generator");
    json_begin_object(json);
    ms_field(json, "lag_ms_p50", validity->lag_p50_ns);
    ms_field(json, "lag_ms_p99", validity->lag_p99_ns);
    ms_field(json, "lag_ms_max", validity->lag_max_ns);
    json_key(json, "lag_ms_allowed");
    if (validity->bound_ns == 0)
        json_null(json);
    else
        json_double(json, (double)validity->bound_ns / (double)NS_PER_MS);
    json_field_double(json, "cpu_s", (double)report->cpu_ns / (double)NS_PER_S);
    json_field_uint(json, "connections_busy", report->crowded);
    json_field_uint(json, "records_lost", report->lost);
    json_end_object(json);
}

void report_json(const struct report *report, const char *extra, struct strbuf *out)
{
    struct json_writer json;
    struct report_validity validity;
    struct report_summary total;
    report_validate(report, &validity);
    report_summarize(report, REPORT_TOTAL, &total);
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_field_string(&json, "url", report->options.url);
    json_field_bool(&json, "valid", validity.is_valid);
    json_key(&json, "invalid_reason");
    if (validity.is_valid)
        json_null(&json);
    else
        json_string(&json, validity.reason);
    json_field_bool(&json, "interrupted", report->was_interrupted);
    json_field_uint(&json, "seed", report->options.seed);
    json_field_double(&json, "multiplier", report->options.multiplier);
    json_field_double(&json, "warmup_s", (double)report->options.warmup_ns / (double)NS_PER_S);
    json_field_double(&json, "duration_s", (double)report->duration_ns / (double)NS_PER_S);
    generator_write(&json, report, &validity);
    json_key(&json, "total");
    json_begin_object(&json);
    summary_write(&json, &total);
    json_end_object(&json);
    json_key(&json, "tenants");
    json_begin_array(&json);
    for (size_t i = 0; i < report->tenant_count; i++)
        tenant_write(&json, report, i);
    json_end_array(&json);
    if (extra != NULL)
        strbuf_printf(out, ",%s", extra);
    json_end_object(&json);
    strbuf_putc(out, '\n');
}
