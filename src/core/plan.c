/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/view.h"

static const char *const rule_names[PLAN_RULE_COUNT] = {
#define PLAN_RULE_NAME(symbol, name, text) name,
    PLAN_RULE_TABLE(PLAN_RULE_NAME)
#undef PLAN_RULE_NAME
};

static const char *const rule_texts[PLAN_RULE_COUNT] = {
#define PLAN_RULE_TEXT(symbol, name, text) text,
    PLAN_RULE_TABLE(PLAN_RULE_TEXT)
#undef PLAN_RULE_TEXT
};

static const struct {
    const char *name, *text;
} reasons[ROOST_REASON_COUNT] = {
#define PLAN_REASON(symbol, name, text) {name, text},
    ROOST_REASON_TABLE(PLAN_REASON)
#undef PLAN_REASON
};

const char *plan_rule_name(enum plan_rule rule)
{
    return rule_names[rule];
}

void plan_prepare(struct roost_plan *plan, struct roost_plan_tenant *tenants,
                  const struct roost_view *view)
{
    plan->flags = 0;
    plan->tenant_count = view->tenant_count;
    plan->tenants = tenants;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        tenants[i] = (struct roost_plan_tenant){
            .id = view->tenants[i].id,
            .grant = view->tenants[i].grant,
            .standby = ROOST_NONE,
            .reason = {.code = ROOST_REASON_NONE, .other = ROOST_NONE},
        };
    }
}

bool plan_is_unchanged(const struct roost_plan *plan, const struct roost_view *view)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (!view_grant_equal(&plan->tenants[i].grant, &view->tenants[i].grant)) {
            return false;
        }
    }
    return true;
}

/* Numbers that have no meaning by themselves, before anything is added up. */
static bool grant_in_range(const struct roost_grant *grant, const struct roost_tenant *tenant,
                           const struct roost_node *node)
{
    const struct roost_grant *held = &tenant->grant;
    if (grant->mode > ROOST_EXCLUSIVE || grant->sched_class > ROOST_CLASS_IDLE ||
        grant->shed > ROOST_SHED_SLO) {
        return false;
    }
    if (grant->weight < ROOST_WEIGHT_MIN || grant->weight > ROOST_WEIGHT_MAX) {
        return false;
    }
    if (grant->mode == ROOST_SHARED ? grant->slots != 0 : grant->slots == 0) {
        return false;
    }
    if (grant->bandwidth != held->bandwidth &&
        (grant->bandwidth > ROOST_BANDWIDTH_FULL || grant->bandwidth < node->bandwidth_min ||
         node->bandwidth_step == 0 || grant->bandwidth % node->bandwidth_step != 0)) {
        return false;
    }
    if (grant->slice_ns != held->slice_ns && grant->slice_ns != 0 &&
        (grant->slice_ns < node->slice_min_ns || grant->slice_ns > node->slice_max_ns)) {
        return false;
    }
    return grant->batch_rows == held->batch_rows || grant->batch_rows == 0 ||
           tenant->batch_rows_max == 0 || grant->batch_rows <= tenant->batch_rows_max;
}

static bool grant_has_knobs(const struct roost_grant *grant, const struct roost_grant *held,
                            uint32_t knobs)
{
    uint32_t wanted = 0;
    wanted |= grant->weight != held->weight ? ROOST_KNOB_WEIGHT : 0;
    wanted |= grant->workers != held->workers ? ROOST_KNOB_WORKERS : 0;
    wanted |= grant->sched_class != held->sched_class ? ROOST_KNOB_CLASS : 0;
    wanted |= grant->slice_ns != held->slice_ns ? ROOST_KNOB_SLICE : 0;
    wanted |= grant->ways != held->ways ? ROOST_KNOB_WAYS : 0;
    wanted |= grant->bandwidth != held->bandwidth ? ROOST_KNOB_BANDWIDTH : 0;
    wanted |= grant->batch_rows != held->batch_rows ? ROOST_KNOB_BATCH : 0;
    wanted |= grant->variant != held->variant ? ROOST_KNOB_VARIANT : 0;
    wanted |= grant->shed != held->shed ? ROOST_KNOB_SHED : 0;
    bool moved = grant->mode != held->mode || grant->slots != held->slots;
    if (moved && grant->mode == ROOST_EXCLUSIVE) {
        /* A quota can stand for whole cores too, cores not for a part of one. */
        bool whole = grant->slots % ROOST_SLOTS_PER_CORE == 0;
        uint32_t either = whole ? ROOST_KNOB_CORES | ROOST_KNOB_QUOTA : ROOST_KNOB_QUOTA;
        if ((knobs & either) == 0) {
            return false;
        }
    }
    return (wanted & ~knobs) == 0;
}

static enum plan_rule check_variant(const struct roost_tenant *tenant, uint32_t variant)
{
    if (variant == tenant->grant.variant) {
        return PLAN_RULE_NONE;
    }
    if (variant >= tenant->variant_count) {
        return PLAN_RULE_LADDER;
    }
    if (view_is_switching(tenant)) {
        /* Back to the one that serves needs no further question: it serves. */
        return variant == tenant->serving ? PLAN_RULE_NONE : PLAN_RULE_SWITCHING;
    }
    if (tenant->variants[variant].state == ROOST_VARIANT_FAILED) {
        return PLAN_RULE_FAILED;
    }
    bool below = tenant->accuracy_floor > 0 &&
                 !(tenant->variants[variant].accuracy >= tenant->accuracy_floor);
    return below ? PLAN_RULE_FLOOR : PLAN_RULE_NONE;
}

static bool reason_is_given(const struct roost_reason *reason)
{
    for (int i = 0; i < ROOST_REASON_VALUES; i++) {
        if (!isfinite(reason->values[i])) {
            return false;
        }
    }
    return reason->code != ROOST_REASON_NONE && reason->code < ROOST_REASON_COUNT;
}

static enum plan_rule check_tenant(const struct roost_plan_tenant *planned,
                                   const struct roost_tenant *tenant, const struct roost_node *node)
{
    const struct roost_grant *grant = &planned->grant;
    const struct roost_grant *held = &tenant->grant;
    if (planned->standby != ROOST_NONE && planned->standby >= tenant->variant_count) {
        return PLAN_RULE_LADDER;
    }
    if (view_grant_equal(grant, held)) {
        return PLAN_RULE_NONE;
    }
    if (!grant_in_range(grant, tenant, node)) {
        return PLAN_RULE_RANGE;
    }
    if (!grant_has_knobs(grant, held, node->knobs)) {
        return PLAN_RULE_KNOB;
    }
    if (grant->workers != held->workers &&
        (grant->workers == 0 || grant->workers > tenant->workers_max)) {
        return PLAN_RULE_WORKERS;
    }
    if (grant->ways != held->ways && grant->ways != 0 &&
        (grant->ways < node->ways_min || grant->ways > node->ways)) {
        return PLAN_RULE_WAYS;
    }
    enum plan_rule rule = check_variant(tenant, grant->variant);
    if (rule != PLAN_RULE_NONE) {
        return rule;
    }
    if (grant->shed != held->shed && grant->shed != ROOST_SHED_CONFIGURED &&
        tenant->shed_allowed == 0) {
        return PLAN_RULE_SHED;
    }
    return reason_is_given(&planned->reason) ? PLAN_RULE_NONE : PLAN_RULE_REASON;
}

/* What grants take together. */
struct totals {
    uint64_t slots, shared, ways, classes, start_bytes;
    bool any_default_ways;
};

static void totals_add(struct totals *totals, const struct roost_grant *grant)
{
    totals->slots += grant->mode == ROOST_EXCLUSIVE ? grant->slots : 0;
    totals->shared += grant->mode == ROOST_SHARED;
    totals->ways += grant->ways;
    totals->any_default_ways = totals->any_default_ways || grant->ways == 0;
    totals->classes += grant->ways > 0 || grant->bandwidth < ROOST_BANDWIDTH_FULL;
}

/* Where somebody holds slots alone, those who share are left one each. */
static uint64_t slots_taken(const struct totals *totals)
{
    return totals->slots > 0 ? totals->slots + totals->shared : 0;
}

static uint64_t ways_taken(const struct totals *totals, const struct roost_node *node)
{
    return totals->ways + (totals->ways > 0 && totals->any_default_ways ? node->ways_min : 0);
}

/* What is in force may be too much already (a core was lost); then a plan must not add to it. */
static bool within(uint64_t planned, uint64_t limit, uint64_t held)
{
    return planned <= limit || planned <= held;
}

static enum plan_rule check_sums(const struct roost_plan *plan, const struct roost_view *view)
{
    struct totals planned = {0}, held = {0};
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        const struct roost_grant *grant = &plan->tenants[i].grant;
        totals_add(&planned, grant);
        totals_add(&held, &tenant->grant);
        if (grant->variant != tenant->grant.variant && grant->variant != tenant->serving &&
            tenant->variants[grant->variant].state == ROOST_VARIANT_COLD) {
            uint64_t bytes = tenant->variants[grant->variant].memory_bytes;
            bool fits = bytes <= UINT64_MAX - planned.start_bytes;
            planned.start_bytes = fits ? planned.start_bytes + bytes : UINT64_MAX;
        }
    }
    const struct roost_node *node = &view->node;
    uint64_t slots = (uint64_t)node->cores * ROOST_SLOTS_PER_CORE;
    if (!within(slots_taken(&planned), slots, slots_taken(&held))) {
        return PLAN_RULE_SLOTS;
    }
    if (!within(ways_taken(&planned, node), node->ways, ways_taken(&held, node))) {
        return PLAN_RULE_WAYS;
    }
    if (!within(planned.classes, node->closids, held.classes)) {
        return PLAN_RULE_CLASSES;
    }
    return planned.start_bytes > view->memory_free_bytes ? PLAN_RULE_MEMORY : PLAN_RULE_NONE;
}

static enum plan_rule check_all(const struct roost_plan *plan, const struct roost_view *view,
                                uint32_t *tenant)
{
    *tenant = ROOST_NONE;
    if (plan->tenant_count != view->tenant_count) {
        return PLAN_RULE_SHAPE;
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        bool same = plan->tenants[i].id == view->tenants[i].id;
        enum plan_rule rule = same ? check_tenant(&plan->tenants[i], &view->tenants[i], &view->node)
                                   : PLAN_RULE_SHAPE;
        if (rule != PLAN_RULE_NONE) {
            *tenant = i;
            return rule;
        }
    }
    return check_sums(plan, view);
}

enum roost_err plan_check(const struct roost_plan *plan, const struct roost_view *view,
                          struct plan_violation *violation, struct detail *detail)
{
    struct plan_violation found = {.tenant = ROOST_NONE};
    found.rule = check_all(plan, view, &found.tenant);
    if (violation != NULL) {
        *violation = found;
    }
    if (found.rule == PLAN_RULE_NONE) {
        return ROOST_OK;
    }
    const char *name = found.tenant == ROOST_NONE ? NULL : view->tenants[found.tenant].name;
    return detail_set(detail, ROOST_INVALID, "the plan breaks the rule \"%s\"%s%s: %s",
                      rule_names[found.rule], name == NULL ? "" : " for ", name == NULL ? "" : name,
                      rule_texts[found.rule]);
}

static uint64_t mask_of(uint32_t from, uint32_t count)
{
    uint64_t ones = count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return from >= 64 ? 0 : ones << from;
}

void plan_way_masks(const struct roost_plan *plan, const struct roost_node *node, uint64_t *masks,
                    uint64_t *rest)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        uint32_t ways = plan->tenants[i].grant.ways;
        masks[i] = mask_of(next, ways);
        next += ways;
    }
    /* The default class cannot be empty: with nothing left over it overlaps with the others. */
    uint32_t left = node->ways > next ? node->ways - next : 0;
    uint32_t least = node->ways_min > 0 ? node->ways_min : 1;
    *rest = left >= least ? mask_of(next, left) : mask_of(0, node->ways);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        masks[i] = plan->tenants[i].grant.ways == 0 ? *rest : masks[i];
    }
}

/* A text that grows to the end of a caller's buffer and no further. */
struct sentence {
    char *out;
    size_t bytes, used;
};

__attribute__((format(printf, 2, 3))) static void sentence_add(struct sentence *sentence,
                                                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(sentence->out + sentence->used, sentence->bytes - sentence->used, format,
                          arguments);
    va_end(arguments);
    size_t room = sentence->bytes - sentence->used - 1;
    sentence->used += added > 0 && (size_t)added < room ? (size_t)added : added > 0 ? room : 0;
}

static const char *resource_name(double value)
{
    static const char *const names[ROOST_RESOURCES] = {"a core", "a cache way", "bandwidth"};
    return value >= 0 && value < ROOST_RESOURCES ? names[(size_t)value] : "something";
}

static void sentence_add_value(struct sentence *sentence, char kind, double value,
                               const struct roost_tenant *tenant)
{
    switch (kind) {
    case 'm':
        sentence_add(sentence, "%.3g ms", value * 1e-6);
        return;
    case 'p':
        sentence_add(sentence, "%.1f%%", value * 100);
        return;
    case 'r':
        sentence_add(sentence, "%s", resource_name(value));
        return;
    case 'v':
        if (value >= 0 && value < tenant->variant_count) {
            const char *name = tenant->variants[(size_t)value].name;
            sentence_add(sentence, "%s", name == NULL ? "?" : name);
        } else {
            sentence_add(sentence, "?");
        }
        return;
    default:
        sentence_add(sentence, "%.6g", value);
    }
}

char *plan_reason_format(const struct roost_plan *plan, const struct roost_view *view,
                         uint32_t tenant, char *out, size_t out_bytes)
{
    const struct roost_reason *reason = &plan->tenants[tenant].reason;
    struct sentence sentence = {.out = out, .bytes = out_bytes};
    const char *at = reason->code < ROOST_REASON_COUNT ? reasons[reason->code].text : "unknown";
    out[0] = '\0';
    for (; *at != '\0' && sentence.used + 1 < out_bytes; at++) {
        if (*at != '%') {
            sentence_add(&sentence, "%c", *at);
        } else if (at[1] == 'o') {
            bool known = reason->other < view->tenant_count;
            const char *name = known ? view->tenants[reason->other].name : NULL;
            sentence_add(&sentence, "%s", name == NULL ? "nobody" : name);
            at++;
        } else {
            double value = reason->values[at[1] - '0'];
            sentence_add_value(&sentence, at[2], value, &view->tenants[tenant]);
            at += 2;
        }
    }
    return out;
}

const char *plan_reason_name(uint32_t code)
{
    return code < ROOST_REASON_COUNT ? reasons[code].name : "unknown";
}
