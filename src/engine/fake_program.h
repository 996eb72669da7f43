/* SPDX-License-Identifier: Apache-2.0 */
/* What a fake model's text says (fake.h has its words). Pure but for fake_program_read; any
 * thread. */
#ifndef ROOST_ENGINE_FAKE_PROGRAM_H
#define ROOST_ENGINE_FAKE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/tensor.h"

enum { FAKE_REASON_BYTES_MAX = 256 };

struct fake_program {
    struct model_io io;
    double service_us, service_us_per_row;
    bool sleeps; /* service time is slept, not burnt */
    double jitter_percent;
    uint64_t jitter_seed;
    uint64_t memory_mb, load_ms, load_burn_ms;
    uint64_t crash_after, hang_after, fail_every; /* run numbers from 1; 0: never */
    bool crashes_on_value;
    double crash_value;
    bool echoes;
    double mflops, accuracy;
    char fail_load[FAKE_REASON_BYTES_MAX]; /* "": it loads */
};

/* Reads the model file and applies `settings` (optional). NOT_FOUND, INVALID with file, line and
 * what is wrong. */
enum roost_err fake_program_read(const char *path, const char *settings,
                                 struct fake_program *program, struct detail *detail);

#endif
