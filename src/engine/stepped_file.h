/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that somebody else's code writes in calls of any length, written in short ones.
 *
 * ONNX Runtime writes each tensor of an optimised copy in one call, and a kernel without preemption
 * leaves nobody else the core until such a call is over: 6.8 ms were seen. So its path is a named
 * pipe, behind which a thread writes the file in small pieces; between two of them whoever waits
 * for the core has it.
 */
#ifndef ROOST_ENGINE_STEPPED_FILE_H
#define ROOST_ENGINE_STEPPED_FILE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/detail.h"
#include "base/file.h"

struct stepped_file {
    char path[FILE_PATH_BYTES_MAX];         /* what the writer opens */
    char written_path[FILE_PATH_BYTES_MAX]; /* where the file grows, beside it */
    int reader, writer;                     /* both ends of the pipe; the writer's keeps it open */
    int file;
    bool used; /* something came */
    int error; /* the first errno of writing; what comes later is read and dropped */
    pthread_t thread;
};

/* Makes a pipe at `path`, where nothing may be, and a thread that reads it. UNSUPPORTED where a
 * pipe cannot be made, NO_MEMORY: then `path` is free, and the writer may write it itself. */
enum roost_err stepped_file_open(struct stepped_file *stepped, const char *path,
                                 struct detail *detail);

/* Once the writer has closed it, or has given up: waits until all is written, and puts the file in
 * the pipe's place; nothing is left there when nothing was written, or not all (IO with the
 * reason). */
enum roost_err stepped_file_close(struct stepped_file *stepped, struct detail *detail);

#endif
