/* SPDX-License-Identifier: Apache-2.0 */
/* The search against servers that are nothing but a formula. */
#include "load/findmax.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/test.h"

enum { CRITERIA = 2 };
#define SLICE_NS (200 * NS_PER_MS)

/* A server that can carry `capacity` times the base rates. Below it a request is late with a
 * probability that grows towards it; above it a backlog grows from slice to slice. */
struct server {
    double capacity;
    double rate;  /* base, per second and tenant */
    double noise; /* share of slices in which the machine is busy with something else */
    bool is_correlated;
    struct rng rng;
    double backlog;
};

static uint64_t binomial(struct rng *rng, uint64_t count, double share)
{
    uint64_t good = 0;
    for (uint64_t i = 0; i < count; i++)
        good += rng_uniform(rng) < share ? 1 : 0;
    return good;
}

static void server_slice(struct server *server, double multiplier, uint64_t total[CRITERIA],
                         uint64_t good[CRITERIA])
{
    double use = multiplier / server->capacity;
    double seconds = (double)SLICE_NS / 1e9;
    /* In seconds of work that wait; an SLO of 0.1 s is lost beyond that. */
    server->backlog = fmax(0.0, server->backlog + (use - 1.0) * seconds);
    double late = use < 1.0 ? 0.05 * pow(use, 8) : fmin(1.0, 0.05 + server->backlog / 0.1);
    if (server->is_correlated)
        late = fmin(1.0, late * rng_exponential(&server->rng, 1.0));
    if (rng_uniform(&server->rng) < server->noise)
        late = 1.0;
    for (size_t i = 0; i < CRITERIA; i++) {
        total[i] = (uint64_t)(server->rate * multiplier * seconds + rng_uniform(&server->rng));
        good[i] = binomial(&server->rng, total[i], 1.0 - late);
    }
}

struct outcome_of_search {
    double found;
    unsigned steps;
    double seconds;
};

static struct outcome_of_search search_run(struct server *server,
                                           const struct findmax_options *options, uint64_t seed)
{
    struct findmax *search = test_calloc(1, sizeof(*search));
    struct outcome_of_search result = {0};
    double multiplier;
    rng_seed(&server->rng, seed);
    assert_true(findmax_init(search, options));
    while (findmax_next(search, &multiplier)) {
        enum findmax_verdict verdict = FINDMAX_GO_ON;
        server->backlog = 0;
        for (int i = 0; verdict == FINDMAX_GO_ON; i++) {
            uint64_t total[CRITERIA], good[CRITERIA];
            assert_true(i < 100000);
            server_slice(server, multiplier, total, good);
            struct findmax_slice slice = {.total = total, .good = good};
            verdict = findmax_observe(search, &slice, SLICE_NS);
        }
        result.seconds += (double)search->history[search->step_count - 1].elapsed_ns /
                          (double)NS_PER_S;
    }
    assert_false(findmax_next(search, &multiplier));
    result.found = findmax_result(search);
    result.steps = search->step_count;
    findmax_fini(search);
    test_free(search);
    return result;
}

static const double quantiles[CRITERIA] = {0.95, 0.95};

static struct findmax_options options_usual(void)
{
    return (struct findmax_options){
        .criterion_count = CRITERIA,
        .quantiles = quantiles,
        .start = 1,
        .precision = 0.03,
        .highest = 1e6,
        .lowest = 1e-4,
        .step_ns = 4 * NS_PER_S,
        .samples_min = 200,
    };
}

static void capacities_of_all_sizes_are_found(void **state)
{
    (void)state;
    static const double capacities[] = {0.013, 0.4, 1.0, 7.3, 150};
    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        struct findmax_options options = options_usual();
        struct server server = {.capacity = capacities[i], .rate = 1000 / capacities[i]};
        struct outcome_of_search result = search_run(&server, &options, i);
        double share = result.found / capacities[i];
        if (share < 0.93 || share > 1.03)
            fail_msg("%g found for %g", result.found, capacities[i]);
        assert_true(result.steps < 30);
    }
}

/* Most slices' luck, and now and then a whole step's, must not spread the result. */
static void noise_spreads_the_result_little(void **state)
{
    (void)state;
    double lowest = INFINITY;
    double highest = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct findmax_options options = options_usual();
        struct server server = {.capacity = 5, .rate = 100, .noise = 0.01, .is_correlated = true};
        struct outcome_of_search result = search_run(&server, &options, seed);
        lowest = fmin(lowest, result.found);
        highest = fmax(highest, result.found);
    }
    if (lowest < 4.2 || highest > 5.3)
        fail_msg("between %g and %g for 5", lowest, highest);
}

static void few_requests_take_longer_but_end(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct server server = {.capacity = 4, .rate = 2};
    struct outcome_of_search result = search_run(&server, &options, 1);
    assert_true(result.found > 2.5 && result.found < 6);
}

static void a_server_that_never_holds_has_no_result(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct server server = {.capacity = 1e-9, .rate = 1e5};
    options.lowest = 0.01;
    struct outcome_of_search result = search_run(&server, &options, 1);
    assert_true(result.found <= 0.0);
    assert_true(result.steps < 12);
}

static void a_server_without_end_stops_at_the_highest(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct server server = {.capacity = 1e9, .rate = 50};
    options.highest = 20;
    struct outcome_of_search result = search_run(&server, &options, 1);
    assert_true(fabs(result.found - 20) < 1e-9);
}

/* One criterion that carries half as much decides; one without a wish does not. */
static void the_weakest_decides(void **state)
{
    (void)state;
    static const double unequal[CRITERIA] = {0.95, 0};
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    for (int wish = 0; wish < 2; wish++) {
        options.quantiles = wish == 0 ? unequal : quantiles;
        assert_true(findmax_init(search, &options));
        while (findmax_next(search, &multiplier)) {
            enum findmax_verdict verdict = FINDMAX_GO_ON;
            while (verdict == FINDMAX_GO_ON) {
                uint64_t total[CRITERIA] = {100, 100};
                uint64_t good[CRITERIA] = {multiplier <= 8 ? 100 : 0, multiplier <= 3 ? 100 : 0};
                struct findmax_slice slice = {.total = total, .good = good};
                verdict = findmax_observe(search, &slice, SLICE_NS);
            }
        }
        double expected = wish == 0 ? 8 : 3;
        assert_true(findmax_result(search) <= expected);
        assert_true(findmax_result(search) >= expected / 1.031);
        assert_int_equal(search->failed_by, wish);
        findmax_fini(search);
    }
    test_free(search);
}

/* A single bad moment of the machine, in the ramp, at a fraction of the capacity. */
static void one_spurious_failure_is_overcome(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    assert_true(findmax_init(search, &options));
    for (int step = 0; findmax_next(search, &multiplier); step++) {
        enum findmax_verdict verdict = FINDMAX_GO_ON;
        while (verdict == FINDMAX_GO_ON) {
            uint64_t total[CRITERIA] = {100, 100};
            uint64_t kept = multiplier <= 10 && step != 1 ? 100 : 0;
            uint64_t good[CRITERIA] = {kept, kept};
            struct findmax_slice slice = {.total = total, .good = good};
            verdict = findmax_observe(search, &slice, SLICE_NS);
        }
    }
    assert_true(findmax_result(search) <= 10 && findmax_result(search) >= 10 / 1.031);
    findmax_fini(search);
    test_free(search);
}

/* The machine is busy from the first verification on, and for so long that the search falls far
 * below what was found; once it is idle again the search climbs back. */
static void a_long_disturbance_is_overcome(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    int disturbed = 8;
    assert_true(findmax_init(search, &options));
    while (findmax_next(search, &multiplier)) {
        enum findmax_verdict verdict = FINDMAX_GO_ON;
        bool is_busy = search->step.phase == FINDMAX_VERIFY && disturbed-- > 0;
        while (verdict == FINDMAX_GO_ON) {
            uint64_t total[CRITERIA] = {100, 100};
            uint64_t kept = multiplier <= 10 && !is_busy ? 100 : 0;
            uint64_t good[CRITERIA] = {kept, kept};
            struct findmax_slice slice = {.total = total, .good = good};
            verdict = findmax_observe(search, &slice, SLICE_NS);
        }
    }
    assert_true(search->step_count < FINDMAX_STEPS_MAX);
    assert_true(findmax_result(search) <= 10 && findmax_result(search) >= 10 / 1.031);
    findmax_fini(search);
    test_free(search);
}

static enum findmax_verdict step_feed(struct findmax *search, unsigned slices, uint64_t total,
                                      uint64_t good)
{
    enum findmax_verdict verdict = FINDMAX_GO_ON;
    for (unsigned i = 0; i < slices && verdict == FINDMAX_GO_ON; i++) {
        uint64_t totals[CRITERIA] = {total, total};
        uint64_t goods[CRITERIA] = {good, good};
        struct findmax_slice slice = {.total = totals, .good = goods};
        verdict = findmax_observe(search, &slice, SLICE_NS);
    }
    return verdict;
}

static void a_step_takes_the_time_that_it_needs(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    assert_true(findmax_init(search, &options));
    /* Passing takes the whole step, failing by far a quarter. */
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 19, 100, 100), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 1, 100, 100), FINDMAX_PASS);
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 5, 100, 10), FINDMAX_FAIL);
    assert_true(search->history[1].elapsed_ns == 5 * SLICE_NS);
    /* Exactly at the wish nothing is sure, and the estimate decides after three lengths. */
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 59, 100, 95), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 1, 100, 95), FINDMAX_PASS);
    assert_true(search->history[2].was_close);
    /* Good at first and bad in the end is bad. */
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 10, 100, 100), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 10, 100, 92), FINDMAX_FAIL);
    findmax_fini(search);
    test_free(search);
}

static void many_slices_are_joined(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    options.step_ns = 3000 * SLICE_NS;
    assert_true(findmax_init(search, &options));
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 2999, 10, 10), FINDMAX_GO_ON);
    assert_true(search->slice_count <= FINDMAX_SLICES_MAX);
    assert_true(search->step.elapsed_ns == 2999 * SLICE_NS);
    assert_int_equal(step_feed(search, 1, 10, 10), FINDMAX_PASS);
    findmax_fini(search);
    test_free(search);
}

static void a_step_that_ends_early_is_judged_by_what_there_is(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    assert_true(findmax_init(search, &options));
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 4, 10, 10), FINDMAX_GO_ON);
    assert_int_equal(findmax_conclude(search), FINDMAX_PASS);
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 4, 10, 5), FINDMAX_GO_ON);
    assert_int_equal(findmax_conclude(search), FINDMAX_FAIL);
    findmax_fini(search);
    test_free(search);
}

/* A load so small that there is hardly a request takes longer, and none at all is no success. */
static void nothing_asked_is_nothing_shown(void **state)
{
    (void)state;
    struct findmax_options options = options_usual();
    struct findmax *search = test_calloc(1, sizeof(*search));
    double multiplier;
    assert_true(findmax_init(search, &options));
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 199, 0, 0), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 1, 0, 0), FINDMAX_FAIL);
    assert_true(findmax_next(search, &multiplier));
    assert_int_equal(step_feed(search, 60, 0, 0), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 19, 1, 1), FINDMAX_GO_ON);
    assert_int_equal(step_feed(search, 1, 1, 1), FINDMAX_PASS);
    findmax_fini(search);
    test_free(search);
}

/* Wilson's interval, against values computed by hand with another program. */
static void intervals_are_wilsons(void **state)
{
    (void)state;
    struct findmax_interval interval = findmax_wilson(95, 100, 1, 1.96);
    assert_true(fabs(interval.low - 0.88825) < 1e-4);
    assert_true(fabs(interval.high - 0.97846) < 1e-4);
    interval = findmax_wilson(100, 100, 1, 1.96);
    assert_true(fabs(interval.low - 0.96300) < 1e-4);
    assert_true(interval.high > 0.999999);
    interval = findmax_wilson(95, 100, 4, 1.96);
    assert_true(interval.low < 0.80 && interval.high > 0.98);
    interval = findmax_wilson(0, 0, 1, 1.96);
    assert_true(interval.low <= 0 && interval.high >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacities_of_all_sizes_are_found),
        cmocka_unit_test(noise_spreads_the_result_little),
        cmocka_unit_test(few_requests_take_longer_but_end),
        cmocka_unit_test(a_server_that_never_holds_has_no_result),
        cmocka_unit_test(a_server_without_end_stops_at_the_highest),
        cmocka_unit_test(the_weakest_decides),
        cmocka_unit_test(one_spurious_failure_is_overcome),
        cmocka_unit_test(a_long_disturbance_is_overcome),
        cmocka_unit_test(a_step_takes_the_time_that_it_needs),
        cmocka_unit_test(many_slices_are_joined),
        cmocka_unit_test(a_step_that_ends_early_is_judged_by_what_there_is),
        cmocka_unit_test(nothing_asked_is_nothing_shown),
        cmocka_unit_test(intervals_are_wilsons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
