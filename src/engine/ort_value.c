/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "engine/ort_internal.h"

enum { LENGTH_BYTES = 4, BLOB_BYTES_FIRST = 1024 };

/* Where the data of a tensor without elements is: NULL only ever means that none is wanted. */
static char nothing[1];

static const ONNXTensorElementDataType element_types[DTYPE_COUNT] = {
    [DTYPE_INVALID] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED,
    [DTYPE_BOOL] = ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    [DTYPE_UINT8] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    [DTYPE_UINT16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
    [DTYPE_UINT32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
    [DTYPE_UINT64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
    [DTYPE_INT8] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
    [DTYPE_INT16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
    [DTYPE_INT32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    [DTYPE_INT64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    [DTYPE_FP16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    [DTYPE_FP32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    [DTYPE_FP64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    [DTYPE_BYTES] = ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
    [DTYPE_BF16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
};

static enum dtype dtype_of(ONNXTensorElementDataType type)
{
    for (int i = DTYPE_INVALID + 1; i < DTYPE_COUNT; i++) {
        if (element_types[i] == type)
            return (enum dtype)i;
    }
    return DTYPE_INVALID;
}

enum roost_err ort_shape_read(const OrtTensorTypeAndShapeInfo *info, enum dtype *dtype,
                              struct shape *shape, struct detail *detail)
{
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    size_t rank = 0;
    OrtStatus *status = ort.api->GetTensorElementType(info, &type);
    if (status == NULL)
        status = ort.api->GetDimensionsCount(info, &rank);
    if (status == NULL && rank > TENSOR_RANK_MAX)
        return detail_set(detail, ROOST_UNSUPPORTED, "%zu dimensions; at most %d", rank,
                          TENSOR_RANK_MAX);
    if (status == NULL)
        status = ort.api->GetDimensions(info, shape->dims, rank);
    *dtype = dtype_of(type);
    shape->rank = (unsigned)rank;
    return ort_check(status, ORT_PHASE_LOAD, detail);
}

static uint32_t length_get(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void length_put(unsigned char *at, uint32_t length)
{
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        at[i] = (unsigned char)(length >> (8 * i));
}

/* Strings may hold NUL, so each is written into the buffer that the engine makes for it. */
static OrtStatus *strings_write(const struct tensor *tensor, uint64_t elements, OrtValue *value)
{
    const unsigned char *at = tensor->data;
    OrtStatus *status = NULL;
    for (uint64_t i = 0; i < elements && status == NULL; i++) {
        uint32_t length = length_get(at);
        char *buffer = NULL;
        at += LENGTH_BYTES;
        status = ort.api->GetResizedStringTensorElementBuffer(value, i, length, &buffer);
        if (status == NULL && length > 0)
            memcpy(buffer, at, length);
        at += length;
    }
    return status;
}

static enum roost_err strings_new(const struct tensor *tensor, OrtValue **value,
                                  struct detail *detail)
{
    uint64_t elements;
    if (!shape_elements(&tensor->shape, &elements) ||
        !tensor_bytes_valid(tensor->data, tensor->bytes, elements))
        return detail_set(detail, ROOST_INVALID, "the strings do not fill their %zu bytes",
                          tensor->bytes);
    OrtAllocator *allocator = NULL;
    OrtStatus *status = ort.api->GetAllocatorWithDefaultOptions(&allocator);
    if (status == NULL)
        status = ort.api->CreateTensorAsOrtValue(allocator, tensor->shape.dims, tensor->shape.rank,
                                                 ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, value);
    if (status == NULL)
        status = strings_write(tensor, elements, *value);
    enum roost_err err = ort_check(status, ORT_PHASE_RUN, detail);
    if (err != ROOST_OK && *value != NULL) {
        ort.api->ReleaseValue(*value);
        *value = NULL;
    }
    return err;
}

enum roost_err ort_value_new(const struct tensor *tensor, OrtValue **value, struct detail *detail)
{
    uint64_t elements;
    char shape[128];
    *value = NULL;
    if (tensor->dtype == DTYPE_BYTES)
        return strings_new(tensor, value, detail);
    /* The library would refuse these too, but logs some of them. */
    size_t size = dtype_bytes(tensor->dtype);
    if (size == 0 || !shape_elements(&tensor->shape, &elements) || tensor->bytes / size < elements)
        return detail_set(detail, ROOST_INVALID, "%zu bytes do not hold %s of shape %s",
                          tensor->bytes, dtype_name(tensor->dtype),
                          shape_format(&tensor->shape, shape, sizeof(shape)));
    return ort_check(ort.api->CreateTensorWithDataAsOrtValue(
                         ort.memory, tensor->data, tensor->bytes, tensor->shape.dims,
                         tensor->shape.rank, element_types[tensor->dtype], value),
                     ORT_PHASE_RUN, detail);
}

static bool blob_reserve(void **blob, size_t *blob_bytes, size_t bytes)
{
    if (*blob != NULL && bytes <= *blob_bytes)
        return true;
    size_t larger = bytes < BLOB_BYTES_FIRST ? BLOB_BYTES_FIRST : bytes;
    void *grown = realloc(*blob, larger);
    if (grown == NULL)
        return false;
    *blob = grown;
    *blob_bytes = larger;
    return true;
}

static OrtStatus *strings_copy(const OrtValue *value, uint64_t elements, unsigned char *at)
{
    OrtStatus *status = NULL;
    for (uint64_t i = 0; i < elements && status == NULL; i++) {
        size_t length = 0;
        status = ort.api->GetStringTensorElementLength(value, i, &length);
        if (status != NULL)
            break;
        length_put(at, (uint32_t)length);
        at += LENGTH_BYTES;
        status = ort.api->GetStringTensorElement(value, length, i, at);
        at += length;
    }
    return status;
}

static enum roost_err strings_read(const OrtValue *value, struct tensor *tensor, void **blob,
                                   size_t *blob_bytes, struct detail *detail)
{
    uint64_t elements;
    size_t text_bytes = 0;
    OrtStatus *status = ort.api->GetStringTensorDataLength(value, &text_bytes);
    enum roost_err err = ort_check(status, ORT_PHASE_RUN, detail);
    if (err != ROOST_OK)
        return err;
    /* Sizes of things that are in memory cannot overflow, but a string may be beyond its prefix. */
    if (!shape_elements(&tensor->shape, &elements) || text_bytes > UINT32_MAX)
        return detail_set(detail, ROOST_TOO_LARGE, "%zu bytes of strings; at most 4 GiB",
                          text_bytes);
    tensor->bytes = elements * LENGTH_BYTES + text_bytes;
    if (!blob_reserve(blob, blob_bytes, tensor->bytes))
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for %zu bytes of strings",
                          tensor->bytes);
    tensor->data = *blob;
    return ort_check(strings_copy(value, elements, *blob), ORT_PHASE_RUN, detail);
}

enum roost_err ort_value_read(OrtValue *value, struct tensor *tensor, void **blob,
                              size_t *blob_bytes, struct detail *detail)
{
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = ort.api->GetTensorTypeAndShape(value, &info);
    enum roost_err err = ort_check(status, ORT_PHASE_RUN, detail);
    if (err != ROOST_OK)
        return err;
    err = ort_shape_read(info, &tensor->dtype, &tensor->shape, detail);
    ort.api->ReleaseTensorTypeAndShapeInfo(info);
    if (err != ROOST_OK)
        return err;
    if (tensor->dtype == DTYPE_BYTES)
        return strings_read(value, tensor, blob, blob_bytes, detail);

    uint64_t elements;
    if (tensor->dtype == DTYPE_INVALID || !shape_elements(&tensor->shape, &elements))
        return detail_set(detail, ROOST_INTERNAL, "a type that Roost has no name for");
    tensor->bytes = elements * dtype_bytes(tensor->dtype);
    status = ort.api->GetTensorMutableData(value, &tensor->data);
    if (tensor->data == NULL)
        tensor->data = nothing;
    return ort_check(status, ORT_PHASE_RUN, detail);
}
