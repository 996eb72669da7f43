/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep interest evolution network (Zhou et al. 2019) as the repository has it: the 40 behaviour
 * vectors are a sequence for a plain recurrence (tanh; not the paper's attentional GRU), a layer
 * with softmax on its states is added to them, and a second recurrence's last state joins the
 * profile, the ad and the context.
 *
 * The repository reshapes the concatenated vectors to a sequence in a way that mixes the items of a
 * batch; here each item has its own sequence. The work is the same.
 */
#include <math.h>

#include "zoo/models.h"

enum { DIMENSION = 32, HIDDEN = 64, STEPS = 40 };

static int recurrence(struct onnx_graph *graph, const char *name, int x, unsigned output)
{
    int64_t inputs = graph_shape_of(graph, x)->dims[2];
    struct weight_fill fill = {.deviation = sqrtf(1.0F / (float)(inputs + HIDDEN))};
    int weights[3] = {
        graph_weight(graph, graph_text(graph, "%s/input_weights", name),
                     GRAPH_SHAPE(1, HIDDEN, inputs), fill, WEIGHT_TRAINABLE),
        graph_weight(graph, graph_text(graph, "%s/recurrent_weights", name),
                     GRAPH_SHAPE(1, HIDDEN, HIDDEN), fill, WEIGHT_TRAINABLE),
        graph_weight(graph, graph_text(graph, "%s/biases", name), GRAPH_SHAPE(1, 2 * HIDDEN),
                     (struct weight_fill){0.0F, 0.1F}, WEIGHT_TRAINABLE),
    };
    int outputs[2];
    op_rnn(graph, name, x, weights, outputs);
    return outputs[output];
}

/* states [STEPS,N,HIDDEN] plus the softmax of a layer on them */
static int highlighted(struct onnx_graph *graph, int states)
{
    struct weight_fill fill = weight_fill_for(HIDDEN, ACTIVATION_NONE);
    int weight = graph_weight(graph, "highlight/weights", GRAPH_SHAPE(HIDDEN, HIDDEN), fill,
                              WEIGHT_TRAINABLE);
    int bias = graph_weight(graph, "highlight/biases", GRAPH_SHAPE(HIDDEN),
                            (struct weight_fill){0.0F, 0.1F}, WEIGHT_TRAINABLE);
    int x = op_matmul(graph, "highlight/matmul", states, weight);
    x = op_add(graph, "highlight/biased", x, bias);
    x = op_softmax(graph, "highlight/softmax", x, 2);
    return op_add(graph, "highlight/sum", states, x);
}

void dien_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct table_group tables = {"indices", 1 + STEPS, 500000, DIMENSION, 1};
    static const struct table_group others = {"indices_ad_context", 2, 5000000, DIMENSION, 1};
    static const int64_t sizes[2] = {1, STEPS};
    static const int64_t steps_first[3] = {1, 0, 2};
    static const unsigned top[] = {200, 80, 2, 0};
    (void)config;

    int profile_behavior[2];
    op_split(graph, "tables", layer_embedding(graph, &tables, scale), 1, sizes, 2,
             profile_behavior);
    int ad_context = layer_embedding(graph, &others, scale);
    int x = op_transpose(graph, "sequence", profile_behavior[1], steps_first);
    x = recurrence(graph, "rnn_0", x, 0);
    x = op_reshape(graph, "states", x, GRAPH_SHAPE(STEPS, GRAPH_BATCH, HIDDEN));
    x = recurrence(graph, "rnn_1", highlighted(graph, x), 1);
    x = op_reshape(graph, "interest", x, GRAPH_SHAPE(GRAPH_BATCH, HIDDEN));

    int parts[3] = {x, layer_flatten(graph, "profile", profile_behavior[0]),
                    layer_flatten(graph, "ad_context", ad_context)};
    x = layer_stack(graph, "top", op_concat(graph, "joined", parts, 3, 1), top, ACTIVATION_RELU);
    layer_answer(graph, x, "scores of no click and click");
}
