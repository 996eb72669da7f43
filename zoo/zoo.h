/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zoo: real ONNX graphs with deterministic pseudo-random weights, for demos, tests and
 * benchmarks.
 *
 * Two families. The eight recommendation models of DeepRecSys (Gupta et al., ISCA 2020) with the
 * shapes of its published configurations, and a ladder of image classifiers with the graphs of
 * TF-Slim and torchvision. The weights are made up, so what a model answers means nothing and its
 * accuracy is nominal: that of the published, trained network. Shapes, parameter counts and work
 * per item are real, and counted on the graph that is written.
 *
 * zoo_make blocks (files up to 4 GB); everything else is quick. Any thread may call; two makes in
 * the same directory, also from two processes, wait for each other. Nothing here runs a model.
 */
#ifndef ROOST_ZOO_ZOO_H
#define ROOST_ZOO_ZOO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/file.h"

/* Raised whenever a model would come out different, so that old files are made again. */
enum { ZOO_GENERATOR_VERSION = 1 };

enum zoo_kind { ZOO_RECOMMENDATION, ZOO_CLASSIFIER };

/* What a published number of parameters counts; reports differ in these. */
enum zoo_convention {
    ZOO_PARAMS_TRAINABLE, /* weights, biases, batch normalisation's scale and shift */
    ZOO_PARAMS_STORED,    /* and its moving mean and variance */
};

struct zoo_model {
    const char *name; /* also the directory's name and the name in config.pbtxt */
    enum zoo_kind kind;
    const char *summary;       /* one line */
    double accuracy;           /* nominal top-1 of the trained network, 0..1; < 0: not defined */
    double accuracy_top5;      /* the same for top-5 */
    uint64_t params_published; /* at scale 1 */
    enum zoo_convention params_convention;
    const char *params_source;
    unsigned max_batch_size; /* that config.pbtxt gets */
};

/* The models in the order in which they are listed; NULL beyond the last. Static data. */
const struct zoo_model *zoo_at(size_t index);
const struct zoo_model *zoo_find(const char *name); /* NULL when there is none of this name */
const char *zoo_kind_name(enum zoo_kind kind);      /* "recommendation", "classifier" */

struct zoo_count {
    uint64_t params_trainable;
    uint64_t params_stored;    /* >= params_trainable, see enum zoo_convention */
    uint64_t embedding_params; /* of params_trainable, those in embedding tables */
    uint64_t flops_per_item;   /* 2 x multiply-adds of convolutions, layers and recurrences */
    uint64_t gathered_bytes_per_item; /* that the embedding look-ups of one item read */
    uint64_t weight_bytes;
    unsigned nodes;
};

/* Builds the graph in memory and counts it. `scale` in (0, 1] multiplies the rows of every
 * embedding table (at least 16 are left) and means nothing to classifiers. INVALID, NO_MEMORY. */
enum roost_err zoo_count(const struct zoo_model *model, double scale, struct zoo_count *count,
                         struct detail *detail);

/* Told now and then while weights are written, the last time with done == total. */
typedef void zoo_progress_fn(void *context, const struct zoo_model *model, uint64_t bytes_done,
                             uint64_t bytes_total);

struct zoo_request {
    const char *directory; /* the model repository; made if it is absent */
    const char *model;
    double scale; /* as for zoo_count */
    bool force;   /* write again what is there and up to date, or was not made by the zoo */
    zoo_progress_fn *progress; /* (optional) */
    void *context;             /* of progress */
};

struct zoo_made {
    bool skipped; /* it was there already, made alike */
    uint64_t bytes;
    char path[FILE_PATH_BYTES_MAX]; /* <directory>/<model> */
};

/*
 * Makes one model in the layout of a Triton model repository:
 *
 *   <directory>/<model>/config.pbtxt
 *   <directory>/<model>/labels.txt          classifiers
 *   <directory>/<model>/zoo.stamp           what it was made from
 *   <directory>/<model>/1/model.onnx
 *   <directory>/<model>/1/model.onnx.data   weights, where they are more than 1 MB
 *
 * A model that is there with the same stamp is left alone, edits of its config.pbtxt included. Else
 * it is written to a hidden directory and takes its place in one rename, so that a reader sees the
 * old model or the new one. `made` is optional. NOT_FOUND: no such model. EXISTS: a directory of
 * that name which the zoo did not make. INVALID, IO, PERMISSION, NO_MEMORY.
 */
enum roost_err zoo_make(const struct zoo_request *request, struct zoo_made *made,
                        struct detail *detail);

#endif
