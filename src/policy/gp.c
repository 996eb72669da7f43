/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/gp.h"

#include <math.h>

static const double lengths[] = {0.1, 0.2, 0.35, 0.6, 1, 1.7, 3};

double gp_matern32(double distance)
{
    double scaled = sqrt(3.0) * distance;
    return (1 + scaled) * exp(-scaled);
}

double gp_matern52(double distance)
{
    double scaled = sqrt(5.0) * distance;
    return (1 + scaled + scaled * scaled / 3) * exp(-scaled);
}

double gp_expected_improvement(double mu, double sigma, double best, double zeta)
{
    if (!(sigma > 0)) {
        return 0;
    }
    double gain = mu - best - zeta, z = gain / sigma;
    double density = exp(-z * z / 2) / sqrt(2 * M_PI);
    double below = erfc(-z / sqrt(2.0)) / 2;
    return gain * below + sigma * density;
}

static double covariance(const double *a, const double *b, uint32_t dimensions, double length)
{
    double squares = 0;
    for (uint32_t i = 0; i < dimensions; i++) {
        squares += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return gp_matern32(sqrt(squares) / length);
}

/* The lower factor of the covariance matrix, row after row. */
static bool factor(const struct gp *gp, double *lower, const double *points, double noise)
{
    uint32_t n = gp->count, d = gp->dimensions;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            const double *a = points + (size_t)i * d, *b = points + (size_t)j * d;
            double sum = covariance(a, b, d, gp->length) + (i == j ? noise : 0);
            const double *row_i = lower + (size_t)i * n, *row_j = lower + (size_t)j * n;
            for (uint32_t k = 0; k < j; k++) {
                sum -= row_i[k] * row_j[k];
            }
            if (i == j && !(sum > 0)) {
                return false;
            }
            lower[(size_t)i * n + j] = i == j ? sqrt(sum) : sum / row_j[j];
        }
    }
    return true;
}

/* Solves lower * x = b in place; with `transposed`, the transposed system. */
static void solve(const double *lower, uint32_t n, double *b, bool transposed)
{
    for (uint32_t step = 0; step < n; step++) {
        uint32_t i = transposed ? n - 1 - step : step;
        double sum = b[i];
        for (uint32_t j = transposed ? i + 1 : 0; j < (transposed ? n : i); j++) {
            sum -= (transposed ? lower[(size_t)j * n + i] : lower[(size_t)i * n + j]) * b[j];
        }
        b[i] = sum / lower[(size_t)i * n + i];
    }
}

/* Factor and weights for gp->length; returns the log likelihood but for a constant. */
static double weigh(const struct gp *gp, double *memory, const double *points, const double *values,
                    double noise)
{
    uint32_t n = gp->count;
    double *lower = memory, *weights = memory + (size_t)n * n;
    if (!factor(gp, lower, points, noise)) {
        return -INFINITY;
    }
    double fit = 0, volume = 0;
    for (uint32_t i = 0; i < n; i++) {
        weights[i] = (values[i] - gp->mean) / gp->deviation;
    }
    solve(lower, n, weights, false);
    for (uint32_t i = 0; i < n; i++) {
        fit += weights[i] * weights[i];
        volume += log(lower[(size_t)i * n + i]);
    }
    solve(lower, n, weights, true);
    return -fit / 2 - volume;
}

bool gp_fit(struct gp *gp, double *memory, const double *points, const double *values,
            uint32_t count, uint32_t dimensions, double noise)
{
    *gp = (struct gp){.count = count, .dimensions = dimensions, .deviation = 1};
    if (count == 0) {
        return false;
    }
    double squares = 0;
    for (uint32_t i = 0; i < count; i++) {
        gp->mean += values[i] / count;
    }
    for (uint32_t i = 0; i < count; i++) {
        squares += (values[i] - gp->mean) * (values[i] - gp->mean) / count;
    }
    gp->deviation = squares > 1e-12 ? sqrt(squares) : 1;
    double best = -INFINITY, best_length = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        gp->length = lengths[i];
        double likelihood = weigh(gp, memory, points, values, noise);
        if (likelihood > best) {
            best = likelihood;
            best_length = lengths[i];
        }
    }
    gp->length = best_length;
    return best_length > 0 && isfinite(weigh(gp, memory, points, values, noise));
}

void gp_predict(const struct gp *gp, double *memory, const double *points, const double *point,
                double *mu, double *sigma)
{
    uint32_t n = gp->count, d = gp->dimensions;
    const double *lower = memory, *weights = memory + (size_t)n * n;
    double *reach = memory + (size_t)n * n + n, mean = 0, variance = 1;
    for (uint32_t i = 0; i < n; i++) {
        reach[i] = covariance(point, points + (size_t)i * d, d, gp->length);
        mean += reach[i] * weights[i];
    }
    solve(lower, n, reach, false);
    for (uint32_t i = 0; i < n; i++) {
        variance -= reach[i] * reach[i];
    }
    *mu = gp->mean + gp->deviation * mean;
    *sigma = variance > 0 ? gp->deviation * sqrt(variance) : 0;
}
