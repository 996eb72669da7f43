/* SPDX-License-Identifier: Apache-2.0 */
/* A test double of a host: the descriptors of a link without anybody behind them, so that a test
 * can write whatever it likes into the shared memory and the socket. */
#ifndef ROOST_HOST_HOST_DOUBLE_H
#define ROOST_HOST_HOST_DOUBLE_H

#include "host/link_internal.h"

struct host_double {
    struct input_memory *input;
    struct link *link;
    int fds[SPAWN_FD_COUNT];
    struct region *region;  /* the link's own mapping */
    unsigned char *outputs; /* writable */
    size_t outputs_length;
};

/* Two workers, four slots, 64 KiB of outputs each. Aborts when the system gives no memory. */
void host_double_init(struct host_double *twin);
void host_double_fini(struct host_double *twin);

/* Says what a model with input "x" FP32[-1,4] and outputs "y" FP32[-1,1], "s" BYTES[-1] says; the
 * link has then seen LINK_LOADED. */
void host_double_load(struct host_double *twin);

/* Publishes a batch of so many rows; returns the slot. */
unsigned host_double_publish(struct host_double *twin, unsigned rows);

/* Takes it as a worker would; finishes it with whatever the result says. */
void host_double_take(struct host_double *twin);
void host_double_finish(struct host_double *twin, unsigned slot);

#endif
