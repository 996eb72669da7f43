/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state: what should be served, from roost.yaml, model repositories and what the API
 * asked to load. Built anew each time (start, SIGHUP, poll, load, unload); the supervisor compares
 * it with what runs and applies the difference. Reads directories and config files, never a model.
 * Blocks; any thread.
 *
 * A repository is a directory of models (`name/config.pbtxt`, `name/1/model.onnx`), or a directory
 * with one model's versions, or with bare `.onnx` files, or one `.onnx` file (or `.fake` files of
 * the fake engine). A model that a tenant of roost.yaml uses under another name, as its model or as
 * a variant, is not served under its own name as well.
 */
#ifndef ROOST_SERVE_DESIRED_H
#define ROOST_SERVE_DESIRED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "serve/model_config.h"
#include "serve/settings.h"

struct desired_variant {
    char name[CONFIG_NAME_BYTES_MAX];
    char model_path[FILE_PATH_BYTES_MAX];      /* the file */
    char model_directory[FILE_PATH_BYTES_MAX]; /* the model's directory: labels, warm-up data */
    double accuracy, mflops;                   /* < 0: not declared */
    struct adapter_settings adapter;
    /* Changes when the file's identity (inode, size, mtime) or that of a file beside it that may be
     * its external data changes. */
    uint64_t stamp;
};

struct desired_version {
    int64_t number;
    unsigned variant_count;           /* only the default (highest) version has more than one */
    struct desired_variant *variants; /* as roost.yaml lists them: best first */
};

struct desired_tenant {
    char name[CONFIG_NAME_BYTES_MAX];
    bool wanted;        /* should be served; false: known, but not loaded (explicit mode, unload) */
    bool asked;         /* there only because a load request names it */
    enum roost_err err; /* not OK: cannot be served, and `reason` says why; others go on */
    struct detail reason;
    struct tenant_settings settings; /* merged with defaults; owned */
    struct model_config config; /* as written, named as the tenant; completed by the supervisor */
    uint64_t config_stamp; /* of the config's text, its override, and label and warm-up files */
    unsigned version_count;
    struct desired_version *versions; /* ascending by number, chosen by version_policy */
};

struct desired {
    unsigned tenant_count;
    struct desired_tenant *tenants; /* sorted by name */
};

/* What the API loaded or unloaded explicitly, and config overrides given with a load. A later
 * request for a name replaces an earlier one. */
struct load_request {
    char name[CONFIG_NAME_BYTES_MAX];
    bool wanted;
    char *config_json; /* (optional) takes the place of config.pbtxt */
};

/* Builds the desired state. A model's mistakes make that tenant `err`; a repository that cannot be
 * read at all is NOT_FOUND or PERMISSION for the whole. A tenant of roost.yaml or a wanted request
 * whose model is nowhere is a tenant with err NOT_FOUND. On OK *desired is the caller's. */
enum roost_err desired_build(const struct settings *settings, const struct load_request *requests,
                             size_t request_count, struct desired **desired, struct detail *detail);
void desired_free(struct desired *desired);
const struct desired_tenant *desired_find(const struct desired *desired, const char *name);

#endif
