/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine, or the container that we run in, has and can divide. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/options.h"
#include "cli/commands.h"
#include "node/knob.h"
#include "node/limits.h"
#include "node/topology.h"

struct node_options {
    bool json;
};

static const struct option node_table[] = {
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct node_options, json),
     .help = "print as JSON"},
};
static const size_t node_option_count = sizeof node_table / sizeof *node_table;

struct node {
    struct node_limits limits;
    struct topology topology;
    struct knobs *knobs;
};

void cmd_node_help(void)
{
    options_help(node_table, node_option_count, stdout);
}

/* ---- JSON ----------------------------------------------------------------------------- */

static void json_topology(struct json_writer *w, const struct topology *topology)
{
    json_key(w, "topology");
    json_begin_object(w);
    json_field_uint(w, "cpus", topology->cpu_count);
    json_field_uint(w, "cores", topology->core_count);
    json_field_uint(w, "l2_caches", topology->l2_count);
    json_field_uint(w, "l2_bytes", topology->l2_bytes);
    json_field_uint(w, "l3_caches", topology->l3_count);
    json_field_uint(w, "l3_bytes", topology->l3_bytes);
    json_field_uint(w, "memory_nodes", topology->numa_count);
    json_key(w, "each");
    json_begin_array(w);
    for (unsigned i = 0; i < topology->cpu_count; i++) {
        const struct topology_cpu *cpu = &topology->cpus[i];
        json_begin_object(w);
        json_field_uint(w, "cpu", cpu->cpu);
        json_field_uint(w, "core", cpu->core);
        json_field_uint(w, "l2", cpu->l2);
        json_field_uint(w, "l3", cpu->l3);
        json_field_uint(w, "memory_node", cpu->numa);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void json_limits(struct json_writer *w, const struct node_limits *limits)
{
    json_key(w, "limits");
    json_begin_object(w);
    json_field_uint(w, "cpus", limits->cpu_count);
    json_field_string(w, "cpus_by", limits->cpu_source);
    json_field_double(w, "quota_cores", limits->cpu_quota_cores);
    json_field_uint(w, "memory_bytes", limits->memory_bytes);
    json_field_string(w, "memory_by", limits->memory_source);
    json_end_object(w);
}

static void json_ranges(struct json_writer *w, const struct knobs *knobs)
{
    const struct knob_ranges *ranges = knobs_ranges(knobs);
    json_key(w, "ranges");
    json_begin_object(w);
    if (knobs_report(knobs, KNOB_SLICE)->available) {
        json_field_uint(w, "slice_min_ns", ranges->slice_min_ns);
        json_field_uint(w, "slice_max_ns", ranges->slice_max_ns);
    }
    if (knobs_report(knobs, KNOB_WAYS)->available) {
        json_field_uint(w, "ways", ranges->ways);
        json_field_uint(w, "ways_min", ranges->ways_min);
        json_field_uint(w, "ways_shareable",
                        (unsigned)__builtin_popcountll(ranges->ways_shareable_mask));
    }
    if (knobs_report(knobs, KNOB_BANDWIDTH)->available) {
        json_field_uint(w, "bandwidth_min", ranges->bandwidth_min);
        json_field_uint(w, "bandwidth_step", ranges->bandwidth_step);
    }
    json_field_uint(w, "groups", ranges->groups);
    json_end_object(w);
}

static enum roost_err node_print_json(const struct node *node, struct detail *detail)
{
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_topology(&w, &node->topology);
    json_limits(&w, &node->limits);
    json_key(&w, "knobs");
    json_begin_array(&w);
    for (unsigned kind = 0; kind < KNOB_KINDS; kind++) {
        const struct knob_report *report = knobs_report(node->knobs, (enum knob_kind)kind);
        json_begin_object(&w);
        json_field_string(&w, "name", knob_name((enum knob_kind)kind));
        json_field_string(&w, "what", knob_summary((enum knob_kind)kind));
        json_field_bool(&w, "available", report->available);
        json_field_string(&w, report->available ? "how" : "reason", report->text);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_ranges(&w, node->knobs);
    json_end_object(&w);
    enum roost_err err = out.failed ? detail_set(detail, ROOST_NO_MEMORY, "out of memory")
                                    : ROOST_OK;
    if (err == ROOST_OK) {
        puts(strbuf_text(&out));
    }
    strbuf_fini(&out);
    return err;
}

/* ---- text ----------------------------------------------------------------------------- */

static void cache_print(const char *name, unsigned count, uint64_t bytes)
{
    if (bytes > 0) {
        printf(", %u %s of %" PRIu64 " KiB", count, name, bytes >> 10);
    } else {
        printf(", %u %s", count, name);
    }
}

static void node_print(const struct node *node)
{
    const struct topology *topology = &node->topology;
    const struct node_limits *limits = &node->limits;
    printf("topology   %u CPUs on %u cores", topology->cpu_count, topology->core_count);
    cache_print("L2", topology->l2_count, topology->l2_bytes);
    cache_print("L3", topology->l3_count, topology->l3_bytes);
    printf(", %u memory nodes\n", topology->numa_count);
    printf("cores      %u, by %s", limits->cpu_count, limits->cpu_source);
    if (limits->cpu_quota_cores > 0) {
        printf(", quota %.1f cores", limits->cpu_quota_cores);
    }
    printf("\nmemory     %" PRIu64 " MiB, by %s\n\n", limits->memory_bytes >> 20,
           limits->memory_source);
    printf("%-10s %-4s %s\n", "KNOB", "HERE", "HOW, OR WHY NOT");
    for (unsigned kind = 0; kind < KNOB_KINDS; kind++) {
        const struct knob_report *report = knobs_report(node->knobs, (enum knob_kind)kind);
        printf("%-10s %-4s %s\n", knob_name((enum knob_kind)kind), report->available ? "yes" : "no",
               report->text);
    }
}

static enum roost_err node_show(struct node *node, bool json, struct detail *detail)
{
    const struct knob_options options = {.root = "/"};
    enum roost_err err = topology_read(NULL, &node->topology, detail);
    if (err == ROOST_OK) {
        err = node_limits_read("/", &node->limits, detail);
    }
    if (err == ROOST_OK) {
        err = knobs_open(&options, &node->knobs, detail);
    }
    if (err == ROOST_OK && json) {
        err = node_print_json(node, detail);
    } else if (err == ROOST_OK) {
        node_print(node);
    }
    knobs_close(node->knobs);
    return err;
}

int cmd_node(int argc, char **argv)
{
    struct node_options options = {0};
    struct detail detail = {""};
    int first;
    enum roost_err err = options_parse(node_table, node_option_count, argc, argv, &options, &first,
                                       &detail);
    if (err == ROOST_OK && first < argc) {
        err = detail_set(&detail, ROOST_INVALID, "unexpected argument '%s'", argv[first]);
    }
    if (err == ROOST_OK) {
        struct node *node = calloc(1, sizeof *node);
        err = node != NULL ? node_show(node, options.json, &detail)
                           : detail_set(&detail, ROOST_NO_MEMORY, "out of memory");
        free(node);
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "roost node: %s\n", detail.text);
    }
    return roost_err_exit_code(err);
}
