/* SPDX-License-Identifier: Apache-2.0 */
#include "net/prom.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/utf8.h"

/* Upper bounds of the buckets; the text is what Prometheus shows and compares. */
static const struct bound {
    const char *seconds;
    uint64_t ns;
} bounds[] = {
    {"5e-05", 50000},    {"0.0001", 100000},  {"0.00025", 250000}, {"0.0005", 500000},
    {"0.001", 1000000},  {"0.0025", 2500000}, {"0.005", 5000000},  {"0.01", 10000000},
    {"0.025", 25000000}, {"0.05", 50000000},  {"0.1", 100000000},  {"0.25", 250000000},
    {"0.5", 500000000},  {"1", 1000000000},   {"2.5", 2500000000}, {"5", 5000000000},
    {"10", 10000000000}, {"30", 30000000000}, {"60", 60000000000},
};

enum { BOUNDS = sizeof(bounds) / sizeof(bounds[0]) };

static const char *const type_names[] = {
    [PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge", [PROM_HISTOGRAM] = "histogram"};

/* [a-zA-Z_][a-zA-Z0-9_]*, and colons in the names of metrics. */
static bool name_is_valid(const char *name, bool colons)
{
    for (const char *at = name; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        bool digit = *at >= '0' && *at <= '9';
        if (!letter && !(digit && at > name) && !(colons && *at == ':'))
            return false;
    }
    return *name != '\0';
}

void prom_init(struct prom *prom, struct strbuf *out)
{
    prom->out = out;
    prom->family_count = 0;
}

static const char *family_name(const struct prom *prom)
{
    roost_assert(prom->family_count > 0);
    return prom->families[prom->family_count - 1];
}

/* Backslash and line feed are escaped, in labels the quote as well. */
static void text_write(struct strbuf *out, const char *text, bool quoted)
{
    size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        size_t size = utf8_sequence(text + at, length - at);
        if (text[at] == '\\')
            strbuf_puts(out, "\\\\");
        else if (text[at] == '\n')
            strbuf_puts(out, "\\n");
        else if (quoted && text[at] == '"')
            strbuf_puts(out, "\\\"");
        else if (size == 0)
            strbuf_puts(out, "\xEF\xBF\xBD");
        else
            strbuf_append(out, text + at, size);
        at += size > 0 ? size : 1;
    }
}

void prom_family(struct prom *prom, const char *name, enum prom_type type, const char *help)
{
    roost_assert(name_is_valid(name, true));
    roost_assert(prom->family_count < PROM_FAMILIES_MAX);
    for (unsigned i = 0; i < prom->family_count; i++)
        roost_assert(strcmp(prom->families[i], name) != 0);
    prom->families[prom->family_count++] = name;
    prom->type = type;
    strbuf_printf(prom->out, "# HELP %s ", name);
    text_write(prom->out, help, false);
    strbuf_printf(prom->out, "\n# TYPE %s %s\n", name, type_names[type]);
}

/* name_suffix{label="value",le="0.1"} and a space; `le` is NULL outside of buckets. */
static void series_write(struct prom *prom, const char *suffix, const struct prom_label *labels,
                         size_t label_count, const char *le)
{
    struct strbuf *out = prom->out;
    strbuf_puts(out, family_name(prom));
    strbuf_puts(out, suffix);
    if (label_count > 0 || le != NULL)
        strbuf_putc(out, '{');
    for (size_t i = 0; i < label_count; i++) {
        roost_assert(name_is_valid(labels[i].name, false));
        strbuf_puts(out, i > 0 ? "," : "");
        strbuf_puts(out, labels[i].name);
        strbuf_puts(out, "=\"");
        text_write(out, labels[i].value, true);
        strbuf_putc(out, '"');
    }
    if (le != NULL) {
        strbuf_puts(out, label_count > 0 ? ",le=\"" : "le=\"");
        strbuf_puts(out, le);
        strbuf_putc(out, '"');
    }
    strbuf_puts(out, label_count > 0 || le != NULL ? "} " : " ");
}

static void uint_write(struct strbuf *out, uint64_t value)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_uint(&json, value);
    strbuf_putc(out, '\n');
}

static void double_write(struct strbuf *out, double value)
{
    struct json_writer json;
    if (isnan(value)) {
        strbuf_puts(out, "NaN");
    } else if (isinf(value)) {
        strbuf_puts(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        json_writer_init(&json, out);
        json_double(&json, value);
    }
    strbuf_putc(out, '\n');
}

void prom_uint(struct prom *prom, const struct prom_label *labels, size_t label_count,
               uint64_t value)
{
    roost_assert(prom->type != PROM_HISTOGRAM);
    series_write(prom, "", labels, label_count, NULL);
    uint_write(prom->out, value);
}

void prom_double(struct prom *prom, const struct prom_label *labels, size_t label_count,
                 double value)
{
    roost_assert(prom->type != PROM_HISTOGRAM);
    series_write(prom, "", labels, label_count, NULL);
    double_write(prom->out, value);
}

/* One pass over the histogram, because a server with many tenants writes many of them. */
void prom_histogram(struct prom *prom, const struct prom_label *labels, size_t label_count,
                    const struct hist *hist)
{
    uint64_t below = 0;
    size_t bucket = 0;
    roost_assert(prom->type == PROM_HISTOGRAM);
    for (size_t i = 0; i < BOUNDS; i++) {
        for (size_t last = hist_bucket_of(bounds[i].ns); bucket <= last; bucket++)
            below += hist->buckets[bucket];
        series_write(prom, "_bucket", labels, label_count, bounds[i].seconds);
        uint_write(prom->out, below);
    }
    series_write(prom, "_bucket", labels, label_count, "+Inf");
    uint_write(prom->out, hist->count);
    series_write(prom, "_sum", labels, label_count, NULL);
    double_write(prom->out, (double)hist->sum / 1e9);
    series_write(prom, "_count", labels, label_count, NULL);
    uint_write(prom->out, hist->count);
}
