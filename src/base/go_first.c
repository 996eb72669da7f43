/* SPDX-License-Identifier: Apache-2.0 */
#include "base/go_first.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum { NICE_WANTED = -10 };

static const uint64_t slice_ns = 100 * NS_PER_US;

void thread_go_first(void)
{
    if (getpriority(PRIO_PROCESS, 0) > NICE_WANTED)
        (void)setpriority(PRIO_PROCESS, 0, NICE_WANTED); /* of this thread */
    /* As sched_setattr(2) wants it; the policy is SCHED_OTHER. */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {
        .size = sizeof(attributes),
        .nice = getpriority(PRIO_PROCESS, 0),
        .runtime = slice_ns,
    };
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
