/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host is to run. Plain data without pointers: it is handed to the host as it is.
 */
#ifndef ROOST_HOST_SPEC_H
#define ROOST_HOST_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "core/tensor.h"
#include "engine/adapter.h"
#include "node/affinity.h"

enum {
    HOST_WORKERS_MAX = 64,
    HOST_SLOTS_MAX = 2 * HOST_WORKERS_MAX,
    HOST_PIECES_MAX = 256,
};

enum host_role {
    HOST_SERVE, /* load, report, warm, serve */
    /* Write an optimised copy into spec.output_directory, exit 0. Of an adapted model that cannot
     * be optimised, HOST_ADAPTED_DIRECTORY stays there with the adapted copy, exit 1. */
    HOST_OPTIMISE,
};

#define HOST_ADAPTED_DIRECTORY "adapted" /* below spec.output_directory */

struct host_adapter {
    struct adapter_settings settings;
    struct model_io want; /* the tenant's graph */
};

/* A warm-up sample: dims per input (-1 becomes 1), data by kind. Inputs not named are zero. */
enum host_warm_kind { HOST_WARM_ZERO, HOST_WARM_RANDOM, HOST_WARM_FILE };

struct host_warm_input {
    char name[TENSOR_NAME_BYTES_MAX];
    struct shape shape; /* with the batch dimension */
    enum dtype dtype;
    enum host_warm_kind kind;
    char file[256]; /* HOST_WARM_FILE: below <model directory>/warmup/ */
};

enum { HOST_WARM_INPUTS_MAX = 16, HOST_WARMUPS_MAX = 8 };

struct host_warmup {
    unsigned count; /* runs, >= 1 */
    unsigned input_count;
    struct host_warm_input inputs[HOST_WARM_INPUTS_MAX];
};

struct host_spec {
    enum host_role role;
    char label[96]; /* "tenant/variant", for logs and the process's name */
    char engine[16];
    char model_path[FILE_PATH_BYTES_MAX]; /* the file to load */
    /* Readable for the host (labels, external data, warm-up files); "": the file's own. */
    char model_directory[FILE_PATH_BYTES_MAX];
    char output_directory[FILE_PATH_BYTES_MAX]; /* HOST_OPTIMISE: writable for the host */
    char engine_settings[512];
    bool optimised;
    unsigned intra_op_threads;
    unsigned workers;          /* at start; 1..HOST_WORKERS_MAX */
    unsigned workers_max;      /* slots are 2 * workers_max */
    struct cpus cpus;          /* where its threads may run; empty: anywhere */
    uint64_t memory_bytes_max; /* of private memory, beyond what a fresh host has; 0: no limit */
    uint64_t output_bytes_max; /* per slot; (default: 64 MiB) */
    uint64_t spin_ns;          /* a worker looks so long for new work before it sleeps */
    bool sandbox;              /* seccomp, landlock, no-new-privs, no network */
    int64_t max_batch_size;    /* 0: first dimension is not a batch */
    unsigned warmup_count;     /* 0: one run of zeros at batch 1 */
    bool adapted;              /* HOST_OPTIMISE: `adapter` counts */
    struct host_warmup warmups[HOST_WARMUPS_MAX];
    struct host_adapter adapter; /* last, for most hosts have none: see host_spec_copy */
};

/* Copies what counts. Neither reads nor writes what is not used, which stays a hole where the spec
 * lies in a memory file. */
void host_spec_copy(struct host_spec *to, const struct host_spec *from);

#endif
