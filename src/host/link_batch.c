/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of a link: what is where is remembered here; the shared memory is only told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "host/link_internal.h"
#include "host/memfile.h"
#include "host/wire.h"

/* Output pages up to this much per slot are kept for the next batch. */
enum { OUTPUT_KEEP_BYTES = 1 << 20 };
/* A host that writes completion_fd for nothing must not keep the loop from sleeping. */
enum { EMPTY_LOOKS_MAX = 64 };

static struct link_slot *slot_of(struct link *link, unsigned slot, enum link_slot_state state)
{
    roost_assert(slot < link->slot_count);
    roost_assert(link->slots[slot].state == state);
    return &link->slots[slot];
}

/* ---- out ---------------------------------------------------------------------------------- */

int link_slot_acquire(struct link *link)
{
    if (link->free_count == 0)
        return -1;
    unsigned slot = link->free_slots[--link->free_count];
    slot_of(link, slot, LINK_SLOT_FREE)->state = LINK_SLOT_ACQUIRED;
    link->busy++;
    return (int)slot;
}

unsigned link_slots_busy(const struct link *link)
{
    return link->busy;
}

unsigned link_slots_unstarted(const struct link *link)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < link->slot_count && link->published > 0; slot++)
        if (link->slots[slot].state == LINK_SLOT_PUBLISHED &&
            atomic_load(&link->region->states[slot]) ==
                slot_word(SLOT_FILLED, 0, link->slots[slot].sequence))
            count++;
    return count;
}

void link_batch_set(struct link *link, unsigned slot, const struct link_batch *batch)
{
    struct link_slot *own = slot_of(link, slot, LINK_SLOT_ACQUIRED);
    struct region_batch *to = &link->region->slots[slot].batch;
    roost_assert(batch->piece_count >= 1 && batch->piece_count <= HOST_PIECES_MAX);
    roost_assert(batch->input_count <= MODEL_TENSORS_MAX);
    own->piece_count = batch->piece_count;
    own->input_count = batch->input_count;
    own->outputs_wanted = batch->outputs_wanted;
    to->rows = batch->rows;
    to->outputs_wanted = batch->outputs_wanted;
    to->piece_count = batch->piece_count;
    to->input_count = batch->input_count;
    for (unsigned i = 0; i < batch->input_count; i++) {
        to->inputs[i].dtype = (uint32_t)batch->dtypes[i];
        to->inputs[i].rank = batch->shapes[i].rank;
        roost_assert(batch->shapes[i].rank <= TENSOR_RANK_MAX);
        memcpy(to->inputs[i].dims, batch->shapes[i].dims,
               batch->shapes[i].rank * sizeof to->inputs[i].dims[0]);
    }
}

void link_piece_set(struct link *link, unsigned slot, unsigned input, unsigned piece,
                    struct link_piece value)
{
    const struct link_slot *own = slot_of(link, slot, LINK_SLOT_ACQUIRED);
    roost_assert(input < own->input_count && piece < own->piece_count);
    link->region->slots[slot].pieces[(size_t)input * own->piece_count + piece] = value;
}

void link_publish(struct link *link, unsigned slot)
{
    struct link_slot *own = slot_of(link, slot, LINK_SLOT_ACQUIRED);
    own->state = LINK_SLOT_PUBLISHED;
    own->sequence = ++link->sequence;
    own->published_ns = clock_now_ns();
    link->published++;
    region_publish(link->region, slot, own->sequence);
}

static void slot_free(struct link *link, unsigned slot)
{
    link->slots[slot].state = LINK_SLOT_FREE;
    link->busy--;
    link->free_slots[link->free_count++] = (unsigned char)slot;
}

bool link_retract(struct link *link, unsigned slot)
{
    const struct link_slot *own = slot_of(link, slot, LINK_SLOT_PUBLISHED);
    if (!region_retract(link->region, slot, own->sequence))
        return false;
    link->published--;
    slot_free(link, slot);
    return true;
}

void link_cancel(struct link *link, unsigned slot)
{
    const struct link_slot *own = slot_of(link, slot, LINK_SLOT_PUBLISHED);
    /* For a worker that has not looked yet, and for one that runs it already. */
    atomic_store(&link->region->slots[slot].cancelled_sequence, own->sequence);
    struct wire_order order = {.type = WIRE_CANCEL, .sequence = own->sequence};
    (void)wire_send_order(link->control_fd, &order);
}

/* ---- back --------------------------------------------------------------------------------- */

/* Reads completion_fd if it was written, or may have been for nothing. */
static void completion_clear(struct link *link)
{
    if (!link->signalled && ++link->empty_looks < EMPTY_LOOKS_MAX)
        return;
    uint64_t count;
    link->empty_looks = 0;
    if (read(link->completion_fd, &count, sizeof count) > 0)
        link->signalled = false;
}

/* The next slot with its done bit set; -1 when there is none. */
static int done_next(struct link *link)
{
    for (unsigned word = 0; word < HOST_SLOTS_MAX / 64; word++) {
        if (link->done[word] == 0)
            link->done[word] = region_done_take(link->region, word);
        if (link->done[word] == 0)
            continue;
        unsigned bit = (unsigned)__builtin_ctzll(link->done[word]);
        link->done[word] &= link->done[word] - 1;
        return (int)(word * 64 + bit);
    }
    return -1;
}

/* Remembers how much of the slot's output memory has pages. */
static void output_note(struct link *link, const struct link_result *result)
{
    struct link_slot *own = &link->slots[result->slot];
    const unsigned char *base = link->outputs + result->slot * link->output_stride_bytes;
    own->last_bytes = 0;
    own->used = true;
    for (unsigned o = 0; o < result->output_count; o++) {
        const unsigned char *data = result->outputs[o].data;
        uint64_t end = data == NULL ? 0 : (uint64_t)(data - base) + result->outputs[o].bytes;
        if (end > own->last_bytes)
            own->last_bytes = end;
    }
    if (own->last_bytes > own->output_bytes)
        own->output_bytes = own->last_bytes;
}

bool link_next_result(struct link *link, struct link_result *result)
{
    int slot;
    while ((slot = done_next(link)) >= 0) {
        struct link_slot *own = &link->slots[slot];
        if ((unsigned)slot >= link->slot_count || own->state != LINK_SLOT_PUBLISHED ||
            !link->loaded)
            continue; /* a bit that means nothing */
        uint64_t word = atomic_load(&link->region->states[slot]);
        if (slot_word_state(word) != SLOT_DONE || slot_word_sequence(word) != own->sequence)
            continue;
        uint64_t now_ns = clock_now_ns();
        link_result_read(link, (unsigned)slot, result, now_ns);
        own->state = LINK_SLOT_RESULT;
        link->published--;
        link->busy_ns += result->done_ns - result->taken_ns;
        link->progress_ns = now_ns;
        output_note(link, result);
        return true;
    }
    completion_clear(link);
    return false;
}

/* Gives back what a slot's outputs took beyond `keep` bytes. */
static void slot_punch(struct link *link, unsigned slot, uint64_t keep)
{
    struct link_slot *own = &link->slots[slot];
    uint64_t from = (keep + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES * REGION_PAGE_BYTES;
    if (from < OUTPUT_KEEP_BYTES)
        from = OUTPUT_KEEP_BYTES;
    if (own->output_bytes <= from)
        return;
    memfile_punch(link->output_fd, (size_t)slot * link->output_stride_bytes + from,
                  link->output_stride_bytes - from);
    own->output_bytes = from;
}

void link_release(struct link *link, unsigned slot)
{
    roost_assert(slot < link->slot_count);
    struct link_slot *own = &link->slots[slot];
    roost_assert(own->state == LINK_SLOT_ACQUIRED || own->state == LINK_SLOT_RESULT);
    /* A slot whose batches are always large keeps its pages while it is busy: giving them back
     * and taking them again for each batch would cost more than copying the outputs. */
    if (own->output_bytes / 2 > own->last_bytes)
        slot_punch(link, slot, own->last_bytes);
    slot_free(link, slot);
}

void link_trim(struct link *link)
{
    for (unsigned slot = 0; slot < link->slot_count; slot++) {
        if (link->slots[slot].state == LINK_SLOT_FREE && !link->slots[slot].used)
            slot_punch(link, slot, 0);
        link->slots[slot].used = false;
    }
    link_orders_send(link);
}

unsigned link_orphans(struct link *link, unsigned slots[HOST_SLOTS_MAX])
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < link->slot_count; slot++) {
        struct link_slot *own = &link->slots[slot];
        if (own->state != LINK_SLOT_PUBLISHED)
            continue;
        own->state = LINK_SLOT_RESULT;
        link->published--;
        unsigned at = count++;
        for (; at > 0 && link->slots[slots[at - 1]].sequence > own->sequence; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
    return count;
}

/* ---- sleeping ----------------------------------------------------------------------------- */

static bool link_done_pending(const struct link *link)
{
    for (unsigned word = 0; word < HOST_SLOTS_MAX / 64; word++)
        if (link->done[word] != 0)
            return true;
    return region_done_any(link->region);
}

bool link_arm(struct link *link)
{
    if (link->published == 0)
        return false;
    /* Sequentially consistent, as is the worker's setting of its done bit before it looks whether
     * we sleep: one of the two sees the other. */
    atomic_store(&link->region->armed, 1);
    link->armed = true;
    return link_done_pending(link);
}

void link_awake(struct link *link)
{
    if (!link->armed)
        return;
    link->armed = false;
    if (atomic_exchange(&link->region->armed, 0) == 0)
        link->signalled = true;
}

/* ---- watching ----------------------------------------------------------------------------- */

/* When a running batch was taken, if the host says something that can be true. */
static uint64_t slot_taken_ns(const struct link *link, unsigned slot, uint64_t now_ns)
{
    uint64_t taken_ns = atomic_load(&link->region->slots[slot].taken_ns);
    uint64_t published_ns = link->slots[slot].published_ns;
    return taken_ns < published_ns || taken_ns > now_ns ? published_ns : taken_ns;
}

uint64_t link_oldest_run_ns(const struct link *link)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t running_since_ns = UINT64_MAX, lying_since_ns = UINT64_MAX;
    unsigned running = 0;
    /* Results that wait for us are our delay, not the host's. */
    if (link->published == 0 || link_done_pending(link))
        return 0;
    for (unsigned slot = 0; slot < link->slot_count; slot++) {
        const struct link_slot *own = &link->slots[slot];
        if (own->state != LINK_SLOT_PUBLISHED)
            continue;
        uint64_t word = atomic_load(&link->region->states[slot]);
        bool taken = slot_word_state(word) != SLOT_FILLED;
        uint64_t since_ns = taken ? slot_taken_ns(link, slot, now_ns) : own->published_ns;
        uint64_t *oldest = taken ? &running_since_ns : &lying_since_ns;
        running += taken ? 1 : 0;
        *oldest = since_ns < *oldest ? since_ns : *oldest;
    }
    if (lying_since_ns != UINT64_MAX && running < link->workers) {
        if (lying_since_ns < link->progress_ns)
            lying_since_ns = link->progress_ns;
        if (lying_since_ns < running_since_ns)
            running_since_ns = lying_since_ns;
    }
    return running_since_ns == UINT64_MAX ? 0 : running_since_ns;
}

uint64_t link_busy_ns(const struct link *link)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t busy_ns = link->busy_ns;
    for (unsigned slot = 0; slot < link->slot_count && link->published > 0; slot++) {
        uint64_t word = atomic_load(&link->region->states[slot]);
        if (link->slots[slot].state == LINK_SLOT_PUBLISHED && slot_word_state(word) == SLOT_TAKEN)
            busy_ns += now_ns - slot_taken_ns(link, slot, now_ns);
    }
    return busy_ns;
}
