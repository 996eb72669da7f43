/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recipes behind the catalogue: one build function per family, and what its members differ in.
 * A build function adds inputs, nodes, weights and outputs to an empty graph. `config` points to
 * the family's structure below; `scale` shrinks embedding tables and means nothing to classifiers.
 */
#ifndef ROOST_ZOO_MODELS_H
#define ROOST_ZOO_MODELS_H

#include "zoo/layers.h"
#include "zoo/zoo.h"

typedef void zoo_build_fn(struct onnx_graph *graph, const void *config, double scale);

struct zoo_recipe {
    struct zoo_model model;
    unsigned classes; /* of a classifier's label file; 1,001 has "background" first */
    zoo_build_fn *build;
    const void *config;
};

/* The recipe that `model`, as zoo_at or zoo_find gave it, is part of. */
const struct zoo_recipe *zoo_recipe_of(const struct zoo_model *model);

/* Builds the model's graph with all metadata. NO_MEMORY. The graph is the caller's (graph_fini). */
enum roost_err zoo_build(const struct zoo_recipe *recipe, double scale, struct onnx_graph *graph,
                         struct detail *detail);
struct zoo_count zoo_count_graph(const struct onnx_graph *graph);

/* ---- recommendation (DeepRecSys, models/configs/) */

enum { STACK_MAX = 4, WIDE_DEEP_GROUPS = 2 };

/* Stacks are layers' widths, ended by 0. */
struct dlrm_config {
    unsigned dense; /* features */
    unsigned bottom[STACK_MAX];
    struct table_group tables;
    unsigned top[STACK_MAX];
};
struct wide_deep_config {
    unsigned dense;
    struct table_group tables[WIDE_DEEP_GROUPS]; /* the second may have no tables */
    unsigned top[STACK_MAX];
    unsigned task[STACK_MAX]; /* of the one task of the multi-task form */
};
struct din_config {
    unsigned behavior_tables;
};
zoo_build_fn dlrm_build, wide_deep_build, ncf_build, din_build, dien_build;

/* ---- image classification */

struct mobilenet_config {
    double multiplier; /* of the number of channels */
    unsigned pixels;
};
struct resnet_config {
    unsigned units[4]; /* per stage */
};
zoo_build_fn mobilenet_v1_build, mobilenet_v2_build; /* struct mobilenet_config */
zoo_build_fn resnet_v1_build, resnet_v2_build;       /* struct resnet_config */
zoo_build_fn inception_v1_build, inception_v2_build, inception_v3_build, inception_v4_build;
zoo_build_fn squeezenet_build;

#endif
