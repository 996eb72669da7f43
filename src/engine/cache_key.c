/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "engine/cache.h"
#include "engine/onnx_scan.h"

/* Counted up when what optimise() writes changes. */
#define RECIPE "roost 1"

enum {
    INDEX_BYTES_MAX = 1024 * 1024,
    INDEX_LINES_MAX = 4096,
    SHA256_HEX_BYTES = 65,
    /* A file written so recently may change again within the clock's grain, and look the same. */
    SETTLED_S = 2,
};

/* What tells one state of a file from another without reading it. */
struct fingerprint {
    uint64_t device, inode, bytes;
    int64_t mtime_ns, ctime_ns;
};

static int64_t timespec_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * (int64_t)NS_PER_S + time->tv_nsec;
}

static enum roost_err fingerprint_read(const char *path, struct fingerprint *print,
                                       struct detail *detail)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno_translate(errno, path, detail);
    *print = (struct fingerprint){
        .device = status.st_dev,
        .inode = status.st_ino,
        .bytes = (uint64_t)status.st_size,
        .mtime_ns = timespec_ns(&status.st_mtim),
        .ctime_ns = timespec_ns(&status.st_ctim),
    };
    return ROOST_OK;
}

static bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static bool fingerprint_settled(const struct fingerprint *print)
{
    int64_t latest = print->mtime_ns > print->ctime_ns ? print->mtime_ns : print->ctime_ns;
    return latest + SETTLED_S * (int64_t)NS_PER_S < (int64_t)clock_wall_ns();
}

/* One line of the index; false for one that is damaged, which is then as if it were not there. */
static bool index_line_read(const char *line, struct fingerprint *print, char hex[SHA256_HEX_BYTES])
{
    int length = 0;
    int fields = sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %64s%n",
                        &print->device, &print->inode, &print->bytes, &print->mtime_ns,
                        &print->ctime_ns, hex, &length);
    return fields == 6 && strspn(hex, "0123456789abcdef") == SHA256_HEX_BYTES - 1 &&
           (line[length] == '\n' || line[length] == '\0');
}

/* The index's text, "" when there is none yet or it cannot be read: it only saves work. */
static char *index_read(const char *path)
{
    char *text;
    size_t length;
    if (file_read(path, INDEX_BYTES_MAX, &text, &length, NULL) != ROOST_OK)
        text = strdup("");
    return text;
}

static bool index_find(const char *text, const struct fingerprint *print,
                       char hex[SHA256_HEX_BYTES])
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        struct fingerprint have;
        if (index_line_read(line, &have, hex) && fingerprint_equal(&have, print))
            return true;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/*
 * Adds a line, and drops what is known of the same file in another state, and the oldest lines
 * beyond the limit. Another process's line that comes in between is lost, and made again by need.
 */
static void index_add(const char *path, const struct fingerprint *print, const char *hex)
{
    struct strbuf out;
    size_t lines = 0;
    char *text = index_read(path);
    strbuf_init(&out);
    for (const char *at = text; at != NULL && *at != '\0'; at++)
        lines += *at == '\n' ? 1 : 0;
    for (const char *line = text; line != NULL && *line != '\0';) {
        struct fingerprint have;
        char have_hex[SHA256_HEX_BYTES];
        const char *end = strchr(line, '\n');
        bool same_file = index_line_read(line, &have, have_hex) && have.device == print->device &&
                         have.inode == print->inode;
        if (end != NULL && !same_file && lines < INDEX_LINES_MAX)
            strbuf_append(&out, line, (size_t)(end + 1 - line));
        lines -= lines >= INDEX_LINES_MAX ? 1 : 0;
        line = end != NULL ? end + 1 : NULL;
    }
    strbuf_printf(&out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s\n",
                  print->device, print->inode, print->bytes, print->mtime_ns, print->ctime_ns, hex);
    if (!out.failed)
        (void)file_write_atomic(path, out.data, out.length, NULL);
    strbuf_fini(&out);
    free(text);
}

static enum roost_err file_hash(const struct model_cache *cache, const char *path,
                                char hex[SHA256_HEX_BYTES], struct detail *detail)
{
    char index_path[FILE_PATH_BYTES_MAX];
    struct fingerprint before;
    struct fingerprint after;
    if (!path_join(index_path, sizeof(index_path), cache->directory, "index"))
        return errno_translate(ENAMETOOLONG, cache->directory, detail);
    enum roost_err err = fingerprint_read(path, &before, detail);
    if (err != ROOST_OK)
        return err;
    char *text = index_read(index_path);
    bool known = text != NULL && index_find(text, &before, hex);
    free(text);
    if (known)
        return ROOST_OK;
    err = file_sha256(path, hex, detail);
    if (err == ROOST_OK)
        err = fingerprint_read(path, &after, detail);
    if (err == ROOST_OK && fingerprint_equal(&before, &after) && fingerprint_settled(&after))
        index_add(index_path, &after, hex);
    return err;
}

/* Kernels and layouts are chosen by these; the clock rate and the like are not among them. */
static bool cpu_line_counts(const char *line)
{
    static const char *const keys[] = {
        "vendor_id",   "cpu family",      "model",
        "flags", /* x86 */
        "Features",    "CPU implementer", "CPU architecture",
        "CPU variant", "CPU part", /* Arm */
    };
    size_t length = strcspn(line, "\t:");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strlen(keys[i]) == length && memcmp(line, keys[i], length) == 0)
            return true;
    }
    return false;
}

/* The first core stands for all. */
static enum roost_err cpu_features_add(struct strbuf *text, struct detail *detail)
{
    char *line = NULL;
    size_t line_bytes = 0;
    size_t before = text->length;
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return errno_translate(errno, "/proc/cpuinfo", detail);
    while (getline(&line, &line_bytes, file) > 1) {
        if (cpu_line_counts(line))
            strbuf_printf(text, "cpu %s", line);
    }
    free(line);
    (void)fclose(file);
    return text->length > before ? ROOST_OK
                                 : detail_set(detail, ROOST_UNSUPPORTED,
                                              "/proc/cpuinfo does not say what the CPU is");
}

/* The directory of a path, with its '/'; "" when it has none. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash + 1 - path) : 0;
}

static enum roost_err files_add(const struct model_cache *cache, const char *model_path,
                                const struct onnx_files *files, struct strbuf *text,
                                struct detail *detail)
{
    char hex[SHA256_HEX_BYTES];
    enum roost_err err = file_hash(cache, model_path, hex, detail);
    if (err == ROOST_OK)
        strbuf_printf(text, "model %s\n", hex);
    for (size_t i = 0; i < files->count && err == ROOST_OK; i++) {
        char path[FILE_PATH_BYTES_MAX];
        int length = snprintf(path, sizeof(path), "%.*s%s", (int)directory_length(model_path),
                              model_path, files->names[i]);
        if (length < 0 || (size_t)length >= sizeof(path))
            return errno_translate(ENAMETOOLONG, model_path, detail);
        err = file_hash(cache, path, hex, detail);
        if (err == ROOST_OK)
            strbuf_printf(text, "data %zu %s %s\n", strlen(files->names[i]), files->names[i], hex);
        else
            detail_prefix(detail, "%s: external data", model_path);
    }
    return err;
}

static enum roost_err text_hash(const struct strbuf *text, char key[CACHE_KEY_BYTES],
                                struct detail *detail)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (text->failed ||
        EVP_Digest(text->data, text->length, digest, &length, EVP_sha256(), NULL) != 1)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the key of a model");
    for (unsigned i = 0; i < length; i++)
        (void)snprintf(key + (size_t)2 * i, 3, "%02x", digest[i]);
    return ROOST_OK;
}

static void specs_add(const char *kind, const struct tensor_spec *specs, unsigned count,
                      struct strbuf *text)
{
    char dims[256];
    for (unsigned i = 0; i < count; i++)
        strbuf_printf(text, "%s %zu %s %s %s %d\n", kind, strlen(specs[i].name), specs[i].name,
                      dtype_name(specs[i].dtype), shape_format(&specs[i].shape, dims, sizeof(dims)),
                      specs[i].optional);
}

/* Numbers as they are, bit for bit: printed in hexadecimal. */
static enum roost_err adapter_add(const struct model_cache *cache,
                                  const struct adapter_settings *adapter,
                                  const struct model_io *want, struct strbuf *text,
                                  struct detail *detail)
{
    char hex[SHA256_HEX_BYTES];
    strbuf_printf(text, "adapter %" PRId64 " %" PRId64 " %d %d %u\n", adapter->resize_height,
                  adapter->resize_width, (int)adapter->layout, adapter->normalise,
                  adapter->channels);
    for (unsigned i = 0; adapter->normalise && i < adapter->channels; i++)
        strbuf_printf(text, "channel %a %a\n", adapter->mean[i], adapter->scale[i]);
    strbuf_printf(text, "names %zu %s %zu %s\n", strlen(adapter->input_name), adapter->input_name,
                  strlen(adapter->output_name), adapter->output_name);
    specs_add("input", want->inputs, want->input_count, text);
    specs_add("output", want->outputs, want->output_count, text);
    if (adapter->output_map[0] == '\0')
        return ROOST_OK;
    if (strcmp(adapter->output_map, "drop_first") == 0) {
        strbuf_printf(text, "map drop_first\n");
        return ROOST_OK;
    }
    enum roost_err err = file_hash(cache, adapter->output_map, hex, detail);
    if (err == ROOST_OK)
        strbuf_printf(text, "map %s\n", hex);
    return err;
}

enum roost_err cache_key(const struct model_cache *cache, const struct cache_source *source,
                         char key[CACHE_KEY_BYTES], struct detail *detail)
{
    struct strbuf text;
    struct onnx_files *files = malloc(sizeof(*files));
    if (files == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the key of a model");
    strbuf_init(&text);
    strbuf_printf(&text, RECIPE "\nengine %s %s\n", source->engine_name, source->engine_version);
    enum roost_err err = cpu_features_add(&text, detail);
    if (err == ROOST_OK)
        err = onnx_files_read(source->model_path, files, detail);
    if (err == ROOST_OK)
        err = files_add(cache, source->model_path, files, &text, detail);
    if (err == ROOST_OK && source->adapter != NULL)
        err = adapter_add(cache, source->adapter, source->want, &text, detail);
    if (err == ROOST_OK)
        err = text_hash(&text, key, detail);
    strbuf_fini(&text);
    free(files);
    return err;
}
