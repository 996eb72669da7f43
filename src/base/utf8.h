/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef ROOST_BASE_UTF8_H
#define ROOST_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes (1 to 4) of the valid sequence that `text` begins with, or 0 when there is none. */
size_t utf8_sequence(const char *text, size_t length);

bool utf8_valid(const char *text, size_t length);

/* The longest prefix of at most `bytes_max` bytes that does not end inside a sequence. */
size_t utf8_cut(const char *text, size_t length, size_t bytes_max);

#endif
