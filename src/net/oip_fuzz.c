/* SPDX-License-Identifier: Apache-2.0 */
#include "net/oip_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BLOCKS_MAX = MODEL_TENSORS_MAX };

struct budget {
    size_t left;
    unsigned count;
    void *blocks[BLOCKS_MAX];
};

static enum roost_err budget_allocate(void *user, size_t bytes, void **memory,
                                      struct detail *detail)
{
    struct budget *budget = user;
    roost_assert(bytes > 0 && budget->count < BLOCKS_MAX);
    if (bytes > budget->left || posix_memalign(memory, 64, bytes) != 0)
        return detail_set(detail, ROOST_OVERLOADED, "no room for %zu bytes", bytes);
    budget->left -= bytes;
    budget->blocks[budget->count++] = *memory;
    return ROOST_OK;
}

/* Optional inputs a to n of all types, and outputs of the same names. */
static void io_fill(struct model_io *io)
{
    for (unsigned i = 0; i < DTYPE_COUNT - 1; i++) {
        struct tensor_spec *spec = &io->inputs[i];
        spec->name[0] = (char)('a' + i);
        spec->dtype = (enum dtype)(DTYPE_BOOL + (int)i);
        spec->shape = (struct shape){.rank = 1 + i % 3, .dims = {-1, -1, -1}};
        spec->optional = true;
        io->outputs[i] = *spec;
    }
    io->input_count = io->output_count = DTYPE_COUNT - 1;
}

static void input_check(const struct tensor_spec *spec, const struct tensor *tensor)
{
    uint64_t elements = 0;
    roost_assert(tensor->dtype == spec->dtype);
    roost_assert(shape_matches(&spec->shape, &tensor->shape));
    roost_assert(shape_elements(&tensor->shape, &elements));
    if (tensor->dtype == DTYPE_BYTES) {
        roost_assert(tensor_bytes_valid(tensor->data, tensor->bytes, elements));
        return;
    }
    size_t size = dtype_bytes(tensor->dtype);
    roost_assert(tensor->bytes == elements * size);
    roost_assert((uintptr_t)tensor->data % size == 0);
    /* A sanitizer looks on while all of it is read. */
    unsigned char seen = 0;
    for (size_t i = 0; i < tensor->bytes; i++)
        seen |= ((const unsigned char *)tensor->data)[i];
    roost_assert(tensor->dtype != DTYPE_BOOL || seen <= 1);
}

/* The inputs go out as outputs; those that were not sent are empty. */
static void answer_write(const struct oip_model *model, const struct oip_request *request)
{
    struct tensor outputs[MODEL_TENSORS_MAX];
    struct oip_part parts[MODEL_TENSORS_MAX];
    struct oip_response response = {.model = model, .request = request, .outputs = outputs};
    struct strbuf head;
    struct strbuf scratch;
    struct detail detail;
    size_t part_count = 0;
    size_t header_length = 0;
    for (unsigned i = 0; i < model->io->output_count; i++) {
        outputs[i] = request->inputs[i];
        if (outputs[i].data == NULL)
            outputs[i] = (struct tensor){.dtype = model->io->outputs[i].dtype,
                                         .shape = {.rank = 1, .dims = {0}},
                                         .data = outputs};
    }
    strbuf_init(&head);
    strbuf_init(&scratch);
    enum roost_err err = oip_write_infer(&response, &head, &scratch, parts, &part_count,
                                         &header_length, &detail);
    roost_assert(err == ROOST_OK || err == ROOST_INVALID);
    for (size_t i = 0; i < part_count && err == ROOST_OK; i++)
        roost_assert(parts[i].data != NULL && parts[i].bytes > 0);
    strbuf_fini(&head);
    strbuf_fini(&scratch);
}

static void run(const struct oip_model *model, const struct oip_body *body, size_t bytes)
{
    struct budget budget = {.left = bytes};
    struct oip_request request;
    struct detail detail = {""};
    enum roost_err err = oip_parse_infer(model, body, false, budget_allocate, &budget, &request,
                                         &detail);
    roost_assert(err == ROOST_OK || detail.text[0] != '\0');
    roost_assert(err == ROOST_OK || err == ROOST_INVALID || err == ROOST_UNSUPPORTED ||
                 err == ROOST_OVERLOADED);
    for (unsigned i = 0; i < model->io->input_count && err == ROOST_OK; i++) {
        if (request.inputs[i].data != NULL)
            input_check(&model->io->inputs[i], &request.inputs[i]);
    }
    if (err == ROOST_OK)
        answer_write(model, &request);
    oip_request_fini(&request);
    while (budget.count > 0)
        free(budget.blocks[--budget.count]);
}

void oip_fuzz_run(const struct oip_body *body, size_t budget)
{
    static struct model_io all;
    static struct model_io one;
    if (all.input_count == 0) {
        io_fill(&all);
        one.input_count = one.output_count = 1;
        one.inputs[0] = one.outputs[0] = all.inputs[4];
    }
    struct oip_model model = {.name = "m", .version = "1", .io = &all};
    run(&model, body, budget);
    model.max_batch_size = 8;
    run(&model, body, budget);
    /* Raw bodies need a model with one input. */
    model.io = &one;
    run(&model, body, budget);
}
