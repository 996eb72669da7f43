/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/choose.h"

#include <math.h>

enum { RESERVE_LEVELS = 5 };

void choice_list_prune(struct choice_list *list)
{
    struct choice *choices = list->choices;
    for (uint32_t i = 1; i < list->count; i++) {
        struct choice moving = choices[i];
        uint32_t at = i;
        for (; at > 0 &&
               (choices[at - 1].work > moving.work ||
                (choices[at - 1].work == moving.work && choices[at - 1].value < moving.value));
             at--) {
            choices[at] = choices[at - 1];
        }
        choices[at] = moving;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        bool beaten = false;
        for (uint32_t j = 0; j < kept; j++) {
            /* Less work by the order already. */
            beaten = beaten || (choices[j].value >= choices[i].value &&
                                choices[j].reserve <= choices[i].reserve);
        }
        if (!beaten) {
            choices[kept++] = choices[i];
        }
    }
    list->count = kept;
}

static double largest_reserve(const struct choice_list *lists, uint32_t count,
                              const uint32_t *picked, uint32_t without)
{
    double most = 0;
    for (uint32_t i = 0; i < count; i++) {
        double reserve = lists[i].choices[picked[i]].reserve;
        most = i != without && reserve > most ? reserve : most;
    }
    return most;
}

static double total_work(const struct choice_list *lists, uint32_t count, const uint32_t *picked)
{
    double work = 0;
    for (uint32_t i = 0; i < count; i++) {
        work += lists[i].choices[picked[i]].work;
    }
    return work;
}

bool choose_fits(const struct choice_list *lists, uint32_t count, const uint32_t *picked,
                 double cores, double *value)
{
    *value = 0;
    for (uint32_t i = 0; i < count; i++) {
        *value += lists[i].choices[picked[i]].value;
    }
    double reserve = largest_reserve(lists, count, picked, count);
    return total_work(lists, count, picked) + reserve <= cores * (1 + 1e-9);
}

/* The cheapest of each that asks for no more reserve; false when a list has none. */
static bool pick_cheapest(const struct choice_list *lists, uint32_t count, double reserve,
                          uint32_t *picked)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        while (at < lists[i].count && lists[i].choices[at].reserve > reserve) {
            at++;
        }
        if (at == lists[i].count) {
            return false;
        }
        picked[i] = at;
    }
    return true;
}

/* The step up that is worth most per core within `room` and `reserve`; false when there is none. */
static bool best_step(const struct choice_list *lists, uint32_t count, const uint32_t *picked,
                      double room, double reserve, uint32_t *tenant, uint32_t *to)
{
    double best = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct choice *now = &lists[i].choices[picked[i]];
        for (uint32_t j = picked[i] + 1; j < lists[i].count; j++) {
            const struct choice *next = &lists[i].choices[j];
            double more = next->work - now->work;
            if (more > room || next->reserve > reserve) {
                continue;
            }
            double worth = (next->value - now->value) / (more > 1e-9 ? more : 1e-9);
            if (worth > best) {
                best = worth;
                *tenant = i;
                *to = j;
            }
        }
    }
    return best > 0;
}

static void climb(const struct choice_list *lists, uint32_t count, double cores, double reserve,
                  uint32_t *picked)
{
    uint32_t tenant = 0, to = 0;
    double room = cores - reserve - total_work(lists, count, picked);
    while (best_step(lists, count, picked, room, reserve, &tenant, &to)) {
        const struct choice *choices = lists[tenant].choices;
        room -= choices[to].work - choices[picked[tenant]].work;
        picked[tenant] = to;
    }
}

/* What is left is more than the limit of the reserve said, where nobody reached it. */
static void fill(const struct choice_list *lists, uint32_t count, double cores, uint32_t *picked)
{
    for (uint32_t i = 0; i < count; i++) {
        double others = total_work(lists, count, picked) - lists[i].choices[picked[i]].work;
        double reserve = largest_reserve(lists, count, picked, i);
        for (uint32_t j = lists[i].count; --j > picked[i];) {
            const struct choice *next = &lists[i].choices[j];
            double most = next->reserve > reserve ? next->reserve : reserve;
            if (next->value > lists[i].choices[picked[i]].value &&
                others + next->work + most <= cores) {
                picked[i] = j;
                break;
            }
        }
    }
}

/* The least reserve with which every list has a choice, and the largest that any choice asks. */
static void reserve_range(const struct choice_list *lists, uint32_t count, double *low,
                          double *high)
{
    *low = *high = 0;
    for (uint32_t i = 0; i < count; i++) {
        double least = INFINITY;
        for (uint32_t j = 0; j < lists[i].count; j++) {
            double reserve = lists[i].choices[j].reserve;
            least = reserve < least ? reserve : least;
            *high = isfinite(reserve) && reserve > *high ? reserve : *high;
        }
        *low = least > *low ? least : *low;
    }
}

bool choose(const struct choice_list *lists, uint32_t count, double cores, uint32_t *picked)
{
    double low, high, best_value = -1, best_reserve = 0;
    reserve_range(lists, count, &low, &high);
    high = high < cores ? high : cores;
    for (int level = 0; level < RESERVE_LEVELS && low <= high; level++) {
        double reserve = low + (high - low) * level / (RESERVE_LEVELS - 1), value;
        if (!pick_cheapest(lists, count, reserve, picked)) {
            continue;
        }
        climb(lists, count, cores, reserve, picked);
        if (choose_fits(lists, count, picked, cores, &value) && value > best_value) {
            best_value = value;
            best_reserve = reserve;
        }
    }
    if (best_value < 0) {
        pick_cheapest(lists, count, INFINITY, picked);
        return false;
    }
    pick_cheapest(lists, count, best_reserve, picked);
    climb(lists, count, cores, best_reserve, picked);
    fill(lists, count, cores, picked);
    return true;
}
