/* SPDX-License-Identifier: Apache-2.0 */
/* The models of a running server, as its repository index tells them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/options.h"
#include "cli/commands.h"
#include "net/http_client.h"

struct models_options {
    const char *host;
    int64_t port;
    bool json;
};

static const struct option models_table[] = {
    {.name = "host",
     .type = OPTION_STRING,
     .offset = offsetof(struct models_options, host),
     .default_text = "127.0.0.1",
     .unit = "HOST",
     .help = "the server"},
    {.name = "port",
     .type = OPTION_INT,
     .offset = offsetof(struct models_options, port),
     .minimum = 1,
     .maximum = 65535,
     .default_text = "8000",
     .unit = "PORT",
     .help = "its inference port"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct models_options, json),
     .help = "print the server's answer as it is"},
};
static const size_t models_option_count = sizeof models_table / sizeof *models_table;

void cmd_models_help(void)
{
    options_help(models_table, models_option_count, stdout);
}

static const char *text_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text == NULL ? "" : text;
}

static enum roost_err models_print(const char *body, size_t length, struct detail *detail)
{
    yyjson_doc *doc;
    enum roost_err err = json_parse(body, length, &doc, detail);
    if (err != ROOST_OK) {
        return err;
    }
    size_t i, count;
    yyjson_val *entry;
    printf("%-24s %8s  %-12s %s\n", "MODEL", "VERSION", "STATE", "REASON");
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, count, entry)
    {
        const char *state = text_of(entry, "state");
        printf("%-24s %8s  %-12s %s\n", text_of(entry, "name"), text_of(entry, "version"),
               state[0] == '\0' ? "not loaded" : state, text_of(entry, "reason"));
    }
    yyjson_doc_free(doc);
    return ROOST_OK;
}

int cmd_models(int argc, char **argv)
{
    struct models_options options = {0};
    struct detail detail;
    int first, status = 0;
    char *body = NULL;
    size_t length = 0;
    enum roost_err err = options_parse(models_table, models_option_count, argc, argv, &options,
                                       &first, &detail);
    if (err == ROOST_OK && first < argc) {
        err = detail_set(&detail, ROOST_INVALID, "unexpected argument '%s'", argv[first]);
    }
    if (err == ROOST_OK) {
        err = http_fetch(options.host, (unsigned)options.port, "POST", "/v2/repository/index", "",
                         &status, &body, &length, &detail);
    }
    if (err == ROOST_OK && status != 200) {
        err = detail_set(&detail, ROOST_UNAVAILABLE, "the server answered %d: %s", status, body);
    }
    if (err == ROOST_OK && options.json) {
        puts(body);
    } else if (err == ROOST_OK) {
        err = models_print(body, length, &detail);
    }
    free(body);
    if (err != ROOST_OK) {
        fprintf(stderr, "roost models: %s\n", detail.text);
    }
    return roost_err_exit_code(err);
}
