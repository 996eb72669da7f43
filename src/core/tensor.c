/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_PREFIX      "TYPE_"
#define CONFIG_NAME_STRING "TYPE_STRING"

struct dtype_entry {
    const char *name;
    const char *config_name;
    size_t bytes;
};

static const struct dtype_entry dtype_table[DTYPE_COUNT] = {
#define DTYPE_ENTRY(symbol, name, bytes) {name, CONFIG_PREFIX name, bytes},
    DTYPE_TABLE(DTYPE_ENTRY)
#undef DTYPE_ENTRY
};

/* A code from outside (shared memory) must not read beyond the table. */
static const struct dtype_entry *dtype_entry(enum dtype dtype)
{
    return &dtype_table[(unsigned)dtype < DTYPE_COUNT ? dtype : DTYPE_INVALID];
}

const char *dtype_name(enum dtype dtype)
{
    return dtype_entry(dtype)->name;
}

const char *dtype_config_name(enum dtype dtype)
{
    return dtype == DTYPE_BYTES ? CONFIG_NAME_STRING : dtype_entry(dtype)->config_name;
}

size_t dtype_bytes(enum dtype dtype)
{
    return dtype_entry(dtype)->bytes;
}

enum dtype dtype_parse(const char *name)
{
    for (int i = DTYPE_INVALID + 1; i < DTYPE_COUNT; i++) {
        if (strcmp(name, dtype_table[i].name) == 0)
            return (enum dtype)i;
    }
    return DTYPE_INVALID;
}

enum dtype dtype_parse_config(const char *name)
{
    for (int i = DTYPE_INVALID + 1; i < DTYPE_COUNT; i++) {
        if (strcmp(name, dtype_config_name((enum dtype)i)) == 0)
            return (enum dtype)i;
    }
    return DTYPE_INVALID;
}

bool shape_elements(const struct shape *shape, uint64_t *elements)
{
    uint64_t product = 1;
    bool empty = false;
    if (shape->rank > TENSOR_RANK_MAX)
        return false;
    /* A zero anywhere makes the tensor empty, but does not excuse a negative neighbour. */
    for (unsigned i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            return false;
        empty = empty || shape->dims[i] == 0;
    }
    for (unsigned i = 0; i < shape->rank && !empty; i++) {
        if (__builtin_mul_overflow(product, (uint64_t)shape->dims[i], &product))
            return false;
    }
    *elements = empty ? 0 : product;
    return true;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank || a->rank > TENSOR_RANK_MAX)
        return false;
    for (unsigned i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i])
            return false;
    }
    return true;
}

bool shape_matches(const struct shape *pattern, const struct shape *concrete)
{
    if (pattern->rank != concrete->rank || pattern->rank > TENSOR_RANK_MAX)
        return false;
    for (unsigned i = 0; i < pattern->rank; i++) {
        bool fits = pattern->dims[i] == -1 || pattern->dims[i] == concrete->dims[i];
        if (!fits || concrete->dims[i] < 0)
            return false;
    }
    return true;
}

char *shape_format(const struct shape *shape, char *out, size_t out_bytes)
{
    size_t used = 0;
    if (out_bytes == 0)
        return out;
    out[0] = '\0';
    for (unsigned i = 0; i <= shape->rank && i <= TENSOR_RANK_MAX && used < out_bytes; i++) {
        const char *before = i == 0 ? "[" : ",";
        int length = i < shape->rank && i < TENSOR_RANK_MAX
                         ? snprintf(out + used, out_bytes - used, "%s%" PRId64, before,
                                    shape->dims[i])
                         : snprintf(out + used, out_bytes - used, "%s]", i == 0 ? "[" : "");
        used += (size_t)length;
    }
    return out;
}

bool tensor_bytes_valid(const void *data, size_t bytes, uint64_t elements)
{
    const unsigned char *at = data;
    size_t left = bytes;
    for (uint64_t i = 0; i < elements; i++) {
        if (left < sizeof(uint32_t))
            return false;
        uint32_t length = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                          (uint32_t)at[3] << 24;
        at += sizeof(length);
        left -= sizeof(length);
        if (length > left)
            return false;
        at += length;
        left -= length;
    }
    return left == 0;
}
