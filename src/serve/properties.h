/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model metadata tells clients beyond the protocol's words: the SLO, the accuracy and
 * the work of the variant that serves, and every parameter of config.pbtxt under "roost." (the
 * ranges of index inputs, for load generators).
 */
#ifndef ROOST_SERVE_PROPERTIES_H
#define ROOST_SERVE_PROPERTIES_H

#include "net/oip.h"
#include "serve/model_config.h"
#include "serve/settings.h"

struct lane;

enum { PROPERTIES_MAX = CONFIG_PARAMETERS_MAX + SETTINGS_VARIANTS_MAX + 4 };

struct properties {
    size_t count;
    struct oip_property
        items[PROPERTIES_MAX]; /* into the lane's config, and into the texts below */
    char slo[32], accuracy[32], mflops[32];
    struct {
        char key[CONFIG_NAME_BYTES_MAX + 32], value[24];
    } variants[SETTINGS_VARIANTS_MAX];
};

/* Filled anew; the lane's config is complete. */
void properties_fill(struct properties *properties, const struct lane *lane);

#endif
