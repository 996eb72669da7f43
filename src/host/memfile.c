/* SPDX-License-Identifier: Apache-2.0 */
#include "host/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/file.h"

enum roost_err memfile_create(const char *name, size_t bytes, int *fd, struct detail *detail)
{
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return errno_translate(errno, "memfd_create", detail);
    /* Readable for the owner alone: nobody can open it for writing again through /proc. */
    if (ftruncate(file, (off_t)bytes) != 0 || fchmod(file, S_IRUSR) != 0 ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        enum roost_err err = errno_translate(errno, "memory file", detail);
        close(file);
        return err;
    }
    *fd = file;
    return ROOST_OK;
}

enum roost_err memfile_reader(int fd, int *reader, struct detail *detail)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *reader = open(path, O_RDONLY | O_CLOEXEC);
    return *reader >= 0 ? ROOST_OK : errno_translate(errno, path, detail);
}

void *memfile_map(int fd, size_t bytes, int protection, struct detail *detail)
{
    void *memory = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        return memory;
    errno_translate(errno, "mapping a memory file", detail);
    return NULL;
}

void memfile_punch(int fd, size_t offset, size_t bytes)
{
    /* Failing costs memory, not correctness. */
    (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
}
