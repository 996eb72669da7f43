/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/schedule.h"
#include "load/runner_internal.h"

enum {
    COMMANDS_MAX = 16,
    CHUNKS_MAX = 8192, /* some hundred megabytes: minutes of a reader that is stuck */
    FLUSH_MS = 100,
    SENDS_PER_TURN = 64, /* before replies are looked at */
    START_DELAY_MS = 5,
};

enum command_kind { COMMAND_RUN, COMMAND_STOP, COMMAND_ABANDON, COMMAND_CLOSE };

struct command {
    enum command_kind kind;
    struct runner_plan plan;
};

uint64_t runner_seed(uint64_t seed, size_t tenant, enum runner_stream stream)
{
    struct rng rng;
    rng_seed(&rng, seed ^ ((uint64_t)tenant << 32) ^ ((uint64_t)stream << 56));
    return rng_next(&rng);
}

static bool lane_is_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct runner_lane *x = (const struct runner_lane *)a;
    const struct runner_lane *y = (const struct runner_lane *)b;
    return x->next.at_ns != y->next.at_ns ? x->next.at_ns < y->next.at_ns : x->index < y->index;
}

static void plan_finish(struct runner *runner)
{
    (void)uv_timer_stop(&runner->drain_timer);
    runner->state = RUNNER_FINISHING;
    if (runner_flush(runner, true)) {
        (void)uv_timer_stop(&runner->flush_timer);
        runner->state = RUNNER_IDLE;
    }
}

static void client_reopen(void *user)
{
    struct runner *runner = user;
    runner->client = NULL;
    if (!runner->is_closing) {
        struct http_client_options options = {
            .host = runner->options.target->host,
            .port = runner->options.target->port,
            .connections_max = runner->options.connections_max,
            .timeout_ns = runner->options.timeout_ns,
        };
        /* The same name was resolved before; if it cannot be now, nothing can be sent. */
        enum roost_err err = http_client_open(&runner->loop, &options, &runner->client, NULL);
        roost_assert(err == ROOST_OK);
    }
    if (runner->state == RUNNER_CUTTING)
        plan_finish(runner);
}

/* Gives up what is still open: there is no other way to take a request back. */
static void flights_cut(struct runner *runner)
{
    runner->state = RUNNER_CUTTING;
    http_client_close(runner->client, client_reopen, runner);
}

void runner_landed(struct runner *runner)
{
    if (runner->state == RUNNER_DRAINING && runner->in_flight == 0)
        plan_finish(runner);
}

static void drain_over(uv_timer_t *timer)
{
    struct runner *runner = timer->data;
    if (runner->state == RUNNER_DRAINING)
        flights_cut(runner);
}

static void sending_end(struct runner *runner)
{
    uint64_t now_ns = runner_now_ns(runner);
    if (now_ns < runner->end_ns)
        runner->end_ns = now_ns;
    while (heap_pop(&runner->due) != NULL)
        ;
    runner->state = RUNNER_DRAINING;
    if (runner->in_flight == 0)
        plan_finish(runner);
    else
        (void)uv_timer_start(&runner->drain_timer, drain_over,
                             runner->plan.drain_ns / NS_PER_MS + 1, 0);
}

/* The lane's next arrival goes into the heap, if there is one before the end. */
static bool lane_advance(struct runner *runner, struct runner_lane *lane)
{
    return arrival_next(&lane->arrival, &lane->next) && lane->next.at_ns < runner->end_ns;
}

static void pace_arm(struct runner *runner)
{
    const struct runner_lane *lane = (const struct runner_lane *)heap_peek(&runner->due);
    uint64_t at_ns = runner->start_ns;
    if (lane != NULL)
        at_ns += lane->next.at_ns;
    else if (runner->end_ns != UINT64_MAX)
        at_ns += runner->end_ns; /* nothing left to send, but the time is not over */
    at_ns -= runner->options.spin_ns < at_ns ? runner->options.spin_ns : 0;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};
    int rc = timerfd_settime(runner->pace_fd, TFD_TIMER_ABSTIME, &when, NULL);
    roost_assert(rc == 0);
}

/* Whether the next arrival is due, after a short spin if it nearly is. */
static bool next_is_due(const struct runner *runner, const struct runner_lane *lane)
{
    uint64_t now_ns = runner_now_ns(runner);
    if (lane->next.at_ns > now_ns + runner->options.spin_ns)
        return false;
    while (lane->next.at_ns > now_ns)
        now_ns = runner_now_ns(runner);
    return true;
}

static bool plan_is_over(const struct runner *runner)
{
    if (runner->plan.requests_max > 0 && runner->counted >= runner->plan.requests_max)
        return true;
    if (heap_peek(&runner->due) != NULL)
        return false;
    /* A duration is kept even if no further arrival falls into it; traces end with their last. */
    return runner->end_ns == UINT64_MAX || runner_now_ns(runner) >= runner->end_ns;
}

static void pace_turn(uv_poll_t *poll, int status, int events)
{
    struct runner *runner = poll->data;
    (void)status;
    (void)events;
    /* Every way out sets the timer anew, which also takes its expiry back. */
    if (runner->state != RUNNER_SENDING) {
        (void)timerfd_settime(runner->pace_fd, 0, &(struct itimerspec){0}, NULL);
        return;
    }
    for (int sends = 0; sends < SENDS_PER_TURN && !plan_is_over(runner); sends++) {
        struct runner_lane *lane = (struct runner_lane *)heap_peek(&runner->due);
        if (lane == NULL || !next_is_due(runner, lane))
            break;
        runner_send(runner, lane);
        if (lane_advance(runner, lane))
            heap_update(&runner->due, &lane->node);
        else
            heap_remove(&runner->due, &lane->node);
    }
    if (plan_is_over(runner))
        sending_end(runner);
    pace_arm(runner);
}

static void flush_turn(uv_timer_t *timer)
{
    struct runner *runner = timer->data;
    if (runner->state == RUNNER_FINISHING)
        plan_finish(runner);
    else
        (void)runner_flush(runner, false);
}

static void plan_start(struct runner *runner, const struct runner_plan *plan)
{
    roost_assert(runner->state == RUNNER_IDLE);
    runner->plan = *plan;
    runner->state = RUNNER_SENDING;
    runner->counted = 0;
    runner->crowded = 0;
    runner->cpu_start_ns = clock_thread_cpu_ns();
    runner->end_ns = plan->duration_ns > UINT64_MAX - plan->warmup_ns
                         ? UINT64_MAX
                         : plan->warmup_ns + plan->duration_ns;
    for (size_t i = 0; i < runner->options.tenant_count; i++) {
        struct runner_lane *lane = &runner->lanes[i];
        struct arrival_options options = tenant_spec_arrivals(lane->tenant->spec, plan->multiplier);
        memset(lane->reasons, 0, sizeof(lane->reasons));
        lane->scheduled = 0;
        arrival_init(&lane->arrival, &options, runner_seed(plan->seed, i, STREAM_ARRIVALS));
        rng_seed(&lane->sizes_rng, runner_seed(plan->seed, i, STREAM_SIZES));
        if (lane_advance(runner, lane) && !heap_push(&runner->due, &lane->node))
            runner->lost++; /* nothing of this tenant is sent, and the report is void */
    }
    runner->start_ns = clock_now_ns() + START_DELAY_MS * NS_PER_MS;
    (void)uv_timer_start(&runner->flush_timer, flush_turn, FLUSH_MS, FLUSH_MS);
    pace_arm(runner);
}

static void runner_end(struct runner *runner)
{
    runner->is_closing = true;
    (void)uv_timer_stop(&runner->flush_timer);
    while (heap_pop(&runner->due) != NULL)
        ;
    if (runner->state != RUNNER_CUTTING)
        http_client_close(runner->client, client_reopen, runner);
    runner->state = RUNNER_IDLE;
    (void)uv_poll_stop(&runner->pace);
    uv_close((uv_handle_t *)&runner->pace, NULL);
    uv_close((uv_handle_t *)&runner->flush_timer, NULL);
    uv_close((uv_handle_t *)&runner->drain_timer, NULL);
    uv_close((uv_handle_t *)&runner->command_bell, NULL);
}

static void command_apply(struct runner *runner, const struct command *command)
{
    switch (command->kind) {
    case COMMAND_RUN:
        plan_start(runner, &command->plan);
        break;
    case COMMAND_STOP:
        if (runner->state == RUNNER_SENDING)
            sending_end(runner);
        break;
    case COMMAND_ABANDON:
        if (runner->state == RUNNER_SENDING)
            sending_end(runner);
        if (runner->state == RUNNER_DRAINING)
            flights_cut(runner);
        break;
    case COMMAND_CLOSE:
        runner_end(runner);
        break;
    }
}

static void commands_read(uv_async_t *bell)
{
    struct runner *runner = bell->data;
    struct command *command;
    while ((command = ring_pop(&runner->commands)) != NULL) {
        command_apply(runner, command);
        free(command);
    }
}

static void *runner_thread(void *argument)
{
    struct runner *runner = argument;
    (void)pthread_setname_np(pthread_self(), "load");
    if (runner->options.spin_ns == 0) {
        thread_go_first(); /* who waits busily must not hold a core for ever */
    }
    (void)uv_run(&runner->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void runner_free(struct runner *runner)
{
    struct runner_chunk *chunk;
    while (runner->chunks.slots != NULL && (chunk = ring_pop(&runner->chunks)) != NULL)
        runner_chunk_free(chunk);
    runner_chunk_free(runner->chunk);
    while (runner->spare != NULL) {
        struct flight *flight = runner->spare;
        runner->spare = flight->next;
        free(flight);
    }
    if (runner->pace_fd >= 0)
        (void)close(runner->pace_fd);
    ring_fini(&runner->commands);
    ring_fini(&runner->chunks);
    heap_fini(&runner->due);
    free(runner->lanes);
    free(runner);
}

/* The parts that are nothing but memory and a descriptor; NULL, and *err, when they are short. */
static struct runner *runner_new(const struct runner_options *options, enum roost_err *err,
                                 struct detail *detail)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        *err = detail_set(detail, ROOST_NO_MEMORY, "no memory for the load");
        return NULL;
    }
    runner->options = *options;
    heap_init(&runner->due, lane_is_before);
    runner->pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    runner->lanes = calloc(options->tenant_count, sizeof(*runner->lanes));
    bool has_memory = runner->lanes != NULL && ring_init(&runner->commands, COMMANDS_MAX) &&
                      ring_init(&runner->chunks, CHUNKS_MAX);
    if (runner->pace_fd < 0 || !has_memory) {
        *err = has_memory ? errno_translate(errno, "timerfd", detail)
                          : detail_set(detail, ROOST_NO_MEMORY, "no memory for the load");
        runner_free(runner);
        return NULL;
    }
    for (size_t i = 0; i < options->tenant_count; i++) {
        runner->lanes[i].tenant = &options->tenants[i];
        runner->lanes[i].index = i;
        runner->lanes[i].node.index = HEAP_OUT;
    }
    return runner;
}

static void loop_open(struct runner *runner)
{
    int rc = uv_loop_init(&runner->loop);
    rc |= uv_async_init(&runner->loop, &runner->command_bell, commands_read);
    rc |= uv_poll_init(&runner->loop, &runner->pace, runner->pace_fd);
    rc |= uv_timer_init(&runner->loop, &runner->flush_timer);
    rc |= uv_timer_init(&runner->loop, &runner->drain_timer);
    roost_assert(rc == 0);
    runner->command_bell.data = runner;
    runner->pace.data = runner;
    runner->flush_timer.data = runner;
    runner->drain_timer.data = runner;
    rc = uv_poll_start(&runner->pace, UV_READABLE, pace_turn);
    roost_assert(rc == 0);
}

enum roost_err runner_open(const struct runner_options *options, struct runner **opened,
                           struct detail *detail)
{
    enum roost_err err = ROOST_OK;
    struct runner *runner = runner_new(options, &err, detail);
    *opened = NULL;
    if (runner == NULL)
        return err;
    loop_open(runner);
    struct http_client_options client = {
        .host = options->target->host,
        .port = options->target->port,
        .connections_max = options->connections_max,
        .timeout_ns = options->timeout_ns,
    };
    err = http_client_open(&runner->loop, &client, &runner->client, detail);
    if (err == ROOST_OK) {
        int rc = pthread_create(&runner->thread, NULL, runner_thread, runner);
        if (rc == 0) {
            *opened = runner;
            return ROOST_OK;
        }
        err = errno_translate(rc, "a thread for the load", detail);
        http_client_close(runner->client, NULL, NULL);
    }
    uv_close((uv_handle_t *)&runner->pace, NULL);
    uv_close((uv_handle_t *)&runner->flush_timer, NULL);
    uv_close((uv_handle_t *)&runner->drain_timer, NULL);
    uv_close((uv_handle_t *)&runner->command_bell, NULL);
    (void)uv_run(&runner->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&runner->loop);
    runner_free(runner);
    return err;
}

static void command_give(struct runner *runner, enum command_kind kind,
                         const struct runner_plan *plan)
{
    struct command *command = calloc(1, sizeof(*command));
    roost_assert(command != NULL);
    command->kind = kind;
    if (plan != NULL)
        command->plan = *plan;
    bool was_pushed = ring_push(&runner->commands, command);
    roost_assert(was_pushed);
    (void)uv_async_send(&runner->command_bell);
}

void runner_run(struct runner *runner, const struct runner_plan *plan)
{
    command_give(runner, COMMAND_RUN, plan);
}

void runner_stop(struct runner *runner)
{
    command_give(runner, COMMAND_STOP, NULL);
}

void runner_abandon(struct runner *runner)
{
    command_give(runner, COMMAND_ABANDON, NULL);
}

struct runner_chunk *runner_take(struct runner *runner)
{
    return ring_pop(&runner->chunks);
}

const char *runner_reason(const struct runner *runner, size_t tenant, enum outcome outcome)
{
    return runner->lanes[tenant].reasons[outcome];
}

void runner_close(struct runner *runner)
{
    if (runner == NULL)
        return;
    command_give(runner, COMMAND_CLOSE, NULL);
    (void)pthread_join(runner->thread, NULL);
    int rc = uv_loop_close(&runner->loop);
    roost_assert(rc == 0);
    runner_free(runner);
}
