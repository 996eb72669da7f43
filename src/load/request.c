/* SPDX-License-Identifier: Apache-2.0 */
#include "load/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/strbuf.h"

enum { WARM_DRAWS = 256 };

static void head_write(const struct request_pool *pool, bool is_binary, size_t json_bytes,
                       size_t body_bytes, struct strbuf *out)
{
    strbuf_puts(out, "POST ");
    load_model_path(pool->model->name, pool->model->version, "/infer", out);
    strbuf_printf(out, " HTTP/1.1\r\nHost: %s\r\nContent-Type: application/%s\r\n",
                  pool->options.authority, is_binary ? "octet-stream" : "json");
    if (is_binary)
        strbuf_printf(out, "Inference-Header-Content-Length: %zu\r\n", json_bytes);
    const struct option_list *headers = pool->options.headers;
    for (size_t i = 0; headers != NULL && i < headers->count; i++)
        strbuf_printf(out, "%s\r\n", headers->items[i]);
    strbuf_printf(out, "Content-Length: %zu\r\n\r\n", body_bytes);
}

static void parameters_write(const struct request_pool *pool, struct json_writer *json)
{
    const struct request_options *options = &pool->options;
    bool is_binary = options->encoding == ENCODING_BINARY;
    if (!is_binary && options->timeout_us == 0 && options->priority == 0)
        return;
    json_key(json, "parameters");
    json_begin_object(json);
    if (is_binary)
        json_field_bool(json, "binary_data_output", true);
    if (options->timeout_us > 0)
        json_field_uint(json, "timeout", options->timeout_us);
    if (options->priority > 0)
        json_field_uint(json, "priority", options->priority);
    json_end_object(json);
}

#define LOAD(type, at)                                                                             \
    __extension__({                                                                                \
        type loaded;                                                                               \
        memcpy(&loaded, (at), sizeof(loaded));                                                     \
        loaded;                                                                                    \
    })

static size_t element_write(struct json_writer *json, enum dtype dtype, const char *at)
{
    switch (dtype) {
    case DTYPE_FP32:
        json_float(json, LOAD(float, at));
        break;
    case DTYPE_FP64:
        json_double(json, LOAD(double, at));
        break;
    case DTYPE_BOOL:
        json_bool(json, *at != 0);
        break;
    case DTYPE_INT8:
        json_int(json, LOAD(int8_t, at));
        break;
    case DTYPE_INT16:
        json_int(json, LOAD(int16_t, at));
        break;
    case DTYPE_INT32:
        json_int(json, LOAD(int32_t, at));
        break;
    case DTYPE_INT64:
        json_int(json, LOAD(int64_t, at));
        break;
    case DTYPE_UINT8:
        json_uint(json, LOAD(uint8_t, at));
        break;
    case DTYPE_UINT16:
        json_uint(json, LOAD(uint16_t, at));
        break;
    case DTYPE_UINT32:
        json_uint(json, LOAD(uint32_t, at));
        break;
    case DTYPE_UINT64:
        json_uint(json, LOAD(uint64_t, at));
        break;
    case DTYPE_BYTES: {
        uint32_t length = LOAD(uint32_t, at);
        json_string_n(json, at + sizeof(length), length);
        return sizeof(length) + length;
    }
    default:
        roost_assert(false);
    }
    return dtype_bytes(dtype);
}

static void data_write(struct json_writer *json, enum dtype dtype, const struct input_rows *rows,
                       uint64_t first, uint32_t count)
{
    json_key(json, "data");
    json_begin_array(json);
    for (uint32_t row = 0; row < count; row++) {
        const char *at = rows->data + (first + row) % rows->rows * rows->row_bytes;
        for (uint64_t i = 0; i < rows->row_elements; i++)
            at += element_write(json, dtype, at);
    }
    json_end_array(json);
}

/* The JSON of a request: all of it, or what goes before the blobs. */
static void json_write(const struct request_pool *pool, uint32_t rows, struct strbuf *out)
{
    const struct load_model *model = pool->model;
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    parameters_write(pool, &json);
    json_key(&json, "inputs");
    json_begin_array(&json);
    for (unsigned i = 0; i < model->io.input_count; i++) {
        const struct input_rows *input = &pool->inputs->inputs[i];
        enum dtype dtype = model->io.inputs[i].dtype;
        json_begin_object(&json);
        json_field_string(&json, "name", model->io.inputs[i].name);
        json_key(&json, "shape");
        json_begin_array(&json);
        if (model->is_batched)
            json_uint(&json, rows);
        for (unsigned dim = 0; dim < input->row_shape.rank; dim++)
            json_int(&json, input->row_shape.dims[dim]);
        json_end_array(&json);
        json_field_string(&json, "datatype", dtype_name(dtype));
        if (pool->options.encoding == ENCODING_JSON) {
            data_write(&json, dtype, input, pool->next_row, rows);
        } else {
            json_key(&json, "parameters");
            json_begin_object(&json);
            json_field_uint(&json, "binary_data_size", (uint64_t)rows * input->row_bytes);
            json_end_object(&json);
        }
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

/* Head and body in one block behind the structure. */
static struct request *request_new(const struct strbuf *head, const struct strbuf *json,
                                   size_t blob_bytes, uint32_t rows)
{
    if (head->failed || json->failed)
        return NULL;
    size_t body_bytes = json->length + blob_bytes;
    struct request *request = malloc(sizeof(*request) + head->length + body_bytes);
    if (request == NULL)
        return NULL;
    char *at = (char *)(request + 1);
    memcpy(at, strbuf_text(head), head->length);
    memcpy(at + head->length, strbuf_text(json), json->length);
    *request = (struct request){
        .head = {.base = at, .len = head->length},
        .body = {.base = at + head->length, .len = body_bytes},
        .rows = rows,
    };
    return request;
}

static struct request *request_make(struct request_pool *pool, uint32_t rows)
{
    struct strbuf head, json;
    bool is_binary = pool->options.encoding == ENCODING_BINARY;
    size_t blob_bytes = is_binary ? rows * pool->inputs->row_bytes : 0;
    strbuf_init(&head);
    strbuf_init(&json);
    json_write(pool, rows, &json);
    head_write(pool, is_binary, json.length, json.length + blob_bytes, &head);
    struct request *request = request_new(&head, &json, blob_bytes, rows);
    if (request != NULL && is_binary) {
        char *at = request->body.base + json.length;
        for (unsigned i = 0; i < pool->inputs->count; i++) {
            const struct input_rows *input = &pool->inputs->inputs[i];
            input_rows_copy(input, pool->next_row, rows, at);
            at += rows * input->row_bytes;
        }
    }
    pool->next_row += rows;
    strbuf_fini(&head);
    strbuf_fini(&json);
    return request;
}

static size_t request_bytes(const struct request *request)
{
    return sizeof(*request) + request->head.len + request->body.len;
}

enum roost_err request_pool_init(struct request_pool *pool, const struct load_model *model,
                                 const struct input_set *inputs, uint32_t rows_max,
                                 const struct request_options *options, struct detail *detail)
{
    roost_assert(rows_max > 0 && options->distinct > 0);
    *pool = (struct request_pool){
        .model = model,
        .inputs = inputs,
        .options = *options,
        .rows_max = rows_max,
        .bytes_left = options->bytes_max,
    };
    for (unsigned i = 0; options->encoding == ENCODING_JSON && i < model->io.input_count; i++) {
        enum dtype dtype = model->io.inputs[i].dtype;
        if (dtype == DTYPE_FP16 || dtype == DTYPE_BF16)
            return detail_set(detail, ROOST_UNSUPPORTED,
                              "input %s is %s, which JSON cannot carry: use --encoding binary",
                              model->io.inputs[i].name, dtype_name(dtype));
    }
    pool->slots = calloc((size_t)rows_max + 1, sizeof(*pool->slots));
    if (pool->slots == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the requests");
    return ROOST_OK;
}

/* Rows of a body of the user's: what its first input's shape begins with. */
static uint32_t body_rows(const struct load_model *model, yyjson_val *body)
{
    yyjson_val *input = yyjson_arr_get_first(yyjson_obj_get(body, "inputs"));
    uint64_t rows = yyjson_get_uint(yyjson_arr_get_first(yyjson_obj_get(input, "shape")));
    return model->is_batched && rows > 0 && rows <= BATCH_SIZE_MAX ? (uint32_t)rows : 1;
}

static enum roost_err body_add(struct request_pool *pool, yyjson_val *body, struct detail *detail)
{
    struct request_slot *slot = &pool->slots[0];
    struct strbuf head, json;
    size_t length;
    char *text = yyjson_val_write(body, 0, &length);
    if (text == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the requests");
    strbuf_init(&head);
    strbuf_init(&json);
    strbuf_append(&json, text, length);
    head_write(pool, false, 0, length, &head);
    struct request *request = request_new(&head, &json, 0, body_rows(pool->model, body));
    free(text);
    strbuf_fini(&head);
    strbuf_fini(&json);
    if (request == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the requests");
    request->is_kept = true;
    slot->requests[slot->count++] = request;
    return ROOST_OK;
}

enum roost_err request_pool_init_bodies(struct request_pool *pool, const struct load_model *model,
                                        const char *json, size_t length,
                                        const struct request_options *options,
                                        struct detail *detail)
{
    yyjson_doc *doc;
    *pool = (struct request_pool){.model = model, .options = *options};
    enum roost_err err = json_parse(json, length, &doc, detail);
    if (err != ROOST_OK)
        return err;
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t wanted = yyjson_is_arr(root) ? yyjson_arr_size(root) : 1;
    pool->slots = calloc(1, sizeof(*pool->slots));
    if (pool->slots != NULL)
        pool->slots[0].requests = calloc(wanted + 1, sizeof(struct request *));
    if (pool->slots == NULL || pool->slots[0].requests == NULL)
        err = detail_set(detail, ROOST_NO_MEMORY, "no memory for the requests");
    else if (wanted == 0)
        err = detail_set(detail, ROOST_INVALID, "the list of requests is empty");
    for (size_t i = 0; i < wanted && err == ROOST_OK; i++) {
        yyjson_val *body = yyjson_is_arr(root) ? yyjson_arr_get(root, i) : root;
        if (yyjson_is_arr(yyjson_obj_get(body, "inputs")))
            err = body_add(pool, body, detail);
        else
            err = detail_set(detail, ROOST_INVALID, "request %zu has no list \"inputs\"", i);
    }
    yyjson_doc_free(doc);
    return err;
}

void request_pool_fini(struct request_pool *pool)
{
    for (size_t i = 0; pool->slots != NULL && i <= pool->rows_max; i++) {
        struct request_slot *slot = &pool->slots[i];
        for (unsigned k = 0; k < slot->count; k++)
            free(slot->requests[k]);
        free(slot->requests);
    }
    free(pool->slots);
    *pool = (struct request_pool){0};
}

/* Makes one more and keeps it, if there is room and a need; the request, or NULL. */
static struct request *slot_extend(struct request_pool *pool, struct request_slot *slot,
                                   uint32_t rows)
{
    if (slot->requests == NULL)
        slot->requests = calloc(pool->options.distinct, sizeof(struct request *));
    struct request *request = slot->requests == NULL ? NULL : request_make(pool, rows);
    if (request == NULL)
        return NULL;
    size_t bytes = request_bytes(request);
    if (bytes <= pool->bytes_left) {
        request->is_kept = true;
        pool->bytes_left -= bytes;
        slot->requests[slot->count++] = request;
    }
    return request;
}

/* Whether one more request of this size can be expected to fit. */
static bool slot_may_grow(const struct request_pool *pool, const struct request_slot *slot,
                          uint32_t rows)
{
    return pool->inputs != NULL && slot->count < pool->options.distinct &&
           (size_t)rows * pool->inputs->row_bytes <= pool->bytes_left;
}

struct request *request_pool_take(struct request_pool *pool, uint32_t rows)
{
    roost_assert(pool->inputs == NULL || (rows > 0 && rows <= pool->rows_max));
    struct request_slot *slot = &pool->slots[pool->inputs == NULL ? 0 : rows];
    if (slot_may_grow(pool, slot, rows))
        return slot_extend(pool, slot, rows);
    /* A few for all time are not distinct enough; then each is made for one use. */
    bool is_full = pool->inputs == NULL || slot->count == pool->options.distinct;
    if (!is_full)
        return request_make(pool, rows);
    struct request *request = slot->requests[slot->next];
    slot->next = slot->next + 1 == slot->count ? 0 : slot->next + 1;
    return request;
}

void request_drop(struct request *request)
{
    if (!request->is_kept)
        free(request);
}

enum roost_err request_pool_warm(struct request_pool *pool, const struct batch_sizes *sizes,
                                 uint64_t seed, struct detail *detail)
{
    struct rng rng;
    rng_seed(&rng, seed);
    bool is_constant = sizes->kind == BATCH_CONSTANT;
    unsigned draws = is_constant ? pool->options.distinct : WARM_DRAWS;
    for (unsigned i = 0; pool->inputs != NULL && i < draws; i++) {
        uint32_t rows = batch_sizes_draw(sizes, &rng);
        if (!slot_may_grow(pool, &pool->slots[rows], rows))
            continue;
        struct request *request = slot_extend(pool, &pool->slots[rows], rows);
        if (request == NULL)
            return detail_set(detail, ROOST_NO_MEMORY, "no memory for the requests");
        request_drop(request);
    }
    return ROOST_OK;
}
