/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/schedule.h"
#include "sim/scenario_internal.h"

#define FIELD(type_, key_, where_, field_, ...)                                                    \
    {                                                                                              \
        .key = (key_), .type = (type_), .offset = offsetof(where_, field_), __VA_ARGS__            \
    }

static const char *const switch_names[] = {"overlap", "stall", NULL};
static const char *const standby_names[] = {"none", "cheapest", "all", NULL};

static const struct {
    const char *name;
    enum roost_knob knob;
} knob_names[] = {
    {"weight", ROOST_KNOB_WEIGHT},       {"cores", ROOST_KNOB_CORES},
    {"quota", ROOST_KNOB_QUOTA},         {"workers", ROOST_KNOB_WORKERS},
    {"class", ROOST_KNOB_CLASS},         {"ways", ROOST_KNOB_WAYS},
    {"bandwidth", ROOST_KNOB_BANDWIDTH}, {"batch", ROOST_KNOB_BATCH},
    {"variant", ROOST_KNOB_VARIANT},     {"shed", ROOST_KNOB_SHED},
    {"slice", ROOST_KNOB_SLICE},
};
enum { KNOB_NAMES = sizeof knob_names / sizeof *knob_names };

struct top_keys {
    struct scenario scenario;
    const struct yaml_node *node, *network, *generator, *ladders, *tenants;
};

static const struct yaml_field top_fields[] = {
    FIELD(YAML_T_STRING, "name", struct top_keys, scenario.name, .help = "title of reports"),
    FIELD(YAML_T_DURATION, "duration", struct top_keys, scenario.duration_ns, .required = true,
          .minimum = 1e6, .maximum = 1e16, .help = "of arrivals"),
    FIELD(YAML_T_DURATION, "warmup", struct top_keys, scenario.warmup_ns,
          .help = "whose arrivals are not reported (default: 0 s)"),
    FIELD(YAML_T_DURATION, "tick", struct top_keys, scenario.tick_ns, .minimum = 1e6,
          .maximum = 3.6e12, .help = "between decisions (default: 1 s)"),
    FIELD(YAML_T_DURATION, "window", struct top_keys, scenario.window_ns, .minimum = 1e6,
          .maximum = 3.6e12, .help = "longest window of measurements (default: 10 s)"),
    FIELD(YAML_T_DURATION, "window_min", struct top_keys, scenario.window_min_ns, .minimum = 1e6,
          .maximum = 3.6e12, .help = "shortest window (default: the tick)"),
    FIELD(YAML_T_DURATION, "sample", struct top_keys, scenario.sample_ns, .minimum = 1e6,
          .maximum = 1e16, .help = "between points of the time lines (default: 300 points)"),
    FIELD(YAML_T_NODE, "node", struct top_keys, node, .required = true, .help = "the machine"),
    FIELD(YAML_T_NODE, "network", struct top_keys, network,
          .help = "the server's network thread, on the tenants' cores (default: costs nothing)"),
    FIELD(YAML_T_NODE, "generator", struct top_keys, generator,
          .help = "a load generator on the same cores (default: elsewhere)"),
    FIELD(YAML_T_NODE, "ladders", struct top_keys, ladders,
          .help = "map of names to lists of variants, best first"),
    FIELD(YAML_T_NODE, "tenants", struct top_keys, tenants, .required = true,
          .help = "list of tenants"),
};

struct node_keys {
    struct scenario_node node;
    double bandwidth_gbs;
    const struct yaml_node *knobs, *noise;
};

static const struct yaml_field node_fields[] = {
    FIELD(YAML_T_INT, "cores", struct node_keys, node.cores, .required = true, .minimum = 1,
          .maximum = 4096, .help = "that tenants may use"),
    FIELD(YAML_T_DOUBLE, "gflops", struct node_keys, node.gflops, .minimum = 0, .maximum = 1e6,
          .help = "of one core, for variants that only say their flops"),
    FIELD(YAML_T_INT, "ways", struct node_keys, node.ways, .minimum = 0,
          .maximum = SERVICE_WAYS_MAX, .help = "of the last-level cache (default: 0, no knob)"),
    FIELD(YAML_T_INT, "ways_min", struct node_keys, node.ways_min, .minimum = 1, .maximum = 32,
          .help = "least that one class may hold (default: 1)"),
    FIELD(YAML_T_INT, "closids", struct node_keys, node.closids, .minimum = 0, .maximum = 1024,
          .help = "classes of service besides the default one (default: 15)"),
    FIELD(YAML_T_DOUBLE, "bandwidth_gbs", struct node_keys, bandwidth_gbs, .minimum = 0,
          .maximum = 1e6, .help = "memory bandwidth (default: without limit)"),
    FIELD(YAML_T_BYTES, "memory", struct node_keys, node.memory_bytes,
          .help = "for all hosts (default: without limit)"),
    FIELD(YAML_T_NODE, "knobs", struct node_keys, knobs,
          .help = "list of weight, cores, quota, workers, class, slice, ways, bandwidth, batch, "
                  "variant, shed (default: all that the node has)"),
    FIELD(YAML_T_ENUM, "standby", struct node_keys, node.standby, .choices = standby_names,
          .help = "hosts warm from the start: none, cheapest or all (default: none)"),
    FIELD(YAML_T_ENUM, "switch", struct node_keys, node.switching, .choices = switch_names,
          .help = "overlap (make before break) or stall (default: overlap)"),
    FIELD(YAML_T_DURATION, "switch_time", struct node_keys, node.switch_ns,
          .help = "of a switch to a host that stands by (default: 1 ms)"),
    FIELD(YAML_T_DURATION, "stall", struct node_keys, node.stall_ns,
          .help = "time without service at each switch in stall mode (default: 30 s)"),
    FIELD(YAML_T_DURATION, "turn", struct node_keys, node.turn_ns, .maximum = 1e9,
          .help = "between the kernel's ticks, at which runs on one core take turns (default: 0 s, "
                  "cores are divided as a whole)"),
    FIELD(YAML_T_NODE, "noise", struct node_keys, noise,
          .help = "list of factors of runs' work, as others beside the node cause them; one is "
                  "drawn at a time (default: 1)"),
    FIELD(YAML_T_DURATION, "noise_time", struct node_keys, node.noise_ns, .minimum = 1e6,
          .maximum = 3.6e12, .help = "for which each of them holds (default: 250 ms)"),
};

static const struct yaml_field thread_fields[] = {
    FIELD(YAML_T_DURATION, "request", struct scenario_thread, request_ns,
          .help = "work per request, on its way in"),
    FIELD(YAML_T_DURATION, "answer", struct scenario_thread, answer_ns,
          .help = "work per answer, on its way out"),
    FIELD(YAML_T_DURATION, "wake", struct scenario_thread, wake_ns,
          .help = "work besides after a long sleep, with cold caches (default: 0 s)"),
    FIELD(YAML_T_DURATION, "cooling", struct scenario_thread, cooling_ns, .minimum = 1,
          .help = "sleep after which all but 1/e of `wake` is due (default: 1 ms)"),
};

static const struct scenario_table tables[] = {
    {"Keys of a scenario", top_fields, sizeof top_fields / sizeof *top_fields},
    {"Keys of `node`", node_fields, sizeof node_fields / sizeof *node_fields},
    {"Keys of `network` and `generator`", thread_fields,
     sizeof thread_fields / sizeof *thread_fields},
};

size_t scenario_items(const struct yaml_node *list)
{
    size_t count = 0;
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
        count++;
    return count;
}

const struct yaml_node *scenario_item(const struct yaml_node *list, size_t n)
{
    const struct yaml_node *item = list->child;
    while (item != NULL && n-- > 0)
        item = item->next;
    return item;
}

bool scenario_number(struct scenario_reader *reader, const struct yaml_node *node, double minimum,
                     double *value)
{
    if (node->kind == YAML_SCALAR && !node->quoted && number_parse_double(node->text, value) == 0 &&
        *value >= minimum && *value <= 1e15)
        return true;
    yaml_error(reader->errors, node, "must be a number of at least %g", minimum);
    return false;
}

bool scenario_duration(struct scenario_reader *reader, const struct yaml_node *node,
                       uint64_t *value_ns)
{
    if (node->kind == YAML_SCALAR && duration_parse(node->text, value_ns) == 0)
        return true;
    yaml_error(reader->errors, node, "must be a duration such as 120 ms");
    return false;
}

size_t scenario_rows(struct scenario_reader *reader, const struct yaml_node *node, size_t width,
                     size_t most)
{
    size_t count = node->kind == YAML_LIST ? scenario_items(node) : 0;
    bool good = count > 0 && count <= most;
    for (const struct yaml_node *item = node->child; good && item != NULL; item = item->next)
        good = item->kind == YAML_LIST && scenario_items(item) == width;
    if (good)
        return count;
    yaml_error(reader->errors, node, "must be a list of 1 to %zu lists of %zu", most, width);
    return 0;
}

static void read_knobs(struct scenario_reader *reader, const struct yaml_node *list,
                       struct scenario_node *node)
{
    if (list->kind != YAML_LIST) {
        yaml_error(reader->errors, list, "must be a list of knobs");
        return;
    }
    uint32_t wanted = 0;
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next) {
        size_t i = 0;
        while (i < KNOB_NAMES && strcmp(knob_names[i].name, item->text) != 0)
            i++;
        if (i == KNOB_NAMES)
            yaml_error(reader->errors, item, "there is no knob \"%.60s\"", item->text);
        else if ((node->knobs & knob_names[i].knob) == 0)
            yaml_error(reader->errors, item, "the node has nothing for this knob to turn");
        else
            wanted |= knob_names[i].knob;
    }
    node->knobs = wanted;
}

static void read_noise(struct scenario_reader *reader, const struct yaml_node *list,
                       struct scenario_node *node)
{
    size_t count = list->kind == YAML_LIST ? scenario_items(list) : 0;
    if (count == 0 || count > SCENARIO_NOISE_MAX) {
        yaml_error(reader->errors, list, "must be a list of 1 to %d factors", SCENARIO_NOISE_MAX);
        return;
    }
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
        if (!scenario_number(reader, item, 0.01, &node->noise[node->noise_count++]))
            return;
}

static void read_node(struct scenario_reader *reader, const struct yaml_node *place)
{
    struct node_keys keys = {.node = {.cores = 1,
                                      .ways_min = 1,
                                      .closids = 15,
                                      .switch_ns = NS_PER_MS,
                                      .stall_ns = 30 * NS_PER_S,
                                      .noise_ns = 250 * NS_PER_MS}};
    yaml_read_map(place, node_fields, tables[1].count, &keys, reader->errors);
    struct scenario_node *node = &reader->scenario->node;
    *node = keys.node;
    node->bandwidth_bytes_per_s = keys.bandwidth_gbs * 1e9;
    if (node->ways > 0 && node->ways_min > node->ways)
        yaml_error(reader->errors, place, "ways_min is above ways");
    if (node->turn_ns > 0 && node->cores > SCENARIO_TURN_CORES_MAX)
        yaml_error(reader->errors, place, "turns are for at most %d cores",
                   SCENARIO_TURN_CORES_MAX);
    for (size_t i = 0; i < KNOB_NAMES; i++)
        node->knobs |= knob_names[i].knob;
    if (node->ways == 0)
        node->knobs &= ~(uint32_t)ROOST_KNOB_WAYS;
    if (node->turn_ns == 0)
        node->knobs &= ~(uint32_t)ROOST_KNOB_SLICE;
    if (keys.bandwidth_gbs <= 0)
        node->knobs &= ~(uint32_t)ROOST_KNOB_BANDWIDTH;
    if (keys.knobs != NULL)
        read_knobs(reader, keys.knobs, node);
    if (keys.noise != NULL)
        read_noise(reader, keys.noise, node);
}

static void read_thread(struct scenario_reader *reader, const struct yaml_node *place,
                        struct scenario_thread *thread)
{
    thread->cooling_ns = NS_PER_MS;
    yaml_read_map(place, thread_fields, tables[2].count, thread, reader->errors);
}

static void read_ladders(struct scenario_reader *reader, const struct yaml_node *map)
{
    struct scenario *scenario = reader->scenario;
    if (map->kind != YAML_MAP) {
        yaml_error(reader->errors, map, "must be a map of names to lists of variants");
        return;
    }
    for (const struct yaml_node *item = map->child; item != NULL; item = item->next) {
        struct scenario_ladder *ladder = &scenario->ladders[scenario->ladder_count++];
        ladder->name = item->key;
        scenario_read_ladder(reader, item, ladder);
    }
}

static void read_tenants(struct scenario_reader *reader, const struct yaml_node *list)
{
    struct scenario *scenario = reader->scenario;
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next) {
        struct scenario_tenant *tenant = &scenario->tenants[scenario->tenant_count];
        scenario_read_tenant(reader, item, tenant);
        for (uint32_t i = 0; i < scenario->tenant_count; i++)
            if (strcmp(scenario->tenants[i].name, tenant->name) == 0)
                yaml_error(reader->errors, item, "there are two tenants \"%.60s\"", tenant->name);
        scenario->tenant_count++;
    }
}

/* Room for everything, so that nothing moves while it is read. */
static bool make_room(struct scenario_reader *reader, const struct top_keys *keys)
{
    size_t tenants = keys->tenants != NULL && keys->tenants->kind == YAML_LIST
                         ? scenario_items(keys->tenants)
                         : 0;
    size_t ladders = keys->ladders != NULL ? scenario_items(keys->ladders) : 0;
    if (keys->tenants != NULL && (tenants == 0 || tenants > SCENARIO_TENANTS_MAX)) {
        yaml_error(reader->errors, keys->tenants, "must be a list of 1 to %d tenants",
                   SCENARIO_TENANTS_MAX);
        tenants = 0;
    }
    if (ladders > SCENARIO_LADDERS_MAX) {
        yaml_error(reader->errors, keys->ladders, "more than %d ladders", SCENARIO_LADDERS_MAX);
        return false;
    }
    struct scenario *scenario = reader->scenario;
    scenario->tenants = calloc(tenants + 1, sizeof *scenario->tenants);
    scenario->ladders = calloc(tenants + ladders + 1, sizeof *scenario->ladders);
    reader->no_memory = scenario->tenants == NULL || scenario->ladders == NULL;
    return !reader->no_memory && tenants > 0;
}

static void read_top(struct scenario_reader *reader, const struct yaml_node *root)
{
    struct scenario *scenario = reader->scenario;
    struct yaml_doc *doc = scenario->doc;
    struct top_keys keys = {
        .scenario = {.name = "", .tick_ns = NS_PER_S, .window_ns = 10 * NS_PER_S}};
    yaml_read_map(root, top_fields, tables[0].count, &keys, reader->errors);
    *scenario = keys.scenario;
    scenario->doc = doc;
    if (scenario->window_min_ns == 0)
        scenario->window_min_ns = scenario->tick_ns;
    if (scenario->window_ns < scenario->window_min_ns)
        scenario->window_ns = scenario->window_min_ns;
    if (scenario->sample_ns == 0)
        scenario->sample_ns = scenario->duration_ns / 300 + 1;
    if (scenario->duration_ns / scenario->sample_ns > 100000)
        yaml_error(reader->errors, yaml_get(root, "sample"), "makes more than 100,000 points");
    if (scenario->duration_ns / scenario->tick_ns > 10000000)
        yaml_error(reader->errors, yaml_get(root, "tick"), "makes more than 10 million ticks");
    if (keys.scenario.warmup_ns > 0 && keys.scenario.warmup_ns >= scenario->duration_ns)
        yaml_error(reader->errors, yaml_get(root, "warmup"), "is not shorter than the duration");
    if (keys.node != NULL)
        read_node(reader, keys.node);
    if (keys.network != NULL)
        read_thread(reader, keys.network, &scenario->network);
    if (keys.generator != NULL)
        read_thread(reader, keys.generator, &scenario->generator);
    if (!make_room(reader, &keys))
        return;
    if (keys.ladders != NULL)
        read_ladders(reader, keys.ladders);
    read_tenants(reader, keys.tenants);
}

enum roost_err scenario_parse(const char *text, size_t length, struct yaml_errors *errors,
                              struct scenario *scenario)
{
    struct scenario_reader reader = {.scenario = scenario, .errors = errors};
    size_t before = errors->count;
    memset(scenario, 0, sizeof *scenario);
    enum roost_err err = yaml_parse(text, length, errors, &scenario->doc);
    if (scenario->doc != NULL) {
        read_top(&reader, yaml_root(scenario->doc));
        err = reader.no_memory          ? ROOST_NO_MEMORY
              : errors->count == before ? ROOST_OK
                                        : ROOST_INVALID;
        if (reader.no_memory)
            yaml_error(errors, NULL, "out of memory");
    }
    if (err != ROOST_OK)
        scenario_fini(scenario);
    return err;
}

void scenario_fini(struct scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->ladder_count; i++)
        scenario_ladder_fini(&scenario->ladders[i]);
    for (uint32_t i = 0; i < scenario->tenant_count; i++) {
        free((void *)scenario->tenants[i].arrivals.trace);
        free((void *)scenario->tenants[i].arrivals.rows_list);
    }
    free(scenario->tenants);
    free(scenario->ladders);
    yaml_doc_free(scenario->doc);
    memset(scenario, 0, sizeof *scenario);
}

struct roost_node scenario_node_of(const struct scenario *scenario)
{
    const struct scenario_node *node = &scenario->node;
    return (struct roost_node){
        .knobs = node->knobs,
        .cores = (uint32_t)node->cores,
        .ways = (uint32_t)node->ways,
        .ways_min = node->ways > 0 ? (uint32_t)node->ways_min : 0,
        .closids = node->ways > 0 || node->bandwidth_bytes_per_s > 0 ? (uint32_t)node->closids : 0,
        .bandwidth_min = 10,
        .bandwidth_step = 10,
        .slice_min_ns = node->turn_ns > 0 ? SCHEDULE_SLICE_MIN_NS : 0,
        .slice_max_ns = node->turn_ns > 0 ? SCHEDULE_SLICE_MAX_NS : 0,
        .memory_bytes = node->memory_bytes,
    };
}

static void write_table(struct strbuf *out, const struct scenario_table *table)
{
    strbuf_printf(out, "\n### %s\n\n| key | what it says |\n|---|---|\n", table->title);
    for (size_t i = 0; i < table->count; i++)
        strbuf_printf(out, "| `%s`%s | %s |\n", table->fields[i].key,
                      table->fields[i].required ? " (required)" : "", table->fields[i].help);
}

void scenario_write_doc(struct strbuf *out)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        write_table(out, &tables[i]);
    write_table(out, &scenario_tenant_table);
    write_table(out, &scenario_arrivals_table);
    write_table(out, &scenario_variant_table);
    write_table(out, &scenario_service_table);
}
