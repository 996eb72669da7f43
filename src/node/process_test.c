/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/process.h"

static void test_memory_is_seen(void **state)
{
    (void)state;
    const size_t bytes = 32 << 20;
    struct process_memory before, after;
    uint64_t pss_before, pss_after;
    assert_int_equal(process_memory_read(getpid(), &before, NULL), ROOST_OK);
    assert_int_equal(process_pss_read(getpid(), &pss_before, NULL), ROOST_OK);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 1, bytes);
    assert_int_equal(process_memory_read(getpid(), &after, NULL), ROOST_OK);
    assert_int_equal(process_pss_read(getpid(), &pss_after, NULL), ROOST_OK);
    /* The kernel keeps part of the counters per thread, and our share of a library's pages shrinks
     * when another process maps it meanwhile. */
    assert_true(after.anonymous_bytes >= before.anonymous_bytes + bytes / 2);
    assert_true(after.resident_bytes >= before.resident_bytes + bytes / 2);
    assert_true(pss_after >= pss_before + bytes / 2);
    assert_int_equal(after.resident_bytes, after.anonymous_bytes + after.shared_file_bytes);
    munmap(memory, bytes);
}

static void test_shared_memory_is_not_anonymous(void **state)
{
    (void)state;
    const size_t bytes = 32 << 20;
    struct process_memory before, after;
    assert_int_equal(process_memory_read(getpid(), &before, NULL), ROOST_OK);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 1, bytes);
    assert_int_equal(process_memory_read(getpid(), &after, NULL), ROOST_OK);
    assert_true(after.shared_file_bytes >= before.shared_file_bytes + bytes / 2);
    munmap(memory, bytes);
}

static void test_cpu_time_grows(void **state)
{
    (void)state;
    uint64_t before = process_cpu_ns(getpid()), after;
    assert_true(before > 0);
    do {
        after = process_cpu_ns(getpid());
    } while (after < before + NS_PER_MS);
    assert_true(after > before);
}

static void test_a_process_that_is_gone(void **state)
{
    (void)state;
    struct process_memory memory;
    struct detail detail = {""};
    uint64_t pss;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(process_memory_read(child, &memory, &detail), ROOST_NOT_FOUND);
    assert_int_equal(process_pss_read(child, &pss, &detail), ROOST_NOT_FOUND);
    assert_int_equal(process_cpu_ns(child), 0);
    assert_int_equal(memory.resident_bytes, 0);
}

static void test_idle_time_never_shrinks(void **state)
{
    (void)state;
    uint64_t before = machine_idle_ns();
    assert_true(before > 0);
    assert_true(machine_idle_ns() >= before);
}

static void test_load_is_what_did_not_idle(void **state)
{
    (void)state;
    struct machine_load load = {0};
    machine_load_look(&load, 5 * NS_PER_S, 2, 100 * NS_PER_S);
    assert_float_equal(load.utilisation, 0, 0); /* one look tells nothing */
    machine_load_look(&load, 6 * NS_PER_S, 2, 102 * NS_PER_S);
    assert_float_equal(load.utilisation, 0.75, 1e-9);
    machine_load_look(&load, 0, 2, 103 * NS_PER_S);
    assert_float_equal(load.utilisation, 0.75, 1e-9); /* unknown */
    machine_load_look(&load, 10 * NS_PER_S + NS_PER_MS, 2, 104 * NS_PER_S);
    assert_float_equal(load.utilisation, 0, 0);
    machine_load_look(&load, 10 * NS_PER_S + NS_PER_MS, 2, 105 * NS_PER_S);
    assert_float_equal(load.utilisation, 1, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_seen),
        cmocka_unit_test(test_idle_time_never_shrinks),
        cmocka_unit_test(test_load_is_what_did_not_idle),
        cmocka_unit_test(test_shared_memory_is_not_anonymous),
        cmocka_unit_test(test_cpu_time_grows),
        cmocka_unit_test(test_a_process_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
