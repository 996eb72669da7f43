/* SPDX-License-Identifier: Apache-2.0 */
#include "core/curve.h"

#include "base/rng.h"
#include "base/test.h"

static void observe(struct curve *curve, uint64_t rows, uint64_t ns, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        curve_observe(curve, rows, ns);
}

static void nothing_known(void **state)
{
    (void)state;
    struct curve curve;
    curve_reset(&curve);
    assert_int_equal(curve_service_ns(&curve, 1), 0);
    assert_int_equal(curve_service_ns(&curve, 1000), 0);
    assert_int_equal(curve_batch_rows(&curve, 100, 64, 0), 1);
    assert_true(curve_rows_per_s(&curve, 64) == 0);
    curve_observe(&curve, 0, 5);
    assert_int_equal(curve_service_ns(&curve, 1), 0);
}

static void straight_between_points(void **state)
{
    (void)state;
    struct curve curve;
    curve_reset(&curve);
    observe(&curve, 1, 1000, 3);
    assert_int_equal(curve_service_ns(&curve, 1), 1000);
    assert_int_equal(curve_service_ns(&curve, 8), 8000);
    observe(&curve, 8, 2400, 3);
    assert_int_equal(curve_service_ns(&curve, 8), 2400);
    assert_int_equal(curve_service_ns(&curve, 4), 1600);
    assert_int_equal(curve_service_ns(&curve, 15), 3800);
    assert_int_equal(curve_service_ns(&curve, 0), 1000);
    /* A curve that falls is not followed into the negative. */
    observe(&curve, 32, 100, 3);
    assert_int_equal(curve_service_ns(&curve, 1000), 100);
}

static void follows_changes(void **state)
{
    (void)state;
    struct curve curve;
    curve_reset(&curve);
    observe(&curve, 4, 1000, 500);
    observe(&curve, 4, 9000, 500);
    assert_in_range(curve_service_ns(&curve, 4), 8900, 9000);
    observe(&curve, UINT64_MAX, 70, 1);
    assert_in_range(curve_service_ns(&curve, UINT64_MAX), 1, UINT64_MAX);
}

/* What a batcher with much to do would learn of a model of this time: the size it ends with. */
static uint64_t settle(uint64_t base_ns, uint64_t row_ns, uint64_t rows_max, uint64_t budget_ns)
{
    struct curve curve;
    uint64_t rows = 0;
    curve_reset(&curve);
    for (unsigned i = 0; i < 300; i++) {
        rows = curve_batch_rows(&curve, 10000, rows_max, budget_ns);
        assert_in_range(rows, 1, rows_max);
        curve_observe(&curve, rows, base_ns + rows * row_ns);
    }
    return rows;
}

static void learns_whether_batches_pay(void **state)
{
    (void)state;
    assert_int_equal(settle(100000, 1000, 64, 0), 64);
    assert_in_range(settle(0, 50000, 64, 0), 1, 2);
    assert_int_equal(settle(100000, 4000, 64, 250000), 32);
    assert_int_equal(settle(100000, 1000, 1, 0), 1);
    assert_int_equal(settle(500, 10, 48, 0), 48);
}

static void within_what_waits(void **state)
{
    (void)state;
    struct curve curve;
    struct rng rng;
    rng_seed(&rng, 5);
    curve_reset(&curve);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t waiting = 1 + rng_below(&rng, 300), rows_max = 1 + rng_below(&rng, 200);
        uint64_t rows = curve_batch_rows(&curve, waiting, rows_max, rng_below(&rng, 3) * 100000);
        assert_true(rows >= 1 && rows <= waiting && rows <= rows_max);
        curve_observe(&curve, rows, 1000 + rng_below(&rng, 100000));
    }
}

static void rates(void **state)
{
    (void)state;
    struct curve curve;
    curve_reset(&curve);
    observe(&curve, 1, 1000000, 2);
    observe(&curve, 16, 4000000, 2);
    assert_true(curve_rows_per_s(&curve, 8) > 999 && curve_rows_per_s(&curve, 8) < 1001);
    assert_true(curve_rows_per_s(&curve, 16) > 3999 && curve_rows_per_s(&curve, 16) < 4001);
    assert_true(curve_rows_per_s(&curve, 0) > 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known),     cmocka_unit_test(straight_between_points),
        cmocka_unit_test(follows_changes),   cmocka_unit_test(learns_whether_batches_pay),
        cmocka_unit_test(within_what_waits), cmocka_unit_test(rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
