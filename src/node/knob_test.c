/* SPDX-License-Identifier: Apache-2.0 */
/* Knobs on trees of plain files, such as a kernel shows them. */
#include "node/knob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "node/journal.h"

enum { HOST_A = 2000000001, HOST_B = 2000000002 }; /* beyond what any process has */

static char root[32];
static struct knobs *knobs;

static char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    char directory[256];
    (void)snprintf(directory, sizeof directory, "%s", at(name));
    *strrchr(directory, '/') = '\0';
    assert_int_equal(file_make_directory(directory, NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(at(name), text, strlen(text), NULL), ROOST_OK);
}

/* Below the group of ours; the test's process has no entry in the tree, so its start is 0. */
static char *own(const char *directory, const char *rest)
{
    static char names[4][256];
    static unsigned next;
    char *name = names[next++ % 4];
    (void)snprintf(name, sizeof names[0], "%s/roost-%d-0%s", directory, (int)getpid(), rest);
    return name;
}

static void expect(const char *name, const char *wanted)
{
    char text[512];
    if (!setting_read(at(name), text, sizeof text))
        fail_msg("%s is not there", name);
    assert_string_equal(text, wanted);
}

static void v1_tree(void)
{
    put("proc/self/mountinfo", "32 29 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                               "33 29 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
    put("proc/self/cgroup", "3:cpuset:/\n1:cpu:/\n");
    put("sys/fs/cgroup/cpu/cpu.shares", "1024\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
    put("sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
}

static void v2_tree(void)
{
    put("proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "0::/a\n");
    put("sys/fs/cgroup/a/cgroup.controllers", "cpuset cpu memory\n");
    put("sys/fs/cgroup/a/cgroup.subtree_control", "cpu cpuset\n");
    put("sys/fs/cgroup/a/cgroup.type", "domain\n");
    put("sys/fs/cgroup/a/cgroup.procs", "");
}

static void resctrl_tree(void)
{
    put("sys/fs/resctrl/info/L3/cbm_mask", "ff\n");
    put("sys/fs/resctrl/info/L3/min_cbm_bits", "1\n");
    put("sys/fs/resctrl/info/L3/num_closids", "2\n");
    put("sys/fs/resctrl/schemata", "L3:0=ff\n");
    put("proc/2000000001/task/2000000001/x", "");
    put("proc/2000000002/task/2000000002/x", "");
}

static void start(void)
{
    struct detail detail = {""};
    const struct knob_options options = {.root = root, .pretend = true};
    assert_int_equal(knobs_open(&options, &knobs, &detail), ROOST_OK);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/roost-knob-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int end(void **state)
{
    (void)state;
    knobs_close(knobs);
    knobs = NULL;
    return file_remove_tree(root, NULL) != ROOST_OK;
}

static enum roost_err apply(const struct knob_host *hosts, unsigned count, struct detail *detail)
{
    const struct knob_plan plan = {.host_count = count, .hosts = hosts};
    return knobs_apply(knobs, &plan, detail);
}

static void an_empty_machine_says_why(void **state)
{
    (void)state;
    start();
    static const enum knob_kind none[] = {KNOB_WEIGHT, KNOB_QUOTA, KNOB_CPUSET, KNOB_WAYS,
                                          KNOB_BANDWIDTH};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(knobs_report(knobs, none[i])->available);
        assert_string_not_equal(knobs_report(knobs, none[i])->text, "");
    }
    struct detail detail = {""};
    const struct knob_host host = {HOST_A, {.weight = 50}};
    assert_int_equal(apply(&host, 1, &detail), ROOST_UNSUPPORTED);
    assert_non_null(strstr(detail.text, knobs_report(knobs, KNOB_WEIGHT)->text));
}

static void version_1(void **state)
{
    (void)state;
    v1_tree();
    start();
    struct detail detail = {""};
    struct knob_host host = {HOST_A, {.weight = 200, .quota_tenths = 15}};
    cpus_add(&host.grant.cpus, 1);
    cpus_add(&host.grant.cpus, 2);
    if (apply(&host, 1, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cpu.shares"), "2048");
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cpu.cfs_quota_us"), "15000");
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cpu.cfs_period_us"), "10000");
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cgroup.procs"), "2000000001");
    expect(own("sys/fs/cgroup/cpuset", "/2000000001/cpuset.cpus"), "1-2");
    expect(own("sys/fs/cgroup/cpuset", "/2000000001/cpuset.mems"), "0");
    assert_int_equal(apply(NULL, 0, &detail), ROOST_OK);
    assert_false(file_exists(at(own("sys/fs/cgroup/cpu", "/2000000001"))));
    expect("sys/fs/cgroup/cpu/cgroup.procs", "2000000001");
}

static void version_2(void **state)
{
    (void)state;
    v2_tree();
    start();
    struct detail detail = {""};
    struct knob_host host = {HOST_A, {.weight = 300, .quota_tenths = 5}};
    if (apply(&host, 1, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    expect(own("sys/fs/cgroup/a", "/2000000001/cpu.weight"), "300");
    expect(own("sys/fs/cgroup/a", "/2000000001/cpu.max"), "5000 10000");
    expect(own("sys/fs/cgroup/a", "/2000000001/cgroup.procs"), "2000000001");
    host.grant.quota_tenths = 0;
    assert_int_equal(apply(&host, 1, &detail), ROOST_OK);
    expect(own("sys/fs/cgroup/a", "/2000000001/cpu.max"), "max 10000");
    knobs_close(knobs);
    knobs = NULL;
    assert_false(file_exists(at(own("sys/fs/cgroup/a", ""))));
}

/* As systemd's DelegateSubgroup has it: the supervisor below the group that was given to it. */
static void the_group_above_is_divided(void **state)
{
    (void)state;
    v2_tree();
    put("proc/self/cgroup", "0::/a/supervisor\n");
    put("sys/fs/cgroup/a/supervisor/cgroup.controllers", "cpuset cpu memory\n");
    put("sys/fs/cgroup/a/supervisor/cgroup.type", "domain\n");
    put("sys/fs/cgroup/a/supervisor/cgroup.procs", "17\n");
    start();
    struct detail detail = {""};
    struct knob_host host = {HOST_A, {.weight = 300}};
    if (apply(&host, 1, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    expect(own("sys/fs/cgroup/a", "/2000000001/cpu.weight"), "300");
    assert_int_equal(apply(NULL, 0, &detail), ROOST_OK);
    expect("sys/fs/cgroup/a/supervisor/cgroup.procs", "17\n2000000001");
}

/* An idle process would compete with its group's weight. */
static void who_is_idle_has_no_weight(void **state)
{
    (void)state;
    v1_tree();
    start();
    struct detail detail = {""};
    struct knob_host hosts[] = {{HOST_A, {.weight = 100}}, {HOST_B, {.weight = 50}}};
    assert_int_equal(apply(hosts, 2, &detail), ROOST_OK);
    hosts[1].grant.idle = true;
    assert_int_equal(apply(hosts, 2, &detail), ROOST_OK);
    assert_true(file_exists(at(own("sys/fs/cgroup/cpu", "/2000000001"))));
    assert_false(file_exists(at(own("sys/fs/cgroup/cpu", "/2000000002"))));
    hosts[1].grant.quota_tenths = 3;
    assert_int_equal(apply(hosts, 2, &detail), ROOST_OK);
    expect(own("sys/fs/cgroup/cpu", "/2000000002/cpu.shares"), "10");
    expect(own("sys/fs/cgroup/cpu", "/2000000002/cpu.cfs_quota_us"), "3000");
}

static void a_group_with_processes_is_not_divided(void **state)
{
    (void)state;
    v2_tree();
    put("sys/fs/cgroup/a/cgroup.subtree_control", "\n");
    put("sys/fs/cgroup/a/cgroup.procs", "17\n");
    start();
    assert_false(knobs_report(knobs, KNOB_WEIGHT)->available);
    assert_non_null(strstr(knobs_report(knobs, KNOB_WEIGHT)->text, "Delegate=yes"));
}

/* The second tenant's write fails: the first one's is as it was, too. */
static void half_way_is_nowhere(void **state)
{
    (void)state;
    v1_tree();
    start();
    struct detail detail = {""};
    struct knob_host hosts[] = {{HOST_A, {.weight = 100}}, {HOST_B, {.weight = 100}}};
    assert_int_equal(apply(hosts, 2, &detail), ROOST_OK);
    const char *shares = own("sys/fs/cgroup/cpu", "/2000000002/cpu.shares");
    assert_int_equal(unlink(at(shares)) | symlink("/dev/full", at(shares)), 0);
    hosts[0].grant.weight = 400;
    hosts[1].grant.weight = 50;
    assert_int_not_equal(apply(hosts, 2, &detail), ROOST_OK);
    assert_non_null(strstr(detail.text, "cpu.shares"));
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cpu.shares"), "1024");
    /* The next plan starts from what is in force, not from what was tried. */
    assert_int_equal(unlink(at(shares)), 0);
    put(shares, "1024\n");
    assert_int_equal(apply(hosts, 2, &detail), ROOST_OK);
    expect(own("sys/fs/cgroup/cpu", "/2000000001/cpu.shares"), "4096");
    expect(shares, "512");
}

static void what_a_dead_one_left_is_removed(void **state)
{
    (void)state;
    v1_tree();
    resctrl_tree();
    put("proc/4242/stat", "4242 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n");
    put("sys/fs/cgroup/cpu/roost-4242-776/9/cpu.shares", "1\n");
    put("sys/fs/cgroup/cpu/roost-4242-777/9/cpu.shares", "1\n");
    put("sys/fs/resctrl/roost-4241-1-0/tasks", "");
    put("sys/fs/resctrl/others/tasks", "");
    start();
    assert_false(file_exists(at("sys/fs/cgroup/cpu/roost-4242-776")));
    assert_true(file_exists(at("sys/fs/cgroup/cpu/roost-4242-777")));
    assert_false(file_exists(at("sys/fs/resctrl/roost-4241-1-0")));
    assert_true(file_exists(at("sys/fs/resctrl/others")));
}

static void ways(void **state)
{
    (void)state;
    resctrl_tree();
    start();
    struct detail detail = {""};
    const struct knob_host hosts[] = {{HOST_A, {.ways_mask = 0x03}}, {HOST_B, {.ways_mask = 0x0c}}};
    struct knob_plan plan = {.host_count = 1, .hosts = hosts, .ways_rest_mask = 0xfc};
    if (knobs_apply(knobs, &plan, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    expect(own("sys/fs/resctrl", "-0/schemata"), "L3:0=3");
    expect(own("sys/fs/resctrl", "-0/tasks"), "2000000001");
    expect("sys/fs/resctrl/schemata", "L3:0=fc");
    assert_int_equal(knobs_groups_shared(knobs), 0);
    /* One class of service beside the default one: two tenants share it. */
    plan.host_count = 2;
    plan.ways_rest_mask = 0xf0;
    assert_int_equal(knobs_apply(knobs, &plan, &detail), ROOST_OK);
    assert_int_equal(knobs_groups_shared(knobs), 1);
    expect(own("sys/fs/resctrl", "-0/schemata"), "L3:0=f");
    knobs_close(knobs);
    knobs = NULL;
    expect("sys/fs/resctrl/schemata", "L3:0=ff");
    assert_false(file_exists(at(own("sys/fs/resctrl", "-0"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_machine_says_why, begin, end),
        cmocka_unit_test_setup_teardown(version_1, begin, end),
        cmocka_unit_test_setup_teardown(version_2, begin, end),
        cmocka_unit_test_setup_teardown(the_group_above_is_divided, begin, end),
        cmocka_unit_test_setup_teardown(who_is_idle_has_no_weight, begin, end),
        cmocka_unit_test_setup_teardown(a_group_with_processes_is_not_divided, begin, end),
        cmocka_unit_test_setup_teardown(half_way_is_nowhere, begin, end),
        cmocka_unit_test_setup_teardown(what_a_dead_one_left_is_removed, begin, end),
        cmocka_unit_test_setup_teardown(ways, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
