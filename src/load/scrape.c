/* SPDX-License-Identifier: Apache-2.0 */
#include "load/scrape.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "load/model.h"

enum { NUMBER_BYTES_MAX = 64 };

static const struct metric {
    const char *name;
    size_t offset; /* of the gauge in struct scrape_model */
} metrics[] = {
    {"roost_queue_requests", offsetof(struct scrape_model, queue)},
    {"roost_workers", offsetof(struct scrape_model, workers)},
    {"roost_host_resident_bytes", offsetof(struct scrape_model, resident_bytes)},
};

struct line {
    const char *at, *end;
};

static bool line_skip(struct line *line, char c)
{
    if (line->at == line->end || *line->at != c)
        return false;
    line->at++;
    return true;
}

static void spaces_skip(struct line *line)
{
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
        line->at++;
}

static const struct metric *metric_find(struct line *line)
{
    const char *end = line->at;
    while (end < line->end && *end != '{' && *end != ' ' && *end != '\t')
        end++;
    size_t length = (size_t)(end - line->at);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        if (strlen(metrics[i].name) == length && memcmp(metrics[i].name, line->at, length) == 0) {
            line->at = end;
            return &metrics[i];
        }
    }
    return NULL;
}

/* A value in quotes, with the escapes that the format has; cut where it does not fit. */
static bool value_read(struct line *line, char *out, size_t out_bytes)
{
    size_t used = 0;
    if (!line_skip(line, '"'))
        return false;
    while (line->at < line->end && *line->at != '"') {
        char c = *line->at++;
        if (c == '\\' && line->at < line->end) {
            c = *line->at++;
            c = c == 'n' ? '\n' : c;
        }
        if (used + 1 < out_bytes)
            out[used++] = c;
    }
    out[used] = '\0';
    return line_skip(line, '"');
}

/* {model="x",version="1"} -> the value of `model`; false when there is none. */
static bool model_read(struct line *line, char *model, size_t model_bytes)
{
    char value[LOAD_NAME_BYTES_MAX];
    bool is_found = false;
    if (!line_skip(line, '{'))
        return false;
    while (!line_skip(line, '}')) {
        spaces_skip(line);
        const char *label = line->at;
        while (line->at < line->end && *line->at != '=' && *line->at != '}')
            line->at++;
        size_t length = (size_t)(line->at - label);
        if (!line_skip(line, '=') || !value_read(line, value, sizeof(value)))
            return false;
        if (length == strlen("model") && memcmp(label, "model", length) == 0) {
            is_found = strlen(value) < model_bytes;
            if (is_found)
                memcpy(model, value, strlen(value) + 1);
        }
        (void)line_skip(line, ',');
        spaces_skip(line);
    }
    return is_found;
}

static void line_read(struct line line, struct scrape_model *models, size_t model_count)
{
    char model[LOAD_NAME_BYTES_MAX];
    char number[NUMBER_BYTES_MAX];
    const struct metric *metric = metric_find(&line);
    if (metric == NULL || !model_read(&line, model, sizeof(model)))
        return;
    spaces_skip(&line);
    size_t length = 0;
    while (line.at < line.end && *line.at != ' ' && length + 1 < sizeof(number))
        number[length++] = *line.at++;
    number[length] = '\0';
    char *end;
    double value = strtod(number, &end);
    if (length == 0 || *end != '\0' || !isfinite(value))
        return;
    for (size_t i = 0; i < model_count; i++) {
        if (strcmp(models[i].name, model) != 0)
            continue;
        struct scrape_gauge *gauge = (struct scrape_gauge *)((char *)&models[i] + metric->offset);
        gauge->is_known = true;
        gauge->value += value;
    }
}

void scrape_read(const char *text, size_t length, struct scrape_model *models, size_t model_count)
{
    for (size_t i = 0; i < model_count; i++) {
        const char *name = models[i].name;
        models[i] = (struct scrape_model){.name = name};
    }
    const char *end = text + length;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end == NULL ? end : line_end;
        line_read((struct line){.at = text, .end = line_end}, models, model_count);
        text = line_end + 1;
    }
}
