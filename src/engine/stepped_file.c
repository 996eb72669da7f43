/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stepped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 1 << 14 };

/* False when it fails, with errno. */
static bool write_all(int file, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t done = write(file, data, bytes);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            data += done;
            bytes -= (size_t)done;
        }
    }
    return true;
}

/* Reads to the end whatever happens: a writer must not wait for a reader who has left. */
static void *stepped_main(void *argument)
{
    struct stepped_file *stepped = argument;
    char step[STEP_BYTES];
    ssize_t got;
    (void)pthread_setname_np(pthread_self(), "writer");
    while ((got = read(stepped->reader, step, sizeof step)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            stepped->error = errno;
            break;
        }
        stepped->used = true;
        if (stepped->error == 0 && !write_all(stepped->file, step, (size_t)got))
            stepped->error = errno;
    }
    return NULL;
}

static void descriptors_close(struct stepped_file *stepped)
{
    int *const fds[] = {&stepped->reader, &stepped->writer, &stepped->file};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* Opened for reading first, without waiting for a writer; then there is one, who need not wait. */
static bool descriptors_open(struct stepped_file *stepped)
{
    stepped->reader = open(stepped->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (stepped->reader < 0)
        return false;
    (void)fcntl(stepped->reader, F_SETPIPE_SZ, STEP_BYTES);
    stepped->writer = open(stepped->path, O_WRONLY | O_CLOEXEC);
    stepped->file = open(stepped->written_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return stepped->writer >= 0 && stepped->file >= 0 && fcntl(stepped->reader, F_SETFL, 0) == 0;
}

enum roost_err stepped_file_open(struct stepped_file *stepped, const char *path,
                                 struct detail *detail)
{
    *stepped = (struct stepped_file){.reader = -1, .writer = -1, .file = -1};
    int length = snprintf(stepped->path, sizeof stepped->path, "%s", path);
    int written = snprintf(stepped->written_path, sizeof stepped->written_path, "%s.part", path);
    if (length < 0 || written < 0 || (size_t)written >= sizeof stepped->written_path)
        return errno_translate(ENAMETOOLONG, path, detail);
    if (mkfifo(path, 0600) != 0)
        return detail_set(detail, ROOST_UNSUPPORTED, "%s: no pipe can be made there", path);
    enum roost_err err = ROOST_OK;
    if (!descriptors_open(stepped))
        err = errno_translate(errno, path, detail);
    else if (pthread_create(&stepped->thread, NULL, stepped_main, stepped) != 0)
        err = detail_set(detail, ROOST_NO_MEMORY, "%s: no thread to write it", path);
    if (err != ROOST_OK) {
        descriptors_close(stepped);
        (void)unlink(stepped->path);
        (void)unlink(stepped->written_path);
    }
    return err;
}

enum roost_err stepped_file_close(struct stepped_file *stepped, struct detail *detail)
{
    (void)close(stepped->writer);
    stepped->writer = -1;
    (void)pthread_join(stepped->thread, NULL);
    int error = stepped->error;
    if (error == 0 && stepped->used && rename(stepped->written_path, stepped->path) != 0)
        error = errno;
    if (error != 0 || !stepped->used) {
        (void)unlink(stepped->path);
        (void)unlink(stepped->written_path);
    }
    descriptors_close(stepped);
    return error == 0 ? ROOST_OK : errno_translate(error, stepped->written_path, detail);
}
