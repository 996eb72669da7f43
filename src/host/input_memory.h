/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input memory: one per tenant. A memory file that the supervisor writes and hosts map read-only.
 * Allocation is by size class with a byte budget; holes are given back to the system after a peak.
 * Offsets are what descriptors carry.
 *
 * One thread. Nothing here blocks.
 */
#ifndef ROOST_HOST_INPUT_MEMORY_H
#define ROOST_HOST_INPUT_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"

struct input_memory;

/* On OK *memory is the caller's. The budget counts blocks rounded up to their size classes. */
enum roost_err input_memory_new(uint64_t budget_bytes, struct input_memory **memory,
                                struct detail *detail);
void input_memory_free(struct input_memory *memory); /* NULL is fine */

/* 64-byte aligned, contents undefined; NULL: the budget is full. bytes == 0 counts as 1. */
void *input_memory_allocate(struct input_memory *memory, size_t bytes);
void input_memory_release(struct input_memory *memory, void *block);

/* Of any address inside a block. */
uint64_t input_memory_offset(const struct input_memory *memory, const void *inside);

uint64_t input_memory_budget_bytes(const struct input_memory *memory);
uint64_t input_memory_used_bytes(const struct input_memory *memory); /* handed out */
/* What a block of that many bytes takes of the budget. */
uint64_t input_memory_charge_bytes(size_t bytes);
/* Backed by pages now: an upper bound that input_memory_trim lowers. */
uint64_t input_memory_resident_bytes(const struct input_memory *memory);

/* Gives free pages back to the system; called on a slow tick. */
void input_memory_trim(struct input_memory *memory);

/* A descriptor through which the memory can only be read; stays the memory's. */
int input_memory_reader_fd(const struct input_memory *memory);

#endif
