/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One choice for each of several tenants, worth most together within what a node has: the
 * multiple-choice knapsack behind policy `roost`. Pure; any thread.
 *
 * A choice takes `work` of the node all the time, and to keep its promise needs another `reserve`
 * that no one uses when it asks; reserves are shared, so together the choices must satisfy
 *
 *   sum of work + largest reserve <= cores
 */
#ifndef ROOST_POLICY_CHOOSE_H
#define ROOST_POLICY_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

struct choice {
    double value;
    double work, reserve; /* cores */
    uint32_t variant;     /* these two are the caller's */
    bool whole;
};

/* A tenant's choices, from the least work to the most. */
struct choice_list {
    uint32_t count;
    struct choice *choices;
};

/* Keeps the choices that no other beats in work, value and reserve alike, in order of work. */
void choice_list_prune(struct choice_list *list);

/* True when the picked choices fit; sums what they are worth. */
bool choose_fits(const struct choice_list *lists, uint32_t count, const uint32_t *picked,
                 double cores, double *value);

/*
 * Picks an index in every list: greedily by worth per core from the cheapest up, at several limits
 * of the reserve, then fills what is left. False, with the cheapest picked, when nothing fits.
 * Lists are not empty.
 */
bool choose(const struct choice_list *lists, uint32_t count, double cores, uint32_t *picked);

#endif
