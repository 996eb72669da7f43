/* SPDX-License-Identifier: Apache-2.0 */
/* Small file helpers. All block; none is for the data path. Any thread may call them. */
#ifndef ROOST_BASE_FILE_H
#define ROOST_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"

enum { FILE_PATH_BYTES_MAX = 4096 };

/* Reads a whole regular file (or /proc, /sys file) of at most `bytes_max`; *data is the caller's
 * (free) and is NUL-terminated after *length bytes. On failure *data is NULL. NOT_FOUND,
 * PERMISSION, TOO_LARGE, INVALID (a directory, pipe or device), NO_MEMORY, IO. */
enum roost_err file_read(const char *path, size_t bytes_max, char **data, size_t *length,
                         struct detail *detail);

/* Writes through a temporary file beside it and rename, so that a reader sees the old or the new
 * content, also after a crash. A pipe or device that is there already is written to as it is. */
enum roost_err file_write_atomic(const char *path, const void *data, size_t length,
                                 struct detail *detail);

/* Whether file_write_atomic would get as far as writing: for those who write after long work. */
enum roost_err file_check_writable(const char *path, struct detail *detail);

bool file_exists(const char *path);
bool file_is_directory(const char *path);
/* mkdir -p; OK when it is there already. */
enum roost_err file_make_directory(const char *path, struct detail *detail);
/* Removes a directory with all it holds, at most 64 levels deep; OK when it is absent. A link is
 * removed, never followed. */
enum roost_err file_remove_tree(const char *path, struct detail *detail);

/* SHA-256 of the file's content as 64 hexadecimal digits and a NUL. */
enum roost_err file_sha256(const char *path, char hex[65], struct detail *detail);

/* errno of a failed call on `what` -> err and reason ("PATH: No such file or directory"). The one
 * place where errno is translated. */
enum roost_err errno_translate(int error, const char *what, struct detail *detail);

/* Joins with one '/'; false, and "" in `out`, when the result does not fit. */
bool path_join(char *out, size_t out_bytes, const char *directory, const char *name);

#endif
