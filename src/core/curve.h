/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a variant's service time by batch size, learnt while it serves.
 *
 * Batching gains 3-5x on recommendation models and nothing on CNNs on this kind of CPU, and latency
 * is not linear in the batch, so nothing is assumed: each power of two of rows has a point with a
 * moving average; between points the curve is straight, beyond the largest it goes on with the last
 * slope. One thread; no clock.
 */
#ifndef ROOST_CORE_CURVE_H
#define ROOST_CORE_CURVE_H

#include <stdbool.h>
#include <stdint.h>

enum { CURVE_POINTS = 16 }; /* 1, 2, 4, ... 32,768 rows */

struct curve_point {
    uint64_t samples;
    double rows_mean; /* of the batches that this point has seen */
    double ns_mean;
};

struct curve {
    struct curve_point points[CURVE_POINTS];
};

void curve_reset(struct curve *curve);

/* A batch of `rows` took `service_ns` inside the host. */
void curve_observe(struct curve *curve, uint64_t rows, uint64_t service_ns);

/* Whether there are enough samples to turn requests away by: the first runs after a start are slow,
 * and one that was held up must not speak for all. */
bool curve_is_known(const struct curve *curve);

/* Expected service time of a batch; 0 when nothing was ever measured. */
uint64_t curve_service_ns(const struct curve *curve, uint64_t rows);

/*
 * The batch size to aim at when `waiting` rows wait and at most `rows_max` may join: the smallest
 * size whose rows per second reach 95 % of the best known. Sizes that were never tried are explored
 * one doubling beyond what is known, and only while the last doubling gained at least 10 % or was
 * never measured. `budget_ns` (0: none): a size whose predicted time exceeds it is not chosen while
 * a smaller one fits. Always at least 1.
 */
uint64_t curve_batch_rows(const struct curve *curve, uint64_t waiting, uint64_t rows_max,
                          uint64_t budget_ns);

/* Rows per second of one worker at the best known batch size up to rows_max; 0 when unknown. */
double curve_rows_per_s(const struct curve *curve, uint64_t rows_max);

#endif
