/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hera's resource manager (ALGORITHMS A.6): workers by table, then cache ways by the best division,
 * jumping straight to what the profile says the load needs. Exclusive mode, one worker per core.
 *
 * Without a profile the table is made of the learnt service times: each core carries what the best
 * batch within half of the SLO does, less a margin, and ways make no difference.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/options.h"
#include "policy/common.h"
#include "policy/policies.h"

enum { WAYS_MAX = 64 };

struct hera_options {
    uint64_t interval_ns, settle_ns;
    double slack_low, slack_high, headroom, margin;
    int64_t quiet_intervals;
};

struct record {
    uint32_t id;
    uint32_t low_intervals; /* in a row with slack to give */
    uint64_t kept_until;    /* interval before which it changes only when it misses its SLO */
    double rate_per_s;      /* moving average */
    uint32_t slots_before;  /* the last change; for an undo */
    uint32_t ways_planned;
};

struct hera_state {
    struct hera_options options;
    uint32_t tenants_max, ways_max;
    uint32_t undo_id; /* whose misses the last change was to cure; 0: none */
    double undo_pressure, undo_rate;
    uint64_t acted_tick, intervals;
    uint32_t overloaded_intervals;
    struct record records[];
    /* After the records: for each tenant and number of ways, how many of them are its own. */
};

enum need { NEED_KEEP, NEED_MORE, NEED_LESS };

#define AT(member) offsetof(struct hera_options, member)

static const struct option hera_option_table[] = {
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "1s",
     .help = "time between two looks at the tables"},
    {.name = "settle",
     .type = OPTION_DURATION,
     .offset = AT(settle_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "1s",
     .help = "time that a change gets before its effect is judged"},
    {.name = "high",
     .type = OPTION_DOUBLE,
     .offset = AT(slack_high),
     .minimum = 0.1,
     .maximum = 10,
     .default_text = "1",
     .help = "a tail above this part of the SLO needs more"},
    {.name = "low",
     .type = OPTION_DOUBLE,
     .offset = AT(slack_low),
     .minimum = 0,
     .maximum = 10,
     .default_text = "0.8",
     .help = "a tail below this part of the SLO may give"},
    {.name = "headroom",
     .type = OPTION_DOUBLE,
     .offset = AT(headroom),
     .minimum = 1,
     .maximum = 10,
     .default_text = "1.1",
     .help = "load is taken for so many times what it is"},
    {.name = "margin",
     .type = OPTION_DOUBLE,
     .offset = AT(margin),
     .minimum = 0.1,
     .maximum = 1,
     .default_text = "0.8",
     .help = "without a profile: part of a worker that may be busy"},
    {.name = "quiet",
     .type = OPTION_INT,
     .offset = AT(quiet_intervals),
     .minimum = 1,
     .maximum = 100000,
     .default_text = "3",
     .unit = "intervals",
     .help = "before a tenant without misses is changed, or changed again"},
};

static uint8_t *choices_of(struct hera_state *self)
{
    return (uint8_t *)&self->records[self->tenants_max];
}

static size_t hera_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    return sizeof(struct hera_state) +
           tenants_max * (sizeof(struct record) + (size_t)node->ways + 1);
}

static enum roost_err hera_init(void *state, const void *options, uint32_t tenants_max,
                                const struct roost_node *node, struct detail *detail)
{
    struct hera_state *self = state;
    self->options = *(const struct hera_options *)options;
    self->tenants_max = tenants_max;
    self->ways_max = node->ways;
    if (self->options.slack_low > self->options.slack_high) {
        return detail_set(detail, ROOST_INVALID, "low must not be above high");
    }
    return ROOST_OK;
}

/* Requests per second that one core carries by the learnt service times; 0: unknown. */
static double core_load(const struct hera_state *self, const struct roost_tenant *tenant,
                        const struct roost_variant *variant)
{
    double abs_rows = tenant->window.abs_rows > 1 ? tenant->window.abs_rows : 1;
    double most = tenant->batch_rows_max > abs_rows ? tenant->batch_rows_max : abs_rows, best = 0;
    for (double rows = abs_rows; rows <= most; rows *= 2) {
        double ns = view_cpu_ns(variant, rows);
        bool in_time = tenant->slo_ns == 0 ||
                       view_service_ns(variant, rows) <= (double)tenant->slo_ns / 2;
        if (ns > 0 && (in_time || rows == abs_rows) && rows / ns > best) {
            best = rows / ns;
        }
    }
    return best * 1e9 / abs_rows * self->options.margin;
}

/* The profile between its whole workers; beyond the last one measured it is flat. */
static double table_load(const struct roost_variant *variant, double workers, uint32_t ways)
{
    uint32_t column = ways == 0 || ways > variant->load_ways ? variant->load_ways : ways;
    double last = variant->load_workers;
    workers = workers < last ? workers : last;
    uint32_t below = (uint32_t)workers;
    const float *table = variant->load_per_s + column - 1;
    double from = below == 0 ? 0 : (double)table[(size_t)(below - 1) * variant->load_ways];
    double to = below >= variant->load_workers ? from
                                               : (double)table[(size_t)below * variant->load_ways];
    return from + (to - from) * (workers - below);
}

/* Q of A.6; 0 when nothing is known. */
static double load_of(const struct hera_state *self, const struct roost_tenant *tenant,
                      uint32_t slots, uint32_t ways)
{
    if (tenant->grant.variant >= tenant->variant_count) {
        return 0;
    }
    const struct roost_variant *variant = &tenant->variants[tenant->grant.variant];
    double workers = (double)slots / ROOST_SLOTS_PER_CORE;
    if (variant->load_workers > 0 && variant->load_ways > 0) {
        return table_load(variant, workers, ways);
    }
    double most = (double)tenant->workers_max * policy_threads(tenant);
    return core_load(self, tenant, variant) * (most < workers ? most : workers);
}

/* The least multiple of `unit` that carries the load, at most `most`; `*enough` tells whether it
 * does. What it holds when nothing is known. */
static uint32_t slots_needed(const struct hera_state *self, const struct roost_tenant *tenant,
                             double load_per_s, uint32_t held, uint32_t unit, uint32_t most,
                             bool *enough)
{
    uint32_t low = 1, high = most / unit;
    double reached = load_of(self, tenant, high * unit, tenant->grant.ways);
    *enough = reached >= load_per_s;
    if (!(reached > 0)) {
        *enough = true;
        return held;
    }
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (load_of(self, tenant, middle * unit, tenant->grant.ways) >= load_per_s) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low * unit;
}

static enum need need_of(const struct hera_state *self, const struct roost_tenant *tenant)
{
    double pressure = policy_pressure(tenant);
    if (pressure > self->options.slack_high) {
        return NEED_MORE;
    }
    bool judged = pressure > 0 || tenant->window.arrivals == 0 || !view_has_slo(tenant);
    return judged && pressure < self->options.slack_low ? NEED_LESS : NEED_KEEP;
}

struct turn {
    struct hera_state *self;
    const struct roost_view *view;
    struct roost_plan *plan;
    uint32_t unit;
};

static uint32_t slots_of(const struct turn *turn, uint32_t tenant)
{
    return turn->plan->tenants[tenant].grant.slots;
}

static void set_slots(const struct turn *turn, uint32_t tenant, uint32_t slots)
{
    struct record *record = &turn->self->records[tenant];
    policy_set_slots(turn->view, turn->plan, tenant, slots);
    policy_reason(turn->plan, tenant, ROOST_REASON_TABLE, ROOST_NONE,
                  record->rate_per_s * turn->self->options.headroom,
                  (double)slots / ROOST_SLOTS_PER_CORE);
    record->kept_until = turn->self->intervals + (uint64_t)turn->self->options.quiet_intervals;
}

static double wanted_load(const struct turn *turn, uint32_t tenant)
{
    return turn->self->records[tenant].rate_per_s * turn->self->options.headroom;
}

/* What a tenant that may give can do without. */
static uint32_t spare_of(const struct turn *turn, uint32_t tenant)
{
    bool enough;
    uint32_t held = slots_of(turn, tenant);
    uint32_t need = slots_needed(turn->self, &turn->view->tenants[tenant],
                                 wanted_load(turn, tenant), held, turn->unit, held, &enough);
    return enough && need < held ? held - need : 0;
}

/* Free slots first, then those of tenants with slack, the richest first. */
static uint32_t collect(const struct turn *turn, uint32_t taker, uint32_t wanted)
{
    uint32_t got = policy_free_slots(turn->view, turn->plan) / turn->unit * turn->unit;
    got = got < wanted ? got : wanted;
    while (got < wanted) {
        uint32_t giver = ROOST_NONE, most = 0;
        for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
            bool may = i != taker && need_of(turn->self, &turn->view->tenants[i]) == NEED_LESS &&
                       turn->self->records[i].kept_until <= turn->self->intervals;
            uint32_t spare = may ? spare_of(turn, i) : 0;
            if (spare > most) {
                giver = i;
                most = spare;
            }
        }
        if (giver == ROOST_NONE) {
            break;
        }
        uint32_t taken = most < wanted - got ? most : wanted - got;
        uint64_t kept_until = turn->self->records[giver].kept_until;
        set_slots(turn, giver, slots_of(turn, giver) - taken);
        /* It may be asked again in the same turn; afterwards it is left alone. */
        turn->self->records[giver].kept_until = taken < most
                                                    ? kept_until
                                                    : turn->self->records[giver].kept_until;
        got += taken;
    }
    return got;
}

/* Step 1 for one that misses its SLO. True when it got all that it needs. */
static bool raise_slots(const struct turn *turn, uint32_t tenant)
{
    const struct roost_tenant *in_view = &turn->view->tenants[tenant];
    uint32_t held = slots_of(turn, tenant);
    uint32_t all = turn->view->node.cores * ROOST_SLOTS_PER_CORE / turn->unit * turn->unit;
    bool enough;
    uint32_t need = slots_needed(turn->self, in_view, wanted_load(turn, tenant), held, turn->unit,
                                 all, &enough);
    /* The table says that it has enough, and it has not. */
    need = need <= held ? held + turn->unit : need;
    uint32_t got = collect(turn, tenant, need - held);
    if (got > 0) {
        turn->self->undo_id = in_view->id;
        turn->self->undo_pressure = policy_pressure(in_view);
        turn->self->undo_rate = turn->self->records[tenant].rate_per_s;
        set_slots(turn, tenant, held + got);
    }
    return enough && held + got >= need;
}

/* Step 1 for one with slack, when others need it or it has had slack for long. */
static void lower_slots(const struct turn *turn, uint32_t tenant)
{
    struct record *record = &turn->self->records[tenant];
    uint32_t spare = spare_of(turn, tenant);
    if (spare > 0 && record->kept_until <= turn->self->intervals &&
        record->low_intervals >= turn->self->options.quiet_intervals) {
        set_slots(turn, tenant, slots_of(turn, tenant) - spare);
    }
}

static double carried(const struct turn *turn, uint32_t tenant, uint32_t ways)
{
    double wanted = wanted_load(turn, tenant);
    double load = load_of(turn->self, &turn->view->tenants[tenant], slots_of(turn, tenant), ways);
    return wanted > 0 && load < wanted ? load / wanted : 1;
}

/*
 * Step 2: the division of all ways with the largest sum of carried load, of equals the one whose
 * worst tenant is best off. Exact: tenant after tenant, for every number of ways that they hold
 * together, the best that they can do and how many the last one has of them.
 */
static double best_ways(const struct turn *turn)
{
    const struct roost_node *node = &turn->view->node;
    uint32_t least = node->ways_min > 0 ? node->ways_min : 1, tenants = turn->view->tenant_count;
    double sum[WAYS_MAX + 1], worst[WAYS_MAX + 1];
    uint8_t *choices = choices_of(turn->self);
    for (uint32_t k = 0; k <= node->ways; k++) {
        sum[k] = k == 0 ? 0 : -INFINITY;
        worst[k] = 1;
    }
    for (uint32_t i = 0; i < tenants; i++) {
        double here[WAYS_MAX + 1];
        for (uint32_t own = least; own <= node->ways; own++) {
            here[own] = carried(turn, i, own);
        }
        /* Downwards, so that what is read is still the previous tenant's. */
        for (uint32_t k = node->ways + 1; k-- > 0;) {
            double best_sum = -INFINITY, best_worst = 0;
            uint32_t best = 0;
            for (uint32_t own = least; own <= k; own++) {
                double total = sum[k - own] + here[own];
                double low = worst[k - own] < here[own] ? worst[k - own] : here[own];
                if (total > best_sum + 1e-9 || (total > best_sum - 1e-9 && low > best_worst)) {
                    best_sum = total;
                    best_worst = low;
                    best = own;
                }
            }
            sum[k] = best_sum;
            worst[k] = best_worst;
            choices[i * (node->ways + 1) + k] = (uint8_t)best;
        }
    }
    uint32_t left = node->ways;
    for (uint32_t i = tenants; i-- > 0;) {
        uint32_t own = choices[i * (node->ways + 1) + left];
        turn->self->records[i].ways_planned = own;
        left -= own;
    }
    return sum[node->ways] / tenants;
}

static void divide_ways(const struct turn *turn)
{
    double now = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        now += carried(turn, i, turn->plan->tenants[i].grant.ways) / turn->view->tenant_count;
    }
    double reached = best_ways(turn);
    if (reached < now + 0.01) {
        return;
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct roost_plan_tenant *planned = &turn->plan->tenants[i];
        uint32_t ways = turn->self->records[i].ways_planned;
        if (planned->grant.ways != ways) {
            planned->grant.ways = ways;
            policy_reason(turn->plan, i, ROOST_REASON_WAYS, ROOST_NONE, reached, 0);
        }
    }
}

/* Step 3: takes the last change back when the one that it was to help is worse off, though its load
 * has not grown. */
static bool undo(const struct turn *turn)
{
    struct hera_state *self = turn->self;
    uint32_t helped = self->undo_id == 0 ? ROOST_NONE : view_find(turn->view, self->undo_id);
    self->undo_id = 0;
    if (helped == ROOST_NONE) {
        return false;
    }
    double pressure = policy_pressure(&turn->view->tenants[helped]);
    if (pressure <= self->undo_pressure * 1.05 ||
        self->records[helped].rate_per_s > self->undo_rate * 1.05) {
        return false;
    }
    uint64_t total = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        uint32_t before = self->records[i].slots_before;
        total += before > 0 ? before : slots_of(turn, i);
    }
    if (total > (uint64_t)turn->view->node.cores * ROOST_SLOTS_PER_CORE) {
        return false;
    }
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        uint32_t before = self->records[i].slots_before;
        if (before > 0 && before != slots_of(turn, i)) {
            set_slots(turn, i, before);
            policy_reason(turn->plan, i, ROOST_REASON_UNDO, helped, pressure,
                          (double)self->options.quiet_intervals);
        }
    }
    return true;
}

static void act(const struct turn *turn)
{
    struct hera_state *self = turn->self;
    const struct roost_view *view = turn->view;
    bool anyone = false, overloaded = false;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        enum need need = need_of(self, &view->tenants[i]);
        anyone = anyone || need == NEED_MORE;
        self->records[i].low_intervals = need == NEED_LESS ? self->records[i].low_intervals + 1 : 0;
    }
    if (undo(turn)) {
        return;
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        self->records[i].slots_before = slots_of(turn, i);
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (need_of(self, &view->tenants[i]) == NEED_MORE) {
            overloaded = !raise_slots(turn, i) || overloaded;
        }
    }
    for (uint32_t i = 0; i < view->tenant_count && !anyone; i++) {
        lower_slots(turn, i);
    }
    if (policy_ways_divisible(view) && view->node.ways <= self->ways_max) {
        divide_ways(turn);
    }
    self->overloaded_intervals = overloaded ? self->overloaded_intervals + 1 : 0;
    if (self->overloaded_intervals >= 2) {
        turn->plan->flags |= ROOST_PLAN_OVERLOADED;
    }
}

/* The moving average that "1.1 times the load" is of. */
static void follow_rates(struct hera_state *self, const struct roost_view *view)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_window *window = &view->tenants[i].window;
        double rate = window->aat_ns > 0 ? 1e9 / window->aat_ns : 0;
        double *average = &self->records[i].rate_per_s;
        *average = *average > 0 ? *average + 0.5 * (rate - *average) : rate;
    }
}

static void hera_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct hera_state *self = state;
    struct turn turn = {.self = self, .view = view, .plan = plan};
    if (!policy_sync(self->records, sizeof self->records[0], self->tenants_max, view)) {
        return;
    }
    turn.unit = policy_unit_slots(view, 0);
    if (turn.unit == 0) {
        policy_share(view, plan);
        return;
    }
    bool changed = false;
    if (policy_ways_divisible(view)) {
        changed = policy_divide_ways(view, plan, true);
    } else {
        policy_open_cache(view, plan);
    }
    changed = policy_divide(view, plan, turn.unit, false) || changed;
    if (view->tick - self->acted_tick < policy_ticks(view, self->options.interval_ns)) {
        return;
    }
    follow_rates(self, view);
    self->acted_tick = view->tick;
    self->intervals++;
    if (!changed && policy_settled(view, self->options.settle_ns)) {
        act(&turn);
    }
}

const struct roost_policy policy_hera = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "hera",
    .summary = "workers and cache ways by the profile's tables",
    .version = "1",
    .ways_max = WAYS_MAX,
    .options = hera_option_table,
    .option_count = sizeof hera_option_table / sizeof hera_option_table[0],
    .options_bytes = sizeof(struct hera_options),
    .state_bytes = hera_state_bytes,
    .init = hera_init,
    .decide = hera_decide,
};
