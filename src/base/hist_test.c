/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/test.h"

enum { VALUES = 20000 };
#define HIST_LIMIT (UINT64_C(1) << 42)

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static void buckets_partition_the_values(void **state)
{
    (void)state;
    assert_int_equal(hist_bucket_of(0), 0);
    uint64_t bottom = 0;
    for (size_t bucket = 0; bucket < HIST_BUCKETS; bucket++) {
        uint64_t top = hist_bucket_top(bucket);
        assert_true(top >= bottom);
        assert_int_equal(hist_bucket_of(bottom), bucket);
        assert_int_equal(hist_bucket_of(top), bucket);
        if (bucket < 128)
            assert_true(top == bottom);
        if (bucket + 1 < HIST_BUCKETS)
            assert_true((top - bottom) * 64 <= bottom);
        bottom = top + 1;
    }
    /* After the last bucket's top comes no value at all. */
    assert_true(bottom == 0);
    assert_int_equal(hist_bucket_of(HIST_LIMIT - 1), HIST_BUCKETS - 1);
    assert_int_equal(hist_bucket_of(HIST_LIMIT), HIST_BUCKETS - 1);
    assert_int_equal(hist_bucket_of(UINT64_MAX), HIST_BUCKETS - 1);
}

static void empty_histogram(void **state)
{
    (void)state;
    struct hist hist;
    hist_reset(&hist);
    assert_int_equal(hist_quantile(&hist, 0.5), 0);
    assert_true(fabs(hist_mean(&hist)) <= 0.0);
    assert_int_equal(hist_count_at_most(&hist, 100), 0);
    assert_true(hist.min == UINT64_MAX);
    hist_record_n(&hist, 5, 0);
    assert_true(hist.count == 0 && hist.min == UINT64_MAX && hist.max == 0);
}

static void one_value(void **state)
{
    (void)state;
    struct hist hist;
    hist_reset(&hist);
    hist_record(&hist, 1000003);
    static const double quantiles[] = {-1.0, 0.0, 0.5, 1.0, 2.0};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(hist_quantile(&hist, quantiles[i]), 1000003);
    assert_int_equal(hist_quantile(&hist, (double)NAN), 1000003);
    assert_int_equal(hist_count_at_most(&hist, 999), 0);
    assert_int_equal(hist_count_at_most(&hist, 1000003), 1);
    assert_int_equal(hist_count_at_most(&hist, UINT64_MAX), 1);
}

static void huge_values_count_in_the_last_bucket(void **state)
{
    (void)state;
    struct hist hist;
    hist_reset(&hist);
    hist_record(&hist, UINT64_MAX - 1);
    hist_record(&hist, HIST_LIMIT);
    assert_int_equal(hist.buckets[HIST_BUCKETS - 1], 2);
    assert_true(hist_quantile(&hist, 0.99) == UINT64_MAX - 1);
    assert_int_equal(hist_count_at_most(&hist, HIST_LIMIT / 2), 0);
}

/* Values over all magnitudes; a quantile is never below the true one nor 1/64 above it. */
static void quantiles_err_by_a_64th_at_most(void **state)
{
    (void)state;
    static uint64_t values[VALUES];
    struct hist hist;
    struct rng rng;
    rng_seed(&rng, 5);
    hist_reset(&hist);
    double sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = rng_next(&rng) >> (23 + rng_below(&rng, 40));
        sum += (double)values[i];
        hist_record(&hist, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    assert_true(hist.min == values[0] && hist.max == values[VALUES - 1]);
    assert_true(fabs(hist_mean(&hist) - sum / VALUES) <= 1e-9 * sum / VALUES);
    for (int i = 0; i <= 1000; i++) {
        double q = i / 1000.0;
        double wanted = ceil(q * VALUES);
        size_t rank = wanted < 1.0 ? 1 : (size_t)wanted;
        uint64_t exact = values[rank - 1];
        uint64_t told = hist_quantile(&hist, q);
        assert_true(told >= exact && told - exact <= exact / 64);
    }
    for (size_t i = 0; i < VALUES; i += 97) {
        uint64_t told = hist_count_at_most(&hist, values[i]);
        assert_true(told >= i + 1);
        assert_true(told == VALUES ||
                    values[told - 1] <= hist_bucket_top(hist_bucket_of(values[i])));
    }
}

static void merge_and_subtract_are_inverse(void **state)
{
    (void)state;
    struct hist a, b, sum, zero;
    struct rng rng;
    rng_seed(&rng, 6);
    hist_reset(&a);
    hist_reset(&b);
    hist_reset(&sum);
    hist_reset(&zero);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = rng_below(&rng, 1000000);
        hist_record(i % 3 == 0 ? &a : &b, value);
        hist_record(&sum, value);
    }
    struct hist merged = a;
    hist_merge(&merged, &b);
    assert_memory_equal(&merged, &sum, sizeof(sum));
    hist_merge(&merged, &zero);
    assert_memory_equal(&merged, &sum, sizeof(sum));

    hist_subtract(&merged, &b);
    assert_memory_equal(merged.buckets, a.buckets, sizeof(a.buckets));
    assert_true(merged.count == a.count && merged.sum == a.sum);
    assert_true(merged.min <= a.min && merged.max >= a.max);
    assert_int_equal(hist_bucket_of(merged.min), hist_bucket_of(a.min));
    assert_int_equal(hist_bucket_of(merged.max), hist_bucket_of(a.max));
    hist_subtract(&merged, &a);
    assert_memory_equal(&merged, &zero, sizeof(zero));
}

static void many_at_once(void **state)
{
    (void)state;
    struct hist one, many;
    hist_reset(&one);
    hist_reset(&many);
    for (int i = 0; i < 500; i++)
        hist_record(&one, 12345);
    hist_record_n(&many, 12345, 500);
    assert_memory_equal(&one, &many, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_partition_the_values),
        cmocka_unit_test(empty_histogram),
        cmocka_unit_test(one_value),
        cmocka_unit_test(huge_values_count_in_the_last_bucket),
        cmocka_unit_test(quantiles_err_by_a_64th_at_most),
        cmocka_unit_test(merge_and_subtract_are_inverse),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
