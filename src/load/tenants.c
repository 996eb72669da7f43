/* SPDX-License-Identifier: Apache-2.0 */
#include "load/tenants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

enum { BODIES_BYTES_MAX = 1 << 30, ROWS_OF_DRAWN_SIZES = 64 };

static void note_add(struct load_tenant *tenant, const char *text)
{
    size_t used = strlen(tenant->note);
    (void)snprintf(tenant->note + used, sizeof(tenant->note) - used, "%s%s", used > 0 ? "; " : "",
                   text);
}

static uint32_t trace_rows_max(const struct trace *trace)
{
    uint32_t rows = 0;
    for (size_t i = 0; i < trace->count; i++)
        rows = trace->arrivals[i].batch > rows ? trace->arrivals[i].batch : rows;
    return rows;
}

/* The most rows that the model takes, or UINT32_MAX. */
static uint32_t model_rows_max(const struct load_model *model,
                               const struct load_tenants_options *options)
{
    if (!model->is_batched)
        return 1;
    bool is_limited = options->limit_batch && model->max_batch_size > 0;
    return is_limited && model->max_batch_size < BATCH_SIZE_MAX ? (uint32_t)model->max_batch_size
                                                                : UINT32_MAX;
}

/* Sets the sizes to draw from and returns how many rows a request can have; 0: no memory. */
static uint32_t sizes_fit(struct load_tenant *tenant, const struct load_tenants_options *options)
{
    const struct batch_sizes *wanted = &tenant->spec->sizes;
    uint32_t rows_max = model_rows_max(tenant->model, options);
    tenant->sizes = *wanted;
    if (wanted->count > 0) {
        tenant->sizes_values = malloc(wanted->count * sizeof(*wanted->values));
        if (tenant->sizes_values == NULL)
            return 0;
        memcpy(tenant->sizes_values, wanted->values, wanted->count * sizeof(*wanted->values));
        tenant->sizes.values = tenant->sizes_values;
    }
    uint32_t trace_rows = trace_rows_max(&tenant->spec->trace);
    if (batch_sizes_limit(&tenant->sizes, rows_max) || trace_rows > rows_max) {
        char text[80];
        (void)snprintf(text, sizeof(text), "batch sizes are cut to the model's maximum, %u",
                       rows_max);
        note_add(tenant,
                 tenant->model->is_batched ? text : "the model has no batch dimension: batch 1");
    }
    trace_rows = trace_rows < rows_max ? trace_rows : rows_max;
    return tenant->sizes.high > trace_rows ? tenant->sizes.high : trace_rows;
}

/* The file of whole requests, if there is one: an entry without INPUT=. */
static const char *bodies_path(const struct tenant_spec *spec)
{
    for (size_t i = spec->data.count; i > 0; i--) {
        if (strchr(spec->data.items[i - 1], '=') == NULL)
            return spec->data.items[i - 1];
    }
    return NULL;
}

static enum roost_err bodies_prepare(struct load_tenant *tenant, const char *path,
                                     const struct request_options *options, struct detail *detail)
{
    char *text;
    size_t length;
    enum roost_err err = file_read(path, BODIES_BYTES_MAX, &text, &length, detail);
    if (err != ROOST_OK)
        return err;
    err = request_pool_init_bodies(&tenant->pool, tenant->model, text, length, options, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "%s", path);
    free(text);
    return err;
}

static void zeros_note(struct load_tenant *tenant)
{
    for (unsigned i = 0; i < tenant->inputs.count; i++) {
        char text[TENSOR_NAME_BYTES_MAX + 64];
        if (!tenant->inputs.inputs[i].is_zero)
            continue;
        (void)snprintf(text, sizeof(text), "input %s is all zeros (say --range %s=LOW:HIGH)",
                       tenant->model->io.inputs[i].name, tenant->model->io.inputs[i].name);
        note_add(tenant, text);
    }
}

static enum roost_err generated_prepare(struct load_tenant *tenant, size_t index, size_t count,
                                        const struct load_tenants_options *options,
                                        struct request_options *requests, struct detail *detail)
{
    uint32_t rows_max = sizes_fit(tenant, options);
    if (rows_max == 0)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the batch sizes");
    size_t share = options->memory_bytes / 2 / count;
    /* Drawn sizes are mostly far below the largest. */
    bool is_constant = tenant->sizes.low == tenant->sizes.high;
    uint64_t rows = (uint64_t)options->distinct * rows_max;
    struct input_options inputs = {
        .rows = is_constant ? rows : rows + (uint64_t)ROWS_OF_DRAWN_SIZES * options->distinct,
        .bytes_max = share,
        .seed = runner_seed(options->seed, index, STREAM_DATA),
        .ranges = &tenant->spec->ranges,
        .shapes = &tenant->spec->shapes,
        .data = &tenant->spec->data,
    };
    requests->bytes_max = share;
    enum roost_err err = input_set_init(tenant->model, &inputs, &tenant->inputs, detail);
    if (err == ROOST_OK)
        err = request_pool_init(&tenant->pool, tenant->model, &tenant->inputs, rows_max, requests,
                                detail);
    if (err == ROOST_OK)
        err = request_pool_warm(&tenant->pool, &tenant->sizes, inputs.seed, detail);
    if (err == ROOST_OK)
        zeros_note(tenant);
    return err;
}

static enum roost_err tenant_prepare(const struct target *target, struct load_tenant *tenant,
                                     size_t index, size_t count,
                                     const struct load_tenants_options *options,
                                     struct detail *detail)
{
    const struct tenant_spec *spec = tenant->spec;
    (void)snprintf(tenant->name, sizeof(tenant->name), "%s%s%s", spec->name,
                   spec->version == NULL ? "" : "@", spec->version == NULL ? "" : spec->version);
    tenant->model = malloc(sizeof(*tenant->model));
    if (tenant->model == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the tenants");
    enum roost_err err = target_model(target, spec->name, spec->version, tenant->model, detail);
    if (err != ROOST_OK)
        return err;
    tenant->slo = spec->slo_text == NULL ? tenant->model->slo : spec->slo;
    struct request_options requests = {
        .authority = target->authority,
        .encoding = options->encoding,
        .timeout_us = spec->deadline_ns / NS_PER_US,
        .priority = (uint64_t)spec->priority,
        .headers = options->headers,
        .distinct = options->distinct,
    };
    const char *path = bodies_path(spec);
    if (path != NULL) {
        tenant->sizes = (struct batch_sizes){.kind = BATCH_CONSTANT, .low = 1, .high = 1};
        err = bodies_prepare(tenant, path, &requests, detail);
    } else {
        err = generated_prepare(tenant, index, count, options, &requests, detail);
    }
    if (err != ROOST_OK)
        detail_prefix(detail, "model %s", tenant->name);
    return err;
}

static bool entry_is_for(const char *entry, const struct load_model *model)
{
    for (unsigned i = 0; i < model->io.input_count; i++) {
        const char *name = model->io.inputs[i].name;
        size_t length = strlen(name);
        if (strncmp(entry, name, length) == 0 && entry[length] == '=')
            return true;
    }
    return false;
}

/* An entry for an input that no model of the run has is a slip of the pen. One for another tenant's
 * is none: what options say holds for all tenants. */
static enum roost_err entries_check(const struct load_tenants *tenants, const char *key,
                                    const struct option_list *entries, struct detail *detail)
{
    for (size_t i = 0; i < entries->count; i++) {
        bool found = strchr(entries->items[i], '=') == NULL; /* a file of whole requests */
        for (size_t t = 0; t < tenants->count && !found; t++)
            found = entry_is_for(entries->items[i], tenants->items[t].model);
        if (!found)
            return detail_set(detail, ROOST_INVALID, "%s: no model has an input for \"%.60s\"", key,
                              entries->items[i]);
    }
    return ROOST_OK;
}

static enum roost_err inputs_check(const struct load_tenants *tenants, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (size_t i = 0; i < tenants->count && err == ROOST_OK; i++) {
        const struct tenant_spec *spec = tenants->items[i].spec;
        err = entries_check(tenants, "range", &spec->ranges, detail);
        if (err == ROOST_OK)
            err = entries_check(tenants, "shape", &spec->shapes, detail);
        if (err == ROOST_OK)
            err = entries_check(tenants, "data", &spec->data, detail);
        if (err != ROOST_OK)
            detail_prefix(detail, "model %s", tenants->items[i].name);
    }
    return err;
}

enum roost_err load_tenants_prepare(const struct target *target, const struct load_spec *spec,
                                    const struct load_tenants_options *options,
                                    struct load_tenants *tenants, struct detail *detail)
{
    tenants->count = spec->count;
    tenants->items = calloc(spec->count + 1, sizeof(*tenants->items));
    if (tenants->items == NULL) {
        tenants->count = 0;
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the tenants");
    }
    enum roost_err err = ROOST_OK;
    for (size_t i = 0; i < spec->count && err == ROOST_OK; i++) {
        tenants->items[i].spec = &spec->tenants[i];
        err = tenant_prepare(target, &tenants->items[i], i, spec->count, options, detail);
    }
    return err == ROOST_OK ? inputs_check(tenants, detail) : err;
}

void load_tenants_fini(struct load_tenants *tenants)
{
    for (size_t i = 0; i < tenants->count; i++) {
        struct load_tenant *tenant = &tenants->items[i];
        request_pool_fini(&tenant->pool);
        input_set_fini(&tenant->inputs);
        free(tenant->sizes_values);
        free(tenant->model);
    }
    free(tenants->items);
    *tenants = (struct load_tenants){0};
}
