/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where optimised models live: <cache>/<key>/model.onnx, key = hash over the model's files (the
 * graph and its external data), the engine's name and version, and the CPU's features. An entry
 * appears by rename, so it is whole or absent; entries not used for long are removed when the cache
 * is above its size limit. Never inside the model repository, which may be read-only.
 *
 * Several processes may share a directory. All functions block; one thread per struct model_cache.
 */
#ifndef ROOST_ENGINE_CACHE_H
#define ROOST_ENGINE_CACHE_H

#include "base/detail.h"
#include "base/file.h"
#include "engine/adapter.h"

struct model_cache {
    char directory[FILE_PATH_BYTES_MAX];
    uint64_t bytes_max; /* 0: no limit */
};

enum { CACHE_KEY_BYTES = 65 };

/* Creates the directory if need be, and removes what optimisers left there a day ago. PERMISSION or
 * IO with the reason. */
enum roost_err cache_open(struct model_cache *cache, const char *directory, uint64_t bytes_max,
                          struct detail *detail);

/* What an entry is made of. */
struct cache_source {
    const char *model_path;
    const char *engine_name, *engine_version;
    const struct adapter_settings *adapter; /* (optional; NULL: not adapted) */
    const struct model_io *want;            /* what the adapter makes it take and give */
};

/* The key of a model (reads the file and its external data; the hash of unchanged files (device,
 * inode, size, times) is remembered in <cache>/index), and of its adapter with the file that
 * this reads. NOT_FOUND for a missing file, INVALID for external data outside the model's
 * directory or a file that is no ONNX graph. */
enum roost_err cache_key(const struct model_cache *cache, const struct cache_source *source,
                         char key[CACHE_KEY_BYTES], struct detail *detail);

/* Path of the optimised model when the entry is there; NOT_FOUND otherwise. Marks it as used, which
 * keeps it from eviction for a minute. */
enum roost_err cache_lookup(const struct model_cache *cache, const char *key, char *path,
                            size_t path_bytes);

/* A fresh temporary directory in the cache for one optimiser run; the path is handed to a sandboxed
 * process. */
enum roost_err cache_stage(const struct model_cache *cache, const char *key, char *directory,
                           size_t directory_bytes, struct detail *detail);

/* OK when the directory holds plain files only (each then on the disk), model.onnx among them. */
enum roost_err cache_stage_check(const char *directory, struct detail *detail);

/* Turns a staged directory into the entry, or removes it when `keep` is false or it does not hold
 * plain files with a model.onnx among them (INVALID). When another process was first, its entry
 * stays. Evicts the least recently used beyond bytes_max. */
enum roost_err cache_commit(const struct model_cache *cache, const char *key, const char *directory,
                            bool keep, struct detail *detail);

#endif
