/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/spin.h"

#include "base/clock.h"

/* The kernel counts idle time in steps of 10 ms, so shorter windows tell little. */
static const uint64_t window_ns = 300 * NS_PER_MS;
static const double idle_to_begin = 0.9;  /* cores: what spins takes about one */
static const double idle_to_go_on = 0.15; /* cores left beside what spins */
static const uint64_t rest_least_ns = NS_PER_S;
static const uint64_t rest_most_ns = 60 * NS_PER_S;
static const uint64_t good_after_ns = 10 * NS_PER_S; /* of spinning forgives earlier failures */

void spin_init(struct spin *spin)
{
    *spin = (struct spin){.rest_ns = rest_least_ns};
}

static void spin_rest(struct spin *spin, uint64_t now_ns)
{
    spin->allowed = false;
    spin->rest_until_ns = now_ns + spin->rest_ns;
    spin->rest_ns = spin->rest_ns < rest_most_ns / 2 ? 2 * spin->rest_ns : rest_most_ns;
}

static void spin_judge(struct spin *spin, double idle_cores, uint64_t now_ns)
{
    if (spin->allowed && idle_cores < idle_to_go_on) {
        spin_rest(spin, now_ns);
    } else if (spin->allowed && now_ns - spin->allowed_ns > good_after_ns) {
        spin->rest_ns = rest_least_ns;
    } else if (!spin->allowed && idle_cores >= idle_to_begin && now_ns >= spin->rest_until_ns) {
        spin->allowed = true;
        spin->allowed_ns = now_ns;
    }
}

bool spin_decide(struct spin *spin, uint64_t idle_ns, unsigned cores, uint64_t now_ns)
{
    if (idle_ns == 0 || cores < 2) {
        return false;
    }
    uint64_t past_ns = now_ns - spin->since_ns;
    if (spin->watching && past_ns < window_ns) {
        return spin->allowed;
    }
    if (spin->watching && idle_ns >= spin->since_idle_ns) {
        spin_judge(spin, (double)(idle_ns - spin->since_idle_ns) / (double)past_ns, now_ns);
    }
    spin->watching = true;
    spin->since_ns = now_ns;
    spin->since_idle_ns = idle_ns;
    return spin->allowed;
}

void spin_pause(struct spin *spin)
{
    spin->allowed = false;
    spin->watching = false;
}
