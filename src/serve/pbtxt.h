/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of protobuf messages (config.pbtxt), and JSON, as one kind of tree with positions.
 *
 * This knows the syntax only: comments, strings with escapes and concatenation, lists, messages in
 * `{ }` or `< >`, optional colons and separators. Which fields exist and what their values mean is
 * the reader's business. A list becomes several nodes of one name, as protobuf has it. Depth, size
 * and the number of nodes are bounded. Pure; any thread.
 */
#ifndef ROOST_SERVE_PBTXT_H
#define ROOST_SERVE_PBTXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/detail.h"

enum { PBTXT_BYTES_MAX = 1 << 20, PBTXT_DEPTH_MAX = 32, PBTXT_NODES_MAX = 100000 };

enum pbtxt_kind {
    PBTXT_WORD,    /* a number or an identifier, as written: "-12", "0x1F", "TYPE_FP32", "true" */
    PBTXT_STRING,  /* decoded */
    PBTXT_MESSAGE, /* its fields are the children */
};

struct pbtxt_node {
    enum pbtxt_kind kind;
    bool listed;           /* stood between [ and ] */
    const char *name;      /* of the field; "" at the root */
    const char *text;      /* of a word or string, NUL-terminated; valid UTF-8 without NUL inside */
    unsigned line, column; /* of the field's name, 1-based; 0 when it came from JSON */
    struct pbtxt_node *child, *next;
};

struct pbtxt_doc; /* owns all nodes and texts */

/* Both forms: INVALID says where ("line 3, column 12: ...") and what. On OK *doc is the caller's
 * (pbtxt_doc_free). In JSON a null is a field that is not there. */
enum roost_err pbtxt_parse(const char *text, size_t length, struct pbtxt_doc **doc,
                           struct detail *detail);
enum roost_err pbtxt_parse_json(const char *text, size_t length, struct pbtxt_doc **doc,
                                struct detail *detail);
void pbtxt_doc_free(struct pbtxt_doc *doc);

const struct pbtxt_node *pbtxt_root(const struct pbtxt_doc *doc); /* a message */

/* For the parsers: a child at the end of `parent`, with copies of name and text (text may be NULL
 * for a message). NULL when memory is short or there are PBTXT_NODES_MAX. */
struct pbtxt_doc *pbtxt_doc_new(void);
struct pbtxt_node *pbtxt_add(struct pbtxt_doc *doc, struct pbtxt_node *parent, enum pbtxt_kind kind,
                             const char *name, const char *text);
struct pbtxt_node *pbtxt_root_edit(struct pbtxt_doc *doc);

#endif
