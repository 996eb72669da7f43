/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_testing.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { FIXTURE_PATHS = 4 };

void testing_check(enum roost_err err, enum roost_err expected, const struct detail *detail)
{
    if (err != expected)
        fail_msg("%s instead of %s: %s", roost_err_name(err), roost_err_name(expected),
                 detail->text);
}

void testing_load(struct opened *opened, const struct engine_ops *engine, const char *path,
                  const struct engine_load_options *options)
{
    struct detail detail = {0};
    *opened = (struct opened){.engine = engine};
    testing_check(engine->load(path, options, &opened->session, &detail), ROOST_OK, &detail);
    testing_check(engine->context_open(opened->session, &opened->context, &detail), ROOST_OK,
                  &detail);
    engine->describe(opened->session, &opened->io);
}

void testing_unload(struct opened *opened)
{
    opened->engine->context_close(opened->context);
    opened->engine->unload(opened->session);
}

const char *testing_load_fails(const struct engine_ops *engine, const char *path,
                               enum roost_err expected)
{
    static struct detail detail;
    const struct engine_load_options options = {.intra_op_threads = 1};
    struct engine_session *session = (void *)&detail;
    detail.text[0] = '\0';
    testing_check(engine->load(path, &options, &session, &detail), expected, &detail);
    assert_null(session);
    assert_non_null(strstr(detail.text, path));
    assert_null(strchr(detail.text, '\n'));
    return detail.text;
}

const char *testing_fixture(const char *name)
{
    static char paths[FIXTURE_PATHS][FILE_PATH_BYTES_MAX];
    static unsigned next;
    char *path = paths[next++ % FIXTURE_PATHS];
    assert_true(path_join(path, FILE_PATH_BYTES_MAX, ROOST_FIXTURES, name));
    return path;
}

void testing_directory_make(char *path, size_t path_bytes)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(path, path_bytes, "%s/roost-engine-XXXXXX",
                          parent != NULL ? parent : "/tmp");
    assert_true(length > 0 && (size_t)length < path_bytes);
    assert_non_null(mkdtemp(path));
}

void testing_directory_remove(const char *path)
{
    struct detail detail = {0};
    testing_check(file_remove_tree(path, &detail), ROOST_OK, &detail);
}

void testing_file_write(const char *directory, const char *name, const void *data, size_t bytes)
{
    char path[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    assert_true(path_join(path, sizeof(path), directory, name));
    testing_check(file_write_atomic(path, data, bytes, &detail), ROOST_OK, &detail);
}

unsigned testing_thread_count(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks))
        count += task->d_name[0] != '.' ? 1 : 0;
    (void)closedir(tasks);
    return count;
}

uint64_t testing_anonymous_bytes(void)
{
    char *text;
    size_t length;
    struct detail detail = {0};
    testing_check(file_read("/proc/self/status", 65536, &text, &length, &detail), ROOST_OK,
                  &detail);
    const char *line = strstr(text, "RssAnon:");
    assert_non_null(line);
    uint64_t kib = strtoull(line + strlen("RssAnon:"), NULL, 10);
    free(text);
    return kib * 1024;
}

size_t testing_strings(char *out, const char *const *texts, const uint32_t *lengths, size_t count)
{
    char *at = out;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, &lengths[i], sizeof(lengths[i]));
        memcpy(at + sizeof(lengths[i]), texts[i], lengths[i]);
        at += sizeof(lengths[i]) + lengths[i];
    }
    return (size_t)(at - out);
}
