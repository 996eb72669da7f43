/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a node's cores are divided at one instant. Pure; any thread.
 *
 * Whoever holds slots exclusively gets what it wants of them, and nobody else gets the rest. What
 * nobody holds is shared by weight among those that want it, work-conserving: nobody gets more
 * than it wants, and what one leaves goes to the others by their weights. The idle class gets
 * what the normal class leaves. A floor is given before anything else is divided.
 */
#ifndef ROOST_SIM_SHARE_H
#define ROOST_SIM_SHARE_H

#include <stdbool.h>
#include <stddef.h>

struct share {
    double wants;  /* cores that it could use now */
    double weight; /* > 0 */
    double limit;  /* cores held exclusively; < 0: shares */
    double floor;  /* cores that it gets first, when it wants them and shares */
    bool idle;     /* idle class; where it shares */
    double gets;   /* result */
};

/* Sets every `gets`. Exclusive holdings above `cores` are cut in proportion. */
void share_divide(struct share *shares, size_t count, double cores);

#endif
