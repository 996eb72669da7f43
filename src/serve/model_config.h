/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's config.pbtxt (Triton's ModelConfig in protobuf text form): parsed, checked, completed
 * from the graph, and written back as the JSON that clients read from /config. What Roost honours,
 * ignores (with a warning) or refuses is a table in model_config_table.c, from which the parser,
 * its warnings and docs/MODELS.md are made. Pure: text in, structures out; any thread.
 */
#ifndef ROOST_SERVE_MODEL_CONFIG_H
#define ROOST_SERVE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/strbuf.h"
#include "core/tensor.h"

enum { CONFIG_NAME_BYTES_MAX = 128, CONFIG_FILE_BYTES_MAX = 256, CONFIG_VERSIONS_MAX = 64 };
enum { CONFIG_GROUPS_MAX = 8, CONFIG_WARMUPS_MAX = 8, CONFIG_WARM_INPUTS_MAX = 16 };
enum { CONFIG_PREFERRED_MAX = 16, CONFIG_PARAMETERS_MAX = 64, CONFIG_PRIORITIES_MAX = 16 };
enum { CONFIG_WARNINGS_BYTES_MAX = 4096 };

struct config_tensor {
    char name[TENSOR_NAME_BYTES_MAX];
    enum dtype dtype;
    struct shape dims; /* as written: without the batch dimension when max_batch_size > 0 */
    bool has_reshape;
    struct shape reshape;                       /* what the graph wants instead of dims */
    bool optional;                              /* inputs */
    char label_filename[CONFIG_FILE_BYTES_MAX]; /* outputs; "": none */
    char format[16];                            /* "" or FORMAT_NCHW ...: kept for /config */
};

struct config_queue_policy {
    bool delay_on_timeout; /* timeout_action: DELAY instead of REJECT */
    uint64_t default_timeout_us;
    bool allow_timeout_override;
    uint32_t max_queue_size; /* 0: Roost's own bound */
};

struct config_warm_input {
    char name[TENSOR_NAME_BYTES_MAX];
    enum dtype dtype;
    struct shape dims;
    enum { WARM_ZERO, WARM_RANDOM, WARM_FILE } kind;
    char file[CONFIG_FILE_BYTES_MAX];
};
struct config_warmup {
    char name[CONFIG_NAME_BYTES_MAX];
    uint32_t batch_size, count; /* both at least 1 */
    unsigned input_count;
    struct config_warm_input inputs[CONFIG_WARM_INPUTS_MAX];
};

struct config_parameter {
    char key[128];
    char value[512];
};

struct config_priority {
    uint64_t level;
    struct config_queue_policy policy;
};

/* Of the arrays only the first *_count entries are ever written, so that an unused part of this
 * large structure costs no memory when it comes from calloc. */
struct model_config {
    char name[CONFIG_NAME_BYTES_MAX]; /* "" when the file does not say */
    char platform[64], backend[64];
    int64_t max_batch_size; /* -1: the file does not say */
    unsigned input_count, output_count;
    struct config_tensor inputs[MODEL_TENSORS_MAX];
    struct config_tensor outputs[MODEL_TENSORS_MAX];
    enum { VERSIONS_LATEST, VERSIONS_ALL, VERSIONS_SPECIFIC } version_policy;
    unsigned version_count; /* LATEST: how many; SPECIFIC: how many listed */
    int64_t versions[CONFIG_VERSIONS_MAX];
    unsigned instance_count;                            /* sum over groups; 0: not given */
    char default_model_filename[CONFIG_FILE_BYTES_MAX]; /* "" : model.onnx */
    bool dynamic_batching;
    unsigned preferred_count;
    int64_t preferred_batch_sizes[CONFIG_PREFERRED_MAX];
    uint64_t max_queue_delay_us;
    bool preserve_ordering; /* kept for /config */
    uint64_t priority_levels, default_priority_level;
    struct config_queue_policy queue_policy; /* default one */
    unsigned priority_policy_count;
    struct config_priority priority_policies[CONFIG_PRIORITIES_MAX];
    unsigned warmup_count;
    struct config_warmup warmups[CONFIG_WARMUPS_MAX];
    unsigned parameter_count;
    struct config_parameter parameters[CONFIG_PARAMETERS_MAX];
    unsigned intra_op_threads; /* from parameters "intra_op_thread_count"; 0: not given */
    bool response_cache;       /* asked for; ignored with a warning */
    /* One line per ignored field: "LINE: field: why" (without "LINE: " when it came as JSON). */
    char warnings[CONFIG_WARNINGS_BYTES_MAX];
};

void model_config_init(struct model_config *config); /* as if an empty file had been read */

/* Parses the text form; `config` need not be initialised. INVALID with line, column and field for
 * syntax errors, unknown fields and bad values ("line 3, column 12: input[0].dims: ...");
 * UNSUPPORTED with the reason for what Roost refuses (ensembles, sequences, Python and other
 * backends, decoupled models ...). */
enum roost_err model_config_parse(const char *text, size_t length, struct model_config *config,
                                  struct detail *detail);
/* The same from the JSON form (repository load with a `config` parameter), without place. */
enum roost_err model_config_parse_json(const char *text, size_t length, struct model_config *config,
                                       struct detail *detail);

/* INVALID, naming what is missing, unless the config says max_batch_size and name, type and dims of
 * inputs and outputs: what the setting strict_config asks for. */
enum roost_err model_config_require_full(const struct model_config *config, struct detail *detail);

/* Completes what the config leaves out from the loaded graph, and checks what it says against it.
 * When max_batch_size is not given: 0 unless every input's and output's first dimension is variable
 * and the dims that the config gives leave it out, in which case `default_max_batch_size`. A tensor
 * that is left with no dimension gets dims [1] and an empty reshape, as in Triton. INVALID names
 * the tensor and both shapes. */
enum roost_err model_config_complete(struct model_config *config, const struct model_io *io,
                                     int64_t default_max_batch_size, struct detail *detail);

/* After completion: the signature that the API shows (batch dimension -1 first when batched, config
 * dims, order of the config). For API input i, input_graph_index[i] is the graph's input number;
 * the same for outputs. */
struct model_signature {
    struct model_io io;
    int64_t max_batch_size;
    unsigned input_graph_index[MODEL_TENSORS_MAX];
    unsigned output_graph_index[MODEL_TENSORS_MAX];
};
void model_config_signature(const struct model_config *config, const struct model_io *graph,
                            struct model_signature *signature);

/* A concrete shape from the API's form to the graph's and back: the same but for `reshape`, whose
 * variable dimensions take the sizes of those of `dims` in order. False when the shape does not fit
 * the tensor's own (`batched`: the first dimension is the batch and stays). */
bool config_tensor_to_graph(const struct config_tensor *tensor, bool batched,
                            const struct shape *api, struct shape *graph);
bool config_tensor_to_api(const struct config_tensor *tensor, bool batched,
                          const struct shape *graph, struct shape *api);

/* ModelConfig as JSON, Triton's names, defaults printed, int64 as numbers. */
void model_config_write_json(const struct model_config *config, struct strbuf *out);

/* The table of all fields, in Markdown: what docs/MODELS.md holds. */
void model_config_write_doc(struct strbuf *out);

#endif
