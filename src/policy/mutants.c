/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/mutants.h"

#include <string.h>
#include <time.h>

#include "core/view.h"
#include "policy/common.h"

struct mutant_state {
    uint64_t ticks;
    void *self; /* what a state must not have */
};

static size_t mutant_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)tenants_max, (void)node;
    return sizeof(struct mutant_state);
}

static enum roost_err mutant_init(void *state, const void *options, uint32_t tenants_max,
                                  const struct roost_node *node, struct detail *detail)
{
    (void)options, (void)tenants_max, (void)node, (void)detail;
    ((struct mutant_state *)state)->self = state;
    return ROOST_OK;
}

/* A number as a reason: makes the plans of different numbers differ, and is otherwise harmless. */
static void show(struct roost_plan *plan, double value)
{
    if (plan->tenant_count > 0) {
        policy_reason(plan, 0, ROOST_REASON_FITTED, ROOST_NONE, value, 0);
    }
}

static void oversubscribe(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        policy_set_slots(view, plan, i, view->node.cores * ROOST_SLOTS_PER_CORE);
        policy_reason(plan, i, ROOST_REASON_INITIAL, ROOST_NONE, 0, 0);
    }
}

static void hide_state(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)view;
    static double calls;
    show(plan, ++calls);
}

static void read_clock(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)view;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    show(plan, (double)now.tv_nsec);
}

static void keep_pointer(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)view;
    /* Remembers in the state that it was made as, not in the one that it is given. */
    struct mutant_state *made = ((struct mutant_state *)state)->self;
    show(plan, made == state ? 1 : 2);
}

static void count_calls(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)view;
    show(plan, (double)++((struct mutant_state *)state)->ticks);
}

static void write_view(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)plan;
    if (view->tenant_count > 0) {
        struct roost_tenant *tenant;
        memcpy(&tenant, &view->tenants, sizeof tenant);
        tenant->queue.late++;
    }
}

static void break_floor(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        for (uint32_t v = 0; v < tenant->variant_count; v++) {
            bool may = view_may_switch(view, tenant, v);
            bool below = tenant->variants[v].accuracy >= 0 &&
                         tenant->variants[v].accuracy < tenant->accuracy_floor;
            if (below && !may && tenant->variants[v].state == ROOST_VARIANT_WARM &&
                !view_is_switching(tenant) && view_has_knob(view, ROOST_KNOB_VARIANT)) {
                plan->tenants[i].grant.variant = v;
                policy_reason(plan, i, ROOST_REASON_PREDICTED, ROOST_NONE, 0, 0);
            }
        }
    }
}

static void switch_to_failed(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        for (uint32_t v = 0; v < view->tenants[i].variant_count; v++) {
            if (view->tenants[i].variants[v].state == ROOST_VARIANT_FAILED) {
                plan->tenants[i].grant.variant = v;
                policy_reason(plan, i, ROOST_REASON_PREDICTED, ROOST_NONE, 0, 0);
            }
        }
    }
}

static void give_no_reason(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    if (view->tenant_count > 0 && view_has_knob(view, ROOST_KNOB_WEIGHT)) {
        plan->tenants[0].grant.weight = 77;
    }
}

static void starve(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state;
    if (view->tenant_count > 0) {
        plan->tenants[0].grant.workers = 0;
        policy_reason(plan, 0, ROOST_REASON_INITIAL, ROOST_NONE, 0, 0);
    }
}

static void do_nothing(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    (void)state, (void)view, (void)plan;
}

#define MUTANT(function, promise)                                                                  \
    {                                                                                              \
        .policy = {.contract = ROOST_POLICY_CONTRACT,                                              \
                   .name = #function,                                                              \
                   .summary = "breaks a promise",                                                  \
                   .version = "1",                                                                 \
                   .state_bytes = mutant_state_bytes,                                              \
                   .init = mutant_init,                                                            \
                   .decide = function},                                                            \
        .breaks = promise                                                                          \
    }

static const struct mutant mutants[] = {
    /* Two that break nothing: what is caught below is caught for its own sake. */
    MUTANT(do_nothing, CONFORM_ALL),
    MUTANT(count_calls, CONFORM_ALL),
    MUTANT(oversubscribe, CONFORM_CHECK),
    MUTANT(hide_state, CONFORM_DETERMINISTIC),
    MUTANT(read_clock, CONFORM_DETERMINISTIC),
    MUTANT(keep_pointer, CONFORM_DETERMINISTIC),
    MUTANT(write_view, CONFORM_VIEW),
    MUTANT(break_floor, CONFORM_CHECK),
    MUTANT(switch_to_failed, CONFORM_CHECK),
    MUTANT(give_no_reason, CONFORM_CHECK),
    MUTANT(starve, CONFORM_CHECK),
};

const struct mutant *mutant_list(size_t *count)
{
    *count = sizeof mutants / sizeof mutants[0];
    return mutants;
}
