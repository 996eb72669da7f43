/* SPDX-License-Identifier: Apache-2.0 */
#include "load/inputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/file.h"
#include "base/rng.h"

enum { TEXT_BYTES = 8 };
#define DATA_FILE_BYTES_MAX (UINT64_C(1) << 32)
#define ROW_BYTES_MAX       (UINT64_C(1) << 30)

const char *entry_for(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=' ? entry + length + 1 : NULL;
}

/* The last entry for this input, so that what is said later wins. */
static const char *list_find(const struct option_list *list, const char *name)
{
    for (size_t i = list == NULL ? 0 : list->count; i > 0; i--) {
        const char *value = entry_for(list->items[i - 1], name);
        if (value != NULL)
            return value;
    }
    return NULL;
}

static size_t element_bytes(enum dtype dtype)
{
    return dtype == DTYPE_BYTES ? sizeof(uint32_t) + TEXT_BYTES : dtype_bytes(dtype);
}

static enum roost_err row_shape_find(const struct load_model *model, unsigned index,
                                     const struct input_options *options, struct input_rows *rows,
                                     struct detail *detail)
{
    const struct tensor_spec *spec = &model->io.inputs[index];
    struct shape open = spec->shape;
    if (model->is_batched && open.rank > 0) {
        open.rank--;
        memmove(open.dims, open.dims + 1, open.rank * sizeof(*open.dims));
    }
    rows->row_shape = open;
    for (unsigned i = 0; i < open.rank; i++)
        rows->row_shape.dims[i] = open.dims[i] == -1 ? 1 : open.dims[i];
    const char *text = list_find(options->shapes, spec->name);
    if (text != NULL) {
        struct shape wanted;
        enum roost_err err = shape_parse_text(text, &wanted, detail);
        if (err != ROOST_OK)
            return err;
        char shown[96];
        if (!shape_matches(&open, &wanted))
            return detail_set(detail, ROOST_INVALID, "shape %s does not fit the model's %s", text,
                              shape_format(&open, shown, sizeof(shown)));
        rows->row_shape = wanted;
    }
    if (!shape_elements(&rows->row_shape, &rows->row_elements) ||
        rows->row_elements > ROW_BYTES_MAX / element_bytes(spec->dtype))
        return detail_set(detail, ROOST_TOO_LARGE, "a row is larger than 1 GiB");
    rows->row_bytes = (size_t)rows->row_elements * element_bytes(spec->dtype);
    return ROOST_OK;
}

/* IEEE 754 half precision of a finite value, rounded to nearest; tiny values become zero. */
static uint16_t half_of(double value)
{
    uint16_t sign = value < 0 ? 0x8000 : 0;
    int exponent;
    double fraction = frexp(fabs(value), &exponent); /* in [0.5, 1) */
    if (fraction <= 0.0 || exponent < -13)
        return sign;
    unsigned mantissa = (unsigned)lround((fraction * 2.0 - 1.0) * 1024.0);
    unsigned bits = ((unsigned)(exponent + 14) << 10) + mantissa;
    return (uint16_t)(sign | (bits > 0x7BFF ? 0x7BFF : bits));
}

static double drawn(struct rng *rng, const struct value_range *range)
{
    if (!range->is_known)
        return rng_uniform(rng);
    return range->low + rng_uniform(rng) * (range->high - range->low);
}

static int64_t drawn_integer(struct rng *rng, const struct value_range *range)
{
    return (int64_t)floor(drawn(rng, range));
}

#define STORE(type, value)                                                                         \
    do {                                                                                           \
        type stored = (type)(value);                                                               \
        memcpy(out, &stored, sizeof(stored));                                                      \
    } while (0)

static void element_store(enum dtype dtype, const struct value_range *range, struct rng *rng,
                          char *out)
{
    switch (dtype) {
    case DTYPE_FP32:
        STORE(float, drawn(rng, range));
        break;
    case DTYPE_FP64:
        STORE(double, drawn(rng, range));
        break;
    case DTYPE_FP16:
        STORE(uint16_t, half_of(drawn(rng, range)));
        break;
    case DTYPE_BF16: {
        float value = (float)drawn(rng, range);
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        STORE(uint16_t, bits >> 16);
        break;
    }
    case DTYPE_BOOL:
        STORE(uint8_t, rng_next(rng) >> 63);
        break;
    case DTYPE_UINT8:
    case DTYPE_INT8:
        STORE(uint8_t, drawn_integer(rng, range));
        break;
    case DTYPE_UINT16:
    case DTYPE_INT16:
        STORE(uint16_t, drawn_integer(rng, range));
        break;
    case DTYPE_UINT32:
    case DTYPE_INT32:
        STORE(uint32_t, drawn_integer(rng, range));
        break;
    case DTYPE_UINT64:
    case DTYPE_INT64:
        STORE(uint64_t, drawn_integer(rng, range));
        break;
    case DTYPE_BYTES: {
        char text[TEXT_BYTES + 1];
        uint32_t length = TEXT_BYTES;
        (void)snprintf(text, sizeof(text), "%08x", (unsigned)(rng_next(rng) >> 32));
        memcpy(out, &length, sizeof(length));
        memcpy(out + sizeof(length), text, TEXT_BYTES);
        break;
    }
    default:
        roost_assert(false);
    }
}

static bool is_integer(enum dtype dtype)
{
    return dtype >= DTYPE_UINT8 && dtype <= DTYPE_INT64;
}

/* Values that the type can hold; what an index input may take is more narrow, and unknown here. */
static enum roost_err range_check(enum dtype dtype, const struct value_range *range,
                                  struct detail *detail)
{
    if (!range->is_known || !is_integer(dtype))
        return ROOST_OK;
    bool is_unsigned = dtype <= DTYPE_UINT64;
    double bits = 8.0 * (double)dtype_bytes(dtype);
    /* Drawn as doubles, so 2^53 is where they stop being exact. */
    double span = fmin(exp2(is_unsigned ? bits : bits - 1.0), exp2(53));
    if (range->low < (is_unsigned ? 0.0 : -span) || range->high > span)
        return detail_set(detail, ROOST_INVALID, "range %g:%g does not fit %s", range->low,
                          range->high, dtype_name(dtype));
    return ROOST_OK;
}

static enum roost_err rows_fill(const struct load_model *model, unsigned index,
                                const struct input_options *options, struct input_rows *rows,
                                struct detail *detail)
{
    const struct tensor_spec *spec = &model->io.inputs[index];
    struct value_range range = model->ranges[index];
    const char *text = list_find(options->ranges, spec->name);
    enum roost_err err = text == NULL ? ROOST_OK : value_range_parse(text, &range, detail);
    if (err == ROOST_OK)
        err = range_check(spec->dtype, &range, detail);
    if (err != ROOST_OK)
        return err;
    if (!range.is_known && spec->dtype == DTYPE_UINT8)
        range = (struct value_range){.is_known = true, .low = 0, .high = 256};
    rows->data = calloc(rows->rows * rows->row_bytes + 1, 1);
    if (rows->data == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for %zu bytes of data",
                          (size_t)rows->rows * rows->row_bytes);
    rows->is_zero = is_integer(spec->dtype) && !range.is_known;
    if (rows->is_zero)
        return ROOST_OK;
    struct rng rng;
    rng_seed(&rng, options->seed + index);
    size_t step = element_bytes(spec->dtype);
    for (uint64_t i = 0; i < rows->rows * rows->row_elements; i++)
        element_store(spec->dtype, &range, &rng, rows->data + i * step);
    return ROOST_OK;
}

static enum roost_err rows_read(const char *path, enum dtype dtype, struct input_rows *rows,
                                struct detail *detail)
{
    size_t length;
    if (dtype == DTYPE_BYTES)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "%s: texts come in JSON bodies, not as raw data", path);
    enum roost_err err = file_read(path, DATA_FILE_BYTES_MAX, &rows->data, &length, detail);
    if (err != ROOST_OK)
        return err;
    if (length == 0 || rows->row_bytes == 0 || length % rows->row_bytes != 0)
        return detail_set(detail, ROOST_INVALID,
                          "%s: %zu bytes are not whole rows of %zu bytes each", path, length,
                          rows->row_bytes);
    rows->rows = length / rows->row_bytes;
    return ROOST_OK;
}

enum roost_err input_set_init(const struct load_model *model, const struct input_options *options,
                              struct input_set *set, struct detail *detail)
{
    *set = (struct input_set){.count = model->io.input_count};
    enum roost_err err = ROOST_OK;
    unsigned i = 0;
    for (; i < set->count && err == ROOST_OK; i++) {
        err = row_shape_find(model, i, options, &set->inputs[i], detail);
        set->row_bytes += set->inputs[i].row_bytes;
    }
    uint64_t fitting = set->row_bytes == 0 ? 1 : options->bytes_max / set->row_bytes;
    uint64_t row_count = options->rows < fitting ? options->rows : fitting;
    /* Without a batch dimension a row is the whole tensor, and several make several requests. */
    row_count = row_count == 0 ? 1 : row_count;
    for (unsigned k = 0; k < set->count && err == ROOST_OK; k++) {
        const struct tensor_spec *spec = &model->io.inputs[k];
        const char *path = list_find(options->data, spec->name);
        i = k + 1;
        set->inputs[k].rows = row_count;
        err = path != NULL ? rows_read(path, spec->dtype, &set->inputs[k], detail)
                           : rows_fill(model, k, options, &set->inputs[k], detail);
    }
    if (err != ROOST_OK) {
        detail_prefix(detail, "input %s", model->io.inputs[i - 1].name);
        input_set_fini(set);
    }
    return err;
}

void input_set_fini(struct input_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        free(set->inputs[i].data);
    *set = (struct input_set){0};
}

void input_rows_copy(const struct input_rows *rows, uint64_t first, uint64_t count, char *out)
{
    uint64_t at = first % rows->rows;
    while (count > 0) {
        uint64_t piece = rows->rows - at < count ? rows->rows - at : count;
        memcpy(out, rows->data + at * rows->row_bytes, piece * rows->row_bytes);
        out += piece * rows->row_bytes;
        count -= piece;
        at = 0;
    }
}
