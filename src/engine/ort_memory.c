/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the engine's tensors. Large blocks come from the system one by one, and the thread that
 * frees one keeps it for its next runs: a worker then holds what one of its runs needs. In a heap
 * that all threads and all sizes share, the same runs take up two to three times as much.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "engine/ort_internal.h"

/* What the engine's kernels like to have; as large as the header, so that tensors lie behind it. */
enum { ALIGNMENT = 64 };
/* Smaller ones are left to the engine's own allocator, and that to the C library. */
static const size_t large_bytes_min = 16 << 10;
static const size_t page_bytes = 4096;
/* A block that so many runs did without goes back to the system. */
enum { UNUSED_RUNS_MAX = 8 };

struct block {
    _Alignas(ALIGNMENT) size_t bytes; /* of the mapping; 0: from the engine's own allocator */
    unsigned run;                     /* of this thread's, that used it last */
    struct block *next;
};
_Static_assert(sizeof(struct block) == ALIGNMENT, "tensors lie right behind it");

/* One per thread. */
struct pool {
    struct block *kept; /* free blocks */
    unsigned run;
    bool known; /* to pool_key, which empties it when the thread ends */
};

static __thread struct pool pool;
static pthread_key_t pool_key;
static OrtAllocator *engine_allocator; /* the engine's own */

/* ---- large blocks ------------------------------------------------------------------------- */

static struct block *block_map(size_t bytes)
{
    /* Somewhat more, for a next run that needs somewhat more: pages count when they are touched. */
    bytes = (bytes + bytes / 8 + page_bytes - 1) / page_bytes * page_bytes;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    struct block *block = memory;
    block->bytes = bytes;
    return block;
}

/* Takes the smallest kept block of so many bytes out of the pool. */
static struct block *pool_take(size_t bytes)
{
    struct block **best = NULL;
    for (struct block **place = &pool.kept; *place != NULL; place = &(*place)->next) {
        if ((*place)->bytes >= bytes && (best == NULL || (*place)->bytes < (*best)->bytes))
            best = place;
    }
    if (best == NULL)
        return NULL;
    struct block *block = *best;
    *best = block->next;
    return block;
}

/* Gives back the blocks that the last so many runs did without. */
static void pool_trim(unsigned runs)
{
    struct block **place = &pool.kept;
    while (*place != NULL) {
        struct block *block = *place;
        if (pool.run - block->run < runs) {
            place = &block->next;
            continue;
        }
        *place = block->next;
        munmap(block, block->bytes);
    }
}

static void pool_end(void *argument)
{
    (void)argument;
    pool_trim(0);
    pool.known = false;
}

void ort_memory_run_ended(void)
{
    pool.run++;
    if (pool.kept != NULL)
        pool_trim(UNUSED_RUNS_MAX);
}

void ort_rest(struct engine_context *context)
{
    (void)context;
    pool_trim(0);
}

/* ---- what the engine calls ---------------------------------------------------------------- */

/*
 * Where there is no memory, the engine's own allocator is asked as well: it fails by an exception,
 * as the engine expects of its allocators, which C cannot throw.
 */
static void *ORT_API_CALL memory_alloc(OrtAllocator *allocator, size_t bytes)
{
    (void)allocator;
    if (bytes == 0)
        return NULL;
    struct block *block = NULL;
    if (bytes >= large_bytes_min && bytes < SIZE_MAX / 2) {
        block = pool_take(bytes + sizeof *block);
        if (block == NULL)
            block = block_map(bytes + sizeof *block);
    }
    if (block == NULL) {
        size_t all = bytes < SIZE_MAX / 2 ? bytes + sizeof *block : bytes;
        block = engine_allocator->Alloc(engine_allocator, all);
        if (block == NULL)
            return NULL;
        block->bytes = 0;
    }
    return block + 1;
}

static void ORT_API_CALL memory_free(OrtAllocator *allocator, void *memory)
{
    (void)allocator;
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    if (block->bytes == 0) {
        engine_allocator->Free(engine_allocator, block);
        return;
    }
    if (!pool.known)
        pool.known = pthread_setspecific(pool_key, &pool) == 0;
    block->run = pool.run;
    block->next = pool.kept;
    pool.kept = block;
}

static const OrtMemoryInfo *ORT_API_CALL memory_info(const OrtAllocator *allocator)
{
    (void)allocator;
    return ort.memory;
}

OrtAllocator *ort_memory_allocator(void)
{
    static OrtAllocator allocator = {
        .version = ORT_API_VERSION,
        .Alloc = memory_alloc,
        .Free = memory_free,
        .Info = memory_info,
        .Reserve = memory_alloc,
    };
    return &allocator;
}

OrtStatus *ort_memory_register(OrtEnv *env)
{
    roost_assert(pthread_key_create(&pool_key, pool_end) == 0);
    OrtStatus *status = ort.api->GetAllocatorWithDefaultOptions(&engine_allocator);
    return status != NULL ? status : ort.api->RegisterAllocator(env, ort_memory_allocator());
}
