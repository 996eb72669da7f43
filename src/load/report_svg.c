/* SPDX-License-Identifier: Apache-2.0 */
/* A report as a plot: two panels per tenant, latency over time and its distribution. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "load/report.h"
#include "base/svg.h"

enum { TENANTS_PLOTTED_MAX = 32, TIME_LINES = 3, TITLE_BYTES_MAX = 160 };

/* All memory of one tenant's two panels. */
struct tenant_plot {
    double *time_s;
    double *lines_ms[TIME_LINES];
    double *cdf_ms, *cdf_share;
    struct svg_series time_series[TIME_LINES];
    struct svg_series cdf_series;
    struct svg_mark time_marks[1], cdf_marks[2];
    char title[TITLE_BYTES_MAX];
    char slo_text[SLO_TEXT_BYTES_MAX];
};

static double ms_of(uint64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

static bool time_fill(const struct report *report, const struct report_tenant *tenant,
                      struct tenant_plot *plot)
{
    static const char *const names[TIME_LINES] = {"p50", "p95", "p99"};
    size_t count = tenant->interval_count;
    plot->time_s = calloc(count + 1, sizeof(double));
    for (size_t i = 0; i < TIME_LINES; i++)
        plot->lines_ms[i] = calloc(count + 1, sizeof(double));
    if (plot->time_s == NULL || plot->lines_ms[0] == NULL || plot->lines_ms[1] == NULL ||
        plot->lines_ms[2] == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct report_interval *interval = &tenant->intervals[i];
        bool is_known = interval->outcomes[OUTCOME_OK] > 0;
        plot->time_s[i] = ((double)i + 0.5) * (double)report->options.interval_ns / 1e9;
        plot->lines_ms[0][i] = is_known ? ms_of(interval->p50_ns) : NAN;
        plot->lines_ms[1][i] = is_known ? ms_of(interval->p95_ns) : NAN;
        plot->lines_ms[2][i] = is_known ? ms_of(interval->p99_ns) : NAN;
    }
    for (size_t i = 0; i < TIME_LINES; i++)
        plot->time_series[i] = (struct svg_series){
            .name = names[i], .x = plot->time_s, .y = plot->lines_ms[i], .count = count};
    return true;
}

/* The share of requests scheduled that were answered within each time: it ends below 1 where some
 * failed. */
static bool cdf_fill(const struct report *report, size_t index, struct tenant_plot *plot)
{
    const struct hist *latency = &report->tenants[index].latency;
    double scheduled = (double)report->scheduled[index];
    size_t used = 0;
    uint64_t seen = 0;
    plot->cdf_ms = calloc(HIST_BUCKETS, sizeof(double));
    plot->cdf_share = calloc(HIST_BUCKETS, sizeof(double));
    if (plot->cdf_ms == NULL || plot->cdf_share == NULL)
        return false;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        if (latency->buckets[i] == 0)
            continue;
        seen += latency->buckets[i];
        uint64_t top = hist_bucket_top(i);
        plot->cdf_ms[used] = ms_of(top < latency->max ? top : latency->max);
        plot->cdf_share[used] = scheduled > 0 ? 100.0 * (double)seen / scheduled : 0.0;
        used++;
    }
    plot->cdf_series = (struct svg_series){.x = plot->cdf_ms, .y = plot->cdf_share, .count = used};
    return true;
}

static void panels_fill(const struct report *report, size_t index, struct tenant_plot *plot,
                        struct svg_panel panels[2])
{
    const struct report_tenant_info *info = &report->tenants[index].info;
    size_t marks = info->slo.time_ns > 0 ? 1 : 0;
    struct report_summary summary;
    report_summarize(report, (int)index, &summary);
    (void)slo_format(&info->slo, plot->slo_text);
    (void)snprintf(plot->title, sizeof(plot->title), "%.100s, %.4g/s", info->name, summary.rate);
    plot->time_marks[0] = (struct svg_mark){.name = plot->slo_text,
                                            .value = ms_of(info->slo.time_ns)};
    plot->cdf_marks[0] = (struct svg_mark){.value = ms_of(info->slo.time_ns), .is_vertical = true};
    plot->cdf_marks[1] = (struct svg_mark){.value = info->slo.quantile * 100.0};
    panels[0] = (struct svg_panel){
        .title = plot->title,
        .x = {.label = "time (s)", .minimum = 0, .maximum = (double)report->duration_ns / 1e9},
        .y = {.label = "latency (ms)", .minimum = NAN, .maximum = NAN},
        .series = plot->time_series,
        .series_count = TIME_LINES,
        .marks = plot->time_marks,
        .mark_count = marks,
    };
    panels[1] = (struct svg_panel){
        .title = "answered within",
        .x = {.label = "latency (ms)", .is_log = true, .minimum = NAN, .maximum = NAN},
        .y = {.label = "% of requests", .minimum = 0, .maximum = 100},
        .series = &plot->cdf_series,
        .series_count = 1,
        .marks = plot->cdf_marks,
        .mark_count = 2 * marks,
    };
}

static void tenant_plot_fini(struct tenant_plot *plot)
{
    free(plot->time_s);
    for (size_t i = 0; i < TIME_LINES; i++)
        free(plot->lines_ms[i]);
    free(plot->cdf_ms);
    free(plot->cdf_share);
}

bool report_svg(const struct report *report, struct strbuf *out)
{
    size_t count = report->tenant_count < TENANTS_PLOTTED_MAX ? report->tenant_count
                                                              : TENANTS_PLOTTED_MAX;
    struct tenant_plot *plots = calloc(count + 1, sizeof(*plots));
    struct svg_panel *panels = calloc(2 * count + 1, sizeof(*panels));
    struct report_validity validity;
    char title[TITLE_BYTES_MAX];
    char subtitle[TITLE_BYTES_MAX];
    bool is_made = plots != NULL && panels != NULL;
    for (size_t i = 0; i < count && is_made; i++) {
        is_made = time_fill(report, &report->tenants[i], &plots[i]) &&
                  cdf_fill(report, i, &plots[i]);
        if (is_made)
            panels_fill(report, i, &plots[i], &panels[2 * i]);
    }
    report_validate(report, &validity);
    (void)snprintf(title, sizeof(title), "roost load: %.100s", report->options.url);
    (void)snprintf(subtitle, sizeof(subtitle), "%.1f s, seed %" PRIu64 "%s",
                   (double)report->duration_ns / 1e9, report->options.seed,
                   validity.is_valid ? "" : ", INVALID: the generator lagged behind");
    struct svg_plot plot = {.title = title,
                            .subtitle = subtitle,
                            .panels = panels,
                            .panel_count = 2 * count,
                            .columns = 2};
    if (is_made)
        svg_write(&plot, out);
    for (size_t i = 0; i < count && plots != NULL; i++)
        tenant_plot_fini(&plots[i]);
    free(plots);
    free(panels);
    return is_made && !out->failed;
}
