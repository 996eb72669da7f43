/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a lane, and its queue. Hosts and results: lane_units.c, lane_results.c. */
#include "serve/lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

static const uint64_t input_memory_default_bytes = UINT64_C(256) << 20;
static const uint64_t window_length_ns = 10 * NS_PER_S;
static const unsigned slots_per_worker = 2; /* one running, one staged */

/* ---- birth and death ------------------------------------------------------------ */

static void lane_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void lane_free(struct lane *lane)
{
    if (lane->wake != NULL) {
        uv_close((uv_handle_t *)lane->wake, lane_timer_closed);
    }
    queue_fini(&lane->queue);
    for (unsigned i = 0; i < lane->variant_count && lane->variants != NULL; i++) {
        queue_fini(&lane->variants[i].pinned);
    }
    if (lane->memory != NULL) {
        input_memory_free(lane->memory);
    }
    labels_fini(&lane->labels);
    tenant_settings_fini(&lane->settings);
    free(lane->variants);
    free(lane->statistics);
    free(lane);
}

static void lane_wake(uv_timer_t *timer)
{
    lane_pump(timer->data);
}

static enum roost_err lane_allocate(struct lane *lane, const struct desired_version *version,
                                    struct detail *detail)
{
    lane->variant_count = version->variant_count;
    lane->variants = calloc(version->variant_count, sizeof *lane->variants);
    lane->statistics = statistics_new();
    lane->wake = malloc(sizeof *lane->wake);
    if (lane->wake != NULL) {
        uv_timer_init(&lane->server->loop, lane->wake);
        lane->wake->data = lane;
    }
    if (lane->variants == NULL || lane->statistics == NULL || lane->wake == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    for (unsigned i = 0; i < version->variant_count; i++) {
        lane->variants[i].desired = version->variants[i];
        lane->variants[i].metadata.accuracy = -1; /* until its file was read */
        queue_init(&lane->variants[i].pinned);
    }
    uint64_t budget = lane->settings.input_memory_bytes;
    return input_memory_new(budget != 0 ? budget : input_memory_default_bytes, &lane->memory,
                            detail);
}

enum roost_err lane_new(struct server *server, struct tenant *tenant,
                        const struct desired_tenant *desired, const struct desired_version *version,
                        struct lane **out, struct detail *detail)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    lane->server = server;
    lane->tenant = tenant;
    lane->version = version->number;
    snprintf(lane->version_text, sizeof lane->version_text, "%" PRId64, version->number);
    lane->state = LANE_LOADING;
    lane->config = desired->config;
    lane->config_stamp = desired->config_stamp;
    lane->model.name = tenant->name;
    lane->model.version = lane->version_text;
    queue_init(&lane->queue);
    admission_init(&lane->admission);
    lane->switched_ns = clock_now_ns();
    view_meter_init(&lane->meter, window_length_ns, desired->settings.slo_ns, lane->switched_ns);
    enum roost_err err = tenant_settings_copy(&lane->settings, &desired->settings);
    if (err == ROOST_OK) {
        err = lane_allocate(lane, version, detail);
    }
    if (err != ROOST_OK) {
        lane_free(lane);
        return err;
    }
    lane_update(lane, &desired->settings);
    tenant->lanes_alive++;
    *out = lane;
    return ROOST_OK;
}

static void lane_refresh_limits(struct lane *lane)
{
    const struct tenant_settings *settings = &lane->settings;
    struct batcher_limits *limits = &lane->limits;
    int64_t rows_max = settings->batch_max > 0 ? settings->batch_max : lane->config.max_batch_size;
    limits->rows_max = rows_max > 0 ? (uint64_t)rows_max : 1;
    lane->batch_rows_max = (uint32_t)limits->rows_max;
    const struct tenant_hold *hold = &lane->tenant->hold;
    if (hold->held && hold->grant.batch_rows != 0 && hold->grant.batch_rows < limits->rows_max) {
        limits->rows_max = hold->grant.batch_rows;
    }
    limits->batching = lane->known && lane->config.max_batch_size > 0 && !lane->unbatchable &&
                       settings->batching != BATCH_OFF && limits->rows_max > 1;
    limits->learned = settings->batching == BATCH_AUTO;
    limits->delay_ns = settings->batch_delay_set ? settings->batch_delay_ns
                                                 : lane->config.max_queue_delay_us * NS_PER_US;
    limits->slo_ns = settings->slo_ns;
    limits->preferred_count = lane->config.preferred_count;
    limits->preferred = lane->config.preferred_batch_sizes;
    limits->workers = lane->workers;
    limits->slots_per_worker = slots_per_worker;
}

/* As the configuration says, whatever a policy grants. */
static unsigned lane_workers_configured(const struct lane *lane)
{
    unsigned workers = lane->settings.workers != 0 ? lane->settings.workers
                                                   : lane->config.instance_count;
    return workers == 0 ? 1 : workers > HOST_WORKERS_MAX ? HOST_WORKERS_MAX : workers;
}

unsigned lane_workers_max(const struct lane *lane)
{
    unsigned configured = lane_workers_configured(lane);
    unsigned most = lane->settings.workers_max != 0 ? lane->settings.workers_max
                                                    : lane->server->limits.cpu_count;
    most = most > HOST_WORKERS_MAX ? HOST_WORKERS_MAX : most;
    return most > configured ? most : configured;
}

/* Hosts that were once bound to some cores have to be told that all are theirs again. */
static void lane_place_workers(struct lane *lane)
{
    if (!cpus_empty(&lane->cpus)) {
        lane->placed = true;
        return;
    }
    for (unsigned i = 0; lane->placed && i < lane->server->limits.cpu_count; i++) {
        cpus_add(&lane->cpus, lane->server->limits.cpus[i]);
    }
}

void lane_update(struct lane *lane, const struct tenant_settings *settings)
{
    if (settings != &lane->settings) {
        struct tenant_settings copy;
        if (tenant_settings_copy(&copy, settings) == ROOST_OK) {
            tenant_settings_fini(&lane->settings);
            lane->settings = copy;
        }
    }
    const struct tenant_hold *hold = &lane->tenant->hold;
    unsigned most = lane_workers_max(lane);
    lane->meter.slo_ns = lane->settings.slo_ns;
    lane->workers = lane_workers_configured(lane);
    lane->cpus = (struct cpus){0};
    if (hold->held) {
        lane->workers = hold->grant.workers < most ? hold->grant.workers : most;
        lane->cpus = hold->cpus;
    }
    if (lane->settings.cpus != NULL && !(hold->held && hold->grant.mode == ROOST_EXCLUSIVE)) {
        cpus_parse(lane->settings.cpus, &lane->cpus, NULL); /* was checked with roost.yaml */
    }
    lane_place_workers(lane);
    lane_refresh_limits(lane);
    for (const struct unit *unit = lane->server->units; unit != NULL; unit = unit->next) {
        if (unit->lane == lane && unit->state == UNIT_READY) {
            link_set_workers(unit->link, lane->workers, &lane->cpus);
        }
    }
    lane_pump(lane);
}

void lane_retire(struct lane *lane)
{
    if (lane->state == LANE_RETIRING) {
        return;
    }
    if (lane->coming != NULL) {
        struct unit *coming = lane->coming;
        lane->coming = NULL;
        unit_drain(coming);
    }
    lane->state = LANE_RETIRING;
    lane->restart_at_ns = 0;
    lane->next_retiring = lane->server->retiring;
    lane->server->retiring = lane;
    for (unsigned i = 0; i < lane->variant_count; i++) {
        struct unit *standby = lane->variants[i].standby;
        if (standby != NULL && queue_count(&lane->variants[i].pinned) == 0) {
            lane->variants[i].standby = NULL;
            unit_drain(standby);
        }
    }
    if (lane->active == NULL && lane->served && lane_waiting(lane) > 0) {
        lane_start(lane, lane->variant); /* its host died just now, and these were admitted */
    }
}

bool lane_retire_step(struct lane *lane)
{
    bool queued = lane_waiting(lane) > 0;
    if (queued && lane->active == NULL && lane->coming == NULL) {
        lane_fail_queue(lane, ROOST_UNAVAILABLE, "the model was unloaded");
        queued = false;
    }
    if (lane->bodies == 0 && !queued) {
        if (lane->active != NULL && unit_busy(lane->active) == 0) {
            struct unit *active = lane->active;
            lane->active = NULL;
            unit_drain(active);
        }
        lane_drop_standby(lane);
        if (lane->coming != NULL) {
            struct unit *coming = lane->coming;
            lane->coming = NULL;
            unit_drain(coming);
        }
    }
    if (lane->bodies > 0 || lane->units > 0 || lane->active != NULL) {
        return false;
    }
    lane_free(lane);
    return true;
}

/* ---- requests --------------------------------------------------------------------- */

enum roost_err lane_admits(const struct lane *lane, struct detail *detail)
{
    switch (lane->state) {
    case LANE_READY:
    case LANE_PARKED:
        return ROOST_OK;
    case LANE_RETIRING:
        if (lane->active != NULL || lane->coming != NULL) {
            return ROOST_OK;
        }
        return detail_set(detail, ROOST_UNAVAILABLE, "model '%s' version %s was unloaded",
                          lane->tenant->name, lane->version_text);
    case LANE_LOADING:
        return detail_set(detail, ROOST_UNAVAILABLE, "model '%s' version %s is loading",
                          lane->tenant->name, lane->version_text);
    case LANE_UNAVAILABLE:
        break;
    }
    return detail_set(detail, ROOST_UNAVAILABLE, "model '%s' version %s is not available: %s",
                      lane->tenant->name, lane->version_text, lane->reason.text);
}

static void lane_fail_request(struct request *request, enum roost_err err, const char *text)
{
    struct reply reply = {.err = err, .text = text};
    request_finish(request, &reply);
}

void lane_enqueue(struct lane *lane, struct request *request)
{
    if (request->item.sequence == 0) {
        server_expiry_add(lane->server, request);
    }
    request->state = REQUEST_QUEUED;
    if (!queue_push(lane_queue_of(lane, request), &request->item)) {
        request->state = REQUEST_NEW;
        lane_fail_request(request, ROOST_NO_MEMORY, "out of memory");
        return;
    }
    lane->idle_since_ns = 0;
    if (lane->state == LANE_PARKED && lane->coming == NULL) {
        lane_start(lane, lane->variant);
    }
    bool pinned = request->pin != 0;
    lane_pump(lane);
    if (pinned) {
        lane_check_pins(lane); /* of a host that has just died */
    }
}

struct queue *lane_queue_of(struct lane *lane, const struct request *request)
{
    return request->pin == 0 ? &lane->queue : &lane->variants[request->pin - 1].pinned;
}

uint64_t lane_waiting(const struct lane *lane)
{
    uint64_t count = queue_count(&lane->queue);
    for (unsigned i = 0; i < lane->variant_count; i++) {
        count += queue_count(&lane->variants[i].pinned);
    }
    return count;
}

uint64_t lane_waiting_rows(const struct lane *lane)
{
    uint64_t rows = lane->queue.rows;
    for (unsigned i = 0; i < lane->variant_count; i++) {
        rows += lane->variants[i].pinned.rows;
    }
    return rows;
}

void lane_expire(struct lane *lane, struct request *request, uint64_t now_ns)
{
    bool queued = request->state == REQUEST_QUEUED;
    /* The time in the queue is over. What runs already goes on to its deadline. */
    if (now_ns < request->deadline_ns && (!queued || request->delay_on_timeout)) {
        request->delay_on_timeout = false;
        request->expiry_ns = request->deadline_ns;
        server_expiry_add(lane->server, request);
        if (queued) {
            struct queue *queue = lane_queue_of(lane, request);
            queue_remove(queue, &request->item);
            request->item.deadline_ns = UINT64_MAX; /* behind the others of its priority */
            roost_assert(queue_push(queue, &request->item));
        }
        return;
    }
    lane->statistics->expired++;
    lane_fail_request(request, ROOST_EXPIRED,
                      queued ? "the deadline passed while the request waited"
                             : "the deadline passed while the request ran");
}

void lane_fail_queue(struct lane *lane, enum roost_err err, const char *text)
{
    for (unsigned i = 0; i <= lane->variant_count; i++) {
        struct queue *queue = i == 0 ? &lane->queue : &lane->variants[i - 1].pinned;
        while (queue_head(queue) != NULL) {
            lane_fail_request(request_of_item(queue_head(queue)), err, text);
        }
    }
}

/* ---- batches ---------------------------------------------------------------------- */

static void lane_wake_at(struct lane *lane, uint64_t wake_ns, uint64_t now_ns)
{
    uint64_t wait_ms = wake_ns > now_ns ? (wake_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(&lane->server->loop);
    bool sooner = uv_is_active((uv_handle_t *)lane->wake) &&
                  uv_timer_get_due_in(lane->wake) <= wait_ms;
    if (!sooner) {
        uv_timer_start(lane->wake, lane_wake, wait_ms, 0);
    }
}

/* Takes a batch from the queue and hands it over. False: the host took nothing. */
static bool lane_form(struct unit *unit, struct queue *queue, uint64_t rows_max)
{
    struct queue_item *items[HOST_PIECES_MAX];
    struct request *requests[HOST_PIECES_MAX];
    bool suspect = request_of_item(queue_head(queue))->deaths > 0;
    if (suspect && unit_busy(unit) > 0) {
        return false;
    }
    unsigned items_max = suspect ? 1 : HOST_PIECES_MAX;
    unsigned count = queue_take_batch(queue, rows_max, items_max, items);
    uint64_t rows = 0;
    for (unsigned i = 0; i < count; i++) {
        requests[i] = request_of_item(items[i]);
        rows += items[i]->rows;
    }
    if (!unit_publish(unit, requests, count, rows)) {
        for (unsigned i = 0; i < count; i++) {
            roost_assert(queue_push(queue, items[i]));
        }
        return false;
    }
    unit->suspect = suspect;
    return true;
}

/* Who waits for this host and is to go next: those who want its variant, or, where it is the one
 * that serves, those who take any. NULL: nobody. */
static struct queue *lane_next_queue(struct lane *lane, const struct unit *unit)
{
    struct queue *pinned = &lane->variants[unit->variant].pinned;
    const struct queue_item *a = queue_head(pinned);
    const struct queue_item *b = unit == lane->active ? queue_head(&lane->queue) : NULL;
    if (a == NULL || b == NULL) {
        return a != NULL ? pinned : b != NULL ? &lane->queue : NULL;
    }
    bool first = a->priority != b->priority         ? a->priority < b->priority
                 : a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns
                                                    : a->arrival_ns < b->arrival_ns;
    return first ? pinned : &lane->queue;
}

/* What is run though it is late: what waited for a host or lost one, what config.pbtxt puts off,
 * all that was let in when the server drains. And who is alone with a host that has nothing to do:
 * that costs nobody anything, and tells how long runs take now. */
static bool lane_spares(const struct lane *lane, const struct unit *unit,
                        const struct request *request)
{
    return request->deaths > 0 || request->item.arrival_ns < unit->ready_ns ||
           request->item.deadline_ns == UINT64_MAX || lane->server->state == SERVER_DRAINING ||
           (unit_busy(unit) == 0 && lane_waiting(lane) == 1);
}

/* Refuses who is to go next, where that would be late and is to be refused. */
static bool lane_drops(struct lane *lane, const struct unit *unit, struct queue *queue,
                       uint64_t now_ns)
{
    struct request *request = request_of_item(queue_head(queue));
    const struct curve *curve = &lane->variants[unit->variant].curve;
    uint64_t run_ns = curve_is_known(curve) ? curve_service_ns(curve, request->item.rows) : 0;
    if (lane->dropping || !lane_sheds_by_slo(lane) || lane_spares(lane, unit, request) ||
        !admission_hopeless(lane->settings.slo_ns, run_ns, now_ns - request->started_ns)) {
        return false;
    }
    struct detail detail;
    detail_set(&detail, ROOST_OVERLOADED, "model '%s': the answer would miss the SLO by now",
               lane->model.name);
    uint64_t wait_ns = batcher_predict_wait_ns(&lane->limits, curve, lane_waiting_rows(lane));
    struct reply reply = {
        .err = ROOST_OVERLOADED, .text = detail.text, .retry_after_ns = 1 + wait_ns};
    admission_learn(&lane->admission, lane->settings.slo_percentile, request->started_ns, false);
    lane->dropping = true;
    request_finish(request, &reply);
    lane->dropping = false;
    return true;
}

static void lane_pump_unit(struct lane *lane, struct unit *unit)
{
    struct queue *queue;
    while ((queue = lane_next_queue(lane, unit)) != NULL) {
        unsigned busy = unit_busy(unit);
        if (busy > 0 && unit->suspect) {
            return;
        }
        uint64_t now_ns = clock_now_ns();
        if (lane_drops(lane, unit, queue, now_ns)) {
            continue;
        }
        struct batcher_decision decision = batcher_decide(
            &lane->limits, &lane->variants[unit->variant].curve, queue, busy, now_ns);
        if (decision.action == BATCHER_WAIT) {
            lane_wake_at(lane, decision.wake_ns, now_ns);
            return;
        }
        if (decision.action == BATCHER_NOTHING || !lane_form(unit, queue, decision.rows_max)) {
            return;
        }
    }
}

void lane_pump(struct lane *lane)
{
    if (lane->state == LANE_RETIRING || lane->server->state == SERVER_DRAINING) {
        lane->limits.delay_ns = 0; /* no companions will come */
    }
    if (lane->active != NULL) {
        lane_pump_unit(lane, lane->active);
    }
    for (unsigned i = 0; i < lane->variant_count; i++) {
        if (lane->variants[i].standby != NULL) {
            lane_pump_unit(lane, lane->variants[i].standby);
        }
    }
}
