/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the sandbox; see sandbox.h. */
#ifndef ROOST_HOST_SANDBOX_INTERNAL_H
#define ROOST_HOST_SANDBOX_INTERNAL_H

#include <linux/filter.h>
#include <stdbool.h>

#include "base/detail.h"
#include "host/spec.h"

/* Compiles the system call filter of a role; the program is allocated and lives for ever. */
enum roost_err seccomp_compile(enum host_role role, struct sock_fprog *program,
                               struct detail *detail);
/* Changes the program: once per process. */
enum roost_err seccomp_apply(const struct sock_fprog *program, struct detail *detail);

/* Confines the calling thread, and those that it starts, to the files of the spec. */
enum roost_err landlock_apply(const struct host_spec *spec, struct detail *detail);

#endif
