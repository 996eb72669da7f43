/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "data" of a tensor in JSON: flat or nested, row-major, numbers, booleans or strings.
 *
 * yyjson keeps all values of a document in one array in reading order, so the scalars of one
 * innermost row are neighbours: a row is filled by one loop over them.
 *
 *   [ [1,2] , [3,4] ]      ->   array  array  1  2  array  3  4
 *                                             └ row ┘      └ row ┘
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/oip_internal.h"

struct walk;

/* Takes `count` neighbouring scalars; returns the first that does not fit, or NULL. */
typedef yyjson_val *row_fn(struct walk *walk, yyjson_val *row, size_t count);

struct walk {
    const struct tensor *tensor;
    row_fn *row;
    char *out;                     /* where the next row goes */
    size_t bytes;                  /* of all strings with their lengths */
    bool nested;                   /* else all elements are in one row */
    size_t index[TENSOR_RANK_MAX]; /* of the value that did not fit */
};

enum { LENGTH_BYTES = 4 }; /* of the length before each BYTES element */

static yyjson_val *fp32_row(struct walk *walk, yyjson_val *row, size_t count)
{
    float *out = (float *)(void *)walk->out;
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = row + i;
        if (!unsafe_yyjson_is_num(value))
            return value;
        float number = (float)unsafe_yyjson_get_num(value);
        if (!isfinite(number))
            return value;
        out[i] = number;
    }
    walk->out += count * sizeof(float);
    return NULL;
}

static yyjson_val *fp64_row(struct walk *walk, yyjson_val *row, size_t count)
{
    double *out = (double *)(void *)walk->out;
    for (size_t i = 0; i < count; i++) {
        if (!unsafe_yyjson_is_num(row + i))
            return row + i;
        out[i] = unsafe_yyjson_get_num(row + i);
    }
    walk->out += count * sizeof(double);
    return NULL;
}

struct range {
    int64_t min;
    uint64_t max;
};

static struct range integer_range(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_UINT8:
        return (struct range){0, UINT8_MAX};
    case DTYPE_UINT16:
        return (struct range){0, UINT16_MAX};
    case DTYPE_UINT32:
        return (struct range){0, UINT32_MAX};
    case DTYPE_UINT64:
        return (struct range){0, UINT64_MAX};
    case DTYPE_INT8:
        return (struct range){INT8_MIN, INT8_MAX};
    case DTYPE_INT16:
        return (struct range){INT16_MIN, INT16_MAX};
    case DTYPE_INT32:
        return (struct range){INT32_MIN, INT32_MAX};
    default:
        return (struct range){INT64_MIN, INT64_MAX};
    }
}

/* Little-endian, like the machine: an integer's low bytes come first. */
static yyjson_val *integer_row(struct walk *walk, yyjson_val *row, size_t count)
{
    struct range range = integer_range(walk->tensor->dtype);
    size_t bytes = dtype_bytes(walk->tensor->dtype);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = row + i;
        bool fits = unsafe_yyjson_is_uint(value) ? unsafe_yyjson_get_uint(value) <= range.max
                                                 : unsafe_yyjson_is_sint(value) &&
                                                       unsafe_yyjson_get_sint(value) >= range.min;
        if (!fits)
            return value;
        uint64_t integer = unsafe_yyjson_get_uint(value);
        memcpy(walk->out, &integer, bytes);
        walk->out += bytes;
    }
    return NULL;
}

/* true, false, and the 1 and 0 of languages without booleans. */
static yyjson_val *bool_row(struct walk *walk, yyjson_val *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = row + i;
        bool is_bit = yyjson_is_uint(value) && yyjson_get_uint(value) <= 1;
        if (!yyjson_is_bool(value) && !is_bit)
            return value;
        *walk->out++ = is_bit ? (char)yyjson_get_uint(value) : (char)yyjson_get_bool(value);
    }
    return NULL;
}

/* Strings are measured first, because each has its own size. */
static yyjson_val *bytes_measure_row(struct walk *walk, yyjson_val *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!yyjson_is_str(row + i) || yyjson_get_len(row + i) > UINT32_MAX)
            return row + i;
        walk->bytes += LENGTH_BYTES + yyjson_get_len(row + i);
    }
    return NULL;
}

static yyjson_val *bytes_row(struct walk *walk, yyjson_val *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)yyjson_get_len(row + i);
        memcpy(walk->out, &length, LENGTH_BYTES);
        memcpy(walk->out + LENGTH_BYTES, yyjson_get_str(row + i), length);
        walk->out += LENGTH_BYTES + length;
    }
    return NULL;
}

static row_fn *row_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_FP32:
        return fp32_row;
    case DTYPE_FP64:
        return fp64_row;
    case DTYPE_BOOL:
        return bool_row;
    case DTYPE_BYTES:
        return bytes_measure_row;
    default:
        return integer_row;
    }
}

/* Visits the rows below `array`, which is at depth `dim`. */
static yyjson_val *rows_visit(struct walk *walk, yyjson_val *array, unsigned dim)
{
    if (!walk->nested || dim + 1 == walk->tensor->shape.rank) {
        yyjson_val *row = unsafe_yyjson_get_first(array);
        yyjson_val *wrong = walk->row(walk, row, unsafe_yyjson_get_len(array));
        if (wrong != NULL)
            walk->index[dim] = (size_t)(wrong - row);
        return wrong;
    }
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(array, walk->index[dim], count, item)
    {
        yyjson_val *wrong = rows_visit(walk, item, dim + 1);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* "inputs[0].data[1][2]", of the first `depth` indexes. */
struct path {
    char text[40 + TENSOR_RANK_MAX * 22];
};

static struct path data_path(const struct oip_parse *parse, const struct walk *walk, unsigned depth)
{
    struct path path;
    size_t at = (size_t)snprintf(path.text, sizeof(path.text), "inputs[%zu].data", parse->position);
    for (unsigned i = 0; i < depth; i++)
        at += (size_t)snprintf(path.text + at, sizeof(path.text) - at, "[%zu]", walk->index[i]);
    return path;
}

/* Checks that nested arrays have the tensor's shape. Afterwards the document is known to hold as
 * many values as the shape says, so that memory is asked for only where a body pays for it. */
static enum roost_err nesting_check(struct oip_parse *parse, struct walk *walk, yyjson_val *array,
                                    unsigned dim)
{
    const struct shape *shape = &walk->tensor->shape;
    char text[TENSOR_RANK_MAX * 21 + 3];
    if (!yyjson_is_arr(array))
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s: must be an array, not %s, in nested data",
                          data_path(parse, walk, dim).text, oip_kind(array));
    if (yyjson_arr_size(array) != (uint64_t)shape->dims[dim])
        return detail_set(parse->detail, ROOST_INVALID, "%s: has %zu elements, but the shape is %s",
                          data_path(parse, walk, dim).text, yyjson_arr_size(array),
                          shape_format(shape, text, sizeof(text)));
    if (dim + 1 == shape->rank)
        return ROOST_OK;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(array, walk->index[dim], count, item)
    {
        enum roost_err err = nesting_check(parse, walk, item, dim + 1);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

static enum roost_err extent_check(struct oip_parse *parse, struct walk *walk, yyjson_val *data,
                                   uint64_t elements)
{
    const struct shape *shape = &walk->tensor->shape;
    walk->nested = shape->rank > 1 && yyjson_is_arr(yyjson_arr_get_first(data));
    if (walk->nested)
        return nesting_check(parse, walk, data, 0);
    char text[TENSOR_RANK_MAX * 21 + 3];
    if (yyjson_arr_size(data) != elements)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].data: has %zu elements, but the shape %s has %llu",
                          parse->position, yyjson_arr_size(data),
                          shape_format(shape, text, sizeof(text)), (unsigned long long)elements);
    return ROOST_OK;
}

static const char *wanted_kind(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_FP32:
    case DTYPE_FP64:
        return "a number";
    case DTYPE_BOOL:
        return "true or false";
    case DTYPE_BYTES:
        return "a string";
    default:
        return "an integer";
    }
}

static enum roost_err value_refuse(struct oip_parse *parse, const struct walk *walk,
                                   yyjson_val *value)
{
    enum dtype dtype = walk->tensor->dtype;
    struct path path = data_path(parse, walk, walk->nested ? walk->tensor->shape.rank : 1);
    const char *name = dtype_name(dtype);
    if (!yyjson_is_num(value) || dtype == DTYPE_BOOL || dtype == DTYPE_BYTES)
        return detail_set(parse->detail, ROOST_INVALID, "%s: is %s, but %s wants %s", path.text,
                          oip_kind(value), name, wanted_kind(dtype));
    /* Integers beyond 64 bits are read as reals, and no fraction is left that large. */
    if (yyjson_is_real(value) && dtype != DTYPE_FP32 && fabs(yyjson_get_real(value)) < 0x1p63)
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s: has a fraction or an exponent, but %s wants an integer", path.text,
                          name);
    char number[JSON_NUMBER_BYTES_MAX + 1];
    if (yyjson_is_int(value))
        (void)snprintf(number, sizeof(number), yyjson_is_uint(value) ? "%llu" : "%lld",
                       (unsigned long long)yyjson_get_uint(value));
    else
        number[json_format_double(yyjson_get_real(value), number)] = '\0';
    return detail_set(parse->detail, ROOST_INVALID, "%s: %s is out of the range of %s", path.text,
                      number, name);
}

enum roost_err oip_json_tensor(struct oip_parse *parse, yyjson_val *data, struct tensor *tensor)
{
    struct walk walk = {.tensor = tensor, .row = row_of(tensor->dtype)};
    uint64_t elements = 0;
    (void)shape_elements(&tensor->shape, &elements);
    if (tensor->dtype == DTYPE_FP16 || tensor->dtype == DTYPE_BF16)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].data: %s cannot be sent as JSON; send binary data",
                          parse->position, dtype_name(tensor->dtype));
    if (!yyjson_is_arr(data))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].data: must be an array, not %s", parse->position,
                          oip_kind(data));
    enum roost_err err = extent_check(parse, &walk, data, elements);
    if (err != ROOST_OK)
        return err;
    yyjson_val *wrong = NULL;
    size_t bytes = (size_t)elements * dtype_bytes(tensor->dtype);
    if (tensor->dtype == DTYPE_BYTES) {
        wrong = rows_visit(&walk, data, 0);
        bytes = walk.bytes;
        walk.row = bytes_row;
    }
    if (wrong == NULL) {
        err = oip_tensor_allocate(parse, bytes, tensor);
        if (err != ROOST_OK)
            return err;
        walk.out = tensor->data;
        wrong = rows_visit(&walk, data, 0);
    }
    return wrong == NULL ? ROOST_OK : value_refuse(parse, &walk, wrong);
}
