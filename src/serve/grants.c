/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/grants.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "node/knob.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/tenant.h"
#include "serve/unit.h"

struct grants {
    struct knobs *knobs; /* NULL: turned off */
    bool given_up;
    uint64_t ways_rest_mask;
    unsigned easing; /* hosts whose move is being prepared */
};

enum { EXCLUSIVE_WEIGHT_PER_SLOT = ROOST_WEIGHT_DEFAULT / ROOST_SLOTS_PER_CORE };

/* ---- what there is -------------------------------------------------------------------- */

enum roost_err grants_open(const struct server *server, struct grants **grants,
                           struct detail *detail)
{
    const struct settings *settings = &server->settings;
    *grants = calloc(1, sizeof **grants);
    if (*grants == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    if (!settings->knobs) {
        log_info("knob.off", "why=\"the configuration says so\"");
        return ROOST_OK;
    }
    const struct knob_options options = {.root = settings->knob_root,
                                         .pretend = settings->knob_root != NULL};
    enum roost_err err = knobs_open(&options, &(*grants)->knobs, detail);
    for (unsigned kind = 0; kind < KNOB_KINDS && err == ROOST_OK; kind++) {
        const struct knob_report *report = knobs_report((*grants)->knobs, (enum knob_kind)kind);
        log_info("knob.found", "knob=%s available=%d how=%s", knob_name((enum knob_kind)kind),
                 report->available, LOG_Q(report->text));
    }
    return err;
}

void grants_close(struct grants *grants)
{
    /* After a loop that was stopped half-way a thread may still look: the next start cleans up. */
    if (grants != NULL && grants->easing == 0) {
        knobs_close(grants->knobs);
        free(grants);
    }
}

static bool available(const struct grants *grants, enum knob_kind kind)
{
    return grants->knobs != NULL && !grants->given_up &&
           knobs_report(grants->knobs, kind)->available;
}

void grants_give_up(struct grants *grants)
{
    const struct knob_plan nothing = {0};
    struct detail detail = {""};
    grants->given_up = true;
    grants->ways_rest_mask = 0;
    if (knobs_apply(grants->knobs, &nothing, &detail) != ROOST_OK) {
        log_error("knob.apply", "why=\"knobs are given up\" reason=%s", LOG_Q(detail.text));
    }
}

void grants_see_node(const struct grants *grants, struct roost_node *node)
{
    static const struct {
        enum knob_kind kind;
        enum roost_knob knob;
    } pairs[] = {{KNOB_WEIGHT, ROOST_KNOB_WEIGHT}, {KNOB_QUOTA, ROOST_KNOB_QUOTA},
                 {KNOB_SLICE, ROOST_KNOB_SLICE},   {KNOB_CLASS, ROOST_KNOB_CLASS},
                 {KNOB_WAYS, ROOST_KNOB_WAYS},     {KNOB_BANDWIDTH, ROOST_KNOB_BANDWIDTH}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        node->knobs |= available(grants, pairs[i].kind) ? (uint32_t)pairs[i].knob : 0;
    }
    if (grants->knobs == NULL || grants->given_up) {
        return;
    }
    const struct knob_ranges *ranges = knobs_ranges(grants->knobs);
    node->slice_min_ns = ranges->slice_min_ns;
    node->slice_max_ns = ranges->slice_max_ns;
    node->ways = ranges->ways;
    node->ways_min = ranges->ways_min;
    node->closids = ranges->groups;
    node->bandwidth_min = ranges->bandwidth_min;
    node->bandwidth_step = ranges->bandwidth_step;
}

void grants_write_status(const struct grants *grants, struct json_writer *w)
{
    json_key(w, "node_knobs");
    json_begin_array(w);
    for (unsigned kind = 0; kind < KNOB_KINDS && grants->knobs != NULL; kind++) {
        const struct knob_report *report = knobs_report(grants->knobs, (enum knob_kind)kind);
        json_begin_object(w);
        json_field_string(w, "knob", knob_name((enum knob_kind)kind));
        json_field_bool(w, "available", report->available);
        json_field_string(w, "how", report->text);
        json_end_object(w);
    }
    json_end_array(w);
}

/* ---- putting into force --------------------------------------------------------------- */

static struct knob_grant grant_of(const struct grants *grants, const struct tenant_hold *hold)
{
    const struct roost_grant *held = &hold->grant;
    bool exclusive = held->mode == ROOST_EXCLUSIVE;
    struct knob_grant grant = {
        .slice_ns = held->slice_ns,
        .idle = held->sched_class == ROOST_CLASS_IDLE,
        .ways_mask = held->ways > 0 ? hold->ways_mask : 0,
        .bandwidth_percent = held->bandwidth,
    };
    if (available(grants, KNOB_WEIGHT)) {
        /* What was promised to somebody alone is theirs when all ask for all they may have. */
        grant.weight = exclusive ? held->slots * EXCLUSIVE_WEIGHT_PER_SLOT : held->weight;
        grant.weight = grant.weight < ROOST_WEIGHT_MAX ? grant.weight : ROOST_WEIGHT_MAX;
    }
    if (exclusive && held->slots % ROOST_SLOTS_PER_CORE != 0 && available(grants, KNOB_QUOTA)) {
        grant.quota_tenths = held->slots; /* whole cores are pinned */
    }
    return grant;
}

enum roost_err grants_apply(struct server *server, uint64_t ways_rest_mask, struct detail *detail)
{
    struct grants *grants = server->grants;
    unsigned count = 0;
    if (grants->knobs == NULL || grants->given_up) {
        return ROOST_OK;
    }
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        count += unit->grantable;
    }
    struct knob_host *hosts = calloc(count + 1, sizeof *hosts);
    if (hosts == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    struct knob_plan plan = {.hosts = hosts, .ways_rest_mask = ways_rest_mask};
    for (const struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        const struct tenant_hold *hold = &unit->lane->tenant->hold;
        if (unit->grantable && hold->held) {
            hosts[plan.host_count++] = (struct knob_host){.pid = (int)link_pid(unit->link),
                                                          .grant = grant_of(grants, hold)};
        }
    }
    enum roost_err err = knobs_apply(grants->knobs, &plan, detail);
    free(hosts);
    grants->ways_rest_mask = err == ROOST_OK ? ways_rest_mask : grants->ways_rest_mask;
    return err;
}

/* ---- hosts that come and go ------------------------------------------------------------ */

static void hosts_changed(struct server *server)
{
    struct detail detail = {""};
    if (grants_apply(server, server->grants->ways_rest_mask, &detail) != ROOST_OK) {
        log_error("knob.apply", "why=\"a host has come or gone\" reason=%s", LOG_Q(detail.text));
    }
}

/* The wait for the kernel, beside the loop. */
struct easing {
    uv_work_t work;
    struct server *server;
    uint64_t spawn_id;
    int pid;
};

static void easing_work(uv_work_t *work)
{
    const struct easing *easing = work->data;
    knobs_ease(easing->server->grants->knobs, easing->pid);
}

static void easing_done(uv_work_t *work, int status)
{
    (void)status;
    struct easing *easing = work->data;
    easing->server->grants->easing--;
    for (struct unit *unit = easing->server->units; unit != NULL; unit = unit->next) {
        if (unit->spawn_id == easing->spawn_id && unit->state >= UNIT_READY && !unit->exited) {
            unit->grantable = true;
            hosts_changed(easing->server);
        }
    }
    free(easing);
}

void grants_unit_ready(struct unit *unit)
{
    struct server *server = unit->server;
    struct easing *easing = NULL;
    if (server->grants->knobs == NULL || server->grants->given_up) {
        return;
    }
    if (unit->lane->tenant->hold.held) {
        easing = calloc(1, sizeof *easing);
    }
    if (easing != NULL) {
        *easing = (struct easing){
            .server = server, .spawn_id = unit->spawn_id, .pid = (int)link_pid(unit->link)};
        easing->work.data = easing;
        if (uv_queue_work(&server->loop, &easing->work, easing_work, easing_done) == 0) {
            server->grants->easing++;
            return;
        }
        free(easing);
    }
    unit->grantable = true;
    hosts_changed(server);
}

void grants_unit_gone(struct server *server)
{
    hosts_changed(server);
}
