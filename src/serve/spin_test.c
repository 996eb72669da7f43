/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "serve/spin.h"

static const uint64_t tick_ns = 100 * NS_PER_MS;

struct machine {
    struct spin spin;
    uint64_t now_ns, idle_ns;
};

/* So many ticks with so many cores idle; what the last one said. */
static bool ticks(struct machine *machine, unsigned count, double idle_cores)
{
    bool allowed = false;
    for (unsigned i = 0; i < count; i++) {
        machine->now_ns += tick_ns;
        machine->idle_ns += (uint64_t)(idle_cores * (double)tick_ns);
        allowed = spin_decide(&machine->spin, machine->idle_ns, 2, machine->now_ns);
    }
    return allowed;
}

static void machine_init(struct machine *machine)
{
    *machine = (struct machine){.now_ns = NS_PER_S, .idle_ns = NS_PER_S};
    spin_init(&machine->spin);
}

static void an_idle_core_is_needed(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine);
    assert_false(ticks(&machine, 20, 0.5));
    assert_true(ticks(&machine, 20, 1.2));
    /* Now the one that spins takes most of that core. */
    assert_true(ticks(&machine, 20, 0.4));
    assert_false(ticks(&machine, 20, 0.05));
    machine_init(&machine);
    assert_false(spin_decide(&machine.spin, machine.idle_ns, 1, machine.now_ns));
    assert_false(spin_decide(&machine.spin, 0, 2, machine.now_ns));
}

/* Ticks until it spins again after a failure. */
static unsigned rest_ticks(struct machine *machine)
{
    unsigned count = 0;
    while (ticks(machine, 1, 0)) {
    }
    do {
        count++;
    } while (!ticks(machine, 1, 1.5));
    return count;
}

static void failures_lengthen_the_rest(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine);
    assert_true(ticks(&machine, 20, 1.5));
    unsigned first = rest_ticks(&machine), second = rest_ticks(&machine);
    unsigned third = rest_ticks(&machine);
    assert_true(second > first && third > second);
    for (unsigned i = 0; i < 12; i++)
        assert_true(rest_ticks(&machine) <= 62 * NS_PER_S / tick_ns);
    /* A good time forgives. */
    assert_true(ticks(&machine, 200, 0.5));
    assert_true(rest_ticks(&machine) <= second);
}

static void a_pause_is_no_failure(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine);
    assert_true(ticks(&machine, 20, 1.5));
    spin_pause(&machine.spin);
    /* What idled meanwhile tells nothing: a new window begins. */
    machine.idle_ns += 100 * NS_PER_S;
    assert_false(ticks(&machine, 1, 0));
    assert_true(ticks(&machine, 4, 1.5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_core_is_needed),
        cmocka_unit_test(failures_lengthen_the_rest),
        cmocka_unit_test(a_pause_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
