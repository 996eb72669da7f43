/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/schedule.h"
#include "serve/manager.h"
#include "serve/server.h"
#include "serve/server_loop.h"
#include "serve/spec.h"
#include "serve/tenant.h"

struct waiter {
    struct waiter *next;
    reconcile_done_fn *done;
    void *user;
    bool late;                        /* came while a round was on: the next one is its own */
    bool applied;                     /* its round is over */
    char name[CONFIG_NAME_BYTES_MAX]; /* "" : everything */
};

struct reconcile {
    struct server *server;
    struct server_options options; /* its texts outlive us */
    bool busy, again, reload_settings;
    size_t request_count;
    struct load_request *requests;
    struct waiter *waiters;
    enum roost_err last_err; /* of the last round */
    struct detail last_detail;
};

/* What one round works on, away from the loop. */
struct round {
    uv_work_t work;
    struct reconcile *reconcile;
    bool reload;
    const struct server_options *options;
    struct settings settings; /* reload: read anew */
    struct settings *use;
    size_t request_count;
    struct load_request *requests; /* copies */
    struct desired *desired;
    enum roost_err err;
    struct detail detail;
};

static void requests_free(struct load_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(requests[i].config_json);
    }
    free(requests);
}

struct reconcile *reconcile_new(struct server *server, const struct server_options *options)
{
    struct reconcile *reconcile = calloc(1, sizeof *reconcile);
    roost_assert(reconcile != NULL);
    reconcile->server = server;
    reconcile->options = *options;
    return reconcile;
}

static const char stopping[] = "the server is stopping";

static bool reconcile_stopped(const struct reconcile *reconcile)
{
    return reconcile->server->state == SERVER_DRAINING ||
           reconcile->server->state == SERVER_STOPPED;
}

/* Tells a waiter and frees it. */
static void waiter_tell(struct waiter *waiter, enum roost_err err, const char *reason)
{
    waiter->done(waiter->user, err, reason);
    free(waiter);
}

void reconcile_stop(struct reconcile *reconcile)
{
    while (reconcile->waiters != NULL) {
        struct waiter *waiter = reconcile->waiters;
        reconcile->waiters = waiter->next;
        waiter_tell(waiter, ROOST_UNAVAILABLE, stopping);
    }
}

void reconcile_free(struct reconcile *reconcile)
{
    roost_assert(reconcile->waiters == NULL);
    requests_free(reconcile->requests, reconcile->request_count);
    free(reconcile);
}

static void reconcile_wait(struct reconcile *reconcile, const char *name, reconcile_done_fn *done,
                           void *user)
{
    if (done == NULL) {
        return;
    }
    if (reconcile_stopped(reconcile)) {
        done(user, ROOST_UNAVAILABLE, stopping);
        return;
    }
    struct waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) {
        done(user, ROOST_NO_MEMORY, "out of memory");
        return;
    }
    waiter->done = done;
    waiter->user = user;
    waiter->late = reconcile->busy;
    snprintf(waiter->name, sizeof waiter->name, "%s", name == NULL ? "" : name);
    waiter->next = reconcile->waiters;
    reconcile->waiters = waiter;
}

/* ---- one round -------------------------------------------------------------------- */

/* Each in a line of its own, since together they may be longer than a line of the log. */
static void round_log_mistakes(const struct yaml_errors *errors)
{
    char line[DETAIL_BYTES_MAX], quoted[2 * DETAIL_BYTES_MAX];
    const char *text = strbuf_text(&errors->text);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        log_error("config.mistake", "reason=%s", log_quote(line, quoted, sizeof quoted));
        text += length;
        text += *text == '\n';
    }
}

static void round_build(uv_work_t *work)
{
    thread_to_background(0);
    struct round *round = work->data;
    if (round->reload) {
        struct yaml_errors errors;
        yaml_errors_init(&errors, round->options->config_path);
        round->err = settings_read_file(round->options->config_path, &errors, &round->settings);
        if (round->err != ROOST_OK) {
            round_log_mistakes(&errors);
            detail_set(&round->detail, round->err, "%zu mistake%s in %s", errors.count,
                       errors.count == 1 ? "" : "s", round->options->config_path);
        }
        yaml_errors_fini(&errors);
        if (round->err != ROOST_OK) {
            return;
        }
        if (round->options->override != NULL) {
            round->options->override(round->options->user, &round->settings);
        }
        round->use = &round->settings;
    }
    round->err = desired_build(round->use, round->requests, round->request_count, &round->desired,
                               &round->detail);
}

static struct load_request *requests_copy(const struct load_request *from, size_t count)
{
    struct load_request *to = calloc(count + 1, sizeof *to);
    roost_assert(to != NULL);
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].config_json = from[i].config_json == NULL ? NULL : strdup(from[i].config_json);
    }
    return to;
}

/* The tenant of this name, made if need be; the table stays sorted. */
static struct tenant *server_tenant_make(struct server *server, const char *name)
{
    struct tenant *tenant = server_tenant(server, name);
    if (tenant != NULL) {
        return tenant;
    }
    struct tenant **grown = realloc(server->tenants, (server->tenant_count + 1) * sizeof *grown);
    tenant = tenant_new(server, name);
    roost_assert(grown != NULL && tenant != NULL);
    server->tenants = grown;
    size_t place = server->tenant_count++;
    while (place > 0 && strcmp(grown[place - 1]->name, name) > 0) {
        grown[place] = grown[place - 1];
        place--;
    }
    grown[place] = tenant;
    return tenant;
}

static void reconcile_apply(struct server *server, const struct desired *desired)
{
    for (unsigned i = 0; i < desired->tenant_count; i++) {
        const struct desired_tenant *wanted = &desired->tenants[i];
        tenant_apply(server_tenant_make(server, wanted->name), wanted);
    }
    for (size_t i = 0; i < server->tenant_count; i++) {
        struct tenant *tenant = server->tenants[i];
        if (desired_find(desired, tenant->name) == NULL) {
            tenant->wanted = false;
            tenant->gone = true;
            tenant_unload(tenant, "no longer in the repository");
        } else {
            tenant->gone = false;
        }
    }
}

static void reconcile_begin(struct reconcile *reconcile);

/* Load requests for names that nobody has were answered; remembering them would make the server
 * unready for ever. */
static void reconcile_forget(struct reconcile *reconcile, const struct desired *desired)
{
    struct server *server = reconcile->server;
    size_t kept = 0;
    for (size_t i = 0; i < reconcile->request_count; i++) {
        struct load_request *request = &reconcile->requests[i];
        const struct desired_tenant *found = desired_find(desired, request->name);
        struct tenant *tenant = server_tenant(server, request->name);
        bool served = tenant != NULL && tenant->lanes_alive > 0;
        bool unknown = found == NULL || (found->asked && found->err == ROOST_NOT_FOUND);
        if (served || !unknown) {
            reconcile->requests[kept++] = *request;
            continue;
        }
        free(request->config_json);
        if (tenant != NULL) {
            tenant->gone = true;
        }
    }
    reconcile->request_count = kept;
    server_loop_forget(server);
}

/* The first tenant to be served of which a variant needs an engine that is not there, or NULL. */
static const struct desired_tenant *desired_without_engine(const struct desired *desired,
                                                           const struct spawner *spawner)
{
    for (unsigned i = 0; i < desired->tenant_count; i++) {
        const struct desired_tenant *tenant = &desired->tenants[i];
        for (unsigned v = 0; tenant->wanted && v < tenant->version_count; v++) {
            const struct desired_version *version = &tenant->versions[v];
            for (unsigned k = 0; k < version->variant_count; k++) {
                const char *engine = spec_engine(&tenant->settings,
                                                 version->variants[k].model_path);
                if (spawner_engine_version(spawner, engine)[0] == '\0') {
                    return tenant;
                }
            }
        }
    }
    return NULL;
}

/* Without an engine that the models of the start need, the server does not start. What is loaded
 * later and needs it is unavailable by itself. */
static void round_check_engine(struct round *round)
{
    const struct server *server = round->reconcile->server;
    const char *reason = server->engine_error.text;
    bool starting = server->state == SERVER_RUNNING && !server->first_reconciled;
    if (round->err != ROOST_OK || !starting || reason[0] == '\0') {
        return;
    }
    const struct desired_tenant *tenant = desired_without_engine(round->desired, server->spawner);
    if (tenant != NULL) {
        round->err = detail_set(&round->detail, ROOST_UNAVAILABLE, "model '%s': %s", tenant->name,
                                reason);
        return;
    }
    log_warn("engine.open", "reason=%s result=\"only models of the fake engine can be served\"",
             LOG_Q(reason));
}

static void round_done(uv_work_t *work, int status)
{
    (void)status;
    struct round *round = work->data;
    struct reconcile *reconcile = round->reconcile;
    struct server *server = reconcile->server;
    reconcile->busy = false;
    for (struct waiter *waiter = reconcile->waiters; waiter != NULL; waiter = waiter->next) {
        waiter->applied |= !waiter->late;
        waiter->late = false;
    }
    round_check_engine(round);
    bool taken = round->err == ROOST_OK && !reconcile_stopped(reconcile);
    if (taken) {
        if (round->reload) {
            settings_fini(&server->settings);
            server->settings = round->settings;
            manager_settings_changed(server->manager);
        }
        reconcile_apply(server, round->desired);
        server->first_reconciled = true;
    } else if (round->err != ROOST_OK) {
        char quoted[2 * DETAIL_BYTES_MAX];
        log_quote(round->detail.text, quoted, sizeof quoted);
        if (!server->first_reconciled && server->state == SERVER_RUNNING) {
            log_error("server.start", "reason=%s", quoted);
            server->exit_code = roost_err_exit_code(round->err);
            server_stop(server);
        } else {
            log_error("config.invalid", "reason=%s result=\"the old state is kept\"", quoted);
        }
    }
    if (round->reload && !taken) {
        settings_fini(&round->settings);
    }
    reconcile->last_err = round->err;
    reconcile->last_detail = round->detail;
    reconcile_settled(reconcile);
    if (round->err == ROOST_OK && !reconcile->again) {
        reconcile_forget(reconcile, round->desired);
    }
    desired_free(round->desired);
    requests_free(round->requests, round->request_count);
    free(round);
    if (reconcile->again) {
        reconcile->again = false;
        reconcile_begin(reconcile);
    }
}

static void reconcile_begin(struct reconcile *reconcile)
{
    if (reconcile_stopped(reconcile)) {
        return;
    }
    if (reconcile->busy) {
        reconcile->again = true;
        return;
    }
    struct round *round = calloc(1, sizeof *round);
    roost_assert(round != NULL);
    round->work.data = round;
    round->reconcile = reconcile;
    round->reload = reconcile->reload_settings && reconcile->options.config_path != NULL;
    round->options = &reconcile->options;
    round->use = &reconcile->server->settings;
    round->requests = requests_copy(reconcile->requests, reconcile->request_count);
    round->request_count = reconcile->request_count;
    reconcile->reload_settings = false;
    reconcile->busy = true;
    roost_assert(uv_queue_work(&reconcile->server->loop, &round->work, round_build, round_done) ==
                 0);
}

void reconcile_request(struct reconcile *reconcile, bool reload_settings, reconcile_done_fn *done,
                       void *user)
{
    reconcile->reload_settings |= reload_settings;
    for (size_t i = 0; i < reconcile->server->tenant_count && reload_settings; i++) {
        reconcile->server->tenants[i]->retry = true;
    }
    reconcile_wait(reconcile, NULL, done, user);
    reconcile_begin(reconcile);
}

void reconcile_load(struct reconcile *reconcile, const char *name, bool wanted,
                    const char *config_json, reconcile_done_fn *done, void *user)
{
    struct load_request *request = NULL;
    for (size_t i = 0; i < reconcile->request_count; i++) {
        if (strcmp(reconcile->requests[i].name, name) == 0) {
            request = &reconcile->requests[i];
        }
    }
    if (request == NULL) {
        struct load_request *grown = realloc(reconcile->requests,
                                             (reconcile->request_count + 1) * sizeof *grown);
        roost_assert(grown != NULL);
        reconcile->requests = grown;
        request = &grown[reconcile->request_count++];
        memset(request, 0, sizeof *request);
        snprintf(request->name, sizeof request->name, "%s", name);
    }
    struct tenant *tenant = server_tenant(reconcile->server, name);
    if (tenant != NULL) {
        tenant->retry = true;
    }
    request->wanted = wanted;
    free(request->config_json);
    request->config_json = config_json == NULL ? NULL : strdup(config_json);
    reconcile_wait(reconcile, name, done, user);
    reconcile_begin(reconcile);
}

/* ---- waiting ------------------------------------------------------------------------ */

/* What to tell somebody who waits for this tenant; false: not settled yet. */
static bool tenant_outcome(const struct reconcile *reconcile, const char *name, enum roost_err *err,
                           const char **reason)
{
    const struct tenant *tenant = server_tenant(reconcile->server, name);
    if (tenant == NULL) {
        *err = ROOST_NOT_FOUND;
        *reason = "no model repository has a model of this name";
        return true;
    }
    if (!tenant_settled(tenant)) {
        return false;
    }
    if (!tenant->wanted) {
        *err = ROOST_OK;
        return tenant->lanes_alive == 0; /* an unload ends when what was in flight is answered */
    }
    *err = tenant->err;
    *reason = tenant->reason.text;
    for (unsigned i = 0; i < tenant->lane_count && *err == ROOST_OK; i++) {
        if (tenant->lanes[i]->state == LANE_UNAVAILABLE) {
            *err = tenant->lanes[i]->err;
            *reason = tenant->lanes[i]->reason.text;
        }
    }
    return true;
}

static bool everything_settled(const struct server *server)
{
    for (size_t i = 0; i < server->tenant_count; i++) {
        if (!tenant_settled(server->tenants[i])) {
            return false;
        }
    }
    return true;
}

void reconcile_settled(struct reconcile *reconcile)
{
    struct waiter **place = &reconcile->waiters;
    while (*place != NULL) {
        struct waiter *waiter = *place;
        enum roost_err err = reconcile->last_err;
        const char *reason = reconcile->last_detail.text;
        bool settled = waiter->applied;
        if (settled && err == ROOST_OK) {
            settled = waiter->name[0] == '\0'
                          ? everything_settled(reconcile->server)
                          : tenant_outcome(reconcile, waiter->name, &err, &reason);
        }
        if (!settled) {
            place = &waiter->next;
            continue;
        }
        *place = waiter->next;
        waiter_tell(waiter, err, reason);
    }
}
