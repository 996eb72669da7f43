/* SPDX-License-Identifier: Apache-2.0 */
#include "core/admission.h"

#include "base/rng.h"
#include "base/test.h"

static const uint64_t ms = 1000 * 1000;

static void at_first_all_that_the_slo_leaves(void **state)
{
    (void)state;
    struct admission admission;
    admission_init(&admission);
    admission_use(&admission, true, 1000);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 30 * ms), 70 * ms);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 100 * ms), 0);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 130 * ms), 0);
}

static void late_answers_shorten_it(void **state)
{
    (void)state;
    struct admission admission;
    admission_init(&admission);
    admission_use(&admission, true, 1000);
    for (int i = 0; i < 5; i++)
        admission_learn(&admission, 95, 1000, false);
    uint64_t limit_ns = admission_limit_ns(&admission, 100 * ms, 0);
    assert_in_range(limit_ns, 70 * ms, 80 * ms);
    for (int i = 0; i < 100; i++)
        admission_learn(&admission, 95, 1000, false);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 0), 0);
    for (int i = 0; i < 2000; i++)
        admission_learn(&admission, 95, 1000, true);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 30 * ms), 70 * ms);
}

/* What a queue had grown to before the limit was in use, and who came after that again. */
static void others_tell_nothing(void **state)
{
    (void)state;
    struct admission admission;
    admission_init(&admission);
    admission_learn(&admission, 95, 2000, false);
    admission_use(&admission, true, 1000);
    admission_use(&admission, true, 3000);
    admission_learn(&admission, 95, 999, false);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 0), 100 * ms);
    admission_learn(&admission, 95, 1000, false);
    uint64_t limit_ns = admission_limit_ns(&admission, 100 * ms, 0);
    assert_true(limit_ns < 100 * ms);
    admission_use(&admission, false, 4000);
    admission_learn(&admission, 95, 5000, false);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 0), limit_ns);
}

/* A short spell hours later is none of the last one's. */
static void it_is_forgotten(void **state)
{
    (void)state;
    struct admission admission;
    admission_init(&admission);
    admission_use(&admission, true, 1000);
    admission_learn(&admission, 95, 1000, false);
    uint64_t limit_ns = admission_limit_ns(&admission, 100 * ms, 0);
    admission_use(&admission, false, 1000 * ms);
    admission_use(&admission, true, 9000 * ms);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 0), limit_ns);
    admission_use(&admission, false, 10000 * ms);
    admission_use(&admission, true, 21000 * ms);
    assert_int_equal(admission_limit_ns(&admission, 100 * ms, 0), 100 * ms);
}

/* Latencies that vary about what was predicted by a factor: as many are late as may be. */
static double late_of(double percentile)
{
    struct admission admission;
    struct rng rng;
    rng_seed(&rng, 7);
    admission_init(&admission);
    admission_use(&admission, true, 1000);
    unsigned late = 0, all = 20000;
    for (unsigned i = 0; i < 1000 + all; i++) {
        uint64_t limit_ns = admission_limit_ns(&admission, 100 * ms, 20 * ms);
        double took_ns = (double)limit_ns * (0.5 + rng_uniform(&rng)) + 20e6;
        bool in_time = took_ns <= 100e6;
        late += i >= 1000 && !in_time;
        admission_learn(&admission, percentile, 1000, in_time);
    }
    return (double)late / all;
}

static void as_many_are_late_as_may_be(void **state)
{
    (void)state;
    assert_in_range((uint64_t)(late_of(95) * 1000), 45, 55);
    assert_in_range((uint64_t)(late_of(99) * 1000), 8, 12);
    assert_in_range((uint64_t)(late_of(80) * 1000), 180, 220);
}

static void hopeless(void **state)
{
    (void)state;
    assert_false(admission_hopeless(100 * ms, 30 * ms, 70 * ms));
    assert_true(admission_hopeless(100 * ms, 30 * ms, 70 * ms + 1));
    assert_true(admission_hopeless(100 * ms, 0, 100 * ms + 1));
    assert_false(admission_hopeless(100 * ms, 0, 100 * ms));
    /* What takes longer than the SLO by itself cannot be in time. */
    assert_true(admission_hopeless(100 * ms, 101 * ms, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_all_that_the_slo_leaves),
        cmocka_unit_test(late_answers_shorten_it),
        cmocka_unit_test(others_tell_nothing),
        cmocka_unit_test(it_is_forgotten),
        cmocka_unit_test(as_many_are_late_as_may_be),
        cmocka_unit_test(hopeless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
