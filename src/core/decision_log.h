/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision log as bytes: what a policy was started with, then every view with the plan that
 * the policy made of it and what became of the plan. Enough to make the plans again. Pure over
 * memory; who writes files, rotates and caps them is somebody else. One thread per object.
 *
 *   "ROOSTLOG" format(4)  { kind(1) bytes(4) payload }...     whole numbers little-endian
 *
 * A file that begins in the middle of a run carries the policy's state in its first record.
 */
#ifndef ROOST_CORE_DECISION_LOG_H
#define ROOST_CORE_DECISION_LOG_H

#include <stdbool.h>

#include "base/detail.h"
#include "base/strbuf.h"
#include "roost/policy.h"

enum { DECISION_LOG_FORMAT = 1, DECISION_LOG_ASSIGNMENTS_MAX = 64 };

/* A policy that decides from here on. */
struct decision_log_policy {
    const char *name, *version;
    uint32_t tenants_max;
    size_t assignment_count;
    const char *assignments[DECISION_LOG_ASSIGNMENTS_MAX]; /* "option=value" */
    const void *state; /* (optional) of a policy that has decided before; NULL: a fresh one */
    size_t state_bytes;
};

void decision_log_begin(struct strbuf *out);
void decision_log_add_policy(struct strbuf *out, const struct decision_log_policy *policy);
/* The plan as the policy made it, and its outcome (enum policy_outcome). */
void decision_log_add_decision(struct strbuf *out, const struct roost_view *view,
                               const struct roost_plan *plan, uint32_t outcome);

struct decision_log_record {
    enum decision_log_kind { DECISION_LOG_POLICY = 'P', DECISION_LOG_DECISION = 'D' } kind;
    struct decision_log_policy policy; /* points into the log */
    const uint8_t *view, *plan;        /* for core/decision.h; points into the log */
    size_t view_bytes, plan_bytes;
    uint32_t outcome;
};

struct decision_log_reader {
    const uint8_t *data;
    size_t bytes, at;
    bool cut; /* the last record is not whole: who wrote it was stopped */
};

/* INVALID when this is no log, UNSUPPORTED for another format. */
enum roost_err decision_log_open(struct decision_log_reader *reader, const void *data, size_t bytes,
                                 struct detail *detail);
/* NOT_FOUND at the end, INVALID for a record that is damaged. */
enum roost_err decision_log_next(struct decision_log_reader *reader,
                                 struct decision_log_record *record, struct detail *detail);

#endif
