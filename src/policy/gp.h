/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaussian-process regression on few points and few dimensions, and expected improvement. Memory is
 * the caller's, given as one array of doubles; no pointers are kept. Pure; any thread.
 */
#ifndef ROOST_POLICY_GP_H
#define ROOST_POLICY_GP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Matern covariance of two points so many lengths apart, for nu = 3/2 and 5/2. */
double gp_matern32(double distance);
double gp_matern52(double distance);

/*
 * Expected improvement over `best` (larger is better) with the margin zeta (ALGORITHMS E.3): 0
 * when sigma is.
 */
double gp_expected_improvement(double mu, double sigma, double best, double zeta);

/* What a fit is; the arrays live in the caller's memory. */
struct gp {
    uint32_t count, dimensions;
    double length;          /* of the covariance, the same in all dimensions */
    double mean, deviation; /* of the values, which are standardised */
};

/* Doubles of memory for so many points: the Cholesky factor and two vectors. */
static inline size_t gp_memory(uint32_t points_max)
{
    return (size_t)points_max * points_max + 2 * (size_t)points_max;
}

/*
 * Fits values to points (row after row), Matern 3/2, noise relative to the values' variance, with
 * the length of the grid that explains the values best. False when there are no points or their
 * covariance cannot be factored.
 */
bool gp_fit(struct gp *gp, double *memory, const double *points, const double *values,
            uint32_t count, uint32_t dimensions, double noise);

/* Mean and standard deviation of the fit at a point. */
void gp_predict(const struct gp *gp, double *memory, const double *points, const double *point,
                double *mu, double *sigma);

#endif
