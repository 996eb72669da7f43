/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of hosts share: fake models in temporary files, and one thread that waits for
 * what it expects, as the supervisor's loop would. */
#ifndef ROOST_HOST_HOST_FIXTURE_H
#define ROOST_HOST_HOST_FIXTURE_H

#include "host/host.h"
#include "host/link_internal.h"

struct fixture_host {
    struct spawner *spawner; /* NULL: the host is a thread */
    uint64_t id;
    struct host_spec spec;
    struct input_memory *input;
    struct link *link;
    bool spawned, exited;
    int status;
    struct link_event loaded, ready, failed, sandbox;
    bool has_loaded, has_ready, has_failed, has_sandbox, has_closed;
    char directory[256];
    struct link_result result;
    /* By slot: what was sent, so that the answer can be checked. */
    float *values[HOST_SLOTS_MAX];
};

/* Writes `model` (the fake engine's language) into a fresh temporary directory and makes a spec for
 * it; NULL spawner: the host will be a thread. */
struct fixture_host *fixture_new(struct spawner *spawner, const char *model);
/* Opens the link (with the spec as it is by now). */
void fixture_open(struct fixture_host *host);
/* Both, and waits until it is ready. */
struct fixture_host *fixture_ready(struct spawner *spawner, const char *model);
/* Kills what still runs, waits for its end, frees everything. */
void fixture_free(struct fixture_host *host);

/* Waits until *flag. Fails the test when nothing happens for very long. */
void fixture_wait(struct fixture_host *host, const bool *flag);
/* Takes everything that is there now, of all kinds but results. */
void fixture_pump(struct fixture_host *host);

/* Publishes one request of `rows` rows; every element has this value. Returns the slot. */
unsigned fixture_publish(struct fixture_host *host, unsigned rows, float value);
/* Waits for any result; it is in host->result, checked against what was sent when it is OK. */
void fixture_result(struct fixture_host *host);
void fixture_release(struct fixture_host *host, unsigned slot);

/* Rows of 4 elements in, 1 out, which is their sum. */
extern const char fixture_model[];

unsigned fixture_open_fds(void);

#endif
