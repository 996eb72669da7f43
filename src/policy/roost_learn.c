/* SPDX-License-Identifier: Apache-2.0 */
/* What policy `roost` learns from every view. */
#include <math.h>

#include "policy/roost_state.h"

static const double parallel_span_s = 600;
static const double calibration_least = 0.3, calibration_most = 8;
static const double calibration_span_s = 3;
/* A bad spell of the machine is mostly over before another variant would help, and where there is
 * room it is hardly anything else. */
static const double missed_enough_s = 1, missed_with_room_s = 2.5, grace_s = 1;
/* After a queue that was too long, early refusal goes on for this long. While it does, a time
 * without a miss makes good for so much of one with misses. */
static const double refusing_span_s = 1, forgiven = 0.25;

static double part_of(double elapsed_s, double span_s)
{
    return 1 - exp(-elapsed_s / span_s);
}

/* What goes with the rate: rows of a request, cores that all of them take. */
static void learn_work(struct roost_record *record, const struct roost_tenant *tenant)
{
    const struct roost_recent *recent = &tenant->recent;
    double span_s = (double)recent->length_ns * 1e-9;
    record->calibration = record->calibration > 0 ? record->calibration : 1;
    if (span_s <= 0) {
        return;
    }
    double cores = (double)recent->cpu_ns / (double)recent->length_ns;
    record->used_cores += (record->seen != 0 ? part_of(span_s, 1) : 1) *
                          (cores - record->used_cores);
    record->seen = 1;
    double abs_rows = tenant->window.abs_rows > 0 ? tenant->window.abs_rows : 1;
    record->abs_rows += (record->abs_rows > 0 ? part_of(span_s, 2) : 1) *
                        (abs_rows - record->abs_rows);
}

/* Beside neighbours a run gets fewer cores than it could use: what was seen at best counts, and is
 * forgotten slowly. */
static void learn_parallel(struct roost_record *record, const struct roost_tenant *tenant,
                           double elapsed_s)
{
    double seen = 1, most = policy_threads(tenant);
    if (tenant->recent.busy_ns > 0) {
        seen = (double)tenant->recent.cpu_ns / (double)tenant->recent.busy_ns;
    }
    seen = seen < 1 ? 1 : seen > most ? most : seen;
    double forgotten = record->parallel * (1 - part_of(elapsed_s, parallel_span_s));
    record->parallel = seen > forgotten ? seen : forgotten;
}

double roost_rate(const struct roost_turn *turn, uint32_t tenant, double sigmas)
{
    const struct roost_record *record = &turn->self->records[tenant];
    double rate = record->rate.per_s + sigmas * roost_rate_sigma(&record->rate);
    return rate > 0 ? rate : 0;
}

double roost_cores_found(const struct roost_turn *turn, uint32_t tenant)
{
    double others = 0, weights = 0;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        others += i == tenant ? 0 : turn->self->records[i].used_cores;
        weights += turn->view->tenants[i].grant.weight;
    }
    double share = turn->cores * turn->view->tenants[tenant].grant.weight / weights;
    double left = turn->cores - others;
    return left > share ? left : share;
}

/* From here on it is corrected for what is measured at the present load. */
static void rebase_calibration(const struct roost_turn *turn, struct roost_record *record)
{
    record->calibration = roost_believed(turn, record);
    record->calibration_demand = turn->demand;
}

/* Only what was measured under the grants in force and a steady load tells of the model. */
static void learn_calibration(struct roost_turn *turn, uint32_t i)
{
    struct roost_record *record = &turn->self->records[i];
    const struct roost_tenant *tenant = &turn->view->tenants[i];
    double window_s = (double)tenant->window.length_ns * 1e-9;
    struct tail tail;
    bool enough = view_has_slo(tenant) &&
                  tenant->window.latency_samples >= policy_samples_least(tenant->slo_percentile);
    /* While nobody is late, there is enough of everything, and weights make no difference. */
    bool held = (double)tenant->since_switch_ns * 1e-9 >= window_s &&
                ((double)tenant->since_change_ns * 1e-9 >= window_s ||
                 turn->self->content_s >= window_s);
    if (!enough || !held || record->rate.steady_s < window_s || record->recovering != 0 ||
        record->refusing_s > 0 ||
        !roost_tail(turn, i, tenant->serving, roost_rate(turn, i, 0), &tail)) {
        return;
    }
    tail.calibration = 1;
    double predicted = tail_predict_ns(&tail, roost_cores_found(turn, i));
    double measured = (double)tenant->window.latency_slo_ns;
    if (!isfinite(predicted) || !(predicted > 0) || !(measured > 0)) {
        return;
    }
    double ratio = measured / predicted;
    rebase_calibration(turn, record);
    if (turn->self->overloaded != 0 && ratio > record->calibration) {
        return; /* by what is refused and what is left over, not by the model */
    }
    /* A window is mostly the same from one tick to the next: it must not be counted many times. */
    double span_s = ratio > record->calibration ? window_s / 2 : window_s;
    span_s = span_s < calibration_span_s ? calibration_span_s : span_s;
    double next = record->calibration *
                  pow(ratio / record->calibration, part_of(turn->elapsed_s, span_s));
    record->calibration = next < calibration_least  ? calibration_least
                          : next > calibration_most ? calibration_most
                                                    : next;
}

static bool falls_short(const struct roost_tenant *tenant)
{
    return tenant->window.attainment * 100 < tenant->slo_percentile;
}

/* A window remembers misses that are over; what came out since the last tick tells. Where nothing
 * did, it goes on as it was. Where a queue is refused, the tail shows nothing of it, and not every
 * tick has its share. */
static bool learn_missed(struct roost_record *record, const struct roost_tenant *tenant,
                         double elapsed_s)
{
    bool refused = record->refusing_s > 0 && falls_short(tenant);
    bool pressed = refused || policy_pressure(tenant) > 1;
    bool misses = pressed && (tenant->queue.late > 0 || tenant->recent.slo_misses > 0);
    bool silent = pressed && tenant->recent.completions == 0;
    if (misses || (silent && record->missed_s > 0)) {
        record->missed_s += elapsed_s;
    } else {
        double left_s = record->missed_s - forgiven * elapsed_s;
        record->missed_s = refused && left_s > 0 ? left_s : 0;
    }
    return misses;
}

/* More than twice as many as may be, and whoever waits has waited for long. */
static bool queue_is_late(const struct roost_tenant *tenant)
{
    const struct roost_recent *recent = &tenant->recent;
    double due = (double)(recent->completions > recent->arrivals ? recent->completions
                                                                 : recent->arrivals);
    double allowed = 1 - tenant->slo_percentile / 100;
    return (double)recent->slo_misses > 2 * allowed * due &&
           2 * tenant->queue.head_age_ns > tenant->slo_ns;
}

/* A queue that makes its tenant late is to be refused at once, whatever is done about its cause: in
 * a bad spell of the machine only those are lost then that are too many. While it is refused it is
 * short, and goes on for as long as too many are. */
static void learn_backlog(struct roost_turn *turn, uint32_t i)
{
    struct roost_record *record = &turn->self->records[i];
    const struct roost_tenant *tenant = &turn->view->tenants[i];
    bool may = roost_may_refuse(turn, i) && turn->self->overloaded == 0 && record->given_up == 0;
    bool goes_on = record->refusing_s > 0 && tenant->recent.slo_misses > 0 && falls_short(tenant);
    if (may && (goes_on || queue_is_late(tenant))) {
        record->refusing_s = refusing_span_s;
    } else {
        record->refusing_s = may ? fmax(record->refusing_s - turn->elapsed_s, 0) : 0;
    }
}

void roost_learn(struct roost_turn *turn)
{
    bool content = true;
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct roost_record *record = &turn->self->records[i];
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        roost_rate_learn(&record->rate, tenant);
        learn_work(record, tenant);
        learn_parallel(record, tenant, turn->elapsed_s);
        bool misses = learn_missed(record, tenant, turn->elapsed_s);
        learn_backlog(turn, i);
        double window_s = (double)tenant->window.length_ns * 1e-9;
        turn->rising = turn->rising || (record->rate.rose != 0 && record->rate.steady_s < window_s);
        content = content && !misses;
    }
    roost_learn_costs(turn);
    turn->demand = roost_demand(turn);
    roost_learn_outage(turn);
    roost_trial_learn(turn);
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        learn_calibration(turn, i);
    }
    struct roost_state *self = turn->self;
    self->content_s = content ? self->content_s + turn->elapsed_s : 0;
    if (self->content_s > 5 && self->capacity < 1) {
        self->capacity += 0.01 * turn->elapsed_s;
        self->capacity = self->capacity > 1 ? 1 : self->capacity;
    }
}

/* The last switch anywhere; what waits from before it is not its fault. */
static double since_switch_s(const struct roost_view *view)
{
    uint64_t since_ns = UINT64_MAX;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        uint64_t of_this = view_is_switching(tenant) ? 0 : tenant->since_switch_ns;
        since_ns = of_this < since_ns ? of_this : since_ns;
    }
    return (double)since_ns * 1e-9;
}

bool roost_correct(struct roost_turn *turn)
{
    bool corrected = false;
    double since_s = since_switch_s(turn->view);
    bool room = !roost_is_crowded(turn);
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct roost_record *record = &turn->self->records[i];
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        double slo_s = (double)tenant->slo_ns * 1e-9;
        bool counts = turn->loads[i].critical || turn->self->overloaded != 0;
        bool outage = view_is_switching(tenant) || record->recovering != 0;
        bool fits = room && isfinite(turn->loads[i].need);
        double enough_s = fits ? missed_with_room_s : missed_enough_s;
        if (record->missed_s < enough_s || since_s < grace_s + 2 * slo_s || !counts ||
            turn->draining || (turn->self->outage_s > 0 && outage)) {
            continue;
        }
        double pressure = policy_pressure(tenant);
        if (record->refusing_s > 0) {
            pressure = fmax(pressure, 1 / tenant->window.attainment);
        }
        record->missed_s = 0;
        corrected = true;
        if (turn->self->overloaded != 0) {
            /* Being late is what the model says too; but it may know more by now. */
            continue;
        }
        rebase_calibration(turn, record);
        if (record->calibration < calibration_most) {
            double times = pressure > 2 ? 2 : pressure < 1.1 ? 1.1 : pressure;
            record->calibration *= times;
        } else if (turn->self->capacity > 0.4) {
            turn->self->capacity *= 0.95;
        }
    }
    return corrected;
}
