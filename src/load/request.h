/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole requests, made before they are due.
 *
 * A pool cycles a number of distinct requests for each batch size, so that the same embedding rows
 * are not hot all the time. They are made as batch sizes come up and kept while the budget of bytes
 * lasts; beyond it a request is made for one use. One thread per pool.
 */
#ifndef ROOST_LOAD_REQUEST_H
#define ROOST_LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/rng.h"
#include "load/batch_sizes.h"
#include "load/inputs.h"
#include "load/model.h"

enum request_encoding { ENCODING_BINARY, ENCODING_JSON };

struct request {
    uv_buf_t head; /* request line and headers */
    uv_buf_t body;
    uint32_t rows;
    bool is_kept; /* by the pool */
};

struct request_options {
    const char *authority; /* for the Host header */
    enum request_encoding encoding;
    uint64_t timeout_us;               /* sent as the request's parameter; 0: none */
    uint64_t priority;                 /* likewise */
    const struct option_list *headers; /* (optional) "Name: value" */
    unsigned distinct;                 /* per batch size */
    size_t bytes_max;                  /* of requests that are kept */
};

struct request_slot {
    struct request **requests;
    unsigned count, next;
};

struct request_pool {
    const struct load_model *model;
    const struct input_set *inputs; /* NULL: the bodies are the user's */
    struct request_options options;
    struct request_slot *slots; /* by batch size, slots[0] for the user's bodies */
    uint32_t rows_max;
    uint64_t next_row;
    size_t bytes_left;
};

/* A pool for batches of up to rows_max rows. `model`, `inputs` and what the options point to are
 * borrowed. UNSUPPORTED when JSON cannot carry an input. */
enum roost_err request_pool_init(struct request_pool *pool, const struct load_model *model,
                                 const struct input_set *inputs, uint32_t rows_max,
                                 const struct request_options *options, struct detail *detail);

/* A pool of bodies as they are: the text is one JSON request or a list of them. */
enum roost_err request_pool_init_bodies(struct request_pool *pool, const struct load_model *model,
                                        const char *json, size_t length,
                                        const struct request_options *options,
                                        struct detail *detail);
void request_pool_fini(struct request_pool *pool);

/* Makes all requests of a constant batch size, or of some hundred draws, before the run. */
enum roost_err request_pool_warm(struct request_pool *pool, const struct batch_sizes *sizes,
                                 uint64_t seed, struct detail *detail);

/* The next request with this many rows, or NULL when memory is short. It stays valid until
 * request_drop. */
struct request *request_pool_take(struct request_pool *pool, uint32_t rows);
void request_drop(struct request *request);

#endif
