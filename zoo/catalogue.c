/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of models. Published numbers of parameters and where they stand:
 *
 * - DeepRecSys: counted from the shapes in models/configs/ of github.com/harvard-acc/DeepRecSys.
 * - MobileNet: TF-Slim's tables, research/slim/nets/mobilenet_v1.md and nets/mobilenet/README.md.
 * - Inception V1, V2, V3: TF-Slim's unit tests (testModelHasExpectedNumberOfParameters: 5,607,184,
 *   10,173,112 and 21,802,784 up to the last module, moving statistics included), to which the
 *   layer of 1,001 classes is added (1,026,025, 1,026,025 and 2,051,049). Numbers of 27.2 and 46.0
 *   million for V3 and V4 include the auxiliary heads, which inference does not use.
 * - Inception V4: the model card of timm's inception_v4.tf_in1k, ported from TF-Slim's checkpoint.
 * - ResNet-V2: Keras Applications, whose graphs have the same units and 1,000 classes.
 * - ResNet-50 V1 and SqueezeNet: torchvision's num_params.
 *
 * Accuracies are those published with the same networks (TF-Slim's tables, torchvision), on
 * ImageNet with one crop. TF-Slim evaluates its ResNet-V2 at 299 pixels; here they take 224, as in
 * the paper, and keep those accuracies.
 */
#include "zoo/models.h"

#include <string.h>

#include "base/assert.h"

enum { RECOMMENDATION_BATCH = 1024, CLASSIFIER_BATCH = 32 };

/* clang-format off */
#define RECOMMENDATION(model_name, about, parameters, file)                                  \
    .model = {.name = (model_name),                                                          \
              .kind = ZOO_RECOMMENDATION,                                                    \
              .summary = (about),                                                            \
              .accuracy = -1.0,                                                              \
              .accuracy_top5 = -1.0,                                                         \
              .params_published = (parameters),                                              \
              .params_convention = ZOO_PARAMS_TRAINABLE,                                     \
              .params_source = "DeepRecSys, models/configs/" file,                           \
              .max_batch_size = RECOMMENDATION_BATCH}

#define CLASSIFIER(model_name, about, top1, top5, parameters, convention, source)            \
    .model = {.name = (model_name),                                                          \
              .kind = ZOO_CLASSIFIER,                                                        \
              .summary = (about),                                                            \
              .accuracy = (top1),                                                            \
              .accuracy_top5 = (top5),                                                       \
              .params_published = (parameters),                                              \
              .params_convention = ZOO_PARAMS_##convention,                                  \
              .params_source = (source),                                                     \
              .max_batch_size = CLASSIFIER_BATCH}

#define MOBILENET_V1(model_name, about, top1, top5, parameters, multiplier, pixels)          \
    {CLASSIFIER(model_name, about, top1, top5, parameters, TRAINABLE,                        \
                "TF-Slim, nets/mobilenet_v1.md"),                                            \
     .classes = 1001, .build = mobilenet_v1_build,                                           \
     .config = &(const struct mobilenet_config){multiplier, pixels}}

#define MOBILENET_V2(model_name, about, top1, top5, parameters, multiplier)                  \
    {CLASSIFIER(model_name, about, top1, top5, parameters, TRAINABLE,                        \
                "TF-Slim, nets/mobilenet/README.md"),                                        \
     .classes = 1001, .build = mobilenet_v2_build,                                           \
     .config = &(const struct mobilenet_config){multiplier, 224}}

#define RESNET_V2(model_name, about, top1, top5, parameters, ...)                            \
    {CLASSIFIER(model_name, about, top1, top5, parameters, STORED,                           \
                "Keras Applications"),                                                       \
     .classes = 1001, .build = resnet_v2_build,                                              \
     .config = &(const struct resnet_config){{__VA_ARGS__}}}
/* clang-format on */

static const struct dlrm_config rmc1 = {
    .dense = 128,
    .bottom = {64, 32},
    .tables = {"indices", 8, 4000000, 32, 80},
    .top = {256, 64, 1},
};
static const struct dlrm_config rmc2 = {
    .dense = 256,
    .bottom = {128, 64},
    .tables = {"indices", 32, 500000, 64, 120},
    .top = {128, 64, 1},
};
static const struct dlrm_config rmc3 = {
    .dense = 2560,
    .bottom = {1024, 256, 32},
    .tables = {"indices", 10, 2000000, 32, 20},
    .top = {512, 256, 1},
};
static const struct wide_deep_config wide_deep = {
    .dense = 512,
    .tables = {{"indices", 27, 1000000, 32, 1}},
    .top = {1024, 512, 256, 1},
};
static const struct wide_deep_config multi_task = {
    .dense = 512,
    .tables = {{"indices", 41, 500000, 32, 1}, {"indices_large", 2, 5000000, 32, 1}},
    .top = {1024, 512},
    .task = {256, 128},
};
static const struct din_config din_as_run = {1}, din_as_meant = {251};

static const struct zoo_recipe recipes[] = {
    {RECOMMENDATION("dlrm_rmc1", "DLRM-RMC1: 8 tables x 80 look-ups, small layers", 1024100833,
                    "dlrm_rm1.json"),
     .build = dlrm_build, .config = &rmc1},
    {RECOMMENDATION("dlrm_rmc2", "DLRM-RMC2: 32 tables x 120 look-ups, bound by memory", 1024319937,
                    "dlrm_rm2.json"),
     .build = dlrm_build, .config = &rmc2},
    {RECOMMENDATION("dlrm_rmc3", "DLRM-RMC3: 10 tables x 20 look-ups, large dense layers",
                    643205409, "dlrm_rm3.json"),
     .build = dlrm_build, .config = &rmc3},
    {RECOMMENDATION("wnd", "Wide and Deep: 27 tables, one look-up each", 866066433,
                    "wide_and_deep.json"),
     .build = wide_deep_build, .config = &wide_deep},
    {RECOMMENDATION("mt_wnd", "Multi-task Wide and Deep: 43 tables, one task", 978623360,
                    "mtwnd.json"),
     .build = wide_deep_build, .config = &multi_task},
    {RECOMMENDATION("ncf", "Neural collaborative filtering: 4 small tables", 21652224, "ncf.json"),
     .build = ncf_build},
    {RECOMMENDATION("din", "Deep interest network with one behaviour table, as its repository runs",
                    675242203, "din.json"),
     .build = din_build, .config = &din_as_run},
    {RECOMMENDATION("din_251", "Deep interest network with 251 behaviour tables, as configured",
                    1475282453, "din.json with user_behavior_tables"),
     .build = din_build, .config = &din_as_meant},
    {RECOMMENDATION("dien", "Deep interest evolution network: two recurrences of 40 steps",
                    976067194, "dien.json"),
     .build = dien_build},

    MOBILENET_V1("mobilenet_v1_025_128", "MobileNetV1 x0.25 at 128 pixels", 0.415, 0.663, 470000,
                 0.25, 128),
    MOBILENET_V1("mobilenet_v1_025_160", "MobileNetV1 x0.25 at 160 pixels", 0.455, 0.703, 470000,
                 0.25, 160),
    MOBILENET_V1("mobilenet_v1_025", "MobileNetV1 x0.25", 0.498, 0.742, 470000, 0.25, 224),
    MOBILENET_V1("mobilenet_v1_050_160", "MobileNetV1 x0.5 at 160 pixels", 0.591, 0.819, 1340000,
                 0.5, 160),
    MOBILENET_V1("mobilenet_v1_050", "MobileNetV1 x0.5", 0.633, 0.849, 1340000, 0.5, 224),
    MOBILENET_V1("mobilenet_v1_100", "MobileNetV1 x1.0", 0.709, 0.899, 4240000, 1.0, 224),
    MOBILENET_V2("mobilenet_v2_100", "MobileNetV2 x1.0", 0.719, 0.910, 3470000, 1.0),
    MOBILENET_V2("mobilenet_v2_140", "MobileNetV2 x1.4", 0.749, 0.925, 6060000, 1.4),
    {CLASSIFIER("squeezenet_1_1", "SqueezeNet 1.1", 0.58178, 0.80624, 1235496, TRAINABLE,
                "torchvision, squeezenet1_1"),
     .classes = 1000, .build = squeezenet_build},
    {CLASSIFIER("inception_v1", "Inception V1 (GoogLeNet)", 0.698, 0.896, 6633209, STORED,
                "TF-Slim, nets/inception_v1_test.py"),
     .classes = 1001, .build = inception_v1_build},
    {CLASSIFIER("inception_v2", "Inception V2", 0.739, 0.918, 11199137, STORED,
                "TF-Slim, nets/inception_v2_test.py"),
     .classes = 1001, .build = inception_v2_build},
    {CLASSIFIER("inception_v3", "Inception V3 at 299 pixels", 0.780, 0.939, 23853833, STORED,
                "TF-Slim, nets/inception_v3_test.py"),
     .classes = 1001, .build = inception_v3_build},
    {CLASSIFIER("inception_v4", "Inception V4 at 299 pixels", 0.802, 0.952, 42700000, TRAINABLE,
                "timm, inception_v4.tf_in1k"),
     .classes = 1001, .build = inception_v4_build},
    {CLASSIFIER("resnet_v1_50", "ResNet-50 V1.5", 0.76130, 0.92862, 25557032, TRAINABLE,
                "torchvision, resnet50"),
     .classes = 1000, .build = resnet_v1_build,
     .config = &(const struct resnet_config){{3, 4, 6, 3}}},
    RESNET_V2("resnet_v2_50", "ResNet-50 V2", 0.756, 0.928, 25613800, 3, 4, 6, 3),
    RESNET_V2("resnet_v2_101", "ResNet-101 V2", 0.770, 0.937, 44675560, 3, 4, 23, 3),
    RESNET_V2("resnet_v2_152", "ResNet-152 V2", 0.778, 0.941, 60380648, 3, 8, 36, 3),
};

enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

const struct zoo_model *zoo_at(size_t index)
{
    return index < RECIPES ? &recipes[index].model : NULL;
}

const struct zoo_model *zoo_find(const char *name)
{
    const struct zoo_model *model;
    for (size_t i = 0; (model = zoo_at(i)) != NULL; i++) {
        if (strcmp(model->name, name) == 0)
            return model;
    }
    return NULL;
}

const char *zoo_kind_name(enum zoo_kind kind)
{
    return kind == ZOO_CLASSIFIER ? "classifier" : "recommendation";
}

const struct zoo_recipe *zoo_recipe_of(const struct zoo_model *model)
{
    size_t i = 0;
    while (i < RECIPES && &recipes[i].model != model)
        i++;
    roost_assert(i < RECIPES);
    return &recipes[i];
}

struct zoo_count zoo_count_graph(const struct onnx_graph *graph)
{
    struct zoo_count count = {.flops_per_item = graph->flops_per_item,
                              .gathered_bytes_per_item = graph->gathered_bytes_per_item,
                              .nodes = (unsigned)graph->graph.n_node};
    for (unsigned i = 0; i < graph->weight_count; i++) {
        const struct graph_weight *weight = &graph->weights[i];
        count.weight_bytes += weight->elements * sizeof(float);
        if (weight->role == WEIGHT_EMBEDDING)
            count.embedding_params += weight->elements;
        if (weight->role == WEIGHT_EMBEDDING || weight->role == WEIGHT_TRAINABLE)
            count.params_trainable += weight->elements;
        if (weight->role != WEIGHT_FIXED)
            count.params_stored += weight->elements;
    }
    return count;
}

enum roost_err zoo_build(const struct zoo_recipe *recipe, double scale, struct onnx_graph *graph,
                         struct detail *detail)
{
    const struct zoo_model *model = &recipe->model;
    if (!(scale > 0.0 && scale <= 1.0)) {
        memset(graph, 0, sizeof(*graph));
        return detail_set(detail, ROOST_INVALID, "scale %g: it must be above 0 and at most 1",
                          scale);
    }
    enum roost_err err = graph_init(graph, model->name, model->summary, detail);
    if (err != ROOST_OK)
        return err;
    recipe->build(graph, recipe->config, scale);
    struct zoo_count count = zoo_count_graph(graph);
    graph_metadata(graph, "roost.zoo.generator", graph_text(graph, "%d", ZOO_GENERATOR_VERSION));
    graph_metadata(graph, "roost.zoo.kind", zoo_kind_name(model->kind));
    graph_metadata(graph, "roost.mflops",
                   graph_text(graph, "%.6f", (double)count.flops_per_item / 1e6));
    graph_metadata(graph, "roost.params",
                   graph_text(graph, "%llu", (unsigned long long)count.params_trainable));
    if (model->kind == ZOO_CLASSIFIER) {
        graph_metadata(graph, "roost.accuracy", graph_text(graph, "%.9g", model->accuracy));
        graph_metadata(graph, "roost.accuracy.top5",
                       graph_text(graph, "%.9g", model->accuracy_top5));
    } else {
        graph_metadata(graph, "roost.zoo.scale", graph_text(graph, "%.9g", scale));
    }
    return ROOST_OK;
}

enum roost_err zoo_count(const struct zoo_model *model, double scale, struct zoo_count *count,
                         struct detail *detail)
{
    struct onnx_graph graph;
    enum roost_err err = zoo_build(zoo_recipe_of(model), scale, &graph, detail);
    if (err == ROOST_OK)
        *count = zoo_count_graph(&graph);
    graph_fini(&graph);
    return err;
}
