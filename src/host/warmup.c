/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "host/serving.h"

/* A sample larger than this is a mistake. */
static const uint64_t warm_bytes_max = UINT64_C(1) << 30;

struct warm_inputs {
    struct tensor tensors[MODEL_TENSORS_MAX];
};

static void warm_inputs_free(struct warm_inputs *inputs)
{
    for (unsigned i = 0; i < MODEL_TENSORS_MAX; i++)
        free(inputs->tensors[i].data);
}

/* ---- data --------------------------------------------------------------------------------- */

/* Zeros and ones for integers, which are valid as indices almost everywhere; [0, 1) for floats. */
static void fill_random(struct tensor *tensor)
{
    struct rng rng;
    rng_seed(&rng, 1);
    size_t size = dtype_bytes(tensor->dtype);
    unsigned char *at = tensor->data;
    for (size_t i = 0; size != 0 && i < tensor->bytes / size; i++, at += size) {
        float single = (float)rng_uniform(&rng);
        double real = rng_uniform(&rng);
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        uint16_t upper = (uint16_t)(bits >> 16);
        if (tensor->dtype == DTYPE_FP32)
            memcpy(at, &single, sizeof single);
        else if (tensor->dtype == DTYPE_FP64)
            memcpy(at, &real, sizeof real);
        else if (tensor->dtype == DTYPE_BF16)
            memcpy(at, &upper, sizeof upper);
        else if (tensor->dtype == DTYPE_FP16)
            at[1] = (unsigned char)(single * 0x3c); /* any exponent below that of 1 */
        else
            at[0] = (unsigned char)(rng_next(&rng) & 1);
    }
}

static enum roost_err fill_from_file(const struct serving *serving, struct tensor *tensor,
                                     const struct host_warm_input *sample, struct detail *detail)
{
    char directory[FILE_PATH_BYTES_MAX], path[FILE_PATH_BYTES_MAX];
    char *data;
    size_t length;
    if (strchr(sample->file, '/') != NULL || sample->file[0] == '.' ||
        !path_join(directory, sizeof directory, serving->spec.model_directory, "warmup") ||
        !path_join(path, sizeof path, directory, sample->file))
        return detail_set(detail, ROOST_INVALID, "\"%s\" is no file name", sample->file);
    enum roost_err err = file_read(path, warm_bytes_max, &data, &length, detail);
    if (err != ROOST_OK)
        return err;
    uint64_t elements;
    bool fits = shape_elements(&tensor->shape, &elements) &&
                (tensor->dtype == DTYPE_BYTES ? tensor_bytes_valid(data, length, elements)
                                              : length == tensor->bytes);
    if (!fits) {
        free(data);
        return detail_set(detail, ROOST_INVALID,
                          "%s has %zu bytes, which do not make the shape of input \"%s\"", path,
                          length, sample->name);
    }
    free(tensor->data);
    tensor->data = data;
    tensor->bytes = length;
    return ROOST_OK;
}

/* ---- samples ------------------------------------------------------------------------------ */

static const struct host_warm_input *sample_find(const struct host_warmup *warmup, const char *name)
{
    for (unsigned i = 0; warmup != NULL && i < warmup->input_count; i++)
        if (strcmp(warmup->inputs[i].name, name) == 0)
            return &warmup->inputs[i];
    return NULL;
}

static enum roost_err input_fill(const struct serving *serving, struct tensor *tensor,
                                 const struct tensor_spec *spec,
                                 const struct host_warm_input *sample, struct detail *detail)
{
    uint64_t elements;
    tensor->dtype = spec->dtype;
    tensor->shape = sample != NULL ? sample->shape : spec->shape;
    for (unsigned d = 0; d < tensor->shape.rank; d++)
        if (tensor->shape.dims[d] < 0)
            tensor->shape.dims[d] = 1;
    size_t size = spec->dtype == DTYPE_BYTES ? sizeof(uint32_t) : dtype_bytes(spec->dtype);
    if (sample != NULL && sample->dtype != spec->dtype)
        return detail_set(detail, ROOST_INVALID, "input \"%s\" is %s, not %s", spec->name,
                          dtype_name(spec->dtype), dtype_name(sample->dtype));
    if (!shape_elements(&tensor->shape, &elements) || elements > warm_bytes_max / size)
        return detail_set(detail, ROOST_INVALID, "input \"%s\" is too large", spec->name);
    tensor->bytes = elements * size; /* zeros are empty strings, too */
    tensor->data = calloc(1, tensor->bytes + 1);
    if (tensor->data == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for input \"%s\"", spec->name);
    if (sample == NULL || sample->kind == HOST_WARM_ZERO || spec->dtype == DTYPE_BYTES) {
        if (sample == NULL || sample->kind != HOST_WARM_FILE)
            return ROOST_OK;
    }
    if (sample->kind == HOST_WARM_FILE)
        return fill_from_file(serving, tensor, sample, detail);
    fill_random(tensor);
    return ROOST_OK;
}

/* Compares what came out with what the graph promises for so many rows. */
static void warm_learn(struct serving *serving, const struct tensor *inputs,
                       const struct tensor *outputs)
{
    uint64_t rows = 1;
    if (serving->io.input_count > 0 && inputs[0].shape.rank > 0)
        rows = (uint64_t)inputs[0].shape.dims[0];
    for (unsigned o = 0; o < serving->io.output_count; o++) {
        struct shape expected;
        if (output_shape(serving, o, rows, &expected) && !shape_equal(&expected, &outputs[o].shape))
            atomic_store(&serving->dynamic[o], true);
    }
}

static enum roost_err warm_one(struct serving *serving, struct engine_context *context,
                               const struct host_warmup *warmup, struct detail *detail)
{
    struct warm_inputs inputs = {0};
    struct tensor outputs[MODEL_TENSORS_MAX];
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < serving->io.input_count && err == ROOST_OK; i++) {
        const struct tensor_spec *spec = &serving->io.inputs[i];
        const struct host_warm_input *sample = sample_find(warmup, spec->name);
        if (sample == NULL && spec->optional)
            continue;
        err = input_fill(serving, &inputs.tensors[i], spec, sample, detail);
    }
    for (unsigned run = 0; err == ROOST_OK && run < (warmup == NULL ? 1 : warmup->count); run++) {
        memset(outputs, 0, sizeof outputs);
        for (unsigned o = 0; o < serving->io.output_count; o++)
            outputs[o].dtype = serving->io.outputs[o].dtype;
        err = serving->engine->run(context, inputs.tensors, outputs, detail);
        if (err == ROOST_OK && run == 0)
            warm_learn(serving, inputs.tensors, outputs);
    }
    warm_inputs_free(&inputs);
    return err;
}

enum roost_err warmup_run(struct serving *serving, struct detail *detail)
{
    struct engine_context *context;
    enum roost_err err = serving->engine->context_open(serving->session, &context, detail);
    if (err != ROOST_OK)
        return err;
    if (serving->spec.warmup_count == 0) {
        /* Nobody asked for it, and zeros at batch 1 may be wrong for this model. */
        struct detail reason = {""};
        if (warm_one(serving, context, NULL, &reason) != ROOST_OK)
            log_info("host.warmup", "host=%s skipped reason=\"%s\"", serving->spec.label,
                     reason.text);
    }
    for (unsigned i = 0; i < serving->spec.warmup_count && err == ROOST_OK; i++) {
        err = warm_one(serving, context, &serving->spec.warmups[i], detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "warm-up sample %u", i + 1);
            err = err == ROOST_NO_MEMORY ? err : ROOST_INVALID;
        }
    }
    serving->engine->context_close(context);
    return err;
}
