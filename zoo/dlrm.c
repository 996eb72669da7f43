/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DLRM-RMC1, RMC2 and RMC3: a stack of layers on the dense features, embeddings pooled by sum, all
 * of it concatenated (the configurations' interaction is "cat", not the dot product), and a second
 * stack that ends in a sigmoid.
 */
#include "zoo/models.h"

void dlrm_build(struct onnx_graph *graph, const void *config, double scale)
{
    const struct dlrm_config *net = config;
    int bottom = layer_stack(graph, "bottom", layer_features(graph, net->dense), net->bottom,
                             ACTIVATION_RELU);
    int pooled = layer_embedding(graph, &net->tables, scale);
    int parts[2] = {bottom, layer_flatten(graph, "embeddings", pooled)};
    int x = op_concat(graph, "interaction", parts, 2, 1);
    x = layer_stack(graph, "top", x, net->top, ACTIVATION_SIGMOID);
    layer_answer(graph, x, "probability of a click");
}
