/* SPDX-License-Identifier: Apache-2.0 */
#include "core/view_build.h"

#include <string.h>

/* Beyond a percentile there must be a few samples, or it is only the largest of them. */
static const double samples_beyond = 5;
static const uint64_t samples_least = 20;

void view_meter_init(struct view_meter *meter, uint64_t window_ns, uint64_t slo_ns, uint64_t now_ns)
{
    memset(&meter->totals, 0, sizeof meter->totals);
    meter->ticked = meter->totals;
    meter->ticked_ns = now_ns;
    meter->slo_ns = slo_ns;
    window_init(&meter->window, window_ns);
    window_at(&meter->window, now_ns);
}

void view_meter_arrival(struct view_meter *meter, uint64_t rows, uint64_t now_ns)
{
    struct window_counts *counts = window_at(&meter->window, now_ns);
    counts->arrivals++;
    counts->rows += rows;
    meter->totals.arrivals++;
    meter->totals.rows += rows;
}

static void count_miss(struct view_meter *meter, struct window_counts *counts)
{
    counts->slo_misses++;
    meter->totals.slo_misses++;
}

void view_meter_refusal(struct view_meter *meter, uint64_t now_ns)
{
    struct window_counts *counts = window_at(&meter->window, now_ns);
    counts->refusals++;
    if (meter->slo_ns != 0)
        count_miss(meter, counts);
}

void view_meter_answer(struct view_meter *meter, uint64_t latency_ns, bool good, uint64_t now_ns)
{
    struct window_counts *counts = window_at(&meter->window, now_ns);
    if (good) {
        counts->completions++;
        meter->totals.completions++;
        hist_record(&counts->latency_ns, latency_ns);
    } else {
        counts->errors++;
    }
    if (meter->slo_ns != 0 && (!good || latency_ns > meter->slo_ns))
        count_miss(meter, counts);
}

void view_meter_run(struct view_meter *meter, uint64_t rows, uint64_t busy_ns, uint64_t cpu_ns,
                    uint64_t now_ns)
{
    struct window_counts *counts = window_at(&meter->window, now_ns);
    counts->batches++;
    counts->batch_rows += rows;
    counts->busy_ns += busy_ns;
    counts->cpu_ns += cpu_ns;
    meter->totals.busy_ns += busy_ns;
    meter->totals.cpu_ns += cpu_ns;
}

static uint64_t samples_for(double percentile)
{
    if (!(percentile > 0 && percentile < 100))
        return samples_least;
    double samples = samples_beyond / (1 - percentile / 100);
    return samples > (double)samples_least ? (uint64_t)samples : samples_least;
}

static void build_window(const struct window_counts *sum, uint64_t length_ns,
                         struct roost_tenant *tenant)
{
    const struct hist *latency = &sum->latency_ns;
    bool slo = view_has_slo(tenant);
    tenant->window = (struct roost_window){
        .length_ns = length_ns,
        .arrivals = sum->arrivals,
        .rows = sum->rows,
        .batches = sum->batches,
        .batch_rows = sum->batch_rows,
        .completions = sum->completions,
        .refusals = sum->refusals,
        .errors = sum->errors,
        .slo_misses = sum->slo_misses + (slo ? tenant->queue.late : 0),
        .latency_samples = latency->count,
        .latency_p50_ns = hist_quantile(latency, 0.50),
        .latency_p95_ns = hist_quantile(latency, 0.95),
        .latency_p99_ns = hist_quantile(latency, 0.99),
        .latency_slo_ns = slo ? hist_quantile(latency, tenant->slo_percentile / 100) : 0,
        .busy_ns = sum->busy_ns,
        .cpu_ns = sum->cpu_ns,
    };
    view_window_derive(&tenant->window, &tenant->queue);
}

void view_build_counts(struct view_meter *meter, uint64_t length_min_ns, uint64_t now_ns,
                       struct roost_tenant *tenant)
{
    struct window_counts sum;
    uint64_t length_ns = window_sum_newest(
        &meter->window, now_ns, samples_for(tenant->slo_percentile), length_min_ns, &sum);
    build_window(&sum, length_ns, tenant);
    const struct view_totals *now = &meter->totals, *then = &meter->ticked;
    tenant->recent = (struct roost_recent){
        .length_ns = now_ns > meter->ticked_ns ? now_ns - meter->ticked_ns : 0,
        .arrivals = now->arrivals - then->arrivals,
        .rows = now->rows - then->rows,
        .completions = now->completions - then->completions,
        .slo_misses = now->slo_misses - then->slo_misses,
        .busy_ns = now->busy_ns - then->busy_ns,
        .cpu_ns = now->cpu_ns - then->cpu_ns,
    };
    meter->ticked = meter->totals;
    meter->ticked_ns = now_ns;
}

void view_build_points(const struct curve *service, const struct curve *cpu,
                       struct roost_variant *variant)
{
    variant->point_count = 0;
    for (unsigned i = 0; i < CURVE_POINTS && variant->point_count < ROOST_CURVE_POINTS; i++) {
        const struct curve_point *point = &service->points[i];
        if (point->samples == 0)
            continue;
        variant->points[variant->point_count++] = (struct roost_curve_point){
            .samples = point->samples,
            .rows_mean = point->rows_mean,
            .ns_mean = point->ns_mean,
            .cpu_ns_mean = cpu != NULL ? cpu->points[i].ns_mean : 0,
        };
    }
}
