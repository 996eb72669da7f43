/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of adapter: an ONNX model in memory that gets nodes before and after those it has. Every
 * change that finds no memory sets `no_memory` and does nothing, so that one looks at the end.
 */
#ifndef ROOST_ENGINE_ADAPTER_GRAPH_H
#define ROOST_ENGINE_ADAPTER_GRAPH_H

#include <onnx.pb-c.h>

#include "core/tensor.h"

enum { ADAPTER_NODES_MAX = 32, ADAPTER_NAME_BYTES = 32 };

struct node_list {
    Onnx__NodeProto *nodes[ADAPTER_NODES_MAX];
    size_t count;
};

struct adapter_graph {
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
    int64_t opset; /* of the default domain */
    struct node_list before, after;
    unsigned values; /* names given so far */
    bool no_memory;
};

/* Takes a serialised model. INVALID when it is none. */
enum roost_err adapter_graph_read(struct adapter_graph *graph, const void *data, size_t bytes,
                                  struct detail *detail);
void adapter_graph_free(struct adapter_graph *graph);

/* Puts `prefix` before the name of every value, subgraphs included, but for the `kept` ones. */
void adapter_graph_prefix(struct adapter_graph *graph, const char *prefix, const char *const *kept,
                          size_t kept_count);

/* Does the graph ask for this input, or is it an initializer's place of old files? */
bool adapter_graph_is_initializer(const struct adapter_graph *graph, const char *name);

/* ONNX's element types; DTYPE_INVALID and 0 for those that the other side has not. */
enum dtype dtype_from_onnx(int32_t elem_type);
int32_t dtype_to_onnx(enum dtype dtype);

/* A tensor's type and shape; false when the value is no tensor. Rank UINT_MAX: not known. */
bool value_describe(const Onnx__ValueInfoProto *value, enum dtype *dtype, struct shape *shape);
/* A new description; dimensions of -1 become parameters. NULL after no_memory. */
Onnx__ValueInfoProto *value_make(struct adapter_graph *graph, const char *name, enum dtype dtype,
                                 const struct shape *shape);

/* A name that no value has yet. */
void value_name(struct adapter_graph *graph, char out[ADAPTER_NAME_BYTES]);

/* A node with up to four inputs (NULL ends them; "" leaves one out) and one output. */
Onnx__NodeProto *node_add(struct adapter_graph *graph, struct node_list *list, const char *type,
                          const char *const *inputs, const char *output);
void node_int(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name, int64_t value);
void node_ints(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name,
               const int64_t *values, size_t count);
void node_text(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name,
               const char *value);

/* Constants as nodes, which every operator set has; `out` is the value's name. */
void constant_ints(struct adapter_graph *graph, struct node_list *list, const int64_t *values,
                   size_t count, char out[ADAPTER_NAME_BYTES]);
void constant_floats(struct adapter_graph *graph, struct node_list *list, const float *values,
                     const struct shape *shape, char out[ADAPTER_NAME_BYTES]);

/* Moves the nodes of both lists into the graph. */
void adapter_graph_join(struct adapter_graph *graph);

#endif
