/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML documents as trees with positions, over libyaml's events. Every mistake can be told with
 * file, line and key, and all of them at once: a reader appends to a struct yaml_errors and goes
 * on. Aliases and tags other than the core schema's are refused; depth and size are bounded. One
 * thread per document and per struct yaml_errors.
 */
#ifndef ROOST_BASE_YAML_H
#define ROOST_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/strbuf.h"

enum { YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 200000, YAML_ERRORS_MAX = 1000 };

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;              /* a quoted scalar is never a number, boolean or null */
    const char *text;         /* YAML_SCALAR: its text, else "" */
    const char *key;          /* inside a map: the key, else NULL */
    unsigned line, column;    /* 1-based; of the value */
    unsigned key_line;        /* of the key, 0 outside a map */
    struct yaml_node *parent; /* NULL at the root */
    struct yaml_node *child;  /* first item of a list or map */
    struct yaml_node *next;   /* next sibling */
};

/* Collects "FILE:LINE: KEY.PATH: message" lines, YAML_ERRORS_MAX of them at most. */
struct yaml_errors {
    const char *file; /* name used in messages */
    size_t count;
    struct strbuf text; /* one line per error, each ended by '\n' */
};

struct yaml_doc; /* owns all nodes and texts */

/* Parses one document. Syntax errors, duplicate keys and unknown tags (all of them) are added to
 * `errors` and INVALID is returned; NO_MEMORY also adds a line. *doc is the caller's
 * (yaml_doc_free) on OK, and on INVALID where the rest can be read for further mistakes; else NULL.
 * A text without a document is a root of kind YAML_NULL. */
enum roost_err yaml_parse(const char *text, size_t length, struct yaml_errors *errors,
                          struct yaml_doc **doc);
const struct yaml_node *yaml_root(const struct yaml_doc *doc);
void yaml_doc_free(struct yaml_doc *doc);

void yaml_errors_init(struct yaml_errors *errors, const char *file);
void yaml_errors_fini(struct yaml_errors *errors);

/* Adds one line. It names the line of the node's key where the node has one, else of its value;
 * with `node` NULL it names only the file. */
void yaml_error(struct yaml_errors *errors, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Typed reading of one key of a map, by a table. */
enum yaml_type {
    YAML_T_STRING,   /* const char *, lives as long as the doc */
    YAML_T_BOOL,     /* bool */
    YAML_T_INT,      /* int64_t in [minimum, maximum] */
    YAML_T_DOUBLE,   /* double in [minimum, maximum] */
    YAML_T_DURATION, /* uint64_t ns, from "120 ms"; [minimum, maximum] in ns */
    YAML_T_BYTES,    /* uint64_t, from "512 MiB", "2GB", "1024"; [minimum, maximum] */
    YAML_T_ENUM,     /* int, index into `choices` (NULL-terminated) */
    YAML_T_NODE,     /* const struct yaml_node *: read by the caller */
};

struct yaml_field {
    const char *key;
    enum yaml_type type;
    size_t offset; /* of the target in the struct given to yaml_read_map */
    /* Both 0: no bounds; maximum below minimum: no upper bound. */
    double minimum, maximum;
    const char *const *choices;
    bool required;
    const char *help; /* one line, from which docs are made */
};

/* Reads map `node` into `target` by the table; unknown keys (with a "did you mean" when one is
 * near), wrong types, values out of range and missing required keys are all added to `errors`.
 * Absent keys, and keys with a wrong value, leave the target untouched. A node of kind YAML_NULL is
 * a map without keys. */
void yaml_read_map(const struct yaml_node *node, const struct yaml_field *fields,
                   size_t field_count, void *target, struct yaml_errors *errors);

/* The child with this key, or NULL (also when `map` is NULL or no map). */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* "512 MiB", "2GB", "1.5 KiB", "1024" -> bytes. Returns 0 or -1. */
int bytes_parse(const char *text, uint64_t *bytes);

#endif
