/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch on one worker. A single piece that lies aligned is given to the engine where it is;
 * several are joined in scratch memory. Outputs whose size is known beforehand are written by the
 * engine straight into the slot's part of the output memory; others are copied there.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/clock.h"
#include "host/serving.h"

enum { TENSOR_ALIGNMENT = 64, SCRATCH_KEEP_BYTES = 1 << 20, SCRATCH_WINDOW_RUNS = 256 };

struct batch_job {
    struct serving *serving;
    struct region_slot *slot;
    unsigned char *output_base; /* of the slot's part of the output memory */
    size_t output_used;
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct tensor outputs[MODEL_TENSORS_MAX];
    struct detail detail;
};

/* ---- scratch ------------------------------------------------------------------------------ */

void scratch_free(struct scratch *scratch)
{
    if (scratch->data != NULL)
        munmap(scratch->data, scratch->capacity);
    scratch->data = NULL;
    scratch->capacity = 0;
}

static unsigned char *scratch_reserve(struct scratch *scratch, size_t bytes)
{
    if (bytes > scratch->used_max)
        scratch->used_max = bytes;
    if (bytes <= scratch->capacity)
        return scratch->data;
    size_t capacity = (bytes + bytes / 4 + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES *
                      REGION_PAGE_BYTES;
    scratch_free(scratch);
    void *data = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return NULL;
    scratch->data = data;
    scratch->capacity = capacity;
    return data;
}

void scratch_trim(struct scratch *scratch, bool idle)
{
    scratch->runs++;
    bool window_ends = scratch->runs >= SCRATCH_WINDOW_RUNS;
    bool oversized = scratch->capacity > SCRATCH_KEEP_BYTES &&
                     (idle || (window_ends && scratch->capacity / 2 > scratch->used_max));
    if (oversized)
        scratch_free(scratch);
    if (window_ends || idle) {
        scratch->runs = 0;
        scratch->used_max = 0;
    }
}

/* ---- inputs ------------------------------------------------------------------------------- */

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static const struct link_piece *job_pieces(const struct batch_job *job, unsigned input)
{
    return job->slot->pieces + (size_t)input * job->slot->batch.piece_count;
}

/* Adds up the pieces and says whether they already lie one behind the other, aligned. */
static enum roost_err input_measure(struct batch_job *job, unsigned input, bool *in_place)
{
    const struct link_piece *pieces = job_pieces(job, input);
    struct tensor *tensor = &job->inputs[input];
    size_t element = dtype_bytes(tensor->dtype);
    tensor->bytes = 0;
    *in_place = element == 0 || pieces[0].offset % element == 0;
    for (unsigned p = 0; p < job->slot->batch.piece_count; p++) {
        if (pieces[p].offset > job->serving->inputs_length ||
            pieces[p].bytes > job->serving->inputs_length - pieces[p].offset)
            return detail_set(&job->detail, ROOST_INTERNAL,
                              "input \"%s\": piece %u lies outside of the input memory",
                              job->serving->io.inputs[input].name, p);
        if (pieces[p].offset != pieces[0].offset + tensor->bytes)
            *in_place = false;
        tensor->bytes += pieces[p].bytes;
    }
    uint64_t elements;
    if (!shape_elements(&tensor->shape, &elements) ||
        (element != 0 && elements * element != tensor->bytes))
        return detail_set(&job->detail, ROOST_INTERNAL,
                          "input \"%s\": the pieces have %zu bytes, the shape needs others",
                          job->serving->io.inputs[input].name, tensor->bytes);
    return ROOST_OK;
}

static void input_join(struct batch_job *job, unsigned input, unsigned char *to)
{
    const struct link_piece *pieces = job_pieces(job, input);
    job->inputs[input].data = to;
    for (unsigned p = 0; p < job->slot->batch.piece_count; p++) {
        memcpy(to, job->serving->inputs + pieces[p].offset, pieces[p].bytes);
        to += pieces[p].bytes;
    }
}

static enum roost_err job_inputs(struct batch_job *job, struct scratch *scratch)
{
    const struct region_batch *batch = &job->slot->batch;
    uint64_t joined = 0; /* bit per input that must be joined */
    size_t needed = 0;
    if (batch->input_count != job->serving->io.input_count)
        return detail_set(&job->detail, ROOST_INTERNAL, "the batch has %u inputs, the model %u",
                          batch->input_count, job->serving->io.input_count);
    for (unsigned i = 0; i < batch->input_count; i++) {
        const struct region_input *input = &batch->inputs[i];
        struct tensor *tensor = &job->inputs[i];
        *tensor = (struct tensor){.dtype = (enum dtype)input->dtype, .shape.rank = input->rank};
        if (tensor->dtype == DTYPE_INVALID)
            continue;
        memcpy(tensor->shape.dims, input->dims, sizeof tensor->shape.dims);
        bool in_place;
        enum roost_err err = input_measure(job, i, &in_place);
        if (err != ROOST_OK)
            return err;
        tensor->data = (void *)(uintptr_t)(job->serving->inputs + job_pieces(job, i)[0].offset);
        if (!in_place) {
            joined |= UINT64_C(1) << i;
            needed += align_up(tensor->bytes, TENSOR_ALIGNMENT);
        }
    }
    if (joined == 0)
        return ROOST_OK;
    unsigned char *to = scratch_reserve(scratch, needed + TENSOR_ALIGNMENT);
    if (to == NULL)
        return detail_set(&job->detail, ROOST_INTERNAL,
                          "no memory for joining the requests of a batch (%zu bytes)", needed);
    for (unsigned i = 0; i < batch->input_count; i++) {
        if ((joined >> i & 1) == 0)
            continue;
        input_join(job, i, to);
        to += align_up(job->inputs[i].bytes, TENSOR_ALIGNMENT);
    }
    return ROOST_OK;
}

/* ---- outputs ------------------------------------------------------------------------------ */

bool output_shape(const struct serving *serving, unsigned output, uint64_t rows,
                  struct shape *shape)
{
    const struct tensor_spec *spec = &serving->io.outputs[output];
    uint64_t elements;
    if (spec->dtype == DTYPE_BYTES || atomic_load(&serving->dynamic[output]))
        return false;
    *shape = spec->shape;
    if (shape->rank > 0 && shape->dims[0] < 0 && serving->spec.max_batch_size > 0)
        shape->dims[0] = (int64_t)rows;
    return shape_elements(shape, &elements);
}

static enum roost_err output_too_large(struct batch_job *job, unsigned output, size_t bytes)
{
    return detail_set(&job->detail, ROOST_TOO_LARGE,
                      "output \"%s\" has %zu bytes, and of the %llu bytes for the outputs of one "
                      "batch %zu are taken: raise the tenant's output limit or send fewer rows",
                      job->serving->io.outputs[output].name, bytes,
                      (unsigned long long)job->serving->region->output_stride_bytes,
                      job->output_used);
}

/* A place of this size in the slot's part of the output memory; NULL when it is full. */
static unsigned char *output_place(struct batch_job *job, size_t bytes)
{
    size_t limit = job->serving->region->output_stride_bytes;
    size_t offset = align_up(job->output_used, TENSOR_ALIGNMENT);
    if (offset > limit || bytes > limit - offset)
        return NULL;
    job->output_used = offset + bytes;
    return job->output_base + offset;
}

/* Prepares the outputs; with `place`, those of known size get their place at once. */
static enum roost_err job_outputs(struct batch_job *job, bool place)
{
    const struct region_batch *batch = &job->slot->batch;
    job->output_used = 0;
    for (unsigned o = 0; o < job->serving->io.output_count; o++) {
        struct tensor *tensor = &job->outputs[o];
        *tensor = (struct tensor){.dtype = DTYPE_INVALID};
        if ((batch->outputs_wanted >> o & 1) == 0)
            continue;
        tensor->dtype = job->serving->io.outputs[o].dtype;
        uint64_t elements;
        if (!place || !output_shape(job->serving, o, batch->rows, &tensor->shape))
            continue;
        (void)shape_elements(&tensor->shape, &elements);
        size_t element = dtype_bytes(tensor->dtype);
        bool fits = elements <= SIZE_MAX / element;
        tensor->bytes = fits ? elements * element : SIZE_MAX;
        tensor->data = fits ? output_place(job, tensor->bytes) : NULL;
        if (tensor->data == NULL)
            return output_too_large(job, o, tensor->bytes);
    }
    return ROOST_OK;
}

static bool output_is_placed(const struct batch_job *job, const struct tensor *tensor)
{
    const unsigned char *data = tensor->data;
    return data >= job->output_base &&
           data < job->output_base + job->serving->region->output_stride_bytes;
}

/* Brings the outputs that the engine allocated to their place and writes all into the result. */
static enum roost_err job_result(struct batch_job *job)
{
    struct region_result *result = &job->slot->result;
    result->output_count = job->serving->io.output_count;
    for (unsigned o = 0; o < result->output_count; o++) {
        struct tensor *tensor = &job->outputs[o];
        struct region_output *to = &result->outputs[o];
        to->dtype = DTYPE_INVALID;
        if ((job->slot->batch.outputs_wanted >> o & 1) == 0)
            continue;
        if (!output_is_placed(job, tensor)) {
            unsigned char *place = output_place(job, tensor->bytes);
            if (place == NULL)
                return output_too_large(job, o, tensor->bytes);
            if (tensor->bytes > 0)
                memcpy(place, tensor->data, tensor->bytes);
            tensor->data = place;
        }
        to->dtype = (uint32_t)tensor->dtype;
        to->rank = tensor->shape.rank;
        memcpy(to->dims, tensor->shape.dims, sizeof to->dims);
        to->offset = (uint64_t)((unsigned char *)tensor->data - job->output_base);
        to->bytes = tensor->bytes;
    }
    return ROOST_OK;
}

/* ---- running ------------------------------------------------------------------------------ */

/* After a run whose outputs were left to the engine: remembers those that the graph describes
 * wrongly. True when there is one. */
static bool job_learn(struct batch_job *job)
{
    bool learnt = false;
    for (unsigned o = 0; o < job->serving->io.output_count; o++) {
        struct shape expected;
        if ((job->slot->batch.outputs_wanted >> o & 1) != 0 &&
            output_shape(job->serving, o, job->slot->batch.rows, &expected) &&
            !shape_equal(&expected, &job->outputs[o].shape)) {
            atomic_store(&job->serving->dynamic[o], true);
            learnt = true;
        }
    }
    return learnt;
}

static enum roost_err job_run(struct batch_job *job, struct engine_context *context)
{
    struct serving *serving = job->serving;
    enum roost_err err = job_outputs(job, true);
    if (err != ROOST_OK)
        return err;
    err = serving->engine->run(context, job->inputs, job->outputs, &job->detail);
    if (err == ROOST_OK) {
        if (job->slot->batch.rows > 1 && !atomic_load(&serving->shapes_proven))
            atomic_store(&serving->shapes_proven, true);
        return ROOST_OK;
    }
    if (err == ROOST_CANCELLED || atomic_load(&serving->shapes_proven))
        return err;
    /* Perhaps an output has another size than the graph promises, as those of detectors do: then
     * it works when the engine allocates them. */
    struct detail first = job->detail;
    if (job_outputs(job, false) == ROOST_OK &&
        serving->engine->run(context, job->inputs, job->outputs, &job->detail) == ROOST_OK &&
        job_learn(job))
        return ROOST_OK;
    job->detail = first;
    return err;
}

static void job_init(struct batch_job *job, struct worker *worker, unsigned slot)
{
    struct serving *serving = worker->serving;
    job->serving = serving;
    job->slot = &serving->region->slots[slot];
    job->output_base = serving->outputs + (size_t)slot * serving->region->output_stride_bytes;
    job->output_used = 0;
    job->detail.text[0] = '\0';
}

void batch_run(struct worker *worker, unsigned slot, uint64_t sequence)
{
    struct batch_job job;
    job_init(&job, worker, slot);
    struct region_result *result = &job.slot->result;
    uint64_t cpu_began_ns = clock_thread_cpu_ns();
    result->taken_ns = clock_now_ns();
    atomic_store(&job.slot->taken_ns, result->taken_ns);
    enum roost_err err = job_inputs(&job, &worker->scratch);
    result->input_end_ns = clock_now_ns();
    if (err == ROOST_OK && atomic_load(&job.slot->cancelled_sequence) == sequence)
        err = detail_set(&job.detail, ROOST_CANCELLED, "cancelled before it ran");
    if (err == ROOST_OK)
        err = job_run(&job, worker->context);
    result->infer_end_ns = clock_now_ns();
    result->output_count = 0;
    if (err == ROOST_OK)
        err = job_result(&job);
    if (err != ROOST_OK)
        memcpy(result->text, job.detail.text, sizeof result->text);
    result->err = (uint32_t)err;
    result->worker = worker->index;
    result->cpu_ns = clock_thread_cpu_ns() - cpu_began_ns;
    result->done_ns = clock_now_ns();
}
