/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner, as the supervisor sees it: a single-threaded process, forked before anything else,
 * that has the engines open and forks a host whenever a link asks for one (link_open). Hosts begin
 * with the engine's pages shared copy-on-write, which makes them quick to start and small.
 *
 * All functions are called on one thread (the loop's); none blocks but spawner_start and
 * spawner_stop. That thread must live as long as the spawner, which dies with it, as the hosts die
 * with the spawner (PR_SET_PDEATHSIG, and the closing of their sockets).
 */
#ifndef ROOST_HOST_SPAWNER_H
#define ROOST_HOST_SPAWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"

struct spawner;

enum spawner_event_type {
    SPAWNER_SPAWNED, /* pid, pidfd */
    SPAWNER_FAILED,  /* detail: there is no process */
    SPAWNER_EXITED,  /* pid, status: the process is reaped */
    SPAWNER_GONE,    /* detail: the spawner itself died, and its hosts with it; comes once */
};

struct spawner_event {
    enum spawner_event_type type;
    uint64_t id; /* of the spawn */
    pid_t pid;
    int pidfd;  /* the receiver's to close (link_spawned takes it) */
    int status; /* as from waitpid */
    struct detail detail;
};

/* Forks the spawner; the process must still be single-threaded. Waits until it has opened the
 * engines. `ort_library` (optional): path of ONNX Runtime's shared object. An engine that cannot be
 * opened is not fatal: `engine_error` then says why ("" otherwise) and loads with it will fail. On
 * OK *spawner is the caller's (spawner_stop). */
enum roost_err spawner_start(const char *ort_library, struct spawner **spawner,
                             struct detail *engine_error, struct detail *detail);

/* Version of an engine that the spawner opened; "" when it is unknown or could not be opened. */
const char *spawner_engine_version(const struct spawner *spawner, const char *engine);

int spawner_fd(const struct spawner *spawner); /* readable when spawner_next has something */

/* False: nothing more now. */
bool spawner_next(struct spawner *spawner, struct spawner_event *event);

/* Ends the spawner and every host still there, waits for it at most a second, frees. */
void spawner_stop(struct spawner *spawner);

#endif
