/* SPDX-License-Identifier: Apache-2.0 */
#include "node/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static char root[32];

static const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void expect(const char *name, const char *wanted)
{
    char text[256];
    assert_true(setting_read(at(name), text, sizeof text));
    assert_string_equal(text, wanted);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/roost-journal-XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(file_write_atomic(at("weight"), "100\n", 4, NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(at("list"), "1\n", 2, NULL), ROOST_OK);
    /* The kernel's refusal: writing to it fails, whoever writes. */
    assert_int_equal(symlink("/dev/full", at("refuses")), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return file_remove_tree(root, NULL) != ROOST_OK;
}

static void steps(struct journal *journal)
{
    assert_int_equal(journal_group(journal, at("group"), NULL), ROOST_OK);
    assert_int_equal(journal_group(journal, at("group"), NULL), ROOST_OK);
    assert_int_equal(journal_write(journal, at("weight"), "50", NULL), ROOST_OK);
    assert_int_equal(journal_write(journal, at("weight"), "70", NULL), ROOST_OK);
    assert_int_equal(journal_move(journal, 7, at("group/list"), at("list"), NULL), ROOST_OK);
    expect("weight", "70");
    expect("group/list", "7");
}

static void what_fails_is_taken_back(void **state)
{
    (void)state;
    struct journal journal;
    struct detail detail = {""};
    journal_init(&journal, true);
    steps(&journal);
    assert_int_not_equal(journal_write(&journal, at("refuses"), "1", &detail), ROOST_OK);
    assert_string_not_equal(detail.text, "");
    assert_true(journal_undo(&journal));
    expect("weight", "100");
    expect("list", "1\n7");
    assert_false(file_is_directory(at("group")));
}

static void what_is_kept_stays(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal, true);
    steps(&journal);
    journal_keep(&journal);
    assert_true(journal_undo(&journal));
    expect("weight", "70");
    assert_true(file_is_directory(at("group")));
}

static void threads_come_back_to_their_schedule(void **state)
{
    (void)state;
    struct journal journal;
    struct thread_schedule before, nicer, after;
    struct detail detail = {""};
    assert_int_equal(thread_schedule_get(0, &before, &detail), ROOST_OK);
    nicer = before;
    nicer.nice++;
    journal_init(&journal, true);
    enum roost_err err = journal_schedule(&journal, gettid(), &nicer, &detail);
    assert_int_equal(err, ROOST_OK);
    assert_int_equal(thread_schedule_get(0, &after, &detail), ROOST_OK);
    assert_int_equal(after.nice, before.nice + 1);
    /* To become less nice again takes a privilege, which a test may lack. */
    if (journal_undo(&journal)) {
        assert_int_equal(thread_schedule_get(0, &after, &detail), ROOST_OK);
        assert_int_equal(after.nice, before.nice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_fails_is_taken_back, begin, end),
        cmocka_unit_test_setup_teardown(what_is_kept_stays, begin, end),
        cmocka_unit_test_setup_teardown(threads_come_back_to_their_schedule, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
