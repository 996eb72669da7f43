/* SPDX-License-Identifier: Apache-2.0 */
/* The status report of the control socket: every tenant's window, queue, hosts and variants. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/tenant.h"
#include "serve/unit.h"

static void status_window(struct json_writer *w, struct lane *lane, uint64_t now_ns)
{
    static struct window_counts sum; /* large; the loop's thread only */
    uint64_t covered_ns = window_sum(&lane->window, now_ns, &sum);
    double s = (double)covered_ns / 1e9;
    json_key(w, "window");
    json_begin_object(w);
    json_field_double(w, "seconds", s);
    json_field_uint(w, "arrivals", sum.arrivals);
    json_field_uint(w, "completions", sum.completions);
    json_field_uint(w, "errors", sum.errors);
    json_field_uint(w, "slo_misses", sum.slo_misses);
    json_field_double(w, "requests_per_s", s > 0 ? (double)sum.arrivals / s : 0);
    json_field_double(w, "rows_per_batch",
                      sum.batches > 0 ? (double)sum.batch_rows / (double)sum.batches : 0);
    json_field_double(w, "busy_cores", s > 0 ? (double)sum.busy_ns / 1e9 / s : 0);
    json_field_uint(w, "p50_us", hist_quantile(&sum.latency_ns, 0.50) / NS_PER_US);
    json_field_uint(w, "p95_us", hist_quantile(&sum.latency_ns, 0.95) / NS_PER_US);
    json_field_uint(w, "p99_us", hist_quantile(&sum.latency_ns, 0.99) / NS_PER_US);
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

static void status_variants(struct json_writer *w, const struct lane *lane)
{
    json_key(w, "variants");
    json_begin_array(w);
    for (unsigned i = 0; i < lane->variant_count; i++) {
        const struct lane_variant *variant = &lane->variants[i];
        json_begin_object(w);
        json_field_string(w, "name", variant->desired.name);
        if (variant->desired.accuracy >= 0) {
            json_field_double(w, "accuracy", variant->desired.accuracy);
        }
        json_field_uint(w, "service_ns", curve_service_ns(&variant->curve, 1));
        json_field_uint(w, "start_ns", variant->start_ns);
        if (variant->err != ROOST_OK) {
            json_field_string(w, "reason", variant->reason.text);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void status_lane(struct json_writer *w, struct lane *lane, uint64_t now_ns)
{
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
    status_window(w, lane, now_ns);
    status_variants(w, lane);
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
