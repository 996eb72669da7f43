/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/manager.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/schedule.h"
#include "base/strbuf.h"
#include "core/plan.h"
#include "policy/registry.h"
#include "policy/runner.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/manager_internal.h"
#include "serve/server.h"
#include "serve/tenant.h"

enum { TENANTS_LEAST = 16 };

/* A decision on the tick may take so much of the time to the next one. */
static const uint64_t tick_parts = 4;
static const uint64_t postponed_told = 100; /* ticks */
static const unsigned failures_most = 40;   /* plans in a row that a knob undid */

/* ---- room for a policy ----------------------------------------------------------------- */

static void room_fini(struct manager_room *room)
{
    policy_runner_fini(&room->runner);
    view_store_fini(&room->now);
    view_store_fini(&room->then);
    free(room->plan_tenants);
    free(room->raw_tenants);
    free(room->pending_tenants);
    free(room->lanes);
    free(room->names);
    free(room->options);
    free(room->assignments);
    *room = (struct manager_room){0};
}

/* Cuts "a=1\nb=2" into texts. False when memory is short. */
static bool room_take_options(struct manager_room *room, const char *options)
{
    size_t count = 1;
    for (const char *c = options; *c != '\0'; c++) {
        count += *c == '\n';
    }
    room->options = strdup(options);
    room->assignments = calloc(count, sizeof *room->assignments);
    if (room->options == NULL || room->assignments == NULL) {
        return false;
    }
    char *rest = room->options, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (line[0] != '\0') {
            room->assignments[room->assignment_count++] = line;
        }
    }
    return true;
}

static bool room_allocate(struct manager_room *room, uint32_t tenants)
{
    room->plan_tenants = calloc(1, plan_bytes(tenants));
    room->raw_tenants = calloc(1, plan_bytes(tenants));
    room->pending_tenants = calloc(1, plan_bytes(tenants));
    room->lanes = calloc(tenants, sizeof *room->lanes);
    return room->plan_tenants != NULL && room->raw_tenants != NULL &&
           room->pending_tenants != NULL && room->lanes != NULL &&
           view_store_init(&room->now, tenants, ROOST_VARIANTS_MAX) == ROOST_OK &&
           view_store_init(&room->then, tenants, ROOST_VARIANTS_MAX) == ROOST_OK;
}

/* Memory and a fresh state of the policy for so many tenants. Nothing is left after a failure. */
static enum roost_err room_init(struct manager_room *room, const struct server *server,
                                const struct roost_policy *policy, const char *options,
                                uint32_t tenants, struct detail *detail)
{
    struct roost_node node;
    *room = (struct manager_room){.policy = policy, .tenants_max = tenants};
    manager_see_node(server, &node);
    enum roost_err err = ROOST_OK;
    if (!room_take_options(room, options) || !room_allocate(room, tenants)) {
        err = detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    if (err == ROOST_OK) {
        err = policy_runner_init(&room->runner, policy, room->assignments, room->assignment_count,
                                 tenants, &node, detail);
    }
    if (err != ROOST_OK) {
        room_fini(room);
    }
    return err;
}

/* Room for some more than there are, but for no more than the policy accepts. */
static uint32_t room_for(const struct roost_policy *policy, uint32_t count)
{
    uint32_t tenants = TENANTS_LEAST;
    while (tenants < count) {
        tenants *= 2;
    }
    bool limited = policy->tenants_max > 0 && policy->tenants_max < tenants;
    return limited && count <= policy->tenants_max ? policy->tenants_max : tenants;
}

/* Puts another room in the place of the one in use. */
static void manager_move(struct manager *manager, const struct manager_room *room)
{
    manager->faults += manager->room.runner.faults;
    manager->overruns += manager->room.runner.overruns;
    room_fini(&manager->room);
    manager->room = *room;
    manager->pending = false;
    manager->refused_count = 0;
    manager_log_policy(&manager->log, manager->room.assignments, manager->room.assignment_count);
}

/* The assignments as one text again. */
static char *room_options(const struct manager_room *room)
{
    struct strbuf out;
    strbuf_init(&out);
    for (size_t i = 0; i < room->assignment_count; i++) {
        strbuf_printf(&out, "%s%s", i > 0 ? "\n" : "", room->assignments[i]);
    }
    strbuf_puts(&out, "");
    char *text = strbuf_take(&out);
    return text != NULL ? text : strdup("");
}

static void manager_on_timer(uv_timer_t *timer);

static void manager_arm(struct manager *manager)
{
    uint64_t tick_ms = manager->server->settings.tick_ns / NS_PER_MS;
    if (manager->room.policy == NULL) {
        uv_timer_stop(&manager->timer);
    } else {
        uv_timer_start(&manager->timer, manager_on_timer, tick_ms, tick_ms);
    }
}

/* The policy of this room, or nobody, decides from now on. */
static void manager_begin(struct manager *manager, const struct manager_room *room)
{
    char *options = room_options(room);
    manager_move(manager, room);
    if (room->policy == NULL) {
        manager_let_go(manager->server);
    }
    manager->last_fault.text[0] = '\0';
    log_info("policy.set", "policy=%s options=%s",
             room->policy == NULL ? "none" : room->policy->name,
             LOG_Q(options == NULL ? "" : options));
    free(options);
    manager_arm(manager);
}

/* More tenants than there is room for: the policy begins anew, or is refused. */
static bool manager_grow(struct manager *manager, uint32_t count)
{
    if (count <= manager->room.tenants_max) {
        return true;
    }
    if (count == manager->refused_count) {
        return false; /* it was told */
    }
    struct detail detail;
    struct manager_room room;
    const struct roost_policy *policy = manager->room.policy;
    char *options = room_options(&manager->room);
    enum roost_err err = options == NULL ? detail_set(&detail, ROOST_NO_MEMORY, "out of memory")
                                         : room_init(&room, manager->server, policy, options,
                                                     room_for(policy, count), &detail);
    free(options);
    if (err == ROOST_OK) {
        manager_move(manager, &room);
        return true;
    }
    manager->refused_count = count;
    manager->last_fault = detail;
    log_error("policy.refused", "policy=%s tenants=%u reason=%s result=\"grants are kept\"",
              policy->name, count, LOG_Q(detail.text));
    return false;
}

/* ---- a tick ------------------------------------------------------------------------------ */

static void manager_see_now(struct manager *manager, struct view_store *store, bool glance)
{
    manager_see(manager->server, store, manager->room.lanes, glance);
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        manager_hold(manager->room.lanes[i]);
    }
    struct roost_view *view = &store->view;
    view->seed = manager->seed;
    view->tick = manager->tick;
    other_meter_tick(&manager->other, manager->server, view->now_ns);
    view->other_cpu_ns = manager->other.other_ns;
    view->other_length_ns = manager->other.length_ns;
}

static void manager_fault(struct manager *manager, enum policy_outcome outcome,
                          const struct roost_policy *culprit, const struct detail *detail)
{
    manager->last_fault = *detail;
    log_warn("policy.fault", "policy=%s tick=%llu kind=%s reason=%s result=\"grants are kept\"",
             culprit->name, (unsigned long long)manager->tick,
             outcome == POLICY_OVERRAN ? "overran" : "invalid", LOG_Q(detail->text));
    if (manager->room.runner.policy != culprit) {
        log_error("policy.fallback", "policy=%s faults=%llu result=\"%s decides\"", culprit->name,
                  (unsigned long long)manager->room.runner.faults,
                  manager->room.runner.policy->name);
    }
}

/* Judges what the policy made of this view, and records it. */
static void manager_judge(struct manager *manager, const struct roost_view *view,
                          struct roost_plan *plan, uint64_t spent_ns, uint64_t budget_ns)
{
    struct detail detail = {""};
    const struct roost_policy *decided = manager->room.runner.policy;
    struct roost_plan raw = *plan;
    raw.tenants = manager->room.raw_tenants;
    memcpy(manager->room.raw_tenants, plan->tenants, plan_bytes(view->tenant_count));
    enum policy_outcome outcome = policy_runner_judge(&manager->room.runner, view, plan, spent_ns,
                                                      budget_ns, &detail);
    manager_log_decision(&manager->log, view, &raw, outcome);
    manager->decisions++; /* the runner's own count belongs to whoever decides just now */
    manager->flags = plan->flags;
    manager->spent_ns += spent_ns;
    manager->spent_max_ns = spent_ns > manager->spent_max_ns ? spent_ns : manager->spent_max_ns;
    if (outcome == POLICY_INVALID || outcome == POLICY_OVERRAN) {
        manager_fault(manager, outcome, decided, &detail);
    }
}

static void manager_act(struct manager *manager, const struct roost_view *view,
                        const struct roost_plan *plan)
{
    struct detail detail;
    if (manager_apply(manager->server, view, manager->room.lanes, plan,
                      manager->room.runner.policy->name, &detail) != ROOST_OK) {
        manager->apply_failures++;
        /* Told once, though the policy asks again on every tick. */
        if (manager->failures_in_row++ == 0 || strcmp(manager->last_fault.text, detail.text) != 0) {
            log_error("policy.apply", "tick=%llu reason=%s result=\"grants are kept\"",
                      (unsigned long long)manager->tick, LOG_Q(detail.text));
        }
        manager->last_fault = detail;
        return;
    }
    manager->failures_in_row = 0;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        manager->moves += !view_grant_equal(&plan->tenants[i].grant, &view->tenants[i].grant);
    }
}

static void manager_decide_now(struct manager *manager)
{
    const struct roost_view *view = &manager->room.now.view;
    struct roost_plan plan;
    uint64_t before_ns = clock_thread_cpu_ns();
    policy_runner_decide(&manager->room.runner, view, &plan, manager->room.plan_tenants);
    uint64_t spent_ns = clock_thread_cpu_ns() - before_ns;
    manager_judge(manager, view, &plan, spent_ns, view->tick_ns / tick_parts);
    manager_act(manager, view, &plan);
}

/* ---- decisions beside the ticks ------------------------------------------------------------ */

static void manager_work(uv_work_t *work)
{
    thread_to_background(0);
    struct manager *manager = work->data;
    uint64_t before_ns = clock_thread_cpu_ns();
    policy_runner_decide(&manager->room.runner, &manager->room.then.view, &manager->pending_plan,
                         manager->room.pending_tenants);
    manager->pending_spent_ns = clock_thread_cpu_ns() - before_ns;
}

static void manager_work_done(uv_work_t *work, int status)
{
    (void)status;
    struct manager *manager = work->data;
    manager->working = false;
    if (manager->next_due && !manager->closed) {
        manager->next_due = false;
        manager_begin(manager, &manager->next);
        manager->next = (struct manager_room){0};
    }
}

static const char *name_keep(char **place, const char *name)
{
    char *kept = *place;
    size_t bytes = strlen(name) + 1;
    memcpy(kept, name, bytes);
    *place += bytes;
    return kept;
}

/* Tenants may go while the policy still looks at them. False: memory is short. */
static bool room_keep_names(struct manager_room *room)
{
    struct view_store *store = &room->then;
    size_t bytes = 1;
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        const struct roost_tenant *tenant = &store->tenants[i];
        bytes += strlen(tenant->name) + 1;
        for (uint32_t v = 0; v < tenant->variant_count; v++) {
            bytes += strlen(tenant->variants[v].name) + 1;
        }
    }
    char *names = realloc(room->names, bytes);
    if (names == NULL) {
        return false;
    }
    room->names = names;
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        struct roost_tenant *tenant = &store->tenants[i];
        struct roost_variant *variants = view_store_variants(store, i);
        tenant->name = name_keep(&names, tenant->name);
        for (uint32_t v = 0; v < tenant->variant_count; v++) {
            variants[v].name = name_keep(&names, variants[v].name);
        }
    }
    return true;
}

static void manager_decide_beside(struct manager *manager, uint32_t delay_ticks)
{
    manager->due_tick = manager->tick + delay_ticks;
    manager->pending = manager->working = true;
    manager->work.data = manager;
    roost_assert(uv_queue_work(&manager->server->loop, &manager->work, manager_work,
                               manager_work_done) == 0);
}

/* The plan of an earlier tick is due. */
static void manager_act_pending(struct manager *manager)
{
    const struct roost_view *then = &manager->room.then.view;
    uint64_t budget_ns = (manager->due_tick - then->tick) * then->tick_ns;
    manager->pending = false;
    manager_judge(manager, then, &manager->pending_plan, manager->pending_spent_ns, budget_ns);
    manager_see_now(manager, &manager->room.now, true);
    struct roost_plan plan;
    policy_runner_rebase(&manager->pending_plan, then, &manager->room.now.view, &plan,
                         manager->room.plan_tenants);
    if (plan_check(&plan, &manager->room.now.view, NULL, NULL) == ROOST_OK) {
        manager_act(manager, &manager->room.now.view, &plan);
    }
}

/* A knob that never works again would keep everything else from being moved, too: the policy begins
 * anew on a node that has none. */
static void manager_give_up_knobs(struct manager *manager)
{
    struct detail detail, fault = manager->last_fault;
    char *options = room_options(&manager->room);
    log_error("knob.given_up", "failures=%u reason=%s result=\"policies go on without knobs\"",
              manager->failures_in_row, LOG_Q(fault.text));
    manager->failures_in_row = 0;
    grants_give_up(manager->server->grants);
    manager_let_go(manager->server);
    if (options != NULL &&
        manager_set_policy(manager, manager->room.policy->name, options, &detail) != ROOST_OK) {
        log_error("policy.refused", "reason=%s result=\"it goes on as it was\"",
                  LOG_Q(detail.text));
    }
    free(options);
    manager->last_fault = fault;
}

static void manager_tick(struct manager *manager)
{
    if (manager->server->state != SERVER_RUNNING) {
        return;
    }
    if (manager->failures_in_row >= failures_most && !manager->working) {
        manager_give_up_knobs(manager);
    }
    if (manager->working) {
        /* The tick waits for the decision, which may lack a core just now: by its number the plan
         * is applied when it should be. */
        if (++manager->postponed % postponed_told == 0) {
            log_warn("policy.slow", "policy=%s postponed=%llu", manager->room.runner.policy->name,
                     (unsigned long long)manager->postponed);
        }
        return;
    }
    manager->postponed = 0;
    uint32_t count = manager_count(manager->server);
    if (count == 0 || !manager_grow(manager, count)) {
        return;
    }
    if (manager->pending && manager->tick >= manager->due_tick) {
        manager_act_pending(manager);
    }
    uint32_t delay_ticks = manager->room.runner.policy->delay_ticks;
    if (!manager->pending) {
        struct view_store *store = delay_ticks > 0 ? &manager->room.then : &manager->room.now;
        manager_see_now(manager, store, false);
        manager_log_before(&manager->log, &manager->room.runner);
        if (delay_ticks == 0) {
            manager_decide_now(manager);
        } else if (room_keep_names(&manager->room)) {
            manager_decide_beside(manager, delay_ticks);
        }
    }
    manager->tick++;
}

static void manager_on_timer(uv_timer_t *timer)
{
    struct manager *manager = timer->data;
    uint64_t before_ns = clock_thread_cpu_ns();
    manager_tick(manager);
    manager->cpu_ns += clock_thread_cpu_ns() - before_ns;
}

/* ---- life ---------------------------------------------------------------------------------- */

const struct manager_room *manager_room_asked(const struct manager *manager)
{
    return manager->next_due ? &manager->next : &manager->room;
}

/* A room for what was asked for; one without a policy when that is nobody. */
static enum roost_err room_prepare(struct manager_room *room, const struct server *server,
                                   const char *name, const char *options, struct detail *detail)
{
    const struct roost_policy *policy;
    *room = (struct manager_room){0};
    if (name == NULL || strcmp(name, "none") == 0) {
        return options[0] == '\0'
                   ? ROOST_OK
                   : detail_set(detail, ROOST_INVALID, "options without a policy: %s", options);
    }
    enum roost_err err = policy_find(name, &policy, detail);
    return err == ROOST_OK ? room_init(room, server, policy, options,
                                       room_for(policy, manager_count(server)), detail)
                           : err;
}

enum roost_err manager_set_policy(struct manager *manager, const char *name, const char *options,
                                  struct detail *detail)
{
    struct manager_room room;
    enum roost_err err = room_prepare(&room, manager->server, name, options == NULL ? "" : options,
                                      detail);
    if (err != ROOST_OK) {
        return err;
    }
    if (manager->working) {
        room_fini(&manager->next);
        manager->next = room;
        manager->next_due = true;
    } else {
        manager_begin(manager, &room);
    }
    return ROOST_OK;
}

void manager_settings_changed(struct manager *manager)
{
    const struct settings *settings = &manager->server->settings;
    const struct manager_room *asked = manager_room_asked(manager);
    const char *name = settings->policy == NULL ? "none" : settings->policy;
    const char *now = asked->policy == NULL ? "none" : asked->policy->name;
    const char *options = settings->policy_options == NULL ? "" : settings->policy_options;
    char *held = room_options(asked);
    bool same = held != NULL && strcmp(name, now) == 0 && strcmp(options, held) == 0;
    free(held);
    struct detail detail;
    if (same) {
        manager_arm(manager);
    } else if (manager_set_policy(manager, name, options, &detail) != ROOST_OK) {
        log_error("policy.invalid", "policy=%s reason=%s result=\"%s goes on\"", name,
                  LOG_Q(detail.text), now);
    }
}

enum roost_err manager_new(struct server *server, struct manager **out, struct detail *detail)
{
    struct manager *manager = calloc(1, sizeof *manager);
    if (manager == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    const struct settings *settings = &server->settings;
    manager->server = server;
    manager->seed = clock_wall_ns();
    uv_timer_init(&server->loop, &manager->timer);
    manager->timer.data = manager;
    enum roost_err err = manager_log_open(&manager->log, settings->decision_log,
                                          settings->decision_log_bytes_max, detail);
    if (err == ROOST_OK && settings->policy != NULL) {
        err = manager_set_policy(manager, settings->policy, settings->policy_options, detail);
    }
    *out = manager;
    return err;
}

void manager_close(struct manager *manager)
{
    if (!manager->closed) {
        manager->closed = true;
        uv_close((uv_handle_t *)&manager->timer, NULL);
    }
}

void manager_free(struct manager *manager)
{
    room_fini(&manager->room);
    room_fini(&manager->next);
    manager_log_close(&manager->log);
    free(manager);
}
