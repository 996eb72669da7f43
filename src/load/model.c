/* SPDX-License-Identifier: Apache-2.0 */
#include "load/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"

/* Longest answer whose parameters are looked for: they stand before the outputs. */
enum { ANSWER_HEAD_BYTES_MAX = 2048 };

static bool text_copy(char *out, size_t out_bytes, const char *text)
{
    size_t length = strlen(text);
    if (length >= out_bytes)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

static void percent_encode(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
        if (is_plain)
            strbuf_putc(out, (char)c);
        else
            strbuf_printf(out, "%%%02X", c);
    }
}

void load_model_path(const char *name, const char *version, const char *tail, struct strbuf *out)
{
    strbuf_puts(out, "/v2/models/");
    percent_encode(out, name);
    if (version != NULL && version[0] != '\0') {
        strbuf_puts(out, "/versions/");
        percent_encode(out, version);
    }
    strbuf_puts(out, tail);
}

enum roost_err value_range_parse(const char *text, struct value_range *range, struct detail *detail)
{
    char low[40];
    double bounds[2];
    size_t length = strcspn(text, ":");
    if (text[length] != ':' || length >= sizeof(low))
        return detail_set(detail, ROOST_INVALID, "a range looks like 0:1000, not \"%.60s\"", text);
    memcpy(low, text, length);
    low[length] = '\0';
    if (number_parse_double(low, &bounds[0]) != 0 ||
        number_parse_double(text + length + 1, &bounds[1]) != 0 || bounds[0] >= bounds[1])
        return detail_set(detail, ROOST_INVALID,
                          "a range looks like 0:1000, low before high, not \"%.60s\"", text);
    *range = (struct value_range){.is_known = true, .low = bounds[0], .high = bounds[1]};
    return ROOST_OK;
}

enum roost_err shape_parse_text(const char *text, struct shape *shape, struct detail *detail)
{
    struct shape parsed = {0};
    for (const char *at = text;; at++) {
        char digits[20];
        int64_t dim;
        size_t length = strcspn(at, "x");
        if (parsed.rank == TENSOR_RANK_MAX || length >= sizeof(digits))
            break;
        memcpy(digits, at, length);
        digits[length] = '\0';
        if (number_parse_int(digits, &dim) != 0 || dim < 1)
            break;
        parsed.dims[parsed.rank++] = dim;
        at += length;
        if (*at == '\0') {
            *shape = parsed;
            return ROOST_OK;
        }
    }
    return detail_set(detail, ROOST_INVALID, "a shape looks like 3x224x224, not \"%.60s\"", text);
}

static enum roost_err spec_parse(yyjson_val *value, const char *where, struct tensor_spec *spec,
                                 struct detail *detail)
{
    *spec = (struct tensor_spec){0};
    const char *name = yyjson_get_str(yyjson_obj_get(value, "name"));
    const char *dtype = yyjson_get_str(yyjson_obj_get(value, "datatype"));
    yyjson_val *shape = yyjson_obj_get(value, "shape");
    if (name == NULL || !text_copy(spec->name, sizeof(spec->name), name))
        return detail_set(detail, ROOST_INVALID, "%s.name: a short text wanted", where);
    spec->dtype = dtype_parse(dtype == NULL ? "" : dtype);
    if (spec->dtype == DTYPE_INVALID)
        return detail_set(detail, ROOST_UNSUPPORTED, "%s.datatype: %.40s is not known", where,
                          dtype == NULL ? "nothing" : dtype);
    if (!yyjson_is_arr(shape) || yyjson_arr_size(shape) > TENSOR_RANK_MAX)
        return detail_set(detail, ROOST_INVALID, "%s.shape: a list of at most %d wanted", where,
                          TENSOR_RANK_MAX);
    size_t i, count;
    yyjson_val *dim;
    yyjson_arr_foreach(shape, i, count, dim)
    {
        /* Triton writes dimensions as numbers, some servers as texts. */
        int64_t number = yyjson_get_sint(dim);
        if (yyjson_is_str(dim) ? number_parse_int(yyjson_get_str(dim), &number) != 0
                               : !yyjson_is_int(dim))
            number = -2;
        if (number < -1)
            return detail_set(detail, ROOST_INVALID, "%s.shape[%zu]: a size or -1 wanted", where,
                              i);
        spec->shape.dims[spec->shape.rank++] = number;
    }
    return ROOST_OK;
}

static enum roost_err specs_parse(yyjson_val *root, const char *key, struct tensor_spec *specs,
                                  unsigned *spec_count, struct detail *detail)
{
    yyjson_val *list = yyjson_obj_get(root, key);
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 ||
        yyjson_arr_size(list) > MODEL_TENSORS_MAX)
        return detail_set(detail, ROOST_INVALID, "%s: a list of 1 to %d tensors wanted", key,
                          MODEL_TENSORS_MAX);
    size_t i, count;
    yyjson_val *value;
    yyjson_arr_foreach(list, i, count, value)
    {
        char where[48];
        (void)snprintf(where, sizeof(where), "%s[%zu]", key, i);
        enum roost_err err = spec_parse(value, where, &specs[i], detail);
        if (err != ROOST_OK)
            return err;
    }
    *spec_count = (unsigned)count;
    return ROOST_OK;
}

/* The NAME of "prefix" NAME "suffix", or false. */
static bool name_between(const char *key, const char *prefix, const char *suffix, char *name,
                         size_t name_bytes)
{
    size_t before = strlen(prefix);
    size_t after = strlen(suffix);
    size_t length = strlen(key);
    if (length <= before + after || strncmp(key, prefix, before) != 0 ||
        strcmp(key + length - after, suffix) != 0 || length - before - after >= name_bytes)
        return false;
    memcpy(name, key + before, length - before - after);
    name[length - before - after] = '\0';
    return true;
}

static enum roost_err property_read(struct load_model *model, const char *key, const char *text,
                                    struct detail *detail)
{
    char name[LOAD_NAME_BYTES_MAX];
    double accuracy;
    if (strcmp(key, "roost.slo") == 0)
        return slo_parse(text, &model->slo, detail);
    if (strcmp(key, "roost.accuracy") == 0) {
        if (number_parse_double(text, &accuracy) != 0 || accuracy < 0)
            return detail_set(detail, ROOST_INVALID, "a number wanted, not \"%.60s\"", text);
        model->accuracy = accuracy;
    } else if (name_between(key, "roost.variant.", ".accuracy", name, sizeof(name))) {
        if (number_parse_double(text, &accuracy) != 0 || accuracy < 0)
            return detail_set(detail, ROOST_INVALID, "a number wanted, not \"%.60s\"", text);
        if (model->variant_count < LOAD_VARIANTS_MAX) {
            struct load_variant *variant = &model->variants[model->variant_count++];
            memcpy(variant->name, name, sizeof(name));
            variant->accuracy = accuracy;
        }
    } else if (name_between(key, "roost.input.", ".range", name, sizeof(name))) {
        for (unsigned i = 0; i < model->io.input_count; i++) {
            if (strcmp(model->io.inputs[i].name, name) == 0)
                return value_range_parse(text, &model->ranges[i], detail);
        }
    }
    return ROOST_OK;
}

static enum roost_err properties_read(yyjson_val *root, struct load_model *model,
                                      struct detail *detail)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_val *properties = yyjson_obj_get(root, "properties");
    if (!yyjson_is_obj(properties))
        return ROOST_OK;
    yyjson_obj_foreach(properties, i, count, key, value)
    {
        const char *text = yyjson_get_str(value);
        if (text == NULL)
            continue;
        enum roost_err err = property_read(model, yyjson_get_str(key), text, detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "properties.%s", yyjson_get_str(key));
            return err;
        }
    }
    return ROOST_OK;
}

/* Without a configuration a batch dimension is what all inputs begin with, left open. */
static bool batch_is_likely(const struct load_model *model)
{
    for (unsigned i = 0; i < model->io.input_count; i++) {
        const struct shape *shape = &model->io.inputs[i].shape;
        if (shape->rank == 0 || shape->dims[0] != -1)
            return false;
    }
    return true;
}

enum roost_err load_model_parse(const char *name, const char *version, const char *json,
                                size_t length, struct load_model *model, struct detail *detail)
{
    yyjson_doc *doc;
    memset(model, 0, sizeof(*model));
    model->max_batch_size = -1;
    model->accuracy = NAN;
    if (!text_copy(model->name, sizeof(model->name), name) ||
        !text_copy(model->version, sizeof(model->version), version == NULL ? "" : version))
        return detail_set(detail, ROOST_INVALID, "the model's name is too long");
    enum roost_err err = json_parse(json, length, &doc, detail);
    if (err != ROOST_OK)
        return err;
    yyjson_val *root = yyjson_doc_get_root(doc);
    err = specs_parse(root, "inputs", model->io.inputs, &model->io.input_count, detail);
    if (err == ROOST_OK)
        err = specs_parse(root, "outputs", model->io.outputs, &model->io.output_count, detail);
    if (err == ROOST_OK)
        err = properties_read(root, model, detail);
    model->is_batched = batch_is_likely(model);
    yyjson_doc_free(doc);
    return err;
}

enum roost_err load_model_parse_config(const char *json, size_t length, struct load_model *model,
                                       struct detail *detail)
{
    yyjson_doc *doc;
    enum roost_err err = json_parse(json, length, &doc, detail);
    if (err != ROOST_OK)
        return err;
    yyjson_val *size = yyjson_obj_get(yyjson_doc_get_root(doc), "max_batch_size");
    int64_t number = yyjson_get_sint(size);
    if (yyjson_is_str(size) && number_parse_int(yyjson_get_str(size), &number) != 0)
        number = -1;
    /* proto JSON leaves out what has the default value, and that is 0. */
    model->max_batch_size = number < 0 ? -1 : number;
    if (model->max_batch_size == 0)
        model->is_batched = false;
    yyjson_doc_free(doc);
    return ROOST_OK;
}

static bool index_holds(const struct load_index *index, const char *name)
{
    for (size_t i = 0; i < index->count; i++) {
        if (strcmp(index->names[i], name) == 0)
            return true;
    }
    return false;
}

enum roost_err load_index_parse(const char *json, size_t length, struct load_index *index,
                                struct detail *detail)
{
    yyjson_doc *doc;
    index->count = 0;
    enum roost_err err = json_parse(json, length, &doc, detail);
    if (err != ROOST_OK)
        return err;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_arr(root))
        err = detail_set(detail, ROOST_INVALID, "the repository index is not a list");
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(root, i, count, entry)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(entry, "name"));
        const char *state = yyjson_get_str(yyjson_obj_get(entry, "state"));
        if (name == NULL || state == NULL || strcmp(state, "READY") != 0 ||
            index_holds(index, name) || index->count == LOAD_MODELS_MAX)
            continue;
        if (text_copy(index->names[index->count], LOAD_NAME_BYTES_MAX, name))
            index->count++;
    }
    yyjson_doc_free(doc);
    return err;
}

/* The text of a member of the answer, cut out without a parser: the JSON part of an answer in
 * binary form is short, but there is one per request. */
static bool answer_member(const char *json, size_t length, const char *key, char *out,
                          size_t out_bytes)
{
    const char *found = memmem(json, length, key, strlen(key));
    if (found == NULL)
        return false;
    const char *end = json + length;
    const char *at = found + strlen(key);
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    bool is_quoted = at < end && *at == '"';
    at += is_quoted ? 1 : 0;
    size_t used = 0;
    while (at < end && used + 1 < out_bytes && *at != '"' && (is_quoted || !strchr(",} ", *at)))
        out[used++] = *at++;
    out[used] = '\0';
    return at < end && used > 0;
}

float load_model_accuracy(const struct load_model *model, const char *json, size_t length)
{
    char text[LOAD_NAME_BYTES_MAX];
    double accuracy;
    if (length > ANSWER_HEAD_BYTES_MAX)
        length = ANSWER_HEAD_BYTES_MAX;
    if (answer_member(json, length, "\"roost_accuracy\"", text, sizeof(text)) &&
        number_parse_double(text, &accuracy) == 0)
        return (float)accuracy;
    if (model->variant_count > 0 &&
        answer_member(json, length, "\"roost_variant\"", text, sizeof(text))) {
        for (unsigned i = 0; i < model->variant_count; i++) {
            if (strcmp(model->variants[i].name, text) == 0)
                return (float)model->variants[i].accuracy;
        }
    }
    return (float)model->accuracy;
}
