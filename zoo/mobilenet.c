/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MobileNetV1 (Howard et al. 2017, arXiv:1704.04861, Table 1) and MobileNetV2 (Sandler et al. 2018,
 * arXiv:1801.04381, Table 2) as TF-Slim has them in nets/mobilenet_v1.py and
 * nets/mobilenet/mobilenet_v2.py.
 */
#include <math.h>

#include "zoo/models.h"

enum { SLIM_CLASSES = 1001 };

static const struct norm_style slim_norm = {.epsilon = 0.001F, .scaled = true};

static struct conv_spec pointwise(unsigned filters, enum activation activation)
{
    return (struct conv_spec){.filters = filters,
                              .window = {1, 1, 1, PADDING_SAME},
                              .norm = &slim_norm,
                              .activation = activation};
}

static struct conv_spec depthwise(unsigned stride)
{
    return (struct conv_spec){.filters = 1,
                              .window = {3, 3, stride, PADDING_SAME},
                              .depthwise = true,
                              .norm = &slim_norm,
                              .activation = ACTIVATION_RELU6};
}

static struct conv_spec first_conv(unsigned filters)
{
    return (struct conv_spec){.filters = filters,
                              .window = {3, 3, 2, PADDING_SAME},
                              .norm = &slim_norm,
                              .activation = ACTIVATION_RELU6};
}

static unsigned v1_depth(unsigned channels, double multiplier)
{
    unsigned depth = (unsigned)((double)channels * multiplier);
    return depth < 8 ? 8 : depth;
}

void mobilenet_v1_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct {
        unsigned filters, stride;
    } blocks[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                  {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    const struct mobilenet_config *net = config;
    (void)scale;
    struct conv_spec spec = first_conv(v1_depth(32, net->multiplier));
    int x = layer_conv(graph, "Conv2d_0", layer_image(graph, net->pixels), &spec);
    for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        spec = depthwise(blocks[i].stride);
        x = layer_conv(graph, graph_text(graph, "Conv2d_%u_depthwise", i + 1), x, &spec);
        spec = pointwise(v1_depth(blocks[i].filters, net->multiplier), ACTIVATION_RELU6);
        x = layer_conv(graph, graph_text(graph, "Conv2d_%u_pointwise", i + 1), x, &spec);
    }
    layer_classifier(graph, x, SLIM_CLASSES);
}

/* The nearest multiple of eight that is not more than a tenth too small. */
static unsigned v2_depth(double channels)
{
    unsigned depth = (unsigned)(channels + 4.0) / 8 * 8;
    if (depth < 8)
        depth = 8;
    return (double)depth < 0.9 * channels ? depth + 8 : depth;
}

/* Expand, filter each channel, project back; a residual where the shape allows. */
static int inverted_residual(struct onnx_graph *graph, const char *name, int x, unsigned expansion,
                             unsigned filters, unsigned stride)
{
    unsigned channels = (unsigned)graph_shape_of(graph, x)->dims[1];
    bool residual = stride == 1 && channels == filters;
    int y = x;
    struct conv_spec spec;
    if (expansion > 1) {
        spec = pointwise(v2_depth(channels * expansion), ACTIVATION_RELU6);
        y = layer_conv(graph, graph_text(graph, "%s/expand", name), y, &spec);
    }
    spec = depthwise(stride);
    y = layer_conv(graph, graph_text(graph, "%s/depthwise", name), y, &spec);
    spec = pointwise(filters, ACTIVATION_NONE);
    /* Ten residual sums in a row must not let the activations grow. */
    spec.gain = residual ? sqrtf(0.1F) : 1.0F;
    y = layer_conv(graph, graph_text(graph, "%s/project", name), y, &spec);
    return residual ? op_add(graph, graph_text(graph, "%s/add", name), x, y) : y;
}

void mobilenet_v2_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct {
        unsigned expansion, filters, count, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    const struct mobilenet_config *net = config;
    (void)scale;
    struct conv_spec spec = first_conv(v2_depth(32 * net->multiplier));
    int x = layer_conv(graph, "Conv", layer_image(graph, net->pixels), &spec);
    unsigned block = 0;
    for (unsigned i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        unsigned filters = v2_depth(stages[i].filters * net->multiplier);
        for (unsigned j = 0; j < stages[i].count; j++)
            x = inverted_residual(graph, graph_text(graph, "expanded_conv_%u", block++), x,
                                  stages[i].expansion, filters, j == 0 ? stages[i].stride : 1);
    }
    spec = pointwise(v2_depth(1280 * net->multiplier), ACTIVATION_RELU6);
    x = layer_conv(graph, "Conv_1", x, &spec);
    layer_classifier(graph, x, SLIM_CLASSES);
}
