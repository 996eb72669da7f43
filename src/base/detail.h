/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A caller-owned buffer for the reason that a person reads: what is wrong,
 * where, and what to do. Every function that takes a `struct detail *` accepts
 * NULL and leaves the buffer alone on success.
 */
#ifndef ROOST_BASE_DETAIL_H
#define ROOST_BASE_DETAIL_H

#include "roost/err.h"

enum { DETAIL_BYTES_MAX = 512 };

struct detail {
    char text[DETAIL_BYTES_MAX];
};

/* Writes the reason and returns `err`, so that `return detail_set(d, ROOST_INVALID, ...)` works.
 * Longer texts are cut; the result is always terminated and valid UTF-8 if the input is. */
enum roost_err detail_set(struct detail *detail, enum roost_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before what is there already; used while an error travels outwards. */
void detail_prefix(struct detail *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
