/* SPDX-License-Identifier: Apache-2.0 */
/* What the table does with values that do not simply go into a member. */
#include "serve/model_config_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum roost_err copy_text(struct config_reader *reader, const char *text, char *out,
                                size_t out_bytes)
{
    if (strlen(text) >= out_bytes)
        return config_fail(reader, ROOST_INVALID, "longer than %zu bytes", out_bytes - 1);
    memcpy(out, text, strlen(text) + 1);
    return ROOST_OK;
}

/* A file below a directory of the model's: no way out of it. */
static enum roost_err copy_file_name(struct config_reader *reader, const char *text, char *out,
                                     size_t out_bytes)
{
    bool out_of_it = text[0] == '/';
    for (const char *part = text; part != NULL && !out_of_it; part = strchr(part, '/')) {
        part += *part == '/' ? 1 : 0;
        out_of_it = strncmp(part, "..", 2) == 0 && (part[2] == '\0' || part[2] == '/');
    }
    if (out_of_it)
        return config_fail(reader, ROOST_INVALID, "%s leads out of the model's directory", text);
    return copy_text(reader, text, out, out_bytes);
}

static void *no_room(struct config_reader *reader, unsigned maximum)
{
    (void)config_fail(reader, ROOST_INVALID, "more than %u entries", maximum);
    return NULL;
}

CONFIG_STORE(store_platform)
{
    struct model_config *config = owner;
    if (strcmp(value->text, "ensemble") == 0)
        return config_fail(reader, ROOST_UNSUPPORTED, "ensembles are not supported");
    if (value->text[0] != '\0' && strcmp(value->text, "onnxruntime_onnx") != 0)
        return config_fail(reader, ROOST_UNSUPPORTED,
                           "%s is not supported; only onnxruntime_onnx is", value->text);
    return copy_text(reader, value->text, config->platform, sizeof(config->platform));
}

CONFIG_STORE(store_backend)
{
    struct model_config *config = owner;
    const char *text = value->text;
    if (strcmp(text, "python") == 0)
        return config_fail(reader, ROOST_UNSUPPORTED, "Python backends are not supported");
    if (text[0] != '\0' && strcmp(text, "onnxruntime") != 0 && strcmp(text, "fake") != 0)
        return config_fail(reader, ROOST_UNSUPPORTED, "%s is not supported; only onnxruntime is",
                           text);
    return copy_text(reader, text, config->backend, sizeof(config->backend));
}

CONFIG_STORE(store_max_batch_size)
{
    struct model_config *config = owner;
    if (value->integer < 0)
        return config_fail(reader, ROOST_INVALID, "must be at least 0, not %" PRId64,
                           value->integer);
    config->max_batch_size = value->integer;
    return ROOST_OK;
}

/* -1 stands for any size, where `variable` says that it may. */
static enum roost_err shape_append(struct config_reader *reader, int64_t dim, bool variable,
                                   struct shape *shape)
{
    if (shape->rank == TENSOR_RANK_MAX)
        return config_fail(reader, ROOST_INVALID, "more than %d dimensions", TENSOR_RANK_MAX);
    if (dim < 1 && !(variable && dim == -1))
        return config_fail(reader, ROOST_INVALID, "a dimension must be at least 1%s, not %" PRId64,
                           variable ? ", or -1 for a variable one" : "", dim);
    shape->dims[shape->rank++] = dim;
    return ROOST_OK;
}

CONFIG_STORE(store_dim)
{
    struct config_tensor *tensor = owner;
    return shape_append(reader, value->integer, true, &tensor->dims);
}

CONFIG_STORE(store_reshape_dim)
{
    struct config_tensor *tensor = owner;
    return shape_append(reader, value->integer, true, &tensor->reshape);
}

/* By Triton's numbers. TYPE_INVALID is what protobuf has for a type that is not given. */
static enum roost_err dtype_from(int64_t number, enum dtype *dtype)
{
    static const enum dtype dtypes[] = {
        DTYPE_INVALID, DTYPE_BOOL, DTYPE_UINT8, DTYPE_UINT16, DTYPE_UINT32,
        DTYPE_UINT64,  DTYPE_INT8, DTYPE_INT16, DTYPE_INT32,  DTYPE_INT64,
        DTYPE_FP16,    DTYPE_FP32, DTYPE_FP64,  DTYPE_BYTES,  DTYPE_BF16,
    };
    *dtype = dtypes[number];
    return ROOST_OK;
}

CONFIG_STORE(store_dtype)
{
    struct config_tensor *tensor = owner;
    (void)reader;
    return dtype_from(value->integer, &tensor->dtype);
}

CONFIG_STORE(store_format)
{
    static const char *const names[] = {"", "FORMAT_NHWC", "FORMAT_NCHW"};
    struct config_tensor *tensor = owner;
    return copy_text(reader, names[value->integer], tensor->format, sizeof(tensor->format));
}

CONFIG_STORE(store_label_filename)
{
    struct config_tensor *tensor = owner;
    return copy_file_name(reader, value->text, tensor->label_filename,
                          sizeof(tensor->label_filename));
}

CONFIG_STORE(store_default_model_filename)
{
    struct model_config *config = owner;
    return copy_file_name(reader, value->text, config->default_model_filename,
                          sizeof(config->default_model_filename));
}

CONFIG_STORE(store_preferred)
{
    struct model_config *config = owner;
    if (value->integer < 1)
        return config_fail(reader, ROOST_INVALID, "must be at least 1, not %" PRId64,
                           value->integer);
    if (config->preferred_count == CONFIG_PREFERRED_MAX)
        return config_fail(reader, ROOST_INVALID, "more than %d entries", CONFIG_PREFERRED_MAX);
    config->preferred_batch_sizes[config->preferred_count++] = value->integer;
    return ROOST_OK;
}

CONFIG_STORE(store_version)
{
    struct model_config *config = owner;
    if (value->integer < 1)
        return config_fail(reader, ROOST_INVALID, "a version must be at least 1, not %" PRId64,
                           value->integer);
    if (config->version_count == CONFIG_VERSIONS_MAX)
        return config_fail(reader, ROOST_INVALID, "more than %d entries", CONFIG_VERSIONS_MAX);
    config->versions[config->version_count++] = value->integer;
    return ROOST_OK;
}

static void *open_version_policy(struct config_reader *reader, void *owner, int policy,
                                 unsigned count)
{
    struct model_config *config = owner;
    if (reader->version_policy_given) {
        (void)config_fail(reader, ROOST_INVALID,
                          "version_policy has only one of latest, all and "
                          "specific");
        return NULL;
    }
    reader->version_policy_given = true;
    config->version_policy = policy == 0   ? VERSIONS_LATEST
                             : policy == 1 ? VERSIONS_ALL
                                           : VERSIONS_SPECIFIC;
    config->version_count = count;
    return config;
}

CONFIG_OPEN(open_latest)
{
    (void)key;
    return open_version_policy(reader, owner, 0, 1);
}

CONFIG_OPEN(open_all)
{
    (void)key;
    return open_version_policy(reader, owner, 1, 0);
}

CONFIG_OPEN(open_specific)
{
    (void)key;
    return open_version_policy(reader, owner, 2, 0);
}

CONFIG_CLOSE(close_latest)
{
    struct model_config *config = owner;
    if (config->version_count == 0)
        return config_fail(reader, ROOST_INVALID, "num_versions must be at least 1");
    return ROOST_OK;
}

CONFIG_CLOSE(close_specific)
{
    struct model_config *config = owner;
    if (config->version_count == 0)
        return config_fail(reader, ROOST_INVALID, "names no version");
    for (unsigned i = 0; i < config->version_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (config->versions[i] == config->versions[j])
                return config_fail(reader, ROOST_INVALID, "version %" PRId64 " is listed twice",
                                   config->versions[i]);
    return ROOST_OK;
}

CONFIG_OPEN(open_input)
{
    struct model_config *config = owner;
    (void)key;
    if (config->input_count == MODEL_TENSORS_MAX)
        return no_room(reader, MODEL_TENSORS_MAX);
    struct config_tensor *tensor = &config->inputs[config->input_count++];
    *tensor = (struct config_tensor){.dtype = DTYPE_INVALID};
    return tensor;
}

CONFIG_OPEN(open_output)
{
    struct model_config *config = owner;
    (void)key;
    if (config->output_count == MODEL_TENSORS_MAX)
        return no_room(reader, MODEL_TENSORS_MAX);
    struct config_tensor *tensor = &config->outputs[config->output_count++];
    *tensor = (struct config_tensor){.dtype = DTYPE_INVALID};
    return tensor;
}

CONFIG_OPEN(open_reshape)
{
    struct config_tensor *tensor = owner;
    (void)reader;
    (void)key;
    tensor->has_reshape = true;
    return tensor;
}

/* Elements between two variable dimensions must be as many on both sides; those that are variable
 * take each other's size in order. */
static bool reshape_fits(const struct shape *dims, const struct shape *reshape)
{
    unsigned d = 0, r = 0;
    for (;;) {
        uint64_t dims_elements = 1, reshape_elements = 1;
        for (; d < dims->rank && dims->dims[d] != -1; d++)
            if (__builtin_mul_overflow(dims_elements, (uint64_t)dims->dims[d], &dims_elements))
                return false;
        for (; r < reshape->rank && reshape->dims[r] != -1; r++)
            if (__builtin_mul_overflow(reshape_elements, (uint64_t)reshape->dims[r],
                                       &reshape_elements))
                return false;
        bool end = d == dims->rank;
        if (dims_elements != reshape_elements || end != (r == reshape->rank))
            return false;
        if (end)
            return true;
        d++;
        r++;
    }
}

/* `inputs` or `outputs`, whichever holds the tensor that was read last. */
static bool name_taken(const struct config_tensor *tensor, const struct config_tensor *first)
{
    for (const struct config_tensor *other = first; other < tensor; other++)
        if (strcmp(other->name, tensor->name) == 0)
            return true;
    return false;
}

CONFIG_CLOSE(close_tensor)
{
    const struct config_tensor *tensor = owner;
    const struct model_config *config = reader->config;
    char dims[128], reshape[128];
    if (tensor->name[0] == '\0')
        return config_fail(reader, ROOST_INVALID, "has no name");
    bool input = tensor >= config->inputs && tensor < config->inputs + MODEL_TENSORS_MAX;
    if (name_taken(tensor, input ? config->inputs : config->outputs))
        return config_fail(reader, ROOST_INVALID, "%s is listed twice", tensor->name);
    if (tensor->format[0] != '\0' && tensor->dims.rank != 0 && tensor->dims.rank != 3)
        return config_fail(reader, ROOST_INVALID, "%s: %s needs three dims, not %s", tensor->name,
                           tensor->format, shape_format(&tensor->dims, dims, sizeof(dims)));
    if (tensor->has_reshape && tensor->dims.rank == 0)
        return config_fail(reader, ROOST_INVALID, "%s: reshape needs dims", tensor->name);
    if (tensor->has_reshape && !reshape_fits(&tensor->dims, &tensor->reshape))
        return config_fail(reader, ROOST_INVALID,
                           "%s: dims %s and reshape %s have different numbers of elements",
                           tensor->name, shape_format(&tensor->dims, dims, sizeof(dims)),
                           shape_format(&tensor->reshape, reshape, sizeof(reshape)));
    return ROOST_OK;
}

CONFIG_OPEN(open_group)
{
    (void)owner;
    (void)key;
    if (reader->groups == CONFIG_GROUPS_MAX)
        return no_room(reader, CONFIG_GROUPS_MAX);
    reader->groups++;
    reader->group = (struct config_group){.count = 1};
    return &reader->group;
}

CONFIG_CLOSE(close_group)
{
    const struct config_group *group = owner;
    if (group->count < 0 || group->count > UINT16_MAX)
        return config_fail(reader, ROOST_INVALID, "count must be between 0 and %d, not %" PRId64,
                           UINT16_MAX, group->count);
    if (strcmp(config_kinds[group->kind], "KIND_GPU") == 0)
        config_warn(reader, "KIND_GPU: models run on the CPU; its count is taken as CPU workers");
    /* protobuf cannot tell a count of 0 from none, and none means 1. */
    if (!group->passive)
        reader->config->instance_count += group->count == 0 ? 1 : (unsigned)group->count;
    return ROOST_OK;
}

CONFIG_OPEN(open_dynamic_batching)
{
    struct model_config *config = owner;
    (void)reader;
    (void)key;
    config->dynamic_batching = true;
    return config;
}

CONFIG_OPEN(open_queue_policy)
{
    struct model_config *config = owner;
    (void)reader;
    (void)key;
    return &config->queue_policy;
}

CONFIG_OPEN(open_priority_policy)
{
    struct model_config *config = owner;
    uint64_t level = strtoull(key, NULL, 0);
    for (unsigned i = 0; i < config->priority_policy_count; i++)
        if (config->priority_policies[i].level == level) {
            (void)config_fail(reader, ROOST_INVALID, "level %" PRIu64 " is given twice", level);
            return NULL;
        }
    if (config->priority_policy_count == CONFIG_PRIORITIES_MAX)
        return no_room(reader, CONFIG_PRIORITIES_MAX);
    struct config_priority *entry = &config->priority_policies[config->priority_policy_count++];
    *entry = (struct config_priority){.level = level};
    return &entry->policy;
}

CONFIG_CLOSE(close_dynamic_batching)
{
    const struct model_config *config = owner;
    uint64_t levels = config->priority_levels, level = config->default_priority_level;
    if (levels > 0 && (level < 1 || level > levels))
        return config_fail(reader, ROOST_INVALID,
                           "default_priority_level must be between 1 and %" PRIu64 ", not %" PRIu64,
                           levels, level);
    for (unsigned i = 0; i < config->priority_policy_count; i++) {
        level = config->priority_policies[i].level;
        if (level < 1 || level > levels)
            return config_fail(reader, ROOST_INVALID,
                               "priority_queue_policy: level %" PRIu64
                               " is not between 1 and priority_levels (%" PRIu64 ")",
                               level, levels);
    }
    return ROOST_OK;
}

CONFIG_OPEN(open_warmup)
{
    struct model_config *config = owner;
    (void)key;
    if (config->warmup_count == CONFIG_WARMUPS_MAX)
        return no_room(reader, CONFIG_WARMUPS_MAX);
    struct config_warmup *warmup = &config->warmups[config->warmup_count++];
    warmup->name[0] = '\0';
    warmup->batch_size = warmup->count = 0;
    warmup->input_count = 0;
    return warmup;
}

CONFIG_CLOSE(close_warmup)
{
    struct config_warmup *warmup = owner;
    if (warmup->batch_size < 1)
        return config_fail(reader, ROOST_INVALID, "batch_size must be at least 1");
    if (warmup->input_count == 0)
        return config_fail(reader, ROOST_INVALID, "has no inputs");
    warmup->count = warmup->count == 0 ? 1 : warmup->count;
    return ROOST_OK;
}

CONFIG_OPEN(open_warm_input)
{
    struct config_warmup *warmup = owner;
    for (unsigned i = 0; i < warmup->input_count; i++)
        if (strcmp(warmup->inputs[i].name, key) == 0) {
            (void)config_fail(reader, ROOST_INVALID, "given more than once");
            return NULL;
        }
    if (warmup->input_count == CONFIG_WARM_INPUTS_MAX)
        return no_room(reader, CONFIG_WARM_INPUTS_MAX);
    struct config_warm_input *input = &warmup->inputs[warmup->input_count++];
    *input = (struct config_warm_input){.dtype = DTYPE_INVALID, .kind = WARM_ZERO};
    reader->warm_kind_given = false;
    if (copy_text(reader, key, input->name, sizeof(input->name)) != ROOST_OK)
        return NULL;
    return input;
}

CONFIG_STORE(store_warm_dtype)
{
    struct config_warm_input *input = owner;
    (void)reader;
    return dtype_from(value->integer, &input->dtype);
}

CONFIG_STORE(store_warm_dim)
{
    struct config_warm_input *input = owner;
    return shape_append(reader, value->integer, false, &input->dims);
}

static enum roost_err warm_kind_once(struct config_reader *reader)
{
    if (reader->warm_kind_given)
        return config_fail(reader, ROOST_INVALID,
                           "only one of zero_data, random_data and input_data_file");
    reader->warm_kind_given = true;
    return ROOST_OK;
}

CONFIG_STORE(store_warm_zero)
{
    struct config_warm_input *input = owner;
    (void)value;
    input->kind = WARM_ZERO;
    return warm_kind_once(reader);
}

CONFIG_STORE(store_warm_random)
{
    struct config_warm_input *input = owner;
    (void)value;
    input->kind = WARM_RANDOM;
    return warm_kind_once(reader);
}

CONFIG_STORE(store_warm_file)
{
    struct config_warm_input *input = owner;
    input->kind = WARM_FILE;
    enum roost_err err = warm_kind_once(reader);
    if (err == ROOST_OK)
        err = copy_file_name(reader, value->text, input->file, sizeof(input->file));
    return err;
}

CONFIG_OPEN(open_parameter)
{
    struct model_config *config = owner;
    for (unsigned i = 0; i < config->parameter_count; i++)
        if (strcmp(config->parameters[i].key, key) == 0) {
            (void)config_fail(reader, ROOST_INVALID, "given more than once");
            return NULL;
        }
    if (config->parameter_count == CONFIG_PARAMETERS_MAX)
        return no_room(reader, CONFIG_PARAMETERS_MAX);
    struct config_parameter *parameter = &config->parameters[config->parameter_count++];
    *parameter = (struct config_parameter){.value = ""};
    if (copy_text(reader, key, parameter->key, sizeof(parameter->key)) != ROOST_OK)
        return NULL;
    return parameter;
}

CONFIG_STORE(store_parameter_value)
{
    struct config_parameter *parameter = owner;
    return copy_text(reader, value->text, parameter->value, sizeof(parameter->value));
}

static const struct config_parameter_note *parameter_note(const char *key)
{
    for (size_t i = 0; i < config_parameter_note_count; i++)
        if (strcmp(config_parameter_notes[i].key, key) == 0)
            return &config_parameter_notes[i];
    return NULL;
}

CONFIG_CLOSE(close_parameter)
{
    const struct config_parameter *parameter = owner;
    const struct config_parameter_note *note = parameter_note(parameter->key);
    if (note == NULL) {
        /* Those under roost. are told to clients as properties of the model. */
        if (strncmp(parameter->key, "roost.", 6) != 0)
            config_warn(reader, "ignored: Roost knows no such parameter");
        return ROOST_OK;
    }
    if (note->status == STATUS_IGNORED) {
        config_warn(reader, "ignored: %s", note->note);
        return ROOST_OK;
    }
    enum { THREADS_MAX = 1024 };
    char *end = NULL;
    long threads = strtol(parameter->value, &end, 10);
    if (end == parameter->value || *end != '\0' || threads < 0 || threads > THREADS_MAX)
        return config_fail(reader, ROOST_INVALID, "expected a number between 0 and %d, not \"%s\"",
                           THREADS_MAX, parameter->value);
    reader->config->intra_op_threads = (unsigned)threads;
    return ROOST_OK;
}

/* What can be told only when the whole file is read. */
CONFIG_CLOSE(close_model)
{
    const struct model_config *config = owner;
    for (unsigned i = 0; i < config->preferred_count; i++)
        if (config->max_batch_size >= 0 &&
            config->preferred_batch_sizes[i] > config->max_batch_size)
            return config_fail(reader, ROOST_INVALID,
                               "dynamic_batching.preferred_batch_size: %" PRId64
                               " is above max_batch_size (%" PRId64 ")",
                               config->preferred_batch_sizes[i], config->max_batch_size);
    for (unsigned i = 0; i < config->warmup_count; i++) {
        int64_t batch_size = config->warmups[i].batch_size;
        int64_t maximum = config->max_batch_size == 0 ? 1 : config->max_batch_size;
        if (config->max_batch_size >= 0 && batch_size > maximum)
            return config_fail(reader, ROOST_INVALID,
                               "model_warmup[%u].batch_size: %" PRId64
                               " is above what max_batch_size allows (%" PRId64 ")",
                               i, batch_size, maximum);
    }
    return ROOST_OK;
}
