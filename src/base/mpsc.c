/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mpsc.h"

#include <stdlib.h>

#include "base/assert.h"

bool mpsc_init(struct mpsc *queue, size_t capacity)
{
    roost_assert(capacity > 0);
    *queue = (struct mpsc){.capacity = capacity};
    atomic_init(&queue->count, 0);
    queue->slots = calloc(capacity, sizeof(*queue->slots));
    if (queue->slots == NULL)
        return false;
    int rc = pthread_mutex_init(&queue->lock, NULL);
    roost_assert(rc == 0);
    return true;
}

void mpsc_fini(struct mpsc *queue)
{
    if (queue->slots == NULL)
        return;
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue->slots);
    queue->slots = NULL;
}

bool mpsc_push(struct mpsc *queue, void *item, bool *was_empty)
{
    roost_assert(item != NULL);
    (void)pthread_mutex_lock(&queue->lock);
    size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed);
    bool room = !queue->closed && count < queue->capacity;
    if (room) {
        queue->slots[(queue->first + count) % queue->capacity] = item;
        atomic_store_explicit(&queue->count, count + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    if (room && was_empty != NULL)
        *was_empty = count == 0;
    return room;
}

void *mpsc_pop(struct mpsc *queue)
{
    void *item;
    return mpsc_pop_many(queue, &item, 1) == 1 ? item : NULL;
}

size_t mpsc_pop_many(struct mpsc *queue, void **items, size_t count_max)
{
    /* An idle consumer's look costs no lock. A push that it misses rings the bell. */
    if (atomic_load_explicit(&queue->count, memory_order_acquire) == 0)
        return 0;
    (void)pthread_mutex_lock(&queue->lock);
    size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed);
    size_t taken = count < count_max ? count : count_max;
    for (size_t i = 0; i < taken; i++) {
        items[i] = queue->slots[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
    }
    atomic_store_explicit(&queue->count, count - taken, memory_order_release);
    (void)pthread_mutex_unlock(&queue->lock);
    return taken;
}

void mpsc_close(struct mpsc *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_mutex_unlock(&queue->lock);
}

size_t mpsc_count(const struct mpsc *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_acquire);
}
