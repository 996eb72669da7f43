/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes through the YAML reader: parse, walk the tree, read it by a table of every type. */
#include <stdbool.h>

#include "base/assert.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    const char *text;
    bool flag;
    int64_t integer;
    double number;
    uint64_t duration_ns;
    uint64_t bytes;
    int choice;
    const struct yaml_node *node;
};

static const char *const choices[] = {"one", "two", NULL};

#define AT(member) offsetof(struct target, member)

static const struct yaml_field fields[] = {
    {.key = "text", .type = YAML_T_STRING, .offset = AT(text), .required = true},
    {.key = "flag", .type = YAML_T_BOOL, .offset = AT(flag)},
    {.key = "integer", .type = YAML_T_INT, .offset = AT(integer), .minimum = 1, .maximum = 9},
    {.key = "number", .type = YAML_T_DOUBLE, .offset = AT(number)},
    {.key = "duration", .type = YAML_T_DURATION, .offset = AT(duration_ns), .minimum = 1e3},
    {.key = "bytes", .type = YAML_T_BYTES, .offset = AT(bytes), .maximum = 1e9},
    {.key = "choice", .type = YAML_T_ENUM, .offset = AT(choice), .choices = choices},
    {.key = "node", .type = YAML_T_NODE, .offset = AT(node)},
};

static void tree_walk(const struct yaml_node *node, unsigned depth, struct yaml_errors *errors)
{
    struct target target = {0};
    roost_assert(depth <= YAML_DEPTH_MAX);
    roost_assert(node->line > 0 && node->column > 0 && node->text != NULL);
    roost_assert(node->parent == NULL || (node->key != NULL) == (node->parent->kind == YAML_MAP));
    yaml_read_map(node, fields, sizeof(fields) / sizeof(fields[0]), &target, errors);
    roost_assert(target.integer >= 0 && target.integer <= 9);
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        roost_assert(item->parent == node);
        tree_walk(item, depth + 1, errors);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_errors errors;
    struct yaml_doc *doc = NULL;
    yaml_errors_init(&errors, "f");
    enum roost_err err = yaml_parse((const char *)data, size, &errors, &doc);
    roost_assert((err == ROOST_OK) == (errors.count == 0) && (err != ROOST_OK || doc != NULL));
    if (doc != NULL)
        tree_walk(yaml_root(doc), 0, &errors);
    size_t lines = 0;
    for (const char *c = strbuf_text(&errors.text); *c != '\0'; c++)
        lines += *c == '\n' ? 1 : 0;
    size_t shown = errors.count > YAML_ERRORS_MAX ? YAML_ERRORS_MAX + 1 : errors.count;
    roost_assert(lines == shown);
    yaml_doc_free(doc);
    yaml_errors_fini(&errors);
    return 0;
}
