/* SPDX-License-Identifier: Apache-2.0 */
#include "load/session.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/assert.h"
#include "base/clock.h"
#include "load/runner.h"
#include "load/search.h"
#include "load/watch.h"

enum { SIGNALS = 2, LATE_STEPS_MAX = 3, SAMPLES_PER_STEP_MIN = 2 };
#define SETTLE_NS_MIN (100 * NS_PER_MS)

struct session {
    const struct session_options *options;
    struct session_result *result;
    uv_loop_t loop;
    uv_async_t bell; /* the runner has chunks */
    uv_signal_t signals[SIGNALS];
    unsigned signal_count;
    struct runner *runner;
    struct runner_tenant *runner_tenants;
    struct report *report; /* of the plan under way */
    struct report current, best;
    struct watch watch;
    struct search search;
    bool is_searching;   /* a step is under way and undecided */
    unsigned late_steps; /* in a row, that the generator itself failed */
    bool step_passed;
    enum roost_err err;
    struct detail *detail;
};

static void session_fail(struct session *session, enum roost_err err, const char *reason)
{
    if (session->err == ROOST_OK)
        session->err = detail_set(session->detail, err, "%s", reason);
    uv_stop(&session->loop);
}

static struct runner_plan plan_make(const struct session *session)
{
    const struct session_options *options = session->options;
    return (struct runner_plan){
        .seed = options->seed,
        .multiplier = 1.0,
        .warmup_ns = options->warmup_ns,
        .duration_ns = options->duration_ns,
        .requests_max = options->requests_max,
        .drain_ns = options->drain_ns,
    };
}

static void plan_begin(struct session *session, const struct runner_plan *plan)
{
    struct report_options *options = &session->report->options;
    report_reset(session->report);
    options->seed = plan->seed;
    options->multiplier = plan->multiplier;
    options->warmup_ns = plan->warmup_ns;
    options->window_end_ns = plan->duration_ns > UINT64_MAX - plan->warmup_ns
                                 ? UINT64_MAX
                                 : plan->warmup_ns + plan->duration_ns;
    watch_begin(&session->watch, plan->warmup_ns, options->window_end_ns);
    runner_run(session->runner, plan);
}

/* The next step of the search; false when it is over. */
static bool step_begin(struct session *session)
{
    struct findmax *findmax = &session->result->search;
    struct runner_plan plan = plan_make(session);
    /* When the generator is late at ever lower loads, no load will help it. */
    bool is_hopeless = findmax->passed <= 0.0 && session->late_steps >= LATE_STEPS_MAX;
    if (session->signal_count > 0 || is_hopeless || !findmax_next(findmax, &plan.multiplier))
        return false;
    /* Other arrivals in every step, or all would share the luck of one seed. */
    plan.seed += findmax->step_count;
    plan.duration_ns = UINT64_MAX;
    plan.requests_max = 0;
    plan.warmup_ns = session->options->find_step_ns / 5;
    if (plan.warmup_ns < SETTLE_NS_MIN)
        plan.warmup_ns = SETTLE_NS_MIN;
    search_begin(&session->search, plan.seed, plan.multiplier, plan.warmup_ns);
    session->is_searching = true;
    session->step_passed = false;
    watch_phase(&session->watch, "find-max: %s at x%.4g", findmax_phase_name(findmax->step.phase),
                plan.multiplier);
    plan_begin(session, &plan);
    return true;
}

static void step_decided(struct session *session, enum findmax_verdict verdict)
{
    const struct findmax *findmax = &session->result->search;
    const struct findmax_step *step = &findmax->history[findmax->step_count - 1];
    session->is_searching = false;
    session->step_passed = verdict == FINDMAX_PASS;
    bool was_late = verdict == FINDMAX_FAIL && step->worst == (int)session->options->tenants->count;
    session->late_steps = was_late ? session->late_steps + 1 : 0;
    watch_line(&session->watch, "x%-8.4g %-9s %s%s", step->multiplier,
               findmax_phase_name(step->phase), verdict == FINDMAX_PASS ? "holds" : "fails",
               step->was_close ? " (close)" : "");
}

/* Keeps the report of the best load so far, and goes on with the other one's memory. */
static void best_keep(struct session *session)
{
    struct report kept = session->best;
    session->best = session->current;
    session->current = kept;
}

static void plan_over(struct session *session, const struct runner_chunk *chunk)
{
    struct report_end end = {
        .end_ns = chunk->end_ns,
        .scheduled = chunk->scheduled,
        .lost = chunk->lost,
        .crowded = chunk->crowded,
        .cpu_ns = chunk->cpu_ns,
    };
    report_finish(session->report, &end);
    roost_assert(chunk->lost > 0 || report_is_conserved(session->report));
    for (size_t i = 0; i < session->report->tenant_count; i++) {
        for (unsigned k = OUTCOME_OK + 1; k < OUTCOME_COUNT; k++)
            report_reason(session->report, i, k, runner_reason(session->runner, i, k));
    }
    if (!session->options->find_max) {
        uv_stop(&session->loop);
        return;
    }
    /* A plan that ended by itself is a trace that was too short for more. */
    if (session->is_searching && session->signal_count == 0)
        step_decided(session, findmax_conclude(&session->result->search));
    session->is_searching = false;
    const struct findmax *findmax = &session->result->search;
    if (session->step_passed && findmax->verified >= session->report->options.multiplier)
        best_keep(session);
    if (!step_begin(session))
        uv_stop(&session->loop);
}

static void search_turn(struct session *session, uint64_t now_ns)
{
    enum findmax_verdict verdict = search_advance(&session->search, now_ns);
    if (session->search.failed) {
        session_fail(session, ROOST_NO_MEMORY, "no memory for the search");
        return;
    }
    if (verdict == FINDMAX_GO_ON)
        return;
    step_decided(session, verdict);
    /* What is too much leaves a backlog that nobody wants to wait for. */
    if (verdict == FINDMAX_PASS)
        runner_stop(session->runner);
    else
        runner_abandon(session->runner);
}

static void record_write(const struct session *session, const struct load_record *record)
{
    struct strbuf line;
    strbuf_init(&line);
    report_csv_record(session->report, record, &line);
    (void)fputs(strbuf_text(&line), session->options->records);
    strbuf_fini(&line);
}

static void chunk_read(struct session *session, const struct runner_chunk *chunk)
{
    struct report *report = session->report;
    /* Answers after the sending ended count no more as throughput. */
    if (chunk->end_ns < report->options.window_end_ns)
        report->options.window_end_ns = chunk->end_ns;
    for (size_t i = 0; i < chunk->record_count; i++) {
        const struct load_record *record = &chunk->records[i];
        report_add(report, record);
        watch_add(&session->watch, record);
        if (session->is_searching)
            search_add(&session->search, record);
        if (session->options->records != NULL)
            record_write(session, record);
    }
    uint64_t patience_ns = session->options->timeout_ns + session->options->interval_ns;
    if (chunk->now_ns > patience_ns)
        report_seal(report, chunk->now_ns - patience_ns);
    watch_time(&session->watch, chunk->now_ns);
    if (session->is_searching && !chunk->is_last)
        search_turn(session, chunk->now_ns);
    if (chunk->is_last)
        plan_over(session, chunk);
}

static void chunks_read(uv_async_t *bell)
{
    struct session *session = bell->data;
    struct runner_chunk *chunk;
    while (session->err == ROOST_OK && (chunk = runner_take(session->runner)) != NULL) {
        chunk_read(session, chunk);
        runner_chunk_free(chunk);
    }
}

static void bell_ring(void *user)
{
    (void)uv_async_send(user);
}

static void signal_arrived(uv_signal_t *handle, int number)
{
    struct session *session = handle->data;
    (void)number;
    session->signal_count++;
    session->is_searching = false;
    if (session->signal_count > 2)
        return;
    session->report->was_interrupted = true;
    watch_line(&session->watch, "%s",
               session->signal_count == 1 ? "stopping: waiting for what is under way (once more "
                                            "to give it up)"
                                          : "giving up what is under way");
    if (session->signal_count == 1 && !session->options->find_max)
        runner_stop(session->runner);
    else
        runner_abandon(session->runner);
}

static void loop_open(struct session *session)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM};
    int rc = uv_loop_init(&session->loop);
    rc |= uv_async_init(&session->loop, &session->bell, chunks_read);
    session->bell.data = session;
    for (int i = 0; i < SIGNALS; i++) {
        rc |= uv_signal_init(&session->loop, &session->signals[i]);
        session->signals[i].data = session;
        rc |= uv_signal_start(&session->signals[i], signal_arrived, numbers[i]);
    }
    roost_assert(rc == 0);
}

static void loop_close(struct session *session)
{
    uv_close((uv_handle_t *)&session->bell, NULL);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&session->signals[i], NULL);
    watch_close(&session->watch);
    (void)uv_run(&session->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&session->loop);
    roost_assert(rc == 0);
}

static bool report_open(const struct session_options *options, struct report *report)
{
    const struct load_tenants *tenants = options->tenants;
    struct report_tenant_info *infos = calloc(tenants->count, sizeof(*infos));
    if (infos == NULL)
        return false;
    for (size_t i = 0; i < tenants->count; i++) {
        const struct load_tenant *tenant = &tenants->items[i];
        struct arrival_options arrivals = tenant_spec_arrivals(tenant->spec, 1.0);
        double top = tenant->model->accuracy;
        for (unsigned k = 0; k < tenant->model->variant_count; k++)
            top = fmax(top, tenant->model->variants[k].accuracy);
        infos[i] = (struct report_tenant_info){
            .name = tenant->name,
            .version = tenant->spec->version,
            .slo = tenant->slo,
            .accuracy_top = top,
            .rate_wanted = arrival_rate(&arrivals),
            .note = tenant->note[0] == '\0' ? NULL : tenant->note,
        };
    }
    struct report_options report_options = {
        .url = options->url,
        .seed = options->seed,
        .multiplier = 1.0,
        .warmup_ns = options->warmup_ns,
        .window_end_ns = UINT64_MAX,
        .interval_ns = options->interval_ns,
    };
    bool is_made = report_init(report, &report_options, infos, tenants->count);
    free(infos);
    return is_made;
}

static enum roost_err runner_begin(struct session *session)
{
    const struct session_options *options = session->options;
    const struct load_tenants *tenants = options->tenants;
    session->runner_tenants = calloc(tenants->count, sizeof(*session->runner_tenants));
    if (session->runner_tenants == NULL)
        return detail_set(session->detail, ROOST_NO_MEMORY, "no memory for the load");
    for (size_t i = 0; i < tenants->count; i++) {
        struct load_tenant *tenant = &tenants->items[i];
        session->runner_tenants[i] = (struct runner_tenant){.spec = tenant->spec,
                                                            .model = tenant->model,
                                                            .sizes = &tenant->sizes,
                                                            .pool = &tenant->pool};
    }
    struct runner_options runner = {
        .target = options->target,
        .tenants = session->runner_tenants,
        .tenant_count = tenants->count,
        .connections_max = options->connections_max,
        .outstanding_max = options->outstanding_max,
        .timeout_ns = options->timeout_ns,
        .spin_ns = options->spin_ns,
        .notify = bell_ring,
        .user = &session->bell,
    };
    return runner_open(&runner, &session->runner, session->detail);
}

/* Below this even a step that is made ten times as long would hardly see a request of the slowest
 * tenant. */
static double lowest_sensible(const struct session_options *options)
{
    double rate = INFINITY;
    for (size_t i = 0; i < options->tenants->count; i++) {
        struct arrival_options arrivals = tenant_spec_arrivals(options->tenants->items[i].spec,
                                                               1.0);
        if (options->tenants->items[i].slo.time_ns > 0)
            rate = fmin(rate, arrival_rate(&arrivals));
    }
    double requests = rate * (double)options->find_step_ns / (double)NS_PER_S;
    return requests > 0 ? SAMPLES_PER_STEP_MIN / requests : 0.0;
}

static enum roost_err search_open(struct session *session)
{
    const struct session_options *options = session->options;
    struct findmax *findmax = &session->result->search;
    if (!search_init(&session->search, options->tenants, options->find_step_ns, findmax))
        return detail_set(session->detail, ROOST_NO_MEMORY, "no memory for the search");
    if (!search_is_possible(&session->search))
        return detail_set(session->detail, ROOST_INVALID,
                          "find-max needs a tenant with an SLO: give one with --slo");
    struct findmax_options search = {
        .criterion_count = options->tenants->count + 1,
        .quantiles = session->search.quantiles,
        .start = options->find_start,
        .precision = options->find_precision,
        .highest = options->find_start * 1e6,
        .lowest = fmax(options->find_lowest, fmin(options->find_start, lowest_sensible(options))),
        .step_ns = options->find_step_ns,
        .samples_min = options->find_samples,
    };
    if (!findmax_init(findmax, &search))
        return detail_set(session->detail, ROOST_NO_MEMORY, "no memory for the search");
    return ROOST_OK;
}

/* What stands in the way of more. */
static void limit_note(const struct session *session)
{
    const struct findmax *findmax = &session->result->search;
    const struct load_tenants *tenants = session->options->tenants;
    struct session_result *result = session->result;
    if (findmax->failed_by < 0)
        return;
    bool is_generator = (size_t)findmax->failed_by == tenants->count;
    (void)snprintf(result->note, sizeof(result->note), "limited by %.100s",
                   is_generator ? "the generator's own lag"
                                : tenants->items[findmax->failed_by].name);
}

static void result_take(struct session *session)
{
    struct session_result *result = session->result;
    bool has_best = session->options->find_max && session->best.is_finished;
    struct report *from = has_best ? &session->best : &session->current;
    result->report = *from;
    *from = (struct report){0};
    if (session->options->find_max) {
        result->found = findmax_result(&result->search);
        limit_note(session);
        /* It borrows what ends with the session. */
        result->search.options.quantiles = NULL;
    }
}

static enum roost_err session_drive(struct session *session)
{
    const struct session_options *options = session->options;
    enum roost_err err = ROOST_OK;
    if (!report_open(options, &session->current) || !report_open(options, &session->best))
        return detail_set(session->detail, ROOST_NO_MEMORY, "no memory for the report");
    session->report = &session->current;
    if (options->find_max)
        err = search_open(session);
    if (err == ROOST_OK)
        err = watch_open(&session->watch, &session->loop, options, session->detail);
    if (err == ROOST_OK)
        err = runner_begin(session);
    if (err != ROOST_OK)
        return err;
    if (options->find_max) {
        (void)step_begin(session);
    } else {
        struct runner_plan plan = plan_make(session);
        plan_begin(session, &plan);
    }
    (void)uv_run(&session->loop, UV_RUN_DEFAULT);
    watch_end(&session->watch);
    return session->err;
}

enum roost_err session_run(const struct session_options *options, struct session_result *result,
                           struct detail *detail)
{
    memset(result, 0, sizeof(*result));
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the load");
    session->options = options;
    session->result = result;
    session->detail = detail;
    loop_open(session);
    enum roost_err err = session_drive(session);
    if (err == ROOST_OK)
        result_take(session);
    runner_close(session->runner);
    loop_close(session);
    search_fini(&session->search);
    report_fini(&session->current);
    report_fini(&session->best);
    free(session->runner_tenants);
    free(session);
    return err;
}

void session_result_fini(struct session_result *result)
{
    report_fini(&result->report);
    findmax_fini(&result->search);
}
