/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/options.h"
#include "cli/commands.h"
#include "zoo/zoo.h"

struct zoo_options {
    const char *directory;
    double scale;
    bool force, json;
};

static const struct option zoo_table[] = {
    {.name = "directory",
     .type = OPTION_STRING,
     .offset = offsetof(struct zoo_options, directory),
     .default_text = "models",
     .unit = "DIR",
     .help = "the model repository to write into"},
    {.name = "scale",
     .type = OPTION_DOUBLE,
     .offset = offsetof(struct zoo_options, scale),
     .minimum = 1e-6,
     .maximum = 1,
     .default_text = "1",
     .help = "rows of the embedding tables, as a share of the published ones"},
    {.name = "force",
     .type = OPTION_FLAG,
     .offset = offsetof(struct zoo_options, force),
     .help = "write again what is there already"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct zoo_options, json),
     .help = "list as JSON"},
};
static const size_t zoo_option_count = sizeof zoo_table / sizeof *zoo_table;

void cmd_zoo_help(void)
{
    puts("roost zoo list    shows the models with their size and work per item");
    puts("roost zoo make    writes the named models, or all of them\n");
    options_help(zoo_table, zoo_option_count, stdout);
}

static int zoo_fail(const struct detail *detail, enum roost_err err)
{
    fprintf(stderr, "roost zoo: %s\n", detail->text);
    return roost_err_exit_code(err);
}

static int zoo_list_json(const struct zoo_options *options)
{
    struct strbuf out;
    struct json_writer w;
    struct detail detail;
    enum roost_err err = ROOST_OK;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; zoo_at(i) != NULL && err == ROOST_OK; i++) {
        const struct zoo_model *model = zoo_at(i);
        struct zoo_count count;
        err = zoo_count(model, options->scale, &count, &detail);
        if (err != ROOST_OK) {
            break;
        }
        json_begin_object(&w);
        json_field_string(&w, "name", model->name);
        json_field_string(&w, "kind", zoo_kind_name(model->kind));
        json_field_uint(&w, "params", count.params_trainable);
        json_field_uint(&w, "params_published", model->params_published);
        json_field_uint(&w, "flops_per_item", count.flops_per_item);
        json_field_uint(&w, "weight_bytes", count.weight_bytes);
        json_field_double(&w, "nominal_accuracy", model->accuracy);
        json_field_string(&w, "summary", model->summary);
        json_end_object(&w);
    }
    if (err == ROOST_OK) {
        json_end_array(&w);
        puts(strbuf_text(&out));
    }
    strbuf_fini(&out);
    return err == ROOST_OK ? 0 : zoo_fail(&detail, err);
}

static int zoo_list(const struct zoo_options *options)
{
    struct detail detail;
    printf("%-20s %-15s %12s %14s %10s  %s\n", "MODEL", "KIND", "PARAMETERS", "MFLOP/ITEM",
           "WEIGHTS", "SUMMARY");
    for (size_t i = 0; zoo_at(i) != NULL; i++) {
        const struct zoo_model *model = zoo_at(i);
        struct zoo_count count;
        enum roost_err err = zoo_count(model, options->scale, &count, &detail);
        if (err != ROOST_OK) {
            return zoo_fail(&detail, err);
        }
        printf("%-20s %-15s %12" PRIu64 " %14.2f %7.1f MB  %s\n", model->name,
               zoo_kind_name(model->kind), count.params_trainable,
               (double)count.flops_per_item / 1e6, (double)count.weight_bytes / 1e6,
               model->summary);
    }
    return 0;
}

static void zoo_show(void *context, const struct zoo_model *model, uint64_t bytes_done,
                     uint64_t bytes_total)
{
    (void)context;
    if (isatty(STDERR_FILENO) != 0) {
        fprintf(stderr, "\r%-20s %3" PRIu64 " %% of %.1f MB", model->name,
                bytes_total == 0 ? 100 : bytes_done * 100 / bytes_total, (double)bytes_total / 1e6);
        if (bytes_done == bytes_total) {
            fputs("\r\033[K", stderr);
        }
    }
}

static int zoo_make_one(const struct zoo_options *options, const char *name)
{
    struct detail detail;
    struct zoo_made made;
    struct zoo_request request = {.directory = options->directory,
                                  .model = name,
                                  .scale = options->scale,
                                  .force = options->force,
                                  .progress = zoo_show};
    enum roost_err err = zoo_make(&request, &made, &detail);
    if (err != ROOST_OK) {
        return zoo_fail(&detail, err);
    }
    printf("%-20s %s\n", name, made.skipped ? "is there already" : made.path);
    return 0;
}

static int zoo_make_all(const struct zoo_options *options, int argc, char **argv, int first)
{
    int code = 0;
    for (int i = first; i < argc && code == 0; i++) {
        code = zoo_make_one(options, argv[i]);
    }
    for (size_t i = 0; first == argc && zoo_at(i) != NULL && code == 0; i++) {
        code = zoo_make_one(options, zoo_at(i)->name);
    }
    return code;
}

int cmd_zoo(int argc, char **argv)
{
    struct zoo_options options = {0};
    struct detail detail;
    int first;
    enum roost_err err = options_parse(zoo_table, zoo_option_count, argc, argv, &options, &first,
                                       &detail);
    if (err != ROOST_OK) {
        return zoo_fail(&detail, err);
    }
    if (first < argc && strcmp(argv[first], "list") == 0) {
        return options.json ? zoo_list_json(&options) : zoo_list(&options);
    }
    if (first < argc && strcmp(argv[first], "make") == 0) {
        return zoo_make_all(&options, argc, argv, first + 1);
    }
    fprintf(stderr, "roost zoo: say 'list' or 'make'\n");
    return 2;
}
