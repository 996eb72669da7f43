/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greedy exchange of cores that FairCIM's paper calls CLITE (ALGORITHMS F.5): at every interval
 * each tenant that misses its SLO gets a unit of CPU from the tenant that holds most. Exclusive
 * mode, equal shares to begin with, no variant is ever switched.
 */
#include <stddef.h>

#include "base/options.h"
#include "policy/common.h"
#include "policy/policies.h"

struct exchange_options {
    uint64_t interval_ns;
    uint64_t settle_ns;
    int64_t step_slots;
    int donors;
};

struct exchange_state {
    struct exchange_options options;
    uint64_t acted_tick;
};

enum { DONORS_ANY, DONORS_SATISFIED };

static const char *const donor_kinds[] = {"any", "satisfied", NULL};

#define AT(member) offsetof(struct exchange_options, member)

static const struct option exchange_option_table[] = {
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "1s",
     .help = "time between two looks at the SLOs"},
    {.name = "settle",
     .type = OPTION_DURATION,
     .offset = AT(settle_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "2s",
     .help = "time that a change gets before its effect is judged"},
    {.name = "step",
     .type = OPTION_INT,
     .offset = AT(step_slots),
     .minimum = 0,
     .maximum = 10000,
     .default_text = "0",
     .unit = "slots",
     .help = "moved at a time; 0: a core where there are four per tenant, else a tenth of one"},
    {.name = "donors",
     .type = OPTION_ENUM,
     .offset = AT(donors),
     .choices = donor_kinds,
     .default_text = "any",
     .help = "who may have to give: any tenant, as in the paper, or those inside their SLO"},
};

static size_t exchange_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)tenants_max, (void)node;
    return sizeof(struct exchange_state);
}

static enum roost_err exchange_init(void *state, const void *options, uint32_t tenants_max,
                                    const struct roost_node *node, struct detail *detail)
{
    (void)tenants_max, (void)node, (void)detail;
    ((struct exchange_state *)state)->options = *(const struct exchange_options *)options;
    return ROOST_OK;
}

/* Who holds most and can give a unit; ROOST_NONE. */
static uint32_t richest(const struct exchange_state *self, const struct roost_view *view,
                        const struct roost_plan *plan, uint32_t taker, uint32_t unit)
{
    uint32_t found = ROOST_NONE;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        uint32_t slots = plan->tenants[i].grant.slots;
        /* Who has just been given a unit does not pass it on. */
        bool barred = plan->tenants[i].reason.code == ROOST_REASON_GAINED ||
                      (self->options.donors == DONORS_SATISFIED &&
                       policy_pressure(&view->tenants[i]) > 1);
        if (i != taker && !barred && slots >= 2 * unit &&
            (found == ROOST_NONE || slots > plan->tenants[found].grant.slots)) {
            found = i;
        }
    }
    return found;
}

static void give_unit(const struct exchange_state *self, const struct roost_view *view,
                      struct roost_plan *plan, uint32_t taker, uint32_t unit)
{
    double pressure = policy_pressure(&view->tenants[taker]);
    uint32_t giver = ROOST_NONE;
    if (policy_free_slots(view, plan) < unit) {
        giver = richest(self, view, plan, taker, unit);
        if (giver == ROOST_NONE) {
            plan->flags |= ROOST_PLAN_OVERLOADED;
            return;
        }
        policy_set_slots(view, plan, giver, plan->tenants[giver].grant.slots - unit);
        policy_reason(plan, giver, ROOST_REASON_GAVE, taker, pressure, ROOST_CORES);
    }
    policy_set_slots(view, plan, taker, plan->tenants[taker].grant.slots + unit);
    policy_reason(plan, taker, ROOST_REASON_GAINED, giver, pressure, ROOST_CORES);
}

static void exchange_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct exchange_state *self = state;
    uint32_t unit = policy_unit_slots(view, (uint32_t)self->options.step_slots);
    if (unit == 0) {
        policy_share(view, plan);
        return;
    }
    policy_open_cache(view, plan);
    if (policy_divide(view, plan, unit, true) ||
        view->tick - self->acted_tick < policy_ticks(view, self->options.interval_ns) ||
        !policy_settled(view, self->options.settle_ns)) {
        return;
    }
    self->acted_tick = view->tick;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (policy_pressure(&view->tenants[i]) > 1) {
            give_unit(self, view, plan, i, unit);
        }
    }
}

const struct roost_policy policy_exchange = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "exchange",
    .summary = "whoever misses its SLO gets a core from whoever holds most",
    .version = "1",
    .options = exchange_option_table,
    .option_count = sizeof exchange_option_table / sizeof exchange_option_table[0],
    .options_bytes = sizeof(struct exchange_options),
    .state_bytes = exchange_state_bytes,
    .init = exchange_init,
    .decide = exchange_decide,
};
