/* SPDX-License-Identifier: Apache-2.0 */
/* How the records of a step become slices for the controller. */
#include "load/search.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"
#include "load/runner.h"

enum { TENANTS = 2 };
#define WARMUP_NS (50 * NS_PER_MS)
#define STEP_NS   (2 * NS_PER_S)    /* slices of 100 ms */
#define SLO_NS    (200 * NS_PER_MS) /* so a slice is closed 200 ms after its end */

struct world {
    struct tenant_spec *specs;
    struct load_tenant *items;
    struct load_tenants tenants;
    struct findmax *findmax;
    struct search search;
};

static void world_init(struct world *world)
{
    world->specs = calloc(TENANTS, sizeof(*world->specs));
    world->items = calloc(TENANTS, sizeof(*world->items));
    world->findmax = calloc(1, sizeof(*world->findmax));
    assert_true(world->specs != NULL && world->items != NULL && world->findmax != NULL);
    for (int i = 0; i < TENANTS; i++) {
        world->specs[i].arrivals = ARRIVAL_CONSTANT;
        world->specs[i].rate = 100;
        world->items[i].spec = &world->specs[i];
    }
    world->items[0].slo = (struct slo){.quantile = 0.9, .time_ns = SLO_NS};
    world->tenants = (struct load_tenants){.items = world->items, .count = TENANTS};
    assert_true(search_init(&world->search, &world->tenants, STEP_NS, world->findmax));
    struct findmax_options options = {.criterion_count = TENANTS + 1,
                                      .quantiles = world->search.quantiles,
                                      .start = 1,
                                      .precision = 0.1,
                                      .highest = 100,
                                      .lowest = 0.01,
                                      .step_ns = STEP_NS,
                                      .samples_min = 10};
    double multiplier;
    assert_true(findmax_init(world->findmax, &options));
    assert_true(findmax_next(world->findmax, &multiplier));
    search_begin(&world->search, 5, multiplier, WARMUP_NS);
}

static void world_fini(struct world *world)
{
    search_fini(&world->search);
    findmax_fini(world->findmax);
    free(world->findmax);
    free(world->items);
    free(world->specs);
}

static void record_add(struct world *world, uint16_t tenant, uint64_t at_ms, uint64_t latency_ms)
{
    struct load_record record = {
        .intended_ns = WARMUP_NS + at_ms * NS_PER_MS,
        .latency_ns = latency_ms * NS_PER_MS,
        .tenant = tenant,
        .outcome = OUTCOME_OK,
        .counted = true,
    };
    search_add(&world->search, &record);
}

static void criteria_are_tenants_and_the_lag(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    assert_true(search_is_possible(&world.search));
    assert_true(world.search.quantiles[0] > 0.89 && world.search.quantiles[0] < 0.91);
    assert_true(world.search.quantiles[1] <= 0);
    assert_true(world.search.quantiles[2] > 0.98);
    assert_true(world.search.lag_max_ns == SLO_NS / 10);
    world_fini(&world);
}

/* Ten are due in each slice; what is not answered when it closes is missing. */
static void a_slice_closes_when_nothing_in_it_can_be_in_time(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    for (uint64_t i = 0; i < 9; i++)
        record_add(&world, 0, 10 * i + 1, i < 7 ? 5 : 201);
    record_add(&world, 0, 250, 1); /* the third slice's */
    assert_int_equal(search_advance(&world.search, WARMUP_NS + 299 * NS_PER_MS), FINDMAX_GO_ON);
    assert_int_equal(world.findmax->slice_count, 0);
    assert_int_equal(search_advance(&world.search, WARMUP_NS + 301 * NS_PER_MS), FINDMAX_GO_ON);
    assert_int_equal(world.findmax->slice_count, 1);
    assert_int_equal(world.findmax->total[0], 10);
    assert_int_equal(world.findmax->good[0], 7);
    assert_int_equal(world.findmax->total[1], 10);
    assert_int_equal(world.findmax->total[2], 9); /* those of which the lag is known */
    assert_int_equal(world.findmax->good[2], 9);
    /* Too late for its slice. */
    record_add(&world, 0, 5, 1);
    assert_int_equal(search_advance(&world.search, WARMUP_NS + 501 * NS_PER_MS), FINDMAX_GO_ON);
    assert_int_equal(world.findmax->slice_count, 3);
    assert_int_equal(world.findmax->good[1 * 3], 0);
    assert_int_equal(world.findmax->good[2 * 3], 1);
    world_fini(&world);
}

static void what_is_not_counted_or_failed_is_no_success(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct load_record record = {.intended_ns = WARMUP_NS + 1, .outcome = OUTCOME_OK};
    search_add(&world.search, &record); /* of the warm-up */
    record.counted = true;
    record.outcome = OUTCOME_REFUSED;
    search_add(&world.search, &record);
    record.lag_ns = SLO_NS;
    search_add(&world.search, &record);
    (void)search_advance(&world.search, WARMUP_NS + 301 * NS_PER_MS);
    assert_int_equal(world.findmax->good[0], 0);
    assert_int_equal(world.findmax->total[2], 2);
    assert_int_equal(world.findmax->good[2], 1);
    world_fini(&world);
}

/* Answers that come in long before their slice can close need room for many open slices. */
static void many_slices_may_be_open(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    for (uint64_t i = 0; i < 500; i++)
        record_add(&world, 0, 100 * i + 1, 1);
    assert_false(world.search.failed);
    enum findmax_verdict verdict = FINDMAX_GO_ON;
    for (uint64_t i = 0; i < 500 && verdict == FINDMAX_GO_ON; i++)
        verdict = search_advance(&world.search, WARMUP_NS + (301 + 100 * i) * NS_PER_MS);
    assert_int_equal(verdict, FINDMAX_FAIL); /* one of ten each time */
    world_fini(&world);
}

/* The second drawing of the arrivals is the first one. */
static void what_was_due_is_what_was_sent(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world.specs[0].arrivals = ARRIVAL_POISSON;
    search_begin(&world.search, 77, 3.0, WARMUP_NS);
    struct arrival_options options = tenant_spec_arrivals(&world.specs[0], 3.0);
    struct arrival arrival;
    struct arrival_event event;
    uint64_t due[5] = {0};
    arrival_init(&arrival, &options, runner_seed(77, 0, STREAM_ARRIVALS));
    while (arrival_next(&arrival, &event) && event.at_ns < WARMUP_NS + 500 * NS_PER_MS) {
        if (event.at_ns >= WARMUP_NS)
            due[(event.at_ns - WARMUP_NS) / (100 * NS_PER_MS)]++;
    }
    (void)search_advance(&world.search, WARMUP_NS + 701 * NS_PER_MS);
    assert_true(world.findmax->slice_count >= 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(world.findmax->total[i * 3], due[i]);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(criteria_are_tenants_and_the_lag),
        cmocka_unit_test(a_slice_closes_when_nothing_in_it_can_be_in_time),
        cmocka_unit_test(what_is_not_counted_or_failed_is_no_success),
        cmocka_unit_test(many_slices_may_be_open),
        cmocka_unit_test(what_was_due_is_what_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
