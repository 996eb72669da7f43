/* SPDX-License-Identifier: Apache-2.0 */
/* The table of docs/MODELS.md, so that it never says anything else than the parser does. */
#include "serve/model_config_table.h"

#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [STATUS_HONOURED] = "honoured",
    [STATUS_IGNORED] = "ignored",
    [STATUS_REFUSED] = "refused",
};

/* '|' would end a cell. */
static void put_cell(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            strbuf_putc(out, '\\');
        strbuf_putc(out, *text);
    }
}

static void put_row(struct strbuf *out, const char *path, enum field_status status,
                    const char *note)
{
    strbuf_printf(out, "| `%s` | %s | ", path, status_names[status]);
    put_cell(out, note);
    strbuf_puts(out, " |\n");
}

static void put_message(struct strbuf *out, const struct config_message *message, const char *path)
{
    for (size_t i = 0; i < message->count; i++) {
        const struct config_field *field = &message->fields[i];
        const char *mark = field->label == FIELD_ONE        ? ""
                           : field->label == FIELD_REPEATED ? "[]"
                                                            : "{}";
        char name[256];
        (void)snprintf(name, sizeof(name), "%s%s%s%s", path, path[0] != '\0' ? "." : "",
                       field->name, mark);
        put_row(out, name, field->status, field->note[0] != '\0' ? field->note : "with its parent");
        if (field->message != NULL)
            put_message(out, field->message, name);
    }
}

void model_config_write_doc(struct strbuf *out)
{
    strbuf_puts(out, "| field | treatment | |\n|---|---|---|\n");
    put_message(out, &config_model, "");
    for (size_t i = 0; i < config_parameter_note_count; i++) {
        const struct config_parameter_note *note = &config_parameter_notes[i];
        char name[128];
        (void)snprintf(name, sizeof(name), "parameters{\"%s\"}", note->key);
        put_row(out, name, note->status, note->note);
    }
    put_row(out, "parameters{anything else}", STATUS_IGNORED,
            "Roost knows no such parameter; it is shown in /config");
}
