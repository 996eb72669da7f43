/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people write them in options and in YAML, and the bounds they are held to. */
#ifndef ROOST_BASE_NUMBER_H
#define ROOST_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum number_kind { NUMBER_PLAIN, NUMBER_DURATION, NUMBER_BYTES };

/* Both 0: no bounds; maximum below minimum: no upper bound. */
struct number_bounds {
    double minimum, maximum;
};

enum { NUMBER_BOUNDS_BYTES_MAX = 96 };

/* Decimal, 0x or 0o with an optional sign and nothing around it. Returns 0, or -1. */
int number_parse_int(const char *text, int64_t *value);

/* Decimal with optional sign, fraction and exponent; finite. Returns 0, or -1. */
int number_parse_double(const char *text, double *value);

bool number_in_bounds(double value, struct number_bounds bounds);

/* "between 1 and 64", "at least 1.00 ms"; returns `out`. */
char *number_bounds_format(struct number_bounds bounds, enum number_kind kind, char *out,
                           size_t out_bytes);

/* "512 MiB", "1.5 GiB", "100 B": exact where a unit divides it, else two decimals. */
char *bytes_format(uint64_t bytes, char *out, size_t out_bytes);

#endif
