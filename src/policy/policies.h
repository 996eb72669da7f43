/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the policies, one per file, for the registry. */
#ifndef ROOST_POLICY_POLICIES_H
#define ROOST_POLICY_POLICIES_H

#include "roost/policy.h"

extern const struct roost_policy policy_clite;
extern const struct roost_policy policy_exchange;
extern const struct roost_policy policy_faircim;
extern const struct roost_policy policy_hera;
extern const struct roost_policy policy_parties;
extern const struct roost_policy policy_roost;
extern const struct roost_policy policy_static;

#endif
