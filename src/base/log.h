/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per event on standard error, `time level event key=value ...`.
 *
 * The event is a stable dotted name ("model.load") that people and tests can
 * grep for. Any thread may log. Nothing is logged per request. Values with
 * spaces or quotes are the caller's to quote with LOG_Q. Lines beyond 2 KB are
 * cut, and control characters become spaces, so that one event stays one line.
 */
#ifndef ROOST_BASE_LOG_H
#define ROOST_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Events above `level` are dropped. Default: LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "error", "warn", "info", "debug" -> level; returns 0, or -1 on anything else. */
int log_level_parse(const char *text, enum log_level *level);

/* Where lines go (default: file descriptor 2). Hosts keep the supervisor's. */
void log_set_fd(int fd);

/* Put before every event of this process, e.g. "host=bert". At most 63 bytes. */
void log_set_context(const char *context);

void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Escapes `text` into `out` with double quotes around it; always terminates; returns `out`. */
char *log_quote(const char *text, char *out, size_t out_bytes);

/* For use as a "%s" argument: the quoted text in a buffer that lives to the end of the block. */
#define LOG_Q(text) log_quote((text), (char[LOG_QUOTE_BYTES_MAX]){0}, LOG_QUOTE_BYTES_MAX)
enum { LOG_QUOTE_BYTES_MAX = 512 };

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)

#endif
