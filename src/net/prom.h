/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of Prometheus' text format 0.0.4.
 *
 * Samples follow the family they belong to, and a family is written once: all of its tenants, then
 * the next family. Wrong names and repeated families are bugs and assert. Counters get no _total
 * suffix, as this format leaves names alone. One thread; memory shortage shows in the strbuf.
 */
#ifndef ROOST_NET_PROM_H
#define ROOST_NET_PROM_H

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/strbuf.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum { PROM_FAMILIES_MAX = 128 };

enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM };

struct prom_label {
    const char *name;
    const char *value; /* any text */
};

struct prom {
    struct strbuf *out;
    enum prom_type type; /* of the current family */
    unsigned family_count;
    const char *families[PROM_FAMILIES_MAX]; /* names, kept by the caller until the end */
};

void prom_init(struct prom *prom, struct strbuf *out);

/* Begins a family: its HELP and TYPE lines. */
void prom_family(struct prom *prom, const char *name, enum prom_type type, const char *help);

/* A sample of the current family, a counter or a gauge. */
void prom_uint(struct prom *prom, const struct prom_label *labels, size_t label_count,
               uint64_t value);
void prom_double(struct prom *prom, const struct prom_label *labels, size_t label_count,
                 double value);

/* A histogram, of nanoseconds, in seconds. Its upper bounds are the same for everyone, from 50 us
 * to 60 s; a value counts as below a bound with the resolution of struct hist (1/64). */
void prom_histogram(struct prom *prom, const struct prom_label *labels, size_t label_count,
                    const struct hist *hist);

#endif
