/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of one lane since it began; what /stats, /metrics and the status report are made from.
 * */
#ifndef ROOST_SERVE_STATISTICS_H
#define ROOST_SERVE_STATISTICS_H

#include <stdint.h>

#include "base/hist.h"
#include "net/oip.h"

enum { STATISTICS_BATCHES_MAX = 64 };

enum failure_reason {
    FAILURE_REJECTED,
    FAILURE_CANCELED,
    FAILURE_BACKEND,
    FAILURE_OTHER,
    FAILURE_COUNT
};

struct statistics {
    uint64_t last_inference_wall_ns;
    uint64_t inference_count, execution_count;
    struct oip_duration success, fail, queue, compute_input, compute_infer, compute_output;
    uint64_t failures[FAILURE_COUNT];
    uint64_t refused, expired, abandoned, rerun; /* requests */
    uint64_t host_deaths;
    uint64_t slo_hits, slo_misses;
    uint64_t rows;
    unsigned batch_count;
    struct oip_batch_statistics batches[STATISTICS_BATCHES_MAX];
    struct hist latency_ns; /* of successful requests, whole server time */
    uint64_t busy_ns, cpu_ns;
    /* Switches that found requests waiting: from the take-over, or the end of the old host's last
     * run, to the new host's first run. */
    struct hist switch_gap_ns;
};

struct batch_times {
    uint64_t input_ns, infer_ns, output_ns;
};
void statistics_batch(struct statistics *statistics, uint64_t rows,
                      const struct batch_times *times);
struct statistics *statistics_new(void);

const char *failure_reason_name(enum failure_reason reason); /* Triton's: REJECTED ... */
enum failure_reason failure_reason_of(enum roost_err err);

#endif
