/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/conform.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/options.h"
#include "core/decision.h"
#include "core/plan.h"
#include "core/view_fixture.h"

enum { TENANTS_MAX = 16, VARIANTS = 6, PLAN_BYTES_MAX = 1 << 14 };

static const char *const promise_names[] = {"all",  "table", "deterministic",
                                            "copy", "view",  "check"};

const char *conform_promise_name(enum conform_promise promise)
{
    return promise_names[promise];
}

/* A plan as the policy made it and its bytes. */
struct answer {
    struct roost_plan plan;
    struct roost_plan_tenant tenants[TENANTS_MAX];
    uint8_t bytes[PLAN_BYTES_MAX];
    size_t length;
};

struct run {
    const struct roost_policy *policy;
    struct view_store store;
    uint32_t tenants_max;
    size_t state_bytes;
    void *state, *twin; /* what decides, and a copy of it from before */
    struct rng rng;
    struct answer first, second;
    struct detail *why;
    uint32_t next_id;
};

static void *state_new(const struct run *run)
{
    const struct roost_policy *policy = run->policy;
    void *options = calloc(1, policy->options_bytes + 1);
    void *state = calloc(1, run->state_bytes + 1);
    roost_assert(options != NULL && state != NULL);
    enum roost_err err = options_defaults(policy->options, policy->option_count, options, run->why);
    if (err == ROOST_OK) {
        err = policy->init(state, options, run->tenants_max, &run->store.view.node, run->why);
    }
    free(options);
    if (err != ROOST_OK) {
        free(state);
        return NULL;
    }
    return state;
}

static void decide(struct run *run, void *state, struct answer *answer)
{
    plan_prepare(&answer->plan, answer->tenants, &run->store.view);
    run->policy->decide(state, &run->store.view, &answer->plan);
    answer->length = decision_write_plan(&answer->plan, answer->bytes, PLAN_BYTES_MAX);
    roost_assert(answer->length <= PLAN_BYTES_MAX);
}

static bool same(const struct answer *a, const struct answer *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static void *state_copy(const struct run *run, const void *state)
{
    void *copy = malloc(run->state_bytes + 1);
    roost_assert(copy != NULL);
    memcpy(copy, state, run->state_bytes);
    return copy;
}

/* The decision twice from copies of one state, then for good; and the twin's. */
static enum conform_promise step(struct run *run)
{
    uint64_t sum = view_fixture_checksum(&run->store.view);
    void *again = state_copy(run, run->state);
    decide(run, again, &run->second);
    free(again);
    decide(run, run->state, &run->first);
    if (view_fixture_checksum(&run->store.view) != sum) {
        return CONFORM_VIEW;
    }
    if (!same(&run->first, &run->second)) {
        return CONFORM_DETERMINISTIC;
    }
    decide(run, run->twin, &run->second);
    if (!same(&run->first, &run->second)) {
        return CONFORM_COPY;
    }
    if (plan_check(&run->first.plan, &run->store.view, NULL, run->why) != ROOST_OK) {
        return CONFORM_CHECK;
    }
    return CONFORM_ALL;
}

static void swap_tenants(struct view_store *store, uint32_t a, uint32_t b)
{
    struct roost_tenant keep = store->tenants[a];
    store->tenants[a] = store->tenants[b];
    store->tenants[b] = keep;
    for (uint32_t v = 0; v < store->variants_max; v++) {
        struct roost_variant *of_a = &view_store_variants(store, a)[v];
        struct roost_variant *of_b = &view_store_variants(store, b)[v];
        struct roost_variant variant = *of_a;
        *of_a = *of_b;
        *of_b = variant;
    }
    store->tenants[a].variants = view_store_variants(store, a);
    store->tenants[b].variants = view_store_variants(store, b);
}

/* Now and then somebody leaves, comes, or stands elsewhere; and the node changes. */
static void disturb(struct run *run)
{
    struct view_store *store = &run->store;
    uint32_t count = store->view.tenant_count;
    switch (rng_below(&run->rng, 12)) {
    case 0:
        if (count > 1) {
            swap_tenants(store, (uint32_t)rng_below(&run->rng, count), count - 1);
            store->view.tenant_count--;
        }
        break;
    case 1:
        if (count > 1) {
            swap_tenants(store, 0, (uint32_t)rng_below(&run->rng, count));
        }
        break;
    case 2:
        if (count < run->tenants_max) {
            view_fixture_add(store, run->next_id++, 1000000);
        }
        break;
    case 3:
        store->view.node.cores = 1 + (uint32_t)rng_below(&run->rng, 16);
        break;
    default:
        break;
    }
}

static enum conform_promise sequence(struct run *run, unsigned ticks)
{
    enum conform_promise broken = CONFORM_ALL;
    view_fixture_random(&run->store, &run->rng);
    run->next_id = 1000;
    uint32_t limit = run->policy->ways_max;
    if (limit > 0 && run->store.view.node.ways > limit) {
        return CONFORM_ALL;
    }
    run->state_bytes = run->policy->state_bytes(run->tenants_max, &run->store.view.node);
    run->state = state_new(run);
    run->twin = state_new(run);
    if (run->state == NULL || run->twin == NULL) {
        broken = CONFORM_TABLE;
    }
    for (unsigned tick = 0; tick < ticks && broken == CONFORM_ALL; tick++) {
        broken = step(run);
        if (tick == ticks / 2) {
            free(run->twin);
            run->twin = state_copy(run, run->state);
        }
        view_fixture_next(&run->store, &run->rng, &run->first.plan);
        disturb(run);
    }
    free(run->state);
    free(run->twin);
    return broken;
}

static bool table_is_whole(const struct roost_policy *policy)
{
    return policy->contract == ROOST_POLICY_CONTRACT && policy->name != NULL &&
           policy->summary != NULL && policy->version != NULL && policy->state_bytes != NULL &&
           policy->init != NULL && policy->decide != NULL &&
           (policy->option_count == 0 || policy->options != NULL);
}

enum conform_promise conform_check(const struct roost_policy *policy, unsigned sequences,
                                   unsigned ticks, struct detail *why)
{
    struct run *run = calloc(1, sizeof *run);
    roost_assert(run != NULL);
    detail_set(why, ROOST_INVALID, "%s", "");
    enum conform_promise broken = table_is_whole(policy) ? CONFORM_ALL : CONFORM_TABLE;
    uint32_t limit = policy->tenants_max;
    run->policy = policy;
    run->why = why;
    run->tenants_max = limit > 0 && limit < TENANTS_MAX ? limit : TENANTS_MAX;
    roost_assert(view_store_init(&run->store, run->tenants_max, VARIANTS) == ROOST_OK);
    rng_seed(&run->rng, 2024);
    for (unsigned i = 0; i < sequences && broken == CONFORM_ALL; i++) {
        broken = sequence(run, ticks);
        if (broken != CONFORM_ALL) {
            detail_prefix(why, "sequence %u", i);
        }
    }
    view_store_fini(&run->store);
    free(run);
    return broken;
}
