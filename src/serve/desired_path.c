/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desired_path.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "serve/desired_catalog.h"

bool path_has_model_extension(const char *path)
{
    size_t length = strlen(path), bytes = strlen(".onnx");
    const char *end = path + length - bytes;
    return length > bytes && end[-1] != '/' &&
           (strcmp(end, ".onnx") == 0 || strcmp(end, ".fake") == 0);
}

bool path_is_path(const char *reference)
{
    return strchr(reference, '/') != NULL || path_has_model_extension(reference) ||
           strcmp(reference, ".") == 0 || strcmp(reference, "..") == 0;
}

enum path_kind path_kind(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return PATH_NOTHING;
    if (S_ISDIR(status.st_mode))
        return PATH_DIRECTORY;
    if (!S_ISREG(status.st_mode))
        return PATH_NOTHING;
    return path_has_model_extension(path) ? PATH_MODEL_FILE : PATH_OTHER_FILE;
}

const char *path_base(const char *path)
{
    const char *base = path;
    for (const char *c = path; *c != '\0'; c++)
        if (*c == '/' && c[1] != '\0' && c[1] != '/')
            base = c + 1;
    return base;
}

int64_t path_version(const char *name)
{
    enum { DIGITS_MAX = 18 };
    int64_t number = 0;
    size_t length = strspn(name, "0123456789");
    if (length == 0 || length > DIGITS_MAX || name[length] != '\0' || name[0] == '0')
        return 0;
    for (; *name != '\0'; name++)
        number = number * 10 + (*name - '0');
    return number;
}

/* Whether a directory has a model file, or a directory named like one (external data beside it). */
static bool has_model_file(const char *directory)
{
    struct path_list list;
    bool found = false;
    if (path_list_read(&list, directory, NULL) == ROOST_OK)
        for (size_t i = 0; i < list.count && !found; i++) {
            char path[FILE_PATH_BYTES_MAX];
            found = path_has_model_extension(list.names[i]) &&
                    path_join(path, sizeof(path), directory, list.names[i]) && file_exists(path);
        }
    path_list_fini(&list);
    return found;
}

bool path_is_model(const char *directory, bool bare)
{
    char path[FILE_PATH_BYTES_MAX];
    struct path_list list;
    if (path_join(path, sizeof(path), directory, "config.pbtxt") && file_exists(path))
        return true;
    bool found = bare && has_model_file(directory);
    if (!found && path_list_read(&list, directory, NULL) == ROOST_OK) {
        for (size_t i = 0; i < list.count && !found; i++)
            found = path_version(list.names[i]) > 0 &&
                    path_join(path, sizeof(path), directory, list.names[i]) && has_model_file(path);
        path_list_fini(&list);
    }
    return found;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum roost_err list_add(struct path_list *list, size_t *capacity, const char *name)
{
    if (list->count == *capacity) {
        size_t grown = *capacity == 0 ? 32 : 2 * *capacity;
        char **names = realloc(list->names, grown * sizeof(*names));
        if (names == NULL)
            return ROOST_NO_MEMORY;
        list->names = names;
        *capacity = grown;
    }
    list->names[list->count] = strdup(name);
    return list->names[list->count++] == NULL ? ROOST_NO_MEMORY : ROOST_OK;
}

enum roost_err path_list_read(struct path_list *list, const char *directory, struct detail *detail)
{
    size_t capacity = 0;
    enum roost_err err = ROOST_OK;
    *list = (struct path_list){0};
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return errno_translate(errno, directory, detail);
    for (const struct dirent *entry; err == ROOST_OK && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        if (list->count >= CATALOG_FILES_MAX)
            err = detail_set(detail, ROOST_TOO_LARGE, "%s: more than %d entries", directory,
                             CATALOG_FILES_MAX);
        else if (list_add(list, &capacity, entry->d_name) != ROOST_OK)
            err = detail_set(detail, ROOST_NO_MEMORY, "no memory for the entries of %s", directory);
    }
    closedir(dir);
    if (err != ROOST_OK)
        path_list_fini(list);
    else if (list->count > 0)
        qsort(list->names, list->count, sizeof(*list->names), compare_names);
    return err;
}

void path_list_fini(struct path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct path_list){0};
}
