/* SPDX-License-Identifier: Apache-2.0 */
#include "load/slo.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"
#include "load/record.h"

static void promises_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double quantile;
        uint64_t time_ns;
        const char *shown;
    } cases[] = {
        {"p95 50 ms", 0.95, 50 * NS_PER_MS, "p95 50.0 ms"},
        {"P99.9 within 5ms", 0.999, 5 * NS_PER_MS, "p99.9 5.00 ms"},
        {"p50   1.5 s", 0.5, 1500 * NS_PER_MS, "p50 1.50 s"},
        {"none", 0, 0, "-"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slo slo = {.quantile = 9, .time_ns = 9};
        struct detail detail;
        char text[SLO_TEXT_BYTES_MAX];
        assert_int_equal(slo_parse(cases[i].text, &slo, &detail), ROOST_OK);
        assert_true(fabs(slo.quantile - cases[i].quantile) < 1e-12);
        assert_true(slo.time_ns == cases[i].time_ns);
        assert_string_equal(slo_format(&slo, text), cases[i].shown);
    }
}

static void wrong_promises_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "50 ms",  "p95",     "p95 50",    "p0 5 ms",  "p100 5 ms",
        "px 5 ms", "p 5 ms", "p95 0 s", "p95 -1 ms", "p-5 5 ms", "p95123456789012345 1s"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slo slo = {.quantile = 0.25, .time_ns = 7};
        struct detail detail;
        if (slo_parse(texts[i], &slo, &detail) != ROOST_INVALID)
            fail_msg("\"%s\" was not refused", texts[i]);
        assert_true(slo.time_ns == 7);
    }
}

static void replies_become_outcomes(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum roost_err err;
        bool sent;
        enum outcome outcome;
    } cases[] = {
        {200, ROOST_OK, true, OUTCOME_OK},
        {201, ROOST_OK, true, OUTCOME_SERVER_ERROR},
        {302, ROOST_OK, true, OUTCOME_SERVER_ERROR},
        {400, ROOST_OK, true, OUTCOME_CLIENT_ERROR},
        {404, ROOST_OK, true, OUTCOME_CLIENT_ERROR},
        {429, ROOST_OK, true, OUTCOME_REFUSED},
        {500, ROOST_OK, true, OUTCOME_SERVER_ERROR},
        {503, ROOST_OK, true, OUTCOME_UNAVAILABLE},
        {504, ROOST_OK, true, OUTCOME_EXPIRED},
        {0, ROOST_UNAVAILABLE, true, OUTCOME_CONNECTION},
        {0, ROOST_UNAVAILABLE, false, OUTCOME_CONNECTION},
        {0, ROOST_INVALID, true, OUTCOME_CONNECTION},
        {0, ROOST_EXPIRED, true, OUTCOME_TIMEOUT},
        {0, ROOST_CANCELLED, true, OUTCOME_TIMEOUT},
        {0, ROOST_EXPIRED, false, OUTCOME_UNSENT},
        {0, ROOST_CANCELLED, false, OUTCOME_UNSENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(outcome_of_reply(cases[i].status, cases[i].err, cases[i].sent),
                         cases[i].outcome);
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        assert_true(strlen(outcome_key(i)) > 0 && strlen(outcome_text(i)) > 0);
        assert_true(outcome_is_answer(i) == (i < OUTCOME_CONNECTION));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_are_read),
        cmocka_unit_test(wrong_promises_are_refused),
        cmocka_unit_test(replies_become_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
