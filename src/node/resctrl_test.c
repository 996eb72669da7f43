/* SPDX-License-Identifier: Apache-2.0 */
#include "node/resctrl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root[32];
static struct resctrl resctrl;

static void put(const char *name, const char *text)
{
    char path[256], directory[256];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    (void)snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(file_make_directory(directory, NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), ROOST_OK);
}

static void refused(const char *reason)
{
    struct detail detail = {""};
    assert_int_equal(resctrl_probe(root, &resctrl, &detail), ROOST_UNSUPPORTED);
    if (strstr(detail.text, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, detail.text);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/roost-resctrl-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int end(void **state)
{
    (void)state;
    return file_remove_tree(root, NULL) != ROOST_OK;
}

static void machine(void)
{
    put("sys/fs/resctrl/info/L3/cbm_mask", "7ff\n");
    put("sys/fs/resctrl/info/L3/min_cbm_bits", "2\n");
    put("sys/fs/resctrl/info/L3/num_closids", "16\n");
    put("sys/fs/resctrl/info/L3/shareable_bits", "600\n");
    put("sys/fs/resctrl/info/MB/min_bandwidth", "10\n");
    put("sys/fs/resctrl/info/MB/bandwidth_gran", "10\n");
    put("sys/fs/resctrl/info/MB/num_closids", "8\n");
    put("sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n");
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    refused("no resctrl");
    put("sys/fs/resctrl/x", "");
    refused("not mounted");
    put("sys/fs/resctrl/info/L3_MON/num_rmids", "8\n");
    refused("divides neither");
}

static void a_machine_is_read(void **state)
{
    (void)state;
    machine();
    struct detail detail = {""};
    assert_int_equal(resctrl_probe(root, &resctrl, &detail), ROOST_OK);
    assert_true(resctrl.ways && resctrl.bandwidth);
    assert_true(resctrl.cbm_mask == 0x7ff && resctrl.shareable_mask == 0x600);
    assert_int_equal(resctrl.min_cbm_bits, 2);
    assert_int_equal(resctrl.closids, 8);
    assert_int_equal(resctrl.l3_domain_count, 2);
    const struct resctrl_class one = {.ways_mask = 0x1c, .bandwidth_percent = 50};
    char text[128];
    resctrl_schemata(&resctrl, &one, text, sizeof text);
    assert_string_equal(text, "L3:0=1c;1=1c\nMB:0=50;1=50");
}

static void rules_are_kept(void **state)
{
    (void)state;
    static const struct {
        struct resctrl_class one;
        const char *reason; /* NULL: good */
    } cases[] = {
        {{0x3, 100}, NULL},
        {{0x7ff, 10}, NULL},
        {{0x5, 100}, "contiguous"},
        {{0x4, 100}, "at least 2"},
        {{0xc00, 100}, "not within"},
        {{0, 100}, "not within"},
        {{0x3, 55}, "multiple of 10"},
        {{0x3, 0}, "multiple of 10"},
        {{0x3, 110}, "multiple of 10"},
    };
    machine();
    assert_int_equal(resctrl_probe(root, &resctrl, NULL), ROOST_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {""};
        enum roost_err err = resctrl_check(&resctrl, &cases[i].one, &detail);
        assert_int_equal(err, cases[i].reason == NULL ? ROOST_OK : ROOST_INVALID);
        if (cases[i].reason != NULL)
            assert_non_null(strstr(detail.text, cases[i].reason));
    }
}

/* Neighbours share before those with somebody else's ways between them. */
static void too_few_groups_are_shared(void **state)
{
    (void)state;
    struct resctrl_class classes[] = {{0x003, 100}, {0x00c, 50}, {0x7f0, 100}, {0x003, 100}};
    unsigned place[4];
    assert_int_equal(resctrl_share(classes, 4, 8, place), 3);
    assert_int_equal(place[0], place[3]);
    struct resctrl_class again[] = {{0x003, 100}, {0x00c, 50}, {0x7f0, 100}};
    assert_int_equal(resctrl_share(again, 3, 2, place), 2);
    assert_int_equal(place[0], place[1]);
    assert_int_not_equal(place[0], place[2]);
    assert_true(again[place[0]].ways_mask == 0x00f);
    assert_int_equal(again[place[0]].bandwidth_percent, 100);
    assert_true(again[place[2]].ways_mask == 0x7f0);
    assert_int_equal(resctrl_share(again, 0, 1, place), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_missing_is_said, begin, end),
        cmocka_unit_test_setup_teardown(a_machine_is_read, begin, end),
        cmocka_unit_test_setup_teardown(rules_are_kept, begin, end),
        cmocka_unit_test(too_few_groups_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
