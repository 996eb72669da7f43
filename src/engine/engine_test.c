/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite: what engine.h promises, asked of every engine in the registry. */
#include "engine/engine_testing.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"

enum { COLUMNS = 4, ROWS_MAX = 9, THREADS = 4, RUNS_PER_THREAD = 50 };

/* The models that the suite needs, and what the first one answers. */
struct subject {
    const struct engine_ops *engine;
    char sum[FILE_PATH_BYTES_MAX];     /* x, y FP32 [-1,4] -> sum FP32 [-1,4] */
    char text[FILE_PATH_BYTES_MAX];    /* x BYTES [-1,2] -> the same */
    char endless[FILE_PATH_BYTES_MAX]; /* trips INT64 [], x FP32 [1] -> y FP32 [1] */
    char large[FILE_PATH_BYTES_MAX];   /* 64 MiB at least of its own memory */
    float (*expected)(const float *x, const float *y, unsigned row, unsigned column);
};

static char directory[FILE_PATH_BYTES_MAX];
static struct subject subjects[8];
static size_t subject_count;

static const struct engine_load_options plain = {.intra_op_threads = 1};

static float sum_of_both(const float *x, const float *y, unsigned row, unsigned column)
{
    return x[row * COLUMNS + column] + y[row * COLUMNS + column];
}

static float sum_of_row(const float *x, const float *y, unsigned row, unsigned column)
{
    float sum = 0;
    (void)y;
    (void)column;
    for (unsigned i = 0; i < COLUMNS; i++)
        sum += x[row * COLUMNS + i];
    return sum;
}

static void fake_model(char *path, const char *name, const char *text)
{
    testing_file_write(directory, name, text, strlen(text));
    assert_true(path_join(path, FILE_PATH_BYTES_MAX, directory, name));
}

static void subject_prepare(struct subject *subject)
{
    if (strcmp(subject->engine->name, "onnxruntime") == 0) {
        (void)snprintf(subject->sum, sizeof(subject->sum), "%s", testing_fixture("add.onnx"));
        (void)snprintf(subject->text, sizeof(subject->text), "%s", testing_fixture("text.onnx"));
        (void)snprintf(subject->endless, sizeof(subject->endless), "%s",
                       testing_fixture("slow.onnx"));
        (void)snprintf(subject->large, sizeof(subject->large), "%s", testing_fixture("large.onnx"));
        subject->expected = sum_of_both;
        return;
    }
    fake_model(subject->sum, "sum.fake",
               "input x FP32 -1 4\ninput y FP32 -1 4\noutput sum FP32 -1 4\n");
    fake_model(subject->text, "text.fake", "input x BYTES -1 2\noutput y BYTES -1 2\necho\n");
    fake_model(subject->endless, "endless.fake",
               "input trips INT64\ninput x FP32 1\noutput y FP32 1\nhang_after 1\n");
    fake_model(subject->large, "large.fake", "input x FP32 -1\noutput y FP32 -1\nmemory_mb 64\n");
    subject->expected = sum_of_row;
}

static int suite_open(void **state)
{
    (void)state;
    testing_directory_make(directory, sizeof(directory));
    for (size_t i = 0; engine_registry[i] != NULL; i++) {
        struct subject *subject = &subjects[subject_count++];
        subject->engine = engine_registry[i];
        subject_prepare(subject);
    }
    return 0;
}

static int suite_close(void **state)
{
    (void)state;
    testing_directory_remove(directory);
    return 0;
}

static void nothing_works_before_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++)
        assert_string_equal(subjects[i].engine->version(), "");
}

static void engines_open_without_a_thread(void **state)
{
    (void)state;
    unsigned before = testing_thread_count();
    for (size_t i = 0; i < subject_count; i++) {
        const struct engine_ops *engine = subjects[i].engine;
        struct detail detail = {0};
        testing_check(engine->open(NULL, &detail), ROOST_OK, &detail);
        testing_check(engine->open(NULL, &detail), ROOST_OK, &detail);
        assert_string_not_equal(engine->version(), "");
        assert_string_not_equal(engine->summary, "");
        assert_ptr_equal(engine_find(engine->name), engine);
    }
    assert_int_equal(testing_thread_count(), before);
    assert_null(engine_find("tensorrt"));
    assert_null(engine_find(""));
}

static void bad_files_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const char garbage[] = {'\x0a', '\xff', '\x01', '\0', 'x', '\xfe', '\x80', '\x80'};
    char path[FILE_PATH_BYTES_MAX];
    testing_file_write(directory, "garbage", garbage, sizeof(garbage));
    testing_file_write(directory, "empty", "", 0);
    for (size_t i = 0; i < subject_count; i++) {
        assert_true(path_join(path, sizeof(path), directory, "absent"));
        (void)testing_load_fails(subjects[i].engine, path, ROOST_NOT_FOUND);
        assert_true(path_join(path, sizeof(path), directory, "garbage"));
        (void)testing_load_fails(subjects[i].engine, path, ROOST_INVALID);
        assert_true(path_join(path, sizeof(path), directory, "empty"));
        (void)testing_load_fails(subjects[i].engine, path, ROOST_INVALID);
        (void)testing_load_fails(subjects[i].engine, directory, ROOST_INVALID);
    }
}

static void models_describe_themselves(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        struct engine_metadata metadata;
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        assert_int_equal(opened.io.input_count, 2);
        assert_int_equal(opened.io.output_count, 1);
        assert_string_equal(opened.io.inputs[0].name, "x");
        assert_string_equal(opened.io.inputs[1].name, "y");
        assert_string_equal(opened.io.outputs[0].name, "sum");
        assert_int_equal(opened.io.inputs[0].dtype, DTYPE_FP32);
        assert_false(opened.io.inputs[0].optional);
        assert_true(shape_equal(&opened.io.inputs[1].shape, &SHAPE(-1, 4)));
        assert_true(shape_equal(&opened.io.outputs[0].shape, &SHAPE(-1, 4)));
        opened.engine->metadata(opened.session, &metadata);
        assert_int_equal(metadata.mflops_x1000, 0);
        assert_true(metadata.accuracy < 0);
        testing_unload(&opened);
    }
}

/* Two inputs and their answer for some rows, different for each seed. */
struct sample {
    float x[ROWS_MAX * COLUMNS], y[ROWS_MAX * COLUMNS], sum[ROWS_MAX * COLUMNS];
    struct tensor inputs[2];
};

static void sample_make(struct sample *sample, const struct subject *subject, unsigned rows,
                        unsigned seed)
{
    size_t bytes = rows * COLUMNS * sizeof(float);
    for (unsigned i = 0; i < ROWS_MAX * COLUMNS; i++) {
        sample->x[i] = (float)(i + 100 * seed);
        sample->y[i] = (float)(1000 * i) - (float)seed;
    }
    for (unsigned i = 0; i < ROWS_MAX * COLUMNS; i++)
        sample->sum[i] = subject->expected(sample->x, sample->y, i / COLUMNS, i % COLUMNS);
    sample->inputs[0] = (struct tensor){DTYPE_FP32, SHAPE(rows, COLUMNS), sample->x, bytes};
    sample->inputs[1] = (struct tensor){DTYPE_FP32, SHAPE(rows, COLUMNS), sample->y, bytes};
}

static void run_and_compare(struct engine_context *context, const struct subject *subject,
                            unsigned rows, unsigned seed, bool give)
{
    struct sample sample;
    struct detail detail = {0};
    /* One element more than there is room for, to see that it stays. */
    float room[ROWS_MAX * COLUMNS + 1];
    size_t bytes = rows * COLUMNS * sizeof(float);
    struct tensor output = {.dtype = DTYPE_FP32};
    sample_make(&sample, subject, rows, seed);
    room[rows * COLUMNS] = 4711;
    if (give)
        output = (struct tensor){DTYPE_FP32, SHAPE(rows, COLUMNS), room, bytes};
    testing_check(subject->engine->run(context, sample.inputs, &output, &detail), ROOST_OK,
                  &detail);
    assert_int_equal(output.dtype, DTYPE_FP32);
    assert_int_equal(output.bytes, bytes);
    assert_true(shape_equal(&output.shape, &SHAPE(rows, COLUMNS)));
    assert_non_null(output.data);
    assert_memory_equal(output.data, sample.sum, bytes);
    if (give) {
        assert_ptr_equal(output.data, room);
        assert_true(room[rows * COLUMNS] == 4711);
    }
}

static void answers_land_where_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        static const unsigned rows[] = {1, 3, ROWS_MAX, 1, 0, 2};
        for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
            run_and_compare(opened.context, &subjects[i], rows[r], r, true);
            run_and_compare(opened.context, &subjects[i], rows[r], r + 7, false);
        }
        testing_unload(&opened);
    }
}

static void inputs_may_be_read_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        struct sample sample;
        struct detail detail = {0};
        struct tensor output = {.dtype = DTYPE_FP32};
        sample_make(&sample, &subjects[i], ROWS_MAX, 3);
        char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(memory != MAP_FAILED);
        for (unsigned t = 0; t < 2; t++) {
            sample.inputs[t].data = memcpy(memory + 2048 * (size_t)t, sample.inputs[t].data,
                                           sample.inputs[t].bytes);
        }
        assert_int_equal(mprotect(memory, 4096, PROT_READ), 0);
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        testing_check(opened.engine->run(opened.context, sample.inputs, &output, &detail), ROOST_OK,
                      &detail);
        assert_memory_equal(output.data, sample.sum, output.bytes);
        testing_unload(&opened);
        (void)munmap(memory, 4096);
    }
}

/* Runs with one input spoilt, which must be refused with a reason; then without, to see that the
 * context is none the worse. */
static void refused(struct opened *opened, const struct subject *subject, unsigned index,
                    struct tensor spoilt)
{
    struct sample sample;
    struct detail detail = {0};
    struct tensor output = {.dtype = DTYPE_FP32};
    sample_make(&sample, subject, 2, 1);
    sample.inputs[index] = spoilt;
    testing_check(opened->engine->run(opened->context, sample.inputs, &output, &detail),
                  ROOST_INVALID, &detail);
    assert_string_not_equal(detail.text, "");
    assert_null(strchr(detail.text, '\n'));
    run_and_compare(opened->context, subject, 2, 1, true);
}

static void bad_inputs_are_refused(void **state)
{
    (void)state;
    float data[64] = {0};
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        const struct subject *subject = &subjects[i];
        testing_load(&opened, subject->engine, subject->sum, &plain);
        refused(&opened, subject, 0, TENSOR(DTYPE_FP64, data, 2, 4));
        refused(&opened, subject, 1, TENSOR(DTYPE_INT32, data, 2, 4));
        refused(&opened, subject, 1, TENSOR(DTYPE_FP32, data, 2, 5));
        refused(&opened, subject, 0, TENSOR(DTYPE_FP32, data, 8));
        refused(&opened, subject, 0, TENSOR(DTYPE_FP32, data, 2, 4, 1));
        refused(&opened, subject, 0, TENSOR(DTYPE_FP32, data, -2, 4));
        refused(&opened, subject, 0, TENSOR(DTYPE_FP32, data, INT64_MAX / 4, 4));
        struct tensor cut = TENSOR(DTYPE_FP32, data, 2, 4);
        cut.bytes = 31;
        refused(&opened, subject, 0, cut);
        refused(&opened, subject, 1, (struct tensor){.dtype = DTYPE_FP32});
        testing_unload(&opened);
    }
}

static void bad_buffers_are_told_apart_from_bad_inputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        struct sample sample;
        float room[64];
        sample_make(&sample, &subjects[i], 2, 1);
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        struct tensor small = TENSOR(DTYPE_FP32, room, 2, 4);
        small.bytes = 31;
        const struct tensor outputs[] = {small, TENSOR(DTYPE_FP32, room, 3, 4),
                                         TENSOR(DTYPE_INT32, room, 2, 4)};
        for (size_t o = 0; o < sizeof(outputs) / sizeof(outputs[0]); o++) {
            struct tensor output = outputs[o];
            struct detail detail = {0};
            testing_check(opened.engine->run(opened.context, sample.inputs, &output, &detail),
                          ROOST_INTERNAL, &detail);
            assert_string_not_equal(detail.text, "");
            run_and_compare(opened.context, &subjects[i], 2, 1, true);
        }
        testing_unload(&opened);
    }
}

static void strings_come_back_whole(void **state)
{
    (void)state;
    static char large[70000];
    static char blob[80000];
    memset(large, 'z', sizeof(large));
    const char *const texts[] = {"", "a\0b", large, "\xff\xfe"};
    const uint32_t lengths[] = {0, 3, sizeof(large), 2};
    size_t bytes = testing_strings(blob, texts, lengths, 4);
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        struct detail detail = {0};
        struct tensor input = {DTYPE_BYTES, SHAPE(2, 2), blob, bytes};
        struct tensor output = {.dtype = DTYPE_BYTES};
        testing_load(&opened, subjects[i].engine, subjects[i].text, &plain);
        testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK,
                      &detail);
        assert_int_equal(output.dtype, DTYPE_BYTES);
        assert_true(shape_equal(&output.shape, &SHAPE(2, 2)));
        assert_int_equal(output.bytes, bytes);
        assert_memory_equal(output.data, blob, bytes);

        /* Nobody, and then too many for the bytes. */
        input = (struct tensor){DTYPE_BYTES, SHAPE(0, 2), blob, 0};
        output = (struct tensor){.dtype = DTYPE_BYTES};
        testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK,
                      &detail);
        assert_int_equal(output.bytes, 0);
        assert_non_null(output.data);
        input = (struct tensor){DTYPE_BYTES, SHAPE(3, 2), blob, bytes};
        testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_INVALID,
                      &detail);
        testing_unload(&opened);
    }
}

struct endless_run {
    struct opened *opened;
    enum roost_err err;
    atomic_bool over;
};

static void *endless_body(void *argument)
{
    struct endless_run *run = argument;
    int64_t trips[] = {INT64_MAX};
    float x[] = {1};
    struct detail detail = {0};
    struct tensor inputs[] = {{DTYPE_INT64, {.rank = 0}, trips, sizeof(trips)},
                              TENSOR(DTYPE_FP32, x, 1)};
    struct tensor output = {.dtype = DTYPE_FP32};
    run->err = run->opened->engine->run(run->opened->context, inputs, &output, &detail);
    atomic_store(&run->over, true);
    return NULL;
}

static void a_run_can_be_ended_from_outside(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        pthread_t thread;
        testing_load(&opened, subjects[i].engine, subjects[i].endless, &plain);
        struct endless_run run = {.opened = &opened};
        assert_int_equal(pthread_create(&thread, NULL, endless_body, &run), 0);
        /* A run clears what came before it, and nobody tells when it has begun. */
        while (!atomic_load(&run.over)) {
            opened.engine->terminate(opened.context);
            (void)sched_yield();
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(run.err, ROOST_CANCELLED);

        int64_t trips[] = {1};
        float x[] = {1};
        struct detail detail = {0};
        struct tensor inputs[] = {{DTYPE_INT64, {.rank = 0}, trips, sizeof(trips)},
                                  TENSOR(DTYPE_FP32, x, 1)};
        struct tensor output = {.dtype = DTYPE_FP32};
        testing_check(opened.engine->run(opened.context, inputs, &output, &detail), ROOST_OK,
                      &detail);
        testing_unload(&opened);
    }
}

struct runner {
    const struct subject *subject;
    struct engine_session *session;
    unsigned number;
    unsigned wrong;
};

static void *runner_body(void *argument)
{
    struct runner *runner = argument;
    const struct engine_ops *engine = runner->subject->engine;
    struct engine_context *context;
    struct detail detail = {0};
    if (engine->context_open(runner->session, &context, &detail) != ROOST_OK) {
        runner->wrong = RUNS_PER_THREAD;
        return NULL;
    }
    for (unsigned r = 0; r < RUNS_PER_THREAD; r++) {
        struct sample sample;
        float room[ROWS_MAX * COLUMNS];
        unsigned rows = 1 + r % ROWS_MAX;
        size_t bytes = rows * COLUMNS * sizeof(float);
        struct tensor output = {DTYPE_FP32, SHAPE(rows, COLUMNS), room, bytes};
        if (r % 2 == 0)
            output.data = NULL;
        sample_make(&sample, runner->subject, rows, runner->number * RUNS_PER_THREAD + r);
        bool right = engine->run(context, sample.inputs, &output, &detail) == ROOST_OK &&
                     output.bytes == bytes && memcmp(output.data, sample.sum, bytes) == 0;
        runner->wrong += right ? 0 : 1;
    }
    engine->context_close(context);
    return NULL;
}

static void threads_share_a_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        pthread_t threads[THREADS];
        struct runner runners[THREADS];
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        for (unsigned t = 0; t < THREADS; t++) {
            runners[t] = (struct runner){&subjects[i], opened.session, t, 0};
            assert_int_equal(pthread_create(&threads[t], NULL, runner_body, &runners[t]), 0);
        }
        for (unsigned t = 0; t < THREADS; t++) {
            assert_int_equal(pthread_join(threads[t], NULL), 0);
            assert_int_equal(runners[t].wrong, 0);
        }
        testing_unload(&opened);
    }
}

static void a_single_thread_is_all_there_is(void **state)
{
    (void)state;
    unsigned before = testing_thread_count();
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        testing_load(&opened, subjects[i].engine, subjects[i].sum, &plain);
        run_and_compare(opened.context, &subjects[i], 3, 1, true);
        assert_int_equal(testing_thread_count(), before);
        testing_unload(&opened);
    }
}

static void unloading_gives_memory_back(void **state)
{
    (void)state;
    if (TESTING_SANITIZED)
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct opened opened;
        /* Once before, for what the first of all models costs. */
        testing_load(&opened, subjects[i].engine, subjects[i].large, &plain);
        testing_unload(&opened);
        uint64_t before = testing_anonymous_bytes();
        testing_load(&opened, subjects[i].engine, subjects[i].large, &plain);
        uint64_t loaded = testing_anonymous_bytes();
        testing_unload(&opened);
        uint64_t after = testing_anonymous_bytes();
        assert_true(loaded >= before + (UINT64_C(60) << 20));
        assert_true(after <= before + (loaded - before) / 20);
    }
}

static void nothing_can_be_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        subjects[i].engine->context_close(NULL);
        subjects[i].engine->unload(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_works_before_open),
        cmocka_unit_test(engines_open_without_a_thread),
        cmocka_unit_test(bad_files_are_refused_with_a_reason),
        cmocka_unit_test(models_describe_themselves),
        cmocka_unit_test(answers_land_where_they_should),
        cmocka_unit_test(inputs_may_be_read_only),
        cmocka_unit_test(bad_inputs_are_refused),
        cmocka_unit_test(bad_buffers_are_told_apart_from_bad_inputs),
        cmocka_unit_test(strings_come_back_whole),
        cmocka_unit_test(a_run_can_be_ended_from_outside),
        cmocka_unit_test(threads_share_a_session),
        cmocka_unit_test(a_single_thread_is_all_there_is),
        cmocka_unit_test(unloading_gives_memory_back),
        cmocka_unit_test(nothing_can_be_closed),
    };
    return cmocka_run_group_tests(tests, suite_open, suite_close);
}
