/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scenario: refused with reasons, or run for a moment with nothing lost. */
#include "base/assert.h"
#include "policy/registry.h"
#include "sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CORES_MAX = 64, TENANTS_MAX = 4 };

/* What would take long says nothing more than what does not. */
static bool is_small(struct scenario *scenario)
{
    scenario->duration_ns = scenario->duration_ns < 200000000 ? scenario->duration_ns : 200000000;
    scenario->warmup_ns = 0;
    scenario->tick_ns = scenario->tick_ns > 20000000 ? scenario->tick_ns : 20000000;
    scenario->sample_ns = scenario->duration_ns / 4 + 1;
    bool small = scenario->tenant_count <= TENANTS_MAX && scenario->node.cores <= CORES_MAX;
    for (uint32_t i = 0; i < scenario->tenant_count; i++) {
        const struct scenario_tenant *tenant = &scenario->tenants[i];
        small = small && tenant->trace_file == NULL && tenant->rows_file == NULL &&
                tenant->arrivals.rate_per_s <= 1000;
        for (uint32_t p = 0; p < tenant->arrivals.point_count; p++)
            small = small && tenant->arrivals.points[p].factor <= 10;
    }
    return small;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_errors errors;
    struct scenario scenario;
    struct result result;
    struct detail detail;
    const struct roost_policy *policy;
    roost_assert(policy_find("static", &policy, &detail) == ROOST_OK);
    yaml_errors_init(&errors, "fuzz");
    enum roost_err err = scenario_parse((const char *)data, size, &errors, &scenario);
    roost_assert((err == ROOST_OK) == (errors.count == 0));
    struct sim_options options = {.scenario = &scenario, .policy = policy, .seed = size};
    if (err == ROOST_OK && is_small(&scenario) && sim_run(&options, &result, &detail) == ROOST_OK) {
        for (uint32_t i = 0; i < scenario.tenant_count; i++)
            roost_assert(result.tenants[i].arrivals == result.tenants[i].completions +
                                                           result.tenants[i].refusals +
                                                           result.tenants[i].errors);
        result_fini(&result);
    }
    if (err == ROOST_OK)
        scenario_fini(&scenario);
    yaml_errors_fini(&errors);
    return 0;
}
