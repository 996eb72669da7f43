/* SPDX-License-Identifier: Apache-2.0 */
#include "core/view_build.h"

#include <math.h>

#include "base/clock.h"
#include "base/test.h"

static struct roost_tenant promised(double percentile, uint64_t slo_ns)
{
    return (struct roost_tenant){.slo_percentile = percentile, .slo_ns = slo_ns};
}

static void test_counts_everything(void **state)
{
    (void)state;
    static struct view_meter meter;
    uint64_t now_ns = NS_PER_S;
    view_meter_init(&meter, 8 * NS_PER_S, 10 * NS_PER_MS, now_ns);
    for (int i = 0; i < 100; i++) {
        now_ns += 10 * NS_PER_MS;
        view_meter_arrival(&meter, 3, now_ns);
        if (i % 10 == 0)
            view_meter_refusal(&meter, now_ns);
        else if (i % 10 == 1)
            view_meter_answer(&meter, NS_PER_MS, false, now_ns);
        else
            view_meter_answer(&meter, i % 10 == 2 ? 20 * NS_PER_MS : NS_PER_MS, true, now_ns);
    }
    view_meter_run(&meter, 240, 5 * NS_PER_MS, 4 * NS_PER_MS, now_ns);
    struct roost_tenant tenant = promised(95, 10 * NS_PER_MS);
    tenant.queue.late = 5;
    view_build_counts(&meter, 0, now_ns, &tenant);
    const struct roost_window *window = &tenant.window;
    assert_int_equal(window->length_ns, NS_PER_S);
    assert_int_equal(window->arrivals, 100);
    assert_int_equal(window->rows, 300);
    assert_int_equal(window->refusals, 10);
    assert_int_equal(window->errors, 10);
    assert_int_equal(window->completions, 80);
    assert_int_equal(window->slo_misses, 10 + 10 + 10 + 5);
    assert_int_equal(window->latency_samples, 80);
    assert_int_equal(window->batch_rows, 240);
    assert_int_equal(window->cpu_ns, 4 * NS_PER_MS);
    assert_float_equal(window->abs_rows, 3, 1e-9);
    assert_float_equal(window->aat_ns, 1e7, 1);
    assert_true(fabs(window->attainment - (1 - 35.0 / 105)) < 1e-9);
    assert_in_range(window->latency_p99_ns, 19 * NS_PER_MS, 21 * NS_PER_MS);
    assert_int_equal(tenant.recent.arrivals, 100);
    assert_int_equal(tenant.recent.slo_misses, 30);
    assert_int_equal(tenant.recent.length_ns, NS_PER_S);
    view_build_counts(&meter, 0, now_ns + NS_PER_S, &tenant);
    assert_int_equal(tenant.recent.arrivals, 0);
    assert_int_equal(tenant.recent.length_ns, NS_PER_S);
}

/* A fast tenant's window is short, a slow one's as long as it gets. */
static void test_window_follows_the_rate(void **state)
{
    (void)state;
    static struct view_meter fast, slow;
    uint64_t start_ns = NS_PER_S, now_ns = start_ns;
    view_meter_init(&fast, 8 * NS_PER_S, NS_PER_S, start_ns);
    view_meter_init(&slow, 8 * NS_PER_S, NS_PER_S, start_ns);
    for (int i = 0; i < 20000; i++) {
        now_ns += NS_PER_MS;
        view_meter_answer(&fast, NS_PER_MS, true, now_ns);
        if (i % 500 == 0)
            view_meter_answer(&slow, NS_PER_MS, true, now_ns);
    }
    struct roost_tenant tenant = promised(95, NS_PER_S);
    view_build_counts(&fast, NS_PER_S, now_ns, &tenant);
    assert_in_range(tenant.window.length_ns, NS_PER_S, 2 * NS_PER_S);
    assert_true(tenant.window.latency_samples >= 100);
    view_build_counts(&slow, NS_PER_S, now_ns, &tenant);
    assert_in_range(tenant.window.length_ns, 7 * NS_PER_S, 8 * NS_PER_S);
    assert_in_range(tenant.window.latency_samples, 13, 17);
}

static void test_no_promise_no_miss(void **state)
{
    (void)state;
    static struct view_meter meter;
    view_meter_init(&meter, NS_PER_S, 0, NS_PER_S);
    view_meter_refusal(&meter, NS_PER_S);
    view_meter_answer(&meter, NS_PER_S, true, NS_PER_S);
    struct roost_tenant tenant = promised(0, 0);
    tenant.queue.late = 3;
    view_build_counts(&meter, 0, NS_PER_S, &tenant);
    assert_int_equal(tenant.window.slo_misses, 0);
    assert_int_equal(tenant.window.latency_slo_ns, 0);
}

static void test_points_hold_what_was_learnt(void **state)
{
    (void)state;
    struct curve service, cpu;
    struct roost_variant variant = {.point_count = 7};
    curve_reset(&service);
    curve_reset(&cpu);
    curve_observe(&service, 1, 1000);
    curve_observe(&cpu, 1, 900);
    curve_observe(&service, 40, 9000);
    curve_observe(&cpu, 40, 8000);
    view_build_points(&service, &cpu, &variant);
    assert_int_equal(variant.point_count, 2);
    assert_float_equal(variant.points[1].rows_mean, 40, 1e-9);
    assert_float_equal(variant.points[1].ns_mean, 9000, 1e-9);
    assert_float_equal(variant.points[1].cpu_ns_mean, 8000, 1e-9);
    view_build_points(&service, NULL, &variant);
    assert_float_equal(variant.points[0].cpu_ns_mean, 0, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_everything),
        cmocka_unit_test(test_window_follows_the_rate),
        cmocka_unit_test(test_no_promise_no_miss),
        cmocka_unit_test(test_points_hold_what_was_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
