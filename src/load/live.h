/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person watches while a load runs: the last seconds of each tenant. Pure: records in, text
 * out; time comes from the caller. One thread.
 */
#ifndef ROOST_LOAD_LIVE_H
#define ROOST_LOAD_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/strbuf.h"
#include "load/record.h"
#include "load/scrape.h"
#include "load/slo.h"

enum { LIVE_SLOTS = 6 };

struct live_slot {
    struct hist latency; /* of good answers */
    uint64_t answers, failures, hits;
};

struct live_tenant {
    const char *name; /* borrowed */
    struct slo slo;
    struct live_slot slots[LIVE_SLOTS];
};

struct live {
    struct live_tenant *tenants;
    size_t tenant_count;
    uint64_t slot_ns[LIVE_SLOTS]; /* how long each slot was filled */
    unsigned slot;                /* being filled */
};

/* What stands above the tenants. */
struct live_status {
    const char *title;                 /* the server */
    const char *phase;                 /* "warm-up", "find-max: bisect at 1.41" */
    uint64_t elapsed_ns;               /* of the run */
    uint64_t total_ns;                 /* UINT64_MAX: not known */
    const struct scrape_model *models; /* (optional) one per tenant */
};

/* False when memory is short. */
bool live_init(struct live *live, size_t tenant_count);
void live_fini(struct live *live);
void live_name(struct live *live, size_t tenant, const char *name, const struct slo *slo);

void live_add(struct live *live, const struct load_record *record);

/* Forgets everything: another run begins. */
void live_reset(struct live *live);

/* `slot_ns` have passed since the last turn: what is older than LIVE_SLOTS turns is forgotten. */
void live_turn(struct live *live, uint64_t slot_ns);

/* A table of at most `lines_max` lines; every line ends with `line_end`. Returns how many. */
unsigned live_table(const struct live *live, const struct live_status *status, unsigned lines_max,
                    bool with_color, const char *line_end, struct strbuf *out);

/* One line per tenant, for logs. */
void live_lines(const struct live *live, const struct live_status *status, struct strbuf *out);

#endif
