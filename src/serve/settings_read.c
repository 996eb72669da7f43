/* SPDX-License-Identifier: Apache-2.0 */
/* Reads roost.yaml along the tables. All that is wrong is told, so nothing here stops early. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "serve/desired_path.h"
#include "serve/model_config.h"
#include "serve/settings_table.h"

union settings_value {
    const char *text;
    bool flag;
    int64_t integer;
    uint64_t natural;
    double number;
    int choice;
    const struct yaml_node *node;
};

char *settings_text(struct settings_reader *reader, const char *text)
{
    char *copy = strdup(text);
    reader->no_memory = reader->no_memory || copy == NULL;
    return copy;
}

char *settings_path(struct settings_reader *reader, const char *text)
{
    if (text[0] == '/' || reader->directory[0] == '\0')
        return settings_text(reader, text);
    while (strncmp(text, "./", 2) == 0)
        text += 2 + strspn(text + 2, "/");
    size_t bytes = strlen(reader->directory) + strlen(text) + 2;
    char *path = malloc(bytes);
    if (path == NULL)
        reader->no_memory = true;
    else if (text[0] == '\0' || strcmp(text, ".") == 0)
        memcpy(path, reader->directory, strlen(reader->directory) + 1);
    else
        (void)path_join(path, bytes, reader->directory, text);
    return path;
}

char *settings_model(struct settings_reader *reader, const char *text)
{
    return path_is_path(text) ? settings_path(reader, text) : settings_text(reader, text);
}

/* What the target holds, so that a value that is wrong leaves it as it is. */
static union settings_value value_load(const struct settings_key *key, const void *target)
{
    const void *place = (const char *)target + key->offset;
    union settings_value value = {.text = NULL};
    switch (key->kind) {
    case KEY_FLAG:
        value.flag = *(const bool *)place;
        break;
    case KEY_UNSIGNED:
        value.integer = *(const unsigned *)place;
        break;
    case KEY_INT:
        value.integer = *(const int *)place;
        break;
    case KEY_INT64:
        value.integer = *(const int64_t *)place;
        break;
    case KEY_UINT64:
        value.natural = *(const uint64_t *)place;
        break;
    case KEY_SIZE:
        value.natural = *(const size_t *)place;
        break;
    case KEY_DOUBLE:
        value.number = *(const double *)place;
        break;
    case KEY_ENUM:
        value.choice = *(const int *)place;
        break;
    case KEY_CHOICE:
        value.choice = -1;
        break;
    default:
        break;
    }
    return value;
}

static void text_store(struct settings_reader *reader, const struct settings_key *key,
                       const char *text, char **place)
{
    free(*place);
    *place = key->kind == KEY_PATH    ? settings_path(reader, text)
             : key->kind == KEY_MODEL ? settings_model(reader, text)
                                      : settings_text(reader, text);
}

static void value_store(struct settings_reader *reader, const struct settings_key *key,
                        const union settings_value *value, void *target)
{
    void *place = (char *)target + key->offset;
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_PATH:
    case KEY_MODEL:
        if (value->text != NULL)
            text_store(reader, key, value->text, place);
        break;
    case KEY_CHOICE:
        if (value->choice >= 0)
            text_store(reader, key, key->yaml.choices[value->choice], place);
        break;
    case KEY_FLAG:
        *(bool *)place = value->flag;
        break;
    case KEY_UNSIGNED:
        *(unsigned *)place = (unsigned)value->integer;
        break;
    case KEY_INT:
        *(int *)place = (int)value->integer;
        break;
    case KEY_INT64:
        *(int64_t *)place = value->integer;
        break;
    case KEY_UINT64:
        *(uint64_t *)place = value->natural;
        break;
    case KEY_SIZE:
        *(size_t *)place = value->natural;
        break;
    case KEY_DOUBLE:
        *(double *)place = value->number;
        break;
    case KEY_ENUM:
        *(int *)place = value->choice;
        break;
    case KEY_READ:
        if (value->node != NULL)
            key->read(reader, value->node, target);
        break;
    }
}

void settings_read_map(struct settings_reader *reader, const struct yaml_node *node,
                       const struct settings_table *table, const struct settings_table *more,
                       void *target)
{
    const struct settings_key *keys[SETTINGS_KEYS_MAX];
    struct yaml_field fields[SETTINGS_KEYS_MAX] = {0};
    union settings_value values[SETTINGS_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        keys[count++] = &table->keys[i];
    for (size_t i = 0; more != NULL && i < more->count; i++)
        keys[count++] = &more->keys[i];
    for (size_t i = 0; i < count; i++) {
        fields[i] = keys[i]->yaml;
        fields[i].offset = i * sizeof(values[0]);
        values[i] = value_load(keys[i], target);
    }
    yaml_read_map(node, fields, count, values, reader->errors);
    for (size_t i = 0; i < count; i++)
        if (yaml_get(node, keys[i]->yaml.key) != NULL)
            value_store(reader, keys[i], &values[i], target);
}

/* The text of a scalar that is not empty, or NULL after an error. */
static const char *node_text(struct settings_reader *reader, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR && node->text[0] != '\0')
        return node->text;
    yaml_error(reader->errors, node, "must be a text that is not empty");
    return NULL;
}

void read_repositories(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct settings *settings = target;
    bool list = node->kind == YAML_LIST;
    for (const struct yaml_node *item = list ? node->child : node; item != NULL;
         item = list ? item->next : NULL) {
        const char *text = node_text(reader, item);
        if (text == NULL)
            continue;
        if (settings->repository_count == SETTINGS_REPOSITORIES_MAX) {
            yaml_error(reader->errors, item, "more than %d repositories",
                       SETTINGS_REPOSITORIES_MAX);
            return;
        }
        char *path = settings_path(reader, text);
        if (path == NULL)
            return;
        for (unsigned i = 0; i < settings->repository_count; i++)
            if (strcmp(settings->repositories[i], path) == 0)
                yaml_error(reader->errors, item, "%s is listed twice", text);
        settings->repositories[settings->repository_count++] = path;
    }
}

void read_load_models(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct settings *settings = target;
    struct strbuf names;
    bool list = node->kind == YAML_LIST;
    strbuf_init(&names);
    for (const struct yaml_node *item = list ? node->child : node; item != NULL;
         item = list ? item->next : NULL) {
        const char *text = node_text(reader, item);
        if (text != NULL)
            strbuf_printf(&names, "%s%s", names.length > 0 ? "," : "", text);
    }
    free(settings->load_models);
    settings->load_models = settings_text(reader, strbuf_text(&names));
    strbuf_fini(&names);
}

void read_policy_options(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct settings *settings = target;
    struct strbuf lines;
    if (node->kind != YAML_MAP) {
        yaml_error(reader->errors, node, "must be a map of option and value");
        return;
    }
    strbuf_init(&lines);
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        const char *text = node_text(reader, item);
        if (text != NULL)
            strbuf_printf(&lines, "%s%s=%s", lines.length > 0 ? "\n" : "", item->key, text);
    }
    free(settings->policy_options);
    settings->policy_options = settings_text(reader, strbuf_text(&lines));
    strbuf_fini(&lines);
}

void read_metrics_port(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct settings *settings = target;
    int64_t port;
    if (node->kind != YAML_SCALAR || number_parse_int(node->text, &port) != 0 || port < 0 ||
        port > 65535) {
        yaml_error(reader->errors, node, "must be an integer between 0 and 65535");
        return;
    }
    settings->metrics_port = (unsigned)port;
    settings->metrics_port_set = true;
}

void read_limits(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct settings *settings = target;
    settings_read_map(reader, node, &settings_limits_table, NULL, &settings->limits);
}

/* "95", "p95", "99.9"; 0 when it is no percentile. */
static double percentile_parse(const char *text)
{
    double percentile;
    if (*text == 'p' || *text == 'P')
        text++;
    if (number_parse_double(text, &percentile) != 0)
        return 0;
    return percentile > 0 && percentile < 100 ? percentile : 0;
}

static void slo_read_text(struct settings_reader *reader, const struct yaml_node *node,
                          struct tenant_settings *tenant)
{
    char percentile[16];
    size_t length = strcspn(node->text, " ");
    const char *rest = node->text + length;
    rest += strspn(rest, " ");
    if (strncmp(rest, "within ", 7) == 0)
        rest += 7;
    if ((node->text[0] != 'p' && node->text[0] != 'P') || length >= sizeof(percentile) ||
        duration_parse(rest, &tenant->slo_ns) != 0) {
        yaml_error(reader->errors, node, "must look like \"p95 120 ms\", not \"%.60s\"",
                   node->text);
        return;
    }
    memcpy(percentile, node->text, length);
    percentile[length] = '\0';
    tenant->slo_percentile = percentile_parse(percentile);
    if (tenant->slo_percentile <= 0)
        yaml_error(reader->errors, node, "a percentile is above 0 and below 100, not %s",
                   percentile + 1);
}

static void slo_read_map(struct settings_reader *reader, const struct yaml_node *node,
                         struct tenant_settings *tenant)
{
    struct slo {
        const char *percentile;
        uint64_t latency_ns;
    } slo = {0};
    static const struct yaml_field fields[] = {
        {.key = "percentile",
         .type = YAML_T_STRING,
         .offset = offsetof(struct slo, percentile),
         .required = true},
        {.key = "latency",
         .type = YAML_T_DURATION,
         .offset = offsetof(struct slo, latency_ns),
         .required = true},
    };
    yaml_read_map(node, fields, 2, &slo, reader->errors);
    const struct yaml_node *percentile = yaml_get(node, "percentile");
    tenant->slo_ns = slo.latency_ns;
    if (slo.percentile == NULL || percentile == NULL)
        return;
    tenant->slo_percentile = percentile_parse(slo.percentile);
    if (tenant->slo_percentile <= 0)
        yaml_error(reader->errors, percentile, "a percentile is above 0 and below 100, not %.60s",
                   slo.percentile);
}

void read_slo(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct tenant_settings *tenant = target;
    size_t errors = reader->errors->count;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "none") == 0) {
        tenant->slo_percentile = 0; /* takes back what `defaults` say */
        tenant->slo_ns = 0;
        return;
    }
    if (node->kind == YAML_SCALAR)
        slo_read_text(reader, node, tenant);
    else if (node->kind == YAML_MAP)
        slo_read_map(reader, node, tenant);
    else
        yaml_error(reader->errors, node,
                   "must be \"p95 120 ms\" or a map of percentile and latency");
    if (errors == reader->errors->count && tenant->slo_ns == 0)
        yaml_error(reader->errors, node, "a latency of 0 cannot be promised");
}

void read_batch_delay(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct tenant_settings *tenant = target;
    uint64_t delay_ns;
    if (node->kind != YAML_SCALAR || duration_parse(node->text, &delay_ns) != 0) {
        yaml_error(reader->errors, node, "must be a duration such as 2 ms");
        return;
    }
    tenant->batch_delay_ns = delay_ns;
    tenant->batch_delay_set = true;
}

/* The last part of a path without its extension, or of a name. */
static char *last_part(struct settings_reader *reader, const char *model)
{
    const char *slash = strrchr(model, '/');
    char *name = settings_text(reader, slash != NULL ? slash + 1 : model);
    if (name != NULL && path_has_model_extension(name))
        name[strlen(name) - strlen(".onnx")] = '\0';
    return name;
}

static void variant_read(struct settings_reader *reader, const struct yaml_node *node,
                         const struct tenant_settings *tenant, struct variant_settings *variant)
{
    *variant = (struct variant_settings){.accuracy = -1, .mflops = -1, .line = node->line};
    settings_read_map(reader, node, &settings_variant_table, NULL, variant);
    const char *model = variant->model != NULL ? variant->model : tenant->model;
    if (variant->name == NULL && model != NULL)
        variant->name = last_part(reader, model);
    else if (variant->name == NULL && tenant->name != NULL)
        variant->name = settings_text(reader, tenant->name);
    if (variant->name != NULL &&
        (variant->name[0] == '\0' || strlen(variant->name) >= CONFIG_NAME_BYTES_MAX))
        yaml_error(reader->errors, node, "a variant's name has 1 to %d bytes",
                   CONFIG_NAME_BYTES_MAX - 1);
    const struct yaml_node *accuracy = yaml_get(node, "accuracy");
    if (accuracy != NULL && variant->accuracy >= 0 && variant->accuracy <= 0)
        yaml_error(reader->errors, accuracy, "an accuracy of 0 cannot be meant");
}

void read_variants(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct tenant_settings *tenant = target;
    size_t count = 0;
    if (node->kind != YAML_LIST) {
        yaml_error(reader->errors, node, "must be a list");
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next)
        count++;
    if (count > SETTINGS_VARIANTS_MAX) {
        yaml_error(reader->errors, node, "more than %d variants", SETTINGS_VARIANTS_MAX);
        return;
    }
    tenant->variants = calloc(count + 1, sizeof(*tenant->variants));
    if (tenant->variants == NULL) {
        reader->no_memory = true;
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        struct variant_settings *variant = &tenant->variants[tenant->variant_count++];
        variant_read(reader, item, tenant, variant);
        for (const struct variant_settings *other = tenant->variants; other < variant; other++)
            if (variant->name != NULL && other->name != NULL &&
                strcmp(variant->name, other->name) == 0)
                yaml_error(reader->errors, item, "there is a variant %s already, in line %u",
                           variant->name, other->line);
    }
}

void read_adapter(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct variant_settings *variant = target;
    variant->adapter.present = true;
    settings_read_map(reader, node, &settings_adapter_table, NULL, &variant->adapter);
}

/* A list of 1 to `maximum` numbers; 0 after an error. */
static unsigned numbers_read(struct settings_reader *reader, const struct yaml_node *node,
                             double *numbers, unsigned maximum)
{
    unsigned count = 0;
    if (node->kind != YAML_LIST || node->child == NULL) {
        yaml_error(reader->errors, node, "must be a list of numbers");
        return 0;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next, count++) {
        if (count == maximum) {
            yaml_error(reader->errors, node, "more than %u numbers", maximum);
            return 0;
        }
        if (item->kind != YAML_SCALAR || number_parse_double(item->text, &numbers[count]) != 0) {
            yaml_error(reader->errors, item, "must be a number");
            return 0;
        }
    }
    return count;
}

void read_resize(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    enum { PIXELS_MAX = 16384 };
    struct adapter_settings *adapter = target;
    double sizes[2] = {0, 0};
    unsigned count = numbers_read(reader, node, sizes, 2);
    if (count == 0)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (count != 2 || sizes[i] < 1 || sizes[i] > PIXELS_MAX || floor(sizes[i]) < sizes[i]) {
            yaml_error(reader->errors, node, "must be height and width, integers from 1 to %d",
                       PIXELS_MAX);
            return;
        }
    adapter->resize_height = (int64_t)sizes[0];
    adapter->resize_width = (int64_t)sizes[1];
}

void read_normalise(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct adapter_settings *adapter = target;
    const struct yaml_node *parts[3] = {NULL, NULL, NULL};
    static const struct yaml_field fields[] = {
        {.key = "mean", .type = YAML_T_NODE, .required = true},
        {.key = "scale", .type = YAML_T_NODE, .offset = sizeof(struct yaml_node *)},
        {.key = "std", .type = YAML_T_NODE, .offset = 2 * sizeof(struct yaml_node *)},
    };
    yaml_read_map(node, fields, 3, parts, reader->errors);
    if (node->kind != YAML_MAP || parts[0] == NULL)
        return;
    if ((parts[1] == NULL) == (parts[2] == NULL)) {
        yaml_error(reader->errors, node, "needs one of scale and std");
        return;
    }
    const struct yaml_node *divisor = parts[1] != NULL ? parts[1] : parts[2];
    unsigned means = numbers_read(reader, parts[0], adapter->mean, ADAPTER_CHANNELS_MAX);
    unsigned scales = numbers_read(reader, divisor, adapter->scale, ADAPTER_CHANNELS_MAX);
    if (means == 0 || scales == 0)
        return;
    if (means != scales)
        yaml_error(reader->errors, node, "mean has %u numbers, %s has %u", means, divisor->key,
                   scales);
    for (unsigned i = 0; i < scales; i++) {
        if (parts[2] != NULL && adapter->scale[i] <= 0) {
            yaml_error(reader->errors, divisor, "a standard deviation must be above 0");
            return;
        }
        adapter->scale[i] = parts[2] != NULL ? 1.0 / adapter->scale[i] : adapter->scale[i];
    }
    adapter->normalise = true;
    adapter->channels = means;
}

static void name_read(struct settings_reader *reader, const struct yaml_node *node, char *out,
                      size_t out_bytes)
{
    const char *text = node_text(reader, node);
    if (text != NULL && strlen(text) >= out_bytes)
        yaml_error(reader->errors, node, "longer than %zu bytes", out_bytes - 1);
    else if (text != NULL)
        memcpy(out, text, strlen(text) + 1);
}

void read_input_name(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct adapter_settings *adapter = target;
    name_read(reader, node, adapter->input_name, sizeof(adapter->input_name));
}

void read_output_name(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct adapter_settings *adapter = target;
    name_read(reader, node, adapter->output_name, sizeof(adapter->output_name));
}

void read_output_map(struct settings_reader *reader, const struct yaml_node *node, void *target)
{
    struct adapter_settings *adapter = target;
    const char *text = node_text(reader, node);
    if (text == NULL)
        return;
    char *path = strcmp(text, "drop_first") == 0 ? settings_text(reader, text)
                                                 : settings_path(reader, text);
    if (path != NULL && strlen(path) >= sizeof(adapter->output_map))
        yaml_error(reader->errors, node, "longer than %zu bytes", sizeof(adapter->output_map) - 1);
    else if (path != NULL)
        memcpy(adapter->output_map, path, strlen(path) + 1);
    free(path);
}
