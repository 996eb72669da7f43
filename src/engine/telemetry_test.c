/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX Runtime's builds from 1.29 on report to their maker by a thread, files and a socket of their
 * own. This proves that ours do not: a child with a fresh home loads and runs a model, under a
 * filter that ends it at the first socket, thread, process or new file, and looks at itself after.
 */
#include "engine/engine_testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/ort.h"

enum { FDS_MAX = 256, CHILD_FAILED = 1, CHILD_UNFILTERED = 3 };

#define LOAD(member)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define DENY            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define DENY_CALL(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), DENY
/* The flags of an open are in the low half of an argument. */
#define DENY_CREATING(call, argument)                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4), LOAD(args[argument]),                       \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1), DENY, LOAD(nr)

/* False where the kernel or the container does not let us. */
static bool filter_install(void)
{
    struct sock_filter code[] = {
        LOAD(nr),
        DENY_CALL(__NR_socket),
        DENY_CALL(__NR_connect),
        DENY_CALL(__NR_clone),
        DENY_CALL(__NR_clone3),
        DENY_CALL(__NR_execve),
        DENY_CALL(__NR_mkdirat),
#ifdef __NR_mkdir
        DENY_CALL(__NR_mkdir),
        DENY_CALL(__NR_creat),
        DENY_CALL(__NR_fork),
        DENY_CREATING(__NR_open, 1),
#endif
        DENY_CREATING(__NR_openat, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static unsigned descriptor_count(unsigned *sockets)
{
    unsigned count = 0;
    *sockets = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct stat status;
        if (fstat(fd, &status) != 0)
            continue;
        count++;
        *sockets += S_ISSOCK(status.st_mode) ? 1 : 0;
    }
    return count;
}

static bool variable_is_1(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && strcmp(value, "1") == 0;
}

#define CHILD_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "child: %s does not hold: %s\n", #condition, detail.text);             \
            return CHILD_FAILED;                                                                   \
        }                                                                                          \
    } while (0)

static int child_main(const char *model)
{
    struct detail detail = {0};
    struct engine_session *session;
    struct engine_context *context;
    const struct engine_load_options options = {.intra_op_threads = 1};
    float x[16] = {1};
    struct tensor input = TENSOR(DTYPE_FP32, x, 1, 16);
    struct tensor output = {.dtype = DTYPE_FP32};
    unsigned sockets_before;
    unsigned sockets_after;
    unsigned threads = testing_thread_count();
    unsigned descriptors = descriptor_count(&sockets_before);
    CHILD_CHECK(getenv("ORT_DISABLE_TELEMETRY") == NULL);
    CHILD_CHECK(TESTING_SANITIZED || threads == 1);
    bool filtered = filter_install();

    CHILD_CHECK(engine_ort.open(NULL, &detail) == ROOST_OK);
    CHILD_CHECK(engine_ort.load(model, &options, &session, &detail) == ROOST_OK);
    CHILD_CHECK(engine_ort.context_open(session, &context, &detail) == ROOST_OK);
    CHILD_CHECK(engine_ort.run(context, &input, &output, &detail) == ROOST_OK);
    engine_ort.context_close(context);
    engine_ort.unload(session);

    CHILD_CHECK(variable_is_1("ORT_DISABLE_TELEMETRY"));
    CHILD_CHECK(variable_is_1("ORT_TELEMETRY_DISABLED"));
    CHILD_CHECK(testing_thread_count() == threads);
    CHILD_CHECK(descriptor_count(&sockets_after) == descriptors);
    CHILD_CHECK(sockets_after == sockets_before);
    return filtered ? 0 : CHILD_UNFILTERED;
}

static void directory_is_empty(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *item = readdir(directory); item != NULL; item = readdir(directory)) {
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            fail_msg("%s was made in %s", item->d_name, path);
    }
    (void)closedir(directory);
}

static _Noreturn void child_exec(const char *home, const char *temporary, const char *model)
{
    char home_setting[FILE_PATH_BYTES_MAX + 8];
    char temporary_setting[FILE_PATH_BYTES_MAX + 8];
    char library_setting[FILE_PATH_BYTES_MAX + 32];
    const char *library = getenv("ROOST_ORT_LIBRARY");
    (void)snprintf(home_setting, sizeof(home_setting), "HOME=%s", home);
    (void)snprintf(temporary_setting, sizeof(temporary_setting), "TMPDIR=%s", temporary);
    (void)snprintf(library_setting, sizeof(library_setting), "ROOST_ORT_LIBRARY=%s",
                   library != NULL ? library : "");
    char *arguments[] = {(char[]){"telemetry_test"}, strdup(model), NULL};
    char *environment[] = {home_setting, temporary_setting, library_setting, NULL};
    (void)execve("/proc/self/exe", arguments, environment);
    _exit(CHILD_FAILED);
}

static void the_engine_keeps_to_itself(void **state)
{
    (void)state;
    char home[FILE_PATH_BYTES_MAX];
    char temporary[FILE_PATH_BYTES_MAX];
    char log[FILE_PATH_BYTES_MAX];
    int status;
    testing_directory_make(home, sizeof(home));
    testing_directory_make(temporary, sizeof(temporary));
    const char *model = testing_fixture("mlp.onnx");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_exec(home, temporary, model);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the child was ended by signal %d (%d: a call that the filter forbids)",
                 WTERMSIG(status), SIGSYS);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), CHILD_FAILED);
    if (WEXITSTATUS(status) == CHILD_UNFILTERED)
        print_message("no system call filter here: only what is left afterwards was looked at\n");

    directory_is_empty(home);
    directory_is_empty(temporary);
    (void)snprintf(log, sizeof(log), "/tmp/mat-debug-%d.log", (int)child);
    assert_false(file_exists(log));
    testing_directory_remove(home);
    testing_directory_remove(temporary);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_engine_keeps_to_itself)};
    /* Past the search for leaks at exit, which needs a process of its own. */
    if (argc > 1)
        _exit(child_main(argv[1]));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
