/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of docs/roost.yaml.md, with the defaults that settings_init really sets. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/number.h"
#include "serve/settings_table.h"

/* "30 s", "100 ms": the largest unit that gives a whole number. */
static void put_duration(struct strbuf *out, uint64_t duration_ns)
{
    if (duration_ns % NS_PER_S == 0)
        strbuf_printf(out, "%" PRIu64 " s", duration_ns / NS_PER_S);
    else if (duration_ns % NS_PER_MS == 0)
        strbuf_printf(out, "%" PRIu64 " ms", duration_ns / NS_PER_MS);
    else
        strbuf_printf(out, "%" PRIu64 " us", duration_ns / NS_PER_US);
}

static void put_form(struct strbuf *out, const struct settings_key *key)
{
    static const char *const types[] = {
        [YAML_T_STRING] = "text",   [YAML_T_BOOL] = "true or false", [YAML_T_INT] = "integer",
        [YAML_T_DOUBLE] = "number", [YAML_T_DURATION] = "time",      [YAML_T_BYTES] = "size",
    };
    const struct yaml_field *field = &key->yaml;
    if (key->form != NULL) {
        strbuf_puts(out, key->form);
        return;
    }
    if (field->type == YAML_T_ENUM) {
        for (size_t i = 0; field->choices[i] != NULL; i++)
            strbuf_printf(out, "%s%s", i == 0 ? "" : ", ", field->choices[i]);
        return;
    }
    bool path = key->kind == KEY_PATH || key->kind == KEY_MODEL;
    strbuf_puts(out, path ? "path" : types[field->type]);
    if (key->kind == KEY_MODEL)
        strbuf_puts(out, " or name");
    struct number_bounds bounds = {field->minimum, field->maximum};
    bool bounded = bounds.minimum < 0 || bounds.minimum > 0 || bounds.maximum > 0;
    char text[NUMBER_BOUNDS_BYTES_MAX];
    enum number_kind kind = field->type == YAML_T_DURATION ? NUMBER_DURATION
                            : field->type == YAML_T_BYTES  ? NUMBER_BYTES
                                                           : NUMBER_PLAIN;
    if (bounded)
        strbuf_printf(out, " %s", number_bounds_format(bounds, kind, text, sizeof(text)));
}

/* Nothing where the help says what holds when the key is absent. */
static void put_default(struct strbuf *out, const struct settings_key *key, const void *target)
{
    char text[64];
    if (target == NULL || key->kind <= KEY_CHOICE || key->kind == KEY_READ)
        return;
    const void *place = (const char *)target + key->offset;
    uint64_t natural = 0;
    if (key->kind == KEY_FLAG) {
        strbuf_puts(out, *(const bool *)place ? "true" : "false");
        return;
    }
    if (key->kind == KEY_ENUM) {
        strbuf_puts(out, key->yaml.choices[*(const int *)place]);
        return;
    }
    if (key->kind == KEY_INT) {
        strbuf_printf(out, "%d", *(const int *)place);
        return;
    }
    if (key->kind == KEY_UNSIGNED)
        natural = *(const unsigned *)place;
    else if (key->kind == KEY_UINT64 || key->kind == KEY_INT64)
        natural = *(const uint64_t *)place;
    else if (key->kind == KEY_SIZE)
        natural = *(const size_t *)place;
    if (natural == 0)
        return;
    if (key->yaml.type == YAML_T_DURATION)
        put_duration(out, natural);
    else if (key->yaml.type == YAML_T_BYTES)
        strbuf_puts(out, bytes_format(natural, text, sizeof(text)));
    else
        strbuf_printf(out, "%" PRIu64, natural);
}

static void put_table(struct strbuf *out, const struct settings_table *table, const void *target)
{
    strbuf_printf(out, "### %s\n\n%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                  table->name, table->about);
    for (size_t i = 0; i < table->count; i++) {
        const struct settings_key *key = &table->keys[i];
        strbuf_printf(out, "| `%s` | ", key->yaml.key);
        put_form(out, key);
        strbuf_puts(out, " | ");
        put_default(out, key, target);
        strbuf_printf(out, " | %s |\n", key->yaml.help);
    }
    strbuf_putc(out, '\n');
}

void settings_write_doc(struct strbuf *out)
{
    struct settings settings;
    settings_init(&settings);
    put_table(out, &settings_server_table, &settings);
    put_table(out, &settings_limits_table, &settings.limits);
    put_table(out, &settings_common_table, &settings.tenant_defaults);
    put_table(out, &settings_tenant_table, &settings.tenant_defaults);
    put_table(out, &settings_variant_table, NULL);
    put_table(out, &settings_adapter_table, NULL);
    settings_fini(&settings);
}
