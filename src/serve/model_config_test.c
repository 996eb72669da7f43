/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/model_config.h"

#include <stdio.h>
#include <string.h>

#include "base/test.h"

static struct model_config config;

static void parse(const char *text)
{
    struct detail detail = {""};
    enum roost_err err = model_config_parse(text, strlen(text), &config, &detail);
    if (err != ROOST_OK)
        print_error("%s\n", detail.text);
    assert_int_equal(err, ROOST_OK);
}

static void parse_json(const char *text)
{
    struct detail detail = {""};
    enum roost_err err = model_config_parse_json(text, strlen(text), &config, &detail);
    if (err != ROOST_OK)
        print_error("%s\n", detail.text);
    assert_int_equal(err, ROOST_OK);
}

static void refuse(enum roost_err wanted, const char *text, const char *reason)
{
    struct detail detail = {""};
    enum roost_err err = model_config_parse(text, strlen(text), &config, &detail);
    assert_string_equal(detail.text, reason);
    assert_int_equal(err, wanted);
}

static void refuse_json(enum roost_err wanted, const char *text, const char *reason)
{
    struct detail detail = {""};
    enum roost_err err = model_config_parse_json(text, strlen(text), &config, &detail);
    assert_string_equal(detail.text, reason);
    assert_int_equal(err, wanted);
}

static void warn(const char *text, const char *warnings)
{
    parse(text);
    assert_string_equal(config.warnings, warnings);
}

static void expect_shape(const struct shape *shape, const char *text)
{
    char out[128];
    assert_string_equal(shape_format(shape, out, sizeof(out)), text);
}

static void an_empty_file_has_defaults(void **state)
{
    (void)state;
    parse("");
    assert_string_equal(config.name, "");
    assert_int_equal(config.max_batch_size, -1);
    assert_int_equal(config.version_policy, VERSIONS_LATEST);
    assert_int_equal(config.version_count, 1);
    assert_int_equal(config.instance_count, 0);
    assert_false(config.dynamic_batching);
    assert_string_equal(config.warnings, "");
}

static void tensors(void **state)
{
    (void)state;
    parse("name: 'm' platform: 'onnxruntime_onnx' backend: 'onnxruntime' max_batch_size: 8\n"
          "input [ { name: 'x' data_type: TYPE_FP32 format: FORMAT_NCHW dims: [3, 224, -1]\n"
          "          reshape { shape: [1, 3, 224, -1] } },\n"
          "        { name: 'opt' data_type: TYPE_STRING dims: 2 optional: true } ]\n"
          "output { name: 'y' data_type: 11 dims: 0x10 reshape { shape: [4, 4] }\n"
          "         label_filename: 'labels.txt' }\n"
          "output { name: 'z' reshape { } dims: 1 }");
    assert_string_equal(config.name, "m");
    assert_int_equal(config.max_batch_size, 8);
    assert_int_equal(config.input_count, 2);
    assert_int_equal(config.output_count, 2);
    const struct config_tensor *x = &config.inputs[0], *y = &config.outputs[0];
    assert_string_equal(x->name, "x");
    assert_int_equal(x->dtype, DTYPE_FP32);
    assert_string_equal(x->format, "FORMAT_NCHW");
    expect_shape(&x->dims, "[3,224,-1]");
    assert_true(x->has_reshape);
    expect_shape(&x->reshape, "[1,3,224,-1]");
    assert_int_equal(config.inputs[1].dtype, DTYPE_BYTES);
    assert_true(config.inputs[1].optional);
    assert_int_equal(y->dtype, DTYPE_FP32);
    expect_shape(&y->dims, "[16]");
    assert_string_equal(y->label_filename, "labels.txt");
    assert_true(config.outputs[1].has_reshape);
    assert_int_equal(config.outputs[1].reshape.rank, 0);
}

static void version_policies(void **state)
{
    (void)state;
    parse("version_policy: { all { } }");
    assert_int_equal(config.version_policy, VERSIONS_ALL);
    parse("version_policy { latest { num_versions: 3 } }");
    assert_int_equal(config.version_policy, VERSIONS_LATEST);
    assert_int_equal(config.version_count, 3);
    parse("version_policy { latest { } }");
    assert_int_equal(config.version_count, 1);
    parse("version_policy { specific { versions: [ 4, 2 ] } }");
    assert_int_equal(config.version_policy, VERSIONS_SPECIFIC);
    assert_int_equal(config.version_count, 2);
    assert_int_equal(config.versions[0], 4);
    refuse(ROOST_INVALID, "version_policy { all {} latest {} }",
           "line 1, column 25: version_policy.latest: version_policy has only one of latest, all "
           "and specific");
    refuse(ROOST_INVALID, "version_policy { specific { } }",
           "line 1, column 18: version_policy.specific: names no version");
    refuse(ROOST_INVALID, "version_policy { specific { versions: [1, 1] } }",
           "line 1, column 18: version_policy.specific: version 1 is listed twice");
    refuse(ROOST_INVALID, "version_policy { specific { versions: 0 } }",
           "line 1, column 29: version_policy.specific.versions: a version must be at least 1, "
           "not 0");
    refuse(ROOST_INVALID, "version_policy { latest { num_versions: 0 } }",
           "line 1, column 18: version_policy.latest: num_versions must be at least 1");
}

static void instance_groups_are_workers(void **state)
{
    (void)state;
    parse("instance_group { kind: KIND_CPU count: 2 } instance_group { } "
          "instance_group { count: 5 passive: true } instance_group { kind: KIND_MODEL count: 3 }");
    assert_int_equal(config.instance_count, 6);
    warn("instance_group [ {\n kind: KIND_GPU count: 2 gpus: [ 0, 1 ] } ]",
         "2: instance_group[0].gpus: ignored: models run on the CPU\n"
         "1: instance_group[0]: KIND_GPU: models run on the CPU; its count is taken as CPU "
         "workers\n");
    assert_int_equal(config.instance_count, 2);
    refuse(ROOST_INVALID, "instance_group { count: -1 }",
           "line 1, column 1: instance_group[0]: count must be between 0 and 65535, not -1");
}

static void dynamic_batching(void **state)
{
    (void)state;
    parse("max_batch_size: 8 dynamic_batching { preferred_batch_size: [4, 8] "
          "max_queue_delay_microseconds: 100 priority_levels: 2 default_priority_level: 2 "
          "default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 "
          "allow_timeout_override: true max_queue_size: 7 } "
          "priority_queue_policy { key: 1 value { max_queue_size: 9 } } }");
    assert_true(config.dynamic_batching);
    assert_int_equal(config.preferred_count, 2);
    assert_int_equal(config.preferred_batch_sizes[1], 8);
    assert_int_equal(config.max_queue_delay_us, 100);
    assert_int_equal(config.priority_levels, 2);
    assert_int_equal(config.default_priority_level, 2);
    assert_true(config.queue_policy.delay_on_timeout);
    assert_int_equal(config.queue_policy.default_timeout_us, 5);
    assert_true(config.queue_policy.allow_timeout_override);
    assert_int_equal(config.queue_policy.max_queue_size, 7);
    assert_int_equal(config.priority_policy_count, 1);
    assert_int_equal(config.priority_policies[0].level, 1);
    assert_int_equal(config.priority_policies[0].policy.max_queue_size, 9);
    parse("dynamic_batching { }");
    assert_true(config.dynamic_batching);

    refuse(ROOST_INVALID, "max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }",
           "dynamic_batching.preferred_batch_size: 8 is above max_batch_size (4)");
    refuse(ROOST_INVALID, "dynamic_batching { priority_levels: 2 }",
           "line 1, column 1: dynamic_batching: default_priority_level must be between 1 and 2, "
           "not 0");
    refuse(ROOST_INVALID, "dynamic_batching { priority_queue_policy { key: 3 } }",
           "line 1, column 1: dynamic_batching: priority_queue_policy: level 3 is not between 1 "
           "and priority_levels (0)");
    refuse(ROOST_INVALID, "dynamic_batching { priority_queue_policy { key: 'a' } }",
           "line 1, column 20: dynamic_batching.priority_queue_policy: an entry needs a key: a "
           "number");
    refuse(ROOST_INVALID, "dynamic_batching { preferred_batch_size: 0 }",
           "line 1, column 20: dynamic_batching.preferred_batch_size: must be at least 1, not 0");
}

static void warm_ups(void **state)
{
    (void)state;
    parse("model_warmup { name: 'w' batch_size: 1 count: 3 inputs { key: 'a' value { data_type: "
          "TYPE_FP32 dims: [2, 3] zero_data: false } } inputs { key: 'b' value { dims: 1 "
          "random_data: true } } inputs { key: 'c' value { input_data_file: 'raw' } } }");
    assert_int_equal(config.warmup_count, 1);
    const struct config_warmup *warmup = &config.warmups[0];
    assert_int_equal(warmup->count, 3);
    assert_int_equal(warmup->input_count, 3);
    expect_shape(&warmup->inputs[0].dims, "[2,3]");
    assert_int_equal(warmup->inputs[0].kind, WARM_ZERO);
    assert_int_equal(warmup->inputs[1].kind, WARM_RANDOM);
    assert_int_equal(warmup->inputs[2].kind, WARM_FILE);
    assert_string_equal(warmup->inputs[2].file, "raw");
    refuse(ROOST_INVALID, "model_warmup { inputs { key: 'a' } }",
           "line 1, column 1: model_warmup[0]: batch_size must be at least 1");
    refuse(ROOST_INVALID, "model_warmup { batch_size: 1 }",
           "line 1, column 1: model_warmup[0]: has no inputs");
    refuse(ROOST_INVALID, "model_warmup { batch_size: 1 inputs { key: 'a' value { dims: -1 } } }",
           "line 1, column 56: model_warmup[0].inputs[\"a\"].dims: a dimension must be at least 1, "
           "not -1");
    refuse(ROOST_INVALID,
           "model_warmup { batch_size: 1 inputs { key: 'a' value { zero_data: true "
           "random_data: true } } }",
           "line 1, column 72: model_warmup[0].inputs[\"a\"].random_data: only one of zero_data, "
           "random_data and input_data_file");
    refuse(ROOST_INVALID,
           "model_warmup { batch_size: 1 inputs { key: 'a' value { input_data_file: '../x' } } }",
           "line 1, column 56: model_warmup[0].inputs[\"a\"].input_data_file: ../x leads out of "
           "the model's directory");
    refuse(ROOST_INVALID, "max_batch_size: 0 model_warmup { batch_size: 2 inputs { key: 'a' } }",
           "model_warmup[0].batch_size: 2 is above what max_batch_size allows (1)");
}

static void parameters(void **state)
{
    (void)state;
    warn("parameters { key: 'intra_op_thread_count' value { string_value: '4' } }\n"
         "parameters { key: 'execution_mode' value { string_value: '0' } }\n"
         "parameters { key: 'mine' value { string_value: 'x' } }",
         "2: parameters[\"execution_mode\"]: ignored: operators of one run are executed one by "
         "one\n"
         "3: parameters[\"mine\"]: ignored: Roost knows no such parameter\n");
    assert_int_equal(config.intra_op_threads, 4);
    assert_int_equal(config.parameter_count, 3);
    assert_string_equal(config.parameters[2].key, "mine");
    assert_string_equal(config.parameters[2].value, "x");
    refuse(ROOST_INVALID, "parameters { key: 'intra_op_thread_count' value { string_value: 'x' } }",
           "line 1, column 43: parameters[\"intra_op_thread_count\"]: expected a number between 0 "
           "and 1024, not \"x\"");
    refuse(ROOST_INVALID, "parameters { key: 'a' } parameters { key: 'a' }",
           "line 1, column 25: parameters[\"a\"]: given more than once");
    refuse(ROOST_INVALID, "parameters { value { } }",
           "line 1, column 1: parameters: an entry needs a key: a string in quotes");
    refuse(ROOST_INVALID, "parameters { key: 'a' other: 1 }",
           "line 1, column 23: parameters: an entry has one key and one value, not other");
}

static void what_is_ignored_leaves_a_warning(void **state)
{
    (void)state;
    warn("runtime: 'x'\nmetric_tags { key: 'a' value: 'b' }\nresponse_cache { enable: true }\n"
         "optimization { graph { level: 1 }\n cuda { graphs: true } "
         "input_pinned_memory { enable: true } }",
         "1: runtime: ignored: there is one ONNX Runtime for all models\n"
         "2: metric_tags[\"a\"]: ignored: metrics carry the labels model and version only\n"
         "3: response_cache.enable: ignored: there is no response cache\n"
         "4: optimization.graph.level: ignored: graphs are optimised fully, once, and kept in the "
         "cache\n"
         "5: optimization.cuda: ignored: models run on the CPU\n"
         "5: optimization.input_pinned_memory.enable: ignored: models run on the CPU\n");
    assert_true(config.response_cache);
    /* A default is what holds anyway. */
    warn("runtime: '' response_cache { enable: false } model_transaction_policy { decoupled: "
         "false } optimization { } input { name: 'x' is_shape_tensor: false }",
         "");
    /* Once per list. */
    warn("instance_group { gpus: 0 gpus: 1 gpus: 2 profile: 'a' }",
         "1: instance_group[0].gpus: ignored: models run on the CPU\n"
         "1: instance_group[0].profile: ignored: only TensorRT models have it\n");
}

static void too_many_warnings_end_with_a_mark(void **state)
{
    (void)state;
    char text[64 * 80] = "";
    for (unsigned i = 0; i < CONFIG_PARAMETERS_MAX; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof(text) - used,
                       "parameters { key: 'a_longer_name_%u' value { } }\n", i);
    }
    parse(text);
    static const char end[] = "such parameter\nfurther warnings are left out\n";
    size_t length = strlen(config.warnings);
    assert_true(length < sizeof(config.warnings));
    assert_string_equal(config.warnings + length - strlen(end), end);
}

static void what_is_refused_says_why(void **state)
{
    (void)state;
    refuse(ROOST_UNSUPPORTED, "name: 'e'\nensemble_scheduling { step [ ] }",
           "line 2, column 1: ensemble_scheduling: ensembles are not supported");
    refuse(ROOST_UNSUPPORTED, "platform: 'ensemble'",
           "line 1, column 1: platform: ensembles are not supported");
    refuse(ROOST_UNSUPPORTED, "sequence_batching { direct { } }",
           "line 1, column 1: sequence_batching: sequences are not supported");
    refuse(ROOST_UNSUPPORTED, "backend: 'python'",
           "line 1, column 1: backend: Python backends are not supported");
    refuse(ROOST_UNSUPPORTED, "backend: 'tensorrt'",
           "line 1, column 1: backend: tensorrt is not supported; only onnxruntime is");
    refuse(ROOST_UNSUPPORTED, "platform: 'tensorflow_savedmodel'",
           "line 1, column 1: platform: tensorflow_savedmodel is not supported; only "
           "onnxruntime_onnx is");
    refuse(ROOST_UNSUPPORTED, "model_transaction_policy { decoupled: true }",
           "line 1, column 28: model_transaction_policy.decoupled: every request gets exactly one "
           "answer");
    refuse(ROOST_UNSUPPORTED, "batch_input { kind: BATCH_ITEM_SHAPE }",
           "line 1, column 1: batch_input[0]: ragged batches are not supported");
    refuse(ROOST_UNSUPPORTED, "model_operations { op_library_filename: 'x.so' }",
           "line 1, column 20: model_operations.op_library_filename: libraries of a model's own "
           "operators are not loaded");
    refuse(ROOST_UNSUPPORTED, "model_repository_agents { agents { name: 'checksum' } }",
           "line 1, column 27: model_repository_agents.agents[0]: repository agents may change the "
           "files of a model, so that they cannot be left out");
    refuse(ROOST_UNSUPPORTED, "input { name: 'x' is_shape_tensor: true }",
           "line 1, column 19: input[0].is_shape_tensor: only TensorRT models have it");
}

static void what_is_wrong_says_where(void **state)
{
    (void)state;
    refuse(ROOST_INVALID, "name 'x'", "line 1, column 6: expected ':' or '{' after name, not '''");
    refuse(ROOST_INVALID, "\n max_batchsize: 1",
           "line 2, column 2: unknown field max_batchsize; did you mean max_batch_size?");
    refuse(ROOST_INVALID, "input { nam: 'x' }",
           "line 1, column 9: input[0]: unknown field nam; did you mean name?");
    refuse(ROOST_INVALID, "whatever_else: 1", "line 1, column 1: unknown field whatever_else");
    refuse(ROOST_INVALID, "name: 'a' name: 'b'", "line 1, column 11: name: given more than once");
    refuse(ROOST_INVALID, "name: x", "line 1, column 1: name: expected a string in quotes");
    refuse(ROOST_INVALID, "name: ['x']", "line 1, column 8: name: takes one value, not a list");
    refuse(ROOST_INVALID, "max_batch_size: 2147483648",
           "line 1, column 1: max_batch_size: expected a 32-bit integer, not 2147483648");
    refuse(ROOST_INVALID, "max_batch_size: 1.5",
           "line 1, column 1: max_batch_size: expected a 32-bit integer, not 1.5");
    refuse(ROOST_INVALID, "max_batch_size: '8'",
           "line 1, column 1: max_batch_size: expected a 32-bit integer, not 8");
    refuse(ROOST_INVALID, "max_batch_size { }",
           "line 1, column 1: max_batch_size: expected a 32-bit integer, not a message");
    refuse(ROOST_INVALID, "max_batch_size: -1",
           "line 1, column 1: max_batch_size: must be at least 0, not -1");
    refuse(ROOST_INVALID, "dynamic_batching { priority_levels: -1 }",
           "line 1, column 20: dynamic_batching.priority_levels: expected a 64-bit integer of at "
           "least 0, not -1");
    refuse(ROOST_INVALID, "dynamic_batching: 1",
           "line 1, column 1: dynamic_batching: expected a message in { }");
    refuse(ROOST_INVALID, "instance_group { kind: KIND_TPU }",
           "line 1, column 18: instance_group[0].kind: expected one of KIND_AUTO, KIND_GPU, "
           "KIND_CPU, KIND_MODEL; not KIND_TPU");
    refuse(ROOST_INVALID, "instance_group { passive: yes }",
           "line 1, column 18: instance_group[0].passive: expected true or false, not yes");
    refuse(ROOST_INVALID, "default_model_filename: '/etc/passwd'",
           "line 1, column 1: default_model_filename: /etc/passwd leads out of the model's "
           "directory");
    refuse(ROOST_INVALID, "default_model_filename: 'a/../../b'",
           "line 1, column 1: default_model_filename: a/../../b leads out of the model's "
           "directory");
}

static void wrong_tensors(void **state)
{
    (void)state;
    refuse(ROOST_INVALID, "input { dims: 1 }", "line 1, column 1: input[0]: has no name");
    refuse(ROOST_INVALID, "input { name: 'a' } input { name: 'a' }",
           "line 1, column 21: input[1]: a is listed twice");
    refuse(ROOST_INVALID, "output { name: 'a' dims: [ 2, 0 ] }",
           "line 1, column 31: output[0].dims: a dimension must be at least 1, or -1 for a "
           "variable one, not 0");
    refuse(ROOST_INVALID, "input { name: 'a' dims: [1,1,1,1,1,1,1,1,1] }",
           "line 1, column 42: input[0].dims: more than 8 dimensions");
    refuse(ROOST_INVALID, "input { name: 'a' format: FORMAT_NHWC dims: [3, 4] }",
           "line 1, column 1: input[0]: a: FORMAT_NHWC needs three dims, not [3,4]");
    refuse(ROOST_INVALID, "input { name: 'a' reshape { shape: 1 } }",
           "line 1, column 1: input[0]: a: reshape needs dims");
    refuse(ROOST_INVALID, "input { name: 'a' dims: [2, 3] reshape { shape: [5] } }",
           "line 1, column 1: input[0]: a: dims [2,3] and reshape [5] have different numbers of "
           "elements");
    refuse(ROOST_INVALID, "input { name: 'a' dims: [-1, 3] reshape { shape: [3] } }",
           "line 1, column 1: input[0]: a: dims [-1,3] and reshape [3] have different numbers of "
           "elements");
    parse("input { name: 'a' dims: [-1, 6, -1] reshape { shape: [-1, 2, 3, -1, 1] } }");
    char text[70 * 20] = "";
    for (unsigned i = 0; i <= MODEL_TENSORS_MAX; i++)
        (void)snprintf(text + strlen(text), 20, "input{name:'%u'}", i);
    struct detail detail = {""};
    assert_int_equal(model_config_parse(text, strlen(text), &config, &detail), ROOST_INVALID);
    assert_non_null(strstr(detail.text, "input[64]: more than 64 entries"));
}

static void the_json_form(void **state)
{
    (void)state;
    parse_json("{\"name\":\"m\",\"max_batch_size\":\"4\",\"versionPolicy\":{\"all\":{}},"
               "\"input\":[{\"name\":\"x\",\"dataType\":\"TYPE_INT64\",\"dims\":[\"3\",-1]}],"
               "\"instanceGroup\":[{\"kind\":2,\"count\":3}],"
               "\"dynamicBatching\":{\"priorityLevels\":1,\"defaultPriorityLevel\":\"1\","
               "\"priorityQueuePolicy\":{\"1\":{\"maxQueueSize\":5}}},"
               "\"parameters\":{\"a_b\":{\"string_value\":\"v\"}},"
               "\"model_warmup\":[{\"batch_size\":1,\"inputs\":{\"x\":{\"zero_data\":true}}}]}");
    assert_string_equal(config.name, "m");
    assert_int_equal(config.max_batch_size, 4);
    assert_int_equal(config.version_policy, VERSIONS_ALL);
    assert_int_equal(config.inputs[0].dtype, DTYPE_INT64);
    expect_shape(&config.inputs[0].dims, "[3,-1]");
    assert_int_equal(config.instance_count, 3);
    assert_int_equal(config.priority_policies[0].policy.max_queue_size, 5);
    assert_string_equal(config.parameters[0].key, "a_b");
    assert_string_equal(config.warmups[0].inputs[0].name, "x");
    assert_string_equal(config.warnings,
                        "parameters[\"a_b\"]: ignored: Roost knows no such parameter\n");
}

static void wrong_json(void **state)
{
    (void)state;
    refuse_json(ROOST_INVALID, "{\"nam\":\"x\"}", "unknown field nam; did you mean name?");
    refuse_json(ROOST_INVALID, "{\"name\":3}", "name: expected a string in quotes");
    refuse_json(ROOST_INVALID, "{\"max_batch_size\":true}",
                "max_batch_size: expected a 32-bit integer, not true");
    refuse_json(ROOST_INVALID, "{\"input\":{\"name\":\"x\"}}", "input[0]: expected a list");
    refuse_json(ROOST_INVALID, "{\"parameters\":[{\"key\":\"x\"}]}",
                "parameters: takes one value, not a list");
    refuse_json(ROOST_INVALID, "{\"name\":\"a\",\"name\":\"b\"}", "name: given more than once");
    refuse_json(ROOST_INVALID, "{\"input\":[{\"name\":\"x\",\"data_type\":\"FP32\"}]}",
                "input[0].data_type: expected one of TYPE_INVALID, TYPE_BOOL, TYPE_UINT8, "
                "TYPE_UINT16, TYPE_UINT32, TYPE_UINT64, TYPE_INT8, TYPE_INT16, TYPE_INT32, "
                "TYPE_INT64, TYPE_FP16, TYPE_FP32, TYPE_FP64, TYPE_STRING, TYPE_BF16; not FP32");
    refuse_json(ROOST_UNSUPPORTED, "{\"ensemble_scheduling\":{}}",
                "ensemble_scheduling: ensembles are not supported");
}

static void strict_configs(void **state)
{
    (void)state;
    struct detail detail = {""};
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "the config gives no max_batch_size"},
        {"max_batch_size: 0", "the config lists no input"},
        {"max_batch_size: 0 input { name: 'x' dims: 1 }", "input x: the config gives no data_type"},
        {"max_batch_size: 0 input { name: 'x' data_type: TYPE_BOOL }",
         "input x: the config gives no dims"},
        {"max_batch_size: 0 input { name: 'x' data_type: TYPE_BOOL dims: 1 }",
         "the config lists no output"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(cases[i].text);
        assert_int_equal(model_config_require_full(&config, &detail), ROOST_INVALID);
        assert_string_equal(detail.text, cases[i].reason);
    }
    parse("max_batch_size: 0 input { name: 'x' data_type: TYPE_BOOL dims: 1 } "
          "output { name: 'y' data_type: TYPE_BOOL dims: 1 }");
    assert_int_equal(model_config_require_full(&config, &detail), ROOST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_defaults),
        cmocka_unit_test(tensors),
        cmocka_unit_test(version_policies),
        cmocka_unit_test(instance_groups_are_workers),
        cmocka_unit_test(dynamic_batching),
        cmocka_unit_test(warm_ups),
        cmocka_unit_test(parameters),
        cmocka_unit_test(what_is_ignored_leaves_a_warning),
        cmocka_unit_test(too_many_warnings_end_with_a_mark),
        cmocka_unit_test(what_is_refused_says_why),
        cmocka_unit_test(what_is_wrong_says_where),
        cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(the_json_form),
        cmocka_unit_test(wrong_json),
        cmocka_unit_test(strict_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
