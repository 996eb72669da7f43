/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/prepare.h"
#include "serve/server.h"
#include "serve/spec.h"
#include "serve/tenant.h"

/* A loader runs when nobody else wants the core; after this long it gets a small share of its own.
 * */
static const uint64_t lift_after_ns = 500 * NS_PER_MS;

const char *unit_state_name(enum unit_state state)
{
    static const char *const names[] = {"waiting", "reading", "optimising",
                                        "loading", "ready",   "draining"};
    return names[state];
}

/* ---- libuv handles ---------------------------------------------------------- */

static void unit_handle_closed(uv_handle_t *handle)
{
    free(handle);
}

static void unit_poll_close(uv_poll_t **poll)
{
    if (*poll != NULL) {
        uv_close((uv_handle_t *)*poll, unit_handle_closed);
        *poll = NULL;
    }
}

static uv_poll_t *unit_poll_open(struct unit *unit, int fd, uv_poll_cb callback)
{
    uv_poll_t *poll = malloc(sizeof *poll);
    if (poll == NULL || uv_poll_init(&unit->server->loop, poll, fd) != 0) {
        free(poll);
        return NULL;
    }
    poll->data = unit;
    roost_assert(uv_poll_start(poll, UV_READABLE, callback) == 0);
    return poll;
}

/* ---- life ------------------------------------------------------------------- */

static void unit_permit_give(struct unit *unit)
{
    if (unit->permit) {
        unit->permit = false;
        server_permit_give(unit->server);
    }
}

static void unit_link_close(struct unit *unit)
{
    unit_poll_close(&unit->control);
    unit_poll_close(&unit->completion);
    if (unit->link != NULL) {
        link_close(unit->link);
        unit->link = NULL;
    }
}

static void unit_free(struct unit *unit)
{
    unit_link_close(unit);
    unit_permit_give(unit);
    struct unit **place = &unit->server->units;
    while (*place != unit) {
        place = &(*place)->next;
    }
    *place = unit->next;
    for (unsigned i = 0; i < HOST_SLOTS_MAX; i++) {
        free(unit->batches[i]);
    }
    if (unit->stage[0] != '\0') {
        file_remove_tree(unit->stage, NULL); /* a few files; what stays is swept a day later */
    }
    lane_unit_gone(unit->lane, unit);
    if (unit->grantable) {
        grants_unit_gone(unit->server);
    }
    free(unit);
}

bool unit_start(struct lane *lane, unsigned variant)
{
    struct unit *unit = calloc(1, sizeof *unit);
    if (unit == NULL) {
        return false;
    }
    unit->server = lane->server;
    unit->lane = lane;
    unit->variant = variant;
    unit->state = UNIT_WAITING;
    unit->started_ns = clock_now_ns();
    unit->next = lane->server->units;
    lane->server->units = unit;
    lane->units++;
    lane->coming = unit;
    if (server_permit_take(unit->server)) {
        unit_permit(unit);
    }
    return true;
}

/* The start cannot go on: tell the lane, and go. */
static void unit_fail(struct unit *unit, enum roost_err err, const char *reason)
{
    if (!unit->unwanted) {
        lane_unit_failed(unit->lane, unit, err, reason);
    }
    unit_free(unit);
}

static void unit_open_host(struct unit *unit, enum host_role role);

static void unit_prepared(void *user, const struct prepared *prepared)
{
    struct unit *unit = user;
    memcpy(unit->stage, prepared->stage, sizeof unit->stage);
    if (unit->unwanted) {
        unit_fail(unit, ROOST_CANCELLED, "");
        return;
    }
    if (prepared->err != ROOST_OK) {
        unit_fail(unit, prepared->err, prepared->detail.text);
        return;
    }
    memcpy(unit->key, prepared->key, sizeof unit->key);
    memcpy(unit->path, prepared->path, sizeof unit->path);
    unit->optimised = prepared->optimised;
    unit->memory_need_bytes = prepared->memory_bytes;
    unit->starved = true;
    unit_feed(unit);
}

void unit_feed(struct unit *unit)
{
    if (unit->unwanted) {
        unit_fail(unit, ROOST_CANCELLED, "");
        return;
    }
    uint64_t left = server_memory_left(unit->server), need = unit->memory_need_bytes;
    if (need <= left) {
        unit->starved = false;
        unit->memory_estimate_bytes = need;
        unit_open_host(unit, unit->stage[0] != '\0' ? HOST_OPTIMISE : HOST_SERVE);
        return;
    }
    bool spare = unit->lane->active != NULL && unit->lane->wanted != unit->variant;
    if (spare) {
        unit->unwanted = true; /* nobody makes room for what merely stands by */
        unit_fail(unit, ROOST_NO_MEMORY, "");
        return;
    }
    if (lane_make_room(unit->server, need - left)) {
        return; /* again when those hosts have ended */
    }
    struct detail detail;
    detail_set(&detail, ROOST_NO_MEMORY,
               "the model needs about %llu MiB and %llu MiB of %llu MiB are left: unload "
               "another model, or raise the memory limit",
               (unsigned long long)(need >> 20), (unsigned long long)(left >> 20),
               (unsigned long long)(unit->server->limits.memory_bytes >> 20));
    unit_fail(unit, ROOST_NO_MEMORY, detail.text);
}

void unit_permit(struct unit *unit)
{
    unit->permit = true;
    unit->state = UNIT_KEYING;
    const struct lane_variant *variant = &unit->lane->variants[unit->variant];
    const struct adapter_settings *adapter = &variant->desired.adapter;
    const char *engine = spec_engine(&unit->lane->settings, variant->desired.model_path);
    const char *version = spawner_engine_version(unit->server->spawner, engine);
    struct prepare_request request = {
        .loop = &unit->server->loop,
        .cache = &unit->server->cache,
        .model_path = variant->desired.model_path,
        .engine = engine,
        .engine_version = version,
        .adapter = adapter->present ? adapter : NULL,
        .want = adapter->present ? &unit->lane->graph : NULL,
        .done = unit_prepared,
        .user = unit,
    };
    if (version[0] == '\0') {
        unit_fail(unit, ROOST_UNAVAILABLE, unit->server->engine_error.text);
        return;
    }
    if (adapter->present && !unit->lane->known) {
        unit_fail(unit, ROOST_UNAVAILABLE,
                  "its adapter needs the tenant's signature, which the first variant without an "
                  "adapter gives, and none has been loaded yet");
        return;
    }
    if (prepare_begin(&request) != ROOST_OK) {
        unit_fail(unit, ROOST_NO_MEMORY, "out of memory");
    }
}

/* ---- control messages ------------------------------------------------------- */

static void unit_measure(struct unit *unit)
{
    process_memory_read(link_pid(unit->link), &unit->memory, NULL);
    if (unit->state == UNIT_READY) {
        unit->lane->variants[unit->variant].memory_bytes = unit->memory.resident_bytes;
    }
}

static void unit_host_ready(struct unit *unit, uint64_t now_ns)
{
    unit->state = UNIT_READY;
    unit->ready_ns = now_ns;
    unit_measure(unit);
    unit_permit_give(unit);
    grants_unit_ready(unit);
    lane_unit_ready(unit->lane, unit);
}

/* False: the unit may be gone, look no further. */
static bool unit_event(struct unit *unit, const struct link_event *event)
{
    switch (event->type) {
    case LINK_LOADED:
        if (unit->state == UNIT_LOADING && !unit->unwanted) {
            lane_unit_loaded(unit->lane, unit, event->io, &event->metadata);
        }
        return true;
    case LINK_READY:
        if (unit->state == UNIT_LOADING && !unit->unwanted && !unit->exited && !unit->killed) {
            unit_host_ready(unit, clock_now_ns());
        }
        return true;
    case LINK_FAILED:
        /* The process ends by itself; an optimiser's failure is told by the load that follows, if
         * one does. */
        if (unit->state == UNIT_OPTIMISING) {
            unit->start_err = event->err;
            unit->start_reason = event->detail;
        }
        if (unit->state == UNIT_LOADING && !unit->unwanted) {
            unit->failed = true;
            unit_permit_give(unit);
            lane_unit_failed(unit->lane, unit, event->err, event->detail.text);
        }
        return true;
    case LINK_SANDBOX:
        unit->sandbox = event->sandbox;
        sandbox_log_missing(&unit->server->sandbox_log, &unit->sandbox);
        return true;
    case LINK_CLOSED:
        /* What happened is told by the spawner, when the process is reaped. */
        unit_poll_close(&unit->control);
        return false;
    }
    return true;
}

static void unit_take_events(struct unit *unit)
{
    struct link_event event;
    while (unit->link != NULL && link_next_event(unit->link, &event)) {
        if (!unit_event(unit, &event)) {
            return;
        }
    }
}

static void unit_control_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    unit_take_events(poll->data);
}

static void unit_completion_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct unit *unit = poll->data;
    unit_take_results(unit);
}

/* ---- processes -------------------------------------------------------------- */

static void unit_open_host(struct unit *unit, enum host_role role)
{
    struct detail detail = {""};
    struct host_spec *spec = malloc(sizeof *spec);
    if (spec == NULL) {
        unit_fail(unit, ROOST_NO_MEMORY, "out of memory");
        return;
    }
    spec_fill(spec, unit, role);
    unit->state = role == HOST_OPTIMISE ? UNIT_OPTIMISING : UNIT_LOADING;
    unit->spawn_id = ++unit->server->next_spawn_id;
    unit->process_started_ns = clock_now_ns();
    unit->cpu_ns = 0;
    enum roost_err err = link_open(unit->server->spawner, unit->spawn_id, spec,
                                   role == HOST_SERVE ? unit->lane->memory : NULL, &unit->link,
                                   &detail);
    free(spec);
    if (err != ROOST_OK) {
        unit_fail(unit, err, detail.text);
        return;
    }
    unit->spins = false;
    link_set_spin(unit->link, false);
    unit->control = unit_poll_open(unit, link_control_fd(unit->link), unit_control_readable);
    unit->completion = unit_poll_open(unit, link_completion_fd(unit->link),
                                      unit_completion_readable);
}

void unit_spawned(struct unit *unit, pid_t pid, int pidfd)
{
    link_spawned(unit->link, pid, pidfd);
    if (unit->unwanted) {
        link_kill(unit->link, SIGKILL);
    }
}

void unit_spawn_failed(struct unit *unit, const char *reason)
{
    unit_fail(unit, ROOST_UNAVAILABLE, reason);
}

static void unit_committed(void *user, const struct prepared *prepared)
{
    struct unit *unit = user;
    memcpy(unit->stage, prepared->stage, sizeof unit->stage);
    if (unit->unwanted) {
        unit_fail(unit, ROOST_CANCELLED, "");
        return;
    }
    if (prepared->err != ROOST_OK && unit->start_err != ROOST_OK) {
        unit_fail(unit, unit->start_err, unit->start_reason.text);
        return;
    }
    if (prepared->err != ROOST_OK) {
        unit_fail(unit, prepared->err, prepared->detail.text);
        return;
    }
    memcpy(unit->path, prepared->path, sizeof unit->path);
    unit->optimised = prepared->optimised;
    unit_open_host(unit, HOST_SERVE);
}

/* The optimiser is done; without its result the model is served as it is. */
static void unit_optimiser_exited(struct unit *unit, int status)
{
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const struct lane_variant *variant = &unit->lane->variants[unit->variant];
    unit_take_events(unit); /* why it failed came by another descriptor than its end */
    if (!good) {
        log_warn("model.optimise",
                 "tenant=%s variant=%s status=%d reason=%s result=\"not optimised\"",
                 unit->lane->tenant->name, variant->desired.name, status,
                 LOG_Q(unit->start_reason.text));
    }
    struct prepare_request request = {
        .loop = &unit->server->loop,
        .cache = &unit->server->cache,
        .model_path = variant->desired.model_path,
        .adapter = variant->desired.adapter.present ? &variant->desired.adapter : NULL,
        .key = unit->key,
        .stage = unit->stage,
        .keep = good && !unit->unwanted,
        .done = unit_committed,
        .user = unit,
    };
    unit_link_close(unit);
    unit->killed = false; /* the process that loads is another one */
    unit->state = UNIT_KEYING;
    if (prepare_commit(&request) != ROOST_OK) {
        unit_fail(unit, ROOST_NO_MEMORY, "out of memory");
    }
}

static void unit_describe_exit(int status, char *out, size_t out_bytes)
{
    if (WIFSIGNALED(status)) {
        snprintf(out, out_bytes, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(out, out_bytes, "exited with status %d", WEXITSTATUS(status));
    }
}

void unit_exited(struct unit *unit, int status)
{
    if (unit->state == UNIT_OPTIMISING) {
        unit_optimiser_exited(unit, status);
        return;
    }
    unit->exited = true;
    unit_take_events(unit); /* why it could not load came by another descriptor than its end */
    unit_take_results(unit);
    unsigned slots[HOST_SLOTS_MAX];
    unsigned count = link_orphans(unit->link, slots);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !unit->killed;
    enum lane_role role = lane_unit_lost(unit->lane, unit);
    lane_orphans(unit->lane, unit, slots, count, killed ? DEATH_KILLED : DEATH_CRASHED);
    bool expected = unit->unwanted || unit->failed || unit->state == UNIT_DRAINING;
    if (!expected) {
        char how[96];
        unit_describe_exit(status, how, sizeof how);
        lane_unit_died(unit->lane, unit, role, how);
    }
    unit_free(unit);
}

void unit_drain(struct unit *unit)
{
    if (unit->state == UNIT_READY) {
        unit->state = UNIT_DRAINING;
        unit->idle_ns = clock_now_ns();
        link_drain(unit->link);
        return;
    }
    unit->unwanted = true;
    if (unit->state == UNIT_WAITING || unit->starved) {
        unit_free(unit);
    } else if (unit->link != NULL && link_pid(unit->link) != 0) {
        link_kill(unit->link, SIGKILL);
    }
}

void unit_kill(struct unit *unit, const char *why)
{
    log_warn("host.kill", "tenant=%s variant=%s pid=%d why=\"%s\"", unit->lane->tenant->name,
             unit->lane->variants[unit->variant].desired.name,
             unit->link != NULL ? (int)link_pid(unit->link) : 0, why);
    if (unit->link != NULL) {
        unit->killed = true;
        link_kill(unit->link, SIGKILL);
    }
}

/* ---- ticks ------------------------------------------------------------------ */

/* A process that never becomes ready must not keep its permit, nor let anybody wait for it. */
static void unit_check_start(struct unit *unit, uint64_t now_ns)
{
    uint64_t limit_ns = unit->server->settings.load_timeout_ns;
    if (unit->killed || unit->unwanted || now_ns - unit->process_started_ns <= limit_ns) {
        return;
    }
    char limit[32];
    unit->start_err = detail_set(&unit->start_reason, ROOST_UNAVAILABLE,
                                 "it did not finish %s within %s (server: load_timeout)",
                                 unit_state_name(unit->state),
                                 duration_format(limit_ns, limit, sizeof limit));
    unit_kill(unit, unit->start_reason.text);
}

void unit_tick(struct unit *unit, uint64_t now_ns, bool measure)
{
    if (unit->link == NULL || link_pid(unit->link) == 0) {
        return;
    }
    bool starting = unit->state == UNIT_LOADING || unit->state == UNIT_OPTIMISING;
    if (starting && now_ns - unit->process_started_ns > lift_after_ns) {
        link_lift(unit->link); /* again: the loader may have begun since */
    }
    if (starting) {
        unit_check_start(unit, now_ns);
    } else if (unit->state == UNIT_READY || unit->state == UNIT_DRAINING) {
        lane_check_hang(unit->lane, unit, now_ns);
    }
    if (measure) {
        unit_measure(unit);
        link_trim(unit->link);
    }
}
