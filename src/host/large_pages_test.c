/* SPDX-License-Identifier: Apache-2.0 */
#include "host/large_pages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

enum { BLOCKS = 160, BLOCK_BYTES = 64 << 10, LARGE_PAGE_BYTES = 2 << 20 };

static unsigned char *blocks[BLOCKS];

static bool all_are_whole(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < BLOCK_BYTES; at += 512) {
            if (blocks[i][at] != (unsigned char)(i + at / 512))
                return false;
        }
    }
    return true;
}

/* 10 MiB in small blocks, which come from the heap; a sanitizer's are elsewhere. */
static void test_what_was_written_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        for (size_t at = 0; at < BLOCK_BYTES; at++)
            blocks[i][at] = (unsigned char)(i + at / 512);
    }
    size_t taken = large_pages_take_heap();
    print_message("%zu bytes in large pages\n", taken);
    assert_int_equal(taken % LARGE_PAGE_BYTES, 0);
    assert_true(taken <= 2 * (size_t)BLOCKS * BLOCK_BYTES);
    assert_true(all_are_whole());

    /* A fork writes to pages of its own. */
    pid_t child = fork();
    if (child == 0) {
        bool whole = all_are_whole();
        for (size_t i = 0; i < BLOCKS; i++)
            blocks[i][0]++;
        _exit(whole ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(all_are_whole());
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
