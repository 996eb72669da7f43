/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec's tests share: a model made by hand and a budget that can run out. */
#ifndef ROOST_NET_OIP_FIXTURE_H
#define ROOST_NET_OIP_FIXTURE_H

#include "net/oip.h"

enum { FIXTURE_BLOCKS_MAX = 256 };

struct fixture {
    struct model_io io;
    struct oip_model model;
    struct oip_request request;
    struct detail detail;
    bool split_allowed;
    unsigned allocations;
    unsigned fail_at;       /* the n-th allocation fails; 0: none */
    enum roost_err fail_as; /* with this */
    unsigned block_count;
    void *blocks[FIXTURE_BLOCKS_MAX];
};

/* Model "m", version 1, without inputs and outputs. */
void fixture_init(struct fixture *fixture, int64_t max_batch_size);
void fixture_fini(struct fixture *fixture);

struct shape fixture_shape(unsigned rank, const int64_t *dims);
#define SHAPE(...)                                                                                 \
    fixture_shape(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                              \
                  (const int64_t[]){__VA_ARGS__})

struct tensor_spec *fixture_input(struct fixture *fixture, const char *name, enum dtype dtype,
                                  struct shape shape);
struct tensor_spec *fixture_output(struct fixture *fixture, const char *name, enum dtype dtype,
                                   struct shape shape);

/* Parses a body as it came; what the last one got is freed before. */
enum roost_err fixture_parse(struct fixture *fixture, const struct oip_body *body);
enum roost_err fixture_parse_json(struct fixture *fixture, const char *json);
/* JSON followed by `bytes` of blobs, in memory of its own that lives until the next parse; the
 * blobs begin `skew` bytes after a multiple of 64. */
enum roost_err fixture_parse_binary(struct fixture *fixture, const char *json, const void *blobs,
                                    size_t bytes, size_t skew);

/* The text of the refusal is exactly this. */
void fixture_refuse_json(struct fixture *fixture, const char *json, enum roost_err err,
                         const char *text);
void fixture_refuse_binary(struct fixture *fixture, const char *json, const void *blobs,
                           size_t bytes, enum roost_err err, const char *text);

#endif
