/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a request's target, split into decoded segments for a router.
 *
 *   "/v2/models/my%20model/infer?x=1"  ->  "v2", "models", "my model", "infer"
 *
 * Pure; any thread. A %2F is a slash inside of a name, not between two; "." and ".." are names like
 * others, since no file is looked up by them.
 */
#ifndef ROOST_NET_URL_H
#define ROOST_NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/detail.h"

enum { URL_SEGMENTS_MAX = 8, URL_PATH_BYTES_MAX = 1024 };

struct url_path {
    unsigned count;
    const char *segments[URL_SEGMENTS_MAX]; /* into `text` */
    char text[URL_PATH_BYTES_MAX];
};

/* Percent-decodes `length` bytes into `out` and terminates them. INVALID for a broken escape, a
 * NUL, text that is not UTF-8, or more than out_bytes - 1 bytes. */
enum roost_err url_decode(const char *text, size_t length, char *out, size_t out_bytes,
                          struct detail *detail);

/* Splits what comes before any '?' or '#'. One slash at the end is ignored; an empty segment
 * elsewhere is a segment. INVALID as above or without a slash at the start; NOT_FOUND when there
 * are more segments than any route has. The result points into itself: do not copy it. */
enum roost_err url_path_parse(const char *target, struct url_path *path, struct detail *detail);

/* Matches a pattern such as "v2/models/{}/infer", in which {} stands for any segment; `values`
 * receives those in order. False when it is another path. */
bool url_path_match(const struct url_path *path, const char *pattern, const char **values,
                    size_t values_max);

#endif
