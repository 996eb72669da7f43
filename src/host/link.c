/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and control of a link; link_batch.c has the batches. */
#include "host/link.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/schedule.h"
#include "host/link_internal.h"
#include "host/memfile.h"
#include "host/wire.h"

static const uint64_t output_bytes_default = UINT64_C(64) << 20;
static const uint64_t output_bytes_limit = UINT64_C(1) << 36;

/* ---- opening ------------------------------------------------------------------------------ */

static enum roost_err spec_check(const struct host_spec *spec, const struct input_memory *input,
                                 struct detail *detail)
{
    if (spec->warmup_count > HOST_WARMUPS_MAX)
        return detail_set(detail, ROOST_INVALID, "more than %d warm-up samples", HOST_WARMUPS_MAX);
    if (spec->role == HOST_OPTIMISE)
        return ROOST_OK;
    if (spec->workers < 1 || spec->workers > spec->workers_max ||
        spec->workers_max > HOST_WORKERS_MAX)
        return detail_set(detail, ROOST_INVALID, "%u of at most %u workers: 1 to %d are possible",
                          spec->workers, spec->workers_max, HOST_WORKERS_MAX);
    if (spec->output_bytes_max > output_bytes_limit)
        return detail_set(detail, ROOST_INVALID, "more than 64 GiB of outputs per batch");
    if (input == NULL)
        return detail_set(detail, ROOST_INVALID, "a host that serves needs input memory");
    return ROOST_OK;
}

static enum roost_err memory_create(struct link *link, const struct host_spec *spec,
                                    int fds[SPAWN_FD_COUNT], struct detail *detail)
{
    link->region_length = region_bytes(link->slot_count);
    enum roost_err err = memfile_create("roost-region", link->region_length, &fds[SPAWN_FD_REGION],
                                        detail);
    if (err != ROOST_OK)
        return err;
    link->region = memfile_map(fds[SPAWN_FD_REGION], link->region_length, PROT_READ | PROT_WRITE,
                               detail);
    if (link->region == NULL)
        return ROOST_NO_MEMORY;
    region_init(link->region, spec, link->output_stride_bytes);
    if (link->slot_count == 0)
        return ROOST_OK;
    link->outputs_length = link->slot_count * link->output_stride_bytes;
    err = memfile_create("roost-output", link->outputs_length, &fds[SPAWN_FD_OUTPUT], detail);
    if (err != ROOST_OK)
        return err;
    link->output_fd = dup(fds[SPAWN_FD_OUTPUT]);
    if (link->output_fd < 0)
        return errno_translate(errno, "dup", detail);
    link->outputs = memfile_map(link->output_fd, link->outputs_length, PROT_READ, detail);
    return link->outputs == NULL ? ROOST_NO_MEMORY : ROOST_OK;
}

static enum roost_err sockets_create(struct link *link, int fds[SPAWN_FD_COUNT],
                                     struct detail *detail)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return errno_translate(errno, "socketpair", detail);
    link->control_fd = sockets[0];
    fds[SPAWN_FD_CONTROL] = sockets[1];
    link->completion_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->completion_fd < 0)
        return errno_translate(errno, "eventfd", detail);
    fds[SPAWN_FD_COMPLETION] = dup(link->completion_fd);
    return fds[SPAWN_FD_COMPLETION] >= 0 ? ROOST_OK : errno_translate(errno, "dup", detail);
}

void fds_close(int fds[SPAWN_FD_COUNT])
{
    for (size_t i = 0; i < SPAWN_FD_COUNT; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

enum roost_err link_create(const struct host_spec *spec, struct input_memory *input,
                           struct link **link, int fds[SPAWN_FD_COUNT], struct detail *detail)
{
    for (size_t i = 0; i < SPAWN_FD_COUNT; i++)
        fds[i] = -1;
    enum roost_err err = spec_check(spec, input, detail);
    if (err != ROOST_OK)
        return err;
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    l->output_fd = l->control_fd = l->completion_fd = l->pidfd = -1;
    l->worker_count = spec->role == HOST_SERVE ? spec->workers_max : 0;
    l->workers = spec->workers;
    l->slot_count = 2 * l->worker_count;
    l->intra_op_threads = spec->intra_op_threads;
    l->cpus = spec->cpus;
    uint64_t stride = spec->output_bytes_max == 0 ? output_bytes_default : spec->output_bytes_max;
    l->output_stride_bytes = (stride + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES *
                             REGION_PAGE_BYTES;
    for (unsigned slot = 0; slot < l->slot_count; slot++)
        l->free_slots[l->free_count++] = (unsigned char)(l->slot_count - 1 - slot);
    err = memory_create(l, spec, fds, detail);
    if (err == ROOST_OK)
        err = sockets_create(l, fds, detail);
    if (err == ROOST_OK && input != NULL) {
        fds[SPAWN_FD_INPUT] = dup(input_memory_reader_fd(input));
        err = fds[SPAWN_FD_INPUT] >= 0 ? ROOST_OK : errno_translate(errno, "dup", detail);
    }
    if (err != ROOST_OK) {
        fds_close(fds);
        link_close(l);
        return err;
    }
    *link = l;
    return ROOST_OK;
}

enum roost_err link_open(struct spawner *spawner, uint64_t id, const struct host_spec *spec,
                         struct input_memory *input, struct link **link, struct detail *detail)
{
    int fds[SPAWN_FD_COUNT];
    struct link *l;
    enum roost_err err = link_create(spec, input, &l, fds, detail);
    if (err != ROOST_OK)
        return err;
    err = spawner_spawn(spawner, id, fds, detail);
    fds_close(fds);
    if (err != ROOST_OK)
        link_close(l);
    else
        *link = l;
    return err;
}

void link_close(struct link *link)
{
    if (link == NULL)
        return;
    if (link->control_fd >= 0)
        close(link->control_fd);
    /* A host in a thread of ours lets go when the socket is closed. */
    if (link->threaded)
        pthread_join(link->thread, NULL);
    if (link->completion_fd >= 0)
        close(link->completion_fd);
    if (link->output_fd >= 0)
        close(link->output_fd);
    if (link->pidfd >= 0)
        close(link->pidfd);
    if (link->region != NULL)
        munmap(link->region, link->region_length);
    if (link->outputs != NULL)
        munmap((void *)(uintptr_t)link->outputs, link->outputs_length);
    free(link);
}

/* ---- what the host tells ------------------------------------------------------------------ */

int link_control_fd(const struct link *link)
{
    return link->control_fd;
}

int link_completion_fd(const struct link *link)
{
    return link->completion_fd;
}

/* Calls `visit` for every thread of the host. One that is made meanwhile inherits from the main
 * thread, which comes first. */
static void threads_visit(const struct link *link, void (*visit)(int tid, const void *argument),
                          const void *argument)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)link->pid);
    DIR *tasks = link->pid > 0 ? opendir(path) : NULL;
    const struct dirent *entry;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        int tid = (int)strtol(entry->d_name, NULL, 10);
        if (tid > 0)
            visit(tid, argument);
    }
    if (tasks != NULL)
        closedir(tasks);
}

/* A loader that starves. */
static void thread_lift(int tid, const void *nothing)
{
    (void)nothing;
    if (sched_getscheduler(tid) == SCHED_IDLE)
        thread_to_background(tid);
}

/* A thread of the engine's that the loader made, whose class it has; it is to serve now. */
static void thread_raise(int tid, const void *nothing)
{
    (void)nothing;
    thread_to_foreground(tid);
}

/* One that has not been raised in time, and those that it made. */
static void thread_rescue(int tid, const void *nothing)
{
    struct thread_schedule schedule;
    (void)nothing;
    if (thread_schedule_get(tid, &schedule, NULL) == ROOST_OK &&
        (schedule.policy == SCHED_IDLE || schedule.nice > process_nice()))
        thread_to_foreground(tid);
}

/* The process begins at SCHED_IDLE. When it has set itself up its orders are to be heard, whoever
 * else serves; when it serves it is like all others. */
static void link_raise(const struct link *link)
{
    if (link->pid <= 0)
        return;
    if (link->ready)
        threads_visit(link, link->intra_op_threads > 1 ? thread_raise : thread_rescue, NULL);
    else if (link->sandboxed)
        thread_to_batch(link->pid);
}

static void thread_place(int tid, const void *cpus)
{
    (void)affinity_set(tid, cpus, NULL);
}

static bool link_nonsense(struct link *link, struct link_event *event)
{
    link->broken = true;
    memset(event, 0, sizeof *event);
    event->type = LINK_FAILED;
    event->err = ROOST_INTERNAL;
    (void)detail_set(&event->detail, ROOST_INTERNAL, "the host sent a message that makes no sense");
    return true;
}

bool link_next_event(struct link *link, struct link_event *event)
{
    unsigned char packet[WIRE_BYTES_MAX];
    if (link->closed)
        return false;
    ssize_t received;
    do {
        /* Descriptors that come along find no room and are dropped by the kernel. */
        received = recv(link->control_fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
    } while ((received < 0 && errno == EINTR) || (received > 0 && link->broken));
    if (received < 0 && errno == EAGAIN)
        return false;
    if (received <= 0) {
        link->closed = true;
        memset(event, 0, sizeof *event);
        event->type = LINK_CLOSED;
        return true;
    }
    struct model_io refused;
    if ((size_t)received > sizeof packet ||
        wire_decode(packet, (size_t)received, event, link->loaded ? &refused : &link->io) !=
            ROOST_OK ||
        (event->type == LINK_LOADED && link->loaded))
        return link_nonsense(link, event);
    if (event->type == LINK_LOADED)
        link->loaded = true;
    if (event->type == LINK_READY) {
        link->progress_ns = clock_now_ns();
        link->ready = true;
        link_raise(link);
    }
    if (event->type == LINK_SANDBOX) {
        link->sandboxed = true;
        link_raise(link);
    }
    return true;
}

/* ---- what it is told ---------------------------------------------------------------------- */

void link_orders_send(struct link *link)
{
    if (link->workers_waiting) {
        struct wire_order order = {.type = WIRE_WORKERS, .workers = link->workers};
        link->workers_waiting = wire_send_order(link->control_fd, &order) == ROOST_OVERLOADED;
    }
    if (link->drain_waiting && !link->workers_waiting) {
        struct wire_order order = {.type = WIRE_DRAIN};
        link->drain_waiting = wire_send_order(link->control_fd, &order) == ROOST_OVERLOADED;
    }
}

void link_set_workers(struct link *link, unsigned workers, const struct cpus *cpus)
{
    roost_assert(workers >= 1 && workers <= link->worker_count);
    link->workers = workers;
    if (!cpus_empty(cpus))
        link->cpus = *cpus;
    link->workers_waiting = true;
    /* From here, because a sandboxed host may not touch the threads of others, and so cannot touch
     * its own by number. */
    threads_visit(link, thread_place, &link->cpus);
    link_orders_send(link);
}

void link_set_spin(struct link *link, bool allowed)
{
    atomic_store(&link->region->may_spin, allowed ? 1 : 0);
}

void link_drain(struct link *link)
{
    link->drain_waiting = true;
    link_orders_send(link);
}

void link_spawned(struct link *link, pid_t pid, int pidfd)
{
    roost_assert(link->pidfd < 0);
    link->pid = pid;
    link->pidfd = pidfd;
    link_raise(link);
    threads_visit(link, thread_place, &link->cpus);
}

void link_kill(struct link *link, int signal)
{
    if (link->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, link->pidfd, signal, NULL, 0);
}

pid_t link_pid(const struct link *link)
{
    return link->pid;
}

void link_lift(struct link *link)
{
    threads_visit(link, thread_lift, NULL);
}
