/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neural collaborative filtering (He et al. 2017) as the repository has it: the two vectors of the
 * factorisation branch are summed (the paper multiplies them), the two of the other branch are
 * concatenated and go through a stack; one more layer joins both.
 */
#include "zoo/models.h"

void ncf_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct table_group factors = {"indices_mf", 2, 140000, 64, 1};
    static const struct table_group features = {"indices_mlp", 2, 28000, 64, 1};
    static const unsigned stack[] = {256, 256, 128, 64, 0};
    (void)config;
    int mf = op_reduce_sum(graph, "mf", layer_embedding(graph, &factors, scale), 1);
    int mlp = layer_flatten(graph, "mlp", layer_embedding(graph, &features, scale));
    int parts[2] = {mf, layer_stack(graph, "mlp", mlp, stack, ACTIVATION_RELU)};
    int x = op_concat(graph, "interaction", parts, 2, 1);
    x = layer_dense(graph, "final", x, 64, ACTIVATION_RELU);
    layer_answer(graph, x, "features of the pair");
}
