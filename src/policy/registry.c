/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/registry.h"

#include <string.h>

#include "base/options.h"
#include "policy/policies.h"

static const struct roost_policy *const policies[] = {
    &policy_roost,   &policy_faircim, &policy_exchange, &policy_hera,
    &policy_parties, &policy_clite,   &policy_static,
};

enum { POLICIES = sizeof policies / sizeof policies[0] };

const struct roost_policy *const *policy_list(size_t *count)
{
    *count = POLICIES;
    return policies;
}

enum roost_err policy_find(const char *name, const struct roost_policy **policy,
                           struct detail *detail)
{
    const char *names[POLICIES];
    for (size_t i = 0; i < POLICIES; i++) {
        if (strcmp(policies[i]->name, name) == 0) {
            *policy = policies[i];
            return ROOST_OK;
        }
        names[i] = policies[i]->name;
    }
    const char *nearest = nearest_name(name, names, POLICIES);
    return detail_set(detail, ROOST_NOT_FOUND, "no policy \"%s\"%s%s%s", name,
                      nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
                      nearest == NULL ? "" : "\"?");
}

enum roost_err policy_accepts(const struct roost_policy *policy, uint32_t tenants,
                              const struct roost_node *node, struct detail *detail)
{
    if (policy->tenants_max > 0 && tenants > policy->tenants_max) {
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "policy \"%s\" takes at most %u tenants, not %u; choose another policy",
                          policy->name, policy->tenants_max, tenants);
    }
    if (policy->ways_max > 0 && node->ways > policy->ways_max) {
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "policy \"%s\" takes at most %u cache ways, not %u; choose another "
                          "policy",
                          policy->name, policy->ways_max, node->ways);
    }
    return ROOST_OK;
}
