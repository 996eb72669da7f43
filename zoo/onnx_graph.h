/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ONNX graph under construction: tensors with known shapes, nodes, and weights that are only
 * described until they are written. One thread.
 *
 * Building cannot fail: memory for any graph of the zoo is taken at the start, and a graph that
 * does not fit together is a bug in its recipe, so it asserts. Tensors are named by small integers,
 * valid for the graph's life. The first dimension of what depends on the input is the batch.
 */
#ifndef ROOST_ZOO_ONNX_GRAPH_H
#define ROOST_ZOO_ONNX_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "onnx.pb-c.h"

enum { GRAPH_RANK_MAX = 5, GRAPH_IR_VERSION = 8, GRAPH_OPSET = 17 };

/* The symbolic batch dimension "N". */
#define GRAPH_BATCH INT64_C(-1)

struct graph_shape {
    unsigned rank;
    int64_t dims[GRAPH_RANK_MAX];
};

#define GRAPH_SHAPE(...)                                                                           \
    ((struct graph_shape){.rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),              \
                          .dims = {__VA_ARGS__}})

enum weight_role {
    WEIGHT_TRAINABLE,
    WEIGHT_EMBEDDING, /* trainable as well */
    WEIGHT_STATE,     /* moving mean and variance */
    WEIGHT_FIXED,     /* what ONNX wants a tensor for and the network has none */
};

/* A weight's values: mean + deviation * z, z near normal and within +-3.5. */
struct weight_fill {
    float mean;
    float deviation; /* 0: constant */
};

/* One weight; its protobuf twin is initializer[index]. */
struct graph_weight {
    const char *name;
    struct weight_fill fill;
    uint64_t elements;
    enum weight_role role;
    unsigned index;
};

struct graph_tensor {
    char *name;
    struct graph_shape shape;
    int32_t type; /* ONNX__TENSOR_PROTO__DATA_TYPE__* */
};

struct onnx_graph {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    struct graph_tensor *tensors;
    struct graph_weight *weights;
    unsigned tensor_count, weight_count;
    uint64_t flops_per_item;
    uint64_t gathered_bytes_per_item;
    char *memory; /* everything above lives here */
    size_t memory_used;
};

/* NO_MEMORY. fini is safe after a failed init. `name` is copied. */
enum roost_err graph_init(struct onnx_graph *graph, const char *name, const char *summary,
                          struct detail *detail);
void graph_fini(struct onnx_graph *graph);

/* Memory that lives as long as the graph; zeroed, aligned for anything. */
void *graph_memory(struct onnx_graph *graph, size_t bytes);
char *graph_text(struct onnx_graph *graph, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An input or output of the model. `doc` is its doc string, or NULL. */
int graph_input(struct onnx_graph *graph, const char *name, int32_t type, struct graph_shape shape,
                const char *doc);
void graph_output(struct onnx_graph *graph, int tensor, const char *doc);

/* A float weight. `name` is copied. */
int graph_weight(struct onnx_graph *graph, const char *name, struct graph_shape shape,
                 struct weight_fill fill, enum weight_role role);
/* A small constant that is part of the graph rather than learned. */
int graph_constant_i64(struct onnx_graph *graph, const char *name, const int64_t *values,
                       unsigned count, struct graph_shape shape);

/* A node without outputs and attributes. Inputs < 0 are optional ones left out. */
Onnx__NodeProto *graph_node(struct onnx_graph *graph, const char *op, const char *name,
                            const int *inputs, unsigned input_count);
/* The next output of a node. A single one is called like the node. */
int graph_node_output(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                      int32_t type, struct graph_shape shape);
void graph_attribute_int(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                         int64_t value);
void graph_attribute_float(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                           float value);
void graph_attribute_ints(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                          const int64_t *values, unsigned count);

const struct graph_shape *graph_shape_of(const struct onnx_graph *graph, int tensor);
const char *graph_name_of(const struct onnx_graph *graph, int tensor);
/* Product of the dimensions, the batch counted as one. */
uint64_t graph_elements(const struct graph_shape *shape);

void graph_metadata(struct onnx_graph *graph, const char *key, const char *value);
/* The value of a metadata key, NULL when it has none. */
const char *graph_metadata_value(const struct onnx_graph *graph, const char *key);

#endif
