/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantity.h"

#include <string.h>

/* Digits of the fraction beyond these cannot change a rounded result by a whole unit. */
enum { FRACTION_DIGITS_MAX = 18 };

__extension__ typedef unsigned __int128 wide;

struct decimal {
    uint64_t whole;
    uint64_t fraction; /* in units of 1 / scale */
    uint64_t scale;
};

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t");
}

/* The text after the number, or NULL when there is no number or it is too large. */
static const char *decimal_parse(const char *text, struct decimal *number)
{
    *number = (struct decimal){.scale = 1};
    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        wide next = (wide)number->whole * 10 + (unsigned)(*text - '0');
        if (next > UINT64_MAX)
            return NULL;
        number->whole = (uint64_t)next;
    }
    if (*text != '.')
        return text;
    text++;
    if (*text < '0' || *text > '9')
        return NULL;
    for (int digit = 0; *text >= '0' && *text <= '9'; text++, digit++) {
        if (digit < FRACTION_DIGITS_MAX) {
            number->fraction = number->fraction * 10 + (unsigned)(*text - '0');
            number->scale *= 10;
        }
    }
    return text;
}

int quantity_parse(const char *text, const struct quantity_unit *units, size_t unit_count,
                   uint64_t *value)
{
    struct decimal number;
    const char *unit = decimal_parse(skip_spaces(text), &number);
    if (unit == NULL)
        return -1;
    unit = skip_spaces(unit);
    size_t length = strcspn(unit, " \t");
    if (*skip_spaces(unit + length) != '\0')
        return -1;
    for (size_t i = 0; i < unit_count; i++) {
        if (strlen(units[i].name) != length || memcmp(units[i].name, unit, length) != 0)
            continue;
        wide part = (wide)number.fraction * units[i].factor;
        part = (part + number.scale / 2) / number.scale;
        wide product = (wide)number.whole * units[i].factor + part;
        if (product > UINT64_MAX)
            return -1;
        *value = (uint64_t)product;
        return 0;
    }
    return -1;
}
