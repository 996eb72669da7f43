/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a decision log (core/decision_log.h), of the live server or of the simulator: shows the
 * logged views to the logged policies again and compares the plans byte for byte. One thread.
 */
#ifndef ROOST_SIM_REPLAY_H
#define ROOST_SIM_REPLAY_H

#include "base/detail.h"
#include "roost/policy.h"

struct replay {
    uint64_t decisions, same; /* compared, and equal */
    uint64_t first_tick;      /* of the first one that differs, when not all are the same */
    bool cut;                 /* the log's last record is not whole */
};

/* INVALID for a damaged log; UNSUPPORTED when a policy's version has changed since; NOT_FOUND when
 * a policy is not there. Plans that differ are a result. `find` is policy_find, or a test's. */
enum roost_err replay_run(const void *log, size_t bytes,
                          enum roost_err (*find)(const char *name,
                                                 const struct roost_policy **policy,
                                                 struct detail *detail),
                          struct replay *replay, struct detail *detail);

#endif
