/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite for policies, as a function that names the first promise that one breaks,
 * so that it can be turned on policies that break one on purpose.
 */
#ifndef ROOST_POLICY_CONFORM_H
#define ROOST_POLICY_CONFORM_H

#include "roost/policy.h"

enum conform_promise {
    CONFORM_ALL,           /* keeps every promise */
    CONFORM_TABLE,         /* the table is whole, its options have defaults that are accepted */
    CONFORM_DETERMINISTIC, /* the same state and view give the same plan, byte for byte */
    CONFORM_COPY,          /* a copied state has the same future */
    CONFORM_VIEW,          /* the view is not written */
    CONFORM_CHECK,         /* every plan passes the check */
};

const char *conform_promise_name(enum conform_promise promise);

/*
 * Runs `sequences` random nodes through `ticks` decisions each, with tenants that come, go and
 * change places. `why` gets what was broken where.
 */
enum conform_promise conform_check(const struct roost_policy *policy, unsigned sequences,
                                   unsigned ticks, struct detail *why);

#endif
