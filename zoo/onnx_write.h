/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a graph to files: model.onnx, and model.onnx.data with the large weights when all of them
 * together are more than a megabyte. Their offsets are multiples of the page size, so that an
 * engine can map them. Values come from a generator seeded by the names of graph and weight, so
 * they depend neither on the order of weights nor on the machine, and are made while they are
 * written: a model of 4 GB takes a few megabytes of memory.
 */
#ifndef ROOST_ZOO_ONNX_WRITE_H
#define ROOST_ZOO_ONNX_WRITE_H

#include "zoo/onnx_graph.h"

struct graph_files {
    uint64_t model_bytes;
    uint64_t data_bytes; /* 0: no such file */
};

/* Told while weights are written; `done` counts up to data_bytes. */
typedef void graph_progress_fn(void *context, uint64_t bytes_done);

/* Decides where each weight goes and how large the files become. Once, when the graph is whole. */
struct graph_files graph_place(struct onnx_graph *graph);

/* Writes into an existing directory; blocks. IO, PERMISSION, NO_MEMORY. `progress` is optional. */
enum roost_err graph_write(struct onnx_graph *graph, const struct graph_files *files,
                           const char *directory, graph_progress_fn *progress, void *context,
                           struct detail *detail);

#endif
