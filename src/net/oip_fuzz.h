/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers of inference requests share. */
#ifndef ROOST_NET_OIP_FUZZ_H
#define ROOST_NET_OIP_FUZZ_H

#include "net/oip.h"

/* Parses the body against a model with inputs of every type, batched and not, with a budget of
 * `budget` bytes. What is accepted must be sound, and is written back as an answer. */
void oip_fuzz_run(const struct oip_body *body, size_t budget);

#endif
