/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor and the spawner tell each other: one SOCK_SEQPACKET packet each. */
#ifndef ROOST_HOST_SPAWNER_WIRE_H
#define ROOST_HOST_SPAWNER_WIRE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "host/spawner.h"

/* The descriptors that a host begins with, in the order of their numbers. */
enum spawn_fd {
    SPAWN_FD_CONTROL,    /* the host's end of the socket pair */
    SPAWN_FD_COMPLETION, /* eventfd, written when the supervisor sleeps and a result is there */
    SPAWN_FD_REGION,
    SPAWN_FD_OUTPUT, /* output memory */
    SPAWN_FD_INPUT,  /* input memory, read-only */
    SPAWN_FD_COUNT
};

struct spawn_request {
    uint64_t id;
    uint32_t fd_mask; /* which of the descriptors come with it */
    uint32_t unused;
};

enum { SPAWNER_ENGINES_MAX = 8 };

/* The first packet from the spawner. */
struct spawner_hello {
    uint32_t engine_count;
    uint32_t unused;
    struct {
        char name[16];
        char version[48];
    } engines[SPAWNER_ENGINES_MAX];
    struct detail error;
};

/* Every later one; a pidfd comes with SPAWNER_SPAWNED. */
struct spawner_reply {
    uint32_t type; /* enum spawner_event_type */
    int32_t pid;
    uint64_t id;
    int32_t status;
    uint32_t unused;
    struct detail detail; /* SPAWNER_FAILED only; the packet ends before it otherwise */
};

/*
 * Packets with descriptors. Descriptors that are received are close-on-exec; fds[i] is -1 where bit
 * i of the mask is not set. Both return the result of sendmsg or recvmsg.
 */
ssize_t packet_send(int socket, const void *data, size_t bytes, const int *fds, size_t fd_count,
                    int flags);
ssize_t packet_receive(int socket, void *data, size_t bytes, int *fds, size_t fds_max,
                       size_t *fd_count, int flags);

/* Asks for a host (link_open's part). The descriptors stay the caller's. Never blocks: what does
 * not go out now goes out later, from spawner_next. */
enum roost_err spawner_spawn(struct spawner *spawner, uint64_t id, const int fds[SPAWN_FD_COUNT],
                             struct detail *detail);

/* The spawner's process; does not return. */
_Noreturn void spawner_process_run(int socket, const char *ort_library, pid_t supervisor);

#endif
