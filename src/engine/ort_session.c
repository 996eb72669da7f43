/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <onnxruntime_session_options_config_keys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "engine/ort_internal.h"
#include "engine/stepped_file.h"
#include "engine/weights_align.h"

/* Tensors below this stay in the graph's own file: a mapping is not worth it. */
#define EXTERNAL_BYTES_MIN "1024"
#define WEIGHTS_FILE_NAME  "model.weights"
/* After a parallel piece of work, how long an idle thread of a whole-core model keeps looking. */
#define SPIN_US "50"

enum { PROBE_BYTES_MAX = 64 << 20, EMPTY_STRING_BYTES = 4 };

struct config_entry {
    const char *key, *value;
};

static OrtStatus *config_set(OrtSessionOptions *options, const struct config_entry *entries,
                             size_t count)
{
    OrtStatus *status = NULL;
    for (size_t i = 0; i < count && status == NULL; i++)
        status = ort.api->AddSessionConfigEntry(options, entries[i].key, entries[i].value);
    return status;
}

/*
 * What every session of ours has: threads as given and no more, none of which spins unasked, and
 * tensors in memory of ours (ort_memory.c): the engine's arena never shrinks, and is no faster.
 * With `patterns` it remembers for each combination of input shapes how the tensors of a run fit
 * into one block, which takes about half as much.
 */
static OrtStatus *options_set(OrtSessionOptions *options,
                              const struct engine_load_options *load_options, bool patterns)
{
    const struct config_entry entries[] = {
        {kOrtSessionOptionsConfigAllowIntraOpSpinning, load_options->spin ? "1" : "0"},
        {kOrtSessionOptionsConfigAllowInterOpSpinning, "0"},
        {kOrtSessionOptionsConfigUseEnvAllocators, "1"},
        /* No macro of the headers at hand; ignored by versions that do not know it. */
        {"session.intra_op.spin_duration_us", SPIN_US},
    };
    size_t entry_count = load_options->spin ? 4 : 3;
    const OrtApi *api = ort.api;
    OrtStatus *status = api->SetIntraOpNumThreads(options, (int)load_options->intra_op_threads);
    if (status == NULL)
        status = api->SetInterOpNumThreads(options, 1);
    if (status == NULL)
        status = api->SetSessionExecutionMode(options, ORT_SEQUENTIAL);
    if (status == NULL)
        status = api->DisableCpuMemArena(options);
    if (status == NULL)
        status = patterns ? api->EnableMemPattern(options) : api->DisableMemPattern(options);
    if (status == NULL)
        status = api->SetSessionGraphOptimizationLevel(
            options, load_options->optimised ? ORT_DISABLE_ALL : ORT_ENABLE_ALL);
    if (status == NULL)
        status = config_set(options, entries, entry_count);
    return status;
}

/*
 * How an optimised copy keeps its weights, best first: as the kernels want them and in a file
 * beside the graph, from which every later session maps them. Not every graph survives being
 * written like that (one with weights inside a loop's body does not), hence the alternatives.
 */
enum save_form { SAVE_PREPACKED, SAVE_EXTERNAL, SAVE_INLINE, SAVE_FORMS };

static OrtStatus *options_set_save(OrtSessionOptions *options, const char *model_path,
                                   enum save_form form)
{
    static const struct config_entry entries[] = {
        {kOrtSessionOptionsOptimizedModelExternalInitializersFileName, WEIGHTS_FILE_NAME},
        {kOrtSessionOptionsOptimizedModelExternalInitializersMinSizeInBytes, EXTERNAL_BYTES_MIN},
        {kOrtSessionOptionsSavePrePackedConstantInitializers, "1"},
    };
    static const size_t entry_counts[SAVE_FORMS] = {3, 2, 0};
    OrtStatus *status = ort.api->SetOptimizedModelFilePath(options, model_path);
    if (status == NULL)
        status = config_set(options, entries, entry_counts[form]);
    return status;
}

/* What a session is made for: to serve, with patterns or without, or to leave a copy. */
struct session_use {
    bool patterns;
    const char *save_path; /* NULL: no copy */
    enum save_form form;
};

static enum roost_err session_create(const char *path,
                                     const struct engine_load_options *load_options,
                                     const struct session_use *use, OrtSession **handle,
                                     struct detail *detail)
{
    OrtSessionOptions *options = NULL;
    atomic_store_explicit(&ort.log_lines, 0, memory_order_relaxed);
    OrtStatus *status = ort.api->CreateSessionOptions(&options);
    if (status == NULL)
        status = options_set(options, load_options, use->patterns);
    if (status == NULL && use->save_path != NULL)
        status = options_set_save(options, use->save_path, use->form);
    /* What there is to warn of in an optimised copy was said of the original; and that the copy
     * suits only this kind of CPU is what the cache's key is for. */
    if (status == NULL && (use->save_path != NULL || load_options->optimised))
        status = ort.api->SetSessionLogSeverityLevel(options, ORT_LOGGING_LEVEL_ERROR);
    if (status == NULL)
        status = ort.api->CreateSession(ort.env, path, options, handle);
    if (options != NULL)
        ort.api->ReleaseSessionOptions(options);
    return ort_check(status, ORT_PHASE_LOAD, detail);
}

/* One of the three lists of a graph's tensors. */
struct tensor_list {
    const char *noun;
    OrtStatus *(ORT_API_CALL *count)(const OrtSession *session, size_t *count);
    OrtStatus *(ORT_API_CALL *name)(const OrtSession *session, size_t index,
                                    OrtAllocator *allocator, char **name);
    OrtStatus *(ORT_API_CALL *type)(const OrtSession *session, size_t index, OrtTypeInfo **info);
};

static enum roost_err type_read(const OrtTypeInfo *info, struct tensor_spec *spec,
                                struct detail *detail)
{
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    enum ONNXType kind = ONNX_TYPE_UNKNOWN;
    OrtStatus *status = ort.api->GetOnnxTypeFromTypeInfo(info, &kind);
    if (status == NULL && kind == ONNX_TYPE_TENSOR)
        status = ort.api->CastTypeInfoToTensorInfo(info, &tensor);
    enum roost_err err = ort_check(status, ORT_PHASE_LOAD, detail);
    if (err != ROOST_OK)
        return err;
    if (tensor == NULL)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "a sequence, map, optional or sparse value; only tensors can be served");
    err = ort_shape_read(tensor, &spec->dtype, &spec->shape, detail);
    if (err == ROOST_OK && spec->dtype == DTYPE_INVALID)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "an element type that the protocol has no name for");
    return err;
}

static enum roost_err name_copy(const char *name, struct tensor_spec *spec, struct detail *detail)
{
    size_t length = strlen(name);
    if (length >= sizeof(spec->name))
        return detail_set(detail, ROOST_UNSUPPORTED, "a name of %zu bytes; at most %zu", length,
                          sizeof(spec->name) - 1);
    memcpy(spec->name, name, length + 1);
    return ROOST_OK;
}

static enum roost_err spec_read(const OrtSession *handle, const struct tensor_list *list,
                                size_t index, struct tensor_spec *spec, struct detail *detail)
{
    OrtAllocator *allocator = NULL;
    char *name = NULL;
    OrtTypeInfo *info = NULL;
    *spec = (struct tensor_spec){0};
    OrtStatus *status = ort.api->GetAllocatorWithDefaultOptions(&allocator);
    if (status == NULL)
        status = list->name(handle, index, allocator, &name);
    if (status == NULL)
        status = list->type(handle, index, &info);
    enum roost_err err = ort_check(status, ORT_PHASE_LOAD, detail);
    if (err == ROOST_OK)
        err = name_copy(name != NULL ? name : "", spec, detail);
    if (err == ROOST_OK)
        err = type_read(info, spec, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "%s %zu (\"%.64s\")", list->noun, index, name != NULL ? name : "");
    if (info != NULL)
        ort.api->ReleaseTypeInfo(info);
    if (name != NULL)
        allocator->Free(allocator, name);
    return err;
}

/* Appends a list to specs[*count...]. */
static enum roost_err specs_read(const OrtSession *handle, const struct tensor_list *list,
                                 bool optional, struct tensor_spec *specs, unsigned *count,
                                 struct detail *detail)
{
    size_t more = 0;
    enum roost_err err = ort_check(list->count(handle, &more), ORT_PHASE_LOAD, detail);
    if (err != ROOST_OK)
        return err;
    if (more > MODEL_TENSORS_MAX - *count) {
        /* Old exporters list every weight as an input with a default; nobody sends those. */
        if (optional)
            return ROOST_OK;
        return detail_set(detail, ROOST_UNSUPPORTED, "%zu %ss; at most %d", more, list->noun,
                          MODEL_TENSORS_MAX);
    }
    for (size_t i = 0; i < more && err == ROOST_OK; i++) {
        err = spec_read(handle, list, i, &specs[*count], detail);
        specs[*count].optional = optional;
        *count += err == ROOST_OK ? 1 : 0;
    }
    return err;
}

static enum roost_err io_read(const OrtSession *handle, struct model_io *io, struct detail *detail)
{
    const OrtApi *api = ort.api;
    const struct tensor_list inputs = {"input", api->SessionGetInputCount, api->SessionGetInputName,
                                       api->SessionGetInputTypeInfo};
    const struct tensor_list defaults = {"input", api->SessionGetOverridableInitializerCount,
                                         api->SessionGetOverridableInitializerName,
                                         api->SessionGetOverridableInitializerTypeInfo};
    const struct tensor_list outputs = {"output", api->SessionGetOutputCount,
                                        api->SessionGetOutputName, api->SessionGetOutputTypeInfo};
    enum roost_err err = specs_read(handle, &inputs, false, io->inputs, &io->input_count, detail);
    if (err == ROOST_OK)
        err = specs_read(handle, &defaults, true, io->inputs, &io->input_count, detail);
    if (err == ROOST_OK)
        err = specs_read(handle, &outputs, false, io->outputs, &io->output_count, detail);
    return err;
}

/* A number under `key` in the file's metadata, or `missing`. */
static OrtStatus *metadata_number(const OrtModelMetadata *model, OrtAllocator *allocator,
                                  const char *key, double missing, double *number)
{
    char *text = NULL;
    *number = missing;
    OrtStatus *status = ort.api->ModelMetadataLookupCustomMetadataMap(model, allocator, key, &text);
    if (status != NULL || text == NULL)
        return status;
    double value;
    if (number_parse_double(text, &value) == 0 && value >= 0)
        *number = value;
    allocator->Free(allocator, text);
    return NULL;
}

static enum roost_err metadata_read(const OrtSession *handle, struct engine_metadata *metadata,
                                    struct detail *detail)
{
    OrtAllocator *allocator = NULL;
    OrtModelMetadata *model = NULL;
    double mflops = 0;
    OrtStatus *status = ort.api->GetAllocatorWithDefaultOptions(&allocator);
    if (status == NULL)
        status = ort.api->SessionGetModelMetadata(handle, &model);
    if (status == NULL)
        status = metadata_number(model, allocator, "roost.mflops", 0, &mflops);
    if (status == NULL)
        status = metadata_number(model, allocator, "roost.accuracy", -1, &metadata->accuracy);
    if (model != NULL)
        ort.api->ReleaseModelMetadata(model);
    /* Beyond 10^15 it is a slip of the pen, and would not fit. */
    metadata->mflops_x1000 = mflops < 1e15 ? (uint64_t)(mflops * 1000 + 0.5) : 0;
    return ort_check(status, ORT_PHASE_LOAD, detail);
}

/* Whether inputs vary in more than their first dimension, so that their shapes are without number.
 */
static bool shapes_vary(const struct model_io *io)
{
    for (unsigned i = 0; i < io->input_count; i++) {
        for (unsigned d = 1; d < io->inputs[i].shape.rank; d++) {
            if (io->inputs[i].shape.dims[d] < 0)
                return true;
        }
    }
    return false;
}

/* The engine never forgets a pattern, so there may be one for each size of batch but not for every
 * length of a text besides. What the shapes are is known only when the model is loaded. */
static enum roost_err session_open(const char *path, const struct engine_load_options *options,
                                   struct engine_session *session, struct detail *detail)
{
    struct session_use use = {.patterns = true};
    enum roost_err err = session_create(path, options, &use, &session->handle, detail);
    if (err == ROOST_OK)
        err = io_read(session->handle, &session->io, detail);
    if (err != ROOST_OK || !shapes_vary(&session->io))
        return err;
    ort.api->ReleaseSession(session->handle);
    session->handle = NULL;
    use.patterns = false;
    return session_create(path, options, &use, &session->handle, detail);
}

enum roost_err ort_load(const char *path, const struct engine_load_options *options,
                        struct engine_session **session, struct detail *detail)
{
    *session = NULL;
    if (ort.env == NULL)
        return detail_set(detail, ROOST_UNAVAILABLE, "ONNX Runtime is not opened");
    struct engine_session *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "%s: no memory for a session", path);
    enum roost_err err = file_exists(path) ? ROOST_OK : ROOST_NOT_FOUND;
    if (err != ROOST_OK)
        (void)detail_set(detail, err, "no such file");
    if (err == ROOST_OK)
        err = session_open(path, options, made, detail);
    if (err == ROOST_OK)
        err = metadata_read(made->handle, &made->metadata, detail);
    ort_rest(NULL);
    if (err != ROOST_OK) {
        detail_prefix(detail, "%s", path);
        ort_unload(made);
        return err;
    }
    *session = made;
    return ROOST_OK;
}

void ort_unload(struct engine_session *session)
{
    if (session == NULL)
        return;
    if (session->handle != NULL)
        ort.api->ReleaseSession(session->handle);
    free(session);
    /* Freed pages are kept until somebody asks, by us and by the C library. */
    ort_rest(NULL);
    (void)malloc_trim(0);
}

/* Zeros of the tensor's shape, open dimensions being 1; no data when that is too large. */
static struct tensor zeros_of(const struct tensor_spec *spec)
{
    struct tensor tensor = {.dtype = spec->dtype, .shape = spec->shape};
    uint64_t elements;
    size_t size = dtype_bytes(spec->dtype) > 0 ? dtype_bytes(spec->dtype) : EMPTY_STRING_BYTES;
    for (unsigned i = 0; i < tensor.shape.rank; i++)
        tensor.shape.dims[i] = tensor.shape.dims[i] < 0 ? 1 : tensor.shape.dims[i];
    if (shape_elements(&tensor.shape, &elements) && elements <= PROBE_BYTES_MAX / size) {
        tensor.bytes = elements * size;
        tensor.data = calloc(1, tensor.bytes + 1);
    }
    return tensor;
}

/*
 * Runs the copy once on zeros. What it answers does not matter, and it may well refuse them: but
 * should the engine crash on its own copy, then here, where nobody is served.
 */
static void copy_probe(struct engine_session *session)
{
    struct tensor inputs[MODEL_TENSORS_MAX];
    struct tensor outputs[MODEL_TENSORS_MAX];
    struct engine_context *context;
    const struct model_io *io = &session->io;
    const unsigned input_count = io->input_count;
    for (unsigned i = 0; i < input_count; i++)
        inputs[i] = zeros_of(&io->inputs[i]);
    for (unsigned i = 0; i < io->output_count; i++)
        outputs[i] = (struct tensor){.dtype = io->outputs[i].dtype};
    if (ort_context_open(session, &context, NULL) == ROOST_OK) {
        (void)ort_run(context, inputs, outputs, NULL);
        ort_context_close(context);
    }
    for (unsigned i = 0; i < input_count; i++)
        free(inputs[i].data);
}

/* The copy as the engine writes it: the graph, and beside it, by short steps, the weights. */
static enum roost_err copy_write(const char *path, const char *save_path, const char *weights_path,
                                 enum save_form form, struct detail *detail)
{
    struct engine_load_options options = {.intra_op_threads = 1};
    struct session_use use = {.save_path = save_path, .form = form};
    struct stepped_file weights;
    OrtSession *handle = NULL;
    bool stepped = form != SAVE_INLINE &&
                   stepped_file_open(&weights, weights_path, NULL) == ROOST_OK;
    enum roost_err err = session_create(path, &options, &use, &handle, detail);
    if (err == ROOST_OK)
        ort.api->ReleaseSession(handle);
    /* A disk that is full says more than what the engine makes of it. */
    enum roost_err weights_err = stepped ? stepped_file_close(&weights, detail) : ROOST_OK;
    err = weights_err != ROOST_OK ? weights_err : err;
    if (err != ROOST_OK)
        detail_prefix(detail, "%s: optimising", path);
    return err;
}

/* One attempt. *written: the model itself was fine, and there is a copy, be it a bad one. */
static enum roost_err optimise_as(const char *path, const char *save_path, const char *weights_path,
                                  enum save_form form, bool *written, struct detail *detail)
{
    struct engine_load_options options = {.intra_op_threads = 1, .optimised = true};
    enum roost_err err = copy_write(path, save_path, weights_path, form, detail);
    *written = err == ROOST_OK;
    if (err != ROOST_OK)
        return err;
    err = weights_align(save_path, weights_path, detail);
    if (err != ROOST_OK)
        return err;

    /* A copy that cannot be used must not be found by hosts that trust it. */
    struct engine_session *session;
    err = ort_load(save_path, &options, &session, detail);
    if (session != NULL)
        copy_probe(session);
    ort_unload(session);
    return err;
}

enum roost_err ort_optimise(const char *path, const char *directory, struct detail *detail)
{
    char save_path[FILE_PATH_BYTES_MAX];
    char weights_path[FILE_PATH_BYTES_MAX];
    if (ort.env == NULL)
        return detail_set(detail, ROOST_UNAVAILABLE, "ONNX Runtime is not opened");
    if (!path_join(save_path, sizeof(save_path), directory, "model.onnx") ||
        !path_join(weights_path, sizeof(weights_path), directory, WEIGHTS_FILE_NAME))
        return detail_set(detail, ROOST_INVALID, "%s: path too long", directory);
    if (!file_exists(path))
        return detail_set(detail, ROOST_NOT_FOUND, "%s: no such file", path);
    struct detail reason = {0};
    for (int form = SAVE_PREPACKED; form < SAVE_FORMS; form++) {
        bool written;
        enum roost_err err = optimise_as(path, save_path, weights_path, (enum save_form)form,
                                         &written, &reason);
        if (err == ROOST_OK)
            return ROOST_OK;
        if (!written)
            return detail_set(detail, err, "%s", reason.text);
        (void)unlink(save_path);
        (void)unlink(weights_path);
    }
    return detail_set(detail, ROOST_UNSUPPORTED,
                      "%s: the engine cannot read its own optimised copy: %s", path, reason.text);
}

void ort_describe(const struct engine_session *session, struct model_io *io)
{
    *io = session->io;
}

void ort_metadata(const struct engine_session *session, struct engine_metadata *metadata)
{
    *metadata = session->metadata;
}
