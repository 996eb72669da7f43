/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written is read back the same: random tensors of random types and shapes go through an
 * answer, which reads as a request once "outputs" is called "inputs".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/strbuf.h"
#include "base/test.h"
#include "net/oip_fixture.h"

enum { TENSORS_MAX = 5, ROUNDS = 400 };

struct trip {
    struct fixture f;
    struct rng rng;
    struct tensor tensors[TENSORS_MAX];
    struct oip_request request; /* which says how to write */
};

static const float hard_floats[] = {0.0F,        -0.0F, 1e-45F,      3.4028235e38F, 1.17549435e-38F,
                                    16777216.0F, 0.1F,  8.5899346e9F};

static void float_fill(struct trip *t, char *out)
{
    float value;
    do {
        uint32_t bits = (uint32_t)rng_next(&t->rng);
        memcpy(&value, &bits, sizeof(value));
    } while (!isfinite(value));
    if (rng_below(&t->rng, 4) == 0)
        value = hard_floats[rng_below(&t->rng, sizeof(hard_floats) / sizeof(float))];
    memcpy(out, &value, sizeof(value));
}

static void double_fill(struct trip *t, char *out)
{
    double value;
    do {
        uint64_t bits = rng_next(&t->rng);
        memcpy(&value, &bits, sizeof(value));
    } while (!isfinite(value));
    memcpy(out, &value, sizeof(value));
}

static void strings_fill(struct trip *t, struct tensor *tensor, uint64_t elements)
{
    static const char alphabet[] = "a\"\\\n\0\x7F{]";
    struct strbuf out;
    strbuf_init(&out);
    for (uint64_t i = 0; i < elements; i++) {
        uint32_t length = (uint32_t)rng_below(&t->rng, 6);
        strbuf_append(&out, &length, sizeof(length));
        for (uint32_t at = 0; at < length; at++)
            strbuf_putc(&out, alphabet[rng_below(&t->rng, sizeof(alphabet) - 1)]);
    }
    tensor->bytes = out.length;
    tensor->data = strbuf_take(&out);
}

static void tensor_fill(struct trip *t, struct tensor *tensor)
{
    uint64_t elements = 0;
    assert_true(shape_elements(&tensor->shape, &elements));
    if (tensor->dtype == DTYPE_BYTES) {
        strings_fill(t, tensor, elements);
        return;
    }
    size_t size = dtype_bytes(tensor->dtype);
    tensor->bytes = (size_t)elements * size;
    tensor->data = calloc((size_t)elements + 1, size);
    assert_non_null(tensor->data);
    for (uint64_t i = 0; i < elements; i++) {
        char *out = (char *)tensor->data + i * size;
        uint64_t bits = rng_next(&t->rng) >> rng_below(&t->rng, 64);
        if (tensor->dtype == DTYPE_FP32)
            float_fill(t, out);
        else if (tensor->dtype == DTYPE_FP64)
            double_fill(t, out);
        else if (tensor->dtype == DTYPE_BOOL)
            *out = (char)(bits & 1);
        else
            memcpy(out, &bits, size);
    }
}

static void trip_init(struct trip *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    fixture_init(&t->f, 0);
    rng_seed(&t->rng, seed);
    unsigned count = 1 + (unsigned)rng_below(&t->rng, TENSORS_MAX);
    for (unsigned i = 0; i < count; i++) {
        char name[8] = {'t', (char)('0' + i)};
        struct tensor *tensor = &t->tensors[i];
        tensor->dtype = (enum dtype)(DTYPE_BOOL + (int)rng_below(&t->rng, DTYPE_COUNT - 1));
        tensor->shape.rank = (unsigned)rng_below(&t->rng, 5);
        for (unsigned dim = 0; dim < tensor->shape.rank; dim++)
            tensor->shape.dims[dim] = (int64_t)rng_below(&t->rng, 5);
        tensor_fill(t, tensor);
        fixture_input(&t->f, name, tensor->dtype, tensor->shape);
        fixture_output(&t->f, name, tensor->dtype, tensor->shape);
        bool half = tensor->dtype == DTYPE_FP16 || tensor->dtype == DTYPE_BF16;
        t->request.outputs[i].wanted = true;
        t->request.outputs[i].binary = half || rng_below(&t->rng, 2) == 0;
        t->request.output_order[t->request.outputs_wanted++] = i;
    }
    for (unsigned i = count - 1; i > 0; i--) {
        unsigned other = (unsigned)rng_below(&t->rng, i + 1);
        unsigned moved = t->request.output_order[i];
        t->request.output_order[i] = t->request.output_order[other];
        t->request.output_order[other] = moved;
    }
}

static void trip_fini(struct trip *t)
{
    for (unsigned i = 0; i < t->f.io.input_count; i++)
        free(t->tensors[i].data);
    fixture_fini(&t->f);
}

/* The answer as a request body: head and blobs. */
static void answer_make(struct trip *t, struct strbuf *head, struct strbuf *blobs)
{
    struct oip_response response = {
        .model = &t->f.model, .request = &t->request, .outputs = t->tensors};
    struct oip_part parts[MODEL_TENSORS_MAX];
    struct strbuf scratch;
    size_t part_count = 0;
    size_t header_length = 0;
    strbuf_init(&scratch);
    assert_int_equal(oip_write_infer(&response, head, &scratch, parts, &part_count, &header_length,
                                     &t->f.detail),
                     ROOST_OK);
    for (size_t i = 0; i < part_count; i++)
        strbuf_append(blobs, parts[i].data, parts[i].bytes);
    assert_int_equal(header_length, blobs->length > 0 ? head->length : 0);
    char *outputs = strstr(head->data, "\"outputs\"");
    assert_non_null(outputs);
    memcpy(outputs, "\"inputs\" ", 9);
    /* Else the model's own outputs would be asked for, as JSON. */
    head->data[head->length - 1] = ' ';
    strbuf_puts(head, ",\"parameters\":{\"binary_data_output\":true}}");
    strbuf_fini(&scratch);
}

static void there_and_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct trip t;
        struct strbuf head;
        struct strbuf blobs;
        trip_init(&t, seed);
        strbuf_init(&head);
        strbuf_init(&blobs);
        answer_make(&t, &head, &blobs);
        assert_int_equal(fixture_parse_binary(&t.f, strbuf_text(&head), blobs.data, blobs.length,
                                              (size_t)rng_below(&t.rng, 64)),
                         ROOST_OK);
        for (unsigned i = 0; i < t.f.io.input_count; i++) {
            const struct tensor *got = &t.f.request.inputs[i];
            assert_int_equal(got->dtype, t.tensors[i].dtype);
            assert_true(shape_equal(&got->shape, &t.tensors[i].shape));
            assert_int_equal(got->bytes, t.tensors[i].bytes);
            assert_memory_equal(got->data, t.tensors[i].data, got->bytes);
        }
        strbuf_fini(&head);
        strbuf_fini(&blobs);
        trip_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
