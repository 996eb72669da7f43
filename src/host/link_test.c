/* SPDX-License-Identifier: Apache-2.0 */
/* Real spawner, real host processes, the fake engine. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "host/host_fixture.h"

static struct spawner *spawner;

static void test_load_and_run(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_ready(spawner, fixture_model);
    assert_true(host->has_loaded);
    assert_int_equal(host->loaded.io->input_count, 1);
    assert_string_equal(host->loaded.io->inputs[0].name, "x");
    assert_int_equal(host->loaded.io->inputs[0].shape.dims[0], -1);
    assert_true(host->spawned);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned slot = fixture_publish(host, 1 + i % 64, (float)i);
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
        assert_int_equal(host->result.slot, slot);
        assert_int_equal(host->result.outputs[0].shape.dims[0], 1 + i % 64);
        fixture_release(host, slot);
    }
    link_drain(host->link);
    fixture_wait(host, &host->exited);
    assert_true(WIFEXITED(host->status));
    assert_int_equal(WEXITSTATUS(host->status), 0);
    fixture_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_and_run),
    };
    struct detail engine_error = {""}, detail = {""};
    if (spawner_start(NULL, &spawner, &engine_error, &detail) != ROOST_OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spawner_stop(spawner);
    return failed;
}
