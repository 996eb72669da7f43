/* SPDX-License-Identifier: Apache-2.0 */
/* The config against the graph: completion, signature, shapes, and the JSON of /config. */
#include "serve/model_config.h"

#include <stdio.h>
#include <string.h>

#include "base/test.h"

static struct model_config config;
static struct model_io graph;

static void spec_add(struct tensor_spec *specs, unsigned *count, const char *name, enum dtype dtype,
                     unsigned rank, const int64_t *dims)
{
    struct tensor_spec *spec = &specs[(*count)++];
    *spec = (struct tensor_spec){.dtype = dtype, .shape.rank = rank};
    (void)snprintf(spec->name, sizeof(spec->name), "%s", name);
    if (rank > 0)
        memcpy(spec->shape.dims, dims, rank * sizeof(dims[0]));
}

#define DIMS(...)                                                                                  \
    sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[])                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define INPUT(name, dtype, ...)                                                                    \
    spec_add(graph.inputs, &graph.input_count, name, dtype, DIMS(__VA_ARGS__))
#define OUTPUT(name, dtype, ...)                                                                   \
    spec_add(graph.outputs, &graph.output_count, name, dtype, DIMS(__VA_ARGS__))

static int begin(void **state)
{
    (void)state;
    graph.input_count = graph.output_count = 0;
    return 0;
}

static enum roost_err complete(const char *text, struct detail *detail)
{
    assert_int_equal(model_config_parse(text, strlen(text), &config, detail), ROOST_OK);
    return model_config_complete(&config, &graph, 16, detail);
}

static void accept(const char *text)
{
    struct detail detail = {""};
    enum roost_err err = complete(text, &detail);
    if (err != ROOST_OK)
        print_error("%s\n", detail.text);
    assert_int_equal(err, ROOST_OK);
}

static void refuse(const char *text, const char *reason)
{
    struct detail detail = {""};
    enum roost_err err = complete(text, &detail);
    assert_string_equal(detail.text, reason);
    assert_int_equal(err, ROOST_INVALID);
}

static void expect_shape(const struct shape *shape, const char *text)
{
    char out[128];
    assert_string_equal(shape_format(shape, out, sizeof(out)), text);
}

static void nothing_given_is_taken_from_the_graph(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3, 224, 224);
    INPUT("ids", DTYPE_INT64, -1, -1);
    graph.inputs[1].optional = true;
    OUTPUT("y", DTYPE_FP32, -1, 1000);
    accept("");
    assert_int_equal(config.max_batch_size, 16);
    assert_string_equal(config.platform, "onnxruntime_onnx");
    assert_string_equal(config.backend, "onnxruntime");
    assert_int_equal(config.input_count, 2);
    assert_string_equal(config.inputs[0].name, "x");
    assert_int_equal(config.inputs[0].dtype, DTYPE_FP32);
    expect_shape(&config.inputs[0].dims, "[3,224,224]");
    expect_shape(&config.inputs[1].dims, "[-1]");
    assert_true(config.inputs[1].optional);
    assert_int_equal(config.output_count, 1);
    expect_shape(&config.outputs[0].dims, "[1000]");
}

static void no_batch_without_a_variable_first_dimension_everywhere(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3);
    OUTPUT("y", DTYPE_FP32, 1, 3);
    accept("");
    assert_int_equal(config.max_batch_size, 0);
    expect_shape(&config.inputs[0].dims, "[-1,3]");
}

static void dims_tell_whether_they_hold_the_batch(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3);
    OUTPUT("y", DTYPE_FP32, -1, 3);
    accept("input { name: 'x' dims: [ -1, 3 ] }");
    assert_int_equal(config.max_batch_size, 0);
    accept("input { name: 'x' dims: [ 3 ] }");
    assert_int_equal(config.max_batch_size, 16);
    accept("max_batch_size: 4");
    assert_int_equal(config.max_batch_size, 4);
    accept("max_batch_size: 0 input { name: 'x' dims: [ 7, 3 ] }");
    expect_shape(&config.inputs[0].dims, "[7,3]");
    assert_int_equal(config.max_batch_size, 0);
}

static void tensors_without_dimensions_get_one(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3);
    OUTPUT("y", DTYPE_FP32, -1);
    accept("");
    expect_shape(&config.outputs[0].dims, "[1]");
    assert_true(config.outputs[0].has_reshape);
    assert_int_equal(config.outputs[0].reshape.rank, 0);

    begin(NULL);
    spec_add(graph.inputs, &graph.input_count, "s", DTYPE_INT64, 0, NULL);
    OUTPUT("y", DTYPE_FP32, 3);
    accept("");
    assert_int_equal(config.max_batch_size, 0);
    expect_shape(&config.inputs[0].dims, "[1]");
    assert_true(config.inputs[0].has_reshape);
}

static void names_and_types_must_be_the_graphs(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3);
    INPUT("z", DTYPE_FP32, -1, 3);
    OUTPUT("y", DTYPE_FP32, -1, 3);
    refuse("input { name: 'w' }", "the model has no input w; it has x, z");
    refuse("output { name: 'x' }", "the model has no output x; it has y");
    refuse("input { name: 'z' }", "the config leaves out input x, which the model needs");
    refuse("input { name: 'x' data_type: TYPE_FP16 } input { name: 'z' }",
           "input x: the config says TYPE_FP16, the model TYPE_FP32");
    refuse("input { name: 'x' optional: true } input { name: 'z' }",
           "input x: optional in the config, but the model needs it");
    graph.inputs[1].optional = true;
    accept("input { name: 'x' }");
    assert_int_equal(config.input_count, 1);
}

static void shapes_must_fit_the_graphs(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3, -1);
    OUTPUT("y", DTYPE_FP32, 1, 3);
    refuse("max_batch_size: 0 input { name: 'x' dims: [ 2, 4, 5 ] }",
           "input x: the config's shape is [2,4,5], the model's [-1,3,-1]");
    refuse("max_batch_size: 0 input { name: 'x' dims: [ 2, -1, 5 ] }",
           "input x: the config's shape is [2,-1,5], the model's [-1,3,-1]");
    refuse("max_batch_size: 0 input { name: 'x' dims: [ 3 ] }",
           "input x: the config's shape is [3], the model's [-1,3,-1]");
    refuse("max_batch_size: 8 output { name: 'y' dims: 3 }",
           "output y: max_batch_size is 8, but the model's shape [1,3] has no variable first "
           "dimension");
    graph.outputs[0].shape.dims[0] = -1;
    refuse("max_batch_size: 8 input { name: 'x' dims: [ 5, 3, 5 ] }",
           "input x: the config's shape is [-1,5,3,5] with the batch dimension, the model's "
           "[-1,3,-1]");
    refuse("max_batch_size: 8 input { name: 'x' dims: [3,1,1,1,1,1,1,1] }",
           "input x: the config's shape is [-1,3,1,1,1,1,1,1] with the batch dimension, the "
           "model's [-1,3,-1]");
    accept("max_batch_size: 8 input { name: 'x' dims: [ 3, 9 ] }");
    expect_shape(&config.inputs[0].dims, "[3,9]");
}

static void reshapes_are_compared_with_the_graph(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 1, 3);
    OUTPUT("y", DTYPE_FP32, -1, 4, 1);
    accept("max_batch_size: 2 input { name: 'x' dims: 3 reshape { shape: [ 1, 3 ] } } "
           "output { name: 'y' dims: 4 reshape { shape: [ 4, 1 ] } }");
    refuse("max_batch_size: 2 input { name: 'x' dims: 3 reshape { shape: [ 3, 1 ] } }",
           "input x: the config's shape is [-1,3,1] with the batch dimension, the model's "
           "[-1,1,3]");
}

static void warm_ups_must_fit_the_inputs(void **state)
{
    (void)state;
    INPUT("x", DTYPE_FP32, -1, 3);
    INPUT("z", DTYPE_INT64, -1, -1);
    OUTPUT("y", DTYPE_FP32, -1, 3);
    static const char good[] =
        "model_warmup { batch_size: 16 inputs { key: 'x' value { dims: 3 zero_data: true } } "
        "inputs { key: 'z' value { data_type: TYPE_INT64 dims: 7 random_data: true } } }";
    accept(good);
    assert_int_equal(config.warmups[0].inputs[0].dtype, DTYPE_FP32);
    refuse("model_warmup { batch_size: 17 inputs { key: 'x' } }",
           "model_warmup[0]: batch_size is 17, at most 16");
    refuse("model_warmup { batch_size: 1 inputs { key: 'w' } }",
           "model_warmup[0]: w: the model has no such input");
    refuse("model_warmup { batch_size: 1 inputs { key: 'x' value { dims: 3 } } }",
           "model_warmup[0]: input z is left out");
    refuse("model_warmup { batch_size: 1 inputs { key: 'x' value { dims: 4 } } }",
           "model_warmup[0]: x: dims are [4], the input's [3]");
    refuse("model_warmup { batch_size: 1 inputs { key: 'x' value { data_type: TYPE_BOOL } } }",
           "model_warmup[0]: x: data_type is TYPE_BOOL, the input's TYPE_FP32");
    refuse("dynamic_batching { preferred_batch_size: 32 }",
           "preferred_batch_size 32 is above max_batch_size (16)");
}

static void the_signature_is_the_configs(void **state)
{
    (void)state;
    static struct model_signature signature;
    INPUT("a", DTYPE_FP32, -1, 3);
    INPUT("b", DTYPE_INT64, -1, 4);
    OUTPUT("y", DTYPE_FP32, -1, 3);
    OUTPUT("z", DTYPE_FP16, -1, 1, 5);
    accept("max_batch_size: 2 input { name: 'b' } input { name: 'a' } "
           "output { name: 'z' dims: 5 reshape { shape: [1, 5] } }");
    model_config_signature(&config, &graph, &signature);
    assert_int_equal(signature.max_batch_size, 2);
    assert_int_equal(signature.io.input_count, 2);
    assert_string_equal(signature.io.inputs[0].name, "b");
    assert_int_equal(signature.io.inputs[0].dtype, DTYPE_INT64);
    expect_shape(&signature.io.inputs[0].shape, "[-1,4]");
    assert_int_equal(signature.input_graph_index[0], 1);
    assert_int_equal(signature.input_graph_index[1], 0);
    assert_int_equal(signature.io.output_count, 1);
    expect_shape(&signature.io.outputs[0].shape, "[-1,5]");
    assert_int_equal(signature.output_graph_index[0], 1);

    accept("max_batch_size: 0");
    model_config_signature(&config, &graph, &signature);
    expect_shape(&signature.io.inputs[0].shape, "[-1,3]");
    assert_int_equal(signature.io.output_count, 2);
}

static void shapes_go_to_the_graph_and_back(void **state)
{
    (void)state;
    struct config_tensor tensor = {
        .dims = {.rank = 2, .dims = {-1, 6}},
        .has_reshape = true,
        .reshape = {.rank = 3, .dims = {-1, 2, 3}},
    };
    struct shape api = {.rank = 3, .dims = {8, 5, 6}}, back;
    assert_true(config_tensor_to_graph(&tensor, true, &api, &back));
    expect_shape(&back, "[8,5,2,3]");
    assert_true(config_tensor_to_api(&tensor, true, &back, &back));
    expect_shape(&back, "[8,5,6]");
    api = (struct shape){.rank = 2, .dims = {5, 6}};
    assert_true(config_tensor_to_graph(&tensor, false, &api, &back));
    expect_shape(&back, "[5,2,3]");
    api.dims[1] = 7;
    assert_false(config_tensor_to_graph(&tensor, false, &api, &back));
    assert_false(config_tensor_to_graph(&tensor, true, &api, &back));
    tensor.has_reshape = false;
    api.dims[1] = 6;
    assert_true(config_tensor_to_graph(&tensor, false, &api, &back));
    expect_shape(&back, "[5,6]");
    /* A scalar per row. */
    tensor = (struct config_tensor){.dims = {.rank = 1, .dims = {1}}, .has_reshape = true};
    api = (struct shape){.rank = 2, .dims = {4, 1}};
    assert_true(config_tensor_to_graph(&tensor, true, &api, &back));
    expect_shape(&back, "[4]");
    assert_true(config_tensor_to_api(&tensor, true, &back, &back));
    expect_shape(&back, "[4,1]");
}

static void json_is_tritons(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out);
    INPUT("x", DTYPE_FP32, -1, 3);
    OUTPUT("y", DTYPE_BYTES, -1, 2);
    accept("name: 'm' version_policy { specific { versions: 3 } } dynamic_batching { "
           "preferred_batch_size: 4 } output { name: 'y' label_filename: 'l.txt' } "
           "parameters { key: 'a' value { string_value: 'b' } }");
    model_config_write_json(&config, &out);
    assert_string_equal(
        strbuf_text(&out),
        "{\"name\":\"m\",\"platform\":\"onnxruntime_onnx\",\"backend\":\"onnxruntime\","
        "\"runtime\":\"\",\"version_policy\":{\"specific\":{\"versions\":[3]}},"
        "\"max_batch_size\":16,\"input\":[{\"name\":\"x\",\"data_type\":\"TYPE_FP32\","
        "\"format\":\"FORMAT_NONE\",\"dims\":[3],\"is_shape_tensor\":false,"
        "\"allow_ragged_batch\":false,\"optional\":false,\"is_non_linear_format_io\":false}],"
        "\"output\":[{\"name\":\"y\",\"data_type\":\"TYPE_STRING\",\"dims\":[2],"
        "\"label_filename\":\"l.txt\",\"is_shape_tensor\":false,"
        "\"is_non_linear_format_io\":false}],\"batch_input\":[],\"batch_output\":[],"
        "\"optimization\":{\"priority\":\"PRIORITY_DEFAULT\",\"input_pinned_memory\":{\"enable\":"
        "false},\"output_pinned_memory\":{\"enable\":false},"
        "\"gather_kernel_buffer_threshold\":0,\"eager_batching\":false},\"dynamic_batching\":{"
        "\"preferred_batch_size\":[4],\"max_queue_delay_microseconds\":0,\"preserve_ordering\":"
        "false,\"priority_levels\":0,\"default_priority_level\":0,\"default_queue_policy\":{"
        "\"timeout_action\":\"REJECT\",\"default_timeout_microseconds\":0,"
        "\"allow_timeout_override\":false,\"max_queue_size\":0},\"priority_queue_policy\":{}},"
        "\"instance_group\":[{\"name\":\"m\",\"kind\":\"KIND_CPU\",\"count\":1,\"gpus\":[],"
        "\"secondary_devices\":[],\"profile\":[],\"passive\":false,\"host_policy\":\"\"}],"
        "\"default_model_filename\":\"\",\"cc_model_filenames\":{},\"metric_tags\":{},"
        "\"parameters\":{\"a\":{\"string_value\":\"b\"}},\"model_warmup\":[]}");
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_given_is_taken_from_the_graph, begin),
        cmocka_unit_test_setup(no_batch_without_a_variable_first_dimension_everywhere, begin),
        cmocka_unit_test_setup(dims_tell_whether_they_hold_the_batch, begin),
        cmocka_unit_test_setup(tensors_without_dimensions_get_one, begin),
        cmocka_unit_test_setup(names_and_types_must_be_the_graphs, begin),
        cmocka_unit_test_setup(shapes_must_fit_the_graphs, begin),
        cmocka_unit_test_setup(reshapes_are_compared_with_the_graph, begin),
        cmocka_unit_test_setup(warm_ups_must_fit_the_inputs, begin),
        cmocka_unit_test_setup(the_signature_is_the_configs, begin),
        cmocka_unit_test(shapes_go_to_the_graph_and_back),
        cmocka_unit_test_setup(json_is_tritons, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
