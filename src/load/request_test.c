/* SPDX-License-Identifier: Apache-2.0 */
/* Generated data and requests, judged by the codec that the server itself uses. */
#include "load/request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"
#include "net/oip.h"

enum { ROWS = 6 };

static struct load_model *model_new(bool is_batched)
{
    struct load_model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    (void)snprintf(model->name, sizeof(model->name), "m");
    model->is_batched = is_batched;
    model->max_batch_size = is_batched ? 64 : 0;
    model->accuracy = NAN;
    return model;
}

static void input_add(struct load_model *model, const char *name, enum dtype dtype, int64_t open)
{
    struct tensor_spec *spec = &model->io.inputs[model->io.input_count++];
    (void)snprintf(spec->name, sizeof(spec->name), "%s", name);
    spec->dtype = dtype;
    unsigned rank = 0;
    if (model->is_batched)
        spec->shape.dims[rank++] = -1;
    spec->shape.dims[rank++] = open;
    spec->shape.dims[rank++] = 3;
    spec->shape.rank = rank;
    model->io.output_count = 1;
    model->io.outputs[0] = *spec;
}

struct memory {
    void *blocks[64];
    unsigned count;
};

static enum roost_err block_give(void *user, size_t bytes, void **out, struct detail *detail)
{
    (void)detail;
    struct memory *memory = user;
    void *block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_true(block != NULL && memory->count < 64);
    memory->blocks[memory->count++] = *out = block;
    return ROOST_OK;
}

/* The server's codec reads the request; its inputs are then in *parsed. */
static void request_parse(const struct load_model *model, const struct request *request,
                          struct oip_request *parsed, struct memory *memory)
{
    struct oip_model server = {.name = model->name,
                               .version = "1",
                               .max_batch_size = model->max_batch_size,
                               .io = &model->io};
    struct oip_body body = {.data = request->body.base, .bytes = request->body.len};
    struct detail detail = {""};
    char *head = test_malloc(request->head.len + 1);
    memcpy(head, request->head.base, request->head.len);
    head[request->head.len] = '\0';
    assert_non_null(strstr(head, "POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\n"));
    assert_string_equal(head + strlen(head) - 4, "\r\n\r\n");
    char length[64];
    (void)snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", request->body.len);
    assert_non_null(strstr(head, length));
    const char *header = strstr(head, "Inference-Header-Content-Length: ");
    if (header != NULL) {
        body.has_header_length = true;
        body.header_length = strtoull(strchr(header, ' '), NULL, 10);
    }
    test_free(head);
    enum roost_err err = oip_parse_infer(&server, &body, false, block_give, memory, parsed,
                                         &detail);
    if (err != ROOST_OK)
        fail_msg("%s", detail.text);
}

static void parsed_free(struct oip_request *parsed, struct memory *memory)
{
    oip_request_fini(parsed);
    for (unsigned i = 0; i < memory->count; i++)
        free(memory->blocks[i]);
    memory->count = 0;
}

static struct request_options options_usual(enum request_encoding encoding)
{
    return (struct request_options){
        .authority = "h", .encoding = encoding, .distinct = 4, .bytes_max = 1 << 20};
}

static void inputs_make(const struct load_model *model, struct input_set *inputs,
                        const struct option_list *ranges, const struct option_list *shapes)
{
    struct input_options options = {
        .rows = 64, .bytes_max = 1 << 20, .seed = 1, .ranges = ranges, .shapes = shapes};
    struct detail detail = {""};
    if (input_set_init(model, &options, inputs, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
}

/* Every type that the encoding can carry, in requests of several rows. */
static void every_type_is_carried(void **state)
{
    (void)state;
    for (int encoding = ENCODING_BINARY; encoding <= ENCODING_JSON; encoding++) {
        struct load_model *model = model_new(true);
        struct input_set inputs;
        struct request_pool pool;
        struct request_options options = options_usual((enum request_encoding)encoding);
        struct detail detail = {""};
        struct memory memory = {0};
        for (int i = DTYPE_BOOL; i < DTYPE_COUNT; i++) {
            bool is_half = i == DTYPE_FP16 || i == DTYPE_BF16;
            if (!is_half || encoding == ENCODING_BINARY)
                input_add(model, dtype_name((enum dtype)i), (enum dtype)i, 2);
        }
        inputs_make(model, &inputs, NULL, NULL);
        options.timeout_us = 30000000;
        options.priority = 2;
        assert_int_equal(request_pool_init(&pool, model, &inputs, ROWS, &options, &detail),
                         ROOST_OK);
        struct request *request = request_pool_take(&pool, ROWS);
        struct oip_request parsed;
        assert_non_null(request);
        request_parse(model, request, &parsed, &memory);
        assert_int_equal(parsed.rows, ROWS);
        assert_int_equal(parsed.timeout_us, 30000000);
        assert_int_equal(parsed.priority, 2);
        assert_true(parsed.outputs[0].binary == (encoding == ENCODING_BINARY));
        for (unsigned i = 0; i < model->io.input_count; i++) {
            const struct input_rows *rows = &inputs.inputs[i];
            assert_int_equal(parsed.inputs[i].bytes, ROWS * rows->row_bytes);
            assert_memory_equal(parsed.inputs[i].data, rows->data, parsed.inputs[i].bytes);
        }
        parsed_free(&parsed, &memory);
        request_drop(request);
        request_pool_fini(&pool);
        input_set_fini(&inputs);
        free(model);
    }
}

static void halves_do_not_go_as_json(void **state)
{
    (void)state;
    struct load_model *model = model_new(true);
    struct input_set inputs;
    struct request_pool pool;
    struct request_options options = options_usual(ENCODING_JSON);
    struct detail detail = {""};
    input_add(model, "x", DTYPE_FP16, 1);
    inputs_make(model, &inputs, NULL, NULL);
    assert_int_equal(request_pool_init(&pool, model, &inputs, 1, &options, &detail),
                     ROOST_UNSUPPORTED);
    assert_non_null(strstr(detail.text, "input x is FP16"));
    request_pool_fini(&pool);
    input_set_fini(&inputs);
    free(model);
}

static void values_keep_their_ranges(void **state)
{
    (void)state;
    struct load_model *model = model_new(true);
    struct input_set inputs;
    struct option_list ranges = {.items = {"small=0:7", "wide=-2:2", "small=0:5", "elsewhere=0:1"},
                                 .count = 4};
    input_add(model, "small", DTYPE_INT64, 50);
    input_add(model, "wide", DTYPE_FP32, 50);
    input_add(model, "free", DTYPE_FP32, 50);
    input_add(model, "index", DTYPE_INT32, 50);
    input_add(model, "told", DTYPE_INT32, 50);
    input_add(model, "pixel", DTYPE_UINT8, 50);
    model->ranges[4] = (struct value_range){.is_known = true, .low = 100, .high = 102};
    inputs_make(model, &inputs, &ranges, NULL);
    unsigned seen[5] = {0};
    unsigned bright = 0;
    double low = 9;
    double high = -9;
    for (unsigned i = 0; i < 50 * 3; i++) {
        int64_t small;
        float wide, plain;
        int32_t index, told;
        memcpy(&small, inputs.inputs[0].data + 8 * i, 8);
        memcpy(&wide, inputs.inputs[1].data + 4 * i, 4);
        memcpy(&plain, inputs.inputs[2].data + 4 * i, 4);
        memcpy(&index, inputs.inputs[3].data + 4 * i, 4);
        memcpy(&told, inputs.inputs[4].data + 4 * i, 4);
        bright += (unsigned char)inputs.inputs[5].data[i] > 127 ? 1 : 0;
        assert_true(small >= 0 && small < 5);
        seen[small]++;
        low = fmin(low, (double)wide);
        high = fmax(high, (double)wide);
        assert_true(plain >= 0 && plain < 1);
        assert_int_equal(index, 0);
        assert_true(told == 100 || told == 101);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_true(seen[i] > 0);
    assert_true(low >= -2 && low < -1.5 && high < 2 && high > 1.5);
    assert_in_range(bright, 40, 110);
    assert_true(inputs.inputs[3].is_zero && !inputs.inputs[0].is_zero);
    input_set_fini(&inputs);
    free(model);
}

static void impossible_inputs_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        const char *range, *shape, *data, *reason;
    } cases[] = {
        {DTYPE_UINT8, "x=0:257", NULL, NULL, "input x: range 0:257 does not fit UINT8"},
        {DTYPE_INT8, "x=-129:0", NULL, NULL, "does not fit INT8"},
        {DTYPE_UINT64, "x=-1:5", NULL, NULL, "does not fit UINT64"},
        {DTYPE_FP32, NULL, "x=2", NULL, "shape 2 does not fit"},
        {DTYPE_FP32, NULL, "x=2x4", NULL, "shape 2x4 does not fit"},
        {DTYPE_FP32, NULL, "x=100000000000x3", NULL, "larger than 1 GiB"},
        {DTYPE_FP32, NULL, NULL, "x=/nowhere/x.raw", "/nowhere/x.raw"},
        {DTYPE_BYTES, NULL, NULL, "x=/dev/null", "texts come in JSON"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct load_model *model = model_new(true);
        struct option_list ranges = {.items = {cases[i].range}, .count = cases[i].range != NULL};
        struct option_list shapes = {.items = {cases[i].shape}, .count = cases[i].shape != NULL};
        struct option_list data = {.items = {cases[i].data}, .count = cases[i].data != NULL};
        struct input_options options = {
            .rows = 1, .bytes_max = 1 << 20, .ranges = &ranges, .shapes = &shapes, .data = &data};
        struct input_set inputs;
        struct detail detail = {""};
        input_add(model, "x", cases[i].dtype, -1);
        assert_int_not_equal(input_set_init(model, &options, &inputs, &detail), ROOST_OK);
        if (strstr(detail.text, cases[i].reason) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", detail.text, cases[i].reason);
        assert_int_equal(inputs.count, 0);
        free(model);
    }
}

static void open_dimensions_are_one_or_as_told(void **state)
{
    (void)state;
    struct load_model *model = model_new(false);
    struct input_set inputs;
    struct option_list shapes = {.items = {"b=5x3"}, .count = 1};
    input_add(model, "a", DTYPE_FP32, -1);
    input_add(model, "b", DTYPE_FP32, -1);
    inputs_make(model, &inputs, NULL, &shapes);
    assert_int_equal(inputs.inputs[0].row_bytes, 1 * 3 * 4);
    assert_int_equal(inputs.inputs[1].row_bytes, 5 * 3 * 4);
    input_set_fini(&inputs);
    free(model);
}

static void rows_come_from_files(void **state)
{
    (void)state;
    char path[] = "/tmp/roost-rows-XXXXXX";
    char entry[64];
    struct load_model *model = model_new(true);
    struct input_set inputs;
    struct detail detail = {""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "aaabbbccc", 9), 9);
    (void)snprintf(entry, sizeof(entry), "x=%s", path);
    struct option_list data = {.items = {entry}, .count = 1};
    struct input_options options = {.rows = 100, .bytes_max = 1 << 20, .data = &data};
    input_add(model, "x", DTYPE_UINT8, 1);
    assert_int_equal(input_set_init(model, &options, &inputs, &detail), ROOST_OK);
    assert_int_equal(inputs.inputs[0].rows, 3);
    /* They go round. */
    char copy[16] = {0};
    input_rows_copy(&inputs.inputs[0], 5, 4, copy);
    assert_string_equal(copy, "cccaaabbbccc");
    input_set_fini(&inputs);
    assert_int_equal(write(fd, "d", 1), 1);
    assert_int_equal(input_set_init(model, &options, &inputs, &detail), ROOST_INVALID);
    assert_non_null(strstr(detail.text, "10 bytes are not whole rows of 3 bytes"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    free(model);
}

/* As many different requests as wanted, in turn; beyond the budget one of its own each time. */
static void requests_are_distinct_and_go_round(void **state)
{
    (void)state;
    struct load_model *model = model_new(true);
    struct input_set inputs;
    struct request_pool pool;
    struct request_options options = options_usual(ENCODING_BINARY);
    struct detail detail = {""};
    struct request *first[4];
    input_add(model, "x", DTYPE_FP32, 8);
    inputs_make(model, &inputs, NULL, NULL);
    assert_int_equal(request_pool_init(&pool, model, &inputs, ROWS, &options, &detail), ROOST_OK);
    for (int i = 0; i < 4; i++) {
        first[i] = request_pool_take(&pool, 2);
        assert_non_null(first[i]);
        assert_true(first[i]->is_kept && first[i]->rows == 2);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(first[i]->body.base, first[k]->body.base, first[i]->body.len);
    }
    for (int i = 0; i < 8; i++)
        assert_ptr_equal(request_pool_take(&pool, 2), first[i % 4]);
    struct request *other = request_pool_take(&pool, 3);
    assert_true(other->is_kept && other->rows == 3);
    pool.bytes_left = 0;
    struct request *once = request_pool_take(&pool, 5);
    assert_false(once->is_kept);
    request_drop(once);
    request_drop(first[0]);
    request_pool_fini(&pool);
    input_set_fini(&inputs);
    free(model);
}

static void a_pool_is_warmed_before_the_run(void **state)
{
    (void)state;
    struct load_model *model = model_new(true);
    struct input_set inputs;
    struct request_pool pool;
    struct request_options options = options_usual(ENCODING_BINARY);
    struct detail detail = {""};
    struct batch_sizes sizes = {.kind = BATCH_CONSTANT, .low = 3, .high = 3};
    input_add(model, "x", DTYPE_FP32, 8);
    inputs_make(model, &inputs, NULL, NULL);
    assert_int_equal(request_pool_init(&pool, model, &inputs, ROWS, &options, &detail), ROOST_OK);
    assert_int_equal(request_pool_warm(&pool, &sizes, 1, &detail), ROOST_OK);
    assert_int_equal(pool.slots[3].count, 4);
    sizes = (struct batch_sizes){
        .kind = BATCH_LOGNORMAL, .mu = 1, .sigma = 1, .low = 1, .high = ROWS};
    assert_int_equal(request_pool_warm(&pool, &sizes, 1, &detail), ROOST_OK);
    for (unsigned i = 1; i <= ROWS; i++)
        assert_int_equal(pool.slots[i].count, 4);
    request_pool_fini(&pool);
    input_set_fini(&inputs);
    free(model);
}

static void bodies_of_the_user_are_sent_as_they_are(void **state)
{
    (void)state;
    static const char json[] =
        "[{\"inputs\":[{\"name\":\"x\",\"shape\":[2,1,3],\"datatype\":\"FP32\","
        "\"data\":[1,2,3,4,5,6]}]},"
        "{\"id\":\"b\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,1,3],\"datatype\":\"FP32\","
        "\"data\":[1,2,3]}]}]";
    struct load_model *model = model_new(true);
    struct request_pool pool;
    struct request_options options = options_usual(ENCODING_BINARY);
    struct detail detail = {""};
    struct memory memory = {0};
    input_add(model, "x", DTYPE_FP32, 1);
    assert_int_equal(request_pool_init_bodies(&pool, model, json, strlen(json), &options, &detail),
                     ROOST_OK);
    for (int i = 0; i < 4; i++) {
        struct oip_request parsed;
        struct request *request = request_pool_take(&pool, 1);
        assert_int_equal(request->rows, i % 2 == 0 ? 2 : 1);
        request_parse(model, request, &parsed, &memory);
        assert_true(parsed.has_id == (i % 2 == 1));
        parsed_free(&parsed, &memory);
        request_drop(request);
    }
    request_pool_fini(&pool);
    static const char *const wrong[] = {"[]", "{}", "[{\"inputs\":[]},3]", "nothing"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            request_pool_init_bodies(&pool, model, wrong[i], strlen(wrong[i]), &options, &detail),
            ROOST_INVALID);
        request_pool_fini(&pool);
    }
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_carried),
        cmocka_unit_test(halves_do_not_go_as_json),
        cmocka_unit_test(values_keep_their_ranges),
        cmocka_unit_test(impossible_inputs_are_refused),
        cmocka_unit_test(open_dimensions_are_one_or_as_told),
        cmocka_unit_test(rows_come_from_files),
        cmocka_unit_test(requests_are_distinct_and_go_round),
        cmocka_unit_test(a_pool_is_warmed_before_the_run),
        cmocka_unit_test(bodies_of_the_user_are_sent_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
