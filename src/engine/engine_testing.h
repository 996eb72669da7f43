/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share. Failures are cmocka's. */
#ifndef ROOST_ENGINE_TESTING_H
#define ROOST_ENGINE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TESTING_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESTING_SANITIZED 1
#endif
#ifndef TESTING_SANITIZED
#define TESTING_SANITIZED 0
#endif

#define SHAPE(...)                                                                                 \
    ((struct shape){.rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                    \
                    .dims = {__VA_ARGS__}})
#define TENSOR(type, array, ...)                                                                   \
    ((struct tensor){                                                                              \
        .dtype = (type), .shape = SHAPE(__VA_ARGS__), .data = (array), .bytes = sizeof(array)})

/* A session with one context, opened and closed together. */
struct opened {
    const struct engine_ops *engine;
    struct engine_session *session;
    struct engine_context *context;
    struct model_io io;
};

/* Fails the test with the engine's reason when it cannot be loaded. */
void testing_load(struct opened *opened, const struct engine_ops *engine, const char *path,
                  const struct engine_load_options *options);
void testing_unload(struct opened *opened);

/* Loading must fail like this, with a reason that names the file; returns the reason. */
const char *testing_load_fails(const struct engine_ops *engine, const char *path,
                               enum roost_err expected);

/* Fails the test with the reason when err is not as expected. */
void testing_check(enum roost_err err, enum roost_err expected, const struct detail *detail);

/* Path of a committed fixture, in one of a few static buffers. */
const char *testing_fixture(const char *name);

/* A new directory, removed by testing_directory_remove. */
void testing_directory_make(char *path, size_t path_bytes);
void testing_directory_remove(const char *path);
void testing_file_write(const char *directory, const char *name, const void *data, size_t bytes);

unsigned testing_thread_count(void);
uint64_t testing_anonymous_bytes(void); /* resident, not of files */

/* A BYTES blob of the texts; its length is returned. */
size_t testing_strings(char *out, const char *const *texts, const uint32_t *lengths, size_t count);

#endif
