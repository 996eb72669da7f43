/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the live table shows of the server: a few of its metrics, read from Prometheus' text format.
 * Pure; any thread. The text may come from any server, so whatever is not understood is skipped.
 */
#ifndef ROOST_LOAD_SCRAPE_H
#define ROOST_LOAD_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>

struct scrape_gauge {
    bool is_known;
    double value; /* summed over the model's samples (versions, variants) */
};

struct scrape_model {
    const char *name; /* wanted; the caller's */
    struct scrape_gauge queue, workers, resident_bytes;
};

/* Sets the gauges of all models from one scrape; those that it does not hold become unknown. */
void scrape_read(const char *text, size_t length, struct scrape_model *models, size_t model_count);

#endif
