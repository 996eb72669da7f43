/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be known of a model file before a host is started for it, found out on the thread pool:
 * its hash, whether the cache has an optimised copy, how much memory it will take. And the
 * counterpart: taking an optimiser's result into the cache. A model that cannot be optimised is
 * loaded as it is; an adapted one, whose original would be the wrong thing, as the optimiser has
 * adapted it, or not at all. The done function is called on the loop's thread, exactly once.
 */
#ifndef ROOST_SERVE_PREPARE_H
#define ROOST_SERVE_PREPARE_H

#include <uv.h>

#include "engine/cache.h"

struct prepared {
    enum roost_err err;
    struct detail detail;
    char key[CACHE_KEY_BYTES];
    char path[FILE_PATH_BYTES_MAX]; /* what to load */
    /* Not "": from prepare_begin, an optimiser should write here first; from prepare_commit, what
     * is loaded lies here. Either way it is the caller's to remove. */
    char stage[FILE_PATH_BYTES_MAX];
    bool optimised;
    uint64_t memory_bytes; /* rough need of a host that loads it */
};

struct prepare_request {
    uv_loop_t *loop;
    const struct model_cache *cache;     /* outlives the call */
    const char *model_path;              /* copied, like all texts here */
    const char *engine, *engine_version; /* prepare_begin */
    /* (optional) The model is adapted: prepare_begin needs both, prepare_commit the first. */
    const struct adapter_settings *adapter;
    const struct model_io *want;
    const char *key, *stage; /* prepare_commit */
    bool keep;               /* prepare_commit: the stage holds a good result */
    void (*done)(void *user, const struct prepared *prepared);
    void *user;
};

enum roost_err prepare_begin(const struct prepare_request *request);
enum roost_err prepare_commit(const struct prepare_request *request);

#endif
