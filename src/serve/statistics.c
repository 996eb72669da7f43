/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/statistics.h"

#include <stdlib.h>

struct statistics *statistics_new(void)
{
    struct statistics *statistics = calloc(1, sizeof *statistics);
    if (statistics != NULL) {
        hist_reset(&statistics->latency_ns);
        hist_reset(&statistics->switch_gap_ns);
    }
    return statistics;
}

static void duration_add(struct oip_duration *duration, uint64_t ns)
{
    duration->count++;
    duration->ns += ns;
}

/* The row for this batch size, kept in ascending order; sizes beyond the table share its last row.
 * */
static struct oip_batch_statistics *statistics_row(struct statistics *statistics, uint64_t rows)
{
    unsigned place = 0;
    while (place < statistics->batch_count && statistics->batches[place].batch_size < rows) {
        place++;
    }
    if (place < statistics->batch_count && statistics->batches[place].batch_size == rows) {
        return &statistics->batches[place];
    }
    if (statistics->batch_count == STATISTICS_BATCHES_MAX) {
        return &statistics->batches[STATISTICS_BATCHES_MAX - 1];
    }
    for (unsigned i = statistics->batch_count; i > place; i--) {
        statistics->batches[i] = statistics->batches[i - 1];
    }
    statistics->batch_count++;
    statistics->batches[place] = (struct oip_batch_statistics){.batch_size = rows};
    return &statistics->batches[place];
}

void statistics_batch(struct statistics *statistics, uint64_t rows, const struct batch_times *times)
{
    statistics->execution_count++;
    struct oip_batch_statistics *row = statistics_row(statistics, rows);
    duration_add(&row->compute_input, times->input_ns);
    duration_add(&row->compute_infer, times->infer_ns);
    duration_add(&row->compute_output, times->output_ns);
}

const char *failure_reason_name(enum failure_reason reason)
{
    static const char *const names[] = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};
    return names[reason];
}

enum failure_reason failure_reason_of(enum roost_err err)
{
    switch (err) {
    case ROOST_OVERLOADED:
    case ROOST_UNAVAILABLE:
    case ROOST_EXPIRED:
        return FAILURE_REJECTED;
    case ROOST_CANCELLED:
        return FAILURE_CANCELED;
    case ROOST_INTERNAL:
    case ROOST_INVALID:
        return FAILURE_BACKEND;
    default:
        return FAILURE_OTHER;
    }
}
