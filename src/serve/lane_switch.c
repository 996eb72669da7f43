/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a lane's hosts takes batches: switches of variant, hosts that stand by, pins. */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

unsigned lane_find_variant(const struct lane *lane, const char *name)
{
    unsigned variant = 0;
    while (variant < lane->variant_count &&
           strcmp(lane->variants[variant].desired.name, name) != 0) {
        variant++;
    }
    return variant;
}

bool lane_variant_failed(const struct lane *lane, unsigned variant, uint64_t now_ns)
{
    return now_ns < lane->variants[variant].failed_until_ns;
}

/* ---- hosts that stand by -------------------------------------------------------------- */

void lane_stand_by(struct lane *lane, struct unit *unit)
{
    struct lane_variant *variant = &lane->variants[unit->variant];
    if (lane->state == LANE_RETIRING || lane->server->state != SERVER_RUNNING || unit->killed ||
        variant->standby != NULL) {
        unit_drain(unit);
        lane_check_pins(lane);
        return;
    }
    /* Where memory is short, the next tick lets the one go that has stood by for the longest. */
    unit->idle_ns = clock_now_ns();
    variant->standby = unit;
}

static void lane_let_go(struct lane *lane, unsigned variant)
{
    struct unit *unit = lane->variants[variant].standby;
    lane->variants[variant].standby = NULL;
    unit_drain(unit);
    lane_check_pins(lane);
}

void lane_drop_standby(struct lane *lane)
{
    for (unsigned i = 0; i < lane->variant_count; i++) {
        if (lane->variants[i].standby != NULL) {
            lane_let_go(lane, i);
        }
    }
}

struct unit *lane_stand_in(const struct lane *lane)
{
    struct unit *best = NULL;
    unsigned best_distance = UINT32_MAX;
    for (unsigned i = 0; i < lane->variant_count; i++) {
        const struct lane_variant *variant = &lane->variants[i];
        unsigned distance = i > lane->variant ? i - lane->variant : lane->variant - i;
        bool allowed = variant->desired.accuracy >= lane->settings.accuracy_floor ||
                       lane->settings.accuracy_floor <= 0;
        if (variant->standby != NULL && allowed && distance < best_distance) {
            best = variant->standby;
            best_distance = distance;
        }
    }
    return best;
}

/* The host that has stood by for the longest, of any lane; NULL: none does. */
static struct unit *oldest_standby(const struct server *server)
{
    struct unit *oldest = NULL;
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        if (unit == unit->lane->variants[unit->variant].standby &&
            (oldest == NULL || unit->idle_ns < oldest->idle_ns)) {
            oldest = unit;
        }
    }
    return oldest;
}

bool lane_make_room(struct server *server, uint64_t bytes)
{
    uint64_t coming = 0, all = 0;
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        bool stands_by = unit == unit->lane->variants[unit->variant].standby;
        coming += unit->state == UNIT_DRAINING ? unit->memory.resident_bytes : 0;
        all += unit->state == UNIT_DRAINING || stands_by ? unit->memory.resident_bytes : 0;
    }
    if (all < bytes) {
        return false; /* nobody is let go for nothing */
    }
    while (coming < bytes) {
        struct unit *unit = oldest_standby(server);
        roost_assert(unit != NULL);
        log_info("model.standby_gone", "tenant=%s variant=%s why=\"its memory is needed\"",
                 unit->lane->tenant->name, unit->lane->variants[unit->variant].desired.name);
        coming += unit->memory.resident_bytes;
        lane_let_go(unit->lane, unit->variant);
    }
    return true;
}

uint64_t lane_standby_bytes(const struct server *server)
{
    uint64_t bytes = 0;
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        bool stands_by = unit == unit->lane->variants[unit->variant].standby;
        bytes += stands_by && unit->variant != unit->lane->wanted ? unit->memory.resident_bytes : 0;
    }
    return bytes;
}

void lane_memory_tick(struct server *server)
{
    if (server_memory_left(server) == 0 && oldest_standby(server) != NULL) {
        lane_make_room(server, 1);
    }
    struct unit *hungry = NULL;
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        hungry = unit->starved ? unit : hungry; /* the list has the newest first */
    }
    if (hungry != NULL) {
        unit_feed(hungry);
    }
}

/* ---- switches -------------------------------------------------------------------------- */

void lane_take_over(struct lane *lane, struct unit *unit)
{
    struct unit *old = lane->active;
    struct lane_variant *variant = &lane->variants[unit->variant];
    roost_assert(unit->state == UNIT_READY && old != unit);
    if (variant->standby == unit) {
        variant->standby = NULL;
    }
    if (lane->served && unit->variant != lane->variant) {
        lane->switches++;
        lane->switched_ns = clock_now_ns();
        log_info("model.switch", "tenant=%s version=%s from=%s to=%s", lane->tenant->name,
                 lane->version_text, lane->variants[lane->variant].desired.name,
                 variant->desired.name);
    }
    bool measure = old != NULL && lane_waiting(lane) > 0;
    unit->taken_over_ns = measure ? clock_now_ns() : 0;
    lane->active = unit;
    lane->variant = unit->variant;
    lane->idle_since_ns = 0;
    if (old != NULL && old->variant == unit->variant) {
        unit_drain(old);
    } else if (old != NULL) {
        lane_stand_by(lane, old);
    }
}

static void lane_cancel_coming(struct lane *lane)
{
    if (lane->coming != NULL) {
        struct unit *coming = lane->coming;
        lane->coming = NULL;
        unit_drain(coming);
    }
}

enum roost_err lane_switch(struct lane *lane, unsigned variant, struct detail *detail)
{
    if (variant >= lane->variant_count) {
        return detail_set(detail, ROOST_INVALID, "model '%s' has no such variant",
                          lane->tenant->name);
    }
    if (lane->state == LANE_RETIRING || lane->server->state != SERVER_RUNNING) {
        return detail_set(detail, ROOST_UNAVAILABLE, "model '%s' version %s is being unloaded",
                          lane->tenant->name, lane->version_text);
    }
    lane->wanted = variant;
    struct unit *standby = lane->variants[variant].standby;
    if ((lane->active != NULL && lane->active->variant == variant) || standby != NULL) {
        lane_cancel_coming(lane);
        lane->restart_at_ns = 0;
        if (standby != NULL) {
            lane_take_over(lane, standby);
            lane_update(lane, &lane->settings);
            lane_pump(lane);
        }
        return ROOST_OK;
    }
    if (lane->coming != NULL && lane->coming->variant == variant) {
        return ROOST_OK; /* was meant to stand by; takes over instead */
    }
    lane_cancel_coming(lane);
    if (lane->state == LANE_PARKED) {
        lane->variant = variant; /* the next request starts it */
        return ROOST_OK;
    }
    lane_start(lane, variant);
    if (lane->wanted != variant) {
        const struct lane_variant *failed = &lane->variants[variant];
        return detail_set(detail, failed->err, "%s", failed->reason.text);
    }
    return ROOST_OK;
}

void lane_warm(struct lane *lane, unsigned variant)
{
    bool serves = lane->active != NULL && lane->active->variant == variant;
    if (variant >= lane->variant_count || lane->active == NULL || serves || lane->coming != NULL ||
        lane->restart_at_ns != 0 || lane->state != LANE_READY ||
        lane->variants[variant].standby != NULL ||
        lane_variant_failed(lane, variant, clock_now_ns())) {
        return;
    }
    static const uint64_t pause_ns = 10 * NS_PER_S;
    uint64_t now_ns = clock_now_ns();
    uint64_t need = lane->variants[variant].memory_bytes;
    if (now_ns >= lane->warm_after_ns && need + need / 4 < server_memory_left(lane->server)) {
        lane->warm_after_ns = now_ns + pause_ns; /* not again at once when it is let go */
        lane_start(lane, variant);
    }
}

/* ---- pinned requests ------------------------------------------------------------------- */

/* True when a host of the variant runs, or is about to take the place of one that did. */
static bool lane_can_run(const struct lane *lane, unsigned variant)
{
    if (lane->variants[variant].standby != NULL) {
        return true;
    }
    return lane->active != NULL ? lane->active->variant == variant : lane->variant == variant;
}

enum roost_err lane_admits_pin(const struct lane *lane, unsigned variant, struct detail *detail)
{
    if (lane_can_run(lane, variant)) {
        return ROOST_OK;
    }
    const struct lane_variant *wanted = &lane->variants[variant];
    bool failed = wanted->err != ROOST_OK;
    return detail_set(detail, ROOST_UNAVAILABLE,
                      "model '%s': variant '%s' neither serves nor stands by%s%s; '%s' serves",
                      lane->tenant->name, wanted->desired.name,
                      failed ? ", its last start failed: " : "", failed ? wanted->reason.text : "",
                      lane->variants[lane->variant].desired.name);
}

void lane_check_pins(struct lane *lane)
{
    for (unsigned i = 0; i < lane->variant_count; i++) {
        struct queue *pinned = &lane->variants[i].pinned;
        struct queue_item *item;
        struct detail detail;
        while ((item = queue_head(pinned)) != NULL &&
               lane_admits_pin(lane, i, &detail) != ROOST_OK) {
            struct request *request = (struct request *)((char *)item -
                                                         offsetof(struct request, item));
            struct reply reply = {.err = ROOST_UNAVAILABLE, .text = detail.text};
            request_finish(request, &reply);
        }
    }
}
