/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"

/* A level's kind needs one bit of a 64-bit word, and level 0 is outside everything. */
enum { WRITER_DEPTH_MAX = 63, ESCAPED_BYTES_MAX = 6 };

/* yyjson keeps a document's values in one array in reading order, each container with the
 * distance to its next sibling, so open containers are those whose next sibling is not reached. */
static bool depth_is_bounded(const yyjson_doc *doc)
{
    const yyjson_val *ends[JSON_DEPTH_MAX];
    size_t depth = 0;
    yyjson_val *value = yyjson_doc_get_root((yyjson_doc *)doc);
    size_t count = yyjson_doc_get_val_count((yyjson_doc *)doc);
    for (size_t i = 0; i < count; i++, value++) {
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (!unsafe_yyjson_is_ctn(value))
            continue;
        if (depth == JSON_DEPTH_MAX)
            return false;
        ends[depth++] = unsafe_yyjson_get_next(value);
    }
    return true;
}

/* The byte at which a document, known to be valid, goes too deep. */
static size_t depth_position(const char *text, size_t length)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (in_string && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && (text[i] == '[' || text[i] == '{')) {
            if (depth++ == JSON_DEPTH_MAX)
                return i;
        } else if (!in_string && (text[i] == ']' || text[i] == '}')) {
            depth--;
        }
    }
    return length;
}

enum roost_err json_parse(const char *text, size_t length, yyjson_doc **doc, struct detail *detail)
{
    *doc = NULL;
    if (length == 0)
        return detail_set(detail, ROOST_INVALID, "JSON: the text is empty");
    yyjson_read_err error = {0};
    /* Without the in-situ flag yyjson does not write to the text. */
    yyjson_doc *parsed = yyjson_read_opts((char *)(uintptr_t)text, length, YYJSON_READ_NOFLAG, NULL,
                                          &error);
    if (parsed == NULL && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return detail_set(detail, ROOST_NO_MEMORY, "JSON: no memory for %zu bytes", length);
    if (parsed == NULL)
        return detail_set(detail, ROOST_INVALID, "JSON: %s at byte %zu", error.msg, error.pos);
    if (!depth_is_bounded(parsed)) {
        yyjson_doc_free(parsed);
        return detail_set(detail, ROOST_INVALID, "JSON: more than %d levels deep at byte %zu",
                          JSON_DEPTH_MAX, depth_position(text, length));
    }
    *doc = parsed;
    return ROOST_OK;
}

void json_writer_init(struct json_writer *w, struct strbuf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Whatever comes next: a comma where one is due. */
static void value_begin(struct json_writer *w)
{
    uint64_t bit = UINT64_C(1) << w->depth;
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    roost_assert((w->in_object & bit) == 0);
    if ((w->has_item & bit) != 0)
        strbuf_putc(w->out, ',');
    w->has_item |= bit;
}

static void container_begin(struct json_writer *w, bool object)
{
    value_begin(w);
    roost_assert(w->depth < WRITER_DEPTH_MAX);
    strbuf_putc(w->out, object ? '{' : '[');
    w->depth++;
    uint64_t bit = UINT64_C(1) << w->depth;
    w->has_item &= ~bit;
    w->in_object = object ? w->in_object | bit : w->in_object & ~bit;
}

static void container_end(struct json_writer *w, bool object)
{
    roost_assert(w->depth > 0 && !w->after_key);
    roost_assert(((w->in_object >> w->depth) & 1) == (object ? 1 : 0));
    strbuf_putc(w->out, object ? '}' : ']');
    w->depth--;
}

void json_begin_object(struct json_writer *w)
{
    container_begin(w, true);
}

void json_end_object(struct json_writer *w)
{
    container_end(w, true);
}

void json_begin_array(struct json_writer *w)
{
    container_begin(w, false);
}

void json_end_array(struct json_writer *w)
{
    container_end(w, false);
}

/* Writes the escape of the byte at `text`; returns how many bytes of the text it stands for. */
static size_t escape_write(struct strbuf *out, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char byte = (unsigned char)*text;
    char escape[ESCAPED_BYTES_MAX] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
        strbuf_append(out, escape, 2);
    } else if (byte < 0x20 && letters[byte] != 0) {
        escape[1] = letters[byte];
        strbuf_append(out, escape, 2);
    } else if (byte < 0x20) {
        strbuf_append(out, escape, sizeof(escape));
    } else {
        size_t size = utf8_sequence(text, length);
        if (size > 0)
            strbuf_append(out, text, size);
        else
            strbuf_puts(out, "\xEF\xBF\xBD");
        return size > 0 ? size : 1;
    }
    return 1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void string_write(struct strbuf *out, const char *text, size_t length)
{
    strbuf_putc(out, '"');
    for (size_t at = 0; at < length;) {
        size_t run = at;
        while (run < length && is_plain(text[run]))
            run++;
        strbuf_append(out, text + at, run - at);
        at = run;
        if (at < length)
            at += escape_write(out, text + at, length - at);
    }
    strbuf_putc(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    uint64_t bit = UINT64_C(1) << w->depth;
    roost_assert((w->in_object & bit) != 0 && !w->after_key);
    if ((w->has_item & bit) != 0)
        strbuf_putc(w->out, ',');
    w->has_item |= bit;
    string_write(w->out, key, strlen(key));
    strbuf_putc(w->out, ':');
    w->after_key = true;
}

void json_string(struct json_writer *w, const char *text)
{
    json_string_n(w, text, strlen(text));
}

void json_string_n(struct json_writer *w, const char *text, size_t length)
{
    value_begin(w);
    string_write(w->out, text, length);
}

void json_int(struct json_writer *w, int64_t value)
{
    value_begin(w);
    char *end = strbuf_reserve(w->out, JSON_NUMBER_BYTES_MAX);
    if (end == NULL)
        return;
    size_t sign = value < 0 ? 1 : 0;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    end[0] = '-';
    strbuf_commit(w->out, sign + json_format_uint(magnitude, end + sign));
}

void json_uint(struct json_writer *w, uint64_t value)
{
    value_begin(w);
    char *end = strbuf_reserve(w->out, JSON_NUMBER_BYTES_MAX);
    if (end != NULL)
        strbuf_commit(w->out, json_format_uint(value, end));
}

void json_double(struct json_writer *w, double value)
{
    value_begin(w);
    char *end = strbuf_reserve(w->out, JSON_NUMBER_BYTES_MAX);
    if (end != NULL)
        strbuf_commit(w->out, json_format_double(value, end));
}

void json_float(struct json_writer *w, float value)
{
    json_float_items(w, &value, 1);
}

void json_float_items(struct json_writer *w, const float *values, size_t count)
{
    enum { CHUNK = 1024 };
    if (count == 0)
        return;
    value_begin(w);
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t chunk = count - at < CHUNK ? count - at : CHUNK;
        char *begin = strbuf_reserve(w->out, chunk * JSON_NUMBER_BYTES_MAX);
        if (begin == NULL)
            return;
        char *end = begin;
        for (size_t i = 0; i < chunk; i++) {
            if (at + i > 0)
                *end++ = ',';
            end += json_format_float(values[at + i], end);
        }
        strbuf_commit(w->out, (size_t)(end - begin));
    }
}

void json_float_array(struct json_writer *w, const float *values, size_t count)
{
    json_begin_array(w);
    json_float_items(w, values, count);
    json_end_array(w);
}

void json_bool(struct json_writer *w, bool value)
{
    value_begin(w);
    strbuf_puts(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    value_begin(w);
    strbuf_puts(w->out, "null");
}

void json_field_string(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_string(w, text);
}

void json_field_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_field_uint(struct json_writer *w, const char *key, uint64_t value)
{
    json_key(w, key);
    json_uint(w, value);
}

void json_field_double(struct json_writer *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

void json_field_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}
