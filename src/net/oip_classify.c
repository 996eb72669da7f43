/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classification extension: the largest elements of each row, as "value:index[:label]".
 *
 * The best k of n are held in a heap with the worst of them on top, so that most elements cost one
 * comparison; taking the heap apart gives them in order. Of equal values the first is better, and
 * NaN is worse than any number.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/oip_internal.h"

struct ranked {
    double value; /* 64-bit integers beyond 2^53 are ranked as the doubles next to them */
    uint64_t index;
};

bool oip_classifies(enum dtype dtype)
{
    return dtype != DTYPE_BYTES && dtype != DTYPE_FP16 && dtype != DTYPE_BF16;
}

#define ELEMENT(type)                                                                              \
    do {                                                                                           \
        type element;                                                                              \
        memcpy(&element, data + index * sizeof(type), sizeof(type));                               \
        return (double)element;                                                                    \
    } while (0)

static double element_value(enum dtype dtype, const char *data, uint64_t index)
{
    switch (dtype) {
    case DTYPE_UINT16:
        ELEMENT(uint16_t);
    case DTYPE_UINT32:
        ELEMENT(uint32_t);
    case DTYPE_UINT64:
        ELEMENT(uint64_t);
    case DTYPE_INT8:
        ELEMENT(int8_t);
    case DTYPE_INT16:
        ELEMENT(int16_t);
    case DTYPE_INT32:
        ELEMENT(int32_t);
    case DTYPE_INT64:
        ELEMENT(int64_t);
    case DTYPE_FP32:
        ELEMENT(float);
    case DTYPE_FP64:
        ELEMENT(double);
    default: /* UINT8 and BOOL */
        ELEMENT(uint8_t);
    }
}

/* The value as text; integers and floats are written as themselves, not by way of a double. */
static void element_write(struct json_writer *json, enum dtype dtype, const char *data,
                          uint64_t index)
{
    double value = element_value(dtype, data, index);
    uint64_t bits;
    if (isnan(value)) {
        strbuf_puts(json->out, "nan");
    } else if (isinf(value)) {
        strbuf_puts(json->out, value > 0 ? "inf" : "-inf");
    } else if (dtype == DTYPE_FP32) {
        json_float(json, (float)value);
    } else if (dtype == DTYPE_FP64) {
        json_double(json, value);
    } else if (dtype == DTYPE_INT64 || dtype == DTYPE_UINT64) {
        memcpy(&bits, data + index * sizeof(bits), sizeof(bits));
        if (dtype == DTYPE_INT64)
            json_int(json, (int64_t)bits);
        else
            json_uint(json, bits);
    } else {
        json_int(json, (int64_t)value);
    }
}

static bool is_better(const struct ranked *a, const struct ranked *b)
{
    if (isnan(a->value) != isnan(b->value))
        return isnan(b->value);
    if (a->value > b->value || a->value < b->value)
        return a->value > b->value;
    return a->index < b->index;
}

/* Puts `item` into the heap's free place at `at` or below it. */
static void heap_sink(struct ranked *heap, size_t count, size_t at, struct ranked item)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_better(&heap[child], &heap[child + 1]))
            child++;
        if (!is_better(&item, &heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

/* The best `wanted` (at most `count`) of a row's elements into `best`, in order. */
static void row_rank(enum dtype dtype, const char *data, uint64_t count, struct ranked *best,
                     size_t wanted)
{
    for (size_t i = 0; i < wanted; i++)
        best[i] = (struct ranked){element_value(dtype, data, i), i};
    for (size_t i = wanted / 2; i-- > 0;)
        heap_sink(best, wanted, i, best[i]);
    for (uint64_t i = wanted; i < count; i++) {
        struct ranked item = {element_value(dtype, data, i), i};
        if (is_better(&item, &best[0]))
            heap_sink(best, wanted, 0, item);
    }
    for (size_t left = wanted; left > 1; left--) {
        struct ranked worst = best[0];
        heap_sink(best, left - 1, 0, best[left - 1]);
        best[left - 1] = worst;
    }
}

static void class_write(struct strbuf *out, enum dtype dtype, const char *data, uint64_t index,
                        const char *label)
{
    uint32_t length = 0;
    struct json_writer json;
    size_t begin = out->length;
    strbuf_append(out, &length, sizeof(length));
    json_writer_init(&json, out);
    element_write(&json, dtype, data, index);
    strbuf_printf(out, ":%llu", (unsigned long long)index);
    if (label != NULL) {
        strbuf_putc(out, ':');
        strbuf_puts(out, label);
    }
    if (out->failed)
        return;
    length = (uint32_t)(out->length - begin - sizeof(length));
    memcpy(out->data + begin, &length, sizeof(length));
}

enum roost_err oip_classify(const struct oip_model *model, unsigned output,
                            const struct tensor *tensor, uint32_t wanted, struct strbuf *out,
                            struct shape *shape)
{
    const char *const *labels = model->labels != NULL ? model->labels[output] : NULL;
    uint64_t label_count = 0;
    uint64_t elements = 0;
    (void)shape_elements(&tensor->shape, &elements);
    bool batched = model->max_batch_size > 0 && tensor->shape.rank > 0;
    uint64_t rows = batched ? (uint64_t)tensor->shape.dims[0] : 1;
    uint64_t count = rows > 0 ? elements / rows : 0;
    size_t kept = wanted < count ? wanted : (size_t)count;
    while (labels != NULL && labels[label_count] != NULL)
        label_count++;
    *shape = batched ? (struct shape){.rank = 2, .dims = {(int64_t)rows, (int64_t)kept}}
                     : (struct shape){.rank = 1, .dims = {(int64_t)kept}};
    if (kept == 0)
        return ROOST_OK;
    struct ranked *best = calloc(kept, sizeof(*best));
    if (best == NULL)
        return ROOST_NO_MEMORY;
    size_t row_bytes = (size_t)count * dtype_bytes(tensor->dtype);
    for (uint64_t row = 0; row < rows; row++) {
        const char *data = (const char *)tensor->data + row * row_bytes;
        row_rank(tensor->dtype, data, count, best, kept);
        for (size_t i = 0; i < kept; i++) {
            uint64_t index = best[i].index;
            class_write(out, tensor->dtype, data, index,
                        index < label_count ? labels[index] : NULL);
        }
    }
    free(best);
    return out->failed ? ROOST_NO_MEMORY : ROOST_OK;
}
