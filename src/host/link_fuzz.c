/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile host can do to the supervisor. The input is a list of steps: a byte that says
 * what, then what it needs. Every number of the shared memory and every control message can become
 * anything, between any two steps of the supervisor, which must neither crash nor read outside of
 * what is its own. What it is given back must keep the link's promises.
 */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "host/host_double.h"

struct input {
    const uint8_t *data;
    size_t left;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;
    size_t count = bytes < input->left ? bytes : input->left;
    memcpy(&value, input->data, count);
    input->data += count;
    input->left -= count;
    return value;
}

static uint64_t touch(const struct tensor *tensor)
{
    const unsigned char *data = tensor->data;
    return tensor->bytes > 0 ? (uint64_t)data[0] + data[tensor->bytes - 1] : 0;
}

static void result_check(const struct host_double *twin, const struct link_result *result)
{
    uint64_t sum = 0;
    roost_assert(result->slot < twin->link->slot_count);
    roost_assert(result->err < ROOST_ERR_COUNT);
    roost_assert(result->taken_ns <= result->input_end_ns);
    roost_assert(result->input_end_ns <= result->infer_end_ns);
    roost_assert(result->infer_end_ns <= result->done_ns && result->done_ns <= clock_now_ns());
    roost_assert(result->worker < 2);
    size_t length = strnlen(result->detail.text, DETAIL_BYTES_MAX);
    roost_assert(length < DETAIL_BYTES_MAX && utf8_valid(result->detail.text, length));
    for (unsigned o = 0; o < result->output_count; o++) {
        const struct tensor *tensor = &result->outputs[o];
        uint64_t elements;
        roost_assert(tensor->dtype < DTYPE_COUNT && tensor->shape.rank <= TENSOR_RANK_MAX);
        roost_assert(shape_elements(&tensor->shape, &elements));
        roost_assert(tensor->dtype == DTYPE_BYTES || tensor->data == NULL ||
                     tensor->bytes == elements * dtype_bytes(tensor->dtype));
        sum += touch(tensor);
    }
    __asm__ volatile("" : : "r"(sum));
}

/* What the supervisor does in one round of its loop. */
static void supervise(struct host_double *twin, struct input *input)
{
    static struct link_result result;
    struct link *link = twin->link;
    (void)link_arm(link);
    link_awake(link);
    (void)link_slots_unstarted(link);
    roost_assert(link_oldest_run_ns(link) <= clock_now_ns());
    (void)link_busy_ns(link);
    while (link_next_result(link, &result)) {
        result_check(twin, &result);
        link_release(link, result.slot);
    }
    unsigned what = (unsigned)take(input, 1);
    for (unsigned slot = 0; slot < link->slot_count; slot++) {
        if (link->slots[slot].state != LINK_SLOT_PUBLISHED || (what >> slot & 1) == 0)
            continue;
        link_cancel(link, slot);
        (void)link_retract(link, slot);
    }
    if ((what & 0x10) != 0)
        link_trim(link);
    while (link_slots_busy(link) < link->slot_count)
        (void)host_double_publish(twin, 1 + (what >> 5));
}

/* Any bytes anywhere in what the host can write. */
static void scribble(struct host_double *twin, struct input *input)
{
    size_t where = take(input, 4) % twin->link->region_length;
    size_t bytes = take(input, 1) % 65;
    unsigned char *region = (unsigned char *)twin->region;
    for (size_t i = 0; i < bytes && where + i < twin->link->region_length; i++)
        region[where + i] = (unsigned char)take(input, 1);
}

/* A result of which each field is likely to be almost right. */
static void result_write(struct host_double *twin, struct input *input)
{
    unsigned slot = (unsigned)take(input, 1) % twin->link->slot_count;
    struct region_result *result = &twin->region->slots[slot].result;
    result->err = (uint32_t)take(input, 1);
    result->worker = (uint32_t)take(input, 1);
    result->taken_ns = take(input, 8);
    result->done_ns = take(input, 8);
    for (unsigned o = 0; o < 2; o++) {
        struct region_output *output = &result->outputs[o];
        output->dtype = (uint32_t)take(input, 1);
        output->rank = (uint32_t)take(input, 1);
        output->dims[0] = (int64_t)take(input, 8);
        output->dims[1] = (int64_t)take(input, 2);
        output->offset = take(input, 8);
        output->bytes = take(input, 4);
    }
    for (unsigned i = 0; i < 32; i++)
        result->text[i] = (char)take(input, 1);
    host_double_finish(twin, slot);
}

static void message_send(struct host_double *twin, struct input *input)
{
    unsigned char packet[512];
    struct link_event event;
    size_t bytes = take(input, 2) % sizeof packet;
    for (size_t i = 0; i < bytes; i++)
        packet[i] = (unsigned char)take(input, 1);
    (void)send(twin->fds[SPAWN_FD_CONTROL], packet, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (link_next_event(twin->link, &event)) {
        if (event.type != LINK_LOADED)
            continue;
        roost_assert(event.io->input_count <= MODEL_TENSORS_MAX);
        roost_assert(event.io->output_count <= MODEL_TENSORS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .left = size};
    struct host_double twin;
    unsigned orphans[HOST_SLOTS_MAX];
    host_double_init(&twin);
    if (take(&input, 1) != 0)
        host_double_load(&twin);
    while (input.left > 0) {
        switch (take(&input, 1) % 4) {
        case 0:
            supervise(&twin, &input);
            break;
        case 1:
            scribble(&twin, &input);
            break;
        case 2:
            result_write(&twin, &input);
            break;
        default:
            message_send(&twin, &input);
            break;
        }
    }
    supervise(&twin, &input);
    roost_assert(link_orphans(twin.link, orphans) <= twin.link->slot_count);
    host_double_fini(&twin);
    return 0;
}
