/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of files: what must be the same for a model to be the same. */
#include <string.h>
#include <sys/stat.h>

#include "serve/desired_catalog.h"
#include "serve/desired_path.h"

enum { DEPTH_MAX = 3 };

uint64_t catalog_stamp_bytes(uint64_t stamp, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        stamp = (stamp ^ byte[i]) * UINT64_C(0x100000001b3);
    return stamp;
}

static uint64_t stamp_status(const char *path, const struct stat *status)
{
    uint64_t numbers[] = {
        (uint64_t)status->st_ino,
        (uint64_t)status->st_size,
        (uint64_t)status->st_mtim.tv_sec,
        (uint64_t)status->st_mtim.tv_nsec,
    };
    const char *name = path_base(path);
    uint64_t stamp = catalog_stamp_bytes(STAMP_BEGIN, name, strlen(name));
    return catalog_stamp_bytes(stamp, numbers, sizeof(numbers));
}

uint64_t catalog_stamp_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? stamp_status(path, &status) : 0;
}

/* The sum over all files below, so that their order does not matter. */
static uint64_t stamp_below(const char *directory, unsigned depth)
{
    struct path_list list;
    uint64_t sum = 0;
    if (depth == DEPTH_MAX || path_list_read(&list, directory, NULL) != ROOST_OK)
        return 0;
    for (size_t i = 0; i < list.count; i++) {
        char path[FILE_PATH_BYTES_MAX];
        if (!path_join(path, sizeof(path), directory, list.names[i]))
            continue;
        enum path_kind kind = path_kind(path);
        if (kind == PATH_DIRECTORY)
            sum += stamp_below(path, depth + 1);
        else if (kind != PATH_NOTHING)
            sum += catalog_stamp_file(path);
    }
    path_list_fini(&list);
    return sum;
}

uint64_t catalog_stamp_directory(const char *path)
{
    return stamp_below(path, 0);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), bytes = strlen(end);
    return length >= bytes && strcmp(text + length - bytes, end) == 0;
}

/* Beside a bare file, or in a directory without versions: other models and texts are no data. */
static uint64_t stamp_beside(const char *directory)
{
    static const char *const texts[] = {".yaml", ".yml", ".pbtxt", ".txt", ".md", ".json", ".csv"};
    struct path_list list;
    uint64_t sum = 0;
    if (path_list_read(&list, directory, NULL) != ROOST_OK)
        return 0;
    for (size_t i = 0; i < list.count; i++) {
        char path[FILE_PATH_BYTES_MAX];
        bool text = false;
        for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]) && !text; t++)
            text = ends_with(list.names[i], texts[t]);
        if (!text && path_join(path, sizeof(path), directory, list.names[i]) &&
            path_kind(path) == PATH_OTHER_FILE)
            sum += catalog_stamp_file(path);
    }
    path_list_fini(&list);
    return sum;
}

uint64_t catalog_stamp_model(const struct catalog_model *model, const char *path)
{
    char directory[FILE_PATH_BYTES_MAX];
    uint64_t stamp = catalog_stamp_file(path);
    const char *base = path_base(path);
    size_t length = (size_t)(base - path);
    if (length == 0)
        return stamp + stamp_beside(".");
    memcpy(directory, path, length);
    directory[length - (length > 1 ? 1 : 0)] = '\0';
    bool versioned = model->file == NULL && strcmp(directory, model->directory) != 0;
    return stamp + (versioned ? catalog_stamp_directory(directory) : stamp_beside(directory));
}
