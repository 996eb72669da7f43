/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PARTIES (ALGORITHMS D): one unit of one resource at a time. Whoever is about to miss its SLO
 * takes a unit of what its wheel points at from whoever has most slack, and tries another resource
 * when that did not help. When all have room, the richest gives a unit back to see whether it is
 * needed; if it was, it gets it back at once and is left alone for a while. Exclusive mode, cores
 * and ways.
 *
 * No memory or disk wheel: hosts hold their model whole, and read no disk while they serve.
 */
#include <stddef.h>

#include "base/options.h"
#include "base/rng.h"
#include "policy/common.h"
#include "policy/policies.h"

enum { RESOURCES = 2 }; /* ROOST_CORES, ROOST_WAYS */

struct parties_options {
    uint64_t interval_ns, settle_ns, block_ns, migrate_ns;
    double slack_low, slack_high, improvement;
};

struct record {
    uint32_t id;
    uint32_t turned;             /* 1: the wheel has been set to its first place */
    uint32_t wheel;              /* enum roost_resource */
    uint32_t raised;             /* 1: its last action was to be given a unit of `wheel` */
    double raised_pressure;      /* before that */
    uint64_t blocked[RESOURCES]; /* ticks until when it keeps what it has of a resource */
};

struct parties_state {
    struct parties_options options;
    uint32_t tenants_max;
    uint32_t trial_id, trial_taker_id, trial_resource; /* a unit given back; 0: none */
    uint64_t acted_tick, violated_from; /* the tick after the first miss in a row; 0: none */
    struct record records[];
};

/* One decision's view of the node. */
struct turn {
    struct parties_state *self;
    const struct roost_view *view;
    struct roost_plan *plan;
    uint32_t unit[RESOURCES], least[RESOURCES]; /* unit 0: cannot be divided here */
};

#define AT(member) offsetof(struct parties_options, member)

static const struct option parties_option_table[] = {
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "500ms",
     .help = "time between two actions"},
    {.name = "settle",
     .type = OPTION_DURATION,
     .offset = AT(settle_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "500ms",
     .help = "time that a change gets before its effect is judged"},
    {.name = "block",
     .type = OPTION_DURATION,
     .offset = AT(block_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "30s",
     .help = "a resource that turned out to be needed is not tried again for so long"},
    {.name = "migrate",
     .type = OPTION_DURATION,
     .offset = AT(migrate_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "60s",
     .help = "a miss that lasts so long asks for a tenant to be moved away"},
    {.name = "slack-low",
     .type = OPTION_DOUBLE,
     .offset = AT(slack_low),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.05",
     .help = "less slack than this asks for more"},
    {.name = "slack-high",
     .type = OPTION_DOUBLE,
     .offset = AT(slack_high),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.2",
     .help = "more slack than this can give"},
    {.name = "improvement",
     .type = OPTION_DOUBLE,
     .offset = AT(improvement),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.01",
     .help = "a unit that shortens the tail by less makes the wheel turn"},
};

static size_t parties_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)node;
    return sizeof(struct parties_state) + tenants_max * sizeof(struct record);
}

static enum roost_err parties_init(void *state, const void *options, uint32_t tenants_max,
                                   const struct roost_node *node, struct detail *detail)
{
    (void)node;
    struct parties_state *self = state;
    self->options = *(const struct parties_options *)options;
    self->tenants_max = tenants_max;
    if (self->options.slack_low >= self->options.slack_high) {
        return detail_set(detail, ROOST_INVALID, "slack-low must be below slack-high");
    }
    return ROOST_OK;
}

static uint32_t *held(const struct turn *turn, uint32_t tenant, uint32_t resource)
{
    struct roost_grant *grant = &turn->plan->tenants[tenant].grant;
    return resource == ROOST_WAYS ? &grant->ways : &grant->slots;
}

static void set_held(const struct turn *turn, uint32_t tenant, uint32_t resource, uint32_t amount)
{
    if (resource == ROOST_WAYS) {
        turn->plan->tenants[tenant].grant.ways = amount;
    } else {
        policy_set_slots(turn->view, turn->plan, tenant, amount);
    }
}

static bool can_give(const struct turn *turn, uint32_t tenant, uint32_t resource)
{
    uint32_t unit = turn->unit[resource];
    return unit > 0 && *held(turn, tenant, resource) >= turn->least[resource] + unit;
}

static uint32_t free_units(const struct turn *turn, uint32_t resource)
{
    if (resource == ROOST_CORES) {
        return policy_free_slots(turn->view, turn->plan) / turn->unit[resource];
    }
    uint32_t ways = turn->view->node.ways;
    for (uint32_t i = 0; i < turn->plan->tenant_count; i++) {
        uint32_t taken = turn->plan->tenants[i].grant.ways;
        ways -= taken < ways ? taken : ways;
    }
    return ways;
}

static double slack_of(const struct turn *turn, uint32_t tenant)
{
    return 1 - policy_pressure(&turn->view->tenants[tenant]);
}

/* A best-effort tenant that can give, else whoever has most slack. ROOST_NONE: nobody. */
static uint32_t victim_for(const struct turn *turn, uint32_t taker, uint32_t resource)
{
    uint32_t found = ROOST_NONE;
    double most = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        if (i == taker || !can_give(turn, i, resource)) {
            continue;
        }
        if (!view_has_slo(&turn->view->tenants[i])) {
            return i;
        }
        double slack = slack_of(turn, i);
        if (found == ROOST_NONE || slack > most) {
            found = i;
            most = slack;
        }
    }
    return found;
}

static void turn_wheel(struct record *record)
{
    record->wheel = (record->wheel + 1) % RESOURCES;
    record->raised = 0;
}

static void move_to(const struct turn *turn, uint32_t taker, uint32_t giver, uint32_t resource)
{
    uint32_t unit = turn->unit[resource];
    double pressure = policy_pressure(&turn->view->tenants[taker]);
    if (giver != ROOST_NONE) {
        set_held(turn, giver, resource, *held(turn, giver, resource) - unit);
        policy_reason(turn->plan, giver, ROOST_REASON_GAVE, taker, pressure, resource);
    }
    set_held(turn, taker, resource, *held(turn, taker, resource) + unit);
    policy_reason(turn->plan, taker, ROOST_REASON_GAINED, giver, pressure, resource);
}

static bool upsize(const struct turn *turn, uint32_t tenant)
{
    struct record *record = &turn->self->records[tenant];
    double pressure = policy_pressure(&turn->view->tenants[tenant]);
    if (record->raised != 0 &&
        pressure > record->raised_pressure * (1 - turn->self->options.improvement)) {
        turn_wheel(record);
    }
    for (uint32_t tried = 0; tried < RESOURCES; tried++) {
        uint32_t resource = record->wheel;
        uint32_t giver = ROOST_NONE;
        bool found = turn->unit[resource] > 0 && free_units(turn, resource) > 0;
        if (!found) {
            giver = victim_for(turn, tenant, resource);
            found = giver != ROOST_NONE;
        }
        if (found) {
            record->raised = 1;
            record->raised_pressure = pressure;
            move_to(turn, tenant, giver, resource);
            return true;
        }
        turn_wheel(record);
    }
    return false;
}

/* The first tenant without an SLO takes what is given back; else it stays free. */
static uint32_t best_effort(const struct roost_view *view)
{
    uint32_t i = 0;
    while (i < view->tenant_count && view_has_slo(&view->tenants[i])) {
        i++;
    }
    return i < view->tenant_count ? i : ROOST_NONE;
}

static void downsize(const struct turn *turn, uint32_t tenant)
{
    struct parties_state *self = turn->self;
    struct record *record = &self->records[tenant];
    record->raised = 0;
    for (uint32_t tried = 0; tried < RESOURCES; tried++) {
        uint32_t resource = record->wheel;
        if (can_give(turn, tenant, resource) && turn->view->tick >= record->blocked[resource]) {
            uint32_t taker = best_effort(turn->view), unit = turn->unit[resource];
            set_held(turn, tenant, resource, *held(turn, tenant, resource) - unit);
            policy_reason(turn->plan, tenant, ROOST_REASON_TRIED, taker, slack_of(turn, tenant),
                          resource);
            if (taker != ROOST_NONE) {
                set_held(turn, taker, resource, *held(turn, taker, resource) + unit);
                policy_reason(turn->plan, taker, ROOST_REASON_GAINED, tenant, 0, resource);
            }
            self->trial_id = record->id;
            self->trial_taker_id = taker == ROOST_NONE ? 0 : turn->view->tenants[taker].id;
            self->trial_resource = resource;
            return;
        }
        turn_wheel(record);
    }
}

/* Gives the unit of the last trial back when it is missed. True when it was. */
static bool judge_trial(const struct turn *turn)
{
    struct parties_state *self = turn->self;
    uint32_t tenant = self->trial_id == 0 ? ROOST_NONE : view_find(turn->view, self->trial_id);
    uint32_t resource = self->trial_resource;
    self->trial_id = 0;
    if (tenant == ROOST_NONE || slack_of(turn, tenant) >= self->options.slack_low ||
        turn->unit[resource] == 0) {
        return false;
    }
    uint32_t taker = self->trial_taker_id == 0 ? ROOST_NONE
                                               : view_find(turn->view, self->trial_taker_id);
    bool taken = taker != ROOST_NONE && can_give(turn, taker, resource);
    if (!taken && free_units(turn, resource) == 0) {
        return false;
    }
    move_to(turn, tenant, taken ? taker : ROOST_NONE, resource);
    policy_reason(turn->plan, tenant, ROOST_REASON_RETURNED, ROOST_NONE,
                  policy_pressure(&turn->view->tenants[tenant]), resource);
    struct record *record = &self->records[tenant];
    record->blocked[resource] = turn->view->tick + policy_ticks(turn->view, self->options.block_ns);
    turn_wheel(record);
    return true;
}

/* Whoever would be cheapest to move: the least load times size. */
static void ask_for_migration(const struct turn *turn, uint64_t missed_ns)
{
    uint32_t cheapest = ROOST_NONE;
    double least = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        double cost = (double)tenant->window.rows * (double)(tenant->resident_bytes + 1);
        if (cheapest == ROOST_NONE || cost < least) {
            cheapest = i;
            least = cost;
        }
    }
    turn->plan->flags |= ROOST_PLAN_OVERLOADED;
    if (turn->plan->tenants[cheapest].reason.code == ROOST_REASON_NONE) {
        policy_reason(turn->plan, cheapest, ROOST_REASON_MIGRATE, ROOST_NONE, (double)missed_ns, 0);
    }
}

static void first_turns(const struct turn *turn)
{
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct record *record = &turn->self->records[i];
        if (record->turned == 0) {
            struct rng rng;
            rng_seed(&rng, turn->view->seed ^ ((uint64_t)record->id << 32));
            record->wheel = (uint32_t)rng_below(&rng, RESOURCES);
            record->turned = 1;
        }
    }
}

static void act(const struct turn *turn)
{
    struct parties_state *self = turn->self;
    uint32_t tightest = ROOST_NONE, richest = ROOST_NONE;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        if (!view_has_slo(&turn->view->tenants[i])) {
            continue;
        }
        if (tightest == ROOST_NONE || slack_of(turn, i) < slack_of(turn, tightest)) {
            tightest = i;
        }
        if (richest == ROOST_NONE || slack_of(turn, i) > slack_of(turn, richest)) {
            richest = i;
        }
    }
    if (tightest == ROOST_NONE) {
        return;
    }
    uint64_t next = turn->view->tick + 1;
    self->violated_from = slack_of(turn, tightest) >= 0 ? 0
                          : self->violated_from == 0    ? next
                                                        : self->violated_from;
    if (judge_trial(turn)) {
        return;
    }
    if (slack_of(turn, tightest) < self->options.slack_low) {
        if (!upsize(turn, tightest)) {
            turn->plan->flags |= ROOST_PLAN_OVERLOADED;
        }
    } else if (slack_of(turn, richest) > self->options.slack_high) {
        downsize(turn, richest);
    }
    uint64_t missed = self->violated_from == 0 ? 0 : next - self->violated_from;
    if (missed > policy_ticks(turn->view, self->options.migrate_ns)) {
        ask_for_migration(turn, missed * turn->view->tick_ns);
    }
}

static void parties_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct parties_state *self = state;
    struct turn turn = {.self = self, .view = view, .plan = plan};
    if (!policy_sync(self->records, sizeof self->records[0], self->tenants_max, view)) {
        return;
    }
    uint32_t unit = policy_unit_slots(view, 0);
    if (unit == 0) {
        policy_share(view, plan);
        return;
    }
    turn.unit[ROOST_CORES] = turn.least[ROOST_CORES] = unit;
    bool changed = false;
    if (policy_ways_divisible(view)) {
        turn.unit[ROOST_WAYS] = 1;
        turn.least[ROOST_WAYS] = view->node.ways_min > 0 ? view->node.ways_min : 1;
        changed = policy_divide_ways(view, plan, false);
    } else {
        policy_open_cache(view, plan);
    }
    first_turns(&turn);
    changed = policy_divide(view, plan, unit, false) || changed;
    if (changed || view->tick - self->acted_tick < policy_ticks(view, self->options.interval_ns) ||
        !policy_settled(view, self->options.settle_ns)) {
        return;
    }
    self->acted_tick = view->tick;
    act(&turn);
}

const struct roost_policy policy_parties = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "parties",
    .summary = "one unit of one resource at a time, from whoever has most slack",
    .version = "1",
    .options = parties_option_table,
    .option_count = sizeof parties_option_table / sizeof parties_option_table[0],
    .options_bytes = sizeof(struct parties_options),
    .state_bytes = parties_state_bytes,
    .init = parties_init,
    .decide = parties_decide,
};
