/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a result that the other side can still change: every field is copied once, and the copy
 * is checked and used.
 */
#include <string.h>

#include "host/link_internal.h"
#include "host/wire.h"

static void result_refuse(struct link_result *result, const char *what)
{
    result->err = ROOST_INTERNAL;
    result->output_count = 0;
    (void)detail_set(&result->detail, ROOST_INTERNAL, "the host returned a broken result: %s",
                     what);
}

/* Brings times into the only order in which they can be. */
static uint64_t time_clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* NULL, or what is wrong with it. */
static const char *output_read(const struct link *link, unsigned slot, unsigned index,
                               const struct region_output *from, struct tensor *to)
{
    bool wanted = (link->slots[slot].outputs_wanted >> index & 1) != 0;
    uint64_t elements;
    memset(to, 0, sizeof *to);
    if (!wanted)
        return NULL;
    if (from->dtype == DTYPE_INVALID || from->dtype >= DTYPE_COUNT ||
        from->dtype != (uint32_t)link->io.outputs[index].dtype)
        return "an output of another type than the model's";
    if (from->rank > TENSOR_RANK_MAX)
        return "an output with too many dimensions";
    to->dtype = (enum dtype)from->dtype;
    to->shape.rank = from->rank;
    memcpy(to->shape.dims, from->dims, from->rank * sizeof to->shape.dims[0]);
    if (from->offset > link->output_stride_bytes ||
        from->bytes > link->output_stride_bytes - from->offset)
        return "an output outside of its memory";
    to->bytes = from->bytes;
    to->data = (void *)(uintptr_t)(link->outputs + (size_t)slot * link->output_stride_bytes +
                                   from->offset);
    if (!shape_elements(&to->shape, &elements))
        return "an output with an impossible shape";
    size_t size = dtype_bytes(to->dtype);
    if (size != 0 && (elements > UINT64_MAX / size || elements * size != to->bytes))
        return "an output whose size does not fit its shape";
    if (size == 0 && !tensor_bytes_valid(to->data, to->bytes, elements))
        return "strings that do not fit their output";
    return NULL;
}

static void outputs_read(const struct link *link, unsigned slot, const struct region_result *from,
                         struct link_result *result)
{
    for (unsigned o = 0; o < link->io.output_count; o++) {
        struct region_output copy = from->outputs[o];
        atomic_signal_fence(memory_order_seq_cst); /* the compiler may not read it again */
        const char *wrong = output_read(link, slot, o, &copy, &result->outputs[o]);
        if (wrong != NULL) {
            result_refuse(result, wrong);
            return;
        }
    }
    result->output_count = link->io.output_count;
}

void link_result_read(const struct link *link, unsigned slot, struct link_result *result,
                      uint64_t now_ns)
{
    const struct region_result *from = &link->region->slots[slot].result;
    uint32_t err = from->err, worker = from->worker;
    atomic_signal_fence(memory_order_seq_cst);
    uint64_t published_ns = link->slots[slot].published_ns;
    result->slot = slot;
    result->output_count = 0;
    result->detail.text[0] = '\0';
    result->taken_ns = time_clamp(from->taken_ns, published_ns, now_ns);
    result->input_end_ns = time_clamp(from->input_end_ns, result->taken_ns, now_ns);
    result->infer_end_ns = time_clamp(from->infer_end_ns, result->input_end_ns, now_ns);
    result->done_ns = time_clamp(from->done_ns, result->infer_end_ns, now_ns);
    result->cpu_ns = time_clamp(from->cpu_ns, 0, result->done_ns - result->taken_ns);
    result->worker = worker < link->worker_count ? worker : 0;
    result->err = err < ROOST_ERR_COUNT ? (enum roost_err)err : ROOST_INTERNAL;
    switch (result->err) {
    case ROOST_OK:
        outputs_read(link, slot, from, result);
        break;
    case ROOST_INVALID:
    case ROOST_CANCELLED:
    case ROOST_TOO_LARGE:
    case ROOST_INTERNAL:
        wire_text_copy(result->detail.text, sizeof result->detail.text, from->text,
                       sizeof from->text);
        break;
    default:
        result_refuse(result, "an error that batches do not have");
        break;
    }
}
