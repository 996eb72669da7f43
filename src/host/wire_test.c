/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/wire.h"

static int ends[2];
static unsigned char packet[WIRE_BYTES_MAX];
static struct model_io io;

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static size_t receive(void)
{
    ssize_t bytes = recv(ends[1], packet, sizeof packet, MSG_TRUNC);
    assert_true(bytes > 0 && (size_t)bytes <= sizeof packet);
    return (size_t)bytes;
}

static void test_sandbox(void **state)
{
    (void)state;
    struct sandbox_report report = {.seccomp = true, .capabilities_dropped = true};
    struct link_event event;
    strcpy(report.reason, "landlock: not in this kernel");
    assert_int_equal(wire_send_sandbox(ends[0], &report), ROOST_OK);
    assert_int_equal(wire_decode(packet, receive(), &event, &io), ROOST_OK);
    assert_int_equal(event.type, LINK_SANDBOX);
    assert_false(event.sandbox.no_new_privs);
    assert_true(event.sandbox.seccomp);
    assert_false(event.sandbox.landlock);
    assert_false(event.sandbox.network_namespace);
    assert_true(event.sandbox.capabilities_dropped);
    assert_string_equal(event.sandbox.reason, report.reason);
}

/* As many tensors as there can be, with as many dimensions. */
static void test_loaded(void **state)
{
    (void)state;
    static struct model_io sent;
    struct engine_metadata metadata = {.mflops_x1000 = 7, .accuracy = 0.5};
    struct link_event event;
    memset(&sent, 0, sizeof sent);
    sent.input_count = sent.output_count = MODEL_TENSORS_MAX;
    for (unsigned i = 0; i < MODEL_TENSORS_MAX; i++) {
        struct tensor_spec *spec = &sent.inputs[i];
        memset(spec->name, 'a' + (int)(i % 26), TENSOR_NAME_BYTES_MAX - 1);
        spec->dtype = DTYPE_INT64;
        spec->optional = i % 2 == 1;
        spec->shape.rank = TENSOR_RANK_MAX;
        for (unsigned d = 0; d < TENSOR_RANK_MAX; d++)
            spec->shape.dims[d] = (int64_t)d - 1;
        sent.outputs[i] = *spec;
        sent.outputs[i].optional = false;
    }
    assert_int_equal(wire_send_loaded(ends[0], &sent, &metadata, 99), ROOST_OK);
    size_t bytes = receive();
    assert_int_equal(wire_decode(packet, bytes, &event, &io), ROOST_OK);
    assert_int_equal(event.type, LINK_LOADED);
    assert_int_equal(event.load_ns, 99);
    assert_int_equal(event.metadata.mflops_x1000, 7);
    assert_ptr_equal(event.io, &io);
    assert_memory_equal(&io, &sent, sizeof io);
    /* Cut anywhere, it is no message. */
    for (size_t cut = 0; cut < bytes; cut += cut < 64 ? 1 : 61)
        assert_int_equal(wire_decode(packet, cut, &event, &io), ROOST_INVALID);
}

static void test_ready_and_failed(void **state)
{
    (void)state;
    struct link_event event;
    assert_int_equal(wire_send_ready(ends[0], 5), ROOST_OK);
    assert_int_equal(wire_decode(packet, receive(), &event, &io), ROOST_OK);
    assert_int_equal(event.type, LINK_READY);
    assert_int_equal(event.warm_ns, 5);
    assert_int_equal(wire_send_failed(ends[0], ROOST_NOT_FOUND, "no\nsuch\tfile"), ROOST_OK);
    size_t bytes = receive();
    assert_int_equal(wire_decode(packet, bytes, &event, &io), ROOST_OK);
    assert_int_equal(event.type, LINK_FAILED);
    assert_int_equal(event.err, ROOST_NOT_FOUND);
    assert_string_equal(event.detail.text, "no such file");
    packet[4] = 0; /* failed with OK */
    assert_int_equal(wire_decode(packet, bytes, &event, &io), ROOST_INVALID);
    packet[4] = ROOST_ERR_COUNT;
    assert_int_equal(wire_decode(packet, bytes, &event, &io), ROOST_INVALID);
}

static void test_orders_do_not_block(void **state)
{
    (void)state;
    struct wire_order order = {.type = WIRE_CANCEL};
    enum roost_err err = ROOST_OK;
    while (err == ROOST_OK)
        err = wire_send_order(ends[0], &order);
    assert_int_equal(err, ROOST_OVERLOADED);
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(wire_send_order(ends[0], &order), ROOST_UNAVAILABLE);
}

static void test_texts(void **state)
{
    (void)state;
    char out[8];
    wire_text_copy(out, sizeof out, "plain", 5);
    assert_string_equal(out, "plain");
    wire_text_copy(out, sizeof out, "longer than it is", 17);
    assert_string_equal(out, "longer ");
    wire_text_copy(out, sizeof out, "\x7f\x01\xff", 3);
    assert_string_equal(out, "???");
    wire_text_copy(out, sizeof out, "123456\xc3\xa9", 8); /* would be cut inside */
    assert_string_equal(out, "123456");
    wire_text_copy(out, sizeof out, "no end", 2);
    assert_string_equal(out, "no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sandbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ready_and_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders_do_not_block, setup, teardown),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
