/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data types, shapes and tensor descriptions, in the Open Inference Protocol's terms.
 * Pure data: no I/O, no allocation. All sizes are checked for overflow. Any thread.
 */
#ifndef ROOST_CORE_TENSOR_H
#define ROOST_CORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"

enum { TENSOR_RANK_MAX = 8, TENSOR_NAME_BYTES_MAX = 128, MODEL_TENSORS_MAX = 64 };

/* symbol, wire name (also config.pbtxt's TYPE_ suffix, but for BYTES, which is TYPE_STRING), bytes
 * per element (0: variable) */
#define DTYPE_TABLE(X)                                                                             \
    X(INVALID, "INVALID", 0)                                                                       \
    X(BOOL, "BOOL", 1)                                                                             \
    X(UINT8, "UINT8", 1)                                                                           \
    X(UINT16, "UINT16", 2)                                                                         \
    X(UINT32, "UINT32", 4)                                                                         \
    X(UINT64, "UINT64", 8)                                                                         \
    X(INT8, "INT8", 1)                                                                             \
    X(INT16, "INT16", 2)                                                                           \
    X(INT32, "INT32", 4)                                                                           \
    X(INT64, "INT64", 8)                                                                           \
    X(FP16, "FP16", 2)                                                                             \
    X(FP32, "FP32", 4)                                                                             \
    X(FP64, "FP64", 8)                                                                             \
    X(BYTES, "BYTES", 0)                                                                           \
    X(BF16, "BF16", 2)

enum dtype {
#define DTYPE_ENUM(symbol, name, bytes) DTYPE_##symbol,
    DTYPE_TABLE(DTYPE_ENUM)
#undef DTYPE_ENUM
        DTYPE_COUNT
};

const char *dtype_name(enum dtype dtype);        /* "FP32" */
const char *dtype_config_name(enum dtype dtype); /* "TYPE_FP32"; BYTES is "TYPE_STRING" */
size_t dtype_bytes(enum dtype dtype);            /* 0 for BYTES */
enum dtype dtype_parse(const char *name);        /* wire name; DTYPE_INVALID when unknown */
enum dtype dtype_parse_config(const char *name); /* "TYPE_FP32"; DTYPE_INVALID when unknown */

struct shape {
    unsigned rank;
    int64_t dims[TENSOR_RANK_MAX]; /* -1: variable */
};

/* Elements of a fully known shape; false on a negative dimension or overflow. Rank 0 has one. */
bool shape_elements(const struct shape *shape, uint64_t *elements);
bool shape_equal(const struct shape *a, const struct shape *b);
/* True when the concrete shape fits the pattern, in which -1 stands for any size >= 0. */
bool shape_matches(const struct shape *pattern, const struct shape *concrete);
/* "[1,-1,224]"; always terminated, cut where it does not fit; returns `out`. */
char *shape_format(const struct shape *shape, char *out, size_t out_bytes);

/* One input or output of a model, as its graph has it (batch dimension included). */
struct tensor_spec {
    char name[TENSOR_NAME_BYTES_MAX];
    enum dtype dtype;
    struct shape shape;
    bool optional; /* inputs only */
};

/* What a loaded graph says of itself. */
struct model_io {
    unsigned input_count, output_count;
    struct tensor_spec inputs[MODEL_TENSORS_MAX];
    struct tensor_spec outputs[MODEL_TENSORS_MAX];
};

/* A tensor with data. BYTES data is in Triton's form: for each element a little-endian uint32
 * length, then the bytes. Everything else is little-endian, row-major, without padding. */
struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data;
    size_t bytes; /* length of data */
};

/* Checks a BYTES blob: `elements` length-prefixed items that end exactly at `bytes`. */
bool tensor_bytes_valid(const void *data, size_t bytes, uint64_t elements);

#endif
