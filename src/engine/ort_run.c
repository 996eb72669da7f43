/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "engine/ort_internal.h"

/* Everything that a run needs is here, so that it allocates nothing of its own but for strings. */
struct engine_context {
    struct engine_session *session;
    OrtRunOptions *run_options;
    atomic_bool terminated;

    /* The run's arguments, without the absent inputs and the unwanted outputs. */
    const char *input_names[MODEL_TENSORS_MAX];
    const char *output_names[MODEL_TENSORS_MAX];
    OrtValue *inputs[MODEL_TENSORS_MAX];
    OrtValue *outputs[MODEL_TENSORS_MAX];
    unsigned input_count, output_count;
    unsigned output_index[MODEL_TENSORS_MAX]; /* of outputs[i] in the graph */

    /* BYTES outputs in our form, by the graph's index. */
    void *blobs[MODEL_TENSORS_MAX];
    size_t blob_bytes[MODEL_TENSORS_MAX];
};

enum roost_err ort_context_open(struct engine_session *session, struct engine_context **context,
                                struct detail *detail)
{
    *context = NULL;
    struct engine_context *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for a context");
    made->session = session;
    OrtStatus *status = ort.api->CreateRunOptions(&made->run_options);
    /* A run's error is returned; nothing is logged per request. */
    if (status == NULL)
        status = ort.api->RunOptionsSetRunLogSeverityLevel(made->run_options,
                                                           ORT_LOGGING_LEVEL_FATAL);
    enum roost_err err = ort_check(status, ORT_PHASE_LOAD, detail);
    if (err != ROOST_OK) {
        ort_context_close(made);
        return err;
    }
    *context = made;
    return ROOST_OK;
}

static void values_release(OrtValue **values, unsigned *count)
{
    for (unsigned i = 0; i < *count; i++) {
        if (values[i] != NULL)
            ort.api->ReleaseValue(values[i]);
    }
    *count = 0;
}

void ort_context_close(struct engine_context *context)
{
    if (context == NULL)
        return;
    values_release(context->inputs, &context->input_count);
    values_release(context->outputs, &context->output_count);
    for (unsigned i = 0; i < MODEL_TENSORS_MAX; i++)
        free(context->blobs[i]);
    if (context->run_options != NULL)
        ort.api->ReleaseRunOptions(context->run_options);
    free(context);
}

static enum roost_err inputs_set(struct engine_context *context, const struct tensor *inputs,
                                 struct detail *detail)
{
    const struct model_io *io = &context->session->io;
    for (unsigned i = 0; i < io->input_count; i++) {
        /* The engine itself tells which required input is missing. */
        if (inputs[i].data == NULL)
            continue;
        unsigned at = context->input_count;
        enum roost_err err = ort_value_new(&inputs[i], &context->inputs[at], detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "input \"%s\"", io->inputs[i].name);
            return err;
        }
        context->input_names[at] = io->inputs[i].name;
        context->input_count++;
    }
    return ROOST_OK;
}

/* A value over a given buffer. What is wrong with it is the caller's mistake, not the client's. */
static enum roost_err output_given(const struct tensor_spec *spec, const struct tensor *output,
                                   OrtValue **value, struct detail *detail)
{
    if (output->dtype != spec->dtype)
        return detail_set(detail, ROOST_INTERNAL, "output \"%s\" is %s, its buffer is for %s",
                          spec->name, dtype_name(spec->dtype), dtype_name(output->dtype));
    if (ort_value_new(output, value, detail) == ROOST_OK)
        return ROOST_OK;
    detail_prefix(detail, "output \"%s\"", spec->name);
    return ROOST_INTERNAL;
}

static enum roost_err outputs_set(struct engine_context *context, const struct tensor *outputs,
                                  struct detail *detail)
{
    const struct model_io *io = &context->session->io;
    for (unsigned i = 0; i < io->output_count; i++) {
        const struct tensor_spec *spec = &io->outputs[i];
        if (outputs[i].dtype == DTYPE_INVALID)
            continue;
        unsigned at = context->output_count;
        enum roost_err err = ROOST_OK;
        context->outputs[at] = NULL;
        if (outputs[i].data != NULL && spec->dtype != DTYPE_BYTES && spec->shape.rank > 0)
            err = output_given(spec, &outputs[i], &context->outputs[at], detail);
        if (err != ROOST_OK)
            return err;
        context->output_names[at] = spec->name;
        context->output_index[at] = i;
        context->output_count++;
    }
    return ROOST_OK;
}

/* Given buffers are filled and their shapes are as expected, or the run would have failed. */
static enum roost_err outputs_get(struct engine_context *context, struct tensor *outputs,
                                  struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < context->output_count && err == ROOST_OK; i++) {
        unsigned index = context->output_index[i];
        err = ort_value_read(context->outputs[i], &outputs[index], &context->blobs[index],
                             &context->blob_bytes[index], detail);
        if (err != ROOST_OK)
            detail_prefix(detail, "output \"%s\"", context->session->io.outputs[index].name);
    }
    return err;
}

enum roost_err ort_run(struct engine_context *context, const struct tensor *inputs,
                       struct tensor *outputs, struct detail *detail)
{
    values_release(context->outputs, &context->output_count);
    atomic_store_explicit(&context->terminated, false, memory_order_relaxed);
    OrtStatus *status = ort.api->RunOptionsUnsetTerminate(context->run_options);
    enum roost_err err = ort_check(status, ORT_PHASE_RUN, detail);
    if (err == ROOST_OK)
        err = inputs_set(context, inputs, detail);
    if (err == ROOST_OK)
        err = outputs_set(context, outputs, detail);
    if (err == ROOST_OK) {
        status = ort.api->Run(context->session->handle, context->run_options, context->input_names,
                              (const OrtValue *const *)context->inputs, context->input_count,
                              context->output_names, context->output_count, context->outputs);
        err = ort_check(status, ORT_PHASE_RUN, detail);
        if (err != ROOST_OK && atomic_load_explicit(&context->terminated, memory_order_relaxed))
            err = detail_set(detail, ROOST_CANCELLED, "the run was cancelled");
    }
    values_release(context->inputs, &context->input_count);
    ort_memory_run_ended();
    if (err == ROOST_OK)
        err = outputs_get(context, outputs, detail);
    if (err != ROOST_OK)
        values_release(context->outputs, &context->output_count);
    return err;
}

void ort_terminate(struct engine_context *context)
{
    atomic_store_explicit(&context->terminated, true, memory_order_relaxed);
    OrtStatus *status = ort.api->RunOptionsSetTerminate(context->run_options);
    roost_assert(status == NULL);
}
