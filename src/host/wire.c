/* SPDX-License-Identifier: Apache-2.0 */
#include "host/wire.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/utf8.h"

enum { WIRE_SANDBOX = 1, WIRE_LOADED, WIRE_READY, WIRE_FAILED };

struct wire_sandbox {
    uint32_t type;
    uint32_t active; /* bits, in the order of struct sandbox_report */
    char reason[256];
};

struct wire_loaded {
    uint32_t type;
    uint32_t input_count, output_count;
    uint32_t unused;
    uint64_t load_ns;
    uint64_t mflops_x1000;
    double accuracy;
};

/* Follows wire_loaded: inputs, then outputs. */
struct wire_tensor {
    char name[TENSOR_NAME_BYTES_MAX];
    uint32_t dtype;
    uint32_t rank;
    uint32_t optional;
    uint32_t unused;
    int64_t dims[TENSOR_RANK_MAX];
};

struct wire_ready {
    uint32_t type;
    uint32_t unused;
    uint64_t warm_ns;
};

struct wire_failed {
    uint32_t type;
    uint32_t err;
    char text[DETAIL_BYTES_MAX];
};

_Static_assert(sizeof(struct wire_loaded) + 2 * MODEL_TENSORS_MAX * sizeof(struct wire_tensor) <=
                   WIRE_BYTES_MAX,
               "every message fits");

/* ---- sending ------------------------------------------------------------------------------ */

static enum roost_err wire_send(int fd, struct iovec *parts, size_t count, int flags)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | flags);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return ROOST_OK;
    return errno == EAGAIN ? ROOST_OVERLOADED : ROOST_UNAVAILABLE;
}

enum roost_err wire_send_sandbox(int fd, const struct sandbox_report *report)
{
    struct wire_sandbox message = {.type = WIRE_SANDBOX};
    const bool active[] = {report->no_new_privs, report->seccomp, report->landlock,
                           report->network_namespace, report->capabilities_dropped};
    for (size_t i = 0; i < sizeof active / sizeof active[0]; i++)
        message.active |= (uint32_t)active[i] << i;
    memcpy(message.reason, report->reason, sizeof message.reason);
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    return wire_send(fd, &part, 1, 0);
}

static void wire_tensor_fill(struct wire_tensor *to, const struct tensor_spec *from)
{
    memset(to, 0, sizeof *to);
    memcpy(to->name, from->name, sizeof to->name);
    to->dtype = (uint32_t)from->dtype;
    to->rank = from->shape.rank;
    to->optional = from->optional ? 1 : 0;
    memcpy(to->dims, from->shape.dims, from->shape.rank * sizeof to->dims[0]);
}

enum roost_err wire_send_loaded(int fd, const struct model_io *io,
                                const struct engine_metadata *metadata, uint64_t load_ns)
{
    struct wire_loaded message = {
        .type = WIRE_LOADED,
        .input_count = io->input_count,
        .output_count = io->output_count,
        .load_ns = load_ns,
        .mflops_x1000 = metadata->mflops_x1000,
        .accuracy = metadata->accuracy,
    };
    struct wire_tensor tensors[2 * MODEL_TENSORS_MAX];
    for (unsigned i = 0; i < io->input_count; i++)
        wire_tensor_fill(&tensors[i], &io->inputs[i]);
    for (unsigned i = 0; i < io->output_count; i++)
        wire_tensor_fill(&tensors[io->input_count + i], &io->outputs[i]);
    struct iovec parts[] = {
        {.iov_base = &message, .iov_len = sizeof message},
        {.iov_base = tensors, .iov_len = (io->input_count + io->output_count) * sizeof tensors[0]},
    };
    return wire_send(fd, parts, 2, 0);
}

enum roost_err wire_send_ready(int fd, uint64_t warm_ns)
{
    struct wire_ready message = {.type = WIRE_READY, .warm_ns = warm_ns};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    return wire_send(fd, &part, 1, 0);
}

enum roost_err wire_send_failed(int fd, enum roost_err err, const char *text)
{
    struct wire_failed message = {.type = WIRE_FAILED, .err = (uint32_t)err};
    wire_text_copy(message.text, sizeof message.text, text, strlen(text));
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    return wire_send(fd, &part, 1, 0);
}

enum roost_err wire_send_order(int fd, const struct wire_order *order)
{
    struct wire_order copy = *order;
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof copy};
    return wire_send(fd, &part, 1, MSG_DONTWAIT);
}

/* ---- decoding ----------------------------------------------------------------------------- */

void wire_text_copy(char *out, size_t out_bytes, const char *text, size_t text_bytes)
{
    roost_assert(out_bytes > 0);
    size_t length = strnlen(text, text_bytes);
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t sequence = utf8_sequence(text + at, length - at);
        bool plain = sequence > 1 ||
                     (sequence == 1 && (unsigned char)text[at] >= ' ' && text[at] != '\x7f');
        size_t needed = plain ? sequence : 1;
        if (used + needed >= out_bytes)
            break;
        if (plain)
            memcpy(out + used, text + at, needed);
        else
            out[used] = text[at] == '\n' || text[at] == '\t' ? ' ' : '?';
        used += needed;
        at += sequence > 0 ? sequence : 1;
    }
    out[used] = '\0';
}

static enum roost_err wire_tensor_decode(const struct wire_tensor *from, struct tensor_spec *to)
{
    size_t length = strnlen(from->name, sizeof from->name);
    if (length == sizeof from->name || !utf8_valid(from->name, length) ||
        from->dtype == DTYPE_INVALID || from->dtype >= DTYPE_COUNT || from->rank > TENSOR_RANK_MAX)
        return ROOST_INVALID;
    memset(to, 0, sizeof *to);
    memcpy(to->name, from->name, length);
    to->dtype = (enum dtype)from->dtype;
    to->optional = from->optional != 0;
    to->shape.rank = from->rank;
    for (unsigned d = 0; d < from->rank; d++) {
        if (from->dims[d] < -1)
            return ROOST_INVALID;
        to->shape.dims[d] = from->dims[d];
    }
    return ROOST_OK;
}

static enum roost_err wire_loaded_decode(const unsigned char *packet, size_t bytes,
                                         struct link_event *event, struct model_io *io)
{
    struct wire_loaded message;
    if (bytes < sizeof message)
        return ROOST_INVALID;
    memcpy(&message, packet, sizeof message);
    if (message.input_count > MODEL_TENSORS_MAX || message.output_count > MODEL_TENSORS_MAX)
        return ROOST_INVALID;
    size_t count = message.input_count + message.output_count;
    if (bytes != sizeof message + count * sizeof(struct wire_tensor))
        return ROOST_INVALID;
    for (size_t i = 0; i < count; i++) {
        struct wire_tensor tensor;
        memcpy(&tensor, packet + sizeof message + i * sizeof tensor, sizeof tensor);
        bool input = i < message.input_count;
        struct tensor_spec *to = input ? &io->inputs[i] : &io->outputs[i - message.input_count];
        if (wire_tensor_decode(&tensor, to) != ROOST_OK)
            return ROOST_INVALID;
    }
    io->input_count = message.input_count;
    io->output_count = message.output_count;
    event->type = LINK_LOADED;
    event->io = io;
    event->load_ns = message.load_ns;
    event->metadata.mflops_x1000 = message.mflops_x1000;
    event->metadata.accuracy = isfinite(message.accuracy) ? message.accuracy : -1;
    return ROOST_OK;
}

static enum roost_err wire_sandbox_decode(const void *packet, size_t bytes,
                                          struct link_event *event)
{
    struct wire_sandbox message;
    if (bytes != sizeof message)
        return ROOST_INVALID;
    memcpy(&message, packet, sizeof message);
    event->type = LINK_SANDBOX;
    event->sandbox.no_new_privs = (message.active & 1) != 0;
    event->sandbox.seccomp = (message.active & 2) != 0;
    event->sandbox.landlock = (message.active & 4) != 0;
    event->sandbox.network_namespace = (message.active & 8) != 0;
    event->sandbox.capabilities_dropped = (message.active & 16) != 0;
    wire_text_copy(event->sandbox.reason, sizeof event->sandbox.reason, message.reason,
                   sizeof message.reason);
    return ROOST_OK;
}

static enum roost_err wire_failed_decode(const void *packet, size_t bytes, struct link_event *event)
{
    struct wire_failed message;
    if (bytes != sizeof message)
        return ROOST_INVALID;
    memcpy(&message, packet, sizeof message);
    if (message.err == ROOST_OK || message.err >= ROOST_ERR_COUNT)
        return ROOST_INVALID;
    event->type = LINK_FAILED;
    event->err = (enum roost_err)message.err;
    wire_text_copy(event->detail.text, sizeof event->detail.text, message.text,
                   sizeof message.text);
    return ROOST_OK;
}

enum roost_err wire_decode(const void *packet, size_t bytes, struct link_event *event,
                           struct model_io *io)
{
    struct wire_ready ready;
    uint32_t type;
    memset(event, 0, sizeof *event);
    if (bytes < sizeof type)
        return ROOST_INVALID;
    memcpy(&type, packet, sizeof type);
    switch (type) {
    case WIRE_SANDBOX:
        return wire_sandbox_decode(packet, bytes, event);
    case WIRE_LOADED:
        return wire_loaded_decode(packet, bytes, event, io);
    case WIRE_READY:
        if (bytes != sizeof ready)
            return ROOST_INVALID;
        memcpy(&ready, packet, sizeof ready);
        event->type = LINK_READY;
        event->warm_ns = ready.warm_ns;
        return ROOST_OK;
    case WIRE_FAILED:
        return wire_failed_decode(packet, bytes, event);
    default:
        return ROOST_INVALID;
    }
}
