/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios from files, and the files that they name. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "sim/scenario.h"

enum { LINES_MAX = 20000000, FILE_BYTES_MAX = 1 << 30 };

/* One line's fields: a number, and perhaps a second one. */
static bool line_parse(char *line, double *first, double *second)
{
    char *rest = line + strcspn(line, ", \t");
    if (*rest != '\0') {
        *rest++ = '\0';
        rest += strspn(rest, ", \t");
    }
    *second = 0;
    return number_parse_double(line, first) == 0 &&
           (*rest == '\0' || number_parse_double(rest, second) == 0);
}

struct lines {
    char *at;
    size_t number;
};

/* The next line that holds something, without its end; NULL at the end. */
static char *lines_next(struct lines *lines)
{
    while (*lines->at != '\0') {
        char *line = lines->at + strspn(lines->at, " \t");
        size_t length = strcspn(line, "\r\n");
        lines->at = line + length;
        if (*lines->at == '\r')
            *lines->at++ = '\0';
        if (*lines->at == '\n')
            *lines->at++ = '\0';
        lines->number++;
        if (*line != '\0' && *line != '#')
            return line;
    }
    return NULL;
}

static size_t lines_count(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++)
        count += *text == '\n' || *text == '\r';
    return count;
}

static const char *trace_parse(char *text, struct arrivals_options *options, size_t *line)
{
    struct lines lines = {.at = text};
    struct arrivals_event *events = calloc(lines_count(text), sizeof *events);
    if (events == NULL)
        return "out of memory";
    options->trace = events;
    double first_s = 0, before_s = 0;
    for (char *row; (row = lines_next(&lines)) != NULL;) {
        double at_s, rows;
        *line = lines.number;
        if (!line_parse(row, &at_s, &rows) || at_s < before_s || at_s > 1e7 || rows < 0 ||
            rows > ARRIVALS_ROWS_MAX)
            return "must be a time in seconds, never falling, and perhaps a number of rows";
        first_s = options->trace_count == 0 ? at_s : first_s;
        before_s = at_s;
        events[options->trace_count++] = (struct arrivals_event){
            .at_ns = (uint64_t)((at_s - first_s) * (double)NS_PER_S), .rows = (uint32_t)rows};
    }
    return options->trace_count == 0 ? "has no arrivals" : NULL;
}

static const char *rows_parse(char *text, struct arrivals_options *options, size_t *line)
{
    struct lines lines = {.at = text};
    uint32_t *list = calloc(lines_count(text), sizeof *list);
    if (list == NULL)
        return "out of memory";
    options->rows_list = list;
    for (char *row; (row = lines_next(&lines)) != NULL;) {
        double rows, nothing;
        *line = lines.number;
        if (!line_parse(row, &rows, &nothing) || !(rows >= 1 && rows <= ARRIVALS_ROWS_MAX))
            return "must be a number of rows";
        list[options->rows_count++] = (uint32_t)rows;
    }
    return options->rows_count == 0 ? "has no sizes" : NULL;
}

static void load_file(const char *directory, const char *name, struct yaml_errors *errors,
                      struct scenario_tenant *tenant,
                      const char *(*parse)(char *, struct arrivals_options *, size_t *))
{
    char path[FILE_PATH_BYTES_MAX];
    char *text = NULL;
    size_t length, line = 0;
    struct detail detail;
    if (!path_join(path, sizeof path, name[0] == '/' ? "" : directory, name)) {
        yaml_error(errors, tenant->place, "the path of %.60s is too long", name);
        return;
    }
    if (file_read(name[0] == '/' ? name : path, FILE_BYTES_MAX, &text, &length, &detail) !=
        ROOST_OK) {
        yaml_error(errors, tenant->place, "%s", detail.text);
        return;
    }
    const char *reason = parse(text, &tenant->arrivals, &line);
    if (reason != NULL)
        yaml_error(errors, tenant->place, "%s, line %zu: %s", name, line, reason);
    free(text);
}

enum roost_err scenario_read(const char *path, struct yaml_errors *errors,
                             struct scenario *scenario)
{
    char directory[FILE_PATH_BYTES_MAX] = ".";
    char *text;
    size_t length;
    struct detail detail;
    memset(scenario, 0, sizeof *scenario);
    enum roost_err err = file_read(path, SCENARIO_BYTES_MAX, &text, &length, &detail);
    if (err != ROOST_OK) {
        yaml_error(errors, NULL, "%s", detail.text);
        return err;
    }
    err = scenario_parse(text, length, errors, scenario);
    free(text);
    const char *slash = strrchr(path, '/');
    if (slash != NULL && (size_t)(slash - path) < sizeof directory) {
        memcpy(directory, path, (size_t)(slash - path));
        directory[slash - path] = '\0';
    }
    size_t before = errors->count;
    for (uint32_t i = 0; err == ROOST_OK && i < scenario->tenant_count; i++) {
        struct scenario_tenant *tenant = &scenario->tenants[i];
        if (tenant->trace_file != NULL)
            load_file(directory, tenant->trace_file, errors, tenant, trace_parse);
        if (tenant->rows_file != NULL)
            load_file(directory, tenant->rows_file, errors, tenant, rows_parse);
    }
    if (err == ROOST_OK && errors->count != before) {
        scenario_fini(scenario);
        err = ROOST_INVALID;
    }
    return err;
}
