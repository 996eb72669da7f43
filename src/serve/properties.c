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

/* Declared, or what the file says of itself; < 0: unknown. */
static double variant_accuracy(const struct lane_variant *variant)
{
    return variant->desired.accuracy >= 0 ? variant->desired.accuracy : variant->metadata.accuracy;
}

/* The best accuracy under the plain key, and each variant's under its own. */
static void properties_add_accuracy(struct properties *properties, const struct lane *lane)
{
    double best = -1;
    for (unsigned i = 0; i < lane->variant_count; i++) {
        double accuracy = variant_accuracy(&lane->variants[i]);
        best = accuracy > best ? accuracy : best;
    }
    if (best >= 0) {
        snprintf(properties->accuracy, sizeof properties->accuracy, "%g", best);
        properties_add(properties, "roost.accuracy", properties->accuracy);
    }
    for (unsigned i = 0; i < lane->variant_count && lane->variant_count > 1; i++) {
        const struct lane_variant *variant = &lane->variants[i];
        double accuracy = variant_accuracy(variant);
        if (accuracy >= 0) {
            char *key = properties->variants[i].key, *value = properties->variants[i].value;
            snprintf(key, sizeof properties->variants[i].key, "roost.variant.%s.accuracy",
                     variant->desired.name);
            snprintf(value, sizeof properties->variants[i].value, "%g", accuracy);
            properties_add(properties, key, value);
        }
    }
}

void properties_fill(struct properties *properties, const struct lane *lane)
{
    const struct lane_variant *variant = &lane->variants[0];
    double mflops = variant->desired.mflops >= 0 ? variant->desired.mflops
                                                 : (double)variant->metadata.mflops_x1000 / 1000;
    properties->count = 0;
    if (lane->settings.slo_ns != 0) {
        char time[24];
        snprintf(properties->slo, sizeof properties->slo, "p%g %s", lane->settings.slo_percentile,
                 duration_format(lane->settings.slo_ns, time, sizeof time));
        properties_add(properties, "roost.slo", properties->slo);
    }
    properties_add_accuracy(properties, lane);
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
