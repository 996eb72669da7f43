/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapter_graph.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

static void *take(struct adapter_graph *graph, size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    graph->no_memory = graph->no_memory || memory == NULL;
    return memory;
}

static char *take_text(struct adapter_graph *graph, const char *text)
{
    char *copy = strdup(text);
    graph->no_memory = graph->no_memory || copy == NULL;
    return copy;
}

/* Appends to one of protobuf-c's arrays of pointers; false when memory is short. */
static bool append(struct adapter_graph *graph, void *array, size_t *count, void *item)
{
    void **old, **grown;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, (*count + 1) * sizeof(*grown));
    if (grown == NULL) {
        graph->no_memory = true;
        return false;
    }
    grown[(*count)++] = item;
    memcpy(array, &grown, sizeof(grown));
    return true;
}

enum roost_err adapter_graph_read(struct adapter_graph *graph, const void *data, size_t bytes,
                                  struct detail *detail)
{
    *graph = (struct adapter_graph){0};
    graph->model = onnx__model_proto__unpack(NULL, bytes, data);
    if (graph->model == NULL || graph->model->graph == NULL)
        return detail_set(detail, ROOST_INVALID, "adapter: the file is no ONNX model");
    graph->graph = graph->model->graph;
    for (size_t i = 0; i < graph->model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *opset = graph->model->opset_import[i];
        if (opset->domain == NULL || opset->domain[0] == '\0' ||
            strcmp(opset->domain, "ai.onnx") == 0)
            graph->opset = opset->version;
    }
    return ROOST_OK;
}

static void list_free(struct node_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        onnx__node_proto__free_unpacked(list->nodes[i], NULL);
    list->count = 0;
}

void adapter_graph_free(struct adapter_graph *graph)
{
    list_free(&graph->before);
    list_free(&graph->after);
    if (graph->model != NULL)
        onnx__model_proto__free_unpacked(graph->model, NULL);
    *graph = (struct adapter_graph){0};
}

struct renaming {
    struct adapter_graph *graph;
    const char *prefix;
    const char *const *kept;
    size_t kept_count;
};

/* An empty name is an input or output that is left out. */
static void rename_value(const struct renaming *renaming, char **name)
{
    if (*name == NULL || (*name)[0] == '\0')
        return;
    for (size_t i = 0; i < renaming->kept_count; i++)
        if (strcmp(renaming->kept[i], *name) == 0)
            return;
    char *renamed = take(renaming->graph, strlen(renaming->prefix) + strlen(*name) + 1);
    if (renamed == NULL)
        return;
    (void)stpcpy(stpcpy(renamed, renaming->prefix), *name);
    free(*name);
    *name = renamed;
}

static void rename_graph(const struct renaming *renaming, Onnx__GraphProto *graph, unsigned depth);

static void rename_node(const struct renaming *renaming, Onnx__NodeProto *node, unsigned depth)
{
    for (size_t i = 0; i < node->n_input; i++)
        rename_value(renaming, &node->input[i]);
    for (size_t i = 0; i < node->n_output; i++)
        rename_value(renaming, &node->output[i]);
    for (size_t i = 0; i < node->n_attribute; i++) {
        Onnx__AttributeProto *attribute = node->attribute[i];
        if (attribute->g != NULL)
            rename_graph(renaming, attribute->g, depth + 1);
        for (size_t g = 0; g < attribute->n_graphs; g++)
            rename_graph(renaming, attribute->graphs[g], depth + 1);
    }
}

static void rename_graph(const struct renaming *renaming, Onnx__GraphProto *graph, unsigned depth)
{
    if (depth == DEPTH_MAX)
        return;
    for (size_t i = 0; i < graph->n_node; i++)
        rename_node(renaming, graph->node[i], depth);
    for (size_t i = 0; i < graph->n_initializer; i++)
        rename_value(renaming, &graph->initializer[i]->name);
    for (size_t i = 0; i < graph->n_sparse_initializer; i++)
        if (graph->sparse_initializer[i]->values != NULL)
            rename_value(renaming, &graph->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < graph->n_input; i++)
        rename_value(renaming, &graph->input[i]->name);
    for (size_t i = 0; i < graph->n_output; i++)
        rename_value(renaming, &graph->output[i]->name);
    for (size_t i = 0; i < graph->n_value_info; i++)
        rename_value(renaming, &graph->value_info[i]->name);
    for (size_t i = 0; i < graph->n_quantization_annotation; i++) {
        Onnx__TensorAnnotation *annotation = graph->quantization_annotation[i];
        rename_value(renaming, &annotation->tensor_name);
        for (size_t q = 0; q < annotation->n_quant_parameter_tensor_names; q++)
            rename_value(renaming, &annotation->quant_parameter_tensor_names[q]->value);
    }
}

void adapter_graph_prefix(struct adapter_graph *graph, const char *prefix, const char *const *kept,
                          size_t kept_count)
{
    struct renaming renaming = {graph, prefix, kept, kept_count};
    rename_graph(&renaming, graph->graph, 0);
}

bool adapter_graph_is_initializer(const struct adapter_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->graph->n_initializer; i++)
        if (graph->graph->initializer[i]->name != NULL && name != NULL &&
            strcmp(graph->graph->initializer[i]->name, name) == 0)
            return true;
    return false;
}

static const int32_t elem_types[DTYPE_COUNT] = {
    [DTYPE_BOOL] = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
    [DTYPE_UINT8] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
    [DTYPE_UINT16] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT16,
    [DTYPE_UINT32] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT32,
    [DTYPE_UINT64] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT64,
    [DTYPE_INT8] = ONNX__TENSOR_PROTO__DATA_TYPE__INT8,
    [DTYPE_INT16] = ONNX__TENSOR_PROTO__DATA_TYPE__INT16,
    [DTYPE_INT32] = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
    [DTYPE_INT64] = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    [DTYPE_FP16] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
    [DTYPE_FP32] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    [DTYPE_FP64] = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
    [DTYPE_BYTES] = ONNX__TENSOR_PROTO__DATA_TYPE__STRING,
    [DTYPE_BF16] = ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16,
};

enum dtype dtype_from_onnx(int32_t elem_type)
{
    for (int dtype = DTYPE_INVALID + 1; dtype < DTYPE_COUNT; dtype++)
        if (elem_types[dtype] == elem_type)
            return (enum dtype)dtype;
    return DTYPE_INVALID;
}

int32_t dtype_to_onnx(enum dtype dtype)
{
    return elem_types[dtype];
}

bool value_describe(const Onnx__ValueInfoProto *value, enum dtype *dtype, struct shape *shape)
{
    const Onnx__TypeProto *type = value->type;
    if (type == NULL || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        type->tensor_type == NULL)
        return false;
    *dtype = dtype_from_onnx(type->tensor_type->elem_type);
    *shape = (struct shape){.rank = UINT_MAX};
    const Onnx__TensorShapeProto *dims = type->tensor_type->shape;
    if (dims == NULL)
        return true;
    if (dims->n_dim > TENSOR_RANK_MAX)
        return false;
    shape->rank = (unsigned)dims->n_dim;
    for (size_t d = 0; d < dims->n_dim; d++) {
        bool known = dims->dim[d]->value_case ==
                     ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        shape->dims[d] = known ? dims->dim[d]->dim_value : -1;
    }
    return true;
}

static void shape_make(struct adapter_graph *graph, const char *name, const struct shape *shape,
                       Onnx__TensorShapeProto *out)
{
    for (unsigned d = 0; d < shape->rank; d++) {
        Onnx__TensorShapeProto__Dimension *dim = take(graph, sizeof(*dim));
        if (dim == NULL)
            return;
        onnx__tensor_shape_proto__dimension__init(dim);
        if (!append(graph, &out->dim, &out->n_dim, dim)) {
            free(dim);
            return;
        }
        char parameter[TENSOR_NAME_BYTES_MAX + 16] = "batch";
        if (d > 0)
            (void)snprintf(parameter, sizeof(parameter), "%s_%u", name, d);
        if (shape->dims[d] < 0) {
            dim->dim_param = take_text(graph, parameter);
            dim->value_case = dim->dim_param == NULL
                                  ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET
                                  : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        } else {
            dim->dim_value = shape->dims[d];
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        }
    }
}

Onnx__ValueInfoProto *value_make(struct adapter_graph *graph, const char *name, enum dtype dtype,
                                 const struct shape *shape)
{
    Onnx__ValueInfoProto *value = take(graph, sizeof(*value));
    Onnx__TypeProto *type = take(graph, sizeof(*type));
    Onnx__TypeProto__Tensor *tensor = take(graph, sizeof(*tensor));
    Onnx__TensorShapeProto *dims = take(graph, sizeof(*dims));
    if (value == NULL || type == NULL || tensor == NULL || dims == NULL) {
        free(value);
        free(type);
        free(tensor);
        free(dims);
        return NULL;
    }
    onnx__value_info_proto__init(value);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(dims);
    value->name = take_text(graph, name);
    value->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = dtype_to_onnx(dtype);
    tensor->shape = dims;
    shape_make(graph, name, shape, dims);
    return value;
}

void value_name(struct adapter_graph *graph, char out[ADAPTER_NAME_BYTES])
{
    (void)snprintf(out, ADAPTER_NAME_BYTES, "adapter/%u", graph->values++);
}

Onnx__NodeProto *node_add(struct adapter_graph *graph, struct node_list *list, const char *type,
                          const char *const *inputs, const char *output)
{
    Onnx__NodeProto *node = list->count < ADAPTER_NODES_MAX ? take(graph, sizeof(*node)) : NULL;
    if (node == NULL) {
        graph->no_memory = true;
        return NULL;
    }
    onnx__node_proto__init(node);
    list->nodes[list->count++] = node;
    node->op_type = take_text(graph, type);
    for (; *inputs != NULL; inputs++) {
        char *input = take_text(graph, *inputs);
        if (input != NULL && !append(graph, &node->input, &node->n_input, input))
            free(input);
    }
    char *copy = take_text(graph, output);
    if (copy != NULL && !append(graph, &node->output, &node->n_output, copy))
        free(copy);
    return node;
}

static Onnx__AttributeProto *attribute_add(struct adapter_graph *graph, Onnx__NodeProto *node,
                                           const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *attribute = node == NULL ? NULL : take(graph, sizeof(*attribute));
    if (attribute == NULL)
        return NULL;
    Onnx__AttributeProto **grown = realloc(node->attribute, (node->n_attribute + 1) *
                                                                sizeof(Onnx__AttributeProto *));
    if (grown == NULL) {
        graph->no_memory = true;
        free(attribute);
        return NULL;
    }
    onnx__attribute_proto__init(attribute);
    node->attribute = grown;
    grown[node->n_attribute++] = attribute;
    attribute->name = take_text(graph, name);
    attribute->has_type = 1;
    attribute->type = type;
    return attribute;
}

void node_int(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (attribute == NULL)
        return;
    attribute->has_i = 1;
    attribute->i = value;
}

void node_ints(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name,
               const int64_t *values, size_t count)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (attribute == NULL)
        return;
    attribute->ints = take(graph, count * sizeof(*values));
    if (attribute->ints == NULL)
        return;
    memcpy(attribute->ints, values, count * sizeof(*values));
    attribute->n_ints = count;
}

void node_text(struct adapter_graph *graph, Onnx__NodeProto *node, const char *name,
               const char *value)
{
    Onnx__AttributeProto *attribute = attribute_add(graph, node, name,
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (attribute == NULL)
        return;
    attribute->s.data = (uint8_t *)take_text(graph, value);
    attribute->s.len = attribute->s.data == NULL ? 0 : strlen(value);
    attribute->has_s = 1;
}

static void constant(struct adapter_graph *graph, struct node_list *list, enum dtype dtype,
                     const void *data, const struct shape *shape, char out[ADAPTER_NAME_BYTES])
{
    static const char *const none[] = {NULL};
    uint64_t count = 0;
    value_name(graph, out);
    Onnx__NodeProto *node = node_add(graph, list, "Constant", none, out);
    Onnx__AttributeProto *attribute = attribute_add(graph, node, "value",
                                                    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    if (attribute == NULL || !shape_elements(shape, &count))
        return;
    Onnx__TensorProto *tensor = attribute->t = take(graph, sizeof(*tensor));
    if (tensor == NULL)
        return;
    onnx__tensor_proto__init(tensor);
    size_t bytes = count * dtype_bytes(dtype);
    tensor->has_data_type = 1;
    tensor->data_type = dtype_to_onnx(dtype);
    tensor->dims = take(graph, shape->rank * sizeof(*tensor->dims));
    tensor->raw_data.data = take(graph, bytes);
    if (tensor->dims == NULL || tensor->raw_data.data == NULL)
        return;
    memcpy(tensor->dims, shape->dims, shape->rank * sizeof(*tensor->dims));
    tensor->n_dims = shape->rank;
    memcpy(tensor->raw_data.data, data, bytes);
    tensor->raw_data.len = bytes;
    tensor->has_raw_data = 1;
}

void constant_ints(struct adapter_graph *graph, struct node_list *list, const int64_t *values,
                   size_t count, char out[ADAPTER_NAME_BYTES])
{
    struct shape shape = {.rank = 1, .dims = {(int64_t)count}};
    constant(graph, list, DTYPE_INT64, values, &shape, out);
}

void constant_floats(struct adapter_graph *graph, struct node_list *list, const float *values,
                     const struct shape *shape, char out[ADAPTER_NAME_BYTES])
{
    constant(graph, list, DTYPE_FP32, values, shape, out);
}

void adapter_graph_join(struct adapter_graph *graph)
{
    Onnx__GraphProto *proto = graph->graph;
    size_t count = graph->before.count + proto->n_node + graph->after.count;
    Onnx__NodeProto **nodes = take(graph, count * sizeof(Onnx__NodeProto *));
    if (nodes == NULL)
        return;
    memcpy(nodes, graph->before.nodes, graph->before.count * sizeof(*nodes));
    Onnx__NodeProto **own = nodes + graph->before.count;
    if (proto->n_node > 0)
        memcpy(own, proto->node, proto->n_node * sizeof(*nodes));
    memcpy(own + proto->n_node, graph->after.nodes, graph->after.count * sizeof(*nodes));
    free(proto->node);
    proto->node = nodes;
    proto->n_node = count;
    graph->before.count = graph->after.count = 0;
}
