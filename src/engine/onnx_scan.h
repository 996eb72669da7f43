/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the files that an ONNX graph keeps its weights in, without making objects of the graph: it
 * walks the file's protobuf fields and skips all that is not on the way. The file may be anybody's;
 * whatever it holds, the scan stays inside it and ends. Any thread.
 */
#ifndef ROOST_ENGINE_ONNX_SCAN_H
#define ROOST_ENGINE_ONNX_SCAN_H

#include <stddef.h>

#include "base/detail.h"

enum { ONNX_FILES_MAX = 256, ONNX_FILE_NAME_BYTES_MAX = 256 };

/* Names relative to the model's directory, each once, sorted. */
struct onnx_files {
    size_t count;
    char names[ONNX_FILES_MAX][ONNX_FILE_NAME_BYTES_MAX];
};

/* INVALID when it is no protobuf, nested too deep, names a file outside the model's directory or
 * an unreasonable one; TOO_LARGE beyond ONNX_FILES_MAX. `files` is then undefined. */
enum roost_err onnx_files_scan(const void *data, size_t bytes, struct onnx_files *files,
                               struct detail *detail);

/* The same of a file. It is read in pieces and not mapped, since a mapped file that somebody cuts
 * short meanwhile ends the process that looks at it. Blocks. NOT_FOUND, PERMISSION, IO as well. */
enum roost_err onnx_files_read(const char *path, struct onnx_files *files, struct detail *detail);

#endif
