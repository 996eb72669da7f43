/* SPDX-License-Identifier: Apache-2.0 */
/* A lane and its hosts: starts, restarts, failures, parking. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

static const int64_t default_max_batch_size = 64;
static const unsigned failed_starts_max =
    5; /* then the tenant is unavailable, and retried slowly */
static const uint64_t restart_first_ns = 100 * NS_PER_MS;
static const uint64_t restart_slowest_ns = 10 * NS_PER_S;
static const uint64_t healthy_after_ns = 10 * NS_PER_S; /* of service forgives earlier deaths */
static const double hang_factor = 20;                   /* beyond the learned curve */
static const uint64_t failed_first_ns = 10 * NS_PER_S;  /* a policy leaves a failed variant alone */
static const unsigned failed_doublings_max = 5;

void lane_start(struct lane *lane, unsigned variant)
{
    roost_assert(lane->coming == NULL && variant < lane->variant_count);
    lane->restart_at_ns = 0;
    if (lane->active == NULL) {
        lane->variant = lane->wanted = variant;
    }
    if (!unit_start(lane, variant)) {
        lane_unit_failed(lane, NULL, ROOST_NO_MEMORY, "out of memory");
    }
}

/* The first graph that is read decides the lane's signature. */
static enum roost_err lane_learn(struct lane *lane, const struct model_io *io,
                                 struct detail *detail)
{
    enum roost_err err = model_config_complete(&lane->config, io, default_max_batch_size, detail);
    if (err != ROOST_OK) {
        return err;
    }
    model_config_signature(&lane->config, io, &lane->signature);
    lane->graph_input_count = io->input_count;
    const char *directory = lane->variants[0].desired.model_directory;
    err = labels_read(&lane->labels, &lane->config, directory, detail);
    if (err != ROOST_OK) {
        return err;
    }
    lane->graph = *io;
    lane->model.max_batch_size = lane->signature.max_batch_size;
    lane->model.io = &lane->signature.io;
    lane->model.labels = lane->labels.tables;
    properties_fill(&lane->properties, lane);
    lane->known = true;
    return ROOST_OK;
}

/* A later host's graph must be the one that the lane was made for. */
static enum roost_err lane_check_same(const struct lane *lane, const struct model_io *io,
                                      struct detail *detail)
{
    const struct model_io *want = &lane->graph;
    if (io->input_count != want->input_count || io->output_count != want->output_count) {
        return detail_set(detail, ROOST_INVALID,
                          "the graph has %u inputs and %u outputs, the tenant's signature %u and "
                          "%u: declare an adapter, or use another model",
                          io->input_count, io->output_count, want->input_count, want->output_count);
    }
    for (unsigned i = 0; i < io->input_count + io->output_count; i++) {
        bool input = i < io->input_count;
        unsigned n = input ? i : i - io->input_count;
        const struct tensor_spec *a = input ? &io->inputs[n] : &io->outputs[n];
        const struct tensor_spec *b = input ? &want->inputs[n] : &want->outputs[n];
        if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype ||
            !shape_equal(&a->shape, &b->shape)) {
            char have[128], need[128];
            return detail_set(detail, ROOST_INVALID,
                              "%s '%s' %s%s differs from the tenant's '%s' %s%s: declare an "
                              "adapter, or use another model",
                              input ? "input" : "output", a->name, dtype_name(a->dtype),
                              shape_format(&a->shape, have, sizeof have), b->name,
                              dtype_name(b->dtype), shape_format(&b->shape, need, sizeof need));
        }
    }
    return ROOST_OK;
}

void lane_unit_loaded(struct lane *lane, struct unit *unit, const struct model_io *io,
                      const struct engine_metadata *metadata)
{
    struct lane_variant *variant = &lane->variants[unit->variant];
    struct detail detail = {""};
    variant->metadata = *metadata;
    enum roost_err err = lane->known ? lane_check_same(lane, io, &detail)
                                     : lane_learn(lane, io, &detail);
    if (err != ROOST_OK) {
        unit->failed = true;
        lane_unit_failed(lane, unit, err, detail.text);
        unit_drain(unit);
    }
}

void lane_unit_ready(struct lane *lane, struct unit *unit)
{
    struct lane_variant *variant = &lane->variants[unit->variant];
    variant->start_ns = unit->ready_ns - unit->started_ns;
    variant->err = ROOST_OK;
    variant->failures = 0;
    variant->failed_until_ns = 0;
    lane->coming = NULL;
    char sandbox[SANDBOX_NAMES_BYTES];
    log_info("model.ready",
             "tenant=%s version=%s variant=%s pid=%d ms=%" PRIu64
             " optimised=%d workers=%u sandbox=%s",
             lane->tenant->name, lane->version_text, variant->desired.name,
             (int)link_pid(unit->link), variant->start_ns / NS_PER_MS, unit->optimised,
             lane->workers, sandbox_names(&unit->sandbox, true, sandbox));
    if (lane->active != NULL && unit->variant != lane->wanted) {
        link_set_workers(unit->link, lane->workers, &lane->cpus); /* may have changed meanwhile */
        lane_stand_by(lane, unit);
        return;
    }
    lane_take_over(lane, unit);
    lane->served = true;
    if (lane->state != LANE_RETIRING) {
        bool first = lane->state != LANE_READY;
        lane->state = LANE_READY;
        lane->err = ROOST_OK;
        lane->reason.text[0] = '\0';
        lane_update(lane, &lane->settings);
        if (first) {
            tenant_lane_settled(lane->tenant, lane);
        }
    }
    lane_pump(lane);
}

/* While another host steps in for the one that died, that one is still wanted. */
static void lane_restart(struct lane *lane)
{
    lane_start(lane, lane->active != NULL ? lane->wanted : lane->variant);
}

static void lane_restart_later(struct lane *lane)
{
    lane->failed_starts++;
    uint64_t wait_ns = 0;
    if (lane->failed_starts > 1) {
        unsigned doublings = lane->failed_starts - 2;
        wait_ns = doublings > 6 ? restart_slowest_ns : restart_first_ns << doublings;
    }
    if (wait_ns == 0) {
        lane_restart(lane);
    } else {
        lane->restart_at_ns = clock_now_ns() + wait_ns;
    }
}

static void lane_unavailable(struct lane *lane, enum roost_err err, const char *reason)
{
    if (lane->state == LANE_RETIRING) {
        return;
    }
    lane->state = LANE_UNAVAILABLE;
    lane->err = err;
    snprintf(lane->reason.text, sizeof lane->reason.text, "%s", reason);
    struct detail detail;
    lane_admits(lane, &detail);
    lane_fail_queue(lane, ROOST_UNAVAILABLE, detail.text);
    tenant_lane_settled(lane->tenant, lane);
}

static void lane_variant_fails(struct lane_variant *variant, enum roost_err err, const char *reason)
{
    unsigned doublings = variant->failures < failed_doublings_max ? variant->failures
                                                                  : failed_doublings_max;
    variant->failures++;
    variant->failed_until_ns = clock_now_ns() + (failed_first_ns << doublings);
    variant->err = err;
    snprintf(variant->reason.text, sizeof variant->reason.text, "%s", reason);
}

/* The next rung that may serve in the place of one that could not be started; variant_count: none.
 */
static unsigned lane_next_rung(const struct lane *lane, unsigned failed)
{
    uint64_t now_ns = clock_now_ns();
    double floor = lane->settings.accuracy_floor;
    for (unsigned n = 1; n < lane->variant_count; n++) {
        unsigned i = (failed + n) % lane->variant_count;
        bool allowed = floor <= 0 || lane->variants[i].desired.accuracy >= floor;
        if (allowed && !lane_variant_failed(lane, i, now_ns)) {
            return i;
        }
    }
    return lane->variant_count;
}

/* Goes on without the variant that failed. False: there is nothing to go on with. */
static bool lane_recover(struct lane *lane, unsigned failed)
{
    if (lane->active != NULL) {
        lane->wanted = lane->wanted == failed ? lane->active->variant : lane->wanted;
        return true;
    }
    if (lane->state == LANE_RETIRING) {
        return false;
    }
    if (lane->served && lane->variant != failed) {
        lane->wanted = lane->variant; /* its host died while this one was started */
        lane_restart_later(lane);
        return true;
    }
    unsigned next = lane_next_rung(lane, failed);
    if (next < lane->variant_count) {
        lane->wanted = next;
        lane_start(lane, next);
        return true;
    }
    return false;
}

void lane_unit_failed(struct lane *lane, struct unit *unit, enum roost_err err, const char *reason)
{
    unsigned number = unit != NULL ? unit->variant : lane->variant;
    struct lane_variant *variant = &lane->variants[number];
    lane_variant_fails(variant, err, reason);
    log_error("model.unavailable", "tenant=%s version=%s variant=%s err=%s reason=\"%s\"",
              lane->tenant->name, lane->version_text, variant->desired.name, roost_err_name(err),
              reason);
    if (unit != NULL && unit == lane->coming) {
        lane->coming = NULL;
    }
    if (lane_recover(lane, number)) {
        return;
    }
    lane_unavailable(lane, err, reason);
    bool passing = err == ROOST_NO_MEMORY || err == ROOST_IO || lane->served;
    if (passing && lane->state != LANE_RETIRING) {
        lane->failed_starts++;
        lane->restart_at_ns = clock_now_ns() + restart_slowest_ns;
    }
}

enum lane_role lane_unit_lost(struct lane *lane, struct unit *unit)
{
    struct lane_variant *variant = &lane->variants[unit->variant];
    enum lane_role role = LANE_ROLE_NONE;
    if (lane->active == unit) {
        lane->active = NULL;
        role = LANE_ROLE_ACTIVE;
    } else if (lane->coming == unit) {
        lane->coming = NULL;
        role = LANE_ROLE_COMING;
    } else if (variant->standby == unit) {
        variant->standby = NULL;
        role = LANE_ROLE_STANDBY;
    }
    return role;
}

/* A host that stands by takes the place of the one that died, until that one is back. */
static void lane_step_in(struct lane *lane)
{
    struct unit *unit = lane_stand_in(lane);
    if (unit == NULL) {
        return;
    }
    lane_take_over(lane, unit);
    lane_update(lane, &lane->settings);
}

void lane_unit_died(struct lane *lane, struct unit *unit, enum lane_role role, const char *how)
{
    const struct lane_variant *variant = &lane->variants[unit->variant];
    uint64_t now_ns = clock_now_ns();
    bool ready = unit->state == UNIT_READY;
    bool healthy = ready && now_ns - unit->ready_ns > healthy_after_ns;
    lane->statistics->host_deaths++;
    log_warn("host.died", "tenant=%s version=%s variant=%s how=\"%s\" loading=%d batches=%" PRIu64,
             lane->tenant->name, lane->version_text, variant->desired.name, how, !ready,
             unit->batches_done);
    if (role != LANE_ROLE_ACTIVE && role != LANE_ROLE_COMING) {
        lane_check_pins(lane);
        return;
    }
    /* What took too long would take as long again: no more often than what cannot be loaded. */
    if (unit->state == UNIT_LOADING && unit->killed) {
        lane_unit_failed(lane, unit, unit->start_err, unit->start_reason.text);
        return;
    }
    bool switching = role == LANE_ROLE_COMING &&
                     (lane->active != NULL || (lane->served && unit->variant != lane->variant));
    if (switching) {
        char reason[256];
        snprintf(reason, sizeof reason, "the host process died while it loaded the model: %s", how);
        lane_unit_failed(lane, unit, ROOST_INTERNAL, reason);
        return;
    }
    if (role == LANE_ROLE_ACTIVE && lane->state == LANE_READY) {
        lane_step_in(lane);
    }
    if (healthy || unit->batches_done > 0) {
        lane->failed_starts = 0;
    }
    if (lane->failed_starts >= failed_starts_max) {
        char reason[256];
        snprintf(reason, sizeof reason, "the host process %s %s, %u times in a row",
                 ready ? "died before its first answer:" : "died while it loaded the model:", how,
                 lane->failed_starts + 1);
        lane_unit_failed(lane, unit, ROOST_INTERNAL, reason);
        return;
    }
    bool needless = lane->state == LANE_RETIRING && lane_waiting(lane) == 0;
    if (needless || lane->coming != NULL) {
        return; /* what is being started for a switch will serve */
    }
    lane_restart_later(lane);
}

void lane_unit_gone(struct lane *lane, struct unit *unit)
{
    roost_assert(lane->units > 0);
    lane_unit_lost(lane, unit);
    lane->units--;
    lane_check_pins(lane);
}

/* How long the host's oldest batch may take before we believe that it hangs. Not for as many rows
 * as there may be: the curve goes too far beyond what it has seen when the machine is busy. */
static uint64_t lane_hang_limit_ns(const struct lane *lane, const struct unit *unit)
{
    uint64_t service_ns = curve_service_ns(&lane->variants[unit->variant].curve,
                                           unit_rows_largest(unit));
    double beyond_ns = hang_factor * (double)service_ns;
    uint64_t least_ns = lane->server->settings.hang_after_ns;
    return beyond_ns > (double)least_ns ? (uint64_t)beyond_ns : least_ns;
}

void lane_check_hang(struct lane *lane, struct unit *unit, uint64_t now_ns)
{
    if (unit->killed) {
        return;
    }
    if (unit_busy(unit) == 0) {
        if (unit->state == UNIT_DRAINING &&
            now_ns - unit->idle_ns > lane->server->settings.hang_after_ns) {
            unit_kill(unit, "it has nothing left to do and does not end");
        }
        return;
    }
    unit->idle_ns = unit->state == UNIT_DRAINING ? now_ns : unit->idle_ns;
    uint64_t owed_ns = link_oldest_run_ns(unit->link);
    if (owed_ns != 0 && now_ns > owed_ns && now_ns - owed_ns > lane_hang_limit_ns(lane, unit)) {
        struct lane_variant *variant = &lane->variants[unit->variant];
        variant->standby = variant->standby == unit ? NULL : variant->standby;
        unit_kill(unit, "no progress for longer than the model ever takes");
    }
}

static void lane_check_park(struct lane *lane, uint64_t now_ns)
{
    if (!lane->settings.park || lane->state != LANE_READY || lane->active == NULL ||
        lane->bodies > 0 || lane->coming != NULL) {
        lane->idle_since_ns = 0;
        return;
    }
    if (lane->idle_since_ns == 0) {
        lane->idle_since_ns = now_ns;
    } else if (now_ns - lane->idle_since_ns > lane->settings.park_after_ns) {
        struct unit *unit = lane->active;
        log_info("model.parked", "tenant=%s version=%s", lane->tenant->name, lane->version_text);
        lane->active = NULL;
        lane->state = LANE_PARKED;
        lane->wanted = lane->variant;
        lane_drop_standby(lane);
        unit_drain(unit);
    }
}

void lane_tick(struct lane *lane, uint64_t now_ns)
{
    if (lane->restart_at_ns != 0 && now_ns >= lane->restart_at_ns && lane->coming == NULL) {
        lane_restart(lane);
    }
    lane_check_pins(lane);
    lane_check_park(lane, now_ns);
    input_memory_trim(lane->memory);
    lane_pump(lane);
}
