/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that read a scenario: its parts, and small readers that several need. */
#ifndef ROOST_SIM_SCENARIO_INTERNAL_H
#define ROOST_SIM_SCENARIO_INTERNAL_H

#include "sim/scenario.h"

struct scenario_reader {
    struct scenario *scenario;
    struct yaml_errors *errors;
    bool no_memory;
};

/* A table of keys, read and documented. */
struct scenario_table {
    const char *title;
    const struct yaml_field *fields;
    size_t count;
};

extern const struct scenario_table scenario_variant_table, scenario_service_table;
extern const struct scenario_table scenario_tenant_table, scenario_arrivals_table;

size_t scenario_items(const struct yaml_node *list);

/* The n-th item of a list, or NULL. */
const struct yaml_node *scenario_item(const struct yaml_node *list, size_t n);

/* A scalar as a number or a duration; false after an error was added. */
bool scenario_number(struct scenario_reader *reader, const struct yaml_node *node, double minimum,
                     double *value);
bool scenario_duration(struct scenario_reader *reader, const struct yaml_node *node,
                       uint64_t *value_ns);

/* A list of lists of `width` items each, of which there are 1 to `most`; 0 after an error. */
size_t scenario_rows(struct scenario_reader *reader, const struct yaml_node *node, size_t width,
                     size_t most);

/* Reads a list of variants into the ladder. */
void scenario_read_ladder(struct scenario_reader *reader, const struct yaml_node *node,
                          struct scenario_ladder *ladder);
void scenario_ladder_fini(struct scenario_ladder *ladder);

void scenario_read_tenant(struct scenario_reader *reader, const struct yaml_node *node,
                          struct scenario_tenant *tenant);
void scenario_read_arrivals(struct scenario_reader *reader, const struct yaml_node *node,
                            struct arrivals_options *options, const char **trace_file);
void scenario_read_rows(struct scenario_reader *reader, const struct yaml_node *node,
                        struct scenario_tenant *tenant);

/* Index of the named ladder, or ROOST_NONE. */
uint32_t scenario_find_ladder(const struct scenario *scenario, const char *name);

#endif
