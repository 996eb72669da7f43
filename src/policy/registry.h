/* SPDX-License-Identifier: Apache-2.0 */
/* Every policy there is, by name. Constant tables only; any thread. */
#ifndef ROOST_POLICY_REGISTRY_H
#define ROOST_POLICY_REGISTRY_H

#include "base/detail.h"
#include "roost/policy.h"

/* In the order in which help shows them; *count is set. */
const struct roost_policy *const *policy_list(size_t *count);

/* NOT_FOUND with the nearest name. */
enum roost_err policy_find(const char *name, const struct roost_policy **policy,
                           struct detail *detail);

/* UNSUPPORTED with the policy's name and its limit when the instance is larger than it accepts. */
enum roost_err policy_accepts(const struct roost_policy *policy, uint32_t tenants,
                              const struct roost_node *node, struct detail *detail);

#endif
