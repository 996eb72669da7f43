/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRBUF_CAPACITY_FIRST = 128 };

void strbuf_init(struct strbuf *buf)
{
    *buf = (struct strbuf){0};
}

void strbuf_fini(struct strbuf *buf)
{
    free(buf->data);
    strbuf_init(buf);
}

void strbuf_reset(struct strbuf *buf)
{
    buf->length = 0;
    buf->failed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *buf, size_t length)
{
    if (buf->failed)
        return NULL;
    size_t spare = buf->capacity - buf->length;
    if (length < spare)
        return buf->data + buf->length;
    if (length > SIZE_MAX / 4 - buf->length) {
        buf->failed = true;
        return NULL;
    }
    size_t needed = buf->length + length + 1;
    size_t capacity = buf->capacity == 0 ? STRBUF_CAPACITY_FIRST : 2 * buf->capacity;
    capacity = capacity < needed ? needed : capacity;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->failed = true;
        return NULL;
    }
    data[buf->length] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return data + buf->length;
}

void strbuf_commit(struct strbuf *buf, size_t length)
{
    if (buf->data == NULL || buf->failed)
        return;
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void strbuf_append(struct strbuf *buf, const void *bytes, size_t length)
{
    char *end = strbuf_reserve(buf, length);
    if (end == NULL || length == 0)
        return;
    memcpy(end, bytes, length);
    strbuf_commit(buf, length);
}

void strbuf_puts(struct strbuf *buf, const char *text)
{
    strbuf_append(buf, text, strlen(text));
}

void strbuf_putc(struct strbuf *buf, char c)
{
    strbuf_append(buf, &c, 1);
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
    char *end = strbuf_reserve(buf, 64);
    if (end == NULL)
        return;
    size_t spare = buf->capacity - buf->length;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(end, spare, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length >= spare) {
        *end = '\0';
        end = strbuf_reserve(buf, (size_t)length);
        if (end == NULL)
            return;
        va_start(args, format);
        length = vsnprintf(end, (size_t)length + 1, format, args);
        va_end(args);
    }
    if (length < 0) {
        *end = '\0';
        buf->failed = true;
        return;
    }
    strbuf_commit(buf, (size_t)length);
}

const char *strbuf_text(const struct strbuf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

char *strbuf_take(struct strbuf *buf)
{
    /* The reservation makes an empty text a real one, so that NULL means failure alone. */
    char *text = strbuf_reserve(buf, 0) == NULL ? NULL : buf->data;
    if (text == NULL)
        free(buf->data);
    strbuf_init(buf);
    return text;
}
