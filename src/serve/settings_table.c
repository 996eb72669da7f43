/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/settings_table.h"

#include "base/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KIB          1024.0
#define MIB          (1024.0 * KIB)
#define GIB          (1024.0 * MIB)
#define MS           ((double)NS_PER_MS)
#define S            ((double)NS_PER_S)
#define UNBOUNDED    (-1.0) /* as a maximum below the minimum */

/* One key of a table whose target is `struct OWNER`: type, kind, member, bounds, help. */
#define KEY(owner, key_, type_, kind_, member, low, high, text)                                    \
    {                                                                                              \
        .yaml = {.key = (key_),                                                                    \
                 .type = YAML_T_##type_,                                                           \
                 .minimum = (low),                                                                 \
                 .maximum = (high),                                                                \
                 .help = (text)},                                                                  \
        .kind = KEY_##kind_, .offset = offsetof(struct owner, member)                              \
    }
#define CHOICE(owner, key_, kind_, member, choices_, text)                                         \
    {                                                                                              \
        .yaml = {.key = (key_), .type = YAML_T_ENUM, .choices = (choices_), .help = (text)},       \
        .kind = KEY_##kind_, .offset = offsetof(struct owner, member)                              \
    }
#define READ(key_, read_, form_, text)                                                             \
    {                                                                                              \
        .yaml = {.key = (key_), .type = YAML_T_NODE, .help = (text)}, .kind = KEY_READ,            \
        .read = (read_), .form = (form_)                                                           \
    }

static const char *const control_modes[] = {"none", "poll", "explicit", NULL};
static const char *const shed_modes[] = {"deadline", "slo", "never", NULL};
static const char *const batch_modes[] = {"auto", "on", "off", NULL};
static const char *const engines[] = {"onnxruntime", "fake", NULL};
static const char *const layouts[] = {"keep", "nchw_to_nhwc", "nhwc_to_nchw", NULL};

static const struct settings_key server_keys[] = {
    KEY(settings, "host", STRING, TEXT, host, 0, 0, "address to listen on; absent: all addresses"),
    KEY(settings, "http_port", INT, UNSIGNED, http_port, 0, 65535,
        "port of inference, health and metrics; 0: any free one"),
    READ("metrics_port", read_metrics_port, "an integer between 0 and 65535",
         "port of metrics alone; 0 or absent: on http_port only"),
    KEY(settings, "control_socket", STRING, PATH, control_socket, 0, 0,
        "Unix socket for Roost's own management; absent: none"),
    READ("repositories", read_repositories, "a path or a list of paths",
         "model repositories: directories of models, one model's directory, or one model file"),
    CHOICE(settings, "control_mode", ENUM, control_mode, control_modes,
           "none: models of the start; poll: changes of the repositories are followed; explicit: "
           "tenants below, load_models and what the API loads"),
    KEY(settings, "poll_interval", DURATION, UINT64, poll_interval_ns, 100 * MS, 86400 * S,
        "how often poll looks"),
    READ("load_models", read_load_models, "a name or a list of names, or \"*\"",
         "models to load at the start with control_mode: explicit"),
    KEY(settings, "repository_api", BOOL, FLAG, repository_api, 0, 0,
        "load and unload over the inference port"),
    KEY(settings, "cache_directory", STRING, PATH, cache_directory, 0, 0,
        "where optimised models are kept; absent: the user's cache directory"),
    KEY(settings, "cache_max", BYTES, UINT64, cache_bytes_max, 0, UNBOUNDED,
        "least recently used entries beyond it are removed; 0: no limit"),
    KEY(settings, "engine_library", STRING, MODEL, engine_library, 0, 0,
        "ONNX Runtime's shared library, which must be there; absent: looked for in the usual "
        "places"),
    KEY(settings, "sandbox", BOOL, FLAG, sandbox, 0, 0,
        "hosts give up network, privileges and other files"),
    KEY(settings, "knobs", BOOL, FLAG, knobs, 0, 0,
        "policies divide the node by control groups, scheduling and resctrl, where it can be; read "
        "at "
        "the start"),
    KEY(settings, "knob_root", STRING, PATH, knob_root, 0, 0,
        "a tree of plain files in place of the machine's, to try policies on; absent: the machine"),
    KEY(settings, "strict_readiness", BOOL, FLAG, strict_readiness, 0, 0,
        "ready only when every tenant is; false: when one is"),
    KEY(settings, "strict_config", BOOL, FLAG, strict_config, 0, 0,
        "refuse models whose config.pbtxt leaves out what the graph could tell"),
    KEY(settings, "grace", DURATION, UINT64, grace_ns, 0, 86400 * S,
        "time to finish requests after SIGTERM"),
    KEY(settings, "default_deadline", DURATION, UINT64, default_deadline_ns, MS, 86400 * S,
        "deadline of requests of tenants that have no SLO and no deadline"),
    KEY(settings, "hang_after", DURATION, UINT64, hang_after_ns, 10 * MS, 86400 * S,
        "a run that takes longer than this, and than 20 times what such runs have taken, is a hung "
        "host, which is replaced"),
    KEY(settings, "load_timeout", DURATION, UINT64, load_timeout_ns, 100 * MS, 86400 * S,
        "longest time for a process to load and warm up its model, or to optimise it; then it is "
        "ended, and its start has failed"),
    KEY(settings, "memory_reserve", BYTES, UINT64, memory_reserve_bytes, 0, UNBOUNDED,
        "memory that is never given to models"),
    KEY(settings, "policy", STRING, TEXT, policy, 0, 0,
        "who moves grants and variants, see `roost policy list`; absent or none: nobody"),
    READ("policy_options", read_policy_options, "a map of the policy's options",
         "options of the policy"),
    KEY(settings, "tick", DURATION, UINT64, tick_ns, 10 * MS, 3600 * S,
        "time between two decisions of the policy"),
    KEY(settings, "decision_log", STRING, PATH, decision_log, 0, 0,
        "file that gets every view and plan, for `roost sim --replay`; absent: none"),
    KEY(settings, "decision_log_max", BYTES, UINT64, decision_log_bytes_max, MIB, UNBOUNDED,
        "size of that file and the one before it, together"),
    READ("limits", read_limits, "a map, see below", "limits of the HTTP server"),
};

static const struct settings_key limits_keys[] = {
    KEY(http_limits, "header_max", BYTES, SIZE, header_bytes_max, KIB, 16 * MIB,
        "request line and headers; 431 beyond"),
    KEY(http_limits, "body_max", BYTES, UINT64, body_bytes_max, KIB, UNBOUNDED,
        "a request's body; 413 beyond"),
    KEY(http_limits, "connections_max", INT, UNSIGNED, connections_max, 1, 1000000,
        "open connections; 503 beyond"),
    KEY(http_limits, "pipeline_max", INT, UNSIGNED, pipeline_max, 1, 10000,
        "requests read ahead per connection"),
    KEY(http_limits, "idle_timeout", DURATION, UINT64, idle_timeout_ns, MS, 86400 * S,
        "a connection without a request is closed"),
    KEY(http_limits, "header_timeout", DURATION, UINT64, header_timeout_ns, MS, 86400 * S,
        "from a request's first byte to the end of its headers; 408 beyond"),
    KEY(http_limits, "body_timeout", DURATION, UINT64, body_timeout_ns, MS, 86400 * S,
        "without a byte of the body; 408 beyond"),
    KEY(http_limits, "write_timeout", DURATION, UINT64, write_timeout_ns, MS, 86400 * S,
        "without the client taking a byte of the answer; the connection is closed"),
    KEY(http_limits, "write_max", BYTES, SIZE, write_bytes_max, MIB, UNBOUNDED,
        "unsent answers per connection; the connection is closed beyond"),
};

static const struct settings_key common_keys[] = {
    READ("slo", read_slo, "\"p95 120 ms\", or a map of percentile and latency",
         "the latency promise; \"none\" takes back that of defaults; absent: none"),
    KEY(tenant_settings, "deadline", DURATION, UINT64, deadline_ns, MS, 86400 * S,
        "work on a request is dropped then; absent: 4 times the SLO's time, or default_deadline"),
    CHOICE(tenant_settings, "shed", ENUM, shed, shed_modes,
           "refuse a request when its predicted wait exceeds its deadline, when it would miss the "
           "SLO, or never"),
    KEY(tenant_settings, "workers", INT, UNSIGNED, workers, 1, SETTINGS_WORKERS_MAX,
        "execution threads at the start; absent: instance_group of config.pbtxt, else 1"),
    KEY(tenant_settings, "workers_max", INT, UNSIGNED, workers_max, 1, SETTINGS_WORKERS_MAX,
        "the most that a policy may give; absent: as many as cores"),
    KEY(tenant_settings, "intra_op_threads", INT, UNSIGNED, intra_op_threads, 1, 64,
        "threads of one worker; absent: config.pbtxt, else 1"),
    KEY(tenant_settings, "memory_max", BYTES, UINT64, memory_bytes_max, MIB, UNBOUNDED,
        "memory of the tenant's host process; absent: no limit of its own"),
    KEY(tenant_settings, "input_memory", BYTES, UINT64, input_memory_bytes, MIB, UNBOUNDED,
        "memory for the inputs of requests that wait or run; 429 when it is full, 413 for what "
        "could never fit"),
    KEY(tenant_settings, "output_max", BYTES, UINT64, output_bytes_max, 4 * KIB, UNBOUNDED,
        "outputs of one batch"),
    KEY(tenant_settings, "queue_max", INT, UNSIGNED, queue_max, 1, 1000000,
        "requests that may wait; 429 beyond"),
    KEY(tenant_settings, "priority", INT, INT, priority, -100, 100,
        "across tenants, for the policies; higher is more important"),
    KEY(tenant_settings, "accuracy_floor", DOUBLE, DOUBLE, accuracy_floor, 0, 1,
        "no variant of a lower declared accuracy is chosen, but by hand; absent: none"),
    KEY(tenant_settings, "share", INT, UNSIGNED, share, 1, 1000000,
        "part of the cores, in relation to others', for policies with fixed shares"),
    KEY(tenant_settings, "split", BOOL, FLAG, split, 0, 0,
        "requests of more rows than the batch limit are split over workers instead of refused"),
    KEY(tenant_settings, "park", BOOL, FLAG, park, 0, 0,
        "the host may be stopped while there is no traffic"),
    KEY(tenant_settings, "park_after", DURATION, UINT64, park_after_ns, 10 * MS, UNBOUNDED,
        "time without a request after which it is"),
    CHOICE(tenant_settings, "batching", ENUM, batching, batch_modes,
           "auto: requests are joined when the model has a batch dimension and gains by it"),
    KEY(tenant_settings, "batch_max", INT, INT64, batch_max, 1, 1 << 20,
        "rows of one batch; absent: max_batch_size of config.pbtxt, or what the curve says"),
    READ("batch_delay", read_batch_delay, "a duration such as 2 ms",
         "longest wait for companions; absent: config.pbtxt, else as the SLO allows"),
    KEY(tenant_settings, "cpus", STRING, TEXT, cpus, 0, 0,
        "cores of the workers, such as \"0-3,8\"; absent: the policy's choice"),
    CHOICE(tenant_settings, "engine", CHOICE, engine, engines,
           "absent: by the extension of the model file"),
    KEY(tenant_settings, "engine_settings", STRING, TEXT, engine_settings, 0, 0,
        "statements over those of a fake model's file, \"key=value;key=value\", see [the fake "
        "engine](MODELS.md#the-fake-engine); ONNX Runtime has none"),
};

static const struct settings_key tenant_keys[] = {
    KEY(tenant_settings, "name", STRING, TEXT, name, 0, 0, "the name in the API; required"),
    KEY(tenant_settings, "model", STRING, MODEL, model, 0, 0,
        "a model of a repository by its name, or a path; absent: the model of the tenant's name, "
        "or the first variant's"),
    READ("variants", read_variants, "a list of maps, see below",
         "models that do the tenant's task, the best first; absent: the model alone"),
};

static const struct settings_key variant_keys[] = {
    KEY(variant_settings, "name", STRING, TEXT, name, 0, 0,
        "absent: the last part of model, without its extension"),
    KEY(variant_settings, "model", STRING, MODEL, model, 0, 0,
        "a model of a repository by its name, or a path; absent: the tenant's own"),
    KEY(variant_settings, "accuracy", DOUBLE, DOUBLE, accuracy, 0, 1,
        "declared accuracy, a fraction such as 0.761; absent: effective accuracy is n/a"),
    KEY(variant_settings, "mflops", DOUBLE, DOUBLE, mflops, 0, 1e12,
        "declared cost of one row in millions of floating-point operations"),
    READ("adapter", read_adapter, "a map, see below",
         "for a variant whose graph differs from the tenant's signature"),
};

static const struct settings_key adapter_keys[] = {
    READ("resize", read_resize, "a list of height and width",
         "image size that the variant wants, scaled bilinearly"),
    READ("normalise", read_normalise, "a map of mean and either scale or std, lists per channel",
         "(x - mean) * scale, or / std, per channel"),
    CHOICE(adapter_settings, "layout", ENUM, layout, layouts,
           "from the tenant's layout to the variant's"),
    READ("input_name", read_input_name, "a text",
         "the variant's input for the tenant's first one; absent: its first"),
    READ("output_name", read_output_name, "a text",
         "the variant's output for the tenant's first one; absent: its first"),
    READ("output_map", read_output_map, "drop_first or a path",
         "classes: drop_first turns 1,001 into 1,000; a file has one source index per line"),
};

const struct settings_table settings_server_table = {"server", "The server as a whole.",
                                                     server_keys, COUNT(server_keys)};
const struct settings_table settings_limits_table = {"server.limits", "Bounds of the HTTP server.",
                                                     limits_keys, COUNT(limits_keys)};
const struct settings_table settings_common_table = {
    "defaults and tenants[]",
    "Keys of a tenant. Under `defaults` they hold for every tenant, also for models of the "
    "repositories that have no entry under `tenants`.",
    common_keys, COUNT(common_keys)};
const struct settings_table settings_tenant_table = {"tenants[]", "Keys that only a tenant has.",
                                                     tenant_keys, COUNT(tenant_keys)};
const struct settings_table settings_variant_table = {"tenants[].variants[]",
                                                      "One model file that does the tenant's task.",
                                                      variant_keys, COUNT(variant_keys)};
const struct settings_table settings_adapter_table = {
    "tenants[].variants[].adapter", "Nodes put around a variant's graph when it is loaded.",
    adapter_keys, COUNT(adapter_keys)};
