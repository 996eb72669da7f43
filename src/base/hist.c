/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"

/*
 * Buckets come in rows of 64. Row 0 holds 0..63 and row 1 holds 64..127, one value per bucket;
 * row r > 1 covers [64 * 2^(r-1), 128 * 2^(r-1)) in 64 equal steps. So the six bits below a
 * value's highest bit name the bucket, and its power of two names the row.
 */
enum { ROW_BUCKETS = 1 << HIST_SUB_BITS };

size_t hist_bucket_of(uint64_t value)
{
    if (value < ROW_BUCKETS)
        return (size_t)value;
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = exponent - HIST_SUB_BITS;
    size_t bucket = (size_t)shift * ROW_BUCKETS + (size_t)(value >> shift);
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

uint64_t hist_bucket_top(size_t bucket)
{
    roost_assert(bucket < HIST_BUCKETS);
    if (bucket == HIST_BUCKETS - 1)
        return UINT64_MAX;
    if (bucket < ROW_BUCKETS)
        return bucket;
    size_t shift = bucket / ROW_BUCKETS - 1;
    uint64_t step = bucket % ROW_BUCKETS + ROW_BUCKETS;
    return ((step + 1) << shift) - 1;
}

static uint64_t bucket_bottom(size_t bucket)
{
    return bucket == 0 ? 0 : hist_bucket_top(bucket - 1) + 1;
}

void hist_reset(struct hist *hist)
{
    memset(hist, 0, sizeof(*hist));
    hist->min = UINT64_MAX;
}

void hist_record(struct hist *hist, uint64_t value)
{
    hist_record_n(hist, value, 1);
}

void hist_record_n(struct hist *hist, uint64_t value, uint64_t times)
{
    if (times == 0)
        return;
    hist->count += times;
    hist->sum += value * times;
    hist->min = value < hist->min ? value : hist->min;
    hist->max = value > hist->max ? value : hist->max;
    hist->buckets[hist_bucket_of(value)] += times;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from->count == 0)
        return;
    into->count += from->count;
    into->sum += from->sum;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    size_t last = hist_bucket_of(from->max);
    for (size_t i = hist_bucket_of(from->min); i <= last; i++)
        into->buckets[i] += from->buckets[i];
}

void hist_subtract(struct hist *from, const struct hist *part)
{
    roost_assert(part->count <= from->count);
    size_t first = HIST_BUCKETS;
    size_t last = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        roost_assert(part->buckets[i] <= from->buckets[i]);
        from->buckets[i] -= part->buckets[i];
        if (from->buckets[i] == 0)
            continue;
        first = first == HIST_BUCKETS ? i : first;
        last = i;
    }
    from->count -= part->count;
    from->sum -= part->sum;
    if (from->count == 0) {
        hist_reset(from);
        return;
    }
    /* Which of the remaining values are the extremes is known to a bucket only. */
    uint64_t bottom = bucket_bottom(first);
    uint64_t top = hist_bucket_top(last);
    from->min = bottom > from->min ? bottom : from->min;
    from->max = top < from->max ? top : from->max;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    if (hist->count == 0)
        return 0;
    double wanted = ceil(fmin(fmax(q, 0.0), 1.0) * (double)hist->count);
    uint64_t rank = wanted < 1.0 ? 1 : (uint64_t)wanted;
    rank = rank > hist->count ? hist->count : rank;
    uint64_t seen = 0;
    for (size_t i = hist_bucket_of(hist->min); i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= rank) {
            uint64_t top = hist_bucket_top(i);
            return top < hist->max ? top : hist->max;
        }
    }
    return hist->max;
}

double hist_mean(const struct hist *hist)
{
    return hist->count == 0 ? 0.0 : (double)hist->sum / (double)hist->count;
}

uint64_t hist_count_at_most(const struct hist *hist, uint64_t value)
{
    if (value >= hist->max)
        return hist->count;
    size_t last = hist_bucket_of(value);
    uint64_t count = 0;
    for (size_t i = 0; i <= last; i++)
        count += hist->buckets[i];
    return count;
}
