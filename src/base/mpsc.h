/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of pointers from many producer threads to one consumer thread.
 *
 * One short lock protects the slots; it is never held while anything else is done. The order is
 * that of the pushes. What a producer wrote before a push is visible to the consumer after the
 * pop. Nothing sleeps here: a push tells whether the queue was empty, and the producer that found
 * it empty rings the consumer's bell (an eventfd). The queue owns its slots, never the items.
 */
#ifndef ROOST_BASE_MPSC_H
#define ROOST_BASE_MPSC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mpsc {
    pthread_mutex_t lock;
    void **slots;
    size_t capacity;
    size_t first;        /* oldest item; under the lock */
    atomic_size_t count; /* written under the lock, read by anybody */
    bool closed;         /* under the lock */
};

/* Room for exactly `capacity` (> 0) items. False when memory is short. */
bool mpsc_init(struct mpsc *queue, size_t capacity);

/* Safe after a failed init. No producer may be left; items that are left are the caller's. */
void mpsc_fini(struct mpsc *queue);

/*
 * Any thread: false when the queue is full or closed; the item stays the caller's then. `item` is
 * not NULL. *was_empty (optional) is set when true is returned: the consumer may be asleep.
 */
bool mpsc_push(struct mpsc *queue, void *item, bool *was_empty);

/* Consumer: the oldest item, or NULL when there is none. */
void *mpsc_pop(struct mpsc *queue);

/* Consumer: up to `count_max` items, oldest first, under one lock. Returns how many. */
size_t mpsc_pop_many(struct mpsc *queue, void **items, size_t count_max);

/* Any thread: every later push is refused; what is queued can still be popped. */
void mpsc_close(struct mpsc *queue);

/* Any thread: how many items there were a moment ago. */
size_t mpsc_count(const struct mpsc *queue);

#endif
