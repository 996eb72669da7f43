/* SPDX-License-Identifier: Apache-2.0 */
#include "core/window.h"

#include <string.h>

static void counts_reset(struct window_counts *counts)
{
    memset(counts, 0, offsetof(struct window_counts, latency_ns));
    hist_reset(&counts->latency_ns);
}

void window_init(struct window *window, uint64_t length_ns)
{
    window->slice_ns = length_ns / WINDOW_SLICES;
    window->slice_start_ns = 0;
    window->first_ns = 0;
    window->current = 0;
    for (unsigned i = 0; i < WINDOW_SLICES; i++) {
        counts_reset(&window->slices[i]);
    }
}

struct window_counts *window_at(struct window *window, uint64_t now_ns)
{
    if (window->first_ns == 0) {
        window->first_ns = now_ns;
        window->slice_start_ns = now_ns;
    }
    uint64_t passed = now_ns > window->slice_start_ns
                          ? (now_ns - window->slice_start_ns) / window->slice_ns
                          : 0;
    for (uint64_t i = 0; i < passed && i < WINDOW_SLICES; i++) {
        window->current = (window->current + 1) % WINDOW_SLICES;
        counts_reset(&window->slices[window->current]);
    }
    window->slice_start_ns += passed * window->slice_ns;
    return &window->slices[window->current];
}

static void counts_add(struct window_counts *sum, const struct window_counts *slice)
{
    sum->arrivals += slice->arrivals;
    sum->rows += slice->rows;
    sum->completions += slice->completions;
    sum->refusals += slice->refusals;
    sum->errors += slice->errors;
    sum->slo_misses += slice->slo_misses;
    sum->batches += slice->batches;
    sum->batch_rows += slice->batch_rows;
    sum->busy_ns += slice->busy_ns;
    sum->cpu_ns += slice->cpu_ns;
    hist_merge(&sum->latency_ns, &slice->latency_ns);
}

uint64_t window_sum_newest(struct window *window, uint64_t now_ns, uint64_t samples_min,
                           uint64_t length_min_ns, struct window_counts *sum)
{
    window_at(window, now_ns);
    counts_reset(sum);
    uint64_t covered_ns = now_ns > window->slice_start_ns ? now_ns - window->slice_start_ns : 0;
    for (unsigned i = 0; i < WINDOW_SLICES; i++) {
        if (i > 0 && sum->latency_ns.count >= samples_min && covered_ns >= length_min_ns)
            break;
        counts_add(sum, &window->slices[(window->current + WINDOW_SLICES - i) % WINDOW_SLICES]);
        covered_ns += i > 0 ? window->slice_ns : 0;
    }
    uint64_t alive_ns = now_ns > window->first_ns ? now_ns - window->first_ns : 0;
    return covered_ns < alive_ns ? covered_ns : alive_ns;
}

uint64_t window_sum(struct window *window, uint64_t now_ns, struct window_counts *sum)
{
    return window_sum_newest(window, now_ns, UINT64_MAX, UINT64_MAX, sum);
}
