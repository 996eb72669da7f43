/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows a run while it goes on: the live table on a terminal, lines elsewhere, nothing when it was
 * not asked for. Also asks the server for its metrics, if it has any. On the session's loop, one
 * thread; every function may be called on a watch that shows nothing.
 */
#ifndef ROOST_LOAD_WATCH_H
#define ROOST_LOAD_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "load/live.h"
#include "load/session.h"
#include "net/http_client.h"

enum { WATCH_PHASE_BYTES_MAX = 64 };

struct watch {
    FILE *out; /* NULL: shows nothing */
    bool is_terminal, with_color;
    bool with_lines; /* without a terminal: a search tells its steps, which is enough */
    const char *url;
    struct live live;
    uv_timer_t timer;
    uint64_t now_ns, turn_ns; /* of the run: known, and at the last turn */
    uint64_t warmup_ns, total_ns;
    unsigned turns;
    unsigned lines; /* drawn, to be drawn over */
    char phase[WATCH_PHASE_BYTES_MAX];
    /* The server's metrics. */
    struct http_client *client;
    struct scrape_model *models;
    struct strbuf request;
    bool is_asking, has_metrics;
    unsigned failures;
};

enum roost_err watch_open(struct watch *watch, uv_loop_t *loop,
                          const struct session_options *options, struct detail *detail);

/* Closes what is on the loop; the watch may go when the loop has run out. Safe after a failed
 * open, and on a watch of zeros. */
void watch_close(struct watch *watch);

/* A run begins; total_ns, warm-up included, is UINT64_MAX when nobody knows. */
void watch_begin(struct watch *watch, uint64_t warmup_ns, uint64_t total_ns);
void watch_add(struct watch *watch, const struct load_record *record);
void watch_time(struct watch *watch, uint64_t now_ns);

/* What the run is about, for the first line. */
void watch_phase(struct watch *watch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line that stays, above the table. */
void watch_line(struct watch *watch, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The run is over: the table is taken away, because the report comes. */
void watch_end(struct watch *watch);

#endif
