/* SPDX-License-Identifier: Apache-2.0 */
#include "node/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/file.h"
#include "node/cgroup.h"

enum { PROC_BYTES_MAX = 1 << 16 };

/* Version 1 says "no limit" with a number near the largest. */
static const uint64_t unlimited_bytes = UINT64_C(1) << 60;

/* ---- memory ------------------------------------------------------------------------------- */

static enum roost_err machine_memory(const char *root, uint64_t *bytes, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    unsigned long long kibibytes;
    char *text;
    size_t length;
    if (!path_join(path, sizeof path, root, "proc/meminfo"))
        return detail_set(detail, ROOST_INVALID, "the root path is too long");
    enum roost_err err = file_read(path, PROC_BYTES_MAX, &text, &length, detail);
    if (err != ROOST_OK)
        return detail_set(detail, ROOST_IO, "the machine's memory is not known: %s", path);
    const char *line = strstr(text, "MemTotal:");
    if (line == NULL || sscanf(line, "MemTotal: %llu kB", &kibibytes) != 1)
        err = detail_set(detail, ROOST_IO, "%s has no MemTotal", path);
    else
        *bytes = kibibytes * 1024;
    free(text);
    return err;
}

static void memory_limit(const struct cgroup_files *files, struct node_limits *limits)
{
    static const struct {
        enum cgroup_controller controller;
        const char *file, *source;
    } sources[] = {
        {CGROUP_V2, "memory.max", "cgroup v2 memory.max"},
        {CGROUP_V1_MEMORY, "memory.limit_in_bytes", "cgroup v1 memory.limit_in_bytes"},
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        char text[64];
        for (unsigned level = 0;
             cgroup_read(files, sources[i].controller, level, sources[i].file, text, sizeof text);
             level++) {
            char *end;
            uint64_t bytes = strtoull(text, &end, 10);
            if (end == text || bytes == 0 || bytes >= unlimited_bytes)
                continue; /* "max", or what cannot be a limit */
            if (bytes < limits->memory_bytes) {
                limits->memory_bytes = bytes;
                limits->memory_source = sources[i].source;
            }
        }
    }
}

/* ---- cores -------------------------------------------------------------------------------- */

/* Cores' worth of time per period at one level; 0: none. */
static double quota_read(const struct cgroup_files *files, enum cgroup_controller controller,
                         unsigned level, bool *there)
{
    char text[64], period_text[64];
    double quota = 0, period = 0;
    if (controller == CGROUP_V2) {
        *there = cgroup_read(files, controller, level, "cpu.max", text, sizeof text);
        if (*there && sscanf(text, "%lf %lf", &quota, &period) != 2)
            quota = 0; /* "max 100000" */
    } else {
        *there = cgroup_read(files, controller, level, "cpu.cfs_quota_us", text, sizeof text);
        if (*there && cgroup_read(files, controller, level, "cpu.cfs_period_us", period_text,
                                  sizeof period_text)) {
            quota = strtod(text, NULL); /* -1: none */
            period = strtod(period_text, NULL);
        }
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

static const char *quota_limit(const struct cgroup_files *files, double *cores)
{
    static const struct {
        enum cgroup_controller controller;
        const char *source;
    } sources[] = {
        {CGROUP_V2, "cgroup v2 cpu.max"},
        {CGROUP_V1_CPU, "cgroup v1 cpu.cfs_quota_us"},
    };
    const char *source = NULL;
    *cores = 0;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        bool there = true;
        for (unsigned level = 0; there; level++) {
            double quota = quota_read(files, sources[i].controller, level, &there);
            if (quota > 0 && (source == NULL || quota < *cores)) {
                *cores = quota;
                source = sources[i].source;
            }
        }
    }
    return source;
}

/* Keeps those of `set` that the text lists, if that leaves any. */
static bool cpus_restrict(struct cpus *set, const char *text)
{
    struct cpus listed, both = {0};
    if (cpus_parse(text, &listed, NULL) != ROOST_OK)
        return false;
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX; cpu++)
        if (cpus_has(set, cpu) && cpus_has(&listed, cpu))
            cpus_add(&both, cpu);
    bool less = !cpus_empty(&both) && cpus_count(&both) < cpus_count(set);
    if (less)
        *set = both;
    return less;
}

/* The mask as the kernel tells it, which a test's directory tree can tell as well. */
static enum roost_err affinity_read(const char *root, struct cpus *set, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    char *text;
    size_t length;
    if (!path_join(path, sizeof path, root, "proc/self/status") ||
        file_read(path, PROC_BYTES_MAX, &text, &length, NULL) != ROOST_OK)
        return affinity_get(0, set, detail);
    char *line = strstr(text, "Cpus_allowed_list:");
    enum roost_err err = ROOST_NOT_FOUND;
    if (line != NULL) {
        line += strlen("Cpus_allowed_list:");
        line[strcspn(line, "\n")] = '\0';
        err = cpus_parse(line, set, detail);
    }
    free(text);
    return err == ROOST_OK && !cpus_empty(set) ? ROOST_OK : affinity_get(0, set, detail);
}

static enum roost_err cpu_limit(const char *root, const struct cgroup_files *files,
                                struct node_limits *limits, struct detail *detail)
{
    char text[4096];
    struct cpus set;
    enum roost_err err = affinity_read(root, &set, detail);
    if (err != ROOST_OK)
        return err;
    limits->cpu_source = "affinity mask";
    if (cgroup_read(files, CGROUP_V2, 0, "cpuset.cpus.effective", text, sizeof text) &&
        cpus_restrict(&set, text))
        limits->cpu_source = "cgroup v2 cpuset.cpus.effective";
    if (cgroup_read(files, CGROUP_V1_CPUSET, 0, "cpuset.effective_cpus", text, sizeof text) &&
        cpus_restrict(&set, text))
        limits->cpu_source = "cgroup v1 cpuset.effective_cpus";
    unsigned count = cpus_count(&set);
    const char *source = quota_limit(files, &limits->cpu_quota_cores);
    if (source != NULL && limits->cpu_quota_cores < count) {
        /* A little over a whole number is how a whole number looks after division. */
        double rounded = ceil(limits->cpu_quota_cores - 1e-6);
        if (rounded < 1)
            rounded = 1;
        if (rounded < count) {
            count = (unsigned)rounded;
            limits->cpu_source = source;
        }
    }
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX && limits->cpu_count < count; cpu++)
        if (cpus_has(&set, cpu))
            limits->cpus[limits->cpu_count++] = cpu;
    return ROOST_OK;
}

enum roost_err node_limits_read(const char *root, struct node_limits *limits, struct detail *detail)
{
    struct cgroup_files files;
    memset(limits, 0, sizeof *limits);
    enum roost_err err = machine_memory(root, &limits->memory_bytes, detail);
    if (err != ROOST_OK)
        return err;
    limits->memory_source = "machine";
    cgroup_find(root, &files);
    memory_limit(&files, limits);
    return cpu_limit(root, &files, limits, detail);
}
