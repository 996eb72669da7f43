/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many rows a request has: a distribution, as text and as draws.
 *
 *   "8"                          always 8
 *   "lognormal(5.1,0.2)"         round(exp(N(mu, sigma))), cut to [1, 1024] (ALGORITHMS.md B.3)
 *   "lognormal(5.1,0.2,1,512)"   cut to [1, 512]
 *   "file(PATH)"                 one size per line, drawn uniformly ('#' begins a comment)
 *
 * One thread per object; drawing is pure.
 */
#ifndef ROOST_LOAD_BATCH_SIZES_H
#define ROOST_LOAD_BATCH_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/rng.h"

enum { BATCH_SIZE_MAX = 65536, BATCH_LOGNORMAL_HIGH = 1024, BATCH_FILE_LINES_MAX = 1000000 };

struct batch_sizes {
    enum { BATCH_CONSTANT, BATCH_LOGNORMAL, BATCH_FILE } kind;
    double mu, sigma;
    uint32_t low, high; /* bounds of what is drawn; equal when constant */
    uint32_t *values;   /* BATCH_FILE */
    size_t count;
};

/* On OK *sizes is the caller's (batch_sizes_fini); otherwise it is empty. */
enum roost_err batch_sizes_parse(const char *text, struct batch_sizes *sizes,
                                 struct detail *detail);
/* The content of a file of sizes. */
enum roost_err batch_sizes_parse_file(const char *text, size_t length, struct batch_sizes *sizes,
                                      struct detail *detail);
void batch_sizes_fini(struct batch_sizes *sizes);

/* Cuts everything above `high`; true when that changes what may be drawn. */
bool batch_sizes_limit(struct batch_sizes *sizes, uint32_t high);

uint32_t batch_sizes_draw(const struct batch_sizes *sizes, struct rng *rng);

#endif
