/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generator must know of a model, read from the server's answers: metadata, and where the
 * server offers it (Triton's extension) the configuration. Pure: texts in, structures out.
 *
 * Roost's own properties of a model, all of them optional:
 *
 *   roost.slo                     "p95 50 ms"
 *   roost.accuracy                of the tenant's top variant, in [0, 1]
 *   roost.variant.NAME.accuracy   of another variant
 *   roost.input.NAME.range        "0:1000": values from 0 to below 1000
 */
#ifndef ROOST_LOAD_MODEL_H
#define ROOST_LOAD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/strbuf.h"
#include "core/tensor.h"
#include "load/slo.h"

enum { LOAD_VARIANTS_MAX = 32, LOAD_NAME_BYTES_MAX = 256 };

/* Values of an input lie in [low, high). */
struct value_range {
    bool is_known;
    double low, high;
};

struct load_variant {
    char name[LOAD_NAME_BYTES_MAX];
    double accuracy;
};

struct load_model {
    char name[LOAD_NAME_BYTES_MAX];
    char version[LOAD_NAME_BYTES_MAX]; /* "": the server's choice */
    struct model_io io;
    int64_t max_batch_size; /* -1: the server did not say; 0: no batch dimension */
    bool is_batched;        /* the first dimension of every input is the batch's */
    struct value_range ranges[MODEL_TENSORS_MAX];
    struct slo slo;
    double accuracy; /* NAN: not known */
    unsigned variant_count;
    struct load_variant variants[LOAD_VARIANTS_MAX];
};

/* Reads the body of GET /v2/models/NAME. INVALID names the field. *model is filled anew, name and
 * version included. */
enum roost_err load_model_parse(const char *name, const char *version, const char *json,
                                size_t length, struct load_model *model, struct detail *detail);

/* Adds what GET .../config says: max_batch_size. */
enum roost_err load_model_parse_config(const char *json, size_t length, struct load_model *model,
                                       struct detail *detail);

/* Appends "/v2/models/NAME[/versions/VERSION]TAIL", escaped. No version: NULL or "". */
void load_model_path(const char *name, const char *version, const char *tail, struct strbuf *out);

/* "0:1000" */
enum roost_err value_range_parse(const char *text, struct value_range *range,
                                 struct detail *detail);

/* "3x224x224" */
enum roost_err shape_parse_text(const char *text, struct shape *shape, struct detail *detail);

/* The names, each once, of the models that POST /v2/repository/index calls READY. *names is the
 * caller's (free), one block. */
enum { LOAD_MODELS_MAX = 1024 };
struct load_index {
    size_t count;
    char names[LOAD_MODELS_MAX][LOAD_NAME_BYTES_MAX];
};
enum roost_err load_index_parse(const char *json, size_t length, struct load_index *index,
                                struct detail *detail);

/* The accuracy of the variant that answered, from the JSON part of an answer: the parameters
 * "roost_accuracy" or "roost_variant"; else that of the model. NAN when not known. */
float load_model_accuracy(const struct load_model *model, const char *json, size_t length);

#endif
