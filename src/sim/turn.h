/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has one core, and until when: Linux's fair scheduler (EEVDF, "earliest eligible virtual
 * deadline first", kernel/sched/fair.c since 6.6), as far as it decides how long somebody waits.
 * Pure; any thread.
 *
 * Whoever runs moves on in virtual time, the slower the more it weighs. The average of all who want
 * the core is what everybody is owed: who is behind it is eligible, and of these the one goes first
 * whose deadline, a slice of its own after it was last due, is earliest. Whoever has the core keeps
 * it for a slice; after that it is taken from it at the next tick, or when somebody wakes up. Only
 * who has a shorter slice may take it before. A sleeper keeps what it is owed, up to two slices or
 * a tick, and must first let pass what it has had too much while others wanted the core.
 */
#ifndef ROOST_SIM_TURN_H
#define ROOST_SIM_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct turn_taker {
    double weight;   /* > 0; 1: as everybody */
    double slice_ns; /* > 0 */
    bool idle;       /* gives way at once to all that are not; in Linux nearly always */
    /* The queue's. Virtual times in ns. */
    bool waits; /* in the queue, running or not */
    double at, deadline, kept_until;
    double owed;    /* while it sleeps; where it had too much, `at` tells when that is over */
    uint64_t epoch; /* of the queue when it went to sleep */
    struct turn_taker *next;
};

struct turn_queue {
    struct turn_taker *first;
    struct turn_taker *current; /* who has the core, or NULL */
    uint32_t count;
    double average; /* when there was last somebody */
    uint64_t epoch; /* counts how often the core had nobody */
    double tick_ns; /* > 0 */
};

void turn_init(struct turn_queue *queue, double tick_ns);

/* Wants the core from now on. */
void turn_join(struct turn_queue *queue, struct turn_taker *taker);

/* Does not want it any longer; nobody has it where that was the one. */
void turn_leave(struct turn_queue *queue, struct turn_taker *taker);

/* The one who has the core had it for so long. */
void turn_charge(struct turn_queue *queue, double ns);

/* After turn_charge: whether another one is due, at a tick or when somebody wakes. */
bool turn_is_over(const struct turn_queue *queue);

/* Whether one who has just joined takes the core from whoever has it. */
bool turn_takes(const struct turn_queue *queue, const struct turn_taker *taker);

/* Gives the core to whom it is due; NULL where nobody wants it. */
struct turn_taker *turn_next(struct turn_queue *queue);

#endif
