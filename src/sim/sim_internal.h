/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a run, between the files of the simulator.
 *
 *   sim.c          events and the clock
 *   sim_request.c  a request's life: threads, queue, batch, answer
 *   sim_cpu.c      who runs how fast
 *   sim_core.c     who runs on which core, where they take turns
 *   sim_switch.c   hosts that start, stand by and serve
 *   sim_manager.c  the tick: view, policy, plan
 *
 * Speeds change whenever somebody starts or stops, so a run's end is not known when it begins.
 * But all runs of a tenant go at one speed. Its virtual clock `done_ns` counts the work that each
 * of them has got done, and a run that needs w more ends when the clock has moved on by w:
 *
 *   real time  ----+--------+------------------+-->
 *   speed           1        1/3 (neighbours)   1
 *   done_ns    0    10       15                 25   the run's end lies at a fixed place here
 */
#ifndef ROOST_SIM_SIM_INTERNAL_H
#define ROOST_SIM_SIM_INTERNAL_H

#include "base/heap.h"
#include "base/rng.h"
#include "core/admission.h"
#include "core/batcher.h"
#include "core/queue.h"
#include "core/view_build.h"
#include "sim/share.h"
#include "sim/sim.h"
#include "sim/turn.h"

/* Virtual time begins here, since 0 means "never" in core/. */
#define SIM_BEGIN_NS NS_PER_S

enum { SIM_BATCH_ITEMS_MAX = 256, SIM_SLOTS_PER_WORKER = 2 };

struct sim;

struct sim_event {
    struct heap_node node;
    uint64_t at_ns;
    uint32_t order; /* of events at the same time */
    void (*fire)(struct sim *sim, void *owner);
    void *owner;
};

/* Where a request is on its way through the threads. */
enum sim_stage {
    SIM_SENDING,
    SIM_COMING_IN,
    SIM_INSIDE,
    SIM_GOING_OUT,
    SIM_RECEIVING,
    SIM_RECEIVED
};

struct sim_request {
    struct queue_item item; /* its arrival: at the server */
    uint64_t sent_ns;       /* intended */
    double variation;       /* factor of its service time */
    struct sim_request *next;
    uint32_t tenant;
    uint32_t variant; /* that answered */
    enum sim_stage stage;
    enum { SIM_OPEN, SIM_GOOD, SIM_REFUSED, SIM_ERROR } end;
};

/* A batch: staged, then running. */
struct sim_run {
    struct heap_node node;
    struct sim_tenant *tenant;
    double end_ns;       /* on the tenant's virtual clock */
    double cpu_begin_ns; /* the tenant's CPU clock at its start */
    double left_ns;      /* of its work, on cores one by one */
    double cpu_ns;
    struct sim_worker *worker; /* on cores one by one */
    uint64_t start_ns, sequence, rows;
    uint32_t variant, count;
    double variation;
    struct sim_request *requests;
    struct sim_run *next;
};

/* Who takes turns on a core: a thread, or all runs of a tenant that are there. */
struct sim_task {
    struct turn_taker taker; /* the first member */
    struct sim_thread *thread;
    struct sim_tenant *tenant;
    struct sim_run *first, *last; /* of the tenant, one after the other */
    struct sim_core *core;        /* where it is, or was last */
    uint64_t ran_ns;              /* when it last had the core */
};

struct sim_worker {
    struct sim_core *core; /* where it is, or was last */
    bool busy;
};

struct sim_core {
    struct turn_queue queue;
    struct sim_event event;
    uint64_t charged_ns;    /* until when its time has been counted */
    uint64_t balanced_ns;   /* when it last looked at the others */
    double speed;           /* of whoever has it */
    bool again;             /* somebody else may be due */
    struct sim_task *tasks; /* one for each tenant */
};

struct sim_host {
    uint32_t state; /* enum roost_variant_state */
    uint64_t used_ns, failed_until_ns;
    struct curve service, cpu;
    double cpu_ns_per_row;
    struct service_model const *model;
};

struct sim_thread {
    struct sim_event event;
    struct scenario_thread cost;
    struct sim_request *first, *last;
    uint64_t slept_ns; /* since when it has nothing to do */
    struct sim_task task;
    double left_ns; /* of its request, on cores one by one */
};

struct sim_tenant {
    const struct scenario_tenant *config;
    const struct scenario_ladder *ladder;
    uint32_t index;
    struct arrivals arrivals;
    struct arrivals_event coming;
    struct rng variation;
    struct sim_event arrival, run_end, wake, load_end, switch_end;
    uint64_t wake_batch_ns; /* the batcher's wish; 0: none */
    struct queue queue;
    struct batcher_limits limits;
    struct admission admission;
    struct heap running;
    struct sim_run *staged_first, *staged_last;
    struct sim_worker *workers; /* on cores one by one */
    uint32_t running_count, staged_count;
    uint64_t run_sequence;
    bool moved; /* its runs changed since the last division of the cores */
    /* Virtual clocks, and how fast they go per real ns; valid as of clock_ns. */
    double done_ns, cpu_ns, speed, cores_per_run, cores_used;
    uint64_t clock_ns;
    struct roost_grant grant;
    double ways; /* at hand now */
    uint32_t serving, standby;
    uint32_t loading; /* variant whose host is being started; ROOST_NONE */
    double load_left_ns, load_speed;
    uint64_t load_start_ns;
    uint64_t stall_until_ns;
    uint64_t changed_ns, switched_ns;
    uint64_t accuracy_since_ns; /* until when the serving variant's accuracy is counted */
    struct sim_host hosts[ROOST_VARIANTS_MAX];
    struct view_meter meter;
    struct result_tenant *result;
    /* Since the last point of the time lines. */
    struct hist sample_latency_ns;
    uint64_t sample_arrivals, sample_hits, sample_due;
    double sample_core_ns;
};

struct sim {
    const struct scenario *scenario;
    struct result *result;
    uint64_t now_ns, end_ns, seed;
    struct heap events;
    uint32_t event_count;
    uint32_t tenant_count;
    struct sim_tenant *tenants;
    struct sim_event tick, sample;
    struct sim_thread network, generator;
    struct sim_core *cores;     /* NULL: no turns */
    struct sim_task *tasks;     /* of all cores */
    struct sim_worker *workers; /* of all tenants */
    bool by_core;               /* now */
    bool loads;                 /* some host is being started */
    double cores_speed;
    struct sim_core *waker;   /* on which something happens now, or NULL */
    struct sim_task *staying; /* whose run has ended, and who takes the next one; or NULL */
    uint32_t threads_active;
    uint64_t outstanding; /* requests that are on their way */
    bool moved;           /* the cores must be divided again */
    bool interferes;      /* some variant minds its neighbours */
    bool out_of_memory;
    struct share *shares; /* tenants, then their loaders */
    struct sim_request *free_requests;
    struct sim_run *free_runs;
    void *chunks; /* list of blocks behind the free ones */
    uint64_t memory_used_bytes;
    /* The manager. */
    const struct sim_options *options;
    struct policy_runner runner;
    struct view_store views[2]; /* of this tick, and of the one whose plan is pending */
    struct roost_node node;
    struct roost_plan plan, pending;
    struct roost_plan_tenant *plan_tenants, *pending_tenants, *raw_tenants;
    uint32_t pending_ticks; /* until the pending plan is applied; 0: none */
    uint64_t tick_number;
};

/* Events: set moves the time of one that is waiting. */
void sim_event_init(struct sim *sim, struct sim_event *event,
                    void (*fire)(struct sim *sim, void *owner), void *owner);
void sim_event_set(struct sim *sim, struct sim_event *event, uint64_t at_ns);
void sim_event_cancel(struct sim *sim, struct sim_event *event);

struct sim_request *sim_request_new(struct sim *sim); /* NULL when memory is short */
void sim_request_free(struct sim *sim, struct sim_request *request);
struct sim_run *sim_run_new(struct sim *sim);
void sim_run_free(struct sim *sim, struct sim_run *run);

/* sim_request.c */
void sim_arrival(struct sim *sim, void *tenant);
void sim_run_end(struct sim *sim, void *tenant);
void sim_wake(struct sim *sim, void *tenant);
void sim_thread_done(struct sim *sim, void *thread);
void sim_pump(struct sim *sim, struct sim_tenant *tenant);
/* At the end: whatever is left there gets an error. */
void sim_abandon(struct sim *sim, struct sim_tenant *tenant);
void sim_abandon_thread(struct sim *sim, struct sim_thread *thread);
void sim_limits_refresh(struct sim_tenant *tenant);

void sim_run_done(struct sim *sim, struct sim_run *run);

/* sim_core.c */
bool sim_cores_init(struct sim *sim); /* false when memory is short */
void sim_cores_fini(struct sim *sim);
void sim_cores_choose(struct sim *sim, bool may_be_by_core); /* one by one, or as a whole */
void sim_cores_advance(struct sim *sim);                     /* what is counted, to now */
void sim_cores_divide(struct sim *sim, double speed);        /* after grants or speeds changed */
uint32_t sim_cores_free(const struct sim *sim);
void sim_core_start(struct sim *sim, struct sim_run *run);
void sim_core_wake_thread(struct sim *sim, struct sim_thread *thread);

/* sim_cpu.c */
void sim_advance(struct sim *sim, struct sim_tenant *tenant); /* its clocks, to now */
void sim_divide(struct sim *sim);                             /* after something moved */
double sim_ways_of(const struct sim *sim, const struct sim_tenant *tenant);

/* sim_switch.c */
void sim_hosts_init(struct sim *sim, struct sim_tenant *tenant);
void sim_switch_to(struct sim *sim, struct sim_tenant *tenant, uint32_t variant);
void sim_standby(struct sim *sim, struct sim_tenant *tenant, uint32_t variant);
void sim_load_end(struct sim *sim, void *tenant);
void sim_switch_end(struct sim *sim, void *tenant);
void sim_count_accuracy(struct sim *sim, struct sim_tenant *tenant); /* up to now */
void sim_load_advance(struct sim *sim, struct sim_tenant *tenant, uint64_t elapsed_ns);
uint64_t sim_memory_free_bytes(const struct sim *sim);
static inline bool sim_stalled(const struct sim *sim, const struct sim_tenant *tenant)
{
    return tenant->stall_until_ns > sim->now_ns;
}

/* sim_manager.c */
enum roost_err sim_manager_init(struct sim *sim, struct detail *detail);
void sim_manager_fini(struct sim *sim);
void sim_tick(struct sim *sim, void *unused);

#endif
