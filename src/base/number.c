/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "base/yaml.h"

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

int number_parse_int(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    unsigned base = 10;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
        base = text[1] == 'x' ? 16 : 8;
        text += 2;
    }
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    uint64_t magnitude = 0;
    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)digit_value(*text);
        if (digit >= base || magnitude > (limit - digit) / base)
            return -1;
        magnitude = magnitude * base + digit;
    }
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* The grammar is checked here, because strtod also takes hexadecimal, "inf" and "nan". */
static bool is_decimal(const char *text)
{
    text += *text == '-' || *text == '+' ? 1 : 0;
    const char *whole = skip_digits(text);
    const char *end = whole;
    ptrdiff_t digits = whole - text;
    if (*end == '.') {
        end = skip_digits(whole + 1);
        digits += end - (whole + 1);
    }
    if (digits == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1;
        exponent += *exponent == '-' || *exponent == '+' ? 1 : 0;
        end = skip_digits(exponent);
        if (end == exponent)
            return false;
    }
    return *end == '\0';
}

int number_parse_double(const char *text, double *value)
{
    if (!is_decimal(text))
        return -1;
    double parsed = strtod(text, NULL);
    if (!isfinite(parsed))
        return -1;
    *value = parsed;
    return 0;
}

static bool is_unbounded(struct number_bounds bounds)
{
    return !(bounds.minimum < 0.0) && !(bounds.minimum > 0.0) && !(bounds.maximum < 0.0) &&
           !(bounds.maximum > 0.0);
}

bool number_in_bounds(double value, struct number_bounds bounds)
{
    if (is_unbounded(bounds))
        return true;
    return value >= bounds.minimum && (bounds.maximum < bounds.minimum || value <= bounds.maximum);
}

static char *bound_format(double bound, enum number_kind kind, char *out, unsigned out_bytes)
{
    if (kind == NUMBER_DURATION)
        return duration_format((uint64_t)bound, out, out_bytes);
    if (kind == NUMBER_BYTES)
        return bytes_format((uint64_t)bound, out, out_bytes);
    (void)snprintf(out, out_bytes, "%.15g", bound);
    return out;
}

char *number_bounds_format(struct number_bounds bounds, enum number_kind kind, char *out,
                           size_t out_bytes)
{
    char minimum[40];
    char maximum[40];
    (void)bound_format(bounds.minimum, kind, minimum, sizeof(minimum));
    if (bounds.maximum < bounds.minimum) {
        (void)snprintf(out, out_bytes, "at least %s", minimum);
        return out;
    }
    (void)bound_format(bounds.maximum, kind, maximum, sizeof(maximum));
    (void)snprintf(out, out_bytes, "between %s and %s", minimum, maximum);
    return out;
}

char *bytes_format(uint64_t bytes, char *out, size_t out_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < 4 && bytes >> (10 * (unit + 1)) != 0)
        unit++;
    uint64_t factor = UINT64_C(1) << (10 * unit);
    if (bytes % factor == 0)
        (void)snprintf(out, out_bytes, "%llu %s", (unsigned long long)(bytes / factor),
                       units[unit]);
    else
        (void)snprintf(out, out_bytes, "%.2f %s", (double)bytes / (double)factor, units[unit]);
    return out;
}

int bytes_parse(const char *text, uint64_t *bytes)
{
    static const struct quantity_unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000 * 1000},
        {"GB", UINT64_C(1000) * 1000 * 1000},
        {"TB", UINT64_C(1000) * 1000 * 1000 * 1000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    return quantity_parse(text, units, sizeof(units) / sizeof(units[0]), bytes);
}
