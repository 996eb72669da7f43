/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw engine loop: what one thread gets out of a model with nothing of Roost around it. It is
 * the limit that the server is measured against, so it does what a worker does: given output
 * buffers where shapes are known, an optimised copy on request, one pinned core. It cycles through
 * distinct inputs, since hot embedding rows would flatter it.
 *
 *   roost_bench_engine_loop MODEL --batch 8 --seconds 5 --cpu 1 --optimise
 *
 * Prints one line of key=value pairs. Not run by scripts/bench: it needs a model.
 */
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hist.h"
#include "base/options.h"
#include "base/rng.h"
#include "engine/engine.h"

enum { INPUT_SETS_MAX = 4096, TEXT_BYTES = 8, LENGTH_BYTES = 4, PEAK_RUNS = 5 };

struct settings {
    const char *engine, *library, *engine_settings, *input_file;
    int64_t batch, cpu, sets, other_dim, integer_max, intra_op, seed;
    double seconds, warm_seconds;
    bool optimise, optimised, peak;
};

static const struct option options[] = {
    {"engine", OPTION_STRING, offsetof(struct settings, engine), 0, 0, "onnxruntime", NULL, "NAME",
     "engine to run"},
    {"ort-library", OPTION_STRING, offsetof(struct settings, library), 0, 0, NULL, NULL, "PATH",
     "ONNX Runtime's shared library"},
    {"settings", OPTION_STRING, offsetof(struct settings, engine_settings), 0, 0, NULL, NULL,
     "KEY=VALUE;...", "the fake engine's settings"},
    {"batch", OPTION_INT, offsetof(struct settings, batch), 1, 65536, "1", NULL, "N",
     "rows per run, where the first dimension is open"},
    {"dim", OPTION_INT, offsetof(struct settings, other_dim), 1, 65536, "1", NULL, "N",
     "size of further open dimensions"},
    {"inputs", OPTION_INT, offsetof(struct settings, sets), 1, INPUT_SETS_MAX, "64", NULL, "N",
     "distinct input sets to cycle through"},
    {"input-file", OPTION_STRING, offsetof(struct settings, input_file), 0, 0, NULL, NULL, "FILE",
     "input sets to take instead of random ones: their tensors one after another"},
    {"peak", OPTION_FLAG, offsetof(struct settings, peak), 0, 0, NULL, NULL, NULL,
     "tell how much memory a run takes while it runs, and do nothing else"},
    {"integer-max", OPTION_INT, offsetof(struct settings, integer_max), 0, 1e15, "100", NULL, "N",
     "integer inputs (ids) are below this"},
    {"intra-op", OPTION_INT, offsetof(struct settings, intra_op), 1, 256, "1", NULL, "N",
     "threads of the engine per run"},
    {"cpu", OPTION_INT, offsetof(struct settings, cpu), -1, 4096, "-1", NULL, "N",
     "core to run on; -1: any"},
    {"seconds", OPTION_DOUBLE, offsetof(struct settings, seconds), 0, 3600, "3", NULL, "S",
     "how long to measure"},
    {"warm", OPTION_DOUBLE, offsetof(struct settings, warm_seconds), 0, 3600, "0.3", NULL, "S",
     "how long to run before"},
    {"seed", OPTION_INT, offsetof(struct settings, seed), 0, 1e15, "1", NULL, "N",
     "seed of the inputs"},
    {"optimise", OPTION_FLAG, offsetof(struct settings, optimise), 0, 0, NULL, NULL, NULL,
     "run an optimised copy, made in a temporary directory"},
    {"optimised", OPTION_FLAG, offsetof(struct settings, optimised), 0, 0, NULL, NULL, NULL,
     "MODEL is an optimised copy"},
};
static const size_t option_count = sizeof(options) / sizeof(options[0]);

/* Where the optimised copy is, once it is made. */
static char copy_directory[] = "/tmp/roost-engine-loop-XXXXXX";
static bool copy_made;

/* At every way out, so that a model that refuses its inputs leaves no weights behind. */
static void copy_remove(void)
{
    struct detail detail = {0};
    if (copy_made && file_remove_tree(copy_directory, &detail) != ROOST_OK)
        fprintf(stderr, "roost_bench_engine_loop: %s\n", detail.text);
}

static _Noreturn void die(enum roost_err err, const struct detail *detail)
{
    fprintf(stderr, "roost_bench_engine_loop: %s\n", detail->text);
    exit(roost_err_exit_code(err));
}

static void check(enum roost_err err, const struct detail *detail)
{
    if (err != ROOST_OK)
        die(err, detail);
}

static void *memory(size_t bytes)
{
    void *data = aligned_alloc(64, (bytes + 64) / 64 * 64);
    struct detail detail;
    if (data == NULL)
        die(detail_set(&detail, ROOST_NO_MEMORY, "no memory for %zu bytes", bytes), &detail);
    return data;
}

static void number_fill(struct tensor *tensor, uint64_t elements, const struct settings *settings,
                        struct rng *rng)
{
    char *at = tensor->data;
    size_t size = dtype_bytes(tensor->dtype);
    for (uint64_t i = 0; i < elements; i++, at += size) {
        double real = 2 * rng_uniform(rng) - 1;
        float single = (float)real;
        /* The upper half of a float is a BF16; as FP16 it is some small finite number too. */
        uint64_t bits = settings->integer_max > 0 ? rng_below(rng, (uint64_t)settings->integer_max)
                                                  : 0;
        if (tensor->dtype == DTYPE_FP32)
            memcpy(&bits, &single, sizeof(single));
        else if (tensor->dtype == DTYPE_FP64)
            memcpy(&bits, &real, sizeof(real));
        else if (tensor->dtype == DTYPE_BF16 || tensor->dtype == DTYPE_FP16)
            bits = 0x3800 | (bits & 0x3F);
        else if (tensor->dtype == DTYPE_BOOL)
            bits &= 1;
        memcpy(at, &bits, size);
    }
}

static void text_fill(struct tensor *tensor, uint64_t elements, struct rng *rng)
{
    char *at = tensor->data;
    const uint32_t length = TEXT_BYTES;
    for (uint64_t i = 0; i < elements; i++, at += LENGTH_BYTES + TEXT_BYTES) {
        memcpy(at, &length, sizeof(length));
        for (unsigned c = 0; c < TEXT_BYTES; c++)
            at[LENGTH_BYTES + c] = (char)('a' + (int)rng_below(rng, 26));
    }
}

static struct shape shape_fill(const struct tensor_spec *spec, const struct settings *settings)
{
    struct shape shape = spec->shape;
    for (unsigned i = 0; i < shape.rank; i++) {
        if (shape.dims[i] == -1)
            shape.dims[i] = i == 0 ? settings->batch : settings->other_dim;
    }
    return shape;
}

static struct tensor input_make(const struct tensor_spec *spec, const struct settings *settings,
                                struct rng *rng, FILE *file)
{
    struct tensor tensor = {.dtype = spec->dtype, .shape = shape_fill(spec, settings)};
    uint64_t elements = 0;
    struct detail detail;
    if (spec->optional)
        return tensor;
    if (!shape_elements(&tensor.shape, &elements) || elements > UINT32_MAX)
        die(detail_set(&detail, ROOST_TOO_LARGE, "input %s is too large", spec->name), &detail);
    bool text = spec->dtype == DTYPE_BYTES;
    tensor.bytes = elements * (text ? LENGTH_BYTES + TEXT_BYTES : dtype_bytes(spec->dtype));
    tensor.data = memory(tensor.bytes);
    if (file != NULL && fread(tensor.data, 1, tensor.bytes, file) != tensor.bytes)
        die(detail_set(&detail, ROOST_INVALID, "the input file is too short"), &detail);
    else if (file != NULL)
        return tensor;
    if (text)
        text_fill(&tensor, elements, rng);
    else
        number_fill(&tensor, elements, settings, rng);
    return tensor;
}

/* A buffer where only the batch is open, as a worker would give; else the engine allocates. */
static struct tensor output_make(const struct tensor_spec *spec, const struct settings *settings)
{
    struct tensor tensor = {.dtype = spec->dtype, .shape = shape_fill(spec, settings)};
    uint64_t elements;
    bool known = spec->shape.rank > 0 && spec->dtype != DTYPE_BYTES;
    for (unsigned i = 1; i < spec->shape.rank; i++)
        known = known && spec->shape.dims[i] != -1;
    if (!known || !shape_elements(&tensor.shape, &elements))
        return tensor;
    tensor.bytes = elements * dtype_bytes(spec->dtype);
    tensor.data = memory(tensor.bytes);
    return tensor;
}

struct loop {
    const struct engine_ops *engine;
    struct engine_session *session;
    struct engine_context *context;
    struct model_io io;
    struct tensor *inputs; /* sets * io.input_count */
    struct tensor given[MODEL_TENSORS_MAX];
    uint64_t next_set;
    struct hist latency;
};

/* Runs for so long at least, and once; returns how many runs there were. */
static uint64_t loop_run(struct loop *loop, const struct settings *settings, double seconds)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)(seconds * (double)NS_PER_S);
    uint64_t runs = 0;
    struct detail detail = {0};
    for (uint64_t before_ns = clock_now_ns(); runs == 0 || before_ns < end_ns; runs++) {
        struct tensor outputs[MODEL_TENSORS_MAX];
        memcpy(outputs, loop->given, loop->io.output_count * sizeof(outputs[0]));
        uint64_t set = loop->next_set++ % (uint64_t)settings->sets;
        check(loop->engine->run(loop->context, &loop->inputs[set * loop->io.input_count], outputs,
                                &detail),
              &detail);
        uint64_t now_ns = clock_now_ns();
        hist_record(&loop->latency, now_ns - before_ns);
        before_ns = now_ns;
    }
    return runs;
}

static void loop_open(struct loop *loop, const char *path, const struct settings *settings)
{
    struct detail detail = {0};
    struct engine_load_options load = {
        .intra_op_threads = (unsigned)settings->intra_op,
        .optimised = settings->optimised || settings->optimise,
        .settings = settings->engine_settings,
    };
    uint64_t start_ns = clock_now_ns();
    check(loop->engine->load(path, &load, &loop->session, &detail), &detail);
    printf("load_ms=%.1f ", (double)(clock_now_ns() - start_ns) / (double)NS_PER_MS);
    check(loop->engine->context_open(loop->session, &loop->context, &detail), &detail);
    loop->engine->describe(loop->session, &loop->io);

    struct rng rng;
    rng_seed(&rng, (uint64_t)settings->seed);
    unsigned count = loop->io.input_count;
    FILE *file = settings->input_file == NULL ? NULL : fopen(settings->input_file, "re");
    if (settings->input_file != NULL && file == NULL)
        die(detail_set(&detail, ROOST_NOT_FOUND, "%s: cannot be read", settings->input_file),
            &detail);
    loop->inputs = memory((size_t)settings->sets * count * sizeof(struct tensor));
    for (size_t i = 0; i < (size_t)settings->sets * count; i++)
        loop->inputs[i] = input_make(&loop->io.inputs[i % count], settings, &rng, file);
    if (file != NULL)
        fclose(file);
    for (unsigned i = 0; i < loop->io.output_count; i++)
        loop->given[i] = output_make(&loop->io.outputs[i], settings);
}

static void loop_close(struct loop *loop, const struct settings *settings)
{
    loop->engine->context_close(loop->context);
    loop->engine->unload(loop->session);
    for (size_t i = 0; i < (size_t)settings->sets * loop->io.input_count; i++)
        free(loop->inputs[i].data);
    free(loop->inputs);
    for (unsigned i = 0; i < loop->io.output_count; i++)
        free(loop->given[i].data);
}

static void cpu_pin(int64_t cpu)
{
    struct detail detail;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        die(detail_set(&detail, ROOST_INVALID, "this process may not run on core %d", (int)cpu),
            &detail);
}

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *key)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            (void)sscanf(line + strlen(key), ": %llu", &kib);
    }
    if (file != NULL)
        fclose(file);
    return kib << 10;
}

/* What a run takes beyond what stays: the activations. */
static void peak_measure(struct loop *loop, const struct settings *settings)
{
    uint64_t highest = 0;
    for (unsigned i = 0; i < PEAK_RUNS; i++) {
        /* The first run touched all weights; what earlier ones left goes back to the system. */
        loop->engine->rest(loop->context);
        malloc_trim(0);
        uint64_t before = status_bytes("VmRSS");
        FILE *file = fopen("/proc/self/clear_refs", "we");
        if (file == NULL || fputs("5", file) < 0 || fclose(file) != 0)
            break;
        (void)loop_run(loop, settings, 0);
        uint64_t peak = status_bytes("VmHWM");
        highest = peak - before > highest ? peak - before : highest;
    }
    printf("batch=%d run_bytes=%llu\n", (int)settings->batch, (unsigned long long)highest);
}

static void measure(const char *path, const struct settings *settings,
                    const struct engine_ops *engine)
{
    static struct loop loop;
    loop.engine = engine;
    loop_open(&loop, path, settings);
    hist_reset(&loop.latency);
    (void)loop_run(&loop, settings, settings->warm_seconds);
    if (settings->peak) {
        peak_measure(&loop, settings);
        loop_close(&loop, settings);
        return;
    }
    hist_reset(&loop.latency);
    uint64_t start_ns = clock_now_ns();
    uint64_t cpu_ns = clock_thread_cpu_ns();
    uint64_t runs = loop_run(&loop, settings, settings->seconds);
    double seconds = (double)(clock_now_ns() - start_ns) / (double)NS_PER_S;
    double cpu_seconds = (double)(clock_thread_cpu_ns() - cpu_ns) / (double)NS_PER_S;
    double items = (double)(runs * (uint64_t)settings->batch);
    printf("batch=%d runs=%llu items_per_s=%.1f items_per_cpu_s=%.1f p50_us=%.1f p99_us=%.1f\n",
           (int)settings->batch, (unsigned long long)runs, items / seconds, items / cpu_seconds,
           (double)hist_quantile(&loop.latency, 0.50) / (double)NS_PER_US,
           (double)hist_quantile(&loop.latency, 0.99) / (double)NS_PER_US);
    loop_close(&loop, settings);
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct detail detail = {0};
    int first;
    check(options_defaults(options, option_count, &settings, &detail), &detail);
    check(options_parse(options, option_count, argc, argv, &settings, &first, &detail), &detail);
    if (first + 1 != argc) {
        fprintf(stderr, "usage: roost_bench_engine_loop MODEL [options]\n");
        options_help(options, option_count, stderr);
        return 2;
    }
    const struct engine_ops *engine = engine_find(settings.engine);
    if (engine == NULL)
        die(detail_set(&detail, ROOST_INVALID, "no engine %s", settings.engine), &detail);
    if (settings.cpu >= 0)
        cpu_pin(settings.cpu);
    check(engine->open(settings.library, &detail), &detail);

    const char *path = argv[first];
    char copy[FILE_PATH_BYTES_MAX];
    if (settings.optimise) {
        copy_made = mkdtemp(copy_directory) != NULL;
        if (!copy_made || atexit(copy_remove) != 0)
            die(detail_set(&detail, ROOST_IO, "no temporary directory"), &detail);
        check(engine->optimise(path, copy_directory, &detail), &detail);
        (void)path_join(copy, sizeof(copy), copy_directory, "model.onnx");
        path = copy;
    }
    measure(path, &settings, engine);
    return 0;
}
