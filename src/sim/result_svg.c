/* SPDX-License-Identifier: Apache-2.0 */
/* The time lines as a drawing: per tenant its latency against its SLO, its cores, its variant. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/svg.h"
#include "sim/result.h"

enum { PANELS = 3, LINES = 4, TENANTS_DRAWN_MAX = 32, TITLE_BYTES = 128 };

/* What one tenant's panels point to. */
struct drawing {
    double *memory, *time_s, *lines[LINES];
    struct svg_series series[LINES];
    struct svg_mark slo;
    char title[TITLE_BYTES];
    const char *variants[ROOST_VARIANTS_MAX + 1];
};

enum { LATENCY, GRANTED, USED, VARIANT };

static bool drawing_fill(const struct result *result, uint32_t tenant, struct drawing *drawing)
{
    size_t count = result->sample_count, tenants = result->scenario->tenant_count;
    drawing->memory = calloc((LINES + 1) * (count + 1), sizeof(double));
    if (drawing->memory == NULL)
        return false;
    drawing->time_s = drawing->memory;
    for (size_t i = 0; i < LINES; i++)
        drawing->lines[i] = drawing->memory + (i + 1) * (count + 1);
    for (size_t n = 0; n < count; n++) {
        const struct result_sample *sample = &result->samples[n * tenants + tenant];
        drawing->time_s[n] = (double)(n + 1) * (double)result->scenario->sample_ns / 1e9;
        bool answered = sample->latency_slo_ms > 0;
        drawing->lines[LATENCY][n] = answered ? (double)sample->latency_slo_ms : (double)NAN;
        drawing->lines[GRANTED][n] = (double)sample->cores_granted;
        drawing->lines[USED][n] = (double)sample->cores_used;
        drawing->lines[VARIANT][n] = sample->variant;
    }
    static const char *const names[LINES] = {NULL, "granted", "used", NULL};
    for (size_t i = 0; i < LINES; i++)
        drawing->series[i] = (struct svg_series){.name = names[i],
                                                 .x = drawing->time_s,
                                                 .y = drawing->lines[i],
                                                 .count = count,
                                                 .style = i == VARIANT ? SVG_STEPS : SVG_LINE};
    return true;
}

static void drawing_panels(const struct result *result, uint32_t index, struct drawing *drawing,
                           struct svg_panel panels[PANELS])
{
    const struct scenario_tenant *tenant = &result->scenario->tenants[index];
    const struct scenario_ladder *ladder = &result->scenario->ladders[tenant->ladder];
    double percentile = tenant->slo_percentile > 0 ? tenant->slo_percentile : 95;
    snprintf(drawing->title, sizeof drawing->title, "%s: p%g latency", tenant->name, percentile);
    drawing->slo = (struct svg_mark){.name = "SLO", .value = (double)tenant->slo_ns / 1e6};
    for (uint32_t v = 0; v < ladder->variant_count; v++)
        drawing->variants[v] = ladder->variants[v].name;
    struct svg_axis time = {.label = "s", .minimum = (double)NAN, .maximum = (double)NAN};
    struct svg_axis data = {.minimum = (double)NAN, .maximum = (double)NAN};
    panels[0] = (struct svg_panel){.title = drawing->title,
                                   .x = time,
                                   .y = data,
                                   .series = &drawing->series[LATENCY],
                                   .series_count = 1,
                                   .marks = &drawing->slo,
                                   .mark_count = tenant->slo_ns > 0};
    panels[0].y.label = "ms";
    panels[1] = (struct svg_panel){.title = "cores",
                                   .x = time,
                                   .y = data,
                                   .series = &drawing->series[GRANTED],
                                   .series_count = 2};
    panels[2] = (struct svg_panel){.title = "variant",
                                   .x = time,
                                   .y = data,
                                   .series = &drawing->series[VARIANT],
                                   .series_count = 1};
    panels[2].y.minimum = 0;
    panels[2].y.maximum = ladder->variant_count > 1 ? ladder->variant_count - 1 : 1;
    panels[2].y.names = drawing->variants;
}

void result_write_svg(const struct result *result, struct strbuf *out)
{
    uint32_t tenants = result->scenario->tenant_count;
    tenants = tenants < TENANTS_DRAWN_MAX ? tenants : TENANTS_DRAWN_MAX;
    struct drawing *drawings = calloc(tenants, sizeof *drawings);
    struct svg_panel *panels = calloc((size_t)tenants * PANELS, sizeof *panels);
    char subtitle[TITLE_BYTES];
    bool good = drawings != NULL && panels != NULL;
    for (uint32_t i = 0; good && i < tenants; i++) {
        good = drawing_fill(result, i, &drawings[i]);
        if (good)
            drawing_panels(result, i, &drawings[i], &panels[(size_t)i * PANELS]);
    }
    if (good) {
        snprintf(subtitle, sizeof subtitle, "policy %s, seed %llu", result->policy,
                 (unsigned long long)result->seed);
        struct svg_plot plot = {.title = result->scenario->name,
                                .subtitle = subtitle,
                                .panels = panels,
                                .panel_count = (size_t)tenants * PANELS,
                                .columns = PANELS,
                                .panel_width = 420,
                                .height = 220};
        svg_write(&plot, out);
    } else {
        out->failed = true;
    }
    for (uint32_t i = 0; drawings != NULL && i < tenants; i++)
        free(drawings[i].memory);
    free(drawings);
    free(panels);
}
