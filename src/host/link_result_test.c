/* SPDX-License-Identifier: Apache-2.0 */
/* A host that lies: nothing it writes may reach the supervisor unchecked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "host/host_double.h"
#include "host/wire.h"

static struct host_double twin;
static struct link_result result;

static int setup(void **state)
{
    (void)state;
    host_double_init(&twin);
    host_double_load(&twin);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_double_fini(&twin);
    return 0;
}

/* A result for two rows with which nothing is wrong. */
static struct region_result *good_result(unsigned slot)
{
    static const unsigned char strings[] = {1, 0, 0, 0, 'a', 0, 0, 0, 0};
    struct region_result *to = &twin.region->slots[slot].result;
    uint64_t now_ns = clock_now_ns();
    *to = (struct region_result){
        .err = ROOST_OK,
        .worker = 1,
        .output_count = 2,
        .taken_ns = now_ns,
        .input_end_ns = now_ns,
        .infer_end_ns = now_ns,
        .done_ns = now_ns,
        .outputs = {{.dtype = DTYPE_FP32, .rank = 2, .dims = {2, 1}, .offset = 0, .bytes = 8},
                    {.dtype = DTYPE_BYTES, .rank = 1, .dims = {2}, .offset = 64, .bytes = 9}},
    };
    memcpy(twin.outputs + slot * 65536 + 64, strings, sizeof strings);
    return to;
}

/* Publishes and takes a batch; its result is good until the caller spoils it. */
static struct region_result *begin(unsigned *slot)
{
    *slot = host_double_publish(&twin, 2);
    host_double_take(&twin);
    return good_result(*slot);
}

static void end(unsigned slot)
{
    host_double_finish(&twin, slot);
    assert_true(link_next_result(twin.link, &result));
    assert_int_equal(result.slot, slot);
    link_release(twin.link, slot);
    assert_int_equal(link_slots_busy(twin.link), 0);
}

static void test_good(void **state)
{
    (void)state;
    unsigned slot;
    begin(&slot);
    end(slot);
    assert_int_equal(result.err, ROOST_OK);
    assert_int_equal(result.worker, 1);
    assert_int_equal(result.output_count, 2);
    assert_int_equal(result.outputs[1].bytes, 9);
}

static void refuse(unsigned slot, const char *text)
{
    end(slot);
    assert_int_equal(result.err, ROOST_INTERNAL);
    assert_int_equal(result.output_count, 0);
    if (strstr(result.detail.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, result.detail.text);
}

static void test_broken_outputs(void **state)
{
    (void)state;
    unsigned slot;
    begin(&slot)->outputs[0].dtype = DTYPE_COUNT;
    refuse(slot, "type");
    begin(&slot)->outputs[0].dtype = DTYPE_INT32;
    refuse(slot, "type");
    begin(&slot)->outputs[0].dtype = DTYPE_INVALID;
    refuse(slot, "type");
    begin(&slot)->outputs[0].rank = 9;
    refuse(slot, "dimensions");
    begin(&slot)->outputs[0].rank = UINT32_MAX;
    refuse(slot, "dimensions");
    begin(&slot)->outputs[0].dims[0] = -1;
    refuse(slot, "shape");
    begin(&slot)->outputs[0].dims[0] = INT64_MAX;
    refuse(slot, "size");
    begin(&slot)->outputs[0].dims[1] = 2;
    refuse(slot, "size");
    begin(&slot)->outputs[0].bytes = 7;
    refuse(slot, "size");
}

static void test_outputs_outside(void **state)
{
    (void)state;
    unsigned slot;
    begin(&slot)->outputs[0].offset = 65536 - 7;
    refuse(slot, "outside");
    begin(&slot)->outputs[0].offset = UINT64_MAX;
    refuse(slot, "outside");
    begin(&slot)->outputs[0].offset = UINT64_MAX - 7; /* wraps around to 0 */
    refuse(slot, "outside");
    begin(&slot)->outputs[0].bytes = UINT64_MAX;
    refuse(slot, "outside");
    begin(&slot)->outputs[0].offset = 65536 - 8;
    end(slot);
    assert_int_equal(result.err, ROOST_OK);
}

static void test_broken_strings(void **state)
{
    (void)state;
    unsigned slot;
    begin(&slot)->outputs[1].dims[0] = 3;
    refuse(slot, "strings");
    begin(&slot)->outputs[1].bytes = 8;
    refuse(slot, "strings");
    begin(&slot);
    twin.outputs[slot * 65536 + 64 + 3] = 0x7f;
    refuse(slot, "strings");
}

static void test_errors(void **state)
{
    (void)state;
    unsigned slot;
    struct region_result *to = begin(&slot);
    to->err = ROOST_ERR_COUNT;
    end(slot);
    assert_int_equal(result.err, ROOST_INTERNAL);
    begin(&slot)->err = UINT32_MAX;
    end(slot);
    assert_int_equal(result.err, ROOST_INTERNAL);
    begin(&slot)->err = ROOST_OVERLOADED; /* not the host's to say */
    refuse(slot, "error");
    to = begin(&slot);
    to->err = ROOST_INVALID;
    memset(to->text, 'x', sizeof to->text); /* without an end */
    end(slot);
    assert_int_equal(result.err, ROOST_INVALID);
    assert_int_equal(strlen(result.detail.text), DETAIL_BYTES_MAX - 1);
    to = begin(&slot);
    to->err = ROOST_INVALID;
    memcpy(to->text, "a\nb\x1b[2J\xff\xc3\xa9", 11);
    end(slot);
    assert_string_equal(result.detail.text, "a b?[2J?\xc3\xa9");
}

static void test_times_are_made_possible(void **state)
{
    (void)state;
    unsigned slot;
    uint64_t before_ns = clock_now_ns();
    struct region_result *to = begin(&slot);
    to->taken_ns = 0;
    to->input_end_ns = UINT64_MAX;
    to->infer_end_ns = 5;
    to->done_ns = UINT64_MAX;
    to->cpu_ns = UINT64_MAX;
    to->worker = UINT32_MAX;
    end(slot);
    assert_int_equal(result.err, ROOST_OK);
    assert_true(before_ns <= result.taken_ns);
    assert_true(result.taken_ns <= result.input_end_ns);
    assert_true(result.input_end_ns <= result.infer_end_ns);
    assert_true(result.infer_end_ns <= result.done_ns);
    assert_true(result.done_ns <= clock_now_ns());
    assert_true(result.cpu_ns <= result.done_ns - result.taken_ns);
    assert_true(result.worker < 2);
    assert_true(link_busy_ns(twin.link) <= clock_now_ns() - before_ns);
}

/* Done bits for slots that the host does not have. */
static void test_results_that_nobody_asked_for(void **state)
{
    (void)state;
    atomic_store(&twin.region->done[0], UINT64_MAX);
    atomic_store(&twin.region->done[1], UINT64_MAX);
    assert_false(link_next_result(twin.link, &result));
    int acquired = link_slot_acquire(twin.link);
    atomic_store(&twin.region->done[0], UINT64_MAX);
    assert_false(link_next_result(twin.link, &result));
    link_release(twin.link, (unsigned)acquired);
    /* Published, but not done; done, but another publication. */
    unsigned slot = host_double_publish(&twin, 2);
    atomic_store(&twin.region->done[0], UINT64_MAX);
    assert_false(link_next_result(twin.link, &result));
    atomic_store(&twin.region->states[slot], slot_word(SLOT_DONE, 0, 77));
    atomic_store(&twin.region->done[0], UINT64_MAX);
    assert_false(link_next_result(twin.link, &result));
    assert_int_equal(link_slots_busy(twin.link), 1);
    assert_int_equal(link_slots_unstarted(twin.link), 0);
    unsigned orphans[HOST_SLOTS_MAX];
    assert_int_equal(link_orphans(twin.link, orphans), 1);
    assert_int_equal(orphans[0], slot);
    link_release(twin.link, slot);
}

/* A result told twice is a result once, also when the slot is in use again. */
static void test_results_told_twice(void **state)
{
    (void)state;
    unsigned slot;
    begin(&slot);
    host_double_finish(&twin, slot);
    assert_true(link_next_result(twin.link, &result));
    host_double_finish(&twin, slot);
    assert_false(link_next_result(twin.link, &result));
    link_release(twin.link, slot);
    atomic_fetch_or(&twin.region->done[0], UINT64_C(1) << slot);
    assert_int_equal(host_double_publish(&twin, 1), slot);
    assert_false(link_next_result(twin.link, &result));
    assert_true(link_retract(twin.link, slot));
}

static void test_idle_bits_that_mean_nobody(void **state)
{
    (void)state;
    atomic_store(&twin.region->idle, UINT64_MAX);
    unsigned slot = host_double_publish(&twin, 1);
    assert_true(link_retract(twin.link, slot));
    atomic_store(&twin.region->spinning, 12345);
    slot = host_double_publish(&twin, 1);
    assert_true(link_retract(twin.link, slot));
}

/* A host that signals for nothing does not keep the loop awake for ever. */
static void test_signals_for_nothing(void **state)
{
    (void)state;
    uint64_t one = 1;
    assert_int_equal(write(twin.fds[SPAWN_FD_COMPLETION], &one, sizeof one), sizeof one);
    for (unsigned i = 0; i < 100; i++)
        assert_false(link_next_result(twin.link, &result));
    assert_int_equal(read(link_completion_fd(twin.link), &one, sizeof one), -1);
}

/* ---- control messages --------------------------------------------------------------------- */

static void expect_nonsense(const void *packet, size_t bytes)
{
    struct link_event event;
    assert_int_equal(send(twin.fds[SPAWN_FD_CONTROL], packet, bytes, 0), bytes);
    assert_true(link_next_event(twin.link, &event));
    assert_int_equal(event.type, LINK_FAILED);
    assert_int_equal(event.err, ROOST_INTERNAL);
    /* Nothing more is believed; that it goes is still seen. */
    assert_int_equal(wire_send_ready(twin.fds[SPAWN_FD_CONTROL], 1), ROOST_OK);
    assert_false(link_next_event(twin.link, &event));
    close(twin.fds[SPAWN_FD_CONTROL]);
    twin.fds[SPAWN_FD_CONTROL] = -1;
    assert_true(link_next_event(twin.link, &event));
    assert_int_equal(event.type, LINK_CLOSED);
    assert_false(link_next_event(twin.link, &event));
}

static void test_unknown_message(void **state)
{
    (void)state;
    expect_nonsense("\x63\0\0\0", 4);
}

static void test_short_message(void **state)
{
    (void)state;
    expect_nonsense("\1", 1);
}

static void test_huge_message(void **state)
{
    (void)state;
    static char packet[WIRE_BYTES_MAX + 1] = {3};
    expect_nonsense(packet, sizeof packet);
}

static void test_loaded_twice(void **state)
{
    (void)state;
    struct link_event event;
    struct engine_metadata metadata = {0};
    struct model_io io = {.output_count = 1, .outputs = {{.name = "other", .dtype = DTYPE_INT8}}};
    assert_int_equal(wire_send_loaded(twin.fds[SPAWN_FD_CONTROL], &io, &metadata, 1), ROOST_OK);
    assert_true(link_next_event(twin.link, &event));
    assert_int_equal(event.type, LINK_FAILED);
    assert_string_equal(twin.link->io.outputs[0].name, "y");
}

int main(void)
{
#define WITH_TWIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_TWIN(test_good),
        WITH_TWIN(test_broken_outputs),
        WITH_TWIN(test_outputs_outside),
        WITH_TWIN(test_broken_strings),
        WITH_TWIN(test_errors),
        WITH_TWIN(test_times_are_made_possible),
        WITH_TWIN(test_results_that_nobody_asked_for),
        WITH_TWIN(test_results_told_twice),
        WITH_TWIN(test_idle_bits_that_mean_nobody),
        WITH_TWIN(test_signals_for_nothing),
        WITH_TWIN(test_unknown_message),
        WITH_TWIN(test_short_message),
        WITH_TWIN(test_huge_message),
        WITH_TWIN(test_loaded_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
