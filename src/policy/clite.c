/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLITE (ALGORITHMS E): Bayesian optimisation over all divisions of cores, cache ways and memory
 * bandwidth. Every division is tried on the running node and scored; a Gaussian process over the
 * scores says where an improvement is likely. Moves of single units on the lattice of whole
 * divisions take the place of a continuous optimiser, so that every candidate is exact.
 *
 * Decides beside the ticks: a proposal takes milliseconds.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/options.h"
#include "policy/clite.h"
#include "policy/common.h"
#include "policy/gp.h"
#include "policy/policies.h"

enum { SAMPLES_MAX = 100, EVALUATIONS_MAX = 1500, RANDOM_TRIES = 64 };

static const double zeta = 0.01, score_enough = 0.99;

struct clite_options {
    uint64_t observe_ns, retry_ns;
    int64_t samples_max;
    double noise, load_change;
};

enum clite_phase { PHASE_START, PHASE_SAMPLING, PHASE_SETTLED };

struct sample {
    struct division division;
    struct clite_result result;
    double score;
};

struct clite_state {
    struct clite_options options;
    struct lattice lattice;
    enum roost_resource resources[LATTICE_RESOURCES_MAX];
    uint32_t ids[LATTICE_JOBS_MAX];
    enum clite_phase phase;
    struct division division; /* that is to be in force */
    uint32_t sample_count, best;
    uint64_t settled_tick, missed_ticks;
    double rates[LATTICE_JOBS_MAX];    /* when the search ended */
    double baseline[LATTICE_JOBS_MAX]; /* of each job in its own extreme sample */
    struct sample samples[SAMPLES_MAX];
    double points[SAMPLES_MAX * LATTICE_CELLS_MAX], scores[SAMPLES_MAX];
    double memory[SAMPLES_MAX * SAMPLES_MAX + 2 * SAMPLES_MAX];
};

#define AT(member) offsetof(struct clite_options, member)

static const struct option clite_option_table[] = {
    {.name = "observe",
     .type = OPTION_DURATION,
     .offset = AT(observe_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "2s",
     .help = "time that every sample is observed"},
    {.name = "samples",
     .type = OPTION_INT,
     .offset = AT(samples_max),
     .minimum = 1,
     .maximum = SAMPLES_MAX,
     .default_text = "100",
     .help = "after which a search ends anyhow"},
    {.name = "noise",
     .type = OPTION_DOUBLE,
     .offset = AT(noise),
     .minimum = 1e-9,
     .maximum = 1,
     .default_text = "1e-5",
     .help = "variance of a score's error, relative to the scores'"},
    {.name = "load-change",
     .type = OPTION_DOUBLE,
     .offset = AT(load_change),
     .minimum = 0.01,
     .maximum = 100,
     .default_text = "0.2",
     .help = "a tenant's rate that changes by this part starts a new search"},
    {.name = "retry",
     .type = OPTION_DURATION,
     .offset = AT(retry_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "10s",
     .help = "a miss of this length after a search that met every SLO starts a new one"},
};

static size_t clite_state_bytes(uint32_t tenants_max, const struct roost_node *node)
{
    (void)tenants_max, (void)node;
    return sizeof(struct clite_state);
}

static enum roost_err clite_init(void *state, const void *options, uint32_t tenants_max,
                                 const struct roost_node *node, struct detail *detail)
{
    (void)tenants_max, (void)node, (void)detail;
    ((struct clite_state *)state)->options = *(const struct clite_options *)options;
    return ROOST_OK;
}

static double rate_of(const struct roost_tenant *tenant)
{
    const struct roost_window *window = &tenant->window;
    return window->length_ns == 0 ? 0 : (double)window->arrivals * 1e9 / (double)window->length_ns;
}

static struct lattice lattice_of(const struct roost_view *view, uint32_t unit,
                                 enum roost_resource *resources)
{
    struct lattice lattice = {.jobs = view->tenant_count, .resources = 1};
    resources[0] = ROOST_CORES;
    lattice.units[0] = view->node.cores * ROOST_SLOTS_PER_CORE / unit;
    if (policy_ways_divisible(view)) {
        /* A unit is the least that a class may hold, so that every division can be granted. */
        uint32_t least = view->node.ways_min > 0 ? view->node.ways_min : 1;
        resources[lattice.resources] = ROOST_WAYS;
        lattice.units[lattice.resources++] = view->node.ways / least;
    }
    uint32_t step = view->node.bandwidth_step;
    if (view_has_knob(view, ROOST_KNOB_BANDWIDTH) && step >= view->node.bandwidth_min && step > 0 &&
        ROOST_BANDWIDTH_FULL / step >= view->tenant_count &&
        view->node.closids >= view->tenant_count) {
        resources[lattice.resources] = ROOST_BANDWIDTH;
        lattice.units[lattice.resources++] = ROOST_BANDWIDTH_FULL / step;
    }
    return lattice;
}

/* True when the search is about these tenants and this node. */
static bool same_mix(const struct clite_state *self, const struct roost_view *view,
                     const struct lattice *lattice, const enum roost_resource *resources)
{
    if (self->lattice.jobs != lattice->jobs || self->lattice.resources != lattice->resources) {
        return false;
    }
    for (uint32_t r = 0; r < lattice->resources; r++) {
        if (self->lattice.units[r] != lattice->units[r] || self->resources[r] != resources[r]) {
            return false;
        }
    }
    for (uint32_t job = 0; job < lattice->jobs; job++) {
        if (self->ids[job] != view->tenants[job].id) {
            return false;
        }
    }
    return true;
}

static void start(struct clite_state *self, const struct roost_view *view,
                  const struct lattice *lattice, const enum roost_resource *resources)
{
    self->lattice = *lattice;
    memcpy(self->resources, resources, sizeof self->resources);
    for (uint32_t job = 0; job < lattice->jobs; job++) {
        self->ids[job] = view->tenants[job].id;
        self->baseline[job] = 0;
    }
    self->phase = PHASE_SAMPLING;
    self->sample_count = self->best = 0;
    division_extreme(lattice, 0, &self->division);
}

/* Puts the division into the plan; true when it is not in force yet. */
static bool apply(const struct clite_state *self, const struct roost_view *view,
                  struct roost_plan *plan, uint32_t unit, const struct roost_reason *reason)
{
    bool changes = false;
    policy_open_cache(view, plan);
    for (uint32_t job = 0; job < self->lattice.jobs; job++) {
        struct roost_grant *grant = &plan->tenants[job].grant;
        for (uint32_t r = 0; r < self->lattice.resources; r++) {
            uint32_t units = self->division.units[lattice_cell(&self->lattice, r, job)];
            if (self->resources[r] == ROOST_CORES) {
                policy_set_slots(view, plan, job, units * unit);
            } else if (self->resources[r] == ROOST_WAYS) {
                grant->ways = units * (view->node.ways_min > 0 ? view->node.ways_min : 1);
            } else {
                grant->bandwidth = units * view->node.bandwidth_step;
            }
        }
        if (!view_grant_equal(grant, &view->tenants[job].grant)) {
            bool told = plan->tenants[job].reason.code == ROOST_REASON_MIGRATE;
            plan->tenants[job].reason = told ? plan->tenants[job].reason : *reason;
            changes = true;
        }
    }
    return changes;
}

/* What the view says of the division in force. */
static void observe(struct clite_state *self, const struct roost_view *view, struct sample *sample)
{
    for (uint32_t job = 0; job < self->lattice.jobs; job++) {
        const struct roost_tenant *tenant = &view->tenants[job];
        double pressure = policy_pressure(tenant), speed;
        sample->result.critical[job] = view_has_slo(tenant);
        if (view_has_slo(tenant)) {
            /* Nothing measured and nothing waiting is a job without load: content. */
            sample->result.ratio[job] = pressure > 0 ? 1 / pressure : 1;
            speed = pressure > 0 ? 1 / pressure : 0;
        } else {
            sample->result.ratio[job] = 1;
            speed = tenant->window.length_ns == 0
                        ? 0
                        : (double)tenant->window.batch_rows / (double)tenant->window.length_ns;
        }
        if (self->sample_count == job) {
            self->baseline[job] = speed;
        }
        double baseline = self->baseline[job];
        sample->result.performance[job] = baseline > 0 && speed < baseline ? speed / baseline : 1;
    }
    sample->division = self->division;
    sample->score = clite_score(&sample->result, self->lattice.jobs);
}

/* E.4: a job that misses its SLO with all that there is can never be helped here. */
static void judge_extreme(const struct clite_state *self, const struct roost_view *view,
                          struct roost_plan *plan, const struct sample *sample)
{
    uint32_t job = self->sample_count;
    if (job < self->lattice.jobs && sample->result.ratio[job] < 1) {
        plan->flags |= ROOST_PLAN_OVERLOADED;
        policy_reason(plan, job, ROOST_REASON_MIGRATE, ROOST_NONE,
                      (double)view->tenants[job].window.length_ns, 0);
    }
}

static bool seen(const struct clite_state *self, const struct division *division)
{
    for (uint32_t i = 0; i < self->sample_count; i++) {
        if (division_equal(&self->lattice, &self->samples[i].division, division)) {
            return true;
        }
    }
    return false;
}

/* One climb's surroundings. */
struct climb {
    struct clite_state *self;
    const struct gp *gp;
    uint32_t frozen; /* job that keeps what it has; ROOST_NONE */
    uint32_t evaluations;
};

static double promise(struct climb *climb, const struct division *division)
{
    struct clite_state *self = climb->self;
    double point[LATTICE_CELLS_MAX], mu, sigma;
    division_point(&self->lattice, division, point);
    gp_predict(climb->gp, self->memory, self->points, point, &mu, &sigma);
    climb->evaluations++;
    return gp_expected_improvement(mu, sigma, self->samples[self->best].score, zeta);
}

/* The best move of one unit from one job to another; false when none is better than `reached`. */
static bool climb_step(struct climb *climb, struct division *at, double *reached)
{
    const struct lattice *lattice = &climb->self->lattice;
    struct division best = *at;
    double most = *reached;
    for (uint32_t r = 0; r < lattice->resources; r++) {
        for (uint32_t pair = 0; pair < lattice->jobs * lattice->jobs; pair++) {
            uint32_t from = pair / lattice->jobs, to = pair % lattice->jobs;
            struct division next = *at;
            uint16_t *giver = &next.units[lattice_cell(lattice, r, from)];
            if (from == to || from == climb->frozen || to == climb->frozen || *giver < 2 ||
                climb->evaluations >= EVALUATIONS_MAX) {
                continue;
            }
            --*giver;
            next.units[lattice_cell(lattice, r, to)]++;
            double here = promise(climb, &next);
            if (here > most) {
                most = here;
                best = next;
            }
        }
    }
    bool better = most > *reached;
    *at = best;
    *reached = most;
    return better;
}

static uint32_t best_job(const struct clite_state *self, const struct sample *sample)
{
    uint32_t best = 0;
    for (uint32_t job = 1; job < self->lattice.jobs; job++) {
        double here = sample->result.ratio[job], most = sample->result.ratio[best];
        best = here > most ? job : best;
    }
    return best;
}

/* Climbs from a random division or, one time in four, from a past sample with the job that did best
 * in it frozen (E.5); and from the best sample. Returns the improvement that is expected. */
static double propose(struct clite_state *self, const struct gp *gp, struct rng *rng,
                      struct division *proposal)
{
    double most = -1;
    struct climb climb = {.self = self, .gp = gp, .frozen = ROOST_NONE};
    for (int round = 0; round < 2; round++) {
        struct division at = self->samples[self->best].division;
        climb.frozen = ROOST_NONE;
        if (round == 0 && rng_below(rng, 4) == 0) {
            const struct sample *past = &self->samples[rng_below(rng, self->sample_count)];
            at = past->division;
            climb.frozen = best_job(self, past);
        } else if (round == 0) {
            division_random(&self->lattice, rng, &at);
        }
        double reached = promise(&climb, &at);
        while (climb_step(&climb, &at, &reached)) {
        }
        if (reached > most) {
            most = reached;
            *proposal = at;
        }
        /* Half of the evaluations are the second climb's. */
        climb.evaluations = climb.evaluations < EVALUATIONS_MAX / 2 ? EVALUATIONS_MAX / 2
                                                                    : climb.evaluations;
    }
    return most;
}

/* E.6: from the worst sample up, help those that missed their SLO; else any division. */
static bool guard(struct clite_state *self, struct rng *rng, struct division *proposal)
{
    bool used[SAMPLES_MAX] = {false};
    for (uint32_t n = 0; n < self->sample_count; n++) {
        uint32_t worst = ROOST_NONE;
        for (uint32_t i = 0; i < self->sample_count; i++) {
            if (!used[i] &&
                (worst == ROOST_NONE || self->samples[i].score < self->samples[worst].score)) {
                worst = i;
            }
        }
        used[worst] = true;
        const struct sample *sample = &self->samples[worst];
        bool satisfied[LATTICE_JOBS_MAX];
        for (uint32_t job = 0; job < self->lattice.jobs; job++) {
            satisfied[job] = sample->result.ratio[job] >= 1;
        }
        *proposal = sample->division;
        if (division_help(&self->lattice, satisfied, rng, proposal) && !seen(self, proposal)) {
            return true;
        }
    }
    for (int i = 0; i < RANDOM_TRIES; i++) {
        division_random(&self->lattice, rng, proposal);
        if (!seen(self, proposal)) {
            return true;
        }
    }
    return false;
}

/* The next division to try; false when the search is over. */
static bool next_division(struct clite_state *self, const struct roost_view *view)
{
    uint32_t count = self->sample_count, jobs = self->lattice.jobs;
    if (count < jobs) {
        division_extreme(&self->lattice, count, &self->division);
        return true;
    }
    if (count == jobs) {
        division_equal_parts(&self->lattice, &self->division);
        return true;
    }
    if (count >= (uint32_t)self->options.samples_max ||
        self->samples[self->best].score >= score_enough) {
        return false;
    }
    uint32_t cells = self->lattice.resources * jobs;
    struct gp gp;
    struct rng rng;
    rng_seed(&rng, view->seed ^ (view->tick * UINT64_C(0x9e3779b97f4a7c15)));
    for (uint32_t i = 0; i < count; i++) {
        division_point(&self->lattice, &self->samples[i].division, &self->points[i * cells]);
        self->scores[i] = self->samples[i].score;
    }
    struct division proposal;
    bool fits = gp_fit(&gp, self->memory, self->points, self->scores, count, cells,
                       self->options.noise);
    if (fits && propose(self, &gp, &rng, &proposal) < clite_threshold(jobs)) {
        return false;
    }
    if ((!fits || seen(self, &proposal)) && !guard(self, &rng, &proposal)) {
        return false;
    }
    self->division = proposal;
    return true;
}

static void record(struct clite_state *self, const struct roost_view *view, struct roost_plan *plan)
{
    struct sample *sample = &self->samples[self->sample_count];
    observe(self, view, sample);
    judge_extreme(self, view, plan, sample);
    if (sample->score > self->samples[self->best].score) {
        self->best = self->sample_count;
    }
    self->sample_count++;
    if (self->sample_count < SAMPLES_MAX && next_division(self, view)) {
        return;
    }
    self->phase = PHASE_SETTLED;
    self->division = self->samples[self->best].division;
    self->settled_tick = view->tick;
    self->missed_ticks = 0;
    for (uint32_t job = 0; job < self->lattice.jobs; job++) {
        self->rates[job] = rate_of(&view->tenants[job]);
    }
}

/* After a search: true when load has changed, or SLOs are missed that were met. */
static bool outdated(struct clite_state *self, const struct roost_view *view)
{
    double pressure;
    policy_worst(view, &pressure);
    bool was_met = self->samples[self->best].score > 0.5;
    uint64_t ticks = view->tick - self->settled_tick;
    self->settled_tick = view->tick;
    self->missed_ticks = pressure > 1 && was_met ? self->missed_ticks + ticks : 0;
    if (self->missed_ticks >= policy_ticks(view, self->options.retry_ns)) {
        return true;
    }
    for (uint32_t job = 0; job < self->lattice.jobs; job++) {
        const struct roost_tenant *tenant = &view->tenants[job];
        double rate = rate_of(tenant), change = fabs(rate - self->rates[job]);
        /* Three standard deviations of a Poisson count are no change of load. */
        double noise = 3 * sqrt(self->rates[job] * 1e9 / (double)(tenant->window.length_ns + 1));
        if (change > self->options.load_change * self->rates[job] && change > noise) {
            return true;
        }
    }
    return false;
}

static void clite_decide(void *state, const struct roost_view *view, struct roost_plan *plan)
{
    struct clite_state *self = state;
    uint32_t unit = policy_unit_slots(view, 0);
    if (view->tenant_count > LATTICE_JOBS_MAX || unit == 0 ||
        view->node.cores * ROOST_SLOTS_PER_CORE / unit > UINT16_MAX) {
        policy_share(view, plan);
        return;
    }
    enum roost_resource resources[LATTICE_RESOURCES_MAX] = {ROOST_CORES};
    struct lattice lattice = lattice_of(view, unit, resources);
    if (self->phase == PHASE_START || !same_mix(self, view, &lattice, resources)) {
        start(self, view, &lattice, resources);
    } else if (policy_settled(view, self->options.observe_ns)) {
        struct roost_reason again = {.other = ROOST_NONE};
        bool in_force = !apply(self, view, plan, unit, &again);
        plan_prepare(plan, plan->tenants, view);
        if (in_force && self->phase == PHASE_SAMPLING) {
            record(self, view, plan);
        } else if (in_force && outdated(self, view)) {
            start(self, view, &lattice, resources);
        }
    }
    bool over = self->phase == PHASE_SETTLED;
    double score = self->sample_count > 0 ? self->samples[self->best].score : 0;
    struct roost_reason reason = {
        .code = over ? ROOST_REASON_BEST : ROOST_REASON_SAMPLE,
        .other = ROOST_NONE,
        .values = {over ? self->sample_count : self->sample_count + 1, score},
    };
    apply(self, view, plan, unit, &reason);
    plan->flags |= over ? ROOST_PLAN_SETTLED : 0;
    plan->flags |= over && score <= 0.5 ? ROOST_PLAN_OVERLOADED : 0;
}

const struct roost_policy policy_clite = {
    .contract = ROOST_POLICY_CONTRACT,
    .name = "clite",
    .summary = "Bayesian optimisation over divisions of cores, cache ways and bandwidth",
    .version = "1",
    .tenants_max = LATTICE_JOBS_MAX,
    .delay_ticks = 1,
    .options = clite_option_table,
    .option_count = sizeof clite_option_table / sizeof clite_option_table[0],
    .options_bytes = sizeof(struct clite_options),
    .state_bytes = clite_state_bytes,
    .init = clite_init,
    .decide = clite_decide,
};
