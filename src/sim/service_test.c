/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/service.h"

#include <math.h>

#include "base/test.h"

static void check(double value, double expected)
{
    if (fabs(value - expected) > 1e-9 * fmax(1, fabs(expected)))
        fail_msg("%g, not %g", value, expected);
}

static void test_formula(void **state)
{
    (void)state;
    struct service_model model = {.base_ns = 100, .per_row_ns = 10, .parallel = 0.9};
    check(service_work_ns(&model, 8, 3, 2), 180);
    check(service_speedup(&model, 1), 1);
    check(service_speedup(&model, 9), 5);
}

static void test_one_table(void **state)
{
    (void)state;
    struct service_table table = {1, 1, 3, {{1, 100}, {4, 250}, {8, 300}}};
    struct service_model model = {.table_count = 1, .tables = &table};
    check(service_work_ns(&model, 1, 1, 1), 100);
    check(service_work_ns(&model, 2, 9, 9), 150);
    check(service_work_ns(&model, 6, 1, 1), 275);
    check(service_work_ns(&model, 16, 1, 1), 400);
    table.point_count = 1;
    check(service_work_ns(&model, 3, 1, 1), 300);
}

static void test_grid(void **state)
{
    (void)state;
    struct service_table tables[] = {{1, 2, 1, {{1, 100}}}, {1, 6, 1, {{1, 60}}},
                                     {5, 2, 1, {{1, 200}}}, {5, 6, 1, {{1, 120}}},
                                     {9, 2, 1, {{1, 400}}}, {9, 6, 1, {{1, 240}}}};
    struct service_model model = {.table_count = 6, .tables = tables};
    check(service_work_ns(&model, 1, 1, 2), 100);
    check(service_work_ns(&model, 1, 1, 4), 80);
    check(service_work_ns(&model, 1, 1, 1), 100);
    check(service_work_ns(&model, 1, 1, 20), 60);
    check(service_work_ns(&model, 1, 3, 2), 150);
    check(service_work_ns(&model, 1, 5, 6), 120);
    check(service_work_ns(&model, 1, 7, 4), 240);
    check(service_work_ns(&model, 1, 50, 6), 240);
}

static void test_neighbours(void **state)
{
    (void)state;
    struct service_model model = {
        .stall = 0.4, .sensitivity = 2, .miss_count = 3, .misses = {0.9, 0.5, 0.3}};
    check(service_slowdown(&model, 3, 3, 0.5), 1);
    check(service_slowdown(&model, 3, 3, 2), 1.4);
    check(service_slowdown(&model, 2, 3, 0), 0.6 + 0.4 * 1.4);
    check(service_slowdown(&model, 1.5, 3, 2), 0.6 + 0.4 * 2 * 1.8);
    check(service_slowdown(&model, 0.5, 11, 0), 0.6 + 0.4 * 2.2);
    model.stall = 0;
    check(service_slowdown(&model, 1, 3, 9), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_one_table),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
