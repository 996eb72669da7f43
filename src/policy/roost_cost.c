/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs cost: policy `roost`. Beside busy neighbours, which share caches, memory and often the
 * core itself, a run takes more CPU time than alone, up to half as much again. So what was measured
 * in a rush is too much for the lull after it, and what was measured in a lull too little for going
 * up. Both are kept apart; of what was seen in one of them only, the other is told by the rest.
 */
#include <math.h>

#include "policy/roost_state.h"

/* Without any figure, a rung is taken to cost this part of the one above it. */
static const double rung_ratio = 0.8;
static const uint64_t settled_samples = 20;
/* Parts of a node that are used in a rush and in a lull. */
static const double rush_least = 0.8, lull_most = 0.6;
/* That costs are a mean over; those by which loads are compared. */
static const double span_s = 4, row_span_s = 600;

/* What a variant's runs are measured to take is of when it served before, for so long. */
static const uint64_t renewed_ns = 2000000000;

static bool measured(const struct roost_variant *variant)
{
    return variant->point_count > 0 || variant->cpu_ns_per_row > 0;
}

/* The first runs after a start cost up to twice what they will: they must not be believed. */
static bool settled(const struct roost_variant *variant)
{
    uint64_t samples = 0;
    for (uint32_t i = 0; i < variant->point_count; i++) {
        samples += variant->points[i].samples;
    }
    return samples >= settled_samples;
}

/* Cost of a variant relative to another one that is measured. */
static double cost_ratio(const struct roost_tenant *tenant, uint32_t variant, uint32_t known)
{
    const struct roost_variant *to = &tenant->variants[variant], *from = &tenant->variants[known];
    if (to->flops_counted > 0 && from->flops_counted > 0) {
        return to->flops_counted / from->flops_counted;
    }
    if (to->mflops_declared > 0 && from->mflops_declared > 0) {
        return to->mflops_declared / from->mflops_declared;
    }
    return pow(rung_ratio, (double)variant - (double)known);
}

/* The variant nearest on the ladder of which this holds; the variant itself where it does. */
static uint32_t nearest(const struct roost_tenant *tenant, uint32_t variant,
                        bool (*holds)(const struct roost_variant *variant))
{
    for (uint32_t away = 0; away < tenant->variant_count; away++) {
        if (variant >= away && holds(&tenant->variants[variant - away])) {
            return variant - away;
        }
        if (variant + away < tenant->variant_count && holds(&tenant->variants[variant + away])) {
            return variant + away;
        }
    }
    return ROOST_NONE;
}

/* The variant by whose measurements this one's are told. */
static uint32_t nearest_known(const struct roost_tenant *tenant, uint32_t variant)
{
    uint32_t known = nearest(tenant, variant, settled);
    return known != ROOST_NONE ? known : nearest(tenant, variant, measured);
}

static double rows_of(const struct roost_turn *turn, uint32_t tenant)
{
    double rows = turn->self->records[tenant].abs_rows;
    return rows < 1 ? 1 : rows;
}

/* How many times as much a row costs in a rush as in a lull, by all that was seen in both. */
static double dearness(const struct roost_turn *turn)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_record *record = &turn->self->records[i];
        for (uint32_t v = 0; v < turn->view->tenants[i].variant_count; v++) {
            bool both = record->lull_ns[v] > 0 && record->rush_ns[v] > record->lull_ns[v];
            sum += both ? record->rush_ns[v] / record->lull_ns[v] : 0;
            count += both;
        }
    }
    return count > 0 ? sum / count : 1;
}

/* Cost of a row of a variant that has been measured, in a lull or in a rush. */
static double row_ns(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, bool rush)
{
    const struct roost_record *record = &turn->self->records[tenant];
    double lull_ns = record->lull_ns[variant], rush_ns = record->rush_ns[variant];
    double other_ns = rush ? lull_ns * turn->dear : rush_ns / turn->dear;
    double own_ns = rush ? rush_ns : lull_ns;
    return own_ns > 0 ? own_ns : other_ns;
}

uint32_t roost_cost_by(const struct roost_turn *turn, uint32_t tenant, uint32_t variant,
                       double *scale)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    uint32_t known = variant < seen->variant_count ? nearest_known(seen, variant) : ROOST_NONE;
    if (known == ROOST_NONE) {
        return ROOST_NONE;
    }
    *scale = known == variant ? 1 : cost_ratio(seen, variant, known);
    /* What serves is measured as it is now. */
    bool now = known == seen->serving && seen->since_switch_ns >= renewed_ns;
    double ns = row_ns(turn, tenant, known, turn->rush), rows = rows_of(turn, tenant);
    if (ns > 0 && (!now || turn->rush != turn->busy)) {
        *scale *= ns * rows / view_cpu_ns(&seen->variants[known], rows);
    }
    return known;
}

double roost_request_ns(const struct roost_turn *turn, uint32_t tenant, uint32_t variant)
{
    double scale, rows = rows_of(turn, tenant);
    uint32_t known = roost_cost_by(turn, tenant, variant, &scale);
    return known == ROOST_NONE
               ? 0
               : view_cpu_ns(&turn->view->tenants[tenant].variants[known], rows) * scale;
}

/* Reckoned with the costs of a lull, so that demand does not change with what it causes; and begun
 * anew as long as all that is known is first runs. */
static void learn_row(struct roost_turn *turn, uint32_t tenant)
{
    struct roost_record *record = &turn->self->records[tenant];
    bool rush = turn->rush;
    turn->rush = false;
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    uint32_t top = view_top_variant(seen);
    double ns = roost_request_ns(turn, tenant, top) / rows_of(turn, tenant);
    turn->rush = rush;
    uint32_t known = nearest(seen, top, settled);
    bool begun = record->row_ns > 0 && known != ROOST_NONE;
    double part = begun ? 1 - exp(-turn->elapsed_s / row_span_s) : 1;
    record->row_ns += ns > 0 ? part * (ns - record->row_ns) : 0;
}

void roost_learn_costs(struct roost_turn *turn)
{
    double used = policy_utilisation(turn->view);
    double part = 1 - exp(-turn->elapsed_s / span_s);
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_tenant *seen = &turn->view->tenants[i];
        const struct roost_variant *serving = &seen->variants[seen->serving];
        struct roost_record *record = &turn->self->records[i];
        double rows = rows_of(turn, i), ns = view_cpu_ns(serving, rows) / rows;
        double *learnt_ns = used > rush_least  ? &record->rush_ns[seen->serving]
                            : used < lull_most ? &record->lull_ns[seen->serving]
                                               : NULL;
        bool now = !view_is_switching(seen) && seen->since_switch_ns >= renewed_ns;
        if (learnt_ns != NULL && settled(serving) && now) {
            *learnt_ns += (*learnt_ns > 0 ? part : 1) * (ns - *learnt_ns);
        }
    }
    turn->dear = dearness(turn);
    turn->busy = turn->rush = used > rush_least;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        learn_row(turn, i);
    }
}
