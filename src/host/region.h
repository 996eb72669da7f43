/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a link and its host share: descriptors of batches, results, and the words through
 * which both sides meet. The data of tensors is elsewhere (input memory, output memory).
 *
 *   states[]   one word per slot: FREE ─publish─► FILLED ─take─► TAKEN ─finish─► DONE ─► FREE
 *                                  FREE ◄─retract─┘
 *              The word carries the sequence of the publication, so that a compare-and-swap meant
 *              for one publication never hits the next one of the same slot.
 *   idle       a bit per worker that sleeps and wants to be woken for the next batch. Whoever
 *              publishes clears one bit and wakes that worker: one system call, and none while
 *              nobody sleeps. The lowest worker is woken first, because its caches are warmest.
 *   spinning   1 while one awake worker looks for work; a publisher that turns it to 0 has given
 *              its batch to that worker and wakes nobody. may_spin: the supervisor allows it.
 *   done       a bit per slot with a result. armed: the supervisor sleeps; the worker that turns it
 *              to 0 writes the completion eventfd.
 *
 * Workers take the FILLED slot with the lowest sequence. They find it by reading states[], which
 * are twice as many as workers and lie side by side.
 *
 * The supervisor's side (region_publish, region_retract, region_done_take, ...) trusts no word of
 * it; the host's side trusts the supervisor.
 */
#ifndef ROOST_HOST_REGION_H
#define ROOST_HOST_REGION_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/link.h"
#include "host/spec.h"

enum { REGION_MAGIC = 0x54534f52, REGION_VERSION = 1, REGION_PAGE_BYTES = 4096 };

enum slot_state { SLOT_FREE, SLOT_FILLED, SLOT_TAKEN, SLOT_DONE };

struct region_input {
    uint32_t dtype; /* DTYPE_INVALID: absent */
    uint32_t rank;
    int64_t dims[TENSOR_RANK_MAX];
};

struct region_batch {
    uint64_t rows;
    uint64_t outputs_wanted;
    uint32_t piece_count;
    uint32_t input_count;
    struct region_input inputs[MODEL_TENSORS_MAX];
};

struct region_output {
    uint32_t dtype; /* DTYPE_INVALID: not wanted */
    uint32_t rank;
    int64_t dims[TENSOR_RANK_MAX];
    uint64_t offset, bytes; /* in the slot's part of the output memory */
};

struct region_result {
    uint32_t err;
    uint32_t worker;
    uint32_t output_count;
    uint32_t unused;
    uint64_t taken_ns, input_end_ns, infer_end_ns, done_ns;
    uint64_t cpu_ns;
    struct region_output outputs[MODEL_TENSORS_MAX];
    char text[DETAIL_BYTES_MAX]; /* only with err */
};

struct region_slot {
    alignas(64) _Atomic uint64_t taken_ns; /* set by the worker when it takes the batch */
    _Atomic uint64_t cancelled_sequence;   /* set by link_cancel */
    struct region_batch batch;
    alignas(64) struct region_result result;
    /* Piece p of input i is at [i * piece_count + p], so that few pages are touched. */
    alignas(64) struct link_piece pieces[MODEL_TENSORS_MAX * HOST_PIECES_MAX];
};

struct region_worker {
    alignas(64) _Atomic uint32_t wake; /* futex word: changes whenever the worker should look */
};

struct region {
    uint32_t magic, version, slot_count, worker_count;
    uint64_t output_stride_bytes; /* output memory of one slot */
    alignas(64) _Atomic uint64_t idle;
    _Atomic uint32_t spinning, may_spin;
    alignas(64) _Atomic uint32_t armed;
    _Atomic uint64_t done[HOST_SLOTS_MAX / 64];
    alignas(64) _Atomic uint64_t states[HOST_SLOTS_MAX];
    struct region_worker workers[HOST_WORKERS_MAX];
    struct host_spec spec;
    alignas(REGION_PAGE_BYTES) struct region_slot slots[];
};

_Static_assert(sizeof(struct region_slot) % 64 == 0, "slots are aligned");
_Static_assert(HOST_WORKERS_MAX <= 64, "idle has a bit per worker");

size_t region_bytes(unsigned slot_count);

/* Fills the header of fresh (zeroed) memory. */
void region_init(struct region *region, const struct host_spec *spec, uint64_t output_stride_bytes);

/* What the header says fits what was mapped: magic, version, counts. */
bool region_valid(const struct region *region, size_t bytes);

/* ---- the word of a slot ------------------------------------------------------------------- */

static inline uint64_t slot_word(enum slot_state state, unsigned worker, uint64_t sequence)
{
    return sequence << 16 | (uint64_t)worker << 8 | (uint64_t)state;
}

static inline enum slot_state slot_word_state(uint64_t word)
{
    return (enum slot_state)(word & 0x3);
}

static inline unsigned slot_word_worker(uint64_t word)
{
    return (unsigned)(word >> 8 & 0xff);
}

static inline uint64_t slot_word_sequence(uint64_t word)
{
    return word >> 16;
}

/* ---- the supervisor's side ----------------------------------------------------------------- */

void region_publish(struct region *region, unsigned slot, uint64_t sequence);
bool region_retract(struct region *region, unsigned slot, uint64_t sequence);

/* Takes the slots of one word of the done bits that have a result. */
uint64_t region_done_take(struct region *region, unsigned word);
bool region_done_any(struct region *region);

/* ---- the host's side ----------------------------------------------------------------------- */

/* Takes the oldest batch for this worker. */
bool region_take(struct region *region, unsigned worker, unsigned *slot, uint64_t *sequence);
bool region_has_work(struct region *region);

/* The result is written: tells the supervisor. True when completion_fd is to be written. */
bool region_finish(struct region *region, unsigned worker, unsigned slot, uint64_t sequence);

/* Wakes one worker that sleeps idle, if any. */
void region_wake_idle(struct region *region);
/* Wakes this worker, whatever it waits for. */
void region_wake_worker(struct region *region, unsigned worker);

/* Sleeps until the worker's word is no longer `seen`. False after timeout_ns (0: no limit). */
bool region_sleep(struct region *region, unsigned worker, uint32_t seen, uint64_t timeout_ns);

#endif
