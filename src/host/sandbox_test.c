/* SPDX-License-Identifier: Apache-2.0 */
/* What a sandboxed process can and cannot do. Each case runs in a child; its exit status is the
 * number of the check that went wrong. Where the kernel lacks a part, what that part would forbid
 * is not checked. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/schedule.h"
#include "host/sandbox.h"

static char directory[256];
static struct host_spec spec;

struct checks {
    struct sandbox_report report;
    int failed; /* number of the first check that failed, 0: none */
    int count;
};

static void check(struct checks *checks, bool good)
{
    checks->count++;
    if (!good && checks->failed == 0)
        checks->failed = checks->count;
}

static bool can_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;
    bool read_one = fd >= 0 && read(fd, &byte, 1) == 1;
    if (fd >= 0)
        close(fd);
    return read_one;
}

static bool can_create(const char *name)
{
    char path[FILE_PATH_BYTES_MAX];
    (void)path_join(path, sizeof path, directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, "x", 1) == 1;
    if (fd >= 0)
        close(fd);
    return written;
}

static long node_make(const char *name, mode_t mode)
{
    char path[FILE_PATH_BYTES_MAX];
    (void)path_join(path, sizeof path, directory, name);
    return mknod(path, mode | 0600, 0);
}

static void *thread_main(void *argument)
{
    *(int *)argument = 1;
    return NULL;
}

static bool can_start_a_thread(void)
{
    pthread_t thread;
    int ran = 0;
    return pthread_create(&thread, NULL, thread_main, &ran) == 0 &&
           pthread_join(thread, NULL) == 0 && ran == 1;
}

static bool refused(long rc)
{
    return rc < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);
}

static void check_calls(struct checks *checks)
{
    char *const arguments[] = {NULL};
    struct sched_param parameter = {0};
    check(checks, refused(socket(AF_INET, SOCK_STREAM, 0)));
    check(checks, refused(socket(AF_UNIX, SOCK_STREAM, 0)));
    check(checks, refused(execve("/bin/true", arguments, arguments)));
    check(checks, refused(syscall(SYS_ptrace, 16, getppid(), NULL, NULL)));
    check(checks, refused(kill(getppid(), 0)));
    check(checks, refused(syscall(SYS_tgkill, getppid(), getppid(), 0)));
    check(checks, syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
    check(checks, refused(syscall(SYS_sched_setscheduler, getppid(), SCHED_OTHER, &parameter)));
    check(checks, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &parameter) == 0);
    struct thread_schedule schedule;
    check(checks, thread_schedule_get(getppid(), &schedule, NULL) != ROOST_OK);
    check(checks, thread_schedule_get(0, &schedule, NULL) == ROOST_OK);
    check(checks, thread_schedule_set(getppid(), &schedule, NULL) != ROOST_OK);
    check(checks, thread_schedule_set(0, &schedule, NULL) == ROOST_OK);
    check(checks, refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)));
    check(checks, refused(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL)));
    check(checks, refused(syscall(SYS_bpf, 0, NULL, 0)));
    check(checks, refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
    check(checks, refused(syscall(SYS_init_module, NULL, 0, "")));
    check(checks, refused(syscall(SYS_unshare, CLONE_NEWUSER)));
    check(checks, refused(syscall(SYS_memfd_create, "x", 0)));
    check(checks, refused(prctl(PR_SET_DUMPABLE, 1)));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    check(checks, refused(child));
}

static void check_serving(struct checks *checks)
{
    char path[FILE_PATH_BYTES_MAX];
    check(checks, checks->report.no_new_privs);
    check(checks, can_read(spec.model_path));
    (void)path_join(path, sizeof path, directory, "link.bin");
    check(checks, can_read(path));
    check(checks, can_start_a_thread());
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(checks, memory != MAP_FAILED);
    void *block = malloc(1 << 22);
    check(checks, block != NULL);
    free(block);
    if (checks->report.landlock) {
        check(checks, !can_read("/etc/passwd"));
        check(checks, !can_create("model.bin"));
    }
    if (checks->report.seccomp) {
        check_calls(checks);
        check(checks, !can_create("model.bin"));
    }
    if (checks->report.capabilities_dropped)
        check(checks, refused(syscall(SYS_sethostname, "x", 1)));
}

static void check_optimising(struct checks *checks)
{
    check(checks, can_read(spec.model_path));
    check(checks, can_create("out/model.onnx"));
    check(checks, node_make("out/model.weights", S_IFIFO) == 0);
    if (checks->report.landlock) {
        check(checks, !can_create("elsewhere"));
        check(checks, !can_read("/etc/passwd"));
    }
    if (checks->report.seccomp) {
        check(checks, refused(socket(AF_INET, SOCK_STREAM, 0)));
        check(checks, refused(node_make("out/device", S_IFCHR)));
    }
}

static void run(enum host_role role, void (*what)(struct checks *checks))
{
    struct checks *checks = mmap(NULL, sizeof *checks, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(checks, MAP_FAILED);
    spec.role = role;
    pid_t child = fork();
    if (child == 0) {
        sandbox_apply(sandbox_prepare(), &spec, &checks->report);
        what(checks);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    const struct sandbox_report *report = &checks->report;
    print_message("no_new_privs=%d seccomp=%d landlock=%d network=%d capabilities=%d %s\n",
                  report->no_new_privs, report->seccomp, report->landlock,
                  report->network_namespace, report->capabilities_dropped, report->reason);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(checks->failed, 0);
    assert_true(checks->count > 0);
    munmap(checks, sizeof *checks);
}

static void test_serving(void **state)
{
    (void)state;
    run(HOST_SERVE, check_serving);
}

static void test_optimising(void **state)
{
    (void)state;
    run(HOST_OPTIMISE, check_optimising);
}

static int setup(void **state)
{
    (void)state;
    char path[512], outside[512];
    (void)snprintf(directory, sizeof directory, "/tmp/roost-sandbox-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(spec.output_directory, sizeof spec.output_directory, "%s/out", directory);
    (void)snprintf(path, sizeof path, "%s/model", directory);
    assert_int_equal(file_make_directory(spec.output_directory, NULL), ROOST_OK);
    assert_int_equal(file_make_directory(path, NULL), ROOST_OK);
    (void)snprintf(spec.model_path, sizeof spec.model_path, "%s/model/model.onnx", directory);
    assert_int_equal(file_write_atomic(spec.model_path, "model", 5, NULL), ROOST_OK);
    /* Weights that are kept elsewhere and linked to. */
    (void)snprintf(outside, sizeof outside, "%s/blob", directory);
    assert_int_equal(file_write_atomic(outside, "blob", 4, NULL), ROOST_OK);
    (void)snprintf(path, sizeof path, "%s/model/link.bin", directory);
    assert_int_equal(symlink(outside, path), 0);
    (void)snprintf(path, sizeof path, "%s/link.bin", directory);
    assert_int_equal(symlink("model/link.bin", path), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    file_remove_tree(directory, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serving),
        cmocka_unit_test(test_optimising),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
