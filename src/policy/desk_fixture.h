/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One policy before hand-made views: the test writes what the tenants measure, asks for a decision,
 * and looks at it. Plans that break a rule fail the test.
 */
#ifndef ROOST_POLICY_DESK_FIXTURE_H
#define ROOST_POLICY_DESK_FIXTURE_H

#include "core/view_fixture.h"
#include "policy/runner.h"

enum { DESK_TENANTS_MAX = 8 };

struct desk {
    struct policy_runner runner;
    struct view_store store;
    struct roost_plan plan;
    struct roost_plan_tenant planned[DESK_TENANTS_MAX];
};

/* A node of so many cores with every knob and no tenant; ticks of a second. */
void desk_init(struct desk *desk, const char *policy, const char *const *options, uint32_t cores);
void desk_fini(struct desk *desk);

/* Asks, checks, puts the grants into force at once, and lets so much time pass that they are
 * settled. True when anything changed. */
bool desk_decide(struct desk *desk);
/* Until nothing changes any more; fails after 1,000 decisions. */
void desk_settle(struct desk *desk);

/* What was answered for a tenant last. */
const struct roost_grant *desk_grant(const struct desk *desk, uint32_t tenant);
const struct roost_reason *desk_reason(const struct desk *desk, uint32_t tenant);

#endif
