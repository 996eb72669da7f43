/* SPDX-License-Identifier: Apache-2.0 */
/* Batches through real host processes with the fake engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "host/host_fixture.h"

static struct spawner *spawner;

static struct fixture_host *ready(const char *more)
{
    char model[512];
    (void)snprintf(model, sizeof model, "%s%s", fixture_model, more);
    return fixture_ready(spawner, model);
}

static void expect_exit(struct fixture_host *host, int status)
{
    fixture_wait(host, &host->exited);
    assert_true(WIFEXITED(host->status));
    assert_int_equal(WEXITSTATUS(host->status), status);
}

/* ---- one worker --------------------------------------------------------------------------- */

static void test_load_run_drain(void **state)
{
    (void)state;
    struct fixture_host *host = ready("mflops 1.5\naccuracy 0.7\n");
    assert_true(host->has_loaded);
    assert_int_equal(host->loaded.io->input_count, 1);
    assert_int_equal(host->loaded.io->output_count, 1);
    assert_string_equal(host->loaded.io->inputs[0].name, "x");
    assert_int_equal(host->loaded.io->inputs[0].shape.dims[0], -1);
    assert_int_equal(host->loaded.metadata.mflops_x1000, 1500);
    for (unsigned i = 0; i < 500; i++) {
        unsigned rows = 1 + i % 64;
        unsigned slot = fixture_publish(host, rows, (float)i);
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
        assert_int_equal(host->result.slot, slot);
        assert_int_equal(host->result.outputs[0].shape.dims[0], rows);
        fixture_release(host, slot);
    }
    assert_int_equal(link_slots_busy(host->link), 0);
    assert_true(link_busy_ns(host->link) > 0);
    assert_int_equal(link_oldest_run_ns(host->link), 0);
    link_drain(host->link);
    expect_exit(host, 0);
    fixture_free(host);
}

static void test_slots_run_out(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    int first = link_slot_acquire(host->link), second = link_slot_acquire(host->link);
    assert_true(first >= 0 && second >= 0 && first != second);
    assert_int_equal(link_slot_acquire(host->link), -1);
    assert_int_equal(link_slots_busy(host->link), 2);
    link_release(host->link, (unsigned)first);
    assert_int_equal(link_slot_acquire(host->link), first);
    fixture_free(host);
}

/* What is published is answered before the process ends. */
static void test_drain_finishes_what_is_there(void **state)
{
    (void)state;
    struct fixture_host *host = ready("service sleep\nservice_us 2000 0\n");
    fixture_publish(host, 1, 1);
    fixture_publish(host, 1, 2);
    link_drain(host->link);
    for (unsigned i = 0; i < 2; i++) {
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
        fixture_release(host, host->result.slot);
    }
    expect_exit(host, 0);
    unsigned orphans[HOST_SLOTS_MAX];
    assert_int_equal(link_orphans(host->link, orphans), 0);
    fixture_free(host);
}

/* Results that were there before the death are results, whatever happened afterwards. */
static void test_results_survive_the_host(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    fixture_publish(host, 3, 5);
    link_drain(host->link);
    expect_exit(host, 0);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_OK);
    assert_false(link_next_result(host->link, &host->result));
    fixture_free(host);
}

static void test_errors_of_the_model(void **state)
{
    (void)state;
    /* The warm-up is run 1. */
    struct fixture_host *host = ready("fail_every 3\n");
    unsigned failures = 0;
    for (unsigned i = 0; i < 30; i++) {
        fixture_publish(host, 1, (float)i);
        fixture_result(host);
        if (host->result.err != ROOST_OK) {
            failures++;
            assert_int_equal(host->result.err, ROOST_INTERNAL);
            assert_true(host->result.detail.text[0] != '\0');
            assert_int_equal(host->result.output_count, 0);
        }
        fixture_release(host, host->result.slot);
    }
    assert_true(failures > 0 && failures < 30);
    fixture_free(host);
}

/* ---- retracting and cancelling ------------------------------------------------------------ */

static void test_retract(void **state)
{
    (void)state;
    struct fixture_host *host = ready("hang_after 2\n"); /* the warm-up is run 1 */
    unsigned running = fixture_publish(host, 1, 1);
    while (link_slots_unstarted(host->link) > 0)
        fixture_pump(host);
    unsigned staged = fixture_publish(host, 1, 2);
    assert_int_equal(link_slots_unstarted(host->link), 1);
    assert_false(link_retract(host->link, running));
    assert_true(link_retract(host->link, staged));
    assert_int_equal(link_slots_busy(host->link), 1);
    assert_int_equal(link_slot_acquire(host->link), (int)staged);
    fixture_free(host);
}

static void test_cancel_a_running_batch(void **state)
{
    (void)state;
    struct fixture_host *host = ready("hang_after 3\n");
    fixture_publish(host, 1, 1);
    fixture_result(host);
    fixture_release(host, host->result.slot);
    unsigned slot = fixture_publish(host, 1, 2);
    while (link_slots_unstarted(host->link) > 0)
        fixture_pump(host);
    link_cancel(host->link, slot);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_CANCELLED);
    assert_int_equal(host->result.slot, slot);
    fixture_free(host);
}

static void test_cancel_before_it_is_taken(void **state)
{
    (void)state;
    struct fixture_host *host = ready("hang_after 2\n");
    unsigned running = fixture_publish(host, 1, 1);
    while (link_slots_unstarted(host->link) > 0)
        fixture_pump(host);
    unsigned staged = fixture_publish(host, 1, 2);
    link_cancel(host->link, staged);
    link_cancel(host->link, running);
    for (unsigned i = 0; i < 2; i++) {
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_CANCELLED);
    }
    fixture_free(host);
}

/* ---- several workers ---------------------------------------------------------------------- */

/* Keeps every slot busy; every batch is answered once, with its own answer. */
static void run_many(struct fixture_host *host, unsigned batches)
{
    unsigned sent = 0, answered = 0;
    while (answered < batches) {
        while (sent < batches && link_slots_busy(host->link) < 2 * host->spec.workers) {
            fixture_publish(host, 1 + sent % 7, (float)sent);
            sent++;
        }
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
        fixture_release(host, host->result.slot);
        answered++;
    }
    assert_int_equal(link_slots_busy(host->link), 0);
    assert_false(link_next_result(host->link, &host->result));
}

static void test_many_workers(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    host->spec.workers = host->spec.workers_max = 4;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    run_many(host, 3000);
    fixture_free(host);
}

static void test_spinning_workers(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    host->spec.workers = host->spec.workers_max = 2;
    host->spec.spin_ns = 50000;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    run_many(host, 2000);
    fixture_free(host);
}

static void test_workers_up_and_down(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    const struct cpus anywhere = {{0}};
    host->spec.workers = 1;
    host->spec.workers_max = 6;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    for (unsigned round = 0; round < 40; round++) {
        host->spec.workers = 1 + round * 5 % 6;
        link_set_workers(host->link, host->spec.workers, &anywhere);
        run_many(host, 50);
    }
    link_drain(host->link);
    expect_exit(host, 0);
    fixture_free(host);
}

static void test_workers_set_while_loading(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    const struct cpus anywhere = {{0}};
    host->spec.workers_max = 4;
    fixture_open(host);
    link_set_workers(host->link, 4, &anywhere);
    host->spec.workers = 4;
    fixture_wait(host, &host->has_ready);
    run_many(host, 200);
    fixture_free(host);
}

/* ---- pieces, types, sizes ----------------------------------------------------------------- */

/* Three requests of 1, 2 and 3 rows; the middle one does not lie aligned. */
static void test_pieces_are_joined(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    int slot = link_slot_acquire(host->link);
    struct link_batch batch = {.rows = 6,
                               .outputs_wanted = 1,
                               .piece_count = 3,
                               .input_count = 1,
                               .dtypes = {DTYPE_FP32},
                               .shapes = {{.rank = 2, .dims = {6, 4}}}};
    link_batch_set(host->link, (unsigned)slot, &batch);
    for (unsigned p = 0; p < 3; p++) {
        float values[12];
        for (unsigned i = 0; i < 12; i++)
            values[i] = (float)(p + 1);
        size_t bytes = (p + 1) * 4 * sizeof(float), shift = p == 1 ? 3 : 0;
        unsigned char *block = input_memory_allocate(host->input, bytes + shift);
        memcpy(block + shift, values, bytes);
        link_piece_set(
            host->link, (unsigned)slot, 0, p,
            (struct link_piece){.offset = input_memory_offset(host->input, block + shift),
                                .bytes = bytes});
    }
    link_publish(host->link, (unsigned)slot);
    while (!link_next_result(host->link, &host->result))
        fixture_pump(host);
    assert_int_equal(host->result.err, ROOST_OK);
    const float expected[] = {4, 8, 8, 12, 12, 12};
    assert_int_equal(host->result.outputs[0].bytes, sizeof expected);
    assert_memory_equal(host->result.outputs[0].data, expected, sizeof expected);
    fixture_free(host);
}

/* The size of BYTES is known only afterwards; the second output is not wanted. */
static void test_strings_and_unwanted_outputs(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_ready(spawner, "input x FP32 -1 4\n"
                                                       "output s BYTES -1 1\n"
                                                       "output t FP32 -1 1\n");
    int slot = link_slot_acquire(host->link);
    float *values = input_memory_allocate(host->input, 32);
    for (unsigned i = 0; i < 8; i++)
        values[i] = 1;
    struct link_batch batch = {.rows = 2,
                               .outputs_wanted = 1,
                               .piece_count = 1,
                               .input_count = 1,
                               .dtypes = {DTYPE_FP32},
                               .shapes = {{.rank = 2, .dims = {2, 4}}}};
    link_batch_set(host->link, (unsigned)slot, &batch);
    link_piece_set(host->link, (unsigned)slot, 0, 0,
                   (struct link_piece){input_memory_offset(host->input, values), 32});
    link_publish(host->link, (unsigned)slot);
    while (!link_next_result(host->link, &host->result))
        fixture_pump(host);
    assert_int_equal(host->result.err, ROOST_OK);
    assert_int_equal(host->result.output_count, 2);
    assert_int_equal(host->result.outputs[0].dtype, DTYPE_BYTES);
    assert_int_equal(host->result.outputs[0].shape.dims[0], 2);
    assert_true(tensor_bytes_valid(host->result.outputs[0].data, host->result.outputs[0].bytes, 2));
    assert_null(host->result.outputs[1].data);
    fixture_free(host);
}

static void test_outputs_too_large(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, "input x FP32 -1 4\n"
                                                     "output big FP32 -1 1000\n");
    host->spec.output_bytes_max = 8192;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    unsigned slot = fixture_publish(host, 3, 1);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_TOO_LARGE);
    assert_non_null(strstr(host->result.detail.text, "\"big\""));
    assert_non_null(strstr(host->result.detail.text, "8192"));
    fixture_release(host, slot);
    fixture_publish(host, 2, 1);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_OK);
    fixture_free(host);
}

static uint64_t output_pages_bytes(const struct fixture_host *host)
{
    struct stat status;
    assert_int_equal(fstat(host->link->output_fd, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

/* Pages of large outputs go back: after a smaller batch, or when nothing comes any more. */
static void test_output_memory_goes_back(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, "input x FP32 -1 4\n"
                                                     "output y FP32 -1 100000\n");
    host->spec.output_bytes_max = 32 << 20;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    const uint64_t mib = 1 << 20;
    for (unsigned round = 0; round < 2; round++) {
        unsigned slot = fixture_publish(host, 50, 1);
        fixture_result(host);
        assert_int_equal(host->result.err, ROOST_OK);
        fixture_release(host, slot);
        assert_true(output_pages_bytes(host) >= 19 * mib);
        if (round == 0) {
            slot = fixture_publish(host, 1, 1);
            fixture_result(host);
            fixture_release(host, slot);
        } else {
            link_trim(host->link); /* it was used since the last time */
            assert_true(output_pages_bytes(host) >= 19 * mib);
            link_trim(host->link);
        }
        assert_true(output_pages_bytes(host) <= mib);
    }
    fixture_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_run_drain),
        cmocka_unit_test(test_slots_run_out),
        cmocka_unit_test(test_drain_finishes_what_is_there),
        cmocka_unit_test(test_results_survive_the_host),
        cmocka_unit_test(test_errors_of_the_model),
        cmocka_unit_test(test_retract),
        cmocka_unit_test(test_cancel_a_running_batch),
        cmocka_unit_test(test_cancel_before_it_is_taken),
        cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_spinning_workers),
        cmocka_unit_test(test_workers_up_and_down),
        cmocka_unit_test(test_workers_set_while_loading),
        cmocka_unit_test(test_pieces_are_joined),
        cmocka_unit_test(test_strings_and_unwanted_outputs),
        cmocka_unit_test(test_outputs_too_large),
        cmocka_unit_test(test_output_memory_goes_back),
    };
    struct detail engine_error = {""}, detail = {""};
    if (spawner_start(NULL, &spawner, &engine_error, &detail) != ROOST_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spawner_stop(spawner);
    return failed;
}
