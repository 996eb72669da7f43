/* SPDX-License-Identifier: Apache-2.0 */
#include "net/oip_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

void fixture_init(struct fixture *fixture, int64_t max_batch_size)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->fail_as = ROOST_OVERLOADED;
    fixture->model = (struct oip_model){
        .name = "m", .version = "1", .max_batch_size = max_batch_size, .io = &fixture->io};
}

static void blocks_free(struct fixture *fixture)
{
    oip_request_fini(&fixture->request);
    while (fixture->block_count > 0)
        free(fixture->blocks[--fixture->block_count]);
}

void fixture_fini(struct fixture *fixture)
{
    blocks_free(fixture);
}

struct shape fixture_shape(unsigned rank, const int64_t *dims)
{
    struct shape shape = {.rank = rank};
    assert_true(rank <= TENSOR_RANK_MAX);
    memcpy(shape.dims, dims, rank * sizeof(*dims));
    return shape;
}

static struct tensor_spec *spec_fill(struct tensor_spec *spec, const char *name, enum dtype dtype,
                                     struct shape shape)
{
    *spec = (struct tensor_spec){.dtype = dtype, .shape = shape};
    assert_true(strlen(name) < sizeof(spec->name));
    memcpy(spec->name, name, strlen(name) + 1);
    return spec;
}

struct tensor_spec *fixture_input(struct fixture *fixture, const char *name, enum dtype dtype,
                                  struct shape shape)
{
    assert_true(fixture->io.input_count < MODEL_TENSORS_MAX);
    return spec_fill(&fixture->io.inputs[fixture->io.input_count++], name, dtype, shape);
}

struct tensor_spec *fixture_output(struct fixture *fixture, const char *name, enum dtype dtype,
                                   struct shape shape)
{
    assert_true(fixture->io.output_count < MODEL_TENSORS_MAX);
    return spec_fill(&fixture->io.outputs[fixture->io.output_count++], name, dtype, shape);
}

/* Of exactly this size, so that a sanitizer sees what is written beyond it. */
static void *block_new(struct fixture *fixture, size_t bytes)
{
    void *block = NULL;
    assert_true(fixture->block_count < FIXTURE_BLOCKS_MAX);
    assert_int_equal(posix_memalign(&block, 64, bytes), 0);
    fixture->blocks[fixture->block_count++] = block;
    return block;
}

static enum roost_err fixture_allocate(void *user, size_t bytes, void **memory,
                                       struct detail *detail)
{
    struct fixture *fixture = user;
    assert_true(bytes > 0);
    if (++fixture->allocations == fixture->fail_at)
        return detail_set(detail, fixture->fail_as, "no room for %zu bytes", bytes);
    *memory = block_new(fixture, bytes);
    return ROOST_OK;
}

static enum roost_err parse(struct fixture *fixture, const struct oip_body *body)
{
    fixture->allocations = 0;
    fixture->detail.text[0] = '\0';
    return oip_parse_infer(&fixture->model, body, fixture->split_allowed, fixture_allocate, fixture,
                           &fixture->request, &fixture->detail);
}

enum roost_err fixture_parse(struct fixture *fixture, const struct oip_body *body)
{
    blocks_free(fixture);
    return parse(fixture, body);
}

enum roost_err fixture_parse_json(struct fixture *fixture, const char *json)
{
    struct oip_body body = {.data = json, .bytes = strlen(json)};
    return fixture_parse(fixture, &body);
}

enum roost_err fixture_parse_binary(struct fixture *fixture, const char *json, const void *blobs,
                                    size_t bytes, size_t skew)
{
    blocks_free(fixture);
    size_t json_bytes = strlen(json);
    size_t offset = (64 + skew - json_bytes % 64) % 64;
    char *body = (char *)block_new(fixture, offset + json_bytes + bytes) + offset;
    memcpy(body, json, json_bytes);
    if (bytes > 0)
        memcpy(body + json_bytes, blobs, bytes);
    struct oip_body whole = {.data = body,
                             .bytes = json_bytes + bytes,
                             .has_header_length = true,
                             .header_length = json_bytes};
    return parse(fixture, &whole);
}

static void refusal_check(struct fixture *fixture, enum roost_err got, enum roost_err err,
                          const char *text)
{
    assert_string_equal(fixture->detail.text, text);
    assert_int_equal(got, err);
    assert_null(fixture->request.keep);
}

void fixture_refuse_json(struct fixture *fixture, const char *json, enum roost_err err,
                         const char *text)
{
    refusal_check(fixture, fixture_parse_json(fixture, json), err, text);
}

void fixture_refuse_binary(struct fixture *fixture, const char *json, const void *blobs,
                           size_t bytes, enum roost_err err, const char *text)
{
    refusal_check(fixture, fixture_parse_binary(fixture, json, blobs, bytes, 0), err, text);
}
