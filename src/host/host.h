/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host processes, as the supervisor sees them: a spawner that forks them, and one link per host.
 *
 *   supervisor                          spawner                         host process
 *   spawner_start ── fork, first ─────► engines opened, 1 thread
 *   link_open ─────── descriptors ────► fork ─────────────────────────► load, warm, workers
 *   link: batches out, results in  ◄────────── shared memory ─────────► workers
 *   link: control messages         ◄────────── socket pair ───────────► main thread
 *
 * This header gathers the four that the supervisor needs.
 */
#ifndef ROOST_HOST_HOST_H
#define ROOST_HOST_HOST_H

#include "host/input_memory.h"
#include "host/link.h"
#include "host/spawner.h"
#include "host/spec.h"

#endif
