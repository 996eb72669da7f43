/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t utf8_sequence(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    if (length == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t size = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (length < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (!is_tail(s[i]))
            return 0;
    }
    /* The second byte tells overlong forms, surrogates and what lies above U+10FFFF. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return size;
}

bool utf8_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t size = utf8_sequence(text + at, length - at);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t length, size_t bytes_max)
{
    if (length <= bytes_max)
        return length;
    size_t cut = bytes_max;
    while (cut > 0 && bytes_max - cut < 3 && is_tail((unsigned char)text[cut]))
        cut--;
    /* More than three tail bytes in a row are no UTF-8 at all: cut where the caller said. */
    return is_tail((unsigned char)text[cut]) ? bytes_max : cut;
}
