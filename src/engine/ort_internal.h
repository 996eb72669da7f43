/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX Runtime's C API, wrapped: the functions below are all that Roost puts around it, and no
 * other file calls it.
 *
 *   ort_library.c   finding and opening the library, its log, its errors
 *   ort_session.c   loading, optimising, describing
 *   ort_memory.c    where the engine's tensors live
 *   ort_value.c     tensors of ours as values of its, strings there and back
 *   ort_run.c       contexts and runs
 *
 * A session is read-only after load; a context belongs to one thread, but for ort_terminate.
 */
#ifndef ROOST_ENGINE_ORT_INTERNAL_H
#define ROOST_ENGINE_ORT_INTERNAL_H

#include <onnxruntime_c_api.h>
#include <stdatomic.h>

#include "engine/engine.h"

/* Set by ort_open, constant afterwards but for the count; forked children inherit it. */
struct ort_library {
    const OrtApi *api;
    OrtEnv *env;
    OrtMemoryInfo *memory; /* plain CPU memory */
    const char *version;
    atomic_uint log_lines; /* that the library wrote since the last load began */
};
extern struct ort_library ort;

struct engine_session {
    OrtSession *handle;
    struct model_io io;
    struct engine_metadata metadata;
};

/* What was being done decides whose fault the same status is: the model's or the request's. */
enum ort_phase { ORT_PHASE_LOAD, ORT_PHASE_RUN };

enum roost_err ort_open(const char *library, struct detail *detail);
const char *ort_version(void);

/* The one place where an OrtStatus is translated; takes it over. NULL is OK. */
enum roost_err ort_check(OrtStatus *status, enum ort_phase phase, struct detail *detail);

enum roost_err ort_optimise(const char *path, const char *directory, struct detail *detail);
enum roost_err ort_load(const char *path, const struct engine_load_options *options,
                        struct engine_session **session, struct detail *detail);
void ort_unload(struct engine_session *session);
void ort_describe(const struct engine_session *session, struct model_io *io);
void ort_metadata(const struct engine_session *session, struct engine_metadata *metadata);

enum roost_err ort_context_open(struct engine_session *session, struct engine_context **context,
                                struct detail *detail);
void ort_context_close(struct engine_context *context);
enum roost_err ort_run(struct engine_context *context, const struct tensor *inputs,
                       struct tensor *outputs, struct detail *detail);
void ort_terminate(struct engine_context *context);
void ort_rest(struct engine_context *context); /* NULL will do */

/* Makes sessions that ask for it take their tensors' memory from ort_memory_allocator; once, after
 * ort.api and ort.memory are set. */
OrtStatus *ort_memory_register(OrtEnv *env);
OrtAllocator *ort_memory_allocator(void);
/* Blocks that this thread keeps, and that several of its runs did without, go back. */
void ort_memory_run_ended(void);

/* Type and fully known shape of a value's or of a graph's tensor. INVALID dtype: none of ours.
 * UNSUPPORTED beyond TENSOR_RANK_MAX. */
enum roost_err ort_shape_read(const OrtTensorTypeAndShapeInfo *info, enum dtype *dtype,
                              struct shape *shape, struct detail *detail);

/* A value over the tensor's own memory, which must outlive it; BYTES are copied into strings of the
 * engine's. On OK *value is the caller's (ReleaseValue). */
enum roost_err ort_value_new(const struct tensor *tensor, OrtValue **value, struct detail *detail);

/* What a value holds. `data` is never NULL and points into the value; of BYTES into *blob, which is
 * made larger where needed and stays the caller's (free). */
enum roost_err ort_value_read(OrtValue *value, struct tensor *tensor, void **blob,
                              size_t *blob_bytes, struct detail *detail);

#endif
