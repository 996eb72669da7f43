/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/strbuf.h"
#include "base/yaml.h"

enum { OPTIONS_MAX = 128, HELP_COLUMN = 28 };

static const struct option *option_find(const struct option *options, size_t count,
                                        const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return &options[i];
    }
    return NULL;
}

static enum roost_err option_unknown(const struct option *options, size_t count, const char *dashes,
                                     const char *name, size_t length, struct detail *detail)
{
    char wanted[128];
    const char *names[OPTIONS_MAX];
    (void)snprintf(wanted, sizeof(wanted), "%.*s", (int)(length < 100 ? length : 100), name);
    size_t name_count = count < OPTIONS_MAX ? count : OPTIONS_MAX;
    for (size_t i = 0; i < name_count; i++)
        names[i] = options[i].name;
    const char *near = nearest_name(wanted, names, name_count);
    if (near != NULL)
        return detail_set(detail, ROOST_INVALID, "unknown option %s%s: did you mean %s%s?", dashes,
                          wanted, dashes, near);
    return detail_set(detail, ROOST_INVALID, "unknown option %s%s", dashes, wanted);
}

static enum roost_err option_bad(const struct option *option, const char *text, const char *wanted,
                                 struct detail *detail)
{
    return detail_set(detail, ROOST_INVALID, "option %s: %s wanted, not \"%s\"", option->name,
                      wanted, text);
}

static enum roost_err bounds_check(const struct option *option, double value, const char *text,
                                   enum number_kind kind, struct detail *detail)
{
    struct number_bounds bounds = {option->minimum, option->maximum};
    char wanted[NUMBER_BOUNDS_BYTES_MAX];
    if (number_in_bounds(value, bounds))
        return ROOST_OK;
    number_bounds_format(bounds, kind, wanted, sizeof(wanted));
    return detail_set(detail, ROOST_INVALID, "option %s: must be %s, not %s", option->name, wanted,
                      text);
}

static enum roost_err flag_set(const struct option *option, const char *text, bool *flag,
                               struct detail *detail)
{
    if (strcmp(text, "true") == 0)
        *flag = true;
    else if (strcmp(text, "false") == 0)
        *flag = false;
    else
        return option_bad(option, text, "true or false", detail);
    return ROOST_OK;
}

static enum roost_err enum_set(const struct option *option, const char *text, int *index,
                               struct detail *detail)
{
    struct strbuf wanted;
    strbuf_init(&wanted);
    strbuf_puts(&wanted, "one of ");
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *index = i;
            strbuf_fini(&wanted);
            return ROOST_OK;
        }
        strbuf_printf(&wanted, "%s%s", i == 0 ? "" : ", ", option->choices[i]);
    }
    enum roost_err err = option_bad(option, text, strbuf_text(&wanted), detail);
    strbuf_fini(&wanted);
    return err;
}

static enum roost_err list_add(const struct option *option, const char *text,
                               struct option_list *list, struct detail *detail)
{
    if (list->count == OPTION_LIST_MAX)
        return detail_set(detail, ROOST_INVALID, "option %s: given more than %d times",
                          option->name, OPTION_LIST_MAX);
    list->items[list->count++] = text;
    return ROOST_OK;
}

/* The types that are numbers; a bad value does not reach the target. */
static enum roost_err number_set(const struct option *option, const char *text, void *place,
                                 struct detail *detail)
{
    enum roost_err err;
    if (option->type == OPTION_INT) {
        int64_t value;
        if (number_parse_int(text, &value) != 0)
            return option_bad(option, text, "an integer", detail);
        err = bounds_check(option, (double)value, text, NUMBER_PLAIN, detail);
        if (err == ROOST_OK)
            memcpy(place, &value, sizeof(value));
        return err;
    }
    if (option->type == OPTION_DOUBLE) {
        double value;
        if (number_parse_double(text, &value) != 0)
            return option_bad(option, text, "a number", detail);
        err = bounds_check(option, value, text, NUMBER_PLAIN, detail);
        if (err == ROOST_OK)
            memcpy(place, &value, sizeof(value));
        return err;
    }
    bool is_time = option->type == OPTION_DURATION;
    uint64_t value;
    if ((is_time ? duration_parse(text, &value) : bytes_parse(text, &value)) != 0)
        return option_bad(option, text,
                          is_time ? "a duration such as \"120 ms\"" : "a size such as \"512 MiB\"",
                          detail);
    err = bounds_check(option, (double)value, text, is_time ? NUMBER_DURATION : NUMBER_BYTES,
                       detail);
    if (err == ROOST_OK)
        memcpy(place, &value, sizeof(value));
    return err;
}

static enum roost_err option_apply(const struct option *option, const char *text, void *target,
                                   struct detail *detail)
{
    void *place = (char *)target + option->offset;
    switch (option->type) {
    case OPTION_FLAG:
        return flag_set(option, text, place, detail);
    case OPTION_STRING:
        *(const char **)place = text;
        return ROOST_OK;
    case OPTION_ENUM:
        return enum_set(option, text, place, detail);
    case OPTION_LIST:
        return list_add(option, text, place, detail);
    case OPTION_INT:
    case OPTION_DOUBLE:
    case OPTION_DURATION:
    case OPTION_BYTES:
        break;
    }
    return number_set(option, text, place, detail);
}

enum roost_err options_defaults(const struct option *options, size_t count, void *target,
                                struct detail *detail)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].default_text == NULL)
            continue;
        enum roost_err err = option_apply(&options[i], options[i].default_text, target, detail);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

enum roost_err options_set(const struct option *options, size_t count, const char *assignment,
                           void *target, struct detail *detail)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        return detail_set(detail, ROOST_INVALID, "\"%s\": NAME=VALUE wanted", assignment);
    size_t length = (size_t)(equals - assignment);
    const struct option *option = option_find(options, count, assignment, length);
    if (option == NULL)
        return option_unknown(options, count, "", assignment, length, detail);
    return option_apply(option, equals + 1, target, detail);
}

/* What argv[*index] and perhaps its successor say; *index is left on the last one used. */
static enum roost_err argument_apply(const struct option *options, size_t count, int argc,
                                     char **argv, int *index, void *target, struct detail *detail)
{
    const char *name = argv[*index] + 2;
    if (strcmp(argv[*index], "-h") == 0)
        name = "help";
    else if (argv[*index][1] != '-')
        return detail_set(detail, ROOST_INVALID, "unknown option %s: long options only (--name)",
                          argv[*index]);
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct option *option = option_find(options, count, name, length);
    if (option == NULL && value == NULL && strncmp(name, "no-", 3) == 0) {
        option = option_find(options, count, name + 3, length - 3);
        option = option != NULL && option->type == OPTION_FLAG ? option : NULL;
        value = "false";
    }
    if (option == NULL)
        return option_unknown(options, count, "--", name, length, detail);
    if (option->type == OPTION_FLAG && value == NULL)
        value = "true";
    if (value == NULL) {
        if (*index + 1 >= argc || strncmp(argv[*index + 1], "--", 2) == 0)
            return detail_set(detail, ROOST_INVALID, "option --%s: a value is missing",
                              option->name);
        value = argv[++*index];
    }
    enum roost_err err = option_apply(option, value, target, detail);
    return err;
}

enum roost_err options_parse(const struct option *options, size_t count, int argc, char **argv,
                             void *target, int *positional, struct detail *detail)
{
    *positional = argc;
    enum roost_err err = options_defaults(options, count, target, detail);
    if (err != ROOST_OK || argc == 0)
        return err;
    char **kept = calloc((size_t)argc, sizeof(*kept));
    if (kept == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the command line");
    int kept_count = 0;
    int used_count = 1;
    bool ended = false;
    for (int i = 1; i < argc && err == ROOST_OK; i++) {
        if (ended || argv[i][0] != '-' || argv[i][1] == '\0') {
            kept[kept_count++] = argv[i];
            continue;
        }
        int first = i;
        ended = strcmp(argv[i], "--") == 0;
        if (!ended)
            err = argument_apply(options, count, argc, argv, &i, target, detail);
        /* Places up to i are read already, and the options in them move before the positionals. */
        for (int used = first; used <= i; used++)
            argv[used_count++] = argv[used];
    }
    if (err == ROOST_OK) {
        memcpy(argv + used_count, kept, (size_t)kept_count * sizeof(*kept));
        *positional = used_count;
    }
    free(kept);
    return err;
}

/* "--cores N", "--[no-]verbose", "--mode fast|safe" */
static void usage_write(const struct option *option, struct strbuf *line)
{
    static const char *const units[] = {
        [OPTION_INT] = "N",      [OPTION_DOUBLE] = "X",    [OPTION_DURATION] = "TIME",
        [OPTION_BYTES] = "SIZE", [OPTION_STRING] = "TEXT", [OPTION_LIST] = "TEXT",
    };
    if (option->type == OPTION_FLAG) {
        bool is_help = strcmp(option->name, "help") == 0;
        strbuf_printf(line, is_help ? "  -h, --%s" : "  --[no-]%s", option->name);
        return;
    }
    strbuf_printf(line, "  --%s ", option->name);
    if (option->type == OPTION_ENUM && option->unit == NULL) {
        for (size_t i = 0; option->choices[i] != NULL; i++)
            strbuf_printf(line, "%s%s", i == 0 ? "" : "|", option->choices[i]);
        return;
    }
    strbuf_puts(line, option->unit != NULL ? option->unit : units[option->type]);
}

void options_help(const struct option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        struct strbuf line;
        strbuf_init(&line);
        usage_write(&options[i], &line);
        if (line.length >= HELP_COLUMN)
            strbuf_printf(&line, "\n%*s", HELP_COLUMN, "");
        else
            strbuf_printf(&line, "%*s", (int)(HELP_COLUMN - line.length), "");
        strbuf_puts(&line, options[i].help != NULL ? options[i].help : "");
        if (options[i].type == OPTION_LIST)
            strbuf_puts(&line, " (may be repeated)");
        if (options[i].default_text != NULL && options[i].type != OPTION_FLAG)
            strbuf_printf(&line, " (default: %s)", options[i].default_text);
        else if (options[i].default_text != NULL && strcmp(options[i].default_text, "true") == 0)
            strbuf_puts(&line, " (default: on)");
        (void)fprintf(out, "%s\n", strbuf_text(&line));
        strbuf_fini(&line);
    }
}
