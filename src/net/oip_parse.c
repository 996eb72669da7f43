/* SPDX-License-Identifier: Apache-2.0 */
/* A request as a whole: where its JSON ends, the id, the request's parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "net/oip_internal.h"

/* Nothing waits longer than 292 years, and nanoseconds always fit into 64 bits. */
#define TIMEOUT_US_MAX ((uint64_t)INT64_MAX / 1000)

yyjson_val *oip_member(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_null(value) ? NULL : value;
}

bool oip_natural(yyjson_val *value, uint64_t *out)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > (uint64_t)INT64_MAX)
        return false;
    *out = yyjson_get_uint(value);
    return true;
}

const char *oip_kind(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "a boolean";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

struct oip_quote oip_quote(yyjson_val *string)
{
    struct oip_quote quote;
    const char *text = yyjson_get_str(string);
    size_t length = yyjson_get_len(string);
    size_t kept = utf8_cut(text, length, sizeof(quote.text) - sizeof("..."));
    (void)snprintf(quote.text + kept, sizeof(quote.text) - kept, "%s", kept < length ? "..." : "");
    memcpy(quote.text, text, kept);
    for (size_t i = 0; i < kept; i++) {
        if ((unsigned char)quote.text[i] < 0x20 || quote.text[i] == 0x7F)
            quote.text[i] = '?';
    }
    return quote;
}

struct oip_names oip_names(const struct tensor_spec *specs, unsigned count)
{
    struct oip_names names = {""};
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t needed = strlen(specs[i].name) + sizeof(", \"\"");
        if (at + needed + sizeof(", ...") > sizeof(names.text)) {
            (void)snprintf(names.text + at, sizeof(names.text) - at, at == 0 ? "..." : ", ...");
            break;
        }
        at += (size_t)snprintf(names.text + at, sizeof(names.text) - at, "%s\"%s\"",
                               at == 0 ? "" : ", ", specs[i].name);
    }
    return names;
}

unsigned oip_find(const struct tensor_spec *specs, unsigned count, yyjson_val *name)
{
    unsigned i = 0;
    while (i < count && !yyjson_equals_str(name, specs[i].name))
        i++;
    return i;
}

enum roost_err oip_tensor_allocate(struct oip_parse *parse, size_t bytes, struct tensor *tensor)
{
    /* What a tensor without bytes points to; NULL would mean that it was not sent. */
    static _Alignas(64) char nothing[64];

    void *data = nothing;
    enum roost_err err = ROOST_OK;
    if (bytes > 0)
        err = parse->allocate(parse->user, bytes, &data, parse->detail);
    if (err != ROOST_OK) {
        detail_prefix(parse->detail, "inputs[%zu]", parse->position);
        return err;
    }
    tensor->data = data;
    tensor->bytes = bytes;
    return ROOST_OK;
}

enum roost_err oip_check_rows(struct oip_parse *parse, const struct tensor_spec *spec,
                              const struct shape *shape)
{
    const struct oip_model *model = parse->model;
    if (model->max_batch_size <= 0 || shape->rank == 0)
        return ROOST_OK;
    int64_t rows = shape->dims[0];
    if (rows == 0)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape[0]: a batch has at least one row", parse->position);
    if (parse->rows_of != NULL && (uint64_t)rows != parse->request->rows)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape[0]: %lld rows, but \"%s\" has %llu", parse->position,
                          (long long)rows, parse->rows_of,
                          (unsigned long long)parse->request->rows);
    if (rows > model->max_batch_size && !parse->split_allowed)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape[0]: %lld rows, but the model takes at most %lld",
                          parse->position, (long long)rows, (long long)model->max_batch_size);
    parse->request->rows = (uint64_t)rows;
    parse->rows_of = spec->name;
    return ROOST_OK;
}

static enum roost_err id_parse(struct oip_parse *parse, yyjson_val *id)
{
    if (id == NULL)
        return ROOST_OK;
    if (!yyjson_is_str(id))
        return detail_set(parse->detail, ROOST_INVALID, "id: must be a string, not %s",
                          oip_kind(id));
    size_t length = yyjson_get_len(id);
    if (length >= OIP_ID_BYTES_MAX || memchr(yyjson_get_str(id), '\0', length) != NULL)
        return detail_set(parse->detail, ROOST_INVALID, "id: must have at most %d bytes and no NUL",
                          OIP_ID_BYTES_MAX - 1);
    memcpy(parse->request->id, yyjson_get_str(id), length + 1);
    parse->request->has_id = true;
    return ROOST_OK;
}

/* What the protocol reserves. Sequences are refused with the model, not with the request, and
 * "headers" belongs to servers that forward them: such parameters have no meaning here. */
static enum roost_err reserved_parse(struct oip_parse *parse, const char *key, yyjson_val *value,
                                     bool *reserved)
{
    static const char *const meaningless[] = {"headers", "sequence_id", "sequence_start",
                                              "sequence_end"};
    struct oip_request *request = parse->request;
    *reserved = true;
    if (strcmp(key, "priority") == 0 || strcmp(key, "timeout") == 0) {
        uint64_t *out = *key == 'p' ? &request->priority : &request->timeout_us;
        if (!oip_natural(value, out))
            return detail_set(parse->detail, ROOST_INVALID,
                              "parameters.%s: must be an integer of at least 0", key);
        if (request->timeout_us > TIMEOUT_US_MAX)
            request->timeout_us = TIMEOUT_US_MAX;
        return ROOST_OK;
    }
    if (strcmp(key, "binary_data_output") == 0) {
        if (!yyjson_is_bool(value))
            return detail_set(parse->detail, ROOST_INVALID,
                              "parameters.binary_data_output: must be true or false");
        parse->binary_data_output = yyjson_get_bool(value);
        return ROOST_OK;
    }
    for (size_t i = 0; i < sizeof(meaningless) / sizeof(meaningless[0]); i++) {
        if (strcmp(key, meaningless[i]) == 0)
            return ROOST_OK;
    }
    *reserved = false;
    return ROOST_OK;
}

static bool parameter_read(yyjson_val *value, struct oip_parameter *out)
{
    if (yyjson_is_bool(value)) {
        out->type = OIP_BOOL;
        out->boolean = yyjson_get_bool(value);
    } else if (yyjson_is_sint(value) ||
               (yyjson_is_uint(value) && yyjson_get_uint(value) <= (uint64_t)INT64_MAX)) {
        out->type = OIP_INT;
        out->integer = yyjson_get_sint(value);
    } else if (yyjson_is_num(value)) {
        out->type = OIP_DOUBLE;
        out->number = yyjson_get_num(value);
    } else if (yyjson_is_str(value)) {
        out->type = OIP_STRING;
        out->text = yyjson_get_str(value);
    } else {
        return false;
    }
    return true;
}

static enum roost_err custom_parse(struct oip_parse *parse, yyjson_val *key, yyjson_val *value,
                                   size_t *bytes)
{
    struct oip_request *request = parse->request;
    if (strncmp(yyjson_get_str(key), "triton_", strlen("triton_")) == 0)
        return detail_set(parse->detail, ROOST_INVALID,
                          "parameters.%s: names that begin with \"triton_\" are reserved",
                          oip_quote(key).text);
    if (request->parameter_count == OIP_PARAMETERS_MAX)
        return detail_set(parse->detail, ROOST_INVALID,
                          "parameters: more than %d custom parameters", OIP_PARAMETERS_MAX);
    struct oip_parameter *parameter = &request->parameters[request->parameter_count];
    if (!parameter_read(value, parameter))
        return detail_set(parse->detail, ROOST_INVALID,
                          "parameters.%s: must be a string, a number or a boolean, not %s",
                          oip_quote(key).text, oip_kind(value));
    size_t key_length = yyjson_get_len(key);
    size_t text_length = yyjson_get_len(value); /* 0 unless it is a string */
    if (strlen(yyjson_get_str(key)) != key_length ||
        (parameter->type == OIP_STRING && strlen(parameter->text) != text_length))
        return detail_set(parse->detail, ROOST_INVALID, "parameters.%s: contains a NUL",
                          oip_quote(key).text);
    *bytes += key_length + text_length + 2;
    if (*bytes > OIP_PARAMETER_BYTES_MAX)
        return detail_set(parse->detail, ROOST_INVALID, "parameters: more than %d bytes of text",
                          OIP_PARAMETER_BYTES_MAX);
    parameter->key = yyjson_get_str(key);
    request->parameter_count++;
    return ROOST_OK;
}

static const char *text_move(const char *text, char **at)
{
    size_t size = strlen(text) + 1;
    char *moved = memcpy(*at, text, size);
    *at += size;
    return moved;
}

/* Moves the texts out of the document, which is much larger and is freed before the request waits
 * in a queue. */
static enum roost_err texts_keep(struct oip_parse *parse, size_t bytes)
{
    struct oip_request *request = parse->request;
    if (request->parameter_count == 0)
        return ROOST_OK;
    char *at = request->keep = malloc(bytes);
    if (at == NULL)
        return detail_set(parse->detail, ROOST_NO_MEMORY, "parameters: no memory");
    for (unsigned i = 0; i < request->parameter_count; i++) {
        struct oip_parameter *parameter = &request->parameters[i];
        parameter->key = text_move(parameter->key, &at);
        if (parameter->type == OIP_STRING)
            parameter->text = text_move(parameter->text, &at);
    }
    return ROOST_OK;
}

enum roost_err oip_parse_parameters(struct oip_parse *parse, yyjson_val *parameters)
{
    if (parameters == NULL)
        return ROOST_OK;
    if (!yyjson_is_obj(parameters))
        return detail_set(parse->detail, ROOST_INVALID, "parameters: must be an object, not %s",
                          oip_kind(parameters));
    size_t index;
    size_t count;
    size_t bytes = 0;
    yyjson_val *key;
    yyjson_val *value;
    yyjson_obj_foreach(parameters, index, count, key, value)
    {
        bool reserved = false;
        if (yyjson_is_null(value))
            continue;
        enum roost_err err = ROOST_OK;
        if (strlen(yyjson_get_str(key)) == yyjson_get_len(key))
            err = reserved_parse(parse, yyjson_get_str(key), value, &reserved);
        if (err == ROOST_OK && !reserved)
            err = custom_parse(parse, key, value, &bytes);
        if (err != ROOST_OK)
            return err;
    }
    return texts_keep(parse, bytes);
}

static enum roost_err document_parse(struct oip_parse *parse, yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return detail_set(parse->detail, ROOST_INVALID, "body: must be a JSON object, not %s",
                          oip_kind(root));
    enum roost_err err = id_parse(parse, oip_member(root, "id"));
    if (err == ROOST_OK)
        err = oip_parse_parameters(parse, oip_member(root, "parameters"));
    if (err == ROOST_OK)
        err = oip_parse_outputs(parse, oip_member(root, "outputs"));
    if (err == ROOST_OK)
        err = oip_parse_inputs(parse, oip_member(root, "inputs"));
    if (err == ROOST_OK && parse->blob_bytes > 0)
        err = detail_set(parse->detail, ROOST_INVALID,
                         "body: unexpected additional input data: %zu bytes after the last tensor",
                         parse->blob_bytes);
    return err;
}

static void request_init(struct oip_request *request, unsigned inputs, unsigned outputs)
{
    roost_assert(inputs <= MODEL_TENSORS_MAX && outputs <= MODEL_TENSORS_MAX);
    request->id[0] = '\0';
    request->has_id = false;
    request->priority = 0;
    request->timeout_us = 0;
    request->rows = 1;
    request->outputs_wanted = 0;
    request->parameter_count = 0;
    request->keep = NULL;
    /* Small models are served in microseconds, so only what the model has is cleared. */
    memset(request->inputs, 0, inputs * sizeof(request->inputs[0]));
    memset(request->outputs, 0, outputs * sizeof(request->outputs[0]));
}

enum roost_err oip_parse_infer(const struct oip_model *model, const struct oip_body *body,
                               bool split_allowed, oip_allocate_fn *allocate, void *user,
                               struct oip_request *request, struct detail *detail)
{
    request_init(request, model->io->input_count, model->io->output_count);
    struct oip_parse parse = {.model = model,
                              .request = request,
                              .detail = detail,
                              .allocate = allocate,
                              .user = user,
                              .split_allowed = split_allowed,
                              .has_header_length = body->has_header_length,
                              .blobs = body->bytes > 0 ? body->data : (const void *)"",
                              .blob_bytes = body->bytes};
    if (body->has_header_length && body->header_length == 0)
        return oip_raw_input(&parse);
    if (body->has_header_length && body->header_length > body->bytes)
        return detail_set(detail, ROOST_INVALID,
                          "Inference-Header-Content-Length: %llu, but the body has %zu bytes",
                          (unsigned long long)body->header_length, body->bytes);
    size_t json_bytes = body->has_header_length ? (size_t)body->header_length : body->bytes;
    const char *json = (const char *)parse.blobs;
    parse.blobs += json_bytes;
    parse.blob_bytes -= json_bytes;
    yyjson_doc *document = NULL;
    enum roost_err err = json_parse(json, json_bytes, &document, detail);
    if (err != ROOST_OK) {
        /* A wrong header is seen here only by the JSON that it cuts off. */
        if (body->has_header_length)
            detail_prefix(detail, "the first %zu bytes (Inference-Header-Content-Length)",
                          json_bytes);
        return err;
    }
    err = document_parse(&parse, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    /* The texts of a refused request are in the document that is gone. */
    if (err != ROOST_OK)
        oip_request_fini(request);
    return err;
}

void oip_request_fini(struct oip_request *request)
{
    free(request->keep);
    request->keep = NULL;
    request->parameter_count = 0;
}

enum roost_err oip_parse_length(const char *text, uint64_t *length, struct detail *detail)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return detail_set(detail, ROOST_INVALID, "the length %.32s is too large", text);
    }
    if (at == text || *at != '\0')
        return detail_set(detail, ROOST_INVALID, "\"%.32s\" is not a length in bytes", text);
    *length = value;
    return ROOST_OK;
}
