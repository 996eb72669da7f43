/* SPDX-License-Identifier: Apache-2.0 */
/* Where the engine's tensors live: kept for the next run, given back when nobody needs it. */
#include "engine/engine_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/ort.h"
#include "engine/ort_internal.h"

enum { LARGE_BYTES = 1 << 20, PAGE_BYTES = 4096, COLUMNS = 4 };
/* 256 MiB of floats in rows of four. */
enum { MANY_ROWS = 16 << 20, LITTLE_BYTES = 32 << 20 };

static OrtAllocator *allocator;

static void *take(size_t bytes)
{
    unsigned char *memory = allocator->Alloc(allocator, bytes);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 64, 0);
    memset(memory, 1, bytes);
    return memory;
}

static void give(void *memory)
{
    allocator->Free(allocator, memory);
}

/* Whether there is a mapping at this place. */
static bool is_mapped(void *memory)
{
    unsigned char page;
    void *place = (void *)((uintptr_t)memory / PAGE_BYTES * PAGE_BYTES);
    return mincore(place, PAGE_BYTES, &page) == 0 || errno != ENOMEM;
}

static int suite_open(void **state)
{
    (void)state;
    struct detail detail = {0};
    testing_check(engine_ort.open(NULL, &detail), ROOST_OK, &detail);
    allocator = ort_memory_allocator();
    return 0;
}

static void sizes_of_all_kinds(void **state)
{
    (void)state;
    void *taken[24];
    assert_null(allocator->Alloc(allocator, 0));
    give(NULL);
    for (unsigned i = 0; i < 24; i++)
        taken[i] = take((size_t)1 << i);
    for (unsigned i = 0; i < 24; i++) {
        assert_int_equal(((unsigned char *)taken[i])[((size_t)1 << i) - 1], 1);
        give(taken[i]);
    }
    engine_ort.rest(NULL);
}

static void a_large_block_is_used_again(void **state)
{
    (void)state;
    void *first = take(LARGE_BYTES), *second = take(2 * LARGE_BYTES);
    give(first);
    give(second);
    /* The smallest that suffices is taken. */
    assert_ptr_equal(take(LARGE_BYTES / 2), first);
    assert_ptr_equal(take(LARGE_BYTES), second);
    give(first);
    give(second);
    engine_ort.rest(NULL);
    assert_false(is_mapped(first));
    assert_false(is_mapped(second));
}

static void what_runs_do_without_goes_back(void **state)
{
    (void)state;
    void *often = take(LARGE_BYTES), *once = take(2 * LARGE_BYTES);
    give(often);
    give(once);
    for (unsigned run = 0; run < 20; run++) {
        assert_ptr_equal(take(LARGE_BYTES), often);
        give(often);
        ort_memory_run_ended();
    }
    assert_true(is_mapped(often));
    assert_false(is_mapped(once));
    engine_ort.rest(NULL);
}

static void *thread_body(void *memory)
{
    give(memory);
    return take(LARGE_BYTES);
}

static void *giving_body(void *memory)
{
    give(memory);
    return NULL;
}

static void threads_keep_their_own(void **state)
{
    (void)state;
    pthread_t thread;
    void *mine = take(LARGE_BYTES), *kept = take(LARGE_BYTES), *theirs;
    give(kept);
    assert_int_equal(pthread_create(&thread, NULL, thread_body, mine), 0);
    assert_int_equal(pthread_join(thread, &theirs), 0);
    /* It was given the block, so it took that one and not ours. */
    assert_ptr_equal(theirs, mine);
    assert_int_equal(pthread_create(&thread, NULL, giving_body, theirs), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* A thread that ends takes nothing along. */
    assert_false(is_mapped(theirs));
    assert_true(is_mapped(kept));
    engine_ort.rest(NULL);
}

/* In a process of its own, whose memory is limited meanwhile. */
static int run_without_memory(struct opened *opened, const struct tensor *inputs)
{
    unsigned long pages = 0;
    struct tensor output = {.dtype = DTYPE_FP32};
    struct detail detail = {0};
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
        return 1;
    fclose(file);
    struct rlimit limit = {pages * PAGE_BYTES + LITTLE_BYTES, pages * PAGE_BYTES + LITTLE_BYTES};
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return 2;
    return engine_ort.run(opened->context, inputs, &output, &detail) == ROOST_NO_MEMORY ? 0 : 3;
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    if (TESTING_SANITIZED)
        skip(); /* their allocators end the process */
    struct opened opened;
    const struct engine_load_options plain = {.intra_op_threads = 1};
    float *zeros = calloc((size_t)MANY_ROWS * COLUMNS, sizeof *zeros);
    assert_non_null(zeros);
    struct tensor x = {DTYPE_FP32, SHAPE(MANY_ROWS, COLUMNS), zeros,
                       (size_t)MANY_ROWS * COLUMNS * sizeof *zeros};
    const struct tensor inputs[] = {x, x};
    testing_load(&opened, &engine_ort, testing_fixture("add.onnx"), &plain);
    pid_t child = fork();
    if (child == 0)
        _exit(run_without_memory(&opened, inputs));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    testing_unload(&opened);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_all_kinds),
        cmocka_unit_test(a_large_block_is_used_again),
        cmocka_unit_test(what_runs_do_without_goes_back),
        cmocka_unit_test(threads_keep_their_own),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, suite_open, NULL);
}
