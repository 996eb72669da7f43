/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "core/plan.h"
#include "core/view.h"
#include "policy/policies.h"
#include "policy/registry.h"

/* A fresh state of the policy; *state is the caller's to free, NULL after a failure. */
static enum roost_err state_make(const struct roost_policy *policy, const char *const *assignments,
                                 size_t assignment_count, uint32_t tenants_max,
                                 const struct roost_node *node, void **state, size_t *state_bytes,
                                 struct detail *detail)
{
    enum roost_err err = ROOST_NO_MEMORY;
    *state_bytes = policy->state_bytes(tenants_max, node);
    *state = calloc(1, *state_bytes > 0 ? *state_bytes : 1);
    void *options = calloc(1, policy->options_bytes > 0 ? policy->options_bytes : 1);
    if (*state == NULL || options == NULL) {
        err = detail_set(detail, err, "policy \"%s\": %zu bytes of state", policy->name,
                         *state_bytes);
        goto out;
    }
    err = options_defaults(policy->options, policy->option_count, options, detail);
    for (size_t i = 0; i < assignment_count && err == ROOST_OK; i++) {
        err = options_set(policy->options, policy->option_count, assignments[i], options, detail);
    }
    if (err == ROOST_OK) {
        err = policy->init(*state, options, tenants_max, node, detail);
    }
    if (err != ROOST_OK) {
        detail_prefix(detail, "policy \"%s\"", policy->name);
    }
out:
    free(options);
    if (err != ROOST_OK) {
        free(*state);
        *state = NULL;
    }
    return err;
}

enum roost_err policy_runner_init(struct policy_runner *runner, const struct roost_policy *policy,
                                  const char *const *assignments, size_t assignment_count,
                                  uint32_t tenants_max, const struct roost_node *node,
                                  struct detail *detail)
{
    memset(runner, 0, sizeof *runner);
    size_t fallback_bytes;
    enum roost_err err = policy_accepts(policy, tenants_max, node, detail);
    if (err == ROOST_OK) {
        err = state_make(policy, assignments, assignment_count, tenants_max, node, &runner->state,
                         &runner->state_bytes, detail);
    }
    if (err == ROOST_OK) {
        err = state_make(&policy_static, NULL, 0, tenants_max, node, &runner->fallback_state,
                         &fallback_bytes, detail);
    }
    if (err != ROOST_OK) {
        policy_runner_fini(runner);
        return err;
    }
    runner->policy = runner->chosen = policy;
    runner->tenants_max = tenants_max;
    return ROOST_OK;
}

void policy_runner_fini(struct policy_runner *runner)
{
    free(runner->state);
    free(runner->fallback_state);
    memset(runner, 0, sizeof *runner);
}

void policy_runner_decide(struct policy_runner *runner, const struct roost_view *view,
                          struct roost_plan *plan, struct roost_plan_tenant *tenants)
{
    plan_prepare(plan, tenants, view);
    runner->decisions++;
    if (view->tenant_count > runner->tenants_max) {
        return;
    }
    void *state = runner->policy == runner->chosen ? runner->state : runner->fallback_state;
    runner->policy->decide(state, view, plan);
}

enum policy_outcome policy_runner_judge(struct policy_runner *runner, const struct roost_view *view,
                                        struct roost_plan *plan, uint64_t spent_ns,
                                        uint64_t budget_ns, struct detail *detail)
{
    enum policy_outcome outcome = POLICY_CHANGED;
    if (budget_ns > 0 && spent_ns > budget_ns) {
        outcome = POLICY_OVERRAN;
        runner->overruns++;
        detail_set(detail, ROOST_EXPIRED, "policy \"%s\" took %llu us of CPU time; allowed: %llu",
                   runner->policy->name, (unsigned long long)(spent_ns / 1000),
                   (unsigned long long)(budget_ns / 1000));
    } else if (plan_check(plan, view, NULL, detail) != ROOST_OK) {
        outcome = POLICY_INVALID;
        detail_prefix(detail, "policy \"%s\"", runner->policy->name);
    } else if (plan_is_unchanged(plan, view)) {
        outcome = POLICY_UNCHANGED;
    }
    if (outcome == POLICY_CHANGED || outcome == POLICY_UNCHANGED) {
        runner->faults_in_row = 0;
        return outcome;
    }
    plan_prepare(plan, plan->tenants, view);
    runner->faults++;
    runner->faults_in_row++;
    if (runner->faults_in_row >= POLICY_FAULTS_MAX) {
        runner->policy = &policy_static;
        runner->faults_in_row = 0;
    }
    return outcome;
}

void policy_runner_rebase(const struct roost_plan *old_plan, const struct roost_view *old_view,
                          const struct roost_view *now, struct roost_plan *plan,
                          struct roost_plan_tenant *tenants)
{
    plan_prepare(plan, tenants, now);
    plan->flags = old_plan->flags;
    for (uint32_t i = 0; i < now->tenant_count; i++) {
        uint32_t old = view_find(old_view, now->tenants[i].id);
        if (old == ROOST_NONE) {
            continue;
        }
        const struct roost_grant *held = &old_view->tenants[old].grant;
        if (view_grant_equal(held, &now->tenants[i].grant)) {
            tenants[i] = old_plan->tenants[old];
        }
        /* Who is meant may stand elsewhere now. */
        uint32_t other = old_plan->tenants[old].reason.other;
        bool known = other < old_view->tenant_count;
        tenants[i].reason.other = known ? view_find(now, old_view->tenants[other].id) : ROOST_NONE;
    }
}
