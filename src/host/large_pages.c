/* SPDX-License-Identifier: Apache-2.0 */
#include "host/large_pages.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"

/* Younger than the headers that we build with. */
enum { ADVICE_COLLAPSE = 25 };

static const size_t maps_bytes_max = (size_t)1 << 20;
static const uintptr_t large_page_bytes = (uintptr_t)2 << 20;

/* The whole large pages of a line "FROM-TO ..."; 0 bytes when there are none. */
static size_t range_read(const char *line, uintptr_t *from)
{
    uintptr_t to;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, from, &to) != 2)
        return 0;
    *from = (*from + large_page_bytes - 1) & ~(large_page_bytes - 1);
    to &= ~(large_page_bytes - 1);
    return to > *from ? to - *from : 0;
}

size_t large_pages_take_heap(void)
{
    char *maps, *rest;
    size_t length, taken = 0;
    if (file_read("/proc/self/maps", maps_bytes_max, &maps, &length, NULL) != ROOST_OK)
        return 0;
    for (const char *line = strtok_r(maps, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        uintptr_t from;
        size_t bytes = strstr(line, "[heap]") != NULL ? range_read(line, &from) : 0;
        if (bytes > 0 && madvise((void *)from, bytes, ADVICE_COLLAPSE) == 0)
            taken += bytes;
    }
    free(maps);
    return taken;
}
