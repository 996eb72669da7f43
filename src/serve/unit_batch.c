/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of a unit: handing over, and taking results back. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "serve/lane.h"
#include "serve/unit.h"

unsigned unit_busy(const struct unit *unit)
{
    return unit->link == NULL ? 0 : link_slots_busy(unit->link);
}

/* The shape that the graph wants for API input i when the request sent `sent` and the batch has
 * `rows`. */
static struct shape unit_graph_shape(const struct lane *lane, unsigned input,
                                     const struct shape *sent, uint64_t rows)
{
    struct shape shape = *sent;
    bool batched = lane->signature.max_batch_size > 0;
    const struct config_tensor *config = &lane->config.inputs[input];
    if (config->has_reshape) {
        unsigned lead = batched ? 1 : 0;
        shape.rank = lead + config->reshape.rank;
        int64_t known = 1, variable = -1, all = 1;
        for (unsigned d = lead; d < sent->rank; d++) {
            all *= sent->dims[d];
        }
        for (unsigned d = 0; d < config->reshape.rank; d++) {
            shape.dims[lead + d] = config->reshape.dims[d];
            if (config->reshape.dims[d] < 0) {
                variable = (int64_t)lead + d;
            } else {
                known *= config->reshape.dims[d];
            }
        }
        if (variable >= 0) {
            shape.dims[variable] = known == 0 ? 0 : all / known;
        }
    }
    if (batched && shape.rank > 0) {
        shape.dims[0] = (int64_t)rows;
    }
    return shape;
}

static void unit_fill(struct unit *unit, unsigned slot, struct request *const *requests,
                      unsigned count, uint64_t rows)
{
    const struct lane *lane = unit->lane;
    const struct request *first = requests[0];
    unsigned inputs = lane->signature.io.input_count;
    struct link_batch batch;
    batch.rows = rows;
    batch.piece_count = count;
    batch.input_count = lane->graph_input_count;
    batch.outputs_wanted = 0;
    for (unsigned g = 0; g < lane->graph_input_count; g++) {
        batch.dtypes[g] = DTYPE_INVALID;
        batch.shapes[g].rank = 0;
    }
    for (unsigned i = 0; i < inputs; i++) {
        unsigned graph = lane->signature.input_graph_index[i];
        if (first->inputs[i].offset != UINT64_MAX) {
            batch.dtypes[graph] = first->inputs[i].dtype;
            batch.shapes[graph] = unit_graph_shape(lane, i, &first->shapes[i], rows);
        }
    }
    for (unsigned o = 0; o < lane->signature.io.output_count; o++) {
        for (unsigned r = 0; r < count; r++) {
            if ((requests[r]->outputs_wanted >> o & 1) != 0) {
                batch.outputs_wanted |= UINT64_C(1) << lane->signature.output_graph_index[o];
            }
        }
    }
    link_batch_set(unit->link, slot, &batch);
    struct link_piece absent = {.offset = UINT64_MAX, .bytes = 0};
    for (unsigned g = 0; g < lane->graph_input_count; g++) {
        if (batch.dtypes[g] == DTYPE_INVALID) {
            for (unsigned r = 0; r < count; r++) {
                link_piece_set(unit->link, slot, g, r, absent);
            }
        }
    }
    for (unsigned i = 0; i < inputs; i++) {
        unsigned graph = lane->signature.input_graph_index[i];
        for (unsigned r = 0; r < count && first->inputs[i].offset != UINT64_MAX; r++) {
            struct link_piece piece = {.offset = requests[r]->inputs[i].offset,
                                       .bytes = requests[r]->inputs[i].bytes};
            link_piece_set(unit->link, slot, graph, r, piece);
        }
    }
}

bool unit_publish(struct unit *unit, struct request *const *requests, unsigned count, uint64_t rows)
{
    roost_assert(count >= 1 && count <= HOST_PIECES_MAX);
    int acquired = link_slot_acquire(unit->link);
    if (acquired < 0) {
        return false;
    }
    unsigned slot = (unsigned)acquired;
    struct batch *batch = unit->batches[slot];
    if (batch == NULL) {
        batch = malloc(sizeof *batch);
        if (batch == NULL) {
            link_release(unit->link, slot);
            return false;
        }
        unit->batches[slot] = batch;
    }
    batch->count = count;
    batch->rows = rows;
    batch->returned = false;
    memcpy(batch->requests, requests, count * sizeof *requests);
    for (unsigned r = 0; r < count; r++) {
        requests[r]->state = REQUEST_RUNNING;
        requests[r]->unit = unit;
        requests[r]->slot = slot;
    }
    unit_fill(unit, slot, requests, count, rows);
    link_publish(unit->link, slot);
    return true;
}

uint64_t unit_rows_largest(const struct unit *unit)
{
    uint64_t rows = 0;
    for (unsigned slot = 0; slot < HOST_SLOTS_MAX; slot++) {
        const struct batch *batch = unit->batches[slot];
        if (batch != NULL && batch->count > 0 && batch->rows > rows) {
            rows = batch->rows;
        }
    }
    return rows;
}

void unit_request_over(struct unit *unit, unsigned slot)
{
    const struct batch *batch = unit->batches[slot];
    if (batch->returned) {
        return; /* an answer ended its connection, and this is a companion of the same one */
    }
    for (unsigned r = 0; r < batch->count; r++) {
        if (!batch->requests[r]->over) {
            return;
        }
    }
    link_cancel(unit->link, slot);
}

bool unit_take_results(struct unit *unit)
{
    struct link_result *result = &unit->result;
    bool any = false;
    while (unit->link != NULL && link_next_result(unit->link, result)) {
        any = true;
        unit->batches_done++;
        unit->batches[result->slot]->returned = true;
        lane_result(unit->lane, unit, result);
        unit->batches[result->slot]->count = 0;
        link_release(unit->link, result->slot);
    }
    if (any) {
        lane_pump(unit->lane);
    }
    return any;
}
