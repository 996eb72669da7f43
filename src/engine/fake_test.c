/* SPDX-License-Identifier: Apache-2.0 */
/* The fake engine beyond what every engine must do: its program, its faults, its elements. */
#include "engine/engine_testing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/fake.h"
#include "engine/fake_element.h"
#include "engine/fake_program.h"

#define XY "input x FP32 -1 2\noutput y FP32 -1\n"

static char directory[FILE_PATH_BYTES_MAX];
static char model_path[FILE_PATH_BYTES_MAX];

static int suite_open(void **state)
{
    (void)state;
    testing_directory_make(directory, sizeof(directory));
    assert_true(path_join(model_path, sizeof(model_path), directory, "model.fake"));
    return engine_fake.open(NULL, NULL) == ROOST_OK ? 0 : -1;
}

static int suite_close(void **state)
{
    (void)state;
    testing_directory_remove(directory);
    return 0;
}

static const char *model(const char *text)
{
    testing_file_write(directory, "model.fake", text, strlen(text));
    return model_path;
}

static void load_with(struct opened *opened, const char *text, const char *settings)
{
    const struct engine_load_options options = {.intra_op_threads = 1, .settings = settings};
    testing_load(opened, &engine_fake, model(text), &options);
}

/* One run of a model with XY's signature and one row. */
static enum roost_err run_row(struct opened *opened, float first, float second, float *answer)
{
    float x[] = {first, second};
    float y[1] = {0};
    struct detail detail = {0};
    struct tensor input = TENSOR(DTYPE_FP32, x, 1, 2);
    struct tensor output = TENSOR(DTYPE_FP32, y, 1);
    enum roost_err err = engine_fake.run(opened->context, &input, &output, &detail);
    assert_int_equal(err == ROOST_OK, detail.text[0] == '\0');
    if (answer != NULL)
        *answer = y[0];
    return err;
}

static void programs_are_read(void **state)
{
    (void)state;
    struct fake_program program;
    struct detail detail = {0};
    const char *text = "# a comment\n"
                       "  input ids INT64 -1 20   # trailing\r\n"
                       "input mask BOOL\n\n"
                       "optional mask\n"
                       "output y FP32 -1 3\n"
                       "service_us 100.5 2\n"
                       "service sleep\n"
                       "jitter 10 7\n"
                       "memory_mb 3\nload_ms 4\nload_burn_ms 5\n"
                       "crash_after 6\nhang_after 7\nfail_every 8\ncrash_on_value -9.5\n"
                       "fail_load out of luck, today\n"
                       "mflops 12.5\naccuracy 0.7\necho";
    testing_check(fake_program_read(model(text), "service=burn;fail_every=80", &program, &detail),
                  ROOST_OK, &detail);
    assert_int_equal(program.io.input_count, 2);
    assert_string_equal(program.io.inputs[0].name, "ids");
    assert_int_equal(program.io.inputs[0].dtype, DTYPE_INT64);
    assert_true(shape_equal(&program.io.inputs[0].shape, &SHAPE(-1, 20)));
    assert_false(program.io.inputs[0].optional);
    assert_int_equal(program.io.inputs[1].shape.rank, 0);
    assert_true(program.io.inputs[1].optional);
    assert_true(program.service_us == 100.5 && program.service_us_per_row == 2);
    assert_false(program.sleeps);
    assert_true(program.jitter_percent == 10 && program.jitter_seed == 7);
    assert_int_equal(program.memory_mb, 3);
    assert_int_equal(program.load_ms, 4);
    assert_int_equal(program.load_burn_ms, 5);
    assert_int_equal(program.crash_after, 6);
    assert_int_equal(program.hang_after, 7);
    assert_int_equal(program.fail_every, 80);
    assert_true(program.crashes_on_value && program.crash_value == -9.5);
    assert_string_equal(program.fail_load, "out of luck, today");
    assert_true(program.echoes && program.mflops == 12.5 && program.accuracy == 0.7);
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *settings, *where;
    } cases[] = {
        {"input x FP32 1\nsomething 1\n", NULL, "model.fake:2: \"something\""},
        {"input x FP99 1\n", NULL, "model.fake:1: bad value \"x FP99 1\""},
        {"input x FP32 -2\n", NULL, ":1: bad value"},
        {"input x FP32 1 1 1 1 1 1 1 1 1\n", NULL, ":1: bad value"},
        {"input x\n", NULL, ":1: bad value"},
        {XY "service_us 1\n", NULL, ":3: bad value"},
        {XY "service_us -1 1\n", NULL, ":3: bad value"},
        {XY "service_us nan 1\n", NULL, ":3: bad value"},
        {XY "service doze\n", NULL, ":3: bad value"},
        {XY "jitter 101 1\n", NULL, ":3: bad value"},
        {XY "crash_after -1\n", NULL, ":3: bad value"},
        {XY "optional z\n", NULL, ":3: bad value"},
        {XY "echo now\n", NULL, ":3: bad value"},
        {XY "fail_load\n", NULL, ":3: bad value"},
        {"output y FP32 1\n", NULL, "an input and an output"},
        {XY, "input=z FP32 1", "engine settings: \"input\""},
        {XY, "service_us=1", "engine settings: bad value"},
        {XY, "pace", "engine settings: \"pace\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_program program;
        struct detail detail = {0};
        testing_check(fake_program_read(model(cases[i].text), cases[i].settings, &program, &detail),
                      ROOST_INVALID, &detail);
        if (strstr(detail.text, cases[i].where) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].where, detail.text);
    }
    const char *too_many = "fail_load a b c d e f g h i j k l m n o p q r s t\n" XY;
    struct fake_program program;
    struct detail detail = {0};
    testing_check(fake_program_read(model(too_many), NULL, &program, &detail), ROOST_OK, &detail);
}

static void answers_tell_whose_they_are(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float x[] = {1, 2, 10, 20, 100, 200};
    struct tensor input = TENSOR(DTYPE_FP32, x, 3, 2);
    struct tensor outputs[] = {{.dtype = DTYPE_INT32}, {.dtype = DTYPE_BYTES}};
    static const int32_t sums[] = {3, 3, 30, 30, 300, 300};
    static const char texts[] = "\1\0\0\0003\2\0\0\00030\3\0\0\000300";
    load_with(&opened, "input x FP32 -1 2\noutput y INT32 -1 2\noutput t BYTES -1\n", NULL);
    testing_check(engine_fake.run(opened.context, &input, outputs, &detail), ROOST_OK, &detail);
    assert_true(shape_equal(&outputs[0].shape, &SHAPE(3, 2)));
    assert_int_equal(outputs[0].bytes, sizeof(sums));
    assert_memory_equal(outputs[0].data, sums, sizeof(sums));
    assert_int_equal(outputs[1].bytes, sizeof(texts) - 1);
    assert_memory_equal(outputs[1].data, texts, sizeof(texts) - 1);
    testing_unload(&opened);
}

static void echo_repeats_the_input(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    uint8_t x[] = {1, 2, 3};
    struct tensor input = TENSOR(DTYPE_UINT8, x, 3);
    struct tensor output = {.dtype = DTYPE_UINT16};
    static const uint8_t repeated[] = {1, 2, 3, 1, 2, 3, 1, 2};
    load_with(&opened, "input x UINT8 -1\noutput y UINT16 4\necho\n", NULL);
    testing_check(engine_fake.run(opened.context, &input, &output, &detail), ROOST_OK, &detail);
    assert_int_equal(output.bytes, sizeof(repeated));
    assert_memory_equal(output.data, repeated, sizeof(repeated));
    testing_unload(&opened);
}

static void optional_inputs_may_be_absent(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float x[] = {1, 2};
    struct tensor inputs[] = {TENSOR(DTYPE_FP32, x, 1, 2), {.dtype = DTYPE_BOOL}};
    struct tensor output = {.dtype = DTYPE_FP32};
    load_with(&opened, XY "input m BOOL -1\noptional m\n", NULL);
    testing_check(engine_fake.run(opened.context, inputs, &output, &detail), ROOST_OK, &detail);
    testing_unload(&opened);
}

static void runs_take_their_time(void **state)
{
    (void)state;
    struct opened opened;
    uint64_t before_ns;
    /* Never less than programmed; a busy machine makes it more, which is nobody's mistake. */
    load_with(&opened, XY "service_us 3000 2000\n", NULL);
    before_ns = clock_thread_cpu_ns();
    assert_int_equal(run_row(&opened, 1, 2, NULL), ROOST_OK);
    assert_true(clock_thread_cpu_ns() - before_ns >= 5 * NS_PER_MS);
    testing_unload(&opened);

    load_with(&opened, XY "service_us 3000 2000\nservice sleep\n", "load_ms=1;load_burn_ms=1");
    before_ns = clock_now_ns();
    assert_int_equal(run_row(&opened, 1, 2, NULL), ROOST_OK);
    assert_true(clock_now_ns() - before_ns >= 5 * NS_PER_MS);
    testing_unload(&opened);
}

static void programmed_failures_come(void **state)
{
    (void)state;
    struct opened opened;
    float answer;
    load_with(&opened, XY "fail_every 3\njitter 50 1\nservice_us 1 0\n", NULL);
    for (unsigned run = 1; run <= 9; run++) {
        enum roost_err err = run_row(&opened, 1, (float)run, &answer);
        assert_int_equal(err, run % 3 == 0 ? ROOST_INTERNAL : ROOST_OK);
        if (err == ROOST_OK)
            assert_true(answer == 1 + (float)run);
    }
    testing_unload(&opened);
    assert_non_null(strstr(
        testing_load_fails(&engine_fake, model(XY "fail_load no such luck\n"), ROOST_INVALID),
        "no such luck"));
}

static void model_metadata_is_told(void **state)
{
    (void)state;
    struct opened opened;
    struct engine_metadata metadata;
    load_with(&opened, XY "mflops 1.25\naccuracy 0.7\n", "accuracy=0.8");
    engine_fake.metadata(opened.session, &metadata);
    assert_int_equal(metadata.mflops_x1000, 1250);
    assert_true(metadata.accuracy == 0.8);
    testing_unload(&opened);
    struct detail detail = {0};
    testing_check(engine_fake.optimise(model_path, directory, &detail), ROOST_UNSUPPORTED, &detail);
}

/* Runs in a child until one run ends it; returns how many came back before. */
static int runs_until_death(const char *text, const float *values, size_t count)
{
    int status;
    int fds[2];
    char mark;
    int survived = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        struct opened opened;
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        load_with(&opened, text, NULL);
        for (size_t i = 0; i < count; i++) {
            (void)run_row(&opened, values[i], 0, NULL);
            (void)!write(fds[1], ".", 1);
        }
        _exit(0);
    }
    (void)close(fds[1]);
    while (read(fds[0], &mark, 1) == 1)
        survived++;
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return survived;
}

static void programmed_crashes_come(void **state)
{
    (void)state;
    static const float values[] = {1, 2, 3, 4, 5};
    assert_int_equal(runs_until_death(XY "crash_after 3\n", values, 5), 2);
    assert_int_equal(runs_until_death(XY "crash_on_value 5\n", values, 5), 4);
}

static void elements_convert(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        double in, out;
    } cases[] = {
        {DTYPE_BOOL, 0.5, 1},
        {DTYPE_BOOL, 0, 0},
        {DTYPE_UINT8, 300, 255},
        {DTYPE_UINT8, -1, 0},
        {DTYPE_UINT8, 7.9, 7},
        {DTYPE_INT8, -129, -128},
        {DTYPE_INT8, -7.9, -7},
        {DTYPE_INT16, 40000, 32767},
        {DTYPE_UINT16, 65535, 65535},
        {DTYPE_INT32, -3e9, -2147483648.0},
        {DTYPE_UINT32, 4294967295.0, 4294967295.0},
        {DTYPE_INT64, 1e300, 9223372036854775807.0},
        {DTYPE_INT64, -1e300, -9223372036854775808.0},
        {DTYPE_UINT64, 1e300, 18446744073709551615.0},
        {DTYPE_FP16, 1.0009765625, 1.0009765625},
        {DTYPE_FP16, 1.00048828125, 1},           /* half way, to even */
        {DTYPE_FP16, 1.00146484375, 1.001953125}, /* half way, to even */
        {DTYPE_FP16, 65504, 65504},
        {DTYPE_FP16, 65519, 65504},
        {DTYPE_FP16, 65520, INFINITY},
        {DTYPE_FP16, -0x1p-24, -0x1p-24}, /* the smallest there is */
        {DTYPE_FP16, 0x1p-26, 0},
        {DTYPE_FP16, 0x1.ff8p-15, 0x1.ff8p-15}, /* the largest below normal */
        {DTYPE_FP16, 2047.5, 2048},             /* the carry moves into the exponent */
        {DTYPE_BF16, 1.0078125, 1.0078125},
        {DTYPE_BF16, 3, 3},
        {DTYPE_FP32, 0.1, (double)0.1f},
        {DTYPE_FP64, 0.1, 0.1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char data[24];
        memset(data, 0xAA, sizeof(data));
        element_put(cases[i].dtype, data, 1, cases[i].in);
        double got = element_get(cases[i].dtype, data, 1);
        if (got != cases[i].out)
            fail_msg("case %zu: %s of %a is %a, not %a", i, dtype_name(cases[i].dtype), cases[i].in,
                     got, cases[i].out);
        size_t size = dtype_bytes(cases[i].dtype);
        assert_int_equal(data[size - 1], 0xAA);
        assert_int_equal(data[2 * size], 0xAA);
    }
    unsigned char data[8];
    element_put(DTYPE_FP16, data, 0, NAN);
    assert_true(isnan(element_get(DTYPE_FP16, data, 0)));
    element_put(DTYPE_BF16, data, 0, NAN);
    assert_true(isnan(element_get(DTYPE_BF16, data, 0)));
    element_put(DTYPE_INT32, data, 0, NAN);
    assert_true(element_get(DTYPE_INT32, data, 0) == 0);
}

/* Every finite FP16 survives the way there and back. */
static void halves_are_exact(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint16_t in = (uint16_t)bits;
        uint16_t out = 0;
        if ((bits & 0x7C00) == 0x7C00)
            continue;
        element_put(DTYPE_FP16, &out, 0, element_get(DTYPE_FP16, &in, 0));
        assert_int_equal(out, in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_read),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(answers_tell_whose_they_are),
        cmocka_unit_test(echo_repeats_the_input),
        cmocka_unit_test(optional_inputs_may_be_absent),
        cmocka_unit_test(runs_take_their_time),
        cmocka_unit_test(programmed_failures_come),
        cmocka_unit_test(model_metadata_is_told),
        cmocka_unit_test(programmed_crashes_come),
        cmocka_unit_test(elements_convert),
        cmocka_unit_test(halves_are_exact),
    };
    return cmocka_run_group_tests(tests, suite_open, suite_close);
}
