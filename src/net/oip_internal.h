/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the Open Inference Protocol's reader share; for oip_*.c only. */
#ifndef ROOST_NET_OIP_INTERNAL_H
#define ROOST_NET_OIP_INTERNAL_H

#include "base/json.h"
#include "net/oip.h"

/* One request being read. */
struct oip_parse {
    const struct oip_model *model;
    struct oip_request *request;
    struct detail *detail;
    oip_allocate_fn *allocate;
    void *user;
    bool split_allowed;
    bool has_header_length;
    bool binary_data_output; /* what outputs are by default */
    const uint8_t *blobs;    /* the binary tensors not yet taken */
    size_t blob_bytes;       /* how much of them is left */
    size_t position;         /* of the input at hand, in the request's order */
    const char *rows_of;     /* the input that said how many rows there are, NULL before */
};

/* The member of an object; NULL when it is absent or null, which means the same. */
yyjson_val *oip_member(yyjson_val *object, const char *key);

/* True for an integer in [0, INT64_MAX]. */
bool oip_natural(yyjson_val *value, uint64_t *out);

/* "a string", "an array", ... */
const char *oip_kind(yyjson_val *value);

/* A client's text, made fit for a message: short, on one line. */
struct oip_quote {
    char text[72];
};
struct oip_quote oip_quote(yyjson_val *string);

/* A model's names for a message: "a", "b" (cut when there are many). */
struct oip_names {
    char text[200];
};
struct oip_names oip_names(const struct tensor_spec *specs, unsigned count);

/* Index of the spec with this name, or `count`. */
unsigned oip_find(const struct tensor_spec *specs, unsigned count, yyjson_val *name);

/* Memory for a tensor's data, or what `allocate` says against it; zero bytes need none. */
enum roost_err oip_tensor_allocate(struct oip_parse *parse, size_t bytes, struct tensor *tensor);

/* Fills tensor->data and ->bytes; its dtype and shape are known. */
enum roost_err oip_json_tensor(struct oip_parse *parse, yyjson_val *data, struct tensor *tensor);
enum roost_err oip_binary_tensor(struct oip_parse *parse, uint64_t bytes, struct tensor *tensor);

/* A whole body that is the model's only input. */
enum roost_err oip_raw_input(struct oip_parse *parse);

/* The parts of a request. `inputs` and `outputs` may be NULL. */
enum roost_err oip_parse_parameters(struct oip_parse *parse, yyjson_val *parameters);
enum roost_err oip_parse_inputs(struct oip_parse *parse, yyjson_val *inputs);
enum roost_err oip_parse_outputs(struct oip_parse *parse, yyjson_val *outputs);

/* Takes note of an input's rows: the same everywhere, and not too many. */
enum roost_err oip_check_rows(struct oip_parse *parse, const struct tensor_spec *spec,
                              const struct shape *shape);

/* The top `wanted` elements of every row, as "value:index[:label]" in the form of a BYTES tensor,
 * appended to `out`; `shape` becomes the result's. NO_MEMORY. */
enum roost_err oip_classify(const struct oip_model *model, unsigned output,
                            const struct tensor *tensor, uint32_t wanted, struct strbuf *out,
                            struct shape *shape);
/* Whether classification makes sense for the type. */
bool oip_classifies(enum dtype dtype);

#endif
