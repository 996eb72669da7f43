/* SPDX-License-Identifier: Apache-2.0 */
/* Results as tables and as JSON. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "sim/result.h"

enum { CELL_BYTES = 48 };

static double ms_of(const struct hist *hist, double quantile)
{
    return (double)hist_quantile(hist, quantile) / (double)NS_PER_MS;
}

/* "0.7421", or "n/a" below 0. */
static const char *share_text(double share, char cell[CELL_BYTES])
{
    if (share < 0)
        snprintf(cell, CELL_BYTES, "n/a");
    else
        snprintf(cell, CELL_BYTES, "%.4f", share);
    return cell;
}

static const char *slo_text(const struct scenario_tenant *tenant, char cell[CELL_BYTES])
{
    char time[32];
    if (tenant->slo_ns == 0)
        return "-";
    snprintf(cell, CELL_BYTES, "p%g %s", tenant->slo_percentile,
             duration_format(tenant->slo_ns, time, sizeof time));
    return cell;
}

static void write_tenant(const struct result *result, uint32_t i, struct strbuf *out)
{
    char slo[CELL_BYTES], attainment[CELL_BYTES], ea[CELL_BYTES], accuracy[CELL_BYTES];
    const struct scenario_tenant *tenant = &result->scenario->tenants[i];
    const struct result_tenant *counts = &result->tenants[i];
    double share = counts->core_ns / result->cores_ns_available;
    strbuf_printf(
        out, "  %-16s %-13s %8s %8s %8s %10.2f %9.2f %9.2f %9.2f %8llu %8llu %8llu %6.1f%%\n",
        tenant->name, slo_text(tenant, slo), share_text(result_attainment(result, i), attainment),
        share_text(result_effective_accuracy(result, i), ea),
        share_text(result_accuracy(result, i), accuracy), result_goodput_per_s(result, i),
        ms_of(&counts->latency_ns, 0.50), ms_of(&counts->latency_ns, 0.95),
        ms_of(&counts->latency_ns, 0.99), (unsigned long long)counts->refusals,
        (unsigned long long)counts->errors, (unsigned long long)counts->switches, 100 * share);
}

void result_write_table(const struct result *result, struct strbuf *out)
{
    char attainment[CELL_BYTES], ea[CELL_BYTES], length[32];
    const struct scenario *scenario = result->scenario;
    strbuf_printf(out, "%s: %s, %s, seed %llu, %llu requests\n", result->policy, scenario->name,
                  duration_format(scenario->duration_ns, length, sizeof length),
                  (unsigned long long)result->seed, (unsigned long long)result->requests);
    strbuf_printf(out, "  %-16s %-13s %8s %8s %8s %10s %9s %9s %9s %8s %8s %8s %7s\n", "TENANT",
                  "SLO", "ATTAINED", "EA", "ACCURACY", "GOODPUT/s", "P50 ms", "P95 ms", "P99 ms",
                  "REFUSED", "ERRORS", "SWITCHES", "CORES");
    for (uint32_t i = 0; i < scenario->tenant_count; i++)
        write_tenant(result, i, out);
    strbuf_printf(
        out, "  together: attained %s, EA %s, goodput %.2f/s, cores used %.1f%%, faults %llu\n",
        share_text(result_attainment(result, ROOST_NONE), attainment),
        share_text(result_effective_accuracy(result, ROOST_NONE), ea),
        result_goodput_per_s(result, ROOST_NONE), 100 * result_utilisation(result),
        (unsigned long long)result->faults);
}

static void field_share(struct json_writer *w, const char *key, double share)
{
    json_key(w, key);
    if (share < 0)
        json_null(w);
    else
        json_double(w, share);
}

static void write_summary(const struct result *result, uint32_t tenant, struct json_writer *w)
{
    field_share(w, "attainment", result_attainment(result, tenant));
    field_share(w, "effective_accuracy", result_effective_accuracy(result, tenant));
    json_field_double(w, "goodput_per_s", result_goodput_per_s(result, tenant));
}

static void json_tenant(const struct result *result, uint32_t i, struct json_writer *w)
{
    const struct scenario_tenant *tenant = &result->scenario->tenants[i];
    const struct result_tenant *counts = &result->tenants[i];
    json_begin_object(w);
    json_field_string(w, "name", tenant->name);
    json_field_double(w, "slo_percentile", tenant->slo_percentile);
    json_field_uint(w, "slo_ns", tenant->slo_ns);
    write_summary(result, i, w);
    field_share(w, "accuracy", result_accuracy(result, i));
    json_field_uint(w, "arrivals", counts->arrivals);
    json_field_uint(w, "completions", counts->completions);
    json_field_uint(w, "refusals", counts->refusals);
    json_field_uint(w, "errors", counts->errors);
    json_field_uint(w, "hits", counts->hits);
    json_field_uint(w, "switches", counts->switches);
    json_field_uint(w, "grant_changes", counts->grants);
    json_field_double(w, "cores_used", counts->core_ns / (double)result->scenario->duration_ns);
    json_field_double(w, "latency_mean_ns", hist_mean(&counts->latency_ns));
    json_field_uint(w, "latency_p50_ns", hist_quantile(&counts->latency_ns, 0.50));
    json_field_uint(w, "latency_p95_ns", hist_quantile(&counts->latency_ns, 0.95));
    json_field_uint(w, "latency_p99_ns", hist_quantile(&counts->latency_ns, 0.99));
    json_end_object(w);
}

void result_write_json(const struct result *result, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_field_string(&w, "scenario", result->scenario->name);
    json_field_string(&w, "policy", result->policy);
    json_field_uint(&w, "seed", result->seed);
    json_field_uint(&w, "duration_ns", result->scenario->duration_ns);
    json_field_uint(&w, "warmup_ns", result->scenario->warmup_ns);
    json_field_uint(&w, "requests", result->requests);
    json_field_uint(&w, "events", result->events);
    json_field_uint(&w, "ticks", result->ticks);
    json_field_uint(&w, "faults", result->faults);
    write_summary(result, ROOST_NONE, &w);
    json_field_double(&w, "utilisation", result_utilisation(result));
    json_key(&w, "tenants");
    json_begin_array(&w);
    for (uint32_t i = 0; i < result->scenario->tenant_count; i++)
        json_tenant(result, i, &w);
    json_end_array(&w);
    json_end_object(&w);
}
