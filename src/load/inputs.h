/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of input data for a model: random by type, or from files.
 *
 * Floats lie in [0, 1) and bytes of UINT8 in [0, 256) unless a range says otherwise; other integers
 * are zero without a range, because they are mostly indices and a wrong one is an error; BOOL is
 * either; texts are eight hexadecimal digits. Row r of the set is the same rows of every input.
 * The set is read-only once it is made; deterministic by seed.
 */
#ifndef ROOST_LOAD_INPUTS_H
#define ROOST_LOAD_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "load/model.h"

struct input_rows {
    struct shape row_shape; /* without the batch dimension, all dimensions known */
    size_t row_bytes;
    uint64_t row_elements;
    uint64_t rows;
    char *data;
    bool is_zero; /* integers of which no range is known */
};

struct input_set {
    unsigned count;
    struct input_rows inputs[MODEL_TENSORS_MAX];
    size_t row_bytes; /* of all inputs together */
};

struct input_options {
    uint64_t rows;    /* wanted; fewer when they do not fit bytes_max, and never less than one */
    size_t bytes_max; /* of data, for all inputs together */
    uint64_t seed;
    const struct option_list *ranges; /* "INPUT=0:1000" */
    const struct option_list *shapes; /* "INPUT=3x224x224": for dimensions that the model leaves
                                         open; else they are 1 */
    const struct option_list *data;   /* "INPUT=FILE": raw rows, little-endian */
};

/* Entries of the lists that name no input of this model are left to other tenants. On OK *set is
 * the caller's (input_set_fini); otherwise it is empty. INVALID, UNSUPPORTED, NO_MEMORY, and what
 * reading a file may say. */
enum roost_err input_set_init(const struct load_model *model, const struct input_options *options,
                              struct input_set *set, struct detail *detail);
void input_set_fini(struct input_set *set);

/* "NAME=VALUE" -> VALUE when the entry is for this name, else NULL. */
const char *entry_for(const char *entry, const char *name);

/* Copies `count` rows from row `first` on, which go round at the end. */
void input_rows_copy(const struct input_rows *rows, uint64_t first, uint64_t count, char *out);

#endif
