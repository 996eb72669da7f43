/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers as networks are described in: several ONNX nodes and their weights under one name. Weights
 * get variances that keep activations near one however deep the network is (He et al. 2015).
 */
#ifndef ROOST_ZOO_LAYERS_H
#define ROOST_ZOO_LAYERS_H

#include "zoo/onnx_ops.h"

/* ---- images */

struct norm_style {
    float epsilon;
    bool scaled; /* has a learned scale; slim's Inception networks have none */
};

enum activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_RELU6, ACTIVATION_SIGMOID };

struct conv_spec {
    unsigned filters; /* of a depthwise convolution: outputs per channel */
    struct window window;
    bool depthwise;
    bool bias;
    const struct norm_style *norm; /* (optional) */
    enum activation activation;
    float gain; /* multiplies the weights' deviation; 0 means 1 */
};

/* The input "input", float [N,3,pixels,pixels]. */
int layer_image(struct onnx_graph *graph, unsigned pixels);
/* Convolution, then bias, normalisation and activation as far as the specification has them. */
int layer_conv(struct onnx_graph *graph, const char *name, int x, const struct conv_spec *spec);
int layer_norm(struct onnx_graph *graph, const char *name, int x, const struct norm_style *style);
int layer_activation(struct onnx_graph *graph, const char *name, int x, enum activation kind);
/* Average over the image, one layer, softmax: the output "probabilities" [N,classes]. */
void layer_classifier(struct onnx_graph *graph, int x, unsigned classes);
/* The last step of it alone, for x [N,classes]. */
void layer_probabilities(struct onnx_graph *graph, int x);

/* ---- recommendation */

/* What a layer's weights are filled with, so that activations keep their size. */
struct weight_fill weight_fill_for(uint64_t fan_in, enum activation activation);
/* The input "dense", float [N,count]. */
int layer_features(struct onnx_graph *graph, unsigned count);
/* x [N,K] -> [N,units], activation included. */
int layer_dense(struct onnx_graph *graph, const char *name, int x, unsigned units,
                enum activation activation);
/* Layers of units[0], units[1], ... until 0; all with ReLU but the last, which gets `last`. */
int layer_stack(struct onnx_graph *graph, const char *name, int x, const unsigned *units,
                enum activation last);
/* x [N,K] as the model's output "output". */
void layer_answer(struct onnx_graph *graph, int x, const char *doc);

/* Embedding tables of equal size that one input feeds. */
struct table_group {
    const char *input;
    unsigned tables;
    uint64_t rows; /* at scale 1 */
    unsigned dimension;
    unsigned lookups; /* per table and item, pooled by sum */
};

enum { TABLE_ROWS_MIN = 16 };

/* Adds the group's input, int64 [N,tables,lookups], with its range in the metadata, and returns the
 * pooled vectors [N,tables,dimension]. */
int layer_embedding(struct onnx_graph *graph, const struct table_group *group, double scale);

/* [N,tables,dimension] -> [N,tables*dimension] */
int layer_flatten(struct onnx_graph *graph, const char *name, int x);

#endif
