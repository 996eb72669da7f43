/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "cli/commands.h"
#include "load/session.h"

/* Beside the usual codes: the generator did not keep its own times, so the figures are void. */
enum { EXIT_FAILED = 1, EXIT_INVALID = 3, LOAD_FILE_BYTES_MAX = 4 * 1024 * 1024 };

static const uint64_t duration_default_ns = 10 * NS_PER_S;

struct load_options {
    const char *url, *file;
    struct option_list tenants, headers;
    struct tenant_spec defaults;
    uint64_t wait_ns, duration_ns, warmup_ns, timeout_ns, drain_ns, spin_ns, interval_ns;
    int64_t requests, seed, connections, outstanding, distinct, samples;
    uint64_t memory_bytes;
    int encoding;
    bool limit_batch, live, find_max, csv_requests;
    double find_start, find_precision;
    uint64_t find_step_ns;
    const char *json, *csv, *svg;
};

static const char *const encodings[] = {"binary", "json", NULL};

#define AT(member) offsetof(struct load_options, member)

static const struct option load_table[] = {
    {.name = "url",
     .type = OPTION_STRING,
     .offset = AT(url),
     .default_text = "http://127.0.0.1:8000",
     .unit = "URL",
     .help = "the server, or unix:PATH"},
    {.name = "tenant",
     .type = OPTION_LIST,
     .offset = AT(tenants),
     .unit = "\"MODEL[@VERSION]:KEY=VALUE,...\"",
     .help = "what to send to a model; without any, every model that is ready"},
    {.name = "file",
     .type = OPTION_STRING,
     .offset = AT(file),
     .unit = "YAML",
     .help = "tenants from a file"},
    {.name = "wait",
     .type = OPTION_DURATION,
     .offset = AT(wait_ns),
     .minimum = 0,
     .maximum = 1e13,
     .default_text = "0 s",
     .help = "wait so long for the server to be ready"},
    {.name = "duration",
     .type = OPTION_DURATION,
     .offset = AT(duration_ns),
     .minimum = 1e6,
     .maximum = 1e16,
     .help = "how long to send, after the warm-up (default: 10 s, or as long as traces)"},
    {.name = "requests",
     .type = OPTION_INT,
     .offset = AT(requests),
     .minimum = 0,
     .maximum = 1e12,
     .default_text = "0",
     .help = "end after so many; 0: no bound"},
    {.name = "warmup",
     .type = OPTION_DURATION,
     .offset = AT(warmup_ns),
     .minimum = 0,
     .maximum = 1e13,
     .default_text = "1 s",
     .help = "sent before, and not counted"},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .offset = AT(timeout_ns),
     .minimum = 1e6,
     .maximum = 3.6e12,
     .default_text = "30 s",
     .help = "when a request counts as never answered"},
    {.name = "drain",
     .type = OPTION_DURATION,
     .offset = AT(drain_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .default_text = "30 s",
     .help = "how long to wait for answers at the end"},
    {.name = "seed",
     .type = OPTION_INT,
     .offset = AT(seed),
     .minimum = 0,
     .maximum = 9e18,
     .default_text = "1",
     .help = "of arrivals, sizes and data"},
    {.name = "encoding",
     .type = OPTION_ENUM,
     .offset = AT(encoding),
     .choices = encodings,
     .default_text = "binary",
     .help = "of the tensors"},
    {.name = "distinct",
     .type = OPTION_INT,
     .offset = AT(distinct),
     .minimum = 1,
     .maximum = 1e6,
     .default_text = "64",
     .help = "different requests per batch size, sent in turn"},
    {.name = "memory",
     .type = OPTION_BYTES,
     .offset = AT(memory_bytes),
     .minimum = 1048576,
     .maximum = 1e12,
     .default_text = "512 MiB",
     .help = "for input data and prepared requests"},
    {.name = "limit-batch",
     .type = OPTION_FLAG,
     .offset = AT(limit_batch),
     .default_text = "true",
     .help = "cut batch sizes to the model's max_batch_size"},
    {.name = "header",
     .type = OPTION_LIST,
     .offset = AT(headers),
     .unit = "\"Name: value\"",
     .help = "sent with each request"},
    {.name = "connections",
     .type = OPTION_INT,
     .offset = AT(connections),
     .minimum = 1,
     .maximum = 60000,
     .default_text = "256",
     .help = "opened on demand, at most"},
    {.name = "outstanding",
     .type = OPTION_INT,
     .offset = AT(outstanding),
     .minimum = 1,
     .maximum = 1e7,
     .default_text = "100000",
     .help = "requests under way at most; what is beyond is not sent, and counted so"},
    {.name = "spin",
     .type = OPTION_DURATION,
     .offset = AT(spin_ns),
     .minimum = 0,
     .maximum = 1e6,
     .default_text = "0 us",
     .help = "busy waiting before a request is due: more precise, and takes a core"},
    {.name = "find-max",
     .type = OPTION_FLAG,
     .offset = AT(find_max),
     .help = "search the highest load at which every SLO is met"},
    {.name = "find-start",
     .type = OPTION_DOUBLE,
     .offset = AT(find_start),
     .minimum = 1e-6,
     .maximum = 1e6,
     .default_text = "1",
     .help = "first multiplier of the rates to try"},
    {.name = "find-precision",
     .type = OPTION_DOUBLE,
     .offset = AT(find_precision),
     .minimum = 0.001,
     .maximum = 1,
     .default_text = "0.03",
     .help = "relative, of the multiplier"},
    {.name = "find-step",
     .type = OPTION_DURATION,
     .offset = AT(find_step_ns),
     .minimum = 1e8,
     .maximum = 1e12,
     .default_text = "4 s",
     .help = "time per load tried; up to three times that when it is close"},
    {.name = "find-samples",
     .type = OPTION_INT,
     .offset = AT(samples),
     .minimum = 1,
     .maximum = 1e9,
     .default_text = "200",
     .help = "requests per tenant before a load is judged"},
    {.name = "json",
     .type = OPTION_STRING,
     .offset = AT(json),
     .unit = "FILE|-",
     .help = "write the report as JSON"},
    {.name = "csv",
     .type = OPTION_STRING,
     .offset = AT(csv),
     .unit = "FILE|-",
     .help = "write one line per interval and tenant"},
    {.name = "csv-requests",
     .type = OPTION_FLAG,
     .offset = AT(csv_requests),
     .help = "one CSV line per request instead"},
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .minimum = 1e7,
     .maximum = 3.6e12,
     .default_text = "1 s",
     .help = "of the CSV lines and the plot"},
    {.name = "svg",
     .type = OPTION_STRING,
     .offset = AT(svg),
     .unit = "FILE",
     .help = "plot latency over time and its distribution"},
    {.name = "live",
     .type = OPTION_FLAG,
     .offset = AT(live),
     .default_text = "true",
     .help = "show what happens while it runs"},
};

enum { LOAD_OPTIONS = sizeof(load_table) / sizeof(load_table[0]), TENANT_OPTIONS_MAX = 32 };

/* The command's own options, and after them the keys of a tenant as defaults for all. */
static size_t table_make(struct option table[LOAD_OPTIONS + TENANT_OPTIONS_MAX])
{
    memcpy(table, load_table, sizeof(load_table));
    size_t count = LOAD_OPTIONS;
    for (size_t i = 0; i < tenant_key_count && i < TENANT_OPTIONS_MAX; i++) {
        table[count] = tenant_keys[i];
        table[count].offset += AT(defaults);
        count++;
    }
    return count;
}

void cmd_load_help(void)
{
    struct option table[LOAD_OPTIONS + TENANT_OPTIONS_MAX];
    size_t count = table_make(table);
    options_help(table, LOAD_OPTIONS, stdout);
    puts("\nFor each tenant, as KEY=VALUE after its name or in the file; as options, for all:\n");
    options_help(table + LOAD_OPTIONS, count - LOAD_OPTIONS, stdout);
    puts(
        "\nExit codes: 0 good, 1 failed, 2 wrong usage, 3 the generator lagged: figures are void.");
}

static int load_fail(const struct detail *detail, enum roost_err err)
{
    (void)fprintf(stderr, "roost load: %s\n", detail->text);
    return roost_err_exit_code(err);
}

static enum roost_err file_add(const char *path, const struct tenant_spec *defaults,
                               struct load_spec *spec, struct detail *detail)
{
    char *text;
    size_t length;
    struct yaml_errors errors;
    enum roost_err err = file_read(path, LOAD_FILE_BYTES_MAX, &text, &length, detail);
    if (err != ROOST_OK)
        return err;
    yaml_errors_init(&errors, path);
    err = load_spec_add_yaml(spec, text, length, defaults, &errors);
    if (err != ROOST_OK) {
        (void)fputs(strbuf_text(&errors.text), stderr);
        (void)detail_set(detail, err, "%s: %zu mistakes", path, errors.count);
    }
    yaml_errors_fini(&errors);
    free(text);
    return err;
}

static enum roost_err ready_add(const struct target *target, const struct tenant_spec *defaults,
                                struct load_spec *spec, struct detail *detail)
{
    struct load_index *index = malloc(sizeof(*index));
    if (index == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the list of models");
    enum roost_err err = target_index(target, index, detail);
    if (err == ROOST_OK && index->count == 0)
        err = detail_set(detail, ROOST_UNAVAILABLE, "no model of the server is ready");
    for (size_t i = 0; err == ROOST_OK && i < index->count; i++)
        err = load_spec_add_name(spec, index->names[i], defaults, detail);
    free(index);
    return err;
}

static enum roost_err spec_make(const struct load_options *options, const struct target *target,
                                struct load_spec *spec, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (size_t i = 0; i < options->tenants.count && err == ROOST_OK; i++)
        err = load_spec_add_text(spec, options->tenants.items[i], &options->defaults, detail);
    if (err == ROOST_OK && options->file != NULL)
        err = file_add(options->file, &options->defaults, spec, detail);
    if (err == ROOST_OK && options->wait_ns > 0)
        err = target_wait(target, options->wait_ns, detail);
    if (err == ROOST_OK && spec->count == 0)
        err = ready_add(target, &options->defaults, spec, detail);
    return err;
}

/* Without a word on it: ten seconds, or to the end of the traces if there is nothing else. */
static uint64_t duration_of(const struct load_options *options, const struct load_spec *spec)
{
    bool only_traces = true;
    for (size_t i = 0; i < spec->count; i++)
        only_traces = only_traces && spec->tenants[i].arrivals == ARRIVAL_TRACE;
    if (options->duration_ns != UINT64_MAX)
        return options->duration_ns;
    return only_traces || options->requests > 0 ? UINT64_MAX : duration_default_ns;
}

static bool is_stdout(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static bool color_is_wanted(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(fileno(out)) != 0 && (no_color == NULL || no_color[0] == '\0');
}

/* People read where machines do not. */
static FILE *text_stream(const struct load_options *options)
{
    return is_stdout(options->json) || is_stdout(options->csv) ? stderr : stdout;
}

static enum roost_err output_write(const char *path, struct strbuf *text, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    if (text->failed)
        err = detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for the report", path);
    else if (is_stdout(path))
        (void)fwrite(strbuf_text(text), 1, text->length, stdout);
    else
        err = file_write_atomic(path, strbuf_text(text), text->length, detail);
    strbuf_reset(text);
    return err;
}

static enum roost_err outputs_write(const struct load_options *options,
                                    const struct session_options *session,
                                    const struct session_result *result, struct detail *detail)
{
    struct strbuf text, extra;
    enum roost_err err = ROOST_OK;
    strbuf_init(&text);
    strbuf_init(&extra);
    if (options->find_max) {
        session_search_text(session, result, &text);
        session_search_json(session, result, &extra);
    }
    report_text(&result->report, color_is_wanted(text_stream(options)), &text);
    (void)fputs(strbuf_text(&text), text_stream(options));
    strbuf_reset(&text);
    if (options->json != NULL) {
        report_json(&result->report, extra.length > 0 ? strbuf_text(&extra) : NULL, &text);
        err = output_write(options->json, &text, detail);
    }
    if (options->csv != NULL && !options->csv_requests && err == ROOST_OK) {
        report_csv(&result->report, &text);
        err = output_write(options->csv, &text, detail);
    }
    if (options->svg != NULL && err == ROOST_OK) {
        (void)report_svg(&result->report, &text);
        err = output_write(options->svg, &text, detail);
    }
    strbuf_fini(&text);
    strbuf_fini(&extra);
    return err;
}

static int verdict_of(const struct load_options *options, const struct session_result *result)
{
    struct report_validity validity;
    struct report_summary total;
    report_validate(&result->report, &validity);
    report_summarize(&result->report, REPORT_TOTAL, &total);
    if (!validity.is_valid)
        return EXIT_INVALID;
    if (options->find_max && result->found <= 0.0)
        return EXIT_FAILED;
    /* Not one good answer: whatever was measured, it was not a server that serves. */
    return total.scheduled > 0 && total.ok == 0 ? EXIT_FAILED : 0;
}

/* One line per request, opened before the run and written as it goes. */
static enum roost_err records_open(const struct load_options *options, FILE **records,
                                   struct detail *detail)
{
    *records = NULL;
    if (options->csv == NULL || !options->csv_requests)
        return ROOST_OK;
    struct strbuf head;
    *records = is_stdout(options->csv) ? stdout : fopen(options->csv, "we");
    if (*records == NULL)
        return detail_set(detail, ROOST_IO, "%s cannot be written", options->csv);
    strbuf_init(&head);
    report_csv_head(&head);
    (void)fputs(strbuf_text(&head), *records);
    strbuf_fini(&head);
    return ROOST_OK;
}

static enum roost_err records_close(const struct load_options *options, FILE *records,
                                    struct detail *detail)
{
    if (records == NULL)
        return ROOST_OK;
    bool is_bad = ferror(records) != 0;
    is_bad = (records == stdout ? fflush(records) : fclose(records)) != 0 || is_bad;
    return is_bad ? detail_set(detail, ROOST_IO, "%s was not written whole", options->csv)
                  : ROOST_OK;
}

static enum roost_err load_run(const struct load_options *options, const struct target *target,
                               const struct load_spec *spec, const struct load_tenants *tenants,
                               int *code, struct detail *detail)
{
    FILE *records;
    struct session_result result;
    struct session_options session = {
        .target = target,
        .url = options->url,
        .tenants = tenants,
        .seed = (uint64_t)options->seed,
        .warmup_ns = options->warmup_ns,
        .duration_ns = duration_of(options, spec),
        .requests_max = (uint64_t)options->requests,
        .timeout_ns = options->timeout_ns,
        .drain_ns = options->drain_ns,
        .spin_ns = options->spin_ns,
        .interval_ns = options->interval_ns,
        .connections_max = (unsigned)options->connections,
        .outstanding_max = (unsigned)options->outstanding,
        .live = options->live ? text_stream(options) : NULL,
        .live_is_terminal = isatty(fileno(text_stream(options))) != 0,
        .with_color = color_is_wanted(text_stream(options)),
        .find_max = options->find_max,
        .find_start = options->find_start,
        .find_precision = options->find_precision,
        .find_lowest = options->find_start / 1e4,
        .find_step_ns = options->find_step_ns,
        .find_samples = (uint64_t)options->samples,
    };
    enum roost_err err = records_open(options, &records, detail);
    if (err != ROOST_OK)
        return err;
    session.records = records;
    err = session_run(&session, &result, detail);
    enum roost_err closed = records_close(options, records, err == ROOST_OK ? detail : NULL);
    err = err == ROOST_OK ? closed : err;
    if (err == ROOST_OK)
        err = outputs_write(options, &session, &result, detail);
    if (err == ROOST_OK)
        *code = verdict_of(options, &result);
    session_result_fini(&result);
    return err;
}

/* Nobody should learn after an hour of load that its report has no place. */
static enum roost_err outputs_check(const struct load_options *options, struct detail *detail)
{
    const char *const paths[] = {options->json, options->csv, options->svg};
    enum roost_err err = ROOST_OK;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && err == ROOST_OK; i++) {
        if (paths[i] != NULL && !is_stdout(paths[i]))
            err = file_check_writable(paths[i], detail);
    }
    return err;
}

static enum roost_err options_read(int argc, char **argv, struct load_options *options,
                                   struct detail *detail)
{
    int first;
    struct option table[LOAD_OPTIONS + TENANT_OPTIONS_MAX];
    memset(options, 0, sizeof(*options));
    options->duration_ns = UINT64_MAX;
    size_t count = table_make(table);
    enum roost_err err = options_parse(table, count, argc, argv, options, &first, detail);
    if (err == ROOST_OK && first < argc)
        err = detail_set(detail, ROOST_INVALID, "unexpected argument \"%s\"", argv[first]);
    for (size_t i = 0; err == ROOST_OK && i < options->headers.count; i++) {
        const char *header = options->headers.items[i];
        if (strchr(header, ':') == NULL || strpbrk(header, "\r\n") != NULL)
            err = detail_set(detail, ROOST_INVALID, "option header: \"Name: value\" wanted");
    }
    return err;
}

int cmd_load(int argc, char **argv)
{
    int code = 0;
    struct detail detail;
    struct target target;
    struct load_spec spec;
    struct load_tenants tenants = {0};
    struct load_options *options = malloc(sizeof(*options));
    if (options == NULL)
        return EXIT_FAILED;
    load_spec_init(&spec);
    enum roost_err err = options_read(argc, argv, options, &detail);
    if (err == ROOST_OK)
        err = outputs_check(options, &detail);
    if (err == ROOST_OK)
        err = target_parse(options->url, &target, &detail);
    if (err == ROOST_OK)
        err = spec_make(options, &target, &spec, &detail);
    if (err == ROOST_OK) {
        struct load_tenants_options prepare = {
            .encoding = (enum request_encoding)options->encoding,
            .distinct = (unsigned)options->distinct,
            .memory_bytes = options->memory_bytes,
            .seed = (uint64_t)options->seed,
            .limit_batch = options->limit_batch,
            .headers = &options->headers,
        };
        err = load_tenants_prepare(&target, &spec, &prepare, &tenants, &detail);
    }
    if (err == ROOST_OK)
        err = load_run(options, &target, &spec, &tenants, &code, &detail);
    if (err != ROOST_OK)
        code = load_fail(&detail, err);
    load_tenants_fini(&tenants);
    load_spec_fini(&spec);
    free(options);
    return code;
}
