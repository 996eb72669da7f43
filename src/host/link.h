/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: the supervisor's end of one host. Batches go out and results come back through shared
 * memory, everything else through a socket pair.
 *
 * Ownership: the supervisor owns every descriptor and the input memory; the host borrows. Nothing
 * that comes from a host is trusted: indices, types, shapes, sizes, times and texts are checked
 * here before anybody sees them, and what belongs to whom is remembered on this side only. The one
 * thing that cannot be checked once for all is the content of outputs: a hostile host may change it
 * until link_release, so whoever reads BYTES outputs checks each length as it goes.
 *
 * All functions are called on one thread (the loop's); none blocks.
 */
#ifndef ROOST_HOST_LINK_H
#define ROOST_HOST_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "core/tensor.h"
#include "engine/engine.h"
#include "host/input_memory.h"
#include "host/spawner.h"
#include "host/spec.h"

struct link;

/* A piece of one input: what one request sent. Offset UINT64_MAX and bytes 0: absent (optional). */
struct link_piece {
    uint64_t offset, bytes; /* in the tenant's input memory */
};

/* A batch as the supervisor fills it. Pieces of one input are joined along the first dimension. */
struct link_batch {
    uint64_t rows;
    uint64_t outputs_wanted; /* bit per output; others are left out */
    unsigned piece_count;    /* requests joined, 1..HOST_PIECES_MAX */
    unsigned input_count;
    struct shape shapes[MODEL_TENSORS_MAX]; /* of the whole batch */
    enum dtype dtypes[MODEL_TENSORS_MAX];
};

struct link_result {
    unsigned slot;
    enum roost_err err; /* OK, INVALID (the model refused it), CANCELLED, TOO_LARGE, INTERNAL */
    struct detail detail;
    unsigned output_count;
    /* data: in the host's output memory, valid until link_release; NULL: not wanted. An output
     * without a batch dimension is possible: the first dimension is not compared with the rows. */
    struct tensor outputs[MODEL_TENSORS_MAX];
    /* CLOCK_MONOTONIC, in this order, between publication and now. */
    uint64_t taken_ns, input_end_ns, infer_end_ns, done_ns;
    uint64_t cpu_ns; /* thread CPU time of the batch */
    unsigned worker;
};

struct sandbox_report {
    bool no_new_privs, seccomp, landlock, network_namespace, capabilities_dropped;
    char reason[256]; /* what is missing and why; "" when all is active */
};

enum link_event_type {
    LINK_LOADED,  /* io, metadata, load_ns */
    LINK_READY,   /* serves (HOST_OPTIMISE: has written its copy); warm_ns */
    LINK_FAILED,  /* err, detail; the host exits by itself, but may be killed at once */
    LINK_SANDBOX, /* sandbox */
    LINK_CLOSED,  /* the control socket is closed: the host is gone or going; comes once */
};

struct link_event {
    enum link_event_type type;
    enum roost_err err;
    struct detail detail;
    const struct model_io *io; /* valid until link_close */
    struct engine_metadata metadata;
    struct sandbox_report sandbox;
    uint64_t load_ns, warm_ns;
};

/* Makes the shared memory and asks the spawner for a host. `input` outlives the link
 * (HOST_OPTIMISE: may be NULL). On OK *link is the caller's (link_close). `id` comes back in the
 * spawner's events. INVALID for an impossible spec, NO_MEMORY, IO, UNAVAILABLE (no spawner). */
enum roost_err link_open(struct spawner *spawner, uint64_t id, const struct host_spec *spec,
                         struct input_memory *input, struct link **link, struct detail *detail);

/* Frees descriptors and memory. Only after SPAWNER_EXITED, SPAWNER_FAILED or SPAWNER_GONE. What the
 * host said last may still be unread then: link_next_event (why it failed), link_next_result. */
void link_close(struct link *link);

int link_control_fd(const struct link *link);    /* readable: link_next_event */
int link_completion_fd(const struct link *link); /* readable: link_next_result, which clears it */
bool link_next_event(struct link *link, struct link_event *event);

/* ---- batches: a slot goes free -> acquired -> published -> result -> free ----------------- */

int link_slot_acquire(struct link *link);               /* -1: none free */
unsigned link_slots_busy(const struct link *link);      /* not free */
unsigned link_slots_unstarted(const struct link *link); /* published, not yet taken by a worker */

/* On an acquired slot: first the batch, then every piece of every input. */
void link_batch_set(struct link *link, unsigned slot, const struct link_batch *batch);
void link_piece_set(struct link *link, unsigned slot, unsigned input, unsigned piece,
                    struct link_piece value);

/* Hands the slot over. Workers take batches in this order. Wakes one that sleeps, unless one that
 * is awake is looking for work. */
void link_publish(struct link *link, unsigned slot);

/* True: no worker had taken it, the slot is free again. */
bool link_retract(struct link *link, unsigned slot);

/* The clients of a published batch are all gone: its run ends soon, with CANCELLED or a result. */
void link_cancel(struct link *link, unsigned slot);

/* False: nothing more now. The slot stays the caller's until link_release. */
bool link_next_result(struct link *link, struct link_result *result);

/* Frees an acquired slot, or one whose result was taken, or one of link_orphans. */
void link_release(struct link *link, unsigned slot);

/* Gives back what free slots still hold of large outputs; called on a slow tick. */
void link_trim(struct link *link);

/* After a death: the slots that were published or running and will never finish, in order of
 * publication; returns how many. Take the results first. They go on being the caller's. */
unsigned link_orphans(struct link *link, unsigned slots[HOST_SLOTS_MAX]);

/* Before the loop sleeps: asks for a wake-up through completion_fd. True when results are there
 * already (do not sleep). Between link_awake and link_arm workers make no system call to tell of
 * results. */
bool link_arm(struct link *link);
void link_awake(struct link *link);

/* For finding hung hosts: since when the host has owed something. That is when the batch that runs
 * for the longest was taken, or, while a worker has nothing to do, when the oldest batch that it
 * leaves lying was published. 0: nothing is owed. */
uint64_t link_oldest_run_ns(const struct link *link);
uint64_t link_busy_ns(const struct link *link); /* summed over workers, all time, runs in progress
                                                   included */

/* ---- control ------------------------------------------------------------------------------ */

/* 1 <= workers <= spec.workers_max. Workers beyond it finish their batch and stop. All threads of
 * the host may run on these CPUs only; the empty set leaves them where they are. */
void link_set_workers(struct link *link, unsigned workers, const struct cpus *cpus);
/* Whether workers may look for work without sleeping, as spec.spin_ns says; at first they may. */
void link_set_spin(struct link *link, bool allowed);
void link_drain(struct link *link); /* finish what is published, then exit 0 */
void link_spawned(struct link *link, pid_t pid, int pidfd); /* takes the pidfd */
void link_kill(struct link *link, int signal);              /* nothing before link_spawned */
pid_t link_pid(const struct link *link);                    /* 0 before link_spawned */

/* Loading starts at SCHED_IDLE; this lifts a starved loader to a small guaranteed share
 * (thread_to_background). */
void link_lift(struct link *link);

#endif
