/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants and their arrivals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "sim/scenario_internal.h"

#define FIELD(type_, key_, where_, field_, ...)                                                    \
    {                                                                                              \
        .key = (key_), .type = (type_), .offset = offsetof(where_, field_), __VA_ARGS__            \
    }

static const uint64_t state_shortest_ns = NS_PER_MS;

static const char *const batching_names[] = {"auto", "on", "off", NULL};
static const char *const shed_names[] = {"deadline", "slo", "never", NULL};
static const char *const variation_names[] = {"none", "exponential", "lognormal", NULL};
static const char *const process_names[] = {"poisson", "constant", "trace", NULL};
static const char *const shape_names[] = {"steps", "lines", NULL};

struct tenant_keys {
    struct scenario_tenant tenant;
    const char *slo, *ladder, *variant;
    const struct yaml_node *variants, *arrivals, *rows;
};

static const struct yaml_field tenant_fields[] = {
    FIELD(YAML_T_STRING, "name", struct tenant_keys, tenant.name, .required = true,
          .help = "what reports call it"),
    FIELD(YAML_T_STRING, "slo", struct tenant_keys, slo,
          .help = "promise such as `p95 120 ms` (default: none)"),
    FIELD(YAML_T_DURATION, "deadline", struct tenant_keys, tenant.deadline_ns,
          .help = "after which a request is given up (default: 4 x SLO, else 30 s)"),
    FIELD(YAML_T_INT, "priority", struct tenant_keys, tenant.priority, .minimum = -100,
          .maximum = 100, .help = "for policies; higher is more important (default: 0)"),
    FIELD(YAML_T_INT, "share", struct tenant_keys, tenant.share, .minimum = 1, .maximum = 10000,
          .help = "configured share for fixed shares (default: as everybody)"),
    FIELD(YAML_T_DOUBLE, "accuracy_floor", struct tenant_keys, tenant.accuracy_floor, .minimum = 0,
          .maximum = 1, .help = "no variant below it may be chosen"),
    FIELD(YAML_T_INT, "workers", struct tenant_keys, tenant.workers, .minimum = 1, .maximum = 4096,
          .help = "workers at the start (default: 1)"),
    FIELD(YAML_T_INT, "workers_max", struct tenant_keys, tenant.workers_max, .minimum = 1,
          .maximum = 4096, .help = "most workers (default: the node's cores)"),
    FIELD(YAML_T_DOUBLE, "threads", struct tenant_keys, tenant.threads, .minimum = 1,
          .maximum = 4096, .help = "cores that one run can use (default: 1)"),
    FIELD(YAML_T_ENUM, "batching", struct tenant_keys, tenant.batching, .choices = batching_names,
          .help = "auto (by what was learnt), on or off (default: auto)"),
    FIELD(YAML_T_INT, "batch_max", struct tenant_keys, tenant.batch_max, .minimum = 1,
          .maximum = 65536, .help = "most rows of a batch (default: 64)"),
    FIELD(YAML_T_DURATION, "batch_delay", struct tenant_keys, tenant.batch_delay_ns,
          .help = "longest wait for companions (default: 0 ms)"),
    FIELD(YAML_T_INT, "queue_max", struct tenant_keys, tenant.queue_max, .minimum = 1,
          .maximum = 1000000, .help = "requests that may wait (default: 1024)"),
    FIELD(YAML_T_ENUM, "shed", struct tenant_keys, tenant.shed, .choices = shed_names,
          .help = "refuse what would miss the deadline, the slo, or never (default: deadline)"),
    FIELD(YAML_T_ENUM, "variation", struct tenant_keys, tenant.variation,
          .choices = variation_names, .help = "of service times (default: none)"),
    FIELD(YAML_T_DOUBLE, "variation_cv", struct tenant_keys, tenant.variation_cv, .minimum = 0,
          .maximum = 10, .help = "coefficient of variation of lognormal (default: 0.1)"),
    FIELD(YAML_T_STRING, "ladder", struct tenant_keys, ladder, .help = "name of a ladder, or"),
    FIELD(YAML_T_NODE, "variants", struct tenant_keys, variants, .help = "variants, best first"),
    FIELD(YAML_T_STRING, "variant", struct tenant_keys, variant,
          .help = "that serves at the start (default: the first)"),
    FIELD(YAML_T_NODE, "arrivals", struct tenant_keys, arrivals, .required = true,
          .help = "when requests come"),
    FIELD(YAML_T_NODE, "rows", struct tenant_keys, rows,
          .help = "of a request: a number, {mu, sigma, min, max} (lognormal) or {file} "
                  "(default: 1)"),
};
const struct scenario_table scenario_tenant_table = {"Keys of a tenant", tenant_fields,
                                                     sizeof tenant_fields / sizeof *tenant_fields};

struct arrivals_keys {
    int process, shape;
    double rate;
    const char *file;
    const struct yaml_node *states, *profile;
    uint64_t repeat_ns;
};

static const struct yaml_field arrivals_fields[] = {
    FIELD(YAML_T_ENUM, "process", struct arrivals_keys, process, .choices = process_names,
          .help = "poisson, constant or trace (default: poisson)"),
    FIELD(YAML_T_DOUBLE, "rate", struct arrivals_keys, rate, .minimum = 0, .maximum = 1e7,
          .help = "requests per second"),
    FIELD(YAML_T_NODE, "states", struct arrivals_keys, states,
          .help = "bursts: list of [factor, mean length]; factors are scaled to a mean of 1"),
    FIELD(YAML_T_NODE, "profile", struct arrivals_keys, profile,
          .help = "list of [time, factor], the first at 0 s"),
    FIELD(YAML_T_ENUM, "shape", struct arrivals_keys, shape, .choices = shape_names,
          .help = "of the profile: steps or lines (default: steps)"),
    FIELD(YAML_T_DURATION, "repeat", struct arrivals_keys, repeat_ns,
          .help = "the profile begins anew after this time"),
    FIELD(YAML_T_STRING, "file", struct arrivals_keys, file,
          .help = "trace: a time in seconds and perhaps a number of rows per line"),
};
const struct scenario_table scenario_arrivals_table = {
    "Keys of `arrivals`", arrivals_fields, sizeof arrivals_fields / sizeof *arrivals_fields};

static void read_states(struct scenario_reader *reader, const struct yaml_node *node,
                        struct arrivals_options *options)
{
    size_t count = scenario_rows(reader, node, 2, ARRIVALS_STATES_MAX);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *pair = scenario_item(node, i);
        struct arrivals_state *state = &options->states[i];
        if (!scenario_number(reader, pair->child, 0, &state->factor) ||
            !scenario_duration(reader, pair->child->next, &state->mean_ns))
            return;
        sum += state->factor;
        if (state->mean_ns < state_shortest_ns) {
            yaml_error(reader->errors, pair, "a state lasts at least 1 ms");
            return;
        }
    }
    if (count > 0 && sum <= 0)
        yaml_error(reader->errors, node, "at least one factor is above 0");
    options->state_count = (uint32_t)count;
}

static void read_profile(struct scenario_reader *reader, const struct yaml_node *node,
                         struct arrivals_options *options)
{
    size_t count = scenario_rows(reader, node, 2, ARRIVALS_POINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *pair = scenario_item(node, i);
        struct arrivals_point *point = &options->points[i];
        if (!scenario_duration(reader, pair->child, &point->at_ns) ||
            !scenario_number(reader, pair->child->next, 0, &point->factor))
            return;
        if (i == 0 ? point->at_ns != 0 : point->at_ns <= point[-1].at_ns) {
            yaml_error(reader->errors, pair, "times ascend from 0 s");
            return;
        }
        if (options->repeat_ns > 0 && point->at_ns >= options->repeat_ns) {
            yaml_error(reader->errors, pair, "lies beyond the time after which it repeats");
            return;
        }
    }
    options->point_count = (uint32_t)count;
}

void scenario_read_arrivals(struct scenario_reader *reader, const struct yaml_node *node,
                            struct arrivals_options *options, const char **trace_file)
{
    struct arrivals_keys keys = {.rate = -1};
    yaml_read_map(node, arrivals_fields, scenario_arrivals_table.count, &keys, reader->errors);
    options->process = keys.process;
    options->shape = keys.shape;
    options->repeat_ns = keys.repeat_ns;
    options->rate_per_s = keys.rate > 0 ? keys.rate : 0;
    *trace_file = keys.file;
    bool trace = keys.process == ARRIVALS_TRACE;
    if (trace != (keys.file != NULL))
        yaml_error(reader->errors, node, "a trace needs a file, and nothing else has one");
    if (trace && (keys.states != NULL || keys.profile != NULL || keys.rate >= 0))
        yaml_error(reader->errors, node, "a trace has its own rate");
    if (!trace && yaml_get(node, "rate") == NULL)
        yaml_error(reader->errors, node, "the key \"rate\" is missing");
    if (keys.states != NULL)
        read_states(reader, keys.states, options);
    if (keys.profile != NULL)
        read_profile(reader, keys.profile, options);
}

struct rows_keys {
    double mu, sigma;
    int64_t minimum, maximum;
    const char *file;
};

static const struct yaml_field rows_fields[] = {
    FIELD(YAML_T_DOUBLE, "mu", struct rows_keys, mu, .minimum = 0, .maximum = 11),
    FIELD(YAML_T_DOUBLE, "sigma", struct rows_keys, sigma, .minimum = 1e-6, .maximum = 5),
    FIELD(YAML_T_INT, "min", struct rows_keys, minimum, .minimum = 1, .maximum = ARRIVALS_ROWS_MAX),
    FIELD(YAML_T_INT, "max", struct rows_keys, maximum, .minimum = 1, .maximum = ARRIVALS_ROWS_MAX),
    {.key = "file", .type = YAML_T_STRING, .offset = offsetof(struct rows_keys, file)},
};

void scenario_read_rows(struct scenario_reader *reader, const struct yaml_node *node,
                        struct scenario_tenant *tenant)
{
    struct arrivals_options *options = &tenant->arrivals;
    double rows;
    if (node->kind == YAML_SCALAR) {
        if (!scenario_number(reader, node, 1, &rows))
            return;
        if (rows > ARRIVALS_ROWS_MAX || rows > floor(rows))
            yaml_error(reader->errors, node, "must be a whole number up to %d", ARRIVALS_ROWS_MAX);
        else
            options->rows_min = options->rows_max = (uint32_t)rows;
        return;
    }
    struct rows_keys keys = {.minimum = 1, .maximum = 1024};
    yaml_read_map(node, rows_fields, sizeof rows_fields / sizeof *rows_fields, &keys,
                  reader->errors);
    if ((keys.file != NULL) == (keys.sigma > 0))
        yaml_error(reader->errors, node, "needs mu and sigma, or a file");
    if (keys.minimum > keys.maximum)
        yaml_error(reader->errors, node, "min is above max");
    tenant->rows_file = keys.file;
    options->mu = keys.mu;
    options->sigma = keys.sigma;
    options->rows_min = (uint32_t)keys.minimum;
    options->rows_max = (uint32_t)keys.maximum;
}

/* "p95 120 ms" */
static void read_slo(struct scenario_reader *reader, const struct yaml_node *node,
                     struct scenario_tenant *tenant)
{
    char percentile[16];
    const char *text = node->text;
    size_t length = strcspn(text, " ");
    bool good = text[0] == 'p' && length > 1 && length < sizeof percentile;
    if (good) {
        memcpy(percentile, text + 1, length - 1);
        percentile[length - 1] = '\0';
        good = number_parse_double(percentile, &tenant->slo_percentile) == 0 &&
               tenant->slo_percentile > 0 && tenant->slo_percentile < 100 &&
               duration_parse(text + length + strspn(text + length, " "), &tenant->slo_ns) == 0 &&
               tenant->slo_ns > 0;
    }
    if (!good)
        yaml_error(reader->errors, node, "must look like \"p95 120 ms\", not \"%.60s\"", text);
}

uint32_t scenario_find_ladder(const struct scenario *scenario, const char *name)
{
    for (uint32_t i = 0; i < scenario->ladder_count; i++) {
        const char *other = scenario->ladders[i].name;
        if (other != NULL && strcmp(other, name) == 0)
            return i;
    }
    return ROOST_NONE;
}

static void read_variants(struct scenario_reader *reader, const struct yaml_node *node,
                          const struct tenant_keys *keys, struct scenario_tenant *tenant)
{
    struct scenario *scenario = reader->scenario;
    if ((keys->ladder != NULL) == (keys->variants != NULL)) {
        yaml_error(reader->errors, node, "needs either a ladder or variants");
        return;
    }
    if (keys->ladder != NULL) {
        tenant->ladder = scenario_find_ladder(scenario, keys->ladder);
        if (tenant->ladder == ROOST_NONE)
            yaml_error(reader->errors, yaml_get(node, "ladder"), "there is no ladder \"%.60s\"",
                       keys->ladder);
    } else {
        tenant->ladder = scenario->ladder_count++;
        scenario_read_ladder(reader, keys->variants, &scenario->ladders[tenant->ladder]);
    }
    if (tenant->ladder == ROOST_NONE || keys->variant == NULL)
        return;
    const struct scenario_ladder *ladder = &scenario->ladders[tenant->ladder];
    while (tenant->variant < ladder->variant_count &&
           strcmp(ladder->variants[tenant->variant].name, keys->variant) != 0)
        tenant->variant++;
    if (tenant->variant >= ladder->variant_count)
        yaml_error(reader->errors, yaml_get(node, "variant"), "there is no variant \"%.60s\"",
                   keys->variant);
}

void scenario_read_tenant(struct scenario_reader *reader, const struct yaml_node *node,
                          struct scenario_tenant *tenant)
{
    struct tenant_keys keys = {.tenant = {.workers = 1,
                                          .threads = 1,
                                          .batch_max = 64,
                                          .queue_max = 1024,
                                          .variation_cv = 0.1,
                                          .arrivals = {.rows_min = 1, .rows_max = 1}}};
    yaml_read_map(node, tenant_fields, scenario_tenant_table.count, &keys, reader->errors);
    *tenant = keys.tenant;
    tenant->place = node;
    tenant->name = tenant->name != NULL ? tenant->name : "";
    if (node->kind != YAML_MAP)
        return;
    int64_t cores = reader->scenario->node.cores;
    if (tenant->workers_max == 0)
        tenant->workers_max = tenant->workers > cores ? tenant->workers : cores;
    if (tenant->workers > tenant->workers_max)
        yaml_error(reader->errors, yaml_get(node, "workers"), "is above workers_max");
    if (keys.slo != NULL)
        read_slo(reader, yaml_get(node, "slo"), tenant);
    if (tenant->deadline_ns == 0)
        tenant->deadline_ns = tenant->slo_ns > 0 ? 4 * tenant->slo_ns : 30 * NS_PER_S;
    if (keys.arrivals != NULL)
        scenario_read_arrivals(reader, keys.arrivals, &tenant->arrivals, &tenant->trace_file);
    if (keys.rows != NULL)
        scenario_read_rows(reader, keys.rows, tenant);
    read_variants(reader, node, &keys, tenant);
}
