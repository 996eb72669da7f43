/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Divisions of whole units among jobs: the space that CLITE searches (ALGORITHMS E). A division is
 * an array of units, resource after resource, job after job in each; every job holds at least one
 * unit of every resource and all units are given away. Pure; any thread.
 */
#ifndef ROOST_POLICY_LATTICE_H
#define ROOST_POLICY_LATTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

enum { LATTICE_RESOURCES_MAX = 3, LATTICE_JOBS_MAX = 8 };
enum { LATTICE_CELLS_MAX = LATTICE_RESOURCES_MAX * LATTICE_JOBS_MAX };

struct lattice {
    uint32_t resources, jobs;
    uint32_t units[LATTICE_RESOURCES_MAX]; /* each >= jobs */
};

struct division {
    uint16_t units[LATTICE_CELLS_MAX];
};

static inline uint32_t lattice_cell(const struct lattice *lattice, uint32_t resource, uint32_t job)
{
    return resource * lattice->jobs + job;
}

/* How many divisions there are (E.1). */
double lattice_size(const struct lattice *lattice);

bool division_valid(const struct lattice *lattice, const struct division *division);
bool division_equal(const struct lattice *lattice, const struct division *a,
                    const struct division *b);

/* Equal parts, what does not divide to the first jobs. */
void division_equal_parts(const struct lattice *lattice, struct division *division);

/* The job has the most of everything, the others one unit each. */
void division_extreme(const struct lattice *lattice, uint32_t job, struct division *division);

/* Uniform over all divisions. */
void division_random(const struct lattice *lattice, struct rng *rng, struct division *division);

/* Parts of the total in [0, 1], cell by cell: the point that a surrogate sees. */
void division_point(const struct lattice *lattice, const struct division *division, double *point);

/*
 * E.6: a unit of everything, by the toss of a coin, from each satisfied job that has more than one,
 * shared evenly among the others. False when all are satisfied or none, or nothing moved.
 */
bool division_help(const struct lattice *lattice, const bool *satisfied, struct rng *rng,
                   struct division *division);

#endif
