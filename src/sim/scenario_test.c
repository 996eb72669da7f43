/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/test.h"
#include "sim/sim_fixture.h"

static const char *const good =
    "name: all keys\n"
    "duration: 10m\n"
    "warmup: 1m\n"
    "tick: 200ms\n"
    "window: 20s\n"
    "node: {cores: 16, ways: 11, ways_min: 2, closids: 7, bandwidth_gbs: 60, memory: 64 GiB,\n"
    "       gflops: 20, standby: cheapest, switch: stall, stall: 30s, switch_time: 2ms,\n"
    "       knobs: [weight, ways, variant]}\n"
    "network: {request: 20us, answer: 10us}\n"
    "ladders:\n"
    "  image:\n"
    "    - {name: big, accuracy: 0.8, mflops: 90, flops: 1e9, memory: 100 MiB, start: 2s}\n"
    "    - {name: small, accuracy: 0.6, base: 1ms, per_row: 2ms, stall: 0.2, misses: [0.9, 0.1]}\n"
    "tenants:\n"
    "  - {name: a, slo: p95 120 ms, ladder: image, variant: small, workers: 4, workers_max: 8,\n"
    "     arrivals: {rate: 10, profile: [[0s, 1], [10s, 2]], shape: lines, repeat: 20s}}\n"
    "  - name: b\n"
    "    rows: {mu: 5.1, sigma: 0.2}\n"
    "    arrivals: {process: constant, rate: 3}\n"
    "    variants:\n"
    "      - name: v\n"
    "        tables:\n"
    "          - {workers: 1, ways: 1, points: [[1, 3ms], [8, 9ms]]}\n"
    "          - {workers: 1, ways: 11, points: [[1, 2ms], [8, 6ms]]}\n"
    "        load: [[1.7, 1.7], [2, 4]]\n";

static void test_reads_all(void **state)
{
    (void)state;
    struct scenario scenario;
    fixture_scenario(good, &scenario);
    assert_int_equal(scenario.duration_ns, 600 * NS_PER_S);
    assert_int_equal(scenario.node.switching, SCENARIO_STALL);
    assert_int_equal(scenario.node.knobs, ROOST_KNOB_WEIGHT | ROOST_KNOB_WAYS | ROOST_KNOB_VARIANT);
    assert_int_equal(scenario.tenant_count, 2);
    const struct scenario_tenant *a = &scenario.tenants[0], *b = &scenario.tenants[1];
    assert_int_equal(a->slo_ns, 120 * NS_PER_MS);
    assert_int_equal(a->deadline_ns, 480 * NS_PER_MS);
    assert_int_equal(a->variant, 1);
    assert_int_equal(a->workers_max, 8);
    assert_int_equal(b->workers_max, 16);
    assert_int_equal(b->arrivals.rows_max, 1024);
    assert_int_equal(scenario.ladders[a->ladder].variants[0].service.per_row_ns, 50 * NS_PER_MS);
    const struct scenario_variant *v = &scenario.ladders[b->ladder].variants[0];
    assert_int_equal(v->service.table_count, 2);
    assert_int_equal(v->load_workers * v->load_ways, 4);
    assert_true(v->accuracy < 0);
    scenario_fini(&scenario);
}

static void check_errors(const char *text, const char *const *wanted, size_t count)
{
    struct yaml_errors errors;
    struct scenario scenario;
    yaml_errors_init(&errors, "x.yaml");
    assert_int_equal(scenario_parse(text, strlen(text), &errors, &scenario), ROOST_INVALID);
    for (size_t i = 0; i < count; i++)
        if (strstr(strbuf_text(&errors.text), wanted[i]) == NULL)
            fail_msg("\"%s\" is not in:\n%s", wanted[i], strbuf_text(&errors.text));
    if (errors.count != count)
        fail_msg("%zu errors, not %zu:\n%s", errors.count, count, strbuf_text(&errors.text));
    yaml_errors_fini(&errors);
}

static void test_tells_all_mistakes(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "x.yaml:1: duration:",
        "x.yaml:2: node.knobs[0]: the node has nothing for this knob to turn",
        "x.yaml:2: node.noise: must be a list of 1 to 256 factors",
        "x.yaml:3: tenants[0].slo: must look like",
        "x.yaml:3: tenants[0].arrivals: the key \"rate\" is missing",
        "x.yaml:3: tenants[0].variants[0]: needs base or per_row",
        "x.yaml:4: tenants[1]: there are two tenants \"a\"",
        "x.yaml:4: tenants[1].ladder: there is no ladder \"nope\"",
        "x.yaml:4: tenants[1].arrivals.states",
        "x.yaml:5: tenats: unknown key, did you mean \"tenants\"?",
    };
    check_errors("duration: soon\n"
                 "node: {cores: 4, knobs: [slice], noise: 2}\n"
                 "tenants: [{name: a, slo: 120ms, arrivals: {}, variants: [{name: v}]},\n"
                 "  {name: a, ladder: nope, arrivals: {rate: 1, states: [[0, 1s]]}}]\n"
                 "tenats: []\n",
                 wanted, sizeof wanted / sizeof *wanted);
}

static void test_more_mistakes(void **state)
{
    (void)state;
    static const char *const grid[] = {"every number of workers needs the same ways",
                                       "rows must ascend", "more ways never carry less",
                                       "say the time once"};
    check_errors("{duration: 1s, node: {cores: 1}, tenants: [{name: a, arrivals: {rate: 1}, "
                 "variants: [{name: v, tables: [{ways: 1, points: [[1, 1ms]]}, {ways: 1, points: "
                 "[[1, 2ms]]}]}, {name: w, points: [[2, 1ms], [1, 1ms]]}, {name: x, base: 1ms, "
                 "load: [[2, 1]]}, {name: y, base: 1ms, points: [[1, 1ms]]}]}]}",
                 grid, 4);
    static const char *const once[] = {
        "x.yaml:1: tenants[0].arrivals.rate: must be between",
        "x.yaml:1: tenants[0].variants[1].base: must be a duration",
        "x.yaml:1: tenants[0].variants[2]: there are two variants \"v\""};
    check_errors("{duration: 1s, node: {cores: 1}, tenants: [{name: a, arrivals: {rate: -1}, "
                 "variants: [{name: v, base: 1ms}, {name: w, base: soon}, {name: v, base: 1ms}]}]}",
                 once, 3);
    static const char *const none[] = {"must be a list of 1 to 256 tenants"};
    check_errors("{duration: 1s, node: {cores: 1}, tenants: []}", none, 1);
    static const char *const trace[] = {"a trace needs a file", "needs mu and sigma, or a file",
                                        "is above workers_max", "there is no variant \"q\""};
    check_errors("{duration: 1s, node: {cores: 1}, tenants: [{name: a, workers: 3, workers_max: 2, "
                 "rows: {}, variant: q, arrivals: {process: trace}, variants: [{name: v, base: "
                 "1ms}]}]}",
                 trace, 4);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[4096];
    assert_true(path_join(path, sizeof path, directory, name));
    assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), ROOST_OK);
}

static void test_reads_files(void **state)
{
    (void)state;
    char directory[] = "/tmp/roost-scenario-XXXXXX", path[4096];
    struct yaml_errors errors;
    struct scenario scenario;
    assert_non_null(mkdtemp(directory));
    write_file(directory, "t.csv", "# time, rows\n10, 3\n10.5 4\r\n\n12\n");
    write_file(directory, "rows.txt", "1\n5\n");
    write_file(directory, "s.yaml",
               "{duration: 5s, node: {cores: 1}, tenants: [{name: a, rows: {file: rows.txt}, "
               "arrivals: {process: trace, file: t.csv}, variants: [{name: v, base: 1ms}]}]}");
    assert_true(path_join(path, sizeof path, directory, "s.yaml"));
    yaml_errors_init(&errors, path);
    assert_int_equal(scenario_read(path, &errors, &scenario), ROOST_OK);
    const struct arrivals_options *arrivals = &scenario.tenants[0].arrivals;
    assert_int_equal(arrivals->trace_count, 3);
    assert_int_equal(arrivals->trace[1].at_ns, 500 * NS_PER_MS);
    assert_int_equal(arrivals->trace[1].rows, 4);
    assert_int_equal(arrivals->rows_count, 2);
    scenario_fini(&scenario);
    write_file(directory, "t.csv", "1\n0.5\n");
    assert_int_equal(scenario_read(path, &errors, &scenario), ROOST_INVALID);
    assert_non_null(strstr(strbuf_text(&errors.text), "t.csv, line 2"));
    yaml_errors_fini(&errors);
    assert_int_equal(file_remove_tree(directory, NULL), ROOST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_all),
        cmocka_unit_test(test_tells_all_mistakes),
        cmocka_unit_test(test_more_mistakes),
        cmocka_unit_test(test_reads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
