/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an inference engine must do for Roost, as a table of functions.
 *
 * An engine is opened once per process (in the spawner, before hosts are forked, so open() must not
 * start a thread). A session is one loaded model; any number of threads may run it at once, each
 * with a context of its own. Nothing here knows of tenants, queues or sockets.
 *
 * Plug-in kind "engine": const tables, the registry in registry.c, one conformance suite
 * (engine_test.c).
 */
#ifndef ROOST_ENGINE_ENGINE_H
#define ROOST_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "core/tensor.h"

struct engine_session; /* each engine has its own */
struct engine_context;

struct engine_load_options {
    unsigned intra_op_threads; /* >= 1; 1 starts no thread at all */
    bool optimised;       /* the file is what optimise() wrote: load without optimising again */
    bool spin;            /* default false; only for models given whole cores */
    const char *settings; /* (optional) engine's own text "key=value;key=value"; see fake.h */
};

struct engine_metadata {
    uint64_t mflops_x1000; /* from the file's metadata, 0 when it says nothing */
    double accuracy;       /* nominal, < 0 when it says nothing */
};

struct engine_ops {
    const char *name;
    const char *summary;

    /* Makes the engine usable in this process. `library` (optional): path of its shared object.
     * Starts no thread, opens no socket, writes no file. Once per process, before any other thread
     * asks; idempotent. UNAVAILABLE with the reason when the library is missing or unusable. */
    enum roost_err (*open)(const char *library, struct detail *detail);
    /* Version of the opened engine ("1.30.0"); "" before open. */
    const char *(*version)(void);

    /* Writes an optimised copy of the model at `path` (weights beside it, to be mapped) as
     * `<directory>/model.onnx`, and loads and runs it once to see that it can be: for a process of
     * its own, which may die of it. The directory exists and is empty; after an error files may be
     * left there. Errors as of load; UNSUPPORTED also when this engine has no such thing or cannot
     * do it for this model, which may load all the same. */
    enum roost_err (*optimise)(const char *path, const char *directory, struct detail *detail);

    /* Reads the model. On OK *session is the caller's (unload), else NULL. Blocks; may use much
     * memory for a while. INVALID for a broken model, NOT_FOUND for a missing file, UNSUPPORTED for
     * operators or types that the engine or Roost lacks, NO_MEMORY. */
    enum roost_err (*load)(const char *path, const struct engine_load_options *options,
                           struct engine_session **session, struct detail *detail);
    /* All contexts closed before; memory goes back to the system. NULL is allowed. */
    void (*unload)(struct engine_session *session);

    /* Inputs and outputs as the graph has them, optional inputs (those with a default) last.
     * Rank 0 is a scalar, or an output whose rank is known only after a run. */
    void (*describe)(const struct engine_session *session, struct model_io *io);
    void (*metadata)(const struct engine_session *session, struct engine_metadata *metadata);

    /* A context: one thread's place for runs. On OK *context is the caller's (context_close). */
    enum roost_err (*context_open)(struct engine_session *session, struct engine_context **context,
                                   struct detail *detail);
    void (*context_close)(struct engine_context *context); /* NULL is allowed */

    /*
     * Runs once. inputs[i] belongs to the graph's input i; an absent optional input has
     * data == NULL. Input data is only read, and need not be writable.
     *
     * outputs[o], in: `data`/`bytes` give a buffer, or data == NULL to let the engine allocate, or
     * dtype == DTYPE_INVALID to leave the output out (one at least stays); shape is the expected
     * one where data is given (rank and all dims known). Out: shape, dtype, bytes and, where the
     * engine allocated, data, which stays valid until the context's next run or close. BYTES
     * outputs, and those of rank 0, are always engine-allocated.
     *
     * INVALID when the model refuses the input, CANCELLED after terminate(), NO_MEMORY, INTERNAL
     * for the rest. After a failure the contents of given buffers are undefined.
     */
    enum roost_err (*run)(struct engine_context *context, const struct tensor *inputs,
                          struct tensor *outputs, struct detail *detail);

    /* Makes a run in progress on this context fail soon with CANCELLED; from any thread, as long as
     * the context is open. Cleared by the next run. */
    void (*terminate)(struct engine_context *context);

    /* Between runs, from the thread that makes them: gives back what they left for later ones. */
    void (*rest)(struct engine_context *context);
};

/* NULL-terminated. */
extern const struct engine_ops *const engine_registry[];
const struct engine_ops *engine_find(const char *name); /* NULL when unknown */

#endif
