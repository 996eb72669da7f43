/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to an inference request: JSON head and binary parts. */
#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "net/oip_internal.h"

enum { LENGTH_BYTES = 4 }; /* of the length before each BYTES element */

/* One answer being written. */
struct answer {
    const struct oip_response *response;
    struct json_writer json;
    struct strbuf *scratch;
    struct oip_part *parts;
    size_t part_count;
    size_t scratch_at[MODEL_TENSORS_MAX]; /* where the part begins in the scratch; see below */
    struct detail *detail;
};

/* The scratch moves while it grows, so its parts get their addresses at the end. */
static const char in_scratch = 0;

static void part_add(struct answer *answer, const void *data, size_t bytes, size_t scratch_at)
{
    if (bytes == 0)
        return;
    answer->scratch_at[answer->part_count] = scratch_at;
    answer->parts[answer->part_count++] = (struct oip_part){.data = data, .bytes = bytes};
}

/* Bytes of the BYTES elements must be text to become JSON. */
static enum roost_err strings_write(struct answer *answer, const char *name, const char *data,
                                    size_t bytes)
{
    size_t at = 0;
    for (size_t index = 0; at < bytes; index++) {
        uint32_t length;
        memcpy(&length, data + at, LENGTH_BYTES);
        at += LENGTH_BYTES;
        if (!utf8_valid(data + at, length))
            return detail_set(answer->detail, ROOST_INVALID,
                              "output \"%s\": element %zu is not UTF-8, which JSON cannot carry; "
                              "ask for it with binary_data: true",
                              name, index);
        json_string_n(&answer->json, data + at, length);
        at += length;
    }
    return ROOST_OK;
}

#define NUMBERS_WRITE(type, write)                                                                 \
    do {                                                                                           \
        for (uint64_t i = 0; i < elements; i++) {                                                  \
            type value;                                                                            \
            memcpy(&value, data + i * sizeof(value), sizeof(value));                               \
            write(&answer->json, value);                                                           \
        }                                                                                          \
    } while (0)

static enum roost_err data_write(struct answer *answer, const char *name, enum dtype dtype,
                                 const char *data, size_t bytes)
{
    uint64_t elements = dtype == DTYPE_BYTES ? 0 : bytes / dtype_bytes(dtype);
    switch (dtype) {
    case DTYPE_BOOL:
        NUMBERS_WRITE(bool, json_bool);
        break;
    case DTYPE_UINT8:
        NUMBERS_WRITE(uint8_t, json_uint);
        break;
    case DTYPE_UINT16:
        NUMBERS_WRITE(uint16_t, json_uint);
        break;
    case DTYPE_UINT32:
        NUMBERS_WRITE(uint32_t, json_uint);
        break;
    case DTYPE_UINT64:
        NUMBERS_WRITE(uint64_t, json_uint);
        break;
    case DTYPE_INT8:
        NUMBERS_WRITE(int8_t, json_int);
        break;
    case DTYPE_INT16:
        NUMBERS_WRITE(int16_t, json_int);
        break;
    case DTYPE_INT32:
        NUMBERS_WRITE(int32_t, json_int);
        break;
    case DTYPE_INT64:
        NUMBERS_WRITE(int64_t, json_int);
        break;
    case DTYPE_FP32:
        if ((uintptr_t)data % sizeof(float) == 0)
            json_float_items(&answer->json, (const float *)(const void *)data, elements);
        else
            NUMBERS_WRITE(float, json_float);
        break;
    case DTYPE_FP64:
        NUMBERS_WRITE(double, json_double);
        break;
    case DTYPE_BYTES:
        return strings_write(answer, name, data, bytes);
    default:
        return detail_set(answer->detail, ROOST_INVALID,
                          "output \"%s\" is %s, which JSON cannot carry; ask for it with "
                          "binary_data: true",
                          name, dtype_name(dtype));
    }
    return ROOST_OK;
}

/* What came from a model is not trusted either: its bytes must be what its shape says. */
static enum roost_err output_check(struct answer *answer, const char *name,
                                   const struct tensor *tensor)
{
    uint64_t elements;
    uint64_t bytes;
    bool valid = tensor->dtype > DTYPE_INVALID && tensor->dtype < DTYPE_COUNT &&
                 tensor->shape.rank <= TENSOR_RANK_MAX && shape_elements(&tensor->shape, &elements);
    if (valid && tensor->dtype == DTYPE_BYTES)
        valid = tensor_bytes_valid(tensor->data, tensor->bytes, elements);
    else if (valid)
        valid = !__builtin_mul_overflow(elements, (uint64_t)dtype_bytes(tensor->dtype), &bytes) &&
                bytes == tensor->bytes;
    /* An array of bools holds nothing else, whoever wrote it. */
    if (valid && tensor->dtype == DTYPE_BOOL) {
        for (size_t i = 0; i < tensor->bytes && valid; i++)
            valid = ((const uint8_t *)tensor->data)[i] <= 1;
    }
    if (!valid)
        return detail_set(answer->detail, ROOST_INTERNAL,
                          "output \"%s\": the model's %zu bytes disagree with its type and shape",
                          name, tensor->bytes);
    return ROOST_OK;
}

static void shape_write(struct json_writer *json, const struct shape *shape)
{
    json_key(json, "shape");
    json_begin_array(json);
    for (unsigned i = 0; i < shape->rank; i++)
        json_int(json, shape->dims[i]);
    json_end_array(json);
}

static enum roost_err output_write(struct answer *answer, unsigned output)
{
    const struct oip_response *response = answer->response;
    const struct oip_output_request *wanted = &response->request->outputs[output];
    const char *name = response->model->io->outputs[output].name;
    struct tensor tensor = response->outputs[output];
    size_t scratch_at = answer->scratch->length;
    enum roost_err err = output_check(answer, name, &tensor);
    if (err != ROOST_OK)
        return err;
    if (wanted->classification > 0 && !oip_classifies(tensor.dtype))
        return detail_set(answer->detail, ROOST_INTERNAL,
                          "output \"%s\" turned out to be %s, which cannot be ranked", name,
                          dtype_name(tensor.dtype));
    if (wanted->classification > 0) {
        err = oip_classify(response->model, output, &response->outputs[output],
                           wanted->classification, answer->scratch, &tensor.shape);
        if (err != ROOST_OK)
            return detail_set(answer->detail, err, "output \"%s\": no memory to rank it", name);
        tensor.dtype = DTYPE_BYTES;
        tensor.bytes = answer->scratch->length - scratch_at;
        tensor.data = (void *)(uintptr_t)(strbuf_text(answer->scratch) + scratch_at);
    }
    struct json_writer *json = &answer->json;
    json_begin_object(json);
    json_field_string(json, "name", name);
    json_field_string(json, "datatype", dtype_name(tensor.dtype));
    shape_write(json, &tensor.shape);
    if (wanted->binary) {
        const void *data = wanted->classification > 0 ? &in_scratch : tensor.data;
        json_key(json, "parameters");
        json_begin_object(json);
        json_field_uint(json, "binary_data_size", tensor.bytes);
        json_end_object(json);
        part_add(answer, data, tensor.bytes, scratch_at);
    } else {
        json_key(json, "data");
        json_begin_array(json);
        err = data_write(answer, name, tensor.dtype, tensor.data, tensor.bytes);
        json_end_array(json);
    }
    json_end_object(json);
    return err;
}

static void head_write(struct json_writer *json, const struct oip_response *response)
{
    if (response->request->has_id)
        json_field_string(json, "id", response->request->id);
    json_field_string(json, "model_name", response->model->name);
    json_field_string(json, "model_version", response->model->version);
    if (response->parameter_count == 0)
        return;
    json_key(json, "parameters");
    json_begin_object(json);
    for (size_t i = 0; i < response->parameter_count; i++)
        json_field_string(json, response->parameters[i].key, response->parameters[i].text);
    json_end_object(json);
}

enum roost_err oip_write_infer(const struct oip_response *response, struct strbuf *head,
                               struct strbuf *scratch, struct oip_part *parts, size_t *part_count,
                               size_t *header_length, struct detail *detail)
{
    const struct oip_request *request = response->request;
    struct answer answer = {
        .response = response, .scratch = scratch, .parts = parts, .detail = detail};
    enum roost_err err = ROOST_OK;
    roost_assert(head->length == 0);
    json_writer_init(&answer.json, head);
    json_begin_object(&answer.json);
    head_write(&answer.json, response);
    json_key(&answer.json, "outputs");
    json_begin_array(&answer.json);
    for (unsigned i = 0; i < request->outputs_wanted && err == ROOST_OK; i++)
        err = output_write(&answer, request->output_order[i]);
    if (err != ROOST_OK)
        return err;
    json_end_array(&answer.json);
    json_end_object(&answer.json);
    if (head->failed || scratch->failed)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the answer");
    for (size_t i = 0; i < answer.part_count; i++) {
        if (parts[i].data == &in_scratch)
            parts[i].data = scratch->data + answer.scratch_at[i];
    }
    *part_count = answer.part_count;
    *header_length = answer.part_count > 0 ? head->length : 0;
    return ROOST_OK;
}
