/* SPDX-License-Identifier: Apache-2.0 */
#include "net/prom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static void golden(void **state)
{
    (void)state;
    struct strbuf out;
    struct prom prom;
    strbuf_init(&out);
    prom_init(&prom, &out);
    const struct prom_label labels[] = {{"model", "a\"b\\c\nd\xFF"}, {"version", "1"}};
    prom_family(&prom, "nv_inference_count", PROM_COUNTER, "Inferences \"done\"\\\nso far");
    prom_uint(&prom, labels, 2, UINT64_MAX);
    prom_uint(&prom, NULL, 0, 0);
    prom_family(&prom, "roost:x_1", PROM_GAUGE, "");
    prom_double(&prom, labels + 1, 1, 0.25);
    prom_double(&prom, NULL, 0, NAN);
    prom_double(&prom, NULL, 0, INFINITY);
    prom_double(&prom, NULL, 0, -INFINITY);
    assert_string_equal(strbuf_text(&out),
                        "# HELP nv_inference_count Inferences \"done\"\\\\\\nso far\n"
                        "# TYPE nv_inference_count counter\n"
                        "nv_inference_count{model=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\",version=\"1\"} "
                        "18446744073709551615\n"
                        "nv_inference_count 0\n"
                        "# HELP roost:x_1 \n"
                        "# TYPE roost:x_1 gauge\n"
                        "roost:x_1{version=\"1\"} 0.25\n"
                        "roost:x_1 NaN\n"
                        "roost:x_1 +Inf\n"
                        "roost:x_1 -Inf\n");
    strbuf_fini(&out);
}

static void histogram(void **state)
{
    (void)state;
    static struct hist hist;
    struct strbuf out;
    struct prom prom;
    strbuf_init(&out);
    prom_init(&prom, &out);
    hist_reset(&hist);
    hist_record(&hist, 0);
    hist_record_n(&hist, 900000, 3);               /* 0.9 ms */
    hist_record(&hist, 20 * UINT64_C(1000000000)); /* 20 s */
    hist_record(&hist, UINT64_C(1) << 41);         /* beyond every bound */
    const struct prom_label label = {"model", "m"};
    prom_family(&prom, "roost_request_seconds", PROM_HISTOGRAM, "Latency");
    prom_histogram(&prom, &label, 1, &hist);
    static const char *const lines[] = {
        "# TYPE roost_request_seconds histogram\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"5e-05\"} 1\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"0.0005\"} 1\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"0.001\"} 4\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"10\"} 4\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"30\"} 5\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"60\"} 5\n",
        "roost_request_seconds_bucket{model=\"m\",le=\"+Inf\"} 6\n",
        "roost_request_seconds_sum{model=\"m\"} 2219.025955552\n",
        "roost_request_seconds_count{model=\"m\"} 6\n",
    };
    const char *at = strbuf_text(&out);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        at = strstr(at, lines[i]);
        assert_non_null(at);
    }
    strbuf_reset(&out);
    prom_histogram(&prom, NULL, 0, &hist);
    assert_non_null(strstr(strbuf_text(&out), "roost_request_seconds_bucket{le=\"0.25\"} 4\n"));
    assert_non_null(strstr(strbuf_text(&out), "\nroost_request_seconds_count 6\n"));
    /* A histogram's bounds are in order and so are its counts. */
    double previous = 0;
    unsigned long long below = 0;
    unsigned buckets = 0;
    for (const char *le = strbuf_text(&out); (le = strstr(le, "le=\"")) != NULL; buckets++) {
        char *end = NULL;
        double bound = strtod(le + 4, &end);
        unsigned long long count = strtoull(strchr(end, ' '), NULL, 10);
        assert_true(bound > previous && count >= below);
        previous = bound;
        below = count;
        le = end;
    }
    assert_int_equal(buckets, 20);
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(histogram)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
