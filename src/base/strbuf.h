/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer, always NUL-terminated, for text that is made once. After a failed
 * allocation it keeps what it had, sets `failed` and ignores further appends, so that a writer
 * checks once at the end. One thread.
 */
#ifndef ROOST_BASE_STRBUF_H
#define ROOST_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data; /* NULL until the first append; use strbuf_text for reading */
    size_t length;
    size_t capacity;
    bool failed;
};

void strbuf_init(struct strbuf *buf);
void strbuf_fini(struct strbuf *buf);
void strbuf_reset(struct strbuf *buf); /* keeps the memory */
void strbuf_append(struct strbuf *buf, const void *bytes, size_t length);
void strbuf_puts(struct strbuf *buf, const char *text);
void strbuf_putc(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "" when empty; valid until the next append. */
const char *strbuf_text(const struct strbuf *buf);

/* The text becomes the caller's (free) and the buffer is empty after. NULL when memory was short
 * at any time since the last reset; nothing is left to free then. */
char *strbuf_take(struct strbuf *buf);

/* For writers of many small pieces: room for `length` bytes at the end, or NULL when memory is
 * short; strbuf_commit then says how many of them were written. */
char *strbuf_reserve(struct strbuf *buf, size_t length);
void strbuf_commit(struct strbuf *buf, size_t length);

#endif
