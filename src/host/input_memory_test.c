/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "host/input_memory.h"

#define MIB (UINT64_C(1) << 20)

static struct input_memory *make(uint64_t budget_bytes)
{
    struct input_memory *memory;
    struct detail detail = {""};
    if (input_memory_new(budget_bytes, &memory, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    return memory;
}

static void test_one_block(void **state)
{
    (void)state;
    struct input_memory *memory = make(MIB);
    assert_int_equal(input_memory_used_bytes(memory), 0);
    unsigned char *block = input_memory_allocate(memory, 1000);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 64, 0);
    assert_int_equal(input_memory_used_bytes(memory), 1024);
    assert_int_equal(input_memory_offset(memory, block + 7),
                     input_memory_offset(memory, block) + 7);
    input_memory_release(memory, block);
    assert_int_equal(input_memory_used_bytes(memory), 0);
    input_memory_free(memory);
    input_memory_free(NULL);
}

static void test_size_classes(void **state)
{
    (void)state;
    static const struct {
        size_t bytes, charged;
    } cases[] = {{0, 256},       {1, 256},       {256, 256},     {257, 384},    {385, 512},
                 {513, 768},     {769, 1024},    {4096, 4096},   {4097, 6144},  {12289, 16384},
                 {16384, 16384}, {16385, 20480}, {65536, 65536}, {65537, 69632}};
    struct input_memory *memory = make(MIB);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *block = input_memory_allocate(memory, cases[i].bytes);
        assert_non_null(block);
        assert_int_equal(input_memory_used_bytes(memory), cases[i].charged);
        assert_int_equal(input_memory_charge_bytes(cases[i].bytes), cases[i].charged);
        input_memory_release(memory, block);
    }
    input_memory_free(memory);
}

static void test_budget(void **state)
{
    (void)state;
    struct input_memory *memory = make(MIB);
    assert_null(input_memory_allocate(memory, MIB + 1));
    assert_null(input_memory_allocate(memory, SIZE_MAX));
    assert_int_equal(input_memory_budget_bytes(memory), MIB);
    assert_true(input_memory_charge_bytes(SIZE_MAX) == UINT64_MAX);
    void *all = input_memory_allocate(memory, MIB);
    assert_non_null(all);
    assert_null(input_memory_allocate(memory, 1));
    input_memory_release(memory, all);
    void *blocks[MIB / 256];
    for (size_t i = 0; i < MIB / 256; i++) {
        blocks[i] = input_memory_allocate(memory, 256);
        assert_non_null(blocks[i]);
    }
    assert_null(input_memory_allocate(memory, 1));
    for (size_t i = 0; i < MIB / 256; i++)
        input_memory_release(memory, blocks[i]);
    assert_int_equal(input_memory_used_bytes(memory), 0);
    input_memory_free(memory);
}

static void test_impossible_budgets(void **state)
{
    (void)state;
    struct input_memory *memory;
    struct detail detail = {""};
    assert_int_equal(input_memory_new(0, &memory, &detail), ROOST_INVALID);
    assert_int_equal(input_memory_new(UINT64_MAX, &memory, &detail), ROOST_INVALID);
    assert_true(detail.text[0] != '\0');
}

/* A host can read what the supervisor writes, and cannot write. */
static void test_reader(void **state)
{
    (void)state;
    struct input_memory *memory = make(MIB);
    unsigned char *block = input_memory_allocate(memory, 5000);
    memset(block, 42, 5000);
    int fd = input_memory_reader_fd(memory);
    size_t bytes = (size_t)lseek(fd, 0, SEEK_END);
    assert_ptr_equal(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    unsigned char *reader = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(reader, MAP_FAILED);
    assert_memory_equal(reader + input_memory_offset(memory, block), block, 5000);
    assert_int_not_equal(mprotect(reader, bytes, PROT_READ | PROT_WRITE), 0);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    munmap(reader, bytes);
    input_memory_free(memory);
}

static void test_pages_go_back_after_a_peak(void **state)
{
    (void)state;
    struct input_memory *memory = make(64 * MIB);
    void *blocks[32];
    for (unsigned i = 0; i < 32; i++) {
        blocks[i] = input_memory_allocate(memory, MIB);
        memset(blocks[i], 1, MIB);
    }
    unsigned char *last = blocks[31];
    assert_true(input_memory_resident_bytes(memory) >= 32 * MIB);
    for (unsigned i = 0; i < 31; i++)
        input_memory_release(memory, blocks[i]);
    /* The peak was in this interval and is in the one before at the next trim. */
    input_memory_trim(memory);
    assert_true(input_memory_resident_bytes(memory) >= 32 * MIB);
    input_memory_trim(memory);
    input_memory_trim(memory);
    assert_true(input_memory_resident_bytes(memory) <= MIB);
    for (unsigned i = 0; i < MIB; i += 4096)
        assert_int_equal(last[i], 1);
    input_memory_release(memory, last);
    input_memory_trim(memory);
    input_memory_trim(memory);
    input_memory_trim(memory);
    assert_int_equal(input_memory_resident_bytes(memory), 0);
    input_memory_free(memory);
}

/* Steady traffic keeps its pages, so that a trim costs it nothing. */
static void test_steady_traffic_keeps_its_pages(void **state)
{
    (void)state;
    struct input_memory *memory = make(64 * MIB);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 20; i++) {
            void *block = input_memory_allocate(memory, 4 * MIB);
            memset(block, 1, 4 * MIB);
            input_memory_release(memory, block);
        }
        input_memory_trim(memory);
        assert_true(input_memory_resident_bytes(memory) == 4 * MIB);
    }
    input_memory_free(memory);
}

/* ---- against a model ---------------------------------------------------------------------- */

enum { BLOCKS = 600, OPERATIONS = 40000 };

struct block {
    unsigned char *data;
    size_t bytes;
    unsigned char mark;
};

static size_t random_size(struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return rng_below(rng, 1024);
    case 1:
        return rng_below(rng, 20000);
    case 2:
        return rng_below(rng, 300000);
    default:
        return rng_below(rng, 2000000);
    }
}

/* Marks both ends: an overlap with another block shows when it is released. */
static void block_mark(struct block *block, unsigned char mark)
{
    block->mark = mark;
    if (block->bytes > 0) {
        block->data[0] = mark;
        block->data[block->bytes - 1] = mark;
    }
}

static void block_release(struct input_memory *memory, struct block *block)
{
    if (block->bytes > 0) {
        assert_int_equal(block->data[0], block->mark);
        assert_int_equal(block->data[block->bytes - 1], block->mark);
    }
    input_memory_release(memory, block->data);
    block->data = NULL;
}

static uint64_t charged(size_t bytes)
{
    if (bytes > 16384)
        return (bytes + 4095) / 4096 * 4096;
    uint64_t power = 256;
    while (power < bytes) {
        if (power + power / 2 >= bytes)
            return power + power / 2;
        power *= 2;
    }
    return power;
}

static void test_random_operations(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    const uint64_t budget = 32 * MIB;
    struct input_memory *memory = make(budget);
    struct rng rng;
    uint64_t used = 0;
    unsigned refused = 0;
    rng_seed(&rng, 7);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct block *block = &blocks[rng_below(&rng, BLOCKS)];
        if (block->data != NULL) {
            used -= charged(block->bytes);
            block_release(memory, block);
        } else {
            block->bytes = random_size(&rng);
            block->data = input_memory_allocate(memory, block->bytes);
            bool fits = charged(block->bytes) <= budget - used;
            /* Fragmentation never refuses what the budget allows. */
            assert_int_equal(block->data != NULL, fits);
            refused += fits ? 0 : 1;
            if (block->data != NULL) {
                used += charged(block->bytes);
                block_mark(block, (unsigned char)i);
            }
        }
        if (i % 997 == 0)
            input_memory_trim(memory);
        assert_int_equal(input_memory_used_bytes(memory), used);
    }
    assert_true(refused > 100); /* the budget was full for a while */
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i].data != NULL)
            block_release(memory, &blocks[i]);
    assert_int_equal(input_memory_used_bytes(memory), 0);
    for (unsigned i = 0; i < 3; i++)
        input_memory_trim(memory);
    assert_int_equal(input_memory_resident_bytes(memory), 0);
    input_memory_free(memory);
}

/* Every second block goes, then twice as large ones come: the holes are of no use to them. */
static void test_holes_of_the_wrong_size(void **state)
{
    (void)state;
    enum { COUNT = 512 };
    static void *blocks[COUNT];
    struct input_memory *memory = make(COUNT * 32768);
    for (unsigned i = 0; i < COUNT; i++)
        blocks[i] = input_memory_allocate(memory, 32768);
    for (unsigned i = 0; i < COUNT; i += 2)
        input_memory_release(memory, blocks[i]);
    for (unsigned i = 0; i < COUNT; i += 4) {
        blocks[i] = input_memory_allocate(memory, 65536);
        assert_non_null(blocks[i]);
    }
    assert_int_equal(input_memory_used_bytes(memory), COUNT * 32768);
    input_memory_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_block),
        cmocka_unit_test(test_size_classes),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_impossible_budgets),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_pages_go_back_after_a_peak),
        cmocka_unit_test(test_steady_traffic_keeps_its_pages),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_holes_of_the_wrong_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
