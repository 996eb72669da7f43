/* SPDX-License-Identifier: Apache-2.0 */
/* Every policy has a page, with its summary and the table of its options as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options.h"
#include "base/strbuf.h"
#include "base/test.h"
#include "policy/registry.h"

static const char *folder;

static void write_values(const struct option *option, struct strbuf *out)
{
    if (option->type == OPTION_ENUM) {
        for (const char *const *choice = option->choices; *choice != NULL; choice++) {
            strbuf_printf(out, "%s`%s`", choice == option->choices ? "" : ", ", *choice);
        }
        return;
    }
    static const char *const kinds[] = {
        [OPTION_FLAG] = "`true`, `false`",
        [OPTION_INT] = "whole number",
        [OPTION_DOUBLE] = "number",
        [OPTION_DURATION] = "duration",
    };
    strbuf_puts(out, kinds[option->type]);
    if (option->unit != NULL) {
        strbuf_printf(out, ", %s", option->unit);
    }
}

static void write_table(const struct roost_policy *policy, struct strbuf *out)
{
    strbuf_puts(out, "| option | values | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < policy->option_count; i++) {
        const struct option *option = &policy->options[i];
        strbuf_printf(out, "| `%s` | ", option->name);
        write_values(option, out);
        strbuf_printf(out, " | `%s` | %s |\n", option->default_text, option->help);
    }
}

static void pages_are_there_and_right(void **state)
{
    (void)state;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        char *page = NULL;
        size_t length;
        struct strbuf table;
        struct detail detail;
        strbuf_init(&table);
        snprintf(path, sizeof path, "%s/%s.md", folder, policies[i]->name);
        if (file_read(path, 1 << 20, &page, &length, &detail) != ROOST_OK) {
            fail_msg("%s", detail.text);
        }
        write_table(policies[i], &table);
        if (strstr(page, strbuf_text(&table)) == NULL) {
            fail_msg("%s must contain:\n%s", path, strbuf_text(&table));
        }
        if (strstr(page, policies[i]->summary) == NULL) {
            fail_msg("%s must contain: %s", path, policies[i]->summary);
        }
        free(page);
        strbuf_fini(&table);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_there_and_right),
    };
    folder = argc > 1 ? argv[1] : "docs/policies";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
