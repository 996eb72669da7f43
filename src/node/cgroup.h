/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this process's control groups are, in version 1, version 2 and hybrid trees, and reading
 * their files. Reads /proc/self/mountinfo and /proc/self/cgroup below a root, so that a directory
 * tree can stand in. Inside a container the mounted tree may begin at the container's own group;
 * what is above it cannot be seen.
 */
#ifndef ROOST_NODE_CGROUP_H
#define ROOST_NODE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"

enum cgroup_controller {
    CGROUP_V2, /* the unified hierarchy */
    CGROUP_V1_CPU,
    CGROUP_V1_CPUSET,
    CGROUP_V1_MEMORY,
    CGROUP_CONTROLLERS
};

struct cgroup_files {
    struct {
        char mount[FILE_PATH_BYTES_MAX]; /* root in front; "": no such hierarchy */
        char group[FILE_PATH_BYTES_MAX]; /* below the mount; "" is the mount itself */
    } hierarchies[CGROUP_CONTROLLERS];
};

void cgroup_find(const char *root, struct cgroup_files *files);

/* Reads the first line of a file of the group that is `level` steps above this process's own. False
 * when the level is above the mount. A file that is missing reads as "". */
bool cgroup_read(const struct cgroup_files *files, enum cgroup_controller controller,
                 unsigned level, const char *file, char *text, size_t text_bytes);

#endif
