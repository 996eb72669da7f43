/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResNet-V2, the pre-activation form (He et al. 2016, arXiv:1603.05027), as TF-Slim's
 * nets/resnet_v2.py has it: the stride of a stage lies in its last unit. And ResNet-V1 (He et al.
 * 2015, arXiv:1512.03385) as torchvision has it, which puts the stride of a unit into its 3x3
 * convolution ("V1.5", also MLPerf's).
 */
#include <math.h>

#include "zoo/models.h"

enum { STAGES = 4, PIXELS = 224, SLIM_CLASSES = 1001, TORCHVISION_CLASSES = 1000 };

static const struct norm_style norm = {.epsilon = 1e-5F, .scaled = true};

struct unit {
    const char *name;
    unsigned filters; /* of the narrow part; the output has four times as many */
    unsigned stride;
    float gain; /* of the last convolution */
};

/* Every unit adds to the trunk; with this factor all together triple its variance at most. */
static float residual_gain(const struct resnet_config *net)
{
    unsigned units = 0;
    for (unsigned i = 0; i < STAGES; i++)
        units += net->units[i];
    return sqrtf(1.0F / (float)units);
}

static int v2_unit(struct onnx_graph *graph, int x, struct unit unit)
{
    const char *name = unit.name;
    unsigned outputs = 4 * unit.filters;
    int active = layer_norm(graph, graph_text(graph, "%s/preact/norm", name), x, &norm);
    active = layer_activation(graph, graph_text(graph, "%s/preact/act", name), active,
                              ACTIVATION_RELU);
    int shortcut = x;
    if (graph_shape_of(graph, x)->dims[1] != outputs) {
        struct conv_spec wide = {
            .filters = outputs, .window = {1, 1, unit.stride, PADDING_SAME}, .bias = true};
        shortcut = layer_conv(graph, graph_text(graph, "%s/shortcut", name), active, &wide);
    } else if (unit.stride > 1) {
        struct window every_other = {1, 1, unit.stride, PADDING_SAME};
        shortcut = op_max_pool(graph, graph_text(graph, "%s/shortcut", name), x, every_other);
    }
    struct conv_spec narrow = {.filters = unit.filters,
                               .window = {1, 1, 1, PADDING_SAME},
                               .norm = &norm,
                               .activation = ACTIVATION_RELU};
    int y = layer_conv(graph, graph_text(graph, "%s/conv1", name), active, &narrow);
    narrow.window = (struct window){3, 3, unit.stride, PADDING_FIXED};
    y = layer_conv(graph, graph_text(graph, "%s/conv2", name), y, &narrow);
    struct conv_spec last = {
        .filters = outputs, .window = {1, 1, 1, PADDING_SAME}, .bias = true, .gain = unit.gain};
    y = layer_conv(graph, graph_text(graph, "%s/conv3", name), y, &last);
    return op_add(graph, graph_text(graph, "%s/add", name), shortcut, y);
}

void resnet_v2_build(struct onnx_graph *graph, const void *config, double scale)
{
    const struct resnet_config *net = config;
    (void)scale;
    struct conv_spec first = {.filters = 64, .window = {7, 7, 2, PADDING_FIXED}, .bias = true};
    int x = layer_conv(graph, "conv1", layer_image(graph, PIXELS), &first);
    x = op_max_pool(graph, "pool1", x, (struct window){3, 3, 2, PADDING_SAME});
    for (unsigned i = 0; i < STAGES; i++) {
        for (unsigned j = 0; j < net->units[i]; j++) {
            bool last = j + 1 == net->units[i];
            struct unit unit = {.name = graph_text(graph, "block%u/unit_%u", i + 1, j + 1),
                                .filters = 64U << i,
                                .stride = last && i + 1 < STAGES ? 2 : 1,
                                .gain = residual_gain(net)};
            x = v2_unit(graph, x, unit);
        }
    }
    x = layer_norm(graph, "postnorm/norm", x, &norm);
    x = layer_activation(graph, "postnorm/act", x, ACTIVATION_RELU);
    layer_classifier(graph, x, SLIM_CLASSES);
}

static int v1_unit(struct onnx_graph *graph, int x, struct unit unit)
{
    const char *name = unit.name;
    unsigned outputs = 4 * unit.filters;
    struct conv_spec spec = {.filters = unit.filters,
                             .window = {1, 1, 1, PADDING_FIXED},
                             .norm = &norm,
                             .activation = ACTIVATION_RELU};
    int y = layer_conv(graph, graph_text(graph, "%s/conv1", name), x, &spec);
    spec.window = (struct window){3, 3, unit.stride, PADDING_FIXED};
    y = layer_conv(graph, graph_text(graph, "%s/conv2", name), y, &spec);
    spec = (struct conv_spec){
        .filters = outputs, .window = {1, 1, 1, PADDING_FIXED}, .norm = &norm, .gain = unit.gain};
    y = layer_conv(graph, graph_text(graph, "%s/conv3", name), y, &spec);
    int shortcut = x;
    if (unit.stride != 1 || graph_shape_of(graph, x)->dims[1] != outputs) {
        spec.window.stride = unit.stride;
        spec.gain = 1.0F;
        shortcut = layer_conv(graph, graph_text(graph, "%s/downsample", name), x, &spec);
    }
    y = op_add(graph, graph_text(graph, "%s/add", name), y, shortcut);
    return layer_activation(graph, graph_text(graph, "%s/relu", name), y, ACTIVATION_RELU);
}

void resnet_v1_build(struct onnx_graph *graph, const void *config, double scale)
{
    const struct resnet_config *net = config;
    (void)scale;
    struct conv_spec first = {.filters = 64,
                              .window = {7, 7, 2, PADDING_FIXED},
                              .norm = &norm,
                              .activation = ACTIVATION_RELU};
    int x = layer_conv(graph, "conv1", layer_image(graph, PIXELS), &first);
    x = op_max_pool(graph, "maxpool", x, (struct window){3, 3, 2, PADDING_FIXED});
    for (unsigned i = 0; i < STAGES; i++) {
        for (unsigned j = 0; j < net->units[i]; j++) {
            struct unit unit = {.name = graph_text(graph, "layer%u/%u", i + 1, j),
                                .filters = 64U << i,
                                .stride = j == 0 && i > 0 ? 2 : 1,
                                .gain = residual_gain(net)};
            x = v1_unit(graph, x, unit);
        }
    }
    layer_classifier(graph, x, TORCHVISION_CLASSES);
}
