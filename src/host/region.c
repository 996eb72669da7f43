/* SPDX-License-Identifier: Apache-2.0 */
#include "host/region.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

size_t region_bytes(unsigned slot_count)
{
    size_t bytes = sizeof(struct region) + slot_count * sizeof(struct region_slot);
    return (bytes + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES * REGION_PAGE_BYTES;
}

void region_init(struct region *region, const struct host_spec *spec, uint64_t output_stride_bytes)
{
    bool serves = spec->role == HOST_SERVE;
    region->magic = REGION_MAGIC;
    region->version = REGION_VERSION;
    region->worker_count = serves ? spec->workers_max : 0;
    region->slot_count = 2 * region->worker_count;
    region->output_stride_bytes = output_stride_bytes;
    region->may_spin = 1;
    host_spec_copy(&region->spec, spec);
}

void host_spec_copy(struct host_spec *to, const struct host_spec *from)
{
    unsigned warmups = from->warmup_count <= HOST_WARMUPS_MAX ? from->warmup_count : 0;
    memcpy(to, from, offsetof(struct host_spec, warmups) + warmups * sizeof to->warmups[0]);
    if (from->adapted)
        memcpy(&to->adapter, &from->adapter, sizeof to->adapter);
}

bool region_valid(const struct region *region, size_t bytes)
{
    return bytes >= sizeof *region && region->magic == REGION_MAGIC &&
           region->version == REGION_VERSION && region->worker_count <= HOST_WORKERS_MAX &&
           region->slot_count == 2 * region->worker_count &&
           bytes >= region_bytes(region->slot_count);
}

/* ---- sleeping and waking ------------------------------------------------------------------ */

static void futex_wake_one(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void region_wake_worker(struct region *region, unsigned worker)
{
    atomic_fetch_add(&region->workers[worker].wake, 1);
    futex_wake_one(&region->workers[worker].wake);
}

void region_wake_idle(struct region *region)
{
    uint64_t idle = atomic_load(&region->idle);
    while (idle != 0) {
        unsigned worker = (unsigned)__builtin_ctzll(idle);
        uint64_t bit = UINT64_C(1) << worker;
        if ((atomic_fetch_and(&region->idle, ~bit) & bit) != 0) {
            region_wake_worker(region, worker);
            return;
        }
        idle = atomic_load(&region->idle);
    }
}

bool region_sleep(struct region *region, unsigned worker, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    long rc = syscall(SYS_futex, &region->workers[worker].wake, FUTEX_WAIT, seen,
                      timeout_ns == 0 ? NULL : &timeout, NULL, 0);
    return rc == 0 || errno != ETIMEDOUT;
}

/* ---- batches ------------------------------------------------------------------------------ */

void region_publish(struct region *region, unsigned slot, uint64_t sequence)
{
    /* Sequentially consistent, as is the worker's setting of its idle bit before it looks at the
     * states once more: one of the two sees the other. */
    atomic_store(&region->states[slot], slot_word(SLOT_FILLED, 0, sequence));
    if (atomic_load(&region->spinning) != 0 && atomic_exchange(&region->spinning, 0) != 0)
        return;
    region_wake_idle(region);
}

bool region_retract(struct region *region, unsigned slot, uint64_t sequence)
{
    uint64_t expected = slot_word(SLOT_FILLED, 0, sequence);
    return atomic_compare_exchange_strong(&region->states[slot], &expected,
                                          slot_word(SLOT_FREE, 0, sequence));
}

uint64_t region_done_take(struct region *region, unsigned word)
{
    if (atomic_load(&region->done[word]) == 0)
        return 0;
    return atomic_exchange(&region->done[word], 0);
}

bool region_done_any(struct region *region)
{
    for (unsigned word = 0; word < HOST_SLOTS_MAX / 64; word++)
        if (atomic_load(&region->done[word]) != 0)
            return true;
    return false;
}

/* The FILLED slot with the lowest sequence; -1 when there is none. */
static int region_oldest(struct region *region, uint64_t *word)
{
    int oldest = -1;
    uint64_t lowest = UINT64_MAX;
    for (unsigned slot = 0; slot < region->slot_count; slot++) {
        uint64_t seen = atomic_load(&region->states[slot]);
        if (slot_word_state(seen) == SLOT_FILLED && slot_word_sequence(seen) < lowest) {
            oldest = (int)slot;
            lowest = slot_word_sequence(seen);
            *word = seen;
        }
    }
    return oldest;
}

bool region_has_work(struct region *region)
{
    uint64_t word;
    return region_oldest(region, &word) >= 0;
}

bool region_take(struct region *region, unsigned worker, unsigned *slot, uint64_t *sequence)
{
    uint64_t word = 0;
    int oldest;
    while ((oldest = region_oldest(region, &word)) >= 0) {
        uint64_t taken = slot_word(SLOT_TAKEN, worker, slot_word_sequence(word));
        if (atomic_compare_exchange_strong(&region->states[oldest], &word, taken)) {
            *slot = (unsigned)oldest;
            *sequence = slot_word_sequence(word);
            return true;
        }
    }
    return false;
}

bool region_finish(struct region *region, unsigned worker, unsigned slot, uint64_t sequence)
{
    atomic_store(&region->states[slot], slot_word(SLOT_DONE, worker, sequence));
    atomic_fetch_or(&region->done[slot / 64], UINT64_C(1) << (slot % 64));
    return atomic_load(&region->armed) != 0 && atomic_exchange(&region->armed, 0) != 0;
}
