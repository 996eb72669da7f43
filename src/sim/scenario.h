/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario: a node, tenants with arrivals, service times and promises, and for how long. Read
 * from YAML with all mistakes told at once; docs/sim.md lists the keys. Plain data that the
 * simulator reads and never writes. One thread while it is read, any after.
 */
#ifndef ROOST_SIM_SCENARIO_H
#define ROOST_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"
#include "roost/policy.h"
#include "sim/arrivals.h"
#include "sim/service.h"

enum { SCENARIO_TENANTS_MAX = 256, SCENARIO_LADDERS_MAX = 64, SCENARIO_BYTES_MAX = 16 << 20 };
enum { SCENARIO_NOISE_MAX = 256, SCENARIO_TURN_CORES_MAX = 256 };

enum scenario_switch {
    SCENARIO_OVERLAP, /* the next host is started beside the serving one */
    SCENARIO_STALL,   /* the serving one is stopped first, and requests wait */
};

/* Which variants' hosts stand by from the start, besides those that served before. */
enum scenario_standby { SCENARIO_STANDBY_NONE, SCENARIO_STANDBY_CHEAPEST, SCENARIO_STANDBY_ALL };

enum scenario_batching { SCENARIO_BATCH_AUTO, SCENARIO_BATCH_ON, SCENARIO_BATCH_OFF };
enum scenario_shed { SCENARIO_SHED_DEADLINE, SCENARIO_SHED_SLO, SCENARIO_SHED_NEVER };
enum scenario_variation { SCENARIO_STEADY, SCENARIO_EXPONENTIAL, SCENARIO_LOGNORMAL };

struct scenario_variant {
    const char *name;
    double accuracy;       /* < 0: not declared */
    double mflops;         /* declared; 0: unknown */
    double flops;          /* counted, per row; 0: unknown */
    uint64_t memory_bytes; /* of a host */
    uint64_t start_ns;     /* CPU time from cold to answering */
    struct service_model service;
    uint32_t load_workers, load_ways; /* profile for policies; 0: none */
    float *load_per_s;
};

struct scenario_ladder {
    const char *name; /* NULL: a tenant's own */
    uint32_t variant_count;
    struct scenario_variant *variants; /* best first */
};

struct scenario_tenant {
    const char *name;
    double slo_percentile; /* 0: no SLO */
    uint64_t slo_ns;
    uint64_t deadline_ns; /* 0: 4 x SLO, or 30 s without one */
    int64_t priority, share;
    double accuracy_floor;
    int64_t workers, workers_max; /* workers_max 0: as many as cores */
    double threads;               /* of one worker's operators */
    int batching, shed;
    int64_t batch_max, queue_max;
    uint64_t batch_delay_ns;
    int variation; /* of service times, drawn per request */
    double variation_cv;
    uint32_t ladder;
    uint32_t variant; /* at the start */
    struct arrivals_options arrivals;
    const char *trace_file, *rows_file; /* NULL: none */
    const struct yaml_node *place;      /* for messages */
};

struct scenario_node {
    int64_t cores, ways, ways_min, closids;
    double bandwidth_bytes_per_s; /* 0: no limit */
    uint64_t memory_bytes;        /* 0: no limit */
    double gflops;                /* of a core, for variants that only say their FLOPs */
    uint32_t knobs;               /* of enum roost_knob */
    int standby, switching;       /* enums above */
    uint64_t switch_ns;           /* from decided to done where the host stands by */
    uint64_t stall_ns;
    uint64_t turn_ns; /* between the ticks of cores one by one; 0: divided as a whole */
    double noise[SCENARIO_NOISE_MAX]; /* of runs' work; one is drawn for each noise_ns */
    uint32_t noise_count;             /* 0: none */
    uint64_t noise_ns;
};

/* Work of a thread that every request passes; 0: none. It finds its caches used by others after a
 * sleep: a wake-up after `slept` costs wake * (1 - exp(-slept / cooling)) more. */
struct scenario_thread {
    uint64_t request_ns, answer_ns, wake_ns, cooling_ns;
};

struct scenario {
    const char *name;
    uint64_t duration_ns, warmup_ns, tick_ns, window_ns, window_min_ns;
    uint64_t sample_ns; /* between points of the time lines; 0: 300 points */
    struct scenario_node node;
    struct scenario_thread network, generator; /* on the tenants' cores */
    uint32_t tenant_count, ladder_count;
    struct scenario_tenant *tenants;
    struct scenario_ladder *ladders;
    struct yaml_doc *doc; /* owns all texts */
};

/* Reads the text. OK, or INVALID or NO_MEMORY with every mistake in `errors`; the scenario is then
 * empty. Files that it names are not read yet. */
enum roost_err scenario_parse(const char *text, size_t length, struct yaml_errors *errors,
                              struct scenario *scenario);

/* The same from a file, with the files that it names (relative to its directory). */
enum roost_err scenario_read(const char *path, struct yaml_errors *errors,
                             struct scenario *scenario);

void scenario_fini(struct scenario *scenario);

/* The node as policies see it. */
struct roost_node scenario_node_of(const struct scenario *scenario);

/* All keys in Markdown: what docs/sim.md holds. */
struct strbuf;
void scenario_write_doc(struct strbuf *out);

#endif
