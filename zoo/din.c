/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep interest network (Zhou et al. 2018) as the repository has it. Each behaviour table has an
 * attention unit of its own on (user, ad, user + ad): a layer to one number, a layer back to a
 * vector, both with ReLU. The units' sum joins the profile, the ad and the context.
 *
 * The configuration names four tables and 250 copies of the behaviour table; the repository's
 * --config_file undoes the copying, so that its runs have one behaviour table. Both forms are in
 * the zoo.
 */
#include "zoo/models.h"

enum { DIMENSION = 32, LOOKUPS = 3 };

/* A layer per unit, the units' weights stacked: x [N,units,1,K] -> [N,units,1,width]. `gain`
 * multiplies what comes out. */
static int unit_layers(struct onnx_graph *graph, const char *name, int x, int64_t width, float gain)
{
    const struct graph_shape *shape = graph_shape_of(graph, x);
    int64_t units = shape->dims[1], inputs = shape->dims[3];
    struct weight_fill fill = weight_fill_for((uint64_t)inputs, ACTIVATION_RELU);
    fill.deviation *= gain;
    int weight = graph_weight(graph, graph_text(graph, "%s/weights", name),
                              GRAPH_SHAPE(units, inputs, width), fill, WEIGHT_TRAINABLE);
    int bias = graph_weight(graph, graph_text(graph, "%s/biases", name),
                            GRAPH_SHAPE(units, 1, width), (struct weight_fill){0.0F, 0.1F * gain},
                            WEIGHT_TRAINABLE);
    x = op_matmul(graph, graph_text(graph, "%s/matmul", name), x, weight);
    x = op_add(graph, graph_text(graph, "%s/biased", name), x, bias);
    return layer_activation(graph, graph_text(graph, "%s/act", name), x, ACTIVATION_RELU);
}

/* users [N,units,32], ad [N,1,32] -> [N,1,32] */
static int attention(struct onnx_graph *graph, int users, int ad, unsigned units)
{
    int sum = op_add(graph, "attention/sum", users, ad);
    int repeated = units > 1 ? op_expand(graph, "attention/ad", ad, GRAPH_SHAPE(1, units, 1)) : ad;
    int parts[3] = {users, repeated, sum};
    int x = op_concat(graph, "attention/concat", parts, 3, 2);
    x = op_reshape(graph, "attention/units", x, GRAPH_SHAPE(GRAPH_BATCH, units, 1, 3 * DIMENSION));
    x = unit_layers(graph, "attention/fc1", x, 1, 1.0F);
    x = unit_layers(graph, "attention/fc2", x, DIMENSION, 1.0F / (float)units);
    return op_reduce_sum(graph, "attention/pooled", x, 1);
}

void din_build(struct onnx_graph *graph, const void *config, double scale)
{
    const struct din_config *net = config;
    const struct table_group profiles = {"indices_profile", 1, 1000000, DIMENSION, LOOKUPS};
    const struct table_group behavior = {"indices_behavior", net->behavior_tables, 100000,
                                         DIMENSION, LOOKUPS};
    const struct table_group others = {"indices_ad_context", 2, 10000000, DIMENSION, LOOKUPS};
    static const unsigned top[] = {200, 80, 2, 0};
    static const int64_t halves[2] = {1, 1};

    int profile = layer_embedding(graph, &profiles, scale);
    int users = layer_embedding(graph, &behavior, scale);
    int ad_context[2];
    op_split(graph, "ad_context", layer_embedding(graph, &others, scale), 1, halves, 2, ad_context);
    int attended = attention(graph, users, ad_context[0], net->behavior_tables);
    int parts[4] = {profile, attended, ad_context[0], ad_context[1]};
    int x = layer_flatten(graph, "features", op_concat(graph, "joined", parts, 4, 1));
    x = layer_stack(graph, "top", x, top, ACTIVATION_RELU);
    layer_answer(graph, x, "scores of no click and click");
}
