/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an image of 150,528 floats takes from JSON to a tensor, and back to JSON.
 *
 *   json_parse [RUNS]
 *
 * Flat and nested data alternate; the figure is the median of the slower kind. Numbers have the
 * shortest form of a float (10 bytes); clients that print floats as doubles send twice as much,
 * which is measured too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "net/oip.h"

enum { CHANNELS = 3, SIDE = 224, FLOATS = CHANNELS * SIDE * SIDE, RUNS_MAX = 1000 };

static const double bound_ms = 5.0;

enum kind { FLAT, NESTED, LONG_FLAT, KINDS };

static const char *const kind_names[KINDS] = {"flat", "nested", "flat, as doubles"};

struct bench {
    struct model_io io;
    struct oip_model model;
    struct oip_request request;
    float *image;  /* what was sent */
    float *tensor; /* what was read */
    struct strbuf bodies[KINDS];
};

static enum roost_err tensor_allocate(void *user, size_t bytes, void **memory,
                                      struct detail *detail)
{
    struct bench *bench = user;
    if (bytes != FLOATS * sizeof(float))
        return detail_set(detail, ROOST_TOO_LARGE, "%zu bytes are no image", bytes);
    *memory = bench->tensor;
    return ROOST_OK;
}

static void row_write(struct json_writer *json, const float *row, size_t count, bool as_doubles)
{
    for (size_t i = 0; i < count && as_doubles; i++)
        json_double(json, (double)row[i]);
    if (!as_doubles)
        json_float_items(json, row, count);
}

static void body_write(struct bench *bench, enum kind kind)
{
    struct json_writer json;
    struct strbuf *out = &bench->bodies[kind];
    strbuf_init(out);
    strbuf_puts(out, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\","
                     "\"shape\":[1,3,224,224],\"data\":");
    json_writer_init(&json, out);
    json_begin_array(&json);
    if (kind == NESTED) {
        json_begin_array(&json);
        for (size_t row = 0; row < CHANNELS * SIDE; row++) {
            if (row % SIDE == 0)
                json_begin_array(&json);
            json_float_array(&json, bench->image + row * SIDE, SIDE);
            if (row % SIDE == SIDE - 1)
                json_end_array(&json);
        }
        json_end_array(&json);
    } else {
        row_write(&json, bench->image, FLOATS, kind == LONG_FLAT);
    }
    json_end_array(&json);
    strbuf_puts(out, "}]}");
}

static int bench_init(struct bench *bench)
{
    struct rng rng;
    memset(bench, 0, sizeof(*bench));
    bench->io.input_count = bench->io.output_count = 1;
    bench->io.inputs[0] = (struct tensor_spec){
        .name = "x", .dtype = DTYPE_FP32, .shape = {4, {-1, CHANNELS, SIDE, SIDE}}};
    bench->io.outputs[0] = bench->io.inputs[0];
    bench->model = (struct oip_model){
        .name = "image", .version = "1", .max_batch_size = 8, .io = &bench->io};
    bench->image = calloc(FLOATS, sizeof(float));
    bench->tensor = aligned_alloc(64, FLOATS * sizeof(float));
    if (bench->image == NULL || bench->tensor == NULL)
        return -1;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < FLOATS; i++)
        bench->image[i] = (float)rng_uniform(&rng);
    for (int kind = 0; kind < KINDS; kind++) {
        body_write(bench, (enum kind)kind);
        if (bench->bodies[kind].failed)
            return -1;
    }
    return 0;
}

/* Milliseconds of one parse; negative when the tensor is not the image. */
static double parse_run(struct bench *bench, enum kind kind)
{
    struct oip_body body = {.data = bench->bodies[kind].data, .bytes = bench->bodies[kind].length};
    struct detail detail = {""};
    memset(bench->tensor, 0, FLOATS * sizeof(float));
    uint64_t begin_ns = clock_now_ns();
    enum roost_err err = oip_parse_infer(&bench->model, &body, false, tensor_allocate, bench,
                                         &bench->request, &detail);
    uint64_t end_ns = clock_now_ns();
    if (err != ROOST_OK || memcmp(bench->tensor, bench->image, FLOATS * sizeof(float)) != 0) {
        fprintf(stderr, "json_parse: %s: %s\n", kind_names[kind], detail.text);
        return -1;
    }
    return (double)(end_ns - begin_ns) / 1e6;
}

static double write_run(struct bench *bench)
{
    struct oip_response response = {
        .model = &bench->model, .request = &bench->request, .outputs = bench->request.inputs};
    struct oip_part parts[MODEL_TENSORS_MAX];
    struct strbuf head;
    struct strbuf scratch;
    size_t part_count = 0;
    size_t header_length = 0;
    strbuf_init(&head);
    strbuf_init(&scratch);
    uint64_t begin_ns = clock_now_ns();
    enum roost_err err = oip_write_infer(&response, &head, &scratch, parts, &part_count,
                                         &header_length, NULL);
    uint64_t end_ns = clock_now_ns();
    strbuf_fini(&head);
    strbuf_fini(&scratch);
    return err == ROOST_OK ? (double)(end_ns - begin_ns) / 1e6 : -1;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), double_compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static struct bench bench;
    static double parse_ms[KINDS][RUNS_MAX];
    static double write_ms[RUNS_MAX];
    size_t runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 51;
    if (runs == 0 || runs > RUNS_MAX || bench_init(&bench) != 0) {
        fprintf(stderr, "usage: json_parse [RUNS], at most %d\n", RUNS_MAX);
        return 2;
    }
    for (size_t run = 0; run < runs; run++) {
        for (int kind = 0; kind < KINDS; kind++) {
            parse_ms[kind][run] = parse_run(&bench, (enum kind)kind);
            if (parse_ms[kind][run] < 0)
                return 1;
        }
        write_ms[run] = write_run(&bench);
        if (write_ms[run] < 0)
            return 1;
    }
    double ms[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        ms[kind] = median(parse_ms[kind], runs);
        printf("parse %s: %zu bytes, median %.2f ms (%.2f..%.2f)\n", kind_names[kind],
               bench.bodies[kind].length, ms[kind], parse_ms[kind][0], parse_ms[kind][runs - 1]);
    }
    printf("write: median %.2f ms\n", median(write_ms, runs));
    double worst = ms[FLAT] > ms[NESTED] ? ms[FLAT] : ms[NESTED];
    printf("figure json_150528_floats_ms %.2f <=%.0f %s\n", worst, bound_ms,
           worst <= bound_ms ? "ok" : "short");
    return 0;
}
