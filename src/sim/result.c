/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/result.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum roost_err result_init(struct result *result, const struct scenario *scenario)
{
    memset(result, 0, sizeof *result);
    size_t tenants = scenario->tenant_count;
    result->scenario = scenario;
    result->samples_max = (uint32_t)(scenario->duration_ns / scenario->sample_ns);
    result->cores_ns_available = (double)scenario->node.cores * (double)scenario->duration_ns;
    result->tenants = calloc(tenants, sizeof *result->tenants);
    result->samples = calloc(tenants * result->samples_max + 1, sizeof *result->samples);
    if (result->tenants == NULL || result->samples == NULL) {
        result_fini(result);
        return ROOST_NO_MEMORY;
    }
    for (size_t i = 0; i < tenants; i++) {
        hist_reset(&result->tenants[i].latency_ns);
        const struct scenario_ladder *ladder = &scenario->ladders[scenario->tenants[i].ladder];
        for (uint32_t v = 0; v < ladder->variant_count; v++)
            if (ladder->variants[v].accuracy < 0)
                result->tenants[i].accuracy_unknown = true;
    }
    return ROOST_OK;
}

void result_fini(struct result *result)
{
    free(result->tenants);
    free(result->samples);
    memset(result, 0, sizeof *result);
}

static double mean_over(const struct result *result,
                        double (*of)(const struct result *, uint32_t tenant))
{
    double sum = 0;
    uint32_t count = result->scenario->tenant_count;
    for (uint32_t i = 0; i < count; i++) {
        double value = of(result, i);
        if (value < 0)
            return -1;
        sum += value;
    }
    return sum / count;
}

double result_attainment(const struct result *result, uint32_t tenant)
{
    if (tenant == ROOST_NONE)
        return mean_over(result, result_attainment);
    const struct result_tenant *counts = &result->tenants[tenant];
    return counts->arrivals == 0 ? 1 : (double)counts->hits / (double)counts->arrivals;
}

double result_effective_accuracy(const struct result *result, uint32_t tenant)
{
    if (tenant == ROOST_NONE)
        return mean_over(result, result_effective_accuracy);
    const struct result_tenant *counts = &result->tenants[tenant];
    if (counts->accuracy_unknown || counts->arrivals == 0)
        return -1;
    return counts->accuracy_hits / (double)counts->arrivals;
}

double result_goodput_per_s(const struct result *result, uint32_t tenant)
{
    double sum = 0;
    uint64_t length_ns = result->scenario->duration_ns - result->scenario->warmup_ns;
    for (uint32_t i = 0; i < result->scenario->tenant_count; i++)
        if (tenant == ROOST_NONE || tenant == i)
            sum += (double)result->tenants[i].hits;
    return sum / ((double)length_ns / (double)NS_PER_S);
}

double result_utilisation(const struct result *result)
{
    double used = 0;
    for (uint32_t i = 0; i < result->scenario->tenant_count; i++)
        used += result->tenants[i].core_ns;
    return used / result->cores_ns_available;
}

double result_accuracy(const struct result *result, uint32_t tenant)
{
    const struct result_tenant *counts = &result->tenants[tenant];
    double span_ns = (double)result->scenario->duration_ns;
    return counts->accuracy_unknown ? -1 : counts->accuracy_ns / span_ns;
}
