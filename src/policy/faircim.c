/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FairCIM's Algorithm 1 (ALGORITHMS F.2): when any tenant misses its SLO, the heaviest user with a
 * cheaper variant goes one rung down, whoever it is that misses. All in shared mode.
 *
 * The way back up is ours (F.3; the paper has one sentence on it): once the node has been well
 * inside every SLO long enough, whoever was sent down and would be lightest goes one rung up. An
 * upgrade that leads to a miss is undone, and that tenant waits twice as long the next time.
 */
#include <math.h>
#include <stddef.h>

#include "base/options.h"
#include "policy/common.h"
#include "policy/policies.h"

enum { HOLD_DOUBLINGS_MAX = 8 };

struct faircim_options {
    int rus; /* enum view_cost */
    uint64_t interval_ns;
    uint64_t settle_ns;
    bool upgrade;
    int64_t calm_intervals;
    double utilisation_max, slack_min, predicted_max, beta;
};

struct record {
    uint32_t id;
    uint32_t rungs_down;     /* that this policy has sent it */
    uint32_t doublings;      /* of its wait before the next upgrade */
    uint32_t upgraded;       /* 1: its last move was up, and is still on trial */
    uint32_t lower_variant;  /* where it came from then, */
    uint32_t upper_variant;  /* and where it went; elsewhere by now: somebody's hand */
    uint64_t calm_at_trial;  /* unused intervals since the upgrade */
    uint64_t wait_intervals; /* still to pass before it may go up */
};

struct faircim_state {
    struct faircim_options options;
    uint32_t tenants_max;
    uint64_t acted_tick;
    uint64_t calm; /* intervals in a row without a miss */
    struct record records[];
};

static const char *const rus_sources[] = {"declared", "counted", "measured", NULL};

#define AT(member) offsetof(struct faircim_options, member)

static const struct option faircim_option_table[] = {
    {.name = "rus",
     .type = OPTION_ENUM,
     .offset = AT(rus),
     .choices = rus_sources,
     .default_text = "declared",
     .help = "cost of a row: declared MFLOPs (counted ones for a tenant that declares none), FLOPs "
             "counted in the graph, or measured CPU time"},
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
    {.name = "upgrade",
     .type = OPTION_FLAG,
     .offset = AT(upgrade),
     .default_text = "true",
     .help = "go back up when there is room (the paper's experiments never do)"},
    {.name = "calm",
     .type = OPTION_INT,
     .offset = AT(calm_intervals),
     .minimum = 1,
     .maximum = 100000,
     .default_text = "10",
     .unit = "intervals",
     .help = "without a miss before an upgrade"},
    {.name = "utilisation",
     .type = OPTION_DOUBLE,
     .offset = AT(utilisation_max),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.6",
     .help = "no upgrade while more of the node is used"},
    {.name = "slack",
     .type = OPTION_DOUBLE,
     .offset = AT(slack_min),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.2",
     .help = "no upgrade while any tenant has less of its SLO left"},
    {.name = "predicted",
     .type = OPTION_DOUBLE,
     .offset = AT(predicted_max),
     .minimum = 0,
     .maximum = 1,
     .default_text = "0.9",
     .help = "no upgrade that would bring any tail above this part of its SLO"},
    {.name = "beta",
     .type = OPTION_DOUBLE,
     .offset = AT(beta),
     .minimum = 0,
     .maximum = 4,
     .default_text = "1",
     .help = "tail latency grows with this power of the cost"},
};

static size_t faircim_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)node;
    return sizeof(struct faircim_state) + tenants_max * sizeof(struct record);
}

static enum roost_err faircim_init(void *state, const void *options, uint32_t tenants_max,
                                   const struct roost_node *node, struct detail *detail)
{
    (void)node, (void)detail;
    struct faircim_state *self = state;
    self->options = *(const struct faircim_options *)options;
    self->tenants_max = tenants_max;
    return ROOST_OK;
}

/* Counted MFLOPs stand for declared ones where a tenant declares none. */
static double cost_of(const struct faircim_state *self, const struct roost_tenant *tenant,
                      uint32_t variant)
{
    enum view_cost source = (enum view_cost)self->options.rus;
    bool told = source != VIEW_COST_DECLARED;
    for (uint32_t i = 0; i < tenant->variant_count && !told; i++) {
        told = tenant->variants[i].mflops_declared > 0;
    }
    return policy_cost(tenant, variant, told ? source : VIEW_COST_COUNTED);
}

static double rus_of(const struct faircim_state *self, const struct roost_tenant *tenant)
{
    return view_rus(&tenant->window, cost_of(self, tenant, tenant->grant.variant));
}

/* The nearest rung below or above by cost, of those that may be chosen; ROOST_NONE. */
static uint32_t next_rung(const struct faircim_state *self, const struct roost_view *view,
                          const struct roost_tenant *tenant, bool down)
{
    double from = cost_of(self, tenant, tenant->grant.variant), best = 0;
    uint32_t found = ROOST_NONE;
    for (uint32_t i = 0; i < tenant->variant_count; i++) {
        double cost = cost_of(self, tenant, i);
        bool beyond = cost > 0 && from > 0 && (down ? cost < from : cost > from);
        bool nearer = found == ROOST_NONE || (down ? cost > best : cost < best);
        if (beyond && nearer && view_may_switch(view, tenant, i)) {
            found = i;
            best = cost;
        }
    }
    return found;
}

/* Algorithm 1, lines "for jobs in descending RUS ...": the heaviest with a rung below. */
static uint32_t heaviest(const struct faircim_state *self, const struct roost_view *view)
{
    uint32_t found = ROOST_NONE;
    double most = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        double rus = rus_of(self, tenant);
        if ((found == ROOST_NONE || rus > most) &&
            next_rung(self, view, tenant, true) != ROOST_NONE) {
            found = i;
            most = rus;
        }
    }
    return found;
}

static void downgrade(struct faircim_state *self, const struct roost_view *view,
                      struct roost_plan *plan, uint32_t worst, double pressure)
{
    uint32_t candidate = heaviest(self, view);
    if (candidate == ROOST_NONE) {
        plan->flags |= ROOST_PLAN_OVERLOADED;
        policy_reason(plan, worst, ROOST_REASON_NOTHING_CHEAPER, worst, pressure, 0);
        return;
    }
    const struct roost_tenant *tenant = &view->tenants[candidate];
    plan->tenants[candidate].grant.variant = next_rung(self, view, tenant, true);
    policy_reason(plan, candidate, ROOST_REASON_HEAVIEST, worst, pressure, rus_of(self, tenant));
    self->records[candidate].rungs_down++;
    self->records[candidate].upgraded = 0;
}

/* An upgrade on trial that may be to blame; the last one is, since there is one at a time. */
static uint32_t on_trial(const struct faircim_state *self, const struct roost_view *view)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct record *record = &self->records[i];
        if (record->upgraded != 0 && view->tenants[i].grant.variant == record->upper_variant &&
            view_may_switch(view, &view->tenants[i], record->lower_variant)) {
            return i;
        }
    }
    return ROOST_NONE;
}

static uint64_t hold_intervals(const struct faircim_state *self, const struct record *record)
{
    return (uint64_t)self->options.calm_intervals << record->doublings;
}

static void undo(struct faircim_state *self, struct roost_plan *plan, uint32_t tenant,
                 double pressure)
{
    struct record *record = &self->records[tenant];
    record->doublings += record->doublings < HOLD_DOUBLINGS_MAX ? 1 : 0;
    record->upgraded = 0;
    record->rungs_down++;
    record->wait_intervals = hold_intervals(self, record);
    plan->tenants[tenant].grant.variant = record->lower_variant;
    policy_reason(plan, tenant, ROOST_REASON_UNDO, ROOST_NONE, pressure,
                  (double)record->wait_intervals);
}

/* Cores that the tenant's load takes with a variant, from what it takes now. */
static double cores_with(const struct faircim_state *self, const struct roost_tenant *tenant,
                         uint32_t variant)
{
    const struct roost_window *window = &tenant->window;
    double now = cost_of(self, tenant, tenant->grant.variant);
    double cores = window->length_ns == 0 ? 0 : (double)window->cpu_ns / (double)window->length_ns;
    return now > 0 ? cores * cost_of(self, tenant, variant) / now : cores;
}

/* The worst predicted pressure on any tenant when `chosen` goes to `variant`: its own tail with its
 * cost, everybody's with the room that is left on the node. */
static double predicted(const struct faircim_state *self, const struct roost_view *view,
                        uint32_t chosen, uint32_t variant)
{
    const struct roost_tenant *tenant = &view->tenants[chosen];
    double used = policy_utilisation(view);
    double more = cores_with(self, tenant, variant) -
                  cores_with(self, tenant, tenant->grant.variant);
    double then = used + (view->node.cores > 0 ? more / view->node.cores : 1);
    if (then >= 1) {
        return INFINITY;
    }
    double slower = then > used ? (1 - used) / (1 - then) : 1, worst = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        double pressure = policy_pressure(&view->tenants[i]) * slower;
        if (i == chosen) {
            double ratio = cost_of(self, tenant, variant) /
                           cost_of(self, tenant, tenant->grant.variant);
            pressure *= pow(ratio, self->options.beta);
        }
        worst = pressure > worst ? pressure : worst;
    }
    return worst;
}

/* F.3: of those that were sent down, the one that would be lightest after its upgrade. */
static void upgrade(struct faircim_state *self, const struct roost_view *view,
                    struct roost_plan *plan)
{
    uint32_t chosen = ROOST_NONE, rung = ROOST_NONE;
    double lightest = 0, reached = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        const struct record *record = &self->records[i];
        if (record->rungs_down == 0 || record->wait_intervals > 0) {
            continue;
        }
        uint32_t up = next_rung(self, view, tenant, false);
        if (up == ROOST_NONE) {
            continue;
        }
        double rus = view_rus(&tenant->window, cost_of(self, tenant, up));
        double pressure = predicted(self, view, i, up);
        if (pressure < self->options.predicted_max && (chosen == ROOST_NONE || rus < lightest)) {
            chosen = i;
            rung = up;
            lightest = rus;
            reached = pressure;
        }
    }
    if (chosen == ROOST_NONE) {
        return;
    }
    struct record *record = &self->records[chosen];
    record->rungs_down--;
    record->upgraded = 1;
    record->lower_variant = view->tenants[chosen].grant.variant;
    record->upper_variant = rung;
    record->calm_at_trial = 0;
    plan->tenants[chosen].grant.variant = rung;
    policy_reason(plan, chosen, ROOST_REASON_HEADROOM, ROOST_NONE, (double)self->calm, reached);
    self->calm = 0;
}

/* An interval without a miss: trials go on, waits get shorter. */
static void count_calm(struct faircim_state *self, const struct roost_view *view)
{
    self->calm++;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct record *record = &self->records[i];
        record->wait_intervals -= record->wait_intervals > 0 ? 1 : 0;
        if (record->upgraded != 0 && ++record->calm_at_trial >= hold_intervals(self, record)) {
            record->upgraded = 0;
            record->doublings = 0;
        }
    }
}

/* The rung below is where the next switch would go. */
static void name_standby(const struct faircim_state *self, const struct roost_view *view,
                         struct roost_plan *plan)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        plan->tenants[i].standby = next_rung(self, view, &view->tenants[i], true);
    }
}

static void faircim_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct faircim_state *self = state;
    if (!policy_sync(self->records, sizeof self->records[0], self->tenants_max, view)) {
        return;
    }
    policy_share(view, plan);
    name_standby(self, view, plan);
    if (view->tick - self->acted_tick < policy_ticks(view, self->options.interval_ns) ||
        !policy_settled(view, self->options.settle_ns)) {
        return;
    }
    self->acted_tick = view->tick;
    double pressure;
    uint32_t worst = policy_worst(view, &pressure);
    if (worst != ROOST_NONE && pressure > 1) {
        self->calm = 0;
        uint32_t trial = on_trial(self, view);
        if (trial != ROOST_NONE) {
            undo(self, plan, trial, pressure);
        } else {
            downgrade(self, view, plan, worst, pressure);
        }
        return;
    }
    count_calm(self, view);
    if (self->options.upgrade && self->calm >= (uint64_t)self->options.calm_intervals &&
        policy_utilisation(view) < self->options.utilisation_max &&
        pressure <= 1 - self->options.slack_min) {
        upgrade(self, view, plan);
    }
}

const struct roost_policy policy_faircim = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "faircim",
    .summary = "whoever uses most takes the next cheaper variant when anybody misses its SLO",
    .version = "1",
    .options = faircim_option_table,
    .option_count = sizeof faircim_option_table / sizeof faircim_option_table[0],
    .options_bytes = sizeof(struct faircim_options),
    .state_bytes = faircim_state_bytes,
    .init = faircim_init,
    .decide = faircim_decide,
};
