/* SPDX-License-Identifier: Apache-2.0 */
#include "load/arrival.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"

const char *const arrival_kind_names[] = {"poisson", "constant", "bursty", "trace", NULL};

double arrival_rate(const struct arrival_options *options)
{
    double rate = options->kind == ARRIVAL_TRACE ? trace_rate(options->trace) : options->rate;
    return rate * options->multiplier;
}

static double mean_gap_ns(const struct arrival *arrival)
{
    return (double)NS_PER_S / (arrival->options.rate * arrival->options.multiplier);
}

/* Mean gap in one state: low * (calm + burst * surge) = mean rate * (calm + surge). */
static double state_gap_ns(const struct arrival *arrival, bool is_high)
{
    const struct arrival_options *options = &arrival->options;
    double surge = (double)options->surge_ns;
    double calm = (double)options->calm_ns;
    double low_gap = mean_gap_ns(arrival) * (calm + options->burst * surge) / (calm + surge);
    return is_high ? low_gap / options->burst : low_gap;
}

static double state_length_ns(struct arrival *arrival)
{
    const struct arrival_options *options = &arrival->options;
    double mean = (double)(arrival->is_high ? options->surge_ns : options->calm_ns);
    return rng_exponential(&arrival->rng, mean);
}

void arrival_init(struct arrival *arrival, const struct arrival_options *options, uint64_t seed)
{
    roost_assert(options->multiplier > 0.0);
    roost_assert(options->kind == ARRIVAL_TRACE ? options->trace != NULL : options->rate > 0.0);
    *arrival = (struct arrival){.options = *options};
    rng_seed(&arrival->rng, seed);
    if (options->kind == ARRIVAL_CONSTANT) {
        /* A phase of its own, or tenants of equal rate would always send together. */
        arrival->at_ns = rng_uniform(&arrival->rng) * mean_gap_ns(arrival);
    } else if (options->kind == ARRIVAL_BURSTY) {
        roost_assert(options->burst >= 1.0 && options->surge_ns > 0 && options->calm_ns > 0);
        double share = (double)options->surge_ns / (double)(options->surge_ns + options->calm_ns);
        arrival->is_high = rng_uniform(&arrival->rng) < share;
        arrival->switch_at_ns = state_length_ns(arrival);
    }
}

/* What is left of a gap after a change of state is exponential again, with the new mean. */
static double bursty_next_ns(struct arrival *arrival)
{
    double at_ns = arrival->at_ns;
    for (;;) {
        double gap = rng_exponential(&arrival->rng, state_gap_ns(arrival, arrival->is_high));
        if (at_ns + gap <= arrival->switch_at_ns)
            return at_ns + gap;
        at_ns = arrival->switch_at_ns;
        arrival->is_high = !arrival->is_high;
        arrival->switch_at_ns = at_ns + state_length_ns(arrival);
    }
}

/* Very low rates and stretched traces lead beyond what the clock can tell: never. */
static uint64_t time_of(double at_ns)
{
    static const double never_ns = 0x1p63;
    return at_ns < never_ns ? (uint64_t)at_ns : (uint64_t)never_ns;
}

bool arrival_next(struct arrival *arrival, struct arrival_event *event)
{
    *event = (struct arrival_event){0};
    switch (arrival->options.kind) {
    case ARRIVAL_POISSON:
        arrival->at_ns += rng_exponential(&arrival->rng, mean_gap_ns(arrival));
        event->at_ns = time_of(arrival->at_ns);
        break;
    case ARRIVAL_CONSTANT:
        /* From the index, so that rounding does not add up. */
        event->at_ns = time_of(arrival->at_ns + (double)arrival->index * mean_gap_ns(arrival));
        break;
    case ARRIVAL_BURSTY:
        arrival->at_ns = bursty_next_ns(arrival);
        event->at_ns = time_of(arrival->at_ns);
        break;
    case ARRIVAL_TRACE: {
        const struct trace *trace = arrival->options.trace;
        if (arrival->index >= trace->count)
            return false;
        const struct trace_arrival *line = &trace->arrivals[arrival->index];
        event->at_ns = time_of((double)line->at_ns / arrival->options.multiplier);
        event->batch = line->batch;
        break;
    }
    }
    arrival->index++;
    return true;
}
