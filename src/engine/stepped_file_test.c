/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stepped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine_testing.h"

enum { BYTES = 3 * 1000 * 1000 };

static char directory[FILE_PATH_BYTES_MAX];
static char path[FILE_PATH_BYTES_MAX];
static char *data;

static int test_open(void **state)
{
    (void)state;
    testing_directory_make(directory, sizeof directory);
    assert_true(path_join(path, sizeof path, directory, "model.weights"));
    data = malloc(BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (char)(i * 2654435761U >> 13);
    return 0;
}

static int test_close(void **state)
{
    (void)state;
    free(data);
    testing_directory_remove(directory);
    return 0;
}

/* As a stranger does it: all at once. */
static void write_at_once(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, BYTES), BYTES);
    assert_int_equal(close(fd), 0);
}

static void nothing_is_left(void)
{
    assert_false(file_exists(path));
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(mkdir(directory, 0700), 0);
}

static void what_is_written_arrives(void **state)
{
    (void)state;
    struct stepped_file stepped;
    struct detail detail = {0};
    struct stat status;
    char *read_back;
    size_t bytes;
    testing_check(stepped_file_open(&stepped, path, &detail), ROOST_OK, &detail);
    write_at_once();
    testing_check(stepped_file_close(&stepped, &detail), ROOST_OK, &detail);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    testing_check(file_read(path, BYTES, &read_back, &bytes, &detail), ROOST_OK, &detail);
    assert_int_equal(bytes, BYTES);
    assert_memory_equal(read_back, data, BYTES);
    free(read_back);
    assert_int_equal(unlink(path), 0);
    nothing_is_left();
}

static void a_writer_that_never_came_leaves_nothing(void **state)
{
    (void)state;
    struct stepped_file stepped;
    struct detail detail = {0};
    testing_check(stepped_file_open(&stepped, path, &detail), ROOST_OK, &detail);
    testing_check(stepped_file_close(&stepped, &detail), ROOST_OK, &detail);
    nothing_is_left();
}

static void a_full_disk_is_told_and_holds_no_writer_up(void **state)
{
    (void)state;
    struct stepped_file stepped;
    struct detail detail = {0};
    struct rlimit before, low;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = BYTES / 2;
    testing_check(stepped_file_open(&stepped, path, &detail), ROOST_OK, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    write_at_once();
    enum roost_err err = stepped_file_close(&stepped, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(err, ROOST_OK);
    assert_non_null(strstr(detail.text, strerror(EFBIG)));
    nothing_is_left();
}

static void without_a_pipe_the_place_stays_free(void **state)
{
    (void)state;
    struct stepped_file stepped;
    struct detail detail = {0};
    testing_file_write(directory, "model.weights", "x", 1);
    testing_check(stepped_file_open(&stepped, path, &detail), ROOST_UNSUPPORTED, &detail);
    write_at_once();
    assert_int_equal(unlink(path), 0);
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_arrives, test_open, test_close),
        cmocka_unit_test_setup_teardown(a_writer_that_never_came_leaves_nothing, test_open,
                                        test_close),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_holds_no_writer_up, test_open,
                                        test_close),
        cmocka_unit_test_setup_teardown(without_a_pipe_the_place_stays_free, test_open, test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
