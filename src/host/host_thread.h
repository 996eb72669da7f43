/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host as a thread of this process, for tests: ThreadSanitizer cannot see across processes.
 * Everything is as with link_open, except that there is no process: no SPAWNED and EXITED, no pid,
 * no signals, no sandbox and no low priority. link_close ends the thread and waits for it.
 */
#ifndef ROOST_HOST_HOST_THREAD_H
#define ROOST_HOST_HOST_THREAD_H

#include "host/link.h"

enum roost_err link_open_thread(const struct host_spec *spec, struct input_memory *input,
                                struct link **link, struct detail *detail);

#endif
