/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/schedule.h"
#include "serve/desired_adapter.h"
#include "serve/desired_catalog.h"
#include "serve/desired_path.h"
#include "serve/pbtxt.h"

/* A tenant to be: a name and why it is there. */
struct entry {
    char name[CONFIG_NAME_BYTES_MAX];
    const struct tenant_settings *settings; /* of roost.yaml; NULL: the defaults */
    const struct load_request *request;     /* the last one of this name, or NULL */
    bool wanted;
    bool asked; /* only a load request knows it */
};

struct builder {
    const struct settings *settings;
    struct catalog repository;
    struct entry *entries;
    size_t entry_count;
    struct detail *detail;
};

static const struct tenant_settings *find_settings(const struct settings *settings,
                                                   const char *name)
{
    for (unsigned i = 0; i < settings->tenant_count; i++)
        if (strcmp(settings->tenants[i].name, name) == 0)
            return &settings->tenants[i];
    return NULL;
}

static struct entry *find_entry(const struct builder *builder, const char *name)
{
    for (size_t i = 0; i < builder->entry_count; i++)
        if (strcmp(builder->entries[i].name, name) == 0)
            return &builder->entries[i];
    return NULL;
}

/* The array has room for every source of names. */
static struct entry *entry_add(struct builder *builder, const char *name)
{
    struct entry *entry = find_entry(builder, name);
    if (entry != NULL)
        return entry;
    entry = &builder->entries[builder->entry_count++];
    *entry = (struct entry){.settings = find_settings(builder->settings, name)};
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    return entry;
}

/* The model that a tenant or variant names; `elsewhere` is empty, and holds it if it is a path. */
static enum roost_err resolve(const struct builder *builder, const char *reference,
                              struct catalog *elsewhere, const struct catalog_model **model,
                              struct detail *detail)
{
    if (path_is_path(reference)) {
        enum roost_err err = catalog_scan_one(elsewhere, reference, detail);
        *model = elsewhere->models;
        return err;
    }
    *model = catalog_find(&builder->repository, reference);
    if (*model == NULL)
        return detail_set(detail, ROOST_NOT_FOUND, "there is no model %s in %s", reference,
                          builder->settings->repository_count == 0
                              ? "the repositories, for none is given"
                              : "any repository");
    if ((*model)->twin != NULL)
        return detail_set(detail, ROOST_EXISTS, "there are two models %s: %s and %s", reference,
                          (*model)->file != NULL ? (*model)->file : (*model)->directory,
                          (*model)->twin);
    return ROOST_OK;
}

/* What a tenant without variants of its own serves, and what gives the config of one with. */
static const char *base_reference(const struct builder *builder, const struct entry *entry)
{
    const struct tenant_settings *settings = entry->settings;
    if (settings == NULL)
        return entry->name;
    if (settings->model != NULL)
        return settings->model;
    bool own = catalog_find(&builder->repository, entry->name) != NULL;
    if (!own && settings->variant_count > 0 && settings->variants[0].model != NULL)
        return settings->variants[0].model;
    return entry->name;
}

/* A model that a tenant of another name uses does not become a tenant by itself. */
static void mark_used(struct builder *builder, const char *tenant, const char *reference)
{
    const struct catalog_model *model = NULL;
    struct catalog elsewhere;
    catalog_init(&elsewhere);
    if (reference != NULL && resolve(builder, reference, &elsewhere, &model, NULL) == ROOST_OK)
        for (size_t i = 0; i < builder->repository.count; i++) {
            struct catalog_model *other = &builder->repository.models[i];
            if (other->device == model->device && other->inode == model->inode &&
                strcmp(other->name, tenant) != 0)
                other->used = true;
        }
    catalog_fini(&elsewhere);
}

static bool list_names(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL && *at != '\0';) {
        at += strspn(at, ", ");
        size_t bytes = strcspn(at, ", ");
        if ((bytes == 1 && *at == '*') || (bytes == length && strncmp(at, name, length) == 0))
            return true;
        at += bytes;
    }
    return false;
}

/* Names of load_models that nothing else knows: each becomes a tenant that says so. */
static void add_listed(struct builder *builder)
{
    for (const char *at = builder->settings->load_models; at != NULL && *at != '\0';) {
        char name[CONFIG_NAME_BYTES_MAX];
        at += strspn(at, ", ");
        size_t bytes = strcspn(at, ", ");
        if (bytes > 0 && bytes < sizeof(name) && *at != '*') {
            memcpy(name, at, bytes);
            name[bytes] = '\0';
            entry_add(builder, name)->wanted = true;
        }
        at += bytes;
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static enum roost_err collect(struct builder *builder, const struct load_request *requests,
                              size_t request_count)
{
    const struct settings *settings = builder->settings;
    bool explicit = settings->control_mode == CONTROL_EXPLICIT;
    size_t listed = settings->load_models == NULL ? 0 : strlen(settings->load_models);
    size_t room = settings->tenant_count + builder->repository.count + request_count + listed + 1;
    builder->entries = calloc(room, sizeof(*builder->entries));
    if (builder->entries == NULL)
        return detail_set(builder->detail, ROOST_NO_MEMORY, "no memory for %zu tenants", room);
    for (unsigned i = 0; i < settings->tenant_count; i++) {
        const struct tenant_settings *tenant = &settings->tenants[i];
        struct entry *entry = entry_add(builder, tenant->name);
        entry->wanted = true;
        mark_used(builder, tenant->name, base_reference(builder, entry));
        for (unsigned v = 0; v < tenant->variant_count; v++)
            mark_used(builder, tenant->name, tenant->variants[v].model);
    }
    for (size_t i = 0; i < builder->repository.count; i++) {
        const struct catalog_model *model = &builder->repository.models[i];
        if (!model->used && find_settings(settings, model->name) == NULL)
            entry_add(builder, model->name)->wanted = !explicit;
    }
    if (explicit)
        add_listed(builder);
    for (size_t i = 0; explicit && i < builder->entry_count; i++)
        builder->entries[i].wanted = builder->entries[i].wanted ||
                                     list_names(settings->load_models, builder->entries[i].name);
    for (size_t i = 0; i < request_count; i++) {
        struct entry *entry = find_entry(builder, requests[i].name);
        if (entry == NULL && requests[i].wanted) {
            entry = entry_add(builder, requests[i].name);
            entry->asked = true;
        }
        if (entry == NULL)
            continue;
        entry->request = &requests[i];
        entry->wanted = requests[i].wanted;
    }
    qsort(builder->entries, builder->entry_count, sizeof(*builder->entries), compare_entries);
    return ROOST_OK;
}

static uint64_t stamp_extras(const struct catalog_model *model, const struct model_config *config)
{
    char path[FILE_PATH_BYTES_MAX];
    uint64_t stamp = 0;
    for (unsigned i = 0; i < config->output_count; i++)
        if (config->outputs[i].label_filename[0] != '\0' &&
            path_join(path, sizeof(path), model->directory, config->outputs[i].label_filename))
            stamp += catalog_stamp_file(path);
    if (config->warmup_count > 0 && path_join(path, sizeof(path), model->directory, "warmup"))
        stamp += catalog_stamp_directory(path);
    return stamp;
}

/* config.pbtxt, or what a load request gave in its place. */
static enum roost_err read_config(const struct catalog_model *model,
                                  const struct load_request *request, struct model_config *config,
                                  uint64_t *stamp, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX], *text = NULL;
    size_t length = 0;
    enum roost_err err = ROOST_OK;
    *stamp = 0;
    model_config_init(config);
    if (request != NULL && request->config_json != NULL) {
        length = strlen(request->config_json);
        *stamp = catalog_stamp_bytes(STAMP_BEGIN, request->config_json, length);
        err = model_config_parse_json(request->config_json, length, config, detail);
        if (err != ROOST_OK)
            detail_prefix(detail, "the config of the load request");
    } else if (model->file == NULL &&
               path_join(path, sizeof(path), model->directory, "config.pbtxt") &&
               file_exists(path)) {
        err = file_read(path, PBTXT_BYTES_MAX, &text, &length, detail);
        if (err != ROOST_OK)
            return err;
        *stamp = catalog_stamp_bytes(STAMP_BEGIN, text, length);
        err = model_config_parse(text, length, config, detail);
        if (err != ROOST_OK)
            detail_prefix(detail, "%s", path);
        free(text);
    }
    if (err == ROOST_OK && model->named && config->name[0] != '\0' &&
        strcmp(config->name, model->name) != 0)
        err = detail_set(detail, ROOST_INVALID,
                         "%s: the config's name is %s, but the directory's is %s", model->directory,
                         config->name, model->name);
    *stamp += stamp_extras(model, config);
    return err;
}

/* What the files say of a variant; the rest is declared. */
static enum roost_err fill_variant(const struct catalog_model *model,
                                   const struct model_config *config, int64_t version,
                                   struct desired_variant *variant, struct detail *detail)
{
    enum roost_err err = catalog_file(model, config, version, variant->model_path, detail);
    if (err != ROOST_OK)
        return err;
    if (strlen(model->directory) >= sizeof(variant->model_directory))
        return detail_set(detail, ROOST_INVALID, "%s: the path is too long", model->directory);
    (void)snprintf(variant->model_directory, sizeof(variant->model_directory), "%s",
                   model->directory);
    variant->stamp = catalog_stamp_model(model, variant->model_path);
    variant->accuracy = variant->mflops = -1;
    return ROOST_OK;
}

/* A variant's own config says which of its versions and files is meant, and no more. */
static enum roost_err locate_variant(const struct catalog_model *model,
                                     const struct load_request *request,
                                     struct desired_variant *variant, struct detail *detail)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    uint64_t stamp;
    struct model_config *config = malloc(sizeof(*config));
    if (config == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for a config");
    enum roost_err err = read_config(model, request, config, &stamp, detail);
    if (err == ROOST_OK)
        err = catalog_versions(model, config, &numbers, &count, detail);
    if (err == ROOST_OK)
        err = fill_variant(model, config, numbers[count - 1], variant, detail);
    free(numbers);
    free(config);
    return err;
}

static enum roost_err build_variant(const struct builder *builder, const struct entry *entry,
                                    const struct variant_settings *settings,
                                    const struct model_config *config,
                                    struct desired_variant *variant, struct detail *detail)
{
    bool own = settings->model == NULL;
    const char *reference = own ? base_reference(builder, entry) : settings->model;
    const struct catalog_model *model = NULL;
    struct catalog elsewhere;
    catalog_init(&elsewhere);
    enum roost_err err = resolve(builder, reference, &elsewhere, &model, detail);
    if (err == ROOST_OK)
        err = locate_variant(model, own ? entry->request : NULL, variant, detail);
    catalog_fini(&elsewhere);
    (void)snprintf(variant->name, sizeof(variant->name), "%s", settings->name);
    variant->accuracy = settings->accuracy;
    variant->mflops = settings->mflops;
    variant->adapter = settings->adapter;
    if (err == ROOST_OK && settings->adapter.present) {
        variant->stamp += desired_adapter_stamp(&settings->adapter);
        err = desired_adapter_check(&settings->adapter, config, variant->model_path, detail);
    }
    if (err != ROOST_OK)
        detail_prefix(detail, "variant %s", settings->name);
    return err;
}

static enum roost_err build_version(const struct builder *builder, const struct entry *entry,
                                    const struct catalog_model *base, bool newest,
                                    const struct model_config *config,
                                    struct desired_version *version, struct detail *detail)
{
    const struct tenant_settings *settings = entry->settings;
    unsigned count = newest && settings != NULL ? settings->variant_count : 0;
    version->variants = calloc(count + 1, sizeof(*version->variants));
    if (version->variants == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for %u variants", count);
    if (count == 0) {
        struct desired_variant *variant = &version->variants[version->variant_count++];
        (void)snprintf(variant->name, sizeof(variant->name), "%s", entry->name);
        return fill_variant(base, config, version->number, variant, detail);
    }
    enum roost_err err = ROOST_OK;
    for (unsigned v = 0; err == ROOST_OK && v < count; v++)
        err = build_variant(builder, entry, &settings->variants[v], config,
                            &version->variants[version->variant_count++], detail);
    return err;
}

static enum roost_err build_versions(const struct builder *builder, const struct entry *entry,
                                     const struct catalog_model *base,
                                     struct desired_tenant *tenant)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    enum roost_err err = catalog_versions(base, &tenant->config, &numbers, &count, &tenant->reason);
    if (err != ROOST_OK)
        return err;
    tenant->versions = calloc(count, sizeof(*tenant->versions));
    if (tenant->versions == NULL)
        err = detail_set(&tenant->reason, ROOST_NO_MEMORY, "no memory for %zu versions", count);
    for (size_t i = 0; err == ROOST_OK && i < count; i++) {
        struct desired_version *version = &tenant->versions[tenant->version_count++];
        version->number = numbers[i];
        err = build_version(builder, entry, base, i + 1 == count, &tenant->config, version,
                            &tenant->reason);
    }
    free(numbers);
    return err;
}

static void versions_free(struct desired_tenant *tenant)
{
    for (unsigned v = 0; v < tenant->version_count; v++)
        free(tenant->versions[v].variants);
    free(tenant->versions);
    tenant->versions = NULL;
    tenant->version_count = 0;
}

static enum roost_err build_model(const struct builder *builder, const struct entry *entry,
                                  struct desired_tenant *tenant)
{
    struct model_config *config = &tenant->config;
    const struct catalog_model *base = NULL;
    struct catalog elsewhere;
    catalog_init(&elsewhere);
    enum roost_err err = resolve(builder, base_reference(builder, entry), &elsewhere, &base,
                                 &tenant->reason);
    if (err == ROOST_OK)
        err = read_config(base, entry->request, config, &tenant->config_stamp, &tenant->reason);
    if (err == ROOST_OK && builder->settings->strict_config)
        err = model_config_require_full(config, &tenant->reason);
    if (err == ROOST_OK) {
        memcpy(config->name, entry->name, sizeof(config->name));
        err = build_versions(builder, entry, base, tenant);
    }
    catalog_fini(&elsewhere);
    if (err != ROOST_OK) {
        versions_free(tenant);
        return err;
    }
    const char *path = tenant->versions[tenant->version_count - 1].variants[0].model_path;
    if (config->backend[0] == '\0' && strcmp(path + strlen(path) - strlen(".fake"), ".fake") == 0)
        (void)snprintf(config->backend, sizeof(config->backend), "fake");
    return ROOST_OK;
}

static enum roost_err build_tenant(struct builder *builder, const struct entry *entry,
                                   struct desired_tenant *tenant)
{
    const struct tenant_settings *settings = entry->settings != NULL
                                                 ? entry->settings
                                                 : &builder->settings->tenant_defaults;
    (void)snprintf(tenant->name, sizeof(tenant->name), "%s", entry->name);
    tenant->wanted = entry->wanted;
    tenant->asked = entry->asked;
    model_config_init(&tenant->config);
    enum roost_err err = tenant_settings_copy(&tenant->settings, settings);
    if (err == ROOST_OK && tenant->settings.name == NULL) {
        tenant->settings.name = strdup(entry->name);
        err = tenant->settings.name == NULL ? ROOST_NO_MEMORY : ROOST_OK;
    }
    if (err != ROOST_OK)
        return detail_set(builder->detail, err, "no memory for the tenant %s", entry->name);
    tenant->err = build_model(builder, entry, tenant);
    if (tenant->err == ROOST_NO_MEMORY)
        return detail_set(builder->detail, tenant->err, "%s", tenant->reason.text);
    return ROOST_OK;
}

static enum roost_err build_tenants(struct builder *builder, struct desired **out)
{
    struct desired *desired = calloc(1, sizeof(*desired));
    enum roost_err err = ROOST_OK;
    if (desired != NULL)
        desired->tenants = calloc(builder->entry_count + 1, sizeof(*desired->tenants));
    if (desired == NULL || desired->tenants == NULL) {
        desired_free(desired);
        return detail_set(builder->detail, ROOST_NO_MEMORY, "no memory for %zu tenants",
                          builder->entry_count);
    }
    for (size_t i = 0; err == ROOST_OK && i < builder->entry_count; i++) {
        err = build_tenant(builder, &builder->entries[i],
                           &desired->tenants[desired->tenant_count++]);
        thread_give_way();
    }
    if (err == ROOST_OK)
        *out = desired;
    else
        desired_free(desired);
    return err;
}

enum roost_err desired_build(const struct settings *settings, const struct load_request *requests,
                             size_t request_count, struct desired **desired, struct detail *detail)
{
    struct builder builder = {.settings = settings, .detail = detail};
    enum roost_err err = ROOST_OK;
    catalog_init(&builder.repository);
    for (unsigned i = 0; err == ROOST_OK && i < settings->repository_count; i++)
        err = catalog_scan(&builder.repository, settings->repositories[i], detail);
    if (err == ROOST_OK)
        err = collect(&builder, requests, request_count);
    if (err == ROOST_OK)
        err = build_tenants(&builder, desired);
    catalog_fini(&builder.repository);
    free(builder.entries);
    return err;
}

void desired_free(struct desired *desired)
{
    if (desired == NULL)
        return;
    for (unsigned i = 0; i < desired->tenant_count; i++) {
        struct desired_tenant *tenant = &desired->tenants[i];
        tenant_settings_fini(&tenant->settings);
        versions_free(tenant);
    }
    free(desired->tenants);
    free(desired);
}

const struct desired_tenant *desired_find(const struct desired *desired, const char *name)
{
    unsigned low = 0, high = desired->tenant_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(desired->tenants[middle].name, name);
        if (order == 0)
            return &desired->tenants[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
