/* SPDX-License-Identifier: Apache-2.0 */
#include "base/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    PANEL_WIDTH = 480,
    PANEL_HEIGHT = 300,
    MARGIN_LEFT = 64,
    MARGIN_RIGHT = 16,
    MARGIN_TOP = 30,
    MARGIN_BOTTOM = 46,
    GAP = 16,
    LEGEND_LINE = 15,
    LEGEND_CHARACTER = 7, /* width of one, about */
    TITLE_HEIGHT = 30,
    SUBTITLE_HEIGHT = 18,
};

/* Okabe and Ito's colours, which people with any kind of sight can tell apart. */
static const char *const palette[] = {
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F",
};
enum { PALETTE = sizeof(palette) / sizeof(palette[0]) };

struct range {
    double low, high;
};

/* One panel being drawn: where it is, and how values become places. */
struct canvas {
    struct strbuf *out;
    const struct svg_panel *panel;
    double left, top, width, height; /* of the area inside the axes */
    struct range x, y;
};

static void escape(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            strbuf_puts(out, "&amp;");
        else if (c == '<')
            strbuf_puts(out, "&lt;");
        else if (c == '>')
            strbuf_puts(out, "&gt;");
        else if (c == '"')
            strbuf_puts(out, "&quot;");
        else
            strbuf_putc(out, c < ' ' ? ' ' : (char)c);
    }
}

static void text_write(struct strbuf *out, double x, double y, const char *attributes,
                       const char *text)
{
    strbuf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    escape(out, text);
    strbuf_puts(out, "</text>\n");
}

static bool is_plottable(double value, bool is_log)
{
    return isfinite(value) && (!is_log || value > 0.0);
}

static size_t ticks_log(double minimum, double maximum, double ticks[SVG_TICKS_MAX])
{
    static const double steps[] = {1.0, 2.0, 5.0};
    int first = (int)floor(log10(minimum));
    int last = (int)ceil(log10(maximum));
    int decades = last - first;
    int step = decades > 12 ? decades / 8 + 1 : 1;
    size_t count = 0;
    for (int power = first; power <= last; power += step) {
        for (size_t i = 0; i < (decades <= 3 ? 3U : 1U); i++) {
            double tick = steps[i] * pow(10.0, power);
            bool is_inside = tick >= minimum * (1 - 1e-9) && tick <= maximum * (1 + 1e-9);
            if (is_inside && count < SVG_TICKS_MAX)
                ticks[count++] = tick;
        }
    }
    return count;
}

size_t svg_ticks(double minimum, double maximum, bool is_log, unsigned wanted,
                 double ticks[SVG_TICKS_MAX])
{
    if (!isfinite(minimum) || !isfinite(maximum) || maximum <= minimum || (is_log && minimum <= 0))
        return 0;
    if (is_log)
        return ticks_log(minimum, maximum, ticks);
    double rough = (maximum - minimum) / (wanted < 1 ? 1 : wanted);
    double power = pow(10.0, floor(log10(rough)));
    double share = rough / power;
    double step = (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * power;
    double first = ceil(minimum / step - 1e-9);
    size_t count = 0;
    while (count < SVG_TICKS_MAX && (first + (double)count) * step <= maximum + step * 1e-9) {
        ticks[count] = (first + (double)count) * step;
        count++;
    }
    return count;
}

/* Widens `range` by the values of one direction. */
static void range_add(struct range *range, double value, bool is_log)
{
    if (!is_plottable(value, is_log))
        return;
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

static struct range range_of(const struct svg_panel *panel, bool is_x)
{
    const struct svg_axis *axis = is_x ? &panel->x : &panel->y;
    struct range range = {NAN, NAN};
    for (size_t i = 0; i < panel->series_count; i++) {
        const struct svg_series *series = &panel->series[i];
        for (size_t k = 0; k < series->count; k++)
            range_add(&range, is_x ? series->x[k] : series->y[k], axis->is_log);
    }
    for (size_t i = 0; i < panel->mark_count; i++) {
        if (panel->marks[i].is_vertical == is_x)
            range_add(&range, panel->marks[i].value, axis->is_log);
    }
    if (isnan(range.low))
        range = axis->is_log ? (struct range){1, 10} : (struct range){0, 1};
    if (!axis->is_log) {
        range.low = fmin(range.low, 0.0);
        range.high += is_x ? 0.0 : (range.high - range.low) * 0.05;
    } else {
        range.low /= is_x ? 1.0 : 1.1;
        range.high *= is_x ? 1.0 : 1.1;
    }
    if (axis->names != NULL) {
        range.low = -0.5;
        range.high = 0.5;
        for (size_t i = 1; axis->names[i] != NULL; i++)
            range.high += 1.0;
    }
    range.low = is_plottable(axis->minimum, axis->is_log) ? axis->minimum : range.low;
    range.high = is_plottable(axis->maximum, axis->is_log) ? axis->maximum : range.high;
    if (!(range.high > range.low))
        range.high = axis->is_log ? range.low * 10.0 : range.low + 1.0;
    return range;
}

static double share_of(const struct range *range, bool is_log, double value)
{
    double share = is_log ? (log(value) - log(range->low)) / (log(range->high) - log(range->low))
                          : (value - range->low) / (range->high - range->low);
    /* What lies far outside is drawn at the edge, where the clip hides it. */
    return fmin(fmax(share, -1.0), 2.0);
}

static double place_x(const struct canvas *canvas, double value)
{
    return canvas->left + share_of(&canvas->x, canvas->panel->x.is_log, value) * canvas->width;
}

static double place_y(const struct canvas *canvas, double value)
{
    double share = share_of(&canvas->y, canvas->panel->y.is_log, value);
    return canvas->top + (1.0 - share) * canvas->height;
}

/* 0.00001, 0.5, 20, 1500, 20k, 3M */
static const char *tick_text(double value, char out[32])
{
    double size = fabs(value);
    if (size >= 1e6)
        (void)snprintf(out, 32, "%gM", value / 1e6);
    else if (size >= 1e4)
        (void)snprintf(out, 32, "%gk", value / 1e3);
    else
        (void)snprintf(out, 32, "%g", size < 1e-12 ? 0.0 : value);
    return out;
}

static size_t axis_ticks(const struct svg_axis *axis, const struct range *range, unsigned wanted,
                         double ticks[SVG_TICKS_MAX])
{
    if (axis->names == NULL)
        return svg_ticks(range->low, range->high, axis->is_log, wanted, ticks);
    size_t count = 0;
    for (; axis->names[count] != NULL && count < SVG_TICKS_MAX; count++)
        ticks[count] = (double)count;
    return count;
}

static const char *axis_text(const struct svg_axis *axis, const double *ticks, size_t index,
                             char out[32])
{
    return axis->names != NULL ? axis->names[index] : tick_text(ticks[index], out);
}

static void axes_write(const struct canvas *canvas)
{
    struct strbuf *out = canvas->out;
    const struct svg_panel *panel = canvas->panel;
    double bottom = canvas->top + canvas->height;
    double right = canvas->left + canvas->width;
    double ticks[SVG_TICKS_MAX];
    char text[32];
    size_t count = axis_ticks(&panel->x, &canvas->x, 6, ticks);
    for (size_t i = 0; i < count; i++) {
        double x = place_x(canvas, ticks[i]);
        strbuf_printf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, canvas->top,
                      bottom);
        text_write(out, x, bottom + 14, "text-anchor=\"middle\"",
                   axis_text(&panel->x, ticks, i, text));
    }
    count = axis_ticks(&panel->y, &canvas->y, 5, ticks);
    for (size_t i = 0; i < count; i++) {
        double y = place_y(canvas, ticks[i]);
        strbuf_printf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", canvas->left, y,
                      right);
        text_write(out, canvas->left - 6, y + 4, "text-anchor=\"end\"",
                   axis_text(&panel->y, ticks, i, text));
    }
    strbuf_printf(out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", canvas->left,
                  canvas->top, bottom, right);
    if (panel->x.label != NULL)
        text_write(out, canvas->left + canvas->width / 2, bottom + 32, "text-anchor=\"middle\"",
                   panel->x.label);
    if (panel->y.label != NULL) {
        char attributes[96];
        double x = canvas->left - 48;
        double y = canvas->top + canvas->height / 2;
        (void)snprintf(attributes, sizeof(attributes),
                       "text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"", x, y);
        text_write(out, x, y, attributes, panel->y.label);
    }
    if (panel->title != NULL)
        text_write(out, canvas->left, canvas->top - 10, "class=\"title\"", panel->title);
}

static void points_write(const struct canvas *canvas, const struct svg_series *series)
{
    bool is_open = false;
    double last_y = 0;
    for (size_t i = 0; i < series->count; i++) {
        if (!is_plottable(series->x[i], canvas->panel->x.is_log) ||
            !is_plottable(series->y[i], canvas->panel->y.is_log)) {
            is_open = false;
            continue;
        }
        double x = place_x(canvas, series->x[i]);
        double y = place_y(canvas, series->y[i]);
        if (is_open && series->style == SVG_STEPS)
            strbuf_printf(canvas->out, "L%.1f %.1f", x, last_y);
        strbuf_printf(canvas->out, "%c%.1f %.1f", is_open ? 'L' : 'M', x, y);
        /* A path of no length has round ends only, and so becomes a dot. */
        if (!is_open || series->style == SVG_DOTS)
            strbuf_puts(canvas->out, "h0");
        is_open = series->style != SVG_DOTS;
        last_y = y;
    }
}

static const char *series_color(const struct svg_panel *panel, size_t index)
{
    if (panel->series[index].color != NULL)
        return panel->series[index].color;
    size_t before = 0;
    for (size_t i = 0; i < index; i++)
        before += panel->series[i].color == NULL ? 1 : 0;
    return palette[before % PALETTE];
}

static void color_write(struct strbuf *out, const char *color)
{
    strbuf_puts(out, "stroke=\"");
    escape(out, color);
    strbuf_puts(out, "\"");
}

static void series_write(const struct canvas *canvas, size_t index)
{
    const struct svg_series *series = &canvas->panel->series[index];
    strbuf_puts(canvas->out, "<path class=\"line\" ");
    color_write(canvas->out, series_color(canvas->panel, index));
    if (series->is_dashed)
        strbuf_puts(canvas->out, " stroke-dasharray=\"6 4\"");
    if (series->style == SVG_DOTS)
        strbuf_puts(canvas->out, " stroke-width=\"4\"");
    strbuf_puts(canvas->out, " d=\"");
    size_t before = canvas->out->length;
    points_write(canvas, series);
    if (canvas->out->length == before)
        strbuf_puts(canvas->out, "M0 0");
    strbuf_puts(canvas->out, "\"/>\n");
}

static void mark_write(const struct canvas *canvas, const struct svg_mark *mark)
{
    const struct svg_axis *axis = mark->is_vertical ? &canvas->panel->x : &canvas->panel->y;
    if (!is_plottable(mark->value, axis->is_log))
        return;
    strbuf_puts(canvas->out, "<path class=\"mark\" ");
    color_write(canvas->out, mark->color == NULL ? "#C00000" : mark->color);
    double right = canvas->left + canvas->width;
    if (mark->is_vertical) {
        double x = place_x(canvas, mark->value);
        strbuf_printf(canvas->out, " d=\"M%.1f %.1fV%.1f\"/>\n", x, canvas->top,
                      canvas->top + canvas->height);
        if (mark->name != NULL)
            text_write(canvas->out, x + 4, canvas->top + 10, "class=\"note\"", mark->name);
        return;
    }
    double y = place_y(canvas, mark->value);
    strbuf_printf(canvas->out, " d=\"M%.1f %.1fH%.1f\"/>\n", canvas->left, y, right);
    if (mark->name != NULL)
        text_write(canvas->out, right - 2, y - 4, "class=\"note\" text-anchor=\"end\"", mark->name);
}

/* Names in one row above the panel, from the right; what does not fit goes on in the next row,
 * inside the panel. */
static void legend_write(const struct canvas *canvas)
{
    double right = canvas->left + canvas->width;
    double y = canvas->top - 10;
    double x = right;
    for (size_t i = canvas->panel->series_count; i > 0; i--) {
        const struct svg_series *series = &canvas->panel->series[i - 1];
        if (series->name == NULL)
            continue;
        double width = (double)strlen(series->name) * LEGEND_CHARACTER + 26;
        double taken = canvas->panel->title == NULL || y > canvas->top
                           ? 0
                           : (double)strlen(canvas->panel->title) * (LEGEND_CHARACTER + 1);
        if (x < right && x - width < canvas->left + taken) {
            x = right;
            y = y < canvas->top ? canvas->top + LEGEND_LINE - 2 : y + LEGEND_LINE;
        }
        x -= width;
        strbuf_puts(canvas->out, "<path class=\"line\" ");
        color_write(canvas->out, series_color(canvas->panel, i - 1));
        strbuf_printf(canvas->out, "%s d=\"M%.1f %.1fh14\"/>\n",
                      series->is_dashed ? " stroke-dasharray=\"6 4\"" : "", x, y - 4);
        text_write(canvas->out, x + 18, y, "", series->name);
    }
}

static void panel_write(const struct svg_plot *plot, size_t index, double left, double top,
                        double width, double height, struct strbuf *out)
{
    const struct svg_panel *panel = &plot->panels[index];
    struct canvas canvas = {
        .out = out,
        .panel = panel,
        .left = left + MARGIN_LEFT,
        .top = top + MARGIN_TOP,
        .width = width - MARGIN_LEFT - MARGIN_RIGHT,
        .height = height - MARGIN_TOP - MARGIN_BOTTOM,
        .x = range_of(panel, true),
        .y = range_of(panel, false),
    };
    strbuf_printf(out, "<clipPath id=\"c%zu\"><rect x=\"%.1f\" y=\"%.1f\" ", index, canvas.left,
                  canvas.top);
    strbuf_printf(out, "width=\"%.1f\" height=\"%.1f\"/></clipPath>\n", canvas.width,
                  canvas.height);
    axes_write(&canvas);
    strbuf_printf(out, "<g clip-path=\"url(#c%zu)\">\n", index);
    for (size_t i = 0; i < panel->series_count; i++)
        series_write(&canvas, i);
    for (size_t i = 0; i < panel->mark_count; i++)
        mark_write(&canvas, &panel->marks[i]);
    strbuf_puts(out, "</g>\n");
    legend_write(&canvas);
}

void svg_write(const struct svg_plot *plot, struct strbuf *out)
{
    unsigned columns = plot->columns == 0 ? 1 : plot->columns;
    double width = plot->panel_width == 0 ? PANEL_WIDTH : plot->panel_width;
    double height = plot->height == 0 ? PANEL_HEIGHT : plot->height;
    size_t rows = (plot->panel_count + columns - 1) / columns;
    double head = GAP + (plot->title == NULL ? 0 : TITLE_HEIGHT) +
                  (plot->subtitle == NULL ? 0 : SUBTITLE_HEIGHT);
    double total_width = columns * (width + GAP) + GAP;
    double total_height = head + (double)rows * (height + GAP);
    strbuf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                  "viewBox=\"0 0 %.0f %.0f\">\n",
                  total_width, total_height, total_width, total_height);
    strbuf_puts(out,
                "<style>text{font:11px sans-serif;fill:#333}.title{font-weight:bold}"
                ".head{font-size:16px;font-weight:bold}path{fill:none}"
                ".grid{stroke:#E4E4E4}.axis{stroke:#666}"
                ".line{stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}"
                ".mark{stroke-dasharray:4 3}"
                ".note{fill:#C00000;paint-order:stroke;stroke:#FFF;stroke-width:3px}</style>\n");
    strbuf_puts(out, "<rect width=\"100%\" height=\"100%\" fill=\"#FFF\"/>\n");
    if (plot->title != NULL)
        text_write(out, GAP, GAP + 14, "class=\"head\"", plot->title);
    if (plot->subtitle != NULL)
        text_write(out, GAP, GAP + (plot->title == NULL ? 0 : TITLE_HEIGHT) + 4, "",
                   plot->subtitle);
    for (size_t i = 0; i < plot->panel_count; i++) {
        size_t row = i / columns;
        double left = GAP + (double)(i % columns) * (width + GAP);
        double top = head + (double)row * (height + GAP);
        panel_write(plot, i, left, top, width, height, out);
    }
    strbuf_puts(out, "</svg>\n");
}
