/* SPDX-License-Identifier: Apache-2.0 */
/* How policy `roost` divides what there is: weights, slices, early refusal. */
#include <math.h>

#include "policy/roost_state.h"

/* Weights are set anew when one is off by this factor. */
static const double weight_drift = 1.5, weight_pause_s = 1;
/* A run is short beside another that takes so many times longer. */
static const double slice_contrast = 4;
static const double slice_long_ns = 2e6, slice_default_ns = 3e6;
/* What the weight of those with short turns is to that of all others, and the cores that they may
 * need for it. */
static const double short_weight = 4, short_cores = 0.25;

static double value_per_core(const struct roost_turn *turn, uint32_t tenant)
{
    const struct roost_load *load = &turn->loads[tenant];
    uint32_t variant = turn->plan->tenants[tenant].grant.variant;
    double value = roost_value(turn, tenant, variant, load->rate);
    return load->work > 1e-9 ? value / load->work : INFINITY;
}

/*
 * Overload: what a core earns most with comes first, and is served whole; whoever comes last is
 * left a part of what it asks for.
 */
static void divide_scarce(const struct roost_turn *turn, double *shares)
{
    uint32_t count = turn->view->tenant_count;
    double left = turn->cores, floor_share = turn->self->options.floor_share;
    bool served[ROOST_POLICY_TENANTS_MAX] = {false};
    for (uint32_t i = 0; i < count; i++) {
        shares[i] = floor_share * turn->loads[i].work;
        left -= shares[i];
    }
    for (uint32_t n = 0; n < count && left > 0; n++) {
        uint32_t next = ROOST_NONE;
        for (uint32_t i = 0; i < count; i++) {
            if (!served[i] && turn->loads[i].critical &&
                (next == ROOST_NONE || value_per_core(turn, i) > value_per_core(turn, next))) {
                next = i;
            }
        }
        if (next == ROOST_NONE) {
            return;
        }
        double wanted = isfinite(turn->loads[next].need) ? turn->loads[next].need
                                                         : turn->loads[next].work;
        double more = wanted - shares[next] < left ? wanted - shares[next] : left;
        more = more > 0 ? more : 0;
        served[next] = true;
        shares[next] += more;
        left -= more;
    }
}

/* Everybody what it needs; those that were given up what the others do not need, up to all that
 * they could use. */
static void divide_plenty(const struct roost_turn *turn, double *shares)
{
    double left = turn->cores;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_load *load = &turn->loads[i];
        bool has_slo = view_has_slo(&turn->view->tenants[i]);
        shares[i] = load->critical && isfinite(load->need) ? load->need
                    : has_slo || !load->known              ? load->work
                                                           : 0.05 * load->work;
        left -= load->critical && isfinite(load->need) ? load->need : 0;
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_load *load = &turn->loads[i];
        if (view_has_slo(&turn->view->tenants[i]) && !(load->critical && isfinite(load->need))) {
            double most = turn->self->records[i].parallel * turn->plan->tenants[i].grant.workers;
            double more = left < most ? left : most;
            shares[i] = more > shares[i] ? more : shares[i];
        }
    }
}

/*
 * A short turn is no use to who may not take it: after a run the scheduler lets others have what
 * that took, by weight, before the same thread may push them aside again, and an arrival meanwhile
 * waits for the clock's next tick. A weight that is large against the others' makes that time
 * short. It takes nothing from them: what such a tenant does not need they have.
 */
static void favour_short(const struct roost_turn *turn, double *shares)
{
    double others = 0;
    uint32_t count = 0;
    bool favoured[ROOST_POLICY_TENANTS_MAX];
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_load *load = &turn->loads[i];
        favoured[i] = turn->plan->tenants[i].grant.slice_ns > 0 && load->critical &&
                      load->need < short_cores * turn->cores;
        count += favoured[i];
        others += favoured[i] ? 0 : shares[i];
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        double least = others * short_weight / (count > 0 ? count : 1);
        shares[i] = favoured[i] && shares[i] < least ? least : shares[i];
    }
}

/* Cores that each tenant's weight should stand for. */
static void ideal_shares(const struct roost_turn *turn, double *shares)
{
    double least = 0.02 * turn->cores / turn->view->tenant_count;
    if (turn->self->overloaded != 0) {
        divide_scarce(turn, shares);
    } else {
        divide_plenty(turn, shares);
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        shares[i] = shares[i] < least ? least : shares[i];
    }
    favour_short(turn, shares);
}

void roost_share_cores(struct roost_turn *turn)
{
    const struct roost_view *view = turn->view;
    double shares[ROOST_POLICY_TENANTS_MAX], total = 0, held = 0, drift = 1;
    if (!view_has_knob(view, ROOST_KNOB_WEIGHT) || view->tenant_count < 2) {
        return;
    }
    ideal_shares(turn, shares);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        total += shares[i];
        held += view->tenants[i].grant.weight;
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double ratio = shares[i] / total / (view->tenants[i].grant.weight / held);
        ratio = ratio < 1 ? 1 / ratio : ratio;
        drift = ratio > drift ? ratio : drift;
    }
    turn->self->weighed_s += turn->elapsed_s;
    if (drift < weight_drift || turn->self->weighed_s < weight_pause_s) {
        return;
    }
    turn->self->weighed_s = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double weight = round(shares[i] / total * view->tenant_count * ROOST_WEIGHT_DEFAULT);
        weight = !(weight >= ROOST_WEIGHT_MIN) ? ROOST_WEIGHT_MIN
                 : weight > ROOST_WEIGHT_MAX   ? ROOST_WEIGHT_MAX
                                               : weight;
        struct roost_plan_tenant *planned = &turn->plan->tenants[i];
        bool has_reason = planned->reason.code != ROOST_REASON_NONE;
        if (planned->grant.weight != (uint32_t)weight) {
            planned->grant.weight = (uint32_t)weight;
            if (!has_reason) {
                policy_reason(turn->plan, i, ROOST_REASON_FITTED, ROOST_NONE,
                              shares[i] / view->node.cores,
                              turn->loads[i].rate * turn->self->records[i].abs_rows);
            }
        }
    }
}

/* One request's run alone on a core. */
static double run_ns(const struct roost_turn *turn, uint32_t tenant)
{
    struct tail tail;
    uint32_t variant = turn->view->tenants[tenant].grant.variant;
    return roost_tail(turn, tenant, variant, 0, &tail) ? tail.sizes[0].run_s * 1e9 : 0;
}

/* A power of two of the least slice, so that a curve that moves a little moves no slice. */
static uint64_t slice_for(const struct roost_node *node, double ns)
{
    uint64_t slice_ns = node->slice_min_ns > 0 ? node->slice_min_ns : 100000;
    while ((double)slice_ns < ns && slice_ns * 2 <= node->slice_max_ns) {
        slice_ns *= 2;
    }
    return slice_ns;
}

/*
 * A short run beside long ones waits for their turns to end, which may be many times its own time.
 * Asking for short turns lets it in sooner; where nobody runs long, the default is best.
 */
void roost_share_turns(struct roost_turn *turn)
{
    const struct roost_view *view = turn->view;
    double longest = 0;
    if (!view_has_knob(view, ROOST_KNOB_SLICE)) {
        return;
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double ns = run_ns(turn, i);
        longest = ns > longest ? ns : longest;
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_plan_tenant *planned = &turn->plan->tenants[i];
        double ns = run_ns(turn, i);
        uint64_t held = planned->grant.slice_ns, slice_ns = 0;
        /* Leaving a slice takes a clearer case than keeping it. */
        double contrast = held > 0 ? slice_contrast / 2 : slice_contrast;
        if (ns > 0 && view_has_slo(&view->tenants[i]) && ns < slice_default_ns &&
            longest > slice_long_ns && longest > contrast * ns) {
            slice_ns = slice_for(&view->node, ns);
            bool near = held > 0 && slice_ns <= 2 * held && held <= 2 * slice_ns;
            slice_ns = near ? held : slice_ns;
        }
        if (slice_ns != held && (ns > 0 || held > 0) && slice_ns <= view->node.slice_max_ns) {
            planned->grant.slice_ns = slice_ns;
            if (planned->reason.code == ROOST_REASON_NONE) {
                policy_reason(turn->plan, i, ROOST_REASON_SLICED, ROOST_NONE, ns, longest);
            }
        }
    }
}

bool roost_may_refuse(const struct roost_turn *turn, uint32_t tenant)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    return seen->shed_allowed != 0 && view_has_slo(seen) &&
           view_has_knob(turn->view, ROOST_KNOB_SHED);
}

void roost_refuse(struct roost_turn *turn, double asked)
{
    double asked_part = isfinite(asked) ? asked / turn->view->node.cores : 10;
    if (!view_has_knob(turn->view, ROOST_KNOB_SHED)) {
        return; /* what is held cannot be changed either */
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct roost_plan_tenant *planned = &turn->plan->tenants[i];
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        const struct roost_record *record = &turn->self->records[i];
        bool lasts = turn->self->overloaded != 0 || record->given_up != 0;
        bool refuses = roost_may_refuse(turn, i) && (lasts || record->refusing_s > 0);
        uint32_t shed = refuses ? ROOST_SHED_SLO : ROOST_SHED_CONFIGURED;
        if (planned->grant.shed == shed) {
            continue;
        }
        planned->grant.shed = shed;
        if (planned->reason.code != ROOST_REASON_NONE) {
            continue;
        }
        if (refuses && !lasts) {
            policy_reason(turn->plan, i, ROOST_REASON_BACKLOG, ROOST_NONE,
                          (double)tenant->queue.head_age_ns / (double)tenant->slo_ns, 0);
        } else {
            policy_reason(turn->plan, i, refuses ? ROOST_REASON_OVERLOADED : ROOST_REASON_RELIEVED,
                          ROOST_NONE, asked_part, 0);
        }
    }
}
