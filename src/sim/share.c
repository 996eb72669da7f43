/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/share.h"

#include <math.h>

/* Divides `pool` among the sharers of one class; returns what is left of it. */
static double divide_class(struct share *shares, size_t count, bool idle, double pool)
{
    double wanted = 0, weights = 0;
    for (size_t i = 0; i < count; i++) {
        struct share *share = &shares[i];
        if (share->limit >= 0 || share->idle != idle)
            continue;
        wanted += share->wants - share->gets;
        weights += share->wants > share->gets ? share->weight : 0;
    }
    if (wanted <= pool) {
        for (size_t i = 0; i < count; i++)
            if (shares[i].limit < 0 && shares[i].idle == idle)
                shares[i].gets = shares[i].wants;
        return pool - wanted;
    }
    /* Whoever wants no more than its part is served in full, which makes the others' parts larger;
     * at the latest after as many rounds as there are shares nobody is left who wants less. */
    for (bool again = true; again;) {
        again = false;
        double part = weights > 0 ? pool / weights : 0;
        for (size_t i = 0; i < count; i++) {
            struct share *share = &shares[i];
            double open = share->wants - share->gets;
            if (share->limit >= 0 || share->idle != idle || open <= 0 ||
                open > part * share->weight)
                continue;
            share->gets = share->wants;
            pool -= open;
            weights -= share->weight;
            again = true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct share *share = &shares[i];
        if (share->limit < 0 && share->idle == idle && share->wants > share->gets && weights > 0)
            share->gets += pool * share->weight / weights;
    }
    return 0;
}

void share_divide(struct share *shares, size_t count, double cores)
{
    double held = 0;
    for (size_t i = 0; i < count; i++)
        held += shares[i].limit >= 0 ? shares[i].limit : 0;
    double scale = held > cores ? cores / held : 1;
    double pool = fmax(cores - held, 0);
    for (size_t i = 0; i < count; i++) {
        struct share *share = &shares[i];
        if (share->limit >= 0) {
            share->gets = fmin(share->wants, share->limit * scale);
        } else {
            share->gets = fmin(fmin(share->wants, share->floor), pool);
            pool -= share->gets;
        }
    }
    pool = divide_class(shares, count, false, pool);
    divide_class(shares, count, true, pool);
}
