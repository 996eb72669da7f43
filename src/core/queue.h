/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's waiting requests: priority first, then the earliest deadline, then the order of
 * arrival; grouped by shape when a batch is formed. The queue holds pointers to items that the
 * caller embeds and owns. Pure: time is a parameter. One thread.
 */
#ifndef ROOST_CORE_QUEUE_H
#define ROOST_CORE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "core/tensor.h"

/* What two requests must agree on to share a batch: the shapes of all inputs but for the first
 * dimension. */
struct batch_key {
    unsigned input_count;
    const struct shape
        *shapes; /* as sent, first dimension included; rank UINT_MAX: absent optional input */
};

/* True when both may be joined along the first dimension. */
bool batch_key_equal(const struct batch_key *a, const struct batch_key *b);

struct queue_item {
    struct heap_node node;
    uint64_t priority;    /* 1 is the highest; the caller has replaced 0 by the default */
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint64_t arrival_ns;
    uint64_t sequence; /* set by queue_push, once: an item that comes back keeps its place */
    uint64_t rows;
    bool alone; /* must not share a batch */
    struct batch_key key;
};

struct queue {
    struct heap heap;
    uint64_t rows; /* waiting, summed */
    uint64_t sequence;
};

void queue_init(struct queue *queue);
void queue_fini(struct queue *queue); /* must be empty */

/* False when memory is short. */
bool queue_push(struct queue *queue, struct queue_item *item);
void queue_remove(struct queue *queue, struct queue_item *item);
struct queue_item *queue_head(const struct queue *queue); /* NULL when empty; stays in the queue */
uint64_t queue_count(const struct queue *queue);
/* Shows all that wait, in no order. */
void queue_each(const struct queue *queue, void (*visit)(void *user, const struct queue_item *item),
                void *user);

/*
 * Takes the head and as many others with an equal key as fit into rows_max rows and items_max
 * items, in the queue's order; a head larger than rows_max goes alone, and so does each item that
 * says so. Looks past at most QUEUE_LOOK_PAST items that do not fit. Returns how many items were
 * taken (0: empty).
 */
enum { QUEUE_LOOK_PAST = 64 };
unsigned queue_take_batch(struct queue *queue, uint64_t rows_max, unsigned items_max,
                          struct queue_item **items);

#endif
