/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#define STAGE_PREFIX "stage-"
#define MODEL_NAME   "model.onnx"

enum {
    STAGE_AGE_S_MAX = 24 * 3600, /* a stage without a commit for so long is a dead optimiser's */
    USED_GRACE_S = 60,           /* somebody may be about to load what was looked up */
};

struct entry {
    char name[CACHE_KEY_BYTES];
    uint64_t bytes;
    int64_t used_ns; /* by the directory's mtime */
};

struct entries {
    struct entry *items;
    size_t count, capacity;
    uint64_t bytes;
};

static bool is_key(const char *name)
{
    return strlen(name) == CACHE_KEY_BYTES - 1 &&
           strspn(name, "0123456789abcdef") == CACHE_KEY_BYTES - 1;
}

static int64_t mtime_ns(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * (int64_t)NS_PER_S + status->st_mtim.tv_nsec;
}

static bool older_than(int64_t then_ns, int64_t seconds)
{
    return then_ns + seconds * (int64_t)NS_PER_S < (int64_t)clock_wall_ns();
}

/* Calls `visit` with each name in a directory but "." and "..", until it fails. */
static enum roost_err names_visit(const char *directory,
                                  enum roost_err (*visit)(const char *directory, const char *name,
                                                          void *context, struct detail *detail),
                                  void *context, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    DIR *stream = opendir(directory);
    if (stream == NULL)
        return errno_translate(errno, directory, detail);
    for (struct dirent *item = readdir(stream); item != NULL && err == ROOST_OK;
         item = readdir(stream)) {
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            err = visit(directory, item->d_name, context, detail);
    }
    (void)closedir(stream);
    return err;
}

/* What cannot be removed is left; it is only in the way of the limit. */
static void tree_drop(const char *path)
{
    struct detail detail = {0};
    if (file_remove_tree(path, &detail) != ROOST_OK)
        log_warn("cache.remove", "reason=%s", LOG_Q(detail.text));
}

static enum roost_err stage_sweep(const char *directory, const char *name, void *context,
                                  struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    (void)context;
    (void)detail;
    if (strncmp(name, STAGE_PREFIX, strlen(STAGE_PREFIX)) == 0 &&
        path_join(path, sizeof(path), directory, name) && lstat(path, &status) == 0 &&
        older_than(mtime_ns(&status), STAGE_AGE_S_MAX))
        tree_drop(path);
    return ROOST_OK;
}

enum roost_err cache_open(struct model_cache *cache, const char *directory, uint64_t bytes_max,
                          struct detail *detail)
{
    int length = snprintf(cache->directory, sizeof(cache->directory), "%s", directory);
    if (length <= 0 || (size_t)length >= sizeof(cache->directory))
        return errno_translate(length <= 0 ? ENOENT : ENAMETOOLONG, directory, detail);
    cache->bytes_max = bytes_max;
    enum roost_err err = file_make_directory(directory, detail);
    if (err == ROOST_OK && access(directory, R_OK | W_OK | X_OK) != 0)
        err = errno_translate(errno, directory, detail);
    if (err == ROOST_OK)
        err = names_visit(directory, stage_sweep, NULL, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "model cache");
    return err == ROOST_OK || err == ROOST_PERMISSION ? err : ROOST_IO;
}

enum roost_err cache_lookup(const struct model_cache *cache, const char *key, char *path,
                            size_t path_bytes)
{
    char directory[FILE_PATH_BYTES_MAX];
    roost_assert(is_key(key));
    if (!path_join(directory, sizeof(directory), cache->directory, key) ||
        !path_join(path, path_bytes, directory, MODEL_NAME) || !file_exists(path))
        return ROOST_NOT_FOUND;
    (void)utimensat(AT_FDCWD, directory, NULL, 0);
    return ROOST_OK;
}

enum roost_err cache_stage(const struct model_cache *cache, const char *key, char *directory,
                           size_t directory_bytes, struct detail *detail)
{
    roost_assert(is_key(key));
    int length = snprintf(directory, directory_bytes, "%s/" STAGE_PREFIX "%.16s-XXXXXX",
                          cache->directory, key);
    if (length < 0 || (size_t)length >= directory_bytes)
        return errno_translate(ENAMETOOLONG, cache->directory, detail);
    return mkdtemp(directory) != NULL ? ROOST_OK : errno_translate(errno, directory, detail);
}

/* A file that an optimiser left must be a plain one, and on the disk before its name counts. */
static enum roost_err staged_check(const char *directory, const char *name, void *context,
                                   struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    bool *has_model = context;
    if (!path_join(path, sizeof(path), directory, name))
        return errno_translate(ENAMETOOLONG, directory, detail);
    /* The optimiser read a stranger's file: a link it left could lead anywhere. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno_translate(errno, path, detail);
    bool plain = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
    int error = plain && fsync(fd) != 0 ? errno : 0;
    (void)close(fd);
    if (!plain)
        return detail_set(detail, ROOST_INVALID, "%s: not a plain file", path);
    *has_model = *has_model || strcmp(name, MODEL_NAME) == 0;
    return error == 0 ? ROOST_OK : errno_translate(error, path, detail);
}

enum roost_err cache_stage_check(const char *directory, struct detail *detail)
{
    bool has_model = false;
    enum roost_err err = names_visit(directory, staged_check, &has_model, detail);
    if (err == ROOST_OK && !has_model)
        err = detail_set(detail, ROOST_INVALID, "%s: the optimiser left no " MODEL_NAME, directory);
    return err;
}

static enum roost_err directory_sync(const char *directory, struct detail *detail)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    return error == 0 ? ROOST_OK : errno_translate(error, directory, detail);
}

static enum roost_err bytes_add(const char *directory, const char *name, void *context,
                                struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    uint64_t *bytes = context;
    (void)detail;
    if (path_join(path, sizeof(path), directory, name) && lstat(path, &status) == 0)
        *bytes += (uint64_t)status.st_size;
    return ROOST_OK;
}

static enum roost_err entry_add(const char *directory, const char *name, void *context,
                                struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    struct entries *entries = context;
    if (!is_key(name) || !path_join(path, sizeof(path), directory, name) ||
        lstat(path, &status) != 0)
        return ROOST_OK;
    if (entries->count == entries->capacity) {
        size_t capacity = 2 * entries->capacity + 16;
        struct entry *items = realloc(entries->items, capacity * sizeof(*items));
        if (items == NULL)
            return detail_set(detail, ROOST_NO_MEMORY, "no memory to list the cache");
        entries->items = items;
        entries->capacity = capacity;
    }
    struct entry *entry = &entries->items[entries->count++];
    *entry = (struct entry){.used_ns = mtime_ns(&status)};
    memcpy(entry->name, name, CACHE_KEY_BYTES);
    (void)names_visit(path, bytes_add, &entry->bytes, NULL);
    entries->bytes += entry->bytes;
    return ROOST_OK;
}

static int used_order(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

/* Removes the least recently used. Hosts that have an entry mapped keep it until they end. */
static void evict(const struct model_cache *cache)
{
    struct entries entries = {0};
    if (cache->bytes_max > 0 &&
        names_visit(cache->directory, entry_add, &entries, NULL) == ROOST_OK) {
        if (entries.count > 0)
            qsort(entries.items, entries.count, sizeof(*entries.items), used_order);
        for (size_t i = 0; i < entries.count && entries.bytes > cache->bytes_max; i++) {
            char path[FILE_PATH_BYTES_MAX];
            const struct entry *entry = &entries.items[i];
            if (!older_than(entry->used_ns, USED_GRACE_S) ||
                !path_join(path, sizeof(path), cache->directory, entry->name))
                continue;
            log_info("cache.evict", "key=%.16s bytes=%llu", entry->name,
                     (unsigned long long)entry->bytes);
            tree_drop(path);
            entries.bytes -= entry->bytes;
        }
    }
    free(entries.items);
}

static enum roost_err entry_keep(const struct model_cache *cache, const char *key,
                                 const char *directory, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    if (!path_join(path, sizeof(path), cache->directory, key))
        return errno_translate(ENAMETOOLONG, cache->directory, detail);
    enum roost_err err = cache_stage_check(directory, detail);
    if (err == ROOST_OK)
        err = directory_sync(directory, detail);
    if (err != ROOST_OK)
        return err;
    (void)utimensat(AT_FDCWD, directory, NULL, 0);
    if (rename(directory, path) == 0)
        return directory_sync(cache->directory, detail);
    /* Somebody else made the same entry meanwhile: theirs is as good. */
    return errno == EEXIST || errno == ENOTEMPTY ? ROOST_EXISTS
                                                 : errno_translate(errno, path, detail);
}

enum roost_err cache_commit(const struct model_cache *cache, const char *key, const char *directory,
                            bool keep, struct detail *detail)
{
    roost_assert(is_key(key));
    enum roost_err err = keep ? entry_keep(cache, key, directory, detail) : ROOST_OK;
    if (!keep || err != ROOST_OK)
        tree_drop(directory);
    else
        evict(cache);
    return err == ROOST_EXISTS ? ROOST_OK : err;
}
