/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/desk_fixture.h"

static const uint64_t slo_ns = 100000000;

enum { WORKERS = 16, WAYS = 11 };

/* One that needs cores and no cache, one that needs cache. */
static float compute_table[WORKERS * WAYS], cache_table[WORKERS * WAYS];

static void fill_tables(void)
{
    for (int w = 0; w < WORKERS; w++) {
        for (int k = 0; k < WAYS; k++) {
            compute_table[w * WAYS + k] = 100.0F * (float)(w + 1);
            cache_table[w * WAYS + k] = 10.0F * (float)(w + 1) * (float)(k < 8 ? k + 1 : 8);
        }
    }
}

static void add_tenant(struct desk *desk, uint32_t id, const float *table)
{
    view_fixture_add(&desk->store, id, slo_ns);
    uint32_t index = desk->store.view.tenant_count - 1;
    struct roost_variant *variant = view_store_variants(&desk->store, index);
    if (table != NULL) {
        variant->load_workers = WORKERS;
        variant->load_ways = WAYS;
        variant->load_per_s = table;
    }
    view_fixture_load(&desk->store.tenants[index], 100, slo_ns / 100 * 90);
}

static void workers_jump_to_what_the_table_says(void **state)
{
    (void)state;
    struct desk desk;
    fill_tables();
    desk_init(&desk, "hera", NULL, 16);
    add_tenant(&desk, 1, compute_table);
    add_tenant(&desk, 2, compute_table);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->slots, 80);
    /* 1,000 requests/s need 11 workers; the other has slack and needs two. */
    view_fixture_load(&desk.store.tenants[0], 1000, 2 * slo_ns);
    view_fixture_load(&desk.store.tenants[1], 100, slo_ns / 4);
    for (int i = 0; i < 6; i++) {
        desk_decide(&desk);
    }
    /* The moving average was still below the load at the first look. */
    assert_in_range(desk_grant(&desk, 0)->slots, 110, 140);
    assert_in_range(desk_grant(&desk, 1)->slots, 20, 50);
    assert_int_equal(desk_grant(&desk, 0)->workers, desk_grant(&desk, 0)->slots / 10);
    desk_fini(&desk);
}

static void lasting_slack_is_given_back(void **state)
{
    (void)state;
    struct desk desk;
    fill_tables();
    desk_init(&desk, "hera", NULL, 16);
    add_tenant(&desk, 1, compute_table);
    add_tenant(&desk, 2, compute_table);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[1], 250, slo_ns / 4);
    int waited = 0;
    while (!desk_decide(&desk)) {
        waited++;
    }
    assert_in_range(waited, 2, 3);
    /* Three workers carry 275 requests/s. */
    assert_int_equal(desk_grant(&desk, 1)->slots, 30);
    assert_int_equal(desk_reason(&desk, 1)->code, ROOST_REASON_TABLE);
    assert_int_equal(desk_grant(&desk, 0)->slots, 80);
    desk_fini(&desk);
}

static void ways_go_where_they_carry_most(void **state)
{
    (void)state;
    struct desk desk;
    fill_tables();
    desk_init(&desk, "hera", NULL, 16);
    add_tenant(&desk, 1, compute_table);
    add_tenant(&desk, 2, cache_table);
    view_fixture_load(&desk.store.tenants[1], 1000, slo_ns / 100 * 90);
    desk_decide(&desk);
    for (int i = 0; i < 3; i++) {
        desk_decide(&desk);
    }
    /* Beyond eight ways nothing is gained, and the other carries its load with one. */
    assert_in_range(desk_grant(&desk, 1)->ways, 8, 10);
    assert_int_equal(desk_grant(&desk, 0)->ways + desk_grant(&desk, 1)->ways, WAYS);
    desk_fini(&desk);
}

static void without_a_table_the_curve_serves(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "hera", NULL, 16);
    /* 1 ms a row: a worker carries 800 rows/s with the usual margin. */
    add_tenant(&desk, 1, NULL);
    add_tenant(&desk, 2, NULL);
    desk_decide(&desk);
    view_fixture_load(&desk.store.tenants[1], 2000, slo_ns / 4);
    for (int i = 0; i < 20; i++) {
        desk_decide(&desk);
    }
    assert_int_equal(desk_grant(&desk, 1)->slots, 30);
    desk_fini(&desk);
}

static void too_much_is_told_the_second_time(void **state)
{
    (void)state;
    struct desk desk;
    fill_tables();
    desk_init(&desk, "hera", NULL, 16);
    add_tenant(&desk, 1, compute_table);
    add_tenant(&desk, 2, compute_table);
    desk_decide(&desk);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_load(&desk.store.tenants[i], 3000, 2 * slo_ns);
    }
    desk_decide(&desk);
    assert_false(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    desk_decide(&desk);
    assert_true(desk.plan.flags & ROOST_PLAN_OVERLOADED);
    desk_fini(&desk);
}

static void what_made_it_worse_is_undone(void **state)
{
    (void)state;
    struct desk desk;
    fill_tables();
    desk_init(&desk, "hera", NULL, 16);
    add_tenant(&desk, 1, compute_table);
    add_tenant(&desk, 2, compute_table);
    view_fixture_load(&desk.store.tenants[1], 100, slo_ns / 4);
    view_fixture_load(&desk.store.tenants[0], 500, 2 * slo_ns);
    desk_decide(&desk);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->slots, 90);
    assert_int_equal(desk_grant(&desk, 1)->slots, 70);
    view_fixture_load(&desk.store.tenants[0], 500, 3 * slo_ns);
    assert_true(desk_decide(&desk));
    assert_int_equal(desk_grant(&desk, 0)->slots, 80);
    assert_int_equal(desk_grant(&desk, 1)->slots, 80);
    assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_UNDO);
    desk_fini(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_jump_to_what_the_table_says),
        cmocka_unit_test(lasting_slack_is_given_back),
        cmocka_unit_test(ways_go_where_they_carry_most),
        cmocka_unit_test(without_a_table_the_curve_serves),
        cmocka_unit_test(too_much_is_told_the_second_time),
        cmocka_unit_test(what_made_it_worse_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
