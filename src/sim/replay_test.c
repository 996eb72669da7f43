/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replay.h"

#include <string.h>

#include "base/test.h"
#include "core/decision_log.h"
#include "policy/registry.h"
#include "sim/sim_fixture.h"

static const char *const text =
    "{duration: 60s, tick: 1s, node: {cores: 2, ways: 4}, tenants: ["
    "{name: a, slo: p95 100 ms, arrivals: {rate: 20}, variants: ["
    "{name: big, accuracy: 0.9, base: 20ms, load: [[5, 6, 7, 8]]}, "
    "{name: small, accuracy: 0.5, base: 5ms, start: 200ms}]}, "
    "{name: b, slo: p95 100 ms, arrivals: {rate: 60}, variants: [{name: v, base: 20ms}]}]}";

static void record(void *context, const struct roost_view *view, const struct roost_plan *plan,
                   enum policy_outcome outcome)
{
    decision_log_add_decision(context, view, plan, outcome);
}

static void make_log(const struct roost_policy *policy, const char *version, struct strbuf *log)
{
    struct scenario scenario;
    struct result result;
    struct detail detail;
    struct decision_log_policy logged = {
        .name = policy->name, .version = version, .tenants_max = 2};
    strbuf_init(log);
    decision_log_begin(log);
    decision_log_add_policy(log, &logged);
    fixture_scenario(text, &scenario);
    struct sim_options options = {
        .scenario = &scenario, .policy = policy, .seed = 4, .decided = record, .context = log};
    assert_int_equal(sim_run(&options, &result, &detail), ROOST_OK);
    result_fini(&result);
    scenario_fini(&scenario);
    assert_false(log->failed);
}

static enum roost_err find(const char *name, const struct roost_policy **policy,
                           struct detail *detail)
{
    if (policy_find(name, policy, NULL) == ROOST_OK)
        return ROOST_OK;
    return fixture_find(name, policy, detail);
}

static void test_every_policy_again(void **state)
{
    (void)state;
    size_t count;
    struct strbuf log;
    struct replay replay;
    struct detail detail;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count + 3; i++) {
        const struct roost_policy *more[] = {&fixture_switcher, &fixture_late_switcher,
                                             &fixture_broken};
        const struct roost_policy *policy = i < count ? policies[i] : more[i - count];
        make_log(policy, policy->version, &log);
        enum roost_err err = replay_run(log.data, log.length, find, &replay, &detail);
        if (err != ROOST_OK)
            fail_msg("%s: %s", policy->name, detail.text);
        assert_true(replay.decisions >= 10);
        assert_int_equal(replay.same, replay.decisions);
        assert_false(replay.cut);
        strbuf_fini(&log);
    }
}

static void test_a_difference_is_found(void **state)
{
    (void)state;
    struct strbuf log;
    struct replay replay;
    struct detail detail;
    make_log(&fixture_switcher, "1", &log);
    /* The same views under a policy that answers otherwise at tick 5. */
    struct strbuf other;
    strbuf_init(&other);
    decision_log_begin(&other);
    decision_log_add_policy(
        &other, &(struct decision_log_policy){.name = "idle", .version = "1", .tenants_max = 2});
    struct decision_log_reader reader;
    struct decision_log_record first;
    assert_int_equal(decision_log_open(&reader, log.data, log.length, &detail), ROOST_OK);
    assert_int_equal(decision_log_next(&reader, &first, &detail), ROOST_OK);
    strbuf_append(&other, log.data + reader.at, log.length - reader.at);
    assert_int_equal(replay_run(other.data, other.length, find, &replay, &detail), ROOST_OK);
    assert_int_equal(replay.same, replay.decisions - 2);
    assert_int_equal(replay.first_tick, 5);
    strbuf_fini(&other);
    strbuf_fini(&log);
}

static void test_another_version_is_refused(void **state)
{
    (void)state;
    struct strbuf log;
    struct replay replay;
    struct detail detail;
    make_log(&fixture_idle, "0", &log);
    assert_int_equal(replay_run(log.data, log.length, find, &replay, &detail), ROOST_UNSUPPORTED);
    assert_non_null(strstr(detail.text, "version 0"));
    strbuf_fini(&log);
}

/* Wherever a log ends, and whatever byte of it is wrong: an error or a difference, no crash. */
static void test_damaged_logs(void **state)
{
    (void)state;
    struct strbuf log;
    struct replay replay;
    struct detail detail;
    make_log(&fixture_idle, "1", &log);
    size_t length = log.length < 3000 ? log.length : 3000;
    for (size_t cut = 0; cut < length; cut += 7) {
        enum roost_err err = replay_run(log.data, cut, find, &replay, &detail);
        assert_true(cut < 12 ? err == ROOST_INVALID : err == ROOST_OK);
    }
    for (size_t at = 0; at < length; at++) {
        log.data[at] ^= 0x15;
        (void)replay_run(log.data, log.length, find, &replay, &detail);
        log.data[at] ^= 0x15;
    }
    assert_int_equal(replay_run("ROOSTLOG\2\0\0\0", 12, find, &replay, &detail), ROOST_UNSUPPORTED);
    strbuf_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_policy_again),
        cmocka_unit_test(test_a_difference_is_found),
        cmocka_unit_test(test_another_version_is_refused),
        cmocka_unit_test(test_damaged_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
