/* SPDX-License-Identifier: Apache-2.0 */
#include "load/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/test.h"

#define WARMUP_NS   NS_PER_S
#define DURATION_NS (10 * NS_PER_S)

static const struct report_tenant_info two_tenants[] = {
    {.name = "wnd",
     .version = "1",
     .slo = {.quantile = 0.95, .time_ns = 50 * NS_PER_MS},
     .accuracy_top = 0.8,
     .rate_wanted = 10},
    {.name = "free, \"quoted\"", .accuracy_top = NAN, .rate_wanted = 1, .note = "all zeros"},
};

static struct report *report_new(void)
{
    struct report *report = malloc(sizeof(*report));
    struct report_options options = {
        .warmup_ns = WARMUP_NS,
        .window_end_ns = WARMUP_NS + DURATION_NS,
        .interval_ns = NS_PER_S,
        .url = "http://h:1",
        .seed = 7,
        .multiplier = 1,
    };
    assert_non_null(report);
    assert_true(report_init(report, &options, two_tenants, 2));
    return report;
}

static void report_free(struct report *report)
{
    report_fini(report);
    free(report);
}

/* A record of the counted time, `at_ms` after the warm-up. */
static struct load_record record_make(uint16_t tenant, uint64_t at_ms, uint64_t latency_ms)
{
    return (struct load_record){
        .intended_ns = WARMUP_NS + at_ms * NS_PER_MS,
        .lag_ns = 20 * NS_PER_US,
        .latency_ns = latency_ms * NS_PER_MS,
        .rows = 4,
        .accuracy = NAN,
        .tenant = tenant,
        .outcome = OUTCOME_OK,
        .counted = true,
    };
}

static void report_end(struct report *report, uint64_t first, uint64_t second)
{
    uint64_t scheduled[2] = {first, second};
    struct report_end end = {
        .end_ns = WARMUP_NS + DURATION_NS, .scheduled = scheduled, .cpu_ns = NS_PER_S / 2};
    report_finish(report, &end);
}

static bool is_near(double value, double wanted)
{
    return fabs(value - wanted) <= 1e-6 * fmax(1.0, fabs(wanted));
}

/* 100 requests: 90 in time, 4 late, 6 failed in different ways. */
static void failures_and_lateness_are_misses(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    for (unsigned i = 0; i < 100; i++) {
        struct load_record record = record_make(0, 100 * i, i < 90 ? 10 : 60);
        if (i >= 94)
            record.outcome = (uint8_t)(OUTCOME_REFUSED + (i - 94));
        report_add(report, &record);
    }
    report_end(report, 100, 0);
    assert_true(report_is_conserved(report));
    report_summarize(report, 0, &summary);
    assert_int_equal(summary.scheduled, 100);
    assert_int_equal(summary.ok, 94);
    assert_int_equal(summary.failed, 6);
    assert_int_equal(summary.answered, 99); /* all but the lost connection */
    assert_int_equal(summary.outcomes[OUTCOME_CONNECTION], 1);
    assert_true(is_near(summary.attainment, 0.90));
    assert_false(summary.is_met);
    assert_true(is_near(summary.rate, 10));
    assert_true(is_near(summary.throughput, 9.4));
    assert_true(is_near(summary.rows_rate, 37.6));
    assert_in_range(summary.p50_ns, 10 * NS_PER_MS, 10 * NS_PER_MS * 65 / 64);
    assert_in_range(summary.p99_ns, 60 * NS_PER_MS, 60 * NS_PER_MS * 65 / 64);
    assert_int_equal(summary.max_ns, 60 * NS_PER_MS);
    report_free(report);
}

static void the_slo_is_met_at_exactly_its_percentile(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    for (unsigned i = 0; i < 100; i++) {
        struct load_record record = record_make(0, i, i < 95 ? 50 : 51);
        report_add(report, &record);
    }
    report_end(report, 100, 0);
    report_summarize(report, 0, &summary);
    assert_true(is_near(summary.attainment, 0.95));
    assert_true(summary.is_met);
    report_free(report);
}

/* EA: accuracy of what came in time over everything scheduled; goodput: relative to the best. */
static void accuracy_counts_only_in_time(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    for (unsigned i = 0; i < 10; i++) {
        struct load_record record = record_make(0, i, i < 8 ? 10 : 90);
        record.accuracy = i < 4 ? 0.8F : 0.4F;
        report_add(report, &record);
    }
    report_end(report, 20, 0); /* ten more were never accounted for, which EA does not forgive */
    report_summarize(report, 0, &summary);
    assert_true(is_near(summary.accuracy, (4 * 0.8 + 4 * 0.4) / 20));
    /* In full for four, half for four, of twenty, at two a second. */
    assert_true(is_near(summary.goodput, (4 + 4 * 0.5) / 20 * 2));
    assert_false(report_is_conserved(report));
    report_free(report);
}

static void accuracy_that_is_not_known_is_not_made_up(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    for (unsigned i = 0; i < 10; i++) {
        struct load_record record = record_make(1, i, 10);
        report_add(report, &record);
    }
    report_end(report, 0, 10);
    report_summarize(report, 1, &summary);
    assert_true(isnan(summary.accuracy));
    assert_true(is_near(summary.goodput, 1.0));
    assert_false(summary.has_slo);
    assert_true(summary.is_met);
    report_summarize(report, REPORT_TOTAL, &summary);
    assert_true(isnan(summary.accuracy));
    report_free(report);
}

/* What is due in the warm-up counts for nothing but throughput, and what is answered after the end
 * for everything but that. */
static void the_window_has_two_ends(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    struct load_record early = record_make(0, 0, 30);
    early.intended_ns = WARMUP_NS - 10 * NS_PER_MS;
    early.counted = false;
    struct load_record earlier = early;
    earlier.latency_ns = NS_PER_MS; /* answered in the warm-up */
    struct load_record late = record_make(0, 9990, 30);
    report_add(report, &early);
    report_add(report, &earlier);
    report_add(report, &late);
    report_end(report, 1, 0);
    report_summarize(report, 0, &summary);
    assert_int_equal(summary.ok, 1);
    assert_true(is_near(summary.throughput, 0.1));
    assert_true(report_is_conserved(report));
    report_free(report);
}

static void an_interrupted_run_is_as_long_as_it_was(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    uint64_t scheduled[2] = {1, 0};
    struct load_record record = record_make(0, 10, 1);
    report_add(report, &record);
    struct report_end end = {.end_ns = WARMUP_NS + NS_PER_S / 2, .scheduled = scheduled};
    report_finish(report, &end);
    report_summarize(report, 0, &summary);
    assert_true(report->duration_ns == NS_PER_S / 2);
    assert_true(is_near(summary.rate, 2));
    /* And one that ended in its warm-up has no rates at all. */
    end.end_ns = 5;
    report_finish(report, &end);
    report_summarize(report, 0, &summary);
    assert_true(is_near(summary.rate, 0));
    report_free(report);
}

static void a_tenant_that_lags_makes_the_run_invalid(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_validity validity;
    for (unsigned i = 0; i < 1000; i++) {
        struct load_record record = record_make(0, i, 10);
        record.lag_ns = i < 989 ? NS_PER_MS : 6 * NS_PER_MS;
        report_add(report, &record);
    }
    report_validate(report, &validity);
    assert_false(validity.is_valid);
    assert_true(validity.bound_ns == 5 * NS_PER_MS);
    assert_non_null(strstr(validity.reason, "a tenth of the smallest SLO (5.00 ms)"));
    assert_null(strstr(validity.reason, "--connections"));
    report->crowded = 3;
    report_validate(report, &validity);
    assert_non_null(strstr(validity.reason, "3 requests found every connection busy"));
    for (unsigned i = 0; i < 200; i++) {
        struct load_record record = record_make(0, i, 10);
        report_add(report, &record);
    }
    report_validate(report, &validity);
    assert_true(validity.is_valid);
    assert_string_equal(validity.reason, "");
    report->lost = 1;
    report_validate(report, &validity);
    assert_false(validity.is_valid);
    report_free(report);
}

static void without_an_slo_nothing_bounds_the_lag(void **state)
{
    (void)state;
    struct report report;
    struct report_validity validity;
    struct report_options options = {.window_end_ns = UINT64_MAX, .interval_ns = NS_PER_S};
    assert_true(report_init(&report, &options, &two_tenants[1], 1));
    struct load_record record = record_make(0, 1, 1);
    record.lag_ns = NS_PER_S;
    report_add(&report, &record);
    report_validate(&report, &validity);
    assert_true(validity.is_valid && validity.bound_ns == 0);
    report_fini(&report);
}

static void intervals_are_by_intended_time(void **state)
{
    (void)state;
    struct report *report = report_new();
    for (unsigned i = 0; i < 30; i++) {
        struct load_record record = record_make(0, 100 * i, 10 * (i / 10 + 1));
        if (i == 15)
            record.outcome = OUTCOME_TIMEOUT;
        report_add(report, &record);
    }
    const struct report_tenant *tenant = &report->tenants[0];
    assert_int_equal(tenant->interval_count, 3);
    report_seal(report, WARMUP_NS + 2 * NS_PER_S);
    assert_null(tenant->intervals[0].hist);
    assert_null(tenant->intervals[1].hist);
    assert_non_null(tenant->intervals[2].hist);
    assert_int_equal(tenant->intervals[0].max_ns, 10 * NS_PER_MS);
    assert_int_equal(tenant->intervals[1].outcomes[OUTCOME_OK], 9);
    assert_int_equal(tenant->intervals[1].outcomes[OUTCOME_TIMEOUT], 1);
    assert_int_equal(tenant->intervals[1].hits, 9);
    /* What comes after an interval was sealed is counted, without changing its percentiles. */
    struct load_record record = record_make(0, 5, 900);
    report_add(report, &record);
    assert_int_equal(tenant->intervals[0].outcomes[OUTCOME_OK], 11);
    assert_int_equal(tenant->intervals[0].max_ns, 10 * NS_PER_MS);
    /* Far beyond what is kept, and still part of the sums. */
    record.intended_ns = WARMUP_NS + (uint64_t)REPORT_INTERVALS_MAX * NS_PER_S;
    report_add(report, &record);
    assert_int_equal(tenant->interval_count, 3);
    assert_int_equal(tenant->outcomes[OUTCOME_OK], 31);
    report_end(report, 32, 0);
    assert_true(report_is_conserved(report));
    report_free(report);
}

static void a_report_can_be_used_again(void **state)
{
    (void)state;
    struct report *report = report_new();
    struct report_summary summary;
    struct load_record record = record_make(0, 1, 1);
    report_add(report, &record);
    report_reason(report, 0, OUTCOME_TIMEOUT, "because");
    report_end(report, 1, 0);
    report_reset(report);
    report_end(report, 0, 0);
    report_summarize(report, REPORT_TOTAL, &summary);
    assert_int_equal(summary.scheduled, 0);
    assert_int_equal(summary.ok, 0);
    assert_string_equal(report->tenants[0].reasons[OUTCOME_TIMEOUT], "");
    report_free(report);
}

/* The same few records for all the writers. */
static struct report *report_small(void)
{
    struct report *report = report_new();
    for (unsigned i = 0; i < 4; i++) {
        struct load_record record = record_make(0, 250 * i, 1U << (2 * i)); /* 1, 4, 16, 64 ms */
        record.accuracy = 0.8F;
        report_add(report, &record);
    }
    struct load_record refused = record_make(1, 1500, 1);
    refused.outcome = OUTCOME_REFUSED;
    report_add(report, &refused);
    report_reason(report, 1, OUTCOME_REFUSED, "429 the queue is full");
    report_end(report, 4, 1);
    return report;
}

/* The order and names of members are a contract with whoever reads them. */
static void json_has_its_golden_form(void **state)
{
    (void)state;
    static const char golden[] =
        "{\"url\":\"http://h:1\",\"valid\":true,\"invalid_reason\":null,\"interrupted\":false,"
        "\"seed\":7,\"multiplier\":1.0,\"warmup_s\":1.0,\"duration_s\":10.0,\"generator\":{"
        "\"lag_ms_p50\":0.02,\"lag_ms_p99\":0.02,\"lag_ms_max\":0.02,\"lag_ms_allowed\":5.0,"
        "\"cpu_s\":0.5,\"connections_busy\":0,\"records_lost\":0},\"total\":{\"scheduled\":5,"
        "\"answered\":5,\"ok\":4,\"failed\":1,\"errors\":{\"refused\":1,\"unavailable\":0,"
        "\"expired\":0,\"client_error\":0,\"server_error\":0,\"connection\":0,\"timeout\":0,"
        "\"unsent\":0},\"rate\":0.5,\"throughput\":0.4,\"rows_per_s\":1.6,\"latency_ms\":{"
        "\"mean\":21.25,\"p50\":4.030463,\"p90\":64.0,\"p95\":64.0,\"p99\":64.0,\"p999\":64.0,"
        "\"max\":64.0},\"attainment\":0.75,\"slo_met\":false,\"effective_accuracy\":null,"
        "\"goodput\":0.30000000000000004},\"tenants\":[{\"name\":\"wnd\",\"version\":\"1\",\"rate_"
        "wanted\":10.0,"
        "\"slo\":{\"percentile\":95.0,\"time_ms\":50.0},\"scheduled\":4,\"answered\":4,\"ok\":4,"
        "\"failed\":0,\"errors\":{\"refused\":0,\"unavailable\":0,\"expired\":0,"
        "\"client_error\":0,\"server_error\":0,\"connection\":0,\"timeout\":0,\"unsent\":0},"
        "\"rate\":0.4,\"throughput\":0.4,\"rows_per_s\":1.6,\"latency_ms\":{\"mean\":21.25,"
        "\"p50\":4.030463,\"p90\":64.0,\"p95\":64.0,\"p99\":64.0,\"p999\":64.0,\"max\":64.0},"
        "\"attainment\":0.75,\"slo_met\":false,\"effective_accuracy\":0.375,\"goodput\":0."
        "30000000000000004,"
        "\"reasons\":{},\"note\":null},{\"name\":\"free, \\\"quoted\\\"\",\"version\":null,"
        "\"rate_wanted\":1.0,\"slo\":null,\"scheduled\":1,\"answered\":1,\"ok\":0,\"failed\":1,"
        "\"errors\":{\"refused\":1,\"unavailable\":0,\"expired\":0,\"client_error\":0,"
        "\"server_error\":0,\"connection\":0,\"timeout\":0,\"unsent\":0},\"rate\":0.1,"
        "\"throughput\":0.0,\"rows_per_s\":0.0,\"latency_ms\":null,\"attainment\":null,"
        "\"slo_met\":null,\"effective_accuracy\":null,\"goodput\":0.0,\"reasons\":{"
        "\"refused\":\"429 the queue is full\"},\"note\":\"all zeros\"}],\"find_max\":{}}\n";
    struct report *report = report_small();
    struct strbuf out;
    yyjson_doc *doc;
    strbuf_init(&out);
    /* Accuracies came as floats; in the golden text they shall have few digits. */
    report->tenants[0].accuracy_sum = 1.5;
    report->tenants[0].accuracy_seen = 0.5;
    report->tenants[0].info.accuracy_top = 0.5;
    report_json(report, "\"find_max\":{}", &out);
    assert_string_equal(strbuf_text(&out), golden);
    assert_int_equal(json_parse(strbuf_text(&out), out.length, &doc, NULL), ROOST_OK);
    yyjson_doc_free(doc);
    strbuf_fini(&out);
    report_free(report);
}

static void csv_quotes_what_needs_it(void **state)
{
    (void)state;
    static const char golden[] =
        "start_s,tenant,scheduled,ok,refused,unavailable,expired,client_error,server_error,"
        "connection,timeout,unsent,within_slo,p50_ms,p95_ms,p99_ms,max_ms\n"
        "0.000,wnd,4,4,0,0,0,0,0,0,0,0,3,4.030463,64.000000,64.000000,64.000000\n"
        "0.000,\"free, \"\"quoted\"\"\",0,0,0,0,0,0,0,0,0,0,0,0.000000,0.000000,0.000000,"
        "0.000000\n"
        "1.000,\"free, \"\"quoted\"\"\",1,0,1,0,0,0,0,0,0,0,0,0.000000,0.000000,0.000000,"
        "0.000000\n";
    struct report *report = report_small();
    struct strbuf out;
    strbuf_init(&out);
    report_csv(report, &out);
    assert_string_equal(strbuf_text(&out), golden);
    strbuf_reset(&out);
    report_csv_head(&out);
    struct load_record record = record_make(0, 1, 60);
    report_csv_record(report, &record, &out);
    record.counted = false;
    record.latency_ns = 50 * NS_PER_MS;
    report_csv_record(report, &record, &out);
    assert_string_equal(strbuf_text(&out),
                        "intended_s,tenant,rows,outcome,latency_ms,lag_ms,within_slo,warmup\n"
                        "1.001000000,wnd,4,ok,60.000000,0.020000,0,0\n"
                        "1.001000000,wnd,4,ok,50.000000,0.020000,1,1\n");
    strbuf_fini(&out);
    report_free(report);
}

static void text_tells_what_went_wrong(void **state)
{
    (void)state;
    struct report *report = report_small();
    struct strbuf out;
    strbuf_init(&out);
    report_text(report, false, &out);
    const char *text = strbuf_text(&out);
    assert_non_null(strstr(text, "wnd             p95 50.0 ms          4       0"));
    assert_non_null(strstr(text, "75.00 %"));
    assert_non_null(
        strstr(text, "free, \"quoted\": 1 refused (429), first: 429 the queue is full"));
    assert_non_null(strstr(text, "free, \"quoted\": all zeros"));
    assert_non_null(strstr(text, "generator: lag p50 20.0 us"));
    assert_null(strstr(text, "INVALID"));
    assert_null(strchr(text, '\x1b'));
    strbuf_reset(&out);
    report->lost = 2;
    report_text(report, true, &out);
    assert_non_null(strstr(strbuf_text(&out), "INVALID"));
    assert_non_null(strstr(strbuf_text(&out), "\x1b[31m"));
    strbuf_fini(&out);
    report_free(report);
}

/* Given a file name, writes the plot there: another test reads it as XML. */
static const char *svg_path;

static void the_plot_has_two_panels_per_tenant(void **state)
{
    (void)state;
    struct report *report = report_small();
    struct strbuf out;
    unsigned panels = 0;
    strbuf_init(&out);
    assert_true(report_svg(report, &out));
    for (const char *at = strbuf_text(&out); (at = strstr(at, "<clipPath")) != NULL; at++)
        panels++;
    assert_int_equal(panels, 4);
    assert_non_null(strstr(strbuf_text(&out), "free, &quot;quoted&quot;"));
    assert_null(strstr(strbuf_text(&out), "nan"));
    assert_null(strstr(strbuf_text(&out), "inf"));
    if (svg_path != NULL) {
        FILE *file = fopen(svg_path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(strbuf_text(&out), 1, out.length, file), out.length);
        assert_int_equal(fclose(file), 0);
    }
    strbuf_fini(&out);
    report_free(report);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_and_lateness_are_misses),
        cmocka_unit_test(the_slo_is_met_at_exactly_its_percentile),
        cmocka_unit_test(accuracy_counts_only_in_time),
        cmocka_unit_test(accuracy_that_is_not_known_is_not_made_up),
        cmocka_unit_test(the_window_has_two_ends),
        cmocka_unit_test(an_interrupted_run_is_as_long_as_it_was),
        cmocka_unit_test(a_tenant_that_lags_makes_the_run_invalid),
        cmocka_unit_test(without_an_slo_nothing_bounds_the_lag),
        cmocka_unit_test(intervals_are_by_intended_time),
        cmocka_unit_test(a_report_can_be_used_again),
        cmocka_unit_test(json_has_its_golden_form),
        cmocka_unit_test(csv_quotes_what_needs_it),
        cmocka_unit_test(text_tells_what_went_wrong),
        cmocka_unit_test(the_plot_has_two_panels_per_tenant),
    };
    svg_path = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
