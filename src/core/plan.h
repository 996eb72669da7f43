/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: preparing one from a view, and checking what a policy made of it. Pure; any thread.
 *
 * The rules follow one thought: a plan may never make things worse than the node and the tenants'
 * configuration allow, but what is in force already is never held against it. So an unchanged
 * plan passes even when a tenant was added, a floor was raised or a core was lost meanwhile.
 */
#ifndef ROOST_CORE_PLAN_H
#define ROOST_CORE_PLAN_H

#include "base/detail.h"
#include "roost/policy.h"

/* Symbol, name in logs and metrics, what it demands. */
#define PLAN_RULE_TABLE(X)                                                                         \
    X(NONE, "none", "no rule is broken")                                                           \
    X(SHAPE, "shape", "the view's tenants in the view's order")                                    \
    X(RANGE, "range", "a value outside its range")                                                 \
    X(KNOB, "knob", "a knob that this node does not have")                                         \
    X(WORKERS, "workers", "from 1 to the tenant's workers_max")                                    \
    X(SLOTS, "slots", "exclusive slots within the node, one left for every shared tenant")         \
    X(WAYS, "ways", "no class below the least, all within the cache")                              \
    X(CLASSES, "classes", "no more partitions than classes of service")                            \
    X(LADDER, "ladder", "a variant of the tenant")                                                 \
    X(FAILED, "failed", "no switch to a variant that cannot be loaded")                            \
    X(FLOOR, "floor", "no variant below the tenant's accuracy floor")                              \
    X(SWITCHING, "switching", "a switch goes on or is called off, and is not turned elsewhere")    \
    X(MEMORY, "memory", "cold variants within the free memory")                                    \
    X(SHED, "shed", "no early refusal for a tenant that must not be shed")                         \
    X(REASON, "reason", "a reason for every grant that changes")

enum plan_rule {
#define PLAN_RULE_ENUM(symbol, name, text) PLAN_RULE_##symbol,
    PLAN_RULE_TABLE(PLAN_RULE_ENUM)
#undef PLAN_RULE_ENUM
        PLAN_RULE_COUNT
};

const char *plan_rule_name(enum plan_rule rule);

struct plan_violation {
    enum plan_rule rule; /* PLAN_RULE_NONE when the plan passes */
    uint32_t tenant;     /* index, or ROOST_NONE where the sum is wrong */
};

/* Bytes of the array of tenants that a plan for so many needs. */
static inline size_t plan_bytes(uint32_t tenants)
{
    return tenants * sizeof(struct roost_plan_tenant);
}

/* Fills the plan with the grants in force. `tenants` has room for the view's. */
void plan_prepare(struct roost_plan *plan, struct roost_plan_tenant *tenants,
                  const struct roost_view *view);

/* True when it keeps every grant as it is; reasons and flags do not count. */
bool plan_is_unchanged(const struct roost_plan *plan, const struct roost_view *view);

/*
 * OK, or INVALID with the first violation and its text: tenants in the view's order, then sums.
 * Either out-parameter may be NULL.
 */
enum roost_err plan_check(const struct roost_plan *plan, const struct roost_view *view,
                          struct plan_violation *violation, struct detail *detail);

/*
 * Contiguous masks for the ways of a plan that passed the check: partitions from the lowest way
 * up in the view's order, the default class on top of them. masks[i] is tenant i's; *rest is the
 * default class's. With ways that nobody holds alone left over, *rest has them all.
 */
void plan_way_masks(const struct roost_plan *plan, const struct roost_node *node, uint64_t *masks,
                    uint64_t *rest);

/* The sentence of a tenant's reason, numbers and names filled in, cut to fit; returns `out`. */
char *plan_reason_format(const struct roost_plan *plan, const struct roost_view *view,
                         uint32_t tenant, char *out, size_t out_bytes);
const char *plan_reason_name(uint32_t code); /* "unknown" for what is no code */

#endif
