/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/adapter_graph.h"
#include "engine/onnx_scan.h"

enum { OPSET_MIN = 7, OPSET_RESIZE = 11, OPSET_RESIZE_OPTIONAL = 13, IMAGE_RANK = 4 };
enum { MAP_BYTES_MAX = 16 << 20, VALUE_BYTES = 512 };

static const size_t model_bytes_max = (size_t)1 << 31;

static const char prefix[] = "variant/";

struct build {
    const struct adapter_settings *settings;
    const struct model_io *want;
    struct detail *detail;
    struct adapter_graph graph;
    size_t input, output; /* places of what is adapted */
    /* The value that is being transformed. */
    char value[VALUE_BYTES];
    enum dtype dtype;
    struct shape shape;
};

static enum roost_err fail(const struct build *build, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum roost_err fail(const struct build *build, const char *format, ...)
{
    char text[DETAIL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return detail_set(build->detail, ROOST_INVALID, "adapter: %s", text);
}

/* A node on the current value, whose output is the current value from now on. */
static Onnx__NodeProto *step(struct build *build, struct node_list *list, const char *type,
                             const char *second)
{
    char output[ADAPTER_NAME_BYTES];
    const char *inputs[] = {build->value, second, NULL};
    value_name(&build->graph, output);
    Onnx__NodeProto *node = node_add(&build->graph, list, type, inputs, output);
    memcpy(build->value, output, sizeof(output));
    return node;
}

static void step_cast(struct build *build, struct node_list *list, enum dtype dtype)
{
    if (build->dtype == dtype)
        return;
    Onnx__NodeProto *node = step(build, list, "Cast", NULL);
    node_int(&build->graph, node, "to", dtype_to_onnx(dtype));
    build->dtype = dtype;
}

static void step_transpose(struct build *build, const int64_t permutation[IMAGE_RANK])
{
    struct shape from = build->shape;
    Onnx__NodeProto *node = step(build, &build->graph.before, "Transpose", NULL);
    node_ints(&build->graph, node, "perm", permutation, IMAGE_RANK);
    for (unsigned d = 0; d < IMAGE_RANK; d++)
        build->shape.dims[d] = from.dims[permutation[d]];
}

/* On channels-first images. The batch and the channels are taken from the image itself. */
static void step_resize(struct build *build)
{
    struct adapter_graph *graph = &build->graph;
    struct node_list *list = &graph->before;
    static const int64_t outer[] = {0, 1};
    static const float nothing = 0;
    static const struct shape no_floats = {.rank = 1, .dims = {0}};
    const int64_t sizes[] = {build->settings->resize_height, build->settings->resize_width};
    char whole[ADAPTER_NAME_BYTES], indices[ADAPTER_NAME_BYTES], kept[ADAPTER_NAME_BYTES],
        given[ADAPTER_NAME_BYTES], joined[ADAPTER_NAME_BYTES], none[ADAPTER_NAME_BYTES] = "",
                                                               output[ADAPTER_NAME_BYTES];
    value_name(graph, whole);
    (void)node_add(graph, list, "Shape", (const char *[]){build->value, NULL}, whole);
    constant_ints(graph, list, outer, 2, indices);
    value_name(graph, kept);
    node_int(graph, node_add(graph, list, "Gather", (const char *[]){whole, indices, NULL}, kept),
             "axis", 0);
    constant_ints(graph, list, sizes, 2, given);
    value_name(graph, joined);
    node_int(graph, node_add(graph, list, "Concat", (const char *[]){kept, given, NULL}, joined),
             "axis", 0);
    if (graph->opset < OPSET_RESIZE_OPTIONAL)
        constant_floats(graph, list, &nothing, &no_floats, none);
    value_name(graph, output);
    Onnx__NodeProto *node = node_add(
        graph, list, "Resize", (const char *[]){build->value, none, none, joined, NULL}, output);
    node_text(graph, node, "mode", "linear");
    node_text(graph, node, "coordinate_transformation_mode", "half_pixel");
    memcpy(build->value, output, sizeof(output));
    build->shape.dims[2] = sizes[0];
    build->shape.dims[3] = sizes[1];
}

static void step_normalise(struct build *build)
{
    const struct adapter_settings *settings = build->settings;
    struct shape shape = {.rank = IMAGE_RANK, .dims = {1, settings->channels, 1, 1}};
    float mean[ADAPTER_CHANNELS_MAX], scale[ADAPTER_CHANNELS_MAX];
    char constant[ADAPTER_NAME_BYTES];
    for (unsigned i = 0; i < settings->channels; i++) {
        mean[i] = (float)settings->mean[i];
        scale[i] = (float)settings->scale[i];
    }
    constant_floats(&build->graph, &build->graph.before, mean, &shape, constant);
    (void)step(build, &build->graph.before, "Sub", constant);
    constant_floats(&build->graph, &build->graph.before, scale, &shape, constant);
    (void)step(build, &build->graph.before, "Mul", constant);
}

/* The settings say it where they change it; else the place of what looks like channels tells. */
static bool channels_last(const struct build *build)
{
    const struct adapter_settings *settings = build->settings;
    if (settings->layout != LAYOUT_KEEP)
        return settings->layout == LAYOUT_NHWC_TO_NCHW;
    int64_t first = build->shape.dims[1], last = build->shape.dims[3];
    if (settings->normalise)
        return last == settings->channels && first != settings->channels;
    return last >= 1 && last <= ADAPTER_CHANNELS_MAX &&
           !(first >= 1 && first <= ADAPTER_CHANNELS_MAX);
}

static enum roost_err transform_image(struct build *build)
{
    static const int64_t to_first[] = {0, 3, 1, 2}, to_last[] = {0, 2, 3, 1};
    const struct adapter_settings *settings = build->settings;
    bool resize = settings->resize_height > 0;
    char text[128];
    if (!resize && !settings->normalise && settings->layout == LAYOUT_KEEP)
        return ROOST_OK;
    if (build->shape.rank != IMAGE_RANK)
        return fail(build, "an image has four dimensions with the batch's; %s has %s",
                    build->want->inputs[0].name, shape_format(&build->shape, text, sizeof(text)));
    if (resize && build->graph.opset < OPSET_RESIZE)
        return detail_set(build->detail, ROOST_UNSUPPORTED,
                          "adapter: resize needs operator set %d; the model has %" PRId64,
                          OPSET_RESIZE, build->graph.opset);
    bool last = channels_last(build);
    bool wanted_last = settings->layout == LAYOUT_KEEP ? last : !last;
    if (resize || settings->normalise)
        step_cast(build, &build->graph.before, DTYPE_FP32);
    if (last)
        step_transpose(build, to_first);
    int64_t channels = build->shape.dims[1];
    if (settings->normalise && channels >= 0 && channels != settings->channels)
        return fail(build, "normalise has %u channels; %s has %" PRId64, settings->channels,
                    build->want->inputs[0].name, channels);
    if (resize)
        step_resize(build);
    if (settings->normalise)
        step_normalise(build);
    if (wanted_last)
        step_transpose(build, to_last);
    return ROOST_OK;
}

/* Sizes agree where both are known. */
static bool shapes_agree(const struct shape *a, const struct shape *b)
{
    if (a->rank == UINT_MAX || b->rank == UINT_MAX)
        return true;
    if (a->rank != b->rank)
        return false;
    for (unsigned d = 0; d < a->rank; d++)
        if (a->dims[d] >= 0 && b->dims[d] >= 0 && a->dims[d] != b->dims[d])
            return false;
    return true;
}

/* A variant that fixes what the tenant leaves open would refuse requests. */
static bool shape_covers(const struct shape *graph, const struct shape *given)
{
    for (unsigned d = 0; graph->rank != UINT_MAX && d < graph->rank; d++)
        if (graph->dims[d] >= 0 && given->dims[d] < 0)
            return false;
    return shapes_agree(graph, given);
}

static enum roost_err check_dtypes(const struct build *build, const char *kind, enum dtype from,
                                   enum dtype to)
{
    bool castable = from != DTYPE_INVALID && to != DTYPE_INVALID && from != DTYPE_BYTES &&
                    to != DTYPE_BYTES;
    if ((from == to && from != DTYPE_INVALID) || castable)
        return ROOST_OK;
    return fail(build, "%s: %s cannot become %s", kind, dtype_name(from), dtype_name(to));
}

/* By its name, or the first one that is no initializer; *index is its place. */
static enum roost_err find_value(const struct build *build, bool input, size_t *index)
{
    const Onnx__GraphProto *graph = build->graph.graph;
    const char *name = input ? build->settings->input_name : build->settings->output_name;
    size_t count = input ? graph->n_input : graph->n_output;
    Onnx__ValueInfoProto **values = input ? graph->input : graph->output;
    for (*index = 0; *index < count; (*index)++) {
        const char *there = values[*index]->name;
        if (there == NULL || (input && adapter_graph_is_initializer(&build->graph, there)))
            continue;
        if (name[0] == '\0' || strcmp(name, there) == 0)
            return ROOST_OK;
    }
    if (name[0] == '\0')
        return fail(build, "the model has no %s", input ? "input" : "output");
    return fail(build, "the model has no %s %s", input ? "input" : "output", name);
}

static enum roost_err adapt_input(struct build *build)
{
    const struct tensor_spec *want = &build->want->inputs[0];
    enum dtype dtype;
    struct shape shape;
    char given[128], wanted[128];
    Onnx__ValueInfoProto *value = build->graph.graph->input[build->input];
    if (!value_describe(value, &dtype, &shape))
        return fail(build, "the variant's input is no tensor of at most %d dimensions",
                    TENSOR_RANK_MAX);
    enum roost_err err = check_dtypes(build, "input", want->dtype, dtype);
    if (err != ROOST_OK)
        return err;
    (void)snprintf(build->value, sizeof(build->value), "%s", want->name);
    build->dtype = want->dtype;
    build->shape = want->shape;
    err = transform_image(build);
    if (err != ROOST_OK)
        return err;
    if (!shape_covers(&shape, &build->shape))
        return fail(build, "input: the variant wants %s, and would get %s",
                    shape_format(&shape, wanted, sizeof(wanted)),
                    shape_format(&build->shape, given, sizeof(given)));
    step_cast(build, &build->graph.before, dtype);
    (void)node_add(&build->graph, &build->graph.before, "Identity",
                   (const char *[]){build->value, NULL}, value->name);
    Onnx__ValueInfoProto *made = value_make(&build->graph, want->name, want->dtype, &want->shape);
    if (made == NULL)
        return ROOST_NO_MEMORY;
    onnx__value_info_proto__free_unpacked(value, NULL);
    build->graph.graph->input[build->input] = made;
    return ROOST_OK;
}

/* Source indices of the classes; *indices is the caller's (free). */
static enum roost_err map_read(const struct build *build, int64_t classes, int64_t **indices,
                               size_t *count)
{
    const char *path = build->settings->output_map;
    int64_t last = build->want->outputs[0].shape.dims[build->shape.rank - 1];
    char *text = NULL;
    size_t length = 0;
    *indices = NULL;
    *count = 0;
    if (strcmp(path, "drop_first") == 0) {
        int64_t kept = classes > 0 ? classes - 1 : last;
        if (kept < 1)
            return fail(build, "drop_first needs a known number of classes");
        *indices = calloc((size_t)kept, sizeof(**indices));
        for (*count = 0; *indices != NULL && *count < (size_t)kept; (*count)++)
            (*indices)[*count] = (int64_t)*count + 1;
        return *indices == NULL ? ROOST_NO_MEMORY : ROOST_OK;
    }
    enum roost_err err = file_read(path, MAP_BYTES_MAX, &text, &length, build->detail);
    if (err != ROOST_OK)
        return err;
    *indices = calloc(length / 2 + 1, sizeof(**indices));
    for (char *at = text; *indices != NULL && err == ROOST_OK;) {
        at += strspn(at, " \t\r\n");
        if (*at == '\0')
            break;
        char *end = at;
        int64_t index = strtoll(at, &end, 10);
        if (end == at || (*end != '\0' && strchr(" \t\r\n", *end) == NULL))
            err = fail(build, "%s: must have one index per line, not \"%.20s\"", path, at);
        else if (index < 0 || (classes > 0 && index >= classes))
            err = fail(build, "%s: index %" PRId64 " of %" PRId64 " classes", path, index, classes);
        else
            (*indices)[(*count)++] = index;
        at = end;
    }
    free(text);
    return *indices == NULL ? ROOST_NO_MEMORY : err;
}

static enum roost_err map_output(struct build *build)
{
    int64_t *indices = NULL;
    size_t count = 0;
    if (build->settings->output_map[0] == '\0')
        return ROOST_OK;
    if (build->shape.rank == UINT_MAX)
        build->shape.rank = build->want->outputs[0].shape.rank;
    if (build->shape.rank == 0 || build->shape.rank != build->want->outputs[0].shape.rank)
        return fail(build, "output_map needs outputs of equal rank");
    unsigned axis = build->shape.rank - 1;
    enum roost_err err = map_read(build, build->shape.dims[axis], &indices, &count);
    if (err == ROOST_OK) {
        char constant[ADAPTER_NAME_BYTES];
        constant_ints(&build->graph, &build->graph.after, indices, count, constant);
        Onnx__NodeProto *node = step(build, &build->graph.after, "Gather", constant);
        node_int(&build->graph, node, "axis", axis);
        build->shape.dims[axis] = (int64_t)count;
    }
    free(indices);
    return err;
}

static enum roost_err adapt_output(struct build *build)
{
    const struct tensor_spec *want = &build->want->outputs[0];
    char given[128], wanted[128];
    enum dtype dtype;
    Onnx__ValueInfoProto *value = build->graph.graph->output[build->output];
    if (!value_describe(value, &dtype, &build->shape))
        return fail(build, "the variant's output is no tensor of at most %d dimensions",
                    TENSOR_RANK_MAX);
    enum roost_err err = check_dtypes(build, "output", dtype, want->dtype);
    if (err != ROOST_OK)
        return err;
    build->dtype = dtype;
    if (strlen(value->name) >= sizeof(build->value))
        return fail(build, "the name of the variant's output is too long");
    memcpy(build->value, value->name, strlen(value->name) + 1);
    err = map_output(build);
    if (err != ROOST_OK)
        return err;
    if (!shapes_agree(&build->shape, &want->shape))
        return fail(build, "output: the tenant has %s, and would get %s",
                    shape_format(&want->shape, wanted, sizeof(wanted)),
                    shape_format(&build->shape, given, sizeof(given)));
    step_cast(build, &build->graph.after, want->dtype);
    (void)node_add(&build->graph, &build->graph.after, "Identity",
                   (const char *[]){build->value, NULL}, want->name);
    Onnx__ValueInfoProto *made = value_make(&build->graph, want->name, want->dtype, &want->shape);
    if (made == NULL)
        return ROOST_NO_MEMORY;
    onnx__value_info_proto__free_unpacked(value, NULL);
    build->graph.graph->output[build->output] = made;
    return ROOST_OK;
}

static const struct tensor_spec *find_spec(const struct tensor_spec *specs, unsigned count,
                                           const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(specs[i].name, name) == 0)
            return &specs[i];
    return NULL;
}

/* What the tenant has besides the first input and output must be there under its name. */
static enum roost_err check_wanted(const struct build *build, const struct tensor_spec *spec,
                                   bool input)
{
    const Onnx__GraphProto *graph = build->graph.graph;
    size_t count = input ? graph->n_input : graph->n_output;
    const char *kind = input ? "input" : "output";
    for (size_t i = 0; i < count; i++) {
        enum dtype dtype = DTYPE_INVALID;
        struct shape shape = {0};
        char given[128], wanted[128];
        const Onnx__ValueInfoProto *value = input ? graph->input[i] : graph->output[i];
        if (value->name == NULL || strcmp(value->name, spec->name) != 0 ||
            i == (input ? build->input : build->output))
            continue;
        if (!value_describe(value, &dtype, &shape) || dtype != spec->dtype ||
            !shapes_agree(&shape, &spec->shape))
            return fail(build, "%s %s: the tenant has %s %s, the variant %s %s", kind, spec->name,
                        dtype_name(spec->dtype), shape_format(&spec->shape, wanted, sizeof(wanted)),
                        dtype_name(dtype), shape_format(&shape, given, sizeof(given)));
        return ROOST_OK;
    }
    return input && spec->optional
               ? ROOST_OK
               : fail(build, "the variant has no %s %s, which the tenant has", kind, spec->name);
}

static enum roost_err check_others(const struct build *build)
{
    const struct model_io *want = build->want;
    const Onnx__GraphProto *graph = build->graph.graph;
    enum roost_err err = ROOST_OK;
    for (unsigned i = 1; err == ROOST_OK && i < want->input_count; i++)
        err = check_wanted(build, &want->inputs[i], true);
    for (unsigned i = 1; err == ROOST_OK && i < want->output_count; i++)
        err = check_wanted(build, &want->outputs[i], false);
    for (size_t i = 0; err == ROOST_OK && i < graph->n_input; i++) {
        const char *name = graph->input[i]->name;
        if (i != build->input && !adapter_graph_is_initializer(&build->graph, name) &&
            find_spec(want->inputs + 1, want->input_count - 1, name) == NULL)
            err = fail(build, "the variant needs an input %s, which the tenant has not", name);
    }
    return err;
}

/* Drops outputs that the tenant does not have, and prefixes every name but those of the other
 * inputs and outputs, so that the tenant's names are free. */
static enum roost_err make_room(struct build *build)
{
    const struct model_io *want = build->want;
    Onnx__GraphProto *graph = build->graph.graph;
    const char *kept[2 * MODEL_TENSORS_MAX];
    size_t kept_count = 0, outputs = 0;
    for (unsigned i = 1; i < want->input_count; i++)
        kept[kept_count++] = want->inputs[i].name;
    for (unsigned i = 1; i < want->output_count; i++)
        kept[kept_count++] = want->outputs[i].name;
    for (size_t i = 0, adapted = build->output; i < graph->n_output; i++) {
        Onnx__ValueInfoProto *value = graph->output[i];
        if (i == adapted)
            build->output = outputs;
        else if (find_spec(want->outputs + 1, want->output_count - 1, value->name) == NULL) {
            onnx__value_info_proto__free_unpacked(value, NULL);
            continue;
        }
        graph->output[outputs++] = value;
    }
    graph->n_output = outputs;
    adapter_graph_prefix(&build->graph, prefix, kept, kept_count);
    return build->graph.no_memory ? ROOST_NO_MEMORY : ROOST_OK;
}

/* Names are used without asking from here on. */
static enum roost_err check_graph(const struct build *build)
{
    const Onnx__GraphProto *graph = build->graph.graph;
    for (size_t i = 0; i < graph->n_input; i++)
        if (graph->input[i]->name == NULL)
            return fail(build, "an input of the variant has no name");
    for (size_t i = 0; i < graph->n_output; i++)
        if (graph->output[i]->name == NULL)
            return fail(build, "an output of the variant has no name");
    if (build->graph.opset < OPSET_MIN)
        return detail_set(build->detail, ROOST_UNSUPPORTED,
                          "adapter: operator set %" PRId64 " is too old; %d is needed",
                          build->graph.opset, OPSET_MIN);
    if (build->want->input_count == 0 || build->want->output_count == 0)
        return fail(build, "the tenant has no input or no output");
    return ROOST_OK;
}

static enum roost_err adapt(struct build *build)
{
    enum roost_err err = check_graph(build);
    if (err == ROOST_OK)
        err = find_value(build, true, &build->input);
    if (err == ROOST_OK)
        err = find_value(build, false, &build->output);
    if (err == ROOST_OK)
        err = check_others(build);
    if (err == ROOST_OK)
        err = make_room(build);
    if (err == ROOST_OK)
        err = adapt_input(build);
    if (err == ROOST_OK)
        err = adapt_output(build);
    if (err == ROOST_OK)
        adapter_graph_join(&build->graph);
    if (err == ROOST_NO_MEMORY || (err == ROOST_OK && build->graph.no_memory))
        err = detail_set(build->detail, ROOST_NO_MEMORY, "adapter: no memory for the graph");
    return err;
}

static enum roost_err model_write(const struct build *build, const char *directory)
{
    char path[FILE_PATH_BYTES_MAX];
    if (!path_join(path, sizeof(path), directory, "model.onnx"))
        return detail_set(build->detail, ROOST_INVALID, "%s: the path is too long", directory);
    size_t bytes = onnx__model_proto__get_packed_size(build->graph.model);
    uint8_t *data = malloc(bytes + 1);
    if (data == NULL)
        return detail_set(build->detail, ROOST_NO_MEMORY, "adapter: no memory for %zu bytes",
                          bytes);
    (void)onnx__model_proto__pack(build->graph.model, data);
    enum roost_err err = file_write_atomic(path, data, bytes, build->detail);
    free(data);
    return err;
}

static enum roost_err file_copy(const char *from, const char *to, struct detail *detail)
{
    char buffer[1 << 16];
    enum roost_err err = ROOST_OK;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return errno_translate(errno, from, detail);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0)
        err = errno_translate(errno, to, detail);
    for (ssize_t got = 1; err == ROOST_OK && got > 0;) {
        got = read(in, buffer, sizeof(buffer));
        if (got < 0)
            err = errno_translate(errno, from, detail);
        for (ssize_t done = 0; err == ROOST_OK && done < got;) {
            ssize_t put = write(out, buffer + done, (size_t)(got - done));
            if (put < 0)
                err = errno_translate(errno, to, detail);
            done += put;
        }
    }
    if (out >= 0)
        (void)close(out);
    (void)close(in);
    return err;
}

/* A symbolic link would do for the system, but not for the engine, which refuses data that is
 * really outside of the model's directory. */
static enum roost_err data_bring(const char *from_directory, const char *name,
                                 const char *directory, struct detail *detail)
{
    char from[FILE_PATH_BYTES_MAX], to[FILE_PATH_BYTES_MAX];
    if (!path_join(from, sizeof(from), from_directory, name) ||
        !path_join(to, sizeof(to), directory, name))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long", name);
    if (strchr(name, '/') != NULL) {
        char *slash = strrchr(to, '/');
        *slash = '\0';
        enum roost_err err = file_make_directory(to, detail);
        if (err != ROOST_OK)
            return err;
        *slash = '/';
    }
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
        return ROOST_OK;
    return file_copy(from, to, detail);
}

static enum roost_err files_bring(const char *model_path, const char *directory,
                                  struct detail *detail)
{
    char from[FILE_PATH_BYTES_MAX];
    struct onnx_files *files = malloc(sizeof(*files));
    if (files == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "adapter: no memory for names of files");
    enum roost_err err = onnx_files_read(model_path, files, detail);
    const char *slash = strrchr(model_path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - model_path) + 1;
    if (err == ROOST_OK && length + 2 > sizeof(from))
        err = detail_set(detail, ROOST_INVALID, "%s: the path is too long", model_path);
    if (err == ROOST_OK)
        (void)snprintf(from, sizeof(from), "%.*s.", (int)length, model_path);
    for (size_t i = 0; err == ROOST_OK && i < files->count; i++)
        err = data_bring(from, files->names[i], directory, detail);
    free(files);
    return err;
}

enum roost_err adapter_build(const char *model_path, const struct adapter_settings *settings,
                             const struct model_io *want, const char *directory,
                             struct detail *detail)
{
    char *data = NULL;
    size_t length = 0;
    struct build build = {.settings = settings, .want = want, .detail = detail};
    enum roost_err err = file_read(model_path, model_bytes_max, &data, &length, detail);
    if (err != ROOST_OK)
        return err;
    err = adapter_graph_read(&build.graph, data, length, detail);
    free(data);
    if (err == ROOST_OK)
        err = adapt(&build);
    if (err == ROOST_OK)
        err = files_bring(model_path, directory, detail);
    if (err == ROOST_OK)
        err = model_write(&build, directory);
    adapter_graph_free(&build.graph);
    return err;
}
