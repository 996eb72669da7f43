/* SPDX-License-Identifier: Apache-2.0 */
#include "core/decision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "core/plan.h"
#include "core/view_fixture.h"

enum { TENANTS = 8, BYTES_MAX = 1 << 16, ARENA_MAX = 1 << 14 };

struct fixture {
    struct view_store store, other;
    uint8_t bytes[BYTES_MAX], again[BYTES_MAX];
    _Alignas(8) uint8_t memory[ARENA_MAX];
    struct decision_arena arena;
    struct rng rng;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(view_store_init(&fixture->store, TENANTS, 8), ROOST_OK);
    assert_int_equal(view_store_init(&fixture->other, TENANTS, 8), ROOST_OK);
    fixture->arena = (struct decision_arena){fixture->memory, ARENA_MAX, 0};
    rng_seed(&fixture->rng, 11);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    view_store_fini(&fixture->store);
    view_store_fini(&fixture->other);
    free(fixture);
    return 0;
}

static enum roost_err read_view(struct fixture *fixture, size_t bytes)
{
    struct detail detail;
    fixture->arena.used = 0;
    return decision_read_view(fixture->bytes, bytes, &fixture->other, &fixture->arena, &detail);
}

static void views_come_back(void **state)
{
    struct fixture *fixture = *state;
    static const float loads[6] = {1, 2, 3, 4, 5, 6};
    for (int i = 0; i < 300; i++) {
        view_fixture_random(&fixture->store, &fixture->rng);
        if (fixture->store.view.tenant_count > 0) {
            struct roost_variant *variant = view_store_variants(&fixture->store, 0);
            variant->load_workers = 2;
            variant->load_ways = 3;
            variant->load_per_s = loads;
        }
        size_t bytes = decision_write_view(&fixture->store.view, NULL, 0);
        assert_in_range(bytes, 1, BYTES_MAX);
        decision_write_view(&fixture->store.view, fixture->bytes, BYTES_MAX);
        assert_int_equal(read_view(fixture, bytes), ROOST_OK);
        assert_int_equal(decision_write_view(&fixture->other.view, fixture->again, BYTES_MAX),
                         bytes);
        assert_memory_equal(fixture->bytes, fixture->again, bytes);
        assert_true(view_fixture_checksum(&fixture->store.view) ==
                    view_fixture_checksum(&fixture->other.view));
        if (fixture->store.view.tenant_count > 0) {
            const struct roost_tenant *first = &fixture->other.view.tenants[0];
            assert_string_equal(first->name, fixture->store.view.tenants[0].name);
            assert_true(first->variants[0].load_per_s[5] == 6);
        }
    }
}

static void plans_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct roost_plan_tenant tenants[TENANTS], read[TENANTS];
    struct roost_plan plan, back;
    for (int i = 0; i < 300; i++) {
        view_fixture_random(&fixture->store, &fixture->rng);
        plan_prepare(&plan, tenants, &fixture->store.view);
        plan.flags = ROOST_PLAN_OVERLOADED;
        for (uint32_t j = 0; j < plan.tenant_count; j++) {
            tenants[j].reason = (struct roost_reason){j, j, {rng_normal(&fixture->rng), -0.0}};
        }
        size_t bytes = decision_write_plan(&plan, fixture->bytes, BYTES_MAX);
        assert_int_equal(decision_read_plan(fixture->bytes, bytes, TENANTS, read, &back, NULL),
                         ROOST_OK);
        assert_int_equal(back.tenant_count, plan.tenant_count);
        assert_int_equal(back.flags, plan.flags);
        assert_int_equal(decision_write_plan(&back, fixture->again, BYTES_MAX), bytes);
        assert_memory_equal(fixture->bytes, fixture->again, bytes);
        assert_true(plan_is_unchanged(&back, &fixture->store.view));
        if (plan.tenant_count > 0) {
            assert_int_equal(
                decision_read_plan(fixture->bytes, bytes, plan.tenant_count - 1, read, &back, NULL),
                ROOST_TOO_LARGE);
        }
    }
}

static void every_cut_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    do {
        view_fixture_random(&fixture->store, &fixture->rng);
    } while (fixture->store.view.tenant_count != 2);
    size_t bytes = decision_write_view(&fixture->store.view, fixture->bytes, BYTES_MAX);
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(read_view(fixture, cut), ROOST_INVALID);
    }
    fixture->bytes[bytes] = 0;
    assert_int_equal(read_view(fixture, bytes + 1), ROOST_INVALID);
    /* Any byte changed is refused, or is another view with its own one form. */
    for (size_t at = 0; at < bytes; at++) {
        uint8_t was = fixture->bytes[at];
        fixture->bytes[at] ^= (uint8_t)(1 + rng_below(&fixture->rng, 255));
        if (read_view(fixture, bytes) == ROOST_OK) {
            assert_int_equal(decision_write_view(&fixture->other.view, fixture->again, BYTES_MAX),
                             bytes);
            assert_memory_equal(fixture->bytes, fixture->again, bytes);
        }
        fixture->bytes[at] = was;
    }
}

static void limits_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct view_store small;
    do {
        view_fixture_random(&fixture->store, &fixture->rng);
    } while (fixture->store.view.tenant_count < 3);
    size_t bytes = decision_write_view(&fixture->store.view, fixture->bytes, BYTES_MAX);
    assert_int_equal(view_store_init(&small, 2, 8), ROOST_OK);
    fixture->arena.used = 0;
    assert_int_equal(decision_read_view(fixture->bytes, bytes, &small, &fixture->arena, NULL),
                     ROOST_TOO_LARGE);
    view_store_fini(&small);
    fixture->arena.capacity = 16;
    assert_int_equal(read_view(fixture, bytes), ROOST_TOO_LARGE);
    fixture->arena.capacity = ARENA_MAX;
    assert_int_equal(read_view(fixture, bytes), ROOST_OK);
}

static void numbers_have_one_form(void **state)
{
    (void)state;
    struct roost_plan plan;
    static const uint8_t empty[] = {1, 'p', 0, 0}, wide[] = {1, 'p', 0x80, 0, 0},
                         large[] = {1, 'p', 0xff, 0xff, 0xff, 0xff, 0x1f, 0},
                         view[] = {1, 'v', 0, 0}, format[] = {2, 'p', 0, 0},
                         longest[] = {1,    'p',  0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 2,    0};
    struct detail detail;
    assert_int_equal(decision_read_plan(empty, sizeof empty, 0, NULL, &plan, &detail), ROOST_OK);
    assert_int_equal(decision_read_plan(wide, sizeof wide, 0, NULL, &plan, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, "decision, byte 4: a number longer than it has to be");
    assert_int_equal(decision_read_plan(large, sizeof large, 0, NULL, &plan, &detail),
                     ROOST_INVALID);
    assert_int_equal(decision_read_plan(view, sizeof view, 0, NULL, &plan, &detail), ROOST_INVALID);
    assert_int_equal(decision_read_plan(format, sizeof format, 0, NULL, &plan, &detail),
                     ROOST_INVALID);
    assert_int_equal(decision_read_plan(longest, sizeof longest, 0, NULL, &plan, &detail),
                     ROOST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(views_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(plans_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_are_kept, setup, teardown),
        cmocka_unit_test(numbers_have_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
