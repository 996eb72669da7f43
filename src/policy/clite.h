/* SPDX-License-Identifier: Apache-2.0 */
/* The formulas of CLITE by themselves (ALGORITHMS E.2, E.7). Pure; any thread. */
#ifndef ROOST_POLICY_CLITE_H
#define ROOST_POLICY_CLITE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/lattice.h"

/* How the jobs did in one sample. */
struct clite_result {
    bool critical[LATTICE_JOBS_MAX]; /* has an SLO */
    /* With an SLO: its time over the measured tail, not capped. */
    double ratio[LATTICE_JOBS_MAX];
    /* Compared with the job's own extreme sample, at most 1; what the second half is made of. */
    double performance[LATTICE_JOBS_MAX];
};

/* E.2, equation 3: at most 0.5 while any SLO is missed. Without a job that has no SLO, those that
 * have one make up the second half. */
double clite_score(const struct clite_result *result, uint32_t jobs);

/* E.7: a search ends when no division promises a larger improvement. */
double clite_threshold(uint32_t jobs);

#endif
