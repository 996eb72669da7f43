/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots as SVG: panels in a grid, each with axes, lines, reference lines and a legend.
 *
 * Pure; any thread. Everything is borrowed for the call. Values that are NAN or infinite (or not
 * positive, on a logarithmic axis) make a gap in their line. Texts may be anything: they are
 * escaped.
 *
 *   title
 *   subtitle
 *   .-----------------.  .-----------------.
 *   | title    legend |  | title    legend |
 *   |  ___      _     |  |      ___________|
 *   |_/   \____/ \____|  |_____/           |
 *   '-----------------'  '-----------------'
 */
#ifndef ROOST_BASE_SVG_H
#define ROOST_BASE_SVG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum svg_style {
    SVG_LINE,  /* straight from point to point */
    SVG_STEPS, /* each value holds until the next point */
    SVG_DOTS,
};

struct svg_series {
    const char *name; /* NULL: not in the legend */
    const double *x, *y;
    size_t count;
    enum svg_style style;
    bool is_dashed;
    const char *color; /* NULL: the next of the palette */
};

/* A line across the whole panel. */
struct svg_mark {
    const char *name; /* written beside it; NULL: nothing */
    double value;
    bool is_vertical;
    const char *color; /* NULL: red */
};

struct svg_axis {
    const char *label; /* (optional) */
    bool is_log;
    double minimum, maximum;  /* NAN: from the data; 0 is included in a linear axis from data */
    const char *const *names; /* (optional) NULL-terminated: ticks at 0, 1, 2, ... say these */
};

struct svg_panel {
    const char *title; /* (optional) */
    struct svg_axis x, y;
    const struct svg_series *series;
    size_t series_count;
    const struct svg_mark *marks;
    size_t mark_count;
};

struct svg_plot {
    const char *title;    /* (optional) */
    const char *subtitle; /* (optional) */
    const struct svg_panel *panels;
    size_t panel_count;
    unsigned columns;             /* of the grid */
    unsigned panel_width, height; /* of one panel in pixels; 0: 480 by 300 */
};

enum { SVG_TICKS_MAX = 24 };

/* The steps that a person would choose: 1, 2 or 5 times a power of ten, about `wanted` of them;
 * on a logarithmic axis powers of ten, with 2 and 5 in between where there are few. Returns how
 * many were put into `ticks`. */
size_t svg_ticks(double minimum, double maximum, bool is_log, unsigned wanted,
                 double ticks[SVG_TICKS_MAX]);

void svg_write(const struct svg_plot *plot, struct strbuf *out);

#endif
