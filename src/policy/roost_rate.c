/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often requests come: policy `roost`. A rate is the mean since it last changed, and once that
 * is long ago a moving one. Whether it has changed is asked of every split of what is known into a
 * part before and the last few ticks: by how much likelier two rates are than one (the generalised
 * likelihood ratio; Lai, 1995, "Sequential changepoint detection in quality control and dynamical
 * systems"). The likeliest split says when it changed as well, so that what came before does not
 * weigh on the new rate, and how little is known of it so far.
 */
#include <math.h>

#include "policy/roost_state.h"

/* Of the ratio's logarithm; by chance it is beyond that about once in an hour. */
static const double changed_least = 8;
/* Fewer requests than that, come or missing, are no change but a few that came together. */
static const double requests_least = 20;
/* Requests that a moving mean is made of, in the time that this takes at least and at most. */
static const double memory_requests = 160, memory_least_s = 4, memory_most_s = 32;

static double memory_s(double per_s)
{
    double memory_s = per_s > 0 ? memory_requests / per_s : memory_most_s;
    return memory_s < memory_least_s  ? memory_least_s
           : memory_s > memory_most_s ? memory_most_s
                                      : memory_s;
}

/* What the log of the likelihood gains where so many arrivals are not what was expected of them. */
static double gain_of(double arrivals, double expected)
{
    return arrivals > 0 ? arrivals * log(arrivals / expected) : 0;
}

static void remember(struct roost_rate *rate, double arrivals, double span_s)
{
    for (uint32_t i = ROOST_RATE_TICKS - 1; i > 0; i--) {
        rate->arrivals[i] = rate->arrivals[i - 1];
        rate->span_s[i] = rate->span_s[i - 1];
    }
    rate->arrivals[0] = arrivals;
    rate->span_s[0] = span_s;
    rate->ticks += rate->ticks < ROOST_RATE_TICKS ? 1 : 0;
}

/* The last ticks at whose beginning the rate changed, 0: it did not. */
static uint32_t changed(const struct roost_rate *rate, double all, double all_s)
{
    double arrivals = 0, span_s = 0, best = changed_least;
    uint32_t found = 0;
    for (uint32_t i = 0; i < rate->ticks; i++) {
        arrivals += rate->arrivals[i];
        span_s += rate->span_s[i];
        if (2 * span_s > all_s) {
            break;
        }
        double expected = all * span_s / all_s, off = arrivals - expected;
        bool enough = arrivals > requests_least || rate->per_s * span_s > requests_least;
        /* The gain is at most this, since log x <= x - 1: mostly logarithms are not needed. */
        if (!enough || off * off * (1 / expected + 1 / (all - expected)) <= best) {
            continue;
        }
        double gain = gain_of(arrivals, expected) + gain_of(all - arrivals, all - expected);
        if (gain > best) {
            best = gain;
            found = i + 1;
        }
    }
    return found;
}

/* Begins anew with the last ticks. */
static void change(struct roost_rate *rate, uint32_t ticks)
{
    double arrivals = 0, span_s = 0, before = rate->per_s;
    for (uint32_t i = 0; i < ticks; i++) {
        arrivals += rate->arrivals[i];
        span_s += rate->span_s[i];
    }
    rate->per_s = arrivals / span_s;
    rate->known_s = rate->steady_s = span_s;
    rate->ticks = ticks;
    rate->rose = rate->per_s > before;
}

void roost_rate_learn(struct roost_rate *rate, const struct roost_tenant *tenant)
{
    double arrivals = (double)tenant->recent.arrivals;
    double span_s = (double)tenant->recent.length_ns * 1e-9;
    double window_s = (double)tenant->window.length_ns * 1e-9;
    if (span_s <= 0) {
        return;
    }
    if (rate->known_s <= 0) {
        bool window = window_s > span_s;
        rate->known_s = window ? window_s : span_s;
        rate->per_s = window ? (double)tenant->window.arrivals / window_s : arrivals / span_s;
        return;
    }
    rate->steady_s += span_s;
    remember(rate, arrivals, span_s);
    uint32_t since = changed(rate, rate->per_s * rate->known_s + arrivals, rate->known_s + span_s);
    if (since > 0) {
        change(rate, since);
        return;
    }
    double most_s = memory_s(rate->per_s);
    rate->known_s += span_s;
    rate->per_s += span_s / (rate->known_s < most_s ? rate->known_s : most_s) *
                   (arrivals / span_s - rate->per_s);
    /* A moving mean has the variance of a plain one over twice its memory. */
    rate->known_s = rate->known_s < 2 * most_s ? rate->known_s : 2 * most_s;
}

double roost_rate_sigma(const struct roost_rate *rate)
{
    return rate->known_s > 0 ? sqrt((rate->per_s + 1 / rate->known_s) / rate->known_s) : 0;
}
