/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of decisions: records of core/decision_log.h, appended tick by tick. At half of its cap
 * the file becomes FILE.1 and a new one begins, with the policy's state, so that each can be
 * replayed by itself. A log that cannot be written ends with one line of the server's log, and
 * harms nobody. One thread.
 */
#ifndef ROOST_SERVE_MANAGER_LOG_H
#define ROOST_SERVE_MANAGER_LOG_H

#include "base/strbuf.h"
#include "policy/runner.h"

struct manager_log {
    int fd; /* -1: closed */
    char *path;
    uint64_t bytes, bytes_max;
    bool begun;                         /* the policy's record is in the file, */
    const struct roost_policy *decides; /* and names this one */
    struct strbuf out;
    const char *const *assignments; /* of the policy, the manager's */
    size_t assignment_count;
};

/* Opens the file anew; with NULL no log is kept. */
enum roost_err manager_log_open(struct manager_log *log, const char *path, uint64_t bytes_max,
                                struct detail *detail);
void manager_log_close(struct manager_log *log);

/* Another policy, or one with another state. */
void manager_log_policy(struct manager_log *log, const char *const *assignments, size_t count);

/* Before a policy decides: what a replay would have to begin with, where that is not known yet. */
void manager_log_before(struct manager_log *log, const struct policy_runner *runner);
/* After it: the plan as the policy made it. */
void manager_log_decision(struct manager_log *log, const struct roost_view *view,
                          const struct roost_plan *plan, enum policy_outcome outcome);

#endif
