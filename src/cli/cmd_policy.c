/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of a running server: which one, what it does, and another one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cli/commands.h"
#include "cli/control_client.h"
#include "policy/registry.h"

struct policy_options {
    const char *control;
    bool json;
};

static const struct option policy_table[] = {
    {.name = "control",
     .type = OPTION_STRING,
     .offset = offsetof(struct policy_options, control),
     .unit = "PATH",
     .help = CONTROL_HELP},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct policy_options, json),
     .help = "print the server's answer as it is"},
};
static const size_t policy_option_count = sizeof policy_table / sizeof *policy_table;

void cmd_policy_help(void)
{
    options_help(policy_table, policy_option_count, stdout);
}

static enum roost_err policy_print_list(void)
{
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count; i++) {
        printf("%-10s %s\n", policies[i]->name, policies[i]->summary);
    }
    puts("\nroost policy list NAME shows its options.");
    return ROOST_OK;
}

static enum roost_err policy_print_options(const char *name, struct detail *detail)
{
    const struct roost_policy *policy;
    enum roost_err err = policy_find(name, &policy, detail);
    if (err != ROOST_OK) {
        return err;
    }
    printf("%s (version %s): %s\n", policy->name, policy->version, policy->summary);
    if (policy->tenants_max > 0) {
        printf("at most %u tenants\n", policy->tenants_max);
    }
    options_help(policy->options, policy->option_count, stdout);
    return ROOST_OK;
}

static void policy_print(yyjson_val *root)
{
    size_t i, count;
    yyjson_val *item;
    const char *asked = control_text(root, "policy"), *deciding = control_text(root, "deciding");
    printf("policy %s", asked);
    yyjson_arr_foreach(yyjson_obj_get(root, "options"), i, count, item)
    {
        printf(" %s", yyjson_get_str(item));
    }
    if (yyjson_get_bool(yyjson_obj_get(root, "changing"))) {
        printf(" (once %s has made its decision)", deciding);
    } else if (strcmp(asked, deciding) != 0) {
        printf(" (after faults %s decides)", deciding);
    }
    printf("\n%.0f decisions, %.0f moves, %.0f faults\nknobs:",
           yyjson_get_num(yyjson_obj_get(root, "decisions")),
           yyjson_get_num(yyjson_obj_get(root, "moves")),
           yyjson_get_num(yyjson_obj_get(root, "faults")));
    yyjson_arr_foreach(yyjson_obj_get(root, "knobs"), i, count, item)
    {
        printf(" %s", yyjson_get_str(item));
    }
    puts("");
    if (control_text(root, "last_fault")[0] != '\0') {
        printf("last fault: %s\n", control_text(root, "last_fault"));
    }
    yyjson_arr_foreach(yyjson_obj_get(root, "tenants"), i, count, item)
    {
        printf("%-24s %-9s slots %3.0f  weight %5.0f  slice %4.1f ms  workers %2.0f  batch %3.0f  "
               "last change: %s\n",
               control_text(item, "tenant"), control_text(item, "mode"),
               yyjson_get_num(yyjson_obj_get(item, "slots")),
               yyjson_get_num(yyjson_obj_get(item, "weight")),
               yyjson_get_num(yyjson_obj_get(item, "slice_ns")) / 1e6,
               yyjson_get_num(yyjson_obj_get(item, "workers")),
               yyjson_get_num(yyjson_obj_get(item, "batch_rows")), control_text(item, "why"));
    }
}

/* Shows what the server answers to GET, or to POST with `body`. */
static enum roost_err policy_ask(const struct policy_options *options, const char *body,
                                 struct detail *detail)
{
    yyjson_doc *doc;
    char *text;
    enum roost_err err = control_call(options->control, body == NULL ? "GET" : "POST",
                                      "/v2/roost/policy", body, &doc, &text, detail);
    if (err != ROOST_OK) {
        return err;
    }
    if (options->json) {
        puts(text);
    } else {
        policy_print(yyjson_doc_get_root(doc));
    }
    free(text);
    yyjson_doc_free(doc);
    return ROOST_OK;
}

static enum roost_err policy_set(const struct policy_options *options, const char *name,
                                 char *const *assignments, int count, struct detail *detail)
{
    struct strbuf body, lines;
    struct json_writer w;
    strbuf_init(&body);
    strbuf_init(&lines);
    for (int i = 0; i < count; i++) {
        strbuf_printf(&lines, "%s%s", i > 0 ? "\n" : "", assignments[i]);
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_field_string(&w, "policy", name);
    json_field_string(&w, "options", strbuf_text(&lines));
    json_end_object(&w);
    enum roost_err err = policy_ask(options, strbuf_text(&body), detail);
    strbuf_fini(&lines);
    strbuf_fini(&body);
    return err;
}

int cmd_policy(int argc, char **argv)
{
    struct policy_options options = {0};
    struct detail detail;
    int first;
    enum roost_err err = options_parse(policy_table, policy_option_count, argc, argv, &options,
                                       &first, &detail);
    const char *verb = err == ROOST_OK && first < argc ? argv[first] : "show";
    int words = argc - first;
    if (err == ROOST_OK) {
        if (strcmp(verb, "show") == 0 && words <= 1) {
            err = policy_ask(&options, NULL, &detail);
        } else if (strcmp(verb, "list") == 0 && words <= 2) {
            err = words == 2 ? policy_print_options(argv[first + 1], &detail) : policy_print_list();
        } else {
            int name = first + (strcmp(verb, "set") == 0 && words >= 2);
            err = policy_set(&options, argv[name], argv + name + 1, argc - name - 1, &detail);
        }
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "roost policy: %s\n", detail.text);
    }
    return roost_err_exit_code(err);
}
