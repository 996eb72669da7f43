/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policy `roost` remembers of upgrades that did not last, so that it does not flap: of a
 * tenant the variant that was too much for it, of the node what was asked of it when somebody was
 * late although the load had not grown: tenants that share a node trade places otherwise, each with
 * a record of its own. Far below such a load nothing is barred, and at it nothing is tried again
 * before a time that doubles.
 */
#include <math.h>

#include "policy/roost_state.h"

/* A load is alike down to this part of the one at which an upgrade failed, to this part of that
 * after the second failure, and so on. */
static const double alike = 0.8;
/* Where less is asked of a node, it is not the node that somebody lacks. */
static const double crowded = 0.65;
enum { FAILURES_MAX = 10 };

static double wait_s(const struct roost_options *options, uint32_t failures)
{
    double wait_s = ldexp((double)options->backoff_ns * 1e-9, (int)failures);
    double most_s = (double)options->backoff_max_ns * 1e-9;
    return wait_s < most_s ? wait_s : most_s;
}

static double less(double left_s, double elapsed_s)
{
    return left_s > elapsed_s ? left_s - elapsed_s : 0;
}

static void learn_tenant(struct roost_record *record, const struct roost_options *options,
                         uint32_t variant, double elapsed_s)
{
    record->trial_s += elapsed_s;
    record->blocked_s = less(record->blocked_s, elapsed_s);
    /* Over, or never begun: its host did not start, or somebody's hand chose another. */
    if (record->trial_s * 1e9 >= (double)options->trial_ns || variant != record->trial_to) {
        record->on_trial = 0;
    }
    /* A failure is forgotten after a time without another. */
    if (record->failures > 0 && record->trial_s * 1e9 >= (double)options->backoff_max_ns) {
        record->failures--;
        record->trial_s = 0;
    }
}

void roost_trial_learn(struct roost_turn *turn)
{
    struct roost_state *self = turn->self;
    struct roost_crowd *crowd = &self->crowd;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        learn_tenant(&self->records[i], &self->options, turn->view->tenants[i].grant.variant,
                     turn->elapsed_s);
    }
    crowd->left_s = less(crowd->left_s, turn->elapsed_s);
    crowd->calm_s += turn->elapsed_s;
    if (crowd->failures > 0 && crowd->calm_s * 1e9 >= (double)self->options.backoff_max_ns) {
        crowd->failures--;
        crowd->calm_s = 0;
    }
}

void roost_trial_begin(struct roost_turn *turn, uint32_t tenant, uint32_t variant)
{
    struct roost_record *record = &turn->self->records[tenant];
    uint32_t held = turn->view->tenants[tenant].grant.variant;
    struct tail to, from;
    /* What is better and cheaper at once is not to blame for what comes after it. */
    record->on_trial = roost_tail(turn, tenant, variant, 1, &to) &&
                       roost_tail(turn, tenant, held, 1, &from) &&
                       tail_work_cores(&to) > tail_work_cores(&from);
    record->trial_s = 0;
    record->trial_from = held;
    record->trial_to = variant;
    record->trial_rate = record->rate.per_s;
    turn->self->crowd.climbed = 1;
}

void roost_trial_fail(struct roost_turn *turn, uint32_t tenant)
{
    struct roost_record *record = &turn->self->records[tenant];
    record->blocked_s = wait_s(&turn->self->options, record->failures);
    record->failures += record->failures < FAILURES_MAX ? 1 : 0;
    record->blocked_rate = record->rate.per_s;
    record->blocked_demand = turn->demand;
    record->blocked_variant = turn->view->tenants[tenant].grant.variant;
    record->on_trial = 0;
    record->trial_s = 0;
}

bool roost_trial_blocks(const struct roost_turn *turn, uint32_t tenant, uint32_t variant,
                        double rate)
{
    const struct roost_record *record = &turn->self->records[tenant];
    double part = pow(alike, record->failures);
    return record->blocked_s > 0 && rate > part * record->blocked_rate &&
           turn->demand > part * record->blocked_demand &&
           record->blocked_variant < turn->view->tenants[tenant].variant_count &&
           roost_value(turn, tenant, variant, 1) >=
               roost_value(turn, tenant, record->blocked_variant, 1);
}

bool roost_is_crowded(const struct roost_turn *turn)
{
    return turn->demand >= crowded * turn->cores;
}

void roost_crowd_note(struct roost_turn *turn)
{
    struct roost_crowd *crowd = &turn->self->crowd;
    if (!roost_is_crowded(turn)) {
        return;
    }
    crowd->left_s = wait_s(&turn->self->options, crowd->failures);
    crowd->demand = turn->demand;
    crowd->calm_s = 0;
    /* Only what was tried can have failed: else it is the machine that varies. */
    crowd->failures += crowd->climbed != 0 && crowd->failures < FAILURES_MAX ? 1 : 0;
    crowd->climbed = 0;
}

bool roost_crowd_blocks(const struct roost_turn *turn)
{
    const struct roost_crowd *crowd = &turn->self->crowd;
    return crowd->left_s > 0 && turn->demand > alike * crowd->demand;
}
