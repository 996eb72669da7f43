/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of model_config: the shape of the table that says what each field of Triton's ModelConfig
 * is, where it goes, and what Roost does with it.
 */
#ifndef ROOST_SERVE_MODEL_CONFIG_TABLE_H
#define ROOST_SERVE_MODEL_CONFIG_TABLE_H

#include "serve/model_config.h"
#include "serve/pbtxt.h"

enum field_type {
    FIELD_MESSAGE,
    FIELD_STRING,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_UINT32,
    FIELD_UINT64,
    FIELD_BOOL,
    FIELD_FLOAT, /* float and double */
    FIELD_ENUM,
};

enum field_label { FIELD_ONE, FIELD_REPEATED, FIELD_MAP /* by text */, FIELD_MAP_UINT64 };

enum field_status {
    STATUS_HONOURED,
    STATUS_IGNORED, /* a warning when it is there with a value other than the default */
    STATUS_REFUSED, /* UNSUPPORTED when it is there with a value other than the default */
};

struct config_reader;
struct config_message;

/* A scalar value, as its field's type wants it. */
struct config_value {
    int64_t integer;  /* FIELD_INT32, FIELD_INT64, FIELD_UINT32, FIELD_BOOL, FIELD_ENUM (index) */
    uint64_t natural; /* FIELD_UINT64 */
    double number;    /* FIELD_FLOAT */
    const char *text; /* FIELD_STRING; lives as long as the document */
};

struct config_field {
    const char *name;
    enum field_type type;
    enum field_label label;
    enum field_status status;
    const char *note; /* what is done with it, or why not; one sentence without a full stop */
    const struct config_message *message; /* FIELD_MESSAGE, or a map's values */
    const char *const *choices;           /* FIELD_ENUM: names by number, NULL-terminated */
    size_t offset, bytes;                 /* in the owner; bytes 0: see `store` */

    /* (optional) Puts a value where `owner` keeps it. INVALID through config_fail. */
    enum roost_err (*store)(struct config_reader *reader, const struct config_value *value,
                            void *owner);
    /* (optional) Gives the owner of a message's fields, a fresh one each time; none: the same one.
     * `key` is a map entry's, else NULL. Answers NULL after config_fail. */
    void *(*open)(struct config_reader *reader, void *owner, const char *key);
    /* (optional) Checks a message when all its fields are in. */
    enum roost_err (*close)(struct config_reader *reader, void *owner);
};

struct config_message {
    const struct config_field *fields;
    size_t count;
};

extern const struct config_message config_model; /* the root; its owner is a struct model_config */

/* Keys of `parameters`, which are those of Triton's ONNX Runtime backend. */
struct config_parameter_note {
    const char *key;
    enum field_status status;
    const char *note;
};
extern const struct config_parameter_note config_parameter_notes[];
extern const size_t config_parameter_note_count;

struct config_group {
    int kind; /* index of config_kinds */
    int64_t count;
    bool passive;
};

struct config_reader {
    struct model_config *config;
    struct detail *detail;
    enum roost_err err; /* of config_fail */
    bool json;
    bool quiet; /* inside of an ignored message */
    const struct pbtxt_node *node;
    char path[256];
    const struct config_field *warned; /* a list is warned about once */
    unsigned groups;
    struct config_group group;
    bool group_given;
    bool version_policy_given;
    bool warm_kind_given;
};

extern const char *const config_kinds[];

/* Sets the reason, with place and path of the current field; returns err. */
enum roost_err config_fail(struct config_reader *reader, enum roost_err err, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));
void config_warn(struct config_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The table's functions, in model_config_store.c. */
#define CONFIG_STORE(name)                                                                         \
    enum roost_err name(struct config_reader *reader, const struct config_value *value, void *owner)
#define CONFIG_OPEN(name)  void *name(struct config_reader *reader, void *owner, const char *key)
#define CONFIG_CLOSE(name) enum roost_err name(struct config_reader *reader, void *owner)
CONFIG_STORE(store_max_batch_size);
CONFIG_STORE(store_dim);
CONFIG_STORE(store_reshape_dim);
CONFIG_STORE(store_dtype);
CONFIG_STORE(store_format);
CONFIG_STORE(store_default_model_filename);
CONFIG_STORE(store_label_filename);
CONFIG_STORE(store_preferred);
CONFIG_STORE(store_version);
CONFIG_STORE(store_parameter_value);
CONFIG_STORE(store_warm_dtype);
CONFIG_STORE(store_warm_dim);
CONFIG_STORE(store_warm_zero);
CONFIG_STORE(store_warm_random);
CONFIG_STORE(store_warm_file);
CONFIG_STORE(store_platform);
CONFIG_STORE(store_backend);
CONFIG_OPEN(open_input);
CONFIG_OPEN(open_output);
CONFIG_OPEN(open_reshape);
CONFIG_OPEN(open_group);
CONFIG_OPEN(open_latest);
CONFIG_OPEN(open_all);
CONFIG_OPEN(open_specific);
CONFIG_OPEN(open_dynamic_batching);
CONFIG_OPEN(open_queue_policy);
CONFIG_OPEN(open_priority_policy);
CONFIG_OPEN(open_warmup);
CONFIG_OPEN(open_warm_input);
CONFIG_OPEN(open_parameter);
CONFIG_CLOSE(close_tensor);
CONFIG_CLOSE(close_group);
CONFIG_CLOSE(close_latest);
CONFIG_CLOSE(close_specific);
CONFIG_CLOSE(close_dynamic_batching);
CONFIG_CLOSE(close_warmup);
CONFIG_CLOSE(close_parameter);
CONFIG_CLOSE(close_model);

#endif
