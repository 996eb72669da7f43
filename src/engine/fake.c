/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fake.h"

#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "engine/fake_element.h"
#include "engine/fake_program.h"

/* Short against the shortest service time that makes sense, long against reading the clock. */
enum { BURN_STEPS = 1000, PAGE_BYTES = 4096, LENGTH_BYTES = 4, SUM_TEXT_BYTES_MAX = 32 };

#define FAKE_VERSION "1.0.0"

struct engine_session {
    struct fake_program program;
    char *memory; /* of memory_mb */
    size_t memory_bytes;
    atomic_uint_fast64_t runs;
};

/* Memory of an output that the engine allocates; grows and is kept. */
struct room {
    void *data;
    size_t bytes;
};

struct engine_context {
    struct engine_session *session;
    _Atomic uint32_t terminated; /* a futex: runs that sleep wait on it */
    struct room sums;            /* double per row */
    struct room outputs[MODEL_TENSORS_MAX];
};

static bool opened;

static enum roost_err fake_open(const char *library, struct detail *detail)
{
    (void)library;
    (void)detail;
    opened = true;
    return ROOST_OK;
}

static const char *fake_version(void)
{
    return opened ? FAKE_VERSION : "";
}

static enum roost_err fake_optimise(const char *path, const char *directory, struct detail *detail)
{
    (void)directory;
    return detail_set(detail, ROOST_UNSUPPORTED, "%s: a fake model cannot be optimised", path);
}

/* Burns `ns` of this thread's CPU time; returns early when the flag (optional) is set. */
static void burn(uint64_t ns, _Atomic uint32_t *flag)
{
    uint64_t end_ns = clock_thread_cpu_ns() + ns;
    volatile uint64_t sink = 0;
    while (ns > 0 && clock_thread_cpu_ns() < end_ns) {
        for (unsigned i = 0; i < BURN_STEPS; i++)
            sink = sink + i;
        if (flag != NULL && atomic_load_explicit(flag, memory_order_relaxed) != 0)
            return;
    }
}

/*
 * Sleeps until the time is over or the flag is set. A futex and not nanosleep, so that terminate
 * ends it at once and a host's system call filter needs nothing more. UINT64_MAX: for ever.
 */
static void doze(uint64_t ns, _Atomic uint32_t *flag)
{
    bool endless = ns == UINT64_MAX;
    uint64_t end_ns = endless ? 0 : clock_now_ns() + ns;
    struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                           .tv_nsec = (long)(end_ns % NS_PER_S)};
    while (atomic_load(flag) == 0 && (endless || clock_now_ns() < end_ns))
        (void)syscall(SYS_futex, flag, FUTEX_WAIT_BITSET_PRIVATE, 0, endless ? NULL : &end, NULL,
                      FUTEX_BITSET_MATCH_ANY);
}

static enum roost_err memory_take(struct engine_session *session, struct detail *detail)
{
    size_t bytes = (size_t)session->program.memory_mb << 20;
    if (bytes == 0)
        return ROOST_OK;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for memory_mb %llu",
                          (unsigned long long)session->program.memory_mb);
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        memory[at] = 1;
    session->memory = memory;
    session->memory_bytes = bytes;
    return ROOST_OK;
}

static void fake_unload(struct engine_session *session)
{
    if (session == NULL)
        return;
    if (session->memory != NULL)
        (void)munmap(session->memory, session->memory_bytes);
    free(session);
    (void)malloc_trim(0);
}

static enum roost_err fake_load(const char *path, const struct engine_load_options *options,
                                struct engine_session **session, struct detail *detail)
{
    _Atomic uint32_t never = 0;
    *session = NULL;
    struct engine_session *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for a session", path);
    enum roost_err err = fake_program_read(path, options->settings, &made->program, detail);
    if (err == ROOST_OK) {
        doze(made->program.load_ms * NS_PER_MS, &never);
        burn(made->program.load_burn_ms * NS_PER_MS, NULL);
        err = memory_take(made, detail);
    }
    if (err == ROOST_OK && made->program.fail_load[0] != '\0')
        err = detail_set(detail, ROOST_INVALID, "%s: %s", path, made->program.fail_load);
    if (err != ROOST_OK) {
        fake_unload(made);
        return err;
    }
    *session = made;
    return ROOST_OK;
}

static void fake_describe(const struct engine_session *session, struct model_io *io)
{
    *io = session->program.io;
}

static void fake_metadata(const struct engine_session *session, struct engine_metadata *metadata)
{
    metadata->mflops_x1000 = (uint64_t)(session->program.mflops * 1000 + 0.5);
    metadata->accuracy = session->program.accuracy;
}

static enum roost_err fake_context_open(struct engine_session *session,
                                        struct engine_context **context, struct detail *detail)
{
    *context = calloc(1, sizeof(**context));
    if (*context == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for a context");
    (*context)->session = session;
    return ROOST_OK;
}

static void fake_context_close(struct engine_context *context)
{
    if (context == NULL)
        return;
    for (unsigned i = 0; i < MODEL_TENSORS_MAX; i++)
        free(context->outputs[i].data);
    free(context->sums.data);
    free(context);
}

static bool room_reserve(struct room *room, size_t bytes)
{
    if (room->data != NULL && room->bytes >= bytes)
        return true;
    void *data = realloc(room->data, bytes > 0 ? bytes : 1);
    if (data == NULL)
        return false;
    room->data = data;
    room->bytes = bytes;
    return true;
}

static enum roost_err input_check(const struct tensor_spec *spec, const struct tensor *input,
                                  struct detail *detail)
{
    char is[128];
    char wants[128];
    uint64_t elements;
    if (input->data == NULL)
        return spec->optional
                   ? ROOST_OK
                   : detail_set(detail, ROOST_INVALID, "input \"%s\" is missing", spec->name);
    if (input->dtype != spec->dtype)
        return detail_set(detail, ROOST_INVALID, "input \"%s\" is %s, the model takes %s",
                          spec->name, dtype_name(input->dtype), dtype_name(spec->dtype));
    if (!shape_matches(&spec->shape, &input->shape) || !shape_elements(&input->shape, &elements))
        return detail_set(detail, ROOST_INVALID, "input \"%s\" has shape %s, the model takes %s",
                          spec->name, shape_format(&input->shape, is, sizeof(is)),
                          shape_format(&spec->shape, wants, sizeof(wants)));
    bool whole = input->dtype == DTYPE_BYTES
                     ? tensor_bytes_valid(input->data, input->bytes, elements)
                     : input->bytes / dtype_bytes(input->dtype) >= elements;
    return whole
               ? ROOST_OK
               : detail_set(detail, ROOST_INVALID, "input \"%s\": %zu bytes do not hold shape %s",
                            spec->name, input->bytes, shape_format(&input->shape, is, sizeof(is)));
}

static uint64_t rows_of(const struct fake_program *program, const struct tensor *input)
{
    const struct shape *pattern = &program->io.inputs[0].shape;
    bool batched = pattern->rank > 0 && pattern->dims[0] == -1;
    return batched && input->data != NULL ? (uint64_t)input->shape.dims[0] : 1;
}

/* The sum of the bytes of `elements` strings from *at on, which is moved behind them. */
static double strings_sum(const unsigned char **at, uint64_t elements)
{
    double sum = 0;
    for (uint64_t i = 0; i < elements; i++) {
        uint32_t length;
        memcpy(&length, *at, sizeof(length));
        *at += sizeof(length);
        for (uint32_t c = 0; c < length; c++)
            sum += (*at)[c];
        *at += length;
    }
    return sum;
}

/* What each row's answer is: the sum of its elements of the first input. */
static bool rows_sum(struct engine_context *context, const struct tensor *input, uint64_t rows)
{
    uint64_t elements = 0;
    if (rows > SIZE_MAX / sizeof(double) || !room_reserve(&context->sums, rows * sizeof(double)))
        return false;
    double *sums = context->sums.data;
    if (input->data != NULL)
        (void)shape_elements(&input->shape, &elements);
    uint64_t per_row = rows > 0 ? elements / rows : 0;
    const unsigned char *at = input->data;
    for (uint64_t row = 0; row < rows; row++)
        sums[row] = input->dtype == DTYPE_BYTES
                        ? strings_sum(&at, per_row)
                        : element_sum(input->dtype, input->data, row * per_row, per_row);
    return true;
}

static struct shape output_shape(const struct tensor_spec *spec, const struct tensor *input,
                                 uint64_t rows)
{
    struct shape shape = spec->shape;
    for (unsigned i = 0; i < shape.rank; i++) {
        if (shape.dims[i] != -1)
            continue;
        bool known = input->data != NULL && i < input->shape.rank;
        shape.dims[i] = i == 0 ? (int64_t)rows : known ? input->shape.dims[i] : 1;
    }
    return shape;
}

/* Which row's sum an element has: that of its own row where the output has as many, else the
 * first's. */
static double answer_of(const struct engine_context *context, const struct shape *shape,
                        uint64_t elements, uint64_t rows, uint64_t element)
{
    const double *sums = context->sums.data;
    bool by_row = shape->rank > 0 && (uint64_t)shape->dims[0] == rows;
    return rows == 0 ? 0 : sums[by_row ? element / (elements / rows) : 0];
}

static enum roost_err text_write(struct engine_context *context, unsigned index,
                                 struct tensor *output, uint64_t elements, uint64_t rows,
                                 const struct tensor *input, struct detail *detail)
{
    struct room *room = &context->outputs[index];
    uint64_t given = 0;
    bool echo = context->session->program.echoes && input->dtype == DTYPE_BYTES &&
                input->data != NULL && shape_elements(&input->shape, &given) && given == elements;
    size_t bytes_max = echo ? input->bytes : elements * (LENGTH_BYTES + SUM_TEXT_BYTES_MAX);
    if (elements > SIZE_MAX / (2 * SUM_TEXT_BYTES_MAX) || !room_reserve(room, bytes_max))
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for an output");
    char *at = room->data;
    if (echo) {
        memcpy(at, input->data, input->bytes);
        at += input->bytes;
    }
    for (uint64_t i = 0; i < elements && !echo; i++) {
        double answer = answer_of(context, &output->shape, elements, rows, i);
        int length = snprintf(at + LENGTH_BYTES, SUM_TEXT_BYTES_MAX, "%.17g", answer);
        uint32_t prefix = (uint32_t)length;
        memcpy(at, &prefix, sizeof(prefix));
        at += LENGTH_BYTES + length;
    }
    output->data = room->data;
    output->bytes = (size_t)(at - (char *)room->data);
    return ROOST_OK;
}

static void numbers_write(const struct engine_context *context, struct tensor *output,
                          uint64_t elements, uint64_t rows, const struct tensor *input)
{
    if (context->session->program.echoes && input->data != NULL && input->bytes > 0) {
        for (size_t at = 0; at < output->bytes; at += input->bytes) {
            size_t left = output->bytes - at;
            memcpy((char *)output->data + at, input->data,
                   left < input->bytes ? left : input->bytes);
        }
        return;
    }
    for (uint64_t i = 0; i < elements; i++)
        element_put(output->dtype, output->data, i,
                    answer_of(context, &output->shape, elements, rows, i));
}

static enum roost_err output_write(struct engine_context *context, unsigned index,
                                   const struct tensor *input, uint64_t rows, struct tensor *output,
                                   struct detail *detail)
{
    const struct tensor_spec *spec = &context->session->program.io.outputs[index];
    struct shape shape = output_shape(spec, input, rows);
    char is[128];
    char wanted[128];
    uint64_t elements;
    if (!shape_elements(&shape, &elements) || elements > SIZE_MAX / sizeof(double))
        return detail_set(detail, ROOST_INTERNAL, "output \"%s\" is too large", spec->name);
    bool given = output->data != NULL && spec->dtype != DTYPE_BYTES && shape.rank > 0;
    size_t bytes = elements * dtype_bytes(spec->dtype);
    if (given && (!shape_equal(&shape, &output->shape) || output->bytes < bytes ||
                  output->dtype != spec->dtype))
        return detail_set(detail, ROOST_INTERNAL,
                          "output \"%s\" is %s %s, its buffer is for %s %s of %zu bytes",
                          spec->name, dtype_name(spec->dtype), shape_format(&shape, is, sizeof(is)),
                          dtype_name(output->dtype),
                          shape_format(&output->shape, wanted, sizeof(wanted)), output->bytes);
    output->dtype = spec->dtype;
    output->shape = shape;
    if (spec->dtype == DTYPE_BYTES)
        return text_write(context, index, output, elements, rows, input, detail);
    if (!given) {
        if (!room_reserve(&context->outputs[index], bytes))
            return detail_set(detail, ROOST_NO_MEMORY, "no memory for output \"%s\"", spec->name);
        output->data = context->outputs[index].data;
    }
    output->bytes = bytes;
    numbers_write(context, output, elements, rows, input);
    return ROOST_OK;
}

/* Takes the programmed time; the faults that end a process or a run happen here. */
static void serve(struct engine_context *context, const struct tensor *input, uint64_t rows,
                  uint64_t number)
{
    const struct fake_program *program = &context->session->program;
    uint64_t elements = 0;
    bool poisonable = program->crashes_on_value && input->data != NULL &&
                      input->dtype != DTYPE_BYTES && shape_elements(&input->shape, &elements) &&
                      elements > 0;
    if (poisonable && element_get(input->dtype, input->data, 0) == program->crash_value)
        abort();
    if (program->crash_after == number)
        abort();
    if (program->hang_after == number)
        doze(UINT64_MAX, &context->terminated);

    double us = program->service_us + program->service_us_per_row * (double)rows;
    if (program->jitter_percent > 0) {
        struct rng rng;
        rng_seed(&rng, program->jitter_seed ^ number << 20);
        us *= 1 + program->jitter_percent / 100 * (2 * rng_uniform(&rng) - 1);
    }
    uint64_t ns = (uint64_t)(us * NS_PER_US);
    if (ns > 0 && program->sleeps)
        doze(ns, &context->terminated);
    else if (ns > 0)
        burn(ns, &context->terminated);
}

static enum roost_err fake_run(struct engine_context *context, const struct tensor *inputs,
                               struct tensor *outputs, struct detail *detail)
{
    const struct fake_program *program = &context->session->program;
    enum roost_err err = ROOST_OK;
    atomic_store(&context->terminated, 0);
    for (unsigned i = 0; i < program->io.input_count && err == ROOST_OK; i++)
        err = input_check(&program->io.inputs[i], &inputs[i], detail);
    if (err != ROOST_OK)
        return err;

    uint64_t number = atomic_fetch_add(&context->session->runs, 1) + 1;
    uint64_t rows = rows_of(program, &inputs[0]);
    serve(context, &inputs[0], rows, number);
    if (atomic_load(&context->terminated) != 0)
        return detail_set(detail, ROOST_CANCELLED, "the run was cancelled");
    if (program->fail_every > 0 && number % program->fail_every == 0)
        return detail_set(detail, ROOST_INTERNAL, "run %llu fails as programmed",
                          (unsigned long long)number);
    if (!program->echoes && !rows_sum(context, &inputs[0], rows))
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the rows' sums");
    for (unsigned i = 0; i < program->io.output_count && err == ROOST_OK; i++) {
        if (outputs[i].dtype != DTYPE_INVALID)
            err = output_write(context, i, &inputs[0], rows, &outputs[i], detail);
    }
    return err;
}

static void fake_terminate(struct engine_context *context)
{
    atomic_store(&context->terminated, 1);
    (void)syscall(SYS_futex, &context->terminated, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* It keeps nothing between runs. */
static void fake_rest(struct engine_context *context)
{
    (void)context;
}

const struct engine_ops engine_fake = {
    .name = "fake",
    .summary = "Programmed service time, memory and faults",
    .open = fake_open,
    .version = fake_version,
    .optimise = fake_optimise,
    .load = fake_load,
    .unload = fake_unload,
    .describe = fake_describe,
    .metadata = fake_metadata,
    .context_open = fake_context_open,
    .context_close = fake_context_close,
    .run = fake_run,
    .terminate = fake_terminate,
    .rest = fake_rest,
};
