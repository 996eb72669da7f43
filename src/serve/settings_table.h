/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of settings: the tables of roost.yaml's keys, from which reading, copying, comparing and
 * docs/roost.yaml.md are made.
 */
#ifndef ROOST_SERVE_SETTINGS_TABLE_H
#define ROOST_SERVE_SETTINGS_TABLE_H

#include "serve/settings.h"

enum settings_kind {
    KEY_TEXT,   /* char *, owned */
    KEY_PATH,   /* char *, owned; relative ones are taken from the file's directory */
    KEY_MODEL,  /* char *, owned; a path when it has a '/' or a model's extension, else a name */
    KEY_CHOICE, /* char *, owned; one of the choices */
    KEY_FLAG,   /* bool */
    KEY_UNSIGNED,
    KEY_INT,
    KEY_INT64,
    KEY_UINT64,
    KEY_SIZE, /* size_t */
    KEY_DOUBLE,
    KEY_ENUM, /* an enum, index of the choices */
    KEY_READ, /* by `read`, which gets the whole target */
};

struct settings_reader {
    struct yaml_errors *errors;
    const char *directory; /* of the file, "" when there is none */
    bool no_memory;
};

struct settings_key {
    struct yaml_field yaml; /* its offset is not used */
    enum settings_kind kind;
    size_t offset;
    void (*read)(struct settings_reader *reader, const struct yaml_node *node, void *target);
    const char *form; /* (optional) for the docs: what a value looks like */
};

struct settings_table {
    const char *name;  /* for the docs: "server", "tenants[].variants[]" */
    const char *about; /* for the docs: one sentence */
    const struct settings_key *keys;
    size_t count;
};

extern const struct settings_table settings_server_table;  /* target: struct settings */
extern const struct settings_table settings_limits_table;  /* target: struct http_limits */
extern const struct settings_table settings_common_table;  /* target: struct tenant_settings */
extern const struct settings_table settings_tenant_table;  /* the same; what defaults cannot have */
extern const struct settings_table settings_variant_table; /* target: struct variant_settings */
extern const struct settings_table settings_adapter_table; /* target: struct adapter_settings */

/* The keys that are read by hand. */
void read_repositories(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_load_models(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_policy_options(struct settings_reader *reader, const struct yaml_node *node,
                         void *target);
void read_metrics_port(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_limits(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_slo(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_batch_delay(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_variants(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_adapter(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_resize(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_normalise(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_input_name(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_output_name(struct settings_reader *reader, const struct yaml_node *node, void *target);
void read_output_map(struct settings_reader *reader, const struct yaml_node *node, void *target);

enum { SETTINGS_KEYS_MAX = 64 };

/* Reads a map by up to two tables for one target. Keys that are not there leave it as it is. */
void settings_read_map(struct settings_reader *reader, const struct yaml_node *node,
                       const struct settings_table *table, const struct settings_table *more,
                       void *target);

/* An owned copy, with the file's directory before it when it is relative. */
char *settings_path(struct settings_reader *reader, const char *text);
char *settings_model(struct settings_reader *reader, const char *text);
char *settings_text(struct settings_reader *reader, const char *text);

/* Frees a variant's texts, or a tenant's, as its tables list them. */
void settings_texts_free(const struct settings_table *table, void *target);
/* Replaces the pointers to texts by copies; false when memory is short (all is freed or NULL). */
bool settings_texts_copy(const struct settings_table *table, void *target);
bool settings_keys_equal(const struct settings_table *table, const void *a, const void *b);

#endif
