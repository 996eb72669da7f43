/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of policy `roost` share: its options, its state, and one decision's working set.
 *
 *   roost_rate.c    how often requests come
 *   roost_learn.c   what tails really are compared with the model, who misses
 *   roost_cost.c    what runs cost, of which a busy node makes more
 *   roost_outage.c  what a switch costs where it stops the tenant
 *   roost_trial.c   upgrades that did not last, and what follows from them
 *   roost_choose.c  which variant each tenant should have
 *   roost_share.c   weights, slices and early refusal that go with it
 *   roost.c         when to act, and the table
 */
#ifndef ROOST_POLICY_ROOST_STATE_H
#define ROOST_POLICY_ROOST_STATE_H

#include "policy/choose.h"
#include "policy/common.h"
#include "policy/tail.h"

enum { ROOST_POLICY_TENANTS_MAX = 64, ROOST_RATE_TICKS = 16 };
enum roost_objective { OBJECTIVE_GOODPUT, OBJECTIVE_ACCURACY };

struct roost_options {
    int objective;
    double fill_max;               /* part of the node that may be promised away */
    double fill_restore;           /* the same for going up */
    double target, target_restore; /* parts of an SLO that predicted tails may take */
    uint64_t calm_ns, dwell_ns, trial_ns, backoff_ns, backoff_max_ns;
    double floor_share; /* in overload, of what a tenant asks for */
};

struct roost_rate {
    double per_s;    /* requests */
    double known_s;  /* that this is the mean over, or as good as that */
    double steady_s; /* since it last changed for good */
    uint32_t rose;   /* 1: to a higher one */
    uint32_t ticks;  /* that are held of those since then, the last one first */
    double arrivals[ROOST_RATE_TICKS], span_s[ROOST_RATE_TICKS];
};

/* What is remembered of a tenant. Rates are requests per second. */
struct roost_record {
    uint32_t id;
    uint32_t seen; /* 1: it has been looked at */
    struct roost_rate rate;
    double abs_rows;
    double used_cores;         /* moving average */
    double parallel;           /* cores that one run has been seen to keep busy, at least 1 */
    double calibration;        /* measured tail over predicted, */
    double calibration_demand; /* and the node's demand at which that was learnt */
    double missed_s;           /* for how long it has been missing its SLO */
    double refusing_s;         /* for which a queue that was too long is still refused */
    uint32_t on_trial;         /* 1: went up lately */
    uint32_t failures;         /* upgrades that had to be taken back */
    double trial_s;            /* since it went up */
    uint32_t trial_from;       /* the variant that it had before, */
    uint32_t trial_to;         /* and the one that it went to */
    uint32_t given_up;         /* 1: its SLO is not worth what it would cost the others */
    double trial_rate;         /* at which it went up */
    double dark_s;             /* without an answer, of a switch that is under way */
    double outage_s;           /* that somebody has waited for it */
    double drained_s;          /* since nobody waits any more from an outage */
    uint32_t served;           /* variant at the last decision, plus 1; 0: none yet */
    uint32_t recovering;       /* 1: what is late is late from an outage */
    /* CPU time of a row while the node is idle for a good part, and while it is not; 0: unknown */
    double lull_ns[ROOST_VARIANTS_MAX], rush_ns[ROOST_VARIANTS_MAX];
    double row_ns;    /* with the best variant, hardly ever changed: loads are compared by it */
    double blocked_s; /* until `blocked_variant` may be tried again at such a load */
    double blocked_rate, blocked_demand; /* at which that failed; the node's demand then */
    uint32_t blocked_variant;
};

/* The node when somebody was late on it although the load had not grown. */
struct roost_crowd {
    double demand;     /* then */
    double calm_s;     /* since then */
    double left_s;     /* until a tenant may go up again at such a demand */
    uint32_t climbed;  /* 1: some tenant has gone up since */
    uint32_t failures; /* after a tenant had gone up */
};

struct roost_state {
    struct roost_options options;
    uint32_t tenants_max;
    uint32_t begun;
    uint64_t tick;
    double capacity;     /* of what the node should carry, what it does: at most 1 */
    double room_s;       /* for how long something better has been possible */
    double solved_s;     /* since that was last asked */
    double swap_s;       /* since an exchange of variants was last tried */
    double weighed_s;    /* since weights were last set */
    double content_s;    /* since anybody missed its SLO */
    double outage_s;     /* that a switch has been seen to cost; 0: none */
    uint32_t overloaded; /* 1: not even the cheapest variants fit */
    uint32_t switches;   /* 1: some have been seen */
    struct roost_crowd crowd;
    struct roost_record records[];
};

/* One tenant in one decision. */
struct roost_load {
    bool critical;     /* has an SLO that something could meet */
    bool known;        /* there is a cost to reckon with */
    double rate;       /* requests per second to plan with */
    double work, need; /* cores, with the variant in force; need INFINITY: not to be had */
};

struct roost_turn {
    struct roost_state *self;
    const struct roost_view *view;
    struct roost_plan *plan;
    double elapsed_s; /* since the last decision */
    double cores;     /* that can be planned with */
    double work;      /* cores that all loads take, without any reserve */
    double demand;    /* cores that all loads would take with every tenant's best variant, at what
                       * that is known to cost: a measure of load, whatever the machine is like */
    bool draining;    /* somebody works off what an outage has left, at the others' cost */
    bool rising;      /* some load has grown more lately than measurements tell */
    double dear;      /* what runs cost in a rush over what they cost in a lull */
    bool busy;        /* the node is in a rush */
    bool rush;        /* costs of a rush are reckoned with */
    struct roost_load loads[ROOST_POLICY_TENANTS_MAX];
};

/* Where between caution and daring a choice is made. */
struct roost_margin {
    double cores;  /* to fill */
    double target; /* part of the SLO that a predicted tail may take */
    double sigmas; /* added to the rate, in standard deviations of its estimate */
    bool no_upgrades, no_downgrades;
    bool backlog; /* reckon with what waits already */
};

/* roost_outage.c */
/* What switches cost, and who is still late because of one. */
void roost_learn_outage(struct roost_turn *turn);
/* Whether a switch to a better variant pays for the outage that it brings. */
bool roost_pays(const struct roost_turn *turn, uint32_t tenant, uint32_t variant);

/* roost_trial.c */
void roost_trial_learn(struct roost_turn *turn);
/* A tenant goes up to a variant. */
void roost_trial_begin(struct roost_turn *turn, uint32_t tenant, uint32_t variant);
/* It did not last: not again at such a load for a while. */
void roost_trial_fail(struct roost_turn *turn, uint32_t tenant);
/* True while the variant, or a lesser one, failed at such a load not long ago. */
bool roost_trial_blocks(const struct roost_turn *turn, uint32_t tenant, uint32_t variant,
                        double rate);
/* Whether enough is asked of the node that it may be what somebody lacks. */
bool roost_is_crowded(const struct roost_turn *turn);
/* Somebody is late although the load has not grown, and goes down or makes another go. */
void roost_crowd_note(struct roost_turn *turn);
/* True while nobody is to go up at this load. */
bool roost_crowd_blocks(const struct roost_turn *turn);

/* roost_rate.c */
void roost_rate_learn(struct roost_rate *rate, const struct roost_tenant *tenant);
/* Standard deviation of what is known of it. */
double roost_rate_sigma(const struct roost_rate *rate);

/* roost_learn.c */
void roost_learn(struct roost_turn *turn);
/* True when a tenant has been missing its SLO for long enough to act on it; what the model thought
 * of it is corrected then. */
bool roost_correct(struct roost_turn *turn);
/* Cores that the tenant finds when it asks: its share by weight, or what the others leave. */
double roost_cores_found(const struct roost_turn *turn, uint32_t tenant);
/* The rate to plan with. */
double roost_rate(const struct roost_turn *turn, uint32_t tenant, double sigmas);

/* roost_cost.c */
/* What runs cost in a rush and in a lull. */
void roost_learn_costs(struct roost_turn *turn);
/* The variant by whose measurements this one's are told, and what its cost is to be multiplied by;
 * ROOST_NONE when nothing is known. */
uint32_t roost_cost_by(const struct roost_turn *turn, uint32_t tenant, uint32_t variant,
                       double *scale);
/* CPU time of a request with a variant; 0: unknown. */
double roost_request_ns(const struct roost_turn *turn, uint32_t tenant, uint32_t variant);

/* roost_choose.c */
/* Cores that all loads would take with every tenant's best variant: how much is asked for, whatever
 * variants are in force. */
double roost_demand(const struct roost_turn *turn);
/* What a tail is off by, as far as it is believed at the present load: most of it comes with load,
 * so that it is worth the less the further that has fallen since. */
double roost_believed(const struct roost_turn *turn, const struct roost_record *record);
/* What a tail is off by with a variant. What was found of the one that serves says less of another:
 * going down it is believed, since there is need; going up only in part. */
double roost_calibration(const struct roost_turn *turn, uint32_t tenant, uint32_t variant);
/* A tenant's load with a variant; false when nothing is known of its cost. */
bool roost_tail(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, double rate,
                struct tail *tail);
double roost_value(const struct roost_turn *turn, uint32_t tenant, uint32_t variant, double rate);
/* Fills loads for the variants in force; returns cores that are asked for, the reserve included. */
double roost_assess(struct roost_turn *turn, const struct roost_margin *margin);
/* What a tenant should have. */
struct roost_choice {
    uint32_t variant;
    bool given_up;
};

/*
 * Chooses for each tenant (what it has, where nothing is known). *gain is what that is worth more
 * than what is in force, as a part of it. False: even the cheapest do not fit, and are chosen.
 */
bool roost_pick(struct roost_turn *turn, const struct roost_margin *margin,
                struct roost_choice *choices, double *gain);
/* The next cheaper variant worth having, or ROOST_NONE. */
uint32_t roost_next_cheaper(const struct roost_turn *turn, uint32_t tenant);

/* roost_share.c */
void roost_share_cores(struct roost_turn *turn);
void roost_share_turns(struct roost_turn *turn);
/* Whether a tenant's requests may be refused for being late. */
bool roost_may_refuse(const struct roost_turn *turn, uint32_t tenant);
/* Early refusal for all in overload, else for those that were given up or have a long queue. */
void roost_refuse(struct roost_turn *turn, double asked);

#endif
