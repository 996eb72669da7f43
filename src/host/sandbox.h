/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host may do. It reads its model, computes and talks through memory and one socket that it
 * has already; everything else is taken from it before the model file is parsed:
 *
 *   no_new_privs          nothing that it starts could gain privileges
 *   network namespace     an empty one (made once by the spawner and shared by its hosts)
 *   capabilities          dropped; CAP_DAC_READ_SEARCH stays where landlock confines it, so that
 *                         model files of another owner can be read by a supervisor that is root
 *   landlock              reads its model's directory, the system's libraries and a few of its
 *                         files; writes only where an optimised copy is wanted
 *   seccomp               a list of allowed system calls; the others fail with EPERM
 *
 * What the kernel, or a lack of privilege, denies is reported with the reason; it is never fatal.
 */
#ifndef ROOST_HOST_SANDBOX_H
#define ROOST_HOST_SANDBOX_H

#include <stdbool.h>

#include "host/link.h"
#include "host/spec.h"

struct sandbox;

/* In the spawner, once: the network namespace and the compiled filters, which hosts inherit. */
const struct sandbox *sandbox_prepare(void);

/* In a host, before it has a second thread. */
void sandbox_apply(const struct sandbox *sandbox, const struct host_spec *spec,
                   struct sandbox_report *report);

#endif
