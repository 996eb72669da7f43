/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether workers may look for work without sleeping. It makes the answers of a densely used model
 * much faster, at the cost of a core that would idle otherwise: so it is allowed only while the
 * machine has one, and stops when hardly anything idles any more. Then it rests for a while, for
 * longer each time that it goes wrong.
 *
 * Pure; one thread.
 */
#ifndef ROOST_SERVE_SPIN_H
#define ROOST_SERVE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spin {
    bool allowed;
    bool watching; /* since_* hold the beginning of a window */
    uint64_t since_ns, since_idle_ns;
    uint64_t allowed_ns, rest_until_ns, rest_ns;
};

void spin_init(struct spin *spin);

/* Once a tick while traffic is dense. idle_ns: what all cores have idled so far, summed (0:
 * unknown). Returns whether workers may spin until the next one. */
bool spin_decide(struct spin *spin, uint64_t idle_ns, unsigned cores, uint64_t now_ns);

/* Once a tick while it is not. */
void spin_pause(struct spin *spin);

#endif
