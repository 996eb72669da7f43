/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"

/* Value of a hexadecimal digit, or -1. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum roost_err url_decode(const char *text, size_t length, char *out, size_t out_bytes,
                          struct detail *detail)
{
    size_t made = 0;
    for (size_t at = 0; at < length; at++) {
        int byte = (unsigned char)text[at];
        if (text[at] == '%') {
            int high = at + 1 < length ? digit_value(text[at + 1]) : -1;
            int low = at + 2 < length ? digit_value(text[at + 2]) : -1;
            if (high < 0 || low < 0)
                return detail_set(detail, ROOST_INVALID,
                                  "path: a %% is not followed by two hexadecimal digits");
            byte = high * 16 + low;
            at += 2;
        }
        if (byte == 0)
            return detail_set(detail, ROOST_INVALID, "path: contains a NUL");
        if (made + 1 >= out_bytes)
            return detail_set(detail, ROOST_INVALID, "path: is too long");
        out[made++] = (char)byte;
    }
    out[made] = '\0';
    if (!utf8_valid(out, made))
        return detail_set(detail, ROOST_INVALID, "path: is not UTF-8");
    return ROOST_OK;
}

enum roost_err url_path_parse(const char *target, struct url_path *path, struct detail *detail)
{
    const char *end = target + strcspn(target, "?#");
    char *out = path->text;
    path->count = 0;
    if (*target != '/')
        return detail_set(detail, ROOST_INVALID, "path: must begin with a slash");
    if (end - target > 1 && end[-1] == '/')
        end--;
    for (const char *at = target; at < end && end - target > 1;) {
        const char *begin = at + 1;
        const char *stop = memchr(begin, '/', (size_t)(end - begin));
        stop = stop != NULL ? stop : end;
        if (path->count == URL_SEGMENTS_MAX)
            return detail_set(detail, ROOST_NOT_FOUND, "Not Found");
        size_t room = sizeof(path->text) - (size_t)(out - path->text);
        enum roost_err err = url_decode(begin, (size_t)(stop - begin), out, room, detail);
        if (err != ROOST_OK)
            return err;
        path->segments[path->count++] = out;
        out += strlen(out) + 1;
        at = stop;
    }
    return ROOST_OK;
}

bool url_path_match(const struct url_path *path, const char *pattern, const char **values,
                    size_t values_max)
{
    size_t found = 0;
    unsigned i = 0;
    for (const char *at = pattern; *at != '\0'; i++) {
        size_t length = strcspn(at, "/");
        if (i == path->count)
            return false;
        if (length == 2 && memcmp(at, "{}", 2) == 0) {
            roost_assert(found < values_max);
            values[found++] = path->segments[i];
        } else if (strlen(path->segments[i]) != length ||
                   memcmp(path->segments[i], at, length) != 0) {
            return false;
        }
        at += length;
        at += *at == '/' ? 1 : 0;
    }
    return i == path->count;
}
