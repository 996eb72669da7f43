/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of pointers from one producer thread to one consumer thread, without locks.
 *
 * Each side may be any thread, but only one at a time. What the producer wrote before a push is
 * visible to the consumer after the pop. Nothing blocks and nobody is woken: whoever sleeps on an
 * empty ring needs a bell of its own (an eventfd). The ring owns its slots, never the items.
 */
#ifndef ROOST_BASE_RING_H
#define ROOST_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { RING_LINE_BYTES = 64 };

/* Each side has a cache line of its own, so that neither takes the other's away. */
struct ring {
    void **slots;
    size_t mask;
    char apart_0[RING_LINE_BYTES];
    atomic_size_t tail; /* next to write; the producer's */
    size_t head_seen;   /* the producer's last look at head */
    char apart_1[RING_LINE_BYTES];
    atomic_size_t head; /* next to read; the consumer's */
    size_t tail_seen;   /* the consumer's last look at tail */
    char apart_2[RING_LINE_BYTES];
};

/* Room for at least `capacity` (> 0) items: the next power of two. False when memory is short. */
bool ring_init(struct ring *ring, size_t capacity);

/* Safe after a failed init. The items that are left are the caller's, who pops them first. */
void ring_fini(struct ring *ring);

/* Producer: false when the ring is full; the item stays the caller's then. `item` is not NULL. */
bool ring_push(struct ring *ring, void *item);

/* Consumer: the oldest item, or NULL when there is none. */
void *ring_pop(struct ring *ring);

/* Any thread: how many items there were a moment ago. */
size_t ring_count(const struct ring *ring);
size_t ring_capacity(const struct ring *ring);

#endif
