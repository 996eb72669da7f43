/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ort.h"

#include "engine/ort_internal.h"

const struct engine_ops engine_ort = {
    .name = "onnxruntime",
    .summary = "ONNX Runtime on the CPU, loaded at run time",
    .open = ort_open,
    .version = ort_version,
    .optimise = ort_optimise,
    .load = ort_load,
    .unload = ort_unload,
    .describe = ort_describe,
    .metadata = ort_metadata,
    .context_open = ort_context_open,
    .context_close = ort_context_close,
    .run = ort_run,
    .terminate = ort_terminate,
    .rest = ort_rest,
};
