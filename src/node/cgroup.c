/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROC_BYTES_MAX = 1 << 20 };

/* What v1 calls the controllers; the unified hierarchy has an empty name in /proc/self/cgroup. */
static const char *const controller_names[CGROUP_CONTROLLERS] = {
    [CGROUP_V2] = "",
    [CGROUP_V1_CPU] = "cpu",
    [CGROUP_V1_CPUSET] = "cpuset",
    [CGROUP_V1_MEMORY] = "memory",
};

/* True when `name` is an item of a comma-separated list. */
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

static char *proc_read(const char *root, const char *name)
{
    char path[FILE_PATH_BYTES_MAX];
    char *text;
    size_t length;
    if (!path_join(path, sizeof path, root, name) ||
        file_read(path, PROC_BYTES_MAX, &text, &length, NULL) != ROOST_OK)
        return NULL;
    return text;
}

/* ---- /proc/self/cgroup: "4:memory:/some/group", "0::/some/group" --------------------------- */

static void group_line(char *line, struct cgroup_files *files)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return;
    *controllers++ = '\0';
    *group++ = '\0';
    for (unsigned c = 0; c < CGROUP_CONTROLLERS; c++) {
        bool mine = c == CGROUP_V2 ? strcmp(line, "0") == 0 && *controllers == '\0'
                                   : list_has(controllers, controller_names[c]);
        if (mine)
            (void)snprintf(files->hierarchies[c].group, sizeof files->hierarchies[c].group, "%s",
                           group);
    }
}

/* ---- /proc/self/mountinfo: "30 25 0:26 /root /mount/point options ... - type source super" -- */

/* The mounted tree begins at `mount_root`: makes the group relative to it. */
static void group_relate(char *group, size_t group_bytes, const char *mount_root)
{
    size_t length = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
    bool below = strncmp(group, mount_root, length) == 0 &&
                 (group[length] == '/' || group[length] == '\0') && strstr(group, "/..") == NULL;
    /* A group that the mount does not show: its root is the best that can be seen. */
    const char *relative = below ? group + length : "";
    size_t left = strlen(relative);
    while (left > 0 && relative[left - 1] == '/')
        left--;
    if (left >= group_bytes)
        left = 0;
    memmove(group, relative, left);
    group[left] = '\0';
}

static void mount_line(char *line, const char *root, struct cgroup_files *files)
{
    char mount_root[FILE_PATH_BYTES_MAX], point[FILE_PATH_BYTES_MAX], type[32], super[1024];
    const char *tail = strstr(line, " - ");
    if (tail == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", mount_root, point) != 2 ||
        sscanf(tail, " - %31s %*s %1023s", type, super) != 2)
        return;
    for (unsigned c = 0; c < CGROUP_CONTROLLERS; c++) {
        bool mine = c == CGROUP_V2
                        ? strcmp(type, "cgroup2") == 0
                        : strcmp(type, "cgroup") == 0 && list_has(super, controller_names[c]);
        if (!mine || files->hierarchies[c].mount[0] != '\0' ||
            !path_join(files->hierarchies[c].mount, sizeof files->hierarchies[c].mount, root,
                       point + (point[0] == '/' ? 1 : 0)))
            continue;
        group_relate(files->hierarchies[c].group, sizeof files->hierarchies[c].group, mount_root);
    }
}

void cgroup_find(const char *root, struct cgroup_files *files)
{
    memset(files, 0, sizeof *files);
    char *groups = proc_read(root, "proc/self/cgroup");
    char *mounts = proc_read(root, "proc/self/mountinfo");
    char *rest = groups, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        group_line(line, files);
    rest = mounts;
    while ((line = strsep(&rest, "\n")) != NULL)
        mount_line(line, root, files);
    free(groups);
    free(mounts);
}

/* ---- reading ------------------------------------------------------------------------------ */

bool cgroup_read(const struct cgroup_files *files, enum cgroup_controller controller,
                 unsigned level, const char *file, char *text, size_t text_bytes)
{
    char group[FILE_PATH_BYTES_MAX], path[2 * FILE_PATH_BYTES_MAX + 64];
    text[0] = '\0';
    if (files->hierarchies[controller].mount[0] == '\0')
        return false;
    memcpy(group, files->hierarchies[controller].group, sizeof group);
    for (; level > 0; level--) {
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    (void)snprintf(path, sizeof path, "%s%s/%s", files->hierarchies[controller].mount, group, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return true;
    if (fgets(text, (int)text_bytes, stream) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(stream);
    return true;
}
