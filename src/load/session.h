/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole run of the load, on the command's thread: starts the sending thread, collects what it
 * reports, shows it while it runs, and for --find-max decides what is sent next. Signals (SIGINT,
 * SIGTERM) end the sending; a second one gives up what is still open.
 */
#ifndef ROOST_LOAD_SESSION_H
#define ROOST_LOAD_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load/findmax.h"
#include "load/report.h"
#include "load/tenants.h"

struct session_options {
    const struct target *target;
    const char *url;
    const struct load_tenants *tenants;
    uint64_t seed;
    uint64_t warmup_ns;
    uint64_t duration_ns; /* UINT64_MAX: until stopped */
    uint64_t requests_max;
    uint64_t timeout_ns, drain_ns, spin_ns, interval_ns;
    unsigned connections_max, outstanding_max;
    FILE *live;            /* NULL: nothing is shown */
    bool live_is_terminal; /* a table that is drawn again and again, else lines now and then */
    bool with_color;
    FILE *records; /* (optional) one CSV line per request */
    bool find_max;
    double find_start, find_precision;
    double find_lowest; /* multiplier at which the search gives up */
    uint64_t find_step_ns;
    uint64_t find_samples;
};

struct session_result {
    struct report report; /* of the run; of the load found with find_max */
    struct findmax search;
    double found;   /* find_max: the multiplier, or 0 when there is none */
    char note[160]; /* find_max: what limits it */
};

/* Blocks until the run is over. The result is the caller's (session_result_fini), also on failure;
 * the report is only finished (is_finished) when there was something to report. */
enum roost_err session_run(const struct session_options *options, struct session_result *result,
                           struct detail *detail);
void session_result_fini(struct session_result *result);

/* The search as lines for people, and as a JSON member. */
void session_search_text(const struct session_options *options, const struct session_result *result,
                         struct strbuf *out);
void session_search_json(const struct session_options *options, const struct session_result *result,
                         struct strbuf *out);

#endif
