/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that each break one promise on purpose, for a test of the conformance suite. */
#ifndef ROOST_POLICY_MUTANTS_H
#define ROOST_POLICY_MUTANTS_H

#include "policy/conform.h"

struct mutant {
    struct roost_policy policy;
    enum conform_promise breaks;
};

const struct mutant *mutant_list(size_t *count);

#endif
