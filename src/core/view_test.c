/* SPDX-License-Identifier: Apache-2.0 */
#include "core/view.h"

#include <math.h>

#include "base/test.h"
#include "core/view_fixture.h"

/* ALGORITHMS F.1's examples are FairCIM's own: the smaller network is the heavier user. */
static void rus_is_the_papers(void **state)
{
    (void)state;
    struct roost_window window = {.abs_rows = 64, .aat_ns = 150e6};
    assert_true(fabs(view_rus(&window, 13.22) - 5640.53) < 0.01);
    window = (struct roost_window){.abs_rows = 4, .aat_ns = 750e6};
    assert_true(fabs(view_rus(&window, 91.94) - 490.35) < 0.01);
    window = (struct roost_window){0};
    assert_true(view_rus(&window, 100) == 0);
}

static void service_times_follow_the_points(void **state)
{
    (void)state;
    struct roost_variant variant = {
        .point_count = 3,
        .points = {{1, 2, 200, 0}, {0, 3, 9999, 0}, {5, 6, 400, 0}},
    };
    static const struct {
        double rows, ns;
    } cases[] = {{1, 150}, {2, 200}, {4, 300}, {6, 400}, {10, 600}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(fabs(view_service_ns(&variant, cases[i].rows) - cases[i].ns) < 1e-9);
    }
    /* Without CPU times: CPU time per row, then the service time. */
    assert_true(fabs(view_cpu_ns(&variant, 4) - 300) < 1e-9);
    variant.cpu_ns_per_row = 50;
    assert_true(fabs(view_cpu_ns(&variant, 4) - 200) < 1e-9);
    variant.points[2].cpu_ns_mean = 60;
    assert_true(fabs(view_cpu_ns(&variant, 3) - 30) < 1e-9);
    /* One point is in proportion; a falling pair does not go on falling; none says nothing. */
    variant.point_count = 1;
    assert_true(fabs(view_service_ns(&variant, 1) - 100) < 1e-9);
    variant.point_count = 3;
    variant.points[2].ns_mean = 100;
    assert_true(fabs(view_service_ns(&variant, 100) - 100) < 1e-9);
    variant.point_count = 0;
    assert_true(view_service_ns(&variant, 1) == 0);
    /* A steep line never says that one row costs less than its part of the first point. */
    variant = (struct roost_variant){.point_count = 2,
                                     .points = {{1, 10, 100, 0}, {1, 11, 200, 0}}};
    assert_true(fabs(view_service_ns(&variant, 1) - 10) < 1e-9);
}

static void windows_are_derived_alike(void **state)
{
    (void)state;
    struct roost_queue queue = {.late = 2};
    struct roost_window window = {.length_ns = 1000,
                                  .arrivals = 10,
                                  .rows = 40,
                                  .completions = 6,
                                  .errors = 1,
                                  .refusals = 1,
                                  .slo_misses = 5};
    view_window_derive(&window, &queue);
    assert_true(window.abs_rows == 4 && window.aat_ns == 100 && window.attainment == 0.5);
    window = (struct roost_window){.length_ns = 1000};
    queue.late = 0;
    view_window_derive(&window, &queue);
    assert_true(window.abs_rows == 0 && window.aat_ns == 0 && window.attainment == 1);
}

static void the_top_variant_is_the_most_accurate(void **state)
{
    (void)state;
    struct roost_variant variants[3] = {{.accuracy = 0.7}, {.accuracy = 0.9}, {.accuracy = 0.9}};
    struct roost_tenant tenant = {.variant_count = 3, .variants = variants};
    assert_int_equal(view_top_variant(&tenant), 1);
    variants[0].accuracy = variants[1].accuracy = variants[2].accuracy = -1;
    assert_int_equal(view_top_variant(&tenant), 0);
}

static void what_may_be_chosen(void **state)
{
    (void)state;
    struct view_store store;
    assert_int_equal(view_store_init(&store, 1, 4), ROOST_OK);
    store.view.node = view_fixture_node(2);
    struct roost_tenant *tenant = view_fixture_add(&store, 1, 1000000);
    struct roost_variant *next = view_fixture_variant(&store, 0, 0.8, 5e5);
    view_fixture_variant(&store, 0, 0.5, 1e5);
    tenant->accuracy_floor = 0.6;
    assert_true(view_may_switch(&store.view, tenant, 0));
    assert_true(view_may_switch(&store.view, tenant, 1));
    assert_false(view_may_switch(&store.view, tenant, 2));
    assert_false(view_may_switch(&store.view, tenant, 3));
    next->state = ROOST_VARIANT_FAILED;
    assert_false(view_may_switch(&store.view, tenant, 1));
    next->state = ROOST_VARIANT_COLD;
    store.view.memory_free_bytes = next->memory_bytes - 1;
    assert_false(view_may_switch(&store.view, tenant, 1));
    store.view.memory_free_bytes++;
    assert_true(view_may_switch(&store.view, tenant, 1));
    /* What is in force may stay, whatever has become of it. */
    tenant->accuracy_floor = 0.95;
    assert_true(view_may_switch(&store.view, tenant, 0));
    tenant->accuracy_floor = 0;
    tenant->grant.variant = 2;
    assert_true(view_may_switch(&store.view, tenant, 0));
    assert_false(view_may_switch(&store.view, tenant, 1));
    store.view.node.knobs = 0;
    assert_false(view_may_switch(&store.view, tenant, 0));
    view_store_fini(&store);
}

static void stores_have_their_limits(void **state)
{
    (void)state;
    struct view_store store;
    assert_int_equal(view_store_init(&store, 1, 0), ROOST_INVALID);
    assert_int_equal(view_store_init(&store, 1, ROOST_VARIANTS_MAX + 1), ROOST_INVALID);
    view_store_fini(&store);
    assert_int_equal(view_store_init(&store, 2, ROOST_VARIANTS_MAX), ROOST_OK);
    assert_non_null(view_store_add(&store));
    struct roost_tenant *second = view_store_add(&store);
    assert_non_null(second);
    assert_null(view_store_add(&store));
    second->id = 7;
    assert_int_equal(view_find(&store.view, 7), 1);
    assert_int_equal(view_find(&store.view, 8), ROOST_NONE);
    view_store_clear(&store);
    assert_int_equal(store.view.tenant_count, 0);
    assert_non_null(view_store_add(&store));
    assert_int_equal(store.tenants[0].id, 0);
    view_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rus_is_the_papers),
        cmocka_unit_test(service_times_follow_the_points),
        cmocka_unit_test(windows_are_derived_alike),
        cmocka_unit_test(the_top_variant_is_the_most_accurate),
        cmocka_unit_test(what_may_be_chosen),
        cmocka_unit_test(stores_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
