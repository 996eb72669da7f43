/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include "base/assert.h"

static struct queue_item *item_of(struct heap_node *node)
{
    return (struct queue_item *)((char *)node - offsetof(struct queue_item, node));
}

static bool item_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct queue_item *x = (const struct queue_item *)((const char *)a -
                                                             offsetof(struct queue_item, node));
    const struct queue_item *y = (const struct queue_item *)((const char *)b -
                                                             offsetof(struct queue_item, node));
    if (x->priority != y->priority) {
        return x->priority < y->priority;
    }
    if (x->deadline_ns != y->deadline_ns) {
        return x->deadline_ns < y->deadline_ns;
    }
    return x->sequence < y->sequence;
}

bool batch_key_equal(const struct batch_key *a, const struct batch_key *b)
{
    if (a->input_count != b->input_count) {
        return false;
    }
    for (unsigned i = 0; i < a->input_count; i++) {
        const struct shape *x = &a->shapes[i], *y = &b->shapes[i];
        if (x->rank != y->rank) {
            return false;
        }
        for (unsigned d = 1; x->rank <= TENSOR_RANK_MAX && d < x->rank; d++) {
            if (x->dims[d] != y->dims[d]) {
                return false;
            }
        }
    }
    return true;
}

void queue_init(struct queue *queue)
{
    heap_init(&queue->heap, item_before);
    queue->rows = 0;
    queue->sequence = 0;
}

void queue_fini(struct queue *queue)
{
    roost_assert(queue->heap.count == 0);
    heap_fini(&queue->heap);
}

bool queue_push(struct queue *queue, struct queue_item *item)
{
    if (item->sequence == 0) {
        item->sequence = ++queue->sequence;
    }
    if (!heap_push(&queue->heap, &item->node)) {
        return false;
    }
    queue->rows += item->rows;
    return true;
}

void queue_remove(struct queue *queue, struct queue_item *item)
{
    heap_remove(&queue->heap, &item->node);
    queue->rows -= item->rows;
}

struct queue_item *queue_head(const struct queue *queue)
{
    struct heap_node *node = heap_peek(&queue->heap);
    return node == NULL ? NULL : item_of(node);
}

uint64_t queue_count(const struct queue *queue)
{
    return queue->heap.count;
}

void queue_each(const struct queue *queue, void (*visit)(void *user, const struct queue_item *item),
                void *user)
{
    for (size_t i = 0; i < queue->heap.count; i++) {
        visit(user, item_of(queue->heap.nodes[i]));
    }
}

static struct queue_item *queue_pop(struct queue *queue)
{
    struct heap_node *node = heap_pop(&queue->heap);
    if (node == NULL) {
        return NULL;
    }
    struct queue_item *item = item_of(node);
    queue->rows -= item->rows;
    return item;
}

unsigned queue_take_batch(struct queue *queue, uint64_t rows_max, unsigned items_max,
                          struct queue_item **items)
{
    roost_assert(items_max > 0);
    struct queue_item *head = queue_pop(queue);
    if (head == NULL) {
        return 0;
    }
    items[0] = head;
    unsigned taken = 1;
    uint64_t rows = head->rows;
    struct queue_item *passed[QUEUE_LOOK_PAST];
    unsigned passed_count = 0;
    while (!head->alone && taken < items_max && rows < rows_max && passed_count < QUEUE_LOOK_PAST) {
        struct queue_item *item = queue_pop(queue);
        if (item == NULL) {
            break;
        }
        if (!item->alone && rows + item->rows <= rows_max &&
            batch_key_equal(&head->key, &item->key)) {
            items[taken++] = item;
            rows += item->rows;
        } else {
            passed[passed_count++] = item;
        }
    }
    for (unsigned i = 0; i < passed_count; i++) {
        /* The heap's array had room for it a moment ago. */
        roost_assert(queue_push(queue, passed[i]));
    }
    return taken;
}
