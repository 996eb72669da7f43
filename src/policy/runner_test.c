/* SPDX-License-Identifier: Apache-2.0 */
/* The runner with policies that misbehave, and what several policies share. */
#include "policy/runner.h"

#include <math.h>
#include <string.h>

#include "base/test.h"
#include "core/plan.h"
#include "core/view_fixture.h"
#include "policy/common.h"
#include "policy/mutants.h"
#include "policy/registry.h"

enum { TENANTS = 4 };

struct fixture {
    struct view_store store;
    struct policy_runner runner;
    struct roost_plan plan;
    struct roost_plan_tenant tenants[TENANTS];
    struct detail detail;
};

static void setup_view(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(view_store_init(&fixture->store, TENANTS, 4), ROOST_OK);
    fixture->store.view.node = view_fixture_node(8);
    for (uint32_t i = 0; i < 3; i++) {
        view_fixture_add(&fixture->store, 10 + i, 1000000);
    }
}

static void setup_mutant(struct fixture *fixture, const char *name)
{
    size_t count;
    const struct mutant *mutants = mutant_list(&count);
    setup_view(fixture);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mutants[i].policy.name, name) == 0) {
            assert_int_equal(policy_runner_init(&fixture->runner, &mutants[i].policy, NULL, 0,
                                                TENANTS, &fixture->store.view.node,
                                                &fixture->detail),
                             ROOST_OK);
            return;
        }
    }
    fail_msg("no mutant %s", name);
}

static void teardown(struct fixture *fixture)
{
    policy_runner_fini(&fixture->runner);
    view_store_fini(&fixture->store);
}

static enum policy_outcome decide(struct fixture *fixture, uint64_t spent_ns)
{
    policy_runner_decide(&fixture->runner, &fixture->store.view, &fixture->plan, fixture->tenants);
    return policy_runner_judge(&fixture->runner, &fixture->store.view, &fixture->plan, spent_ns,
                               1000, &fixture->detail);
}

static void bad_plans_are_held_and_static_takes_over(void **state)
{
    (void)state;
    struct fixture fixture;
    setup_mutant(&fixture, "oversubscribe");
    for (int i = 0; i < POLICY_FAULTS_MAX; i++) {
        assert_string_equal(fixture.runner.policy->name, "oversubscribe");
        assert_int_equal(decide(&fixture, 0), POLICY_INVALID);
        assert_non_null(strstr(fixture.detail.text, "policy \"oversubscribe\""));
        assert_true(plan_is_unchanged(&fixture.plan, &fixture.store.view));
    }
    assert_string_equal(fixture.runner.policy->name, "static");
    assert_string_equal(fixture.runner.chosen->name, "oversubscribe");
    assert_int_equal(fixture.runner.faults, POLICY_FAULTS_MAX);
    assert_int_equal(decide(&fixture, 0), POLICY_CHANGED);
    teardown(&fixture);
}

static void overruns_are_faults(void **state)
{
    (void)state;
    struct fixture fixture;
    setup_mutant(&fixture, "count_calls");
    assert_int_equal(decide(&fixture, 1000), POLICY_UNCHANGED);
    assert_int_equal(decide(&fixture, 1001), POLICY_OVERRAN);
    assert_int_equal(decide(&fixture, 2000), POLICY_OVERRAN);
    /* One good decision, and the count begins anew. */
    assert_int_equal(decide(&fixture, 1), POLICY_UNCHANGED);
    assert_int_equal(decide(&fixture, 2000), POLICY_OVERRAN);
    assert_int_equal(decide(&fixture, 2000), POLICY_OVERRAN);
    assert_string_equal(fixture.runner.policy->name, "count_calls");
    assert_int_equal(decide(&fixture, 2000), POLICY_OVERRAN);
    assert_string_equal(fixture.runner.policy->name, "static");
    assert_int_equal(fixture.runner.overruns, 5);
    teardown(&fixture);
}

static void late_plans_are_brought_up_to_date(void **state)
{
    (void)state;
    struct fixture fixture;
    struct view_store now;
    struct roost_plan later;
    struct roost_plan_tenant tenants[TENANTS];
    setup_view(&fixture);
    plan_prepare(&fixture.plan, fixture.tenants, &fixture.store.view);
    for (uint32_t i = 0; i < 3; i++) {
        fixture.tenants[i].grant.weight = 200 + i;
        policy_reason(&fixture.plan, i, ROOST_REASON_GAINED, 1, 2, 0);
    }
    fixture.plan.flags = ROOST_PLAN_SETTLED;
    /* Meanwhile 10 has gone, 13 has come, and somebody has set 12's weight by hand. */
    assert_int_equal(view_store_init(&now, TENANTS, 4), ROOST_OK);
    now.view.node = fixture.store.view.node;
    view_fixture_add(&now, 13, 1000000);
    view_fixture_add(&now, 11, 1000000);
    view_fixture_add(&now, 12, 1000000)->grant.weight = 7;
    policy_runner_rebase(&fixture.plan, &fixture.store.view, &now.view, &later, tenants);
    assert_int_equal(later.tenant_count, 3);
    assert_int_equal(later.flags, ROOST_PLAN_SETTLED);
    assert_int_equal(tenants[0].grant.weight, ROOST_WEIGHT_DEFAULT);
    assert_int_equal(tenants[1].id, 11);
    assert_int_equal(tenants[1].grant.weight, 201);
    assert_int_equal(tenants[1].reason.code, ROOST_REASON_GAINED);
    assert_int_equal(tenants[1].reason.other, 1);
    assert_int_equal(tenants[2].grant.weight, 7);
    assert_int_equal(tenants[2].reason.code, ROOST_REASON_NONE);
    assert_int_equal(plan_check(&later, &now.view, NULL, NULL), ROOST_OK);
    view_store_fini(&now);
    teardown(&fixture);
}

struct record {
    uint32_t id, mark;
};

static void records_follow_their_tenants(void **state)
{
    (void)state;
    struct view_store store;
    struct record records[TENANTS] = {{0}};
    struct rng rng;
    rng_seed(&rng, 9);
    assert_int_equal(view_store_init(&store, TENANTS + 1, 4), ROOST_OK);
    uint32_t marks[50] = {0}, next = 1;
    bool known[50] = {false};
    for (int round = 0; round < 2000; round++) {
        /* A random order of a random choice of eight ids. */
        view_store_clear(&store);
        bool present[50] = {false};
        uint32_t count = (uint32_t)rng_below(&rng, TENANTS + 1);
        while (store.view.tenant_count < count) {
            uint32_t id = 1 + (uint32_t)rng_below(&rng, 8);
            if (!present[id]) {
                present[id] = true;
                view_fixture_add(&store, id, 1000);
            }
        }
        assert_true(policy_sync(records, sizeof records[0], TENANTS, &store.view));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t id = store.tenants[i].id;
            assert_int_equal(records[i].id, id);
            assert_int_equal(records[i].mark, known[id] ? marks[id] : 0);
            records[i].mark = marks[id] = next++;
        }
        memcpy(known, present, sizeof known);
    }
    while (store.view.tenant_count <= TENANTS) {
        view_fixture_add(&store, 40 + store.view.tenant_count, 1000);
    }
    assert_false(policy_sync(records, sizeof records[0], TENANTS, &store.view));
    view_store_fini(&store);
}

static void pressure_needs_something_to_go_by(void **state)
{
    (void)state;
    struct fixture fixture;
    setup_view(&fixture);
    struct roost_tenant *tenant = &fixture.store.tenants[0];
    assert_int_equal(policy_samples_least(95), 20);
    assert_int_equal(policy_samples_least(99), 100);
    view_fixture_load(tenant, 100, 2000000);
    assert_true(policy_pressure(tenant) == 2);
    tenant->window.latency_samples = 19;
    assert_true(policy_pressure(tenant) == 0);
    /* What waits tells when nothing comes out. */
    tenant->queue = (struct roost_queue){.requests = 3, .head_age_ns = 5000000};
    assert_true(policy_pressure(tenant) == 5);
    tenant->slo_ns = 0;
    assert_true(policy_pressure(tenant) == 0);
    teardown(&fixture);
}

/* No tail says anything of requests that got no answer. */
static void lost_requests_are_late_ones(void **state)
{
    (void)state;
    struct fixture fixture;
    setup_view(&fixture);
    struct roost_tenant *tenant = &fixture.store.tenants[0];
    view_fixture_load(tenant, 100, 500000);
    tenant->deadline_ns = 4 * tenant->slo_ns;
    assert_true(policy_pressure(tenant) == 0.5);
    /* Few enough for the SLO to be kept. */
    tenant->window.completions = 960;
    tenant->window.errors = 40;
    tenant->window.attainment = 0.96;
    assert_true(policy_pressure(tenant) == 0.5);
    tenant->window.completions = 900;
    tenant->window.errors = 100;
    tenant->window.attainment = 0.9;
    assert_true(fabs(policy_pressure(tenant) - (1 + 0.05 * 3)) < 1e-9);
    /* Those that were answered late speak for themselves. */
    tenant->window.latency_slo_ns = 3000000;
    assert_true(policy_pressure(tenant) == 3);
    tenant->window = (struct roost_window){.errors = 19};
    assert_true(policy_pressure(tenant) == 0);
    tenant->window.errors = 20;
    assert_true(fabs(policy_pressure(tenant) - (1 + 0.95 * 3)) < 1e-9);
    tenant->window.errors = 0;
    tenant->window.refusals = 20;
    assert_true(fabs(policy_pressure(tenant) - (1 + 0.95 * 3)) < 1e-9);
    /* What a policy has refused on purpose is no news to it. */
    tenant->grant.shed = ROOST_SHED_SLO;
    assert_true(policy_pressure(tenant) == 0);
    teardown(&fixture);
}

static void settling_takes_a_window(void **state)
{
    (void)state;
    struct fixture fixture;
    setup_view(&fixture);
    const uint64_t second_ns = 1000000000;
    struct roost_tenant *tenant = &fixture.store.tenants[1];
    assert_true(policy_settled(&fixture.store.view, second_ns));
    tenant->since_change_ns = 2 * second_ns;
    assert_false(policy_settled(&fixture.store.view, second_ns));
    tenant->since_change_ns = 4 * second_ns;
    assert_true(policy_settled(&fixture.store.view, second_ns));
    assert_false(policy_settled(&fixture.store.view, 2 * second_ns));
    tenant->since_change_ns = 100 * second_ns;
    view_fixture_variant(&fixture.store, 1, 0.5, 1000);
    tenant->grant.variant = 1;
    assert_false(policy_settled(&fixture.store.view, second_ns));
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_plans_are_held_and_static_takes_over),
        cmocka_unit_test(overruns_are_faults),
        cmocka_unit_test(late_plans_are_brought_up_to_date),
        cmocka_unit_test(records_follow_their_tenants),
        cmocka_unit_test(pressure_needs_something_to_go_by),
        cmocka_unit_test(lost_requests_are_late_ones),
        cmocka_unit_test(settling_takes_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
