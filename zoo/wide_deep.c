/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wide and deep (Cheng et al. 2016) and its multi-task form: the dense features as they are, one
 * embedding per table, one stack for all. In the multi-task form that stack is shared and ends in a
 * rectifier; each task (one, by the repository's default) has a stack of its own, and the sigmoid.
 */
#include "zoo/models.h"

void wide_deep_build(struct onnx_graph *graph, const void *config, double scale)
{
    const struct wide_deep_config *net = config;
    int parts[1 + WIDE_DEEP_GROUPS] = {layer_features(graph, net->dense)};
    unsigned count = 1;
    for (unsigned i = 0; i < WIDE_DEEP_GROUPS && net->tables[i].tables > 0; i++) {
        int pooled = layer_embedding(graph, &net->tables[i], scale);
        const char *name = graph_text(graph, "%s/vector", net->tables[i].input);
        parts[count++] = layer_flatten(graph, name, pooled);
    }
    int x = op_concat(graph, "interaction", parts, count, 1);
    if (net->task[0] == 0) {
        x = layer_stack(graph, "top", x, net->top, ACTIVATION_SIGMOID);
        layer_answer(graph, x, "probability of a click");
        return;
    }
    x = layer_stack(graph, "top", x, net->top, ACTIVATION_RELU);
    x = layer_stack(graph, "task_0", x, net->task, ACTIVATION_SIGMOID);
    layer_answer(graph, x, "the task's answer");
}
