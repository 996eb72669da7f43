/* SPDX-License-Identifier: Apache-2.0 */
/* A latency promise as people write it: "p95 50 ms". Pure; any thread. */
#ifndef ROOST_LOAD_SLO_H
#define ROOST_LOAD_SLO_H

#include <stdint.h>

#include "base/detail.h"

struct slo {
    double quantile;  /* in (0, 1); 0: no promise */
    uint64_t time_ns; /* 0: no promise */
};

enum { SLO_TEXT_BYTES_MAX = 48 };

/* "p95 50 ms", "p99.9 within 5ms", "none". INVALID otherwise, and *slo is left. */
enum roost_err slo_parse(const char *text, struct slo *slo, struct detail *detail);

/* "p95 50.0 ms", or "-" without a promise; returns `out`. */
char *slo_format(const struct slo *slo, char out[SLO_TEXT_BYTES_MAX]);

#endif
