/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator against closed forms, and against what must hold whatever is simulated. */
#include "sim/sim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"
#include "sim/sim_fixture.h"

static double mean_ms(const struct fixture *fixture, uint32_t tenant)
{
    return hist_mean(&fixture->result.tenants[tenant].latency_ns) / (double)NS_PER_MS;
}

static void check(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%g is not within %g of %g", value, relative, expected);
}

/* One tenant of 10 ms of work per request at 70 % load, without batches. */
static void run_station(struct fixture *fixture, int cores, int workers, const char *variation)
{
    char text[600];
    snprintf(text, sizeof text,
             "{duration: 3000s, warmup: 100s, tick: 100s, window: 100s, node: {cores: %d}, "
             "tenants: [{name: a, workers: %d, batching: off, queue_max: 100000, shed: never, "
             "deadline: 1h, variation: %s, variation_cv: 2, arrivals: {rate: 70}, "
             "variants: [{name: v, base: 10ms}]}]}",
             cores, workers, variation);
    fixture_run(fixture, text, &fixture_idle, 11);
    assert_int_equal(fixture->result.tenants[0].arrivals, fixture->result.tenants[0].completions);
}

/* First come, first served: Pollaczek and Khinchine. */
static void test_one_worker(void **state)
{
    (void)state;
    struct fixture fixture;
    run_station(&fixture, 1, 1, "exponential");
    check(mean_ms(&fixture, 0), 10 / (1 - 0.7), 0.04);
    check(result_utilisation(&fixture.result), 0.7, 0.02);
    fixture_end(&fixture);
    run_station(&fixture, 1, 1, "none");
    check(mean_ms(&fixture, 0), 10 + 0.7 * 10 / (2 * (1 - 0.7)), 0.03);
    fixture_end(&fixture);
    run_station(&fixture, 1, 1, "lognormal");
    check(mean_ms(&fixture, 0), 10 + 0.7 * 10 * (1 + 4) / (2 * (1 - 0.7)), 0.10);
    fixture_end(&fixture);
}

/* Many workers on one core share it equally: the mean does not depend on the distribution. */
static void test_processor_sharing(void **state)
{
    (void)state;
    struct fixture fixture;
    static const char *const variations[] = {"none", "exponential", "lognormal"};
    for (size_t i = 0; i < 3; i++) {
        run_station(&fixture, 1, 1000, variations[i]);
        check(mean_ms(&fixture, 0), 10 / (1 - 0.7), 0.05);
        fixture_end(&fixture);
    }
}

/* Two cores and two workers: M/M/2. */
static void test_two_workers(void **state)
{
    (void)state;
    struct fixture fixture;
    run_station(&fixture, 2, 2, "exponential");
    double rho = 0.35;
    check(mean_ms(&fixture, 0), 10 / (1 - rho * rho), 0.03);
    fixture_end(&fixture);
}

/* Runs with threads, one at a time: as fast as Amdahl says with the cores at hand, and busy only
 * for the work that there is. */
static void test_threads(void **state)
{
    (void)state;
    static const char *const text =
        "{duration: 100s, tick: 1s, node: {cores: 8}, tenants: ["
        "{name: a, threads: 6, batching: off, arrivals: {process: constant, rate: 5}, "
        "variants: [{name: v, base: 60ms, parallel: 0.8}]}, "
        "{name: b, threads: 4, batching: off, arrivals: {rate: 0}, "
        "variants: [{name: v, base: 60ms}]}]}";
    struct fixture fixture;
    fixture_run(&fixture, text, &fixture_idle, 1);
    check(mean_ms(&fixture, 0), 60 * (0.2 + 0.8 / 6), 0.01);
    check(fixture.result.tenants[0].core_ns, 499 * 60e6, 0.01);
    fixture_end(&fixture);
    fixture_run(&fixture, text, &fixture_exclusive, 1);
    check(mean_ms(&fixture, 0), 60 * (0.2 + 0.8 / 3), 0.01);
    fixture_end(&fixture);
}

/* The threads that requests pass add their work, and take a core while they do it. */
static void test_network_and_generator(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_run(
        &fixture,
        "{duration: 100s, tick: 1s, node: {cores: 2}, network: {request: 2ms, answer: 1ms}, "
        "generator: {request: 3ms, answer: 4ms}, tenants: [{name: a, batching: off, "
        "arrivals: {process: constant, rate: 20}, variants: [{name: v, base: 10ms}]}]}",
        &fixture_idle, 1);
    check(mean_ms(&fixture, 0), 20, 0.001);
    fixture_end(&fixture);
}

/* Besides, a thread that has slept long finds its caches cold. */
static void test_cold_threads(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_run(&fixture,
                "{duration: 100s, tick: 1s, node: {cores: 2}, "
                "network: {request: 1ms, answer: 1ms, wake: 2ms, cooling: 1ms}, "
                "tenants: [{name: a, batching: off, arrivals: {process: constant, rate: 20}, "
                "variants: [{name: v, base: 10ms}]}]}",
                &fixture_idle, 1);
    check(mean_ms(&fixture, 0), 16, 0.001);
    fixture_end(&fixture);
}

/* With turns a run that comes while the core is busy waits until the other one has had its slice,
 * 0.7 ms of every 30 ms, or longer where that has just begun; without them it is served at once. */
static void test_turns(void **state)
{
    (void)state;
    static const char *const text =
        "{duration: 100s, tick: 1s, node: {cores: 1%s}, tenants: ["
        "{name: busy, batching: off, shed: never, deadline: 1s, "
        "arrivals: {process: constant, rate: 30}, variants: [{name: v, base: 30ms}]}, "
        "{name: brief, batching: off, arrivals: {process: constant, rate: 37}, "
        "variants: [{name: v, base: 1us}]}]}";
    char written[500];
    struct fixture fixture;
    snprintf(written, sizeof written, text, "");
    fixture_run(&fixture, written, &fixture_idle, 1);
    check(mean_ms(&fixture, 1), 0.0019, 0.02); /* the core is busy nine tenths of the time */
    fixture_end(&fixture);
    snprintf(written, sizeof written, text, ", turn: 4ms");
    fixture_run(&fixture, written, &fixture_idle, 1);
    /* One in 48 comes in the first 0.7 ms and waits for the first tick after them, 2.3 ms later. */
    check(mean_ms(&fixture, 1), 0.05, 0.4);
    fixture_end(&fixture);
}

static const char *const saturated =
    "{duration: 100s, tick: 1s, node: {cores: 4}, tenants: ["
    "{name: a, workers: 8, batching: off, shed: never, deadline: 1s, arrivals: {rate: 1000}, "
    "variants: [{name: v, base: 10ms}]}, "
    "{name: b, workers: 8, batching: off, shed: never, deadline: 1s, arrivals: {rate: %d}, "
    "variants: [{name: v, base: 10ms}]}]}";

static void run_saturated(struct fixture *fixture, int rate, const struct roost_policy *policy)
{
    char text[800];
    snprintf(text, sizeof text, saturated, rate);
    fixture_run(fixture, text, policy, 5);
}

/* Work done in the run and the drain after it, of a tenant that always has some. */
static double cores_of(const struct fixture *fixture, uint32_t tenant)
{
    return fixture->result.tenants[tenant].core_ns / (100 * (double)NS_PER_S);
}

/* Core by core the same work is done, weights count, and nothing is idle while somebody waits. */
static void test_core_by_core(void **state)
{
    (void)state;
    static const char *const text =
        "{duration: 100s, tick: 1s, node: {cores: 2, turn: 4ms}, tenants: ["
        "{name: a, workers: 4, batching: off, shed: never, deadline: 1s, arrivals: {rate: 500}, "
        "variants: [{name: v, base: 10ms}]}, "
        "{name: b, workers: 4, batching: off, shed: never, deadline: 1s, arrivals: {rate: 500}, "
        "variants: [{name: v, base: 10ms}]}]}";
    struct fixture fixture;
    fixture_run(&fixture, text, &fixture_idle, 5);
    check(cores_of(&fixture, 0), 1, 0.05);
    check(cores_of(&fixture, 1), 1, 0.05);
    fixture_end(&fixture);
    fixture_run(&fixture, text, &fixture_weights, 5);
    check(cores_of(&fixture, 0), 1.5, 0.1);
    check(cores_of(&fixture, 1), 0.5, 0.1);
    fixture_end(&fixture);
}

static void test_weights_and_lending(void **state)
{
    (void)state;
    struct fixture fixture;
    run_saturated(&fixture, 1000, &fixture_idle);
    check(cores_of(&fixture, 0), 2, 0.03);
    fixture_end(&fixture);
    run_saturated(&fixture, 1000, &fixture_weights);
    check(cores_of(&fixture, 0), 3, 0.03);
    check(cores_of(&fixture, 1), 1, 0.03);
    fixture_end(&fixture);
    run_saturated(&fixture, 50, &fixture_weights);
    check(cores_of(&fixture, 0), 3.5, 0.03);
    check(cores_of(&fixture, 1), 0.5, 0.05);
    fixture_end(&fixture);
}

static void test_exclusive_is_not_lent(void **state)
{
    (void)state;
    struct fixture fixture;
    run_saturated(&fixture, 50, &fixture_exclusive);
    check(cores_of(&fixture, 0), 3, 0.03);
    check(cores_of(&fixture, 1), 0.5, 0.05);
    fixture_end(&fixture);
}

static void check_conserved(const struct fixture *fixture)
{
    uint64_t arrivals = 0;
    for (uint32_t i = 0; i < fixture->scenario.tenant_count; i++) {
        const struct result_tenant *counts = &fixture->result.tenants[i];
        assert_int_equal(counts->arrivals, counts->completions + counts->refusals + counts->errors);
        assert_int_equal(counts->completions, counts->latency_ns.count);
        assert_true(counts->hits <= counts->completions);
        arrivals += counts->arrivals;
    }
    assert_int_equal(arrivals, fixture->result.requests);
    assert_true(result_utilisation(&fixture->result) <= 1.05);
}

/* Batches, threads, bandwidth, ways, ladders and more load than there is room for. */
static const char *const mixed =
    "{duration: 60s, tick: 500ms, node: {cores: 4, ways: 8, bandwidth_gbs: 10, memory: 1 GiB}, "
    "network: {request: 20us, answer: 15us}, generator: {request: 10us, answer: 10us}, "
    "ladders: {l: [{name: big, accuracy: 0.9, base: 5ms, per_row: 3ms, memory: 400 MiB, "
    "bandwidth_gbs: 4, stall: 0.5, sensitivity: 2, misses: [0.9, 0.6, 0.4, 0.3]}, "
    "{name: small, accuracy: 0.6, base: 2ms, per_row: 1ms, memory: 100 MiB, start: 2s}]}, "
    "tenants: [{name: a, slo: p95 50 ms, workers: 4, ladder: l, shed: slo, rows: "
    "{mu: 1, sigma: 0.5}, arrivals: {rate: 300, states: [[1, 5s], [4, 2s]]}}, "
    "{name: b, slo: p99 80 ms, workers: 2, threads: 2, ladder: l, variation: lognormal, "
    "batch_delay: 5ms, arrivals: {rate: 100}}, "
    "{name: c, slo: p95 30 ms, batching: on, batch_max: 8, variants: [{name: x, points: "
    "[[1, 2ms], [8, 6ms]]}], arrivals: {process: constant, rate: 200, "
    "profile: [[0s, 1], [20s, 6], [25s, 1]]}}]}";

static void test_nothing_is_lost(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct roost_policy *const policies[] = {&fixture_idle, &fixture_switcher,
                                                   &fixture_late_switcher};
    for (size_t i = 0; i < 3; i++) {
        fixture_run(&fixture, mixed, policies[i], 9);
        check_conserved(&fixture);
        assert_int_equal(fixture.result.faults, 0);
        /* Nothing goes round in circles, and all of it ends when its deadline does. */
        assert_true(fixture.result.events < 20 * fixture.result.requests);
        assert_true(fixture.result.tenants[1].latency_ns.max < NS_PER_S);
        fixture_end(&fixture);
    }
    run_saturated(&fixture, 1000, &fixture_idle);
    check_conserved(&fixture);
    assert_true(fixture.result.tenants[0].errors > 0);
    fixture_end(&fixture);
}

static void report(const struct fixture *fixture, struct strbuf *out)
{
    strbuf_init(out);
    result_write_table(&fixture->result, out);
    result_write_json(&fixture->result, out);
    result_write_svg(&fixture->result, out);
    assert_false(out->failed);
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    struct strbuf first, second, other;
    fixture_run(&fixture, mixed, &fixture_switcher, 21);
    report(&fixture, &first);
    fixture_end(&fixture);
    fixture_run(&fixture, mixed, &fixture_switcher, 21);
    report(&fixture, &second);
    fixture_end(&fixture);
    fixture_run(&fixture, mixed, &fixture_switcher, 22);
    report(&fixture, &other);
    fixture_end(&fixture);
    assert_string_equal(strbuf_text(&first), strbuf_text(&second));
    assert_string_not_equal(strbuf_text(&first), strbuf_text(&other));
    strbuf_fini(&first);
    strbuf_fini(&second);
    strbuf_fini(&other);
}

/* Policies compare on the same requests: same count, same rows, same service times. */
static void test_same_arrivals_for_all(void **state)
{
    (void)state;
    struct fixture idle, exclusive;
    fixture_run(&idle, mixed, &fixture_idle, 3);
    fixture_run(&exclusive, mixed, &fixture_exclusive, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(idle.result.tenants[i].arrivals, exclusive.result.tenants[i].arrivals);
    fixture_end(&idle);
    fixture_end(&exclusive);
}

/* Neither where cores are divided as a whole now and one by one then, with work under way. */
static void test_nothing_is_lost_between(void **state)
{
    (void)state;
    static const char *const text =
        "{duration: 60s, tick: 100ms, node: {cores: 4, turn: 4ms}, "
        "network: {request: 20us, answer: 15us}, generator: {request: 10us, answer: 10us}, "
        "tenants: [{name: a, slo: p95 50 ms, workers: 3, rows: {mu: 1, sigma: 0.5}, "
        "arrivals: {rate: 300, states: [[1, 5s], [4, 2s]]}, variants: [{name: v, base: 3ms, "
        "per_row: 1ms}]}, {name: b, workers: 2, batching: off, arrivals: {rate: 30}, "
        "variants: [{name: v, base: 30ms}]}]}";
    struct fixture fixture;
    fixture_run(&fixture, text, &fixture_now_and_then, 9);
    check_conserved(&fixture);
    assert_int_equal(fixture.result.faults, 0);
    assert_true(fixture.result.tenants[1].completions > 1500);
    check(fixture.result.tenants[1].core_ns, 30e6 * (double)fixture.result.tenants[1].completions,
          0.02);
    fixture_end(&fixture);
}

/* Runs take longer and shorter at times, the same for all policies. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const text =
        "{duration: 100s, tick: 1s, node: {cores: 1, noise: [1, 1, 1, 2], noise_time: 100ms}, "
        "tenants: [{name: a, batching: off, arrivals: {process: constant, rate: 20}, "
        "variants: [{name: v, base: 10ms}]}]}";
    struct fixture fixture;
    fixture_run(&fixture, text, &fixture_idle, 1);
    check(mean_ms(&fixture, 0), 12.5, 0.05);
    const struct hist *latency = &fixture.result.tenants[0].latency_ns;
    check((double)hist_quantile(latency, 0.5) / 1e6, 10, 0.02);
    check((double)hist_quantile(latency, 0.95) / 1e6, 20, 0.02);
    fixture_end(&fixture);
}

static const char *const ladder =
    "{duration: 100s, tick: 1s, sample: 1s, node: {cores: 1, switch: %s, stall: 10s%s}, tenants: ["
    "{name: a, slo: p95 100 ms, queue_max: 100000, shed: never, arrivals: {rate: 20}, "
    "deadline: 20s, variants: [{name: big, accuracy: 0.9, base: 20ms, memory: 600 MiB, start: 2s}, "
    "{name: small, accuracy: 0.5, base: 5ms, memory: 500 MiB, start: 2s}]}]}";

static void run_ladder(struct fixture *fixture, const char *mode, const char *more,
                       const struct roost_policy *policy)
{
    char text[800];
    snprintf(text, sizeof text, ladder, mode, more);
    fixture_run(fixture, text, policy, 2);
    check_conserved(fixture);
}

/* The next host is started beside the old one: nobody waits for it. */
static void test_switch_make_before_break(void **state)
{
    (void)state;
    struct fixture fixture;
    run_ladder(&fixture, "overlap", "", &fixture_switcher);
    const struct result_tenant *counts = &fixture.result.tenants[0];
    assert_int_equal(counts->switches, 2);
    assert_int_equal(counts->errors + counts->refusals, 0);
    assert_true(result_attainment(&fixture.result, 0) > 0.99);
    const struct result_sample *samples = fixture.result.samples;
    assert_int_equal(samples[4].variant, 0);
    /* 2 s of CPU beside 40 % load, at the idle class: it takes longer than 2 s. */
    assert_int_equal(samples[6].variant, 0);
    assert_int_equal(samples[12].variant, 1);
    /* The first host stands by since, so the way back is short. */
    assert_int_equal(samples[39].variant, 1);
    assert_int_equal(samples[40].variant, 0);
    double small_s = 0;
    for (uint32_t i = 0; i < fixture.result.sample_count; i++)
        small_s += samples[i].variant;
    check(result_accuracy(&fixture.result, 0), 0.9 - 0.4 * small_s / 100, 0.01);
    fixture_end(&fixture);
    run_ladder(&fixture, "overlap", ", standby: all", &fixture_switcher);
    assert_int_equal(fixture.result.samples[5].variant, 1);
    fixture_end(&fixture);
    run_ladder(&fixture, "overlap", "", &fixture_late_switcher);
    assert_int_equal(fixture.result.tenants[0].switches, 2);
    fixture_end(&fixture);
}

static void test_switch_by_stall(void **state)
{
    (void)state;
    struct fixture fixture;
    run_ladder(&fixture, "stall", "", &fixture_switcher);
    const struct result_tenant *counts = &fixture.result.tenants[0];
    assert_int_equal(counts->switches, 2);
    assert_int_equal(counts->errors + counts->refusals, 0);
    /* Whoever comes within the two stalls is late: 20 s of 100. Batches then catch up at once. */
    double attained = result_attainment(&fixture.result, 0);
    assert_true(attained < 0.83 && attained > 0.75);
    assert_true(hist_quantile(&counts->latency_ns, 0.99) > 9 * NS_PER_S);
    fixture_end(&fixture);
}

/* Not enough memory for both: the plan is refused, and the first variant goes on. */
static void test_switch_without_memory(void **state)
{
    (void)state;
    struct fixture fixture;
    run_ladder(&fixture, "overlap", ", memory: 1 GiB", &fixture_switcher);
    assert_int_equal(fixture.result.tenants[0].switches, 0);
    assert_true(fixture.result.faults > 0);
    fixture_end(&fixture);
}

static void test_broken_policy_is_replaced(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_run(&fixture, mixed, &fixture_broken, 1);
    assert_int_equal(fixture.result.faults, POLICY_FAULTS_MAX);
    fixture_end(&fixture);
}

static void test_unknown_option(void **state)
{
    (void)state;
    struct scenario scenario;
    struct result result;
    struct detail detail;
    static const char *const assignments[] = {"nothing=1"};
    fixture_scenario(mixed, &scenario);
    struct sim_options options = {.scenario = &scenario,
                                  .policy = &fixture_idle,
                                  .assignments = assignments,
                                  .assignment_count = 1};
    assert_int_equal(sim_run(&options, &result, &detail), ROOST_INVALID);
    scenario_fini(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker),
        cmocka_unit_test(test_processor_sharing),
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_network_and_generator),
        cmocka_unit_test(test_cold_threads),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_core_by_core),
        cmocka_unit_test(test_weights_and_lending),
        cmocka_unit_test(test_exclusive_is_not_lent),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_nothing_is_lost_between),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_same_arrivals_for_all),
        cmocka_unit_test(test_switch_make_before_break),
        cmocka_unit_test(test_switch_by_stall),
        cmocka_unit_test(test_switch_without_memory),
        cmocka_unit_test(test_broken_policy_is_replaced),
        cmocka_unit_test(test_unknown_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
