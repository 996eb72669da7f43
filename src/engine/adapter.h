/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters: a variant whose graph differs from its tenant's signature gets ONNX nodes before its
 * inputs and after its outputs, so that every variant of a tenant takes and gives the same tensors.
 *
 *   input ─► Resize ─► (x - mean) * scale ─► Transpose ─► graph ─► Gather ─► output
 *
 * Parses a model file, so it runs only inside the sandboxed process that optimises models. The
 * settings are one flat piece of memory that can be handed to that process as it is.
 */
#ifndef ROOST_ENGINE_ADAPTER_H
#define ROOST_ENGINE_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/file.h"
#include "core/tensor.h"

enum { ADAPTER_CHANNELS_MAX = 4 };

enum adapter_layout { LAYOUT_KEEP, LAYOUT_NCHW_TO_NHWC, LAYOUT_NHWC_TO_NCHW };

struct adapter_settings {
    bool present;
    int64_t resize_height, resize_width; /* 0: no resize */
    bool normalise;                      /* (x - mean) * scale, per channel */
    unsigned channels;                   /* of mean and scale */
    double mean[ADAPTER_CHANNELS_MAX], scale[ADAPTER_CHANNELS_MAX];
    enum adapter_layout layout; /* from the tenant's to the variant's */
    /* The variant's names for the tenant's first input and output; "": its first ones. */
    char input_name[TENSOR_NAME_BYTES_MAX], output_name[TENSOR_NAME_BYTES_MAX];
    /* "", "drop_first" (1,001 -> 1,000 classes), or a file with one source index per line. */
    char output_map[FILE_PATH_BYTES_MAX];
};

/*
 * Writes `<directory>/model.onnx`, as the last file: the model at `model_path` behind its adapter,
 * taking and giving what `want` says (shapes with their batch dimension, as a graph has them).
 * External data stays external: its files are linked into the directory, or copied where they
 * cannot be. Inputs and outputs other than the first must have the same names in both. INVALID when
 * the model is broken or the adapter does not make it fit, with both shapes; UNSUPPORTED for
 * operator sets that are too old; NOT_FOUND, PERMISSION, IO, NO_MEMORY. Blocks; memory of a few
 * times the file's size.
 */
enum roost_err adapter_build(const char *model_path, const struct adapter_settings *settings,
                             const struct model_io *want, const char *directory,
                             struct detail *detail);

#endif
