/* SPDX-License-Identifier: Apache-2.0 */
/* Every case is a directory tree such as a kernel shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "node/limits.h"

#define MIB      (UINT64_C(1) << 20)
#define V2_MOUNT "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
#define V1_MOUNTS                                                                                  \
    "29 24 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"                                   \
    "31 29 0:27 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n"                  \
    "32 29 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"                  \
    "33 29 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

static char root[64];
static struct node_limits limits;

static void put(const char *name, const char *text)
{
    char path[512], directory[512];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    (void)snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(file_make_directory(directory, NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), ROOST_OK);
}

/* A machine with 8 CPUs and 16 GiB, and no limits. */
static int tree_make(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/roost-limits-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000000 kB\n");
    put("proc/self/status", "Name:\troost\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nx:\t1\n");
    return 0;
}

static int tree_remove(void **state)
{
    (void)state;
    file_remove_tree(root, NULL);
    return 0;
}

static void read_limits(void)
{
    struct detail detail = {""};
    if (node_limits_read(root, &limits, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
}

static void test_no_cgroups(void **state)
{
    (void)state;
    read_limits();
    assert_int_equal(limits.cpu_count, 8);
    assert_int_equal(limits.cpus[7], 7);
    assert_true(limits.memory_bytes == 16384 * MIB);
    assert_string_equal(limits.memory_source, "machine");
    assert_string_equal(limits.cpu_source, "affinity mask");
    assert_true(limits.cpu_quota_cores <= 0);
}

static void test_v2(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V2_MOUNT);
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b/memory.max", "536870912\n");
    put("sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
    put("sys/fs/cgroup/a/b/cpuset.cpus.effective", "1,3-6\n");
    read_limits();
    assert_true(limits.memory_bytes == 512 * MIB);
    assert_string_equal(limits.memory_source, "cgroup v2 memory.max");
    assert_true(limits.cpu_quota_cores > 2.49 && limits.cpu_quota_cores < 2.51);
    assert_int_equal(limits.cpu_count, 3); /* rounded up */
    assert_int_equal(limits.cpus[0], 1);
    assert_int_equal(limits.cpus[1], 3);
    assert_int_equal(limits.cpus[2], 4);
    assert_string_equal(limits.cpu_source, "cgroup v2 cpu.max");
}

static void test_v2_nothing_but_max(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V2_MOUNT);
    put("proc/self/cgroup", "0::/a\n");
    put("sys/fs/cgroup/a/memory.max", "max\n");
    put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/a/cpuset.cpus.effective", "0-7\n");
    read_limits();
    assert_int_equal(limits.cpu_count, 8);
    assert_true(limits.memory_bytes == 16384 * MIB);
    assert_string_equal(limits.memory_source, "machine");
}

/* The lowest limit on the way to the root counts, whichever level has it. */
static void test_v2_nested(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V2_MOUNT);
    put("proc/self/cgroup", "0::/a/b/c\n");
    put("sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("sys/fs/cgroup/a/b/memory.max", "max\n");
    put("sys/fs/cgroup/a/b/c/memory.max", "2147483648\n");
    put("sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    put("sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    read_limits();
    assert_true(limits.memory_bytes == 1024 * MIB);
    assert_int_equal(limits.cpu_count, 1); /* half a core is one worker */
    assert_true(limits.cpu_quota_cores < 0.51);
}

/* In a container the mount shows only what is below the container's own group. */
static void test_v2_mount_of_a_subtree(void **state)
{
    (void)state;
    put("proc/self/mountinfo",
        "30 25 0:26 /docker/abc /sys/fs/cgroup ro shared:9 - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "0::/docker/abc/inner\n");
    put("sys/fs/cgroup/memory.max", "268435456\n");
    put("sys/fs/cgroup/inner/cpu.max", "100000 100000\n");
    read_limits();
    assert_true(limits.memory_bytes == 256 * MIB);
    assert_int_equal(limits.cpu_count, 1);
}

static void test_v2_group_outside_of_the_mount(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V2_MOUNT);
    put("proc/self/cgroup", "0::/../../elsewhere\n");
    put("sys/fs/cgroup/memory.max", "268435456\n");
    read_limits();
    assert_true(limits.memory_bytes == 256 * MIB);
}

static void test_v1(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V1_MOUNTS);
    put("proc/self/cgroup", "7:memory:/m\n5:cpu,cpuacct:/c/d\n3:cpuset:/s\n1:name=systemd:/x\n");
    put("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "1073741824\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/cpu,cpuacct/c/d/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/c/d/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "150000\n");
    put("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "50000\n");
    put("sys/fs/cgroup/cpuset/s/cpuset.effective_cpus", "4-7\n");
    read_limits();
    assert_true(limits.memory_bytes == 1024 * MIB);
    assert_string_equal(limits.memory_source, "cgroup v1 memory.limit_in_bytes");
    assert_int_equal(limits.cpu_count, 3);
    assert_int_equal(limits.cpus[0], 4);
    assert_string_equal(limits.cpu_source, "cgroup v1 cpu.cfs_quota_us");
}

/* Controllers may be in v1 while an empty v2 tree is mounted beside them. */
static void test_hybrid(void **state)
{
    (void)state;
    put("proc/self/mountinfo",
        V1_MOUNTS "34 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "4:memory:/m\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/init\n");
    put("sys/fs/cgroup/unified/init/cgroup.procs", "1\n");
    put("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "134217728\n");
    put("sys/fs/cgroup/cpuset/cpuset.effective_cpus", "0-1\n");
    read_limits();
    assert_true(limits.memory_bytes == 128 * MIB);
    assert_int_equal(limits.cpu_count, 2);
    assert_string_equal(limits.cpu_source, "cgroup v1 cpuset.effective_cpus");
}

static void test_quota_larger_than_the_set(void **state)
{
    (void)state;
    put("proc/self/mountinfo", V2_MOUNT);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "3200000 100000\n");
    put("proc/self/status", "Cpus_allowed_list:\t2-3\n");
    read_limits();
    assert_int_equal(limits.cpu_count, 2);
    assert_int_equal(limits.cpus[0], 2);
    assert_string_equal(limits.cpu_source, "affinity mask");
    assert_true(limits.cpu_quota_cores > 31);
}

static void test_garbage_does_not_limit(void **state)
{
    (void)state;
    put("proc/self/mountinfo", "nonsense\n- - -\n\n" V2_MOUNT);
    put("proc/self/cgroup", "nonsense\n::\n0::/a\n");
    put("sys/fs/cgroup/a/memory.max", "-\n");
    put("sys/fs/cgroup/a/cpu.max", "0 0\n");
    put("sys/fs/cgroup/a/cpuset.cpus.effective", "x\n");
    read_limits();
    assert_int_equal(limits.cpu_count, 8);
    assert_true(limits.memory_bytes == 16384 * MIB);
}

static void test_nothing_is_known(void **state)
{
    (void)state;
    struct detail detail = {""};
    assert_int_equal(node_limits_read("/nowhere", &limits, &detail), ROOST_IO);
    assert_non_null(strstr(detail.text, "/nowhere/proc/meminfo"));
}

static void test_this_machine(void **state)
{
    (void)state;
    struct detail detail = {""};
    assert_int_equal(node_limits_read("/", &limits, &detail), ROOST_OK);
    assert_true(limits.cpu_count >= 1);
    assert_true(limits.memory_bytes > MIB);
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, tree_remove)
    const struct CMUnitTest tests[] = {
        IN_TREE(test_no_cgroups),
        IN_TREE(test_v2),
        IN_TREE(test_v2_nothing_but_max),
        IN_TREE(test_v2_nested),
        IN_TREE(test_v2_mount_of_a_subtree),
        IN_TREE(test_v2_group_outside_of_the_mount),
        IN_TREE(test_v1),
        IN_TREE(test_hybrid),
        IN_TREE(test_quota_larger_than_the_set),
        IN_TREE(test_garbage_does_not_limit),
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
