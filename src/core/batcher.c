/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batcher.h"

/* Below this service time the hand-off between the processes is worth hiding behind a staged batch.
 * */
static const uint64_t stage_service_ns = 500 * 1000;

/* May a batch be staged behind a busy worker? Only one that would not be larger for waiting. */
static bool batcher_may_stage(const struct batcher_limits *limits, const struct curve *curve,
                              uint64_t waiting, uint64_t rows)
{
    if (!limits->batching || rows < waiting || rows >= limits->rows_max) {
        return true;
    }
    uint64_t service_ns = curve_service_ns(curve, 1);
    return service_ns != 0 && service_ns < stage_service_ns;
}

/* The largest preferred size that the waiting rows reach; 0 when none is. */
static uint64_t batcher_preferred(const struct batcher_limits *limits, uint64_t waiting)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < limits->preferred_count; i++) {
        uint64_t size = (uint64_t)limits->preferred[i];
        if (size <= waiting && size <= limits->rows_max && size > best) {
            best = size;
        }
    }
    return best;
}

/* Until when the oldest request may wait for companions. */
static uint64_t batcher_wait_until(const struct batcher_limits *limits, const struct curve *curve,
                                   const struct queue_item *head, uint64_t rows)
{
    uint64_t delay_ns = limits->delay_ns;
    uint64_t span_ns = limits->slo_ns;
    if (span_ns == 0 && head->deadline_ns != UINT64_MAX) {
        span_ns = head->deadline_ns > head->arrival_ns ? head->deadline_ns - head->arrival_ns : 1;
    }
    if (span_ns != 0) {
        /* Half of what the SLO leaves beside the run is for waiting; the rest absorbs the
         * unforeseen. */
        uint64_t service_ns = curve_service_ns(curve, rows);
        uint64_t room_ns = span_ns > service_ns ? (span_ns - service_ns) / 2 : 0;
        delay_ns = delay_ns < room_ns ? delay_ns : room_ns;
    }
    return head->arrival_ns + delay_ns;
}

struct batcher_decision batcher_decide(const struct batcher_limits *limits,
                                       const struct curve *curve, const struct queue *queue,
                                       unsigned busy, uint64_t now_ns)
{
    struct batcher_decision decision = {.action = BATCHER_NOTHING};
    const struct queue_item *head = queue_head(queue);
    if (head == NULL || busy >= limits->workers * limits->slots_per_worker) {
        return decision;
    }
    uint64_t waiting = queue->rows;
    uint64_t rows = 1;
    if (limits->batching) {
        rows = limits->learned ? curve_batch_rows(curve, waiting, limits->rows_max, limits->slo_ns)
                               : (waiting < limits->rows_max ? waiting : limits->rows_max);
    }
    if (busy >= limits->workers && !batcher_may_stage(limits, curve, waiting, rows)) {
        return decision;
    }
    if (limits->batching && !head->alone && limits->delay_ns > 0 && waiting < limits->rows_max) {
        uint64_t preferred = batcher_preferred(limits, waiting);
        uint64_t until_ns = batcher_wait_until(limits, curve, head, rows);
        if (preferred == 0 && now_ns < until_ns) {
            decision.action = BATCHER_WAIT;
            decision.wake_ns = until_ns;
            return decision;
        }
        rows = preferred > rows ? preferred : rows;
    }
    decision.action = BATCHER_FORM;
    decision.rows_max = rows;
    return decision;
}

uint64_t batcher_predict_wait_ns(const struct batcher_limits *limits, const struct curve *curve,
                                 uint64_t rows_ahead)
{
    double rows_per_s = curve_rows_per_s(curve, limits->batching ? limits->rows_max : 1);
    if (rows_per_s <= 0 || rows_ahead == 0 || !curve_is_known(curve)) {
        return 0;
    }
    return (uint64_t)((double)rows_ahead / (rows_per_s * limits->workers) * 1e9);
}
