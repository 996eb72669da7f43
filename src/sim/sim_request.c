/* SPDX-License-Identifier: Apache-2.0 */
/* A request's life: through the threads, into the queue, with a batch through a worker, and out. */
#include <math.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"
#include "sim/sim_internal.h"

static const double cpu_memory = 0.05; /* weight of the latest run in a variant's CPU per row */

static void request_step(struct sim *sim, struct sim_request *request);

static struct sim_request *request_of(struct queue_item *item)
{
    return (struct sim_request *)(void *)((char *)item - offsetof(struct sim_request, item));
}

static void request_finish(struct sim *sim, struct sim_request *request)
{
    struct sim_tenant *tenant = &sim->tenants[request->tenant];
    const struct scenario_tenant *config = tenant->config;
    uint64_t latency_ns = sim->now_ns - request->sent_ns;
    bool good = request->end == SIM_GOOD;
    bool hit = good && (config->slo_ns == 0 || latency_ns <= config->slo_ns);
    sim->outstanding--;
    tenant->sample_due++;
    tenant->sample_hits += hit;
    if (good)
        hist_record(&tenant->sample_latency_ns, latency_ns);
    if (request->sent_ns >= SIM_BEGIN_NS + sim->scenario->warmup_ns) {
        struct result_tenant *result = tenant->result;
        double accuracy = tenant->ladder->variants[request->variant].accuracy;
        result->arrivals++;
        result->completions += good;
        result->refusals += request->end == SIM_REFUSED;
        result->errors += request->end == SIM_ERROR;
        result->hits += hit;
        if (hit)
            result->accuracy_hits += accuracy > 0 ? accuracy : 0;
        if (good)
            hist_record(&result->latency_ns, latency_ns);
    }
    sim_request_free(sim, request);
}

/* Work of the thread for a request in this stage. */
static uint64_t thread_cost_ns(const struct sim_thread *thread, const struct sim_request *request)
{
    bool in = request->stage == SIM_SENDING || request->stage == SIM_COMING_IN;
    return in ? thread->cost.request_ns : thread->cost.answer_ns;
}

/* What finding its caches cold costs the thread now. */
static uint64_t thread_wake_ns(const struct sim *sim, const struct sim_thread *thread)
{
    if (thread->cost.wake_ns == 0)
        return 0;
    double slept = (double)(sim->now_ns - thread->slept_ns);
    return (uint64_t)((double)thread->cost.wake_ns *
                      -expm1(-slept / (double)thread->cost.cooling_ns));
}

static void thread_push(struct sim *sim, struct sim_thread *thread, struct sim_request *request)
{
    request->next = NULL;
    if (thread->first == NULL) {
        thread->first = thread->last = request;
        uint64_t work_ns = thread_cost_ns(thread, request) + thread_wake_ns(sim, thread);
        if (sim->by_core) {
            thread->left_ns = (double)work_ns;
            sim_core_wake_thread(sim, thread);
            return;
        }
        sim->threads_active++;
        sim->moved = true;
        sim_event_set(sim, &thread->event, sim->now_ns + work_ns);
    } else {
        thread->last->next = request;
        thread->last = request;
    }
}

void sim_thread_done(struct sim *sim, void *owner)
{
    struct sim_thread *thread = owner;
    struct sim_request *request = thread->first;
    thread->first = request->next;
    if (thread->first == NULL) {
        thread->slept_ns = sim->now_ns;
        sim->threads_active -= !sim->by_core;
        sim->moved |= !sim->by_core;
    } else if (sim->by_core) {
        thread->left_ns = (double)thread_cost_ns(thread, thread->first);
    } else {
        sim_event_set(sim, &thread->event, sim->now_ns + thread_cost_ns(thread, thread->first));
    }
    request->stage++;
    request_step(sim, request);
}

/* Whether the tenant refuses what would be late. */
static bool sheds_by_slo(const struct sim_tenant *tenant)
{
    const struct scenario_tenant *config = tenant->config;
    return config->slo_ns > 0 && config->shed != SCENARIO_SHED_NEVER &&
           (config->shed == SCENARIO_SHED_SLO || tenant->grant.shed == ROOST_SHED_SLO);
}

/* The request is answered by the server and on its way back. */
static void request_answer(struct sim *sim, struct sim_tenant *tenant, struct sim_request *request)
{
    const struct scenario_tenant *config = tenant->config;
    if (request->end == SIM_REFUSED) {
        view_meter_refusal(&tenant->meter, sim->now_ns);
    } else {
        uint64_t latency_ns = sim->now_ns - request->item.arrival_ns;
        view_meter_answer(&tenant->meter, latency_ns, request->end == SIM_GOOD, sim->now_ns);
        if (request->end == SIM_GOOD || latency_ns > config->slo_ns)
            admission_learn(&tenant->admission, config->slo_percentile, request->item.arrival_ns,
                            request->end == SIM_GOOD && latency_ns <= config->slo_ns);
    }
    request->stage = SIM_GOING_OUT;
    request_step(sim, request);
}

/* As the live server's shedding: would it wait longer than it may? */
static bool is_shed(const struct sim *sim, struct sim_tenant *tenant, uint64_t rows)
{
    const struct scenario_tenant *config = tenant->config;
    bool by_slo = sheds_by_slo(tenant);
    admission_use(&tenant->admission, by_slo, sim->now_ns);
    if (config->shed == SCENARIO_SHED_NEVER)
        return false;
    const struct curve *curve = &tenant->hosts[tenant->serving].service;
    uint64_t wait_ns = batcher_predict_wait_ns(&tenant->limits, curve, tenant->queue.rows);
    if (sim_stalled(sim, tenant))
        wait_ns += tenant->stall_until_ns - sim->now_ns;
    if (wait_ns == 0)
        return false;
    uint64_t limit_ns = config->deadline_ns;
    if (by_slo) {
        uint64_t room_ns = admission_limit_ns(&tenant->admission, config->slo_ns,
                                              curve_service_ns(curve, rows));
        limit_ns = room_ns < limit_ns ? room_ns : limit_ns;
    }
    return wait_ns > limit_ns;
}

static void request_admit(struct sim *sim, struct sim_request *request)
{
    struct sim_tenant *tenant = &sim->tenants[request->tenant];
    request->item.arrival_ns = sim->now_ns;
    request->item.deadline_ns = sim->now_ns + tenant->config->deadline_ns;
    request->variant = tenant->serving;
    view_meter_arrival(&tenant->meter, request->item.rows, sim->now_ns);
    if (queue_count(&tenant->queue) >= (uint64_t)tenant->config->queue_max ||
        is_shed(sim, tenant, request->item.rows)) {
        request->end = SIM_REFUSED;
        request_answer(sim, tenant, request);
        return;
    }
    if (!queue_push(&tenant->queue, &request->item)) {
        sim->out_of_memory = true;
        request->end = SIM_ERROR;
        request_answer(sim, tenant, request);
        return;
    }
    sim_pump(sim, tenant);
}

static void request_step(struct sim *sim, struct sim_request *request)
{
    for (;; request->stage++) {
        struct sim_thread *thread = request->stage == SIM_SENDING || request->stage == SIM_RECEIVING
                                        ? &sim->generator
                                        : &sim->network;
        if (request->stage == SIM_INSIDE) {
            request_admit(sim, request);
            return;
        }
        if (request->stage == SIM_RECEIVED) {
            request_finish(sim, request);
            return;
        }
        if (thread_cost_ns(thread, request) > 0) {
            thread_push(sim, thread, request);
            return;
        }
    }
}

/* A factor with mean 1, drawn on arrival so that all policies see the same. */
static double draw_variation(struct sim_tenant *tenant)
{
    const struct scenario_tenant *config = tenant->config;
    if (config->variation == SCENARIO_STEADY)
        return 1;
    if (config->variation == SCENARIO_EXPONENTIAL)
        return rng_exponential(&tenant->variation, 1);
    double variance = log1p(config->variation_cv * config->variation_cv);
    return exp(sqrt(variance) * rng_normal(&tenant->variation) - variance / 2);
}

void sim_arrival(struct sim *sim, void *owner)
{
    struct sim_tenant *tenant = owner;
    struct sim_request *request = sim_request_new(sim);
    if (request != NULL) {
        *request = (struct sim_request){.sent_ns = sim->now_ns,
                                        .variation = draw_variation(tenant),
                                        .tenant = tenant->index,
                                        .variant = tenant->serving};
        request->item.priority = 1;
        request->item.rows = tenant->coming.rows;
        sim->outstanding++;
        sim->result->requests++;
        tenant->sample_arrivals++;
        request_step(sim, request);
    }
    if (arrivals_next(&tenant->arrivals, &tenant->coming))
        sim_event_set(sim, &tenant->arrival, SIM_BEGIN_NS + tenant->coming.at_ns);
}

void sim_limits_refresh(struct sim_tenant *tenant)
{
    const struct scenario_tenant *config = tenant->config;
    struct batcher_limits *limits = &tenant->limits;
    uint64_t rows_max = (uint64_t)config->batch_max;
    if (tenant->grant.batch_rows > 0 && tenant->grant.batch_rows < rows_max)
        rows_max = tenant->grant.batch_rows;
    limits->rows_max = rows_max;
    limits->batching = config->batching != SCENARIO_BATCH_OFF && rows_max > 1;
    limits->learned = config->batching == SCENARIO_BATCH_AUTO;
    limits->delay_ns = config->batch_delay_ns;
    limits->slo_ns = config->slo_ns;
    limits->workers = tenant->grant.workers;
    limits->slots_per_worker = SIM_SLOTS_PER_WORKER;
}

/* The same for all policies. */
static double noise(const struct sim *sim)
{
    const struct scenario_node *node = &sim->scenario->node;
    if (node->noise_count == 0)
        return 1;
    uint64_t seed = arrivals_seed(sim->seed, UINT64_MAX);
    uint64_t draw = arrivals_seed(seed, (sim->now_ns - SIM_BEGIN_NS) / node->noise_ns);
    return node->noise[draw % node->noise_count];
}

static void run_start(struct sim *sim, struct sim_run *run)
{
    struct sim_tenant *tenant = run->tenant;
    const struct service_model *model = tenant->hosts[run->variant].model;
    sim_advance(sim, tenant);
    tenant->running_count++;
    run->start_ns = sim->now_ns;
    run->left_ns = run->variation * noise(sim) *
                   service_work_ns(model, (double)run->rows, tenant->running_count, tenant->ways);
    run->sequence = ++tenant->run_sequence;
    if (sim->by_core) {
        sim_core_start(sim, run);
        return;
    }
    run->end_ns = tenant->done_ns + run->left_ns;
    run->cpu_begin_ns = tenant->cpu_ns;
    if (!heap_push(&tenant->running, &run->node)) {
        sim->out_of_memory = true;
        return;
    }
    tenant->moved = sim->moved = true;
}

static bool worker_is_free(const struct sim_tenant *tenant)
{
    return tenant->running_count < tenant->grant.workers;
}

static void start_staged(struct sim *sim, struct sim_tenant *tenant)
{
    while (tenant->staged_first != NULL && worker_is_free(tenant)) {
        struct sim_run *run = tenant->staged_first;
        tenant->staged_first = run->next;
        tenant->staged_count--;
        run_start(sim, run);
    }
}

static bool run_form(struct sim *sim, struct sim_tenant *tenant, uint64_t rows_max)
{
    struct queue_item *items[SIM_BATCH_ITEMS_MAX];
    struct sim_run *run = sim_run_new(sim);
    if (run == NULL)
        return false;
    *run = (struct sim_run){.tenant = tenant, .variant = tenant->serving};
    run->count = queue_take_batch(&tenant->queue, rows_max, SIM_BATCH_ITEMS_MAX, items);
    for (unsigned i = 0; i < run->count; i++) {
        struct sim_request *request = request_of(items[i]);
        run->rows += request->item.rows;
        run->variation += request->variation / run->count;
        request->next = run->requests;
        run->requests = request;
    }
    if (worker_is_free(tenant)) {
        run_start(sim, run);
        return true;
    }
    if (tenant->staged_first == NULL)
        tenant->staged_first = run;
    else
        tenant->staged_last->next = run;
    tenant->staged_last = run;
    tenant->staged_count++;
    return true;
}

/* As the live server's lane_drops. */
static bool is_hopeless(const struct sim *sim, const struct sim_tenant *tenant,
                        const struct queue_item *head)
{
    const struct curve *curve = &tenant->hosts[tenant->serving].service;
    uint64_t run_ns = curve_is_known(curve) ? curve_service_ns(curve, head->rows) : 0;
    bool alone = tenant->running_count + tenant->staged_count == 0 &&
                 queue_count(&tenant->queue) == 1;
    return sheds_by_slo(tenant) && !alone &&
           admission_hopeless(tenant->config->slo_ns, run_ns, sim->now_ns - head->arrival_ns);
}

/* Who is to go next and has expired, or would be late though that is to be refused. */
static void drop_late(struct sim *sim, struct sim_tenant *tenant)
{
    for (struct queue_item *head; (head = queue_head(&tenant->queue)) != NULL;) {
        bool expired = head->deadline_ns <= sim->now_ns;
        if (!expired && !is_hopeless(sim, tenant, head))
            return;
        struct sim_request *request = request_of(head);
        queue_remove(&tenant->queue, head);
        request->end = expired ? SIM_ERROR : SIM_REFUSED;
        if (!expired)
            admission_learn(&tenant->admission, tenant->config->slo_percentile, head->arrival_ns,
                            false);
        request_answer(sim, tenant, request);
    }
}

void sim_pump(struct sim *sim, struct sim_tenant *tenant)
{
    sim_advance(sim, tenant);
    uint64_t wake_ns = UINT64_MAX;
    drop_late(sim, tenant);
    start_staged(sim, tenant);
    for (; !sim_stalled(sim, tenant) && queue_head(&tenant->queue) != NULL;
         drop_late(sim, tenant)) {
        struct batcher_decision decision = batcher_decide(
            &tenant->limits, &tenant->hosts[tenant->serving].service, &tenant->queue,
            tenant->running_count + tenant->staged_count, sim->now_ns);
        if (decision.action == BATCHER_WAIT)
            wake_ns = decision.wake_ns;
        if (decision.action != BATCHER_FORM || !run_form(sim, tenant, decision.rows_max))
            break;
    }
    const struct queue_item *head = queue_head(&tenant->queue);
    if (head != NULL && head->deadline_ns < wake_ns)
        wake_ns = head->deadline_ns;
    if (wake_ns == UINT64_MAX)
        sim_event_cancel(sim, &tenant->wake);
    else if (tenant->wake.node.index == HEAP_OUT || tenant->wake.at_ns != wake_ns)
        sim_event_set(sim, &tenant->wake, wake_ns);
}

void sim_wake(struct sim *sim, void *owner)
{
    sim_pump(sim, owner);
}

void sim_run_done(struct sim *sim, struct sim_run *run)
{
    struct sim_tenant *tenant = run->tenant;
    tenant->running_count--;
    struct sim_host *host = &tenant->hosts[run->variant];
    uint64_t service_ns = sim->now_ns - run->start_ns;
    uint64_t cpu_ns = run->cpu_ns > 0 ? (uint64_t)run->cpu_ns : 0;
    double per_row = run->cpu_ns / (double)run->rows;
    bool first = host->cpu_ns_per_row <= 0;
    host->cpu_ns_per_row += (per_row - host->cpu_ns_per_row) * (first ? 1 : cpu_memory);
    curve_observe(&host->service, run->rows, service_ns);
    curve_observe(&host->cpu, run->rows, cpu_ns);
    view_meter_run(&tenant->meter, run->rows, service_ns, cpu_ns, sim->now_ns);
    for (struct sim_request *request = run->requests, *next; request != NULL; request = next) {
        next = request->next;
        request->variant = run->variant;
        request->end = sim->now_ns <= request->item.deadline_ns ? SIM_GOOD : SIM_ERROR;
        request_answer(sim, tenant, request);
    }
    sim_run_free(sim, run);
}

void sim_run_end(struct sim *sim, void *owner)
{
    struct sim_tenant *tenant = owner;
    static const double rounding_ns = 1e-3;
    sim_advance(sim, tenant);
    for (bool first = true;; first = false) {
        struct sim_run *run = (struct sim_run *)(void *)heap_peek(&tenant->running);
        /* The first one is due whatever the clocks' last digits say. */
        if (run == NULL || (!first && run->end_ns > tenant->done_ns + rounding_ns))
            break;
        heap_pop(&tenant->running);
        tenant->moved = sim->moved = true;
        run->cpu_ns += tenant->cpu_ns - run->cpu_begin_ns;
        sim_run_done(sim, run);
    }
    sim_pump(sim, tenant);
}

void sim_abandon_thread(struct sim *sim, struct sim_thread *thread)
{
    for (struct sim_request *request = thread->first, *next; request != NULL; request = next) {
        next = request->next;
        request->end = request->end == SIM_OPEN ? SIM_ERROR : request->end;
        request_finish(sim, request);
    }
    thread->first = NULL;
}

void sim_abandon(struct sim *sim, struct sim_tenant *tenant)
{
    struct sim_run *run;
    while ((run = (struct sim_run *)(void *)heap_pop(&tenant->running)) != NULL ||
           (run = tenant->staged_first) != NULL) {
        if (run == tenant->staged_first)
            tenant->staged_first = run->next;
        for (struct sim_request *request = run->requests, *next; request != NULL; request = next) {
            next = request->next;
            request->end = SIM_ERROR;
            request_finish(sim, request);
        }
        sim_run_free(sim, run);
    }
    for (struct queue_item *head; (head = queue_head(&tenant->queue)) != NULL;) {
        queue_remove(&tenant->queue, head);
        request_of(head)->end = SIM_ERROR;
        request_finish(sim, request_of(head));
    }
}
