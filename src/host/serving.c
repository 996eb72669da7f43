/* SPDX-License-Identifier: Apache-2.0 */
#include "host/serving.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/file.h"
#include "base/log.h"
#include "base/schedule.h"
#include "host/memfile.h"
#include "host/wire.h"

/* How often a run that should end is told so. */
enum { CANCEL_AGAIN_MS = 1 };

/* ---- attaching ---------------------------------------------------------------------------- */

/* Maps a whole memory file and closes it; *memory is NULL for an empty one. */
static enum roost_err fd_map(int fd, int protection, void **memory, size_t *length,
                             struct detail *detail)
{
    struct stat status;
    *memory = NULL;
    *length = 0;
    if (fd < 0)
        return ROOST_OK;
    if (fstat(fd, &status) != 0)
        return errno_translate(errno, "memory from the supervisor", detail);
    if (status.st_size > 0) {
        *memory = memfile_map(fd, (size_t)status.st_size, protection, detail);
        if (*memory == NULL)
            return ROOST_NO_MEMORY;
        *length = (size_t)status.st_size;
    }
    close(fd);
    return ROOST_OK;
}

static void spec_copy(struct host_spec *to, const struct host_spec *from)
{
    host_spec_copy(to, from);
    if (to->model_directory[0] != '\0')
        return;
    const char *slash = strrchr(to->model_path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - to->model_path) + 1;
    memcpy(to->model_directory, length == 0 ? "." : to->model_path, length == 0 ? 2 : length);
}

enum roost_err serving_attach(struct serving *serving, const int fds[SPAWN_FD_COUNT],
                              struct detail *detail)
{
    void *region, *outputs, *inputs;
    memset(serving, 0, sizeof *serving);
    serving->control_fd = fds[SPAWN_FD_CONTROL];
    serving->completion_fd = fds[SPAWN_FD_COMPLETION];
    serving->ended_fd = -1;
    enum roost_err err = fd_map(fds[SPAWN_FD_REGION], PROT_READ | PROT_WRITE, &region,
                                &serving->region_length, detail);
    serving->region = region;
    if (err == ROOST_OK)
        err = fd_map(fds[SPAWN_FD_OUTPUT], PROT_READ | PROT_WRITE, &outputs,
                     &serving->outputs_length, detail);
    if (err == ROOST_OK) {
        serving->outputs = outputs;
        err = fd_map(fds[SPAWN_FD_INPUT], PROT_READ, &inputs, &serving->inputs_length, detail);
    }
    if (err != ROOST_OK)
        return err;
    serving->inputs = inputs;
    if (serving->region == NULL || !region_valid(serving->region, serving->region_length))
        return detail_set(detail, ROOST_INVALID, "the shared memory is of another version");
    spec_copy(&serving->spec, &serving->region->spec);
    serving->engine = engine_find(serving->spec.engine);
    if (serving->engine == NULL)
        return detail_set(detail, ROOST_INVALID, "there is no engine \"%s\"", serving->spec.engine);
    serving->workers = calloc(serving->region->worker_count + 1, sizeof *serving->workers);
    serving->ended_fd = eventfd(0, EFD_CLOEXEC);
    if (serving->workers == NULL || serving->ended_fd < 0)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    atomic_init(&serving->worker_limit, serving->spec.workers);
    atomic_init(&serving->draining, false);
    return ROOST_OK;
}

static void unmap(const void *memory, size_t length)
{
    if (memory != NULL)
        munmap((void *)(uintptr_t)memory, length);
}

void serving_detach(struct serving *serving)
{
    if (serving->session != NULL)
        serving->engine->unload(serving->session);
    unmap(serving->region, serving->region_length);
    unmap(serving->outputs, serving->outputs_length);
    unmap(serving->inputs, serving->inputs_length);
    free(serving->workers);
    close(serving->control_fd);
    close(serving->completion_fd);
    if (serving->ended_fd >= 0)
        close(serving->ended_fd);
}

/* ---- orders ------------------------------------------------------------------------------- */

static void serving_set_workers(struct serving *serving, const struct wire_order *order)
{
    struct detail detail = {""};
    unsigned count = order->workers;
    if (count < 1 || count > serving->region->worker_count)
        return;
    atomic_store(&serving->worker_limit, count);
    if (serving->loader_started || serving->session == NULL)
        return; /* takes effect when the model is loaded */
    if (workers_start(serving, count, &detail) != ROOST_OK)
        log_warn("host.workers", "host=%s have=%u want=%u reason=\"%s\"", serving->spec.label,
                 serving->started, count, detail.text);
    workers_wake_all(serving);
}

/* Reads one order; false when the supervisor has let go. */
static bool serving_order(struct serving *serving)
{
    struct wire_order order;
    ssize_t received = recv(serving->control_fd, &order, sizeof order, 0);
    if (received < 0 && errno == EINTR)
        return true;
    if (received != (ssize_t)sizeof order)
        return false;
    switch ((enum wire_order_type)order.type) {
    case WIRE_WORKERS:
        serving_set_workers(serving, &order);
        break;
    case WIRE_CANCEL:
        workers_cancel(serving, order.sequence);
        break;
    case WIRE_DRAIN:
        atomic_store(&serving->draining, true);
        workers_wake_all(serving);
        break;
    }
    return true;
}

/* ---- running ------------------------------------------------------------------------------ */

void serving_tell(struct serving *serving)
{
    uint64_t one = 1;
    while (write(serving->ended_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* The loader has ended: starts the workers. Returns an exit status, or -1 to go on. */
static int serving_loaded(struct serving *serving)
{
    struct detail detail = {""};
    pthread_join(serving->loader, NULL);
    serving->loader_started = false;
    if (serving->load_err != ROOST_OK)
        return 1;
    if (serving->spec.role == HOST_SERVE) {
        enum roost_err err = workers_start(serving, atomic_load(&serving->worker_limit), &detail);
        if (err != ROOST_OK) {
            (void)wire_send_failed(serving->control_fd, err, detail.text);
            return 1;
        }
    }
    if (wire_send_ready(serving->control_fd, serving->warm_ns) != ROOST_OK)
        return 0;
    return serving->spec.role == HOST_SERVE ? -1 : 0;
}

/* Looks at who has ended. Returns an exit status, or -1 to go on. */
static int serving_ended(struct serving *serving)
{
    uint64_t count;
    (void)!read(serving->ended_fd, &count, sizeof count);
    if (serving->loader_started && atomic_load(&serving->loader_ended)) {
        int status = serving_loaded(serving);
        if (status >= 0)
            return status;
    }
    return -1;
}

/* Waits for orders, for threads that end, and, while a run should end, not for long. */
static int serving_wait(struct serving *serving, struct pollfd polled[2])
{
    int rc = poll(polled, 2, workers_cancel_again(serving) ? CANCEL_AGAIN_MS : -1);
    if (rc > 0 || (rc < 0 && errno != EINTR))
        return rc;
    polled[0].revents = polled[1].revents = 0;
    return 0;
}

/* No worker has anything more to do. */
static bool serving_drained(struct serving *serving)
{
    return !serving->loader_started && atomic_load(&serving->ended) == serving->started;
}

static int serving_loop(struct serving *serving)
{
    struct pollfd polled[] = {
        {.fd = serving->control_fd, .events = POLLIN},
        {.fd = serving->ended_fd, .events = POLLIN},
    };
    for (;;) {
        if (atomic_load(&serving->draining) &&
            (serving->loader_started || serving_drained(serving)))
            return 0;
        if (serving_wait(serving, polled) < 0)
            return 1;
        int status = polled[1].revents != 0 ? serving_ended(serving) : -1;
        if (status >= 0)
            return status;
        if (polled[0].revents != 0 && !serving_order(serving))
            return 0;
    }
}

/* For a host in a thread: ends what a process would take along. */
static void serving_end_threads(struct serving *serving)
{
    if (serving->loader_started)
        pthread_join(serving->loader, NULL);
    serving->loader_started = false;
    atomic_store(&serving->draining, true);
    workers_wake_all(serving);
    while (atomic_load(&serving->ended) < serving->started) {
        workers_cancel(serving, 0);
        (void)workers_cancel_again(serving);
        (void)poll(NULL, 0, CANCEL_AGAIN_MS);
    }
    workers_join(serving);
}

int serving_run(struct serving *serving)
{
    if (pthread_create(&serving->loader, NULL, loader_main, serving) != 0) {
        (void)wire_send_failed(serving->control_fd, ROOST_NO_MEMORY, "no thread can be started");
        return 1;
    }
    serving->loader_started = true;
    if (!serving->in_process)
        thread_to_batch(0); /* one without a sandbox can do it by himself */
    int status = serving_loop(serving);
    if (serving_drained(serving))
        workers_join(serving);
    /* A process that ends takes its threads along: neither a load nor a run that nobody waits for
     * is worth waiting for. */
    if (!serving->in_process) {
        thread_to_background(0); /* giving back the memory takes a while */
        _exit(status);
    }
    serving_end_threads(serving);
    return status;
}
