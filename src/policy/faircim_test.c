/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/desk_fixture.h"
#include "policy/loop_fixture.h"

static const uint64_t slo_ns = 100000000;

/* Three tenants with three rungs each: 10, 5 and 1 ms a row, MFLOPs in proportion. */
static void set_table(struct desk *desk, const char *const *options)
{
    desk_init(desk, "faircim", options, 4);
    for (uint32_t i = 0; i < 3; i++) {
        view_fixture_add(&desk->store, i + 1, slo_ns);
        desk->store.tenants[i].variant_count = 0;
        view_fixture_variant(&desk->store, i, 0.9, 10e6);
        view_fixture_variant(&desk->store, i, 0.8, 5e6);
        view_fixture_variant(&desk->store, i, 0.6, 1e6);
        view_fixture_load(&desk->store.tenants[i], 10, slo_ns / 4);
    }
}

static void the_heaviest_pays_one_rung(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    assert_true(desk_decide(&desk)); /* everybody's workers */
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_MODE);
    /* Tenant 0 misses; tenant 2 is the heaviest by rate. */
    view_fixture_load(&desk.store.tenants[0], 10, 2 * slo_ns);
    view_fixture_load(&desk.store.tenants[2], 50, slo_ns / 4);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->variant, 0);
    assert_int_equal(desk_grant(&desk, 1)->variant, 0);
    assert_int_equal(desk_grant(&desk, 2)->variant, 1);
    const struct roost_reason *reason = desk_reason(&desk, 2);
    assert_int_equal(reason->code, ROOST_REASON_HEAVIEST);
    assert_int_equal(reason->other, 0);
    assert_true(reason->values[0] == 2 && reason->values[1] == 50 * 1000);
    /* Only its own RUS has changed: half, and still the heaviest; then a tenth of that. */
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 2)->variant, 2);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 2)->variant, 2);
    assert_int_equal(desk_grant(&desk, 0)->variant, 1);
    desk_fini(&desk);
}

static void nothing_cheaper_is_told(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[1], 10, 2 * slo_ns);
    for (int i = 0; i < 6; i++) {
        assert_true(desk_decide(&desk));
        assert_false(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    }
    assert_false(desk_decide(&desk));
    assert_true(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_NOTHING_CHEAPER);
    desk_fini(&desk);
}

static void floors_failures_and_switches_are_respected(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    desk.store.tenants[0].accuracy_floor = 0.7;
    view_store_variants(&desk.store, 0)[1].state = ROOST_VARIANT_FAILED;
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->variant, 0);
    assert_int_equal(desk_grant(&desk, 1)->variant, 1);
    /* Not while anybody switches, and not before the last change could show. */
    desk.store.tenants[2].grant.variant = 1;
    assert_false(desk_decide(&desk));
    desk.store.tenants[2].serving = 1;
    desk.store.tenants[1].since_change_ns = 1000000000;
    assert_false(desk_decide(&desk));
    desk_fini(&desk);
}

/* The three sources disagree on who is heaviest, and each is followed. */
static void rus_has_three_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {"rus=declared", "rus=counted", "rus=measured"};
    for (uint32_t source = 0; source < 3; source++) {
        struct desk desk;
        const char *const options[] = {sources[source], NULL};
        set_table(&desk, options);
        desk_decide(&desk);
        for (uint32_t i = 0; i < 3; i++) {
            struct roost_variant *variants = view_store_variants(&desk.store, i);
            double heavy = source == i ? 100 : 10;
            variants[0].mflops_declared = i == 0 ? heavy : 10;
            variants[0].flops_counted = (i == 1 ? heavy : 10) * 1e6;
            variants[0].cpu_ns_per_row = (i == 2 ? heavy : 10) * 1e3;
            for (uint32_t v = 1; v < 3; v++) {
                variants[v].mflops_declared = variants[0].mflops_declared / (1 + v);
                variants[v].flops_counted = variants[0].flops_counted / (1 + v);
                /* Not measured yet: taken in proportion to what was counted. */
                variants[v].cpu_ns_per_row = 0;
            }
        }
        view_fixture_load(&desk.store.tenants[0], 10, 2 * slo_ns);
        assert_true(desk_decide(&desk));
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(desk_grant(&desk, i)->variant, i == source ? 1 : 0);
        }
        desk_fini(&desk);
    }
}

static void counted_costs_stand_for_undeclared_ones(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    struct roost_variant *variants = view_store_variants(&desk.store, 2);
    for (uint32_t v = 0; v < 3; v++) {
        variants[v].mflops_declared = 0;
        variants[v].flops_counted = 1e12 / (1 + v);
    }
    view_fixture_load(&desk.store.tenants[0], 10, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 2)->variant, 1);
    assert_true(desk_reason(&desk, 2)->values[1] == 10 * 1e6);
    desk_fini(&desk);
}

static void upgrades_wait_for_calm_and_room(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    desk_decide(&desk);
    assert_int_equal(desk_grant(&desk, 0)->variant, 1);
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
    for (int i = 0; i < 9; i++) {
        assert_false(desk_decide(&desk));
    }
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->variant, 0);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_HEADROOM);
    /* Nobody else was sent down, so nobody else goes up. */
    for (int i = 0; i < 50; i++) {
        assert_false(desk_decide(&desk));
    }
    desk_fini(&desk);
}

static void no_upgrade_without_slack(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
    view_fixture_load(&desk.store.tenants[1], 10, slo_ns / 100 * 85);
    for (int i = 0; i < 50; i++) {
        assert_false(desk_decide(&desk));
    }
    /* Twice the cost would be past nine tenths of its own SLO. */
    view_fixture_load(&desk.store.tenants[1], 10, slo_ns / 4);
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 2);
    for (int i = 0; i < 50; i++) {
        assert_false(desk_decide(&desk));
    }
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
    assert_true(desk_decide(&desk));
    desk_fini(&desk);
}

static void a_bad_upgrade_is_undone_and_waits_longer(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    int waits[3] = {0};
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    for (int round = 0; round < 3; round++) {
        assert_true(desk_decide(&desk));
        assert_int_equal(desk_grant(&desk, 0)->variant, 1);
        if (round > 0) {
            assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_UNDO);
        }
        view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
        while (!desk_decide(&desk)) {
            waits[round]++;
        }
        assert_int_equal(desk_grant(&desk, 0)->variant, 0);
        view_fixture_load(&desk.store.tenants[0], 10, 2 * slo_ns);
    }
    assert_int_equal(waits[0], 9);
    assert_int_equal(waits[1], 19);
    assert_int_equal(waits[2], 39);
    desk_fini(&desk);
}

/* Whoever was sent elsewhere by hand since its upgrade is not sent up again because of it. */
static void a_hand_ends_a_trial(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
    while (!desk_decide(&desk)) {
    }
    assert_int_equal(desk_grant(&desk, 0)->variant, 0);
    desk.store.tenants[0].grant.variant = desk.store.tenants[0].serving = 2;
    view_fixture_load(&desk.store.tenants[0], 10, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->variant, 2);
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_HEAVIEST);
    desk_fini(&desk);
}

static void the_paper_has_no_way_up(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = {"upgrade=false", NULL};
    set_table(&desk, options);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 10, slo_ns / 4);
    for (int i = 0; i < 100; i++) {
        assert_false(desk_decide(&desk));
    }
    desk_fini(&desk);
}

/* In a closed loop: overload ends, and the ladder is not climbed up and down without end. */
static void a_loop_settles(void **state)
{
    (void)state;
    static const double accuracies[] = {0.95, 0.9, 0.8, 0.6}, costs[] = {40e6, 20e6, 10e6, 4e6};
    struct loop *loop = loop_new("faircim", NULL, 2);
    for (int i = 0; i < 3; i++) {
        loop_add(loop, 40, 200000000, 4, accuracies, costs);
    }
    loop_run(loop, 60);
    loop_count(loop);
    loop_run(loop, 120);
    assert_int_equal(loop->faults, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(loop_attainment(loop, i) > 0.9);
    }
    assert_in_range(loop_switches(loop), 0, 12);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heaviest_pays_one_rung),
        cmocka_unit_test(nothing_cheaper_is_told),
        cmocka_unit_test(floors_failures_and_switches_are_respected),
        cmocka_unit_test(rus_has_three_sources),
        cmocka_unit_test(counted_costs_stand_for_undeclared_ones),
        cmocka_unit_test(upgrades_wait_for_calm_and_room),
        cmocka_unit_test(no_upgrade_without_slack),
        cmocka_unit_test(a_bad_upgrade_is_undone_and_waits_longer),
        cmocka_unit_test(a_hand_ends_a_trial),
        cmocka_unit_test(the_paper_has_no_way_up),
        cmocka_unit_test(a_loop_settles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
