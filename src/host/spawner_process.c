/* SPDX-License-Identifier: Apache-2.0 */
/* The process that forks hosts: one thread, one loop over its socket and its children. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/schedule.h"
#include "engine/engine.h"
#include "host/host_process.h"
#include "host/large_pages.h"
#include "host/sandbox.h"
#include "host/spawner_wire.h"

struct child {
    pid_t pid;
    uint64_t id;
};

struct spawner_process {
    int socket;
    int signals; /* signalfd for SIGCHLD */
    const struct sandbox *sandbox;
    bool may_rise; /* the supervisor can take hosts out of SCHED_IDLE */
    struct child *children;
    size_t child_count, child_capacity;
};

/* ---- beginning ---------------------------------------------------------------------------- */

/* Keeps standard output and error and the socket, which becomes 3. */
static int descriptors_close(int socket)
{
    int null = open("/dev/null", O_RDONLY);
    if (null > 0)
        dup2(null, STDIN_FILENO);
    if (socket != 3)
        dup3(socket, 3, O_CLOEXEC);
    (void)syscall(SYS_close_range, 4U, ~0U, 0U);
    return 3;
}

static void engines_open(const char *ort_library, struct spawner_hello *hello)
{
    memset(hello, 0, sizeof *hello);
    /* Its telemetry begins with its first call unless told before. */
    (void)setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    for (const struct engine_ops *const *at = engine_registry; *at != NULL; at++) {
        const struct engine_ops *engine = *at;
        struct detail detail = {""};
        if (engine->open(ort_library, &detail) != ROOST_OK) {
            hello->error = detail;
            continue;
        }
        if (hello->engine_count == SPAWNER_ENGINES_MAX)
            break;
        uint32_t i = hello->engine_count++;
        (void)snprintf(hello->engines[i].name, sizeof hello->engines[i].name, "%s", engine->name);
        (void)snprintf(hello->engines[i].version, sizeof hello->engines[i].version, "%s",
                       engine->version());
    }
}

static int signals_prepare(void)
{
    sigset_t set;
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- children ----------------------------------------------------------------------------- */

static void reply_send(const struct spawner_process *process, const struct spawner_reply *reply,
                       int pidfd)
{
    size_t bytes = reply->type == SPAWNER_FAILED ? sizeof *reply
                                                 : offsetof(struct spawner_reply, detail);
    /* Blocks while the supervisor is behind; it never waits for us. */
    (void)packet_send(process->socket, reply, bytes, &pidfd, pidfd >= 0 ? 1 : 0, 0);
}

static bool children_reserve(struct spawner_process *process)
{
    if (process->child_count < process->child_capacity)
        return true;
    size_t capacity = process->child_capacity == 0 ? 64 : 2 * process->child_capacity;
    struct child *children = realloc(process->children, capacity * sizeof *children);
    if (children == NULL)
        return false;
    process->children = children;
    process->child_capacity = capacity;
    return true;
}

static void spawn_failed(const struct spawner_process *process, uint64_t id, const char *what,
                         int error)
{
    struct spawner_reply reply = {.type = SPAWNER_FAILED, .id = id};
    (void)detail_set(&reply.detail, ROOST_UNAVAILABLE, "a host process cannot be started: %s: %s",
                     what, strerror(error));
    reply_send(process, &reply, -1);
}

static void spawn(struct spawner_process *process, uint64_t id, const int fds[SPAWN_FD_COUNT])
{
    if (!children_reserve(process)) {
        spawn_failed(process, id, "memory", ENOMEM);
        return;
    }
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(process->socket);
        close(process->signals);
        host_process_run(fds, self, process->sandbox, process->may_rise);
    }
    if (pid < 0) {
        spawn_failed(process, id, "fork", errno);
        return;
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        spawn_failed(process, id, "pidfd_open", error);
        return;
    }
    process->children[process->child_count++] = (struct child){.pid = pid, .id = id};
    struct spawner_reply reply = {.type = SPAWNER_SPAWNED, .id = id, .pid = pid};
    reply_send(process, &reply, pidfd);
    close(pidfd);
}

static void children_reap(struct spawner_process *process)
{
    struct signalfd_siginfo info;
    while (read(process->signals, &info, sizeof info) > 0)
        continue;
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < process->child_count; i++) {
            if (process->children[i].pid != pid)
                continue;
            struct spawner_reply reply = {.type = SPAWNER_EXITED,
                                          .id = process->children[i].id,
                                          .pid = pid,
                                          .status = status};
            process->children[i] = process->children[--process->child_count];
            reply_send(process, &reply, -1);
            break;
        }
    }
}

/* False when the supervisor has let go. */
static bool request_read(struct spawner_process *process)
{
    struct spawn_request request;
    int received[SPAWN_FD_COUNT], fds[SPAWN_FD_COUNT];
    size_t received_count, used = 0;
    ssize_t bytes = packet_receive(process->socket, &request, sizeof request, received,
                                   SPAWN_FD_COUNT, &received_count, 0);
    if (bytes != (ssize_t)sizeof request)
        return false;
    for (size_t i = 0; i < SPAWN_FD_COUNT; i++) {
        bool present = (request.fd_mask >> i & 1) != 0 && used < received_count;
        fds[i] = present ? received[used++] : -1;
    }
    if (used == (size_t)__builtin_popcount(request.fd_mask))
        spawn(process, request.id, fds);
    else
        spawn_failed(process, request.id, "descriptors", EMFILE);
    for (size_t i = 0; i < received_count; i++)
        close(received[i]);
    return true;
}

static _Noreturn void process_end(struct spawner_process *process)
{
    for (size_t i = 0; i < process->child_count; i++)
        kill(process->children[i].pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    _exit(0);
}

_Noreturn void spawner_process_run(int socket, const char *ort_library, pid_t supervisor)
{
    struct spawner_process process = {0};
    struct spawner_hello hello;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(1);
    (void)prctl(PR_SET_NAME, "roost-spawner");
    thread_to_batch(0); /* a fork takes a while: those who serve go first */
    process.socket = descriptors_close(socket);
    process.signals = signals_prepare();
    process.sandbox = sandbox_prepare();
    process.may_rise = thread_may_rise();
    engines_open(ort_library, &hello);
    (void)large_pages_take_heap();
    if (process.signals < 0 || packet_send(process.socket, &hello, sizeof hello, NULL, 0, 0) < 0)
        _exit(1);
    struct pollfd polled[] = {{.fd = process.socket, .events = POLLIN},
                              {.fd = process.signals, .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            process_end(&process);
        if (polled[1].revents != 0)
            children_reap(&process);
        if (polled[0].revents != 0 && !request_read(&process))
            process_end(&process);
    }
}
