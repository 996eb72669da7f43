/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <string.h>

enum { NAME_BYTES_MAX = 64, DISTANCE_MAX = 2 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/*
 * Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string
 * alignment), by rows of the usual table; only the last three rows are kept.
 */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *before_2 = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned change = before[j - 1] + (a[i - 1] != b[j - 1] ? 1U : 0U);
            now[j] = least(change, least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before_2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *nearest_name(const char *text, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    unsigned nearest_distance = DISTANCE_MAX + 1;
    size_t text_length = strlen(text);
    if (text_length > NAME_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        size_t apart = length > text_length ? length - text_length : text_length - length;
        if (length > NAME_BYTES_MAX || apart > DISTANCE_MAX)
            continue;
        unsigned distance = edit_distance(text, text_length, names[i], length);
        if (distance < nearest_distance && 2 * (size_t)distance < text_length) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}
