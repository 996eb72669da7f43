/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_double.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "host/memfile.h"
#include "host/wire.h"

void host_double_init(struct host_double *twin)
{
    struct detail detail = {""};
    struct host_spec spec = {
        .role = HOST_SERVE,
        .intra_op_threads = 1,
        .workers = 2,
        .workers_max = 2,
        .output_bytes_max = 65536,
        .max_batch_size = 64,
    };
    memset(twin, 0, sizeof *twin);
    (void)snprintf(spec.engine, sizeof spec.engine, "fake");
    roost_assert(input_memory_new(1 << 20, &twin->input, &detail) == ROOST_OK);
    roost_assert(link_create(&spec, twin->input, &twin->link, twin->fds, &detail) == ROOST_OK);
    twin->region = twin->link->region;
    twin->outputs_length = twin->link->outputs_length;
    twin->outputs = memfile_map(twin->fds[SPAWN_FD_OUTPUT], twin->outputs_length,
                                PROT_READ | PROT_WRITE, &detail);
    roost_assert(twin->outputs != NULL);
}

void host_double_fini(struct host_double *twin)
{
    munmap(twin->outputs, twin->outputs_length);
    fds_close(twin->fds);
    link_close(twin->link);
    input_memory_free(twin->input);
}

void host_double_load(struct host_double *twin)
{
    struct engine_metadata metadata = {.accuracy = -1};
    struct link_event event;
    static const struct model_io io = {
        .input_count = 1,
        .output_count = 2,
        .inputs = {{.name = "x", .dtype = DTYPE_FP32, .shape = {.rank = 2, .dims = {-1, 4}}}},
        .outputs = {{.name = "y", .dtype = DTYPE_FP32, .shape = {.rank = 2, .dims = {-1, 1}}},
                    {.name = "s", .dtype = DTYPE_BYTES, .shape = {.rank = 1, .dims = {-1}}}},
    };
    roost_assert(wire_send_loaded(twin->fds[SPAWN_FD_CONTROL], &io, &metadata, 1) == ROOST_OK);
    roost_assert(link_next_event(twin->link, &event) && event.type == LINK_LOADED);
}

unsigned host_double_publish(struct host_double *twin, unsigned rows)
{
    int slot = link_slot_acquire(twin->link);
    roost_assert(slot >= 0);
    struct link_batch batch = {
        .rows = rows,
        .outputs_wanted = 3,
        .piece_count = 1,
        .input_count = 1,
        .dtypes = {DTYPE_FP32},
        .shapes = {{.rank = 2, .dims = {rows, 4}}},
    };
    link_batch_set(twin->link, (unsigned)slot, &batch);
    link_piece_set(twin->link, (unsigned)slot, 0, 0,
                   (struct link_piece){.offset = 0, .bytes = rows * 16});
    link_publish(twin->link, (unsigned)slot);
    return (unsigned)slot;
}

void host_double_take(struct host_double *twin)
{
    unsigned slot;
    uint64_t sequence;
    roost_assert(region_take(twin->region, 1, &slot, &sequence));
}

void host_double_finish(struct host_double *twin, unsigned slot)
{
    uint64_t sequence = slot_word_sequence(atomic_load(&twin->region->states[slot]));
    (void)region_finish(twin->region, 1, slot, sequence);
}
