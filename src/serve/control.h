/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roost's own management: what the control socket offers beside the status report, and where that
 * socket is when nobody says. On the loop's thread, but for control_default_path.
 */
#ifndef ROOST_SERVE_CONTROL_H
#define ROOST_SERVE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct call;

/* $XDG_RUNTIME_DIR/roost.sock, or /run/roost.sock for root; false: there is no such place. Any
 * thread. */
bool control_default_path(char *out, size_t out_bytes);

/* POST v2/roost/tenants/{}/switch {"variant": NAME}. Answers when the switch has begun or was
 * refused; whether it succeeded is told by the status report. */
void control_switch(struct call *call);

/* GET and POST v2/roost/policy {"policy": NAME, "options": "a=1\nb=2"} ((optional) options). Both
 * answer with the policy in force and what it does. */
void control_policy(struct call *call);
void control_policy_set(struct call *call);

#endif
