/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulated run came to, per tenant and over time, and how it is shown. Counts are of
 * requests that arrived after the warm-up. One thread per result.
 */
#ifndef ROOST_SIM_RESULT_H
#define ROOST_SIM_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/strbuf.h"
#include "sim/scenario.h"

struct result_tenant {
    uint64_t arrivals;
    uint64_t completions, refusals, errors; /* together as many as the arrivals */
    uint64_t hits;                          /* answered within the SLO; without one: answered */
    double accuracy_hits;                   /* summed accuracy of the hits */
    bool accuracy_unknown;                  /* some variant declares none */
    uint64_t switches;                      /* all the run long */
    uint64_t grants;                        /* changes of grants that were no switches */
    double core_ns;                         /* CPU time used, all the run long */
    double accuracy_ns; /* accuracy of the serving variant over time, all the run long */
    struct hist latency_ns;
};

/* One tenant between two points of the time lines. */
struct result_sample {
    uint32_t variant;
    float arrivals_per_s, cores_used, cores_granted; /* granted: held, or the share by weight */
    float latency_slo_ms; /* at the SLO's percentile (95 without one); 0: no answer */
    float attainment;     /* < 0: nothing was due */
    float queued;
    uint32_t ways;
};

struct result {
    const struct scenario *scenario; /* borrowed */
    const char *policy;              /* borrowed */
    uint64_t seed, events, requests;
    uint64_t ticks, faults;
    double cores_ns_available; /* over the run, without the drain */
    struct result_tenant *tenants;
    uint32_t sample_count, samples_max;
    struct result_sample *samples; /* samples[n * tenants + tenant] */
};

/* NO_MEMORY; fini is safe after a failure. */
enum roost_err result_init(struct result *result, const struct scenario *scenario);
void result_fini(struct result *result);

/* Summaries; the tenant's and, with ROOST_NONE, over all tenants (mean of EA and attainment). */
double result_attainment(const struct result *result, uint32_t tenant);
double result_effective_accuracy(const struct result *result, uint32_t tenant); /* < 0: n/a */
double result_goodput_per_s(const struct result *result, uint32_t tenant);
double result_utilisation(const struct result *result);
double result_accuracy(const struct result *result, uint32_t tenant); /* over time; < 0: n/a */

/* A table for people; JSON: an object; SVG: a drawing of the time lines. */
void result_write_table(const struct result *result, struct strbuf *out);
void result_write_json(const struct result *result, struct strbuf *out);
void result_write_svg(const struct result *result, struct strbuf *out);

#endif
