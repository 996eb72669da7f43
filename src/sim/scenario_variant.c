/* SPDX-License-Identifier: Apache-2.0 */
/* Variants and what a batch of them costs. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sim/scenario_internal.h"

#define FIELD(type_, key_, where_, field_, ...)                                                    \
    {                                                                                              \
        .key = (key_), .type = (type_), .offset = offsetof(where_, field_), __VA_ARGS__            \
    }

struct variant_keys {
    const char *name;
    double accuracy, mflops, flops, parallel, bandwidth_gbs, stall, sensitivity;
    uint64_t memory_bytes, start_ns, base_ns, per_row_ns;
    const struct yaml_node *points, *tables, *misses, *load;
    bool mistaken; /* has been told of a mistake in it */
};

static const struct yaml_field variant_fields[] = {
    FIELD(YAML_T_STRING, "name", struct variant_keys, name, .required = true,
          .help = "what reports call it"),
    FIELD(YAML_T_DOUBLE, "accuracy", struct variant_keys, accuracy, .minimum = 0, .maximum = 1,
          .help = "a fraction; without it effective accuracy is not reported"),
    FIELD(YAML_T_DOUBLE, "mflops", struct variant_keys, mflops, .minimum = 0, .maximum = -1,
          .help = "cost per row as the configuration declares it"),
    FIELD(YAML_T_DOUBLE, "flops", struct variant_keys, flops, .minimum = 0, .maximum = -1,
          .help = "floating-point operations per row as counted in the graph"),
    FIELD(YAML_T_BYTES, "memory", struct variant_keys, memory_bytes, .help = "of a host of it"),
    FIELD(YAML_T_DURATION, "start", struct variant_keys, start_ns,
          .help = "CPU time from cold to answering (default: 1 s)"),
    FIELD(YAML_T_DURATION, "base", struct variant_keys, base_ns,
          .help = "CPU time of a batch besides its rows"),
    FIELD(YAML_T_DURATION, "per_row", struct variant_keys, per_row_ns,
          .help = "CPU time per row (default: flops / the node's gflops)"),
    FIELD(YAML_T_NODE, "points", struct variant_keys, points,
          .help = "instead: list of [rows, time], straight between them"),
    FIELD(YAML_T_NODE, "tables", struct variant_keys, tables,
          .help = "instead: list of {workers, ways, points}, every combination"),
    FIELD(YAML_T_DOUBLE, "parallel", struct variant_keys, parallel, .minimum = 0, .maximum = 1,
          .help = "share of a run that a worker's threads can divide (default: 0.95)"),
    FIELD(YAML_T_DOUBLE, "bandwidth_gbs", struct variant_keys, bandwidth_gbs, .minimum = 0,
          .maximum = -1, .help = "memory bandwidth of one busy worker, GB/s"),
    FIELD(YAML_T_DOUBLE, "stall", struct variant_keys, stall, .minimum = 0, .maximum = 1,
          .help = "share of the time alone that waits for memory"),
    FIELD(YAML_T_DOUBLE, "sensitivity", struct variant_keys, sensitivity, .minimum = 0,
          .maximum = 1000, .help = "how much a higher miss ratio lengthens that share"),
    FIELD(YAML_T_NODE, "misses", struct variant_keys, misses,
          .help = "miss ratios with 1, 2, ... cache ways"),
    FIELD(YAML_T_NODE, "load", struct variant_keys, load,
          .help = "profile for policies: a row per number of workers, a column per ways"),
};
const struct scenario_table scenario_variant_table = {
    "Keys of a variant", variant_fields, sizeof variant_fields / sizeof *variant_fields};

struct table_keys {
    int64_t workers, ways;
    const struct yaml_node *points;
};

static const struct yaml_field table_fields[] = {
    FIELD(YAML_T_INT, "workers", struct table_keys, workers, .minimum = 1, .maximum = 4096,
          .help = "busy workers when it was measured (default: 1)"),
    FIELD(YAML_T_INT, "ways", struct table_keys, ways, .minimum = 1, .maximum = SERVICE_WAYS_MAX,
          .help = "cache ways when it was measured (default: 1)"),
    FIELD(YAML_T_NODE, "points", struct table_keys, points, .required = true,
          .help = "list of [rows, time]"),
};
const struct scenario_table scenario_service_table = {"Keys of an item of `tables`", table_fields,
                                                      sizeof table_fields / sizeof *table_fields};

static void read_points(struct scenario_reader *reader, const struct yaml_node *node,
                        struct service_table *table)
{
    size_t count = scenario_rows(reader, node, 2, SERVICE_POINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *pair = scenario_item(node, i);
        struct service_point *point = &table->points[i];
        uint64_t time_ns = 0;
        if (!scenario_number(reader, pair->child, 1, &point->rows) ||
            !scenario_duration(reader, pair->child->next, &time_ns))
            return;
        point->ns = (double)time_ns;
        if (i > 0 && point->rows <= point[-1].rows) {
            yaml_error(reader->errors, pair, "rows must ascend");
            return;
        }
        if (time_ns == 0) {
            yaml_error(reader->errors, pair, "a run takes longer than 0");
            return;
        }
    }
    table->point_count = (uint32_t)count;
}

static int table_order(const void *a, const void *b)
{
    const struct service_table *x = a, *y = b;
    if (x->workers != y->workers)
        return x->workers < y->workers ? -1 : 1;
    return x->ways < y->ways ? -1 : x->ways > y->ways;
}

/* Every number of workers must come with the same ways. */
static bool is_grid(const struct service_table *tables, size_t count)
{
    size_t width = 1;
    while (width < count && tables[width].workers == tables[0].workers)
        width++;
    for (size_t i = 0; i < count; i++) {
        const struct service_table *first = &tables[i - i % width];
        if (tables[i].workers != first->workers || tables[i].ways != tables[i % width].ways ||
            (i % width > 0 && tables[i].ways == tables[i - 1].ways) ||
            (i % width == 0 && i > 0 && tables[i].workers == tables[i - 1].workers))
            return false;
    }
    return count % width == 0;
}

static void read_tables(struct scenario_reader *reader, const struct yaml_node *node,
                        struct service_model *model)
{
    size_t count = node->kind == YAML_LIST ? scenario_items(node) : 0;
    if (count == 0 || count > SERVICE_TABLES_MAX) {
        yaml_error(reader->errors, node, "must be a list of 1 to %d tables", SERVICE_TABLES_MAX);
        return;
    }
    struct service_table *tables = calloc(count, sizeof *tables);
    if (tables == NULL) {
        reader->no_memory = true;
        return;
    }
    model->tables = tables;
    size_t errors = reader->errors->count, i = 0;
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next, i++) {
        struct table_keys keys = {.workers = 1, .ways = 1};
        yaml_read_map(item, table_fields, scenario_service_table.count, &keys, reader->errors);
        tables[i].workers = (uint32_t)keys.workers;
        tables[i].ways = (uint32_t)keys.ways;
        if (keys.points != NULL)
            read_points(reader, keys.points, &tables[i]);
    }
    if (errors != reader->errors->count)
        return;
    model->table_count = count;
    qsort(tables, count, sizeof *tables, table_order);
    if (!is_grid(tables, count))
        yaml_error(reader->errors, node, "every number of workers needs the same ways, each once");
}

static void read_single(struct scenario_reader *reader, const struct yaml_node *node,
                        struct service_model *model)
{
    struct service_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        reader->no_memory = true;
        return;
    }
    model->tables = table;
    read_points(reader, node, table);
    model->table_count = table->point_count > 0;
}

static void read_misses(struct scenario_reader *reader, const struct yaml_node *node,
                        struct service_model *model)
{
    size_t count = node->kind == YAML_LIST ? scenario_items(node) : 0;
    if (count == 0 || count > SERVICE_WAYS_MAX) {
        yaml_error(reader->errors, node, "must be a list of 1 to %d ratios", SERVICE_WAYS_MAX);
        return;
    }
    size_t i = 0;
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next, i++)
        if (!scenario_number(reader, item, 0, &model->misses[i]))
            return;
    model->miss_count = (uint32_t)count;
}

/* The profile that policies may read, a list per number of workers. */
static void read_load(struct scenario_reader *reader, const struct yaml_node *node,
                      struct scenario_variant *variant)
{
    size_t ways = node->kind == YAML_LIST && node->child != NULL ? scenario_items(node->child) : 0;
    size_t workers = ways > 0 ? scenario_rows(reader, node, ways, 4096 / ways) : 0;
    if (ways == 0)
        yaml_error(reader->errors, node, "must be a list of lists of loads");
    if (workers == 0)
        return;
    variant->load_per_s = calloc(workers * ways, sizeof *variant->load_per_s);
    if (variant->load_per_s == NULL) {
        reader->no_memory = true;
        return;
    }
    for (size_t w = 0; w < workers; w++) {
        const struct yaml_node *row = scenario_item(node, w);
        for (size_t k = 0; k < ways; k++) {
            double load = 0;
            float *place = &variant->load_per_s[w * ways + k];
            const struct yaml_node *item = scenario_item(row, k);
            if (!scenario_number(reader, item, 0, &load))
                return;
            *place = (float)load;
            if (k > 0 && *place < place[-1]) {
                yaml_error(reader->errors, item, "more ways never carry less");
                return;
            }
        }
    }
    variant->load_workers = (uint32_t)workers;
    variant->load_ways = (uint32_t)ways;
}

static void read_service(struct scenario_reader *reader, const struct yaml_node *node,
                         const struct variant_keys *keys, struct service_model *model)
{
    double gflops = reader->scenario->node.gflops;
    bool formula = yaml_get(node, "base") != NULL || yaml_get(node, "per_row") != NULL;
    *model = (struct service_model){.base_ns = (double)keys->base_ns,
                                    .per_row_ns = (double)keys->per_row_ns,
                                    .parallel = keys->parallel,
                                    .bandwidth_bytes_per_s = keys->bandwidth_gbs * 1e9,
                                    .stall = keys->stall,
                                    .sensitivity = keys->sensitivity};
    if ((keys->points != NULL) + (keys->tables != NULL) + formula > 1)
        yaml_error(reader->errors, node, "say the time once: base and per_row, points, or tables");
    else if (keys->points != NULL)
        read_single(reader, keys->points, model);
    else if (keys->tables != NULL)
        read_tables(reader, keys->tables, model);
    else if (yaml_get(node, "per_row") == NULL && keys->flops > 0 && gflops > 0)
        model->per_row_ns = keys->flops / gflops;
    bool told = keys->points != NULL || keys->tables != NULL || keys->mistaken;
    if (!told && model->base_ns + model->per_row_ns <= 0)
        yaml_error(reader->errors, node,
                   "needs base or per_row, points, tables, or flops with the node's gflops");
    if (keys->misses != NULL)
        read_misses(reader, keys->misses, model);
}

void scenario_read_ladder(struct scenario_reader *reader, const struct yaml_node *node,
                          struct scenario_ladder *ladder)
{
    size_t count = node->kind == YAML_LIST ? scenario_items(node) : 0;
    if (count == 0 || count > ROOST_VARIANTS_MAX) {
        yaml_error(reader->errors, node, "must be a list of 1 to %d variants", ROOST_VARIANTS_MAX);
        return;
    }
    ladder->variants = calloc(count, sizeof *ladder->variants);
    if (ladder->variants == NULL) {
        reader->no_memory = true;
        return;
    }
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
        struct scenario_variant *variant = &ladder->variants[ladder->variant_count++];
        struct variant_keys keys = {.accuracy = -1, .start_ns = NS_PER_S, .parallel = 0.95};
        size_t mistakes = reader->errors->count;
        yaml_read_map(item, variant_fields, scenario_variant_table.count, &keys, reader->errors);
        keys.mistaken = reader->errors->count > mistakes;
        *variant = (struct scenario_variant){.name = keys.name != NULL ? keys.name : "",
                                             .accuracy = keys.accuracy,
                                             .mflops = keys.mflops,
                                             .flops = keys.flops,
                                             .memory_bytes = keys.memory_bytes,
                                             .start_ns = keys.start_ns};
        if (item->kind == YAML_MAP)
            read_service(reader, item, &keys, &variant->service);
        if (keys.load != NULL)
            read_load(reader, keys.load, variant);
        for (uint32_t i = 0; i + 1 < ladder->variant_count && keys.name != NULL; i++)
            if (strcmp(ladder->variants[i].name, keys.name) == 0)
                yaml_error(reader->errors, item, "there are two variants \"%.60s\"", keys.name);
    }
}

void scenario_ladder_fini(struct scenario_ladder *ladder)
{
    for (uint32_t i = 0; i < ladder->variant_count; i++) {
        free((void *)ladder->variants[i].service.tables);
        free(ladder->variants[i].load_per_s);
    }
    free(ladder->variants);
    *ladder = (struct scenario_ladder){0};
}
