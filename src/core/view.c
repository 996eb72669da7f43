/* SPDX-License-Identifier: Apache-2.0 */
#include "core/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum roost_err view_store_init(struct view_store *store, uint32_t tenants_max,
                               uint32_t variants_max)
{
    memset(store, 0, sizeof *store);
    if (variants_max == 0 || variants_max > ROOST_VARIANTS_MAX) {
        return ROOST_INVALID;
    }
    store->tenants = calloc((size_t)tenants_max + 1, sizeof *store->tenants);
    store->variants = calloc((size_t)tenants_max * variants_max + 1, sizeof *store->variants);
    if (store->tenants == NULL || store->variants == NULL) {
        view_store_fini(store);
        return ROOST_NO_MEMORY;
    }
    store->tenants_max = tenants_max;
    store->variants_max = variants_max;
    store->view.tenants = store->tenants;
    store->view.memory_free_bytes = UINT64_MAX;
    return ROOST_OK;
}

void view_store_fini(struct view_store *store)
{
    free(store->tenants);
    free(store->variants);
    memset(store, 0, sizeof *store);
}

struct roost_variant *view_store_variants(struct view_store *store, uint32_t tenant)
{
    roost_assert(tenant < store->tenants_max);
    return &store->variants[(size_t)tenant * store->variants_max];
}

struct roost_tenant *view_store_add(struct view_store *store)
{
    uint32_t index = store->view.tenant_count;
    if (index == store->tenants_max) {
        return NULL;
    }
    store->view.tenant_count++;
    struct roost_variant *variants = view_store_variants(store, index);
    memset(variants, 0, store->variants_max * sizeof *variants);
    struct roost_tenant *tenant = &store->tenants[index];
    memset(tenant, 0, sizeof *tenant);
    tenant->variants = variants;
    tenant->workers_max = tenant->threads = 1;
    tenant->grant = view_grant_default();
    tenant->window.attainment = 1;
    return tenant;
}

void view_store_clear(struct view_store *store)
{
    store->view.tenant_count = 0;
}

struct roost_grant view_grant_default(void)
{
    return (struct roost_grant){
        .mode = ROOST_SHARED,
        .weight = ROOST_WEIGHT_DEFAULT,
        .workers = 1,
        .bandwidth = ROOST_BANDWIDTH_FULL,
    };
}

bool view_grant_equal(const struct roost_grant *a, const struct roost_grant *b)
{
    return a->mode == b->mode && a->weight == b->weight && a->slots == b->slots &&
           a->workers == b->workers && a->sched_class == b->sched_class && a->ways == b->ways &&
           a->bandwidth == b->bandwidth && a->batch_rows == b->batch_rows &&
           a->variant == b->variant && a->shed == b->shed && a->slice_ns == b->slice_ns;
}

void view_window_derive(struct roost_window *window, const struct roost_queue *queue)
{
    double arrivals = (double)window->arrivals;
    window->abs_rows = arrivals > 0 ? (double)window->rows / arrivals : 0;
    window->aat_ns = arrivals > 0 ? (double)window->length_ns / arrivals : 0;
    double due = (double)window->completions + (double)window->errors + (double)window->refusals +
                 (double)queue->late;
    double missed = (double)window->slo_misses;
    window->attainment = due <= 0 ? 1 : missed >= due ? 0 : 1 - missed / due;
}

uint32_t view_find(const struct roost_view *view, uint32_t id)
{
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        if (view->tenants[i].id == id) {
            return i;
        }
    }
    return ROOST_NONE;
}

uint32_t view_top_variant(const struct roost_tenant *tenant)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < tenant->variant_count; i++) {
        if (tenant->variants[i].accuracy > tenant->variants[top].accuracy) {
            top = i;
        }
    }
    return top;
}

bool view_may_switch(const struct roost_view *view, const struct roost_tenant *tenant,
                     uint32_t variant)
{
    if (variant >= tenant->variant_count) {
        return false;
    }
    if (variant == tenant->grant.variant) {
        return true;
    }
    if (!view_has_knob(view, ROOST_KNOB_VARIANT) ||
        (view_is_switching(tenant) && variant != tenant->serving)) {
        return false;
    }
    const struct roost_variant *next = &tenant->variants[variant];
    if (next->state == ROOST_VARIANT_FAILED ||
        (tenant->accuracy_floor > 0 && next->accuracy < tenant->accuracy_floor)) {
        return false;
    }
    return next->state != ROOST_VARIANT_COLD || next->memory_bytes <= view->memory_free_bytes;
}

static double point_ns(const struct roost_curve_point *point, bool cpu)
{
    return cpu ? point->cpu_ns_mean : point->ns_mean;
}

/* The line through two points, never below zero nor falling. */
static double line_ns(const struct roost_curve_point *a, const struct roost_curve_point *b,
                      bool cpu, double rows)
{
    double from = point_ns(a, cpu), to = point_ns(b, cpu);
    double slope = b->rows_mean > a->rows_mean ? (to - from) / (b->rows_mean - a->rows_mean) : 0;
    if (rows > b->rows_mean) {
        return to + (slope > 0 ? slope : 0) * (rows - b->rows_mean);
    }
    double ns = from + slope * (rows - a->rows_mean);
    /* Below the first point a batch costs at least its part of it, however steep the line. */
    double part = from * rows / a->rows_mean;
    return rows < a->rows_mean && ns < part ? part : ns;
}

static double curve_ns(const struct roost_variant *variant, double rows, bool cpu)
{
    const struct roost_curve_point *before = NULL, *last = NULL;
    for (uint32_t i = 0; i < variant->point_count; i++) {
        const struct roost_curve_point *point = &variant->points[i];
        if (point->samples == 0 || !(point_ns(point, cpu) > 0) || !(point->rows_mean > 0)) {
            continue;
        }
        before = last;
        last = point;
        if (before != NULL && point->rows_mean >= rows) {
            break;
        }
    }
    if (last == NULL) {
        return 0;
    }
    if (before == NULL) {
        return point_ns(last, cpu) * rows / last->rows_mean;
    }
    return line_ns(before, last, cpu, rows);
}

double view_service_ns(const struct roost_variant *variant, double rows)
{
    return curve_ns(variant, rows, false);
}

double view_cpu_ns(const struct roost_variant *variant, double rows)
{
    double ns = curve_ns(variant, rows, true);
    if (ns > 0) {
        return ns;
    }
    if (variant->cpu_ns_per_row > 0) {
        return variant->cpu_ns_per_row * rows;
    }
    return view_service_ns(variant, rows);
}

double view_variant_cost(const struct roost_variant *variant, enum view_cost cost)
{
    switch (cost) {
    case VIEW_COST_DECLARED:
        return variant->mflops_declared;
    case VIEW_COST_COUNTED:
        return variant->flops_counted * 1e-6;
    case VIEW_COST_MEASURED:
        return variant->cpu_ns_per_row * 1e-3;
    }
    return 0;
}

double view_rus(const struct roost_window *window, double cost)
{
    return window->aat_ns > 0 ? window->abs_rows * cost / (window->aat_ns * 1e-9) : 0;
}
