/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/split.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "serve/lane.h"
#include "serve/request.h"
#include "serve/server.h"

struct split_part {
    struct split *split;
    struct request *request; /* NULL: not submitted, or answered */
    uint64_t row;            /* where its rows begin in the whole */
};

/* The whole request waits outside the queue; its parts are requests of their own that read its
 * input memory, which therefore stays until the last of them is freed (request.c). */
struct split {
    struct request *whole;
    unsigned part_count;
    unsigned open; /* submitted and not answered */
    bool submitting;
    struct reply reply; /* the whole's; its times are the longest of the parts' */
    struct detail text;
    struct tensor outputs[MODEL_TENSORS_MAX];
    struct split_part parts[];
};

static void split_free(struct split *split)
{
    for (unsigned o = 0; o < MODEL_TENSORS_MAX; o++) {
        free(split->outputs[o].data);
    }
    free(split);
}

/* Makes room for the whole output once the first part shows what a row is. */
static bool split_room(struct split *split, unsigned output, const struct tensor *part,
                       uint64_t part_rows)
{
    struct tensor *whole = &split->outputs[output];
    if (whole->data != NULL) {
        return whole->dtype == part->dtype && whole->shape.rank == part->shape.rank;
    }
    uint64_t rows = split->whole->item.rows;
    *whole = *part;
    whole->shape.dims[0] = (int64_t)rows;
    whole->bytes = part->bytes / part_rows * rows;
    whole->data = malloc(whole->bytes == 0 ? 1 : whole->bytes);
    return whole->data != NULL;
}

static enum roost_err split_take(struct split *split, const struct split_part *place,
                                 const struct request *request, const struct reply *reply)
{
    uint64_t rows = request->item.rows;
    for (unsigned o = 0; o < request->lane->signature.io.output_count; o++) {
        const struct tensor *part = &reply->outputs[o];
        if (part->data == NULL) {
            continue;
        }
        if (part->shape.rank == 0 || part->shape.dims[0] != (int64_t)rows ||
            dtype_bytes(part->dtype) == 0) {
            return ROOST_UNSUPPORTED;
        }
        if (!split_room(split, o, part, rows)) {
            return ROOST_NO_MEMORY;
        }
        uint64_t row_bytes = part->bytes / rows;
        if ((place->row + rows) * row_bytes > split->outputs[o].bytes) {
            return ROOST_INTERNAL;
        }
        memcpy((char *)split->outputs[o].data + place->row * row_bytes, part->data, part->bytes);
    }
    return ROOST_OK;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void split_end(struct split *split)
{
    struct request *whole = split->whole;
    whole->split = NULL;
    if (whole->over) {
        request_free(whole);
    } else {
        split->reply.outputs = split->outputs;
        request_finish(whole, &split->reply);
    }
    split_free(split);
}

void split_abandon(struct split *split)
{
    for (unsigned i = 0; i < split->part_count; i++) {
        struct request *part = split->parts[i].request;
        if (part != NULL) {
            split->parts[i].request = NULL;
            split->open--;
            request_abandon(part);
        }
    }
    if (!split->submitting) {
        split_end(split);
    }
}

/* The first failure is the whole's answer; parts that still wait are given up. */
static void split_fail(struct split *split, enum roost_err err, const char *text,
                       uint64_t retry_after_ns)
{
    detail_set(&split->text, err, "%s", text);
    split->reply = (struct reply){
        .err = err, .text = split->text.text, .retry_after_ns = retry_after_ns};
    split_abandon(split);
}

static void split_times(struct reply_times *whole, const struct reply_times *part)
{
    whole->queue_ns = later(whole->queue_ns, part->queue_ns);
    whole->input_ns = later(whole->input_ns, part->input_ns);
    whole->infer_ns = later(whole->infer_ns, part->infer_ns);
    whole->output_ns = later(whole->output_ns, part->output_ns);
}

static void split_answer(void *user, struct request *request, const struct reply *reply)
{
    struct split_part *place = user;
    struct split *split = place->split;
    place->request = NULL;
    split->open--;
    enum roost_err err = reply->err;
    const char *text = reply->text;
    if (err == ROOST_OK) {
        err = split_take(split, place, request, reply);
        text = err == ROOST_UNSUPPORTED ? "a split request needs outputs of fixed-size rows"
                                        : "the parts of a split request do not fit together";
    }
    if (err != ROOST_OK) {
        split_fail(split, err, text, reply->retry_after_ns);
        return;
    }
    split->reply.variant = reply->variant;
    split_times(&split->reply.times, &reply->times);
    if (split->open == 0 && !split->submitting) {
        split_end(split);
    }
}

/* A request for some rows of the whole. NULL when memory is short. */
static struct request *split_make(struct split *split, struct split_part *place, uint64_t rows)
{
    struct request *whole = split->whole;
    struct request *part = request_new(whole->lane, split_answer, place);
    if (part == NULL) {
        return NULL;
    }
    request_join(part, whole);
    part->started_ns = whole->started_ns;
    part->timeout_ns = whole->timeout_ns;
    part->pin = whole->pin;
    part->outputs_wanted = whole->outputs_wanted;
    part->item.priority = whole->item.priority;
    part->item.rows = rows;
    for (unsigned i = 0; i < part->item.key.input_count; i++) {
        part->inputs[i] = whole->inputs[i];
        part->shapes[i] = whole->shapes[i];
        if (whole->inputs[i].offset != UINT64_MAX) {
            uint64_t row_bytes = whole->inputs[i].bytes / whole->item.rows;
            part->inputs[i].offset += place->row * row_bytes;
            part->inputs[i].bytes = rows * row_bytes;
            part->shapes[i].dims[0] = (int64_t)rows;
        }
    }
    return part;
}

/* BYTES rows have no fixed length: such requests cannot be cut by offsets. */
static bool split_possible(const struct request *whole)
{
    for (unsigned i = 0; i < whole->item.key.input_count; i++) {
        if (whole->inputs[i].offset != UINT64_MAX && dtype_bytes(whole->inputs[i].dtype) == 0) {
            return false;
        }
    }
    return true;
}

static void split_refuse(struct request *whole, enum roost_err err, const char *text)
{
    struct reply reply = {.err = err, .text = text};
    request_finish(whole, &reply);
}

void split_submit(struct request *whole)
{
    uint64_t rows_max = whole->lane->limits.rows_max, rows = whole->item.rows;
    if (rows <= rows_max || whole->lane->signature.max_batch_size == 0) {
        request_submit(whole);
        return;
    }
    if (!split_possible(whole)) {
        split_refuse(whole, ROOST_INVALID,
                     "a request with BYTES inputs cannot be split: send at most one batch");
        return;
    }
    uint64_t parts = (rows + rows_max - 1) / rows_max;
    struct split *split = calloc(1, sizeof *split + parts * sizeof split->parts[0]);
    if (split == NULL) {
        split_refuse(whole, ROOST_NO_MEMORY, "out of memory");
        return;
    }
    view_meter_arrival(&whole->lane->meter, rows, clock_now_ns());
    split->whole = whole;
    split->submitting = true;
    whole->split = split;
    for (uint64_t row = 0; row < rows && split->reply.err == ROOST_OK; row += rows_max) {
        struct split_part *place = &split->parts[split->part_count++];
        place->split = split;
        place->row = row;
        place->request = split_make(split, place, rows - row < rows_max ? rows - row : rows_max);
        if (place->request == NULL) {
            split_fail(split, ROOST_NO_MEMORY, "out of memory", 0);
            break;
        }
        split->open++;
        request_submit(place->request);
    }
    split->submitting = false;
    if (split->open == 0) {
        split_end(split);
    }
}
