/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glue over yyjson: the parts of it that several folders need. Reading uses yyjson directly
 * (yyjson.h is the API); this adds bounded parsing, error text with position and a streaming
 * writer. One thread per writer and per document.
 */
#ifndef ROOST_BASE_JSON_H
#define ROOST_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/detail.h"
#include "base/strbuf.h"

enum { JSON_DEPTH_MAX = 64, JSON_NUMBER_BYTES_MAX = 32 };

/* Parses a document of at most JSON_DEPTH_MAX nested levels. INVALID says what and at which byte.
 * *doc is the caller's on OK (yyjson_doc_free), else NULL. Duplicate keys: the first one counts.
 * NaN and Infinity are refused. */
enum roost_err json_parse(const char *text, size_t length, yyjson_doc **doc, struct detail *detail);

/* A writer of compact JSON into a strbuf: commas are its business, nesting (at most 63 levels) is
 * checked by assertion. Several values at the top level are separated by commas too, so that
 * parts of a document can be written. */
struct json_writer {
    struct strbuf *out;
    unsigned depth;
    uint64_t has_item;  /* bit per depth */
    uint64_t in_object; /* bit per depth */
    bool after_key;
};
void json_writer_init(struct json_writer *w, struct strbuf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *text);
/* Escapes what JSON wants escaped; each byte of invalid UTF-8 becomes U+FFFD. */
void json_string_n(struct json_writer *w, const char *text, size_t length);
void json_int(struct json_writer *w, int64_t value);
void json_uint(struct json_writer *w, uint64_t value);
/* The shortest form that reads back as the same value; NaN and infinities become null. */
void json_double(struct json_writer *w, double value);
void json_float(struct json_writer *w, float value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);

/* Many floats at once: as items of the array that is open, and as an array of their own. */
void json_float_items(struct json_writer *w, const float *values, size_t count);
void json_float_array(struct json_writer *w, const float *values, size_t count);

/* key and value in one call */
void json_field_string(struct json_writer *w, const char *key, const char *text);
void json_field_int(struct json_writer *w, const char *key, int64_t value);
void json_field_uint(struct json_writer *w, const char *key, uint64_t value);
void json_field_double(struct json_writer *w, const char *key, double value);
void json_field_bool(struct json_writer *w, const char *key, bool value);

/* The numbers alone: at most JSON_NUMBER_BYTES_MAX - 1 bytes into `out`, not terminated; return
 * the length. */
size_t json_format_uint(uint64_t value, char *out);
size_t json_format_double(double value, char *out);
size_t json_format_float(float value, char *out);

#endif
