/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/topology.h"

static struct topology topology;

static void test_invented_machine(void **state)
{
    (void)state;
    struct detail detail = {""};
    /* Two memory nodes, each with one L3 over four L2, a core each, two threads a core. */
    assert_int_equal(
        topology_read("numa:2 l3:1(size=33554432) l2:4 core:1 pu:2", &topology, &detail), ROOST_OK);
    assert_int_equal(topology.cpu_count, 16);
    assert_int_equal(topology.core_count, 8);
    assert_int_equal(topology.l2_count, 8);
    assert_int_equal(topology.l3_count, 2);
    assert_int_equal(topology.numa_count, 2);
    assert_int_equal(topology.l3_bytes, 33554432);
    for (unsigned i = 0; i < 16; i++) {
        const struct topology_cpu *cpu = topology_find(&topology, i);
        assert_non_null(cpu);
        assert_int_equal(cpu->core, i / 2);
        assert_int_equal(cpu->l2, i / 2);
        assert_int_equal(cpu->l3, i / 8);
        assert_int_equal(cpu->numa, i / 8);
    }
    assert_null(topology_find(&topology, 16));
}

static void test_machine_without_caches(void **state)
{
    (void)state;
    assert_int_equal(topology_read("core:3 pu:1", &topology, NULL), ROOST_OK);
    assert_int_equal(topology.cpu_count, 3);
    assert_int_equal(topology.l3_count, 1);
    assert_int_equal(topology.numa_count, 1);
    assert_int_equal(topology_find(&topology, 2)->l3, 0);
    assert_int_equal(topology.l3_bytes, 0);
}

static void test_this_machine(void **state)
{
    (void)state;
    struct cpus cpus;
    struct detail detail = {""};
    assert_int_equal(topology_read(NULL, &topology, &detail), ROOST_OK);
    assert_int_equal(affinity_get(0, &cpus, NULL), ROOST_OK);
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX; cpu++)
        if (cpus_has(&cpus, cpu))
            assert_non_null(topology_find(&topology, cpu));
}

static void test_nonsense(void **state)
{
    (void)state;
    struct detail detail = {""};
    assert_int_equal(topology_read("many cores", &topology, &detail), ROOST_IO);
    assert_non_null(strstr(detail.text, "many cores"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invented_machine),
        cmocka_unit_test(test_machine_without_caches),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
