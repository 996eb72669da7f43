/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/loop_fixture.h"

#include <stdlib.h>

#include "base/test.h"
#include "core/plan.h"
#include "core/view_fixture.h"
#include "policy/registry.h"

static const uint64_t step_ns = 1000000, tick_ns = 100000000, second_ns = 1000000000;

struct loop *loop_new(const char *policy, const char *const *options, uint32_t cores)
{
    struct loop *loop = calloc(1, sizeof *loop);
    const struct roost_policy *found;
    struct detail detail = {.text = ""};
    size_t count = 0;
    assert_non_null(loop);
    while (options != NULL && options[count] != NULL) {
        count++;
    }
    assert_int_equal(policy_find(policy, &found, &detail), ROOST_OK);
    assert_int_equal(view_store_init(&loop->store, LOOP_TENANTS_MAX, ROOST_VARIANTS_MAX), ROOST_OK);
    loop->store.view.node = view_fixture_node(cores);
    loop->store.view.seed = 7;
    loop->store.view.tick_ns = tick_ns;
    enum roost_err err = policy_runner_init(&loop->runner, found, options, count, LOOP_TENANTS_MAX,
                                            &loop->store.view.node, &detail);
    if (err != ROOST_OK) {
        fail_msg("%s", detail.text);
    }
    rng_seed(&loop->rng, 5);
    loop->now_ns = second_ns;
    return loop;
}

void loop_free(struct loop *loop)
{
    policy_runner_fini(&loop->runner);
    view_store_fini(&loop->store);
    free(loop);
}

struct loop_tenant *loop_add(struct loop *loop, double per_s, uint64_t slo_ns, uint32_t variants,
                             const double *accuracies, const double *costs_ns)
{
    uint32_t index = loop->store.view.tenant_count;
    struct loop_tenant *tenant = &loop->tenants[index];
    struct roost_tenant *seen = view_fixture_add(&loop->store, index + 1, slo_ns);
    tenant->per_s = per_s;
    tenant->variant_count = variants;
    tenant->switch_ns = second_ns / 10;
    seen->variant_count = 0;
    seen->batch_rows_max = 1;
    for (uint32_t v = 0; v < variants; v++) {
        tenant->accuracies[v] = accuracies[v];
        tenant->costs_ns[v] = costs_ns[v];
        view_fixture_variant(&loop->store, index, accuracies[v], costs_ns[v]);
        view_store_variants(&loop->store, index)[v].point_count = 0;
        view_store_variants(&loop->store, index)[v].cpu_ns_per_row = 0;
        curve_reset(&tenant->curves[v]);
    }
    view_meter_init(&tenant->meter, 10 * second_ns, slo_ns, loop->now_ns);
    tenant->changed_ns = tenant->switched_ns = loop->now_ns;
    return tenant;
}

struct roost_tenant *loop_view(struct loop *loop, uint32_t tenant)
{
    return &loop->store.tenants[tenant];
}

static void answer(struct loop *loop, uint32_t i, const struct loop_request *request)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    uint64_t latency_ns = loop->now_ns - request->arrival_ns;
    uint64_t slo_ns = loop->store.tenants[i].slo_ns;
    double cost_ns = tenant->costs_ns[request->variant] * loop->dear;
    view_meter_answer(&tenant->meter, latency_ns, true, loop->now_ns);
    view_meter_run(&tenant->meter, 1, (uint64_t)cost_ns, (uint64_t)cost_ns, loop->now_ns);
    curve_observe(&tenant->curves[request->variant], 1, (uint64_t)cost_ns);
    if (slo_ns == 0 || latency_ns <= slo_ns) {
        tenant->hits++;
        tenant->accuracy_hits += tenant->accuracies[request->variant];
    }
}

static void arrive(struct loop *loop, uint32_t i)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    const struct roost_tenant *seen = &loop->store.tenants[i];
    double waiting = (double)(tenant->queue_end - tenant->queue_begin);
    /* As many as were answered in the last tick will be answered in the next. */
    double answered = (double)seen->recent.completions + 1;
    double wait_ns = waiting / answered * (double)tick_ns + tenant->costs_ns[seen->serving];
    bool late = seen->slo_ns > 0 && wait_ns > 0.8 * (double)seen->slo_ns;
    tenant->arrivals++;
    view_meter_arrival(&tenant->meter, 1, loop->now_ns);
    if ((seen->grant.shed == ROOST_SHED_SLO && late) || waiting >= LOOP_QUEUE_MAX) {
        tenant->refusals++;
        view_meter_refusal(&tenant->meter, loop->now_ns);
        return;
    }
    tenant->queue[tenant->queue_end++ % LOOP_QUEUE_MAX] = (struct loop_request){
        .arrival_ns = loop->now_ns, .left_ns = -1};
}

/* Expired requests leave, workers take what is next. */
static void start_requests(struct loop *loop, uint32_t i)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    const struct roost_tenant *seen = &loop->store.tenants[i];
    while (tenant->queue_begin < tenant->queue_end) {
        struct loop_request *head = &tenant->queue[tenant->queue_begin % LOOP_QUEUE_MAX];
        if (seen->deadline_ns > 0 && loop->now_ns - head->arrival_ns > seen->deadline_ns) {
            view_meter_answer(&tenant->meter, 0, false, loop->now_ns);
        } else if (tenant->running_count < seen->grant.workers &&
                   !(tenant->stops && view_is_switching(seen))) {
            head->variant = seen->serving;
            head->left_ns = tenant->costs_ns[seen->serving];
            tenant->running[tenant->running_count++] = *head;
        } else {
            return;
        }
        tenant->queue_begin++;
    }
}

/* Cores for each tenant in this step: its own, or by weight what is shared and wanted. */
static void divide(const struct loop *loop, double *cores)
{
    double left = loop->store.view.node.cores;
    bool full[LOOP_TENANTS_MAX] = {false};
    uint32_t count = loop->store.view.tenant_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct roost_grant *grant = &loop->store.tenants[i].grant;
        double held = (double)grant->slots / ROOST_SLOTS_PER_CORE;
        double wanted = loop->tenants[i].running_count;
        cores[i] = 0;
        if (grant->mode == ROOST_EXCLUSIVE) {
            cores[i] = wanted < held ? wanted : held;
            full[i] = true;
            left -= held;
        }
    }
    for (uint32_t round = 0; round < count && left > 1e-9; round++) {
        double weights = 0, given = 0;
        for (uint32_t i = 0; i < count; i++) {
            full[i] = full[i] || cores[i] >= loop->tenants[i].running_count;
            weights += full[i] ? 0 : loop->store.tenants[i].grant.weight;
        }
        for (uint32_t i = 0; i < count && weights > 0; i++) {
            if (!full[i]) {
                double more = left * loop->store.tenants[i].grant.weight / weights;
                double room = loop->tenants[i].running_count - cores[i];
                more = more < room ? more : room;
                cores[i] += more;
                given += more;
            }
        }
        left -= given;
    }
}

static void work(struct loop *loop, uint32_t i, double cores)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    double each_ns = tenant->running_count == 0 ? 0
                                                : cores / tenant->running_count * (double)step_ns;
    each_ns = each_ns > (double)step_ns ? (double)step_ns : each_ns;
    uint32_t kept = 0;
    for (uint32_t r = 0; r < tenant->running_count; r++) {
        tenant->running[r].left_ns -= each_ns / loop->dear;
        if (tenant->running[r].left_ns <= 0) {
            answer(loop, i, &tenant->running[r]);
        } else {
            tenant->running[kept++] = tenant->running[r];
        }
    }
    tenant->running_count = kept;
}

static void step(struct loop *loop)
{
    double cores[LOOP_TENANTS_MAX];
    loop->now_ns += step_ns;
    for (uint32_t i = 0; i < loop->store.view.tenant_count; i++) {
        /* Poisson, by the next arrival within what is left of the step. */
        double left_s = (double)step_ns * 1e-9;
        while (loop->tenants[i].per_s > 0 &&
               (left_s -= rng_exponential(&loop->rng, 1 / loop->tenants[i].per_s)) > 0) {
            arrive(loop, i);
        }
        start_requests(loop, i);
    }
    divide(loop, cores);
    double busy = 0;
    for (uint32_t i = 0; i < loop->store.view.tenant_count; i++) {
        busy += cores[i] / loop->store.view.node.cores;
    }
    loop->dear = 1 + loop->contention * busy;
    for (uint32_t i = 0; i < loop->store.view.tenant_count; i++) {
        work(loop, i, cores[i]);
    }
}

static void finish_switch(struct loop *loop, uint32_t i)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    struct roost_tenant *seen = &loop->store.tenants[i];
    if (seen->serving == seen->grant.variant ||
        loop->now_ns - tenant->asked_ns < tenant->switch_ns) {
        return;
    }
    struct roost_variant *variants = view_store_variants(&loop->store, i);
    variants[seen->serving].state = ROOST_VARIANT_WARM;
    variants[seen->grant.variant].state = ROOST_VARIANT_SERVING;
    seen->serving = seen->grant.variant;
    tenant->switched_ns = tenant->changed_ns = loop->now_ns;
    tenant->switches++;
}

static void gather(struct loop *loop, uint32_t i)
{
    struct loop_tenant *tenant = &loop->tenants[i];
    struct roost_tenant *seen = &loop->store.tenants[i];
    struct roost_variant *variants = view_store_variants(&loop->store, i);
    seen->queue = (struct roost_queue){.requests = tenant->queue_end - tenant->queue_begin};
    seen->queue.rows = seen->queue.requests;
    for (uint64_t q = tenant->queue_begin; q < tenant->queue_end; q++) {
        uint64_t age_ns = loop->now_ns - tenant->queue[q % LOOP_QUEUE_MAX].arrival_ns;
        seen->queue.head_age_ns = age_ns > seen->queue.head_age_ns ? age_ns
                                                                   : seen->queue.head_age_ns;
        seen->queue.late += seen->slo_ns > 0 && age_ns > seen->slo_ns;
    }
    for (uint32_t v = 0; v < tenant->variant_count; v++) {
        view_build_points(&tenant->curves[v], &tenant->curves[v], &variants[v]);
        variants[v].cpu_ns_per_row = (double)curve_service_ns(&tenant->curves[v], 1);
    }
    seen->since_change_ns = loop->now_ns - tenant->changed_ns;
    seen->since_switch_ns = loop->now_ns - tenant->switched_ns;
    view_build_counts(&tenant->meter, second_ns, loop->now_ns, seen);
}

static void tick(struct loop *loop)
{
    struct detail detail;
    struct roost_view *view = &loop->store.view;
    view->tick++;
    view->now_ns = loop->now_ns;
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        finish_switch(loop, i);
        gather(loop, i);
    }
    policy_runner_decide(&loop->runner, view, &loop->plan, loop->planned);
    enum policy_outcome outcome = policy_runner_judge(&loop->runner, view, &loop->plan, 0, 0,
                                                      &detail);
    if (outcome == POLICY_INVALID) {
        loop->faults++;
        print_error("%s\n", detail.text);
    }
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        struct roost_tenant *seen = &loop->store.tenants[i];
        const struct roost_plan_tenant *planned = &loop->planned[i];
        if (view_grant_equal(&seen->grant, &planned->grant)) {
            continue;
        }
        loop->reasons[planned->reason.code]++;
        if (seen->grant.variant != planned->grant.variant) {
            loop->tenants[i].asked_ns = loop->now_ns;
        } else {
            loop->tenants[i].changed_ns = loop->now_ns;
        }
        seen->grant = planned->grant;
    }
}

void loop_run(struct loop *loop, double seconds)
{
    uint64_t end_ns = loop->now_ns + (uint64_t)(seconds * 1e9);
    while (loop->now_ns < end_ns) {
        step(loop);
        if (loop->now_ns % tick_ns == 0) {
            tick(loop);
        }
    }
}

void loop_count(struct loop *loop)
{
    for (uint32_t i = 0; i < LOOP_TENANTS_MAX; i++) {
        struct loop_tenant *tenant = &loop->tenants[i];
        tenant->arrivals = tenant->hits = tenant->refusals = tenant->switches = 0;
        tenant->accuracy_hits = 0;
    }
}

double loop_attainment(const struct loop *loop, uint32_t tenant)
{
    const struct loop_tenant *counted = &loop->tenants[tenant];
    return counted->arrivals == 0 ? 1 : (double)counted->hits / (double)counted->arrivals;
}

double loop_effective_accuracy(const struct loop *loop)
{
    double sum = 0;
    uint32_t count = loop->store.view.tenant_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct loop_tenant *tenant = &loop->tenants[i];
        sum += tenant->arrivals == 0 ? 0 : tenant->accuracy_hits / (double)tenant->arrivals;
    }
    return sum / count;
}

uint32_t loop_variant(const struct loop *loop, uint32_t tenant)
{
    return loop->store.tenants[tenant].serving;
}

uint64_t loop_switches(const struct loop *loop)
{
    uint64_t switches = 0;
    for (uint32_t i = 0; i < loop->store.view.tenant_count; i++) {
        switches += loop->tenants[i].switches;
    }
    return switches;
}
