/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plan.h"

#include <math.h>
#include <string.h>

#include "base/test.h"
#include "core/view_fixture.h"

enum { TENANTS = 3 };

struct fixture {
    struct view_store store;
    struct roost_plan plan;
    struct roost_plan_tenant tenants[TENANTS];
};

/* Three tenants with three rungs each on two cores. */
static struct fixture *fixture_make(void)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    assert_int_equal(view_store_init(&fixture.store, TENANTS, 4), ROOST_OK);
    fixture.store.view.node = view_fixture_node(2);
    for (uint32_t i = 0; i < TENANTS; i++) {
        view_fixture_add(&fixture.store, 10 + i, 100000000);
        view_fixture_variant(&fixture.store, i, 0.8, 5e5);
        view_fixture_variant(&fixture.store, i, 0.5, 1e5);
    }
    plan_prepare(&fixture.plan, fixture.tenants, &fixture.store.view);
    return &fixture;
}

static enum plan_rule rule_of(struct fixture *fixture)
{
    struct plan_violation violation;
    struct detail detail = {.text = ""};
    enum roost_err err = plan_check(&fixture->plan, &fixture->store.view, &violation, &detail);
    assert_int_equal(err, violation.rule == PLAN_RULE_NONE ? ROOST_OK : ROOST_INVALID);
    assert_int_equal(detail.text[0] == '\0', violation.rule == PLAN_RULE_NONE);
    return violation.rule;
}

static void give_reason(struct fixture *fixture)
{
    for (uint32_t i = 0; i < TENANTS; i++) {
        fixture->tenants[i].reason.code = ROOST_REASON_MANUAL;
    }
}

static void changing_nothing_is_valid(void **state)
{
    (void)state;
    struct view_store store;
    struct roost_plan plan;
    struct roost_plan_tenant tenants[16];
    struct rng rng;
    rng_seed(&rng, 1);
    assert_int_equal(view_store_init(&store, 16, 8), ROOST_OK);
    for (int i = 0; i < 500; i++) {
        view_fixture_random(&store, &rng);
        plan_prepare(&plan, tenants, &store.view);
        assert_true(plan_is_unchanged(&plan, &store.view));
        assert_int_equal(plan_check(&plan, &store.view, NULL, NULL), ROOST_OK);
        /* Even on a node that has lost all it had. */
        store.view.node = (struct roost_node){0};
        store.view.memory_free_bytes = 0;
        assert_int_equal(plan_check(&plan, &store.view, NULL, NULL), ROOST_OK);
    }
    view_store_fini(&store);
}

/* One change each, and the rule that it breaks. */
#define CASE(rule, change)                                                                         \
    do {                                                                                           \
        struct fixture *f = fixture_make();                                                        \
        struct roost_grant *grant = &f->tenants[1].grant;                                          \
        struct roost_node *node = &f->store.view.node;                                             \
        struct roost_tenant *tenant = &f->store.tenants[1];                                        \
        struct roost_variant *variants = view_store_variants(&f->store, 1);                        \
        (void)grant, (void)node, (void)tenant, (void)variants;                                     \
        give_reason(f);                                                                            \
        change;                                                                                    \
        assert_string_equal(plan_rule_name(rule_of(f)), plan_rule_name(PLAN_RULE_##rule));         \
        view_store_fini(&f->store);                                                                \
    } while (0)

static void values_have_ranges(void **state)
{
    (void)state;
    CASE(NONE, grant->weight = ROOST_WEIGHT_MAX);
    CASE(RANGE, grant->weight = 0);
    CASE(RANGE, grant->weight = ROOST_WEIGHT_MAX + 1);
    CASE(RANGE, grant->mode = 2);
    CASE(RANGE, grant->sched_class = 2);
    CASE(RANGE, grant->shed = 2);
    CASE(RANGE, grant->mode = ROOST_EXCLUSIVE);
    CASE(RANGE, grant->slots = 1);
    CASE(RANGE, grant->bandwidth = 5);
    CASE(RANGE, grant->bandwidth = 55);
    CASE(NONE, grant->bandwidth = 50);
    CASE(RANGE, grant->batch_rows = 33);
    CASE(NONE, grant->batch_rows = 32);
    CASE(RANGE, grant->slice_ns = 1);
    CASE(NONE, grant->slice_ns = 100000);
    CASE(WORKERS, grant->workers = 0);
    CASE(WORKERS, grant->workers = 3);
    CASE(NONE, grant->workers = 2);
    CASE(REASON, (grant->workers = 2, f->tenants[1].reason.code = ROOST_REASON_NONE));
    CASE(REASON, (grant->workers = 2, f->tenants[1].reason.code = ROOST_REASON_COUNT));
    CASE(REASON, (grant->workers = 2, f->tenants[1].reason.values[2] = NAN));
    CASE(SHAPE, f->plan.tenant_count = 2);
    CASE(SHAPE, f->tenants[1].id = 10);
}

static void absent_knobs_are_left_alone(void **state)
{
    (void)state;
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_WEIGHT, grant->weight = 7));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_WORKERS, grant->workers = 2));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_CLASS, grant->sched_class = 1));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_SLICE, grant->slice_ns = 200000));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_WAYS, grant->ways = 2));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_BANDWIDTH, grant->bandwidth = 20));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_BATCH, grant->batch_rows = 2));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_VARIANT, grant->variant = 1));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_SHED, grant->shed = 1));
    CASE(KNOB, (node->knobs &= ~(unsigned)ROOST_KNOB_QUOTA, grant->mode = ROOST_EXCLUSIVE,
                grant->slots = 5));
    CASE(NONE, (node->knobs &= ~(unsigned)ROOST_KNOB_QUOTA, grant->mode = ROOST_EXCLUSIVE,
                grant->slots = 10));
    CASE(NONE, (node->knobs &= ~(unsigned)ROOST_KNOB_CORES, grant->mode = ROOST_EXCLUSIVE,
                grant->slots = 10));
}

static void ladders_and_floors_hold(void **state)
{
    (void)state;
    CASE(NONE, grant->variant = 2);
    CASE(LADDER, grant->variant = 3);
    CASE(FAILED, (grant->variant = 1, variants[1].state = ROOST_VARIANT_FAILED));
    CASE(FLOOR, (grant->variant = 2, tenant->accuracy_floor = 0.6));
    CASE(NONE, (grant->variant = 1, tenant->accuracy_floor = 0.8));
    CASE(FLOOR, (grant->variant = 1, tenant->accuracy_floor = 0.1, variants[1].accuracy = -1));
    CASE(NONE, (grant->variant = 1, variants[1].accuracy = -1));
    CASE(SWITCHING, (tenant->grant.variant = 2, grant->variant = 1));
    CASE(NONE, (tenant->grant.variant = 2, grant->variant = 0));
    CASE(NONE, (tenant->grant.variant = 2, grant->variant = 2));
    CASE(NONE, (tenant->grant.variant = 2, tenant->accuracy_floor = 0.95, grant->variant = 0));
    CASE(LADDER, f->tenants[1].standby = 3);
    CASE(NONE, f->tenants[1].standby = 2);
    CASE(SHED, (tenant->shed_allowed = 0, grant->shed = 1));
    CASE(MEMORY, (f->store.view.memory_free_bytes = 10, variants[1].state = ROOST_VARIANT_COLD,
                  grant->variant = 1));
    CASE(NONE, (f->store.view.memory_free_bytes = 1 << 20, variants[1].state = ROOST_VARIANT_COLD,
                grant->variant = 1));
    CASE(MEMORY, (f->store.view.memory_free_bytes = 1 << 20, variants[1].state = ROOST_VARIANT_COLD,
                  view_store_variants(&f->store, 0)[1].state = ROOST_VARIANT_COLD,
                  grant->variant = 1, f->tenants[0].grant.variant = 1));
}

static void hold_exclusively(struct fixture *fixture, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t slots[TENANTS] = {a, b, c};
    for (uint32_t i = 0; i < TENANTS; i++) {
        fixture->tenants[i].grant.mode = slots[i] > 0 ? ROOST_EXCLUSIVE : ROOST_SHARED;
        fixture->tenants[i].grant.slots = slots[i];
    }
}

static void hold_ways(struct fixture *fixture, uint32_t a, uint32_t b, uint32_t c)
{
    fixture->tenants[0].grant.ways = a;
    fixture->tenants[1].grant.ways = b;
    fixture->tenants[2].grant.ways = c;
}

static void sums_stay_within_the_node(void **state)
{
    (void)state;
    CASE(NONE, hold_exclusively(f, 7, 7, 6));
    CASE(SLOTS, hold_exclusively(f, 7, 7, 7));
    CASE(NONE, hold_exclusively(f, 10, 9, 0));
    CASE(SLOTS, hold_exclusively(f, 10, 10, 0));
    CASE(SLOTS, hold_exclusively(f, 19, 0, 0));
    CASE(SLOTS, hold_exclusively(f, UINT32_MAX, UINT32_MAX, 2));
    CASE(NONE, hold_ways(f, 4, 4, 3));
    CASE(WAYS, hold_ways(f, 4, 4, 4));
    CASE(WAYS, hold_ways(f, 6, 5, 0));
    CASE(WAYS, (node->ways_min = 2, hold_ways(f, 4, 1, 0)));
    CASE(WAYS, (node->ways_min = 2, hold_ways(f, 5, 5, 0)));
    CASE(CLASSES, (node->closids = 1, hold_ways(f, 4, 4, 0)));
    CASE(CLASSES, (node->closids = 1, f->tenants[0].grant.bandwidth = 10, grant->ways = 1));
    /* All in shared mode is never too much, however many they are. */
    CASE(NONE, (node->cores = 0, grant->weight = 5));
}

static void too_much_in_force_may_shrink(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_make();
    hold_exclusively(fixture, 10, 10, 10);
    for (uint32_t i = 0; i < TENANTS; i++) {
        fixture->store.tenants[i].grant = fixture->tenants[i].grant;
    }
    give_reason(fixture);
    assert_int_equal(rule_of(fixture), PLAN_RULE_NONE);
    hold_exclusively(fixture, 10, 10, 5);
    assert_int_equal(rule_of(fixture), PLAN_RULE_NONE);
    hold_exclusively(fixture, 10, 11, 10);
    assert_int_equal(rule_of(fixture), PLAN_RULE_SLOTS);
    view_store_fini(&fixture->store);
    /* Everybody shared is no licence to hold a tenth each on a node that has fewer. */
    fixture = fixture_make();
    fixture->store.view.node.cores = 0;
    give_reason(fixture);
    hold_exclusively(fixture, 1, 1, 1);
    assert_int_equal(rule_of(fixture), PLAN_RULE_SLOTS);
    view_store_fini(&fixture->store);
}

static void the_first_violation_is_told(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_make();
    struct plan_violation violation;
    struct detail detail;
    give_reason(fixture);
    fixture->tenants[1].grant.variant = 9;
    fixture->tenants[2].grant.workers = 9;
    assert_int_equal(plan_check(&fixture->plan, &fixture->store.view, &violation, &detail),
                     ROOST_INVALID);
    assert_int_equal(violation.rule, PLAN_RULE_LADDER);
    assert_int_equal(violation.tenant, 1);
    assert_string_equal(detail.text, "the plan breaks the rule \"ladder\" for lark: a variant of "
                                     "the tenant");
    view_store_fini(&fixture->store);
}

static void masks_are_contiguous_and_apart(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_make();
    uint64_t masks[TENANTS], rest;
    hold_ways(fixture, 4, 0, 3);
    plan_way_masks(&fixture->plan, &fixture->store.view.node, masks, &rest);
    assert_true(masks[0] == 0x00f && masks[2] == 0x070 && rest == 0x780 && masks[1] == rest);
    hold_ways(fixture, 4, 4, 3);
    plan_way_masks(&fixture->plan, &fixture->store.view.node, masks, &rest);
    assert_true(masks[0] == 0x00f && masks[1] == 0x0f0 && masks[2] == 0x700 && rest == 0x7ff);
    view_store_fini(&fixture->store);
}

static void reasons_are_sentences(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_make();
    struct roost_reason *reason = &fixture->tenants[0].reason;
    char text[160], small[12];
    const struct roost_view *view = &fixture->store.view;
    *reason = (struct roost_reason){ROOST_REASON_HEAVIEST, 1, {1.25, 5640.53}};
    assert_string_equal(plan_reason_format(&fixture->plan, view, 0, text, sizeof text),
                        "lark misses its SLO (125.0% of it) and this tenant uses most: RUS "
                        "5640.53");
    assert_string_equal(plan_reason_format(&fixture->plan, view, 0, small, sizeof small),
                        "lark misses");
    *reason = (struct roost_reason){ROOST_REASON_RESTORED, ROOST_NONE, {200, 0.5, 1}};
    assert_string_equal(plan_reason_format(&fixture->plan, view, 0, text, sizeof text),
                        "load of 200 rows/s leaves 50.0% of the SLO with v1");
    *reason = (struct roost_reason){ROOST_REASON_GAINED, 99, {2, ROOST_WAYS}};
    assert_string_equal(plan_reason_format(&fixture->plan, view, 0, text, sizeof text),
                        "missed its SLO (200.0% of it): gained a cache way from nobody");
    *reason = (struct roost_reason){ROOST_REASON_SLICED, ROOST_NONE, {50000, 5e7}};
    assert_string_equal(plan_reason_format(&fixture->plan, view, 0, text, sizeof text),
                        "runs of 0.05 ms beside runs of 50 ms: shorter turns");
    /* Whatever stands in a reason, it can be told. */
    for (uint32_t code = 0; code <= ROOST_REASON_COUNT; code++) {
        *reason = (struct roost_reason){code, 0, {-1, 1e300, INFINITY, NAN}};
        plan_reason_format(&fixture->plan, view, 0, text, sizeof text);
        assert_true(strlen(text) > 0 && strchr(text, '\n') == NULL);
        assert_non_null(plan_reason_name(code));
    }
    view_store_fini(&fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changing_nothing_is_valid),
        cmocka_unit_test(values_have_ranges),
        cmocka_unit_test(absent_knobs_are_left_alone),
        cmocka_unit_test(ladders_and_floors_hold),
        cmocka_unit_test(sums_stay_within_the_node),
        cmocka_unit_test(too_much_in_force_may_shrink),
        cmocka_unit_test(the_first_violation_is_told),
        cmocka_unit_test(masks_are_contiguous_and_apart),
        cmocka_unit_test(reasons_are_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
