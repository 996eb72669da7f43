/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Open Inference Protocol's messages, as bytes in and bytes out: JSON and the binary tensor
 * extension.
 *
 * Pure: no sockets, no clock, no global state; any thread. What comes from a client is checked
 * against the model; every refusal names the field ("inputs[1].shape[0]: ..."). The HTTP routes
 * live in serve/, which feeds whole bodies in here. gRPC fills the same structures.
 */
#ifndef ROOST_NET_OIP_H
#define ROOST_NET_OIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/strbuf.h"
#include "core/tensor.h"

enum {
    OIP_ID_BYTES_MAX = 256, /* with the terminating NUL */
    OIP_PARAMETERS_MAX = 32,
    OIP_PARAMETER_BYTES_MAX = 16 * 1024, /* keys and texts of all custom parameters together */
};

/* What the codec must know of a model. Shapes are as the API shows them: with the batch dimension
 * (-1) first when max_batch_size > 0. */
struct oip_model {
    const char *name;
    const char *version;    /* decimal */
    int64_t max_batch_size; /* 0: the model has no batch dimension */
    const struct model_io *io;
    /* (optional) per output: a NULL-terminated table of labels, or NULL */
    const char *const *const *labels;
};

/* One custom parameter, as sent. */
struct oip_parameter {
    const char *key;
    enum { OIP_STRING, OIP_INT, OIP_DOUBLE, OIP_BOOL } type;
    union {
        const char *text;
        int64_t integer;
        double number;
        bool boolean;
    };
};

struct oip_output_request {
    bool wanted;
    bool binary;
    uint32_t classification; /* 0: none */
};

/* A parsed request. Input tensors point either into the body (binary, without copy) or into
 * memory from `allocate`; a tensor of zero bytes points to neither. */
struct oip_request {
    char id[OIP_ID_BYTES_MAX];
    bool has_id;
    uint64_t priority;   /* 0: default; 1 is the highest */
    uint64_t timeout_us; /* 0: none; small enough to be taken times 1000 */
    uint64_t rows;       /* of the batch dimension, 1 without one */
    /* In the model's order; data == NULL: absent and optional. */
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct oip_output_request outputs[MODEL_TENSORS_MAX]; /* in the model's order */
    unsigned output_order[MODEL_TENSORS_MAX];             /* the order in which to answer */
    unsigned outputs_wanted;
    unsigned parameter_count;
    struct oip_parameter parameters[OIP_PARAMETERS_MAX]; /* what the protocol does not reserve */
    void *keep; /* the texts of `parameters`; freed by oip_request_fini */
};

/* Gives `bytes` > 0 of raw memory (64-byte aligned) for a tensor that cannot stay in the body.
 * OVERLOADED when there is no room now, TOO_LARGE when there never is, with the reason. What was
 * given stays the caller's, after failures too. */
typedef enum roost_err oip_allocate_fn(void *user, size_t bytes, void **memory,
                                       struct detail *detail);

struct oip_body {
    const void *data;
    size_t bytes;
    bool has_header_length; /* Inference-Header-Content-Length was sent */
    uint64_t header_length; /* its value: 0 means raw binary body */
};

/*
 * Parses and checks an inference request. INVALID (400) with the field named; what `allocate` says
 * (OVERLOADED, TOO_LARGE); UNSUPPORTED for shared memory; NO_MEMORY. Accepts what docs/PROTOCOL.md
 * says: JSON data flat or nested for every type but FP16 and BF16, BYTES as JSON strings, binary
 * blobs, raw single-input bodies, binary_data_output, classification, priority, timeout. Rows are
 * the same over all inputs when batched; a request of more rows than max_batch_size is refused
 * with INVALID unless `split_allowed`.
 *
 * The body must outlive the request's tensors, not its texts. A blob stays in the body when it is
 * aligned to its element size there, so a caller that places body.data such that data +
 * header_length is 64-byte aligned gets the first blob without a copy. oip_request_fini is safe
 * after a failure, and `model` is used by the call only.
 */
enum roost_err oip_parse_infer(const struct oip_model *model, const struct oip_body *body,
                               bool split_allowed, oip_allocate_fn *allocate, void *user,
                               struct oip_request *request, struct detail *detail);
void oip_request_fini(struct oip_request *request);

/* Value of a header that must be a decimal length; INVALID otherwise. */
enum roost_err oip_parse_length(const char *text, uint64_t *length, struct detail *detail);

struct oip_response_parameter {
    const char *key, *text;
};

/* An answer: the JSON head, followed by the binary parts in order. `request` says which outputs
 * are wanted and how. */
struct oip_response {
    const struct oip_model *model;
    const struct oip_request *request;
    const struct tensor *outputs;                    /* the model's order */
    const struct oip_response_parameter *parameters; /* (optional) response level */
    size_t parameter_count;
};

struct oip_part {
    const void *data;
    size_t bytes;
};

/*
 * Appends the JSON part to `head`, which must be empty; parts[], of MODEL_TENSORS_MAX, receives the
 * binary blobs that are not empty. *header_length is 0 when there is none (no
 * Inference-Header-Content-Length then), else the head's length. Parts point to the tensors' own
 * data or into `scratch`, which holds blobs made here (classification) and may not change while
 * they are used. INVALID when the client asked for JSON and JSON cannot carry the output (FP16,
 * BYTES that are not UTF-8): asking for binary data helps. INTERNAL when an output's bytes
 * disagree with its shape; NO_MEMORY.
 */
enum roost_err oip_write_infer(const struct oip_response *response, struct strbuf *head,
                               struct strbuf *scratch, struct oip_part *parts, size_t *part_count,
                               size_t *header_length, struct detail *detail);

/* What a model says of itself, for people. */
struct oip_property {
    const char *key, *value;
};

/* Other messages. A model without properties has no such member. */
void oip_write_server_metadata(struct strbuf *out, const char *name, const char *version,
                               const char *const *extensions, size_t extension_count);
void oip_write_model_metadata(struct strbuf *out, const struct oip_model *model,
                              const char *platform, const char *const *versions,
                              size_t version_count, const struct oip_property *properties,
                              size_t property_count);
void oip_write_error(struct strbuf *out, const char *text); /* {"error": text} */

/* Statistics of one model version, in Triton's shape; every key is always there. */
struct oip_duration {
    uint64_t count, ns;
};
struct oip_batch_statistics {
    uint64_t batch_size;
    struct oip_duration compute_input, compute_infer, compute_output;
};
struct oip_statistics {
    const char *name, *version;
    uint64_t last_inference_ms;
    uint64_t inference_count, execution_count;
    struct oip_duration success, fail, queue, compute_input, compute_infer, compute_output;
    struct oip_duration cache_hit, cache_miss;
    const struct oip_batch_statistics *batches;
    size_t batch_count;
    uint64_t memory_bytes; /* host's resident memory, CPU */
};
void oip_write_statistics(struct strbuf *out, const struct oip_statistics *models, size_t count);

#endif
