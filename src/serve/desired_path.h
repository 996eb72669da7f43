/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of desired: what a path of a model repository is. Blocks. */
#ifndef ROOST_SERVE_DESIRED_PATH_H
#define ROOST_SERVE_DESIRED_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

enum path_kind { PATH_NOTHING, PATH_DIRECTORY, PATH_MODEL_FILE, PATH_OTHER_FILE };

/* A model file is a regular file whose name ends in .onnx or .fake. Links are followed. */
enum path_kind path_kind(const char *path);
bool path_has_model_extension(const char *path);

/* Whether a reference to a model is a path, as roost.yaml tells it from a name: it has a '/' or a
 * model file's extension, or is "." or "..". */
bool path_is_path(const char *reference);

/* What stands behind the last '/' that is followed by something: "b/" of "a/b/". */
const char *path_base(const char *path);

/* "12" -> 12; 0 for anything else, also for "0" and "012", as in Triton. */
int64_t path_version(const char *name);

/* A directory with config.pbtxt or with a version that has a file in it; with `bare`, also one that
 * has a model file itself. */
bool path_is_model(const char *directory, bool bare);

/* A directory's entries, sorted, without hidden ones. */
struct path_list {
    char **names;
    size_t count;
};
enum roost_err path_list_read(struct path_list *list, const char *directory, struct detail *detail);
void path_list_fini(struct path_list *list);

#endif
