/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory files: sparse, of a fixed size that nobody who has the descriptor can change (sealed), so
 * that reading what another process may write never faults. Any thread; nothing blocks.
 */
#ifndef ROOST_HOST_MEMFILE_H
#define ROOST_HOST_MEMFILE_H

#include <stddef.h>

#include "base/detail.h"

/* On OK *fd is the caller's. NO_MEMORY or IO with the reason. */
enum roost_err memfile_create(const char *name, size_t bytes, int *fd, struct detail *detail);

/*
 * A second descriptor of the same file through which it can only be read: a mapping made from it
 * can never become writable. On OK *reader is the caller's. (The seal made for this purpose,
 * F_SEAL_FUTURE_WRITE, also forbids the owner to punch holes.)
 */
enum roost_err memfile_reader(int fd, int *reader, struct detail *detail);

/* Maps the whole file; protection as for mmap. NULL with the reason. */
void *memfile_map(int fd, size_t bytes, int protection, struct detail *detail);

/* Gives the pages of a range back; they read as zeros afterwards. */
void memfile_punch(int fd, size_t offset, size_t bytes);

#endif
