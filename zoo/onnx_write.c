/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo/onnx_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/file.h"
#include "base/rng.h"

enum {
    PAGE_BYTES = 4096,
    INLINE_TOTAL_BYTES_MAX = 1 << 20, /* of all weights: above it the large ones go to a file */
    INLINE_BYTES_MAX = 16 << 10,      /* of one weight then: padding would dwarf smaller ones */
    CHUNK_FLOATS = 64 << 10,
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX stores little-endian values");

#define DATA_NAME "model.onnx.data"

static void entry_set(struct onnx_graph *graph, Onnx__TensorProto *proto, const char *key,
                      char *value)
{
    Onnx__StringStringEntryProto *entry = graph_memory(graph, sizeof(*entry));
    onnx__string_string_entry_proto__init(entry);
    entry->key = graph_text(graph, "%s", key);
    entry->value = value;
    proto->external_data[proto->n_external_data++] = entry;
}

static void weight_place_outside(struct onnx_graph *graph, Onnx__TensorProto *proto,
                                 uint64_t offset, uint64_t bytes)
{
    proto->has_data_location = true;
    proto->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    proto->external_data = graph_memory(graph, 3 * sizeof(*proto->external_data));
    entry_set(graph, proto, "location", graph_text(graph, DATA_NAME));
    entry_set(graph, proto, "offset", graph_text(graph, "%llu", (unsigned long long)offset));
    entry_set(graph, proto, "length", graph_text(graph, "%llu", (unsigned long long)bytes));
}

static bool weight_is_outside(const struct onnx_graph *graph, const struct graph_weight *weight)
{
    return graph->graph.initializer[weight->index]->has_data_location;
}

static uint64_t weight_bytes(const struct graph_weight *weight)
{
    return weight->elements * sizeof(float);
}

/* Where the next weight starts when the last one ended at `end`. */
static uint64_t page_after(uint64_t end)
{
    return (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

struct graph_files graph_place(struct onnx_graph *graph)
{
    struct graph_files files = {0, 0};
    uint64_t total = 0;
    for (unsigned i = 0; i < graph->weight_count; i++)
        total += weight_bytes(&graph->weights[i]);
    for (unsigned i = 0; i < graph->weight_count; i++) {
        const struct graph_weight *weight = &graph->weights[i];
        Onnx__TensorProto *proto = graph->graph.initializer[weight->index];
        uint64_t bytes = weight_bytes(weight);
        if (total > INLINE_TOTAL_BYTES_MAX && bytes >= INLINE_BYTES_MAX) {
            uint64_t offset = page_after(files.data_bytes);
            weight_place_outside(graph, proto, offset, bytes);
            files.data_bytes = offset + bytes;
        } else {
            proto->has_raw_data = true;
            proto->raw_data.len = bytes;
        }
    }
    files.model_bytes = onnx__model_proto__get_packed_size(&graph->model);
    return files;
}

/* FNV-1a over "graph/weight". */
static uint64_t weight_seed(const struct onnx_graph *graph, const struct graph_weight *weight)
{
    const char *parts[] = {graph->graph.name, "/", weight->name};
    uint64_t hash = UINT64_C(14695981039346656037);
    for (unsigned i = 0; i < 3; i++) {
        for (const char *c = parts[i]; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    return hash;
}

/*
 * Sums of four random bytes, four of them from two draws of 64 bits: near enough to normal, exact
 * in integers and so alike on every machine, and fast enough that the disk is what one waits for.
 */
static void weight_values(struct rng *rng, struct weight_fill fill, float *values, size_t count)
{
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    const float sum_deviation = 147.8F; /* sqrt(4 * (256^2 - 1) / 12) */
    const int sum_mean = 4 * 255 / 2;
    float step = fill.deviation / sum_deviation;
    for (size_t i = 0; i < count; i += 4) {
        uint64_t a = rng_next(rng), b = rng_next(rng);
        uint64_t sums = (a & even) + (a >> 8 & even) + (b & even) + (b >> 8 & even);
        for (size_t lane = 0; lane < 4 && i + lane < count; lane++) {
            int sum = (int)(sums >> (16 * lane) & 0xffff);
            values[i + lane] = fill.mean + step * (float)(sum - sum_mean);
        }
    }
}

static enum roost_err write_all(int fd, const char *path, const void *data, size_t bytes,
                                uint64_t offset, struct detail *detail)
{
    const char *next = data;
    while (bytes > 0) {
        ssize_t done = pwrite(fd, next, bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno_translate(errno, path, detail);
        next += done;
        offset += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return ROOST_OK;
}

/* What the weights that lie in a file have in common. */
struct data_file {
    const char *path;
    int fd;
    float *chunk;
    graph_progress_fn *progress;
    void *context;
};

static enum roost_err weight_write(struct data_file *file, const struct onnx_graph *graph,
                                   const struct graph_weight *weight, uint64_t offset,
                                   struct detail *detail)
{
    struct rng rng;
    rng_seed(&rng, weight_seed(graph, weight));
    for (uint64_t done = 0; done < weight->elements;) {
        uint64_t left = weight->elements - done;
        size_t count = left < CHUNK_FLOATS ? (size_t)left : CHUNK_FLOATS;
        weight_values(&rng, weight->fill, file->chunk, count);
        enum roost_err err = write_all(file->fd, file->path, file->chunk, count * sizeof(float),
                                       offset + done * sizeof(float), detail);
        if (err != ROOST_OK)
            return err;
        done += count;
        if (file->progress != NULL)
            file->progress(file->context, offset + done * sizeof(float));
    }
    return ROOST_OK;
}

static enum roost_err data_write(const struct onnx_graph *graph, struct data_file *file,
                                 struct detail *detail)
{
    uint64_t offset = 0;
    for (unsigned i = 0; i < graph->weight_count; i++) {
        const struct graph_weight *weight = &graph->weights[i];
        if (!weight_is_outside(graph, weight))
            continue;
        offset = page_after(offset);
        enum roost_err err = weight_write(file, graph, weight, offset, detail);
        if (err != ROOST_OK)
            return err;
        offset += weight_bytes(weight);
    }
    return ROOST_OK;
}

static enum roost_err data_file_write(const struct onnx_graph *graph, const char *directory,
                                      graph_progress_fn *progress, void *context,
                                      struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    if (!path_join(path, sizeof(path), directory, DATA_NAME))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long", directory);
    struct data_file file = {.path = path, .fd = -1, .progress = progress, .context = context};
    enum roost_err err = ROOST_OK;
    file.chunk = malloc(CHUNK_FLOATS * sizeof(float));
    if (file.chunk == NULL) {
        err = detail_set(detail, ROOST_NO_MEMORY, "%s: no memory to write it with", path);
        goto out;
    }
    file.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file.fd < 0) {
        err = errno_translate(errno, path, detail);
        goto out;
    }
    err = data_write(graph, &file, detail);
out:
    if (file.fd >= 0 && close(file.fd) != 0 && err == ROOST_OK)
        err = errno_translate(errno, path, detail);
    free(file.chunk);
    return err;
}

/* Gives every weight that stays in the model its values; *values is the caller's (free). */
static enum roost_err inline_fill(struct onnx_graph *graph, float **values, struct detail *detail)
{
    uint64_t elements = 0;
    for (unsigned i = 0; i < graph->weight_count; i++) {
        if (!weight_is_outside(graph, &graph->weights[i]))
            elements += graph->weights[i].elements;
    }
    float *next = malloc((elements + 1) * sizeof(float));
    *values = next;
    if (next == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for weights", graph->graph.name);
    for (unsigned i = 0; i < graph->weight_count; i++) {
        const struct graph_weight *weight = &graph->weights[i];
        if (weight_is_outside(graph, weight))
            continue;
        struct rng rng;
        rng_seed(&rng, weight_seed(graph, weight));
        weight_values(&rng, weight->fill, next, weight->elements);
        graph->graph.initializer[weight->index]->raw_data.data = (uint8_t *)next;
        next += weight->elements;
    }
    return ROOST_OK;
}

enum roost_err graph_write(struct onnx_graph *graph, const struct graph_files *files,
                           const char *directory, graph_progress_fn *progress, void *context,
                           struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    float *values = NULL;
    uint8_t *packed = NULL;
    enum roost_err err = ROOST_OK;
    if (!path_join(path, sizeof(path), directory, "model.onnx"))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long", directory);
    if (files->data_bytes > 0)
        err = data_file_write(graph, directory, progress, context, detail);
    if (err == ROOST_OK)
        err = inline_fill(graph, &values, detail);
    if (err != ROOST_OK)
        goto out;
    packed = malloc(files->model_bytes);
    if (packed == NULL) {
        err = detail_set(detail, ROOST_NO_MEMORY, "%s: no memory to pack it", path);
        goto out;
    }
    size_t length = onnx__model_proto__pack(&graph->model, packed);
    roost_assert(length == files->model_bytes);
    err = file_write_atomic(path, packed, length, detail);
out:
    free(packed);
    free(values);
    return err;
}
