/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of desired: which models lie in a repository or at a path, and which file of a model is
 * which version. Looks at names and sizes of files only, and at config.pbtxt. Blocks.
 */
#ifndef ROOST_SERVE_DESIRED_CATALOG_H
#define ROOST_SERVE_DESIRED_CATALOG_H

#include <sys/types.h>

#include "base/file.h"
#include "serve/model_config.h"

struct catalog_model {
    char *name;
    char *directory; /* of the model: config.pbtxt, versions, labels */
    char *file;      /* a bare model file in `directory`; NULL: versions of the directory */
    bool named;      /* a config's name must be the directory's, which is `name` */
    char *twin;      /* where there is another model of this name; NULL: nowhere */
    bool used;       /* by a tenant of another name */
    dev_t device;
    ino_t inode; /* of the file or directory */
};

struct catalog {
    struct catalog_model *models;
    size_t count, capacity;
};

enum { CATALOG_MODELS_MAX = 4096, CATALOG_FILES_MAX = 10000 };

void catalog_init(struct catalog *catalog);
void catalog_fini(struct catalog *catalog);

/* Adds a repository's models. NOT_FOUND, PERMISSION or IO when it cannot be read, INVALID when it
 * is a file but no model, TOO_LARGE beyond CATALOG_MODELS_MAX. Pointers into `models` move. */
enum roost_err catalog_scan(struct catalog *catalog, const char *repository, struct detail *detail);
/* Scans a path into an empty catalog that then holds exactly one model: of a file, a model's
 * directory, or a directory with one model in it. NOT_FOUND when there is none, INVALID when there
 * are several. Its config may have any name. */
enum roost_err catalog_scan_one(struct catalog *catalog, const char *path, struct detail *detail);
struct catalog_model *catalog_find(const struct catalog *catalog, const char *name);

/* The versions of a model by its config's policy, ascending: *numbers is the caller's (free).
 * NOT_FOUND when there is none, or when one that the policy lists is missing. */
enum roost_err catalog_versions(const struct catalog_model *model,
                                const struct model_config *config, int64_t **numbers, size_t *count,
                                struct detail *detail);
/* The file of a version: default_model_filename, else model.onnx, else model.fake, else the only
 * model file there; in a directory of that name, the file in it. */
enum roost_err catalog_file(const struct catalog_model *model, const struct model_config *config,
                            int64_t version, char path[FILE_PATH_BYTES_MAX], struct detail *detail);

/* A stamp of bytes (FNV-1a), to go on with `stamp`; STAMP_BEGIN at first. */
#define STAMP_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t catalog_stamp_bytes(uint64_t stamp, const void *bytes, size_t length);
/* Identities of a model file and of all that may be its external data, or of a directory's files,
 * or of one file; 0 when there is nothing. */
uint64_t catalog_stamp_model(const struct catalog_model *model, const char *path);
uint64_t catalog_stamp_directory(const char *path);
uint64_t catalog_stamp_file(const char *path);

#endif
