/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/turn.h"

#include <math.h>
#include <stddef.h>

#include "base/assert.h"

void turn_init(struct turn_queue *queue, double tick_ns)
{
    *queue = (struct turn_queue){.tick_ns = tick_ns};
}

static double weights(const struct turn_queue *queue)
{
    double sum = 0;
    for (const struct turn_taker *taker = queue->first; taker != NULL; taker = taker->next)
        sum += taker->weight;
    return sum;
}

/* What everybody in the queue should have had. */
static double average(const struct turn_queue *queue)
{
    double sum = 0;
    for (const struct turn_taker *taker = queue->first; taker != NULL; taker = taker->next)
        sum += taker->weight * (taker->at - queue->average);
    return queue->count > 0 ? queue->average + sum / weights(queue) : queue->average;
}

/* Most that anybody is owed, or owes. */
static double limit(const struct turn_queue *queue, const struct turn_taker *taker)
{
    return fmax(2 * taker->slice_ns, queue->tick_ns) / taker->weight;
}

static void set_deadline(struct turn_taker *taker)
{
    taker->deadline = taker->at + taker->slice_ns / taker->weight;
}

void turn_join(struct turn_queue *queue, struct turn_taker *taker)
{
    roost_assert(!taker->waits);
    double now = average(queue), sum = weights(queue);
    bool has_too_much = taker->owed < 0 && taker->epoch == queue->epoch && taker->at > now;
    if (!has_too_much) {
        double owed = fmin(fmax(taker->owed, 0), limit(queue, taker));
        /* Joining moves the average towards it; so it is owed the same after that. */
        taker->at = now - (sum > 0 ? owed * (sum + taker->weight) / sum : 0);
    }
    set_deadline(taker);
    taker->waits = true;
    taker->next = queue->first;
    queue->first = taker;
    queue->count++;
    queue->average = average(queue);
}

void turn_leave(struct turn_queue *queue, struct turn_taker *taker)
{
    roost_assert(taker->waits);
    double most = limit(queue, taker);
    queue->average = average(queue);
    taker->owed = fmin(fmax(queue->average - taker->at, -most), most);
    taker->at = queue->average - taker->owed;
    taker->epoch = queue->epoch;
    taker->waits = false;
    struct turn_taker **link = &queue->first;
    while (*link != taker)
        link = &(*link)->next;
    *link = taker->next;
    queue->count--;
    queue->epoch += queue->count == 0;
    if (queue->current == taker)
        queue->current = NULL;
    if (queue->count > 0)
        queue->average = average(queue);
}

void turn_charge(struct turn_queue *queue, double ns)
{
    struct turn_taker *taker = queue->current;
    taker->at += ns / taker->weight;
    if (taker->at >= taker->deadline)
        set_deadline(taker);
}

static bool is_kept(const struct turn_taker *taker)
{
    return taker->at < taker->kept_until;
}

/* Whoever has had the core for a slice must be owed something to keep it. */
static bool is_eligible(const struct turn_queue *queue, const struct turn_taker *taker, double now)
{
    static const double rounding_ns = 1e-3;
    bool had_its_slice = taker == queue->current && !is_kept(taker);
    return taker->at <= (had_its_slice ? now - rounding_ns : now + rounding_ns);
}

bool turn_is_over(const struct turn_queue *queue)
{
    return queue->count > 1 && !is_kept(queue->current);
}

/* Whom the core is due to, whoever has it now. */
static struct turn_taker *due(const struct turn_queue *queue)
{
    struct turn_taker *best = NULL, *least = NULL;
    double now = average(queue);
    bool all_idle = true;
    for (struct turn_taker *taker = queue->first; taker != NULL; taker = taker->next)
        all_idle &= taker->idle;
    for (struct turn_taker *taker = queue->first; taker != NULL; taker = taker->next) {
        if (taker->idle && !all_idle)
            continue;
        if (least == NULL || taker->at < least->at)
            least = taker;
        bool first = best == NULL || taker->deadline < best->deadline ||
                     (taker == queue->current && taker->deadline <= best->deadline);
        if (is_eligible(queue, taker, now) && first)
            best = taker;
    }
    return best != NULL ? best : least;
}

bool turn_takes(const struct turn_queue *queue, const struct turn_taker *taker)
{
    const struct turn_taker *current = queue->current;
    if (current == NULL || current->idle != taker->idle)
        return current == NULL || current->idle;
    bool is_short = taker->slice_ns < current->slice_ns;
    return (is_short || !is_kept(current)) && due(queue) == taker;
}

struct turn_taker *turn_next(struct turn_queue *queue)
{
    struct turn_taker *next = due(queue);
    if (next == NULL || next == queue->current)
        return next;
    double slice_ns = next->slice_ns;
    for (const struct turn_taker *taker = queue->first; taker != NULL; taker = taker->next)
        slice_ns = fmin(slice_ns, taker->slice_ns);
    next->kept_until = fmin(next->deadline, next->at + slice_ns / next->weight);
    queue->current = next;
    return next;
}
