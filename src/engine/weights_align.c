/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/weights_align.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <onnx.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"

static const uint64_t small_alignment_bytes = 64;  /* a cache line, and the widest vector */
static const uint64_t page_alignment_bytes = 4096; /* for what is at least that long */
static const size_t graph_bytes_max = (size_t)1 << 31;
enum {
    COPY_BYTES = 1 << 14, /* nobody else has the core meanwhile */
    FLUSH_BYTES = 1 << 20,
    AHEAD_BYTES = 8 << 20, /* of the disk */
};

struct mover {
    int from, to;
    const char *path; /* of the weights, for messages */
    uint64_t end;     /* of what has been written */
    uint64_t flushed; /* so much of it is on its way to the disk */
};

/*
 * Sends on to the disk what was written so far, piece by piece and not more than a few ahead of it:
 * otherwise the kernel does it in the end and at once, in threads of its own that nobody outranks.
 */
static void mover_flush(struct mover *mover, uint64_t end)
{
    if (end - mover->flushed < FLUSH_BYTES) {
        return;
    }
    (void)sync_file_range(mover->to, (off_t)mover->flushed, (off_t)(end - mover->flushed),
                          SYNC_FILE_RANGE_WRITE);
    if (mover->flushed > AHEAD_BYTES) {
        (void)sync_file_range(mover->to, 0, (off_t)(mover->flushed - AHEAD_BYTES),
                              SYNC_FILE_RANGE_WAIT_BEFORE);
    }
    mover->flushed = end;
}

/* Copies a range to the next aligned place; `offset` becomes its new one. */
static enum roost_err mover_take(struct mover *mover, uint64_t *offset, uint64_t length,
                                 struct detail *detail)
{
    char buffer[COPY_BYTES];
    uint64_t alignment = length >= page_alignment_bytes ? page_alignment_bytes
                                                        : small_alignment_bytes;
    uint64_t place = (mover->end + alignment - 1) / alignment * alignment;
    for (uint64_t done = 0; done < length;) {
        size_t part = length - done < sizeof buffer ? (size_t)(length - done) : sizeof buffer;
        ssize_t got = pread(mover->from, buffer, part, (off_t)(*offset + done));
        if (got <= 0) {
            return got < 0 ? errno_translate(errno, mover->path, detail)
                           : detail_set(detail, ROOST_INVALID, "%s is shorter than its graph says",
                                        mover->path);
        }
        if (pwrite(mover->to, buffer, (size_t)got, (off_t)(place + done)) != got) {
            return errno_translate(errno, mover->path, detail);
        }
        done += (uint64_t)got;
        mover_flush(mover, place + done);
    }
    *offset = place;
    mover->end = place + length;
    return ROOST_OK;
}

/* Replaces the text of an entry, which the unpacked message owns. */
static enum roost_err entry_set(Onnx__StringStringEntryProto *entry, const char *text,
                                struct detail *detail)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    free(entry->value);
    entry->value = copy;
    return ROOST_OK;
}

static Onnx__StringStringEntryProto *tensor_entry(const Onnx__TensorProto *tensor, const char *key)
{
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        if (strcmp(tensor->external_data[i]->key, key) == 0) {
            return tensor->external_data[i];
        }
    }
    return NULL;
}

/* "KEY|offset;length;checksum|offset;length;checksum...": moves every buffer. */
static enum roost_err prepacked_move(struct mover *mover, Onnx__StringStringEntryProto *entry,
                                     struct detail *detail)
{
    struct strbuf text;
    strbuf_init(&text);
    const char *at = strchr(entry->value, '|');
    enum roost_err err = ROOST_OK;
    if (at != NULL) {
        strbuf_append(&text, entry->value, (size_t)(at - entry->value));
    }
    while (at != NULL && err == ROOST_OK) {
        uint64_t offset, length;
        int used = 0;
        if (sscanf(at, "|%" SCNu64 ";%" SCNu64 "%n", &offset, &length, &used) != 2) {
            err = detail_set(detail, ROOST_INVALID, "%s: unknown form of prepacked weights '%s'",
                             mover->path, entry->value);
            break;
        }
        const char *rest = at + used;
        at = strchr(rest, '|');
        size_t rest_bytes = at == NULL ? strlen(rest) : (size_t)(at - rest);
        err = mover_take(mover, &offset, length, detail);
        strbuf_printf(&text, "|%" PRIu64 ";%" PRIu64, offset, length);
        strbuf_append(&text, rest, rest_bytes);
    }
    if (err == ROOST_OK && text.length > 0) {
        err = entry_set(entry, strbuf_text(&text), detail);
    }
    strbuf_fini(&text);
    return err;
}

static enum roost_err tensor_move(struct mover *mover, const Onnx__TensorProto *tensor,
                                  struct detail *detail)
{
    Onnx__StringStringEntryProto *place = tensor_entry(tensor, "offset");
    const Onnx__StringStringEntryProto *size = tensor_entry(tensor, "length");
    if (place == NULL || size == NULL) {
        return detail_set(detail, ROOST_INVALID, "%s: a tensor without offset or length",
                          mover->path);
    }
    uint64_t offset = strtoull(place->value, NULL, 10), length = strtoull(size->value, NULL, 10);
    enum roost_err err = mover_take(mover, &offset, length, detail);
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, offset);
    if (err == ROOST_OK) {
        err = entry_set(place, text, detail);
    }
    for (size_t i = 0; i < tensor->n_external_data && err == ROOST_OK; i++) {
        if (strncmp(tensor->external_data[i]->key, "prepacked_", 10) == 0) {
            err = prepacked_move(mover, tensor->external_data[i], detail);
        }
    }
    return err;
}

/* Weights of the graph and of the graphs inside its nodes (If, Loop, Scan). */
static enum roost_err graph_move(struct mover *mover, const Onnx__GraphProto *graph,
                                 struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (size_t i = 0; i < graph->n_initializer && err == ROOST_OK; i++) {
        if (graph->initializer[i]->n_external_data > 0) {
            err = tensor_move(mover, graph->initializer[i], detail);
        }
    }
    for (size_t n = 0; n < graph->n_node; n++) {
        const Onnx__NodeProto *node = graph->node[n];
        for (size_t a = 0; a < node->n_attribute && err == ROOST_OK; a++) {
            if (node->attribute[a]->g != NULL) {
                err = graph_move(mover, node->attribute[a]->g, detail);
            }
        }
    }
    return err;
}

static enum roost_err model_write(const char *path, const Onnx__ModelProto *model,
                                  struct detail *detail)
{
    size_t length = onnx__model_proto__get_packed_size(model);
    uint8_t *packed = malloc(length);
    if (packed == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    onnx__model_proto__pack(model, packed);
    enum roost_err err = file_write_atomic(path, packed, length, detail);
    free(packed);
    return err;
}

/* What is read and will not be again; a large file that is removed at once holds the core. */
static void weights_shrink(const struct mover *mover)
{
    struct stat status;
    if (mover->from < 0 || fstat(mover->from, &status) != 0) {
        return;
    }
    for (off_t end = status.st_size; end > 0;) {
        end = end > FLUSH_BYTES ? end - FLUSH_BYTES : 0;
        (void)ftruncate(mover->from, end);
    }
}

static enum roost_err weights_rewrite(const char *model_path, const char *weights_path,
                                      const Onnx__ModelProto *model, struct detail *detail)
{
    char aligned_path[FILE_PATH_BYTES_MAX];
    snprintf(aligned_path, sizeof aligned_path, "%s.aligned", weights_path);
    struct mover mover = {.path = weights_path};
    mover.from = open(weights_path, O_RDWR | O_CLOEXEC);
    mover.to = open(aligned_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enum roost_err err = ROOST_OK;
    if (mover.from < 0 || mover.to < 0) {
        err = errno_translate(errno, mover.from < 0 ? weights_path : aligned_path, detail);
    }
    if (err == ROOST_OK) {
        err = graph_move(&mover, model->graph, detail);
    }
    if (err == ROOST_OK) {
        weights_shrink(&mover);
    }
    if (err == ROOST_OK && rename(aligned_path, weights_path) != 0) {
        err = errno_translate(errno, weights_path, detail);
    }
    if (err == ROOST_OK) {
        err = model_write(model_path, model, detail);
    } else {
        (void)unlink(aligned_path);
    }
    if (mover.from >= 0) {
        close(mover.from);
    }
    if (mover.to >= 0) {
        close(mover.to);
    }
    return err;
}

enum roost_err weights_align(const char *model_path, const char *weights_path,
                             struct detail *detail)
{
    char *data;
    size_t length;
    if (!file_exists(weights_path)) {
        return ROOST_OK;
    }
    enum roost_err err = file_read(model_path, graph_bytes_max, &data, &length, detail);
    if (err != ROOST_OK) {
        return err;
    }
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, length, (const uint8_t *)data);
    free(data);
    if (model == NULL || model->graph == NULL) {
        err = detail_set(detail, ROOST_INVALID, "%s: not an ONNX graph", model_path);
    } else {
        err = weights_rewrite(model_path, weights_path, model, detail);
    }
    if (model != NULL) {
        onnx__model_proto__free_unpacked(model, NULL);
    }
    return err;
}
