/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for a view, and what every reader of one needs to compute the same way.
 *
 * struct view_store owns the arrays behind a struct roost_view: the manager, the simulator and the
 * decision log's reader fill it in place, then show `view` to a policy. It allocates in
 * view_store_init only (texts and profiles excepted, which belong to whoever fills it in). One
 * thread per store. The functions over views and variants are pure: any thread.
 */
#ifndef ROOST_CORE_VIEW_H
#define ROOST_CORE_VIEW_H

#include "roost/policy.h"

/*
 * Tenant i's variants are variants[i * variants_max] and the following ones.
 */
struct view_store {
    struct roost_view view; /* its `tenants` points to the array below */
    uint32_t tenants_max, variants_max;
    struct roost_tenant *tenants;
    struct roost_variant *variants;
};

/* NO_MEMORY, or INVALID for more variants than ROOST_VARIANTS_MAX. fini is safe after a failure. */
enum roost_err view_store_init(struct view_store *store, uint32_t tenants_max,
                               uint32_t variants_max);
void view_store_fini(struct view_store *store);

/* A new tenant at the end of the view, zeroed but for its variants' place, no SLO and
 * view_grant_default(); NULL when the store is full. */
struct roost_tenant *view_store_add(struct view_store *store);
/* The same tenant's variants, to be written. */
struct roost_variant *view_store_variants(struct view_store *store, uint32_t tenant);
/* Empties the view; node, seed and time stay. */
void view_store_clear(struct view_store *store);

/* Shared, usual weight, one worker, everything else free, variant 0. */
struct roost_grant view_grant_default(void);
bool view_grant_equal(const struct roost_grant *a, const struct roost_grant *b);

/* Sets abs_rows, aat_ns and attainment from the counts, which every source of windows must do the
 * same way. Due are completions, errors and refusals, and what is queued and already late. */
void view_window_derive(struct roost_window *window, const struct roost_queue *queue);

/* Index of the tenant with this id, or ROOST_NONE. */
uint32_t view_find(const struct roost_view *view, uint32_t id);

static inline bool view_has_knob(const struct roost_view *view, enum roost_knob knob)
{
    return (view->node.knobs & knob) != 0;
}

/* True when the tenant's SLO can be missed: it has one. */
static inline bool view_has_slo(const struct roost_tenant *tenant)
{
    return tenant->slo_ns > 0 && tenant->slo_percentile > 0;
}

static inline bool view_is_switching(const struct roost_tenant *tenant)
{
    return tenant->grant.variant != tenant->serving;
}

/* The variant of the highest declared accuracy (the first of equals); 0 when none is declared. */
uint32_t view_top_variant(const struct roost_tenant *tenant);

/* True when a plan may choose it: it has not failed, is not below the tenant's accuracy floor, and
 * a cold one fits into the memory that is free. The variant in force may always stay. */
bool view_may_switch(const struct roost_view *view, const struct roost_tenant *tenant,
                     uint32_t variant);

/*
 * Expected service time of a batch of so many rows by one worker: straight between the measured
 * points, below the first by the line through the first two (or in proportion), beyond the last
 * with the last slope. 0 when nothing was measured. The second one counts CPU time only; where no
 * batch's is known it takes cpu_ns_per_row, and without that the service time.
 */
double view_service_ns(const struct roost_variant *variant, double rows);
double view_cpu_ns(const struct roost_variant *variant, double rows);

/* What RUS takes as a variant's cost. */
enum view_cost { VIEW_COST_DECLARED, VIEW_COST_COUNTED, VIEW_COST_MEASURED };

/* MFLOPs, counted MFLOPs or measured CPU microseconds per row; 0 when unknown. */
double view_variant_cost(const struct roost_variant *variant, enum view_cost cost);

/* FairCIM's resource utilisation score (ALGORITHMS F.1): ABS * cost / AAT in seconds. */
double view_rus(const struct roost_window *window, double cost);

#endif
