/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

enum { READ_CHUNK_BYTES = 64 * 1024, TREE_DEPTH_MAX = 64 };

struct errno_entry {
    int error;
    enum roost_err err;
};

enum roost_err errno_translate(int error, const char *what, struct detail *detail)
{
    static const struct errno_entry table[] = {
        {ENOENT, ROOST_NOT_FOUND},
        {ENOTDIR, ROOST_NOT_FOUND},
        {ENODEV, ROOST_NOT_FOUND},
        {ENXIO, ROOST_NOT_FOUND},
        {ESRCH, ROOST_NOT_FOUND},
        {EACCES, ROOST_PERMISSION},
        {EPERM, ROOST_PERMISSION},
        {EROFS, ROOST_PERMISSION},
        {EEXIST, ROOST_EXISTS},
        {ENOTEMPTY, ROOST_EXISTS},
        {EADDRINUSE, ROOST_EXISTS},
        {ENOMEM, ROOST_NO_MEMORY},
        {EINVAL, ROOST_INVALID},
        {ENAMETOOLONG, ROOST_INVALID},
        {EISDIR, ROOST_INVALID},
        {ELOOP, ROOST_INVALID},
        {EFBIG, ROOST_TOO_LARGE},
        {E2BIG, ROOST_TOO_LARGE},
        {ENOSYS, ROOST_UNSUPPORTED},
        {EOPNOTSUPP, ROOST_UNSUPPORTED},
        {EAFNOSUPPORT, ROOST_UNSUPPORTED},
        {ECONNREFUSED, ROOST_UNAVAILABLE},
        {ECONNRESET, ROOST_UNAVAILABLE},
        {EPIPE, ROOST_UNAVAILABLE},
        {EHOSTUNREACH, ROOST_UNAVAILABLE},
        {ENETUNREACH, ROOST_UNAVAILABLE},
        {EADDRNOTAVAIL, ROOST_UNAVAILABLE},
        {EMFILE, ROOST_UNAVAILABLE},
        {ENFILE, ROOST_UNAVAILABLE},
        {EAGAIN, ROOST_UNAVAILABLE},
        {EBUSY, ROOST_UNAVAILABLE},
        {ETIMEDOUT, ROOST_EXPIRED},
        {ECANCELED, ROOST_CANCELLED},
    };
    enum roost_err err = ROOST_IO;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].error == error)
            err = table[i].err;
    }
    const char *text = strerrordesc_np(error);
    return text != NULL ? detail_set(detail, err, "%s: %s", what, text)
                        : detail_set(detail, err, "%s: error %d", what, error);
}

/* Opens for reading what can be read without waiting: no directory, no pipe, no device. */
static enum roost_err regular_open(const char *path, int *fd, struct detail *detail)
{
    struct stat status;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return errno_translate(errno, path, detail);
    if (fstat(opened, &status) == 0 && S_ISREG(status.st_mode)) {
        *fd = opened;
        return ROOST_OK;
    }
    (void)close(opened);
    return detail_set(detail, ROOST_INVALID, "%s: not a regular file", path);
}

static ssize_t read_some(int fd, void *data, size_t length)
{
    ssize_t got;
    do {
        got = read(fd, data, length);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* The size that stat tells is 0 under /proc and may change meanwhile: read until the end. */
static enum roost_err read_all(int fd, const char *path, size_t bytes_max, struct strbuf *content,
                               struct detail *detail)
{
    for (;;) {
        size_t left = bytes_max - content->length;
        size_t chunk = left < READ_CHUNK_BYTES ? left + 1 : READ_CHUNK_BYTES;
        char *end = strbuf_reserve(content, chunk);
        if (end == NULL)
            return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for its content", path);
        ssize_t got = read_some(fd, end, chunk);
        if (got < 0)
            return errno_translate(errno, path, detail);
        if (got == 0)
            return ROOST_OK;
        if ((size_t)got > left)
            return detail_set(detail, ROOST_TOO_LARGE, "%s: larger than the limit of %zu bytes",
                              path, bytes_max);
        strbuf_commit(content, (size_t)got);
    }
}

enum roost_err file_read(const char *path, size_t bytes_max, char **data, size_t *length,
                         struct detail *detail)
{
    *data = NULL;
    *length = 0;
    int fd;
    enum roost_err err = regular_open(path, &fd, detail);
    if (err != ROOST_OK)
        return err;
    struct strbuf content;
    strbuf_init(&content);
    err = read_all(fd, path, bytes_max, &content, detail);
    (void)close(fd);
    if (err != ROOST_OK) {
        strbuf_fini(&content);
        return err;
    }
    *length = content.length;
    *data = strbuf_take(&content);
    return ROOST_OK;
}

/* Such as /dev/stdout or /dev/null, over which no file may be put. */
static bool is_pipe_or_device(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* Whole, and on the disk where it is a file. */
static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : -1;
}

static enum roost_err write_in_place(const char *path, const void *data, size_t length,
                                     struct detail *detail)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno_translate(errno, path, detail);
    int rc = write_all(fd, data, length);
    int error = errno;
    (void)close(fd);
    return rc == 0 ? ROOST_OK : errno_translate(error, path, detail);
}

enum roost_err file_write_atomic(const char *path, const void *data, size_t length,
                                 struct detail *detail)
{
    static _Atomic unsigned serial;
    char temporary[FILE_PATH_BYTES_MAX];
    if (is_pipe_or_device(path))
        return write_in_place(path, data, length, detail);
    unsigned number = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    int size = snprintf(temporary, sizeof(temporary), "%s.%d-%u.tmp", path, (int)getpid(), number);
    if (size < 0 || (size_t)size >= sizeof(temporary))
        return errno_translate(ENAMETOOLONG, path, detail);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno_translate(errno, path, detail);
    int rc = write_all(fd, data, length);
    int error = errno;
    if (close(fd) != 0 && rc == 0) {
        rc = -1;
        error = errno;
    }
    if (rc == 0 && rename(temporary, path) != 0) {
        rc = -1;
        error = errno;
    }
    if (rc == 0)
        return ROOST_OK;
    (void)unlink(temporary);
    return errno_translate(error, path, detail);
}

enum roost_err file_check_writable(const char *path, struct detail *detail)
{
    char directory[FILE_PATH_BYTES_MAX];
    size_t length = strlen(path);
    if (is_pipe_or_device(path))
        return access(path, W_OK) == 0 ? ROOST_OK : errno_translate(errno, path, detail);
    if (length == 0 || file_is_directory(path))
        return errno_translate(length == 0 ? ENOENT : EISDIR, path, detail);
    if (length >= sizeof(directory))
        return errno_translate(ENAMETOOLONG, path, detail);
    memcpy(directory, path, length + 1);
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[slash == directory ? 1 : 0] = '\0';
    if (access(slash == NULL ? "." : directory, W_OK | X_OK) != 0)
        return errno_translate(errno, path, detail);
    return ROOST_OK;
}

bool file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool file_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

enum roost_err file_make_directory(const char *path, struct detail *detail)
{
    char part[FILE_PATH_BYTES_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(part))
        return errno_translate(length == 0 ? ENOENT : ENAMETOOLONG, path, detail);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0) {
            int error = errno;
            /* A read-only or foreign parent is no obstacle when the directory is there. */
            if (!file_is_directory(part))
                return errno_translate(error == EEXIST ? ENOTDIR : error, part, detail);
        }
        part[i] = path[i];
    }
    return ROOST_OK;
}

static int tree_remove(int parent_fd, const char *name, unsigned depth);

/* Removes what a directory holds. The descriptor is closed either way. */
static int directory_clear(int fd, unsigned depth)
{
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int error = errno;
        (void)close(fd);
        return error;
    }
    int error = 0;
    struct dirent *entry;
    while (error == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = tree_remove(fd, entry->d_name, depth);
    }
    if (error == 0)
        error = errno;
    (void)closedir(directory);
    return error;
}

/* Goes by descriptors, so that a link put in the way meanwhile is not followed. Returns errno. */
static int tree_remove(int parent_fd, const char *name, unsigned depth)
{
    if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return errno;
    int refused = errno;
    if (depth == TREE_DEPTH_MAX)
        return ELOOP;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOTDIR ? refused : errno;
    int error = directory_clear(fd, depth + 1);
    if (error == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        error = errno;
    return error;
}

enum roost_err file_remove_tree(const char *path, struct detail *detail)
{
    int error = tree_remove(AT_FDCWD, path, 0);
    return error == 0 || error == ENOTDIR ? ROOST_OK : errno_translate(error, path, detail);
}

/* Feeds the whole file to the digest. */
static enum roost_err digest_file(int fd, const char *path, EVP_MD_CTX *context,
                                  struct detail *detail)
{
    void *chunk = malloc(READ_CHUNK_BYTES);
    if (chunk == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory to read it", path);
    enum roost_err err = ROOST_OK;
    for (;;) {
        ssize_t got = read_some(fd, chunk, READ_CHUNK_BYTES);
        if (got < 0)
            err = errno_translate(errno, path, detail);
        else if (got > 0 && EVP_DigestUpdate(context, chunk, (size_t)got) != 1)
            err = detail_set(detail, ROOST_INTERNAL, "%s: libcrypto's SHA-256 failed", path);
        if (got <= 0 || err != ROOST_OK)
            break;
    }
    free(chunk);
    return err;
}

enum roost_err file_sha256(const char *path, char hex[65], struct detail *detail)
{
    int fd;
    enum roost_err err = regular_open(path, &fd, detail);
    if (err != ROOST_OK)
        return err;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        err = detail_set(detail, ROOST_INTERNAL, "%s: libcrypto has no SHA-256", path);
    if (err == ROOST_OK)
        err = digest_file(fd, path, context, detail);
    if (err == ROOST_OK && EVP_DigestFinal_ex(context, digest, &digest_bytes) != 1)
        err = detail_set(detail, ROOST_INTERNAL, "%s: libcrypto's SHA-256 failed", path);
    for (unsigned i = 0; err == ROOST_OK && i < 32; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(context);
    (void)close(fd);
    return err;
}

bool path_join(char *out, size_t out_bytes, const char *directory, const char *name)
{
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    while (*name == '/')
        name++;
    const char *slash = length == 0 || directory[length - 1] == '/' ? "" : "/";
    int size = snprintf(out, out_bytes, "%.*s%s%s", (int)length, directory, slash, name);
    if (size >= 0 && (size_t)size < out_bytes)
        return true;
    if (out_bytes > 0)
        out[0] = '\0';
    return false;
}
