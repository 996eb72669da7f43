/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/settings_table.h"

static const struct settings_table *const tenant_tables[] = {&settings_common_table,
                                                             &settings_tenant_table};
enum { TENANT_TABLES = 2 };

static bool is_text(const struct settings_key *key)
{
    return key->kind <= KEY_CHOICE;
}

static char **text_of(const struct settings_key *key, void *target)
{
    return (char **)(void *)((char *)target + key->offset);
}

void settings_texts_free(const struct settings_table *table, void *target)
{
    for (size_t i = 0; i < table->count; i++)
        if (is_text(&table->keys[i])) {
            free(*text_of(&table->keys[i], target));
            *text_of(&table->keys[i], target) = NULL;
        }
}

bool settings_texts_copy(const struct settings_table *table, void *target)
{
    bool whole = true;
    for (size_t i = 0; i < table->count; i++) {
        if (!is_text(&table->keys[i]))
            continue;
        char **text = text_of(&table->keys[i], target);
        if (*text == NULL)
            continue;
        *text = strdup(*text);
        whole = whole && *text != NULL;
    }
    return whole;
}

static size_t kind_bytes(enum settings_kind kind)
{
    switch (kind) {
    case KEY_FLAG:
        return sizeof(bool);
    case KEY_UNSIGNED:
    case KEY_INT:
    case KEY_ENUM:
        return sizeof(int);
    case KEY_SIZE:
        return sizeof(size_t);
    default:
        return sizeof(uint64_t);
    }
}

static bool texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Numbers are compared as they lie in memory; no NaN gets this far. */
bool settings_keys_equal(const struct settings_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct settings_key *key = &table->keys[i];
        const void *in_a = (const char *)a + key->offset, *in_b = (const char *)b + key->offset;
        if (key->kind == KEY_READ)
            continue;
        if (is_text(key)) {
            if (!texts_equal(*(char *const *)in_a, *(char *const *)in_b))
                return false;
        } else if (memcmp(in_a, in_b, kind_bytes(key->kind)) != 0) {
            return false;
        }
    }
    return true;
}

static void tenant_defaults(struct tenant_settings *tenant)
{
    *tenant = (struct tenant_settings){
        .shed = SHED_DEADLINE,
        .input_memory_bytes = UINT64_C(256) << 20,
        .output_bytes_max = UINT64_C(64) << 20,
        .queue_max = 1024,
        .park_after_ns = 60 * NS_PER_S,
        .batching = BATCH_AUTO,
        .batch_delay_ns = UINT64_MAX,
    };
}

void settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .http_port = 8000,
        .control_mode = CONTROL_NONE,
        .poll_interval_ns = 15 * NS_PER_S,
        .repository_api = true,
        .cache_bytes_max = UINT64_C(20) << 30,
        .sandbox = true,
        .knobs = true,
        .strict_readiness = true,
        .grace_ns = 30 * NS_PER_S,
        .default_deadline_ns = 30 * NS_PER_S,
        .hang_after_ns = 5 * NS_PER_S,
        .load_timeout_ns = 600 * NS_PER_S,
        .memory_reserve_bytes = UINT64_C(256) << 20,
        .tick_ns = 250 * NS_PER_MS,
        .decision_log_bytes_max = UINT64_C(64) << 20,
    };
    http_limits_default(&settings->limits);
    tenant_defaults(&settings->tenant_defaults);
}

void settings_fini(struct settings *settings)
{
    settings_texts_free(&settings_server_table, settings);
    free(settings->path);
    free(settings->load_models);
    free(settings->policy_options);
    for (unsigned i = 0; i < settings->repository_count; i++)
        free(settings->repositories[i]);
    tenant_settings_fini(&settings->tenant_defaults);
    for (unsigned i = 0; i < settings->tenant_count; i++)
        tenant_settings_fini(&settings->tenants[i]);
    free(settings->tenants);
    *settings = (struct settings){0};
}

void tenant_settings_fini(struct tenant_settings *tenant)
{
    for (size_t i = 0; i < TENANT_TABLES; i++)
        settings_texts_free(tenant_tables[i], tenant);
    for (unsigned i = 0; i < tenant->variant_count; i++)
        settings_texts_free(&settings_variant_table, &tenant->variants[i]);
    free(tenant->variants);
    *tenant = (struct tenant_settings){0};
}

enum roost_err tenant_settings_copy(struct tenant_settings *to, const struct tenant_settings *from)
{
    bool whole = true;
    *to = *from;
    for (size_t i = 0; i < TENANT_TABLES; i++)
        whole = settings_texts_copy(tenant_tables[i], to) && whole;
    to->variants = NULL;
    to->variant_count = 0;
    if (from->variant_count > 0)
        to->variants = calloc(from->variant_count, sizeof(*to->variants));
    whole = whole && (from->variant_count == 0 || to->variants != NULL);
    for (; whole && to->variant_count < from->variant_count; to->variant_count++) {
        struct variant_settings *variant = &to->variants[to->variant_count];
        *variant = from->variants[to->variant_count];
        whole = settings_texts_copy(&settings_variant_table, variant);
    }
    if (!whole)
        tenant_settings_fini(to);
    return whole ? ROOST_OK : ROOST_NO_MEMORY;
}

static bool adapter_equal(const struct adapter_settings *a, const struct adapter_settings *b)
{
    if (a->present != b->present || !settings_keys_equal(&settings_adapter_table, a, b))
        return false;
    for (unsigned i = 0; i < ADAPTER_CHANNELS_MAX; i++)
        if (a->mean[i] < b->mean[i] || a->mean[i] > b->mean[i] || a->scale[i] < b->scale[i] ||
            a->scale[i] > b->scale[i])
            return false;
    return a->resize_height == b->resize_height && a->resize_width == b->resize_width &&
           a->normalise == b->normalise && a->channels == b->channels &&
           strcmp(a->input_name, b->input_name) == 0 &&
           strcmp(a->output_name, b->output_name) == 0 && strcmp(a->output_map, b->output_map) == 0;
}

bool tenant_settings_equal(const struct tenant_settings *a, const struct tenant_settings *b)
{
    for (size_t i = 0; i < TENANT_TABLES; i++)
        if (!settings_keys_equal(tenant_tables[i], a, b))
            return false;
    if (a->slo_percentile < b->slo_percentile || a->slo_percentile > b->slo_percentile ||
        a->slo_ns != b->slo_ns || a->batch_delay_set != b->batch_delay_set ||
        a->batch_delay_ns != b->batch_delay_ns || a->variant_count != b->variant_count)
        return false;
    for (unsigned i = 0; i < a->variant_count; i++)
        if (!settings_keys_equal(&settings_variant_table, &a->variants[i], &b->variants[i]) ||
            !adapter_equal(&a->variants[i].adapter, &b->variants[i].adapter))
            return false;
    return true;
}

/* A decimal core number; NULL when there is none. */
static const char *cpu_parse(const char *text, unsigned *cpu)
{
    const char *begin = text;
    for (*cpu = 0; *text >= '0' && *text <= '9' && *cpu < SETTINGS_CPUS_MAX; text++)
        *cpu = *cpu * 10 + (unsigned)(*text - '0');
    return text == begin || *cpu >= SETTINGS_CPUS_MAX ? NULL : text;
}

enum roost_err settings_cpus_parse(const char *text, uint64_t mask[SETTINGS_CPUS_MAX / 64])
{
    memset(mask, 0, SETTINGS_CPUS_MAX / 8);
    for (;;) {
        unsigned first, last;
        text += strspn(text, " ");
        text = cpu_parse(text, &first);
        if (text == NULL)
            return ROOST_INVALID;
        last = first;
        if (*text == '-')
            text = cpu_parse(text + 1, &last);
        if (text == NULL || last < first)
            return ROOST_INVALID;
        for (unsigned cpu = first; cpu <= last; cpu++)
            mask[cpu / 64] |= UINT64_C(1) << cpu % 64;
        text += strspn(text, " ");
        if (*text == '\0')
            return ROOST_OK;
        if (*text++ != ',')
            return ROOST_INVALID;
    }
}
