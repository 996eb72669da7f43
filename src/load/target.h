/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that is driven: where it is, and what it tells of itself before the run. The calls
 * that ask it block; for the command's thread.
 */
#ifndef ROOST_LOAD_TARGET_H
#define ROOST_LOAD_TARGET_H

#include <stdint.h>

#include "base/detail.h"
#include "load/model.h"

struct target {
    char host[256]; /* name, address, or "unix:/path" */
    unsigned port;
    char authority[280]; /* for the Host header */
};

/* "http://host:8000", "http://[::1]:8000/", "host:8000", "unix:/path". INVALID otherwise; https is
 * UNSUPPORTED. */
enum roost_err target_parse(const char *url, struct target *target, struct detail *detail);

/* Waits until the server says that it is ready, for at most `patience_ns`. UNAVAILABLE. */
enum roost_err target_wait(const struct target *target, uint64_t patience_ns,
                           struct detail *detail);

/* The models that are ready. UNSUPPORTED when the server has no repository index. */
enum roost_err target_index(const struct target *target, struct load_index *index,
                            struct detail *detail);

/* Metadata, and the configuration if the server has that. `version` NULL: the server's choice. */
enum roost_err target_model(const struct target *target, const char *name, const char *version,
                            struct load_model *model, struct detail *detail);

#endif
