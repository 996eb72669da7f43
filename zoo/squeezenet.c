/* SPDX-License-Identifier: Apache-2.0 */
/* SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360) as torchvision has it, and a softmax. */
#include "zoo/models.h"

enum { PIXELS = 224, CLASSES = 1000 };

static int conv(struct onnx_graph *graph, const char *name, int x, unsigned filters,
                struct window window)
{
    struct conv_spec spec = {
        .filters = filters, .window = window, .bias = true, .activation = ACTIVATION_RELU};
    return layer_conv(graph, name, x, &spec);
}

static int fire(struct onnx_graph *graph, const char *name, int x, unsigned squeeze,
                unsigned expand)
{
    static const struct window one = {1, 1, 1, PADDING_FIXED}, three = {3, 3, 1, PADDING_FIXED};
    x = conv(graph, graph_text(graph, "%s/squeeze", name), x, squeeze, one);
    int halves[2] = {conv(graph, graph_text(graph, "%s/expand1x1", name), x, expand, one),
                     conv(graph, graph_text(graph, "%s/expand3x3", name), x, expand, three)};
    return op_concat(graph, graph_text(graph, "%s/concat", name), halves, 2, 1);
}

void squeezenet_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct {
        unsigned squeeze, expand;
        bool pool; /* before it */
    } fires[] = {{16, 64, true},  {16, 64, false},  {32, 128, true},  {32, 128, false},
                 {48, 192, true}, {48, 192, false}, {64, 256, false}, {64, 256, false}};
    static const struct window half = {3, 3, 2, PADDING_VALID};
    (void)config;
    (void)scale;
    int x = conv(graph, "conv1", layer_image(graph, PIXELS), 64, half);
    for (unsigned i = 0; i < sizeof(fires) / sizeof(fires[0]); i++) {
        if (fires[i].pool)
            x = op_max_pool(graph, graph_text(graph, "pool%u", i + 1), x, half);
        x = fire(graph, graph_text(graph, "fire%u", i + 2), x, fires[i].squeeze, fires[i].expand);
    }
    x = conv(graph, "conv10", x, CLASSES, (struct window){1, 1, 1, PADDING_VALID});
    x = op_global_average_pool(graph, "pool10", x);
    layer_probabilities(graph, op_reshape(graph, "logits", x, GRAPH_SHAPE(GRAPH_BATCH, CLASSES)));
}
