/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fake_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"

/* A name, a type and the dimensions are the longest of all lines. */
enum { WORDS_MAX = 2 + TENSOR_RANK_MAX, TEXT_BYTES_MAX = 64 * 1024, US_MAX = 1800 * 1000000 };

/* The rest of one line, cut into words. */
struct words {
    const char *items[WORDS_MAX];
    unsigned count;
};

/* One key. `text` is what follows it, untouched; false leaves the reason in `detail`. */
struct directive {
    const char *key;
    const char *usage;
    unsigned words_min, words_max;
    bool (*apply)(struct fake_program *program, const char *text, const struct words *words);
    bool file_only; /* not in settings */
};

static bool number_read(const char *text, double maximum, double *number)
{
    double value;
    if (number_parse_double(text, &value) != 0 || value < 0 || value > maximum)
        return false;
    *number = value;
    return true;
}

static bool count_read(const char *text, uint64_t *count)
{
    int64_t value;
    if (number_parse_int(text, &value) != 0 || value < 0)
        return false;
    *count = (uint64_t)value;
    return true;
}

static bool spec_read(const struct words *words, struct tensor_spec *specs, unsigned *count)
{
    if (*count == MODEL_TENSORS_MAX || strlen(words->items[0]) >= TENSOR_NAME_BYTES_MAX)
        return false;
    struct tensor_spec spec = {.dtype = dtype_parse(words->items[1])};
    (void)snprintf(spec.name, sizeof(spec.name), "%s", words->items[0]);
    spec.shape.rank = words->count - 2;
    for (unsigned i = 0; i < spec.shape.rank; i++) {
        int64_t size;
        if (number_parse_int(words->items[i + 2], &size) != 0 || size < -1)
            return false;
        spec.shape.dims[i] = size;
    }
    if (spec.dtype == DTYPE_INVALID)
        return false;
    specs[(*count)++] = spec;
    return true;
}

static bool apply_input(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    return spec_read(words, program->io.inputs, &program->io.input_count);
}

static bool apply_output(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    return spec_read(words, program->io.outputs, &program->io.output_count);
}

static bool apply_optional(struct fake_program *program, const char *text,
                           const struct words *words)
{
    (void)text;
    for (unsigned i = 0; i < program->io.input_count; i++) {
        if (strcmp(program->io.inputs[i].name, words->items[0]) == 0) {
            program->io.inputs[i].optional = true;
            return true;
        }
    }
    return false;
}

static bool apply_service_us(struct fake_program *program, const char *text,
                             const struct words *words)
{
    (void)text;
    return number_read(words->items[0], US_MAX, &program->service_us) &&
           number_read(words->items[1], US_MAX, &program->service_us_per_row);
}

static bool apply_service(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    program->sleeps = strcmp(words->items[0], "sleep") == 0;
    return program->sleeps || strcmp(words->items[0], "burn") == 0;
}

static bool apply_jitter(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    return number_read(words->items[0], 100, &program->jitter_percent) &&
           count_read(words->items[1], &program->jitter_seed);
}

static bool apply_memory_mb(struct fake_program *program, const char *text,
                            const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->memory_mb) && program->memory_mb <= SIZE_MAX >> 20;
}

static bool apply_load_ms(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->load_ms) && program->load_ms <= US_MAX / 1000;
}

static bool apply_load_burn_ms(struct fake_program *program, const char *text,
                               const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->load_burn_ms) &&
           program->load_burn_ms <= US_MAX / 1000;
}

static bool apply_fail_load(struct fake_program *program, const char *text,
                            const struct words *words)
{
    (void)words;
    (void)snprintf(program->fail_load, sizeof(program->fail_load), "%s", text);
    return true;
}

static bool apply_crash_after(struct fake_program *program, const char *text,
                              const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->crash_after);
}

static bool apply_hang_after(struct fake_program *program, const char *text,
                             const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->hang_after);
}

static bool apply_fail_every(struct fake_program *program, const char *text,
                             const struct words *words)
{
    (void)text;
    return count_read(words->items[0], &program->fail_every);
}

static bool apply_crash_on_value(struct fake_program *program, const char *text,
                                 const struct words *words)
{
    (void)text;
    program->crashes_on_value = number_parse_double(words->items[0], &program->crash_value) == 0;
    return program->crashes_on_value;
}

static bool apply_echo(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    (void)words;
    program->echoes = true;
    return true;
}

static bool apply_mflops(struct fake_program *program, const char *text, const struct words *words)
{
    (void)text;
    return number_read(words->items[0], 1e12, &program->mflops);
}

static bool apply_accuracy(struct fake_program *program, const char *text,
                           const struct words *words)
{
    (void)text;
    return number_read(words->items[0], 100, &program->accuracy);
}

static const struct directive directives[] = {
    {"input", "NAME DTYPE dims...", 2, WORDS_MAX, apply_input, true},
    {"output", "NAME DTYPE dims...", 2, WORDS_MAX, apply_output, true},
    {"optional", "NAME of an input above", 1, 1, apply_optional, true},
    {"service_us", "BASE PER_ROW", 2, 2, apply_service_us, false},
    {"service", "burn|sleep", 1, 1, apply_service, false},
    {"jitter", "PERCENT SEED", 2, 2, apply_jitter, false},
    {"memory_mb", "N", 1, 1, apply_memory_mb, false},
    {"load_ms", "N", 1, 1, apply_load_ms, false},
    {"load_burn_ms", "N", 1, 1, apply_load_burn_ms, false},
    {"fail_load", "TEXT", 1, WORDS_MAX, apply_fail_load, false},
    {"crash_after", "N", 1, 1, apply_crash_after, false},
    {"hang_after", "N", 1, 1, apply_hang_after, false},
    {"fail_every", "N", 1, 1, apply_fail_every, false},
    {"crash_on_value", "V", 1, 1, apply_crash_on_value, false},
    {"echo", "", 0, 0, apply_echo, false},
    {"mflops", "X", 1, 1, apply_mflops, false},
    {"accuracy", "X", 1, 1, apply_accuracy, false},
};

static const struct directive *directive_find(const char *key)
{
    for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (strcmp(directives[i].key, key) == 0)
            return &directives[i];
    }
    return NULL;
}

/* Cuts `text` up; a word too many is counted but not kept. */
static void words_split(char *text, struct words *words)
{
    char *rest = NULL;
    words->count = 0;
    for (char *word = strtok_r(text, " \t,", &rest); word != NULL;
         word = strtok_r(NULL, " \t,", &rest)) {
        if (words->count < WORDS_MAX)
            words->items[words->count] = word;
        words->count++;
    }
}

/* One line of the file or one setting, which is cut up. Blank lines do nothing. */
static enum roost_err line_apply(struct fake_program *program, char *line, bool from_file,
                                 struct detail *detail)
{
    char *key = line + strspn(line, " \t\r");
    size_t key_length = strcspn(key, from_file ? " \t\r" : "=");
    char *text = key + key_length + (key[key_length] != '\0' ? 1 : 0);
    key[key_length] = '\0';
    if (*key == '\0')
        return ROOST_OK;
    text += strspn(text, " \t");
    for (size_t length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]) != NULL;)
        text[--length] = '\0';

    const struct directive *directive = directive_find(key);
    if (directive == NULL || (directive->file_only && !from_file))
        return detail_set(detail, ROOST_INVALID, "\"%.32s\" is not a key of a fake model", key);
    struct words words;
    char *copy = strdup(text);
    if (copy == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory");
    words_split(copy, &words);
    /* fail_load's text may have any number of words. */
    bool counted = words.count >= directive->words_min &&
                   (words.count <= directive->words_max || directive->words_max == WORDS_MAX);
    counted = counted && (words.count <= WORDS_MAX || directive->apply == apply_fail_load);
    bool applied = counted && directive->apply(program, text, &words);
    free(copy);
    return applied ? ROOST_OK
                   : detail_set(detail, ROOST_INVALID, "bad value \"%.64s\": it is %s %s", text,
                                key, directive->usage);
}

static enum roost_err file_apply(struct fake_program *program, const char *path, char *text,
                                 struct detail *detail)
{
    unsigned number = 0;
    char *next = text;
    for (char *line = next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        number++;
        line[strcspn(line, "#")] = '\0';
        enum roost_err err = line_apply(program, line, true, detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "%s:%u", path, number);
            return err;
        }
    }
    if (program->io.input_count == 0 || program->io.output_count == 0)
        return detail_set(detail, ROOST_INVALID, "%s: a fake model needs an input and an output",
                          path);
    return ROOST_OK;
}

static enum roost_err settings_apply(struct fake_program *program, const char *settings,
                                     struct detail *detail)
{
    char *copy = strdup(settings);
    if (copy == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory");
    char *rest = NULL;
    enum roost_err err = ROOST_OK;
    for (char *item = strtok_r(copy, ";", &rest); item != NULL && err == ROOST_OK;
         item = strtok_r(NULL, ";", &rest))
        err = line_apply(program, item, false, detail);
    free(copy);
    if (err != ROOST_OK)
        detail_prefix(detail, "engine settings");
    return err;
}

enum roost_err fake_program_read(const char *path, const char *settings,
                                 struct fake_program *program, struct detail *detail)
{
    char *text;
    size_t length;
    *program = (struct fake_program){.accuracy = -1};
    enum roost_err err = file_read(path, TEXT_BYTES_MAX, &text, &length, detail);
    if (err != ROOST_OK)
        return err;
    err = memchr(text, '\0', length) == NULL
              ? file_apply(program, path, text, detail)
              : detail_set(detail, ROOST_INVALID, "%s: not the text of a fake model", path);
    free(text);
    if (err == ROOST_OK && settings != NULL)
        err = settings_apply(program, settings, detail);
    return err;
}
