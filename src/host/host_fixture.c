/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_fixture.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "host/host_thread.h"

const char fixture_model[] = "input x FP32 -1 4\n"
                             "output y FP32 -1 1\n";

enum { ROW_ELEMENTS = 4, PATIENCE_MS = 60000 };

struct fixture_host *fixture_new(struct spawner *spawner, const char *model)
{
    static uint64_t last_id;
    struct fixture_host *host = calloc(1, sizeof *host);
    assert_non_null(host);
    host->spawner = spawner;
    host->id = ++last_id;
    (void)snprintf(host->directory, sizeof host->directory, "/tmp/roost-host-XXXXXX");
    assert_non_null(mkdtemp(host->directory));
    struct host_spec *spec = &host->spec;
    assert_true(path_join(spec->model_path, sizeof spec->model_path, host->directory, "m.fake"));
    assert_int_equal(file_write_atomic(spec->model_path, model, strlen(model), NULL), ROOST_OK);
    (void)snprintf(spec->model_directory, sizeof spec->model_directory, "%s", host->directory);
    (void)snprintf(spec->label, sizeof spec->label, "test/%llu", (unsigned long long)host->id);
    (void)snprintf(spec->engine, sizeof spec->engine, "fake");
    spec->intra_op_threads = 1;
    spec->workers = spec->workers_max = 1;
    spec->output_bytes_max = 1 << 20;
    spec->max_batch_size = 64;
    spec->sandbox = spawner != NULL;
    return host;
}

void fixture_open(struct fixture_host *host)
{
    struct detail detail = {""};
    assert_int_equal(input_memory_new(16 << 20, &host->input, &detail), ROOST_OK);
    enum roost_err err = host->spawner != NULL
                             ? link_open(host->spawner, host->id, &host->spec, host->input,
                                         &host->link, &detail)
                             : link_open_thread(&host->spec, host->input, &host->link, &detail);
    if (err != ROOST_OK)
        fail_msg("%s", detail.text);
}

struct fixture_host *fixture_ready(struct spawner *spawner, const char *model)
{
    struct fixture_host *host = fixture_new(spawner, model);
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    /* Two sockets: readiness may be heard of first. */
    if (spawner != NULL)
        fixture_wait(host, &host->spawned);
    return host;
}

static void take_event(struct fixture_host *host, const struct link_event *event)
{
    switch (event->type) {
    case LINK_LOADED:
        host->loaded = *event;
        host->has_loaded = true;
        break;
    case LINK_READY:
        host->ready = *event;
        host->has_ready = true;
        break;
    case LINK_FAILED:
        host->failed = *event;
        host->has_failed = true;
        break;
    case LINK_SANDBOX:
        host->sandbox = *event;
        host->has_sandbox = true;
        break;
    case LINK_CLOSED:
        host->has_closed = true;
        break;
    }
}

void fixture_pump(struct fixture_host *host)
{
    struct link_event event;
    struct spawner_event spawned;
    while (host->link != NULL && link_next_event(host->link, &event))
        take_event(host, &event);
    while (host->spawner != NULL && spawner_next(host->spawner, &spawned)) {
        assert_int_equal(spawned.id, host->id);
        if (spawned.type == SPAWNER_SPAWNED) {
            host->spawned = true;
            link_spawned(host->link, spawned.pid, spawned.pidfd);
        } else if (spawned.type == SPAWNER_EXITED) {
            host->exited = true;
            host->status = spawned.status;
        } else {
            fail_msg("%s", spawned.detail.text);
        }
    }
}

/* Sleeps until something is there. */
static void wait_for_more(const struct fixture_host *host)
{
    struct pollfd polled[3] = {
        {.fd = host->spawner != NULL ? spawner_fd(host->spawner) : -1, .events = POLLIN},
        {.fd = host->has_closed ? -1 : link_control_fd(host->link), .events = POLLIN},
        {.fd = link_completion_fd(host->link), .events = POLLIN},
    };
    if (poll(polled, 3, PATIENCE_MS) == 0)
        fail_msg("nothing happens any more");
}

void fixture_wait(struct fixture_host *host, const bool *flag)
{
    for (;;) {
        fixture_pump(host);
        if (*flag)
            return;
        if (host->has_failed && flag != &host->has_failed && flag != &host->exited &&
            flag != &host->has_closed)
            fail_msg("%s", host->failed.detail.text);
        wait_for_more(host);
    }
}

void fixture_free(struct fixture_host *host)
{
    if (host->link != NULL && host->spawner != NULL) {
        fixture_wait(host, &host->spawned);
        link_kill(host->link, SIGKILL);
        fixture_wait(host, &host->exited);
    }
    link_close(host->link);
    input_memory_free(host->input);
    file_remove_tree(host->directory, NULL);
    free(host);
}

unsigned fixture_publish(struct fixture_host *host, unsigned rows, float value)
{
    int slot = link_slot_acquire(host->link);
    assert_true(slot >= 0);
    size_t bytes = rows * ROW_ELEMENTS * sizeof(float);
    float *values = input_memory_allocate(host->input, bytes);
    assert_non_null(values);
    for (unsigned i = 0; i < rows * ROW_ELEMENTS; i++)
        values[i] = value;
    struct link_batch batch = {
        .rows = rows,
        .outputs_wanted = 1,
        .piece_count = 1,
        .input_count = 1,
        .dtypes = {DTYPE_FP32},
        .shapes = {{.rank = 2, .dims = {rows, ROW_ELEMENTS}}},
    };
    link_batch_set(host->link, (unsigned)slot, &batch);
    link_piece_set(
        host->link, (unsigned)slot, 0, 0,
        (struct link_piece){.offset = input_memory_offset(host->input, values), .bytes = bytes});
    host->values[slot] = values;
    link_publish(host->link, (unsigned)slot);
    return (unsigned)slot;
}

void fixture_result(struct fixture_host *host)
{
    struct link_result *result = &host->result;
    while (!link_next_result(host->link, result)) {
        fixture_pump(host);
        if (!link_arm(host->link))
            wait_for_more(host);
        link_awake(host->link);
    }
    if (result->err != ROOST_OK)
        return;
    assert_int_equal(result->output_count, 1);
    const struct tensor *y = &result->outputs[0];
    assert_int_equal(y->dtype, DTYPE_FP32);
    for (size_t i = 0; i < y->bytes / sizeof(float); i++)
        assert_float_equal(((const float *)y->data)[i], 4 * host->values[result->slot][0], 1e-3);
    assert_true(result->taken_ns <= result->input_end_ns);
    assert_true(result->input_end_ns <= result->infer_end_ns);
    assert_true(result->infer_end_ns <= result->done_ns);
}

void fixture_release(struct fixture_host *host, unsigned slot)
{
    input_memory_release(host->input, host->values[slot]);
    host->values[slot] = NULL;
    link_release(host->link, slot);
}

unsigned fixture_open_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}
