/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "host/spawner_wire.h"

/* A request that the socket had no room for; it has descriptors of its own. */
struct pending_spawn {
    struct pending_spawn *next;
    struct spawn_request request;
    size_t fd_count;
    int fds[SPAWN_FD_COUNT];
};

struct spawner {
    pid_t pid;
    int socket;
    bool gone; /* SPAWNER_GONE was given out */
    struct spawner_hello hello;
    struct pending_spawn *pending, **pending_end;
};

static void pending_free(struct pending_spawn *pending)
{
    for (size_t i = 0; i < pending->fd_count; i++)
        close(pending->fds[i]);
    free(pending);
}

static void spawner_free(struct spawner *spawner)
{
    while (spawner->pending != NULL) {
        struct pending_spawn *next = spawner->pending->next;
        pending_free(spawner->pending);
        spawner->pending = next;
    }
    if (spawner->socket >= 0)
        close(spawner->socket);
    free(spawner);
}

/* Waits for the first packet. */
static enum roost_err spawner_greet(struct spawner *spawner, struct detail *detail)
{
    size_t fd_count;
    ssize_t received = packet_receive(spawner->socket, &spawner->hello, sizeof spawner->hello, NULL,
                                      0, &fd_count, 0);
    if (received == (ssize_t)sizeof spawner->hello)
        return ROOST_OK;
    return detail_set(detail, ROOST_UNAVAILABLE,
                      "the process that starts model hosts died while it opened the engines");
}

enum roost_err spawner_start(const char *ort_library, struct spawner **spawner,
                             struct detail *engine_error, struct detail *detail)
{
    int sockets[2];
    struct spawner *s = calloc(1, sizeof *s);
    if (s == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    s->pending_end = &s->pending;
    s->socket = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        enum roost_err err = errno_translate(errno, "socketpair", detail);
        spawner_free(s);
        return err;
    }
    pid_t supervisor = getpid();
    s->socket = sockets[0];
    s->pid = fork();
    if (s->pid == 0)
        spawner_process_run(sockets[1], ort_library, supervisor);
    int error = errno;
    close(sockets[1]);
    enum roost_err err = s->pid < 0 ? errno_translate(error, "fork", detail)
                                    : spawner_greet(s, detail);
    if (err != ROOST_OK) {
        if (s->pid > 0) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, NULL, 0);
        }
        spawner_free(s);
        return err;
    }
    if (engine_error != NULL)
        *engine_error = s->hello.error;
    *spawner = s;
    return ROOST_OK;
}

const char *spawner_engine_version(const struct spawner *spawner, const char *engine)
{
    for (uint32_t i = 0; i < spawner->hello.engine_count; i++)
        if (strcmp(spawner->hello.engines[i].name, engine) == 0)
            return spawner->hello.engines[i].version;
    return "";
}

int spawner_fd(const struct spawner *spawner)
{
    return spawner->socket;
}

/* ---- asking for hosts --------------------------------------------------------------------- */

static enum roost_err spawner_postpone(struct spawner *spawner, const struct spawn_request *request,
                                       const int *fds, size_t fd_count, struct detail *detail)
{
    struct pending_spawn *pending = calloc(1, sizeof *pending);
    if (pending == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    pending->request = *request;
    for (size_t i = 0; i < fd_count; i++) {
        int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            enum roost_err err = errno_translate(errno, "dup", detail);
            pending_free(pending);
            return err;
        }
        pending->fds[pending->fd_count++] = copy;
    }
    *spawner->pending_end = pending;
    spawner->pending_end = &pending->next;
    return ROOST_OK;
}

/* Sends what waits, as far as the socket takes it. */
static void spawner_flush(struct spawner *spawner)
{
    while (spawner->pending != NULL) {
        struct pending_spawn *first = spawner->pending;
        if (packet_send(spawner->socket, &first->request, sizeof first->request, first->fds,
                        first->fd_count, MSG_DONTWAIT) < 0)
            return;
        spawner->pending = first->next;
        if (spawner->pending == NULL)
            spawner->pending_end = &spawner->pending;
        pending_free(first);
    }
}

enum roost_err spawner_spawn(struct spawner *spawner, uint64_t id, const int fds[SPAWN_FD_COUNT],
                             struct detail *detail)
{
    struct spawn_request request = {.id = id};
    int present[SPAWN_FD_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < SPAWN_FD_COUNT; i++) {
        if (fds[i] < 0)
            continue;
        request.fd_mask |= UINT32_C(1) << i;
        present[count++] = fds[i];
    }
    spawner_flush(spawner);
    if (spawner->pending != NULL)
        return spawner_postpone(spawner, &request, present, count, detail);
    if (packet_send(spawner->socket, &request, sizeof request, present, count, MSG_DONTWAIT) >= 0)
        return ROOST_OK;
    /* Full, or more descriptors under way than the system allows: the spawner will make room. */
    if (errno == EAGAIN || errno == ETOOMANYREFS)
        return spawner_postpone(spawner, &request, present, count, detail);
    return detail_set(detail, ROOST_UNAVAILABLE, "the process that starts model hosts is gone: %s",
                      strerror(errno));
}

/* ---- hearing of them ---------------------------------------------------------------------- */

static bool spawner_lost(struct spawner *spawner, struct spawner_event *event)
{
    if (spawner->gone)
        return false;
    spawner->gone = true;
    event->type = SPAWNER_GONE;
    (void)detail_set(&event->detail, ROOST_UNAVAILABLE,
                     "the process that starts model hosts is gone");
    return true;
}

bool spawner_next(struct spawner *spawner, struct spawner_event *event)
{
    memset(event, 0, sizeof *event);
    event->pidfd = -1;
    spawner_flush(spawner);
    struct spawner_reply reply = {0};
    size_t fd_count;
    ssize_t received = packet_receive(spawner->socket, &reply, sizeof reply, &event->pidfd, 1,
                                      &fd_count, MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN)
        return false;
    if (received <= 0 || reply.type > SPAWNER_EXITED)
        return spawner_lost(spawner, event);
    event->type = (enum spawner_event_type)reply.type;
    event->id = reply.id;
    event->pid = reply.pid;
    event->status = reply.status;
    event->detail = reply.detail;
    return true;
}

void spawner_stop(struct spawner *spawner)
{
    if (spawner == NULL)
        return;
    /* It ends when its socket does; a pidfd makes waiting for that possible with a limit. */
    close(spawner->socket);
    spawner->socket = -1;
    int pidfd = (int)syscall(SYS_pidfd_open, spawner->pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || poll(&ended, 1, 1000) <= 0)
        kill(spawner->pid, SIGKILL);
    if (pidfd >= 0)
        close(pidfd);
    waitpid(spawner->pid, NULL, 0);
    spawner_free(spawner);
}
