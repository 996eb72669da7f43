/* SPDX-License-Identifier: Apache-2.0 */
/* Which variant each tenant should have: policy `roost`. */
#include <math.h>

#include "policy/roost_state.h"

static const double rate_least = 0.1;
/* Backlog is to be worked off within so long. */
static const double recover_s = 2;
/* What a tenant is worth of which nothing is promised: some of its requests are in time anyhow. */
static const double given_up_worth = 0.5;

double roost_believed(const struct roost_turn *turn, const struct roost_record *record)
{
    bool fell = record->calibration > 1 && turn->demand < record->calibration_demand;
    return fell ? pow(record->calibration, turn->demand / record->calibration_demand)
                : record->calibration;
}

double roost_calibration(const struct roost_turn *turn, uint32_t tenant, uint32_t variant)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    double calibration = roost_believed(turn, &turn->self->records[tenant]);
    bool up = seen->variants[variant].accuracy > seen->variants[seen->serving].accuracy;
    return up ? sqrt(calibration) : calibration;
}

bool roost_tail(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, double rate,
                struct tail *tail)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    const struct roost_record *record = &turn->self->records[tenant];
    double scale;
    uint32_t known = roost_cost_by(turn, tenant, variant, &scale);
    if (known == ROOST_NONE) {
        return false;
    }
    double rows_max = seen->grant.batch_rows > 0 ? seen->grant.batch_rows : seen->batch_rows_max;
    struct tail_load load = {
        .rows_per_s = rate * record->abs_rows,
        .abs_rows = record->abs_rows,
        .batch_rows_max = rows_max,
        .workers = turn->plan->tenants[tenant].grant.workers,
        .parallel = record->parallel,
        .percentile = seen->slo_percentile,
        .slo_ns = (double)seen->slo_ns,
        .scale = scale,
        .calibration = roost_calibration(turn, tenant, variant),
    };
    tail_init(tail, &seen->variants[known], &load);
    return tail->size_count > 0;
}

double roost_value(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, double rate)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    double accuracy = seen->variants[variant].accuracy;
    double top = seen->variants[view_top_variant(seen)].accuracy;
    if (!(top > 0)) {
        /* Not declared: the ladder is given best first. */
        top = 1;
        accuracy = 1 - 0.02 * variant;
    }
    accuracy = accuracy > 0 ? accuracy : 0;
    double weight = ldexp(1, seen->priority > 8 ? 8 : seen->priority < -8 ? -8 : seen->priority);
    if (turn->self->options.objective == OBJECTIVE_ACCURACY) {
        return weight * accuracy;
    }
    return weight * (rate > rate_least ? rate : rate_least) * accuracy / top;
}

/* Requests per second, and those that wait, where they wait too long already. */
static double rate_with(const struct roost_turn *turn, uint32_t tenant,
                        const struct roost_margin *margin)
{
    const struct roost_queue *queue = &turn->view->tenants[tenant].queue;
    double rate = roost_rate(turn, tenant, margin->sigmas);
    bool waits = queue->head_age_ns > turn->view->tenants[tenant].slo_ns / 2;
    double more = (double)queue->requests / recover_s;
    /* What cannot be caught up with is lost anyhow. */
    more = more < rate ? more : rate;
    bool outage = turn->self->records[tenant].recovering != 0 ||
                  (turn->self->outage_s > 0 && view_is_switching(&turn->view->tenants[tenant]));
    return margin->backlog && waits && !outage ? rate + more : rate;
}

double roost_assess(struct roost_turn *turn, const struct roost_margin *margin)
{
    double work = 0, reserve = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        struct roost_load *load = &turn->loads[i];
        struct tail tail;
        *load = (struct roost_load){.rate = rate_with(turn, i, margin), .need = INFINITY};
        load->known = roost_tail(turn, i, tenant->grant.variant, load->rate, &tail);
        if (!load->known) {
            load->work = load->need = turn->self->records[i].used_cores;
            work += load->work;
            continue;
        }
        load->work = tail_work_cores(&tail);
        load->critical = view_has_slo(tenant) && turn->self->records[i].given_up == 0;
        work += view_has_slo(tenant) ? load->work : 0;
        if (!load->critical) {
            load->need = load->work;
            continue;
        }
        load->need = tail_need_cores(&tail, margin->target * (double)tenant->slo_ns, turn->cores);
        double own = load->need - load->work;
        reserve = own > reserve ? own : reserve;
    }
    turn->work = work;
    return work + reserve;
}

/* Measured of the variant that serves, not only not measured otherwise. A way down only relieves:
 * where the next one would cost an outage, what was measured before it is believed. */
static bool keeps_slo(const struct roost_turn *turn, uint32_t index)
{
    const struct roost_tenant *tenant = &turn->view->tenants[index];
    const struct roost_window *window = &tenant->window;
    bool relieved = turn->self->outage_s > 0 && turn->self->records[index].on_trial == 0;
    bool own = !view_is_switching(tenant) && tenant->since_switch_ns >= window->length_ns;
    return (relieved || own) &&
           window->latency_samples >= policy_samples_least(tenant->slo_percentile) &&
           policy_pressure(tenant) <= 1 && window->attainment * 100 >= tenant->slo_percentile;
}

/* One variant as a choice; false when it is not to be had, or not to be reckoned with. */
static bool choice_of(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, double rate,
                      const struct roost_margin *margin, struct choice *choice)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    uint32_t held = seen->grant.variant;
    struct tail tail;
    double value = roost_value(turn, tenant, variant, rate);
    double held_value = roost_value(turn, tenant, held, rate);
    bool given_up = turn->self->records[tenant].given_up != 0;
    if (!view_may_switch(turn->view, seen, variant) ||
        !roost_tail(turn, tenant, variant, rate, &tail) ||
        (value < held_value * (given_up ? given_up_worth : 1) && margin->no_downgrades) ||
        (variant != held && value > held_value &&
         (margin->no_upgrades || roost_trial_blocks(turn, tenant, variant, rate)))) {
        return false;
    }
    double work = tail_work_cores(&tail), need = work;
    if (view_has_slo(seen)) {
        /* What is in force need not have any margin: it is measured. */
        double target = variant == held ? 1 : margin->target;
        need = tail_need_cores(&tail, target * (double)seen->slo_ns, margin->cores);
    }
    *choice = (struct choice){
        .value = value, .work = work, .reserve = need - work, .variant = variant, .whole = true};
    return true;
}

/*
 * A tenant's choices, and the one of giving up its SLO: with the least work, at half of its worth.
 * Without an SLO it has its best variant only and takes what is left.
 */
static void list_choices(const struct roost_turn *turn, uint32_t tenant,
                         const struct roost_margin *margin, struct choice_list *list)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    double rate = rate_with(turn, tenant, margin);
    struct choice least = {.variant = seen->grant.variant, .work = INFINITY}, next, best = least;
    for (uint32_t v = 0; v < seen->variant_count; v++) {
        if (!choice_of(turn, tenant, v, rate, margin, &next)) {
            continue;
        }
        least = next.work < least.work ? next : least;
        best = next.value > best.value ? next : best;
        if (isfinite(next.reserve) || (v == seen->grant.variant && keeps_slo(turn, tenant))) {
            list->choices[list->count++] = next;
        }
    }
    if (!isfinite(least.work)) {
        least.work = turn->loads[tenant].work;
        least.value = 1e-9;
    }
    if (!view_has_slo(seen)) {
        best.work = best.reserve = 0;
        list->choices[0] = best;
        list->count = 1;
        return;
    }
    least.value *= given_up_worth;
    least.reserve = 0;
    least.whole = false;
    list->choices[list->count++] = least;
}

/*
 * What is in force and keeps its SLO needs no more reserve than there is, whatever the model says:
 * so keeping all as it is always fits where it works.
 */
static void believe_measurements(const struct roost_turn *turn, const struct roost_margin *margin,
                                 struct choice_list *lists)
{
    double room = margin->cores;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        for (uint32_t j = 0; j < lists[i].count; j++) {
            bool held = lists[i].choices[j].variant == turn->view->tenants[i].grant.variant;
            room -= held && lists[i].choices[j].whole ? lists[i].choices[j].work : 0;
        }
    }
    for (uint32_t i = 0; i < turn->view->tenant_count && room > 0; i++) {
        const struct roost_tenant *seen = &turn->view->tenants[i];
        for (uint32_t j = 0; j < lists[i].count && keeps_slo(turn, i); j++) {
            struct choice *choice = &lists[i].choices[j];
            if (choice->variant == seen->grant.variant && choice->whole && choice->reserve > room) {
                choice->reserve = room;
            }
        }
    }
}

bool roost_pick(struct roost_turn *turn, const struct roost_margin *margin,
                struct roost_choice *choices, double *gain)
{
    struct choice all[ROOST_POLICY_TENANTS_MAX][ROOST_VARIANTS_MAX + 1];
    struct choice_list lists[ROOST_POLICY_TENANTS_MAX] = {{0}};
    uint32_t picked[ROOST_POLICY_TENANTS_MAX], count = turn->view->tenant_count;
    double before = 0, after = 0;
    for (uint32_t i = 0; i < count; i++) {
        lists[i].choices = all[i];
        list_choices(turn, i, margin, &lists[i]);
    }
    if (!turn->rising) {
        believe_measurements(turn, margin, lists);
    }
    for (uint32_t i = 0; i < count; i++) {
        choice_list_prune(&lists[i]);
    }
    bool fits = choose(lists, count, margin->cores, picked);
    for (uint32_t i = 0; i < count; i++) {
        const struct roost_tenant *seen = &turn->view->tenants[i];
        const struct choice *choice = &lists[i].choices[picked[i]];
        double rate = rate_with(turn, i, margin);
        double held = roost_value(turn, i, seen->grant.variant, rate);
        choices[i].variant = choice->variant;
        choices[i].given_up = view_has_slo(seen) && turn->loads[i].known && !choice->whole;
        before += turn->self->records[i].given_up != 0 ? held * given_up_worth : held;
        after += choice->value;
    }
    *gain = before > 0 ? after / before - 1 : 0;
    return fits;
}

double roost_demand(const struct roost_turn *turn)
{
    double cores = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_record *record = &turn->self->records[i];
        double rows_per_s = record->rate.per_s * record->abs_rows;
        cores += record->row_ns > 0 ? rows_per_s * record->row_ns * 1e-9 : record->used_cores;
    }
    return cores;
}

uint32_t roost_next_cheaper(const struct roost_turn *turn, uint32_t tenant)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    double held = roost_request_ns(turn, tenant, seen->grant.variant), best = 0;
    uint32_t found = ROOST_NONE;
    for (uint32_t v = 0; v < seen->variant_count; v++) {
        double value = roost_value(turn, tenant, v, 1);
        if (v != seen->grant.variant && value > best && view_may_switch(turn->view, seen, v) &&
            roost_request_ns(turn, tenant, v) < held) {
            found = v;
            best = value;
        }
    }
    return found;
}
