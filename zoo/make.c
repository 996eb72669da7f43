/* SPDX-License-Identifier: Apache-2.0 */
/* A model's directory: what is in it, when it is up to date, and how it takes its place. */
#include "zoo/zoo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"
#include "base/strbuf.h"
#include "zoo/models.h"
#include "zoo/onnx_write.h"

enum { STAMP_BYTES_MAX = 4096, NAMES_MAX = 64 };

/* One zoo_make on its way. */
struct making {
    const struct zoo_request *request;
    const struct zoo_recipe *recipe;
    struct onnx_graph graph;
    struct graph_files files;
    struct strbuf stamp;
    char target[FILE_PATH_BYTES_MAX];
    char staging[FILE_PATH_BYTES_MAX];
};

static enum roost_err path_make(char out[FILE_PATH_BYTES_MAX], const char *directory,
                                const char *name, struct detail *detail)
{
    if (path_join(out, FILE_PATH_BYTES_MAX, directory, name))
        return ROOST_OK;
    return detail_set(detail, ROOST_INVALID, "%s/%s: the path is too long", directory, name);
}

static enum roost_err text_write(const char *directory, const char *name, struct strbuf *text,
                                 struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    enum roost_err err = path_make(path, directory, name, detail);
    if (err == ROOST_OK && text->failed)
        err = detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for its text", path);
    if (err == ROOST_OK)
        err = file_write_atomic(path, strbuf_text(text), text->length, detail);
    strbuf_fini(text);
    return err;
}

static const char *config_type(int32_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ? "TYPE_INT64" : "TYPE_FP32";
}

/* One input or output; the batch dimension is left out, as max_batch_size has it. */
static void config_tensor(struct strbuf *text, const Onnx__ValueInfoProto *info, const char *extra)
{
    const Onnx__TypeProto__Tensor *type = info->type->tensor_type;
    strbuf_printf(text, "  {\n    name: \"%s\"\n    data_type: %s\n", info->name,
                  config_type(type->elem_type));
    strbuf_puts(text, extra);
    strbuf_puts(text, "    dims: [ ");
    for (size_t i = 1; i < type->shape->n_dim; i++)
        strbuf_printf(text, "%s%lld", i > 1 ? ", " : "", (long long)type->shape->dim[i]->dim_value);
    strbuf_puts(text, " ]\n  }");
}

static void config_tensors(struct strbuf *text, const char *field,
                           Onnx__ValueInfoProto *const *infos, size_t count, const char *extra)
{
    strbuf_printf(text, "%s [\n", field);
    for (size_t i = 0; i < count; i++) {
        config_tensor(text, infos[i], extra);
        strbuf_puts(text, i + 1 < count ? ",\n" : "\n");
    }
    strbuf_puts(text, "]\n");
}

/* The ranges of indices: clients see a model's configuration, but not the metadata of its graph. */
static void config_ranges(struct strbuf *text, const Onnx__ModelProto *proto)
{
    for (size_t i = 0; i < proto->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = proto->metadata_props[i];
        if (strncmp(entry->key, "roost.input.", strlen("roost.input.")) == 0)
            strbuf_printf(text,
                          "parameters {\n  key: \"%s\"\n  value { string_value: \"%s\" }\n}\n",
                          entry->key, entry->value);
    }
}

static enum roost_err config_write(const struct making *making, struct detail *detail)
{
    const struct zoo_model *model = &making->recipe->model;
    const Onnx__ModelProto *proto = &making->graph.model;
    bool images = model->kind == ZOO_CLASSIFIER;
    struct strbuf text;
    strbuf_init(&text);
    strbuf_printf(&text, "# %s.\n# Made by `roost zoo make`; the weights are random.\n",
                  model->summary);
    strbuf_printf(&text, "name: \"%s\"\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: %u\n",
                  model->name, model->max_batch_size);
    config_tensors(&text, "input", proto->graph->input, proto->graph->n_input,
                   images ? "    format: FORMAT_NCHW\n" : "");
    config_tensors(&text, "output", proto->graph->output, proto->graph->n_output,
                   images ? "    label_filename: \"labels.txt\"\n" : "");
    if (!images)
        strbuf_puts(&text, "dynamic_batching { }\n");
    config_ranges(&text, proto);
    return text_write(making->staging, "config.pbtxt", &text, detail);
}

static enum roost_err labels_write(const struct making *making, struct detail *detail)
{
    unsigned background = making->recipe->classes == 1001 ? 1 : 0;
    struct strbuf text;
    strbuf_init(&text);
    if (background > 0)
        strbuf_puts(&text, "background\n");
    for (unsigned i = background; i < making->recipe->classes; i++)
        strbuf_printf(&text, "class %u\n", i - background);
    return text_write(making->staging, "labels.txt", &text, detail);
}

static void progress_forward(void *context, uint64_t bytes_done)
{
    const struct making *making = context;
    making->request->progress(making->request->context, &making->recipe->model, bytes_done,
                              making->files.data_bytes + making->files.model_bytes);
}

static enum roost_err staging_fill(struct making *making, struct detail *detail)
{
    char version[FILE_PATH_BYTES_MAX];
    enum roost_err err = path_make(version, making->staging, "1", detail);
    if (err == ROOST_OK)
        err = file_make_directory(version, detail);
    if (err == ROOST_OK)
        err = graph_write(&making->graph, &making->files, version,
                          making->request->progress != NULL ? progress_forward : NULL, making,
                          detail);
    if (err == ROOST_OK)
        err = config_write(making, detail);
    if (err == ROOST_OK && making->recipe->classes > 0)
        err = labels_write(making, detail);
    if (err == ROOST_OK)
        err = text_write(making->staging, "zoo.stamp", &making->stamp, detail);
    return err;
}

/* Puts the finished directory into its place, and what was there before into the staging one's. */
static enum roost_err staging_place(const struct making *making, struct detail *detail)
{
    const char *from = making->staging, *to = making->target;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return ROOST_OK;
    if (errno == EEXIST && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0)
        return ROOST_OK;
    if (errno != EINVAL && errno != ENOSYS && errno != EEXIST)
        return errno_translate(errno, to, detail);
    /* A file system without these renames: for a moment there is no model. */
    enum roost_err err = file_remove_tree(to, detail);
    if (err == ROOST_OK && rename(from, to) != 0)
        err = errno_translate(errno, to, detail);
    return err;
}

static bool file_has_bytes(const struct making *making, const char *name, uint64_t bytes)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    if (!path_join(path, sizeof(path), making->target, name))
        return false;
    if (stat(path, &status) != 0)
        return bytes == 0;
    return S_ISREG(status.st_mode) && (uint64_t)status.st_size == bytes;
}

/* The stamp that lies in the target: NOT_FOUND when there is none. */
static enum roost_err stamp_read(const struct making *making, char **text, size_t *length)
{
    char path[FILE_PATH_BYTES_MAX];
    *text = NULL;
    if (!path_join(path, sizeof(path), making->target, "zoo.stamp"))
        return ROOST_NOT_FOUND;
    return file_read(path, STAMP_BYTES_MAX, text, length, NULL);
}

/* Decides what to do about the target; *fresh: it is up to date and stays. */
static enum roost_err target_check(const struct making *making, bool *fresh, struct detail *detail)
{
    *fresh = false;
    if (making->request->force || !file_exists(making->target))
        return ROOST_OK;
    char *text;
    size_t length;
    if (stamp_read(making, &text, &length) != ROOST_OK)
        return detail_set(detail, ROOST_EXISTS,
                          "%s: it is there and was not made by the zoo; move it away, choose "
                          "another directory, or use --force to replace it",
                          making->target);
    *fresh = strcmp(text, strbuf_text(&making->stamp)) == 0 &&
             file_has_bytes(making, "1/model.onnx", making->files.model_bytes) &&
             file_has_bytes(making, "1/model.onnx.data", making->files.data_bytes);
    free(text);
    return ROOST_OK;
}

/* What the files depend on. A classifier's do not depend on the scale. */
static void stamp_make(struct making *making)
{
    const struct zoo_model *model = &making->recipe->model;
    double scale = model->kind == ZOO_CLASSIFIER ? 1.0 : making->request->scale;
    strbuf_printf(&making->stamp, "generator %d\nmodel %s\nscale %.17g\nonnx %llu\ndata %llu\n",
                  ZOO_GENERATOR_VERSION, model->name, scale,
                  (unsigned long long)making->files.model_bytes,
                  (unsigned long long)making->files.data_bytes);
}

static enum roost_err target_make(struct making *making, bool *skipped, struct detail *detail)
{
    enum roost_err err = target_check(making, skipped, detail);
    if (err != ROOST_OK || *skipped)
        return err;
    err = file_remove_tree(making->staging, detail);
    if (err == ROOST_OK)
        err = staging_fill(making, detail);
    if (err == ROOST_OK)
        err = staging_place(making, detail);
    enum roost_err removed = file_remove_tree(making->staging, err == ROOST_OK ? detail : NULL);
    return err != ROOST_OK ? err : removed;
}

static enum roost_err model_unknown(const char *name, struct detail *detail)
{
    const char *names[NAMES_MAX];
    const struct zoo_model *model;
    size_t count = 0;
    while (count < NAMES_MAX && (model = zoo_at(count)) != NULL)
        names[count++] = model->name;
    const char *nearest = nearest_name(name, names, count);
    if (nearest != NULL)
        return detail_set(detail, ROOST_NOT_FOUND,
                          "no model \"%s\" in the zoo; do you mean \"%s\"?", name, nearest);
    return detail_set(detail, ROOST_NOT_FOUND, "no model \"%s\" in the zoo", name);
}

/* The lock is on the directory itself, so it leaves nothing behind. */
static enum roost_err directory_lock(const char *directory, int *fd, struct detail *detail)
{
    enum roost_err err = file_make_directory(directory, detail);
    if (err != ROOST_OK)
        return err;
    *fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return errno_translate(errno, directory, detail);
    int locked;
    do {
        locked = flock(*fd, LOCK_EX);
    } while (locked != 0 && errno == EINTR);
    return locked == 0 ? ROOST_OK : errno_translate(errno, directory, detail);
}

static enum roost_err making_prepare(struct making *making, struct detail *detail)
{
    const struct zoo_request *request = making->request;
    char name[FILE_PATH_BYTES_MAX];
    (void)snprintf(name, sizeof(name), ".%s.zoo", request->model);
    enum roost_err err = path_make(making->target, request->directory, request->model, detail);
    if (err == ROOST_OK)
        err = path_make(making->staging, request->directory, name, detail);
    if (err == ROOST_OK)
        err = zoo_build(making->recipe, request->scale, &making->graph, detail);
    if (err != ROOST_OK)
        return err;
    making->files = graph_place(&making->graph);
    stamp_make(making);
    return ROOST_OK;
}

enum roost_err zoo_make(const struct zoo_request *request, struct zoo_made *made,
                        struct detail *detail)
{
    const struct zoo_model *model = zoo_find(request->model);
    if (model == NULL)
        return model_unknown(request->model, detail);
    struct making making = {.request = request, .recipe = zoo_recipe_of(model)};
    strbuf_init(&making.stamp);
    int lock = -1;
    bool skipped = false;
    enum roost_err err = making_prepare(&making, detail);
    if (err == ROOST_OK)
        err = directory_lock(request->directory, &lock, detail);
    if (err == ROOST_OK)
        err = target_make(&making, &skipped, detail);
    uint64_t bytes = making.files.data_bytes + making.files.model_bytes;
    if (err == ROOST_OK && request->progress != NULL)
        request->progress(request->context, model, bytes, bytes);
    if (err == ROOST_OK && made != NULL) {
        *made = (struct zoo_made){.skipped = skipped, .bytes = bytes};
        memcpy(made->path, making.target, sizeof(made->path));
    }
    if (lock >= 0)
        (void)close(lock);
    strbuf_fini(&making.stamp);
    graph_fini(&making.graph);
    return err;
}
