/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of Triton's ModelConfig, recursively, with what Roost does with it. */
#include "serve/model_config_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MESSAGE(array)                                                                             \
    {                                                                                              \
        array, COUNT(array)                                                                        \
    }
#define IN(type, member)                                                                           \
    .offset = offsetof(struct type, member), .bytes = sizeof(((struct type *)0)->member)

/* One field: name, type, label, status, note; ROW has more behind. */
#define LEAF(name_, type_, label_, status_, note_)                                                 \
    {                                                                                              \
        .name = (name_), .type = FIELD_##type_, .label = FIELD_##label_,                           \
        .status = STATUS_##status_, .note = (note_)                                                \
    }
#define ROW(name_, type_, label_, status_, note_, ...)                                             \
    {                                                                                              \
        .name = (name_), .type = FIELD_##type_, .label = FIELD_##label_,                           \
        .status = STATUS_##status_, .note = (note_), __VA_ARGS__                                   \
    }

static const char *const data_types[] = {
    "TYPE_INVALID", "TYPE_BOOL",   "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64",
    "TYPE_INT8",    "TYPE_INT16",  "TYPE_INT32", "TYPE_INT64",  "TYPE_FP16",   "TYPE_FP32",
    "TYPE_FP64",    "TYPE_STRING", "TYPE_BF16",  NULL,
};
static const char *const formats[] = {"FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW", NULL};
const char *const config_kinds[] = {"KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL", NULL};
static const char *const timeout_actions[] = {"REJECT", "DELAY", NULL};
static const char *const priorities[] = {"PRIORITY_DEFAULT", "PRIORITY_MAX", "PRIORITY_MIN", NULL};
static const char *const device_kinds[] = {"KIND_NVDLA", NULL};
static const char *const batch_input_kinds[] = {
    "BATCH_ELEMENT_COUNT",
    "BATCH_ACCUMULATED_ELEMENT_COUNT",
    "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
    "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
    "BATCH_ITEM_SHAPE",
    "BATCH_ITEM_SHAPE_FLATTEN",
    NULL,
};
static const char *const batch_output_kinds[] = {"BATCH_SCATTER_WITH_INPUT_SHAPE", NULL};
static const char *const control_kinds[] = {
    "CONTROL_SEQUENCE_START",
    "CONTROL_SEQUENCE_READY",
    "CONTROL_SEQUENCE_END",
    "CONTROL_SEQUENCE_CORRID",
    NULL,
};

static const char as_parent[] = "";

static const char gpu_only[] = "models run on the CPU";
static const char tensorrt_only[] = "only TensorRT models have it";

/* version_policy */

static const struct config_field latest_fields[] = {
    ROW("num_versions", UINT32, ONE, HONOURED,
        "the highest-numbered versions that are served (default 1)",
        IN(model_config, version_count)),
};
static const struct config_message latest = MESSAGE(latest_fields);
static const struct config_message nothing = {NULL, 0};
static const struct config_field specific_fields[] = {
    ROW("versions", INT64, REPEATED, HONOURED, "at most 64 numbers", .store = store_version),
};
static const struct config_message specific = MESSAGE(specific_fields);
static const struct config_field version_policy_fields[] = {
    ROW("latest", MESSAGE, ONE, HONOURED, "the default, with one version", .message = &latest,
        .open = open_latest, .close = close_latest),
    ROW("all", MESSAGE, ONE, HONOURED, "every version of the directory", .message = &nothing,
        .open = open_all),
    ROW("specific", MESSAGE, ONE, HONOURED,
        "a listed version that is missing makes the model unavailable", .message = &specific,
        .open = open_specific, .close = close_specific),
};
static const struct config_message version_policy = MESSAGE(version_policy_fields);

/* input, output */

static const struct config_field reshape_fields[] = {
    ROW("shape", INT64, REPEATED, HONOURED,
        "the graph's shape without the batch dimension; as many elements as dims",
        .store = store_reshape_dim),
};
static const struct config_message reshape = MESSAGE(reshape_fields);

#define TENSOR_NAME                                                                                \
    ROW("name", STRING, ONE, HONOURED, "required; a name of the graph", IN(config_tensor, name))
#define TENSOR_TYPE                                                                                \
    ROW("data_type", ENUM, ONE, HONOURED, "must be the graph's; taken from the graph when absent", \
        .choices = data_types, .store = store_dtype)
#define TENSOR_DIMS                                                                                \
    ROW("dims", INT64, REPEATED, HONOURED,                                                         \
        "without the batch dimension when max_batch_size > 0; at most 8; from the graph when "     \
        "absent",                                                                                  \
        .store = store_dim)
#define TENSOR_RESHAPE                                                                             \
    ROW("reshape", MESSAGE, ONE, HONOURED, "between dims and the graph's shape",                   \
        .message = &reshape, .open = open_reshape)
#define TENSOR_SHAPE      LEAF("is_shape_tensor", BOOL, ONE, REFUSED, tensorrt_only)
#define TENSOR_NON_LINEAR LEAF("is_non_linear_format_io", BOOL, ONE, REFUSED, tensorrt_only)

static const struct config_field input_fields[] = {
    TENSOR_NAME,
    TENSOR_TYPE,
    ROW("format", ENUM, ONE, HONOURED,
        "with FORMAT_NHWC or FORMAT_NCHW dims must have three entries", .choices = formats,
        .store = store_format),
    TENSOR_DIMS,
    TENSOR_RESHAPE,
    TENSOR_SHAPE,
    LEAF("allow_ragged_batch", BOOL, ONE, IGNORED,
         "requests of different shapes are never joined in one batch"),
    ROW("optional", BOOL, ONE, HONOURED, "only for an input that has a default in the graph",
        IN(config_tensor, optional)),
    TENSOR_NON_LINEAR,
};
static const struct config_message input = MESSAGE(input_fields);

static const struct config_field output_fields[] = {
    TENSOR_NAME,
    TENSOR_TYPE,
    TENSOR_DIMS,
    TENSOR_RESHAPE,
    ROW("label_filename", STRING, ONE, HONOURED,
        "labels of classification answers; a file below the model's directory",
        .store = store_label_filename),
    TENSOR_SHAPE,
    TENSOR_NON_LINEAR,
};
static const struct config_message output = MESSAGE(output_fields);

/* batch_input, batch_output */

static const char ragged[] = "ragged batches are not supported";

static const struct config_field batch_input_fields[] = {
    ROW("kind", ENUM, ONE, REFUSED, as_parent, .choices = batch_input_kinds),
    LEAF("target_name", STRING, REPEATED, REFUSED, as_parent),
    ROW("data_type", ENUM, ONE, REFUSED, as_parent, .choices = data_types),
    LEAF("source_input", STRING, REPEATED, REFUSED, as_parent),
};
static const struct config_message batch_input = MESSAGE(batch_input_fields);
static const struct config_field batch_output_fields[] = {
    LEAF("target_name", STRING, REPEATED, REFUSED, as_parent),
    ROW("kind", ENUM, ONE, REFUSED, as_parent, .choices = batch_output_kinds),
    LEAF("source_input", STRING, REPEATED, REFUSED, as_parent),
};
static const struct config_message batch_output = MESSAGE(batch_output_fields);

/* optimization */

static const struct config_field graph_fields[] = {
    LEAF("level", INT32, ONE, IGNORED, "graphs are optimised fully, once, and kept in the cache"),
};
static const struct config_message graph = MESSAGE(graph_fields);
static const struct config_field graph_shape_fields[] = {
    LEAF("dim", INT64, REPEATED, IGNORED, as_parent),
};
static const struct config_message graph_shape = MESSAGE(graph_shape_fields);
static const struct config_field lower_bound_fields[] = {
    LEAF("batch_size", INT32, ONE, IGNORED, as_parent),
    ROW("input", MESSAGE, MAP, IGNORED, as_parent, .message = &graph_shape),
};
static const struct config_message lower_bound = MESSAGE(lower_bound_fields);
static const struct config_field graph_spec_fields[] = {
    LEAF("batch_size", INT32, ONE, IGNORED, as_parent),
    ROW("input", MESSAGE, MAP, IGNORED, as_parent, .message = &graph_shape),
    ROW("graph_lower_bound", MESSAGE, ONE, IGNORED, as_parent, .message = &lower_bound),
};
static const struct config_message graph_spec = MESSAGE(graph_spec_fields);
static const struct config_field cuda_fields[] = {
    LEAF("graphs", BOOL, ONE, IGNORED, as_parent),
    LEAF("busy_wait_events", BOOL, ONE, IGNORED, as_parent),
    ROW("graph_spec", MESSAGE, REPEATED, IGNORED, as_parent, .message = &graph_spec),
    LEAF("output_copy_stream", BOOL, ONE, IGNORED, as_parent),
};
static const struct config_message cuda = MESSAGE(cuda_fields);
static const struct config_field accelerator_fields[] = {
    LEAF("name", STRING, ONE, IGNORED, as_parent),
    LEAF("parameters", STRING, MAP, IGNORED, as_parent),
};
static const struct config_message accelerator = MESSAGE(accelerator_fields);
static const struct config_field accelerators_fields[] = {
    ROW("gpu_execution_accelerator", MESSAGE, REPEATED, IGNORED, gpu_only, .message = &accelerator),
    ROW("cpu_execution_accelerator", MESSAGE, REPEATED, IGNORED,
        "ONNX Runtime's own CPU kernels are used", .message = &accelerator),
};
static const struct config_message accelerators = MESSAGE(accelerators_fields);
static const struct config_field pinned_fields[] = {
    LEAF("enable", BOOL, ONE, IGNORED, gpu_only),
};
static const struct config_message pinned = MESSAGE(pinned_fields);
static const struct config_field optimization_fields[] = {
    ROW("graph", MESSAGE, ONE, HONOURED, "read for its field", .message = &graph),
    ROW("priority", ENUM, ONE, IGNORED, "say priority in roost.yaml instead",
        .choices = priorities),
    ROW("cuda", MESSAGE, ONE, IGNORED, gpu_only, .message = &cuda),
    ROW("execution_accelerators", MESSAGE, ONE, HONOURED, "read for its fields",
        .message = &accelerators),
    ROW("input_pinned_memory", MESSAGE, ONE, HONOURED, "read for its field", .message = &pinned),
    ROW("output_pinned_memory", MESSAGE, ONE, HONOURED, "read for its field", .message = &pinned),
    LEAF("gather_kernel_buffer_threshold", UINT32, ONE, IGNORED, gpu_only),
    LEAF("eager_batching", BOOL, ONE, IGNORED, "the next batch is always staged while one runs"),
};
static const struct config_message optimization = MESSAGE(optimization_fields);

/* dynamic_batching */

static const struct config_field queue_policy_fields[] = {
    ROW("timeout_action", ENUM, ONE, HONOURED,
        "DELAY moves a request that waited too long behind the others of its priority",
        IN(config_queue_policy, delay_on_timeout), .choices = timeout_actions),
    ROW("default_timeout_microseconds", UINT64, ONE, HONOURED,
        "longest wait in the queue; 0: as the tenant's deadline allows",
        IN(config_queue_policy, default_timeout_us)),
    ROW("allow_timeout_override", BOOL, ONE, HONOURED,
        "a request's own timeout may shorten the default",
        IN(config_queue_policy, allow_timeout_override)),
    ROW("max_queue_size", UINT32, ONE, HONOURED,
        "requests that may wait at a level; 429 beyond; 0: only roost.yaml's queue_max counts",
        IN(config_queue_policy, max_queue_size)),
};
static const struct config_message queue_policy = MESSAGE(queue_policy_fields);
static const struct config_field dynamic_batching_fields[] = {
    ROW("preferred_batch_size", INT32, REPEATED, HONOURED,
        "a batch that has reached one of these sizes does not wait", .store = store_preferred),
    ROW("max_queue_delay_microseconds", UINT64, ONE, HONOURED,
        "longest wait for companions; roost.yaml's batch_delay comes first",
        IN(model_config, max_queue_delay_us)),
    ROW("preserve_ordering", BOOL, ONE, IGNORED,
        "each connection gets its answers in the order of its requests; across connections there "
        "is "
        "no order",
        IN(model_config, preserve_ordering)),
    ROW("priority_levels", UINT64, ONE, HONOURED,
        "a request's priority beyond it is the default; 0: any priority is taken as it is",
        IN(model_config, priority_levels)),
    ROW("default_priority_level", UINT64, ONE, HONOURED, "required with priority_levels",
        IN(model_config, default_priority_level)),
    ROW("default_queue_policy", MESSAGE, ONE, HONOURED, "for levels without a policy of their own",
        .message = &queue_policy, .open = open_queue_policy),
    ROW("priority_queue_policy", MESSAGE, MAP_UINT64, HONOURED, "by level; at most 16 entries",
        .message = &queue_policy, .open = open_priority_policy),
};
static const struct config_message dynamic_batching = MESSAGE(dynamic_batching_fields);

/* sequence_batching */

static const struct config_field control_fields[] = {
    ROW("kind", ENUM, ONE, REFUSED, as_parent, .choices = control_kinds),
    LEAF("int32_false_true", INT32, REPEATED, REFUSED, as_parent),
    LEAF("fp32_false_true", FLOAT, REPEATED, REFUSED, as_parent),
    LEAF("bool_false_true", BOOL, REPEATED, REFUSED, as_parent),
    ROW("data_type", ENUM, ONE, REFUSED, as_parent, .choices = data_types),
};
static const struct config_message control = MESSAGE(control_fields);
static const struct config_field control_input_fields[] = {
    LEAF("name", STRING, ONE, REFUSED, as_parent),
    ROW("control", MESSAGE, REPEATED, REFUSED, as_parent, .message = &control),
};
static const struct config_message control_input = MESSAGE(control_input_fields);
static const struct config_field initial_state_fields[] = {
    ROW("data_type", ENUM, ONE, REFUSED, as_parent, .choices = data_types),
    LEAF("dims", INT64, REPEATED, REFUSED, as_parent),
    LEAF("zero_data", BOOL, ONE, REFUSED, as_parent),
    LEAF("data_file", STRING, ONE, REFUSED, as_parent),
    LEAF("name", STRING, ONE, REFUSED, as_parent),
};
static const struct config_message initial_state = MESSAGE(initial_state_fields);
static const struct config_field state_fields[] = {
    LEAF("input_name", STRING, ONE, REFUSED, as_parent),
    LEAF("output_name", STRING, ONE, REFUSED, as_parent),
    ROW("data_type", ENUM, ONE, REFUSED, as_parent, .choices = data_types),
    LEAF("dims", INT64, REPEATED, REFUSED, as_parent),
    ROW("initial_state", MESSAGE, REPEATED, REFUSED, as_parent, .message = &initial_state),
    LEAF("use_same_buffer_for_input_output", BOOL, ONE, REFUSED, as_parent),
    LEAF("use_growable_memory", BOOL, ONE, REFUSED, as_parent),
};
static const struct config_message state = MESSAGE(state_fields);
static const struct config_field direct_fields[] = {
    LEAF("max_queue_delay_microseconds", UINT64, ONE, REFUSED, as_parent),
    LEAF("minimum_slot_utilization", FLOAT, ONE, REFUSED, as_parent),
};
static const struct config_message direct = MESSAGE(direct_fields);
static const struct config_field oldest_fields[] = {
    LEAF("max_candidate_sequences", INT32, ONE, REFUSED, as_parent),
    LEAF("preferred_batch_size", INT32, REPEATED, REFUSED, as_parent),
    LEAF("max_queue_delay_microseconds", UINT64, ONE, REFUSED, as_parent),
    LEAF("preserve_ordering", BOOL, ONE, REFUSED, as_parent),
};
static const struct config_message oldest = MESSAGE(oldest_fields);
static const struct config_field sequence_fields[] = {
    ROW("direct", MESSAGE, ONE, REFUSED, as_parent, .message = &direct),
    ROW("oldest", MESSAGE, ONE, REFUSED, as_parent, .message = &oldest),
    LEAF("max_sequence_idle_microseconds", UINT64, ONE, REFUSED, as_parent),
    ROW("control_input", MESSAGE, REPEATED, REFUSED, as_parent, .message = &control_input),
    ROW("state", MESSAGE, REPEATED, REFUSED, as_parent, .message = &state),
    LEAF("iterative_sequence", BOOL, ONE, REFUSED, as_parent),
};
static const struct config_message sequence = MESSAGE(sequence_fields);

/* ensemble_scheduling */

static const struct config_field step_fields[] = {
    LEAF("model_name", STRING, ONE, REFUSED, as_parent),
    LEAF("model_version", INT64, ONE, REFUSED, as_parent),
    LEAF("input_map", STRING, MAP, REFUSED, as_parent),
    LEAF("output_map", STRING, MAP, REFUSED, as_parent),
    LEAF("model_namespace", STRING, ONE, REFUSED, as_parent),
};
static const struct config_message step = MESSAGE(step_fields);
static const struct config_field ensemble_fields[] = {
    ROW("step", MESSAGE, REPEATED, REFUSED, as_parent, .message = &step),
    LEAF("max_inflight_requests", UINT32, ONE, REFUSED, as_parent),
};
static const struct config_message ensemble = MESSAGE(ensemble_fields);

/* instance_group */

static const struct config_field resource_fields[] = {
    LEAF("name", STRING, ONE, IGNORED, as_parent),
    LEAF("global", BOOL, ONE, IGNORED, as_parent),
    LEAF("count", UINT32, ONE, IGNORED, as_parent),
};
static const struct config_message resource = MESSAGE(resource_fields);
static const struct config_field rate_limiter_fields[] = {
    ROW("resources", MESSAGE, REPEATED, IGNORED, as_parent, .message = &resource),
    LEAF("priority", UINT32, ONE, IGNORED, as_parent),
};
static const struct config_message rate_limiter = MESSAGE(rate_limiter_fields);
static const struct config_field secondary_device_fields[] = {
    ROW("kind", ENUM, ONE, IGNORED, as_parent, .choices = device_kinds),
    LEAF("device_id", INT64, ONE, IGNORED, as_parent),
};
static const struct config_message secondary_device = MESSAGE(secondary_device_fields);
static const struct config_field group_fields[] = {
    LEAF("name", STRING, ONE, HONOURED, "read; workers have no names"),
    ROW("kind", ENUM, ONE, HONOURED,
        "KIND_CPU, KIND_AUTO and KIND_MODEL are CPU workers; so is KIND_GPU, with a warning",
        IN(config_group, kind), .choices = config_kinds),
    ROW("count", INT32, ONE, HONOURED,
        "workers (default 1); groups are added up; roost.yaml's workers comes first",
        IN(config_group, count)),
    ROW("rate_limiter", MESSAGE, ONE, IGNORED, "what a tenant may use is decided by the policy",
        .message = &rate_limiter),
    LEAF("gpus", INT32, REPEATED, IGNORED, gpu_only),
    ROW("secondary_devices", MESSAGE, REPEATED, IGNORED, tensorrt_only,
        .message = &secondary_device),
    LEAF("profile", STRING, REPEATED, IGNORED, tensorrt_only),
    ROW("passive", BOOL, ONE, HONOURED, "a passive group has no workers",
        IN(config_group, passive)),
    LEAF("host_policy", STRING, ONE, IGNORED, "say cpus in roost.yaml instead"),
};
static const struct config_message group = MESSAGE(group_fields);

/* parameters, model_warmup and the small ones */

static const struct config_field parameter_fields[] = {
    ROW("string_value", STRING, ONE, HONOURED, "at most 511 bytes", .store = store_parameter_value),
};
static const struct config_message parameter = MESSAGE(parameter_fields);
static const struct config_field warm_input_fields[] = {
    ROW("data_type", ENUM, ONE, HONOURED, "must be the input's; absent: the input's",
        .choices = data_types, .store = store_warm_dtype),
    ROW("dims", INT64, REPEATED, HONOURED, "without the batch dimension; no variable ones",
        .store = store_warm_dim),
    ROW("zero_data", BOOL, ONE, HONOURED, "zeros; the value is not looked at",
        .store = store_warm_zero),
    ROW("random_data", BOOL, ONE, HONOURED, "random numbers; empty strings for TYPE_STRING",
        .store = store_warm_random),
    ROW("input_data_file", STRING, ONE, HONOURED, "a file below the directory warmup of the model",
        .store = store_warm_file),
};
static const struct config_message warm_input = MESSAGE(warm_input_fields);
static const struct config_field warmup_fields[] = {
    ROW("name", STRING, ONE, HONOURED, "for messages", IN(config_warmup, name)),
    ROW("batch_size", UINT32, ONE, HONOURED, "at least 1", IN(config_warmup, batch_size)),
    ROW("inputs", MESSAGE, MAP, HONOURED, "at most 16", .message = &warm_input,
        .open = open_warm_input),
    ROW("count", UINT32, ONE, HONOURED, "runs; 0 means 1", IN(config_warmup, count)),
};
static const struct config_message warmup = MESSAGE(warmup_fields);
static const struct config_field operations_fields[] = {
    LEAF("op_library_filename", STRING, REPEATED, REFUSED,
         "libraries of a model's own operators are not loaded"),
};
static const struct config_message operations = MESSAGE(operations_fields);
static const struct config_field transaction_fields[] = {
    LEAF("decoupled", BOOL, ONE, REFUSED, "every request gets exactly one answer"),
};
static const struct config_message transaction = MESSAGE(transaction_fields);
static const struct config_field agent_fields[] = {
    LEAF("name", STRING, ONE, REFUSED, as_parent),
    LEAF("parameters", STRING, MAP, REFUSED, as_parent),
};
static const struct config_message agent = MESSAGE(agent_fields);
static const struct config_field agents_fields[] = {
    ROW("agents", MESSAGE, REPEATED, REFUSED,
        "repository agents may change the files of a model, so that they cannot be left out",
        .message = &agent),
};
static const struct config_message agents = MESSAGE(agents_fields);
static const struct config_field cache_fields[] = {
    ROW("enable", BOOL, ONE, IGNORED, "there is no response cache",
        IN(model_config, response_cache)),
};
static const struct config_message response_cache = MESSAGE(cache_fields);
static const struct config_field metric_identifier_fields[] = {
    LEAF("family", STRING, ONE, IGNORED, as_parent),
};
static const struct config_message metric_identifier = MESSAGE(metric_identifier_fields);
static const struct config_field histogram_fields[] = {
    LEAF("buckets", FLOAT, REPEATED, IGNORED, as_parent),
};
static const struct config_message histogram = MESSAGE(histogram_fields);
static const struct config_field metric_control_fields[] = {
    ROW("metric_identifier", MESSAGE, ONE, IGNORED, as_parent, .message = &metric_identifier),
    ROW("histogram_options", MESSAGE, ONE, IGNORED, as_parent, .message = &histogram),
};
static const struct config_message metric_control = MESSAGE(metric_control_fields);
static const struct config_field metrics_fields[] = {
    ROW("metric_control", MESSAGE, REPEATED, IGNORED, "the buckets of the histograms are fixed",
        .message = &metric_control),
};
static const struct config_message metrics = MESSAGE(metrics_fields);

static const struct config_field model_fields[] = {
    ROW("name", STRING, ONE, HONOURED, "must be the name of the model's directory when given",
        IN(model_config, name)),
    ROW("platform", STRING, ONE, HONOURED, "onnxruntime_onnx or absent; anything else is refused",
        .store = store_platform),
    ROW("backend", STRING, ONE, HONOURED, "onnxruntime, fake or absent; anything else is refused",
        .store = store_backend),
    LEAF("runtime", STRING, ONE, IGNORED, "there is one ONNX Runtime for all models"),
    ROW("version_policy", MESSAGE, ONE, HONOURED, "one of its fields", .message = &version_policy),
    ROW("max_batch_size", INT32, ONE, HONOURED, "0: no batch dimension; absent: by the graph",
        .store = store_max_batch_size),
    ROW("input", MESSAGE, REPEATED, HONOURED,
        "all inputs or none (then from the graph); at most 64", .message = &input,
        .open = open_input, .close = close_tensor),
    ROW("output", MESSAGE, REPEATED, HONOURED,
        "outputs that are not listed are not offered; none: all of the graph; at most 64",
        .message = &output, .open = open_output, .close = close_tensor),
    ROW("batch_input", MESSAGE, REPEATED, REFUSED, ragged, .message = &batch_input),
    ROW("batch_output", MESSAGE, REPEATED, REFUSED, ragged, .message = &batch_output),
    ROW("optimization", MESSAGE, ONE, HONOURED, "read for its fields", .message = &optimization),
    ROW("dynamic_batching", MESSAGE, ONE, HONOURED,
        "joins requests where the model's measured curve says that it helps",
        .message = &dynamic_batching, .open = open_dynamic_batching,
        .close = close_dynamic_batching),
    ROW("sequence_batching", MESSAGE, ONE, REFUSED, "sequences are not supported",
        .message = &sequence),
    ROW("ensemble_scheduling", MESSAGE, ONE, REFUSED, "ensembles are not supported",
        .message = &ensemble),
    ROW("instance_group", MESSAGE, REPEATED, HONOURED, "workers; at most 8 groups",
        .message = &group, .open = open_group, .close = close_group),
    ROW("default_model_filename", STRING, ONE, HONOURED,
        "in the version's directory (default model.onnx)", .store = store_default_model_filename),
    LEAF("cc_model_filenames", STRING, MAP, IGNORED, gpu_only),
    LEAF("metric_tags", STRING, MAP, IGNORED, "metrics carry the labels model and version only"),
    ROW("parameters", MESSAGE, MAP, HONOURED, "see the parameters below; at most 64",
        .message = &parameter, .open = open_parameter, .close = close_parameter),
    ROW("model_warmup", MESSAGE, REPEATED, HONOURED,
        "run by the host before the model is ready; at most 8", .message = &warmup,
        .open = open_warmup, .close = close_warmup),
    ROW("model_operations", MESSAGE, ONE, HONOURED, "read for its field", .message = &operations),
    ROW("model_transaction_policy", MESSAGE, ONE, HONOURED, "read for its field",
        .message = &transaction),
    ROW("model_repository_agents", MESSAGE, ONE, HONOURED, "read for its field",
        .message = &agents),
    ROW("response_cache", MESSAGE, ONE, HONOURED, "read for its field", .message = &response_cache),
    ROW("model_metrics", MESSAGE, ONE, HONOURED, "read for its field", .message = &metrics),
};
const struct config_message config_model = MESSAGE(model_fields);

static const char own_memory[] = "the arena is always off, so that memory is given back";

const struct config_parameter_note config_parameter_notes[] = {
    {"intra_op_thread_count", STATUS_HONOURED,
     "threads of one worker (0: 1); roost.yaml's intra_op_threads comes first"},
    {"inter_op_thread_count", STATUS_IGNORED, "operators of one run are executed one by one"},
    {"execution_mode", STATUS_IGNORED, "operators of one run are executed one by one"},
    {"level", STATUS_IGNORED, "graphs are optimised fully, once, and kept in the cache"},
    {"enable_mem_arena", STATUS_IGNORED, own_memory},
    {"enable_mem_pattern", STATUS_IGNORED, own_memory},
    {"memory.enable_memory_arena_shrinkage", STATUS_IGNORED, own_memory},
    {"cudnn_conv_algo_search", STATUS_IGNORED, gpu_only},
    {"gpu_mem_limit", STATUS_IGNORED, gpu_only},
};
const size_t config_parameter_note_count = COUNT(config_parameter_notes);
