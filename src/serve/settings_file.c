/* SPDX-License-Identifier: Apache-2.0 */
/* roost.yaml as a whole: its sections, and what only several keys together can get wrong. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "base/utf8.h"
#include "policy/registry.h"
#include "serve/model_config.h"
#include "serve/settings_table.h"

enum { SETTINGS_BYTES_MAX = 4 << 20 };

/* The key that a message is about; the map itself when the value came from `defaults`. */
static const struct yaml_node *key_or(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node != NULL ? node : map;
}

static char *duration_text(uint64_t duration_ns, char out[32])
{
    return duration_format(duration_ns, out, 32);
}

static void times_check(struct settings_reader *reader, const struct yaml_node *node,
                        const struct tenant_settings *tenant)
{
    char a[32], b[32];
    if (tenant->slo_ns == 0) {
        if (tenant->shed == SHED_SLO)
            yaml_error(reader->errors, key_or(node, "shed"), "slo needs an slo");
        return;
    }
    if (tenant->deadline_ns != 0 && tenant->deadline_ns < tenant->slo_ns)
        yaml_error(reader->errors, key_or(node, "deadline"), "%s is below the SLO's %s",
                   duration_text(tenant->deadline_ns, a), duration_text(tenant->slo_ns, b));
    if (tenant->batch_delay_set && tenant->batch_delay_ns >= tenant->slo_ns)
        yaml_error(reader->errors, key_or(node, "batch_delay"), "%s is not below the SLO's %s",
                   duration_text(tenant->batch_delay_ns, a), duration_text(tenant->slo_ns, b));
}

static void common_check(struct settings_reader *reader, const struct yaml_node *node,
                         const struct tenant_settings *tenant)
{
    uint64_t mask[SETTINGS_CPUS_MAX / 64];
    times_check(reader, node, tenant);
    if (tenant->workers_max != 0 && tenant->workers > tenant->workers_max)
        yaml_error(reader->errors, key_or(node, "workers"), "%u is above workers_max (%u)",
                   tenant->workers, tenant->workers_max);
    if (tenant->cpus != NULL && settings_cpus_parse(tenant->cpus, mask) != ROOST_OK)
        yaml_error(reader->errors, key_or(node, "cpus"),
                   "must be a list of cores below %d such as \"0-3,8\", not \"%.60s\"",
                   SETTINGS_CPUS_MAX, tenant->cpus);
    if (tenant->batching == BATCH_OFF && tenant->batch_max > 1)
        yaml_error(reader->errors, key_or(node, "batch_max"),
                   "%" PRId64 " rows, but batching is off", tenant->batch_max);
}

/* The name is a part of URLs and of paths. */
static void name_check(struct settings_reader *reader, const struct yaml_node *node,
                       const char *name)
{
    bool wrong = name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    for (const char *c = name; *c != '\0'; c++)
        wrong = wrong || (unsigned char)*c <= ' ' || *c == '/' || *c == 0x7f;
    if (strlen(name) >= CONFIG_NAME_BYTES_MAX)
        yaml_error(reader->errors, node, "longer than %d bytes", CONFIG_NAME_BYTES_MAX - 1);
    else if (wrong || !utf8_valid(name, strlen(name)))
        yaml_error(reader->errors, node, "a name has no spaces and no '/', unlike \"%.60s\"", name);
}

static void tenant_read(struct settings_reader *reader, const struct yaml_node *node,
                        const struct settings *settings, struct tenant_settings *tenant)
{
    if (tenant_settings_copy(tenant, &settings->tenant_defaults) != ROOST_OK) {
        reader->no_memory = true;
        return;
    }
    tenant->line = node->line;
    settings_read_map(reader, node, &settings_common_table, &settings_tenant_table, tenant);
    if (node->kind != YAML_MAP && node->kind != YAML_NULL)
        return; /* the reader has said so */
    if (tenant->name == NULL && yaml_get(node, "name") == NULL)
        yaml_error(reader->errors, node, "has no name");
    else if (tenant->name != NULL)
        name_check(reader, key_or(node, "name"), tenant->name);
    common_check(reader, node, tenant);
}

static void tenants_read(struct settings_reader *reader, const struct yaml_node *node,
                         struct settings *settings)
{
    size_t count = 0;
    if (node->kind == YAML_NULL)
        return;
    if (node->kind != YAML_LIST) {
        yaml_error(reader->errors, node, "must be a list of tenants");
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next)
        count++;
    if (count > SETTINGS_TENANTS_MAX) {
        yaml_error(reader->errors, node, "%zu tenants; at most %d", count, SETTINGS_TENANTS_MAX);
        return;
    }
    settings->tenants = calloc(count + 1, sizeof(*settings->tenants));
    if (settings->tenants == NULL) {
        reader->no_memory = true;
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        struct tenant_settings *tenant = &settings->tenants[settings->tenant_count++];
        tenant_read(reader, item, settings, tenant);
        for (const struct tenant_settings *other = settings->tenants; other < tenant; other++)
            if (tenant->name != NULL && other->name != NULL &&
                strcmp(tenant->name, other->name) == 0)
                yaml_error(reader->errors, key_or(item, "name"),
                           "there is a tenant %s already, in line %u", tenant->name, other->line);
    }
}

/* One by one, so that every wrong option is told. */
static void policy_options_check(struct settings_reader *reader, const struct yaml_node *options,
                                 const struct roost_policy *policy)
{
    struct strbuf assignment;
    struct detail detail;
    void *target = calloc(1, policy->options_bytes + 1);
    if (target == NULL) {
        reader->no_memory = true;
        return;
    }
    strbuf_init(&assignment);
    for (const struct yaml_node *item = options->child; item != NULL; item = item->next) {
        strbuf_reset(&assignment);
        strbuf_printf(&assignment, "%s=%s", item->key, item->text);
        if (options_set(policy->options, policy->option_count, strbuf_text(&assignment), target,
                        &detail) != ROOST_OK)
            yaml_error(reader->errors, item, "%s", detail.text);
    }
    strbuf_fini(&assignment);
    free(target);
}

static void policy_check(struct settings_reader *reader, const struct yaml_node *node,
                         const struct settings *settings)
{
    const struct roost_policy *policy;
    struct detail detail;
    if (settings->policy == NULL || strcmp(settings->policy, "none") == 0)
        return;
    const struct yaml_node *options = yaml_get(node, "policy_options");
    if (policy_find(settings->policy, &policy, &detail) != ROOST_OK)
        yaml_error(reader->errors, key_or(node, "policy"), "%s", detail.text);
    else if (options != NULL && options->kind == YAML_MAP)
        policy_options_check(reader, options, policy);
}

static void server_check(struct settings_reader *reader, const struct yaml_node *node,
                         const struct settings *settings)
{
    if (settings->metrics_port != 0 && settings->metrics_port == settings->http_port)
        yaml_error(reader->errors, key_or(node, "metrics_port"),
                   "%u is http_port; leave it out to serve metrics there", settings->http_port);
    policy_check(reader, node, settings);
}

static void root_read(struct settings_reader *reader, const struct yaml_node *root,
                      struct settings *settings)
{
    struct sections {
        const struct yaml_node *server, *defaults, *tenants;
    } sections = {NULL, NULL, NULL};
    static const struct yaml_field fields[] = {
        {.key = "server", .type = YAML_T_NODE, .offset = offsetof(struct sections, server)},
        {.key = "defaults", .type = YAML_T_NODE, .offset = offsetof(struct sections, defaults)},
        {.key = "tenants", .type = YAML_T_NODE, .offset = offsetof(struct sections, tenants)},
    };
    if (root == NULL || root->kind == YAML_NULL)
        return;
    yaml_read_map(root, fields, sizeof(fields) / sizeof(fields[0]), &sections, reader->errors);
    if (sections.server != NULL && sections.server->kind != YAML_NULL) {
        settings_read_map(reader, sections.server, &settings_server_table, NULL, settings);
        server_check(reader, sections.server, settings);
    }
    if (sections.defaults != NULL && sections.defaults->kind != YAML_NULL) {
        settings_read_map(reader, sections.defaults, &settings_common_table, NULL,
                          &settings->tenant_defaults);
        common_check(reader, sections.defaults, &settings->tenant_defaults);
    }
    if (sections.tenants != NULL)
        tenants_read(reader, sections.tenants, settings);
}

enum roost_err settings_read(const char *path, const char *text, size_t length,
                             struct yaml_errors *errors, struct settings *settings)
{
    struct yaml_doc *doc = NULL;
    settings_init(settings);
    settings->path = strdup(path);
    char *directory = strdup(path);
    if (settings->path == NULL || directory == NULL) {
        free(directory);
        return ROOST_NO_MEMORY;
    }
    char *slash = strrchr(directory, '/');
    directory[slash == NULL ? 0 : slash == directory ? 1 : slash - directory] = '\0';
    struct settings_reader reader = {.errors = errors, .directory = directory};
    enum roost_err err = yaml_parse(text, length, errors, &doc);
    if (doc != NULL)
        root_read(&reader, yaml_root(doc), settings);
    yaml_doc_free(doc);
    free(directory);
    if (err == ROOST_OK && reader.no_memory)
        err = ROOST_NO_MEMORY;
    return err == ROOST_OK && errors->count > 0 ? ROOST_INVALID : err;
}

enum roost_err settings_read_file(const char *path, struct yaml_errors *errors,
                                  struct settings *settings)
{
    char *text = NULL;
    size_t length = 0;
    struct detail detail = {""};
    enum roost_err err = file_read(path, SETTINGS_BYTES_MAX, &text, &length, &detail);
    if (err != ROOST_OK) {
        /* The reason begins with the path, which the error puts before it anyhow. */
        size_t skip = strlen(path);
        bool named = strncmp(detail.text, path, skip) == 0 && detail.text[skip] == ':';
        settings_init(settings);
        yaml_error(errors, NULL, "%s", named ? detail.text + skip + 2 : detail.text);
        return err;
    }
    err = settings_read(path, text, length, errors, settings);
    free(text);
    return err;
}
