/* SPDX-License-Identifier: Apache-2.0 */
/* The file of decisions: whole after each decision, rotated, capped, and harmless when full. */
#include "serve/manager_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"
#include "core/decision_log.h"
#include "core/plan.h"
#include "core/view_fixture.h"
#include "policy/registry.h"

enum { TENANTS = 4, CAP_BYTES = 64 << 10 };

struct fixture {
    char directory[64], path[96], old[96];
    struct manager_log log;
    struct policy_runner runner;
    struct view_store store;
    struct roost_plan plan;
    struct roost_plan_tenant tenants[TENANTS];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const struct roost_policy *policy;
    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/manager-log-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/log", fixture->directory);
    snprintf(fixture->old, sizeof fixture->old, "%s/log.1", fixture->directory);
    assert_int_equal(view_store_init(&fixture->store, TENANTS, 8), ROOST_OK);
    fixture->store.view.node = view_fixture_node(4);
    assert_int_equal(policy_find("faircim", &policy, NULL), ROOST_OK);
    assert_int_equal(policy_runner_init(&fixture->runner, policy, NULL, 0, TENANTS,
                                        &fixture->store.view.node, NULL),
                     ROOST_OK);
    for (uint32_t i = 1; i <= TENANTS; i++) {
        assert_non_null(view_fixture_add(&fixture->store, i, 1000000));
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    manager_log_close(&fixture->log);
    policy_runner_fini(&fixture->runner);
    view_store_fini(&fixture->store);
    assert_int_equal(file_remove_tree(fixture->directory, NULL), ROOST_OK);
    free(fixture);
    return 0;
}

static enum policy_outcome decide_within(struct fixture *fixture, uint64_t spent_ns)
{
    struct detail detail;
    const struct roost_view *view = &fixture->store.view;
    manager_log_before(&fixture->log, &fixture->runner);
    policy_runner_decide(&fixture->runner, view, &fixture->plan, fixture->tenants);
    enum policy_outcome outcome = policy_runner_judge(&fixture->runner, view, &fixture->plan,
                                                      spent_ns, 1, &detail);
    manager_log_decision(&fixture->log, view, &fixture->plan, outcome);
    fixture->store.view.tick++;
    return outcome;
}

static void decide(struct fixture *fixture)
{
    decide_within(fixture, 0);
}

/* Counts the file's decisions; its first record is a policy, with a state unless it is `fresh`. */
static unsigned decisions_in(const char *path, bool fresh, size_t state_bytes)
{
    char *data;
    size_t length;
    unsigned decisions = 0;
    struct decision_log_reader reader;
    struct decision_log_record record;
    assert_int_equal(file_read(path, CAP_BYTES, &data, &length, NULL), ROOST_OK);
    assert_int_equal(decision_log_open(&reader, data, length, NULL), ROOST_OK);
    assert_int_equal(decision_log_next(&reader, &record, NULL), ROOST_OK);
    assert_int_equal(record.kind, DECISION_LOG_POLICY);
    assert_string_equal(record.policy.name, "faircim");
    assert_int_equal(record.policy.state_bytes, fresh ? 0 : state_bytes);
    struct detail detail;
    while (decision_log_next(&reader, &record, &detail) == ROOST_OK) {
        assert_int_equal(record.kind, DECISION_LOG_DECISION);
        decisions++;
    }
    assert_false(reader.cut);
    free(data);
    return decisions;
}

/* A log of nothing, but a log. */
static void assert_empty(const char *path)
{
    char *data;
    size_t length;
    struct decision_log_reader reader;
    struct decision_log_record record;
    assert_int_equal(file_read(path, CAP_BYTES, &data, &length, NULL), ROOST_OK);
    assert_int_equal(decision_log_open(&reader, data, length, NULL), ROOST_OK);
    assert_int_equal(decision_log_next(&reader, &record, NULL), ROOST_NOT_FOUND);
    free(data);
}

static void test_rotates(void **state)
{
    struct fixture *fixture = *state;
    unsigned all = 0;
    assert_int_equal(manager_log_open(&fixture->log, fixture->path, CAP_BYTES, NULL), ROOST_OK);
    assert_empty(fixture->path);
    while (!file_exists(fixture->old)) {
        decide(fixture);
        all++;
    }
    size_t state_bytes = fixture->runner.state_bytes;
    assert_empty(fixture->path);
    assert_int_equal(decisions_in(fixture->old, true, state_bytes), all);
    for (int i = 0; i < 3; i++) {
        decide(fixture);
    }
    assert_int_equal(decisions_in(fixture->path, false, state_bytes), 3);
    for (unsigned i = 0; i < 3 * all; i++) {
        decide(fixture);
        char *data;
        size_t bytes, old_bytes;
        assert_int_equal(file_read(fixture->path, CAP_BYTES, &data, &bytes, NULL), ROOST_OK);
        free(data);
        assert_int_equal(file_read(fixture->old, CAP_BYTES, &data, &old_bytes, NULL), ROOST_OK);
        free(data);
        assert_in_range(bytes + old_bytes, 1, CAP_BYTES);
    }
}

/* A file that begins between the faults that put `static` in the policy's place tells so itself. */
static void test_fallback_is_told(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"faircim", NULL, NULL, "static", NULL, NULL};
    struct decision_log_reader reader;
    struct decision_log_record record;
    char *data;
    size_t bytes;
    assert_int_equal(manager_log_open(&fixture->log, fixture->path, CAP_BYTES, NULL), ROOST_OK);
    assert_int_equal(decide_within(fixture, 2), POLICY_OVERRAN);
    manager_log_close(&fixture->log);
    assert_int_equal(manager_log_open(&fixture->log, fixture->path, CAP_BYTES, NULL), ROOST_OK);
    for (int i = 1; i < POLICY_FAULTS_MAX; i++) {
        assert_int_equal(decide_within(fixture, 2), POLICY_OVERRAN);
    }
    decide(fixture);
    decide(fixture);
    assert_int_equal(file_read(fixture->path, CAP_BYTES, &data, &bytes, NULL), ROOST_OK);
    assert_int_equal(decision_log_open(&reader, data, bytes, NULL), ROOST_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(decision_log_next(&reader, &record, NULL), ROOST_OK);
        assert_int_equal(record.kind == DECISION_LOG_POLICY, names[i] != NULL);
        if (names[i] != NULL) {
            assert_string_equal(record.policy.name, names[i]);
        }
    }
    free(data);
}

static void test_none(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(manager_log_open(&fixture->log, NULL, CAP_BYTES, NULL), ROOST_OK);
    decide(fixture);
    assert_false(file_exists(fixture->path));
}

static void test_full(void **state)
{
    struct fixture *fixture = *state;
    struct detail detail;
    assert_int_equal(manager_log_open(&fixture->log, "/dev/full", CAP_BYTES, &detail), ROOST_OK);
    assert_int_equal(fixture->log.fd, -1);
    decide(fixture);
}

static void test_nowhere(void **state)
{
    struct fixture *fixture = *state;
    struct detail detail;
    assert_int_equal(manager_log_open(&fixture->log, "/no/such/place", CAP_BYTES, &detail),
                     ROOST_NOT_FOUND);
    assert_non_null(strstr(detail.text, "/no/such/place"));
    decide(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rotates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fallback_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
