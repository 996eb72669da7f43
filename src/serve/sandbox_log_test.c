/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing is told once, whoever misses it. */
#include "serve/sandbox_log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"

static const struct sandbox_report all = {.no_new_privs = true,
                                          .seccomp = true,
                                          .landlock = true,
                                          .network_namespace = true,
                                          .capabilities_dropped = true};

static void test_names(void **state)
{
    (void)state;
    char text[SANDBOX_NAMES_BYTES];
    struct sandbox_report report = all;
    assert_string_equal(sandbox_names(&report, true, text),
                        "no_new_privs,seccomp,landlock,network_namespace,capabilities_dropped");
    assert_string_equal(sandbox_names(&report, false, text), "none");
    report.landlock = report.no_new_privs = false;
    assert_string_equal(sandbox_names(&report, true, text),
                        "seccomp,network_namespace,capabilities_dropped");
    assert_string_equal(sandbox_names(&report, false, text), "no_new_privs,landlock");
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void test_each_reason_once(void **state)
{
    (void)state;
    char text[8192] = "";
    struct sandbox_log log = {0};
    struct sandbox_report report = all;
    FILE *file = tmpfile();
    assert_non_null(file);
    log_set_fd(fileno(file));
    sandbox_log_missing(&log, &report);
    report.landlock = false;
    strcpy(report.reason, "landlock: not in this kernel");
    sandbox_log_missing(&log, &report);
    sandbox_log_missing(&log, &report);
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "warn host.sandbox missing=landlock "
                                 "reason=\"landlock: not in this kernel\""));

    for (unsigned i = 0; i < 2 * SANDBOX_REASONS_MAX; i++) {
        (void)snprintf(report.reason, sizeof report.reason, "landlock: %u", i);
        sandbox_log_missing(&log, &report);
    }
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    assert_int_equal(lines(text), SANDBOX_REASONS_MAX);
    log_set_fd(STDERR_FILENO);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_each_reason_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
