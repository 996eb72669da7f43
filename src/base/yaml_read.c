/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/options.h"
#include "base/yaml.h"

enum { FIELDS_MAX = 128 };

/* "must be WANTED, not WHAT_IS_THERE" */
static void wrong(struct yaml_errors *errors, const struct yaml_node *node, const char *wanted)
{
    static const char *const kinds[] = {
        [YAML_NULL] = "empty", [YAML_LIST] = "a list", [YAML_MAP] = "a map"};
    if (node->kind != YAML_SCALAR)
        yaml_error(errors, node, "must be %s, not %s", wanted, kinds[node->kind]);
    else if (node->quoted)
        yaml_error(errors, node, "must be %s, not the text \"%.60s\"", wanted, node->text);
    else
        yaml_error(errors, node, "must be %s, not \"%.60s\"", wanted, node->text);
}

static bool in_bounds(const struct yaml_node *node, const struct yaml_field *field, double value,
                      enum number_kind kind, struct yaml_errors *errors)
{
    struct number_bounds bounds = {field->minimum, field->maximum};
    char wanted[NUMBER_BOUNDS_BYTES_MAX];
    if (number_in_bounds(value, bounds))
        return true;
    number_bounds_format(bounds, kind, wanted, sizeof(wanted));
    yaml_error(errors, node, "must be %s, not %.60s", wanted, node->text);
    return false;
}

static void bool_read(const struct yaml_node *node, bool *value, struct yaml_errors *errors)
{
    static const char *const texts[] = {"false", "False", "FALSE", "true", "True", "TRUE"};
    for (size_t i = 0; node->kind == YAML_SCALAR && !node->quoted && i < 6; i++) {
        if (strcmp(node->text, texts[i]) == 0) {
            *value = i >= 3;
            return;
        }
    }
    wrong(errors, node, "true or false");
}

static void int_read(const struct yaml_node *node, const struct yaml_field *field, int64_t *value,
                     struct yaml_errors *errors)
{
    int64_t number;
    if (node->kind != YAML_SCALAR || node->quoted || number_parse_int(node->text, &number) != 0)
        wrong(errors, node, "an integer");
    else if (in_bounds(node, field, (double)number, NUMBER_PLAIN, errors))
        *value = number;
}

static void double_read(const struct yaml_node *node, const struct yaml_field *field, double *value,
                        struct yaml_errors *errors)
{
    double number;
    if (node->kind != YAML_SCALAR || node->quoted || number_parse_double(node->text, &number) != 0)
        wrong(errors, node, "a number");
    else if (in_bounds(node, field, number, NUMBER_PLAIN, errors))
        *value = number;
}

static void duration_read(const struct yaml_node *node, const struct yaml_field *field,
                          uint64_t *value, struct yaml_errors *errors)
{
    uint64_t duration_ns;
    if (node->kind != YAML_SCALAR || duration_parse(node->text, &duration_ns) != 0)
        wrong(errors, node, "a duration such as 120 ms");
    else if (in_bounds(node, field, (double)duration_ns, NUMBER_DURATION, errors))
        *value = duration_ns;
}

static void bytes_read(const struct yaml_node *node, const struct yaml_field *field,
                       uint64_t *value, struct yaml_errors *errors)
{
    uint64_t bytes;
    if (node->kind != YAML_SCALAR || bytes_parse(node->text, &bytes) != 0)
        wrong(errors, node, "a size such as 512 MiB");
    else if (in_bounds(node, field, (double)bytes, NUMBER_BYTES, errors))
        *value = bytes;
}

static void enum_read(const struct yaml_node *node, const struct yaml_field *field, int *value,
                      struct yaml_errors *errors)
{
    struct strbuf wanted;
    strbuf_init(&wanted);
    strbuf_puts(&wanted, "one of ");
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (node->kind == YAML_SCALAR && strcmp(node->text, field->choices[i]) == 0) {
            *value = i;
            strbuf_fini(&wanted);
            return;
        }
        strbuf_printf(&wanted, "%s%s", i == 0 ? "" : ", ", field->choices[i]);
    }
    wrong(errors, node, strbuf_text(&wanted));
    strbuf_fini(&wanted);
}

static void field_read(const struct yaml_node *node, const struct yaml_field *field, void *target,
                       struct yaml_errors *errors)
{
    void *place = (char *)target + field->offset;
    switch (field->type) {
    case YAML_T_STRING:
        if (node->kind == YAML_SCALAR)
            *(const char **)place = node->text;
        else
            wrong(errors, node, "a text");
        break;
    case YAML_T_BOOL:
        bool_read(node, place, errors);
        break;
    case YAML_T_INT:
        int_read(node, field, place, errors);
        break;
    case YAML_T_DOUBLE:
        double_read(node, field, place, errors);
        break;
    case YAML_T_DURATION:
        duration_read(node, field, place, errors);
        break;
    case YAML_T_BYTES:
        bytes_read(node, field, place, errors);
        break;
    case YAML_T_ENUM:
        enum_read(node, field, place, errors);
        break;
    case YAML_T_NODE:
        *(const struct yaml_node **)place = node;
        break;
    }
}

static void unknown_key(const struct yaml_node *node, const struct yaml_field *fields,
                        size_t field_count, struct yaml_errors *errors)
{
    const char *names[FIELDS_MAX];
    size_t count = field_count < FIELDS_MAX ? field_count : FIELDS_MAX;
    for (size_t i = 0; i < count; i++)
        names[i] = fields[i].key;
    const char *near = nearest_name(node->key, names, count);
    if (near != NULL)
        yaml_error(errors, node, "unknown key, did you mean \"%s\"?", near);
    else
        yaml_error(errors, node, "unknown key");
}

void yaml_read_map(const struct yaml_node *node, const struct yaml_field *fields,
                   size_t field_count, void *target, struct yaml_errors *errors)
{
    if (node->kind != YAML_MAP && node->kind != YAML_NULL) {
        wrong(errors, node, "a map of keys");
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        size_t i = 0;
        while (i < field_count && strcmp(fields[i].key, item->key) != 0)
            i++;
        if (i < field_count)
            field_read(item, &fields[i], target, errors);
        else
            unknown_key(item, fields, field_count, errors);
    }
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].required && yaml_get(node, fields[i].key) == NULL)
            yaml_error(errors, node, "the key \"%s\" is missing", fields[i].key);
    }
}
