/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a host: one loaded model and the workers that run it. Not seen by the supervisor.
 *
 *   main thread     orders from the supervisor (workers, drain, cancel); starts and ends the others
 *   loader thread   load, describe, warm up; then it ends, so that its low priority ends with it
 *   worker threads  take a batch, run it, tell of the result; sleep when there is none
 *
 * Serving works the same in a process of its own (host_process.h) and in a thread of the
 * supervisor's process (host_thread.h, for tests): nothing here is global.
 */
#ifndef ROOST_HOST_SERVING_H
#define ROOST_HOST_SERVING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "host/region.h"
#include "host/spawner_wire.h"

struct serving;

/* Memory for joining the pieces of a batch: one mapping, so that giving it back really does. */
struct scratch {
    unsigned char *data;
    size_t capacity;
    size_t used_max; /* by the runs of this window */
    unsigned runs;   /* in this window */
};

struct worker {
    struct serving *serving;
    unsigned index;
    pthread_t thread;
    struct engine_context *context;
    struct scratch scratch;
    uint64_t gap_ns;      /* typical time between a result and the next batch, smoothed */
    uint64_t finished_ns; /* when the last result was told */
    bool untrimmed;       /* has run since memory was last given back */
    pthread_mutex_t running_lock;
    /* Under running_lock: sequences of the batch in progress, and of one to be ended; 0: none. */
    uint64_t running, unwanted;
};

struct serving {
    struct host_spec spec;
    struct region *region;
    size_t region_length;
    unsigned char *outputs;
    size_t outputs_length;
    const unsigned char *inputs;
    size_t inputs_length;
    int control_fd, completion_fd;
    int ended_fd;    /* eventfd: the loader or a worker has ended */
    bool in_process; /* a thread of the supervisor's process: leave priorities and limits alone */

    const struct engine_ops *engine;
    struct engine_session *session;
    struct model_io io;
    /* Outputs that turned out to have another size than the graph says. */
    _Atomic bool dynamic[MODEL_TENSORS_MAX];
    /* A batch of several rows has filled outputs of the expected size: believe the graph. */
    _Atomic bool shapes_proven;

    pthread_t loader;
    bool loader_started;
    _Atomic bool loader_ended;
    bool may_rise; /* the supervisor can take threads out of SCHED_IDLE */
    enum roost_err load_err;
    uint64_t warm_ns;

    _Atomic unsigned worker_limit; /* workers with an index below it take batches */
    _Atomic bool draining;         /* end when there is nothing left to take */
    unsigned started;              /* workers with a thread, 0..started-1 */
    _Atomic unsigned ended;        /* of these, how many threads have nothing more to do */
    struct worker *workers;        /* worker_count of them */
};

/* Maps what the descriptors give and closes those of memory. */
enum roost_err serving_attach(struct serving *serving, const int fds[SPAWN_FD_COUNT],
                              struct detail *detail);

/* Does what the spec says until the supervisor lets go: returns the exit status of a process. */
int serving_run(struct serving *serving);

/* Stops nothing: all threads have ended. Closes and unmaps. */
void serving_detach(struct serving *serving);

/* From a loader or worker that ends: lets the main thread look. */
void serving_tell(struct serving *serving);

/* ---- loader.c ------------------------------------------------------------------------------ */

void *loader_main(void *serving);

/* ---- worker.c ------------------------------------------------------------------------------ */

/* Starts workers until `count` have a thread. */
enum roost_err workers_start(struct serving *serving, unsigned count, struct detail *detail);
void workers_wake_all(struct serving *serving);
void workers_join(struct serving *serving);
/* Ends the run of this publication, if it is still running; 0: ends all runs. */
void workers_cancel(struct serving *serving, uint64_t sequence);
/* Asks again, because a run that was just about to begin has not heard it. True while there is a
 * run that should end. */
bool workers_cancel_again(struct serving *serving);

/* ---- batch.c ------------------------------------------------------------------------------- */

/* Runs the batch in a slot and writes its result there. */
void batch_run(struct worker *worker, unsigned slot, uint64_t sequence);

/* The shape of an output for this many rows; false when it is not known before the run. */
bool output_shape(const struct serving *serving, unsigned output, uint64_t rows,
                  struct shape *shape);

/* Gives memory back when recent runs needed much less; all of a larger one when `idle`. */
void scratch_trim(struct scratch *scratch, bool idle);
void scratch_free(struct scratch *scratch);

/* ---- warmup.c ------------------------------------------------------------------------------ */

/* Runs the samples of the spec, or one of zeros, and learns which outputs have another size than
 * the graph says. INVALID when a sample given by the user does not fit or fails. */
enum roost_err warmup_run(struct serving *serving, struct detail *detail);

#endif
