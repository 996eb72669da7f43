/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed shares: every tenant gets what its configuration says, or as much as everybody, and keeps
 * it. Variants are left as they are. Also what takes over from a policy that keeps failing.
 */
#include <stddef.h>

#include "base/options.h"
#include "policy/common.h"
#include "policy/policies.h"

struct static_options {
    int mode;
};

struct static_state {
    struct static_options options;
};

static const char *const modes[] = {"shared", "exclusive", NULL};

static const struct option static_option_table[] = {
    {.name = "mode",
     .type = OPTION_ENUM,
     .offset = offsetof(struct static_options, mode),
     .choices = modes,
     .default_text = "shared",
     .help = "share all cores by weight, or cap every tenant at its share"},
};

static size_t static_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)tenants_max, (void)node;
    return sizeof(struct static_state);
}

static enum roost_err static_init(void *state, const void *options, uint32_t tenants_max,
                                  const struct roost_node *node, struct detail *detail)
{
    (void)tenants_max, (void)node, (void)detail;
    ((struct static_state *)state)->options = *(const struct static_options *)options;
    return ROOST_OK;
}

static uint32_t share_of(const struct roost_tenant *tenant)
{
    return tenant->share_configured == 0 ? 1 : tenant->share_configured;
}

static void set_reason(const struct roost_view *view, struct roost_plan *plan, uint32_t i,
                       uint32_t total)
{
    const struct roost_tenant *tenant = &view->tenants[i];
    if (view_grant_equal(&plan->tenants[i].grant, &tenant->grant)) {
        policy_reason(plan, i, ROOST_REASON_NONE, ROOST_NONE, 0, 0);
        return;
    }
    bool configured = tenant->share_configured > 0;
    policy_reason(plan, i, configured ? ROOST_REASON_CONFIGURED : ROOST_REASON_INITIAL, ROOST_NONE,
                  share_of(tenant), total);
}

/* Weights in proportion to the shares, the mean at the usual weight. */
static void share_by_weight(const struct roost_view *view, struct roost_plan *plan, uint32_t total)
{
    policy_share(view, plan);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double weight = (double)ROOST_WEIGHT_DEFAULT * share_of(&view->tenants[i]) *
                        view->tenant_count / total;
        weight = weight < ROOST_WEIGHT_MIN   ? ROOST_WEIGHT_MIN
                 : weight > ROOST_WEIGHT_MAX ? ROOST_WEIGHT_MAX
                                             : weight;
        if (view_has_knob(view, ROOST_KNOB_WEIGHT)) {
            plan->tenants[i].grant.weight = (uint32_t)weight;
        }
        set_reason(view, plan, i, total);
    }
}

/* One unit each, the rest in proportion to the shares, remainders to the first tenants. */
static void share_by_slots(const struct roost_view *view, struct roost_plan *plan, uint32_t total,
                           uint32_t unit)
{
    uint32_t units = view->node.cores * ROOST_SLOTS_PER_CORE / unit;
    uint32_t spare = units - view->tenant_count, left = spare;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        uint32_t part = (uint32_t)((uint64_t)spare * share_of(&view->tenants[i]) / total);
        left -= part;
        plan->tenants[i].grant.slots = 1 + part;
    }
    policy_open_cache(view, plan);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        uint32_t more = i < left ? 1 : 0;
        policy_set_slots(view, plan, i, (plan->tenants[i].grant.slots + more) * unit);
        set_reason(view, plan, i, total);
    }
}

static void static_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    const struct static_state *self = state;
    uint64_t total = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        total += share_of(&view->tenants[i]);
    }
    if (total == 0 || total > UINT32_MAX) {
        return;
    }
    uint32_t unit = self->options.mode == ROOST_EXCLUSIVE ? policy_unit_slots(view, 1) : 0;
    if (unit > 0) {
        share_by_slots(view, plan, (uint32_t)total, unit);
    } else {
        share_by_weight(view, plan, (uint32_t)total);
    }
}

const struct roost_policy policy_static = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "static",
    .summary = "fixed shares, equal or as configured; nothing is ever moved",
    .version = "1",
    .options = static_option_table,
    .option_count = sizeof static_option_table / sizeof static_option_table[0],
    .options_bytes = sizeof(struct static_options),
    .state_bytes = static_state_bytes,
    .init = static_init,
    .decide = static_decide,
};
