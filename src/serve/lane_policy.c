/* SPDX-License-Identifier: Apache-2.0 */
/* What the queue policies of config.pbtxt, the request and the tenant say of how long a request may
 * wait and be worked on. */
#include <inttypes.h>

#include "base/clock.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"

static const uint64_t priority_default = 1000; /* where the model defines no levels */

static uint64_t level_of(const struct model_config *config, uint64_t asked)
{
    uint64_t levels = config->priority_levels;
    if (asked != 0 && (levels == 0 || asked <= levels)) {
        return asked;
    }
    return config->default_priority_level != 0 ? config->default_priority_level : priority_default;
}

static const struct config_queue_policy *policy_of(const struct model_config *config,
                                                   uint64_t level)
{
    for (unsigned i = 0; i < config->priority_policy_count; i++) {
        if (config->priority_policies[i].level == level) {
            return &config->priority_policies[i].policy;
        }
    }
    return &config->queue_policy;
}

/* Of a request without a time-out of its own. */
static uint64_t tenant_span_ns(const struct lane *lane)
{
    const struct tenant_settings *settings = &lane->settings;
    if (settings->deadline_ns != 0) {
        return settings->deadline_ns;
    }
    return settings->slo_ns != 0 ? 4 * settings->slo_ns
                                 : lane->server->settings.default_deadline_ns;
}

bool lane_sheds_by_slo(const struct lane *lane)
{
    const struct tenant_hold *hold = &lane->tenant->hold;
    bool granted = hold->held && hold->grant.shed == ROOST_SHED_SLO;
    return lane->settings.slo_ns != 0 && lane->settings.shed != SHED_NEVER &&
           (lane->settings.shed == SHED_SLO || granted);
}

void lane_prepare(const struct lane *lane, struct request *request)
{
    uint64_t level = level_of(&lane->config, request->item.priority);
    const struct config_queue_policy *policy = policy_of(&lane->config, level);
    uint64_t limit_ns = policy->default_timeout_us * NS_PER_US, own_ns = request->timeout_ns;
    bool delays = policy->delay_on_timeout;
    if (limit_ns != 0 && (!policy->allow_timeout_override || own_ns > limit_ns)) {
        own_ns = 0; /* it may only shorten */
    }
    /* The client's time-out is when it stops listening; the policy's is about the queue alone. */
    uint64_t span_ns = own_ns != 0 && !delays ? own_ns : tenant_span_ns(lane);
    uint64_t wait_ns = own_ns != 0 ? own_ns : limit_ns;
    request->item.priority = level;
    request->deadline_ns = request->started_ns + span_ns;
    request->item.deadline_ns = request->deadline_ns;
    request->delay_on_timeout = delays && wait_ns != 0;
    request->expiry_ns = request->deadline_ns;
    if (wait_ns != 0 && wait_ns < span_ns) {
        request->expiry_ns = request->started_ns + wait_ns;
    }
}

struct level_count {
    uint64_t level, count;
};

static void level_count_add(void *user, const struct queue_item *item)
{
    struct level_count *count = user;
    count->count += item->priority == count->level ? 1 : 0;
}

bool lane_level_full(const struct lane *lane, const struct request *request, uint32_t *size_max)
{
    struct level_count count = {.level = request->item.priority};
    *size_max = policy_of(&lane->config, request->item.priority)->max_queue_size;
    if (*size_max == 0) {
        return false;
    }
    if (lane->config.priority_levels == 0) {
        return lane_waiting(lane) >= *size_max;
    }
    queue_each(&lane->queue, level_count_add, &count);
    for (unsigned i = 0; i < lane->variant_count; i++) {
        queue_each(&lane->variants[i].pinned, level_count_add, &count);
    }
    return count.count >= *size_max;
}
