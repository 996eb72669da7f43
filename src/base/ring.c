/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"

/* head and tail only grow; their difference, modulo 2^64, is the number of items. */

bool ring_init(struct ring *ring, size_t capacity)
{
    roost_assert(capacity > 0 && capacity <= SIZE_MAX / 4);
    size_t slots = 1;
    while (slots < capacity)
        slots *= 2;
    ring->slots = calloc(slots, sizeof(*ring->slots));
    ring->mask = slots - 1;
    ring->head_seen = 0;
    ring->tail_seen = 0;
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->head, 0);
    return ring->slots != NULL;
}

void ring_fini(struct ring *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}

bool ring_push(struct ring *ring, void *item)
{
    roost_assert(item != NULL);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail - ring->head_seen > ring->mask) {
        /* Acquire: the consumer has read the slot before it is written again. */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->head_seen > ring->mask)
            return false;
    }
    ring->slots[tail & ring->mask] = item;
    /* Release: the slot and what the item points to are written before the item is offered. */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == ring->tail_seen) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->tail_seen)
            return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

size_t ring_count(const struct ring *ring)
{
    /* head first: it may grow meanwhile, but never beyond the tail that is read after it. */
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t count = tail - head;
    return count > ring->mask + 1 ? ring->mask + 1 : count;
}

size_t ring_capacity(const struct ring *ring)
{
    return ring->mask + 1;
}
