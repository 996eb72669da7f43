/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back from hosts: answers, failures, and the batches of a host that died. */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

enum { DEATHS_CRASH_WEIGHT = 5, DEATHS_MAX = 10 }; /* two crashes, or ten kills from outside */

/* ---- slicing ---------------------------------------------------------------------- */

/* Where in each output the next request's rows begin. */
struct slice {
    uint64_t offset[MODEL_TENSORS_MAX];
};

/* Length of the next `elements` items of a BYTES output. A hostile host may change the memory while
 * we look, so every length is checked as it is read; false when they do not fit. */
static bool slice_bytes_length(const struct tensor *whole, uint64_t offset, uint64_t elements,
                               uint64_t *length)
{
    const unsigned char *data = whole->data;
    uint64_t end = offset;
    for (uint64_t i = 0; i < elements; i++) {
        uint32_t item;
        if (whole->bytes - end < sizeof item) {
            return false;
        }
        memcpy(&item, data + end, sizeof item);
        end += sizeof item;
        if (whole->bytes - end < item) {
            return false;
        }
        end += item;
    }
    *length = end - offset;
    return true;
}

/* The rows of one request out of a batch's output. */
static bool slice_output(struct slice *slice, unsigned output, const struct tensor *whole,
                         uint64_t batch_rows, uint64_t rows, struct tensor *part)
{
    *part = *whole;
    part->shape.dims[0] = (int64_t)rows;
    part->data = (char *)whole->data + slice->offset[output];
    part->bytes = whole->bytes / batch_rows * rows;
    uint64_t elements = 0, length = part->bytes;
    if (dtype_bytes(whole->dtype) == 0) {
        if (!shape_elements(&part->shape, &elements) ||
            !slice_bytes_length(whole, slice->offset[output], elements, &length)) {
            return false;
        }
        part->bytes = length;
    }
    slice->offset[output] += length;
    return true;
}

/* The shape that the API shows for an output whose graph shape is another (config.pbtxt's reshape).
 * */
static void lane_api_shape(const struct lane *lane, unsigned output, struct tensor *tensor)
{
    const struct config_tensor *config = &lane->config.outputs[output];
    if (!config->has_reshape) {
        return;
    }
    unsigned lead = lane->signature.max_batch_size > 0 ? 1 : 0;
    int64_t all = 1, known = 1, variable = -1;
    for (unsigned d = lead; d < tensor->shape.rank; d++) {
        all *= tensor->shape.dims[d];
    }
    tensor->shape.rank = lead + config->dims.rank;
    for (unsigned d = 0; d < config->dims.rank; d++) {
        tensor->shape.dims[lead + d] = config->dims.dims[d];
        if (config->dims.dims[d] < 0) {
            variable = (int64_t)lead + d;
        } else {
            known *= config->dims.dims[d];
        }
    }
    if (variable >= 0) {
        tensor->shape.dims[variable] = known == 0 ? 0 : all / known;
    }
}

/* True when every output that came has the batch's rows as its first dimension. */
static bool lane_outputs_batched(const struct link_result *result, uint64_t rows)
{
    for (unsigned g = 0; g < result->output_count; g++) {
        const struct tensor *output = &result->outputs[g];
        if (output->data != NULL &&
            (output->shape.rank == 0 || output->shape.dims[0] != (int64_t)rows)) {
            return false;
        }
    }
    return true;
}

/* ---- answers ---------------------------------------------------------------------- */

static void lane_requeue(struct lane *lane, struct request *request)
{
    request->item.alone = true;
    lane->statistics->rerun++;
    lane_enqueue(lane, request);
}

static void lane_answer(struct lane *lane, const struct unit *unit, const struct batch *batch,
                        const struct link_result *result)
{
    struct slice slice = {0};
    struct tensor outputs[MODEL_TENSORS_MAX];
    unsigned output_count = lane->signature.io.output_count;
    struct reply reply = {
        .err = ROOST_OK,
        .outputs = outputs,
        .variant = lane->variants[unit->variant].desired.name,
        .times = {.input_ns = result->input_end_ns - result->taken_ns,
                  .infer_ns = result->infer_end_ns - result->input_end_ns,
                  .output_ns = result->done_ns - result->infer_end_ns},
    };
    for (unsigned r = 0; r < batch->count; r++) {
        struct request *request = batch->requests[r];
        bool good = true;
        for (unsigned o = 0; o < output_count; o++) {
            unsigned graph = lane->signature.output_graph_index[o];
            const struct tensor *whole = &result->outputs[graph];
            outputs[o] = *whole;
            if (whole->data == NULL) {
                continue;
            }
            if (batch->count > 1) {
                good &= slice_output(&slice, graph, whole, batch->rows, request->item.rows,
                                     &outputs[o]);
            }
            lane_api_shape(lane, o, &outputs[o]);
        }
        reply.err = good ? ROOST_OK : ROOST_INTERNAL;
        reply.text = "the host process wrote a malformed BYTES output";
        uint64_t arrival_ns = request->item.arrival_ns;
        reply.times.queue_ns = result->taken_ns > arrival_ns ? result->taken_ns - arrival_ns : 0;
        if (request_returned(request)) {
            request_finish(request, &reply);
        }
    }
}

/* A failed batch: one bad request must not fail its companions, so each is tried alone. */
static void lane_fail_batch(struct lane *lane, const struct batch *batch, enum roost_err err,
                            const char *text)
{
    bool retry = batch->count > 1;
    for (unsigned r = 0; r < batch->count; r++) {
        struct request *request = batch->requests[r];
        if (!request_returned(request)) {
            continue;
        }
        if (retry) {
            lane_requeue(lane, request);
        } else {
            struct reply reply = {.err = err, .text = text};
            request_finish(request, &reply);
        }
    }
}

/* How long a switch left requests without any worker. */
static void lane_measure_switch(struct lane *lane, struct unit *unit,
                                const struct link_result *result)
{
    unit->last_done_ns = result->done_ns > unit->last_done_ns ? result->done_ns
                                                              : unit->last_done_ns;
    if (unit->taken_over_ns == 0) {
        return;
    }
    uint64_t idle_ns = unit->taken_over_ns;
    for (const struct unit *other = lane->server->units; other != NULL; other = other->next) {
        bool busy = other != unit && other->lane == lane && unit_busy(other) > 0;
        uint64_t until_ns = other->lane != lane || other == unit ? 0
                            : busy                               ? result->taken_ns
                                                                 : other->last_done_ns;
        idle_ns = until_ns > idle_ns ? until_ns : idle_ns;
    }
    unit->taken_over_ns = 0;
    hist_record(&lane->statistics->switch_gap_ns,
                result->taken_ns > idle_ns ? result->taken_ns - idle_ns : 0);
}

/* CPU time is not charged to a batch size alone: policies also want it over all that was served. */
static void lane_learn_cpu(struct lane_variant *variant, uint64_t rows, uint64_t cpu_ns)
{
    static const double memory = 0.999; /* a thousand batches */
    curve_observe(&variant->cpu_curve, rows, cpu_ns);
    variant->cpu_ns = variant->cpu_ns * memory + (double)cpu_ns;
    variant->cpu_rows = variant->cpu_rows * memory + (double)rows;
}

void lane_result(struct lane *lane, struct unit *unit, const struct link_result *result)
{
    const struct batch *batch = unit->batches[result->slot];
    struct lane_variant *variant = &lane->variants[unit->variant];
    uint64_t service_ns = result->done_ns - result->taken_ns;
    lane_measure_switch(lane, unit, result);
    if (result->err != ROOST_OK) {
        lane_fail_batch(lane, batch, result->err, result->detail.text);
        return;
    }
    curve_observe(&variant->curve, batch->rows, service_ns);
    struct batch_times times = {.input_ns = result->input_end_ns - result->taken_ns,
                                .infer_ns = result->infer_end_ns - result->input_end_ns,
                                .output_ns = result->done_ns - result->infer_end_ns};
    statistics_batch(lane->statistics, batch->rows, &times);
    lane->statistics->busy_ns += service_ns;
    lane->statistics->cpu_ns += result->cpu_ns;
    lane_learn_cpu(variant, batch->rows, result->cpu_ns);
    view_meter_run(&lane->meter, batch->rows, service_ns, result->cpu_ns, clock_now_ns());
    if (batch->count > 1 && !lane_outputs_batched(result, batch->rows)) {
        log_warn("model.unbatchable",
                 "tenant=%s reason=\"an output's first dimension is not the batch's\"",
                 lane->tenant->name);
        lane->unbatchable = true;
        lane->limits.batching = false;
        lane_fail_batch(lane, batch, ROOST_INTERNAL, "");
        return;
    }
    lane_answer(lane, unit, batch, result);
}

void lane_orphans(struct lane *lane, struct unit *unit, const unsigned *slots, unsigned count,
                  enum death death)
{
    for (unsigned s = 0; s < count; s++) {
        unit->batches[slots[s]]->returned = true;
    }
    for (unsigned s = 0; s < count; s++) {
        struct batch *batch = unit->batches[slots[s]];
        for (unsigned r = 0; r < batch->count; r++) {
            struct request *request = batch->requests[r];
            if (!request_returned(request)) {
                continue;
            }
            request->deaths += death == DEATH_KILLED ? 1 : DEATHS_CRASH_WEIGHT;
            if (request->deaths >= DEATHS_MAX) {
                struct reply reply = {
                    .err = ROOST_INTERNAL,
                    .text = "the host process ended twice while it ran this request"};
                request_finish(request, &reply);
            } else {
                lane_requeue(lane, request);
            }
        }
        batch->count = 0;
    }
}

/* ---- bookkeeping ------------------------------------------------------------------ */

static void count_duration(struct oip_duration *duration, uint64_t ns)
{
    duration->count++;
    duration->ns += ns;
}

void lane_count_reply(struct lane *lane, const struct request *request, const struct reply *reply)
{
    struct statistics *statistics = lane->statistics;
    uint64_t now_ns = clock_now_ns();
    uint64_t latency_ns = now_ns - request->started_ns;
    bool good = reply->err == ROOST_OK;
    /* Turned away rather than failed. */
    bool refused = reply->err == ROOST_OVERLOADED || reply->err == ROOST_UNAVAILABLE;
    if (refused) {
        view_meter_refusal(&lane->meter, now_ns);
    } else {
        view_meter_answer(&lane->meter, latency_ns, good, now_ns);
    }
    if (good) {
        count_duration(&statistics->success, latency_ns);
        count_duration(&statistics->queue, reply->times.queue_ns);
        count_duration(&statistics->compute_input, reply->times.input_ns);
        count_duration(&statistics->compute_infer, reply->times.infer_ns);
        count_duration(&statistics->compute_output, reply->times.output_ns);
        statistics->inference_count += request->item.rows;
        statistics->last_inference_wall_ns = clock_wall_ns();
        hist_record(&statistics->latency_ns, latency_ns);
    } else {
        count_duration(&statistics->fail, latency_ns);
        statistics->failures[failure_reason_of(reply->err)]++;
        statistics->refused += reply->err == ROOST_OVERLOADED;
    }
    uint64_t slo_ns = lane->settings.slo_ns;
    if (slo_ns != 0) {
        bool hit = good && latency_ns <= slo_ns;
        statistics->slo_hits += hit;
        statistics->slo_misses += !hit;
        /* Of errors only those tell of waiting that came after it. */
        bool waited = good || (reply->err == ROOST_EXPIRED && latency_ns > slo_ns);
        if (waited) {
            admission_learn(&lane->admission, lane->settings.slo_percentile, request->started_ns,
                            hit);
        }
    }
}
