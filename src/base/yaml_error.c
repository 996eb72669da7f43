/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/yaml.h"

enum { MESSAGE_BYTES_MAX = 512, KEY_BYTES_SHOWN_MAX = 80 };

void yaml_errors_init(struct yaml_errors *errors, const char *file)
{
    *errors = (struct yaml_errors){.file = file};
    strbuf_init(&errors->text);
}

void yaml_errors_fini(struct yaml_errors *errors)
{
    strbuf_fini(&errors->text);
}

static size_t index_in_parent(const struct yaml_node *node)
{
    size_t index = 0;
    for (const struct yaml_node *item = node->parent->child; item != NULL; item = item->next) {
        if (item == node)
            break;
        index++;
    }
    return index;
}

/* "tenants[0].slo: ", or nothing for the root. */
static void path_write(const struct yaml_node *node, struct strbuf *out)
{
    const struct yaml_node *steps[YAML_DEPTH_MAX + 1];
    size_t count = 0;
    for (; node->parent != NULL && count <= YAML_DEPTH_MAX; node = node->parent)
        steps[count++] = node;
    for (size_t i = count; i-- > 0;) {
        const struct yaml_node *step = steps[i];
        if (step->key == NULL) {
            strbuf_printf(out, "[%zu]", index_in_parent(step));
            continue;
        }
        if (i + 1 < count)
            strbuf_putc(out, '.');
        size_t length = strlen(step->key);
        strbuf_append(out, step->key, utf8_cut(step->key, length, KEY_BYTES_SHOWN_MAX));
    }
    if (count > 0)
        strbuf_puts(out, ": ");
}

void yaml_error(struct yaml_errors *errors, const struct yaml_node *node, const char *format, ...)
{
    struct strbuf *out = &errors->text;
    errors->count++;
    if (errors->count > YAML_ERRORS_MAX) {
        if (errors->count == YAML_ERRORS_MAX + 1)
            strbuf_printf(out, "%s: there are more errors, which are not shown\n", errors->file);
        return;
    }
    char message[MESSAGE_BYTES_MAX + 4] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);

    size_t begin = out->length;
    strbuf_puts(out, errors->file);
    if (node != NULL)
        strbuf_printf(out, ":%u", node->key_line != 0 ? node->key_line : node->line);
    strbuf_puts(out, ": ");
    if (node != NULL)
        path_write(node, out);
    strbuf_append(out, message, utf8_cut(message, strlen(message), MESSAGE_BYTES_MAX));
    /* One error is one line, whatever a key or a value holds. */
    for (size_t i = begin; i < out->length; i++) {
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7F)
            out->data[i] = ' ';
    }
    strbuf_putc(out, '\n');
}
