/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors that come as bytes: after the JSON, or as the whole body. */
#include <string.h>

#include "net/oip_internal.h"

enum { LENGTH_BYTES = 4 }; /* of the length before each BYTES element */

/* An engine reads BOOL as C's bool, of which only 0 and 1 are values. */
static enum roost_err bools_check(struct oip_parse *parse, const uint8_t *data, size_t bytes)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < bytes; i++)
        seen |= data[i];
    if (seen <= 1)
        return ROOST_OK;
    size_t at = 0;
    while (data[at] <= 1)
        at++;
    return detail_set(parse->detail, ROOST_INVALID,
                      "inputs[%zu]: element %zu of its binary data is %u, but a BOOL is 0 or 1",
                      parse->position, at, data[at]);
}

/* The bytes at parse->blobs as they must be for this tensor. */
static enum roost_err blob_check(struct oip_parse *parse, size_t bytes, const struct tensor *tensor,
                                 uint64_t elements)
{
    if (tensor->dtype == DTYPE_BYTES && !tensor_bytes_valid(parse->blobs, bytes, elements))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu]: its %zu bytes of binary data are not %llu elements, each "
                          "after its length",
                          parse->position, bytes, (unsigned long long)elements);
    if (tensor->dtype == DTYPE_BOOL)
        return bools_check(parse, parse->blobs, bytes);
    return ROOST_OK;
}

enum roost_err oip_binary_tensor(struct oip_parse *parse, uint64_t bytes, struct tensor *tensor)
{
    uint64_t elements = 0;
    (void)shape_elements(&tensor->shape, &elements);
    size_t element_bytes = dtype_bytes(tensor->dtype);
    uint64_t wanted;
    if (__builtin_mul_overflow(elements, (uint64_t)element_bytes, &wanted))
        wanted = UINT64_MAX;
    char shape[TENSOR_RANK_MAX * 21 + 3];
    if (element_bytes > 0 && bytes != wanted)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].parameters.binary_data_size: %llu, but %s of shape %s has "
                          "%llu bytes",
                          parse->position, (unsigned long long)bytes, dtype_name(tensor->dtype),
                          shape_format(&tensor->shape, shape, sizeof(shape)),
                          (unsigned long long)wanted);
    if (bytes > parse->blob_bytes)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].parameters.binary_data_size: %llu, but %zu bytes are left "
                          "in the body%s",
                          parse->position, (unsigned long long)bytes, parse->blob_bytes,
                          parse->has_header_length
                              ? ""
                              : "; the header Inference-Header-Content-Length is missing");
    size_t size = (size_t)bytes;
    enum roost_err err = blob_check(parse, size, tensor, elements);
    if (err != ROOST_OK)
        return err;
    bool stays = size > 0 && (element_bytes <= 1 || (uintptr_t)parse->blobs % element_bytes == 0);
    if (stays) {
        /* Tensors are written by nobody after this; `void *` is what memory has before. */
        tensor->data = (void *)(uintptr_t)parse->blobs;
        tensor->bytes = size;
    } else {
        err = oip_tensor_allocate(parse, size, tensor);
        if (err != ROOST_OK)
            return err;
        memcpy(tensor->data, parse->blobs, size);
    }
    parse->blobs += size;
    parse->blob_bytes -= size;
    return ROOST_OK;
}

/* The shape of a raw input: one row, and what is variable as large as the body makes it. */
static enum roost_err raw_shape(struct oip_parse *parse, const struct tensor_spec *spec,
                                struct shape *shape)
{
    char pattern[TENSOR_RANK_MAX * 21 + 3];
    shape_format(&spec->shape, pattern, sizeof(pattern));
    *shape = spec->shape;
    if (parse->model->max_batch_size > 0 && shape->rank > 0)
        shape->dims[0] = 1;
    int64_t *variable = NULL;
    for (unsigned i = 0; i < shape->rank; i++) {
        if (shape->dims[i] >= 0)
            continue;
        if (variable != NULL)
            return detail_set(parse->detail, ROOST_INVALID,
                              "body: \"%s\" has more than one variable dimension (%s), so its "
                              "shape cannot be told from raw data",
                              spec->name, pattern);
        variable = &shape->dims[i];
        *variable = 1;
    }
    uint64_t elements;
    uint64_t unit; /* bytes of all fixed dimensions */
    if (!shape_elements(shape, &elements) ||
        __builtin_mul_overflow(elements, (uint64_t)dtype_bytes(spec->dtype), &unit))
        unit = UINT64_MAX;
    if (spec->dtype == DTYPE_BYTES && elements != 1)
        return detail_set(parse->detail, ROOST_INVALID,
                          "body: raw data is one element, but \"%s\" has the shape %s", spec->name,
                          pattern);
    if (spec->dtype == DTYPE_BYTES)
        return ROOST_OK;
    bool fits = variable == NULL || unit == 0 ? parse->blob_bytes == unit
                                              : parse->blob_bytes % unit == 0;
    if (!fits)
        return detail_set(parse->detail, ROOST_INVALID,
                          "body: %zu bytes of raw data, but %s of shape %s has %s%llu bytes",
                          parse->blob_bytes, dtype_name(spec->dtype), pattern,
                          variable != NULL ? "a multiple of " : "", (unsigned long long)unit);
    if (variable != NULL && unit > 0)
        *variable = (int64_t)(parse->blob_bytes / unit);
    return ROOST_OK;
}

/* A BYTES input is the body's bytes without the length that its tensor form has. */
static enum roost_err raw_element(struct oip_parse *parse, struct tensor *tensor)
{
    size_t bytes = parse->blob_bytes;
    if (bytes > UINT32_MAX - LENGTH_BYTES)
        return detail_set(parse->detail, ROOST_INVALID, "body: %zu bytes are too many for BYTES",
                          bytes);
    enum roost_err err = oip_tensor_allocate(parse, LENGTH_BYTES + bytes, tensor);
    if (err != ROOST_OK)
        return err;
    uint32_t length = (uint32_t)bytes;
    memcpy(tensor->data, &length, LENGTH_BYTES);
    memcpy((char *)tensor->data + LENGTH_BYTES, parse->blobs, bytes);
    return ROOST_OK;
}

enum roost_err oip_raw_input(struct oip_parse *parse)
{
    const struct oip_model *model = parse->model;
    struct tensor *tensor = &parse->request->inputs[0];
    if (model->io->input_count != 1)
        return detail_set(parse->detail, ROOST_INVALID,
                          "body: raw data needs a model with one input, but \"%s\" has %u",
                          model->name, model->io->input_count);
    const struct tensor_spec *spec = &model->io->inputs[0];
    parse->binary_data_output = true;
    tensor->dtype = spec->dtype;
    enum roost_err err = oip_parse_outputs(parse, NULL);
    if (err == ROOST_OK)
        err = raw_shape(parse, spec, &tensor->shape);
    if (err == ROOST_OK)
        err = oip_check_rows(parse, spec, &tensor->shape);
    if (err != ROOST_OK)
        return err;
    if (spec->dtype == DTYPE_BYTES)
        return raw_element(parse, tensor);
    return oip_binary_tensor(parse, parse->blob_bytes, tensor);
}
