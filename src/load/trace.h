/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded arrivals, replayed by the load generator.
 *
 * A text with one arrival per line: a time, and optionally the batch size after a comma or spaces.
 * Times are seconds unless they carry a unit ("12.5 ms"), count from the first line's, and never go
 * back. Empty lines, '#' comments and one line of column names at the top are skipped.
 * One thread per trace; the finished trace is read-only.
 */
#ifndef ROOST_LOAD_TRACE_H
#define ROOST_LOAD_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"

enum { TRACE_ARRIVALS_MAX = 20000000, TRACE_BATCH_MAX = 65536 };

struct trace_arrival {
    uint64_t at_ns; /* since the first arrival */
    uint32_t batch; /* 0: the line has none */
};

struct trace {
    struct trace_arrival *arrivals;
    size_t count;
};

/* INVALID names the line ("line 3: ..."); a trace without arrivals is refused too. On OK the trace
 * is the caller's (trace_fini); otherwise it is empty. */
enum roost_err trace_parse(const char *text, size_t length, struct trace *trace,
                           struct detail *detail);

/* Reads a file of at most 1 GiB. */
enum roost_err trace_read(const char *path, struct trace *trace, struct detail *detail);

void trace_fini(struct trace *trace);

/* From the first arrival to the last. */
uint64_t trace_duration_ns(const struct trace *trace);

/* Arrivals per second over the duration; 0 for a single arrival. */
double trace_rate(const struct trace *trace);

#endif
