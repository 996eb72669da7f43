/* SPDX-License-Identifier: Apache-2.0 */
/* The status report of the control socket: every tenant's window, queue, hosts and variants. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/tenant.h"
#include "serve/unit.h"

/* What policies see of the lane. Large, and only of the loop's thread. */
struct status_view {
    struct roost_tenant tenant;
    struct roost_variant variants[ROOST_VARIANTS_MAX];
};

static void status_window(struct json_writer *w, const struct roost_tenant *seen)
{
    const struct roost_window *window = &seen->window;
    double s = (double)window->length_ns / 1e9;
    json_key(w, "window");
    json_begin_object(w);
    json_field_double(w, "seconds", s);
    json_field_uint(w, "arrivals", window->arrivals);
    json_field_uint(w, "completions", window->completions);
    json_field_uint(w, "errors", window->errors);
    json_field_uint(w, "refusals", window->refusals);
    json_field_uint(w, "slo_misses", window->slo_misses);
    json_field_double(w, "attainment", window->attainment);
    json_field_double(w, "requests_per_s", s > 0 ? (double)window->arrivals / s : 0);
    json_field_double(w, "rows_per_request", window->abs_rows);
    json_field_uint(w, "between_arrivals_us", (uint64_t)(window->aat_ns / 1e3));
    json_field_double(w, "rows_per_batch",
                      window->batches > 0 ? (double)window->batch_rows / (double)window->batches
                                          : 0);
    json_field_double(w, "busy_cores", s > 0 ? (double)window->busy_ns / 1e9 / s : 0);
    json_field_double(w, "cpu_cores", s > 0 ? (double)window->cpu_ns / 1e9 / s : 0);
    json_field_uint(w, "p50_us", window->latency_p50_ns / NS_PER_US);
    json_field_uint(w, "p95_us", window->latency_p95_ns / NS_PER_US);
    json_field_uint(w, "p99_us", window->latency_p99_ns / NS_PER_US);
    json_field_uint(w, "slo_latency_us", window->latency_slo_ns / NS_PER_US);
    json_end_object(w);
}

static void status_grant(struct json_writer *w, const struct lane *lane,
                         const struct roost_tenant *seen)
{
    const struct roost_grant *grant = &seen->grant;
    char cpus[256];
    json_key(w, "grant");
    json_begin_object(w);
    json_field_bool(w, "by_policy", lane->tenant->hold.held);
    json_field_string(w, "mode", grant->mode == ROOST_EXCLUSIVE ? "exclusive" : "shared");
    json_field_uint(w, "slots", grant->slots);
    json_field_uint(w, "weight", grant->weight);
    json_field_uint(w, "workers", grant->workers);
    json_field_uint(w, "batch_rows", grant->batch_rows);
    json_field_uint(w, "slice_ns", grant->slice_ns);
    json_field_string(w, "class", grant->sched_class == ROOST_CLASS_IDLE ? "idle" : "normal");
    json_field_uint(w, "ways", grant->ways);
    json_field_uint(w, "bandwidth", grant->bandwidth);
    json_field_string(w, "cpus", cpus_format(&lane->cpus, cpus, sizeof cpus));
    json_field_uint(w, "since_change_ns", seen->since_change_ns);
    json_end_object(w);
}

static void status_unit(struct json_writer *w, const struct unit *unit)
{
    json_begin_object(w);
    json_field_string(w, "variant", unit->lane->variants[unit->variant].desired.name);
    json_field_string(w, "state", unit_state_name(unit->state));
    json_field_int(w, "pid", unit->link == NULL ? 0 : link_pid(unit->link));
    json_field_uint(w, "batches", unit->batches_done);
    json_field_bool(w, "optimised", unit->optimised);
    json_field_uint(w, "resident_bytes", unit->memory.resident_bytes);
    json_field_uint(w, "private_bytes", unit->memory.anonymous_bytes);
    json_key(w, "sandbox");
    json_begin_object(w);
    json_field_bool(w, "no_new_privs", unit->sandbox.no_new_privs);
    json_field_bool(w, "seccomp", unit->sandbox.seccomp);
    json_field_bool(w, "landlock", unit->sandbox.landlock);
    json_field_bool(w, "network_namespace", unit->sandbox.network_namespace);
    json_field_bool(w, "capabilities_dropped", unit->sandbox.capabilities_dropped);
    json_field_string(w, "reason",
                      unit->server->settings.sandbox ? unit->sandbox.reason : "turned off");
    json_end_object(w);
    json_end_object(w);
}

static const char *status_state(const struct lane *lane)
{
    static const char *const names[] = {"loading", "ready", "parked", "unavailable", "retiring"};
    return names[lane->state];
}

static void status_points(struct json_writer *w, const struct roost_variant *seen)
{
    json_key(w, "points");
    json_begin_array(w);
    for (uint32_t i = 0; i < seen->point_count; i++) {
        json_begin_object(w);
        json_field_double(w, "rows", seen->points[i].rows_mean);
        json_field_double(w, "ns", seen->points[i].ns_mean);
        json_field_double(w, "cpu_ns", seen->points[i].cpu_ns_mean);
        json_field_uint(w, "samples", seen->points[i].samples);
        json_end_object(w);
    }
    json_end_array(w);
}

static void status_variants(struct json_writer *w, const struct lane *lane,
                            const struct roost_variant *variants)
{
    static const char *const states[] = {"cold", "starting", "warm", "serving", "failed"};
    json_key(w, "variants");
    json_begin_array(w);
    for (unsigned i = 0; i < lane->variant_count; i++) {
        const struct lane_variant *variant = &lane->variants[i];
        const struct roost_variant *seen = &variants[i];
        json_begin_object(w);
        json_field_string(w, "name", seen->name);
        json_field_string(w, "state", states[seen->state]);
        if (seen->accuracy >= 0) {
            json_field_double(w, "accuracy", seen->accuracy);
        }
        json_field_double(w, "mflops", seen->mflops_declared);
        json_field_double(w, "flops_counted", seen->flops_counted);
        json_field_double(w, "cpu_ns_per_row", seen->cpu_ns_per_row);
        json_field_uint(w, "service_ns", curve_service_ns(&variant->curve, 1));
        json_field_uint(w, "memory_bytes", seen->memory_bytes);
        json_field_uint(w, "start_ns", seen->start_ns);
        status_points(w, seen);
        if (variant->err != ROOST_OK) {
            json_field_string(w, "reason", variant->reason.text);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void status_lane(struct json_writer *w, struct lane *lane, uint64_t now_ns)
{
    static struct status_view view;
    view.tenant = (struct roost_tenant){0};
    manager_see_lane(lane, NS_PER_S, now_ns, true, &view.tenant, view.variants);
    json_begin_object(w);
    json_field_string(w, "tenant", lane->tenant->name);
    json_field_string(w, "version", lane->version_text);
    json_field_string(w, "state", status_state(lane));
    json_field_string(w, "reason", lane->reason.text);
    json_field_string(w, "variant", lane->variants[lane->variant].desired.name);
    json_field_string(w, "wanted", lane->variants[lane->wanted].desired.name);
    json_field_uint(w, "switches", lane->switches);
    json_field_double(w, "slo_percentile", lane->settings.slo_percentile);
    json_field_uint(w, "slo_ns", lane->settings.slo_ns);
    json_field_uint(w, "queue_requests", lane_waiting(lane));
    json_field_uint(w, "queue_rows", lane_waiting_rows(lane));
    json_field_uint(w, "workers", lane->workers);
    json_field_uint(w, "batch_rows_max", lane->limits.rows_max);
    json_field_uint(w, "input_memory_bytes", input_memory_used_bytes(lane->memory));
    json_field_uint(w, "queue_late", view.tenant.queue.late);
    json_field_uint(w, "resident_bytes", view.tenant.resident_bytes);
    json_field_double(w, "accuracy_floor", lane->settings.accuracy_floor);
    status_grant(w, lane, &view.tenant);
    status_window(w, &view.tenant);
    status_variants(w, lane, view.variants);
    json_key(w, "hosts");
    json_begin_array(w);
    for (const struct unit *unit = lane->server->units; unit != NULL; unit = unit->next) {
        if (unit->lane == lane) {
            status_unit(w, unit);
        }
    }
    json_end_array(w);
    json_end_object(w);
}

void api_status(struct call *call)
{
    struct server *server = call->server;
    struct strbuf out;
    struct json_writer w;
    uint64_t now_ns = clock_now_ns();
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_field_bool(&w, "ready", server_ready(server));
    json_field_uint(&w, "uptime_ns", now_ns - server->started_ns);
    json_field_uint(&w, "cores", server->limits.cpu_count);
    json_field_uint(&w, "memory_bytes", server->limits.memory_bytes);
    json_field_uint(&w, "memory_left_bytes", server_memory_left(server));
    json_key(&w, "manager");
    manager_write_status(server->manager, &w);
    json_key(&w, "lanes");
    json_begin_array(&w);
    for (size_t t = 0; t < server->tenant_count; t++) {
        struct tenant *tenant = server->tenants[t];
        for (unsigned i = 0; i < tenant->lane_count; i++) {
            status_lane(&w, tenant->lanes[i], now_ns);
        }
        for (unsigned i = 0; i < tenant->coming_count; i++) {
            status_lane(&w, tenant->coming[i], now_ns);
        }
    }
    json_end_array(&w);
    json_end_object(&w);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}
