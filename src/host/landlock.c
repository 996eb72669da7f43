/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: the files that a host may see. The numbers are the kernel's; headers that know all of
 * them are newer than what we build on, so they are spelled out here (linux/landlock.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "host/sandbox_internal.h"

#define FS_EXECUTE    (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE  (UINT64_C(1) << 2)
#define FS_READ_DIR   (UINT64_C(1) << 3)
#define FS_TRUNCATE   (UINT64_C(1) << 14)

#define FS_READ       (FS_READ_FILE | FS_READ_DIR)
#define FS_FILES      (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
/* Of a directory that is the host's own: everything but devices, sockets and links. */
#define FS_OWN                                                                                     \
    (FS_READ | FS_WRITE_FILE | FS_TRUNCATE | UINT64_C(1) << 4 | UINT64_C(1) << 5 |                 \
     UINT64_C(1) << 7 | UINT64_C(1) << 8 | UINT64_C(1) << 10)

enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1, LINKS_MAX = 64 };

struct ruleset_attributes {
    uint64_t handled_files, handled_network, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

struct ruleset {
    int fd;
    uint64_t handled;
};

/* What this version of the interface can forbid; 0 bytes when there is none. */
static size_t attributes_fill(long version, struct ruleset_attributes *attributes)
{
    static const unsigned file_bits[] = {0, 13, 14, 15, 15, 16};
    long last = (long)(sizeof file_bits / sizeof file_bits[0]) - 1;
    memset(attributes, 0, sizeof *attributes);
    if (version < 1)
        return 0;
    attributes->handled_files = (UINT64_C(1) << file_bits[version < last ? version : last]) - 1;
    if (version < 4)
        return offsetof(struct ruleset_attributes, handled_network);
    attributes->handled_network = 3; /* TCP: bind, connect */
    if (version < 6)
        return offsetof(struct ruleset_attributes, scoped);
    attributes->scoped = 3; /* abstract sockets, signals */
    return sizeof *attributes;
}

/* Allows a file, or what is below a directory. What is not there needs no rule. */
static void rule_add(const struct ruleset *ruleset, const char *path, uint64_t allowed)
{
    struct stat status;
    struct path_beneath rule;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return;
    rule.allowed = allowed & ruleset->handled;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed &= FS_FILES;
    (void)syscall(SYS_landlock_add_rule, ruleset->fd, RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
}

/* Model stores often keep files elsewhere and link to them: the targets of a directory's links. */
static void rules_add_links(const struct ruleset *ruleset, const char *directory)
{
    char path[FILE_PATH_BYTES_MAX], target[PATH_MAX];
    unsigned links = 0;
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir != NULL && links < LINKS_MAX && (entry = readdir(dir)) != NULL) {
        if (entry->d_type != DT_LNK || !path_join(path, sizeof path, directory, entry->d_name) ||
            realpath(path, target) == NULL)
            continue;
        rule_add(ruleset, target, FS_READ);
        links++;
    }
    if (dir != NULL)
        closedir(dir);
}

static void rules_add_directory_of(const struct ruleset *ruleset, const char *file)
{
    char directory[FILE_PATH_BYTES_MAX];
    (void)snprintf(directory, sizeof directory, "%s", file);
    char *slash = strrchr(directory, '/');
    if (slash == NULL)
        (void)snprintf(directory, sizeof directory, ".");
    else
        slash[slash == directory ? 1 : 0] = '\0';
    rule_add(ruleset, directory, FS_READ);
    rules_add_links(ruleset, directory);
}

static void rules_add(const struct ruleset *ruleset, const struct host_spec *spec)
{
    static const char *const read_only[] = {
        "/proc/self",          "/proc/cpuinfo",    "/proc/meminfo",
        "/sys/devices/system", "/etc/ld.so.cache", "/etc/localtime",
        "/dev/urandom",        "/dev/null",        "/usr/share/zoneinfo",
    };
    static const char *const libraries[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64",
                                            "/usr/local/lib"};
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
        rule_add(ruleset, read_only[i], FS_READ);
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        rule_add(ruleset, libraries[i], FS_READ | FS_EXECUTE);
    rules_add_directory_of(ruleset, spec->model_path);
    if (spec->model_directory[0] != '\0') {
        rule_add(ruleset, spec->model_directory, FS_READ);
        rules_add_links(ruleset, spec->model_directory);
    }
    /* No file there when the map is a word or none. */
    if (spec->adapted)
        rule_add(ruleset, spec->adapter.settings.output_map, FS_READ);
    if (spec->role == HOST_OPTIMISE && spec->output_directory[0] != '\0')
        rule_add(ruleset, spec->output_directory, FS_OWN);
}

enum roost_err landlock_apply(const struct host_spec *spec, struct detail *detail)
{
    struct ruleset_attributes attributes;
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    size_t bytes = attributes_fill(version, &attributes);
    if (bytes == 0)
        return detail_set(detail, ROOST_UNSUPPORTED, "%s",
                          errno == EOPNOTSUPP ? "switched off in this kernel"
                                              : "not in this kernel");
    struct ruleset ruleset = {.handled = attributes.handled_files};
    ruleset.fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, bytes, 0);
    if (ruleset.fd < 0)
        return detail_set(detail, ROOST_UNSUPPORTED, "%s", strerror(errno));
    rules_add(&ruleset, spec);
    long rc = syscall(SYS_landlock_restrict_self, ruleset.fd, 0);
    int error = errno;
    close(ruleset.fd);
    return rc == 0 ? ROOST_OK : detail_set(detail, ROOST_UNSUPPORTED, "%s", strerror(error));
}
