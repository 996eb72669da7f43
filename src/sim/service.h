/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a batch costs in the simulator: CPU time by rows, workers and cache ways, and what the
 * neighbours add to it (ALGORITHMS.md L, recommendation nodes). Pure; any thread.
 *
 * Time alone is either a formula, base + rows * per_row, or comes from tables measured at some
 * numbers of workers and ways: straight between their points and between tables, constant beyond
 * the outermost table, with the last slope beyond the last point. Beside neighbours it grows by
 *
 *   (1 - stall) + stall * max(1, demand / capacity) * (1 + sensitivity * (miss(k) - miss(K)))
 *
 * with k the ways at hand, K all ways, and the demand for memory bandwidth of all that runs.
 */
#ifndef ROOST_SIM_SERVICE_H
#define ROOST_SIM_SERVICE_H

#include <stddef.h>
#include <stdint.h>

enum { SERVICE_POINTS_MAX = 24, SERVICE_TABLES_MAX = 128, SERVICE_WAYS_MAX = 32 };

struct service_point {
    double rows, ns;
};

/* Measured with so many workers busy and so many ways. */
struct service_table {
    uint32_t workers, ways; /* 0: it did not matter */
    uint32_t point_count;   /* ascending in rows */
    struct service_point points[SERVICE_POINTS_MAX];
};

struct service_model {
    double base_ns, per_row_ns;         /* where there are no tables */
    size_t table_count;                 /* every combination of the workers and ways that occur */
    const struct service_table *tables; /* ascending by workers, then by ways */
    double parallel; /* share of the work that an operator's threads can divide, 0 to 1 */
    double bandwidth_bytes_per_s; /* of one worker at full speed */
    double stall;                 /* share of the time alone that waits for memory */
    double sensitivity;
    uint32_t miss_count; /* miss ratios with 1, 2, ... ways; 0: no matter */
    double misses[SERVICE_WAYS_MAX];
};

/* CPU time of a batch on one core, alone. */
double service_work_ns(const struct service_model *model, double rows, double workers, double ways);

/* How much faster `threads` cores are than one (Amdahl). */
double service_speedup(const struct service_model *model, double threads);

/* The factor above; `pressure` is demand over capacity. At least 1 - stall, usually >= 1. */
double service_slowdown(const struct service_model *model, double ways, double ways_all,
                        double pressure);

#endif
