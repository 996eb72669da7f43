/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo/onnx_ops.h"

#include <string.h>

#include "base/assert.h"

enum { TYPE_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

/* How a window lies along one dimension. */
struct span {
    int64_t begin, end; /* padding */
    int64_t output;
};

static struct span window_span(int64_t input, unsigned kernel, unsigned stride,
                               enum padding padding)
{
    struct span span = {0, 0, 0};
    if (padding == PADDING_SAME) {
        int64_t needed = ((input + stride - 1) / stride - 1) * stride + kernel - input;
        if (needed > 0) {
            span.begin = needed / 2;
            span.end = needed - span.begin;
        }
    } else if (padding == PADDING_FIXED) {
        span.begin = (kernel - 1) / 2;
        span.end = kernel - 1 - span.begin;
    }
    span.output = (input + span.begin + span.end - kernel) / stride + 1;
    return span;
}

/* Puts the window's attributes on the node and gives the output's shape with `channels`. */
static struct graph_shape window_apply(struct onnx_graph *graph, Onnx__NodeProto *node,
                                       const struct graph_shape *input, int64_t channels,
                                       struct window window)
{
    roost_assert(input->rank == 4);
    struct span y = window_span(input->dims[2], window.height, window.stride, window.padding);
    struct span x = window_span(input->dims[3], window.width, window.stride, window.padding);
    int64_t kernel[2] = {window.height, window.width};
    int64_t strides[2] = {window.stride, window.stride};
    int64_t pads[4] = {y.begin, x.begin, y.end, x.end};
    graph_attribute_ints(graph, node, "kernel_shape", kernel, 2);
    graph_attribute_ints(graph, node, "strides", strides, 2);
    graph_attribute_ints(graph, node, "pads", pads, 4);
    return GRAPH_SHAPE(input->dims[0], channels, y.output, x.output);
}

int op_conv(struct onnx_graph *graph, const char *name, int x, int weight, int bias,
            struct window window, unsigned groups)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    const struct graph_shape *kernel = graph_shape_of(graph, weight);
    roost_assert(kernel->rank == 4 && kernel->dims[1] * groups == input->dims[1]);
    roost_assert(kernel->dims[2] == window.height && kernel->dims[3] == window.width);
    int inputs[3] = {x, weight, bias};
    Onnx__NodeProto *node = graph_node(graph, "Conv", name, inputs, bias == OP_LEFT_OUT ? 2 : 3);
    if (groups != 1)
        graph_attribute_int(graph, node, "group", groups);
    struct graph_shape shape = window_apply(graph, node, input, kernel->dims[0], window);
    uint64_t adds_per_output = graph_elements(kernel) / (uint64_t)kernel->dims[0];
    graph->flops_per_item += 2 * graph_elements(&shape) * adds_per_output;
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

int op_batch_norm(struct onnx_graph *graph, const char *name, int x, const int statistics[4],
                  float epsilon)
{
    int inputs[5] = {x, statistics[0], statistics[1], statistics[2], statistics[3]};
    Onnx__NodeProto *node = graph_node(graph, "BatchNormalization", name, inputs, 5);
    graph_attribute_float(graph, node, "epsilon", epsilon);
    return graph_node_output(graph, node, name, TYPE_FLOAT, *graph_shape_of(graph, x));
}

int op_max_pool(struct onnx_graph *graph, const char *name, int x, struct window window)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    Onnx__NodeProto *node = graph_node(graph, "MaxPool", name, &x, 1);
    struct graph_shape shape = window_apply(graph, node, input, input->dims[1], window);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

/* Padding does not count in the average, neither in TensorFlow nor by ONNX's default. */
int op_average_pool(struct onnx_graph *graph, const char *name, int x, struct window window)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    Onnx__NodeProto *node = graph_node(graph, "AveragePool", name, &x, 1);
    struct graph_shape shape = window_apply(graph, node, input, input->dims[1], window);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

int op_global_average_pool(struct onnx_graph *graph, const char *name, int x)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    roost_assert(input->rank == 4);
    struct graph_shape shape = GRAPH_SHAPE(input->dims[0], input->dims[1], 1, 1);
    Onnx__NodeProto *node = graph_node(graph, "GlobalAveragePool", name, &x, 1);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

int op_activation(struct onnx_graph *graph, const char *op, const char *name, int x)
{
    Onnx__NodeProto *node = graph_node(graph, op, name, &x, 1);
    return graph_node_output(graph, node, name, TYPE_FLOAT, *graph_shape_of(graph, x));
}

/* One scalar per value, shared by all nodes that need it. */
static int scalar(struct onnx_graph *graph, float value)
{
    const char *name = graph_text(graph, "scalar_%g", (double)value);
    for (unsigned i = 0; i < graph->tensor_count; i++) {
        if (strcmp(graph->tensors[i].name, name) == 0)
            return (int)i;
    }
    struct graph_shape shape = {.rank = 0};
    struct weight_fill fill = {.mean = value};
    return graph_weight(graph, name, shape, fill, WEIGHT_FIXED);
}

int op_clip(struct onnx_graph *graph, const char *name, int x, float low, float high)
{
    int inputs[3] = {x, scalar(graph, low), scalar(graph, high)};
    Onnx__NodeProto *node = graph_node(graph, "Clip", name, inputs, 3);
    return graph_node_output(graph, node, name, TYPE_FLOAT, *graph_shape_of(graph, x));
}

int op_softmax(struct onnx_graph *graph, const char *name, int x, int axis)
{
    Onnx__NodeProto *node = graph_node(graph, "Softmax", name, &x, 1);
    graph_attribute_int(graph, node, "axis", axis);
    return graph_node_output(graph, node, name, TYPE_FLOAT, *graph_shape_of(graph, x));
}

/* The batch stands for any size, so it only meets itself or 1. */
static int64_t dim_broadcast(int64_t a, int64_t b)
{
    roost_assert(a == b || a == 1 || b == 1);
    return a == 1 ? b : a;
}

/* Broadcasts all dimensions but the last `kept` ones, which the caller fills in. */
static struct graph_shape shape_broadcast(const struct graph_shape *a, const struct graph_shape *b,
                                          unsigned kept)
{
    struct graph_shape shape = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (unsigned i = kept; i < shape.rank; i++) {
        int64_t left = i < a->rank ? a->dims[a->rank - 1 - i] : 1;
        int64_t right = i < b->rank ? b->dims[b->rank - 1 - i] : 1;
        shape.dims[shape.rank - 1 - i] = dim_broadcast(left, right);
    }
    return shape;
}

int op_add(struct onnx_graph *graph, const char *name, int a, int b)
{
    roost_assert(graph->tensors[a].type == graph->tensors[b].type);
    struct graph_shape shape = shape_broadcast(graph_shape_of(graph, a), graph_shape_of(graph, b),
                                               0);
    int inputs[2] = {a, b};
    Onnx__NodeProto *node = graph_node(graph, "Add", name, inputs, 2);
    return graph_node_output(graph, node, name, graph->tensors[a].type, shape);
}

int op_gemm(struct onnx_graph *graph, const char *name, int x, int weight, int bias)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    const struct graph_shape *matrix = graph_shape_of(graph, weight);
    roost_assert(input->rank == 2 && matrix->rank == 2 && input->dims[1] == matrix->dims[1]);
    int inputs[3] = {x, weight, bias};
    Onnx__NodeProto *node = graph_node(graph, "Gemm", name, inputs, 3);
    graph_attribute_int(graph, node, "transB", 1);
    graph->flops_per_item += 2 * graph_elements(matrix);
    return graph_node_output(graph, node, name, TYPE_FLOAT,
                             GRAPH_SHAPE(input->dims[0], matrix->dims[0]));
}

int op_matmul(struct onnx_graph *graph, const char *name, int a, int b)
{
    const struct graph_shape *left = graph_shape_of(graph, a);
    const struct graph_shape *right = graph_shape_of(graph, b);
    roost_assert(left->rank >= 2 && right->rank >= 2);
    int64_t inner = left->dims[left->rank - 1];
    roost_assert(inner == right->dims[right->rank - 2]);
    struct graph_shape shape = shape_broadcast(left, right, 2);
    shape.dims[shape.rank - 2] = left->dims[left->rank - 2];
    shape.dims[shape.rank - 1] = right->dims[right->rank - 1];
    graph->flops_per_item += 2 * graph_elements(&shape) * (uint64_t)inner;
    int inputs[2] = {a, b};
    Onnx__NodeProto *node = graph_node(graph, "MatMul", name, inputs, 2);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

void op_rnn(struct onnx_graph *graph, const char *name, int x, const int weights[3], int outputs[2])
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    int64_t hidden = graph_shape_of(graph, weights[0])->dims[1];
    roost_assert(input->rank == 3 && input->dims[1] == GRAPH_BATCH);
    roost_assert(graph_shape_of(graph, weights[0])->dims[2] == input->dims[2]);
    int inputs[4] = {x, weights[0], weights[1], weights[2]};
    Onnx__NodeProto *node = graph_node(graph, "RNN", name, inputs, 4);
    graph_attribute_int(graph, node, "hidden_size", hidden);
    graph->flops_per_item += 2 * (uint64_t)input->dims[0] * (uint64_t)hidden *
                             (uint64_t)(input->dims[2] + hidden);
    outputs[0] = graph_node_output(graph, node, graph_text(graph, "%s_states", name), TYPE_FLOAT,
                                   GRAPH_SHAPE(input->dims[0], 1, GRAPH_BATCH, hidden));
    outputs[1] = graph_node_output(graph, node, graph_text(graph, "%s_last", name), TYPE_FLOAT,
                                   GRAPH_SHAPE(1, GRAPH_BATCH, hidden));
}

int op_gather_rows(struct onnx_graph *graph, const char *name, int table, int indices)
{
    const struct graph_shape *rows = graph_shape_of(graph, table);
    struct graph_shape shape = *graph_shape_of(graph, indices);
    roost_assert(rows->rank == 2 && shape.rank < GRAPH_RANK_MAX);
    shape.dims[shape.rank++] = rows->dims[1];
    graph->gathered_bytes_per_item += graph_elements(&shape) * sizeof(float);
    int inputs[2] = {table, indices};
    Onnx__NodeProto *node = graph_node(graph, "Gather", name, inputs, 2);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

int op_reduce_sum(struct onnx_graph *graph, const char *name, int x, unsigned axis)
{
    struct graph_shape shape = *graph_shape_of(graph, x);
    roost_assert(axis < shape.rank);
    memmove(&shape.dims[axis], &shape.dims[axis + 1],
            (shape.rank - axis - 1) * sizeof(shape.dims[0]));
    shape.rank--;
    int64_t axes = axis;
    int inputs[2] = {
        x, graph_constant_i64(graph, graph_text(graph, "%s/axes", name), &axes, 1, GRAPH_SHAPE(1))};
    Onnx__NodeProto *node = graph_node(graph, "ReduceSum", name, inputs, 2);
    graph_attribute_int(graph, node, "keepdims", 0);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

int op_concat(struct onnx_graph *graph, const char *name, const int *xs, unsigned count, int axis)
{
    struct graph_shape shape = *graph_shape_of(graph, xs[0]);
    roost_assert(axis >= 0 && (unsigned)axis < shape.rank);
    for (unsigned i = 1; i < count; i++) {
        const struct graph_shape *other = graph_shape_of(graph, xs[i]);
        roost_assert(other->rank == shape.rank);
        for (unsigned d = 0; d < shape.rank; d++)
            roost_assert(d == (unsigned)axis || other->dims[d] == shape.dims[d]);
        shape.dims[axis] += other->dims[axis];
    }
    Onnx__NodeProto *node = graph_node(graph, "Concat", name, xs, count);
    graph_attribute_int(graph, node, "axis", axis);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

void op_split(struct onnx_graph *graph, const char *name, int x, unsigned axis,
              const int64_t *sizes, unsigned count, int *outputs)
{
    struct graph_shape shape = *graph_shape_of(graph, x);
    int32_t type = graph->tensors[x].type;
    int64_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += sizes[i];
    roost_assert(axis < shape.rank && total == shape.dims[axis]);
    int inputs[2] = {x, graph_constant_i64(graph, graph_text(graph, "%s/sizes", name), sizes, count,
                                           GRAPH_SHAPE(count))};
    Onnx__NodeProto *node = graph_node(graph, "Split", name, inputs, 2);
    graph_attribute_int(graph, node, "axis", axis);
    for (unsigned i = 0; i < count; i++) {
        shape.dims[axis] = sizes[i];
        outputs[i] = graph_node_output(graph, node, graph_text(graph, "%s_%u", name, i), type,
                                       shape);
    }
}

int op_reshape(struct onnx_graph *graph, const char *name, int x, struct graph_shape shape)
{
    roost_assert(graph_elements(&shape) == graph_elements(graph_shape_of(graph, x)));
    /* -1 is ONNX's word for "what is left", which is the batch wherever it stands. */
    int inputs[2] = {x, graph_constant_i64(graph, graph_text(graph, "%s/shape", name), shape.dims,
                                           shape.rank, GRAPH_SHAPE(shape.rank))};
    Onnx__NodeProto *node = graph_node(graph, "Reshape", name, inputs, 2);
    return graph_node_output(graph, node, name, graph->tensors[x].type, shape);
}

int op_transpose(struct onnx_graph *graph, const char *name, int x, const int64_t *permutation)
{
    const struct graph_shape *input = graph_shape_of(graph, x);
    struct graph_shape shape = {.rank = input->rank};
    for (unsigned i = 0; i < input->rank; i++)
        shape.dims[i] = input->dims[permutation[i]];
    Onnx__NodeProto *node = graph_node(graph, "Transpose", name, &x, 1);
    graph_attribute_ints(graph, node, "perm", permutation, input->rank);
    return graph_node_output(graph, node, name, TYPE_FLOAT, shape);
}

/* Repeats dimensions of size 1; 1 in `shape` keeps what is there. */
int op_expand(struct onnx_graph *graph, const char *name, int x, struct graph_shape shape)
{
    int inputs[2] = {x, graph_constant_i64(graph, graph_text(graph, "%s/shape", name), shape.dims,
                                           shape.rank, GRAPH_SHAPE(shape.rank))};
    struct graph_shape expanded = shape_broadcast(graph_shape_of(graph, x), &shape, 0);
    Onnx__NodeProto *node = graph_node(graph, "Expand", name, inputs, 2);
    return graph_node_output(graph, node, name, TYPE_FLOAT, expanded);
}
