/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inception V1 (Szegedy et al. 2014, arXiv:1409.4842), V2 (Ioffe and Szegedy 2015,
 * arXiv:1502.03167), V3 (Szegedy et al. 2015, arXiv:1512.00567) and V4 (Szegedy et al. 2016,
 * arXiv:1602.07261) as TF-Slim has them for inference: batch normalisation without a scale, no
 * auxiliary head, 1,001 classes, and in V1 3x3 convolutions where the paper has 5x5.
 *
 * A network is a list of modules, a module up to four branches on the same input whose results are
 * concatenated, a branch a row of steps. The stem is modules of one branch.
 */
#include "zoo/models.h"

enum { CLASSES = 1001, BRANCHES_MAX = 4, STEPS_MAX = 8, SEPARABLE_MULTIPLIER = 8 };

enum step_kind {
    STEP_END,
    STEP_CONV,
    STEP_SEPARABLE, /* depthwise, then 1x1; slim normalises neither */
    STEP_FORK,      /* 1x3 and 3x1 on the same input, concatenated */
    STEP_MAX_POOL,
    STEP_AVERAGE_POOL,
};

struct step {
    enum step_kind kind;
    unsigned filters;
    struct window window;
};

struct module {
    const char *name;
    struct step branches[BRANCHES_MAX][STEPS_MAX];
};

/* The tables below use TensorFlow's padding SAME unless a step's name ends in V (VALID). */
/* clang-format off */
#define CONV(filters, height, width) {STEP_CONV, filters, {height, width, 1, PADDING_SAME}}
#define C1(filters)                  CONV(filters, 1, 1)
#define C3(filters)                  CONV(filters, 3, 3)
#define C3V(filters)                 {STEP_CONV, filters, {3, 3, 1, PADDING_VALID}}
#define C3_2(filters)                {STEP_CONV, filters, {3, 3, 2, PADDING_SAME}}
#define C3_2V(filters)               {STEP_CONV, filters, {3, 3, 2, PADDING_VALID}}
#define SEPARABLE(filters)           {STEP_SEPARABLE, filters, {7, 7, 2, PADDING_SAME}}
#define FORK(filters)                {STEP_FORK, filters, {0, 0, 0, PADDING_SAME}}
#define MAX3                         {STEP_MAX_POOL, 0, {3, 3, 1, PADDING_SAME}}
#define MAX3_2                       {STEP_MAX_POOL, 0, {3, 3, 2, PADDING_SAME}}
#define MAX3_2V                      {STEP_MAX_POOL, 0, {3, 3, 2, PADDING_VALID}}
#define AVG3                         {STEP_AVERAGE_POOL, 0, {3, 3, 1, PADDING_SAME}}
/* clang-format on */

static const struct norm_style norm = {.epsilon = 0.001F, .scaled = false};

static int conv(struct onnx_graph *graph, const char *name, int x, unsigned filters,
                struct window window)
{
    struct conv_spec spec = {
        .filters = filters, .window = window, .norm = &norm, .activation = ACTIVATION_RELU};
    return layer_conv(graph, name, x, &spec);
}

static int step_apply(struct onnx_graph *graph, const char *name, int x, const struct step *step)
{
    static const struct window wide = {1, 3, 1, PADDING_SAME}, high = {3, 1, 1, PADDING_SAME};
    switch (step->kind) {
    case STEP_CONV:
        return conv(graph, name, x, step->filters, step->window);
    case STEP_SEPARABLE: {
        struct conv_spec spec = {
            .filters = SEPARABLE_MULTIPLIER, .window = step->window, .depthwise = true};
        x = layer_conv(graph, graph_text(graph, "%s/depthwise", name), x, &spec);
        spec = (struct conv_spec){.filters = step->filters,
                                  .window = {1, 1, 1, PADDING_SAME},
                                  .bias = true,
                                  .activation = ACTIVATION_RELU};
        return layer_conv(graph, graph_text(graph, "%s/pointwise", name), x, &spec);
    }
    case STEP_FORK: {
        int tines[2] = {
            conv(graph, graph_text(graph, "%s/1x3", name), x, step->filters, wide),
            conv(graph, graph_text(graph, "%s/3x1", name), x, step->filters, high),
        };
        return op_concat(graph, graph_text(graph, "%s/concat", name), tines, 2, 1);
    }
    case STEP_MAX_POOL:
        return op_max_pool(graph, name, x, step->window);
    case STEP_AVERAGE_POOL:
        return op_average_pool(graph, name, x, step->window);
    case STEP_END:
        break;
    }
    return x;
}

static int module_apply(struct onnx_graph *graph, int x, const struct module *module)
{
    int results[BRANCHES_MAX];
    unsigned count = 0;
    for (; count < BRANCHES_MAX && module->branches[count][0].kind != STEP_END; count++) {
        int y = x;
        for (unsigned i = 0; i < STEPS_MAX; i++)
            y = step_apply(graph, graph_text(graph, "%s/branch_%u/%u", module->name, count, i), y,
                           &module->branches[count][i]);
        results[count] = y;
    }
    if (count == 1)
        return results[0];
    return op_concat(graph, graph_text(graph, "%s/concat", module->name), results, count, 1);
}

static void network_build(struct onnx_graph *graph, unsigned pixels, const struct module *modules,
                          size_t count)
{
    int x = layer_image(graph, pixels);
    for (size_t i = 0; i < count; i++)
        x = module_apply(graph, x, &modules[i]);
    layer_classifier(graph, x, CLASSES);
}

#define MODULES(table) (table), sizeof(table) / sizeof((table)[0])

void inception_v1_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct module modules[] = {
        {"stem", {{{STEP_CONV, 64, {7, 7, 2, PADDING_SAME}}, MAX3_2, C1(64), C3(192), MAX3_2}}},
        {"3b", {{C1(64)}, {C1(96), C3(128)}, {C1(16), C3(32)}, {MAX3, C1(32)}}},
        {"3c", {{C1(128)}, {C1(128), C3(192)}, {C1(32), C3(96)}, {MAX3, C1(64)}}},
        {"4a", {{MAX3_2}}},
        {"4b", {{C1(192)}, {C1(96), C3(208)}, {C1(16), C3(48)}, {MAX3, C1(64)}}},
        {"4c", {{C1(160)}, {C1(112), C3(224)}, {C1(24), C3(64)}, {MAX3, C1(64)}}},
        {"4d", {{C1(128)}, {C1(128), C3(256)}, {C1(24), C3(64)}, {MAX3, C1(64)}}},
        {"4e", {{C1(112)}, {C1(144), C3(288)}, {C1(32), C3(64)}, {MAX3, C1(64)}}},
        {"4f", {{C1(256)}, {C1(160), C3(320)}, {C1(32), C3(128)}, {MAX3, C1(128)}}},
        {"5a", {{{STEP_MAX_POOL, 0, {2, 2, 2, PADDING_SAME}}}}},
        {"5b", {{C1(256)}, {C1(160), C3(320)}, {C1(32), C3(128)}, {MAX3, C1(128)}}},
        {"5c", {{C1(384)}, {C1(192), C3(384)}, {C1(48), C3(128)}, {MAX3, C1(128)}}},
    };
    (void)config;
    (void)scale;
    network_build(graph, 224, MODULES(modules));
}

void inception_v2_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct module modules[] = {
        {"stem", {{SEPARABLE(64), MAX3_2, C1(64), C3(192), MAX3_2}}},
        {"3b", {{C1(64)}, {C1(64), C3(64)}, {C1(64), C3(96), C3(96)}, {AVG3, C1(32)}}},
        {"3c", {{C1(64)}, {C1(64), C3(96)}, {C1(64), C3(96), C3(96)}, {AVG3, C1(64)}}},
        {"4a", {{C1(128), C3_2(160)}, {C1(64), C3(96), C3_2(96)}, {MAX3_2}}},
        {"4b", {{C1(224)}, {C1(64), C3(96)}, {C1(96), C3(128), C3(128)}, {AVG3, C1(128)}}},
        {"4c", {{C1(192)}, {C1(96), C3(128)}, {C1(96), C3(128), C3(128)}, {AVG3, C1(128)}}},
        {"4d", {{C1(160)}, {C1(128), C3(160)}, {C1(128), C3(160), C3(160)}, {AVG3, C1(96)}}},
        {"4e", {{C1(96)}, {C1(128), C3(192)}, {C1(160), C3(192), C3(192)}, {AVG3, C1(96)}}},
        {"5a", {{C1(128), C3_2(192)}, {C1(192), C3(256), C3_2(256)}, {MAX3_2}}},
        {"5b", {{C1(352)}, {C1(192), C3(320)}, {C1(160), C3(224), C3(224)}, {AVG3, C1(128)}}},
        {"5c", {{C1(352)}, {C1(192), C3(320)}, {C1(192), C3(224), C3(224)}, {MAX3, C1(128)}}},
    };
    (void)config;
    (void)scale;
    network_build(graph, 224, MODULES(modules));
}

/* V3's modules at 35x35, 17x17 and 8x8 pixels. */
/* clang-format off */
#define V3_5(name, pooled)                                                                  \
    {name,                                                                                  \
     {{C1(64)}, {C1(48), CONV(64, 5, 5)}, {C1(64), C3(96), C3(96)}, {AVG3, C1(pooled)}}}
#define V3_6(name, n)                                                                       \
    {name,                                                                                  \
     {{C1(192)},                                                                            \
      {C1(n), CONV(n, 1, 7), CONV(192, 7, 1)},                                              \
      {C1(n), CONV(n, 7, 1), CONV(n, 1, 7), CONV(n, 7, 1), CONV(192, 1, 7)},                \
      {AVG3, C1(192)}}}
#define V3_7(name)                                                                          \
    {name, {{C1(320)}, {C1(384), FORK(384)}, {C1(448), C3(384), FORK(384)}, {AVG3, C1(192)}}}
/* clang-format on */

void inception_v3_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct module modules[] = {
        {"stem", {{C3_2V(32), C3V(32), C3(64), MAX3_2V, C1(80), C3V(192), MAX3_2V}}},
        V3_5("5b", 32),
        V3_5("5c", 64),
        V3_5("5d", 64),
        {"6a", {{C3_2V(384)}, {C1(64), C3(96), C3_2V(96)}, {MAX3_2V}}},
        V3_6("6b", 128),
        V3_6("6c", 160),
        V3_6("6d", 160),
        V3_6("6e", 192),
        {"7a",
         {{C1(192), C3_2V(320)},
          {C1(192), CONV(192, 1, 7), CONV(192, 7, 1), C3_2V(192)},
          {MAX3_2V}}},
        V3_7("7b"),
        V3_7("7c"),
    };
    (void)config;
    (void)scale;
    network_build(graph, 299, MODULES(modules));
}

/* V4's blocks A, B and C. */
/* clang-format off */
#define V4_A(name) \
    {name, {{C1(96)}, {C1(64), C3(96)}, {C1(64), C3(96), C3(96)}, {AVG3, C1(96)}}}
#define V4_B(name)                                                                          \
    {name,                                                                                  \
     {{C1(384)},                                                                            \
      {C1(192), CONV(224, 1, 7), CONV(256, 7, 1)},                                          \
      {C1(192), CONV(192, 7, 1), CONV(224, 1, 7), CONV(224, 7, 1), CONV(256, 1, 7)},        \
      {AVG3, C1(128)}}}
#define V4_C(name)                                                                          \
    {name,                                                                                  \
     {{C1(256)},                                                                            \
      {C1(384), FORK(256)},                                                                 \
      {C1(384), CONV(448, 3, 1), CONV(512, 1, 3), FORK(256)},                               \
      {AVG3, C1(256)}}}
/* clang-format on */

void inception_v4_build(struct onnx_graph *graph, const void *config, double scale)
{
    static const struct module modules[] = {
        {"stem", {{C3_2V(32), C3V(32), C3(64)}}},
        {"3a", {{MAX3_2V}, {C3_2V(96)}}},
        {"4a", {{C1(64), C3V(96)}, {C1(64), CONV(64, 1, 7), CONV(64, 7, 1), C3V(96)}}},
        {"5a", {{C3_2V(192)}, {MAX3_2V}}},
        V4_A("5b"),
        V4_A("5c"),
        V4_A("5d"),
        V4_A("5e"),
        {"6a", {{C3_2V(384)}, {C1(192), C3(224), C3_2V(256)}, {MAX3_2V}}},
        V4_B("6b"),
        V4_B("6c"),
        V4_B("6d"),
        V4_B("6e"),
        V4_B("6f"),
        V4_B("6g"),
        V4_B("6h"),
        {"7a",
         {{C1(192), C3_2V(192)},
          {C1(256), CONV(256, 1, 7), CONV(320, 7, 1), C3_2V(320)},
          {MAX3_2V}}},
        V4_C("7b"),
        V4_C("7c"),
        V4_C("7d"),
    };
    (void)config;
    (void)scale;
    network_build(graph, 299, MODULES(modules));
}
