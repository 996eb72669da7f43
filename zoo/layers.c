/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo/layers.h"

#include <math.h>

#include "base/assert.h"

enum {
    TYPE_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    TYPE_INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
};

static const struct weight_fill bias_fill = {0.0F, 0.1F};

/* Rectifiers halve the second moment, which twice the variance makes up for. */
struct weight_fill weight_fill_for(uint64_t fan_in, enum activation activation)
{
    bool rectifies = activation == ACTIVATION_RELU || activation == ACTIVATION_RELU6;
    return (struct weight_fill){0.0F, sqrtf((rectifies ? 2.0F : 1.0F) / (float)fan_in)};
}

int layer_image(struct onnx_graph *graph, unsigned pixels)
{
    return graph_input(graph, "input", TYPE_FLOAT, GRAPH_SHAPE(GRAPH_BATCH, 3, pixels, pixels),
                       "images, channels first, pixels scaled to -1..1");
}

int layer_activation(struct onnx_graph *graph, const char *name, int x, enum activation kind)
{
    switch (kind) {
    case ACTIVATION_RELU:
        return op_activation(graph, "Relu", name, x);
    case ACTIVATION_RELU6:
        return op_clip(graph, name, x, 0.0F, 6.0F);
    case ACTIVATION_SIGMOID:
        return op_activation(graph, "Sigmoid", name, x);
    case ACTIVATION_NONE:
        break;
    }
    return x;
}

int layer_norm(struct onnx_graph *graph, const char *name, int x, const struct norm_style *style)
{
    static const struct weight_fill near_zero = {0.0F, 0.1F}, near_one = {1.0F, 0.1F};
    static const struct weight_fill one = {1.0F, 0.0F};
    struct graph_shape shape = GRAPH_SHAPE(graph_shape_of(graph, x)->dims[1]);
    int statistics[4] = {
        graph_weight(graph, graph_text(graph, "%s/gamma", name), shape,
                     style->scaled ? near_one : one,
                     style->scaled ? WEIGHT_TRAINABLE : WEIGHT_FIXED),
        graph_weight(graph, graph_text(graph, "%s/beta", name), shape, near_zero, WEIGHT_TRAINABLE),
        graph_weight(graph, graph_text(graph, "%s/moving_mean", name), shape, near_zero,
                     WEIGHT_STATE),
        graph_weight(graph, graph_text(graph, "%s/moving_variance", name), shape, near_one,
                     WEIGHT_STATE),
    };
    return op_batch_norm(graph, name, x, statistics, style->epsilon);
}

int layer_conv(struct onnx_graph *graph, const char *name, int x, const struct conv_spec *spec)
{
    int64_t channels = graph_shape_of(graph, x)->dims[1];
    unsigned groups = spec->depthwise ? (unsigned)channels : 1;
    int64_t outputs = spec->depthwise ? channels * spec->filters : spec->filters;
    struct graph_shape shape = GRAPH_SHAPE(outputs, channels / groups, spec->window.height,
                                           spec->window.width);
    uint64_t fan_in = graph_elements(&shape) / (uint64_t)outputs;
    struct weight_fill fill = weight_fill_for(fan_in, spec->activation);
    if (spec->gain != 0.0F)
        fill.deviation *= spec->gain;
    int weight = graph_weight(graph, graph_text(graph, "%s/weights", name), shape, fill,
                              WEIGHT_TRAINABLE);
    int bias = OP_LEFT_OUT;
    if (spec->bias)
        bias = graph_weight(graph, graph_text(graph, "%s/biases", name), GRAPH_SHAPE(outputs),
                            bias_fill, WEIGHT_TRAINABLE);
    x = op_conv(graph, graph_text(graph, "%s/conv", name), x, weight, bias, spec->window, groups);
    if (spec->norm != NULL)
        x = layer_norm(graph, graph_text(graph, "%s/norm", name), x, spec->norm);
    return layer_activation(graph, graph_text(graph, "%s/act", name), x, spec->activation);
}

static int dense(struct onnx_graph *graph, const char *name, int x, unsigned units,
                 enum activation activation, struct weight_fill biases)
{
    int64_t inputs = graph_shape_of(graph, x)->dims[1];
    int weight = graph_weight(graph, graph_text(graph, "%s/weights", name),
                              GRAPH_SHAPE(units, inputs),
                              weight_fill_for((uint64_t)inputs, activation), WEIGHT_TRAINABLE);
    int bias = graph_weight(graph, graph_text(graph, "%s/biases", name), GRAPH_SHAPE(units), biases,
                            WEIGHT_TRAINABLE);
    x = op_gemm(graph, graph_text(graph, "%s/fc", name), x, weight, bias);
    return layer_activation(graph, graph_text(graph, "%s/act", name), x, activation);
}

int layer_dense(struct onnx_graph *graph, const char *name, int x, unsigned units,
                enum activation activation)
{
    return dense(graph, name, x, units, activation, bias_fill);
}

int layer_stack(struct onnx_graph *graph, const char *name, int x, const unsigned *units,
                enum activation last)
{
    /* Two scores behind rectifiers would be zero for most items without a push. */
    static const struct weight_fill push = {1.0F, 0.1F};
    for (unsigned i = 0; units[i] != 0; i++) {
        bool ends = units[i + 1] == 0;
        x = dense(graph, graph_text(graph, "%s_%u", name, i), x, units[i],
                  ends ? last : ACTIVATION_RELU,
                  ends && last == ACTIVATION_RELU ? push : bias_fill);
    }
    return x;
}

int layer_features(struct onnx_graph *graph, unsigned count)
{
    return graph_input(graph, "dense", TYPE_FLOAT, GRAPH_SHAPE(GRAPH_BATCH, count),
                       "dense features, near normal");
}

void layer_answer(struct onnx_graph *graph, int x, const char *doc)
{
    Onnx__NodeProto *node = graph_node(graph, "Identity", "output", &x, 1);
    graph_output(graph,
                 graph_node_output(graph, node, "output", TYPE_FLOAT, *graph_shape_of(graph, x)),
                 doc);
}

void layer_probabilities(struct onnx_graph *graph, int x)
{
    graph_output(graph, op_softmax(graph, "probabilities", x, 1), "one probability per class");
}

void layer_classifier(struct onnx_graph *graph, int x, unsigned classes)
{
    int64_t channels = graph_shape_of(graph, x)->dims[1];
    x = op_global_average_pool(graph, "pool", x);
    x = op_reshape(graph, "features", x, GRAPH_SHAPE(GRAPH_BATCH, channels));
    layer_probabilities(graph, layer_dense(graph, "logits", x, classes, ACTIVATION_NONE));
}

static uint64_t rows_scaled(uint64_t rows, double scale)
{
    double scaled = floor((double)rows * scale + 0.5);
    return scaled < TABLE_ROWS_MIN ? TABLE_ROWS_MIN : (uint64_t)scaled;
}

static int table_weight(struct onnx_graph *graph, const struct table_group *group, const char *name,
                        uint64_t rows)
{
    /* The sum over all look-ups of a table has a variance of one. */
    struct weight_fill fill = {.deviation = sqrtf(1.0F / (float)group->lookups)};
    return graph_weight(graph, name, GRAPH_SHAPE((int64_t)rows, group->dimension), fill,
                        WEIGHT_EMBEDDING);
}

/*
 * One node per step for all tables: they lie one after the other in a single tensor, and the
 * indices are moved to their table's rows. Half a dozen nodes instead of hundreds.
 */
static int embedding_joined(struct onnx_graph *graph, const struct table_group *group, int indices,
                            uint64_t rows)
{
    const char *prefix = group->input;
    int table = table_weight(graph, group, graph_text(graph, "%s/tables", prefix),
                             rows * group->tables);
    if (group->tables > 1) {
        int64_t *starts = graph_memory(graph, group->tables * sizeof(*starts));
        for (unsigned i = 0; i < group->tables; i++)
            starts[i] = (int64_t)(rows * i);
        int offsets = graph_constant_i64(graph, graph_text(graph, "%s/starts", prefix), starts,
                                         group->tables, GRAPH_SHAPE(group->tables, 1));
        indices = op_add(graph, graph_text(graph, "%s/moved", prefix), indices, offsets);
    }
    int x = op_gather_rows(graph, graph_text(graph, "%s/rows", prefix), table, indices);
    const char *name = graph_text(graph, "%s/pooled", prefix);
    if (group->lookups > 1)
        return op_reduce_sum(graph, name, x, 2);
    return op_reshape(graph, name, x, GRAPH_SHAPE(GRAPH_BATCH, group->tables, group->dimension));
}

/* Table by table: what one table gathers for a batch stays in the cache until it is summed. */
static int embedding_separate(struct onnx_graph *graph, const struct table_group *group,
                              int indices, uint64_t rows)
{
    enum { SEPARATE_MAX = 64 };
    roost_assert(group->tables <= SEPARATE_MAX);
    const char *prefix = group->input;
    int parts[SEPARATE_MAX];
    int64_t sizes[SEPARATE_MAX];
    for (unsigned i = 0; i < group->tables; i++)
        sizes[i] = 1;
    op_split(graph, graph_text(graph, "%s/table", prefix), indices, 1, sizes, group->tables, parts);
    for (unsigned i = 0; i < group->tables; i++) {
        int table = table_weight(graph, group, graph_text(graph, "%s/table_%u/weights", prefix, i),
                                 rows);
        int x = op_gather_rows(graph, graph_text(graph, "%s/table_%u/rows", prefix, i), table,
                               parts[i]);
        parts[i] = op_reduce_sum(graph, graph_text(graph, "%s/table_%u/pooled", prefix, i), x, 2);
    }
    return op_concat(graph, graph_text(graph, "%s/pooled", prefix), parts, group->tables, 1);
}

int layer_embedding(struct onnx_graph *graph, const struct table_group *group, double scale)
{
    /* Measured with ONNX Runtime 1.30: joined tables are up to three times as fast for few look-ups
     * per table, and a fourth as fast for 120 of them at a batch of 64. */
    enum { JOINED_LOOKUPS_MAX = 4 };
    uint64_t rows = rows_scaled(group->rows, scale);
    const char *range = graph_text(graph, "0:%llu", (unsigned long long)rows);
    graph_metadata(graph, graph_text(graph, "roost.input.%s.range", group->input), range);
    const char *doc = graph_text(
        graph, "indices of rows, by table and look-up: 0 <= index < %llu; range %s",
        (unsigned long long)rows, range);
    int indices = graph_input(graph, group->input, TYPE_INT64,
                              GRAPH_SHAPE(GRAPH_BATCH, group->tables, group->lookups), doc);
    return group->lookups <= JOINED_LOOKUPS_MAX ? embedding_joined(graph, group, indices, rows)
                                                : embedding_separate(graph, group, indices, rows);
}

int layer_flatten(struct onnx_graph *graph, const char *name, int x)
{
    const struct graph_shape *shape = graph_shape_of(graph, x);
    roost_assert(shape->rank == 3);
    return op_reshape(graph, name, x, GRAPH_SHAPE(GRAPH_BATCH, shape->dims[1] * shape->dims[2]));
}
