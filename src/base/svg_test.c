/* SPDX-License-Identifier: Apache-2.0 */
/* Given a folder, each test also writes its plot there, for another test to read as XML. */
#include "base/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/test.h"

static const char *folder;

static void plot_finish(const char *name, const struct svg_plot *plot, struct strbuf *out)
{
    strbuf_init(out);
    svg_write(plot, out);
    assert_false(out->failed);
    assert_null(strstr(strbuf_text(out), "nan"));
    assert_null(strstr(strbuf_text(out), "inf"));
    if (folder == NULL)
        return;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s.svg", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(strbuf_text(out), 1, out->length, file), out->length);
    assert_int_equal(fclose(file), 0);
}

static unsigned occurrences(const struct strbuf *out, const char *text)
{
    unsigned count = 0;
    for (const char *at = strbuf_text(out); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void ticks_are_what_a_person_would_choose(void **state)
{
    (void)state;
    static const struct {
        double minimum, maximum;
        bool is_log;
        unsigned wanted;
        size_t count;
        double first, last;
    } cases[] = {
        {0, 10, false, 5, 6, 0, 10},     {0, 1, false, 5, 6, 0, 1},
        {-3, 3, false, 6, 7, -3, 3},     {0.13, 0.94, false, 5, 4, 0.2, 0.8},
        {0, 73, false, 5, 4, 0, 60},     {1000, 1001, false, 5, 6, 1000, 1001},
        {1, 1000, true, 5, 10, 1, 1000}, {0.3, 40, true, 5, 6, 0.5, 20},
        {1, 1e9, true, 5, 10, 1, 1e9},   {1, 1e30, true, 5, 8, 1, 1e28},
        {5, 5, false, 5, 0, 0, 0},       {0, 10, true, 5, 0, 0, 0},
        {NAN, 1, false, 5, 0, 0, 0},     {0, INFINITY, false, 5, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double ticks[SVG_TICKS_MAX] = {0};
        size_t count = svg_ticks(cases[i].minimum, cases[i].maximum, cases[i].is_log,
                                 cases[i].wanted, ticks);
        if (count != cases[i].count)
            fail_msg("case %zu: %zu ticks", i, count);
        if (count == 0)
            continue;
        assert_true(fabs(ticks[0] - cases[i].first) <= 1e-9 * fabs(cases[i].last));
        assert_true(fabs(ticks[count - 1] - cases[i].last) <= 1e-9 * fabs(cases[i].last));
    }
}

static void an_empty_plot_is_a_plot(void **state)
{
    (void)state;
    struct strbuf out;
    struct svg_panel panel = {.x = {.minimum = NAN, .maximum = NAN},
                              .y = {.is_log = true, .minimum = NAN, .maximum = NAN}};
    struct svg_plot plot = {.panels = &panel, .panel_count = 1};
    plot_finish("empty", &plot, &out);
    strbuf_fini(&out);
    plot.panel_count = 0;
    plot_finish("nothing", &plot, &out);
    assert_int_equal(occurrences(&out, "<clipPath"), 0);
    strbuf_fini(&out);
}

/* What cannot be drawn interrupts the line, and single points stay visible. */
static void gaps_interrupt_lines(void **state)
{
    (void)state;
    static const double x[] = {0, 1, 2, 3, 4, 5, 6};
    static const double y[] = {1, 2, NAN, 3, INFINITY, -4, 0};
    struct svg_series series[] = {
        {.name = "all", .x = x, .y = y, .count = 7, .color = "#123456"},
    };
    struct svg_panel panel = {.x = {.minimum = NAN, .maximum = NAN},
                              .y = {.minimum = NAN, .maximum = NAN},
                              .series = series,
                              .series_count = 1};
    struct svg_plot plot = {.panels = &panel, .panel_count = 1};
    struct strbuf out;
    plot_finish("gaps", &plot, &out);
    const char *line = strstr(strbuf_text(&out), "stroke=\"#123456\" d=\"M");
    assert_non_null(line);
    line = strchr(line, 'M');
    unsigned moves = 0;
    for (const char *at = line; *at != '"'; at++)
        moves += *at == 'M' ? 1 : 0;
    assert_int_equal(moves, 3);
    strbuf_fini(&out);
    /* On a logarithmic axis zero and less are gaps as well: 1, 2 and 3 are left. */
    panel.y.is_log = true;
    plot_finish("log-gaps", &plot, &out);
    line = strstr(strbuf_text(&out), "stroke=\"#123456\" d=\"M");
    assert_non_null(line);
    moves = 0;
    for (const char *at = strchr(line, 'M'); *at != '"'; at++)
        moves += *at == 'M' ? 1 : 0;
    assert_int_equal(moves, 2);
    strbuf_fini(&out);
}

static void steps_hold_their_value(void **state)
{
    (void)state;
    static const double x[] = {0, 1};
    static const double y[] = {0, 10};
    struct svg_series series = {.x = x, .y = y, .count = 2, .style = SVG_STEPS, .color = "#123456"};
    struct svg_panel panel = {
        .x = {.maximum = 1}, .y = {.maximum = 10}, .series = &series, .series_count = 1};
    struct svg_plot plot = {.panels = &panel, .panel_count = 1, .panel_width = 180, .height = 176};
    struct strbuf out;
    plot_finish("steps", &plot, &out);
    /* Right at the lower height first, then up. */
    assert_non_null(strstr(strbuf_text(&out), "M80.0 146.0h0L180.0 146.0L180.0 46.0\""));
    strbuf_fini(&out);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    static const char nasty[] = "<a href=\"x\">&amp;\x01</a>";
    static const char *const names[] = {nasty, "b", NULL};
    static const double x[] = {0, 1, 2};
    struct svg_series series[] = {
        {.name = nasty, .x = x, .y = x, .count = 2, .style = SVG_DOTS, .is_dashed = true},
        {.name = "a very long name that needs a line of its own in the legend", .x = x, .y = x},
        {.x = x, .y = x, .count = 3, .color = nasty},
    };
    struct svg_mark marks[] = {{.name = nasty, .value = 1},
                               {.name = nasty, .value = 1, .is_vertical = true, .color = "blue"},
                               {.value = NAN}};
    struct svg_panel panels[] = {{.title = nasty,
                                  .x = {.label = nasty, .minimum = NAN, .maximum = NAN},
                                  .y = {.label = nasty, .names = names},
                                  .series = series,
                                  .series_count = 3,
                                  .marks = marks,
                                  .mark_count = 3},
                                 {.title = "second"},
                                 {.title = "third"}};
    struct svg_plot plot = {
        .title = nasty, .subtitle = nasty, .panels = panels, .panel_count = 3, .columns = 2};
    struct strbuf out;
    plot_finish("texts", &plot, &out);
    assert_null(strstr(strbuf_text(&out), "<a href"));
    assert_null(strchr(strbuf_text(&out), '\x01'));
    assert_int_equal(occurrences(&out, "&lt;a href=&quot;x&quot;&gt;&amp;amp; &lt;/a&gt;"), 10);
    assert_int_equal(occurrences(&out, "<clipPath"), 3);
    strbuf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_what_a_person_would_choose),
        cmocka_unit_test(an_empty_plot_is_a_plot),
        cmocka_unit_test(gaps_interrupt_lines),
        cmocka_unit_test(steps_hold_their_value),
        cmocka_unit_test(texts_are_escaped),
    };
    folder = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
