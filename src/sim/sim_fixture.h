/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: scenarios from texts, and policies that do what a script says. One thread. */
#ifndef ROOST_SIM_SIM_FIXTURE_H
#define ROOST_SIM_SIM_FIXTURE_H

#include "sim/sim.h"

/* Reads a text that must be right; scenario_fini is the caller's. */
void fixture_scenario(const char *text, struct scenario *scenario);

/* Runs a text under a policy; what both leave is freed by fixture_end. */
struct fixture {
    struct scenario scenario;
    struct result result;
};
void fixture_run(struct fixture *fixture, const char *text, const struct roost_policy *policy,
                 uint64_t seed);
void fixture_end(struct fixture *fixture);

/* Changes nothing, ever. */
extern const struct roost_policy fixture_idle;
/* At tick 5, tenant 0 goes to its last variant, and at tick 40 back to its first. */
extern const struct roost_policy fixture_switcher;
/* The same with plans that are applied a tick later. */
extern const struct roost_policy fixture_late_switcher;
/* At the first tick: 30 slots for tenant 0 and 10 for tenant 1, exclusively; weights else. */
extern const struct roost_policy fixture_exclusive;
/* Every second tick 10 slots for everybody, exclusively, and none at the others. */
extern const struct roost_policy fixture_now_and_then;
/* At the first tick: weights 300 and 100 for tenants 0 and 1. */
extern const struct roost_policy fixture_weights;
/* Answers plans that break the rules. */
extern const struct roost_policy fixture_broken;

enum roost_err fixture_find(const char *name, const struct roost_policy **policy,
                            struct detail *detail);

#endif
