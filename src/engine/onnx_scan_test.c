/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx_scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/engine_testing.h"

enum { MESSAGE_BYTES_MAX = 4096 };

/* A protobuf message under construction. */
struct message {
    unsigned char data[MESSAGE_BYTES_MAX];
    size_t bytes;
};

static void put_varint(struct message *message, uint64_t value)
{
    do {
        assert_true(message->bytes < MESSAGE_BYTES_MAX);
        message->data[message->bytes++] = (unsigned char)((value & 0x7F) |
                                                          (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

static void put_bytes(struct message *message, unsigned field, const void *data, size_t bytes)
{
    put_varint(message, field << 3 | 2);
    put_varint(message, bytes);
    assert_true(message->bytes + bytes <= MESSAGE_BYTES_MAX);
    memcpy(message->data + message->bytes, data, bytes);
    message->bytes += bytes;
}

static void put_number(struct message *message, unsigned field, uint64_t value)
{
    put_varint(message, field << 3);
    put_varint(message, value);
}

/* The message becomes one field of a new one. */
static void wrap(struct message *message, unsigned field)
{
    struct message outer = {.bytes = 0};
    put_bytes(&outer, field, message->data, message->bytes);
    *message = outer;
}

static struct message tensor_at(const char *location, size_t bytes, bool location_first)
{
    struct message entry = {.bytes = 0};
    struct message tensor = {.bytes = 0};
    put_bytes(&entry, 1, "location", 8);
    put_bytes(&entry, 2, location, bytes);
    if (location_first)
        put_number(&tensor, 14, 1);
    put_bytes(&tensor, 13, entry.data, entry.bytes);
    if (!location_first)
        put_number(&tensor, 14, 1);
    return tensor;
}

/* A model with one such tensor, reached by these fields from the inside out. */
static struct message model_by(const unsigned *path, size_t length, const char *location)
{
    struct message message = tensor_at(location, strlen(location), length % 2 == 0);
    for (size_t i = 0; i < length; i++)
        wrap(&message, path[i]);
    return message;
}

static enum roost_err scan(const struct message *message, struct onnx_files *files,
                           struct detail *detail)
{
    /* On the heap at its exact size, so that a sanitizer sees a byte too far. */
    void *copy = malloc(message->bytes > 0 ? message->bytes : 1);
    assert_non_null(copy);
    memcpy(copy, message->data, message->bytes);
    enum roost_err err = onnx_files_scan(copy, message->bytes, files, detail);
    free(copy);
    return err;
}

static void fixtures_are_read(void **state)
{
    (void)state;
    static struct onnx_files files;
    struct detail detail = {0};
    testing_check(onnx_files_read(testing_fixture("embedding.onnx"), &files, &detail), ROOST_OK,
                  &detail);
    assert_int_equal(files.count, 1);
    assert_string_equal(files.names[0], "embedding.weights");
    testing_check(onnx_files_read(testing_fixture("mlp.onnx"), &files, &detail), ROOST_OK, &detail);
    assert_int_equal(files.count, 0);
    testing_check(onnx_files_read(testing_fixture("slow.onnx"), &files, &detail), ROOST_OK,
                  &detail);
    assert_int_equal(files.count, 0);
    testing_check(onnx_files_read(testing_fixture("escape.onnx"), &files, &detail), ROOST_INVALID,
                  &detail);
    assert_non_null(strstr(detail.text, "../engine/embedding.weights"));
    assert_non_null(strstr(detail.text, "escape.onnx"));
    testing_check(onnx_files_read(testing_fixture("garbage.onnx"), &files, &detail), ROOST_INVALID,
                  &detail);
    testing_check(onnx_files_read(testing_fixture("truncated.onnx"), &files, &detail),
                  ROOST_INVALID, &detail);
    testing_check(onnx_files_read(testing_fixture("absent.onnx"), &files, &detail), ROOST_NOT_FOUND,
                  &detail);
    testing_check(onnx_files_read("/dev/null", &files, &detail), ROOST_INVALID, &detail);
    testing_check(onnx_files_read("/tmp", &files, &detail), ROOST_INVALID, &detail);
}

static void tensors_are_found_wherever_they_are(void **state)
{
    (void)state;
    static const struct {
        unsigned path[8];
        size_t length;
    } ways[] = {
        {{5, 7}, 2},                   /* an initializer */
        {{1, 15, 7}, 3},               /* values of a sparse one */
        {{2, 15, 7}, 3},               /* its indices */
        {{5, 5, 1, 7}, 4},             /* a constant node's attribute */
        {{10, 5, 1, 7}, 4},            /* one of a list */
        {{1, 22, 5, 1, 7}, 5},         /* a sparse one */
        {{1, 23, 5, 1, 7}, 5},         /* one of a list of those */
        {{5, 6, 5, 1, 7}, 5},          /* a loop's body */
        {{5, 11, 5, 1, 7}, 5},         /* one of several bodies */
        {{5, 6, 5, 1, 6, 5, 1, 7}, 8}, /* a loop in a loop */
        {{5, 5, 7, 25}, 4},            /* a function's node */
        {{5, 11, 25}, 3},              /* a function's default */
    };
    static struct onnx_files files;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct detail detail = {0};
        struct message model = model_by(ways[i].path, ways[i].length, "a/b.bin");
        testing_check(scan(&model, &files, &detail), ROOST_OK, &detail);
        assert_int_equal(files.count, 1);
        assert_string_equal(files.names[0], "a/b.bin");
        /* Every shorter file is broken, or has nothing in it; none is read beyond its end. */
        for (; model.bytes > 0; model.bytes--) {
            struct message cut = model;
            cut.bytes--;
            enum roost_err err = scan(&cut, &files, NULL);
            assert_int_equal(err, cut.bytes == 0 ? ROOST_OK : ROOST_INVALID);
        }
    }
}

static void names_are_told_once_and_sorted(void **state)
{
    (void)state;
    static const char *const names[] = {"b", "a", "b", "sub/c", "a", "./d"};
    static struct onnx_files files;
    struct message graph = {.bytes = 0};
    struct detail detail = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct message tensor = tensor_at(names[i], strlen(names[i]), false);
        put_bytes(&graph, 5, tensor.data, tensor.bytes);
    }
    /* A tensor that keeps its data, whatever it says besides. */
    struct message inside = {.bytes = 0};
    struct message entry = {.bytes = 0};
    put_bytes(&entry, 1, "location", 8);
    put_bytes(&entry, 2, "unused", 6);
    put_bytes(&inside, 13, entry.data, entry.bytes);
    put_bytes(&graph, 5, inside.data, inside.bytes);
    wrap(&graph, 7);
    testing_check(scan(&graph, &files, &detail), ROOST_OK, &detail);
    assert_int_equal(files.count, 4);
    assert_string_equal(files.names[0], "./d");
    assert_string_equal(files.names[1], "a");
    assert_string_equal(files.names[2], "b");
    assert_string_equal(files.names[3], "sub/c");
}

static void ways_out_are_refused(void **state)
{
    (void)state;
    static const unsigned way[] = {5, 7};
    static const char *const names[] = {"/etc/passwd", "..", "../x", "a/../../x", "a/..", ""};
    static struct onnx_files files;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct detail detail = {0};
        struct message model = model_by(way, 2, names[i]);
        testing_check(scan(&model, &files, &detail), ROOST_INVALID, &detail);
        assert_non_null(strstr(detail.text, "outside the model's directory"));
    }
    static const char *const harmless[] = {"..a", "a..", "a/...", "a..b/c"};
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        struct detail detail = {0};
        struct message model = model_by(way, 2, harmless[i]);
        testing_check(scan(&model, &files, &detail), ROOST_OK, &detail);
    }
    char name[ONNX_FILE_NAME_BYTES_MAX];
    memset(name, 'n', sizeof(name));
    struct detail detail = {0};
    struct message model = tensor_at(name, sizeof(name), true);
    wrap(&model, 5);
    wrap(&model, 7);
    testing_check(scan(&model, &files, &detail), ROOST_INVALID, &detail);
    model = tensor_at("a\0b", 3, true);
    wrap(&model, 5);
    wrap(&model, 7);
    testing_check(scan(&model, &files, &detail), ROOST_INVALID, &detail);
}

static void depth_and_number_are_bounded(void **state)
{
    (void)state;
    static struct onnx_files files;
    struct detail detail = {0};
    struct message nested = {.bytes = 0};
    for (unsigned i = 0; i < 40; i++) {
        wrap(&nested, 6); /* graph of an attribute */
        wrap(&nested, 5); /* attribute of a node */
        wrap(&nested, 1); /* node of a graph */
    }
    wrap(&nested, 7);
    testing_check(scan(&nested, &files, &detail), ROOST_INVALID, &detail);
    assert_non_null(strstr(detail.text, "deep"));

    char *large = malloc((size_t)(ONNX_FILES_MAX + 1) * 64);
    size_t bytes = 0;
    assert_non_null(large);
    for (unsigned i = 0; i <= ONNX_FILES_MAX; i++) {
        char name[8] = {'f', (char)('a' + i % 26), (char)('a' + i / 26), '\0'};
        struct message model = tensor_at(name, strlen(name), true);
        wrap(&model, 5);
        wrap(&model, 7);
        memcpy(large + bytes, model.data, model.bytes);
        bytes += model.bytes;
    }
    testing_check(onnx_files_scan(large, bytes, &files, &detail), ROOST_TOO_LARGE, &detail);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixtures_are_read),
        cmocka_unit_test(tensors_are_found_wherever_they_are),
        cmocka_unit_test(names_are_told_once_and_sorted),
        cmocka_unit_test(ways_out_are_refused),
        cmocka_unit_test(depth_and_number_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
