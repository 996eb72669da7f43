/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/split.h"
#include "serve/tenant.h"
#include "serve/unit.h"

enum { REQUEST_BLOCKS_EXTRA = 2 }; /* the body, and one for what a protocol layer makes itself */

struct request *request_new(struct lane *lane, request_answer_fn *answer, void *user)
{
    unsigned inputs = lane->signature.io.input_count;
    unsigned blocks = inputs + REQUEST_BLOCKS_EXTRA;
    size_t bytes = sizeof(struct request) + inputs * sizeof(struct request_input) +
                   inputs * sizeof(struct shape) + blocks * sizeof(void *);
    struct request *request = calloc(1, bytes);
    if (request == NULL) {
        return NULL;
    }
    request->inputs = (struct request_input *)(request + 1);
    request->shapes = (struct shape *)(request->inputs + inputs);
    request->blocks = (void **)(request->shapes + inputs);
    request->lane = lane;
    request->answer = answer;
    request->user = user;
    request->started_ns = clock_now_ns();
    request->expiry_ns = UINT64_MAX;
    request->item.node.index = HEAP_OUT;
    request->expiry_node.index = HEAP_OUT;
    request->item.key.input_count = inputs;
    request->item.key.shapes = request->shapes;
    lane->bodies++;
    return request;
}

void request_join(struct request *part, struct request *whole)
{
    part->whole = whole;
    whole->parts++;
}

void request_free(struct request *request)
{
    struct lane *lane = request->lane;
    server_expiry_remove(lane->server, request);
    if (request->parts > 0) {
        request->freed = true;
        return;
    }
    struct request *whole = request->whole;
    for (unsigned i = 0; i < request->block_count; i++) {
        input_memory_release(lane->memory, request->blocks[i]);
    }
    free(request);
    lane->bodies--;
    if (whole != NULL && --whole->parts == 0 && whole->freed) {
        request_free(whole);
    }
}

enum roost_err request_allocate(struct request *request, size_t bytes, void **block,
                                struct detail *detail)
{
    const struct lane *lane = request->lane;
    uint64_t charge = input_memory_charge_bytes(bytes);
    uint64_t budget = input_memory_budget_bytes(lane->memory);
    if (charge > budget - request->block_bytes) {
        return detail_set(detail, ROOST_TOO_LARGE,
                          "the inputs take %" PRIu64 " bytes, but the memory for all waiting "
                          "requests of model '%s' is %" PRIu64 ": send less at once, or raise "
                          "input_memory",
                          request->block_bytes + charge, lane->tenant->name, budget);
    }
    bool fits = request->block_count < lane->signature.io.input_count + REQUEST_BLOCKS_EXTRA;
    *block = fits ? input_memory_allocate(lane->memory, bytes) : NULL;
    if (*block == NULL) {
        return detail_set(detail, ROOST_OVERLOADED,
                          "the memory for waiting requests of model '%s' is full (%" PRIu64
                          " of %" PRIu64 " bytes in use)",
                          lane->tenant->name, input_memory_used_bytes(lane->memory), budget);
    }
    request->blocks[request->block_count++] = *block;
    request->block_bytes += charge;
    return ROOST_OK;
}

static void request_tell(struct request *request, const struct reply *reply)
{
    roost_assert(!request->over);
    request->over = true;
    server_expiry_remove(request->lane->server, request);
    if (request->whole == NULL) {
        lane_count_reply(request->lane, request, reply);
    }
    request->answer(request->user, request, reply);
}

static void request_refuse(struct request *request, enum roost_err err, const char *text,
                           uint64_t retry_after_ns)
{
    struct reply reply = {.err = err, .text = text, .retry_after_ns = retry_after_ns};
    request_tell(request, &reply);
    request_free(request);
}

/* What shedding says of a request that arrives now; 0: let it in, else the predicted wait. */
static uint64_t request_shed_wait_ns(const struct request *request, uint64_t now_ns)
{
    struct lane *lane = request->lane;
    bool by_slo = lane_sheds_by_slo(lane);
    admission_use(&lane->admission, by_slo, now_ns);
    if (lane->settings.shed == SHED_NEVER) {
        return 0;
    }
    const struct curve *curve = &lane->variants[lane->variant].curve;
    uint64_t ahead = lane_waiting_rows(lane);
    uint64_t wait_ns = batcher_predict_wait_ns(&lane->limits, curve, ahead);
    if (wait_ns == 0) {
        return 0;
    }
    uint64_t end_ns = request->delay_on_timeout ? request->deadline_ns : request->expiry_ns;
    if (end_ns <= now_ns) {
        return 0; /* expires at once */
    }
    uint64_t limit_ns = end_ns - now_ns;
    if (by_slo) {
        uint64_t service_ns = curve_service_ns(curve, request->item.rows);
        uint64_t room_ns = admission_limit_ns(&lane->admission, lane->settings.slo_ns, service_ns);
        limit_ns = room_ns < limit_ns ? room_ns : limit_ns;
    }
    return wait_ns > limit_ns ? wait_ns : 0;
}

/* Whether there is a place for it in the queue; else it has been answered. */
static bool request_finds_room(struct request *request)
{
    struct lane *lane = request->lane;
    struct detail detail;
    uint32_t size_max;
    if (lane_waiting(lane) >= lane->settings.queue_max) {
        detail_set(&detail, ROOST_OVERLOADED, "model '%s': the queue is full (%u requests wait)",
                   lane->model.name, lane->settings.queue_max);
    } else if (lane_level_full(lane, request, &size_max)) {
        detail_set(&detail, ROOST_OVERLOADED,
                   "model '%s': the queue is full (max_queue_size of this priority is %" PRIu32 ")",
                   lane->model.name, size_max);
    } else {
        return true;
    }
    const struct curve *curve = &lane->variants[lane->variant].curve;
    request_refuse(request, ROOST_OVERLOADED, detail.text,
                   1 + batcher_predict_wait_ns(&lane->limits, curve, lane_waiting_rows(lane)));
    return false;
}

void request_submit(struct request *request)
{
    struct lane *lane = request->lane;
    struct detail detail;
    uint64_t now_ns = clock_now_ns();
    if (request->whole == NULL) {
        view_meter_arrival(&lane->meter, request->item.rows, now_ns);
    }
    enum roost_err err = lane_admits(lane, &detail);
    if (err == ROOST_OK && request->pin != 0) {
        err = lane_admits_pin(lane, request->pin - 1, &detail);
    }
    if (err != ROOST_OK) {
        request_refuse(request, err, detail.text, 0);
        return;
    }
    request->item.arrival_ns = now_ns;
    lane_prepare(lane, request);
    if (!request_finds_room(request)) {
        return;
    }
    uint64_t wait_ns = request_shed_wait_ns(request, now_ns);
    if (wait_ns != 0) {
        char wait_text[32];
        detail_set(&detail, ROOST_OVERLOADED,
                   "model '%s': the predicted wait of %s is longer than the request may wait",
                   lane->model.name, duration_format(wait_ns, wait_text, sizeof wait_text));
        request_refuse(request, ROOST_OVERLOADED, detail.text, wait_ns);
        return;
    }
    lane->statistics->rows += request->item.rows;
    lane_enqueue(lane, request);
}

static void request_end(struct request *request)
{
    if (request->state == REQUEST_RUNNING) {
        unit_request_over(request->unit, request->slot); /* frees when the batch is back */
        return;
    }
    if (request->state == REQUEST_QUEUED) {
        queue_remove(lane_queue_of(request->lane, request), &request->item);
    }
    request_free(request);
}

void request_abandon(struct request *request)
{
    roost_assert(!request->over);
    request->over = true;
    server_expiry_remove(request->lane->server, request);
    if (request->whole == NULL) {
        request->lane->statistics->abandoned++;
    }
    if (request->split != NULL) {
        split_abandon(request->split); /* frees this one at its end */
    } else {
        request_end(request);
    }
}

void request_finish(struct request *request, const struct reply *reply)
{
    if (request->state == REQUEST_QUEUED) {
        /* First: who is told may send what makes batches be formed. */
        queue_remove(lane_queue_of(request->lane, request), &request->item);
        request->state = REQUEST_NEW;
    }
    request_tell(request, reply);
    request_end(request);
}

bool request_returned(struct request *request)
{
    request->unit = NULL;
    request->state = REQUEST_NEW;
    if (request->over) {
        request_free(request);
        return false;
    }
    return true;
}
