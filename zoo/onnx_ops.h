/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ONNX operators that the zoo uses: each adds one node, infers the shape of its output, counts
 * its work per item (2 FLOPs per multiply-add; everything else is free), and returns the output.
 * `name` names the node and its output. Shapes that do not fit together assert.
 */
#ifndef ROOST_ZOO_ONNX_OPS_H
#define ROOST_ZOO_ONNX_OPS_H

#include "zoo/onnx_graph.h"

enum padding {
    PADDING_VALID, /* none */
    PADDING_SAME,  /* TensorFlow's: output = ceil(input / stride), the odd pixel at the end */
    PADDING_FIXED, /* (kernel - 1) / 2 on both sides, as PyTorch and slim's conv2d_same have it */
};

/* A sliding window over height and width. */
struct window {
    unsigned height, width, stride;
    enum padding padding;
};

enum { OP_LEFT_OUT = -1 };

/* x [N,C,H,W], weight [M,C/groups,height,width], bias [M] or OP_LEFT_OUT -> [N,M,H',W'] */
int op_conv(struct onnx_graph *graph, const char *name, int x, int weight, int bias,
            struct window window, unsigned groups);
int op_batch_norm(struct onnx_graph *graph, const char *name, int x, const int statistics[4],
                  float epsilon);
int op_max_pool(struct onnx_graph *graph, const char *name, int x, struct window window);
int op_average_pool(struct onnx_graph *graph, const char *name, int x, struct window window);
int op_global_average_pool(struct onnx_graph *graph, const char *name, int x);

/* "Relu", "Sigmoid", "Tanh": whatever keeps the shape and has no attributes. */
int op_activation(struct onnx_graph *graph, const char *op, const char *name, int x);
int op_clip(struct onnx_graph *graph, const char *name, int x, float low, float high);
int op_softmax(struct onnx_graph *graph, const char *name, int x, int axis);
int op_add(struct onnx_graph *graph, const char *name, int a, int b); /* broadcasts */

/* x [N,K], weight [M,K], bias [M] -> [N,M] */
int op_gemm(struct onnx_graph *graph, const char *name, int x, int weight, int bias);
/* [...,M,K] x [...,K,P] -> [...,M,P]; leading dimensions broadcast. */
int op_matmul(struct onnx_graph *graph, const char *name, int a, int b);
/* x [T,N,K]; weights [1,H,K], [1,H,H] of the recurrence, biases [1,2H]; tanh. outputs[0] are all
 * states [T,1,N,H], outputs[1] the last [1,N,H]. */
void op_rnn(struct onnx_graph *graph, const char *name, int x, const int weights[3],
            int outputs[2]);

/* Rows of `table` [R,D] at indices [...] -> [...,D]; counts the bytes read. */
int op_gather_rows(struct onnx_graph *graph, const char *name, int table, int indices);
int op_reduce_sum(struct onnx_graph *graph, const char *name, int x, unsigned axis);
int op_concat(struct onnx_graph *graph, const char *name, const int *xs, unsigned count, int axis);
void op_split(struct onnx_graph *graph, const char *name, int x, unsigned axis,
              const int64_t *sizes, unsigned count, int *outputs);
int op_reshape(struct onnx_graph *graph, const char *name, int x, struct graph_shape shape);
int op_transpose(struct onnx_graph *graph, const char *name, int x, const int64_t *permutation);
int op_expand(struct onnx_graph *graph, const char *name, int x, struct graph_shape shape);

#endif
