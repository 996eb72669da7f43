/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers with a unit ("1.5 GiB", "120 ms"), read exactly and without the locale. */
#ifndef ROOST_BASE_QUANTITY_H
#define ROOST_BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

struct quantity_unit {
    const char *name; /* "" permits a number without a unit */
    uint64_t factor;
};

/*
 * Reads digits, an optional fraction, optional spaces and one of `units`, with nothing else but
 * spaces around; *value is the number times the factor, rounded half up. No sign and no exponent.
 * Returns 0, or -1 when the text is something else or the value does not fit; *value is then left.
 */
int quantity_parse(const char *text, const struct quantity_unit *units, size_t unit_count,
                   uint64_t *value);

#endif
