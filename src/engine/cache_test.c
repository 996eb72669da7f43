/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_testing.h"

static char root[FILE_PATH_BYTES_MAX];
static char models[FILE_PATH_BYTES_MAX];
static struct model_cache cache;

static const char key_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char key_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const char key_c[] = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

static void join(char *out, const char *directory, const char *name)
{
    assert_true(path_join(out, FILE_PATH_BYTES_MAX, directory, name));
}

static int test_open(void **state)
{
    (void)state;
    struct detail detail = {0};
    char directory[FILE_PATH_BYTES_MAX];
    testing_directory_make(root, sizeof(root));
    join(models, root, "models");
    join(directory, root, "cache/deep");
    testing_check(file_make_directory(models, &detail), ROOST_OK, &detail);
    testing_check(cache_open(&cache, directory, 0, &detail), ROOST_OK, &detail);
    return 0;
}

static int test_close(void **state)
{
    (void)state;
    testing_directory_remove(root);
    return 0;
}

/* A committed fixture, copied to where it may be changed; long ago, so that its hash settles. */
static void fixture_copy(const char *name, const char *as)
{
    char path[FILE_PATH_BYTES_MAX];
    char *data;
    size_t bytes;
    struct detail detail = {0};
    testing_check(file_read(testing_fixture(name), 1 << 20, &data, &bytes, &detail), ROOST_OK,
                  &detail);
    testing_file_write(models, as, data, bytes);
    free(data);
    join(path, models, as);
    assert_true(file_exists(path));
}

static struct cache_source source_of(const char *path, const char *version)
{
    return (struct cache_source){
        .model_path = path, .engine_name = "onnxruntime", .engine_version = version};
}

static void key_of(const char *name, const char *version, char key[CACHE_KEY_BYTES])
{
    char path[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    join(path, models, name);
    const struct cache_source source = source_of(path, version);
    testing_check(cache_key(&cache, &source, key, &detail), ROOST_OK, &detail);
    assert_int_equal(strlen(key), CACHE_KEY_BYTES - 1);
    assert_int_equal(strspn(key, "0123456789abcdef"), CACHE_KEY_BYTES - 1);
}

static void keys_follow_the_content(void **state)
{
    (void)state;
    char one[CACHE_KEY_BYTES];
    char two[CACHE_KEY_BYTES];
    fixture_copy("embedding.onnx", "model.onnx");
    fixture_copy("embedding.weights", "embedding.weights");
    key_of("model.onnx", "1.30.0", one);
    key_of("model.onnx", "1.30.0", two);
    assert_string_equal(one, two);
    key_of("model.onnx", "1.31.0", two);
    assert_string_not_equal(one, two);

    /* The same graph under another name is the same model. */
    fixture_copy("embedding.onnx", "other.onnx");
    key_of("other.onnx", "1.30.0", two);
    assert_string_equal(one, two);

    testing_file_write(models, "embedding.weights", "changed", 7);
    key_of("model.onnx", "1.30.0", two);
    assert_string_not_equal(one, two);
    fixture_copy("embedding.weights", "embedding.weights");
    key_of("model.onnx", "1.30.0", two);
    assert_string_equal(one, two);
    fixture_copy("mlp.onnx", "model.onnx");
    key_of("model.onnx", "1.30.0", two);
    assert_string_not_equal(one, two);
}

static void adapted_key(const struct adapter_settings *adapter, const struct model_io *want,
                        char key[CACHE_KEY_BYTES])
{
    char path[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    join(path, models, "model.onnx");
    struct cache_source source = source_of(path, "1");
    source.adapter = adapter;
    source.want = want;
    testing_check(cache_key(&cache, &source, key, &detail), ROOST_OK, &detail);
}

/* Each of these makes another graph, and none may be served for another. */
static void keys_follow_the_adapter(void **state)
{
    (void)state;
    static struct model_io want;
    static struct adapter_settings adapter;
    enum { KEYS = 9 };
    char keys[KEYS][CACHE_KEY_BYTES];
    char again[CACHE_KEY_BYTES];
    want = (struct model_io){.input_count = 1, .output_count = 1};
    adapter = (struct adapter_settings){.present = true};
    want.inputs[0] = (struct tensor_spec){
        .name = "x", .dtype = DTYPE_FP32, .shape = {.rank = 2, .dims = {-1, 4}}};
    want.outputs[0] = want.inputs[0];
    fixture_copy("mlp.onnx", "model.onnx");
    key_of("model.onnx", "1", keys[0]);
    adapted_key(&adapter, &want, keys[1]);
    adapter.resize_width = adapter.resize_height = 8;
    adapted_key(&adapter, &want, keys[2]);
    adapter.normalise = true;
    adapter.channels = 1;
    adapted_key(&adapter, &want, keys[3]);
    adapter.scale[0] = 0.5;
    adapted_key(&adapter, &want, keys[4]);
    testing_file_write(models, "map", "1\n0\n", 4);
    join(adapter.output_map, models, "map");
    adapted_key(&adapter, &want, keys[5]);
    testing_file_write(models, "map", "0\n1\n", 4);
    adapted_key(&adapter, &want, keys[6]);
    want.outputs[0].shape.dims[1] = 5;
    adapted_key(&adapter, &want, keys[7]);
    want.inputs[0].name[0] = 'y';
    adapted_key(&adapter, &want, keys[8]);
    adapted_key(&adapter, &want, again);
    assert_string_equal(again, keys[8]);
    for (unsigned i = 0; i < KEYS; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
}

static void key_refused(const char *path, enum roost_err wanted, struct detail *detail)
{
    char key[CACHE_KEY_BYTES];
    const struct cache_source source = source_of(path, "1");
    testing_check(cache_key(&cache, &source, key, detail), wanted, detail);
}

static void keys_need_all_files(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    join(path, models, "absent.onnx");
    key_refused(path, ROOST_NOT_FOUND, &detail);
    assert_non_null(strstr(detail.text, "absent.onnx"));
    key_refused(testing_fixture("lost.onnx"), ROOST_NOT_FOUND, &detail);
    assert_non_null(strstr(detail.text, "nowhere.weights"));
    key_refused(testing_fixture("escape.onnx"), ROOST_INVALID, &detail);
    key_refused(testing_fixture("garbage.onnx"), ROOST_INVALID, &detail);
}

/* The index's line about a file is what cache_key believes, until the file looks different. */
static void hashes_are_remembered(void **state)
{
    (void)state;
    char one[CACHE_KEY_BYTES];
    char two[CACHE_KEY_BYTES];
    char path[FILE_PATH_BYTES_MAX];
    char line[512];
    struct stat status;
    fixture_copy("mlp.onnx", "model.onnx");
    key_of("model.onnx", "1", one);
    join(path, models, "model.onnx");
    assert_int_equal(stat(path, &status), 0);
    int length = snprintf(line, sizeof(line), "damaged\n%llu %llu %lld %lld %lld %s\n1 2 3\n",
                          (unsigned long long)status.st_dev, (unsigned long long)status.st_ino,
                          (long long)status.st_size,
                          (long long)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
                          (long long)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec,
                          key_c);
    testing_file_write(cache.directory, "index", line, (size_t)length);
    key_of("model.onnx", "1", two);
    assert_string_not_equal(one, two);

    /* Touched: not the file that the line is about any more. */
    assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
    key_of("model.onnx", "1", two);
    assert_string_equal(one, two);
    testing_file_write(cache.directory, "index", "\0\xff rubbish", 11);
    key_of("model.onnx", "1", two);
    assert_string_equal(one, two);
}

/* A file of long ago is put into the index; one of just now is not, as it may change unseen. */
static void only_settled_files_are_remembered(void **state)
{
    (void)state;
    char key[CACHE_KEY_BYTES];
    char index[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    struct stat status;
    join(index, cache.directory, "index");
    fixture_copy("mlp.onnx", "model.onnx");
    key_of("model.onnx", "1", key);
    assert_false(file_exists(index));
    const char *committed = testing_fixture("mlp.onnx");
    assert_int_equal(stat(committed, &status), 0);
    if (time(NULL) - status.st_ctim.tv_sec < 10)
        skip();
    char *data;
    size_t bytes;
    for (unsigned i = 0; i < 2; i++) {
        const struct cache_source source = source_of(committed, "1");
        testing_check(cache_key(&cache, &source, key, &detail), ROOST_OK, &detail);
        testing_check(file_read(index, 1 << 20, &data, &bytes, &detail), ROOST_OK, &detail);
        assert_ptr_equal(strchr(data, '\n'), data + bytes - 1);
        free(data);
    }
}

static void stage_make(const char *key, size_t weight_bytes, char *directory)
{
    struct detail detail = {0};
    testing_check(cache_stage(&cache, key, directory, FILE_PATH_BYTES_MAX, &detail), ROOST_OK,
                  &detail);
    assert_true(file_is_directory(directory));
    testing_file_write(directory, "model.onnx", "graph", 5);
    char *weights = calloc(weight_bytes + 1, 1);
    assert_non_null(weights);
    testing_file_write(directory, "model.weights", weights, weight_bytes);
    free(weights);
}

static void entry_make(const char *key, size_t weight_bytes)
{
    char directory[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    stage_make(key, weight_bytes, directory);
    testing_check(cache_commit(&cache, key, directory, true, &detail), ROOST_OK, &detail);
    assert_false(file_exists(directory));
}

static bool entry_there(const char *key)
{
    char path[FILE_PATH_BYTES_MAX];
    char expected[FILE_PATH_BYTES_MAX];
    if (cache_lookup(&cache, key, path, sizeof(path)) != ROOST_OK)
        return false;
    assert_true(file_exists(path));
    (void)snprintf(expected, sizeof(expected), "%.2000s/%s/model.onnx", cache.directory, key);
    assert_string_equal(path, expected);
    return true;
}

/* As if the entry had last been used so long ago. */
static void entry_age(const char *key, long seconds)
{
    char path[FILE_PATH_BYTES_MAX];
    const struct timespec then = {.tv_sec = time(NULL) - seconds};
    const struct timespec times[] = {then, then};
    join(path, cache.directory, key);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void entries_appear_whole_or_not_at_all(void **state)
{
    (void)state;
    char directory[FILE_PATH_BYTES_MAX];
    char other[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    assert_false(entry_there(key_a));
    stage_make(key_a, 10, directory);
    stage_make(key_a, 20, other);
    assert_string_not_equal(directory, other);
    assert_false(entry_there(key_a));
    testing_check(cache_commit(&cache, key_a, directory, true, &detail), ROOST_OK, &detail);
    assert_true(entry_there(key_a));
    /* The second optimiser of the same model comes too late, which is no mistake. */
    testing_check(cache_commit(&cache, key_a, other, true, &detail), ROOST_OK, &detail);
    assert_false(file_exists(other));
    assert_true(entry_there(key_a));

    stage_make(key_b, 10, directory);
    testing_check(cache_commit(&cache, key_b, directory, false, &detail), ROOST_OK, &detail);
    assert_false(file_exists(directory));
    assert_false(entry_there(key_b));
}

static void what_an_optimiser_left_is_looked_at(void **state)
{
    (void)state;
    char directory[FILE_PATH_BYTES_MAX];
    char path[FILE_PATH_BYTES_MAX];
    for (unsigned trick = 0; trick < 4; trick++) {
        struct detail detail = {0};
        stage_make(key_a, 10, directory);
        join(path, directory, trick < 2 ? "model.weights" : "more");
        if (trick == 0)
            assert_int_equal(unlink(path) | symlink("/etc/passwd", path), 0);
        else if (trick == 1)
            assert_int_equal(unlink(path) | mkfifo(path, 0600), 0);
        else if (trick == 2)
            assert_int_equal(mkdir(path, 0700), 0);
        else
            assert_int_equal(link(testing_fixture("add.onnx"), path), 0);
        enum roost_err err = cache_commit(&cache, key_a, directory, true, &detail);
        assert_int_not_equal(err, ROOST_OK);
        assert_string_not_equal(detail.text, "");
        assert_false(file_exists(directory));
        assert_false(entry_there(key_a));
    }
    struct detail detail = {0};
    stage_make(key_a, 10, directory);
    join(path, directory, "model.onnx");
    assert_int_equal(unlink(path), 0);
    testing_check(cache_commit(&cache, key_a, directory, true, &detail), ROOST_INVALID, &detail);
    assert_false(file_exists(directory));
}

static void the_least_recently_used_goes(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    cache.bytes_max = 2500;
    entry_make(key_a, 1000);
    entry_age(key_a, 1000);
    entry_make(key_b, 1000);
    entry_age(key_b, 2000);
    join(path, cache.directory, "notes");
    testing_file_write(cache.directory, "notes", "not an entry", 12);
    entry_make(key_c, 1000);
    assert_true(entry_there(key_a));
    assert_false(entry_there(key_b));
    assert_true(entry_there(key_c));
    assert_true(file_exists(path));
    /* Looked up just now, both may be on their way into a host. */
    entry_make(key_b, 1000);
    assert_true(entry_there(key_a));
    assert_true(entry_there(key_b));
    assert_true(entry_there(key_c));
}

static void a_lookup_counts_as_use(void **state)
{
    (void)state;
    cache.bytes_max = 2500;
    entry_make(key_a, 1000);
    entry_age(key_a, 2000);
    assert_true(entry_there(key_a));
    entry_make(key_b, 1000);
    entry_age(key_b, 1000);
    entry_make(key_c, 1000);
    assert_true(entry_there(key_a));
    assert_false(entry_there(key_b));
}

static void opening_sweeps_and_complains(void **state)
{
    (void)state;
    char old[FILE_PATH_BYTES_MAX];
    char recent[FILE_PATH_BYTES_MAX];
    struct model_cache again;
    struct detail detail = {0};
    stage_make(key_a, 10, old);
    stage_make(key_b, 10, recent);
    const struct timespec then = {.tv_sec = time(NULL) - 2 * 24 * 3600};
    const struct timespec times[] = {then, then};
    assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
    testing_check(cache_open(&again, cache.directory, 0, &detail), ROOST_OK, &detail);
    assert_false(file_exists(old));
    assert_true(file_exists(recent));

    char path[FILE_PATH_BYTES_MAX];
    testing_file_write(root, "file", "", 0);
    join(path, root, "file/cache");
    testing_check(cache_open(&again, path, 0, &detail), ROOST_IO, &detail);
    assert_non_null(strstr(detail.text, "file"));
    testing_check(cache_open(&again, "", 0, &detail), ROOST_NOT_FOUND, &detail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_follow_the_content, test_open, test_close),
        cmocka_unit_test_setup_teardown(keys_follow_the_adapter, test_open, test_close),
        cmocka_unit_test_setup_teardown(keys_need_all_files, test_open, test_close),
        cmocka_unit_test_setup_teardown(hashes_are_remembered, test_open, test_close),
        cmocka_unit_test_setup_teardown(only_settled_files_are_remembered, test_open, test_close),
        cmocka_unit_test_setup_teardown(entries_appear_whole_or_not_at_all, test_open, test_close),
        cmocka_unit_test_setup_teardown(what_an_optimiser_left_is_looked_at, test_open, test_close),
        cmocka_unit_test_setup_teardown(the_least_recently_used_goes, test_open, test_close),
        cmocka_unit_test_setup_teardown(a_lookup_counts_as_use, test_open, test_close),
        cmocka_unit_test_setup_teardown(opening_sweeps_and_complains, test_open, test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
