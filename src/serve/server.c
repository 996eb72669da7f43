/* SPDX-License-Identifier: Apache-2.0 */
/* The loop, its timers and the way from start to end. What hosts and requests need: server_loop.c.
 * */
#include "serve/server.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/api.h"
#include "serve/control.h"
#include "serve/grants.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/reconcile.h"
#include "serve/server_loop.h"
#include "serve/tenant.h"

static const uint64_t tick_ms = 100;
static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};
enum { SIGNALS = sizeof signal_numbers / sizeof signal_numbers[0] };

struct tenant *server_tenant(const struct server *server, const char *name)
{
    size_t low = 0, high = server->tenant_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(server->tenants[middle]->name, name);
        if (order == 0) {
            return server->tenants[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool server_ready(const struct server *server)
{
    if (server->state != SERVER_RUNNING || !server->first_reconciled) {
        return false;
    }
    for (size_t i = 0; i < server->tenant_count && server->settings.strict_readiness; i++) {
        if (server->tenants[i]->wanted && !tenant_ready(server->tenants[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the end ------------------------------------------------------------------------ */

static void server_http_closed(void *user)
{
    (void)user;
}

/* Everything is answered and every host is gone: closing what is left ends the loop. */
static void server_finish(struct server *server)
{
    if (server->state == SERVER_STOPPED) {
        return;
    }
    server->state = SERVER_STOPPED;
    if (server->manager != NULL) {
        manager_close(server->manager);
    }
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        if (server->http[i] != NULL) {
            http_server_close(server->http[i], server_http_closed, NULL);
            server->http[i] = NULL;
        }
    }
    uv_handle_t *handles[] = {
        (uv_handle_t *)&server->spawner_poll, (uv_handle_t *)&server->tick,
        (uv_handle_t *)&server->expiry_timer, (uv_handle_t *)&server->poll_timer,
        (uv_handle_t *)&server->grace_timer,  (uv_handle_t *)&server->prepare,
        (uv_handle_t *)&server->check,        (uv_handle_t *)&server->signals[0],
        (uv_handle_t *)&server->signals[1],   (uv_handle_t *)&server->signals[2],
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (handles[i]->loop != NULL && !uv_is_closing(handles[i])) {
            uv_close(handles[i], NULL);
        }
    }
    /* Closing gave the signals their usual effect back; who asks twice must not kill us now. */
    for (size_t i = 0; i < SIGNALS; i++) {
        signal(signal_numbers[i], SIG_IGN);
    }
}

static void server_step_down(struct server *server)
{
    if (server->state != SERVER_DRAINING || !server->http_drained) {
        return;
    }
    for (size_t i = 0; i < server->tenant_count; i++) {
        if (server->tenants[i]->lane_count + server->tenants[i]->coming_count > 0) {
            tenant_unload(server->tenants[i], "the server stops");
        }
    }
    if (server->retiring == NULL && server->units == NULL) {
        server_finish(server);
    }
}

static void server_drained(void *user)
{
    struct server *server = user;
    server->http_drained = true;
}

static void server_grace_over(uv_timer_t *timer)
{
    struct server *server = timer->data;
    log_warn("server.grace", "result=\"what is still running is dropped\"");
    server->exit_code = 1;
    uv_stop(&server->loop); /* hosts that do not end would keep it going; the spawner ends them */
}

void server_stop(struct server *server)
{
    if (server->state == SERVER_DRAINING || server->state == SERVER_STOPPED) {
        return;
    }
    log_info("server.stop", "grace_ms=%" PRIu64, server->settings.grace_ns / NS_PER_MS);
    server->state = SERVER_DRAINING;
    reconcile_stop(server->reconcile);
    http_server_drain(server->http[PORT_INFERENCE], server_drained, server);
    uv_timer_start(&server->grace_timer, server_grace_over, server->settings.grace_ns / NS_PER_MS,
                   0);
}

/* ---- callbacks of the loop ------------------------------------------------------------ */

static void server_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    if (number != SIGHUP) {
        server_stop(server);
        return;
    }
    log_info("config.reload", "by=SIGHUP");
    reconcile_request(server->reconcile, true, NULL, NULL);
}

static void server_poll_repository(uv_timer_t *timer)
{
    struct server *server = timer->data;
    reconcile_request(server->reconcile, false, NULL, NULL);
}

static void server_tick(uv_timer_t *timer)
{
    server_loop_tick(timer->data);
}

/* Just before the loop sleeps: lanes that may go, results that are there, and the wish to be woken.
 * */
static void server_before_sleep(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    server_loop_retire(server);
    server_step_down(server);
    server_loop_arm(server);
}

static void server_after_sleep(uv_check_t *check)
{
    server_loop_awake(check->data);
}

/* ---- the start ------------------------------------------------------------------------ */

static enum roost_err server_listen(struct server *server, enum server_port port, const char *host,
                                    unsigned number, struct detail *detail)
{
    struct http_handler handler;
    api_handler(server, port, &handler);
    return http_server_open(&server->loop, host, number, &handler, &server->settings.limits,
                            &server->http[port], detail);
}

/* The control socket that was asked for must be there; the usual one may be taken already. */
static enum roost_err server_open_control(struct server *server, struct detail *detail)
{
    char host[FILE_PATH_BYTES_MAX + 8], path[FILE_PATH_BYTES_MAX];
    const char *asked = server->settings.control_socket;
    if (asked != NULL && strcmp(asked, "none") == 0) {
        return ROOST_OK;
    }
    if (asked != NULL) {
        snprintf(host, sizeof host, "unix:%s", asked);
        return server_listen(server, PORT_CONTROL, host, 0, detail);
    }
    struct detail reason;
    if (!control_default_path(path, sizeof path)) {
        return ROOST_OK;
    }
    snprintf(host, sizeof host, "unix:%s", path);
    if (server_listen(server, PORT_CONTROL, host, 0, &reason) != ROOST_OK) {
        log_warn("server.control", "reason=%s result=\"no control socket; --control names one\"",
                 LOG_Q(reason.text));
        return ROOST_OK;
    }
    server->settings.control_socket = strdup(path);
    return ROOST_OK;
}

static enum roost_err server_open_ports(struct server *server, struct detail *detail)
{
    const struct settings *settings = &server->settings;
    enum roost_err err = server_listen(server, PORT_INFERENCE, settings->host, settings->http_port,
                                       detail);
    if (err == ROOST_OK && settings->metrics_port_set) {
        err = server_listen(server, PORT_METRICS, settings->host, settings->metrics_port, detail);
    }
    return err == ROOST_OK ? server_open_control(server, detail) : err;
}

static void server_open_handles(struct server *server)
{
    uv_loop_t *loop = &server->loop;
    uv_timer_t *timers[] = {&server->tick, &server->expiry_timer, &server->poll_timer,
                            &server->grace_timer};
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = server;
    }
    uv_prepare_init(loop, &server->prepare);
    uv_check_init(loop, &server->check);
    server->prepare.data = server;
    server->check.data = server;
    uv_prepare_start(&server->prepare, server_before_sleep);
    uv_check_start(&server->check, server_after_sleep);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(loop, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], server_signal, signal_numbers[i]);
    }
    uv_poll_init(loop, &server->spawner_poll, spawner_fd(server->spawner));
    server->spawner_poll.data = server;
    uv_poll_start(&server->spawner_poll, UV_READABLE, server_loop_spawner);
    uv_timer_start(&server->tick, server_tick, tick_ms, tick_ms);
    if (server->settings.control_mode == CONTROL_POLL) {
        uint64_t every_ms = server->settings.poll_interval_ns / NS_PER_MS;
        uv_timer_start(&server->poll_timer, server_poll_repository, every_ms, every_ms);
    }
}

/* The user's cache directory, as the XDG rules have it. */
static enum roost_err server_open_cache(struct server *server, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    const char *directory = server->settings.cache_directory;
    if (directory == NULL) {
        const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        if (cache != NULL && cache[0] == '/') {
            snprintf(path, sizeof path, "%s/roost", cache);
        } else if (home != NULL && home[0] == '/') {
            snprintf(path, sizeof path, "%s/.cache/roost", home);
        } else {
            snprintf(path, sizeof path, "/var/cache/roost");
        }
        directory = path;
    }
    return cache_open(&server->cache, directory, server->settings.cache_bytes_max, detail);
}

/* A library that was named must be there; whether one that was only looked for is needed, the first
 * look at the models says. */
static enum roost_err server_start_spawner(struct server *server, struct detail *detail)
{
    const char *library = server->settings.engine_library;
    enum roost_err err = spawner_start(library, &server->spawner, &server->engine_error, detail);
    if (err == ROOST_OK && library != NULL && server->engine_error.text[0] != '\0') {
        err = detail_set(detail, ROOST_UNAVAILABLE, "%s", server->engine_error.text);
    }
    return err;
}

static enum roost_err server_start(struct server *server, struct detail *detail)
{
    enum roost_err err = node_limits_read("/", &server->limits, detail);
    if (err == ROOST_OK) {
        err = server_open_cache(server, detail);
    }
    if (err == ROOST_OK) {
        err = server_start_spawner(server, detail);
    }
    if (err != ROOST_OK) {
        return err;
    }
    err = grants_open(server, &server->grants, detail);
    if (err != ROOST_OK) {
        return err;
    }
    server->permits = server->limits.cpu_count == 0 ? 1 : server->limits.cpu_count;
    roost_assert(uv_loop_init(&server->loop) == 0);
    server->loop_open = true;
    err = server_open_ports(server, detail);
    if (err == ROOST_OK) {
        server_open_handles(server);
        err = manager_new(server, &server->manager, detail);
    }
    return err;
}

static void server_free(struct server *server)
{
    for (size_t i = 0; i < server->tenant_count; i++) {
        tenant_free(server->tenants[i]);
    }
    free(server->tenants);
    if (server->manager != NULL) {
        manager_free(server->manager);
    }
    if (server->reconcile != NULL) {
        reconcile_free(server->reconcile);
    }
    heap_fini(&server->expiry);
    settings_fini(&server->settings);
    free(server);
}

static void server_log_start(const struct server *server)
{
    log_info(
        "server.listen", "http=%u metrics=%d control=%s cores=%u memory_mib=%" PRIu64 " engine=%s",
        http_server_port(server->http[PORT_INFERENCE]),
        server->http[PORT_METRICS] == NULL ? 0 : (int)http_server_port(server->http[PORT_METRICS]),
        server->settings.control_socket == NULL ? "none" : server->settings.control_socket,
        server->limits.cpu_count, server->limits.memory_bytes >> 20,
        spawner_engine_version(server->spawner, "onnxruntime"));
}

int server_run(struct settings *settings, const struct server_options *options)
{
    struct server *server = calloc(1, sizeof *server);
    roost_assert(server != NULL);
    struct detail detail = {""};
    signal(SIGPIPE, SIG_IGN);
    server->settings = *settings;
    settings_init(settings);
    server->started_ns = clock_now_ns();
    server->started_wall_ns = clock_wall_ns();
    server_loop_init(server);
    enum roost_err err = server_start(server, &detail);
    if (err != ROOST_OK) {
        log_error("server.start", "reason=\"%s\"", detail.text);
        if (server->spawner != NULL) {
            spawner_stop(server->spawner);
        }
        grants_close(server->grants);
        server->grants = NULL;
        if (server->loop_open) {
            server_finish(server);
            uv_run(&server->loop, UV_RUN_DEFAULT); /* until what was opened is closed */
            roost_assert(uv_loop_close(&server->loop) == 0);
        }
        server_free(server);
        return roost_err_exit_code(err) == 0 ? 1 : roost_err_exit_code(err);
    }
    server->reconcile = reconcile_new(server, options);
    server->state = SERVER_RUNNING;
    server_log_start(server);
    reconcile_request(server->reconcile, false, NULL, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    spawner_stop(server->spawner);
    grants_close(server->grants);
    int exit_code = server->exit_code;
    log_info("server.stopped", "exit=%d", exit_code);
    if (exit_code == 0) {
        roost_assert(uv_loop_close(&server->loop) == 0);
        server_free(server);
    }
    return exit_code;
}
