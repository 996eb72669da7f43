/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for a terminal: columns as wide as their widest cell, the first one flush left, the
 * others flush right. One thread; memory shortage shows in the strbuf that it is written to.
 */
#ifndef ROOST_LOAD_TABLE_H
#define ROOST_LOAD_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum { TABLE_COLUMNS_MAX = 32 };

enum table_color { TABLE_PLAIN, TABLE_BOLD, TABLE_DIM, TABLE_GREEN, TABLE_RED, TABLE_YELLOW };

struct table_cell {
    size_t offset; /* in `text` */
    enum table_color color;
};

struct table {
    unsigned columns;
    struct strbuf text; /* all cells, each ended by NUL */
    struct table_cell *cells;
    size_t cell_count, cell_capacity;
    bool failed;
};

void table_init(struct table *table, unsigned columns);
void table_fini(struct table *table);
void table_reset(struct table *table); /* keeps the memory */

/* The next cell, from left to right and row by row. */
void table_add(struct table *table, enum table_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the rows, each ended by `line_end`; colours only when wanted. A row that is not full is
 * written as far as it goes. */
void table_write(const struct table *table, bool with_color, const char *line_end,
                 struct strbuf *out);

#endif
