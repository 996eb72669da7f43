/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What check_zoo.py needs from the C side:
 *
 *   zoo_tool list                      name, kind, FLOPs per item; one model per line
 *   zoo_tool make DIRECTORY SCALE NAME...
 *   zoo_tool run MODEL ROWS DIRECTORY  reads <input>.in and writes <output>.out, raw little-endian
 *                                      values, after one run of the ONNX Runtime engine
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/engine.h"
#include "zoo/zoo.h"

enum { TENSOR_BYTES_MAX = 256 << 20 };

static enum roost_err models_list(void)
{
    const struct zoo_model *model;
    for (size_t i = 0; (model = zoo_at(i)) != NULL; i++) {
        struct zoo_count count;
        enum roost_err err = zoo_count(model, 1.0, &count, NULL);
        if (err != ROOST_OK)
            return err;
        printf("%s %s %" PRIu64 "\n", model->name, zoo_kind_name(model->kind),
               count.flops_per_item);
    }
    return ROOST_OK;
}

static enum roost_err models_make(int count, char **args, struct detail *detail)
{
    for (int i = 2; i < count; i++) {
        struct zoo_request request = {
            .directory = args[0], .model = args[i], .scale = strtod(args[1], NULL)};
        enum roost_err err = zoo_make(&request, NULL, detail);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

static enum roost_err input_read(const char *directory, const struct tensor_spec *spec,
                                 int64_t rows, struct tensor *input, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX], *data;
    (void)snprintf(path, sizeof(path), "%s/%s.in", directory, spec->name);
    input->dtype = spec->dtype;
    input->shape = spec->shape;
    for (unsigned i = 0; i < spec->shape.rank; i++) {
        if (spec->shape.dims[i] < 0)
            input->shape.dims[i] = rows;
    }
    enum roost_err err = file_read(path, TENSOR_BYTES_MAX, &data, &input->bytes, detail);
    input->data = data;
    return err;
}

static enum roost_err outputs_write(const char *directory, const struct model_io *io,
                                    const struct tensor *outputs, struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < io->output_count && err == ROOST_OK; i++) {
        char path[FILE_PATH_BYTES_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s.out", directory, io->outputs[i].name);
        err = file_write_atomic(path, outputs[i].data, outputs[i].bytes, detail);
    }
    return err;
}

static enum roost_err session_run(const struct engine_ops *engine, struct engine_session *session,
                                  int64_t rows, const char *directory, struct detail *detail)
{
    static struct model_io io;
    struct tensor inputs[MODEL_TENSORS_MAX] = {0}, outputs[MODEL_TENSORS_MAX] = {0};
    engine->describe(session, &io);
    enum roost_err err = ROOST_OK;
    for (unsigned i = 0; i < io.input_count && err == ROOST_OK; i++)
        err = input_read(directory, &io.inputs[i], rows, &inputs[i], detail);
    for (unsigned i = 0; i < io.output_count; i++)
        outputs[i] = (struct tensor){.dtype = io.outputs[i].dtype};
    struct engine_context *context = NULL;
    if (err == ROOST_OK)
        err = engine->context_open(session, &context, detail);
    if (err == ROOST_OK)
        err = engine->run(context, inputs, outputs, detail);
    if (err == ROOST_OK)
        err = outputs_write(directory, &io, outputs, detail);
    if (context != NULL)
        engine->context_close(context);
    for (unsigned i = 0; i < io.input_count; i++)
        free(inputs[i].data);
    return err;
}

static enum roost_err model_run(char **args, struct detail *detail)
{
    const struct engine_ops *engine = engine_find("onnxruntime");
    struct engine_load_options options = {.intra_op_threads = 1};
    struct engine_session *session;
    enum roost_err err = engine->open(NULL, detail);
    if (err == ROOST_OK)
        err = engine->load(args[0], &options, &session, detail);
    if (err != ROOST_OK)
        return err;
    err = session_run(engine, session, strtoll(args[1], NULL, 10), args[2], detail);
    engine->unload(session);
    return err;
}

int main(int argc, char **argv)
{
    struct detail detail = {"usage: zoo_tool list|make|run ..."};
    enum roost_err err = ROOST_INVALID;
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        err = models_list();
    else if (argc >= 5 && strcmp(argv[1], "make") == 0)
        err = models_make(argc - 2, argv + 2, &detail);
    else if (argc == 5 && strcmp(argv[1], "run") == 0)
        err = model_run(argv + 2, &detail);
    if (err != ROOST_OK)
        fprintf(stderr, "zoo_tool: %s\n", detail.text);
    return roost_err_exit_code(err);
}
