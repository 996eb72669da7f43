/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/schedule.h"
#include "host/serving.h"
#include "host/wire.h"

/*
 * Loading must not disturb those who serve, so it begins at SCHED_IDLE. Where nobody could take
 * threads out of that class again the loader has a small share that never starves; and then threads
 * that an engine makes while loading, which inherit this, must not be made at all.
 */
static void loader_lower(const struct serving *serving)
{
    if (serving->in_process)
        return;
    if (serving->may_rise)
        thread_to_idle();
    else if (serving->spec.intra_op_threads <= 1)
        (void)setpriority(PRIO_PROCESS, 0, SCHEDULE_BACKGROUND_NICE); /* of this thread */
}

/* The adapted copy is only removed when there is a better one: it must serve otherwise. */
static enum roost_err loader_adapt(struct serving *serving, struct detail *detail)
{
    const struct host_spec *spec = &serving->spec;
    char directory[FILE_PATH_BYTES_MAX], path[FILE_PATH_BYTES_MAX];
    if (!path_join(directory, sizeof directory, spec->output_directory, HOST_ADAPTED_DIRECTORY) ||
        !path_join(path, sizeof path, directory, "model.onnx"))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long",
                          spec->output_directory);
    enum roost_err err = file_make_directory(directory, detail);
    if (err == ROOST_OK)
        err = adapter_build(spec->model_path, &spec->adapter.settings, &spec->adapter.want,
                            directory, detail);
    if (err == ROOST_OK)
        err = serving->engine->optimise(path, spec->output_directory, detail);
    return err == ROOST_OK ? file_remove_tree(directory, detail) : err;
}

static enum roost_err loader_optimise(struct serving *serving, struct detail *detail)
{
    const struct host_spec *spec = &serving->spec;
    if (spec->adapted)
        return loader_adapt(serving, detail);
    return serving->engine->optimise(spec->model_path, spec->output_directory, detail);
}

static enum roost_err loader_load(struct serving *serving, struct detail *detail)
{
    const struct host_spec *spec = &serving->spec;
    struct engine_load_options options = {
        .intra_op_threads = spec->intra_op_threads == 0 ? 1 : spec->intra_op_threads,
        .optimised = spec->optimised,
        .settings = spec->engine_settings[0] == '\0' ? NULL : spec->engine_settings,
    };
    uint64_t began_ns = clock_now_ns();
    enum roost_err err = serving->engine->load(spec->model_path, &options, &serving->session,
                                               detail);
    if (err != ROOST_OK)
        return err;
    struct engine_metadata metadata = {.accuracy = -1};
    serving->engine->describe(serving->session, &serving->io);
    serving->engine->metadata(serving->session, &metadata);
    err = wire_send_loaded(serving->control_fd, &serving->io, &metadata, clock_now_ns() - began_ns);
    if (err != ROOST_OK)
        return detail_set(detail, err, "the supervisor is gone");
    began_ns = clock_now_ns();
    err = warmup_run(serving, detail);
    serving->warm_ns = clock_now_ns() - began_ns;
    malloc_trim(0); /* reading a model leaves much free memory behind */
    return err;
}

void *loader_main(void *argument)
{
    struct serving *serving = argument;
    struct detail detail = {""};
    pthread_setname_np(pthread_self(), "loader");
    loader_lower(serving);
    enum roost_err err = serving->engine->open(NULL, &detail);
    if (err == ROOST_OK)
        err = serving->spec.role == HOST_OPTIMISE ? loader_optimise(serving, &detail)
                                                  : loader_load(serving, &detail);
    if (err != ROOST_OK)
        (void)wire_send_failed(serving->control_fd, err, detail.text);
    serving->load_err = err;
    atomic_store(&serving->loader_ended, true);
    serving_tell(serving);
    return NULL;
}
