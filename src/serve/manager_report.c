/* SPDX-License-Identifier: Apache-2.0 */
/* What the manager tells people: for the control socket and for metrics. */
#include "base/clock.h"
#include "base/options.h"
#include "core/plan.h"
#include "policy/registry.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/manager_internal.h"
#include "serve/server.h"
#include "serve/tenant.h"

static void report_knobs(struct json_writer *w, uint32_t knobs)
{
    static const char *const names[] = {"weight", "cores",     "quota", "workers", "slice", "class",
                                        "ways",   "bandwidth", "batch", "variant", "shed"};
    json_key(w, "knobs");
    json_begin_array(w);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if ((knobs >> i & 1) != 0) {
            json_string(w, names[i]);
        }
    }
    json_end_array(w);
}

static void report_holds(struct json_writer *w, const struct server *server)
{
    json_key(w, "tenants");
    json_begin_array(w);
    for (size_t i = 0; i < server->tenant_count; i++) {
        const struct tenant *tenant = server->tenants[i];
        const struct roost_grant *grant = &tenant->hold.grant;
        if (!tenant->hold.held) {
            continue;
        }
        char cpus[256];
        json_begin_object(w);
        json_field_string(w, "tenant", tenant->name);
        json_field_string(w, "mode", grant->mode == ROOST_EXCLUSIVE ? "exclusive" : "shared");
        json_field_uint(w, "slots", grant->slots);
        json_field_uint(w, "weight", grant->weight);
        json_field_uint(w, "workers", grant->workers);
        json_field_uint(w, "batch_rows", grant->batch_rows);
        json_field_string(w, "shed", grant->shed == ROOST_SHED_SLO ? "slo" : "configured");
        json_field_uint(w, "slice_ns", grant->slice_ns);
        json_field_string(w, "class", grant->sched_class == ROOST_CLASS_IDLE ? "idle" : "normal");
        json_field_uint(w, "ways", grant->ways);
        json_field_uint(w, "bandwidth", grant->bandwidth);
        json_field_string(w, "cpus", cpus_format(&tenant->hold.cpus, cpus, sizeof cpus));
        json_field_string(w, "why", plan_reason_name(tenant->hold.reason.code));
        json_end_object(w);
    }
    json_end_array(w);
}

static double grant_weight(const struct roost_grant *grant)
{
    return grant->weight;
}
static double grant_cores(const struct roost_grant *grant)
{
    return (double)grant->slots / ROOST_SLOTS_PER_CORE;
}
static double grant_slice_s(const struct roost_grant *grant)
{
    return (double)grant->slice_ns / 1e9;
}
static double grant_idle(const struct roost_grant *grant)
{
    return grant->sched_class == ROOST_CLASS_IDLE;
}
static double grant_ways(const struct roost_grant *grant)
{
    return grant->ways;
}
static double grant_bandwidth(const struct roost_grant *grant)
{
    return (double)grant->bandwidth / ROOST_BANDWIDTH_FULL;
}

void manager_write_status(struct manager *manager, struct json_writer *w)
{
    const struct manager_room *room = &manager->room, *asked = manager_room_asked(manager);
    struct roost_node node;
    manager_see_node(manager->server, &node);
    json_begin_object(w);
    json_field_string(w, "policy", asked->policy == NULL ? "none" : asked->policy->name);
    json_field_bool(w, "changing", manager->next_due);
    json_field_string(w, "deciding", room->policy == NULL ? "none" : room->runner.policy->name);
    json_key(w, "options");
    json_begin_array(w);
    for (size_t i = 0; i < asked->assignment_count; i++) {
        json_string(w, asked->assignments[i]);
    }
    json_end_array(w);
    json_field_uint(w, "tick_ns", manager->server->settings.tick_ns);
    json_field_uint(w, "tick", manager->tick);
    json_field_uint(w, "decisions", manager->decisions);
    json_field_uint(w, "moves", manager->moves);
    json_field_uint(w, "faults", manager->faults + room->runner.faults);
    json_field_uint(w, "overruns", manager->overruns + room->runner.overruns);
    json_field_uint(w, "apply_failures", manager->apply_failures);
    json_field_uint(w, "decision_max_us", manager->spent_max_ns / NS_PER_US);
    json_field_bool(w, "overloaded", (manager->flags & ROOST_PLAN_OVERLOADED) != 0);
    json_field_double(w, "other_cores",
                      manager->other.length_ns > 0
                          ? (double)manager->other.other_ns / (double)manager->other.length_ns
                          : 0);
    json_field_string(w, "last_fault", manager->last_fault.text);
    report_knobs(w, node.knobs);
    grants_write_status(manager->server->grants, w);
    report_holds(w, manager->server);
    json_end_object(w);
}

/* What tenants hold of the knobs that there are. */
static void report_grants(struct prom *prom, const struct server *server)
{
    static const struct {
        uint32_t knobs; /* any of them */
        const char *name, *help;
        double (*value)(const struct roost_grant *grant);
    } families[] = {
        {ROOST_KNOB_WEIGHT, "roost_grant_weight", "Weight when CPU time is short", grant_weight},
        {ROOST_KNOB_CORES | ROOST_KNOB_QUOTA, "roost_grant_cores", "Cores held alone; 0: shared",
         grant_cores},
        {ROOST_KNOB_SLICE, "roost_grant_slice_seconds", "A turn on a core; 0: the kernel's",
         grant_slice_s},
        {ROOST_KNOB_CLASS, "roost_grant_idle", "1: runs only when no one else wants the core",
         grant_idle},
        {ROOST_KNOB_WAYS, "roost_grant_ways", "Ways of the last-level cache held alone",
         grant_ways},
        {ROOST_KNOB_BANDWIDTH, "roost_grant_bandwidth_ratio", "Part of the memory bandwidth",
         grant_bandwidth},
    };
    struct roost_node node;
    manager_see_node(server, &node);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if ((node.knobs & families[i].knobs) == 0) {
            continue;
        }
        prom_family(prom, families[i].name, PROM_GAUGE, families[i].help);
        for (size_t t = 0; t < server->tenant_count; t++) {
            const struct tenant *tenant = server->tenants[t];
            const struct prom_label label[] = {{"model", tenant->name}};
            if (tenant->hold.held) {
                prom_double(prom, label, 1, families[i].value(&tenant->hold.grant));
            }
        }
    }
}

static void report_number(struct prom *prom, const char *name, enum prom_type type,
                          const char *help, double value)
{
    prom_family(prom, name, type, help);
    prom_double(prom, NULL, 0, value);
}

void manager_write_metrics(const struct manager *manager, struct prom *prom)
{
    const struct manager_room *room = &manager->room;
    const struct prom_label name[] = {
        {"policy", room->policy == NULL ? "none" : room->policy->name}};
    prom_family(prom, "roost_policy_info", PROM_GAUGE, "The policy that was asked for");
    prom_uint(prom, name, 1, 1);
    report_number(prom, "roost_policy_fallback", PROM_GAUGE,
                  "1 while another policy decides in its place",
                  room->runner.policy != room->runner.chosen);
    report_number(prom, "roost_policy_decisions", PROM_COUNTER, "Decisions",
                  (double)(manager->decisions));
    report_number(prom, "roost_policy_moves", PROM_COUNTER, "Grants that a plan changed",
                  (double)manager->moves);
    report_number(prom, "roost_policy_faults", PROM_COUNTER, "Plans that were not used",
                  (double)(manager->faults + room->runner.faults));
    report_number(prom, "roost_policy_overruns", PROM_COUNTER, "Of these, for the time they took",
                  (double)(manager->overruns + room->runner.overruns));
    report_number(prom, "roost_policy_apply_failures", PROM_COUNTER, "Plans that were undone",
                  (double)manager->apply_failures);
    report_number(prom, "roost_policy_cpu_seconds", PROM_COUNTER, "CPU time of decisions",
                  (double)manager->spent_ns / 1e9);
    report_number(prom, "roost_manager_cpu_seconds", PROM_COUNTER, "CPU time of ticks",
                  (double)manager->cpu_ns / 1e9);
    report_grants(prom, manager->server);
}
