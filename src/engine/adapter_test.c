/* SPDX-License-Identifier: Apache-2.0 */
/* Adapted models are run, so that the engine itself says that they are valid and right. */
#include "engine/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_testing.h"
#include "engine/ort.h"

enum { ROWS = 2, CHANNELS = 3, SMALL = 2, LARGE = 4, PIXELS = LARGE * LARGE * CHANNELS };

static const struct engine_load_options plain = {.intra_op_threads = 1};
static char directory[64];
static struct model_io want;
static struct adapter_settings settings;

static int begin(void **state)
{
    struct detail detail = {0};
    (void)state;
    want.input_count = want.output_count = 0;
    settings = (struct adapter_settings){.present = true};
    testing_directory_make(directory, sizeof(directory));
    testing_check(engine_ort.open(NULL, &detail), ROOST_OK, &detail);
    return 0;
}

static int end(void **state)
{
    (void)state;
    testing_directory_remove(directory);
    return 0;
}

static const char *fixture(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/../adapter/%s", testing_fixture("."), name);
    return path;
}

static void spec_add(struct tensor_spec *specs, unsigned *count, const char *name, enum dtype dtype,
                     struct shape shape)
{
    specs[*count] = (struct tensor_spec){.dtype = dtype, .shape = shape};
    (void)snprintf(specs[*count].name, sizeof(specs->name), "%s", name);
    (*count)++;
}

static void want_input(const char *name, enum dtype dtype, struct shape shape)
{
    spec_add(want.inputs, &want.input_count, name, dtype, shape);
}

static void want_output(const char *name, enum dtype dtype, struct shape shape)
{
    spec_add(want.outputs, &want.output_count, name, dtype, shape);
}

static void refuse(const char *model, enum roost_err wanted, const char *reason)
{
    struct detail detail = {0};
    enum roost_err err = adapter_build(fixture(model), &settings, &want, directory, &detail);
    assert_string_equal(detail.text, reason);
    assert_int_equal(err, wanted);
}

static void build_and_load(const char *model, struct opened *opened)
{
    struct detail detail = {0};
    char path[128];
    testing_check(adapter_build(fixture(model), &settings, &want, directory, &detail), ROOST_OK,
                  &detail);
    (void)snprintf(path, sizeof(path), "%s/model.onnx", directory);
    testing_load(opened, &engine_ort, path, &plain);
    assert_int_equal(opened->io.input_count, want.input_count);
    assert_int_equal(opened->io.output_count, want.output_count);
    for (unsigned i = 0; i < want.input_count; i++) {
        assert_string_equal(opened->io.inputs[i].name, want.inputs[i].name);
        assert_int_equal(opened->io.inputs[i].dtype, want.inputs[i].dtype);
        assert_true(shape_equal(&opened->io.inputs[i].shape, &want.inputs[i].shape));
    }
    assert_string_equal(opened->io.outputs[0].name, want.outputs[0].name);
    assert_int_equal(opened->io.outputs[0].dtype, want.outputs[0].dtype);
}

/* Where the centre of large pixel i lies between the small ones. */
static float enlarge(const float *line, size_t stride, unsigned i)
{
    float place = ((float)i + 0.5f) * SMALL / LARGE - 0.5f;
    place = place < 0 ? 0 : place > SMALL - 1 ? SMALL - 1 : place;
    unsigned first = (unsigned)place, second = first + 1 < SMALL ? first + 1 : first;
    float part = place - (float)first;
    return line[first * stride] * (1 - part) + line[second * stride] * part;
}

static void everything_at_once(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float image[ROWS * CHANNELS * SMALL * SMALL], scores[ROWS * PIXELS];
    static const double mean[] = {1, 2, 3}, scale[] = {2, 0.5, -1};
    want_input("picture", DTYPE_FP32, SHAPE(-1, CHANNELS, SMALL, SMALL));
    want_output("scores", DTYPE_FP32, SHAPE(-1, PIXELS));
    settings.resize_height = settings.resize_width = LARGE;
    settings.normalise = true;
    settings.channels = CHANNELS;
    memcpy(settings.mean, mean, sizeof(mean));
    memcpy(settings.scale, scale, sizeof(scale));
    settings.layout = LAYOUT_NCHW_TO_NHWC;
    (void)snprintf(settings.output_name, sizeof(settings.output_name), "probabilities");
    (void)snprintf(settings.output_map, sizeof(settings.output_map), "drop_first");
    build_and_load("classifier.onnx", &opened);
    for (size_t i = 0; i < sizeof(image) / sizeof(image[0]); i++)
        image[i] = (float)(i * i % 23);
    struct tensor input = TENSOR(DTYPE_FP32, image, ROWS, CHANNELS, SMALL, SMALL);
    struct tensor output = TENSOR(DTYPE_FP32, scores, ROWS, PIXELS);
    testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK, &detail);
    for (unsigned i = 0; i < ROWS * PIXELS; i++) {
        unsigned c = i % CHANNELS, x = i / CHANNELS % LARGE, y = i / CHANNELS / LARGE % LARGE;
        const float *plane = image + (i / PIXELS * CHANNELS + c) * SMALL * SMALL;
        float lines[SMALL];
        for (unsigned line = 0; line < SMALL; line++)
            lines[line] = enlarge(plane + (size_t)line * SMALL, 1, x);
        float wanted = (enlarge(lines, 1, y) - (float)mean[c]) * (float)scale[c];
        assert_true(fabsf(scores[i] - wanted) < 1e-4f);
    }
    testing_unload(&opened);
}

/* Bytes become floats, names that both have are kept apart, classes go by a file. */
static void old_files_and_names_that_clash(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    uint8_t image[PIXELS];
    float scores[PIXELS];
    char map[PIXELS * 12] = "";
    for (unsigned i = 0; i < PIXELS; i++)
        (void)snprintf(map + strlen(map), 12, "%u\n", PIXELS - 1 - i);
    testing_file_write(directory, "map.txt", map, strlen(map));
    want_input("image", DTYPE_UINT8, SHAPE(1, LARGE, LARGE, CHANNELS));
    want_output("scores", DTYPE_FP32, SHAPE(1, PIXELS));
    settings.normalise = true;
    settings.channels = CHANNELS;
    for (unsigned i = 0; i < CHANNELS; i++)
        settings.scale[i] = 1;
    settings.layout = LAYOUT_NHWC_TO_NCHW;
    (void)snprintf(settings.output_map, sizeof(settings.output_map), "%s/map.txt", directory);
    build_and_load("old.onnx", &opened);
    for (unsigned i = 0; i < PIXELS; i++)
        image[i] = (uint8_t)(3 * i);
    struct tensor input = TENSOR(DTYPE_UINT8, image, 1, LARGE, LARGE, CHANNELS);
    struct tensor output = TENSOR(DTYPE_FP32, scores, 1, PIXELS);
    testing_check(opened.engine->run(opened.context, &input, &output, &detail), ROOST_OK, &detail);
    for (unsigned i = 0; i < PIXELS; i++) {
        unsigned from = PIXELS - 1 - i, c = from / (LARGE * LARGE), pixel = from % (LARGE * LARGE);
        assert_true(fabsf(scores[i] - 2.0f * image[pixel * CHANNELS + c]) < 1e-4f);
    }
    testing_unload(&opened);
}

static void branches_and_other_inputs(void **state)
{
    (void)state;
    struct opened opened;
    struct detail detail = {0};
    float image[PIXELS], scores[PIXELS];
    int64_t flag[1] = {1};
    want_input("scores", DTYPE_FP32, SHAPE(-1, CHANNELS, LARGE, LARGE));
    want_input("flag", DTYPE_INT64, SHAPE(1));
    want_output("then", DTYPE_FP32, SHAPE(-1, PIXELS));
    build_and_load("branches.onnx", &opened);
    for (unsigned i = 0; i < PIXELS; i++)
        image[i] = (float)i;
    for (flag[0] = 0; flag[0] < 2; flag[0]++) {
        struct tensor inputs[] = {TENSOR(DTYPE_FP32, image, 1, CHANNELS, LARGE, LARGE),
                                  TENSOR(DTYPE_INT64, flag, 1)};
        struct tensor output = TENSOR(DTYPE_FP32, scores, 1, PIXELS);
        testing_check(opened.engine->run(opened.context, inputs, &output, &detail), ROOST_OK,
                      &detail);
        for (unsigned i = 0; i < PIXELS; i++)
            assert_true(fabsf(scores[i] - image[i] * (flag[0] != 0 ? 10 : 1)) < 0.5f);
    }
    testing_unload(&opened);
}

static void what_an_old_operator_set_lacks(void **state)
{
    (void)state;
    want_input("x", DTYPE_FP32, SHAPE(1, CHANNELS, SMALL, SMALL));
    want_output("y", DTYPE_FP32, SHAPE(1, PIXELS));
    settings.resize_height = settings.resize_width = LARGE;
    refuse("old.onnx", ROOST_UNSUPPORTED, "adapter: resize needs operator set 11; the model has 9");
}

static void opset_12_resizes_with_empty_regions(void **state)
{
    (void)state;
    struct opened opened;
    want_input("x", DTYPE_FP32, SHAPE(-1, SMALL, SMALL, CHANNELS));
    want_input("flag", DTYPE_INT64, SHAPE(1));
    want_output("y", DTYPE_FP16, SHAPE(-1, PIXELS));
    settings.resize_height = settings.resize_width = LARGE;
    settings.layout = LAYOUT_NHWC_TO_NCHW;
    build_and_load("branches.onnx", &opened);
    testing_unload(&opened);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    want_input("x", DTYPE_FP32, SHAPE(-1, CHANNELS, SMALL, SMALL));
    want_output("y", DTYPE_FP32, SHAPE(-1, PIXELS));
    refuse("classifier.onnx", ROOST_INVALID,
           "adapter: input: the variant wants [-1,4,4,3], and would get [-1,3,2,2]");
    settings.layout = LAYOUT_NCHW_TO_NHWC;
    settings.resize_height = settings.resize_width = LARGE;
    refuse("classifier.onnx", ROOST_INVALID,
           "adapter: output: the tenant has [-1,48], and would get []");
    (void)snprintf(settings.output_name, sizeof(settings.output_name), "probabilities");
    refuse("classifier.onnx", ROOST_INVALID,
           "adapter: output: the tenant has [-1,48], and would get [-1,49]");
    testing_file_write(directory, "map.txt", "0\n49\n", 5);
    (void)snprintf(settings.output_map, sizeof(settings.output_map), "%s/map.txt", directory);
    char reason[FILE_PATH_BYTES_MAX + 64];
    (void)snprintf(reason, sizeof(reason), "adapter: %s: index 49 of 49 classes",
                   settings.output_map);
    refuse("classifier.onnx", ROOST_INVALID, reason);
    (void)snprintf(settings.output_name, sizeof(settings.output_name), "gone");
    refuse("classifier.onnx", ROOST_INVALID, "adapter: the model has no output gone");
    (void)snprintf(settings.input_name, sizeof(settings.input_name), "gone");
    refuse("classifier.onnx", ROOST_INVALID, "adapter: the model has no input gone");
    refuse("../engine/text.onnx", ROOST_INVALID, "adapter: the model has no input gone");
    settings.input_name[0] = settings.output_name[0] = settings.output_map[0] = '\0';
    settings.normalise = true;
    settings.channels = 1;
    refuse("classifier.onnx", ROOST_INVALID, "adapter: normalise has 1 channels; x has 3");
    want.inputs[0].shape.rank = 3;
    refuse("classifier.onnx", ROOST_INVALID,
           "adapter: an image has four dimensions with the batch's; x has [-1,3,2]");
    want.inputs[0].dtype = DTYPE_BYTES;
    refuse("classifier.onnx", ROOST_INVALID, "adapter: input: BYTES cannot become FP32");
}

static void other_inputs_must_be_the_same(void **state)
{
    (void)state;
    want_input("x", DTYPE_FP32, SHAPE(-1, CHANNELS, LARGE, LARGE));
    want_output("y", DTYPE_FP32, SHAPE(-1, PIXELS));
    refuse("branches.onnx", ROOST_INVALID,
           "adapter: the variant needs an input flag, which the tenant has not");
    want_input("flag", DTYPE_BOOL, SHAPE(1));
    refuse("branches.onnx", ROOST_INVALID,
           "adapter: input flag: the tenant has BOOL [1], the variant INT64 [1]");
    want_input("more", DTYPE_BOOL, SHAPE(1));
    want.inputs[1].dtype = DTYPE_INT64;
    refuse("branches.onnx", ROOST_INVALID,
           "adapter: the variant has no input more, which the tenant has");
    want.inputs[2].optional = true;
    want_output("also", DTYPE_FP32, SHAPE(1));
    refuse("branches.onnx", ROOST_INVALID,
           "adapter: the variant has no output also, which the tenant has");
}

static void broken_files(void **state)
{
    (void)state;
    struct detail detail = {0};
    want_input("x", DTYPE_FP32, SHAPE(-1, 4));
    want_output("y", DTYPE_FP32, SHAPE(-1, 4));
    static const char *const broken[] = {"empty.onnx", "garbage.onnx", "truncated.onnx"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        testing_check(
            adapter_build(testing_fixture(broken[i]), &settings, &want, directory, &detail),
            ROOST_INVALID, &detail);
    testing_check(adapter_build("/nowhere/m.onnx", &settings, &want, directory, &detail),
                  ROOST_NOT_FOUND, &detail);
    assert_string_equal(detail.text, "/nowhere/m.onnx: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_at_once, begin, end),
        cmocka_unit_test_setup_teardown(old_files_and_names_that_clash, begin, end),
        cmocka_unit_test_setup_teardown(branches_and_other_inputs, begin, end),
        cmocka_unit_test_setup_teardown(what_an_old_operator_set_lacks, begin, end),
        cmocka_unit_test_setup_teardown(opset_12_resizes_with_empty_regions, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_named, begin, end),
        cmocka_unit_test_setup_teardown(other_inputs_must_be_the_same, begin, end),
        cmocka_unit_test_setup_teardown(broken_files, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
