/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tenants of a load, ready to be driven: what the server says of each model, data for its
 * inputs, and the requests. Preparing asks the server and blocks.
 */
#ifndef ROOST_LOAD_TENANTS_H
#define ROOST_LOAD_TENANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/request.h"
#include "load/runner.h"
#include "load/spec.h"
#include "load/target.h"

enum { LOAD_NOTE_BYTES_MAX = 240 };

struct load_tenant {
    const struct tenant_spec *spec;
    struct load_model *model;
    struct input_set inputs;
    struct request_pool pool;
    struct batch_sizes sizes; /* the spec's, cut to what the model takes; its values are borrowed */
    uint32_t *sizes_values;   /* owned copy, when cut */
    struct slo slo;
    char name[LOAD_NAME_BYTES_MAX + 32]; /* MODEL or MODEL@VERSION */
    char note[LOAD_NOTE_BYTES_MAX];      /* what the reader of the report should know; "" */
};

struct load_tenants {
    struct load_tenant *items;
    size_t count;
};

struct load_tenants_options {
    enum request_encoding encoding;
    unsigned distinct;
    uint64_t memory_bytes; /* for data and requests of all tenants together */
    uint64_t seed;
    bool limit_batch; /* cut batch sizes to the model's max_batch_size */
    const struct option_list *headers;
};

/* `spec` and `target` are borrowed until load_tenants_fini, which is safe after a failure. */
enum roost_err load_tenants_prepare(const struct target *target, const struct load_spec *spec,
                                    const struct load_tenants_options *options,
                                    struct load_tenants *tenants, struct detail *detail);
void load_tenants_fini(struct load_tenants *tenants);

#endif
