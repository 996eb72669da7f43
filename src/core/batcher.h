/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to form the next batch, and how large: a pure decision over the queue, the learned curve
 * and the limits.
 *
 * Work-conserving by default: a free worker never waits for companions unless the configuration
 * asks for it (max_queue_delay), and then only as long as the SLO of the oldest request, or else
 * its deadline, allows, and not for a request that has to run alone. Batches grow by themselves
 * while workers are busy.
 */
#ifndef ROOST_CORE_BATCHER_H
#define ROOST_CORE_BATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/curve.h"
#include "core/queue.h"

struct batcher_limits {
    bool batching; /* false: every request alone */
    bool
        learned; /* size by the curve; false: as many as are there (the configuration's own rule) */
    uint64_t rows_max; /* >= 1 */
    uint64_t delay_ns; /* longest wait for companions; 0: none */
    uint64_t slo_ns;   /* 0: none */
    unsigned preferred_count;
    const int64_t *preferred; /* ascending batch sizes to form at once when reached */
    unsigned workers;
    unsigned slots_per_worker; /* running plus staged, 1 or 2 */
};

struct batcher_decision {
    enum { BATCHER_NOTHING, BATCHER_FORM, BATCHER_WAIT } action;
    uint64_t rows_max; /* FORM: join up to so many rows */
    uint64_t wake_ns;  /* WAIT: decide again at this time at the latest */
};

/* `busy`: batches with the host now, taken or not. */
struct batcher_decision batcher_decide(const struct batcher_limits *limits,
                                       const struct curve *curve, const struct queue *queue,
                                       unsigned busy, uint64_t now_ns);

/* How long a request that came now would wait before a worker takes it, by the curve; 0 when
 * that is not known well enough (curve_is_known). */
uint64_t batcher_predict_wait_ns(const struct batcher_limits *limits, const struct curve *curve,
                                 uint64_t rows_ahead);

#endif
