/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/schedule.h"
#include "host/serving.h"
#include "host/wire.h"

/* Descriptors that an engine opens: model, weights, a few of the system's files. */
enum { HOST_FILES_MAX = 256, HOST_OOM_SCORE = 300 };

/* What a thread costs at most besides its work: its stack. */
static const uint64_t thread_bytes = UINT64_C(9) << 20;

/* The supervisor decides when hosts end: a signal to the whole process group, such as the
 * terminal's, must not take them away while it drains. */
static void signals_reset(void)
{
    static const int defaults[] = {SIGCHLD, SIGUSR1, SIGUSR2, SIGALRM, SIGQUIT, SIGABRT};
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        signal(defaults[i], SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void name_set(const char *label)
{
    char name[16];
    (void)snprintf(name, sizeof name, "%.15s", label);
    (void)prctl(PR_SET_NAME, name);
    log_set_context("");
}

static uint64_t private_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;
    if (file == NULL)
        return 0;
    /* size resident shared text lib data */
    if (fscanf(file, "%*u %*u %*u %*u %*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * RLIMIT_AS would count the sparse maps, so RLIMIT_DATA it is: private writable memory. What a
 * fresh host has and the stacks of its threads come on top.
 */
static void limits_set(const struct host_spec *spec)
{
    struct rlimit none = {0};
    struct rlimit files = {.rlim_cur = HOST_FILES_MAX, .rlim_max = HOST_FILES_MAX};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (spec->memory_bytes_max != 0) {
        uint64_t threads = (uint64_t)spec->workers_max + spec->intra_op_threads + 1;
        uint64_t bytes = private_bytes() + threads * thread_bytes + spec->memory_bytes_max;
        struct rlimit data = {.rlim_cur = bytes, .rlim_max = bytes};
        (void)setrlimit(RLIMIT_DATA, &data);
    }
    /* When the machine runs out of memory, a host should go, not the supervisor. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        char text[16];
        int length = snprintf(text, sizeof text, "%d", HOST_OOM_SCORE);
        (void)!write(fd, text, (size_t)length);
        close(fd);
    }
}

_Noreturn void host_process_run(const int fds[SPAWN_FD_COUNT], pid_t spawner,
                                const struct sandbox *sandbox, bool may_rise)
{
    static struct serving serving;
    struct detail detail = {""};
    if (may_rise)
        thread_to_idle();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != spawner)
        _exit(1);
    signals_reset();
    enum roost_err err = serving_attach(&serving, fds, &detail);
    if (err == ROOST_OK) {
        name_set(serving.spec.label);
        limits_set(&serving.spec);
        serving.may_rise = may_rise;
        if (serving.spec.sandbox) {
            struct sandbox_report report;
            sandbox_apply(sandbox, &serving.spec, &report);
            err = wire_send_sandbox(serving.control_fd, &report);
        }
    }
    if (err != ROOST_OK) {
        (void)wire_send_failed(fds[SPAWN_FD_CONTROL], err, detail.text);
        _exit(1);
    }
    _exit(serving_run(&serving));
}
