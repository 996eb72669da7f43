/* SPDX-License-Identifier: Apache-2.0 */
/* CLITE's formulas, its lattice, and its search on a function that the test makes up. */
#include "policy/clite.h"

#include <math.h>

#include "base/test.h"
#include "policy/desk_fixture.h"

static const uint64_t slo_ns = 100000000;

static void near(double is, double should_be, double by)
{
    if (!(fabs(is - should_be) <= by)) {
        fail_msg("%.9g instead of %.9g", is, should_be);
    }
}

/* ALGORITHMS N. */
static void formulas_have_the_published_values(void **state)
{
    (void)state;
    struct lattice lattice = {.resources = 3, .jobs = 4, .units = {10, 10, 10}};
    near(lattice_size(&lattice), 592704, 0);
    lattice = (struct lattice){.resources = 3, .jobs = 3, .units = {10, 11, 10}};
    near(lattice_size(&lattice), 58320, 0);
    near(clite_threshold(2), 1e-4, 1e-12);
    near(clite_threshold(3), 1e-6, 1e-12);
    near(clite_threshold(4), 1e-8, 1e-12);
    struct clite_result result = {.critical = {true, true}, .ratio = {.8, 1}};
    near(clite_score(&result, 2), 0.447214, 1e-6);
    /* A ratio above 1 does not make up for another below. */
    result.ratio[1] = 5;
    near(clite_score(&result, 2), 0.447214, 1e-6);
    result = (struct clite_result){
        .critical = {true, false}, .ratio = {1.2, 1}, .performance = {0.1, 0.64}};
    near(clite_score(&result, 2), 0.5 + 0.5 * 0.64, 1e-9);
    result.critical[1] = true;
    near(clite_score(&result, 2), 0.5 + 0.5 * sqrt(0.1 * 0.64), 1e-9);
}

static void divisions_are_always_valid(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        struct lattice lattice = {.resources = 1 + (uint32_t)rng_below(&rng, 3),
                                  .jobs = 1 + (uint32_t)rng_below(&rng, 8)};
        for (uint32_t r = 0; r < lattice.resources; r++) {
            lattice.units[r] = lattice.jobs + (uint32_t)rng_below(&rng, 60);
        }
        struct division division;
        division_equal_parts(&lattice, &division);
        assert_true(division_valid(&lattice, &division));
        division_extreme(&lattice, (uint32_t)rng_below(&rng, lattice.jobs), &division);
        assert_true(division_valid(&lattice, &division));
        division_random(&lattice, &rng, &division);
        assert_true(division_valid(&lattice, &division));
        bool satisfied[LATTICE_JOBS_MAX];
        for (uint32_t job = 0; job < lattice.jobs; job++) {
            satisfied[job] = rng_below(&rng, 2) == 0;
        }
        struct division before = division;
        bool moved = division_help(&lattice, satisfied, &rng, &division);
        assert_true(division_valid(&lattice, &division));
        assert_int_equal(moved, !division_equal(&lattice, &before, &division));
        division.units[0]++;
        assert_false(division_valid(&lattice, &division));
    }
}

/* All ten divisions of six units among three jobs are drawn about equally often. */
static void random_divisions_are_uniform(void **state)
{
    (void)state;
    struct lattice lattice = {.resources = 1, .jobs = 3, .units = {6}};
    unsigned counts[7][7] = {{0}}, kinds = 0;
    struct rng rng;
    rng_seed(&rng, 2);
    for (int i = 0; i < 10000; i++) {
        struct division division;
        division_random(&lattice, &rng, &division);
        counts[division.units[0]][division.units[1]]++;
    }
    for (int a = 0; a < 7; a++) {
        for (int b = 0; b < 7; b++) {
            kinds += counts[a][b] > 0;
            assert_true(counts[a][b] == 0 || (counts[a][b] > 850 && counts[a][b] < 1150));
        }
    }
    assert_int_equal(kinds, 10);
}

/* The tails of two tenants by their slots: the first needs 65, the second 45 of 160. */
static void measure(struct desk *desk)
{
    static const double needs[] = {65, 45};
    for (uint32_t i = 0; i < 2; i++) {
        double ratio = needs[i] / (desk_grant(desk, i)->slots + 1.0);
        view_fixture_load(&desk->store.tenants[i], 100, (uint64_t)(ratio * (double)slo_ns));
    }
}

static unsigned search(struct desk *desk)
{
    unsigned samples = 0;
    do {
        desk_decide(desk);
        measure(desk);
        assert_true(++samples < 130);
    } while ((desk->plan.flags & ROOST_PLAN_SETTLED) == 0);
    return samples;
}

static void a_search_ends_with_everybody_content(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "clite", NULL, 16);
    desk.store.view.node.knobs &= ~(uint32_t)(ROOST_KNOB_WAYS | ROOST_KNOB_BANDWIDTH);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_add(&desk.store, i + 1, slo_ns);
    }
    desk_decide(&desk);
    /* The first samples are the extremes and equal parts. */
    assert_int_equal(desk_grant(&desk, 0)->slots, 150);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_SAMPLE);
    measure(&desk);
    desk_decide(&desk);
    assert_int_equal(desk_grant(&desk, 0)->slots, 10);
    measure(&desk);
    desk_decide(&desk);
    assert_int_equal(desk_grant(&desk, 0)->slots, 80);
    measure(&desk);
    assert_in_range(search(&desk), 1, 30);
    measure(&desk);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(desk.store.tenants[i].window.latency_slo_ns <= slo_ns);
    }
    assert_false(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    assert_false(desk_decide(&desk));
    /* Another load, another search. */
    view_fixture_load(&desk.store.tenants[0], 200, slo_ns / 2);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_SAMPLE);
    desk_fini(&desk);
}

static void a_mix_that_changes_is_searched_anew(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "clite", NULL, 16);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_add(&desk.store, i + 1, slo_ns);
    }
    search(&desk);
    view_fixture_add(&desk.store, 9, slo_ns);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->slots, 140);
    assert_int_equal(desk_grant(&desk, 0)->ways, 9);
    assert_int_equal(desk_grant(&desk, 0)->bandwidth, 80);
    assert_int_equal(desk_grant(&desk, 2)->ways, 1);
    desk_fini(&desk);
}

static void a_hopeless_job_is_told(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "clite", NULL, 16);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_add(&desk.store, i + 1, slo_ns);
    }
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    desk_decide(&desk);
    assert_true(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_MIGRATE);
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_SAMPLE);
    desk_fini(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_have_the_published_values),
        cmocka_unit_test(divisions_are_always_valid),
        cmocka_unit_test(random_divisions_are_uniform),
        cmocka_unit_test(a_search_ends_with_everybody_content),
        cmocka_unit_test(a_mix_that_changes_is_searched_anew),
        cmocka_unit_test(a_hopeless_job_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
