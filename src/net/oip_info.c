/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata, statistics and errors of the Open Inference Protocol. */
#include "base/json.h"
#include "net/oip.h"

static void strings_write(struct json_writer *json, const char *key, const char *const *texts,
                          size_t count)
{
    json_key(json, key);
    json_begin_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, texts[i]);
    json_end_array(json);
}

void oip_write_server_metadata(struct strbuf *out, const char *name, const char *version,
                               const char *const *extensions, size_t extension_count)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_field_string(&json, "name", name);
    json_field_string(&json, "version", version);
    strings_write(&json, "extensions", extensions, extension_count);
    json_end_object(&json);
}

static void specs_write(struct json_writer *json, const char *key, const struct tensor_spec *specs,
                        unsigned count)
{
    json_key(json, key);
    json_begin_array(json);
    for (unsigned i = 0; i < count; i++) {
        json_begin_object(json);
        json_field_string(json, "name", specs[i].name);
        json_field_string(json, "datatype", dtype_name(specs[i].dtype));
        json_key(json, "shape");
        json_begin_array(json);
        for (unsigned dim = 0; dim < specs[i].shape.rank; dim++)
            json_int(json, specs[i].shape.dims[dim]);
        json_end_array(json);
        json_end_object(json);
    }
    json_end_array(json);
}

static void properties_write(struct json_writer *json, const struct oip_property *properties,
                             size_t property_count)
{
    if (property_count == 0) {
        return;
    }
    json_key(json, "properties");
    json_begin_object(json);
    for (size_t i = 0; i < property_count; i++) {
        json_field_string(json, properties[i].key, properties[i].value);
    }
    json_end_object(json);
}

void oip_write_model_metadata(struct strbuf *out, const struct oip_model *model,
                              const char *platform, const char *const *versions,
                              size_t version_count, const struct oip_property *properties,
                              size_t property_count)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_field_string(&json, "name", model->name);
    strings_write(&json, "versions", versions, version_count);
    json_field_string(&json, "platform", platform);
    specs_write(&json, "inputs", model->io->inputs, model->io->input_count);
    specs_write(&json, "outputs", model->io->outputs, model->io->output_count);
    properties_write(&json, properties, property_count);
    json_end_object(&json);
}

void oip_write_error(struct strbuf *out, const char *text)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_field_string(&json, "error", text);
    json_end_object(&json);
}

static void duration_write(struct json_writer *json, const char *key,
                           const struct oip_duration *duration)
{
    json_key(json, key);
    json_begin_object(json);
    json_field_uint(json, "count", duration->count);
    json_field_uint(json, "ns", duration->ns);
    json_end_object(json);
}

static void batches_write(struct json_writer *json, const struct oip_statistics *model)
{
    json_key(json, "batch_stats");
    json_begin_array(json);
    for (size_t i = 0; i < model->batch_count; i++) {
        const struct oip_batch_statistics *batch = &model->batches[i];
        json_begin_object(json);
        json_field_uint(json, "batch_size", batch->batch_size);
        duration_write(json, "compute_input", &batch->compute_input);
        duration_write(json, "compute_infer", &batch->compute_infer);
        duration_write(json, "compute_output", &batch->compute_output);
        json_end_object(json);
    }
    json_end_array(json);
}

static void model_write(struct json_writer *json, const struct oip_statistics *model)
{
    json_begin_object(json);
    json_field_string(json, "name", model->name);
    json_field_string(json, "version", model->version);
    json_field_uint(json, "last_inference", model->last_inference_ms);
    json_field_uint(json, "inference_count", model->inference_count);
    json_field_uint(json, "execution_count", model->execution_count);
    json_key(json, "inference_stats");
    json_begin_object(json);
    duration_write(json, "success", &model->success);
    duration_write(json, "fail", &model->fail);
    duration_write(json, "queue", &model->queue);
    duration_write(json, "compute_input", &model->compute_input);
    duration_write(json, "compute_infer", &model->compute_infer);
    duration_write(json, "compute_output", &model->compute_output);
    duration_write(json, "cache_hit", &model->cache_hit);
    duration_write(json, "cache_miss", &model->cache_miss);
    json_end_object(json);
    /* Filled for models that answer one request several times, which Roost has none of. */
    json_key(json, "response_stats");
    json_begin_object(json);
    json_end_object(json);
    batches_write(json, model);
    json_key(json, "memory_usage");
    json_begin_array(json);
    if (model->memory_bytes > 0) {
        json_begin_object(json);
        json_field_string(json, "type", "CPU");
        json_field_uint(json, "id", 0);
        json_field_uint(json, "byte_size", model->memory_bytes);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

void oip_write_statistics(struct strbuf *out, const struct oip_statistics *models, size_t count)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "model_stats");
    json_begin_array(&json);
    for (size_t i = 0; i < count; i++)
        model_write(&json, &models[i]);
    json_end_array(&json);
    json_end_object(&json);
}
