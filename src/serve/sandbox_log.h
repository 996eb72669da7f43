/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts tell of their sandbox, for the log. All hosts of a server mostly lack the same, so it
 * is said once and not per host. One thread (the loop's).
 */
#ifndef ROOST_SERVE_SANDBOX_LOG_H
#define ROOST_SERVE_SANDBOX_LOG_H

#include "host/link.h"

enum { SANDBOX_REASONS_MAX = 8, SANDBOX_NAMES_BYTES = 96 };

/* All zero: nothing was said yet. */
struct sandbox_log {
    unsigned count; /* what does not fit any more is not told */
    struct sandbox_report told[SANDBOX_REASONS_MAX];
};

/* Warns of what a host has not got, the first time that this is the reason. */
void sandbox_log_missing(struct sandbox_log *log, const struct sandbox_report *report);

/* The names of what is active (or is not), with commas between; "none". Returns `out`. */
const char *sandbox_names(const struct sandbox_report *report, bool active,
                          char out[SANDBOX_NAMES_BYTES]);

#endif
