/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts one step of the search for the highest load into slices of time, for struct findmax.
 *
 * A slice is closed when every request in it is either answered or too late; how many were due in
 * it is known without asking anybody, because the arrivals can be drawn a second time. One more
 * criterion than there are tenants: the generator's own lag. One thread, no clock.
 */
#ifndef ROOST_LOAD_SEARCH_H
#define ROOST_LOAD_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "load/findmax.h"
#include "load/record.h"
#include "load/tenants.h"

struct search {
    const struct load_tenants *tenants;
    struct findmax *findmax;
    double *quantiles; /* per criterion */
    uint64_t slice_ns;
    uint64_t slo_max_ns, lag_max_ns;
    /* The step under way. */
    uint64_t warmup_ns;
    struct arrival *arrivals;
    struct arrival_event *next;
    bool *is_over;         /* per tenant: its trace has ended */
    size_t closed;         /* slices told to the controller */
    size_t open_max;       /* slices with room in `good` */
    uint64_t *good, *seen; /* [slice - closed][criterion], a window that moves on */
    uint64_t *due;         /* per criterion, of the slice being closed */
    bool failed;           /* memory was short */
};

/* False when memory is short. `tenants` and `findmax` are borrowed; the latter may be initialised
 * afterwards, with this one's quantiles. */
bool search_init(struct search *search, const struct load_tenants *tenants, uint64_t step_ns,
                 struct findmax *findmax);
void search_fini(struct search *search);

/* Whether any tenant has an SLO at all. */
bool search_is_possible(const struct search *search);

/* A new step, sent with this seed and multiplier. */
void search_begin(struct search *search, uint64_t seed, double multiplier, uint64_t warmup_ns);

void search_add(struct search *search, const struct load_record *record);

/* Everything done before now_ns has been added: closes what can be closed. */
enum findmax_verdict search_advance(struct search *search, uint64_t now_ns);

#endif
