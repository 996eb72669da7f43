/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX Runtime beyond what every engine must do: types, optional inputs, optimised copies. */
#include "engine/engine_testing.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "engine/ort.h"

enum { ROWS = 3, ROOM_BYTES = 4096 };

static const struct engine_load_options plain = {.intra_op_threads = 1};
static const struct engine_load_options as_optimised = {.intra_op_threads = 1, .optimised = true};

static void libraries_that_will_not_do_are_named(void **state)
{
    (void)state;
    struct detail detail = {0};
    testing_check(engine_ort.open("/nowhere/libonnxruntime.so.1", &detail), ROOST_UNAVAILABLE,
                  &detail);
    assert_non_null(strstr(detail.text, "/nowhere/libonnxruntime.so.1"));
    assert_non_null(strstr(detail.text, "ROOST_ORT_LIBRARY"));
    testing_check(engine_ort.open("libm.so.6", &detail), ROOST_UNAVAILABLE, &detail);
    assert_non_null(strstr(detail.text, "OrtGetApiBase"));

    const char *set = getenv("ROOST_ORT_LIBRARY");
    char *kept = set != NULL ? strdup(set) : NULL;
    assert_int_equal(setenv("ROOST_ORT_LIBRARY", "/elsewhere/lib.so", 1), 0);
    testing_check(engine_ort.open(NULL, &detail), ROOST_UNAVAILABLE, &detail);
    assert_non_null(strstr(detail.text, "/elsewhere/lib.so"));
    assert_int_equal(
        kept != NULL ? setenv("ROOST_ORT_LIBRARY", kept, 1) : unsetenv("ROOST_ORT_LIBRARY"), 0);
    free(kept);

    struct engine_session *session;
    testing_check(engine_ort.load(testing_fixture("add.onnx"), &plain, &session, &detail),
                  ROOST_UNAVAILABLE, &detail);
    testing_check(engine_ort.open(NULL, &detail), ROOST_OK, &detail);
    assert_string_equal(getenv("ORT_DISABLE_TELEMETRY"), "1");
    assert_string_equal(getenv("ORT_TELEMETRY_DISABLED"), "1");
}

/* Some bytes of each type, and what they are called. */
static size_t bytes_of(enum dtype dtype, char *out)
{
    static const char *const texts[ROWS] = {"one", "", "three"};
    static const uint32_t lengths[ROWS] = {3, 0, 5};
    if (dtype == DTYPE_BYTES)
        return testing_strings(out, texts, lengths, ROWS);
    size_t bytes = ROWS * dtype_bytes(dtype);
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(dtype == DTYPE_BOOL ? i % 2 : 0x31 + i);
    return bytes;
}

static void every_type_goes_through(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    char in[MODEL_TENSORS_MAX][64];
    char out[MODEL_TENSORS_MAX][64];
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct tensor outputs[MODEL_TENSORS_MAX];
    testing_load(&opened, &engine_ort, testing_fixture("types.onnx"), &plain);
    assert_int_equal(opened.io.input_count, DTYPE_COUNT - 1);
    for (unsigned give = 0; give < 2; give++) {
        for (unsigned i = 0; i < opened.io.input_count; i++) {
            const struct tensor_spec *spec = &opened.io.inputs[i];
            assert_string_equal(spec->name + strlen("in_"), dtype_name(spec->dtype));
            inputs[i] = (struct tensor){spec->dtype, SHAPE(ROWS), in[i],
                                        bytes_of(spec->dtype, in[i])};
            outputs[i] = (struct tensor){spec->dtype, SHAPE(ROWS), give ? out[i] : NULL,
                                         give ? inputs[i].bytes : 0};
        }
        testing_check(opened.engine->run(opened.context, inputs, outputs, &detail), ROOST_OK,
                      &detail);
        for (unsigned i = 0; i < opened.io.output_count; i++) {
            assert_int_equal(outputs[i].dtype, inputs[i].dtype);
            assert_int_equal(outputs[i].bytes, inputs[i].bytes);
            assert_memory_equal(outputs[i].data, inputs[i].data, inputs[i].bytes);
            /* The input's memory is the caller's again as soon as the run is over. */
            assert_ptr_not_equal(outputs[i].data, inputs[i].data);
        }
    }
    testing_unload(&opened);
}

static void outputs_can_be_left_out(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    char in[MODEL_TENSORS_MAX][64];
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct tensor outputs[MODEL_TENSORS_MAX] = {0};
    testing_load(&opened, &engine_ort, testing_fixture("types.onnx"), &plain);
    for (unsigned i = 0; i < opened.io.input_count; i++) {
        enum dtype dtype = opened.io.inputs[i].dtype;
        inputs[i] = (struct tensor){dtype, SHAPE(ROWS), in[i], bytes_of(dtype, in[i])};
    }
    outputs[5].dtype = opened.io.outputs[5].dtype;
    testing_check(opened.engine->run(opened.context, inputs, outputs, &detail), ROOST_OK, &detail);
    for (unsigned i = 0; i < opened.io.output_count; i++) {
        if (i == 5)
            assert_memory_equal(outputs[i].data, inputs[i].data, inputs[i].bytes);
        else
            assert_null(outputs[i].data);
    }
    testing_unload(&opened);
}

static void half_precision_is_computed(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    uint16_t x[] = {0x3C00, 0x3E00, 0xC000}; /* 1, 1.5, -2 */
    static const uint16_t twice[] = {0x4000, 0x4200, 0xC400};
    struct tensor input = TENSOR(DTYPE_FP16, x, 1, 3);
    struct tensor output = {.dtype = DTYPE_FP16};
    testing_load(&opened, &engine_ort, testing_fixture("half.onnx"), &plain);
    testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK, &detail);
    assert_int_equal(output.bytes, sizeof(twice));
    assert_memory_equal(output.data, twice, sizeof(twice));
    testing_unload(&opened);
}

static void inputs_with_a_default_may_be_absent(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float x[] = {1, 2};
    float scale[] = {10};
    float shift[] = {-1};
    testing_load(&opened, &engine_ort, testing_fixture("optional.onnx"), &plain);
    assert_int_equal(opened.io.input_count, 3);
    assert_false(opened.io.inputs[0].optional);
    assert_true(opened.io.inputs[1].optional);
    assert_true(opened.io.inputs[2].optional);
    for (unsigned given = 0; given < 4; given++) {
        struct tensor inputs[] = {TENSOR(DTYPE_FP32, x, 1, 2), TENSOR(DTYPE_FP32, scale, 1),
                                  TENSOR(DTYPE_FP32, shift, 1)};
        struct tensor output = {.dtype = DTYPE_FP32};
        inputs[1].data = (given & 1) != 0 ? scale : NULL;
        inputs[2].data = (given & 2) != 0 ? shift : NULL;
        testing_check(opened.engine->run(opened.context, inputs, &output, &detail), ROOST_OK,
                      &detail);
        float factor = (given & 1) != 0 ? 10 : 3;
        float summand = (given & 2) != 0 ? -1 : 1;
        const float *y = output.data;
        assert_true(y[0] == 1 * factor + summand && y[1] == 2 * factor + summand);
    }
    testing_unload(&opened);
}

static void sizes_known_only_after_a_run_are_told(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float x[] = {0, 5, 0, 0, 7, 0, 0, 8};
    static const int64_t found[] = {0, 1, 1, 1, 0, 3};
    struct tensor input = TENSOR(DTYPE_FP32, x, 2, 4);
    struct tensor output = {.dtype = DTYPE_INT64};
    testing_load(&opened, &engine_ort, testing_fixture("nonzero.onnx"), &plain);
    assert_true(shape_equal(&opened.io.outputs[0].shape, &SHAPE(2, -1)));
    testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK, &detail);
    assert_true(shape_equal(&output.shape, &SHAPE(2, 3)));
    assert_memory_equal(output.data, found, sizeof(found));
    testing_unload(&opened);
}

static void what_a_node_refuses_is_the_clients_mistake(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    int64_t ids[] = {1, 2, 64, 3};
    float x[8] = {0};
    struct tensor output = {.dtype = DTYPE_FP32};
    testing_load(&opened, &engine_ort, testing_fixture("embedding.onnx"), &plain);
    testing_check(
        opened.engine->run(opened.context, &TENSOR(DTYPE_INT64, ids, 1, 4), &output, &detail),
        ROOST_INVALID, &detail);
    assert_non_null(strstr(detail.text, "out of data bounds"));
    ids[2] = 63;
    testing_check(
        opened.engine->run(opened.context, &TENSOR(DTYPE_INT64, ids, 1, 4), &output, &detail),
        ROOST_OK, &detail);
    testing_unload(&opened);

    testing_load(&opened, &engine_ort, testing_fixture("reshape.onnx"), &plain);
    output = (struct tensor){.dtype = DTYPE_FP32};
    testing_check(
        opened.engine->run(opened.context, &TENSOR(DTYPE_FP32, x, 4, 2), &output, &detail),
        ROOST_INVALID, &detail);
    testing_unload(&opened);
}

static void metadata_is_read(void **state)
{
    (void)state;
    struct opened opened;
    struct engine_metadata metadata;
    testing_load(&opened, &engine_ort, testing_fixture("mlp.onnx"), &plain);
    opened.engine->metadata(opened.session, &metadata);
    assert_int_equal(metadata.mflops_x1000, 2);
    assert_true(metadata.accuracy == 0.75);
    testing_unload(&opened);
}

static void models_that_cannot_be_served_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum roost_err err;
        const char *word;
    } cases[] = {
        {"truncated.onnx", ROOST_INVALID, "rotobuf"},
        {"garbage.onnx", ROOST_INVALID, "rotobuf"},
        {"empty.onnx", ROOST_INVALID, "graph"},
        {"unknown_operator.onnx", ROOST_UNSUPPORTED, "Frobnicate"},
        {"inconsistent.onnx", ROOST_INVALID, "MatMul"},
        {"sequence.onnx", ROOST_UNSUPPORTED, "output 0 (\"parts\")"},
        {"rank_nine.onnx", ROOST_UNSUPPORTED, "input 0 (\"x\"): 9 dimensions"},
        {"long_name.onnx", ROOST_UNSUPPORTED, "200 bytes"},
        {"lost.onnx", ROOST_INVALID, "nowhere.weights"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reason = testing_load_fails(&engine_ort, testing_fixture(cases[i].name),
                                                cases[i].err);
        assert_non_null(strstr(reason, cases[i].word));
    }
}

/* Numbers that fit every model: small enough to be ids, a true BOOL, a finite FP16. */
static void input_fill(const struct tensor_spec *spec, struct tensor *tensor, char *room)
{
    uint64_t elements;
    *tensor = (struct tensor){.dtype = spec->dtype, .shape = spec->shape, .data = room};
    for (unsigned i = 0; i < tensor->shape.rank; i++)
        tensor->shape.dims[i] = tensor->shape.dims[i] == -1 ? ROWS : tensor->shape.dims[i];
    assert_true(shape_elements(&tensor->shape, &elements));
    size_t size = dtype_bytes(spec->dtype);
    tensor->bytes = elements * (size > 0 ? size : 4);
    assert_in_range(tensor->bytes, 0, ROOM_BYTES);
    memset(room, 0, tensor->bytes);
    for (uint64_t i = 0; i < elements && size > 0; i++) {
        float real = (float)(i % 7) - 3;
        uint64_t bits = spec->dtype == DTYPE_BOOL ? i % 2 : i % 7;
        if (spec->dtype == DTYPE_FP32)
            memcpy(&bits, &real, sizeof(real));
        memcpy(room + i * size, &bits, size);
    }
}

static void answers_equal(const struct opened *a, const struct opened *b)
{
    static char room[MODEL_TENSORS_MAX][ROOM_BYTES];
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct tensor x[MODEL_TENSORS_MAX];
    struct tensor y[MODEL_TENSORS_MAX];
    struct detail detail = {0};
    for (unsigned i = 0; i < a->io.input_count; i++)
        input_fill(&a->io.inputs[i], &inputs[i], room[i]);
    for (unsigned i = 0; i < a->io.output_count; i++)
        x[i] = y[i] = (struct tensor){.dtype = a->io.outputs[i].dtype};
    testing_check(engine_ort.run(a->context, inputs, x, &detail), ROOST_OK, &detail);
    testing_check(engine_ort.run(b->context, inputs, y, &detail), ROOST_OK, &detail);
    for (unsigned i = 0; i < a->io.output_count; i++) {
        assert_int_equal(x[i].dtype, y[i].dtype);
        assert_true(shape_equal(&x[i].shape, &y[i].shape));
        assert_int_equal(x[i].bytes, y[i].bytes);
        if (x[i].dtype != DTYPE_FP32) {
            assert_memory_equal(x[i].data, y[i].data, x[i].bytes);
            continue;
        }
        for (size_t e = 0; e < x[i].bytes / sizeof(float); e++)
            assert_true(fabsf(((float *)x[i].data)[e] - ((float *)y[i].data)[e]) < 1e-5f);
    }
}

static void optimised_copies_answer_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_weights;
    } models[] = {
        {"add.onnx", false},      {"mlp.onnx", true},   {"conv.onnx", true},
        {"types.onnx", false},    {"text.onnx", false}, {"half.onnx", false},
        {"optional.onnx", false}, {"slow.onnx", false}, {"nonzero.onnx", false},
        {"embedding.onnx", true},
    };
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        char directory[FILE_PATH_BYTES_MAX];
        char path[FILE_PATH_BYTES_MAX];
        char weights[FILE_PATH_BYTES_MAX];
        struct opened original;
        struct opened copy;
        struct engine_metadata one;
        struct engine_metadata other;
        struct detail detail = {0};
        const char *source = testing_fixture(models[i].name);
        testing_directory_make(directory, sizeof(directory));
        testing_check(engine_ort.optimise(source, directory, &detail), ROOST_OK, &detail);
        assert_string_equal(detail.text, "");
        assert_true(path_join(path, sizeof(path), directory, "model.onnx"));
        assert_true(path_join(weights, sizeof(weights), directory, "model.weights"));
        assert_int_equal(file_exists(weights), models[i].has_weights);
        testing_load(&original, &engine_ort, source, &plain);
        testing_load(&copy, &engine_ort, path, &as_optimised);
        assert_memory_equal(&original.io, &copy.io, sizeof(copy.io));
        engine_ort.metadata(original.session, &one);
        engine_ort.metadata(copy.session, &other);
        assert_int_equal(one.mflops_x1000, other.mflops_x1000);
        assert_true(one.accuracy == other.accuracy);
        answers_equal(&original, &copy);
        testing_unload(&copy);
        testing_unload(&original);
        testing_directory_remove(directory);
    }
}

static void what_cannot_be_optimised_says_why(void **state)
{
    (void)state;
    char directory[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    testing_directory_make(directory, sizeof(directory));
    testing_check(engine_ort.optimise(testing_fixture("truncated.onnx"), directory, &detail),
                  ROOST_INVALID, &detail);
    assert_non_null(strstr(detail.text, "truncated.onnx"));
    testing_check(engine_ort.optimise("/nowhere/model.onnx", directory, &detail), ROOST_NOT_FOUND,
                  &detail);
    assert_non_null(strstr(detail.text, "/nowhere/model.onnx"));
    testing_directory_remove(directory);
    enum roost_err err = engine_ort.optimise(testing_fixture("mlp.onnx"), directory, &detail);
    assert_int_not_equal(err, ROOST_OK);
    assert_non_null(strstr(detail.text, directory));
}

/* A limit on the length of files stands for a disk that is full. */
static void a_full_disk_is_the_reason(void **state)
{
    (void)state;
    char directory[FILE_PATH_BYTES_MAX];
    struct detail detail = {0};
    struct rlimit before, low;
    testing_directory_make(directory, sizeof(directory));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 64; /* neither graph nor weights fit */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    enum roost_err err = engine_ort.optimise(testing_fixture("conv.onnx"), directory, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(err, ROOST_OK);
    print_message("%s\n", detail.text);
    assert_non_null(strstr(detail.text, strerror(EFBIG)));
    testing_directory_remove(directory);
}

static void several_threads_per_run_are_possible(void **state)
{
    (void)state;
    struct opened one;
    struct opened two;
    const struct engine_load_options options = {.intra_op_threads = 2, .spin = true};
    unsigned before = testing_thread_count();
    testing_load(&one, &engine_ort, testing_fixture("conv.onnx"), &plain);
    assert_int_equal(testing_thread_count(), before);
    testing_load(&two, &engine_ort, testing_fixture("conv.onnx"), &options);
    /* ThreadSanitizer adds one of its own to a process's second. */
    if (!TESTING_SANITIZED)
        assert_int_equal(testing_thread_count(), before + 1);
    answers_equal(&one, &two);
    testing_unload(&two);
    testing_unload(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_that_will_not_do_are_named),
        cmocka_unit_test(every_type_goes_through),
        cmocka_unit_test(outputs_can_be_left_out),
        cmocka_unit_test(half_precision_is_computed),
        cmocka_unit_test(inputs_with_a_default_may_be_absent),
        cmocka_unit_test(sizes_known_only_after_a_run_are_told),
        cmocka_unit_test(what_a_node_refuses_is_the_clients_mistake),
        cmocka_unit_test(metadata_is_read),
        cmocka_unit_test(models_that_cannot_be_served_say_why),
        cmocka_unit_test(optimised_copies_answer_the_same),
        cmocka_unit_test(what_cannot_be_optimised_says_why),
        cmocka_unit_test(a_full_disk_is_the_reason),
        cmocka_unit_test(several_threads_per_run_are_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
