/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram of durations (or of any uint64_t): values below 128 exactly, above
 * that with a relative error of at most 1/64, up to 2^42 (73 minutes in ns); larger values
 * count in the last bucket. Fixed size (about 19 KB), no allocation. One writer at a time, and
 * no reader beside it: merge to read across threads. hist_reset makes it ready for use.
 */
#ifndef ROOST_BASE_HIST_H
#define ROOST_BASE_HIST_H

#include <stddef.h>
#include <stdint.h>

enum { HIST_SUB_BITS = 6, HIST_BUCKETS = (42 - HIST_SUB_BITS + 1) * (1 << HIST_SUB_BITS) };

struct hist {
    uint64_t count;
    uint64_t sum; /* modulo 2^64 */
    uint64_t min; /* UINT64_MAX when empty */
    uint64_t max;
    uint64_t buckets[HIST_BUCKETS];
};

void hist_reset(struct hist *hist);
void hist_record(struct hist *hist, uint64_t value);
void hist_record_n(struct hist *hist, uint64_t value, uint64_t times);
void hist_merge(struct hist *into, const struct hist *from);
/* Takes back what was merged or recorded before: part's counts must be in from. min and max are
 * then known to a bucket. */
void hist_subtract(struct hist *from, const struct hist *part);

/* The value at quantile q in [0, 1]: the upper end of the bucket that holds it, never above max.
 * 0 when empty. */
uint64_t hist_quantile(const struct hist *hist, double q);
double hist_mean(const struct hist *hist);

/* How many recorded values are <= value (bucket resolution). */
uint64_t hist_count_at_most(const struct hist *hist, uint64_t value);

size_t hist_bucket_of(uint64_t value);

/* The largest value that falls into the bucket: UINT64_MAX for the last. */
uint64_t hist_bucket_top(size_t bucket);

#endif
