/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roost's own policy. Everybody shares all cores by weight, so that what one does not use another
 * has; weights follow what each is predicted to need; short runs beside long ones get short turns;
 * and where that is not enough, variants are chosen together so that what is served in time, by
 * accuracy, is worth most. It predicts from learnt service times (policy/tail.h) instead of
 * trying, and so jumps over rungs in one move, down as well as up.
 *
 * Down: at once, when the model says that a load that has grown does not fit, or when an SLO is
 * missed for a second in spite of it; then the model is corrected until it agrees. Meanwhile the
 * queue that is too long is refused.
 * Up: when a better choice has fitted with a margin for `calm`. An upgrade that does not last is
 * taken back and not tried again at such a load before `backoff`, which doubles every time.
 * In overload: the cheapest variants, early refusal, and cores to whom they earn most with.
 */
#include <math.h>
#include <stddef.h>

#include "base/options.h"
#include "policy/policies.h"
#include "policy/roost_state.h"

static const double solve_pause_s = 0.25, swap_pause_s = 10, swap_gain = 0.03;
static const double gain_least = 0.001;
/* A load is reckoned with as so much higher than it seems, in standard deviations of what is known
 * of it, before anybody goes up: a promise that is broken costs more than what comes later. */
static const double upgrade_sigmas = 1.5;
/* A load that is larger by this factor than at the upgrade is no failure of the upgrade. */
static const double load_grew = 1.1;

static const char *const objectives[] = {"goodput", "accuracy", NULL};

#define AT(member) offsetof(struct roost_options, member)

static const struct option roost_option_table[] = {
    {.name = "objective",
     .type = OPTION_ENUM,
     .offset = AT(objective),
     .choices = objectives,
     .default_text = "goodput",
     .help = "what to maximise: relative accuracy times requests in time, or effective accuracy "
             "with every tenant alike"},
    {.name = "fill",
     .type = OPTION_DOUBLE,
     .offset = AT(fill_max),
     .minimum = 0.1,
     .maximum = 1,
     .default_text = "0.97",
     .help = "part of the node that may be promised away"},
    {.name = "fill-restore",
     .type = OPTION_DOUBLE,
     .offset = AT(fill_restore),
     .minimum = 0.1,
     .maximum = 1,
     .default_text = "0.93",
     .help = "the same when going up"},
    {.name = "target",
     .type = OPTION_DOUBLE,
     .offset = AT(target),
     .minimum = 0.1,
     .maximum = 1,
     .default_text = "0.9",
     .help = "part of an SLO that a predicted tail may take"},
    {.name = "target-restore",
     .type = OPTION_DOUBLE,
     .offset = AT(target_restore),
     .minimum = 0.1,
     .maximum = 1,
     .default_text = "0.8",
     .help = "the same when going up"},
    {.name = "calm",
     .type = OPTION_DURATION,
     .offset = AT(calm_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "2s",
     .help = "that something better must have fitted before it is chosen"},
    {.name = "dwell",
     .type = OPTION_DURATION,
     .offset = AT(dwell_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "3s",
     .help = "least time between a switch and one up"},
    {.name = "trial",
     .type = OPTION_DURATION,
     .offset = AT(trial_ns),
     .minimum = 1e9,
     .maximum = 3.6e12,
     .default_text = "20s",
     .help = "that an upgrade must last"},
    {.name = "backoff",
     .type = OPTION_DURATION,
     .offset = AT(backoff_ns),
     .minimum = 1e9,
     .maximum = 3.6e12,
     .default_text = "60s",
     .help = "before an upgrade that did not last is tried again; doubles every time"},
    {.name = "backoff-max",
     .type = OPTION_DURATION,
     .offset = AT(backoff_max_ns),
     .minimum = 1e9,
     .maximum = 3.6e13,
     .default_text = "15m",
     .help = "at most"},
    {.name = "floor-share",
     .type = OPTION_DOUBLE,
     .offset = AT(floor_share),
     .minimum = 0.01,
     .maximum = 1,
     .default_text = "0.1",
     .help = "part of what it asks for that a tenant keeps in overload"},
};

static size_t roost_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)node;
    return sizeof(struct roost_state) + tenants_max * sizeof(struct roost_record);
}

static enum roost_err roost_init(void *state, const void *options, uint32_t tenants_max,
                                 const struct roost_node *node, struct detail *detail)
{
    (void)node;
    struct roost_state *self = state;
    self->options = *(const struct roost_options *)options;
    self->tenants_max = tenants_max;
    self->capacity = 1;
    if (self->options.fill_restore > self->options.fill_max ||
        self->options.target_restore > self->options.target) {
        return detail_set(detail, ROOST_INVALID,
                          "going up must leave at least the margin that staying needs: "
                          "fill-restore <= fill and target-restore <= target");
    }
    return ROOST_OK;
}

/* Shared mode for all; what this policy decides by itself stays as it is for now. */
static void share_all(struct roost_turn *turn)
{
    policy_share(turn->view, turn->plan);
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_grant *held = &turn->view->tenants[i].grant;
        struct roost_plan_tenant *planned = &turn->plan->tenants[i];
        planned->grant.weight = held->weight;
        planned->grant.slice_ns = held->slice_ns;
        planned->grant.shed = held->shed;
        if (view_grant_equal(&planned->grant, held)) {
            policy_reason(turn->plan, i, ROOST_REASON_NONE, ROOST_NONE, 0, 0);
        }
    }
}

/* The predicted tail over the SLO, with what the tenant would find. */
static double predicted(const struct roost_turn *turn, uint32_t tenant, uint32_t variant)
{
    struct tail tail;
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    if (seen->slo_ns == 0 ||
        !roost_tail(turn, tenant, variant, roost_rate(turn, tenant, 0), &tail)) {
        return 0;
    }
    double ratio = tail_predict_ns(&tail, roost_cores_found(turn, tenant)) / (double)seen->slo_ns;
    return ratio < 99 ? ratio : 99;
}

/* Sets a variant with its reason, where the memory for a cold one is left. */
static bool switch_to(struct roost_turn *turn, uint32_t tenant, uint32_t variant,
                      uint64_t *memory_bytes)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    struct roost_plan_tenant *planned = &turn->plan->tenants[tenant];
    const struct roost_variant *next = &seen->variants[variant];
    if (next->state == ROOST_VARIANT_COLD && variant != seen->serving) {
        if (next->memory_bytes > *memory_bytes) {
            return false;
        }
        *memory_bytes -= *memory_bytes == UINT64_MAX ? 0 : next->memory_bytes;
    }
    uint32_t held = seen->grant.variant;
    bool up = roost_value(turn, tenant, variant, 1) > roost_value(turn, tenant, held, 1);
    double rows_per_s = turn->loads[tenant].rate * turn->self->records[tenant].abs_rows;
    planned->grant.variant = variant;
    if (up) {
        policy_reason(turn->plan, tenant, ROOST_REASON_RESTORED, ROOST_NONE, rows_per_s,
                      predicted(turn, tenant, variant));
        planned->reason.values[2] = variant;
    } else {
        policy_reason(turn->plan, tenant, ROOST_REASON_PREDICTED, ROOST_NONE, rows_per_s,
                      predicted(turn, tenant, held));
        planned->reason.values[2] = held;
        planned->reason.values[3] = predicted(turn, tenant, variant);
    }
    return true;
}

/* Takes back an upgrade that is on trial and whose load has not grown since. True when there was
 * one. When somebody else's load has risen, it is not the upgrade that has failed. */
static bool take_back(struct roost_turn *turn, uint64_t *memory_bytes)
{
    bool any = false;
    for (uint32_t i = 0; i < turn->view->tenant_count && !turn->rising; i++) {
        struct roost_record *record = &turn->self->records[i];
        const struct roost_tenant *seen = &turn->view->tenants[i];
        if (record->on_trial == 0 || record->rate.per_s > load_grew * record->trial_rate ||
            record->trial_from >= seen->variant_count ||
            record->trial_from == seen->grant.variant ||
            !view_may_switch(turn->view, seen, record->trial_from) ||
            !switch_to(turn, i, record->trial_from, memory_bytes)) {
            continue;
        }
        roost_trial_fail(turn, i);
        policy_reason(turn->plan, i, ROOST_REASON_UNDO, ROOST_NONE, policy_pressure(seen),
                      ceil(record->blocked_s * 1e9 / (double)(turn->view->tick_ns + 1)));
        any = true;
    }
    return any;
}

static void set_given_up(struct roost_turn *turn, const struct roost_choice *choices)
{
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        turn->self->records[i].given_up = choices[i].given_up;
    }
}

/* Too much is asked for, or somebody is late. */
static void relieve(struct roost_turn *turn, bool late)
{
    struct roost_state *self = turn->self;
    uint64_t memory_bytes = turn->view->memory_free_bytes;
    self->room_s = 0;
    if (take_back(turn, &memory_bytes)) {
        roost_crowd_note(turn);
        return;
    }
    /* Where a switch stops the tenant, one has to be enough. */
    bool dear = self->outage_s > 0;
    double fill = dear ? self->options.fill_restore : self->options.fill_max;
    struct roost_margin margin = {.cores = turn->cores * fill,
                                  .target = dear ? self->options.target_restore
                                                 : self->options.target,
                                  .sigmas = dear ? 1 : 0.5,
                                  .no_upgrades = true,
                                  .backlog = true};
    struct roost_choice choices[ROOST_POLICY_TENANTS_MAX];
    double gain;
    self->overloaded = !roost_pick(turn, &margin, choices, &gain);
    set_given_up(turn, choices);
    bool any = false;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        if (choices[i].variant != turn->view->tenants[i].grant.variant &&
            switch_to(turn, i, choices[i].variant, &memory_bytes)) {
            any = true;
            if (self->records[i].on_trial != 0 && !turn->rising) {
                roost_trial_fail(turn, i);
            }
        }
    }
    if (any && late && !turn->rising && self->overloaded == 0) {
        roost_crowd_note(turn);
    }
}

/* The first switch of all goes alone, to show what one costs. */
static void adopt(struct roost_turn *turn, const struct roost_choice *choices)
{
    uint64_t memory_bytes = turn->view->memory_free_bytes;
    bool any = false;
    set_given_up(turn, choices);
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        const struct roost_tenant *seen = &turn->view->tenants[i];
        struct roost_record *record = &turn->self->records[i];
        uint32_t next = choices[i].variant;
        if (next == seen->grant.variant || seen->since_switch_ns < turn->self->options.dwell_ns ||
            (any && turn->self->switches == 0) || !roost_pays(turn, i, next) ||
            !switch_to(turn, i, next, &memory_bytes)) {
            continue;
        }
        any = true;
        roost_trial_begin(turn, i, next);
        /* It was chosen by this, and must be judged by it until it is measured. */
        record->calibration = roost_calibration(turn, i, next);
        record->calibration_demand = turn->demand;
    }
}

/* Nobody is late and all fits: is there something better? */
static void improve(struct roost_turn *turn)
{
    struct roost_state *self = turn->self;
    self->solved_s += turn->elapsed_s;
    self->swap_s += turn->elapsed_s;
    if (roost_crowd_blocks(turn)) {
        self->room_s = 0;
        return;
    }
    if (self->solved_s < solve_pause_s) {
        return;
    }
    struct roost_margin margin = {.cores = turn->cores * self->options.fill_restore,
                                  .target = self->options.target_restore,
                                  .sigmas = upgrade_sigmas,
                                  .no_downgrades = true};
    struct roost_choice choices[ROOST_POLICY_TENANTS_MAX];
    double gain, span_s = self->solved_s;
    self->solved_s = 0;
    if (self->swap_s >= swap_pause_s && self->outage_s <= 0 && self->crowd.failures == 0) {
        /* Now and then: what would be better if somebody else went down for it. */
        self->swap_s = 0;
        margin.no_downgrades = false;
        if (roost_pick(turn, &margin, choices, &gain) && gain > swap_gain) {
            self->room_s = 0;
            adopt(turn, choices);
        }
        return;
    }
    bool better = roost_pick(turn, &margin, choices, &gain) && gain > gain_least;
    self->room_s = better ? self->room_s + span_s : 0;
    if (better && self->room_s * 1e9 >= (double)self->options.calm_ns) {
        self->room_s = 0;
        adopt(turn, choices);
    }
}

/* The way out of overload: when what is asked for has been well below the node for a while. */
static void leave_overload(struct roost_turn *turn, double asked)
{
    struct roost_state *self = turn->self;
    bool room = asked < self->options.fill_restore * turn->cores;
    self->room_s = room ? self->room_s + turn->elapsed_s : 0;
    if (self->room_s * 1e9 >= (double)self->options.calm_ns) {
        self->overloaded = 0; /* and who goes up need not be calm for as long again */
    }
}

static bool anyone_switches(const struct roost_view *view)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (view_is_switching(&view->tenants[i])) {
            return true;
        }
    }
    return false;
}

static void roost_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct roost_state *self = state;
    if (view->tenant_count > ROOST_POLICY_TENANTS_MAX ||
        !policy_sync(self->records, sizeof self->records[0], self->tenants_max, view)) {
        return;
    }
    uint64_t ticks = self->begun != 0 && view->tick > self->tick ? view->tick - self->tick : 1;
    struct roost_turn turn = {.self = self,
                              .view = view,
                              .plan = plan,
                              .elapsed_s = (double)ticks * (double)view->tick_ns * 1e-9,
                              .cores = policy_cores(view) * self->capacity};
    self->tick = view->tick;
    self->begun = 1;
    share_all(&turn);
    roost_learn(&turn);
    /* Of a load that has risen nothing is measured yet, and waiting to be sure leaves a queue. */
    struct roost_margin margin = {
        .cores = turn.cores, .target = 1, .sigmas = turn.rising ? 0 : -1, .backlog = true};
    double asked = roost_assess(&turn, &margin);
    bool late = roost_correct(&turn);
    /* What is measured of a load that has not grown is truer than what is predicted of it. */
    bool foreseen = turn.rising && !turn.draining;
    if (late || turn.work > turn.cores || (asked > turn.cores && foreseen)) {
        relieve(&turn, late);
    } else if (self->overloaded != 0) {
        leave_overload(&turn, asked);
    } else if (!anyone_switches(view)) {
        /* It must fit on a busy node, whose runs cost more. */
        turn.rush = true;
        improve(&turn);
        turn.rush = turn.busy;
    }
    roost_refuse(&turn, asked);
    roost_share_turns(&turn);
    roost_share_cores(&turn);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        plan->tenants[i].standby = roost_next_cheaper(&turn, i);
    }
    plan->flags |= self->overloaded != 0 ? (uint32_t)ROOST_PLAN_OVERLOADED : 0;
}

const struct roost_policy policy_roost = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "roost",
    .summary = "predicts what each tenant needs, and chooses weights and variants together",
    .version = "6",
    .tenants_max = ROOST_POLICY_TENANTS_MAX,
    .options = roost_option_table,
    .option_count = sizeof roost_option_table / sizeof roost_option_table[0],
    .options_bytes = sizeof(struct roost_options),
    .state_bytes = roost_state_bytes,
    .init = roost_init,
    .decide = roost_decide,
};
