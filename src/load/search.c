/* SPDX-License-Identifier: Apache-2.0 */
#include "load/search.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load/runner.h"

enum { SLICES_PER_STEP = 20, OPEN_SLICES_FIRST = 64, OPEN_SLICES_MAX = 65536 };
#define SLICE_NS_MIN (50 * NS_PER_MS)
static const double lag_quantile = 0.99;

static size_t criteria_of(const struct search *search)
{
    return search->tenants->count + 1;
}

static bool window_grow(struct search *search, size_t open_max)
{
    size_t criteria = criteria_of(search);
    uint64_t *good = calloc(open_max * criteria, sizeof(*good));
    uint64_t *seen = calloc(open_max * criteria, sizeof(*seen));
    if (good == NULL || seen == NULL) {
        free(good);
        free(seen);
        return false;
    }
    size_t bytes = search->open_max * criteria * sizeof(*good);
    if (bytes > 0) {
        memcpy(good, search->good, bytes);
        memcpy(seen, search->seen, bytes);
    }
    free(search->good);
    free(search->seen);
    search->good = good;
    search->seen = seen;
    search->open_max = open_max;
    return true;
}

bool search_init(struct search *search, const struct load_tenants *tenants, uint64_t step_ns,
                 struct findmax *findmax)
{
    *search = (struct search){.tenants = tenants, .findmax = findmax, .lag_max_ns = UINT64_MAX};
    search->slice_ns = step_ns / SLICES_PER_STEP;
    if (search->slice_ns < SLICE_NS_MIN)
        search->slice_ns = SLICE_NS_MIN;
    search->quantiles = calloc(tenants->count + 1, sizeof(*search->quantiles));
    search->arrivals = calloc(tenants->count + 1, sizeof(*search->arrivals));
    search->next = calloc(tenants->count + 1, sizeof(*search->next));
    search->is_over = calloc(tenants->count + 1, sizeof(*search->is_over));
    search->due = calloc(tenants->count + 1, sizeof(*search->due));
    if (search->quantiles == NULL || search->arrivals == NULL || search->next == NULL ||
        search->is_over == NULL || search->due == NULL || !window_grow(search, OPEN_SLICES_FIRST))
        return false;
    for (size_t i = 0; i < tenants->count; i++) {
        const struct slo *slo = &tenants->items[i].slo;
        if (slo->time_ns == 0)
            continue;
        search->quantiles[i] = slo->quantile;
        search->quantiles[tenants->count] = lag_quantile;
        if (slo->time_ns > search->slo_max_ns)
            search->slo_max_ns = slo->time_ns;
        if (slo->time_ns / 10 < search->lag_max_ns)
            search->lag_max_ns = slo->time_ns / 10;
    }
    return true;
}

void search_fini(struct search *search)
{
    free(search->quantiles);
    free(search->arrivals);
    free(search->next);
    free(search->is_over);
    free(search->due);
    free(search->good);
    free(search->seen);
    *search = (struct search){0};
}

bool search_is_possible(const struct search *search)
{
    return search->slo_max_ns > 0;
}

void search_begin(struct search *search, uint64_t seed, double multiplier, uint64_t warmup_ns)
{
    size_t cells = search->open_max * criteria_of(search);
    search->warmup_ns = warmup_ns;
    search->closed = 0;
    memset(search->good, 0, cells * sizeof(*search->good));
    memset(search->seen, 0, cells * sizeof(*search->seen));
    for (size_t i = 0; i < search->tenants->count; i++) {
        struct arrival_options options = tenant_spec_arrivals(search->tenants->items[i].spec,
                                                              multiplier);
        arrival_init(&search->arrivals[i], &options, runner_seed(seed, i, STREAM_ARRIVALS));
        do {
            search->is_over[i] = !arrival_next(&search->arrivals[i], &search->next[i]);
        } while (!search->is_over[i] && search->next[i].at_ns < warmup_ns);
    }
}

/* Where the counts of a record's slice begin; false when it is closed or there is no room. */
static bool slice_cells(struct search *search, const struct load_record *record, size_t *cells)
{
    size_t slice = (size_t)((record->intended_ns - search->warmup_ns) / search->slice_ns);
    if (slice < search->closed)
        return false;
    size_t open = slice - search->closed;
    size_t wanted = search->open_max;
    while (open >= wanted && wanted < OPEN_SLICES_MAX)
        wanted *= 2;
    if (open >= wanted || (wanted > search->open_max && !window_grow(search, wanted))) {
        search->failed = true;
        return false;
    }
    *cells = open * criteria_of(search);
    return true;
}

void search_add(struct search *search, const struct load_record *record)
{
    size_t cells;
    if (!record->counted || !slice_cells(search, record, &cells))
        return;
    size_t lag = cells + search->tenants->count;
    const struct slo *slo = &search->tenants->items[record->tenant].slo;
    if (record->outcome == OUTCOME_OK && record->latency_ns <= slo->time_ns)
        search->good[cells + record->tenant]++;
    search->seen[lag]++;
    if (record->lag_ns <= search->lag_max_ns)
        search->good[lag]++;
}

/* Counts the arrivals of the slice that ends here. */
static void due_count(struct search *search, uint64_t end_ns)
{
    for (size_t i = 0; i < search->tenants->count; i++) {
        search->due[i] = 0;
        while (!search->is_over[i] && search->next[i].at_ns < end_ns) {
            search->due[i]++;
            search->is_over[i] = !arrival_next(&search->arrivals[i], &search->next[i]);
        }
    }
    search->due[search->tenants->count] = search->seen[search->tenants->count];
}

static void window_move(struct search *search)
{
    size_t criteria = criteria_of(search);
    size_t kept = (search->open_max - 1) * criteria;
    memmove(search->good, search->good + criteria, kept * sizeof(*search->good));
    memmove(search->seen, search->seen + criteria, kept * sizeof(*search->seen));
    memset(search->good + kept, 0, criteria * sizeof(*search->good));
    memset(search->seen + kept, 0, criteria * sizeof(*search->seen));
    search->closed++;
}

enum findmax_verdict search_advance(struct search *search, uint64_t now_ns)
{
    for (;;) {
        uint64_t end_ns = search->warmup_ns + (search->closed + 1) * search->slice_ns;
        if (now_ns < end_ns + search->slo_max_ns)
            return FINDMAX_GO_ON;
        due_count(search, end_ns);
        struct findmax_slice slice = {.total = search->due, .good = search->good};
        enum findmax_verdict verdict = findmax_observe(search->findmax, &slice, search->slice_ns);
        window_move(search);
        if (verdict != FINDMAX_GO_ON)
            return verdict;
    }
}
