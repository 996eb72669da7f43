/* SPDX-License-Identifier: Apache-2.0 */
#include "load/trace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "base/quantity.h"

enum { TRACE_LINE_BYTES_MAX = 128 };
#define TRACE_FILE_BYTES_MAX (UINT64_C(1) << 30)

struct reader {
    struct trace *trace;
    struct detail *detail;
    size_t capacity;
    size_t line;
    uint64_t first_ns, last_ns;
};

static enum roost_err trace_push(struct reader *reader, struct trace_arrival arrival)
{
    struct trace *trace = reader->trace;
    if (trace->count == TRACE_ARRIVALS_MAX)
        return detail_set(reader->detail, ROOST_TOO_LARGE, "line %zu: more than %d arrivals",
                          reader->line, TRACE_ARRIVALS_MAX);
    if (trace->count == reader->capacity) {
        size_t capacity = reader->capacity == 0 ? 256 : 2 * reader->capacity;
        void *arrivals = realloc(trace->arrivals, capacity * sizeof(*trace->arrivals));
        if (arrivals == NULL)
            return detail_set(reader->detail, ROOST_NO_MEMORY, "line %zu: no memory for the trace",
                              reader->line);
        trace->arrivals = arrivals;
        reader->capacity = capacity;
    }
    trace->arrivals[trace->count++] = arrival;
    return ROOST_OK;
}

static int time_parse(const char *text, uint64_t *time_ns)
{
    static const struct quantity_unit units[] = {
        {"", NS_PER_S}, {"s", NS_PER_S}, {"ms", NS_PER_MS}, {"us", NS_PER_US}, {"ns", 1},
    };
    return quantity_parse(text, units, sizeof(units) / sizeof(units[0]), time_ns);
}

static enum roost_err batch_parse(const struct reader *reader, const char *text, uint32_t *batch)
{
    int64_t value;
    char digits[TRACE_LINE_BYTES_MAX];
    size_t length = strcspn(text, " \t,");
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (number_parse_int(digits, &value) != 0 || value < 1 || value > TRACE_BATCH_MAX)
        return detail_set(reader->detail, ROOST_INVALID,
                          "line %zu: a batch size is between 1 and %d, not \"%.40s\"", reader->line,
                          TRACE_BATCH_MAX, digits);
    *batch = (uint32_t)value;
    const char *rest = text + length;
    if (rest[strspn(rest, " \t")] != '\0')
        return detail_set(reader->detail, ROOST_INVALID,
                          "line %zu: a line holds a time and a batch size, nothing more",
                          reader->line);
    return ROOST_OK;
}

/* Where the batch size begins, with the time before it terminated: after a comma, or after a space
 * that a digit follows ("1.5 8", but not "12.5 ms"). NULL when there is none. */
static char *batch_find(char *line)
{
    char *comma = strchr(line, ',');
    if (comma != NULL) {
        *comma = '\0';
        return comma + 1 + strspn(comma + 1, " \t");
    }
    for (char *space = strpbrk(line, " \t"); space != NULL; space = strpbrk(space + 1, " \t")) {
        if (space[1] >= '0' && space[1] <= '9') {
            *space = '\0';
            return space + 1;
        }
    }
    return NULL;
}

static enum roost_err line_read(struct reader *reader, char *line)
{
    struct trace_arrival arrival = {0};
    line += strspn(line, " \t");
    char *batch = batch_find(line);
    uint64_t time_ns;
    if (time_parse(line, &time_ns) != 0)
        return detail_set(reader->detail, ROOST_INVALID,
                          "line %zu: a time in seconds wanted, not \"%.40s\"", reader->line, line);
    if (batch != NULL && *batch != '\0') {
        enum roost_err err = batch_parse(reader, batch, &arrival.batch);
        if (err != ROOST_OK)
            return err;
    }
    if (reader->trace->count == 0)
        reader->first_ns = time_ns;
    else if (time_ns < reader->last_ns)
        return detail_set(reader->detail, ROOST_INVALID,
                          "line %zu: times must not go back: %s comes after a later one",
                          reader->line, line);
    reader->last_ns = time_ns;
    arrival.at_ns = time_ns - reader->first_ns;
    return trace_push(reader, arrival);
}

static bool line_is_skipped(const struct reader *reader, const char *line)
{
    char first = line[strspn(line, " \t")];
    bool is_name = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '"';
    return first == '\0' || first == '#' || (is_name && reader->line == 1);
}

enum roost_err trace_parse(const char *text, size_t length, struct trace *trace,
                           struct detail *detail)
{
    *trace = (struct trace){0};
    struct reader reader = {.trace = trace, .detail = detail};
    enum roost_err err = ROOST_OK;
    for (size_t at = 0; at < length && err == ROOST_OK;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t bytes = end == NULL ? length - at : (size_t)(end - (text + at));
        char line[TRACE_LINE_BYTES_MAX];
        reader.line++;
        size_t kept = bytes;
        if (kept > 0 && text[at + kept - 1] == '\r')
            kept--;
        if (kept >= sizeof(line) && text[at] != '#') {
            err = detail_set(detail, ROOST_INVALID, "line %zu: longer than %d bytes", reader.line,
                             TRACE_LINE_BYTES_MAX - 1);
        } else if (kept < sizeof(line)) {
            memcpy(line, text + at, kept);
            line[kept] = '\0';
            if (strlen(line) != kept)
                err = detail_set(detail, ROOST_INVALID, "line %zu: holds a NUL", reader.line);
            else if (!line_is_skipped(&reader, line))
                err = line_read(&reader, line);
        }
        at += bytes + 1;
    }
    if (err == ROOST_OK && trace->count == 0)
        err = detail_set(detail, ROOST_INVALID, "the trace holds no arrivals");
    if (err != ROOST_OK)
        trace_fini(trace);
    return err;
}

enum roost_err trace_read(const char *path, struct trace *trace, struct detail *detail)
{
    char *text;
    size_t length;
    *trace = (struct trace){0};
    enum roost_err err = file_read(path, TRACE_FILE_BYTES_MAX, &text, &length, detail);
    if (err != ROOST_OK)
        return err;
    err = trace_parse(text, length, trace, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "%s", path);
    free(text);
    return err;
}

void trace_fini(struct trace *trace)
{
    free(trace->arrivals);
    *trace = (struct trace){0};
}

uint64_t trace_duration_ns(const struct trace *trace)
{
    return trace->count == 0 ? 0 : trace->arrivals[trace->count - 1].at_ns;
}

double trace_rate(const struct trace *trace)
{
    uint64_t duration_ns = trace_duration_ns(trace);
    if (duration_ns == 0)
        return 0.0;
    return (double)(trace->count - 1) * (double)NS_PER_S / (double)duration_ns;
}
