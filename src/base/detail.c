/* SPDX-License-Identifier: Apache-2.0 */
#include "base/detail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* The reason is made in a second buffer because the arguments may point into the first. */
static void detail_store(struct detail *detail, const char *text)
{
    size_t length = utf8_cut(text, strlen(text), DETAIL_BYTES_MAX - 1);
    memcpy(detail->text, text, length);
    detail->text[length] = '\0';
}

enum roost_err detail_set(struct detail *detail, enum roost_err err, const char *format, ...)
{
    if (detail != NULL) {
        char text[DETAIL_BYTES_MAX + 4] = "";
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        detail_store(detail, text);
    }
    return err;
}

void detail_prefix(struct detail *detail, const char *format, ...)
{
    if (detail == NULL)
        return;
    char prefix[DETAIL_BYTES_MAX] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof(prefix), format, args);
    va_end(args);

    char text[2 * DETAIL_BYTES_MAX + 4];
    size_t prefix_length = utf8_cut(prefix, strlen(prefix), sizeof(prefix) - 4);
    (void)snprintf(text, sizeof(text), "%.*s: %s", (int)prefix_length, prefix, detail->text);
    detail_store(detail, text);
}
