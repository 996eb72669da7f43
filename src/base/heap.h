/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive binary heap: the smallest node first, removal from the middle in
 * O(log n). The heap stores pointers to nodes that the caller embeds; it owns
 * only its array. One thread.
 */
#ifndef ROOST_BASE_HEAP_H
#define ROOST_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    size_t index; /* place in the array; HEAP_OUT when in no heap */
};
#define HEAP_OUT SIZE_MAX

typedef bool heap_less_fn(const struct heap_node *a, const struct heap_node *b);

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
    heap_less_fn *less;
};

void heap_init(struct heap *heap, heap_less_fn *less);
void heap_fini(struct heap *heap);
/* False when memory is short; the node is then in no heap. */
bool heap_push(struct heap *heap, struct heap_node *node);
struct heap_node *heap_peek(const struct heap *heap);        /* NULL when empty */
struct heap_node *heap_pop(struct heap *heap);               /* NULL when empty */
void heap_remove(struct heap *heap, struct heap_node *node); /* node must be in this heap */
void heap_update(struct heap *heap, struct heap_node *node); /* after its key changed */

#endif
