/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a decision: one canonical form of a view and of a plan, for the decision log and
 * for comparing plans byte for byte. Pure over memory; the log's file belongs to others.
 *
 * Whole numbers are written in base 128, least significant group first, as short as they go;
 * fractions as the eight bytes of their IEEE form, least significant first; texts with their
 * length before them. Only what is set is written: variants' known points, not the array. There
 * is one way to write a thing, and the reader refuses every other: what was read and is written
 * again has the same bytes.
 */
#ifndef ROOST_CORE_DECISION_H
#define ROOST_CORE_DECISION_H

#include "base/detail.h"
#include "core/view.h"

enum { DECISION_FORMAT = 1, DECISION_NAME_BYTES_MAX = 255, DECISION_LOAD_POINTS_MAX = 4096 };

/* Where texts and profiles of what is read go: one piece of memory aligned for any type, used from
 * the front. */
struct decision_arena {
    uint8_t *data;
    size_t capacity;
    size_t used;
};

/* Returns the bytes that the view or the plan takes; they are in `data` when they fit. */
size_t decision_write_view(const struct roost_view *view, uint8_t *data, size_t capacity);
size_t decision_write_plan(const struct roost_plan *plan, uint8_t *data, size_t capacity);

/*
 * Reads what was written. All `bytes` must be used up. INVALID with place and reason for anything
 * that decision_write_* would not have written so; TOO_LARGE for more tenants or variants than the
 * store has, or an arena that is full. The view then points into the store and the arena.
 */
enum roost_err decision_read_view(const uint8_t *data, size_t bytes, struct view_store *store,
                                  struct decision_arena *arena, struct detail *detail);
/* `tenants` has room for tenants_max. */
enum roost_err decision_read_plan(const uint8_t *data, size_t bytes, uint32_t tenants_max,
                                  struct roost_plan_tenant *tenants, struct roost_plan *plan,
                                  struct detail *detail);

#endif
