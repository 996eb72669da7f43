/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: Triton's names, so that its dashboards work, and roost_* for what Triton has no word
 * for. One table of families; each is written for every lane before the next begins, as the format
 * wants it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/prom.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/tenant.h"
#include "serve/unit.h"

typedef double metric_value_fn(const struct lane *lane);

struct metric {
    const char *name;
    enum prom_type type;
    const char *help;
    metric_value_fn *value;
};

static double us(uint64_t ns)
{
    return (double)ns / (double)NS_PER_US;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static double metric_success(const struct lane *lane)
{
    return (double)lane->statistics->success.count;
}
static double metric_inferences(const struct lane *lane)
{
    return (double)lane->statistics->inference_count;
}
static double metric_executions(const struct lane *lane)
{
    return (double)lane->statistics->execution_count;
}
static double metric_pending(const struct lane *lane)
{
    return (double)lane_waiting(lane);
}
static double metric_request_us(const struct lane *lane)
{
    return us(lane->statistics->success.ns);
}
static double metric_queue_us(const struct lane *lane)
{
    return us(lane->statistics->queue.ns);
}
static double metric_input_us(const struct lane *lane)
{
    return us(lane->statistics->compute_input.ns);
}
static double metric_infer_us(const struct lane *lane)
{
    return us(lane->statistics->compute_infer.ns);
}
static double metric_output_us(const struct lane *lane)
{
    return us(lane->statistics->compute_output.ns);
}
static double metric_load_s(const struct lane *lane)
{
    return seconds(lane->variants[lane->variant].start_ns);
}
static double metric_ready(const struct lane *lane)
{
    return lane->state == LANE_READY || lane->state == LANE_PARKED;
}
static double metric_queue_rows(const struct lane *lane)
{
    return (double)lane_waiting_rows(lane);
}
static double metric_workers(const struct lane *lane)
{
    return lane->active == NULL ? 0 : lane->workers;
}
static double metric_running(const struct lane *lane)
{
    unsigned running = 0;
    for (const struct unit *unit = lane->server->units; unit != NULL; unit = unit->next) {
        running += unit->lane == lane ? unit_busy(unit) : 0;
    }
    return running;
}
static double metric_host_resident(const struct lane *lane)
{
    return lane->active == NULL ? 0 : (double)lane->active->memory.resident_bytes;
}
static double metric_host_private(const struct lane *lane)
{
    return lane->active == NULL ? 0 : (double)lane->active->memory.anonymous_bytes;
}
static double metric_input_memory(const struct lane *lane)
{
    return (double)input_memory_used_bytes(lane->memory);
}
static double metric_rows(const struct lane *lane)
{
    return (double)lane->statistics->rows;
}
static double metric_refused(const struct lane *lane)
{
    return (double)lane->statistics->refused;
}
static double metric_expired(const struct lane *lane)
{
    return (double)lane->statistics->expired;
}
static double metric_abandoned(const struct lane *lane)
{
    return (double)lane->statistics->abandoned;
}
static double metric_rerun(const struct lane *lane)
{
    return (double)lane->statistics->rerun;
}
static double metric_deaths(const struct lane *lane)
{
    return (double)lane->statistics->host_deaths;
}
static double metric_busy_s(const struct lane *lane)
{
    return seconds(lane->statistics->busy_ns);
}
static double metric_cpu_s(const struct lane *lane)
{
    return seconds(lane->statistics->cpu_ns);
}
static double metric_switches(const struct lane *lane)
{
    return (double)lane->switches;
}
static double metric_slo_s(const struct lane *lane)
{
    return seconds(lane->settings.slo_ns);
}
static double metric_slo_hits(const struct lane *lane)
{
    return (double)lane->statistics->slo_hits;
}
static double metric_slo_misses(const struct lane *lane)
{
    return (double)lane->statistics->slo_misses;
}

static const struct metric metrics[] = {
    {"nv_inference_request_success", PROM_COUNTER, "Requests answered with outputs",
     metric_success},
    {"nv_inference_count", PROM_COUNTER, "Inferences, a batch of n counting n", metric_inferences},
    {"nv_inference_exec_count", PROM_COUNTER, "Batches run", metric_executions},
    {"nv_inference_pending_request_count", PROM_GAUGE, "Requests that wait", metric_pending},
    {"nv_inference_request_duration_us", PROM_COUNTER, "Whole time of requests, summed",
     metric_request_us},
    {"nv_inference_queue_duration_us", PROM_COUNTER, "Time in the queue, summed", metric_queue_us},
    {"nv_inference_compute_input_duration_us", PROM_COUNTER, "Time to gather inputs, summed",
     metric_input_us},
    {"nv_inference_compute_infer_duration_us", PROM_COUNTER, "Time inside the engine, summed",
     metric_infer_us},
    {"nv_inference_compute_output_duration_us", PROM_COUNTER, "Time to place outputs, summed",
     metric_output_us},
    {"nv_model_load_duration_secs", PROM_GAUGE, "Time of the last start, to ready", metric_load_s},
    {"roost_ready", PROM_GAUGE, "1 when the model serves", metric_ready},
    {"roost_queue_requests", PROM_GAUGE, "Requests that wait", metric_pending},
    {"roost_queue_rows", PROM_GAUGE, "Rows that wait", metric_queue_rows},
    {"roost_batches_running", PROM_GAUGE, "Batches with the host", metric_running},
    {"roost_workers", PROM_GAUGE, "Workers in force", metric_workers},
    {"roost_host_resident_bytes", PROM_GAUGE, "Resident memory of the host, shared pages included",
     metric_host_resident},
    {"roost_host_private_bytes", PROM_GAUGE, "Anonymous memory of the host", metric_host_private},
    {"roost_input_memory_bytes", PROM_GAUGE, "Memory that requests' inputs take now",
     metric_input_memory},
    {"roost_rows", PROM_COUNTER, "Rows admitted", metric_rows},
    {"roost_refused", PROM_COUNTER, "Requests refused for overload", metric_refused},
    {"roost_expired", PROM_COUNTER, "Requests whose deadline passed", metric_expired},
    {"roost_abandoned", PROM_COUNTER, "Requests whose client went away", metric_abandoned},
    {"roost_rerun", PROM_COUNTER, "Requests put back into the queue after a host failed them",
     metric_rerun},
    {"roost_host_deaths", PROM_COUNTER, "Host processes that ended unasked", metric_deaths},
    {"roost_switches", PROM_COUNTER, "Changes of the variant that serves", metric_switches},
    {"roost_busy_seconds", PROM_COUNTER, "Workers' time inside runs", metric_busy_s},
    {"roost_cpu_seconds", PROM_COUNTER, "CPU time of runs", metric_cpu_s},
    {"roost_slo_seconds", PROM_GAUGE, "The SLO's time; 0 without one", metric_slo_s},
    {"roost_slo_hits", PROM_COUNTER, "Requests answered within the SLO", metric_slo_hits},
    {"roost_slo_misses", PROM_COUNTER, "Requests late, failed or refused", metric_slo_misses},
};

typedef void lane_visit_fn(void *user, const struct lane *lane);

static void each_lane(const struct server *server, lane_visit_fn *visit, void *user)
{
    for (size_t t = 0; t < server->tenant_count; t++) {
        const struct tenant *tenant = server->tenants[t];
        for (unsigned i = 0; i < tenant->lane_count; i++) {
            visit(user, tenant->lanes[i]);
        }
    }
}

struct metrics_writer {
    struct prom prom;
    const struct metric *metric;
};

static void write_value(void *user, const struct lane *lane)
{
    struct metrics_writer *writer = user;
    const struct prom_label labels[] = {{"model", lane->tenant->name},
                                        {"version", lane->version_text}};
    prom_double(&writer->prom, labels, 2, writer->metric->value(lane));
}

static void write_failures(void *user, const struct lane *lane)
{
    struct metrics_writer *writer = user;
    for (unsigned reason = 0; reason < FAILURE_COUNT; reason++) {
        const struct prom_label labels[] = {{"model", lane->tenant->name},
                                            {"version", lane->version_text},
                                            {"reason", failure_reason_name(reason)}};
        prom_uint(&writer->prom, labels, 3, lane->statistics->failures[reason]);
    }
}

static void write_latency(void *user, const struct lane *lane)
{
    struct metrics_writer *writer = user;
    const struct prom_label labels[] = {{"model", lane->tenant->name},
                                        {"version", lane->version_text}};
    prom_histogram(&writer->prom, labels, 2, &lane->statistics->latency_ns);
}

static void write_switch_gap(void *user, const struct lane *lane)
{
    struct metrics_writer *writer = user;
    const struct prom_label labels[] = {{"model", lane->tenant->name},
                                        {"version", lane->version_text}};
    if (lane->variant_count > 1) {
        prom_histogram(&writer->prom, labels, 2, &lane->statistics->switch_gap_ns);
    }
}

static void write_variant(void *user, const struct lane *lane)
{
    struct metrics_writer *writer = user;
    const struct prom_label labels[] = {{"model", lane->tenant->name},
                                        {"version", lane->version_text},
                                        {"variant", lane->variants[lane->variant].desired.name}};
    prom_uint(&writer->prom, labels, 3, 1);
}

static void write_http(struct prom *prom, const struct server *server)
{
    struct http_counters counters;
    http_server_counters(server->http[PORT_INFERENCE], &counters);
    const struct {
        const char *name;
        enum prom_type type;
        const char *help;
        uint64_t value;
    } families[] = {
        {"roost_http_connections", PROM_GAUGE, "Open connections", counters.connections_open},
        {"roost_http_connections_accepted", PROM_COUNTER, "Connections accepted",
         counters.connections_total},
        {"roost_http_connections_refused", PROM_COUNTER, "Connections beyond the limit",
         counters.connections_refused},
        {"roost_http_requests", PROM_COUNTER, "HTTP requests", counters.requests},
        {"roost_http_bad_requests", PROM_COUNTER, "Requests that were not HTTP",
         counters.bad_requests},
        {"roost_http_timeouts", PROM_COUNTER, "Clients that were too slow", counters.timeouts},
        {"roost_http_received_bytes", PROM_COUNTER, "Bytes received", counters.bytes_in},
        {"roost_http_sent_bytes", PROM_COUNTER, "Bytes sent", counters.bytes_out},
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        prom_family(prom, families[i].name, families[i].type, families[i].help);
        prom_uint(prom, NULL, 0, families[i].value);
    }
}

static void write_node(struct prom *prom, const struct server *server)
{
    struct process_memory own = {0};
    process_memory_read(getpid(), &own, NULL);
    prom_family(prom, "nv_cpu_utilization", PROM_GAUGE, "Part of the machine's cores that is busy");
    prom_double(prom, NULL, 0, server->load.utilisation);
    prom_family(prom, "nv_cpu_memory_total_bytes", PROM_GAUGE, "Memory limit of this server");
    prom_uint(prom, NULL, 0, server->limits.memory_bytes);
    prom_family(prom, "nv_cpu_memory_used_bytes", PROM_GAUGE, "Memory of it that is taken");
    prom_uint(prom, NULL, 0, server->limits.memory_bytes - server_memory_left(server));
    prom_family(prom, "roost_supervisor_resident_bytes", PROM_GAUGE,
                "Resident memory of the supervisor");
    prom_uint(prom, NULL, 0, own.resident_bytes);
    prom_family(prom, "roost_supervisor_cpu_seconds", PROM_COUNTER, "CPU time of the supervisor");
    prom_double(prom, NULL, 0, seconds(clock_process_cpu_ns()));
}

void api_metrics(struct call *call)
{
    struct strbuf out;
    struct metrics_writer writer;
    strbuf_init(&out);
    prom_init(&writer.prom, &out);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        writer.metric = &metrics[i];
        prom_family(&writer.prom, metrics[i].name, metrics[i].type, metrics[i].help);
        each_lane(call->server, write_value, &writer);
    }
    prom_family(&writer.prom, "nv_inference_request_failure", PROM_COUNTER, "Requests that failed");
    each_lane(call->server, write_failures, &writer);
    prom_family(&writer.prom, "roost_latency_seconds", PROM_HISTOGRAM,
                "Time from a request's first byte to its answer");
    each_lane(call->server, write_latency, &writer);
    prom_family(&writer.prom, "roost_switch_gap_seconds", PROM_HISTOGRAM,
                "Time in a switch with requests waiting and no worker that ran one");
    each_lane(call->server, write_switch_gap, &writer);
    prom_family(&writer.prom, "roost_variant_info", PROM_GAUGE, "The variant that serves");
    each_lane(call->server, write_variant, &writer);
    write_http(&writer.prom, call->server);
    manager_write_metrics(call->server->manager, &writer.prom);
    write_node(&writer.prom, call->server);
    if (out.failed) {
        call_respond_error(call, ROOST_NO_MEMORY, "out of memory", 0);
    } else {
        call_respond(call, 200, PROM_CONTENT_TYPE, strbuf_text(&out), out.length);
    }
    strbuf_fini(&out);
}
