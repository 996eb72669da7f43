/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/schedule.h"
#include "engine/onnx_scan.h"
#include "host/spec.h"

/* What a host takes besides its weights: the engine's own memory and one batch's activations,
 * roughly. */
static const uint64_t host_overhead_bytes = UINT64_C(48) << 20;

struct prepare_work {
    uv_work_t work;
    const struct model_cache *cache;
    char model_path[FILE_PATH_BYTES_MAX];
    char engine[32], engine_version[32];
    struct host_adapter adapter; /* .settings.present says whether it counts */
    bool keep;
    void (*done)(void *user, const struct prepared *prepared);
    void *user;
    struct prepared prepared;
};

static enum roost_err add_file_bytes(const char *path, uint64_t *bytes, struct detail *detail)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return errno_translate(errno, path, detail);
    }
    *bytes += (uint64_t)status.st_size;
    return ROOST_OK;
}

/* The graph and the files beside it that hold its weights. */
static enum roost_err model_file_bytes(const char *path, bool onnx, uint64_t *bytes,
                                       struct detail *detail)
{
    *bytes = 0;
    enum roost_err err = add_file_bytes(path, bytes, detail);
    if (err != ROOST_OK || !onnx) {
        return err;
    }
    struct onnx_files *files = malloc(sizeof *files);
    if (files == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    err = onnx_files_read(path, files, detail);
    const char *slash = strrchr(path, '/');
    int directory = slash == NULL ? 0 : (int)(slash + 1 - path);
    for (size_t i = 0; err == ROOST_OK && i < files->count; i++) {
        char beside[FILE_PATH_BYTES_MAX];
        snprintf(beside, sizeof beside, "%.*s%s", directory, path, files->names[i]);
        err = add_file_bytes(beside, bytes, detail);
    }
    free(files);
    return err;
}

static void prepare_key(uv_work_t *work)
{
    thread_to_background(0);
    struct prepare_work *w = work->data;
    struct prepared *p = &w->prepared;
    bool onnx = strcmp(w->engine, "onnxruntime") == 0;
    uint64_t model_bytes;
    p->err = model_file_bytes(w->model_path, onnx, &model_bytes, &p->detail);
    if (p->err != ROOST_OK) {
        return;
    }
    p->memory_bytes = model_bytes + host_overhead_bytes;
    snprintf(p->path, sizeof p->path, "%s", w->model_path);
    if (!onnx) {
        return;
    }
    bool adapted = w->adapter.settings.present;
    const struct cache_source source = {
        .model_path = w->model_path,
        .engine_name = w->engine,
        .engine_version = w->engine_version,
        .adapter = adapted ? &w->adapter.settings : NULL,
        .want = &w->adapter.want,
    };
    p->err = cache_key(w->cache, &source, p->key, &p->detail);
    if (p->err != ROOST_OK) {
        return;
    }
    if (cache_lookup(w->cache, p->key, p->path, sizeof p->path) == ROOST_OK) {
        p->optimised = true;
        return;
    }
    struct detail detail = {""};
    enum roost_err err = cache_stage(w->cache, p->key, p->stage, sizeof p->stage, &detail);
    if (err != ROOST_OK && adapted) {
        p->err = detail_set(&p->detail, err, "no place for the adapted copy: %s", detail.text);
    } else if (err != ROOST_OK) {
        log_warn("cache.stage", "model=%s reason=\"%s\" result=\"served as it is\"", w->model_path,
                 detail.text);
    }
    if (err != ROOST_OK) {
        p->stage[0] = '\0';
    }
}

/* Without an optimised copy: what the optimiser had adapted before it failed. */
static void prepare_take_adapted(struct prepare_work *w)
{
    struct prepared *p = &w->prepared;
    char directory[FILE_PATH_BYTES_MAX];
    bool fits = path_join(directory, sizeof directory, p->stage, HOST_ADAPTED_DIRECTORY) &&
                path_join(p->path, sizeof p->path, directory, "model.onnx");
    p->err = fits ? cache_stage_check(directory, &p->detail)
                  : detail_set(&p->detail, ROOST_INVALID, "%s: the path is too long", p->stage);
}

static void prepare_take(uv_work_t *work)
{
    thread_to_background(0);
    struct prepare_work *w = work->data;
    struct prepared *p = &w->prepared;
    struct detail detail = {""};
    if (!w->keep && w->adapter.settings.present) {
        prepare_take_adapted(w);
        return;
    }
    enum roost_err err = cache_commit(w->cache, p->key, p->stage, w->keep, &detail);
    if (err != ROOST_OK) {
        log_warn("cache.commit", "model=%s reason=\"%s\"", w->model_path, detail.text);
    }
    p->optimised = w->keep && err == ROOST_OK &&
                   cache_lookup(w->cache, p->key, p->path, sizeof p->path) == ROOST_OK;
    if (!p->optimised && w->adapter.settings.present) {
        p->err = detail_set(&p->detail, err == ROOST_OK ? ROOST_NOT_FOUND : err,
                            "the adapted copy cannot be kept: %s", detail.text);
    } else if (!p->optimised) {
        snprintf(p->path, sizeof p->path, "%s", w->model_path);
    }
    p->stage[0] = '\0';
}

static void prepare_done(uv_work_t *work, int status)
{
    (void)status;
    struct prepare_work *w = work->data;
    w->done(w->user, &w->prepared);
    free(w);
}

static enum roost_err prepare_queue(const struct prepare_request *request, uv_work_cb work)
{
    struct prepare_work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return ROOST_NO_MEMORY;
    }
    w->work.data = w;
    w->cache = request->cache;
    snprintf(w->model_path, sizeof w->model_path, "%s", request->model_path);
    if (request->engine != NULL) {
        snprintf(w->engine, sizeof w->engine, "%s", request->engine);
        snprintf(w->engine_version, sizeof w->engine_version, "%s", request->engine_version);
    }
    if (request->adapter != NULL) {
        w->adapter.settings = *request->adapter;
        w->adapter.settings.present = true;
    }
    if (request->want != NULL) {
        w->adapter.want = *request->want;
    }
    if (request->key != NULL) {
        snprintf(w->prepared.key, sizeof w->prepared.key, "%s", request->key);
        snprintf(w->prepared.stage, sizeof w->prepared.stage, "%s", request->stage);
    }
    w->keep = request->keep;
    w->done = request->done;
    w->user = request->user;
    roost_assert(uv_queue_work(request->loop, &w->work, work, prepare_done) == 0);
    return ROOST_OK;
}

enum roost_err prepare_begin(const struct prepare_request *request)
{
    return prepare_queue(request, prepare_key);
}

enum roost_err prepare_commit(const struct prepare_request *request)
{
    return prepare_queue(request, prepare_take);
}
