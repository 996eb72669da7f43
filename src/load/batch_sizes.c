/* SPDX-License-Identifier: Apache-2.0 */
#include "load/batch_sizes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"

enum { ARGUMENTS_MAX = 4, ARGUMENT_BYTES_MAX = 32, FILE_BYTES_MAX = 16 * 1024 * 1024 };

static enum roost_err sizes_refuse(const char *text, struct detail *detail)
{
    return detail_set(detail, ROOST_INVALID,
                      "a batch size is a number up to %d, lognormal(mu,sigma[,low,high]) or "
                      "file(PATH), not \"%.80s\"",
                      BATCH_SIZE_MAX, text);
}

static void range_set(struct batch_sizes *sizes)
{
    sizes->low = UINT32_MAX;
    sizes->high = 0;
    for (size_t i = 0; i < sizes->count; i++) {
        uint32_t value = sizes->values[i];
        sizes->low = value < sizes->low ? value : sizes->low;
        sizes->high = value > sizes->high ? value : sizes->high;
    }
}

static enum roost_err value_push(struct batch_sizes *sizes, size_t *capacity, uint32_t value,
                                 struct detail *detail)
{
    if (sizes->count == BATCH_FILE_LINES_MAX)
        return detail_set(detail, ROOST_TOO_LARGE, "more than %d batch sizes",
                          BATCH_FILE_LINES_MAX);
    if (sizes->count == *capacity) {
        size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
        void *values = realloc(sizes->values, wanted * sizeof(*sizes->values));
        if (values == NULL)
            return detail_set(detail, ROOST_NO_MEMORY, "no memory for the batch sizes");
        sizes->values = values;
        *capacity = wanted;
    }
    sizes->values[sizes->count++] = value;
    return ROOST_OK;
}

/* Copies what stands on the line without spaces and comment; the length, or -1 when it is too long
 * to be a number. */
static int line_trim(const char *line, size_t length, char out[ARGUMENT_BYTES_MAX])
{
    const char *comment = memchr(line, '#', length);
    if (comment != NULL)
        length = (size_t)(comment - line);
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL)
        length--;
    for (; length > 0 && (*line == ' ' || *line == '\t'); length--)
        line++;
    if (length >= ARGUMENT_BYTES_MAX)
        return -1;
    memcpy(out, line, length);
    out[length] = '\0';
    return (int)length;
}

enum roost_err batch_sizes_parse_file(const char *text, size_t length, struct batch_sizes *sizes,
                                      struct detail *detail)
{
    *sizes = (struct batch_sizes){.kind = BATCH_FILE};
    enum roost_err err = ROOST_OK;
    size_t capacity = 0;
    size_t line_number = 0;
    for (size_t at = 0; at < length && err == ROOST_OK;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t bytes = end == NULL ? length - at : (size_t)(end - (text + at));
        char line[ARGUMENT_BYTES_MAX];
        line_number++;
        int kept = line_trim(text + at, bytes, line);
        int64_t value = 0;
        if (kept < 0 || (kept > 0 && (number_parse_int(line, &value) != 0 || value < 1 ||
                                      value > BATCH_SIZE_MAX)))
            err = detail_set(detail, ROOST_INVALID, "line %zu: a batch size is between 1 and %d",
                             line_number, BATCH_SIZE_MAX);
        else if (kept > 0)
            err = value_push(sizes, &capacity, (uint32_t)value, detail);
        at += bytes + 1;
    }
    if (err == ROOST_OK && sizes->count == 0)
        err = detail_set(detail, ROOST_INVALID, "the file holds no batch sizes");
    if (err != ROOST_OK) {
        batch_sizes_fini(sizes);
        return err;
    }
    range_set(sizes);
    return ROOST_OK;
}

/* "name(a,b)" -> the length of what stands in the parentheses, or -1. */
static int arguments_find(const char *text, const char *name, const char **arguments)
{
    size_t name_length = strlen(name);
    size_t length = strlen(text);
    if (strncmp(text, name, name_length) != 0 || length < name_length + 2 ||
        text[name_length] != '(' || text[length - 1] != ')')
        return -1;
    *arguments = text + name_length + 1;
    return (int)(length - name_length - 2);
}

static enum roost_err lognormal_parse(const char *text, const char *arguments, size_t length,
                                      struct batch_sizes *sizes, struct detail *detail)
{
    double values[ARGUMENTS_MAX] = {0, 0, 1, BATCH_LOGNORMAL_HIGH};
    size_t count = 0;
    for (size_t at = 0; at <= length; count++) {
        const char *end = memchr(arguments + at, ',', length - at);
        size_t bytes = end == NULL ? length - at : (size_t)(end - (arguments + at));
        char number[ARGUMENT_BYTES_MAX];
        if (count == ARGUMENTS_MAX || line_trim(arguments + at, bytes, number) <= 0 ||
            number_parse_double(number, &values[count]) != 0)
            return sizes_refuse(text, detail);
        at += bytes + 1;
    }
    bool is_whole = values[2] == floor(values[2]) && values[3] == floor(values[3]);
    if (count < 2 || values[1] < 0 || !is_whole || values[2] < 1 || values[3] < values[2] ||
        values[3] > BATCH_SIZE_MAX)
        return sizes_refuse(text, detail);
    sizes->kind = BATCH_LOGNORMAL;
    sizes->mu = values[0];
    sizes->sigma = values[1];
    sizes->low = (uint32_t)values[2];
    sizes->high = (uint32_t)values[3];
    return ROOST_OK;
}

static enum roost_err file_parse(const char *arguments, size_t length, struct batch_sizes *sizes,
                                 struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    if (length >= sizeof(path))
        return detail_set(detail, ROOST_INVALID, "the path of the batch sizes is too long");
    memcpy(path, arguments, length);
    path[length] = '\0';
    char *text;
    size_t bytes;
    enum roost_err err = file_read(path, FILE_BYTES_MAX, &text, &bytes, detail);
    if (err != ROOST_OK)
        return err;
    err = batch_sizes_parse_file(text, bytes, sizes, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "%s", path);
    free(text);
    return err;
}

enum roost_err batch_sizes_parse(const char *text, struct batch_sizes *sizes, struct detail *detail)
{
    *sizes = (struct batch_sizes){0};
    const char *arguments;
    int64_t value;
    int length = arguments_find(text, "lognormal", &arguments);
    if (length >= 0)
        return lognormal_parse(text, arguments, (size_t)length, sizes, detail);
    length = arguments_find(text, "file", &arguments);
    if (length >= 0)
        return file_parse(arguments, (size_t)length, sizes, detail);
    if (number_parse_int(text, &value) != 0 || value < 1 || value > BATCH_SIZE_MAX)
        return sizes_refuse(text, detail);
    sizes->kind = BATCH_CONSTANT;
    sizes->low = (uint32_t)value;
    sizes->high = (uint32_t)value;
    return ROOST_OK;
}

void batch_sizes_fini(struct batch_sizes *sizes)
{
    free(sizes->values);
    *sizes = (struct batch_sizes){0};
}

bool batch_sizes_limit(struct batch_sizes *sizes, uint32_t high)
{
    if (sizes->high <= high)
        return false;
    sizes->high = high;
    sizes->low = sizes->low < high ? sizes->low : high;
    for (size_t i = 0; i < sizes->count; i++)
        sizes->values[i] = sizes->values[i] < high ? sizes->values[i] : high;
    return true;
}

uint32_t batch_sizes_draw(const struct batch_sizes *sizes, struct rng *rng)
{
    if (sizes->kind == BATCH_FILE)
        return sizes->values[rng_below(rng, sizes->count)];
    if (sizes->low == sizes->high)
        return sizes->low;
    double size = round(exp(sizes->mu + sizes->sigma * rng_normal(rng)));
    size = fmin(fmax(size, (double)sizes->low), (double)sizes->high);
    return (uint32_t)size;
}
