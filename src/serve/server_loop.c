/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/server_loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

enum { MEMORY_TICKS = 10 }; /* memory and load are measured every so many ticks */
/* Batches of a host between two ticks from which on it is worth while that its workers spin: fewer
 * leave them without work for longer than they would. */
enum { DENSE_BATCHES = 500 };

/* ---- expiry ------------------------------------------------------------------------- */

static struct request *request_of(struct heap_node *node)
{
    return (struct request *)((char *)node - offsetof(struct request, expiry_node));
}

static bool expires_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct request *x = (const struct request *)((const char *)a -
                                                       offsetof(struct request, expiry_node));
    const struct request *y = (const struct request *)((const char *)b -
                                                       offsetof(struct request, expiry_node));
    return x->expiry_ns < y->expiry_ns;
}

void server_loop_init(struct server *server)
{
    heap_init(&server->expiry, expires_before);
    spin_init(&server->spin);
}

static void server_expire(uv_timer_t *timer);

static void server_expiry_arm(struct server *server, uint64_t now_ns)
{
    const struct heap_node *node = heap_peek(&server->expiry);
    if (node == NULL) {
        return;
    }
    const struct request *first = (const struct request *)((const char *)node -
                                                           offsetof(struct request, expiry_node));
    uint64_t wait_ns = first->expiry_ns > now_ns ? first->expiry_ns - now_ns : 0;
    uv_update_time(&server->loop);
    uv_timer_start(&server->expiry_timer, server_expire, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void server_expire(uv_timer_t *timer)
{
    struct server *server = timer->data;
    uint64_t now_ns = clock_now_ns();
    struct heap_node *node;
    while ((node = heap_peek(&server->expiry)) != NULL && request_of(node)->expiry_ns <= now_ns) {
        struct request *request = request_of(node);
        heap_remove(&server->expiry, node);
        lane_expire(request->lane, request, now_ns);
    }
    server_expiry_arm(server, now_ns);
}

void server_expiry_add(struct server *server, struct request *request)
{
    bool armed = uv_is_active((uv_handle_t *)&server->expiry_timer);
    /* Without memory for the heap the request merely has no deadline. */
    if (heap_push(&server->expiry, &request->expiry_node) &&
        (!armed || heap_peek(&server->expiry) == &request->expiry_node)) {
        server_expiry_arm(server, clock_now_ns());
    }
}

void server_expiry_remove(struct server *server, struct request *request)
{
    if (request->expiry_node.index != HEAP_OUT) {
        heap_remove(&server->expiry, &request->expiry_node);
    }
}

/* ---- starts ------------------------------------------------------------------------- */

uint64_t server_memory_left(const struct server *server)
{
    struct process_memory own = {0};
    process_memory_read(getpid(), &own, NULL);
    uint64_t taken = server->settings.memory_reserve_bytes + own.anonymous_bytes;
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        uint64_t expected = unit->state == UNIT_READY || unit->state == UNIT_DRAINING
                                ? 0
                                : unit->memory_estimate_bytes;
        uint64_t measured = unit->memory.resident_bytes;
        taken += measured > expected ? measured : expected;
    }
    uint64_t limit = server->limits.memory_bytes;
    return taken < limit ? limit - taken : 0;
}

bool server_permit_take(struct server *server)
{
    /* Also while it drains: what was admitted may need a host in place of one that just died. */
    if (server->permits == 0 || server->state == SERVER_STOPPED) {
        return false;
    }
    server->permits--;
    return true;
}

void server_permit_give(struct server *server)
{
    server->permits++;
    /* The list has the newest first; the oldest that waits goes next. */
    struct unit *oldest = NULL;
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        if (unit->state == UNIT_WAITING && !unit->unwanted) {
            oldest = unit;
        }
    }
    if (oldest != NULL && server_permit_take(server)) {
        unit_permit(oldest);
    }
}

/* ---- processes ---------------------------------------------------------------------- */

static struct unit *server_unit(struct server *server, uint64_t spawn_id)
{
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        if (unit->spawn_id == spawn_id && unit->link != NULL) {
            return unit;
        }
    }
    return NULL;
}

void server_loop_spawner(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct server *server = poll->data;
    struct spawner_event event;
    while (spawner_next(server->spawner, &event)) {
        if (event.type == SPAWNER_GONE) {
            log_error("server.spawner", "reason=\"%s\" result=\"no host can run: stopping\"",
                      event.detail.text);
            server->exit_code = 1;
            uv_stop(&server->loop);
            return;
        }
        struct unit *unit = server_unit(server, event.id);
        if (unit == NULL) {
            if (event.type == SPAWNER_SPAWNED) {
                close(event.pidfd);
            }
            continue;
        }
        if (event.type == SPAWNER_SPAWNED) {
            unit_spawned(unit, event.pid, event.pidfd);
        } else if (event.type == SPAWNER_EXITED) {
            unit_exited(unit, event.status);
        } else {
            unit_spawn_failed(unit, event.detail.text);
        }
    }
}

static bool unit_runs(const struct unit *unit)
{
    return unit->link != NULL && (unit->state == UNIT_READY || unit->state == UNIT_DRAINING) &&
           unit_busy(unit) > 0;
}

void server_loop_arm(struct server *server)
{
    /* Results make answers, and those make room for new batches, on any host: until all are quiet.
     * */
    bool again = true;
    while (again) {
        again = false;
        for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
            if (unit_runs(unit) && link_arm(unit->link)) {
                again |= unit_take_results(unit);
            }
        }
    }
}

void server_loop_awake(struct server *server)
{
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        if (unit_runs(unit)) {
            link_awake(unit->link);
        }
    }
}

/* ---- lanes and tenants -------------------------------------------------------------- */

void server_loop_forget(struct server *server)
{
    size_t kept = 0;
    for (size_t i = 0; i < server->tenant_count; i++) {
        struct tenant *tenant = server->tenants[i];
        if (tenant->gone && tenant->lanes_alive == 0) {
            tenant_free(tenant);
        } else {
            server->tenants[kept++] = tenant;
        }
    }
    server->tenant_count = kept;
}

void server_loop_retire(struct server *server)
{
    bool any = false;
    struct lane **place = &server->retiring;
    while (*place != NULL) {
        struct lane *lane = *place;
        struct lane *next = lane->next_retiring;
        struct tenant *tenant = lane->tenant;
        if (lane_retire_step(lane)) {
            *place = next;
            any = true;
            tenant_lane_gone(tenant);
        } else {
            place = &lane->next_retiring;
        }
    }
    if (any) {
        server_loop_forget(server);
    }
}

static void server_tick_lanes(struct lane *const *lanes, unsigned count, uint64_t now_ns)
{
    for (unsigned i = 0; i < count; i++) {
        lane_tick(lanes[i], now_ns);
    }
}

static bool unit_is_dense(const struct unit *unit)
{
    return unit->state == UNIT_READY && unit->batches_done - unit->batches_ticked >= DENSE_BATCHES;
}

static void server_tick_spin(struct server *server, uint64_t now_ns)
{
    bool dense = false, allowed = false;
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        dense |= unit_is_dense(unit);
    }
    if (dense) {
        allowed = spin_decide(&server->spin, machine_idle_ns(), server->limits.cpu_count, now_ns);
    } else {
        spin_pause(&server->spin);
    }
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        bool spins = allowed && unit_is_dense(unit);
        unit->batches_ticked = unit->batches_done;
        if (spins != unit->spins) {
            unit->spins = spins;
            link_set_spin(unit->link, spins);
        }
    }
}

void server_loop_tick(struct server *server)
{
    uint64_t now_ns = clock_now_ns();
    bool measure = server->ticks++ % MEMORY_TICKS == 0;
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        unit_tick(unit, now_ns, measure);
    }
    if (measure) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN); /* those that the idle time is of */
        machine_load_look(&server->load, machine_idle_ns(), cores > 0 ? (unsigned)cores : 0,
                          now_ns);
    }
    server_tick_spin(server, now_ns);
    lane_memory_tick(server);
    for (size_t i = 0; i < server->tenant_count; i++) {
        const struct tenant *tenant = server->tenants[i];
        server_tick_lanes(tenant->lanes, tenant->lane_count, now_ns);
        server_tick_lanes(tenant->coming, tenant->coming_count, now_ns);
    }
    for (struct lane *lane = server->retiring; lane != NULL; lane = lane->next_retiring) {
        lane_tick(lane, now_ns);
    }
}
