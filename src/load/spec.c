/* SPDX-License-Identifier: Apache-2.0 */
#include "load/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "load/model.h"

#define AT(member) offsetof(struct tenant_spec, member)

const struct option tenant_keys[] = {
    {.name = "rate",
     .type = OPTION_DOUBLE,
     .offset = AT(rate),
     .minimum = 1e-6,
     .maximum = 1e7,
     .default_text = "10",
     .help = "requests per second, on average"},
    {.name = "arrivals",
     .type = OPTION_ENUM,
     .offset = AT(arrivals),
     .default_text = "poisson",
     .choices = arrival_kind_names,
     .help = "when requests are due"},
    {.name = "burst",
     .type = OPTION_DOUBLE,
     .offset = AT(burst),
     .minimum = 1,
     .maximum = 1e6,
     .default_text = "8",
     .help = "bursty: rate in a surge over the rate in between"},
    {.name = "surge",
     .type = OPTION_DURATION,
     .offset = AT(surge_ns),
     .minimum = 1e3,
     .maximum = 1e15,
     .default_text = "200 ms",
     .help = "bursty: mean length of a surge"},
    {.name = "calm",
     .type = OPTION_DURATION,
     .offset = AT(calm_ns),
     .minimum = 1e3,
     .maximum = 1e15,
     .default_text = "1 s",
     .help = "bursty: mean time between surges"},
    {.name = "trace",
     .type = OPTION_STRING,
     .offset = AT(trace_path),
     .unit = "FILE",
     .help = "replay these arrivals: seconds[, batch] per line"},
    {.name = "batch",
     .type = OPTION_STRING,
     .offset = AT(batch_text),
     .default_text = "1",
     .unit = "SIZES",
     .help = "rows per request: N, lognormal(mu,sigma[,low,high]) or file(PATH)"},
    {.name = "slo",
     .type = OPTION_STRING,
     .offset = AT(slo_text),
     .unit = "\"p95 50 ms\"",
     .help = "the promise to hold; without it the server's own, if it tells"},
    {.name = "deadline",
     .type = OPTION_DURATION,
     .offset = AT(deadline_ns),
     .minimum = 0,
     .maximum = 3.6e12,
     .help = "sent with each request (parameter timeout)"},
    {.name = "priority",
     .type = OPTION_INT,
     .offset = AT(priority),
     .minimum = 0,
     .maximum = 1e6,
     .help = "sent with each request; 1 is the highest"},
    {.name = "range",
     .type = OPTION_LIST,
     .offset = AT(ranges),
     .unit = "INPUT=LOW:HIGH",
     .help = "values of an input, HIGH excluded"},
    {.name = "shape",
     .type = OPTION_LIST,
     .offset = AT(shapes),
     .unit = "INPUT=3x224x224",
     .help = "dimensions that the model leaves open"},
    {.name = "data",
     .type = OPTION_LIST,
     .offset = AT(data),
     .unit = "INPUT=FILE|FILE.json",
     .help = "raw rows of an input, or whole JSON requests"},
};
const size_t tenant_key_count = sizeof(tenant_keys) / sizeof(tenant_keys[0]);

enum { KEYS = sizeof(tenant_keys) / sizeof(tenant_keys[0]) };

void load_spec_init(struct load_spec *spec)
{
    *spec = (struct load_spec){0};
}

static void tenant_fini(struct tenant_spec *tenant)
{
    batch_sizes_fini(&tenant->sizes);
    trace_fini(&tenant->trace);
}

void load_spec_fini(struct load_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        tenant_fini(&spec->tenants[i]);
    for (size_t i = 0; i < spec->doc_count; i++)
        yaml_doc_free(spec->docs[i]);
    for (size_t i = 0; i < spec->text_count; i++)
        free(spec->texts[i]);
    free(spec->tenants);
    free(spec->docs);
    free(spec->texts);
    load_spec_init(spec);
}

/* What the key's text means; run for every tenant after all its keys are known. */
static enum roost_err batch_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    return batch_sizes_parse(tenant->batch_text, &tenant->sizes, detail);
}

static enum roost_err slo_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    return tenant->slo_text == NULL ? ROOST_OK : slo_parse(tenant->slo_text, &tenant->slo, detail);
}

static enum roost_err trace_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    if (tenant->trace_path == NULL)
        return tenant->arrivals == ARRIVAL_TRACE
                   ? detail_set(detail, ROOST_INVALID, "arrivals from a trace need its file")
                   : ROOST_OK;
    tenant->arrivals = ARRIVAL_TRACE;
    return trace_read(tenant->trace_path, &tenant->trace, detail);
}

static enum roost_err ranges_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    for (size_t i = 0; i < tenant->ranges.count; i++) {
        const char *value = strchr(tenant->ranges.items[i], '=');
        struct value_range range;
        if (value == NULL)
            return detail_set(detail, ROOST_INVALID, "INPUT=LOW:HIGH wanted, not \"%.60s\"",
                              tenant->ranges.items[i]);
        enum roost_err err = value_range_parse(value + 1, &range, detail);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

static enum roost_err shapes_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    for (size_t i = 0; i < tenant->shapes.count; i++) {
        const char *value = strchr(tenant->shapes.items[i], '=');
        struct shape shape;
        if (value == NULL)
            return detail_set(detail, ROOST_INVALID, "INPUT=3x224x224 wanted, not \"%.60s\"",
                              tenant->shapes.items[i]);
        enum roost_err err = shape_parse_text(value + 1, &shape, detail);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

static const struct resolver {
    const char *key;
    enum roost_err (*resolve)(struct tenant_spec *tenant, struct detail *detail);
} resolvers[] = {
    {"batch", batch_resolve},  {"slo", slo_resolve},      {"trace", trace_resolve},
    {"range", ranges_resolve}, {"shape", shapes_resolve},
};
enum { RESOLVERS = sizeof(resolvers) / sizeof(resolvers[0]) };

/* Takes the texts over on success, and only then. */
static enum roost_err text_keep(struct load_spec *spec, char *text, struct detail *detail)
{
    char **texts = realloc(spec->texts, (spec->text_count + 1) * sizeof(*texts));
    if (texts == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the tenants");
    spec->texts = texts;
    spec->texts[spec->text_count++] = text;
    return ROOST_OK;
}

static enum roost_err tenant_push(struct load_spec *spec, const struct tenant_spec *tenant,
                                  struct detail *detail)
{
    if (spec->count == LOAD_TENANTS_MAX)
        return detail_set(detail, ROOST_TOO_LARGE, "more than %d tenants", LOAD_TENANTS_MAX);
    void *tenants = realloc(spec->tenants, (spec->count + 1) * sizeof(*spec->tenants));
    if (tenants == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the tenants");
    spec->tenants = tenants;
    spec->tenants[spec->count++] = *tenant;
    return ROOST_OK;
}

/* "wnd@1" is cut in two. */
static enum roost_err name_split(char *name, struct tenant_spec *tenant, struct detail *detail)
{
    char *at = strrchr(name, '@');
    tenant->name = name;
    if (at != NULL) {
        *at = '\0';
        tenant->version = at + 1;
    }
    if (*name == '\0' || (at != NULL && at[1] == '\0') || strlen(name) >= LOAD_NAME_BYTES_MAX)
        return detail_set(detail, ROOST_INVALID, "a tenant begins with MODEL or MODEL@VERSION");
    return ROOST_OK;
}

/* Ends the assignment at `text` and returns the next one, or NULL: a comma within parentheses
 * separates nothing. */
static char *assignment_end(char *text)
{
    int depth = 0;
    for (; *text != '\0'; text++) {
        depth += *text == '(' ? 1 : *text == ')' ? -1 : 0;
        if (*text == ',' && depth <= 0) {
            *text = '\0';
            return text + 1;
        }
    }
    return NULL;
}

static enum roost_err assignments_read(char *text, struct tenant_spec *tenant,
                                       struct detail *detail)
{
    while (text != NULL) {
        char *next = assignment_end(text);
        text += strspn(text, " ");
        if (*text != '\0') {
            enum roost_err err = options_set(tenant_keys, tenant_key_count, text, tenant, detail);
            if (err != ROOST_OK)
                return err;
        }
        text = next;
    }
    return ROOST_OK;
}

static enum roost_err tenant_resolve(struct tenant_spec *tenant, struct detail *detail)
{
    for (unsigned i = 0; i < RESOLVERS; i++) {
        enum roost_err err = resolvers[i].resolve(tenant, detail);
        if (err != ROOST_OK) {
            detail_prefix(detail, "%s", resolvers[i].key);
            return err;
        }
    }
    return ROOST_OK;
}

/* Reads a text of our own; `keys` is what stands after the name, or NULL. */
static enum roost_err tenant_add(struct load_spec *spec, char *name, char *keys,
                                 const struct tenant_spec *defaults, struct detail *detail)
{
    struct tenant_spec tenant = *defaults;
    enum roost_err err = name_split(name, &tenant, detail);
    if (err == ROOST_OK)
        err = assignments_read(keys, &tenant, detail);
    if (err == ROOST_OK)
        err = tenant_resolve(&tenant, detail);
    if (err == ROOST_OK)
        err = tenant_push(spec, &tenant, detail);
    if (err != ROOST_OK)
        tenant_fini(&tenant);
    return err;
}

static enum roost_err own_text(struct load_spec *spec, const char *text, char **own,
                               struct detail *detail)
{
    *own = strdup(text);
    if (*own == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the tenants");
    enum roost_err err = text_keep(spec, *own, detail);
    if (err != ROOST_OK)
        free(*own);
    return err;
}

enum roost_err load_spec_add_text(struct load_spec *spec, const char *text,
                                  const struct tenant_spec *defaults, struct detail *detail)
{
    char *own;
    enum roost_err err = own_text(spec, text, &own, detail);
    if (err != ROOST_OK)
        return err;
    char *keys = strchr(own, ':');
    if (keys != NULL)
        *keys++ = '\0';
    err = tenant_add(spec, own, keys, defaults, detail);
    if (err != ROOST_OK)
        detail_prefix(detail, "tenant \"%.80s\"", text);
    return err;
}

enum roost_err load_spec_add_name(struct load_spec *spec, const char *name,
                                  const struct tenant_spec *defaults, struct detail *detail)
{
    char *own;
    enum roost_err err = own_text(spec, name, &own, detail);
    if (err != ROOST_OK)
        return err;
    struct tenant_spec tenant = *defaults;
    tenant.name = own; /* as it is: an '@' in it is the server's */
    err = tenant_resolve(&tenant, detail);
    if (err == ROOST_OK)
        err = tenant_push(spec, &tenant, detail);
    if (err != ROOST_OK)
        tenant_fini(&tenant);
    return err;
}

/* The keys of one tenant in a file: those of the table, and the name. Lists are read by hand. */
struct yaml_target {
    struct tenant_spec tenant;
    const char *name;
    const struct yaml_node *lists[KEYS];
};

static void fields_make(struct yaml_field fields[KEYS + 1])
{
    static const enum yaml_type types[] = {
        [OPTION_FLAG] = YAML_T_BOOL,     [OPTION_INT] = YAML_T_INT,
        [OPTION_DOUBLE] = YAML_T_DOUBLE, [OPTION_DURATION] = YAML_T_DURATION,
        [OPTION_BYTES] = YAML_T_BYTES,   [OPTION_STRING] = YAML_T_STRING,
        [OPTION_ENUM] = YAML_T_ENUM,     [OPTION_LIST] = YAML_T_NODE,
    };
    for (size_t i = 0; i < KEYS; i++) {
        const struct option *key = &tenant_keys[i];
        size_t offset = offsetof(struct yaml_target, tenant) + key->offset;
        if (key->type == OPTION_LIST)
            offset = offsetof(struct yaml_target, lists) + i * sizeof(struct yaml_node *);
        fields[i] = (struct yaml_field){.key = key->name,
                                        .type = types[key->type],
                                        .offset = offset,
                                        .minimum = key->minimum,
                                        .maximum = key->maximum,
                                        .choices = key->choices,
                                        .help = key->help};
    }
    fields[KEYS] = (struct yaml_field){.key = "name",
                                       .type = YAML_T_STRING,
                                       .offset = offsetof(struct yaml_target, name),
                                       .required = true,
                                       .help = "MODEL or MODEL@VERSION"};
}

/* One text, or a list of them. */
static void list_read(const struct yaml_node *node, struct option_list *list,
                      struct yaml_errors *errors)
{
    const struct yaml_node *item = node->kind == YAML_LIST ? node->child : node;
    for (; item != NULL; item = node->kind == YAML_LIST ? item->next : NULL) {
        if (item->kind != YAML_SCALAR)
            yaml_error(errors, item, "must be a text or a list of texts");
        else if (list->count == OPTION_LIST_MAX)
            yaml_error(errors, item, "more than %d entries", OPTION_LIST_MAX);
        else
            list->items[list->count++] = item->text;
    }
}

static void yaml_tenant_read(struct load_spec *spec, const struct yaml_node *node,
                             const struct tenant_spec *defaults, struct yaml_errors *errors)
{
    struct detail detail;
    struct yaml_field fields[KEYS + 1];
    struct yaml_target target = {.tenant = *defaults};
    size_t before = errors->count;
    fields_make(fields);
    yaml_read_map(node, fields, KEYS + 1, &target, errors);
    for (size_t i = 0; i < KEYS; i++) {
        if (target.lists[i] != NULL)
            list_read(target.lists[i],
                      (struct option_list *)((char *)&target.tenant + tenant_keys[i].offset),
                      errors);
    }
    for (unsigned i = 0; i < RESOLVERS; i++) {
        const struct yaml_node *at = yaml_get(node, resolvers[i].key);
        if (resolvers[i].resolve(&target.tenant, &detail) != ROOST_OK)
            yaml_error(errors, at == NULL ? node : at, "%s", detail.text);
    }
    char *own = NULL;
    if (errors->count == before && (own_text(spec, target.name, &own, &detail) != ROOST_OK ||
                                    name_split(own, &target.tenant, &detail) != ROOST_OK ||
                                    tenant_push(spec, &target.tenant, &detail) != ROOST_OK))
        yaml_error(errors, yaml_get(node, "name"), "%s", detail.text);
    if (errors->count != before)
        tenant_fini(&target.tenant);
}

static bool doc_keep(struct load_spec *spec, struct yaml_doc *doc)
{
    struct yaml_doc **docs = realloc(spec->docs, (spec->doc_count + 1) * sizeof(*docs));
    if (docs == NULL)
        return false;
    spec->docs = docs;
    spec->docs[spec->doc_count++] = doc;
    return true;
}

enum roost_err load_spec_add_yaml(struct load_spec *spec, const char *text, size_t length,
                                  const struct tenant_spec *defaults, struct yaml_errors *errors)
{
    struct yaml_doc *doc;
    const struct yaml_node *tenants = NULL;
    static const struct yaml_field fields[] = {
        {.key = "tenants", .type = YAML_T_NODE, .required = true, .help = "a list of tenants"}};
    size_t before = errors->count;
    enum roost_err err = yaml_parse(text, length, errors, &doc);
    if (doc == NULL)
        return err;
    if (!doc_keep(spec, doc)) {
        yaml_doc_free(doc);
        yaml_error(errors, NULL, "no memory for the tenants");
        return ROOST_NO_MEMORY;
    }
    yaml_read_map(yaml_root(doc), fields, 1, &tenants, errors);
    if (tenants != NULL && (tenants->kind != YAML_LIST || tenants->child == NULL))
        yaml_error(errors, tenants, "must be a list of tenants");
    else if (tenants != NULL) {
        for (const struct yaml_node *item = tenants->child; item != NULL; item = item->next)
            yaml_tenant_read(spec, item, defaults, errors);
    }
    return errors->count == before ? ROOST_OK : ROOST_INVALID;
}

struct arrival_options tenant_spec_arrivals(const struct tenant_spec *tenant, double multiplier)
{
    return (struct arrival_options){
        .kind = (enum arrival_kind)tenant->arrivals,
        .rate = tenant->rate,
        .burst = tenant->burst,
        .surge_ns = tenant->surge_ns,
        .calm_ns = tenant->calm_ns,
        .trace = tenant->arrivals == ARRIVAL_TRACE ? &tenant->trace : NULL,
        .multiplier = multiplier,
    };
}
