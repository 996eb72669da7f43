/* SPDX-License-Identifier: Apache-2.0 */
/* The live table, the metrics that it shows, and tables in general. */
#include "load/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"
#include "load/table.h"

static const struct slo slo = {.quantile = 0.95, .time_ns = 20 * NS_PER_MS};

static struct load_record record_make(uint16_t tenant, uint64_t latency_ms)
{
    return (struct load_record){
        .latency_ns = latency_ms * NS_PER_MS, .tenant = tenant, .outcome = OUTCOME_OK};
}

static void table_text(const struct live *live, const struct scrape_model *models, bool color,
                       unsigned lines_max, unsigned lines, struct strbuf *out)
{
    struct live_status status = {.title = "http://h:1",
                                 .phase = "warm",
                                 .elapsed_ns = 1500 * NS_PER_MS,
                                 .total_ns = 10 * NS_PER_S,
                                 .models = models};
    unsigned counted = 0;
    strbuf_reset(out);
    assert_int_equal(live_table(live, &status, lines_max, color, "|\n", out), lines);
    for (const char *at = strbuf_text(out); *at != '\0'; at++)
        counted += *at == '\n' ? 1 : 0;
    assert_int_equal(counted, lines);
}

static void endless_runs_show_no_end(void **state)
{
    struct live live;
    struct strbuf out;
    struct live_status status = {.title = "", .phase = "", .elapsed_ns = NS_PER_S};
    (void)state;
    strbuf_init(&out);
    assert_true(live_init(&live, 0));
    status.total_ns = UINT64_C(1000000) * NS_PER_S;
    (void)live_table(&live, &status, 50, false, "\n", &out);
    assert_non_null(strstr(strbuf_text(&out), "1.0 s\n"));
    assert_null(strstr(strbuf_text(&out), " of "));
    live_fini(&live);
    strbuf_fini(&out);
}

static void the_last_turns_are_shown(void **state)
{
    (void)state;
    struct live live;
    struct strbuf out;
    strbuf_init(&out);
    assert_true(live_init(&live, 1));
    live_name(&live, 0, "wnd", &slo);
    for (unsigned i = 0; i < 100; i++) {
        struct load_record record = record_make(0, i < 90 ? 8 : 64);
        if (i >= 95)
            record.outcome = OUTCOME_REFUSED;
        live_add(&live, &record);
    }
    /* What is being filled is not shown yet. */
    table_text(&live, NULL, false, 50, 4, &out);
    assert_non_null(strstr(strbuf_text(&out), "roost load  http://h:1  1.5 s of 10.0 s  warm|"));
    assert_non_null(strstr(strbuf_text(&out), "wnd     p95 20.0 ms    0.0"));
    live_turn(&live, 2 * NS_PER_S);
    table_text(&live, NULL, true, 50, 4, &out);
    assert_non_null(strstr(strbuf_text(&out), "47.5"));
    assert_non_null(strstr(strbuf_text(&out), "\x1b[31m2.5\x1b[0m"));    /* failures */
    assert_non_null(strstr(strbuf_text(&out), "\x1b[31m64.0\x1b[0m"));   /* p95, the promise */
    assert_non_null(strstr(strbuf_text(&out), "\x1b[31m90.0 %\x1b[0m")); /* in SLO */
    assert_null(strstr(strbuf_text(&out), "QUEUE"));
    /* After enough turns it is forgotten. */
    for (unsigned i = 0; i < LIVE_SLOTS; i++)
        live_turn(&live, NS_PER_S / 2);
    table_text(&live, NULL, false, 50, 4, &out);
    assert_non_null(strstr(strbuf_text(&out), "0.0       0.0       -"));
    live_fini(&live);
    strbuf_fini(&out);
}

static void too_many_tenants_are_counted(void **state)
{
    (void)state;
    struct live live;
    struct strbuf out;
    strbuf_init(&out);
    assert_true(live_init(&live, 30));
    for (size_t i = 0; i < 30; i++)
        live_name(&live, i, "wnd", &slo);
    table_text(&live, NULL, false, 24, 3 + 19 + 1, &out);
    assert_non_null(strstr(strbuf_text(&out), "and 11 more|"));
    table_text(&live, NULL, false, 34, 33, &out);
    assert_null(strstr(strbuf_text(&out), "more"));
    table_text(&live, NULL, false, 1, 4, &out);
    assert_non_null(strstr(strbuf_text(&out), "and 30 more|"));
    live_fini(&live);
    strbuf_fini(&out);
}

static void the_servers_columns_are_shown(void **state)
{
    (void)state;
    struct live live;
    struct strbuf out;
    struct scrape_model models[] = {{.name = "wnd",
                                     .queue = {true, 3},
                                     .workers = {true, 2},
                                     .resident_bytes = {true, 64.0 * 1048576 + 5}},
                                    {.name = "other"}};
    strbuf_init(&out);
    assert_true(live_init(&live, 2));
    live_name(&live, 0, "wnd", &slo);
    live_name(&live, 1, "other", &(struct slo){0});
    table_text(&live, models, false, 50, 5, &out);
    assert_non_null(strstr(strbuf_text(&out), "3        2  64 MiB|"));
    assert_non_null(strstr(strbuf_text(&out), "-        -       -|"));
    struct live_status status = {
        .title = "", .phase = "", .elapsed_ns = NS_PER_S, .total_ns = 1, .models = models};
    strbuf_reset(&out);
    live_lines(&live, &status, &out);
    assert_string_equal(strbuf_text(&out),
                        "1.0 s wnd: 0.0 req/s, 0.0 failed/s, p50 0 ns, p95 0 ns, p99 0 ns, "
                        "100.0 % in SLO, queue 3, workers 2, memory 67 MB\n"
                        "1.0 s other: 0.0 req/s, 0.0 failed/s, p50 0 ns, p95 0 ns, p99 0 ns\n");
    live_fini(&live);
    strbuf_fini(&out);
}

static void scrape(const char *text, struct scrape_model *models, size_t count)
{
    /* Exactly as long as the text, so that reading beyond it is seen. */
    size_t length = strlen(text);
    char *exact = malloc(length + 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    scrape_read(exact, length, models, count);
    free(exact);
}

static void metrics_are_found_by_model(void **state)
{
    (void)state;
    struct scrape_model models[] = {{.name = "a"}, {.name = "b \"q\\\""}};
    scrape("# HELP roost_queue_requests Requests that wait\n"
           "# TYPE roost_queue_requests gauge\n"
           "roost_queue_requests{model=\"a\",version=\"1\"} 3\n"
           "roost_queue_requests{model=\"a\",version=\"2\"} 4\n"
           "roost_queue_requests{model=\"unknown\",version=\"2\"} 100\n"
           "roost_queue_requests_total{model=\"a\"} 100\n"
           "roost_workers{version=\"1\", model=\"b \\\"q\\\\\\\"\"} 2 1700000000\n"
           "roost_host_resident_bytes{model=\"a\"} 1.5e+06\r\n"
           "roost_workers{model=\"a\"} NaN\n",
           models, 2);
    assert_true(models[0].queue.is_known && models[0].queue.value > 6.9 &&
                models[0].queue.value < 7.1);
    assert_false(models[0].workers.is_known);
    assert_false(models[0].resident_bytes.is_known); /* a carriage return is no part of a number */
    assert_true(models[1].workers.is_known);
    assert_false(models[1].queue.is_known);
    scrape("", models, 2);
    assert_false(models[0].queue.is_known);
    assert_string_equal(models[0].name, "a");
}

static void broken_metrics_are_skipped(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "roost_workers",
        "roost_workers{",
        "roost_workers{}",
        "roost_workers{} 1",
        "roost_workers{model",
        "roost_workers{model=",
        "roost_workers{model=\"a",
        "roost_workers{model=\"a\\",
        "roost_workers{model=\"a\"",
        "roost_workers{model=\"a\"}",
        "roost_workers{model=\"a\"} ",
        "roost_workers{model=\"a\"} x",
        "roost_workers{model=\"a\"} 1x",
        "roost_workers{model=\"a\"} +Inf",
        "roost_workers 5",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct scrape_model model = {.name = "a"};
        scrape(texts[i], &model, 1);
        if (model.workers.is_known)
            fail_msg("\"%s\" was understood", texts[i]);
    }
}

static void cells_line_up(void **state)
{
    (void)state;
    struct table table;
    struct strbuf out;
    strbuf_init(&out);
    table_init(&table, 3);
    table_add(&table, TABLE_PLAIN, "name");
    table_add(&table, TABLE_PLAIN, "x");
    table_add(&table, TABLE_PLAIN, "long head");
    table_add(&table, TABLE_RED, "größe");
    table_add(&table, TABLE_GREEN, "%d", 12345);
    table_add(&table, TABLE_PLAIN, "1");
    table_add(&table, TABLE_PLAIN, "short row");
    table_write(&table, false, "\n", &out);
    assert_string_equal(strbuf_text(&out), "name           x  long head\n"
                                           "größe      12345          1\n"
                                           "short row\n");
    strbuf_reset(&out);
    table_reset(&table);
    table_add(&table, TABLE_RED, "a");
    table_write(&table, true, "", &out);
    assert_string_equal(strbuf_text(&out), "\x1b[31ma\x1b[0m");
    table_fini(&table);
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_turns_are_shown),
        cmocka_unit_test(endless_runs_show_no_end),
        cmocka_unit_test(too_many_tenants_are_counted),
        cmocka_unit_test(the_servers_columns_are_shown),
        cmocka_unit_test(metrics_are_found_by_model),
        cmocka_unit_test(broken_metrics_are_skipped),
        cmocka_unit_test(cells_line_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
