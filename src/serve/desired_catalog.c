/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desired_catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/schedule.h"
#include "base/utf8.h"
#include "serve/desired_path.h"
#include "serve/pbtxt.h"

void catalog_init(struct catalog *catalog)
{
    *catalog = (struct catalog){0};
}

static void model_fini(struct catalog_model *model)
{
    free(model->name);
    free(model->directory);
    free(model->file);
    free(model->twin);
}

void catalog_fini(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        model_fini(&catalog->models[i]);
    free(catalog->models);
    catalog_init(catalog);
}

struct catalog_model *catalog_find(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->count; i++)
        if (strcmp(catalog->models[i].name, name) == 0)
            return &catalog->models[i];
    return NULL;
}

/* A name that the API can carry. */
static bool name_fits(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return strlen(name) < CONFIG_NAME_BYTES_MAX && utf8_valid(name, strlen(name));
}

/* Takes `name` of `length` bytes; the model at `directory` or, if given, the file in it. */
static enum roost_err catalog_add(struct catalog *catalog, const char *name, size_t length,
                                  const char *directory, const char *file, struct detail *detail)
{
    struct stat status;
    if (catalog->count == CATALOG_MODELS_MAX)
        return detail_set(detail, ROOST_TOO_LARGE, "%s: more than %d models", directory,
                          CATALOG_MODELS_MAX);
    if (catalog->count == catalog->capacity) {
        size_t capacity = catalog->capacity == 0 ? 16 : 2 * catalog->capacity;
        struct catalog_model *models = realloc(catalog->models, capacity * sizeof(*models));
        if (models == NULL)
            return detail_set(detail, ROOST_NO_MEMORY, "no memory for %zu models", capacity);
        catalog->models = models;
        catalog->capacity = capacity;
    }
    struct catalog_model model = {
        .name = strndup(name, length),
        .directory = strdup(directory),
        .file = file != NULL ? strdup(file) : NULL,
        .named = file == NULL,
    };
    if (model.name == NULL || model.directory == NULL || (file != NULL && model.file == NULL)) {
        model_fini(&model);
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the models of %s", directory);
    }
    if (stat(file != NULL ? file : directory, &status) == 0) {
        model.device = status.st_dev;
        model.inode = status.st_ino;
    }
    catalog->models[catalog->count++] = model;
    return ROOST_OK;
}

/* Adds it, or notes that its name is taken. */
static enum roost_err catalog_offer(struct catalog *catalog, const char *name, size_t length,
                                    const char *directory, const char *file, struct detail *detail)
{
    char text[CONFIG_NAME_BYTES_MAX];
    const char *path = file != NULL ? file : directory;
    (void)snprintf(text, sizeof(text), "%.*s", length < sizeof(text) ? (int)length : 0, name);
    if (text[0] == '\0' || !name_fits(text)) {
        log_debug("repository.ignored", "path=%s reason=\"no name for the API\"", LOG_Q(path));
        return ROOST_OK;
    }
    struct catalog_model *other = catalog_find(catalog, text);
    if (other == NULL)
        return catalog_add(catalog, text, length, directory, file, detail);
    if (other->twin == NULL)
        other->twin = strdup(path);
    return ROOST_OK;
}

/* The name in config.pbtxt of a directory that is a model but whose own name nobody chose. */
static void name_from_config(const char *directory, char name[CONFIG_NAME_BYTES_MAX])
{
    char path[FILE_PATH_BYTES_MAX], *text = NULL;
    size_t length = 0;
    struct model_config *config = malloc(sizeof(*config));
    name[0] = '\0';
    if (config != NULL && path_join(path, sizeof(path), directory, "config.pbtxt") &&
        file_read(path, PBTXT_BYTES_MAX, &text, &length, NULL) == ROOST_OK &&
        model_config_parse(text, length, config, NULL) == ROOST_OK && name_fits(config->name))
        memcpy(name, config->name, sizeof(config->name));
    free(text);
    free(config);
}

static enum roost_err add_directory_model(struct catalog *catalog, const char *path,
                                          struct detail *detail)
{
    char name[CONFIG_NAME_BYTES_MAX], resolved[FILE_PATH_BYTES_MAX];
    name_from_config(path, name);
    const char *base = name;
    if (name[0] == '\0') {
        base = path_base(path);
        if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
            base = realpath(path, resolved) != NULL ? path_base(resolved) : base;
    }
    /* realpath writes at most PATH_MAX bytes, which is FILE_PATH_BYTES_MAX. */
    size_t length = strcspn(base, "/"), count = catalog->count;
    enum roost_err err = catalog_offer(catalog, base, length, path, NULL, detail);
    if (catalog->count > count)
        catalog->models[count].named = false;
    return err;
}

static enum roost_err add_file_model(struct catalog *catalog, const char *path,
                                     struct detail *detail)
{
    char directory[FILE_PATH_BYTES_MAX];
    const char *base = path_base(path);
    size_t length = (size_t)(base - path);
    if (length == 0) {
        memcpy(directory, ".", 2);
    } else {
        length -= length > 1 ? 1 : 0;
        memcpy(directory, path, length);
        directory[length] = '\0';
    }
    return catalog_offer(catalog, base, strlen(base) - strlen(".onnx"), directory, path, detail);
}

static enum roost_err scan_entry(struct catalog *catalog, const char *path, const char *name,
                                 struct detail *detail)
{
    enum path_kind kind = path_kind(path);
    if (kind == PATH_MODEL_FILE)
        return add_file_model(catalog, path, detail);
    if (kind == PATH_DIRECTORY && path_is_model(path, true))
        return catalog_offer(catalog, name, strlen(name), path, NULL, detail);
    if (kind == PATH_DIRECTORY)
        log_debug("repository.ignored",
                  "path=%s reason=\"neither config.pbtxt nor a version nor a model file\"",
                  LOG_Q(path));
    return ROOST_OK;
}

static enum roost_err scan_directory(struct catalog *catalog, const char *repository,
                                     struct detail *detail)
{
    struct path_list list;
    enum roost_err err = path_list_read(&list, repository, detail);
    for (size_t i = 0; err == ROOST_OK && i < list.count; i++) {
        char path[FILE_PATH_BYTES_MAX];
        if (path_join(path, sizeof(path), repository, list.names[i]))
            err = scan_entry(catalog, path, list.names[i], detail);
        thread_give_way(); /* there may be hundreds of models */
    }
    path_list_fini(&list);
    return err;
}

enum roost_err catalog_scan(struct catalog *catalog, const char *repository, struct detail *detail)
{
    struct stat status;
    if (stat(repository, &status) != 0)
        return errno_translate(errno, repository, detail);
    if (!S_ISDIR(status.st_mode)) {
        if (path_kind(repository) != PATH_MODEL_FILE)
            return detail_set(detail, ROOST_INVALID,
                              "%s: neither a directory nor an .onnx or .fake file", repository);
        return add_file_model(catalog, repository, detail);
    }
    if (path_is_model(repository, false))
        return add_directory_model(catalog, repository, detail);
    return scan_directory(catalog, repository, detail);
}

enum roost_err catalog_scan_one(struct catalog *catalog, const char *path, struct detail *detail)
{
    enum roost_err err = catalog_scan(catalog, path, detail);
    if (err != ROOST_OK)
        return err;
    if (catalog->count == 0)
        return detail_set(detail, ROOST_NOT_FOUND, "%s: there is no model", path);
    struct catalog_model *model = &catalog->models[0];
    if (catalog->count > 1 || model->twin != NULL)
        return detail_set(detail, ROOST_INVALID, "%s: there is more than one model: %s, %s", path,
                          model->name, catalog->count > 1 ? model[1].name : model->twin);
    model->named = false;
    return ROOST_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y ? 1 : 0;
}

/* All version directories, ascending; a model without any, but with a file, has version 1. */
static enum roost_err all_versions(const struct catalog_model *model, int64_t **numbers,
                                   size_t *count, struct detail *detail)
{
    struct path_list list = {0};
    enum roost_err err = ROOST_OK;
    *count = 0;
    if (model->file == NULL)
        err = path_list_read(&list, model->directory, detail);
    if (err != ROOST_OK)
        return err;
    *numbers = calloc(list.count + 1, sizeof(**numbers));
    if (*numbers == NULL) {
        path_list_fini(&list);
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the versions of %s",
                          model->directory);
    }
    for (size_t i = 0; i < list.count; i++) {
        char path[FILE_PATH_BYTES_MAX];
        int64_t number = path_version(list.names[i]);
        if (number > 0 && path_join(path, sizeof(path), model->directory, list.names[i]) &&
            path_kind(path) == PATH_DIRECTORY)
            (*numbers)[(*count)++] = number;
    }
    path_list_fini(&list);
    if (*count == 0)
        (*numbers)[(*count)++] = 1;
    qsort(*numbers, *count, sizeof(**numbers), compare_numbers);
    return ROOST_OK;
}

static enum roost_err choose_specific(const struct catalog_model *model,
                                      const struct model_config *config, int64_t *numbers,
                                      size_t *count, struct detail *detail)
{
    size_t kept = 0;
    for (unsigned i = 0; i < config->version_count; i++) {
        bool there = false;
        for (size_t n = 0; n < *count && !there; n++)
            there = numbers[n] == config->versions[i];
        if (!there)
            return detail_set(detail, ROOST_NOT_FOUND,
                              "%s: version_policy names version %lld, which is not there",
                              model->directory, (long long)config->versions[i]);
    }
    for (size_t n = 0; n < *count; n++)
        for (unsigned i = 0; i < config->version_count; i++)
            if (numbers[n] == config->versions[i])
                numbers[kept++] = numbers[n];
    *count = kept;
    return ROOST_OK;
}

enum roost_err catalog_versions(const struct catalog_model *model,
                                const struct model_config *config, int64_t **numbers, size_t *count,
                                struct detail *detail)
{
    *numbers = NULL;
    enum roost_err err = all_versions(model, numbers, count, detail);
    if (err == ROOST_OK && config->version_policy == VERSIONS_SPECIFIC)
        err = choose_specific(model, config, *numbers, count, detail);
    if (err != ROOST_OK) {
        free(*numbers);
        *numbers = NULL;
        return err;
    }
    if (config->version_policy == VERSIONS_LATEST && *count > config->version_count) {
        size_t skip = *count - config->version_count;
        memmove(*numbers, *numbers + skip, config->version_count * sizeof(**numbers));
        *count = config->version_count;
    }
    return ROOST_OK;
}

/* The file itself, or what stands in a directory of its name beside external data. */
static bool file_at(const char *directory, const char *name, char path[FILE_PATH_BYTES_MAX])
{
    char inner[FILE_PATH_BYTES_MAX];
    if (!path_join(path, FILE_PATH_BYTES_MAX, directory, name) || !file_exists(path))
        return false;
    if (!file_is_directory(path))
        return true;
    if (!path_join(inner, sizeof(inner), path, path_base(name)) || !file_exists(inner) ||
        file_is_directory(inner))
        return false;
    memcpy(path, inner, sizeof(inner));
    return true;
}

/* The only model file of a directory; *count says how many there are. */
static void only_file(const char *directory, char path[FILE_PATH_BYTES_MAX], size_t *count)
{
    struct path_list list;
    *count = 0;
    if (path_list_read(&list, directory, NULL) == ROOST_OK)
        for (size_t i = 0; i < list.count; i++) {
            char candidate[FILE_PATH_BYTES_MAX];
            if (path_join(candidate, sizeof(candidate), directory, list.names[i]) &&
                path_kind(candidate) == PATH_MODEL_FILE && (*count)++ == 0)
                memcpy(path, candidate, sizeof(candidate));
        }
    path_list_fini(&list);
}

enum roost_err catalog_file(const struct catalog_model *model, const struct model_config *config,
                            int64_t version, char path[FILE_PATH_BYTES_MAX], struct detail *detail)
{
    char directory[FILE_PATH_BYTES_MAX], number[24];
    if (model->file != NULL) {
        (void)snprintf(path, FILE_PATH_BYTES_MAX, "%s", model->file);
        return ROOST_OK;
    }
    (void)snprintf(number, sizeof(number), "%lld", (long long)version);
    if (!path_join(directory, sizeof(directory), model->directory, number))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long", model->directory);
    if (!file_is_directory(directory)) /* the model's directory holds version 1 itself */
        memcpy(directory, model->directory, strlen(model->directory) + 1);
    const char *name = config->default_model_filename;
    if (name[0] != '\0') {
        if (file_at(directory, name, path))
            return ROOST_OK;
        return detail_set(detail, ROOST_NOT_FOUND, "%s: there is no %s (default_model_filename)",
                          directory, name);
    }
    if (file_at(directory, "model.onnx", path) || file_at(directory, "model.fake", path))
        return ROOST_OK;
    size_t count;
    only_file(directory, path, &count);
    if (count == 1)
        return ROOST_OK;
    if (count == 0)
        return detail_set(detail, ROOST_NOT_FOUND, "%s: there is no model.onnx", directory);
    return detail_set(detail, ROOST_INVALID,
                      "%s: several model files and none is model.onnx; say default_model_filename",
                      directory);
}
