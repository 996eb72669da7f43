/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/desk_fixture.h"

#include <string.h>

#include "base/test.h"
#include "policy/registry.h"

void desk_init(struct desk *desk, const char *policy, const char *const *options, uint32_t cores)
{
    const struct roost_policy *found;
    struct detail detail = {.text = ""};
    size_t count = 0;
    memset(desk, 0, sizeof *desk);
    while (options != NULL && options[count] != NULL) {
        count++;
    }
    assert_int_equal(policy_find(policy, &found, &detail), ROOST_OK);
    assert_int_equal(view_store_init(&desk->store, DESK_TENANTS_MAX, ROOST_VARIANTS_MAX), ROOST_OK);
    desk->store.view.node = view_fixture_node(cores);
    desk->store.view.seed = 3;
    desk->store.view.tick = 1000;
    desk->store.view.tick_ns = 1000000000;
    enum roost_err err = policy_runner_init(&desk->runner, found, options, count, DESK_TENANTS_MAX,
                                            &desk->store.view.node, &detail);
    if (err != ROOST_OK) {
        fail_msg("%s", detail.text);
    }
}

void desk_fini(struct desk *desk)
{
    policy_runner_fini(&desk->runner);
    view_store_fini(&desk->store);
}

bool desk_decide(struct desk *desk)
{
    struct detail detail = {.text = ""};
    struct roost_view *view = &desk->store.view;
    view->tick++;
    view->now_ns += view->tick_ns;
    policy_runner_decide(&desk->runner, view, &desk->plan, desk->planned);
    enum policy_outcome outcome = policy_runner_judge(&desk->runner, view, &desk->plan, 0, 0,
                                                      &detail);
    if (outcome == POLICY_INVALID) {
        fail_msg("%s", detail.text);
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_tenant *tenant = &desk->store.tenants[i];
        struct roost_variant *variants = view_store_variants(&desk->store, i);
        variants[tenant->serving].state = ROOST_VARIANT_WARM;
        tenant->grant = desk->planned[i].grant;
        tenant->serving = tenant->grant.variant;
        variants[tenant->serving].state = ROOST_VARIANT_SERVING;
    }
    return outcome == POLICY_CHANGED;
}

void desk_settle(struct desk *desk)
{
    unsigned decisions = 0;
    while (desk_decide(desk)) {
        assert_true(++decisions < 1000);
    }
}

const struct roost_grant *desk_grant(const struct desk *desk, uint32_t tenant)
{
    return &desk->planned[tenant].grant;
}

const struct roost_reason *desk_reason(const struct desk *desk, uint32_t tenant)
{
    return &desk->planned[tenant].reason;
}
