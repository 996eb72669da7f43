/* SPDX-License-Identifier: Apache-2.0 */
/* Roost's own policy before hand-made views. */
#include "base/test.h"
#include "policy/desk_fixture.h"

static const uint64_t slo_ns = 200000000;

static void short_runs_beside_long_ones_get_short_turns(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "roost", NULL, 2);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_add(&desk.store, i + 1, 5000000);
        desk.store.tenants[i].variant_count = 0;
    }
    view_fixture_variant(&desk.store, 0, 0.9, 50e3);
    view_fixture_variant(&desk.store, 1, 0.9, 50e6);
    desk.store.tenants[1].slo_ns = 500000000;
    view_fixture_load(&desk.store.tenants[0], 100, 1000000);
    view_fixture_load(&desk.store.tenants[1], 10, 100000000);
    for (int i = 0; i < 3; i++) {
        desk_decide(&desk);
    }
    assert_true(desk_grant(&desk, 0)->slice_ns == 100000);
    assert_true(desk_grant(&desk, 1)->slice_ns == 0);
    /* And the weight without which it could not take them. */
    for (int i = 0; i < 20; i++) {
        desk_decide(&desk);
    }
    assert_true(desk_grant(&desk, 0)->weight >= 3 * desk_grant(&desk, 1)->weight);
    /* Alone with its like, it needs none. */
    for (uint32_t p = 0; p < 2; p++) {
        view_store_variants(&desk.store, 1)->points[p].ns_mean /= 1000;
        view_store_variants(&desk.store, 1)->points[p].cpu_ns_mean /= 1000;
    }
    desk_decide(&desk);
    assert_true(desk_grant(&desk, 0)->slice_ns == 0);
    desk_fini(&desk);
}

/* Without costs, accuracies or traffic there is nothing to decide by, and nothing is decided. */
static void ignorance_is_no_reason(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, "roost", NULL, 2);
    for (uint32_t i = 0; i < 2; i++) {
        view_fixture_add(&desk.store, i + 1, slo_ns);
        view_fixture_variant(&desk.store, i, -1, 0);
        struct roost_variant *variants = view_store_variants(&desk.store, i);
        for (uint32_t v = 0; v < 2; v++) {
            variants[v] = (struct roost_variant){
                .name = "v", .accuracy = -1, .state = ROOST_VARIANT_SERVING};
        }
        view_fixture_load(&desk.store.tenants[i], 0, 0);
    }
    desk_settle(&desk);
    for (int i = 0; i < 50; i++) {
        desk_decide(&desk);
        assert_int_equal(desk_grant(&desk, 0)->variant, 0);
        assert_int_equal(desk_grant(&desk, 1)->variant, 0);
    }
    desk_fini(&desk);
}

/* Misses since the last tick, and for how much of the SLO's time somebody has waited. */
static void set_queue(struct desk *desk, uint64_t slo_misses, double waited)
{
    struct roost_tenant *tenant = &desk->store.tenants[0];
    view_fixture_load(tenant, 100, slo_ns / 4);
    tenant->recent.slo_misses = slo_misses;
    tenant->queue.requests = tenant->queue.rows = waited > 0 ? 10 : 0;
    tenant->queue.head_age_ns = (uint64_t)(waited * (double)slo_ns);
}

/* As many of the window's requests were turned away. */
static void set_refused(struct desk *desk, double part)
{
    struct roost_tenant *tenant = &desk->store.tenants[0];
    struct roost_window *window = &tenant->window;
    window->refusals = window->slo_misses = (uint64_t)(part * (double)window->arrivals);
    window->completions -= window->refusals;
    view_window_derive(window, &tenant->queue);
}

static void desk_of_ladder(struct desk *desk, bool shed_allowed)
{
    desk_init(desk, "roost", NULL, 2);
    desk->store.view.tick_ns = 250000000;
    view_fixture_add(&desk->store, 1, slo_ns)->variant_count = 0;
    view_fixture_variant(&desk->store, 0, 0.95, 10e6);
    view_fixture_variant(&desk->store, 0, 0.60, 2e6);
    desk->store.tenants[0].shed_allowed = shed_allowed;
    set_queue(desk, 0, 0);
    desk_settle(desk);
}

/* The queue that a bad spell leaves is refused at once, where that is allowed, until it is gone. */
static void a_late_queue_is_refused_at_once(void **state)
{
    (void)state;
    for (uint32_t allowed = 0; allowed <= 1; allowed++) {
        struct desk desk;
        desk_of_ladder(&desk, allowed != 0);
        assert_int_equal(desk_grant(&desk, 0)->shed, ROOST_SHED_CONFIGURED);
        set_queue(&desk, 20, 0.75);
        desk_decide(&desk);
        assert_int_equal(desk_grant(&desk, 0)->shed,
                         allowed != 0 ? ROOST_SHED_SLO : ROOST_SHED_CONFIGURED);
        if (allowed != 0) {
            assert_int_equal(desk_reason(&desk, 0)->code, ROOST_REASON_BACKLOG);
        }
        set_queue(&desk, 0, 0);
        for (int i = 0; i < 5; i++) {
            desk_decide(&desk);
        }
        assert_int_equal(desk_grant(&desk, 0)->shed, ROOST_SHED_CONFIGURED);
        assert_int_equal(desk_grant(&desk, 0)->variant, 0);
        desk_fini(&desk);
    }
}

/* As many misses as an SLO allows are no reason, nor is a queue without any. */
static void what_an_slo_allows_is_not_refused(void **state)
{
    (void)state;
    struct desk desk;
    desk_of_ladder(&desk, true);
    for (int i = 0; i < 10; i++) {
        set_queue(&desk, i % 2 == 0 ? 5 : 0, 0.75);
        desk_decide(&desk);
        assert_int_equal(desk_grant(&desk, 0)->shed, ROOST_SHED_CONFIGURED);
    }
    desk_fini(&desk);
}

/* Refusing keeps queue and tail short. It goes on all the same, and is no way to keep a promise,
 * also where in every other tick nobody is refused. */
static void refusing_is_missing_too(void **state)
{
    (void)state;
    struct desk desk;
    desk_of_ladder(&desk, true);
    set_queue(&desk, 20, 0.75);
    desk_decide(&desk);
    int decisions = 0;
    while (desk_grant(&desk, 0)->variant == 0 && decisions < 1000) {
        assert_int_equal(desk_grant(&desk, 0)->shed, ROOST_SHED_SLO);
        set_queue(&desk, decisions % 2 == 0 ? 20 : 0, 0.2);
        set_refused(&desk, 0.2);
        desk_decide(&desk);
        decisions++;
    }
    assert_int_equal(desk_grant(&desk, 0)->variant, 1);
    desk_fini(&desk);
}

/* Right after a switch a variant seems to cost several times what it does. */
static void the_first_runs_are_not_believed(void **state)
{
    (void)state;
    for (uint64_t samples = 3; samples <= 300; samples *= 100) {
        struct desk desk;
        desk_init(&desk, "roost", NULL, 2);
        view_fixture_add(&desk.store, 1, slo_ns);
        struct roost_tenant *tenant = &desk.store.tenants[0];
        tenant->variant_count = 0;
        view_fixture_variant(&desk.store, 0, 0.95, 80e6);
        struct roost_variant *serving = view_fixture_variant(&desk.store, 0, 0.90, 20e6);
        view_fixture_variant(&desk.store, 0, 0.60, 5e6);
        for (uint32_t p = 0; p < serving->point_count; p++) {
            serving->points[p].samples = samples / 2 + 1;
            serving->points[p].ns_mean *= 5;
            serving->points[p].cpu_ns_mean *= 5;
        }
        tenant->grant.variant = tenant->serving = 1;
        view_fixture_load(tenant, 30, slo_ns / 2);
        desk_decide(&desk);
        assert_int_equal(desk_grant(&desk, 0)->variant, samples < 20 ? 1 : 2);
        desk_fini(&desk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_runs_beside_long_ones_get_short_turns),
        cmocka_unit_test(ignorance_is_no_reason),
        cmocka_unit_test(a_late_queue_is_refused_at_once),
        cmocka_unit_test(what_an_slo_allows_is_not_refused),
        cmocka_unit_test(refusing_is_missing_too),
        cmocka_unit_test(the_first_runs_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
