/* SPDX-License-Identifier: Apache-2.0 */
/* ModelConfig as Triton's /config writes it. What Roost ignores is written with its default. */
#include "serve/model_config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

static void write_shape(struct json_writer *w, const char *key, const struct shape *shape)
{
    json_key(w, key);
    json_begin_array(w);
    for (unsigned d = 0; d < shape->rank; d++)
        json_int(w, shape->dims[d]);
    json_end_array(w);
}

static void write_empty(struct json_writer *w, const char *key, bool object)
{
    json_key(w, key);
    if (object) {
        json_begin_object(w);
        json_end_object(w);
    } else {
        json_begin_array(w);
        json_end_array(w);
    }
}

static void write_tensor(struct json_writer *w, const struct config_tensor *tensor, bool input)
{
    json_begin_object(w);
    json_field_string(w, "name", tensor->name);
    json_field_string(w, "data_type", dtype_config_name(tensor->dtype));
    if (input)
        json_field_string(w, "format", tensor->format[0] != '\0' ? tensor->format : "FORMAT_NONE");
    write_shape(w, "dims", &tensor->dims);
    if (tensor->has_reshape) {
        json_key(w, "reshape");
        json_begin_object(w);
        write_shape(w, "shape", &tensor->reshape);
        json_end_object(w);
    }
    if (!input)
        json_field_string(w, "label_filename", tensor->label_filename);
    json_field_bool(w, "is_shape_tensor", false);
    if (input) {
        json_field_bool(w, "allow_ragged_batch", false);
        json_field_bool(w, "optional", tensor->optional);
    }
    json_field_bool(w, "is_non_linear_format_io", false);
    json_end_object(w);
}

static void write_tensors(struct json_writer *w, const char *key,
                          const struct config_tensor *tensors, unsigned count, bool input)
{
    json_key(w, key);
    json_begin_array(w);
    for (unsigned i = 0; i < count; i++)
        write_tensor(w, &tensors[i], input);
    json_end_array(w);
}

static void write_version_policy(struct json_writer *w, const struct model_config *config)
{
    json_key(w, "version_policy");
    json_begin_object(w);
    if (config->version_policy == VERSIONS_ALL) {
        write_empty(w, "all", true);
    } else if (config->version_policy == VERSIONS_LATEST) {
        json_key(w, "latest");
        json_begin_object(w);
        json_field_uint(w, "num_versions", config->version_count);
        json_end_object(w);
    } else {
        json_key(w, "specific");
        json_begin_object(w);
        json_key(w, "versions");
        json_begin_array(w);
        for (unsigned i = 0; i < config->version_count; i++)
            json_int(w, config->versions[i]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_pinned(struct json_writer *w, const char *key)
{
    json_key(w, key);
    json_begin_object(w);
    json_field_bool(w, "enable", false);
    json_end_object(w);
}

static void write_optimization(struct json_writer *w)
{
    json_key(w, "optimization");
    json_begin_object(w);
    json_field_string(w, "priority", "PRIORITY_DEFAULT");
    write_pinned(w, "input_pinned_memory");
    write_pinned(w, "output_pinned_memory");
    json_field_uint(w, "gather_kernel_buffer_threshold", 0);
    json_field_bool(w, "eager_batching", false);
    json_end_object(w);
}

static void write_queue_policy(struct json_writer *w, const struct config_queue_policy *policy)
{
    json_begin_object(w);
    json_field_string(w, "timeout_action", policy->delay_on_timeout ? "DELAY" : "REJECT");
    json_field_uint(w, "default_timeout_microseconds", policy->default_timeout_us);
    json_field_bool(w, "allow_timeout_override", policy->allow_timeout_override);
    json_field_uint(w, "max_queue_size", policy->max_queue_size);
    json_end_object(w);
}

static void write_dynamic_batching(struct json_writer *w, const struct model_config *config)
{
    json_key(w, "dynamic_batching");
    json_begin_object(w);
    json_key(w, "preferred_batch_size");
    json_begin_array(w);
    for (unsigned i = 0; i < config->preferred_count; i++)
        json_int(w, config->preferred_batch_sizes[i]);
    json_end_array(w);
    json_field_uint(w, "max_queue_delay_microseconds", config->max_queue_delay_us);
    json_field_bool(w, "preserve_ordering", config->preserve_ordering);
    json_field_uint(w, "priority_levels", config->priority_levels);
    json_field_uint(w, "default_priority_level", config->default_priority_level);
    json_key(w, "default_queue_policy");
    write_queue_policy(w, &config->queue_policy);
    json_key(w, "priority_queue_policy");
    json_begin_object(w);
    for (unsigned i = 0; i < config->priority_policy_count; i++) {
        char level[24];
        (void)snprintf(level, sizeof(level), "%" PRIu64, config->priority_policies[i].level);
        json_key(w, level);
        write_queue_policy(w, &config->priority_policies[i].policy);
    }
    json_end_object(w);
    json_end_object(w);
}

static void write_instance_group(struct json_writer *w, const struct model_config *config)
{
    json_key(w, "instance_group");
    json_begin_array(w);
    json_begin_object(w);
    json_field_string(w, "name", config->name);
    json_field_string(w, "kind", "KIND_CPU");
    json_field_uint(w, "count", config->instance_count > 0 ? config->instance_count : 1);
    write_empty(w, "gpus", false);
    write_empty(w, "secondary_devices", false);
    write_empty(w, "profile", false);
    json_field_bool(w, "passive", false);
    json_field_string(w, "host_policy", "");
    json_end_object(w);
    json_end_array(w);
}

static void write_parameters(struct json_writer *w, const struct model_config *config)
{
    json_key(w, "parameters");
    json_begin_object(w);
    for (unsigned i = 0; i < config->parameter_count; i++) {
        json_key(w, config->parameters[i].key);
        json_begin_object(w);
        json_field_string(w, "string_value", config->parameters[i].value);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_warm_input(struct json_writer *w, const struct config_warm_input *input)
{
    json_key(w, input->name);
    json_begin_object(w);
    json_field_string(w, "data_type", dtype_config_name(input->dtype));
    write_shape(w, "dims", &input->dims);
    if (input->kind == WARM_FILE)
        json_field_string(w, "input_data_file", input->file);
    else
        json_field_bool(w, input->kind == WARM_ZERO ? "zero_data" : "random_data", true);
    json_end_object(w);
}

static void write_warmups(struct json_writer *w, const struct model_config *config)
{
    json_key(w, "model_warmup");
    json_begin_array(w);
    for (unsigned i = 0; i < config->warmup_count; i++) {
        const struct config_warmup *warmup = &config->warmups[i];
        json_begin_object(w);
        json_field_string(w, "name", warmup->name);
        json_field_uint(w, "batch_size", warmup->batch_size);
        json_key(w, "inputs");
        json_begin_object(w);
        for (unsigned k = 0; k < warmup->input_count; k++)
            write_warm_input(w, &warmup->inputs[k]);
        json_end_object(w);
        json_field_uint(w, "count", warmup->count);
        json_end_object(w);
    }
    json_end_array(w);
}

void model_config_write_json(const struct model_config *config, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_field_string(&w, "name", config->name);
    json_field_string(&w, "platform", config->platform);
    json_field_string(&w, "backend", config->backend);
    json_field_string(&w, "runtime", "");
    write_version_policy(&w, config);
    json_field_int(&w, "max_batch_size", config->max_batch_size < 0 ? 0 : config->max_batch_size);
    write_tensors(&w, "input", config->inputs, config->input_count, true);
    write_tensors(&w, "output", config->outputs, config->output_count, false);
    write_empty(&w, "batch_input", false);
    write_empty(&w, "batch_output", false);
    write_optimization(&w);
    if (config->dynamic_batching)
        write_dynamic_batching(&w, config);
    write_instance_group(&w, config);
    json_field_string(&w, "default_model_filename", config->default_model_filename);
    write_empty(&w, "cc_model_filenames", true);
    write_empty(&w, "metric_tags", true);
    write_parameters(&w, config);
    write_warmups(&w, config);
    json_end_object(&w);
}
