/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"

static char folder[64];

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/roost-file-test-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int folder_remove(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL) == ROOST_OK && !file_exists(folder) ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(path_join(path, sizeof(paths[0]), folder, name));
    return path;
}

static void write_and_read_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *content = malloc(sizes[i] + 1);
        memset(content, (int)('a' + i), sizes[i]);
        assert_int_equal(file_write_atomic(in_folder("f"), content, sizes[i], NULL), ROOST_OK);
        char *data = NULL;
        size_t length = 7;
        assert_int_equal(file_read(in_folder("f"), sizes[i], &data, &length, NULL), ROOST_OK);
        assert_int_equal(length, sizes[i]);
        assert_memory_equal(data, content, length);
        assert_int_equal(data[length], '\0');
        free(data);
        free(content);
    }
}

static void limit_is_exact(void **state)
{
    (void)state;
    struct detail detail = {0};
    char *data = NULL;
    size_t length = 0;
    assert_int_equal(file_write_atomic(in_folder("f"), "12345", 5, NULL), ROOST_OK);
    assert_int_equal(file_read(in_folder("f"), 4, &data, &length, &detail), ROOST_TOO_LARGE);
    assert_null(data);
    assert_non_null(strstr(detail.text, "/f: larger than the limit of 4 bytes"));
    assert_int_equal(file_read(in_folder("f"), SIZE_MAX, &data, &length, NULL), ROOST_OK);
    free(data);
}

static void proc_files_are_read(void **state)
{
    (void)state;
    char *data = NULL;
    size_t length = 0;
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &length, NULL), ROOST_OK);
    assert_true(length > 0 && strlen(data) == length);
    free(data);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct detail detail = {0};
    char *data = NULL;
    size_t length = 0;
    assert_int_equal(file_read(in_folder("absent"), 10, &data, &length, &detail), ROOST_NOT_FOUND);
    assert_non_null(strstr(detail.text, "/absent: No such file or directory"));
    assert_int_equal(file_read(folder, 10, &data, &length, &detail), ROOST_INVALID);
    assert_non_null(strstr(detail.text, ": not a regular file"));
    /* Opening a pipe without a writer must not wait for one. */
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(file_read(in_folder("pipe"), 10, &data, &length, &detail), ROOST_INVALID);
    assert_int_equal(file_read("/dev/null", 10, &data, &length, &detail), ROOST_INVALID);
    char hex[65];
    assert_int_equal(file_sha256(folder, hex, &detail), ROOST_INVALID);
    assert_int_equal(file_sha256(in_folder("absent"), hex, NULL), ROOST_NOT_FOUND);
}

static void failed_write_leaves_the_old(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_int_equal(file_write_atomic(in_folder("no/f"), "x", 1, &detail), ROOST_NOT_FOUND);
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_int_equal(file_write_atomic(in_folder("d"), "x", 1, &detail), ROOST_INVALID);
    assert_true(file_is_directory(in_folder("d")));
    /* No temporary file may be left beside it. */
    assert_int_equal(rmdir(in_folder("d")), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void pipes_and_devices_stay(void **state)
{
    (void)state;
    struct stat status;
    char *data = malloc(1);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    int fd = open(in_folder("pipe"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(file_check_writable(in_folder("pipe"), NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(in_folder("pipe"), "x", 1, NULL), ROOST_OK);
    assert_int_equal(read(fd, data, 1), 1);
    assert_int_equal(*data, 'x');
    assert_int_equal(stat(in_folder("pipe"), &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    (void)close(fd);
    assert_int_equal(unlink(in_folder("pipe")), 0);
    free(data);
}

static void writable_is_known_before(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_int_equal(file_check_writable(in_folder("f"), NULL), ROOST_OK);
    assert_false(file_exists(in_folder("f")));
    assert_int_equal(file_check_writable("f", NULL), ROOST_OK);
    assert_int_equal(file_check_writable("", &detail), ROOST_NOT_FOUND);
    assert_int_equal(file_check_writable(in_folder("no/f"), &detail), ROOST_NOT_FOUND);
    assert_non_null(strstr(detail.text, "no/f"));
    assert_int_equal(file_check_writable(folder, &detail), ROOST_INVALID);
}

static void directories(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_int_equal(file_make_directory(in_folder("a/b//c/"), NULL), ROOST_OK);
    assert_int_equal(file_make_directory(in_folder("a/b/c"), NULL), ROOST_OK);
    assert_true(file_is_directory(in_folder("a/b/c")));
    assert_int_equal(file_write_atomic(in_folder("a/f"), "x", 1, NULL), ROOST_OK);
    assert_true(file_exists(in_folder("a/f")));
    assert_false(file_is_directory(in_folder("a/f")));
    assert_int_equal(file_make_directory(in_folder("a/f"), &detail), ROOST_NOT_FOUND);
    assert_int_equal(file_make_directory(in_folder("a/f/g"), &detail), ROOST_NOT_FOUND);
    assert_int_equal(file_make_directory("", &detail), ROOST_NOT_FOUND);
    assert_int_equal(file_make_directory("/", &detail), ROOST_OK);
}

static void trees_are_removed_but_links_not_followed(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(in_folder("keep"), NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(in_folder("keep/f"), "x", 1, NULL), ROOST_OK);
    assert_int_equal(file_make_directory(in_folder("tree/a/b"), NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(in_folder("tree/a/f"), "x", 1, NULL), ROOST_OK);
    assert_int_equal(symlink(in_folder("keep"), in_folder("tree/a/link")), 0);
    assert_int_equal(symlink("nowhere", in_folder("tree/dangling")), 0);
    assert_int_equal(file_remove_tree(in_folder("tree"), NULL), ROOST_OK);
    assert_false(file_exists(in_folder("tree")));
    assert_true(file_exists(in_folder("keep/f")));
    assert_int_equal(file_remove_tree(in_folder("tree"), NULL), ROOST_OK);
    assert_int_equal(symlink(in_folder("keep"), in_folder("link")), 0);
    assert_int_equal(file_remove_tree(in_folder("link"), NULL), ROOST_OK);
    assert_true(file_exists(in_folder("keep/f")));
}

static void sha256(void **state)
{
    (void)state;
    char hex[65];
    assert_int_equal(file_write_atomic(in_folder("f"), "abc", 3, NULL), ROOST_OK);
    assert_int_equal(file_sha256(in_folder("f"), hex, NULL), ROOST_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(file_write_atomic(in_folder("f"), "", 0, NULL), ROOST_OK);
    assert_int_equal(file_sha256(in_folder("f"), hex, NULL), ROOST_OK);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_int_equal(file_write_atomic(in_folder("f"), million, 1000000, NULL), ROOST_OK);
    free(million);
    assert_int_equal(file_sha256(in_folder("f"), hex, NULL), ROOST_OK);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void errno_has_one_translation(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_int_equal(errno_translate(ENOENT, "x", &detail), ROOST_NOT_FOUND);
    assert_string_equal(detail.text, "x: No such file or directory");
    assert_int_equal(errno_translate(EACCES, "x", NULL), ROOST_PERMISSION);
    assert_int_equal(errno_translate(EADDRINUSE, "x", NULL), ROOST_EXISTS);
    assert_int_equal(errno_translate(ENOSPC, "x", NULL), ROOST_IO);
    assert_int_equal(errno_translate(98765, "x", &detail), ROOST_IO);
    assert_string_equal(detail.text, "x: error 98765");
}

static void paths_join(void **state)
{
    (void)state;
    char out[16];
    assert_true(path_join(out, sizeof(out), "a", "b"));
    assert_string_equal(out, "a/b");
    assert_true(path_join(out, sizeof(out), "a//", "/b"));
    assert_string_equal(out, "a/b");
    assert_true(path_join(out, sizeof(out), "/", "b"));
    assert_string_equal(out, "/b");
    assert_true(path_join(out, sizeof(out), "", "b"));
    assert_string_equal(out, "b");
    assert_true(path_join(out, sizeof(out), "1234567", "1234567"));
    assert_false(path_join(out, sizeof(out), "1234567", "12345678"));
    assert_string_equal(out, "");
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(write_and_read_back),
        FILE_TEST(limit_is_exact),
        FILE_TEST(proc_files_are_read),
        FILE_TEST(what_is_no_file_is_refused),
        FILE_TEST(failed_write_leaves_the_old),
        FILE_TEST(pipes_and_devices_stay),
        FILE_TEST(writable_is_known_before),
        FILE_TEST(directories),
        FILE_TEST(trees_are_removed_but_links_not_followed),
        FILE_TEST(sha256),
        cmocka_unit_test(errno_has_one_translation),
        cmocka_unit_test(paths_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
