/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static void a_true_expression_is_evaluated_once(void **state)
{
    (void)state;
    int evaluations = 0;
    roost_assert(++evaluations == 1);
    assert_int_equal(evaluations, 1);
}

static void a_false_expression_says_what_and_aborts(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        /* cmocka and the sanitizers want to hear of an abort, which is wanted here. */
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        roost_assert(1 + 1 == 3);
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    char text[512] = "";
    size_t length = 0;
    ssize_t got;
    while ((got = read(pipe_fds[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    (void)close(pipe_fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "assert_test.c:"));
    assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_expression_is_evaluated_once),
        cmocka_unit_test(a_false_expression_says_what_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
