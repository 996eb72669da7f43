/* SPDX-License-Identifier: Apache-2.0 */
/* Changes the variant that serves a tenant, by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/options.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/control_client.h"

struct switch_options {
    const char *control;
    bool wait;
};

static const struct option switch_table[] = {
    {.name = "control",
     .type = OPTION_STRING,
     .offset = offsetof(struct switch_options, control),
     .unit = "PATH",
     .help = CONTROL_HELP},
    {.name = "wait",
     .type = OPTION_FLAG,
     .offset = offsetof(struct switch_options, wait),
     .default_text = "true",
     .help = "until the variant serves or has failed (--no-wait: return at once)"},
};
static const size_t switch_option_count = sizeof switch_table / sizeof *switch_table;

static const long poll_ns = 20 * (long)NS_PER_MS;

void cmd_switch_help(void)
{
    options_help(switch_table, switch_option_count, stdout);
}

static yyjson_val *find_named(yyjson_val *list, const char *key, const char *name)
{
    size_t i, count;
    yyjson_val *item, *found = NULL;
    yyjson_arr_foreach(list, i, count, item)
    {
        if (strcmp(control_text(item, key), name) == 0) {
            found = item; /* the last one: the default version */
        }
    }
    return found;
}

/* Where the switch has got to: *done with OK when the variant serves, with the reason when it never
 * will. */
static enum roost_err switch_look(const struct switch_options *options, const char *tenant,
                                  const char *variant, bool *done, struct detail *detail)
{
    yyjson_doc *doc;
    enum roost_err err = control_call(options->control, "GET", "/v2/roost/status", NULL, &doc, NULL,
                                      detail);
    if (err != ROOST_OK) {
        *done = true;
        return err;
    }
    yyjson_val *lanes = yyjson_obj_get(yyjson_doc_get_root(doc), "lanes");
    yyjson_val *lane = find_named(lanes, "tenant", tenant);
    yyjson_val *rung = find_named(yyjson_obj_get(lane, "variants"), "name", variant);
    bool wanted = strcmp(control_text(lane, "wanted"), variant) == 0;
    bool serves = wanted && strcmp(control_text(lane, "variant"), variant) == 0;
    *done = serves || !wanted;
    if (!wanted) {
        const char *reason = control_text(rung, "reason");
        err = detail_set(detail, ROOST_UNAVAILABLE, "%s: %s; '%s' serves", variant,
                         reason[0] != '\0' ? reason : "another switch came in between",
                         control_text(lane, "variant"));
    }
    yyjson_doc_free(doc);
    return err;
}

/* A name as one part of a path. */
static void put_encoded(struct strbuf *out, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    for (const char *c = name; *c != '\0'; c++) {
        if (strchr(plain, *c) != NULL) {
            strbuf_putc(out, *c);
        } else {
            strbuf_printf(out, "%%%02X", (unsigned char)*c);
        }
    }
}

static enum roost_err switch_run(const struct switch_options *options, const char *tenant,
                                 const char *variant, struct detail *detail)
{
    struct strbuf path, body;
    struct json_writer w;
    yyjson_doc *doc;
    strbuf_init(&path);
    strbuf_init(&body);
    strbuf_puts(&path, "/v2/roost/tenants/");
    put_encoded(&path, tenant);
    strbuf_puts(&path, "/switch");
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_field_string(&w, "variant", variant);
    json_end_object(&w);
    enum roost_err err = control_call(options->control, "POST", strbuf_text(&path),
                                      strbuf_text(&body), &doc, NULL, detail);
    strbuf_fini(&path);
    strbuf_fini(&body);
    if (err != ROOST_OK) {
        return err;
    }
    yyjson_doc_free(doc);
    bool done = !options->wait;
    while (!done) {
        err = switch_look(options, tenant, variant, &done, detail);
        if (!done) {
            nanosleep(&(struct timespec){.tv_nsec = poll_ns}, NULL);
        }
    }
    if (err == ROOST_OK) {
        printf("%s: %s %s\n", tenant, variant, options->wait ? "serves" : "was asked for");
    }
    return err;
}

int cmd_switch(int argc, char **argv)
{
    struct switch_options options = {0};
    struct detail detail;
    int first;
    enum roost_err err = options_parse(switch_table, switch_option_count, argc, argv, &options,
                                       &first, &detail);
    if (err == ROOST_OK && argc - first != 2) {
        err = detail_set(&detail, ROOST_INVALID, "give a tenant and one of its variants");
    }
    if (err == ROOST_OK) {
        err = switch_run(&options, argv[first], argv[first + 1], &detail);
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "roost switch: %s\n", detail.text);
    }
    return roost_err_exit_code(err);
}
