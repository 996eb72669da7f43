/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a scenario in virtual time under one policy: the live server's queue, batcher, windows and
 * views, with hosts, cores and arrivals made up by formula. Deterministic: the same scenario,
 * policy, options and seed give the same bytes, and every policy sees the same arrivals.
 *
 * Cores are divided at every instant as sim/share.h says, so that a run goes on at the speed that
 * its neighbours leave it; nothing is known here of caches that cool or of a scheduler's turns.
 * Pure but for the time that a decision takes, which is none. One thread per run.
 */
#ifndef ROOST_SIM_SIM_H
#define ROOST_SIM_SIM_H

#include "base/detail.h"
#include "policy/runner.h"
#include "roost/policy.h"
#include "sim/result.h"
#include "sim/scenario.h"

struct sim_options {
    const struct scenario *scenario;
    const struct roost_policy *policy;
    const char *const *assignments; /* "option=value" */
    size_t assignment_count;
    uint64_t seed;
    /* (optional) Told of every decision: the plan as the policy made it, and what became of it. */
    void (*decided)(void *context, const struct roost_view *view, const struct roost_plan *plan,
                    enum policy_outcome outcome);
    void *context;
};

/* On OK *result is the caller's (result_fini); otherwise it is empty. INVALID or UNSUPPORTED when
 * the policy does not take the scenario or an option. */
enum roost_err sim_run(const struct sim_options *options, struct result *result,
                       struct detail *detail);

#endif
