/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP's content codings gzip and deflate (a zlib stream, as RFC 9110 has it), over zlib.
 *
 * Pure: whole bodies in, whole bodies out; any thread. Whether an answer is worth compressing is
 * the caller's business; note that many clients accept gzip without having thought of it.
 */
#ifndef ROOST_NET_COMPRESS_H
#define ROOST_NET_COMPRESS_H

#include <stddef.h>
#include <sys/uio.h>

#include "base/detail.h"
#include "base/strbuf.h"

enum compress_coding { COMPRESS_IDENTITY, COMPRESS_GZIP, COMPRESS_DEFLATE };

/* What to send as Accept-Encoding with an UNSUPPORTED (501) answer. */
#define COMPRESS_CODINGS "gzip, deflate"

const char *compress_coding_name(enum compress_coding coding); /* "gzip" */

/* A request's Content-Encoding (NULL: none). UNSUPPORTED for any other coding or several. */
enum roost_err compress_coding_parse(const char *content_encoding, enum compress_coding *coding,
                                     struct detail *detail);

/* The coding for an answer from the request's Accept-Encoding (NULL: none): the one with the
 * highest q, gzip before deflate before identity at equal q. Identity when nothing else fits. */
enum compress_coding compress_negotiate(const char *accept_encoding);

/* Appends the decoded `bytes` of `data` to `out`, by at most `bytes_max` bytes: TOO_LARGE beyond.
 * INVALID for broken, truncated or trailing data; NO_MEMORY. After a failure the content of `out`
 * is undefined. `coding` is not identity. */
enum roost_err compress_decode(enum compress_coding coding, const void *data, size_t bytes,
                               size_t bytes_max, struct strbuf *out, struct detail *detail);

/* Appends the parts, one after the other, in coded form to `out`; favours speed. NO_MEMORY. */
enum roost_err compress_encode(enum compress_coding coding, const struct iovec *parts,
                               size_t part_count, struct strbuf *out, struct detail *detail);

#endif
