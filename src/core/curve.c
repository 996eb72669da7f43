/* SPDX-License-Identifier: Apache-2.0 */
#include "core/curve.h"

#include <string.h>

/* A point forgets slowly once it has this many samples. */
enum { CURVE_MEMORY_SAMPLES = 32 };
/* A curve with fewer is not to be relied upon. */
enum { KNOWN_SAMPLES = 8 };

static const double curve_enough = 0.95; /* of the best throughput is as good as the best */
static const double curve_worthwhile =
    1.1; /* gain of a doubling that makes the next one worth a try */

void curve_reset(struct curve *curve)
{
    memset(curve, 0, sizeof *curve);
}

/* The point nearest to `rows` on the logarithmic scale, rounding down. */
static unsigned curve_point_of(uint64_t rows)
{
    unsigned point = 0;
    while (point + 1 < CURVE_POINTS && rows >= UINT64_C(2) << point) {
        point++;
    }
    return point;
}

void curve_observe(struct curve *curve, uint64_t rows, uint64_t service_ns)
{
    if (rows == 0) {
        return;
    }
    struct curve_point *point = &curve->points[curve_point_of(rows)];
    if (point->samples < CURVE_MEMORY_SAMPLES) {
        point->samples++;
    }
    double share = 1.0 / (double)point->samples;
    point->rows_mean += ((double)rows - point->rows_mean) * share;
    point->ns_mean += ((double)service_ns - point->ns_mean) * share;
}

bool curve_is_known(const struct curve *curve)
{
    uint64_t samples = 0;
    for (unsigned i = 0; i < CURVE_POINTS; i++) {
        samples += curve->points[i].samples;
    }
    return samples >= KNOWN_SAMPLES;
}

static double point_rate(const struct curve_point *point)
{
    return point->ns_mean > 0 ? point->rows_mean / point->ns_mean : 0;
}

uint64_t curve_service_ns(const struct curve *curve, uint64_t rows)
{
    const struct curve_point *below = NULL, *above = NULL, *before_below = NULL;
    for (unsigned i = 0; i < CURVE_POINTS; i++) {
        const struct curve_point *point = &curve->points[i];
        if (point->samples == 0) {
            continue;
        }
        if (point->rows_mean <= (double)rows) {
            before_below = below;
            below = point;
        } else {
            above = point;
            break;
        }
    }
    if (below == NULL) {
        return above == NULL ? 0 : (uint64_t)above->ns_mean;
    }
    double slope;
    if (above != NULL) {
        slope = (above->ns_mean - below->ns_mean) / (above->rows_mean - below->rows_mean);
    } else if (before_below != NULL) {
        slope = (below->ns_mean - before_below->ns_mean) /
                (below->rows_mean - before_below->rows_mean);
    } else {
        slope = below->ns_mean / below->rows_mean;
    }
    if (slope < 0) {
        slope = 0;
    }
    return (uint64_t)(below->ns_mean + slope * ((double)rows - below->rows_mean));
}

/* The best rate over known points of at most rows_max rows. */
static double curve_best_rate(const struct curve *curve, uint64_t rows_max)
{
    double best = 0;
    for (unsigned i = 0; i < CURVE_POINTS && (UINT64_C(1) << i) <= rows_max; i++) {
        const struct curve_point *point = &curve->points[i];
        if (point->samples > 0 && point_rate(point) > best) {
            best = point_rate(point);
        }
    }
    return best;
}

/* The first size beyond all measured ones, if the last doubling says that it may pay; else 0. */
static uint64_t curve_explore_rows(const struct curve *curve)
{
    unsigned last = CURVE_POINTS;
    for (unsigned i = CURVE_POINTS; i-- > 0;) {
        if (curve->points[i].samples > 0) {
            last = i;
            break;
        }
    }
    if (last == CURVE_POINTS) {
        return 1;
    }
    if (last + 1 == CURVE_POINTS) {
        return 0;
    }
    if (last > 0 && curve->points[last - 1].samples > 0 &&
        point_rate(&curve->points[last]) <
            curve_worthwhile * point_rate(&curve->points[last - 1])) {
        return 0;
    }
    return UINT64_C(2) << last;
}

uint64_t curve_batch_rows(const struct curve *curve, uint64_t waiting, uint64_t rows_max,
                          uint64_t budget_ns)
{
    uint64_t limit = waiting < rows_max ? waiting : rows_max;
    if (limit <= 1) {
        return 1;
    }
    uint64_t explore = curve_explore_rows(curve);
    uint64_t target = 1;
    if (explore != 0 && explore <= limit) {
        target = explore;
    } else {
        double enough = curve_enough * curve_best_rate(curve, rows_max);
        for (unsigned i = 0; i < CURVE_POINTS; i++) {
            const struct curve_point *point = &curve->points[i];
            if (point->samples > 0 && point_rate(point) >= enough) {
                /* A point covers sizes up to the next power of two: its mean stands for them. */
                target = (uint64_t)(point->rows_mean + 0.5);
                break;
            }
        }
        /* The best known point is the last one and more wait: the rate holds or grows with rows. */
        if (explore != 0 && target >= (explore >> 1)) {
            target = limit;
        }
    }
    if (target > limit) {
        target = limit;
    }
    while (budget_ns != 0 && target > 1 && curve_service_ns(curve, target) > budget_ns) {
        target /= 2;
    }
    return target;
}

double curve_rows_per_s(const struct curve *curve, uint64_t rows_max)
{
    return curve_best_rate(curve, rows_max == 0 ? 1 : rows_max) * 1e9;
}
