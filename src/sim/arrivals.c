/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/arrivals.h"

#include <math.h>

#include "base/clock.h"

uint64_t arrivals_seed(uint64_t seed, uint64_t stream)
{
    struct rng rng;
    rng_seed(&rng, seed ^ (stream * UINT64_C(0xD1342543DE82EF95)));
    return rng_next(&rng);
}

double arrivals_profile(const struct arrivals_options *options, uint64_t at_ns)
{
    if (options->point_count == 0)
        return 1;
    if (options->repeat_ns > 0)
        at_ns %= options->repeat_ns;
    const struct arrivals_point *points = options->points;
    uint32_t i = 0;
    while (i + 1 < options->point_count && points[i + 1].at_ns <= at_ns)
        i++;
    if (options->shape == ARRIVALS_STEPS)
        return points[i].factor;
    bool last = i + 1 == options->point_count;
    if (last && options->repeat_ns == 0)
        return points[i].factor;
    /* A profile that repeats runs from its last point back to its first. */
    uint64_t end_ns = last ? options->repeat_ns : points[i + 1].at_ns;
    double to = last ? points[0].factor : points[i + 1].factor;
    double span = (double)(end_ns - points[i].at_ns);
    double part = span > 0 ? (double)(at_ns - points[i].at_ns) / span : 0;
    return points[i].factor + (to - points[i].factor) * part;
}

static double highest_factor(const struct arrivals_options *options)
{
    double highest = options->point_count == 0 ? 1 : 0;
    for (uint32_t i = 0; i < options->point_count; i++)
        highest = fmax(highest, options->points[i].factor);
    return highest;
}

void arrivals_init(struct arrivals *arrivals, const struct arrivals_options *options, uint64_t seed,
                   uint64_t until_ns)
{
    *arrivals = (struct arrivals){.options = options, .state_scale = 1};
    arrivals->until_ns = (double)until_ns;
    rng_seed(&arrivals->times, arrivals_seed(seed, 1));
    rng_seed(&arrivals->rows, arrivals_seed(seed, 2));
    rng_seed(&arrivals->states, arrivals_seed(seed, 3));
    double highest_state = 1;
    if (options->state_count > 0) {
        double time = 0, work = 0, top = 0;
        for (uint32_t i = 0; i < options->state_count; i++) {
            const struct arrivals_state *state = &options->states[i];
            time += (double)state->mean_ns;
            work += state->factor * (double)state->mean_ns;
            top = fmax(top, state->factor);
        }
        arrivals->state_scale = work > 0 ? time / work : 0;
        highest_state = top * arrivals->state_scale;
        arrivals->state = (uint32_t)rng_below(&arrivals->states, options->state_count);
        arrivals->state_end_ns = rng_exponential(&arrivals->states,
                                                 (double)options->states[arrivals->state].mean_ns);
    }
    arrivals->highest_per_s = options->rate_per_s * highest_factor(options) * highest_state;
}

/* Factor of the random state at the time, which never goes back. All other states are as likely to
 * come next, so each is visited as often as any. */
static double state_factor(struct arrivals *arrivals, double at_ns)
{
    const struct arrivals_options *options = arrivals->options;
    if (options->state_count == 0)
        return 1;
    while (options->state_count > 1 && at_ns >= arrivals->state_end_ns) {
        uint32_t jump = 1 + (uint32_t)rng_below(&arrivals->states, options->state_count - 1);
        arrivals->state = (arrivals->state + jump) % options->state_count;
        arrivals->state_end_ns += rng_exponential(&arrivals->states,
                                                  (double)options->states[arrivals->state].mean_ns);
    }
    return options->states[arrivals->state].factor * arrivals->state_scale;
}

static double rate_at(struct arrivals *arrivals, double at_ns)
{
    const struct arrivals_options *options = arrivals->options;
    return options->rate_per_s * arrivals_profile(options, (uint64_t)at_ns) *
           state_factor(arrivals, at_ns);
}

static bool next_poisson(struct arrivals *arrivals)
{
    const struct arrivals_options *options = arrivals->options;
    bool steady = options->point_count == 0 && options->state_count == 0;
    double mean_ns = (double)NS_PER_S / arrivals->highest_per_s;
    do {
        arrivals->at_ns += rng_exponential(&arrivals->times, mean_ns);
        if (steady)
            break;
    } while (arrivals->at_ns < arrivals->until_ns &&
             rng_uniform(&arrivals->times) * arrivals->highest_per_s >=
                 rate_at(arrivals, arrivals->at_ns));
    return arrivals->at_ns < arrivals->until_ns;
}

/* While the rate is 0 nothing comes: it looks again after the shortest gap. */
static bool next_constant(struct arrivals *arrivals)
{
    double gap_ns = (double)NS_PER_S / arrivals->highest_per_s;
    double rate = rate_at(arrivals, arrivals->at_ns);
    while (rate <= 0 && arrivals->at_ns < arrivals->until_ns) {
        arrivals->at_ns += gap_ns;
        rate = rate_at(arrivals, arrivals->at_ns);
    }
    if (rate > 0)
        arrivals->at_ns += (double)NS_PER_S / rate;
    return arrivals->at_ns < arrivals->until_ns;
}

static uint32_t draw_rows(struct arrivals *arrivals)
{
    const struct arrivals_options *options = arrivals->options;
    if (options->rows_count > 0)
        return options->rows_list[rng_below(&arrivals->rows, options->rows_count)];
    if (options->sigma <= 0)
        return options->rows_max;
    double rows = round(exp(options->mu + options->sigma * rng_normal(&arrivals->rows)));
    return (uint32_t)fmin(fmax(rows, options->rows_min), options->rows_max);
}

bool arrivals_next(struct arrivals *arrivals, struct arrivals_event *event)
{
    const struct arrivals_options *options = arrivals->options;
    if (options->process == ARRIVALS_TRACE) {
        if (arrivals->next == options->trace_count)
            return false;
        *event = options->trace[arrivals->next++];
        if ((double)event->at_ns >= arrivals->until_ns)
            return false;
    } else {
        if (arrivals->highest_per_s <= 0)
            return false;
        bool more = options->process == ARRIVALS_POISSON ? next_poisson(arrivals)
                                                         : next_constant(arrivals);
        if (!more)
            return false;
        *event = (struct arrivals_event){.at_ns = (uint64_t)arrivals->at_ns};
    }
    if (event->rows == 0)
        event->rows = draw_rows(arrivals);
    return true;
}
