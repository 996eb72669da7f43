/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between Roost and a policy: what a policy sees (the view), what it answers (the
 * plan), and the table of functions that makes it a policy.
 *
 * A policy is a pure function. It reads the view and its own state, and writes the plan and its
 * own state; it has no clock, no I/O, no lock, no memory of its own and no variable outside its
 * state. Time and the seed come in the view. That is why the same object drives a live node and
 * a simulated one, and why a log of views is enough to get the same plans again, byte for byte.
 *
 * Who calls: one thread at a time per state. Everything that a view or a plan points to belongs
 * to the caller and is valid until `decide` returns.
 *
 * Units: times and durations in nanoseconds on a monotonic clock, CPU in slots of a tenth of a
 * core, accuracies as fractions. "Unknown" is 0 where 0 is no value that could be measured, and
 * negative for an accuracy. An index that means "none" is ROOST_NONE.
 */
#ifndef ROOST_POLICY_H
#define ROOST_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roost/err.h"

struct detail; /* base/detail.h: the reason that a person reads */
struct option; /* base/options.h: one row of a table of options */

#define ROOST_NONE UINT32_MAX

enum {
    ROOST_POLICY_CONTRACT = 1, /* counts up when a policy has to be compiled and read again */
    ROOST_SLOTS_PER_CORE = 10,
    ROOST_VARIANTS_MAX = 32, /* of one tenant */
    ROOST_CURVE_POINTS = 16, /* of one variant's service times */
    ROOST_WEIGHT_MIN = 1,    /* weights are those of cgroup v2's cpu.weight */
    ROOST_WEIGHT_MAX = 10000,
    ROOST_WEIGHT_DEFAULT = 100,
    ROOST_BANDWIDTH_FULL = 100, /* percent */
};

/* What the node can do: a knob that is absent here must keep its value in every plan. */
enum roost_knob {
    ROOST_KNOB_WEIGHT = 1u << 0,    /* shared mode by weight */
    ROOST_KNOB_CORES = 1u << 1,     /* exclusive mode, whole cores */
    ROOST_KNOB_QUOTA = 1u << 2,     /* exclusive mode, tenths of a core */
    ROOST_KNOB_WORKERS = 1u << 3,   /* how many of a host's workers take batches */
    ROOST_KNOB_SLICE = 1u << 4,     /* the scheduler's slice in ns */
    ROOST_KNOB_CLASS = 1u << 5,     /* the scheduler's class */
    ROOST_KNOB_WAYS = 1u << 6,      /* ways of the last-level cache */
    ROOST_KNOB_BANDWIDTH = 1u << 7, /* memory bandwidth */
    ROOST_KNOB_BATCH = 1u << 8,
    ROOST_KNOB_VARIANT = 1u << 9,
    ROOST_KNOB_SHED = 1u << 10,
};

struct roost_node {
    uint32_t knobs;          /* of enum roost_knob */
    uint32_t cores;          /* that tenants may use */
    uint32_t ways;           /* that may be divided */
    uint32_t ways_min;       /* the least that one class of service may hold */
    uint32_t closids;        /* classes of service to give away, the default class not counted */
    uint32_t bandwidth_min;  /* percent */
    uint32_t bandwidth_step; /* percent */
    uint64_t slice_min_ns, slice_max_ns;
    uint64_t memory_bytes; /* that all hosts may hold together; 0: unknown */
};

enum roost_mode {
    ROOST_SHARED,    /* all cores that no one holds exclusively, by weight, work-conserving */
    ROOST_EXCLUSIVE, /* `slots` and no more; whole cores are pinned */
};

enum roost_class {
    ROOST_CLASS_NORMAL,
    ROOST_CLASS_IDLE, /* runs only when no tenant of the normal class wants the core */
};

/* What may be refused on arrival. A hint that is only allowed where the tenant sheds at all. */
enum roost_shed {
    ROOST_SHED_CONFIGURED, /* as the tenant's configuration says */
    ROOST_SHED_SLO,        /* whatever is predicted to be answered later than the SLO's time */
};

/* What one tenant holds. */
struct roost_grant {
    uint32_t mode;        /* enum roost_mode */
    uint32_t weight;      /* SHARED: ROOST_WEIGHT_MIN to ROOST_WEIGHT_MAX; EXCLUSIVE: kept */
    uint32_t slots;       /* EXCLUSIVE: >= 1; SHARED: 0 */
    uint32_t workers;     /* 1 to the tenant's workers_max */
    uint32_t sched_class; /* enum roost_class */
    uint32_t ways;        /* held alone; 0: in the default class with all others that hold none */
    uint32_t bandwidth;   /* percent, a multiple of the node's step; ROOST_BANDWIDTH_FULL: free */
    uint32_t batch_rows;  /* largest batch to form; 0: the tenant's own limit */
    uint32_t variant;     /* index into the tenant's variants */
    uint32_t shed;        /* enum roost_shed */
    uint64_t slice_ns;    /* 0: the scheduler's default */
};

enum roost_variant_state {
    ROOST_VARIANT_COLD,     /* a switch starts a host first: start_ns */
    ROOST_VARIANT_STARTING, /* a host of it is being started now */
    ROOST_VARIANT_WARM,     /* a host stands by */
    ROOST_VARIANT_SERVING,
    ROOST_VARIANT_FAILED, /* could not be loaded lately; not to be chosen while it says so */
};

/* Service time of batches of about this size, for one worker. */
struct roost_curve_point {
    uint64_t samples;
    double rows_mean;
    double ns_mean;     /* from the start of the run to its end, as the neighbours let it */
    double cpu_ns_mean; /* CPU time in the run; 0: unknown */
};

struct roost_variant {
    const char *name;
    double accuracy;        /* 0 to 1; < 0: not declared */
    double mflops_declared; /* per row, as the configuration says; 0: unknown */
    double flops_counted;   /* per row, counted in the graph; 0: unknown */
    double cpu_ns_per_row;  /* measured over everything it served lately; 0: unknown */
    uint64_t memory_bytes;  /* of a host of it; 0: unknown */
    uint64_t start_ns;      /* expected from cold to answering; 0: unknown */
    uint32_t state;         /* enum roost_variant_state */
    uint32_t point_count;   /* of the points below, which ascend in rows_mean */
    struct roost_curve_point points[ROOST_CURVE_POINTS];
    /* (optional) Profile: requests per second within the SLO when alone, for 1.. workers and
     * 1.. ways: load_per_s[(workers - 1) * load_ways + ways - 1]. Never falls with ways. */
    uint32_t load_workers, load_ways; /* 0: none */
    const float *load_per_s;
};

/* What happened to a tenant in its sliding window, which is long enough for its rate. */
struct roost_window {
    uint64_t length_ns;           /* time that the window covers */
    uint64_t arrivals;            /* requests, refused ones included */
    uint64_t rows;                /* of all arrivals */
    uint64_t batches, batch_rows; /* formed */
    uint64_t completions;         /* answered with outputs */
    uint64_t refusals;            /* turned away on arrival */
    uint64_t errors;     /* answered with anything else but outputs, refusals not counted */
    uint64_t slo_misses; /* late answers, errors, refusals, and those queued and already late */
    double abs_rows;     /* ABS: rows per arrival; 0 without arrivals */
    double aat_ns;       /* AAT: mean time between arrivals; 0 without arrivals */
    double attainment;   /* share within the SLO of all that were due; 1 without any */
    uint64_t latency_samples;
    uint64_t latency_p50_ns, latency_p95_ns, latency_p99_ns; /* 0 without samples */
    uint64_t latency_slo_ns;                                 /* at the SLO's percentile */
    uint64_t busy_ns;                                        /* workers' time inside runs */
    /* CPU time inside those runs, not of all that hosts do; 0: not measured. The server counts the
     * workers' own threads: what helps them in a run (`threads` > 1) is not in it. */
    uint64_t cpu_ns;
};

/* The same, short: since the previous tick only. */
struct roost_recent {
    uint64_t length_ns;
    uint64_t arrivals, rows, completions, slo_misses;
    uint64_t busy_ns, cpu_ns;
};

struct roost_queue {
    uint64_t requests, rows; /* waiting now */
    uint64_t head_age_ns;    /* of the one that has waited longest */
    uint64_t late;           /* waiting and already past the SLO's time */
};

struct roost_tenant {
    uint32_t id; /* never used again for another tenant, and not an index */
    const char *name;
    double slo_percentile; /* 95: p95; 0: no SLO, best effort */
    uint64_t slo_ns;       /* 0: no SLO */
    uint64_t deadline_ns;
    int32_t priority;          /* higher is more important; 0 is usual */
    double accuracy_floor;     /* no variant below it may be chosen; 0: none */
    uint32_t share_configured; /* for fixed shares, relative; 0: as everybody */
    uint32_t workers_max;
    uint32_t threads;        /* of one worker: cores that a run can keep busy; 0: 1 */
    uint32_t batch_rows_max; /* the tenant's own limit; 1: never batched */
    uint32_t shed_allowed;   /* 0: must not be shed */
    uint32_t serving;        /* variant that answers now; not grant.variant while switching */
    uint32_t variant_count;
    const struct roost_variant *variants; /* as configured, best first */
    struct roost_grant grant;             /* in force; its variant is what was last asked for */
    uint64_t since_change_ns;             /* since its grant last changed and took effect */
    uint64_t since_switch_ns;             /* since the variant last changed and took effect */
    uint64_t resident_bytes;              /* of its hosts, its share of input memory included */
    struct roost_queue queue;
    struct roost_window window;
    struct roost_recent recent;
};

struct roost_view {
    uint64_t seed;    /* the same all the run long */
    uint64_t tick;    /* counts up by one */
    uint64_t now_ns;  /* may jump; never to be trusted for more than what it is */
    uint64_t tick_ns; /* intended time between ticks */
    uint64_t
        memory_free_bytes; /* for new hosts, standby ones counted as free; UINT64_MAX: unknown */
    uint64_t other_cpu_ns; /* used on the tenants' cores by all but hosts, over other_length_ns */
    uint64_t other_length_ns;
    struct roost_node node;
    uint32_t tenant_count;
    const struct roost_tenant *tenants;
};

enum roost_resource { ROOST_CORES, ROOST_WAYS, ROOST_BANDWIDTH, ROOST_RESOURCES };

/*
 * Why: symbol, name in logs and metrics, sentence. In the sentence %0 to %3 stand for the
 * reason's values and %o for the name of the other tenant; a letter after the digit says how a
 * value reads: m milliseconds from ns, p percent from a fraction, n a plain number, r a resource
 * (enum roost_resource), v the name of the tenant's variant with that index.
 */
#define ROOST_REASON_TABLE(X)                                                                      \
    X(NONE, "none", "unchanged")                                                                   \
    X(INITIAL, "initial", "initial share: %0n of %1n")                                             \
    X(CONFIGURED, "configured", "configured share: %0n of %1n")                                    \
    X(HEAVIEST, "heaviest", "%o misses its SLO (%0p of it) and this tenant uses most: RUS %1n")    \
    X(HEADROOM, "headroom", "well inside every SLO for %0n ticks; predicted %1p of the SLO")       \
    X(UNDO, "undo", "the last upgrade led to a miss (%0p of the SLO); next try after %1n ticks")   \
    X(NOTHING_CHEAPER, "nothing_cheaper", "%o misses its SLO and no cheaper variant is left")      \
    X(GAINED, "gained", "missed its SLO (%0p of it): gained %1r from %o")                          \
    X(GAVE, "gave", "gave %1r to %o, which is at %0p of its SLO")                                  \
    X(TRIED, "tried", "slack of %0p: gave %1r back, to see if it is needed")                       \
    X(RETURNED, "returned", "at %0p of its SLO since it gave %1r back: taken again")               \
    X(TABLE, "table", "%0n requests/s need %1n workers by the profile")                            \
    X(WAYS, "ways", "best division of the ways by the profile: predicted %0p of the load")         \
    X(SAMPLE, "sample", "sample %0n of the search; best score so far %1n")                         \
    X(BEST, "best", "search ended after %0n samples at score %1n")                                 \
    X(PREDICTED, "predicted", "load of %0n rows/s would be at %1p of the SLO with %2v; now %3p")   \
    X(RESTORED, "restored", "load of %0n rows/s leaves %1p of the SLO with %2v")                   \
    X(FITTED, "fitted", "predicted to need %0p of the node at %1n rows/s")                         \
    X(SLICED, "sliced", "runs of %0m beside runs of %1m: shorter turns")                           \
    X(OVERLOADED, "overloaded", "needs %0p of the node with the cheapest variants: early refusal") \
    X(RELIEVED, "relieved", "needs %0p of the node: no early refusal")                             \
    X(MIGRATE, "migrate", "missed its SLO for %0m: should move to another node")                   \
    X(MODE, "mode", "this policy works with another mode of sharing")                              \
    X(FLOOR, "floor", "below its accuracy floor of %0p")                                           \
    X(FALLBACK, "fallback", "the policy failed %0n times in a row")                                \
    X(MANUAL, "manual", "asked for by hand")                                                       \
    X(RECOVERY, "recovery", "%2v could not be started")                                            \
    X(BACKLOG, "backlog", "late, and whoever waits has waited for %0p of the SLO: early refusal")

enum roost_reason_code {
#define ROOST_REASON_ENUM(symbol, name, text) ROOST_REASON_##symbol,
    ROOST_REASON_TABLE(ROOST_REASON_ENUM)
#undef ROOST_REASON_ENUM
        ROOST_REASON_COUNT
};

enum { ROOST_REASON_VALUES = 4 };

struct roost_reason {
    uint32_t code;  /* enum roost_reason_code */
    uint32_t other; /* index of another tenant in the view, or ROOST_NONE */
    double values[ROOST_REASON_VALUES];
};

/* What a policy answers for one tenant. */
struct roost_plan_tenant {
    uint32_t id; /* as in the view; not to be written */
    struct roost_grant grant;
    /* Variant likely to be asked for next, to be kept warm while memory allows; ROOST_NONE: as the
     * manager sees fit. Only a wish. */
    uint32_t standby;
    struct roost_reason reason; /* a grant that changes must have one; others may */
};

enum roost_plan_flag {
    ROOST_PLAN_OVERLOADED = 1u << 0, /* nothing that this policy can do carries the load */
    ROOST_PLAN_SETTLED = 1u << 1,    /* a search has ended; for reports only */
};

/*
 * Arrives with the grants in force, no reasons and no flags: to change nothing is always valid.
 * While a tenant switches, its variant may stay (the switch goes on) or be set back to the one
 * that serves (the switch is called off), and nothing else.
 */
struct roost_plan {
    uint32_t flags;                    /* enum roost_plan_flag */
    uint32_t tenant_count;             /* the view's; not to be written */
    struct roost_plan_tenant *tenants; /* in the view's order */
};

/*
 * A policy. Tables are `static const`. A state is plain bytes without pointers into itself or to
 * anything else: a copy of it, at another address or in another process, is as good.
 */
struct roost_policy {
    uint32_t contract; /* ROOST_POLICY_CONTRACT */
    const char *name;
    const char *summary; /* one line */
    const char *version; /* of the algorithm: a log made with another one is not replayed */

    /* Largest instance accepted; 0: no limit of its own. The runner refuses beyond it, by name. */
    uint32_t tenants_max, ways_max;

    /*
     * 0: on the tick; the plan is applied before the next tick. N: beside the ticks; the plan for
     * the view of tick t is applied at the beginning of tick t + N, before that tick's view is
     * gathered, however soon it was ready; until then the policy is not called. A tenant that has
     * gone meanwhile is left out, one that has come keeps what it holds, and what was changed by
     * hand meanwhile stays as the hand left it.
     */
    uint32_t delay_ticks;

    const struct option *options; /* offsets into a struct of `options_bytes`; no strings in it */
    size_t option_count;
    size_t options_bytes;

    /* Bytes of state for up to so many tenants on such a node. */
    size_t (*state_bytes)(uint32_t tenants_max, const struct roost_node *node);

    /*
     * Makes a fresh state in `state_bytes` zeroed bytes aligned for any type. Copies what it needs
     * of the options. INVALID with the reason when options contradict each other or the node.
     */
    enum roost_err (*init)(void *state, const void *options, uint32_t tenants_max,
                           const struct roost_node *node, struct detail *detail);

    /* Never fails; with nothing to say it returns at once. Tenants come and go between calls. */
    void (*decide)(void *state, const struct roost_view *view, struct roost_plan *plan);
};

#endif
