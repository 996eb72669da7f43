/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small server of the Open Inference Protocol for tests: two models whose answers are made up, on
 * a thread of its own. Requests are checked by the real codec, so a wrong one is answered with 400.
 *
 *   "m"   inputs x FP32 [-1,4] and ids INT64 [-1,2] (range 0:100), SLO "p95 1 s", accuracy 0.8,
 *         variant "small" 0.4
 *   "n"   input x FP32 [3], no batch dimension, nothing more
 */
#ifndef ROOST_LOAD_FAKE_OIP_H
#define ROOST_LOAD_FAKE_OIP_H

#include <stdbool.h>
#include <stdint.h>

enum { FAKE_REASON_BYTES_MAX = 256 };

struct fake_oip_options {
    unsigned refuse_every;      /* each n-th inference gets 429; 0: none */
    unsigned unavailable_every; /* each n-th gets 503 */
    unsigned hang_up_every;     /* the server closes the connection without an answer */
    unsigned small_every;       /* each n-th is answered by the variant "small" */
    bool hold;                  /* inferences are never answered */
    unsigned interrupt_after;   /* inferences, then the process gets a SIGINT; 0: never */
    bool no_extensions;         /* no index, no configuration, no metrics */
};

/* Of inferences; read after fake_oip_stop. */
struct fake_oip_counts {
    uint64_t all, ok, refused, unavailable, hung_up, small, wrong, rows;
    uint64_t deadlines;                 /* with the parameter timeout */
    uint64_t with_token;                /* with the header Token: t */
    char reason[FAKE_REASON_BYTES_MAX]; /* of the last wrong one */
};

struct fake_oip;

struct fake_oip *fake_oip_start(const struct fake_oip_options *options);
unsigned fake_oip_port(const struct fake_oip *server);
void fake_oip_stop(struct fake_oip *server, struct fake_oip_counts *counts);

#endif
