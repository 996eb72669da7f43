/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/properties.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/lane.h"

static void properties_add(struct properties *properties, const char *key, const char *value)
{
    properties->items[properties->count++] = (struct oip_property){key, value};
}

void properties_fill(struct properties *properties, const struct lane *lane)
{
    const struct lane_variant *variant = &lane->variants[lane->variant];
    const struct engine_metadata *metadata = &variant->metadata;
    double accuracy = variant->desired.accuracy >= 0 ? variant->desired.accuracy
                                                     : metadata->accuracy;
    double mflops = variant->desired.mflops >= 0 ? variant->desired.mflops
                                                 : (double)metadata->mflops_x1000 / 1000;
    properties->count = 0;
    if (lane->settings.slo_ns != 0) {
        char time[24];
        snprintf(properties->slo, sizeof properties->slo, "p%g %s", lane->settings.slo_percentile,
                 duration_format(lane->settings.slo_ns, time, sizeof time));
        properties_add(properties, "roost.slo", properties->slo);
    }
    if (accuracy >= 0) {
        snprintf(properties->accuracy, sizeof properties->accuracy, "%g", accuracy);
        properties_add(properties, "roost.accuracy", properties->accuracy);
    }
    if (mflops > 0) {
        snprintf(properties->mflops, sizeof properties->mflops, "%g", mflops);
        properties_add(properties, "roost.mflops", properties->mflops);
    }
    for (unsigned i = 0; i < lane->config.parameter_count; i++) {
        const struct config_parameter *parameter = &lane->config.parameters[i];
        if (strncmp(parameter->key, "roost.", 6) == 0) {
            properties_add(properties, parameter->key, parameter->value);
        }
    }
}
