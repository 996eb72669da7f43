/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork copies one entry for each page that the process has written to, and holds its core until
 * that is done. In large pages the same memory has a few hundred times fewer.
 */
#ifndef ROOST_HOST_LARGE_PAGES_H
#define ROOST_HOST_LARGE_PAGES_H

#include <stddef.h>

/* Moves the heap that has grown so far into large pages, as far as whole ones fit into it. Returns
 * the bytes that are in them now; 0 where the kernel has no such pages or does not move on demand
 * (before Linux 6.1). Milliseconds. */
size_t large_pages_take_heap(void);

#endif
