/* SPDX-License-Identifier: Apache-2.0 */
/* Every policy keeps every promise of the contract, and the suite catches those that do not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/test.h"
#include "core/view_fixture.h"
#include "policy/mutants.h"
#include "policy/registry.h"
#include "policy/runner.h"

static void policies_keep_their_promises(void **state)
{
    (void)state;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct detail why;
        /* clite's proposals cost milliseconds; the others' decisions microseconds. */
        unsigned sequences = policies[i]->delay_ticks > 0 ? 40 : 150;
        enum conform_promise broken = conform_check(policies[i], sequences, 40, &why);
        if (broken != CONFORM_ALL) {
            fail_msg("policy %s breaks the promise \"%s\": %s", policies[i]->name,
                     conform_promise_name(broken), why.text);
        }
    }
}

static void mutants_are_caught(void **state)
{
    (void)state;
    size_t count;
    const struct mutant *mutants = mutant_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct detail why;
        enum conform_promise broken = conform_check(&mutants[i].policy, 100, 20, &why);
        if (broken != mutants[i].breaks) {
            fail_msg("mutant %s: \"%s\" instead of \"%s\"", mutants[i].policy.name,
                     conform_promise_name(broken), conform_promise_name(mutants[i].breaks));
        }
    }
}

static void names_are_found(void **state)
{
    (void)state;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count), *found;
    struct detail detail;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(policy_find(policies[i]->name, &found, &detail), ROOST_OK);
        assert_ptr_equal(found, policies[i]);
    }
    assert_int_equal(policy_find("fairsim", &found, &detail), ROOST_NOT_FOUND);
    assert_string_equal(detail.text, "no policy \"fairsim\"; did you mean \"faircim\"?");
    assert_int_equal(policy_find("zzzzzzzz", &found, &detail), ROOST_NOT_FOUND);
    assert_string_equal(detail.text, "no policy \"zzzzzzzz\"");
}

static void too_large_is_refused_by_name(void **state)
{
    (void)state;
    struct roost_node node = view_fixture_node(64);
    const struct roost_policy *policy;
    struct policy_runner runner;
    struct detail detail;
    assert_int_equal(policy_find("clite", &policy, &detail), ROOST_OK);
    assert_int_equal(policy_runner_init(&runner, policy, NULL, 0, 64, &node, &detail),
                     ROOST_UNSUPPORTED);
    assert_string_equal(detail.text, "policy \"clite\" takes at most 8 tenants, not 64; choose "
                                     "another policy");
    assert_int_equal(policy_find("roost", &policy, &detail), ROOST_OK);
    assert_int_equal(policy_runner_init(&runner, policy, NULL, 0, 65, &node, &detail),
                     ROOST_UNSUPPORTED);
    node.ways = 65;
    assert_int_equal(policy_find("hera", &policy, &detail), ROOST_OK);
    assert_int_equal(policy_runner_init(&runner, policy, NULL, 0, 2, &node, &detail),
                     ROOST_UNSUPPORTED);
    assert_non_null(strstr(detail.text, "\"hera\" takes at most 64 cache ways"));
    policy_runner_fini(&runner);
}

/* Every policy with any instance that it accepts leaves one that is larger as it is. */
static void a_view_beyond_the_state_is_left_alone(void **state)
{
    (void)state;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    struct view_store store;
    assert_int_equal(view_store_init(&store, 3, 4), ROOST_OK);
    store.view.node = view_fixture_node(8);
    for (uint32_t i = 0; i < 3; i++) {
        view_fixture_add(&store, 1 + i, 1000000);
    }
    for (size_t i = 0; i < count; i++) {
        struct policy_runner runner;
        struct roost_plan plan;
        struct roost_plan_tenant tenants[3];
        struct detail detail;
        assert_int_equal(
            policy_runner_init(&runner, policies[i], NULL, 0, 2, &store.view.node, &detail),
            ROOST_OK);
        policy_runner_decide(&runner, &store.view, &plan, tenants);
        assert_int_equal(policy_runner_judge(&runner, &store.view, &plan, 0, 0, &detail),
                         POLICY_UNCHANGED);
        policy_runner_fini(&runner);
    }
    view_store_fini(&store);
}

static void options_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *assignment;
        enum roost_err err;
    } cases[] = {
        {"static", "mode=exclusive", ROOST_OK},    {"static", "mode=none", ROOST_INVALID},
        {"faircim", "rus=measured", ROOST_OK},     {"faircim", "upgrade=false", ROOST_OK},
        {"faircim", "calm=0", ROOST_INVALID},      {"faircim", "colour=red", ROOST_INVALID},
        {"exchange", "step=10", ROOST_OK},         {"parties", "slack-low=0.3", ROOST_INVALID},
        {"hera", "low=2", ROOST_INVALID},          {"clite", "samples=101", ROOST_INVALID},
        {"roost", "objective=accuracy", ROOST_OK}, {"roost", "fill=0.5", ROOST_INVALID},
    };
    struct roost_node node = view_fixture_node(8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct roost_policy *policy;
        struct policy_runner runner;
        struct detail detail = {.text = ""};
        assert_int_equal(policy_find(cases[i].policy, &policy, &detail), ROOST_OK);
        enum roost_err err = policy_runner_init(&runner, policy, &cases[i].assignment, 1, 4, &node,
                                                &detail);
        if (err != cases[i].err) {
            fail_msg("%s %s: %s", cases[i].policy, cases[i].assignment, detail.text);
        }
        if (err != ROOST_OK) {
            assert_non_null(strstr(detail.text, cases[i].policy));
        }
        policy_runner_fini(&runner);
    }
}

static void every_policy_has_a_page_of_help(void **state)
{
    (void)state;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);
        assert_non_null(out);
        options_help(policies[i]->options, policies[i]->option_count, out);
        fclose(out);
        assert_true(bytes > 0);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_keep_their_promises),
        cmocka_unit_test(mutants_are_caught),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(too_large_is_refused_by_name),
        cmocka_unit_test(a_view_beyond_the_state_is_left_alone),
        cmocka_unit_test(options_are_parsed),
        cmocka_unit_test(every_policy_has_a_page_of_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
