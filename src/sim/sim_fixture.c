/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_fixture.h"

#include <string.h>

#include "base/test.h"

void fixture_scenario(const char *text, struct scenario *scenario)
{
    struct yaml_errors errors;
    yaml_errors_init(&errors, "test.yaml");
    enum roost_err err = scenario_parse(text, strlen(text), &errors, scenario);
    if (err != ROOST_OK)
        fail_msg("%s", strbuf_text(&errors.text));
    yaml_errors_fini(&errors);
}

void fixture_run(struct fixture *fixture, const char *text, const struct roost_policy *policy,
                 uint64_t seed)
{
    struct detail detail;
    fixture_scenario(text, &fixture->scenario);
    struct sim_options options = {.scenario = &fixture->scenario, .policy = policy, .seed = seed};
    if (sim_run(&options, &fixture->result, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
}

void fixture_end(struct fixture *fixture)
{
    result_fini(&fixture->result);
    scenario_fini(&fixture->scenario);
}

static size_t no_state(uint32_t tenants_max, const struct roost_node *node)
{
    (void)tenants_max, (void)node;
    return 0;
}

static enum roost_err no_init(void *state, const void *options, uint32_t tenants_max,
                              const struct roost_node *node, struct detail *detail)
{
    (void)state, (void)options, (void)tenants_max, (void)node, (void)detail;
    return ROOST_OK;
}

static void decide_nothing(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)view, (void)plan;
}

static void give_reason(struct roost_plan_tenant *tenant)
{
    tenant->reason = (struct roost_reason){.code = ROOST_REASON_MANUAL, .other = ROOST_NONE};
}

static void decide_switch(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    if (view->tick != 5 && view->tick != 40)
        return;
    plan->tenants[0].grant.variant = view->tick == 5 ? view->tenants[0].variant_count - 1 : 0;
    give_reason(&plan->tenants[0]);
}

static void decide_exclusive(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    for (uint32_t i = 0; view->tick == 0 && i < 2; i++) {
        plan->tenants[i].grant.mode = ROOST_EXCLUSIVE;
        plan->tenants[i].grant.slots = i == 0 ? 30 : 10;
        give_reason(&plan->tenants[i]);
    }
}

/* Cores of their own for a while, again and again. */
static void decide_now_and_then(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        bool alone = view->tick % 2 == 1;
        plan->tenants[i].grant.mode = alone ? ROOST_EXCLUSIVE : ROOST_SHARED;
        plan->tenants[i].grant.slots = alone ? 10 : 0;
        give_reason(&plan->tenants[i]);
    }
}

static void decide_weights(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    if (view->tick == 0) {
        plan->tenants[0].grant.weight = 300;
        give_reason(&plan->tenants[0]);
    }
}

static void decide_wrong(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)view;
    plan->tenants[0].grant.workers = 0;
    give_reason(&plan->tenants[0]);
}

#define POLICY(name_, decide_, delay_)                                                             \
    {                                                                                              \
        .contract = ROOST_POLICY_CONTRACT, .name = (name_), .summary = "for tests",                \
        .version = "1", .delay_ticks = (delay_), .state_bytes = no_state, .init = no_init,         \
        .decide = (decide_)                                                                        \
    }

const struct roost_policy fixture_idle = POLICY("idle", decide_nothing, 0);
const struct roost_policy fixture_switcher = POLICY("switcher", decide_switch, 0);
const struct roost_policy fixture_late_switcher = POLICY("late_switcher", decide_switch, 1);
const struct roost_policy fixture_exclusive = POLICY("exclusive", decide_exclusive, 0);
const struct roost_policy fixture_now_and_then = POLICY("now_and_then", decide_now_and_then, 0);
const struct roost_policy fixture_weights = POLICY("weights", decide_weights, 0);
const struct roost_policy fixture_broken = POLICY("broken", decide_wrong, 0);

enum roost_err fixture_find(const char *name, const struct roost_policy **policy,
                            struct detail *detail)
{
    static const struct roost_policy *const all[] = {&fixture_idle,          &fixture_switcher,
                                                     &fixture_late_switcher, &fixture_exclusive,
                                                     &fixture_weights,       &fixture_broken};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            *policy = all[i];
            return ROOST_OK;
        }
    }
    return detail_set(detail, ROOST_NOT_FOUND, "no policy \"%s\"", name);
}
