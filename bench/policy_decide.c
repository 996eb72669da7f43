/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of one decision, policy by policy, with 16 tenants of eight variants each (clite: with
 * the eight tenants that it takes), loads that change all the time and some that are too much.
 *
 *   policy_decide [DECISIONS]
 *
 * The figure is the 99th percentile over all decisions; the mean and the maximum are shown with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hist.h"
#include "core/plan.h"
#include "core/view_fixture.h"
#include "policy/registry.h"
#include "policy/runner.h"

enum { TENANTS = 16, VARIANTS = 8, POINTS = 8 };

static const double bound_us = 200, bound_beside_us = 50000;

static void add_tenants(struct view_store *store, struct rng *rng, uint32_t tenants)
{
    store->view.node = view_fixture_node(16);
    store->view.seed = 1;
    store->view.tick_ns = NS_PER_S;
    for (uint32_t i = 0; i < tenants; i++) {
        struct roost_tenant *tenant = view_fixture_add(store, i + 1, 50 * NS_PER_MS);
        tenant->variant_count = 0;
        double cost_ns = 1e6 * (1 + 9 * rng_uniform(rng));
        for (uint32_t v = 0; v < VARIANTS; v++) {
            struct roost_variant *variant = view_fixture_variant(store, i, 0.95 - 0.03 * v,
                                                                 cost_ns);
            variant->point_count = POINTS;
            for (uint32_t p = 0; p < POINTS; p++) {
                double rows = 1 << p, ns = cost_ns * (0.4 + 0.6 * rows);
                variant->points[p] = (struct roost_curve_point){
                    .samples = 100, .rows_mean = rows, .ns_mean = ns, .cpu_ns_mean = ns};
            }
            cost_ns *= 0.7;
        }
    }
}

/* Loads go up and down over minutes, each tenant's at its own pace. */
static void set_loads(struct view_store *store, struct rng *rng, unsigned tick)
{
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        struct roost_tenant *tenant = &store->tenants[i];
        unsigned phase = (tick + 13 * i) % (100 + 7 * i);
        double per_s = phase < 50 ? 40 : 300;
        double ratio = 0.3 + rng_uniform(rng) * (phase < 55 ? 0.5 : 1);
        view_fixture_load(tenant, per_s * (0.9 + 0.2 * rng_uniform(rng)),
                          (uint64_t)(ratio * (double)tenant->slo_ns));
    }
}

static void apply(struct view_store *store, const struct roost_plan *plan)
{
    for (uint32_t i = 0; i < store->view.tenant_count; i++) {
        struct roost_tenant *tenant = &store->tenants[i];
        bool same = view_grant_equal(&tenant->grant, &plan->tenants[i].grant);
        bool switched = tenant->grant.variant != plan->tenants[i].grant.variant;
        tenant->since_change_ns = same ? tenant->since_change_ns + NS_PER_S : 0;
        tenant->since_switch_ns = switched ? 0 : tenant->since_switch_ns + NS_PER_S;
        tenant->grant = plan->tenants[i].grant;
        tenant->serving = tenant->grant.variant;
    }
    store->view.tick++;
    store->view.now_ns += NS_PER_S;
}

static int measure(const struct roost_policy *policy, unsigned decisions, struct hist *hist)
{
    uint32_t tenants = policy->tenants_max > 0 && policy->tenants_max < TENANTS
                           ? policy->tenants_max
                           : TENANTS;
    struct view_store store;
    struct policy_runner runner = {0};
    struct roost_plan plan;
    struct roost_plan_tenant planned[TENANTS];
    struct detail detail;
    struct rng rng;
    rng_seed(&rng, 3);
    if (view_store_init(&store, TENANTS, VARIANTS) != ROOST_OK) {
        return 1;
    }
    add_tenants(&store, &rng, tenants);
    if (policy_runner_init(&runner, policy, NULL, 0, tenants, &store.view.node, &detail) !=
        ROOST_OK) {
        fprintf(stderr, "%s\n", detail.text);
        view_store_fini(&store);
        return 1;
    }
    hist_reset(hist);
    for (unsigned tick = 0; tick < decisions; tick++) {
        set_loads(&store, &rng, tick);
        uint64_t start_ns = clock_thread_cpu_ns();
        policy_runner_decide(&runner, &store.view, &plan, planned);
        hist_record(hist, clock_thread_cpu_ns() - start_ns);
        policy_runner_judge(&runner, &store.view, &plan, 0, 0, &detail);
        apply(&store, &plan);
    }
    printf("%-10s %2u tenants: mean %.1f us, p99 %.1f us, max %.1f us; faults %llu\n", policy->name,
           tenants, hist_mean(hist) * 1e-3, (double)hist_quantile(hist, 0.99) * 1e-3,
           (double)hist->max * 1e-3, (unsigned long long)runner.faults);
    policy_runner_fini(&runner);
    view_store_fini(&store);
    return 0;
}

int main(int argc, char **argv)
{
    static struct hist hist;
    long wanted = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    unsigned decisions = wanted > 0 && wanted < 10000000 ? (unsigned)wanted : 3000;
    double worst_us = 0, beside_us = 0;
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    for (size_t i = 0; i < count; i++) {
        bool beside = policies[i]->delay_ticks > 0;
        if (measure(policies[i], beside ? decisions / 5 : decisions, &hist) != 0) {
            return 1;
        }
        double us = (double)hist_quantile(&hist, 0.99) * 1e-3;
        double *figure = beside ? &beside_us : &worst_us;
        *figure = us > *figure ? us : *figure;
    }
    printf("figure decide_us_p99 %.1f %.0f %s\n", worst_us, bound_us,
           worst_us <= bound_us ? "ok" : "short");
    printf("figure decide_clite_us_p99 %.1f %.0f %s\n", beside_us, bound_beside_us,
           beside_us <= bound_beside_us ? "ok" : "short");
    return 0;
}
