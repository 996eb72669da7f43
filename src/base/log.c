/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

/* One write of at most this size (less than PIPE_BUF) is never mixed with another process's. */
enum { LOG_LINE_BYTES_MAX = 2048, LOG_CONTEXT_BYTES_MAX = 64 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int log_level_now = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_context[LOG_CONTEXT_BYTES_MAX];

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

void log_set_fd(int fd)
{
    atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
}

void log_set_context(const char *context)
{
    size_t length = utf8_cut(context, strlen(context), LOG_CONTEXT_BYTES_MAX - 1);
    (void)pthread_mutex_lock(&log_lock);
    memcpy(log_context, context, length);
    log_context[length] = '\0';
    (void)pthread_mutex_unlock(&log_lock);
}

/* "2026-01-31T12:00:00.123Z level event context"; returns its length. */
static size_t line_begin(char *line, size_t line_bytes, enum log_level level, const char *event)
{
    uint64_t wall_ns = clock_wall_ns();
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    size_t length = strftime(line, line_bytes, "%Y-%m-%dT%H:%M:%S", &utc);

    char context[LOG_CONTEXT_BYTES_MAX];
    (void)pthread_mutex_lock(&log_lock);
    memcpy(context, log_context, sizeof(context));
    (void)pthread_mutex_unlock(&log_lock);

    unsigned ms = (unsigned)(wall_ns % NS_PER_S / NS_PER_MS);
    int more = snprintf(line + length, line_bytes - length, ".%03uZ %s %.128s%s%s", ms,
                        level_names[level], event, context[0] == '\0' ? "" : " ", context);
    return length + (size_t)more;
}

static void line_write(const char *line, size_t length)
{
    int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
    while (length > 0) {
        ssize_t written = write(fd, line, length);
        if (written < 0 && errno == EINTR)
            continue;
        /* A log that cannot be written has nobody to tell. */
        if (written <= 0)
            return;
        line += written;
        length -= (size_t)written;
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level > log_get_level())
        return;
    int error = errno;
    /* A little more than is written, so that a cut inside a character is seen. */
    char line[LOG_LINE_BYTES_MAX + 4];
    size_t length = line_begin(line, sizeof(line), level, event);
    size_t text_at = length + 1;
    va_list args;
    va_start(args, format);
    int text_length = vsnprintf(line + text_at, sizeof(line) - text_at, format, args);
    va_end(args);
    if (text_length > 0) {
        line[length] = ' ';
        length = text_at + strlen(line + text_at);
        /* The last byte is for the newline. */
        length = utf8_cut(line, length, LOG_LINE_BYTES_MAX - 1);
    }
    /* One event is one line, whatever a value holds. */
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = ' ';
    }
    line[length++] = '\n';
    line_write(line, length);
    errno = error;
}

/* The escaped form of one byte, or of one UTF-8 sequence, and how many bytes it stands for. */
static size_t quote_piece(const char *text, size_t length, char piece[8])
{
    unsigned char byte = (unsigned char)*text;
    size_t size = utf8_sequence(text, length);
    if (byte == '"' || byte == '\\')
        (void)snprintf(piece, 8, "\\%c", byte);
    else if (byte == '\n')
        (void)snprintf(piece, 8, "\\n");
    else if (byte == '\t')
        (void)snprintf(piece, 8, "\\t");
    else if (size == 0 || byte < 0x20 || byte == 0x7F)
        (void)snprintf(piece, 8, "\\x%02x", byte);
    else
        (void)snprintf(piece, 8, "%.*s", (int)size, text);
    return size == 0 ? 1 : size;
}

char *log_quote(const char *text, char *out, size_t out_bytes)
{
    if (out_bytes < 3) {
        if (out_bytes > 0)
            out[0] = '\0';
        return out;
    }
    size_t used = 0;
    out[used++] = '"';
    for (size_t left = strlen(text); left > 0;) {
        char piece[8];
        size_t taken = quote_piece(text, left, piece);
        size_t length = strlen(piece);
        if (used + length + 2 > out_bytes)
            break;
        memcpy(out + used, piece, length);
        used += length;
        text += taken;
        left -= taken;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
