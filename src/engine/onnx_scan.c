/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* Control flow nests graphs in attributes; real models use a handful of levels. */
enum { MESSAGE_DEPTH_MAX = 64, WINDOW_BYTES = 4096 };

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* The messages of onnx.proto through which one gets to a tensor. */
enum message { MODEL, GRAPH, NODE, ATTRIBUTE, FUNCTION, SPARSE_TENSOR, TENSOR };

struct edge {
    enum message from;
    uint32_t field;
    enum message to;
};

static const struct edge edges[] = {
    {MODEL, 7, GRAPH},              /* graph */
    {MODEL, 25, FUNCTION},          /* functions */
    {GRAPH, 1, NODE},               /* node */
    {GRAPH, 5, TENSOR},             /* initializer */
    {GRAPH, 15, SPARSE_TENSOR},     /* sparse_initializer */
    {NODE, 5, ATTRIBUTE},           /* attribute */
    {ATTRIBUTE, 5, TENSOR},         /* t */
    {ATTRIBUTE, 6, GRAPH},          /* g */
    {ATTRIBUTE, 10, TENSOR},        /* tensors */
    {ATTRIBUTE, 11, GRAPH},         /* graphs */
    {ATTRIBUTE, 22, SPARSE_TENSOR}, /* sparse_tensor */
    {ATTRIBUTE, 23, SPARSE_TENSOR}, /* sparse_tensors */
    {FUNCTION, 7, NODE},            /* node */
    {FUNCTION, 11, ATTRIBUTE},      /* attribute_proto */
    {SPARSE_TENSOR, 1, TENSOR},     /* values */
    {SPARSE_TENSOR, 2, TENSOR},     /* indices */
};

/* TensorProto's and StringStringEntryProto's fields. */
enum { TENSOR_EXTERNAL_DATA = 13, TENSOR_DATA_LOCATION = 14, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { LOCATION_EXTERNAL = 1 };

/* Where bytes come from: all of them are in the window, or a file fills it where one looks. */
struct source {
    int fd; /* -1: memory */
    const unsigned char *window;
    uint64_t window_at;
    size_t window_bytes;
    int error; /* errno of a read, ENODATA at an early end */
    unsigned char buffer[WINDOW_BYTES];
};

/* A piece of the source by its offsets. */
struct span {
    uint64_t at, end;
};

struct field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;    /* WIRE_VARINT */
    struct span bytes; /* WIRE_BYTES */
};

static bool window_move(struct source *source, uint64_t at)
{
    ssize_t got = -1;
    errno = ENODATA;
    if (source->fd >= 0) {
        do {
            got = pread(source->fd, source->buffer, sizeof(source->buffer), (off_t)at);
        } while (got < 0 && errno == EINTR);
    }
    if (got <= 0) {
        source->error = got < 0 ? errno : ENODATA;
        return false;
    }
    source->window = source->buffer;
    source->window_at = at;
    source->window_bytes = (size_t)got;
    return true;
}

/* Copies what the span holds, which fits `out`. */
static bool bytes_get(struct source *source, struct span span, unsigned char *out)
{
    for (; span.at < span.end; span.at++) {
        uint64_t inside = span.at - source->window_at;
        if (inside >= source->window_bytes) {
            if (!window_move(source, span.at))
                return false;
            inside = 0;
        }
        *out++ = source->window[inside];
    }
    return true;
}

static bool varint_next(struct source *source, struct span *span, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && span->at < span->end; shift += 7) {
        unsigned char byte;
        if (!bytes_get(source, (struct span){span->at, span->at + 1}, &byte))
            return false;
        span->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

/* Takes the next field off the span; false when what is there is no field. */
static bool field_next(struct source *source, struct span *span, struct field *field)
{
    uint64_t tag;
    uint64_t length = 0;
    *field = (struct field){0};
    if (!varint_next(source, span, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return false;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    switch (field->type) {
    case WIRE_VARINT:
        return varint_next(source, span, &field->value);
    case WIRE_FIXED64:
        length = 8;
        break;
    case WIRE_FIXED32:
        length = 4;
        break;
    case WIRE_BYTES:
        if (!varint_next(source, span, &length))
            return false;
        break;
    default:
        return false;
    }
    if (length > span->end - span->at)
        return false;
    field->bytes = (struct span){span->at, span->at + length};
    span->at += length;
    return true;
}

static enum roost_err broken(const struct source *source, struct detail *detail)
{
    if (source->error != 0 && source->error != ENODATA)
        return errno_translate(source->error, "reading", detail);
    return detail_set(detail, ROOST_INVALID, "not an ONNX model: its protobuf is broken");
}

/* Neither absolute nor through "..": what is below the directory by its name alone. */
static bool name_stays_inside(const char *name)
{
    if (name[0] == '/' || name[0] == '\0')
        return false;
    for (const char *part = name; part != NULL;) {
        size_t length = strcspn(part, "/");
        if (length == 2 && memcmp(part, "..", 2) == 0)
            return false;
        part = part[length] == '/' ? part + length + 1 : NULL;
    }
    return true;
}

/* A short text as a string; false when it is too long, cannot be read or holds NUL. */
static bool text_get(struct source *source, struct span span, char *out, size_t out_bytes)
{
    uint64_t length = span.end - span.at;
    if (length >= out_bytes || !bytes_get(source, span, (unsigned char *)out))
        return false;
    out[length] = '\0';
    return strlen(out) == length;
}

static enum roost_err name_add(struct onnx_files *files, const char *name, struct detail *detail)
{
    if (!name_stays_inside(name))
        return detail_set(detail, ROOST_INVALID,
                          "external data in \"%s\", which is outside the model's directory", name);
    /* Thousands of tensors share a file, mostly the one that was named last. */
    for (size_t i = files->count; i > 0; i--) {
        if (strcmp(files->names[i - 1], name) == 0)
            return ROOST_OK;
    }
    if (files->count == ONNX_FILES_MAX)
        return detail_set(detail, ROOST_TOO_LARGE, "external data in more than %d files",
                          ONNX_FILES_MAX);
    (void)snprintf(files->names[files->count++], ONNX_FILE_NAME_BYTES_MAX, "%s", name);
    return ROOST_OK;
}

/* One key and value of a tensor's external_data. */
static enum roost_err entry_scan(struct source *source, struct span span, struct onnx_files *files,
                                 struct detail *detail)
{
    char key[sizeof("location")];
    char name[ONNX_FILE_NAME_BYTES_MAX];
    struct span key_at = {0};
    struct span value_at = {0};
    struct field field;
    while (span.at < span.end) {
        if (!field_next(source, &span, &field))
            return broken(source, detail);
        if (field.type == WIRE_BYTES && field.number == ENTRY_KEY)
            key_at = field.bytes;
        else if (field.type == WIRE_BYTES && field.number == ENTRY_VALUE)
            value_at = field.bytes;
    }
    if (!text_get(source, key_at, key, sizeof(key)) || strcmp(key, "location") != 0)
        return source->error == 0 ? ROOST_OK : broken(source, detail);
    if (!text_get(source, value_at, name, sizeof(name)))
        return source->error == 0
                   ? detail_set(detail, ROOST_INVALID,
                                "external data in a file with an unreasonable name of %llu bytes",
                                (unsigned long long)(value_at.end - value_at.at))
                   : broken(source, detail);
    return name_add(files, name, detail);
}

/* Where the data are may stand behind what it is about, so the fields are gone through twice. */
static enum roost_err tensor_scan(struct source *source, struct span span, struct onnx_files *files,
                                  struct detail *detail)
{
    struct field field;
    uint64_t location = 0;
    for (struct span rest = span; rest.at < rest.end;) {
        if (!field_next(source, &rest, &field))
            return broken(source, detail);
        if (field.type == WIRE_VARINT && field.number == TENSOR_DATA_LOCATION)
            location = field.value;
    }
    enum roost_err err = ROOST_OK;
    while (location == LOCATION_EXTERNAL && span.at < span.end && err == ROOST_OK) {
        /* A file may change between the two looks. */
        if (!field_next(source, &span, &field))
            return broken(source, detail);
        if (field.type == WIRE_BYTES && field.number == TENSOR_EXTERNAL_DATA)
            err = entry_scan(source, field.bytes, files, detail);
    }
    return err;
}

static const struct edge *edge_find(enum message from, const struct field *field)
{
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        if (edges[i].from == from && edges[i].field == field->number)
            return field->type == WIRE_BYTES ? &edges[i] : NULL;
    }
    return NULL;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A stack instead of recursion: a hostile file chooses the depth. */
static enum roost_err model_scan(struct source *source, uint64_t bytes, struct onnx_files *files,
                                 struct detail *detail)
{
    struct {
        enum message message;
        struct span rest;
    } stack[MESSAGE_DEPTH_MAX];
    size_t depth = 1;
    stack[0].message = MODEL;
    stack[0].rest = (struct span){0, bytes};
    files->count = 0;
    while (depth > 0) {
        struct span *rest = &stack[depth - 1].rest;
        struct field field;
        if (rest->at == rest->end) {
            depth--;
            continue;
        }
        if (!field_next(source, rest, &field))
            return broken(source, detail);
        const struct edge *edge = edge_find(stack[depth - 1].message, &field);
        if (edge == NULL)
            continue;
        if (edge->to == TENSOR) {
            enum roost_err err = tensor_scan(source, field.bytes, files, detail);
            if (err != ROOST_OK)
                return err;
            continue;
        }
        if (depth == MESSAGE_DEPTH_MAX)
            return detail_set(detail, ROOST_INVALID, "graphs nested too deep");
        stack[depth].message = edge->to;
        stack[depth].rest = field.bytes;
        depth++;
    }
    qsort(files->names, files->count, sizeof(files->names[0]), name_order);
    return ROOST_OK;
}

enum roost_err onnx_files_scan(const void *data, size_t bytes, struct onnx_files *files,
                               struct detail *detail)
{
    struct source source;
    source.fd = -1;
    source.window = data;
    source.window_at = 0;
    source.window_bytes = bytes;
    source.error = 0;
    return model_scan(&source, bytes, files, detail);
}

enum roost_err onnx_files_read(const char *path, struct onnx_files *files, struct detail *detail)
{
    struct stat status;
    struct source source;
    source.window_at = 0;
    source.window_bytes = 0;
    source.error = 0;
    source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source.fd < 0)
        return errno_translate(errno, path, detail);
    enum roost_err err;
    if (fstat(source.fd, &status) != 0) {
        err = errno_translate(errno, path, detail);
    } else if (!S_ISREG(status.st_mode)) {
        err = detail_set(detail, ROOST_INVALID, "%s: not a regular file", path);
    } else {
        err = model_scan(&source, (uint64_t)status.st_size, files, detail);
        if (err != ROOST_OK)
            detail_prefix(detail, "%s", path);
    }
    (void)close(source.fd);
    return err;
}
