/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/lattice.h"

#include <string.h>

double lattice_size(const struct lattice *lattice)
{
    double size = 1;
    for (uint32_t r = 0; r < lattice->resources; r++) {
        /* Choose jobs - 1 cuts among units - 1 places. */
        for (uint32_t i = 1; i < lattice->jobs; i++) {
            size = size * (lattice->units[r] - i) / i;
        }
    }
    return size;
}

bool division_valid(const struct lattice *lattice, const struct division *division)
{
    for (uint32_t r = 0; r < lattice->resources; r++) {
        uint32_t sum = 0;
        for (uint32_t job = 0; job < lattice->jobs; job++) {
            uint32_t units = division->units[lattice_cell(lattice, r, job)];
            if (units == 0) {
                return false;
            }
            sum += units;
        }
        if (sum != lattice->units[r]) {
            return false;
        }
    }
    return true;
}

bool division_equal(const struct lattice *lattice, const struct division *a,
                    const struct division *b)
{
    size_t cells = (size_t)lattice->resources * lattice->jobs;
    return memcmp(a->units, b->units, cells * sizeof a->units[0]) == 0;
}

void division_equal_parts(const struct lattice *lattice, struct division *division)
{
    memset(division, 0, sizeof *division);
    for (uint32_t r = 0; r < lattice->resources; r++) {
        uint32_t part = lattice->units[r] / lattice->jobs, rest = lattice->units[r] % lattice->jobs;
        for (uint32_t job = 0; job < lattice->jobs; job++) {
            division->units[lattice_cell(lattice, r, job)] = (uint16_t)(part + (job < rest));
        }
    }
}

void division_extreme(const struct lattice *lattice, uint32_t job, struct division *division)
{
    memset(division, 0, sizeof *division);
    for (uint32_t r = 0; r < lattice->resources; r++) {
        for (uint32_t j = 0; j < lattice->jobs; j++) {
            uint32_t units = j == job ? lattice->units[r] - lattice->jobs + 1 : 1;
            division->units[lattice_cell(lattice, r, j)] = (uint16_t)units;
        }
    }
}

void division_random(const struct lattice *lattice, struct rng *rng, struct division *division)
{
    memset(division, 0, sizeof *division);
    for (uint32_t r = 0; r < lattice->resources; r++) {
        /* Cuts among the places between units, by selection sampling: each place in turn, with
         * the chance that is left to it. */
        uint32_t job = 0, cuts = lattice->jobs - 1, places = lattice->units[r] - 1, units = 1;
        for (; places > 0; places--) {
            if (cuts > 0 && rng_below(rng, places) < cuts) {
                division->units[lattice_cell(lattice, r, job++)] = (uint16_t)units;
                units = 0;
                cuts--;
            }
            units++;
        }
        division->units[lattice_cell(lattice, r, job)] = (uint16_t)units;
    }
}

void division_point(const struct lattice *lattice, const struct division *division, double *point)
{
    for (uint32_t r = 0; r < lattice->resources; r++) {
        for (uint32_t job = 0; job < lattice->jobs; job++) {
            uint32_t cell = lattice_cell(lattice, r, job);
            point[cell] = (double)division->units[cell] / lattice->units[r];
        }
    }
}

bool division_help(const struct lattice *lattice, const bool *satisfied, struct rng *rng,
                   struct division *division)
{
    uint32_t in_need = 0;
    for (uint32_t job = 0; job < lattice->jobs; job++) {
        in_need += satisfied[job] ? 0 : 1;
    }
    if (in_need == 0 || in_need == lattice->jobs) {
        return false;
    }
    bool moved = false;
    for (uint32_t r = 0; r < lattice->resources; r++) {
        uint32_t freed = 0;
        for (uint32_t job = 0; job < lattice->jobs; job++) {
            uint16_t *units = &division->units[lattice_cell(lattice, r, job)];
            if (satisfied[job] && *units > 1 && rng_below(rng, 2) == 0) {
                --*units;
                freed++;
            }
        }
        moved = moved || freed > 0;
        for (uint32_t job = 0; freed > 0; job = (job + 1) % lattice->jobs) {
            if (!satisfied[job]) {
                division->units[lattice_cell(lattice, r, job)]++;
                freed--;
            }
        }
    }
    return moved;
}
