/* SPDX-License-Identifier: Apache-2.0 */
/* What a link remembers; shared by its files, its tests and the test double of a host. */
#ifndef ROOST_HOST_LINK_INTERNAL_H
#define ROOST_HOST_LINK_INTERNAL_H

#include <pthread.h>

#include "host/link.h"
#include "host/region.h"
#include "host/spawner_wire.h"

enum link_slot_state { LINK_SLOT_FREE, LINK_SLOT_ACQUIRED, LINK_SLOT_PUBLISHED, LINK_SLOT_RESULT };

/* What the host has is told by this, never by the shared memory. */
struct link_slot {
    enum link_slot_state state;
    bool used; /* since the last trim */
    unsigned piece_count, input_count;
    uint64_t sequence;
    uint64_t published_ns;
    uint64_t outputs_wanted;
    uint64_t output_bytes; /* of its output memory that may have pages */
    uint64_t last_bytes;   /* of it that the last result took */
};

struct link {
    struct region *region;
    size_t region_length;
    const unsigned char *outputs; /* the output memory, mapped read-only */
    size_t outputs_length;
    int output_fd;
    int control_fd, completion_fd;
    pid_t pid;
    int pidfd;
    bool sandboxed, loaded, ready, closed; /* what was heard of it */
    bool broken;                           /* it sent nonsense, nothing more is believed */
    bool armed;                            /* link_arm was called and link_awake was not */
    bool signalled;                        /* completion_fd was or will be written */
    unsigned empty_looks;                  /* link_next_result found nothing */
    unsigned worker_count, slot_count, workers;
    unsigned intra_op_threads;
    uint64_t output_stride_bytes;
    uint64_t sequence; /* of the last publication */
    uint64_t busy_ns;
    uint64_t progress_ns;               /* the last result, or readiness */
    uint64_t done[HOST_SLOTS_MAX / 64]; /* taken from the region, not yet looked at */
    unsigned published;                 /* slots in LINK_SLOT_PUBLISHED */
    unsigned busy;                      /* slots not free */
    unsigned free_count;
    unsigned char free_slots[HOST_SLOTS_MAX]; /* taken from the end */
    struct link_slot slots[HOST_SLOTS_MAX];
    struct model_io io;
    bool workers_waiting, drain_waiting; /* orders for which the socket had no room */
    struct cpus cpus;                    /* where the host is to run, when it has a pid */
    pthread_t thread;                    /* host_thread.h */
    bool threaded;
};

/* A link without a host: its memory and sockets. fds are the host's, the caller's to close. */
enum roost_err link_create(const struct host_spec *spec, struct input_memory *input,
                           struct link **link, int fds[SPAWN_FD_COUNT], struct detail *detail);

void fds_close(int fds[SPAWN_FD_COUNT]);

/* Sends the orders that the socket had no room for. */
void link_orders_send(struct link *link);

/* Checks what the host says about a finished slot and makes it the caller's result. */
void link_result_read(const struct link *link, unsigned slot, struct link_result *result,
                      uint64_t now_ns);

#endif
