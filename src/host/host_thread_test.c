/* SPDX-License-Identifier: Apache-2.0 */
/* The serving part of a host in this process, where ThreadSanitizer sees both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/host_fixture.h"

static struct fixture_host *ready(unsigned workers, uint64_t spin_ns, const char *more)
{
    char model[512];
    (void)snprintf(model, sizeof model, "%s%s", fixture_model, more);
    struct fixture_host *host = fixture_new(NULL, model);
    host->spec.workers = host->spec.workers_max = workers;
    host->spec.spin_ns = spin_ns;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    return host;
}

/* Batches come in bursts, so that workers fall asleep, wake, and are all busy in turn. */
static void run_bursts(struct fixture_host *host, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        unsigned burst = 1 + round * 7 % (2 * host->spec.workers_max);
        for (unsigned i = 0; i < burst; i++)
            fixture_publish(host, 1 + i, (float)(round + i));
        for (unsigned i = 0; i < burst; i++) {
            fixture_result(host);
            assert_int_equal(host->result.err, ROOST_OK);
            fixture_release(host, host->result.slot);
        }
        assert_false(link_next_result(host->link, &host->result));
    }
}

static void test_bursts(void **state)
{
    (void)state;
    struct fixture_host *host = ready(4, 0, "");
    run_bursts(host, 300);
    fixture_free(host);
}

static void test_bursts_spinning(void **state)
{
    (void)state;
    struct fixture_host *host = ready(3, 100000, "");
    run_bursts(host, 300);
    fixture_free(host);
}

static void test_retracting_against_workers(void **state)
{
    (void)state;
    struct fixture_host *host = ready(2, 0, "");
    unsigned retracted = 0, answered = 0;
    for (unsigned round = 0; round < 500; round++) {
        unsigned slot = fixture_publish(host, 1, (float)round);
        if (link_retract(host->link, slot)) {
            input_memory_release(host->input, host->values[slot]);
            retracted++;
            continue;
        }
        fixture_result(host);
        assert_int_equal(host->result.slot, slot);
        assert_int_equal(host->result.err, ROOST_OK);
        fixture_release(host, slot);
        answered++;
    }
    assert_int_equal(retracted + answered, 500);
    assert_int_equal(link_slots_busy(host->link), 0);
    fixture_free(host);
}

static void test_cancelling_against_workers(void **state)
{
    (void)state;
    struct fixture_host *host = ready(2, 0, "service sleep\nservice_us 50 0\n");
    for (unsigned round = 0; round < 200; round++) {
        unsigned first = fixture_publish(host, 1, 1), second = fixture_publish(host, 1, 2);
        link_cancel(host->link, first);
        for (unsigned i = 0; i < 2; i++) {
            fixture_result(host);
            if (host->result.slot == second)
                assert_int_equal(host->result.err, ROOST_OK);
            else
                assert_true(host->result.err == ROOST_OK || host->result.err == ROOST_CANCELLED);
            fixture_release(host, host->result.slot);
        }
    }
    fixture_free(host);
}

static void test_workers_up_and_down(void **state)
{
    (void)state;
    struct fixture_host *host = ready(5, 0, "");
    const struct cpus anywhere = {{0}};
    for (unsigned round = 0; round < 60; round++) {
        link_set_workers(host->link, 1 + round * 3 % 5, &anywhere);
        run_bursts(host, 5);
    }
    fixture_free(host);
}

static void test_closing_with_a_run_that_hangs(void **state)
{
    (void)state;
    struct fixture_host *host = ready(2, 0, "hang_after 2\n");
    fixture_publish(host, 1, 1);
    fixture_publish(host, 1, 2);
    while (link_slots_unstarted(host->link) > 0)
        fixture_pump(host);
    fixture_free(host); /* ends the runs */
}

static void test_draining(void **state)
{
    (void)state;
    struct fixture_host *host = ready(3, 0, "service sleep\nservice_us 300 0\n");
    for (unsigned i = 0; i < 6; i++)
        fixture_publish(host, 1, (float)i);
    link_drain(host->link);
    for (unsigned i = 0; i < 6; i++) {
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
    }
    fixture_wait(host, &host->has_closed);
    fixture_free(host);
}

static void test_failed_load(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(NULL, "input x FP32 -1 4\noutput y FP32 -1 1\n"
                                                  "fail_load no\n");
    fixture_open(host);
    fixture_wait(host, &host->has_failed);
    fixture_wait(host, &host->has_closed);
    fixture_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_bursts_spinning),
        cmocka_unit_test(test_retracting_against_workers),
        cmocka_unit_test(test_cancelling_against_workers),
        cmocka_unit_test(test_workers_up_and_down),
        cmocka_unit_test(test_closing_with_a_run_that_hangs),
        cmocka_unit_test(test_draining),
        cmocka_unit_test(test_failed_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
