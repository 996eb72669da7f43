/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo/onnx_graph.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    /* The largest graph of the zoo (ResNet-152) has 520 nodes and uses a megabyte. Pages that are
     * never touched cost nothing. */
    MEMORY_BYTES = 16 << 20,
    TENSORS_MAX = 8192,
    NODES_MAX = 4096,
    NODE_OUTPUTS_MAX = 64,
    NODE_ATTRIBUTES_MAX = 8,
    METADATA_MAX = 64,
    IO_MAX = 16,
};

void *graph_memory(struct onnx_graph *graph, size_t bytes)
{
    size_t start = (graph->memory_used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    roost_assert(bytes <= MEMORY_BYTES && start <= MEMORY_BYTES - bytes);
    graph->memory_used = start + bytes;
    return graph->memory + start;
}

char *graph_text(struct onnx_graph *graph, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    roost_assert(length >= 0);
    char *text = graph_memory(graph, (size_t)length + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

enum roost_err graph_init(struct onnx_graph *graph, const char *name, const char *summary,
                          struct detail *detail)
{
    memset(graph, 0, sizeof(*graph));
    graph->memory = calloc(1, MEMORY_BYTES);
    if (graph->memory == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for the graph", name);
    graph->tensors = graph_memory(graph, TENSORS_MAX * sizeof(*graph->tensors));
    graph->weights = graph_memory(graph, NODES_MAX * sizeof(*graph->weights));

    onnx__graph_proto__init(&graph->graph);
    graph->graph.name = graph_text(graph, "%s", name);
    graph->graph.doc_string = graph_text(graph, "%s", summary);
    graph->graph.node = graph_memory(graph, NODES_MAX * sizeof(*graph->graph.node));
    graph->graph.initializer = graph_memory(graph, NODES_MAX * sizeof(*graph->graph.initializer));
    graph->graph.value_info = graph_memory(graph, NODES_MAX * sizeof(*graph->graph.value_info));
    graph->graph.input = graph_memory(graph, IO_MAX * sizeof(*graph->graph.input));
    graph->graph.output = graph_memory(graph, IO_MAX * sizeof(*graph->graph.output));

    onnx__model_proto__init(&graph->model);
    graph->model.has_ir_version = true;
    graph->model.ir_version = GRAPH_IR_VERSION;
    graph->model.producer_name = graph_text(graph, "roost zoo");
    graph->model.graph = &graph->graph;
    graph->model.metadata_props = graph_memory(graph,
                                               METADATA_MAX * sizeof(*graph->model.metadata_props));
    Onnx__OperatorSetIdProto *opset = graph_memory(graph, sizeof(*opset));
    onnx__operator_set_id_proto__init(opset);
    opset->domain = graph_text(graph, "%s", "");
    opset->has_version = true;
    opset->version = GRAPH_OPSET;
    graph->model.opset_import = graph_memory(graph, sizeof(*graph->model.opset_import));
    graph->model.opset_import[0] = opset;
    graph->model.n_opset_import = 1;
    return ROOST_OK;
}

void graph_fini(struct onnx_graph *graph)
{
    free(graph->memory);
    memset(graph, 0, sizeof(*graph));
}

const struct graph_shape *graph_shape_of(const struct onnx_graph *graph, int tensor)
{
    roost_assert(tensor >= 0 && (unsigned)tensor < graph->tensor_count);
    return &graph->tensors[tensor].shape;
}

const char *graph_name_of(const struct onnx_graph *graph, int tensor)
{
    roost_assert(tensor >= 0 && (unsigned)tensor < graph->tensor_count);
    return graph->tensors[tensor].name;
}

uint64_t graph_elements(const struct graph_shape *shape)
{
    uint64_t elements = 1;
    for (unsigned i = 0; i < shape->rank; i++)
        elements *= shape->dims[i] == GRAPH_BATCH ? 1 : (uint64_t)shape->dims[i];
    return elements;
}

static int tensor_add(struct onnx_graph *graph, const char *name, int32_t type,
                      struct graph_shape shape)
{
    roost_assert(graph->tensor_count < TENSORS_MAX);
    for (unsigned i = 0; i < shape.rank; i++)
        roost_assert(shape.dims[i] > 0 || shape.dims[i] == GRAPH_BATCH);
    graph->tensors[graph->tensor_count] = (struct graph_tensor){graph_text(graph, "%s", name),
                                                                shape, type};
    return (int)graph->tensor_count++;
}

static Onnx__ValueInfoProto *value_info_make(struct onnx_graph *graph, int tensor, const char *doc)
{
    const struct graph_tensor *source = &graph->tensors[tensor];
    Onnx__TensorShapeProto *shape = graph_memory(graph, sizeof(*shape));
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = source->shape.rank;
    shape->dim = graph_memory(graph, GRAPH_RANK_MAX * sizeof(*shape->dim));
    for (unsigned i = 0; i < source->shape.rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim = graph_memory(graph, sizeof(*dim));
        onnx__tensor_shape_proto__dimension__init(dim);
        if (source->shape.dims[i] == GRAPH_BATCH) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = graph_text(graph, "N");
        } else {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = source->shape.dims[i];
        }
        shape->dim[i] = dim;
    }
    Onnx__TypeProto__Tensor *tensor_type = graph_memory(graph, sizeof(*tensor_type));
    onnx__type_proto__tensor__init(tensor_type);
    tensor_type->has_elem_type = true;
    tensor_type->elem_type = source->type;
    tensor_type->shape = shape;
    Onnx__TypeProto *type = graph_memory(graph, sizeof(*type));
    onnx__type_proto__init(type);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor_type;
    Onnx__ValueInfoProto *info = graph_memory(graph, sizeof(*info));
    onnx__value_info_proto__init(info);
    info->name = source->name;
    info->type = type;
    if (doc != NULL)
        info->doc_string = graph_text(graph, "%s", doc);
    return info;
}

int graph_input(struct onnx_graph *graph, const char *name, int32_t type, struct graph_shape shape,
                const char *doc)
{
    int tensor = tensor_add(graph, name, type, shape);
    roost_assert(graph->graph.n_input < IO_MAX);
    graph->graph.input[graph->graph.n_input++] = value_info_make(graph, tensor, doc);
    return tensor;
}

void graph_output(struct onnx_graph *graph, int tensor, const char *doc)
{
    /* A tensor is described once: as an output, no longer as something in between. */
    const char *name = graph_name_of(graph, tensor);
    for (size_t i = 0; i < graph->graph.n_value_info; i++) {
        if (strcmp(graph->graph.value_info[i]->name, name) == 0)
            graph->graph.value_info[i] = graph->graph.value_info[--graph->graph.n_value_info];
    }
    roost_assert(graph->graph.n_output < IO_MAX);
    graph->graph.output[graph->graph.n_output++] = value_info_make(graph, tensor, doc);
}

static Onnx__TensorProto *initializer_add(struct onnx_graph *graph, int tensor)
{
    const struct graph_tensor *source = &graph->tensors[tensor];
    roost_assert(graph->graph.n_initializer < NODES_MAX);
    Onnx__TensorProto *proto = graph_memory(graph, sizeof(*proto));
    onnx__tensor_proto__init(proto);
    proto->name = source->name;
    proto->has_data_type = true;
    proto->data_type = source->type;
    proto->n_dims = source->shape.rank;
    proto->dims = graph_memory(graph, GRAPH_RANK_MAX * sizeof(*proto->dims));
    memcpy(proto->dims, source->shape.dims, source->shape.rank * sizeof(*proto->dims));
    graph->graph.initializer[graph->graph.n_initializer++] = proto;
    return proto;
}

int graph_weight(struct onnx_graph *graph, const char *name, struct graph_shape shape,
                 struct weight_fill fill, enum weight_role role)
{
    int tensor = tensor_add(graph, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape);
    unsigned index = (unsigned)graph->graph.n_initializer;
    (void)initializer_add(graph, tensor);
    graph->weights[graph->weight_count++] = (struct graph_weight){
        .name = graph_name_of(graph, tensor),
        .fill = fill,
        .elements = graph_elements(&shape),
        .role = role,
        .index = index};
    return tensor;
}

int graph_constant_i64(struct onnx_graph *graph, const char *name, const int64_t *values,
                       unsigned count, struct graph_shape shape)
{
    roost_assert(graph_elements(&shape) == count);
    int tensor = tensor_add(graph, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, shape);
    Onnx__TensorProto *proto = initializer_add(graph, tensor);
    proto->has_raw_data = true;
    proto->raw_data.len = count * sizeof(*values);
    proto->raw_data.data = graph_memory(graph, proto->raw_data.len);
    memcpy(proto->raw_data.data, values, proto->raw_data.len);
    return tensor;
}

Onnx__NodeProto *graph_node(struct onnx_graph *graph, const char *op, const char *name,
                            const int *inputs, unsigned input_count)
{
    roost_assert(graph->graph.n_node < NODES_MAX);
    Onnx__NodeProto *node = graph_memory(graph, sizeof(*node));
    onnx__node_proto__init(node);
    node->op_type = graph_text(graph, "%s", op);
    node->name = graph_text(graph, "%s", name);
    node->n_input = input_count;
    node->input = graph_memory(graph, input_count * sizeof(*node->input));
    for (unsigned i = 0; i < input_count; i++)
        node->input[i] = inputs[i] < 0 ? graph_text(graph, "%s", "")
                                       : graph->tensors[inputs[i]].name;
    node->output = graph_memory(graph, NODE_OUTPUTS_MAX * sizeof(*node->output));
    node->attribute = graph_memory(graph, NODE_ATTRIBUTES_MAX * sizeof(*node->attribute));
    graph->graph.node[graph->graph.n_node++] = node;
    return node;
}

int graph_node_output(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                      int32_t type, struct graph_shape shape)
{
    roost_assert(node->n_output < NODE_OUTPUTS_MAX);
    int tensor = tensor_add(graph, name, type, shape);
    node->output[node->n_output++] = graph->tensors[tensor].name;
    roost_assert(graph->graph.n_value_info < NODES_MAX);
    graph->graph.value_info[graph->graph.n_value_info++] = value_info_make(graph, tensor, NULL);
    return tensor;
}

static Onnx__AttributeProto *attribute_add(struct onnx_graph *graph, Onnx__NodeProto *node,
                                           const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    roost_assert(node->n_attribute < NODE_ATTRIBUTES_MAX);
    Onnx__AttributeProto *attribute = graph_memory(graph, sizeof(*attribute));
    onnx__attribute_proto__init(attribute);
    attribute->name = graph_text(graph, "%s", name);
    attribute->has_type = true;
    attribute->type = type;
    node->attribute[node->n_attribute++] = attribute;
    return attribute;
}

void graph_attribute_int(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                         int64_t value)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    attribute->has_i = true;
    attribute->i = value;
}

void graph_attribute_float(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                           float value)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    attribute->has_f = true;
    attribute->f = value;
}

void graph_attribute_ints(struct onnx_graph *graph, Onnx__NodeProto *node, const char *name,
                          const int64_t *values, unsigned count)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    attribute->n_ints = count;
    attribute->ints = graph_memory(graph, count * sizeof(*values));
    memcpy(attribute->ints, values, count * sizeof(*values));
}

void graph_metadata(struct onnx_graph *graph, const char *key, const char *value)
{
    roost_assert(graph->model.n_metadata_props < METADATA_MAX);
    Onnx__StringStringEntryProto *entry = graph_memory(graph, sizeof(*entry));
    onnx__string_string_entry_proto__init(entry);
    entry->key = graph_text(graph, "%s", key);
    entry->value = graph_text(graph, "%s", value);
    graph->model.metadata_props[graph->model.n_metadata_props++] = entry;
}

const char *graph_metadata_value(const struct onnx_graph *graph, const char *key)
{
    for (size_t i = 0; i < graph->model.n_metadata_props; i++) {
        if (strcmp(graph->model.metadata_props[i]->key, key) == 0)
            return graph->model.metadata_props[i]->value;
    }
    return NULL;
}
