/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

static const uint64_t output_bytes_default = UINT64_C(64) << 20;
/* About what it costs both sides to sleep and be woken, on a virtual machine. */
static const uint64_t spin_ns = 100 * NS_PER_US;

const char *spec_engine(const struct tenant_settings *settings, const char *model_path)
{
    if (settings->engine != NULL) {
        return settings->engine;
    }
    const char *dot = strrchr(model_path, '.');
    return dot != NULL && strcmp(dot, ".fake") == 0 ? "fake" : "onnxruntime";
}

static void spec_warmup(struct host_warmup *to, const struct config_warmup *from, bool batched)
{
    to->count = from->count == 0 ? 1 : from->count;
    to->input_count = from->input_count;
    for (unsigned i = 0; i < from->input_count; i++) {
        const struct config_warm_input *input = &from->inputs[i];
        struct host_warm_input *warm = &to->inputs[i];
        memcpy(warm->name, input->name, sizeof warm->name);
        memcpy(warm->file, input->file, sizeof warm->file);
        warm->dtype = input->dtype;
        warm->kind = input->kind == WARM_FILE     ? HOST_WARM_FILE
                     : input->kind == WARM_RANDOM ? HOST_WARM_RANDOM
                                                  : HOST_WARM_ZERO;
        warm->shape = input->dims;
        if (batched && input->dims.rank < TENSOR_RANK_MAX) {
            memmove(warm->shape.dims + 1, input->dims.dims,
                    input->dims.rank * sizeof input->dims.dims[0]);
            warm->shape.dims[0] = from->batch_size == 0 ? 1 : from->batch_size;
            warm->shape.rank = input->dims.rank + 1;
        }
    }
}

void spec_fill(struct host_spec *spec, const struct unit *unit, enum host_role role)
{
    const struct lane *lane = unit->lane;
    const struct lane_variant *variant = &lane->variants[unit->variant];
    const struct tenant_settings *settings = &lane->settings;
    memset(spec, 0, sizeof *spec);
    spec->role = role;
    snprintf(spec->label, sizeof spec->label, "%.47s/%.47s", lane->tenant->name,
             variant->desired.name);
    const char *model = role == HOST_OPTIMISE ? variant->desired.model_path : unit->path;
    snprintf(spec->engine, sizeof spec->engine, "%s",
             spec_engine(settings, variant->desired.model_path));
    snprintf(spec->model_path, sizeof spec->model_path, "%s", model);
    snprintf(spec->model_directory, sizeof spec->model_directory, "%s",
             variant->desired.model_directory);
    if (role == HOST_OPTIMISE) {
        snprintf(spec->output_directory, sizeof spec->output_directory, "%s", unit->stage);
        spec->adapted = variant->desired.adapter.present;
        spec->adapter.settings = variant->desired.adapter;
        spec->adapter.want = lane->graph;
    }
    if (settings->engine_settings != NULL) {
        snprintf(spec->engine_settings, sizeof spec->engine_settings, "%s",
                 settings->engine_settings);
    }
    spec->optimised = unit->optimised;
    unsigned threads = settings->intra_op_threads != 0 ? settings->intra_op_threads
                                                       : lane->config.intra_op_threads;
    spec->intra_op_threads = threads == 0 ? 1 : threads;
    spec->workers = lane->workers;
    spec->workers_max = lane_workers_max(lane);
    spec->cpus = lane->cpus;
    spec->spin_ns = spin_ns;
    spec->memory_bytes_max = settings->memory_bytes_max;
    spec->output_bytes_max = settings->output_bytes_max != 0 ? settings->output_bytes_max
                                                             : output_bytes_default;
    spec->sandbox = lane->server->settings.sandbox;
    spec->max_batch_size = lane->config.max_batch_size;
    for (unsigned i = 0; i < lane->config.warmup_count && i < HOST_WARMUPS_MAX; i++) {
        spec_warmup(&spec->warmups[spec->warmup_count++], &lane->config.warmups[i],
                    lane->config.max_batch_size > 0);
    }
}
