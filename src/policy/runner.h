/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a policy as its contract demands, for the live manager and for the simulator alike: holds
 * its state, prepares the plan, checks what comes back, counts faults, and puts `static` in the
 * policy's place after several in a row. It acts on nothing and has no clock: whoever calls
 * measures the time that a decision took and says so. One thread at a time. Memory is taken in
 * policy_runner_init only.
 *
 *   tick: apply the plan that is due -> gather the view -> policy_runner_decide ->
 *         policy_runner_judge -> with delay_ticks 0 apply at once, else keep it until its tick
 */
#ifndef ROOST_POLICY_RUNNER_H
#define ROOST_POLICY_RUNNER_H

#include "base/detail.h"
#include "roost/policy.h"

enum { POLICY_FAULTS_MAX = 3 }; /* in a row, before static takes over */

enum policy_outcome {
    POLICY_CHANGED,   /* a new plan */
    POLICY_UNCHANGED, /* the grants in force */
    POLICY_INVALID,   /* broke a rule; the grants in force are held */
    POLICY_OVERRAN,   /* took too long; the grants in force are held */
};

struct policy_runner {
    const struct roost_policy *policy; /* that decides now */
    const struct roost_policy *chosen; /* that was asked for */
    uint32_t tenants_max;
    void *state;
    size_t state_bytes;
    void *fallback_state;
    uint32_t faults_in_row;
    uint64_t faults, overruns, decisions; /* totals */
};

/*
 * `assignments` are "option=value" texts. INVALID, UNSUPPORTED (too large for the policy, by name)
 * or NO_MEMORY with the reason. fini is safe after a failure.
 */
enum roost_err policy_runner_init(struct policy_runner *runner, const struct roost_policy *policy,
                                  const char *const *assignments, size_t assignment_count,
                                  uint32_t tenants_max, const struct roost_node *node,
                                  struct detail *detail);
void policy_runner_fini(struct policy_runner *runner);

/* Decides: fills `plan` (its tenants have room for the view's). Does not check. */
void policy_runner_decide(struct policy_runner *runner, const struct roost_view *view,
                          struct roost_plan *plan, struct roost_plan_tenant *tenants);

/*
 * Judges the plan that policy_runner_decide made of this view: `spent_ns` is the thread CPU time
 * that it took (0 in virtual time), `budget_ns` the limit (0: none). After a fault the plan holds
 * the grants in force again and `detail` says what was wrong; after POLICY_FAULTS_MAX in a row
 * `static` decides from the next call on.
 */
enum policy_outcome policy_runner_judge(struct policy_runner *runner, const struct roost_view *view,
                                        struct roost_plan *plan, uint64_t spent_ns,
                                        uint64_t budget_ns, struct detail *detail);

/*
 * For a policy with delay_ticks: brings the plan, made of the view of an earlier tick, up to the
 * view of the tick at which it is applied: tenants that have gone are left out, those that have
 * come keep what they hold, and whoever's grant changed meanwhile (by hand) keeps that. `plan`
 * becomes one for `now`; `tenants` has room for its tenants. Check it again before use.
 */
void policy_runner_rebase(const struct roost_plan *old_plan, const struct roost_view *old_view,
                          const struct roost_view *now, struct roost_plan *plan,
                          struct roost_plan_tenant *tenants);

#endif
