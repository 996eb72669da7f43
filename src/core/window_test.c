/* SPDX-License-Identifier: Apache-2.0 */
#include "core/window.h"

#include "base/test.h"

static const uint64_t second = UINT64_C(1000000000);

static struct window window; /* large */
static struct window_counts sum;

static void nothing_yet(void **state)
{
    (void)state;
    window_init(&window, 8 * second);
    assert_int_equal(window_sum(&window, 100 * second, &sum), 0);
    assert_int_equal(sum.arrivals, 0);
    assert_int_equal(hist_count_at_most(&sum.latency_ns, UINT64_MAX), 0);
}

static void sums_and_forgets(void **state)
{
    (void)state;
    window_init(&window, 8 * second);
    for (unsigned i = 0; i < 20; i++) {
        struct window_counts *counts = window_at(&window, (100 + i) * second);
        counts->arrivals += 10;
        counts->rows += 20;
        counts->completions += 7;
        counts->errors += 2;
        counts->slo_misses += 3;
        counts->batches += 4;
        counts->batch_rows += 5;
        counts->busy_ns += 6;
        hist_record(&counts->latency_ns, 1000 * (i + 1));
        uint64_t covered_ns = window_sum(&window, (100 + i) * second, &sum);
        uint64_t slices = i < 8 ? i + 1 : 8;
        assert_int_equal(covered_ns, (i < 7 ? i : 7) * second);
        assert_int_equal(sum.arrivals, 10 * slices);
        assert_int_equal(sum.rows, 20 * slices);
        assert_int_equal(sum.completions, 7 * slices);
        assert_int_equal(sum.errors, 2 * slices);
        assert_int_equal(sum.slo_misses, 3 * slices);
        assert_int_equal(sum.batches, 4 * slices);
        assert_int_equal(sum.batch_rows, 5 * slices);
        assert_int_equal(sum.busy_ns, 6 * slices);
        assert_int_equal(hist_count_at_most(&sum.latency_ns, UINT64_MAX), slices);
    }
    assert_int_equal(window_sum(&window, 119 * second + second / 2, &sum), 15 * second / 2);
}

static void long_silence(void **state)
{
    (void)state;
    window_init(&window, 8 * second);
    window_at(&window, 5 * second)->arrivals = 3;
    assert_int_equal(window_sum(&window, 5000 * second, &sum), 7 * second);
    assert_int_equal(sum.arrivals, 0);
    window_at(&window, 5000 * second)->arrivals = 4;
    (void)window_sum(&window, 5001 * second, &sum);
    assert_int_equal(sum.arrivals, 4);
}

/* A clock that is read in two places may seem to go back a little. */
static void time_that_goes_back(void **state)
{
    (void)state;
    window_init(&window, 8 * second);
    window_at(&window, 10 * second)->arrivals++;
    window_at(&window, 12 * second)->arrivals++;
    window_at(&window, 11 * second)->arrivals++;
    (void)window_sum(&window, 12 * second, &sum);
    assert_int_equal(sum.arrivals, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(sums_and_forgets),
        cmocka_unit_test(long_silence),
        cmocka_unit_test(time_that_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
