/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tail.h"

#include <math.h>
#include <string.h>

#include "base/test.h"
#include "policy/loop_fixture.h"

static void near(double is, double should_be, double by)
{
    if (!(fabs(is - should_be) <= by)) {
        fail_msg("%.9g instead of %.9g", is, should_be);
    }
}

/* 10 ms a row, in batches or alone. */
static struct roost_variant flat_variant(void)
{
    return (struct roost_variant){.cpu_ns_per_row = 10e6};
}

static struct tail_load load_of(double rows_per_s, double workers)
{
    return (struct tail_load){.rows_per_s = rows_per_s,
                              .abs_rows = 1,
                              .batch_rows_max = 1,
                              .workers = workers,
                              .percentile = 95,
                              .slo_ns = 100e6,
                              .scale = 1,
                              .calibration = 1};
}

static void work_is_rate_times_cost(void **state)
{
    (void)state;
    struct roost_variant variant = flat_variant();
    struct tail_load load = load_of(150, 4);
    struct tail tail;
    tail_init(&tail, &variant, &load);
    near(tail_work_cores(&tail), 1.5, 1e-9);
    load.scale = 0.5;
    tail_init(&tail, &variant, &load);
    near(tail_work_cores(&tail), 0.75, 1e-9);
    variant.cpu_ns_per_row = 0;
    tail_init(&tail, &variant, &load);
    assert_int_equal(tail.size_count, 0);
    near(tail_work_cores(&tail), 0, 0);
}

static void tails_fall_with_cores_and_rise_with_load(void **state)
{
    (void)state;
    struct roost_variant variant = flat_variant();
    for (double rate = 1; rate < 390; rate += 13) {
        struct tail tail, more;
        struct tail_load load = load_of(rate, 4);
        tail_init(&tail, &variant, &load);
        load.rows_per_s = rate * 1.1;
        tail_init(&more, &variant, &load);
        double before = INFINITY;
        for (double cores = 0.05; cores < 6; cores += 0.05) {
            double ns = tail_predict_ns(&tail, cores);
            assert_true(ns <= before * (1 + 1e-9));
            assert_true(ns >= 10e6 || ns == INFINITY);
            assert_true(tail_predict_ns(&more, cores) >= ns);
            assert_true((cores > tail_work_cores(&tail)) || ns == INFINITY);
            before = ns;
        }
    }
}

static void what_is_needed_is_enough_and_little_more(void **state)
{
    (void)state;
    struct roost_variant variant = flat_variant();
    struct tail_load load = load_of(120, 4);
    struct tail tail;
    tail_init(&tail, &variant, &load);
    double need = tail_need_cores(&tail, 50e6, 4);
    assert_true(tail_predict_ns(&tail, need) <= 50e6);
    assert_true(tail_predict_ns(&tail, need - 0.1) > 50e6);
    assert_true(isinf(tail_need_cores(&tail, 9e6, 4)));
    assert_true(isinf(tail_need_cores(&tail, 50e6, 1)));
    tail.calibration = 2;
    assert_true(tail_need_cores(&tail, 50e6, 4) > need);
}

/* Batches cost less by the row: what cannot be carried one by one is carried together. */
static void batches_carry_more_and_take_longer(void **state)
{
    (void)state;
    struct roost_variant variant = {
        .point_count = 3,
        .points = {{9, 1, 10e6, 10e6}, {9, 8, 24e6, 24e6}, {9, 64, 150e6, 150e6}}};
    struct tail_load load = load_of(300, 1);
    struct tail tail;
    tail_init(&tail, &variant, &load);
    assert_true(isinf(tail_predict_ns(&tail, 1)));
    load.batch_rows_max = 64;
    tail_init(&tail, &variant, &load);
    double ns = tail_predict_ns(&tail, 1);
    assert_true(ns > 24e6 && ns < 80e6);
    /* A batch that runs for more than half of the SLO is not counted on. */
    near(tail.sizes[tail.size_count - 1].run_s, 0.042, 0.001);
    /* Rows beyond the limit are split over the workers, in rounds. */
    load = load_of(10, 4);
    load.abs_rows = 64;
    load.batch_rows_max = 8;
    tail_init(&tail, &variant, &load);
    assert_int_equal(tail.size_count, 1);
    near(tail.sizes[0].run_s, 2 * 0.024, 1e-9);
}

/* The model against the loop that the other tests use, alone on its cores. */
static void predictions_are_near_what_happens(void **state)
{
    (void)state;
    static const struct {
        uint32_t cores;
        double rate;
    } cases[] = {{1, 40}, {1, 70}, {1, 85}, {2, 100}, {2, 160}, {4, 200}, {4, 320}, {8, 700}};
    static const double accuracy = 0.9, cost_ns = 10e6;
    struct roost_variant variant = flat_variant();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loop *loop = loop_new("static", NULL, cases[i].cores);
        loop_add(loop, cases[i].rate, 500000000, 1, &accuracy, &cost_ns);
        loop_run(loop, 200);
        double sum = 0;
        for (int n = 0; n < 20; n++) {
            loop_run(loop, 10);
            sum += (double)loop_view(loop, 0)->window.latency_p95_ns / 20;
        }
        struct tail_load load = load_of(cases[i].rate, cases[i].cores);
        struct tail tail;
        load.slo_ns = 500e6;
        tail_init(&tail, &variant, &load);
        double predicted = tail_predict_ns(&tail, cases[i].cores);
        if (predicted > 1.6 * sum || predicted < sum / 1.6) {
            fail_msg("%u cores, %g/s: predicted %.1f ms, measured %.1f ms", cases[i].cores,
                     cases[i].rate, predicted * 1e-6, sum * 1e-6);
        }
        loop_free(loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_rate_times_cost),
        cmocka_unit_test(tails_fall_with_cores_and_rise_with_load),
        cmocka_unit_test(what_is_needed_is_enough_and_little_more),
        cmocka_unit_test(batches_carry_more_and_take_longer),
        cmocka_unit_test(predictions_are_near_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
