/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the weights that an optimised model keeps beside it at aligned places.
 *
 * ONNX Runtime writes its optimised copies with tensors below a megabyte back to back, maps the
 * file as it is and then reads tensors of its blocked layouts with aligned AVX-512 loads: a fault
 * on the first run, seen with 1.30 and MobileNet. So the file is written again with every tensor,
 * and every prepacked buffer, on a boundary of its own. Runs in the process that optimises.
 */
#ifndef ROOST_ENGINE_WEIGHTS_ALIGN_H
#define ROOST_ENGINE_WEIGHTS_ALIGN_H

#include "base/detail.h"

/* `model_path`: the graph, whose weights stand in `weights_path` beside it; both are replaced. A
 * graph without external weights is left alone. INVALID when the graph does not describe its
 * file; IO. */
enum roost_err weights_align(const char *model_path, const char *weights_path,
                             struct detail *detail);

#endif
