/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of every type as doubles and back, for the fake engine's answers. Pure. */
#ifndef ROOST_ENGINE_FAKE_ELEMENT_H
#define ROOST_ENGINE_FAKE_ELEMENT_H

#include <stdint.h>

#include "core/tensor.h"

/* Element `index` of row-major data; not for BYTES. The data may be unaligned. */
double element_get(enum dtype dtype, const void *data, uint64_t index);

/* Rounds to the type; integers saturate, and are 0 for NaN; BOOL is whether it is not 0. */
void element_put(enum dtype dtype, void *data, uint64_t index, double value);

/* The sum of `count` elements from `first` on. */
double element_sum(enum dtype dtype, const void *data, uint64_t first, uint64_t count);

#endif
