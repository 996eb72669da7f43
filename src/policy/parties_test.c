/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/desk_fixture.h"

static const uint64_t slo_ns = 100000000;

static void set_table(struct desk *desk, uint32_t tenants, bool ways)
{
    desk_init(desk, "parties", NULL, 16);
    if (!ways) {
        desk->store.view.node.knobs &= ~(uint32_t)ROOST_KNOB_WAYS;
    }
    for (uint32_t i = 0; i < tenants; i++) {
        view_fixture_add(&desk->store, i + 1, slo_ns);
        /* Between the two limits: nothing to ask for, nothing to give. */
        view_fixture_load(&desk->store.tenants[i], 100, slo_ns / 100 * 90);
    }
}

static uint32_t slots_of(const struct desk *desk, uint32_t tenant)
{
    return desk_grant(desk, tenant)->slots;
}

static void everything_begins_equal(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 4, true);
    assert_true(desk_decide(&desk));
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(slots_of(&desk, i), 40);
        assert_int_equal(desk_grant(&desk, i)->ways, i < 3 ? 3 : 2);
    }
    assert_false(desk_decide(&desk));
    desk_fini(&desk);
}

static void who_is_short_takes_from_the_richest(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 4, false);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    view_fixture_load(&desk.store.tenants[2], 100, slo_ns / 2);
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 0), 50);
    assert_int_equal(slots_of(&desk, 2), 30);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_GAINED);
    assert_int_equal(desk_reason(&desk, 2)->code, ROOST_REASON_GAVE);
    /* A tenant of no SLO comes first among those that give. */
    desk.store.tenants[3].slo_ns = 0;
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 3), 30);
    desk_fini(&desk);
}

static void the_wheel_turns_when_a_unit_does_not_help(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 2, true);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, 2 * slo_ns);
    view_fixture_load(&desk.store.tenants[1], 100, slo_ns / 2);
    uint32_t slots = slots_of(&desk, 0), ways = desk_grant(&desk, 0)->ways;
    for (int i = 0; i < 4; i++) {
        assert_true(desk_decide(&desk));
    }
    assert_int_equal(slots_of(&desk, 0), slots + 20);
    assert_int_equal(desk_grant(&desk, 0)->ways, ways + 2);
    /* Where a unit helps, it goes on with the same resource. */
    uint64_t latency_ns = 2 * slo_ns;
    for (int i = 0; i < 3; i++) {
        latency_ns = latency_ns / 10 * 9;
        view_fixture_load(&desk.store.tenants[0], 100, latency_ns);
        assert_true(desk_decide(&desk));
    }
    uint32_t more_slots = slots_of(&desk, 0) - slots - 20;
    uint32_t more_ways = desk_grant(&desk, 0)->ways - ways - 2;
    assert_true((more_slots == 30 && more_ways == 0) || (more_slots == 0 && more_ways == 3));
    desk_fini(&desk);
}

static void slack_is_tried_and_taken_back(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 2, false);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, slo_ns / 4);
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 0), 70);
    assert_int_equal(slots_of(&desk, 1), 80);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_TRIED);
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 0), 60);
    /* That was one too many. */
    view_fixture_load(&desk.store.tenants[0], 100, slo_ns / 100 * 97);
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 0), 70);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_RETURNED);
    /* It keeps its cores for half a minute, slack or not; ways cannot be divided here. */
    view_fixture_load(&desk.store.tenants[0], 100, slo_ns / 4);
    int kept = 0;
    while (!desk_decide(&desk)) {
        kept++;
    }
    assert_in_range(kept, 28, 30);
    assert_int_equal(slots_of(&desk, 0), 60);
    desk_fini(&desk);
}

static void what_is_free_goes_first(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 2, false);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, slo_ns / 4);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[0], 100, slo_ns / 100 * 90);
    view_fixture_load(&desk.store.tenants[1], 100, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    assert_int_equal(slots_of(&desk, 0), 70);
    assert_int_equal(slots_of(&desk, 1), 90);
    assert_int_equal(desk_reason(&desk, 1)->other, ROOST_NONE);
    desk_fini(&desk);
}

static void a_lasting_miss_asks_for_a_move(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, 2, false);
    desk.store.tenants[1].resident_bytes = 1000;
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_load(&desk.store.tenants[i], 100, 2 * slo_ns);
    }
    bool asked = false;
    for (int i = 0; i < 200 && !asked; i++) {
        desk_decide(&desk);
        asked = desk_reason(&desk, 0)->code == ROOST_REASON_MIGRATE ||
                desk_reason(&desk, 1)->code == ROOST_REASON_MIGRATE;
    }
    assert_true(asked && (desk.plan.flags & ROOST_PLAN_OVERLOADED) != 0);
    desk_fini(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_begins_equal),
        cmocka_unit_test(who_is_short_takes_from_the_richest),
        cmocka_unit_test(the_wheel_turns_when_a_unit_does_not_help),
        cmocka_unit_test(slack_is_tried_and_taken_back),
        cmocka_unit_test(what_is_free_goes_first),
        cmocka_unit_test(a_lasting_miss_asks_for_a_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
