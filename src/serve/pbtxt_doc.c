/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/pbtxt.h"

#include <stdlib.h>
#include <string.h>

/* Nodes are allocated one by one, each with its texts behind it, and freed through one list. */
struct cell {
    struct cell *next;
    struct pbtxt_node *last_child;
    struct pbtxt_node node;
    char texts[];
};

struct pbtxt_doc {
    struct cell *cells;
    size_t count;
    struct cell *root;
};

static struct cell *cell_of(struct pbtxt_node *node)
{
    return (struct cell *)((char *)node - offsetof(struct cell, node));
}

struct pbtxt_doc *pbtxt_doc_new(void)
{
    struct pbtxt_doc *doc = calloc(1, sizeof(*doc));
    struct cell *root = calloc(1, sizeof(*root));
    if (doc == NULL || root == NULL) {
        free(doc);
        free(root);
        return NULL;
    }
    root->node = (struct pbtxt_node){.kind = PBTXT_MESSAGE, .name = "", .text = ""};
    doc->root = doc->cells = root;
    return doc;
}

void pbtxt_doc_free(struct pbtxt_doc *doc)
{
    if (doc == NULL)
        return;
    while (doc->cells != NULL) {
        struct cell *cell = doc->cells;
        doc->cells = cell->next;
        free(cell);
    }
    free(doc);
}

struct pbtxt_node *pbtxt_add(struct pbtxt_doc *doc, struct pbtxt_node *parent, enum pbtxt_kind kind,
                             const char *name, const char *text)
{
    if (doc->count >= PBTXT_NODES_MAX)
        return NULL;
    text = text == NULL ? "" : text;
    size_t name_bytes = strlen(name) + 1;
    size_t text_bytes = strlen(text) + 1;
    struct cell *cell = malloc(sizeof(*cell) + name_bytes + text_bytes);
    if (cell == NULL)
        return NULL;
    memcpy(cell->texts, name, name_bytes);
    memcpy(cell->texts + name_bytes, text, text_bytes);
    cell->last_child = NULL;
    cell->node = (struct pbtxt_node){
        .kind = kind,
        .name = cell->texts,
        .text = cell->texts + name_bytes,
    };
    cell->next = doc->cells;
    doc->cells = cell;
    doc->count++;

    struct cell *owner = cell_of(parent);
    if (owner->last_child == NULL)
        parent->child = &cell->node;
    else
        owner->last_child->next = &cell->node;
    owner->last_child = &cell->node;
    return &cell->node;
}

struct pbtxt_node *pbtxt_root_edit(struct pbtxt_doc *doc)
{
    return &doc->root->node;
}

const struct pbtxt_node *pbtxt_root(const struct pbtxt_doc *doc)
{
    return &doc->root->node;
}
