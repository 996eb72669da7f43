/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/assert.h"

enum { HEAP_CAPACITY_FIRST = 16 };

static void heap_place(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->index = index;
}

static void sift_up(struct heap *heap, size_t index, struct heap_node *node)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!heap->less(node, heap->nodes[parent]))
            break;
        heap_place(heap, index, heap->nodes[parent]);
        index = parent;
    }
    heap_place(heap, index, node);
}

static void sift_down(struct heap *heap, size_t index, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->less(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!heap->less(heap->nodes[child], node))
            break;
        heap_place(heap, index, heap->nodes[child]);
        index = child;
    }
    heap_place(heap, index, node);
}

static bool heap_holds(const struct heap *heap, const struct heap_node *node)
{
    return node->index < heap->count && heap->nodes[node->index] == node;
}

void heap_init(struct heap *heap, heap_less_fn *less)
{
    *heap = (struct heap){.less = less};
}

void heap_fini(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){.less = heap->less};
}

bool heap_push(struct heap *heap, struct heap_node *node)
{
    roost_assert(!heap_holds(heap, node));
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity == 0 ? HEAP_CAPACITY_FIRST : 2 * heap->capacity;
        void *nodes = reallocarray(heap->nodes, capacity, sizeof(struct heap_node *));
        if (nodes == NULL) {
            node->index = HEAP_OUT;
            return false;
        }
        heap->nodes = nodes;
        heap->capacity = capacity;
    }
    sift_up(heap, heap->count++, node);
    return true;
}

struct heap_node *heap_peek(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *first = heap_peek(heap);
    if (first != NULL)
        heap_remove(heap, first);
    return first;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    roost_assert(heap_holds(heap, node));
    size_t index = node->index;
    struct heap_node *last = heap->nodes[--heap->count];
    if (last != node) {
        heap_place(heap, index, last);
        heap_update(heap, last);
    }
    node->index = HEAP_OUT;
}

void heap_update(struct heap *heap, struct heap_node *node)
{
    roost_assert(heap_holds(heap, node));
    sift_up(heap, node->index, node);
    sift_down(heap, node->index, node);
}
