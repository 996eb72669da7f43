/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/model_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

void model_config_init(struct model_config *config)
{
    /* The arrays stay as they are: only entries below their counts are ever read. */
    config->name[0] = config->platform[0] = config->backend[0] = '\0';
    config->max_batch_size = -1;
    config->input_count = config->output_count = 0;
    config->version_policy = VERSIONS_LATEST;
    config->version_count = 1;
    config->instance_count = 0;
    config->default_model_filename[0] = '\0';
    config->dynamic_batching = false;
    config->preferred_count = 0;
    config->max_queue_delay_us = 0;
    config->preserve_ordering = false;
    config->priority_levels = config->default_priority_level = 0;
    config->queue_policy = (struct config_queue_policy){0};
    config->priority_policy_count = 0;
    config->warmup_count = 0;
    config->parameter_count = 0;
    config->intra_op_threads = 0;
    config->response_cache = false;
    config->warnings[0] = '\0';
}

static enum roost_err require_tensors(const char *kind, const struct config_tensor *tensors,
                                      unsigned count, struct detail *detail)
{
    if (count == 0)
        return detail_set(detail, ROOST_INVALID, "the config lists no %s", kind);
    for (unsigned i = 0; i < count; i++) {
        if (tensors[i].dtype == DTYPE_INVALID)
            return detail_set(detail, ROOST_INVALID, "%s %s: the config gives no data_type", kind,
                              tensors[i].name);
        if (tensors[i].dims.rank == 0)
            return detail_set(detail, ROOST_INVALID, "%s %s: the config gives no dims", kind,
                              tensors[i].name);
    }
    return ROOST_OK;
}

enum roost_err model_config_require_full(const struct model_config *config, struct detail *detail)
{
    if (config->max_batch_size < 0)
        return detail_set(detail, ROOST_INVALID, "the config gives no max_batch_size");
    enum roost_err err = require_tensors("input", config->inputs, config->input_count, detail);
    if (err == ROOST_OK)
        err = require_tensors("output", config->outputs, config->output_count, detail);
    return err;
}

/* One side of a model: its inputs or its outputs, as the config and as the graph have them. */
struct side {
    const char *kind; /* "input" or "output" */
    struct config_tensor *tensors;
    unsigned *count;
    const struct tensor_spec *specs;
    unsigned spec_count;
};

static const struct tensor_spec *find_spec(const struct side *side, const char *name)
{
    for (unsigned i = 0; i < side->spec_count; i++)
        if (strcmp(side->specs[i].name, name) == 0)
            return &side->specs[i];
    return NULL;
}

static const struct config_tensor *find_tensor(const struct side *side, const char *name)
{
    for (unsigned i = 0; i < *side->count; i++)
        if (strcmp(side->tensors[i].name, name) == 0)
            return &side->tensors[i];
    return NULL;
}

static enum roost_err check_names(const struct side *side, bool all, struct detail *detail)
{
    for (unsigned i = 0; i < *side->count; i++) {
        const char *name = side->tensors[i].name;
        if (find_spec(side, name) != NULL)
            continue;
        char list[300] = "";
        size_t used = 0;
        for (unsigned s = 0; s < side->spec_count && used < sizeof(list); s++)
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", s == 0 ? "" : ", ",
                                     side->specs[s].name);
        return detail_set(detail, ROOST_INVALID, "the model has no %s %s; it has %s", side->kind,
                          name, side->spec_count == 0 ? "none" : list);
    }
    for (unsigned i = 0; all && *side->count > 0 && i < side->spec_count; i++)
        if (!side->specs[i].optional && find_tensor(side, side->specs[i].name) == NULL)
            return detail_set(detail, ROOST_INVALID,
                              "the config leaves out %s %s, which the model needs", side->kind,
                              side->specs[i].name);
    return ROOST_OK;
}

/* What the config gives for the graph to be compared with. */
static const struct shape *inner_shape(const struct config_tensor *tensor)
{
    return tensor->has_reshape ? &tensor->reshape : &tensor->dims;
}

static bool side_can_batch(const struct side *side)
{
    for (unsigned i = 0; i < side->spec_count; i++) {
        const struct tensor_spec *spec = &side->specs[i];
        if (spec->shape.rank == 0 || spec->shape.dims[0] != -1)
            return false;
        const struct config_tensor *tensor = find_tensor(side, spec->name);
        if (tensor != NULL && tensor->dims.rank > 0 &&
            inner_shape(tensor)->rank != spec->shape.rank - 1)
            return false;
    }
    return side->spec_count > 0;
}

static struct shape with_batch(const struct shape *dims, bool batched)
{
    struct shape shape = *dims;
    if (!batched)
        return shape;
    /* A rank beyond the maximum differs from every graph's, which is all that is asked here. */
    unsigned kept = dims->rank < TENSOR_RANK_MAX ? dims->rank : TENSOR_RANK_MAX - 1;
    shape.rank = kept + 1;
    shape.dims[0] = -1;
    memcpy(&shape.dims[1], dims->dims, kept * sizeof(dims->dims[0]));
    return shape;
}

/* The config may fix what the graph leaves open, not the other way round. */
static bool shape_narrows(const struct shape *config, const struct shape *graph)
{
    if (config->rank != graph->rank)
        return false;
    for (unsigned d = 0; d < config->rank; d++)
        if (graph->dims[d] != -1 && graph->dims[d] != config->dims[d])
            return false;
    return true;
}

static void take_dims(struct config_tensor *tensor, const struct tensor_spec *spec, bool batched)
{
    unsigned skip = batched ? 1 : 0;
    roost_assert(spec->shape.rank >= skip);
    tensor->has_reshape = false;
    tensor->dims.rank = spec->shape.rank - skip;
    memcpy(tensor->dims.dims, &spec->shape.dims[skip],
           tensor->dims.rank * sizeof(tensor->dims.dims[0]));
    if (tensor->dims.rank == 0) {
        /* Clients have no way to write a shape without dimensions per item. */
        tensor->dims = (struct shape){.rank = 1, .dims = {1}};
        tensor->has_reshape = true;
        tensor->reshape = (struct shape){0};
    }
}

static enum roost_err complete_tensor(const struct side *side, struct config_tensor *tensor,
                                      int64_t max_batch_size, struct detail *detail)
{
    const struct tensor_spec *spec = find_spec(side, tensor->name);
    bool batched = max_batch_size > 0;
    char given[128], wanted[128];
    roost_assert(spec != NULL);
    (void)shape_format(&spec->shape, wanted, sizeof(wanted));
    if (tensor->dtype == DTYPE_INVALID)
        tensor->dtype = spec->dtype;
    if (tensor->dtype != spec->dtype)
        return detail_set(detail, ROOST_INVALID, "%s %s: the config says %s, the model %s",
                          side->kind, tensor->name, dtype_config_name(tensor->dtype),
                          dtype_config_name(spec->dtype));
    if (batched && (spec->shape.rank == 0 || spec->shape.dims[0] != -1))
        return detail_set(detail, ROOST_INVALID,
                          "%s %s: max_batch_size is %" PRId64
                          ", but the model's shape %s has no variable first dimension",
                          side->kind, tensor->name, max_batch_size, wanted);
    if (tensor->dims.rank == 0)
        take_dims(tensor, spec, batched);
    struct shape shape = with_batch(inner_shape(tensor), batched);
    if (inner_shape(tensor)->rank + (batched ? 1 : 0) > TENSOR_RANK_MAX ||
        !shape_narrows(&shape, &spec->shape))
        return detail_set(detail, ROOST_INVALID,
                          "%s %s: the config's shape is %s%s, the model's %s", side->kind,
                          tensor->name, shape_format(&shape, given, sizeof(given)),
                          batched ? " with the batch dimension" : "", wanted);
    if (tensor->dims.rank + (batched ? 1 : 0) > TENSOR_RANK_MAX)
        return detail_set(detail, ROOST_INVALID, "%s %s: more than %d dimensions with the batch's",
                          side->kind, tensor->name, TENSOR_RANK_MAX);
    if (tensor->optional && !spec->optional)
        return detail_set(detail, ROOST_INVALID,
                          "%s %s: optional in the config, but the model needs it", side->kind,
                          tensor->name);
    return ROOST_OK;
}

static enum roost_err complete_side(const struct side *side, int64_t max_batch_size,
                                    struct detail *detail)
{
    if (*side->count == 0) {
        *side->count = side->spec_count;
        for (unsigned i = 0; i < side->spec_count; i++) {
            side->tensors[i] = (struct config_tensor){.optional = side->specs[i].optional};
            memcpy(side->tensors[i].name, side->specs[i].name, sizeof(side->tensors[i].name));
        }
    }
    for (unsigned i = 0; i < *side->count; i++) {
        enum roost_err err = complete_tensor(side, &side->tensors[i], max_batch_size, detail);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

static enum roost_err check_warm_input(const struct model_config *config,
                                       struct config_warm_input *warm, struct detail *detail)
{
    char given[128], wanted[128];
    for (unsigned i = 0; i < config->input_count; i++) {
        const struct config_tensor *input = &config->inputs[i];
        if (strcmp(input->name, warm->name) != 0)
            continue;
        if (warm->dtype == DTYPE_INVALID)
            warm->dtype = input->dtype;
        if (warm->dtype != input->dtype)
            return detail_set(detail, ROOST_INVALID, "%s: data_type is %s, the input's %s",
                              warm->name, dtype_config_name(warm->dtype),
                              dtype_config_name(input->dtype));
        if (!shape_matches(&input->dims, &warm->dims))
            return detail_set(detail, ROOST_INVALID, "%s: dims are %s, the input's %s", warm->name,
                              shape_format(&warm->dims, given, sizeof(given)),
                              shape_format(&input->dims, wanted, sizeof(wanted)));
        return ROOST_OK;
    }
    return detail_set(detail, ROOST_INVALID, "%s: the model has no such input", warm->name);
}

static enum roost_err check_warmup(const struct model_config *config, struct config_warmup *warmup,
                                   struct detail *detail)
{
    int64_t maximum = config->max_batch_size > 0 ? config->max_batch_size : 1;
    if (warmup->batch_size > maximum)
        return detail_set(detail, ROOST_INVALID, "batch_size is %" PRIu32 ", at most %" PRId64,
                          warmup->batch_size, maximum);
    for (unsigned i = 0; i < warmup->input_count; i++) {
        enum roost_err err = check_warm_input(config, &warmup->inputs[i], detail);
        if (err != ROOST_OK)
            return err;
    }
    for (unsigned i = 0; i < config->input_count; i++) {
        bool there = config->inputs[i].optional;
        for (unsigned w = 0; w < warmup->input_count && !there; w++)
            there = strcmp(warmup->inputs[w].name, config->inputs[i].name) == 0;
        if (!there)
            return detail_set(detail, ROOST_INVALID, "input %s is left out",
                              config->inputs[i].name);
    }
    return ROOST_OK;
}

static enum roost_err check_rest(struct model_config *config, struct detail *detail)
{
    for (unsigned i = 0; i < config->preferred_count; i++)
        if (config->max_batch_size > 0 && config->preferred_batch_sizes[i] > config->max_batch_size)
            return detail_set(detail, ROOST_INVALID,
                              "preferred_batch_size %" PRId64 " is above max_batch_size (%" PRId64
                              ")",
                              config->preferred_batch_sizes[i], config->max_batch_size);
    for (unsigned i = 0; i < config->warmup_count; i++) {
        enum roost_err err = check_warmup(config, &config->warmups[i], detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "model_warmup[%u]", i);
            return err;
        }
    }
    return ROOST_OK;
}

enum roost_err model_config_complete(struct model_config *config, const struct model_io *io,
                                     int64_t default_max_batch_size, struct detail *detail)
{
    struct side inputs = {"input", config->inputs, &config->input_count, io->inputs,
                          io->input_count};
    struct side outputs = {"output", config->outputs, &config->output_count, io->outputs,
                           io->output_count};
    enum roost_err err = check_names(&inputs, true, detail);
    if (err == ROOST_OK)
        err = check_names(&outputs, false, detail);
    if (err != ROOST_OK)
        return err;
    if (config->backend[0] == '\0')
        (void)snprintf(config->backend, sizeof(config->backend), "onnxruntime");
    if (config->platform[0] == '\0' && strcmp(config->backend, "onnxruntime") == 0)
        (void)snprintf(config->platform, sizeof(config->platform), "onnxruntime_onnx");
    if (config->max_batch_size < 0) {
        bool batched = side_can_batch(&inputs) && side_can_batch(&outputs);
        config->max_batch_size = batched ? default_max_batch_size : 0;
    }
    err = complete_side(&inputs, config->max_batch_size, detail);
    if (err == ROOST_OK)
        err = complete_side(&outputs, config->max_batch_size, detail);
    if (err == ROOST_OK)
        err = check_rest(config, detail);
    return err;
}

static void sign_side(const struct side *side, bool batched, struct tensor_spec *specs,
                      unsigned *graph_index)
{
    for (unsigned i = 0; i < *side->count; i++) {
        const struct config_tensor *tensor = &side->tensors[i];
        const struct tensor_spec *spec = find_spec(side, tensor->name);
        roost_assert(spec != NULL);
        graph_index[i] = (unsigned)(spec - side->specs);
        specs[i] = (struct tensor_spec){
            .dtype = tensor->dtype,
            .shape = with_batch(&tensor->dims, batched),
            .optional = tensor->optional,
        };
        memcpy(specs[i].name, tensor->name, sizeof(specs[i].name));
    }
}

void model_config_signature(const struct model_config *config, const struct model_io *graph,
                            struct model_signature *signature)
{
    unsigned input_count = config->input_count, output_count = config->output_count;
    /* The tensors are only read here; a side points to them for both uses. */
    struct side inputs = {"input", (struct config_tensor *)(uintptr_t)config->inputs, &input_count,
                          graph->inputs, graph->input_count};
    struct side outputs = {"output", (struct config_tensor *)(uintptr_t)config->outputs,
                           &output_count, graph->outputs, graph->output_count};
    bool batched = config->max_batch_size > 0;
    signature->max_batch_size = config->max_batch_size;
    signature->io.input_count = input_count;
    signature->io.output_count = output_count;
    sign_side(&inputs, batched, signature->io.inputs, signature->input_graph_index);
    sign_side(&outputs, batched, signature->io.outputs, signature->output_graph_index);
}

/* `from` fits the pattern; the variable sizes go to those of `to_pattern`, in order. */
static bool translate(const struct shape *from_pattern, const struct shape *to_pattern,
                      bool batched, const struct shape *from, struct shape *to)
{
    unsigned lead = batched ? 1 : 0, taken = 0;
    struct shape result = {.rank = to_pattern->rank + lead};
    int64_t sizes[TENSOR_RANK_MAX];
    if (from->rank != from_pattern->rank + lead || result.rank > TENSOR_RANK_MAX)
        return false;
    for (unsigned d = 0; d < from_pattern->rank; d++) {
        int64_t size = from->dims[lead + d];
        if (size < 0 || (from_pattern->dims[d] != -1 && from_pattern->dims[d] != size))
            return false;
        if (from_pattern->dims[d] == -1)
            sizes[taken++] = size;
    }
    if (batched)
        result.dims[0] = from->dims[0];
    unsigned given = 0;
    for (unsigned d = 0; d < to_pattern->rank; d++) {
        if (to_pattern->dims[d] == -1 && given == taken)
            return false;
        result.dims[lead + d] = to_pattern->dims[d] == -1 ? sizes[given++] : to_pattern->dims[d];
    }
    *to = result;
    return given == taken;
}

bool config_tensor_to_graph(const struct config_tensor *tensor, bool batched,
                            const struct shape *api, struct shape *graph)
{
    return translate(&tensor->dims, inner_shape(tensor), batched, api, graph);
}

bool config_tensor_to_api(const struct config_tensor *tensor, bool batched,
                          const struct shape *graph, struct shape *api)
{
    return translate(inner_shape(tensor), &tensor->dims, batched, graph, api);
}
