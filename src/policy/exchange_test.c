/* SPDX-License-Identifier: Apache-2.0 */
/* The core exchange, and fixed shares. */
#include "base/test.h"
#include "policy/desk_fixture.h"

static const uint64_t slo_ns = 100000000;

static void set_table(struct desk *desk, const char *policy, const char *const *options,
                      uint32_t cores, uint32_t tenants)
{
    desk_init(desk, policy, options, cores);
    for (uint32_t i = 0; i < tenants; i++) {
        view_fixture_add(&desk->store, i + 1, slo_ns);
    }
}

static void expect_slots(const struct desk *desk, uint32_t a, uint32_t b, uint32_t c)
{
    assert_int_equal(desk_grant(desk, 0)->slots, a);
    assert_int_equal(desk_grant(desk, 1)->slots, b);
    assert_int_equal(desk_grant(desk, 2)->slots, c);
}

static void shares_begin_equal(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, "exchange", NULL, 14, 3);
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 50, 50, 40);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(desk_grant(&desk, i)->mode, ROOST_EXCLUSIVE);
        assert_int_equal(desk_grant(&desk, i)->workers, desk_grant(&desk, i)->slots / 10);
        assert_int_equal(desk_reason(&desk, i)->code, ROOST_REASON_INITIAL);
    }
    assert_false(desk_decide(&desk));
    desk_fini(&desk);
}

static void the_richest_gives_a_core(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, "exchange", NULL, 14, 3);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[2], 100, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 40, 50, 50);
    assert_int_equal(desk_reason(&desk, 2)->code, ROOST_REASON_GAINED);
    assert_int_equal(desk_reason(&desk, 2)->other, 0);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_GAVE);
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 40, 40, 60);
    /* Two that miss: each gets one, in turn from whoever holds most then. */
    view_fixture_load(&desk.store.tenants[1], 100, 2 * slo_ns);
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 30, 50, 60);
    desk_fini(&desk);
}

static void nobody_is_left_without(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, "exchange", NULL, 14, 3);
    view_fixture_load(&desk.store.tenants[2], 100, 2 * slo_ns);
    desk_settle(&desk);
    expect_slots(&desk, 10, 10, 120);
    assert_true(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    desk_fini(&desk);
}

static void donors_may_be_chosen(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = {"donors=satisfied", NULL};
    set_table(&desk, "exchange", options, 14, 3);
    desk_decide(&desk);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_load(&desk.store.tenants[i], 100, 2 * slo_ns);
    }
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 60, 60, 20);
    desk_fini(&desk);
}

static void newcomers_get_their_share(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, "exchange", NULL, 16, 3);
    view_fixture_load(&desk.store.tenants[2], 100, 2 * slo_ns);
    desk_settle(&desk);
    expect_slots(&desk, 10, 10, 140);
    view_fixture_add(&desk.store, 9, slo_ns);
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 10, 10, 100);
    assert_int_equal(desk_grant(&desk, 3)->slots, 40);
    /* Who goes leaves its cores to those that hold least. */
    desk.store.view.tenant_count = 2;
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->slots, 80);
    assert_int_equal(desk_grant(&desk, 1)->slots, 80);
    desk_fini(&desk);
}

static void small_nodes_are_divided_in_tenths(void **state)
{
    (void)state;
    struct desk desk;
    set_table(&desk, "exchange", NULL, 2, 3);
    desk_decide(&desk);
    expect_slots(&desk, 7, 7, 6);
    assert_int_equal(desk_grant(&desk, 0)->workers, 1);
    desk_fini(&desk);
    /* Whole cores only, and fewer than tenants: they have to share. */
    set_table(&desk, "exchange", NULL, 2, 3);
    desk.store.view.node.knobs &= ~(uint32_t)ROOST_KNOB_QUOTA;
    desk_decide(&desk);
    assert_int_equal(desk_grant(&desk, 0)->mode, ROOST_SHARED);
    desk_fini(&desk);
}

static void fixed_shares_follow_the_configuration(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = {"mode=exclusive", NULL};
    set_table(&desk, "static", options, 4, 3);
    desk.store.tenants[0].share_configured = 2;
    assert_true(desk_decide(&desk));
    expect_slots(&desk, 20, 10, 10);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_CONFIGURED);
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_INITIAL);
    view_fixture_load(&desk.store.tenants[2], 100, 2 * slo_ns);
    assert_false(desk_decide(&desk));
    desk_fini(&desk);

    set_table(&desk, "static", NULL, 4, 3);
    desk.store.tenants[0].share_configured = 4;
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->weight, 200);
    assert_int_equal(desk_grant(&desk, 1)->weight, 50);
    assert_int_equal(desk_grant(&desk, 1)->workers, 4);
    assert_false(desk_decide(&desk));
    desk_fini(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_begin_equal),
        cmocka_unit_test(the_richest_gives_a_core),
        cmocka_unit_test(nobody_is_left_without),
        cmocka_unit_test(donors_may_be_chosen),
        cmocka_unit_test(newcomers_get_their_share),
        cmocka_unit_test(small_nodes_are_divided_in_tenths),
        cmocka_unit_test(fixed_shares_follow_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
