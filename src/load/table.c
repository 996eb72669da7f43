/* SPDX-License-Identifier: Apache-2.0 */
#include "load/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { CELL_BYTES_MAX = 256, COLUMN_GAP = 2 };

void table_init(struct table *table, unsigned columns)
{
    roost_assert(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    *table = (struct table){.columns = columns};
    strbuf_init(&table->text);
}

void table_fini(struct table *table)
{
    strbuf_fini(&table->text);
    free(table->cells);
    *table = (struct table){0};
}

void table_reset(struct table *table)
{
    strbuf_reset(&table->text);
    table->cell_count = 0;
    table->failed = false;
}

void table_add(struct table *table, enum table_color color, const char *format, ...)
{
    char text[CELL_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (table->cell_count == table->cell_capacity) {
        size_t capacity = table->cell_capacity == 0 ? 64 : 2 * table->cell_capacity;
        void *cells = realloc(table->cells, capacity * sizeof(*table->cells));
        if (cells == NULL) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    table->cells[table->cell_count++] = (struct table_cell){.offset = table->text.length,
                                                            .color = color};
    strbuf_append(&table->text, text, strlen(text) + 1);
    table->failed = table->failed || table->text.failed;
}

/* Characters, not bytes: every byte of UTF-8 but those that continue one. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    return width;
}

static void spaces_write(struct strbuf *out, size_t count)
{
    strbuf_printf(out, "%*s", (int)count, "");
}

static void cell_write(const struct table_cell *cell, const char *text, bool with_color,
                       struct strbuf *out)
{
    static const char *const codes[] = {
        [TABLE_PLAIN] = "",         [TABLE_BOLD] = "\x1b[1m", [TABLE_DIM] = "\x1b[2m",
        [TABLE_GREEN] = "\x1b[32m", [TABLE_RED] = "\x1b[31m", [TABLE_YELLOW] = "\x1b[33m",
    };
    bool is_colored = with_color && cell->color != TABLE_PLAIN;
    strbuf_printf(out, "%s%s%s", is_colored ? codes[cell->color] : "", text,
                  is_colored ? "\x1b[0m" : "");
}

void table_write(const struct table *table, bool with_color, const char *line_end,
                 struct strbuf *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    if (table->failed) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = text_width(table->text.data + table->cells[i].offset);
        size_t column = i % table->columns;
        widths[column] = width > widths[column] ? width : widths[column];
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct table_cell *cell = &table->cells[i];
        const char *text = table->text.data + cell->offset;
        size_t column = i % table->columns;
        size_t padding = widths[column] - text_width(text);
        bool is_end = column + 1 == table->columns || i + 1 == table->cell_count;
        if (column > 0)
            spaces_write(out, COLUMN_GAP + padding);
        cell_write(cell, text, with_color, out);
        if (column == 0 && !is_end)
            spaces_write(out, padding);
        if (is_end)
            strbuf_puts(out, line_end);
    }
}
