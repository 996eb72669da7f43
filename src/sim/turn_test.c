/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/turn.h"

#include <math.h>

#include "base/test.h"

static const double tick_ns = 4e6;

static struct turn_taker taker(double weight, double slice_ns)
{
    return (struct turn_taker){.weight = weight, .slice_ns = slice_ns};
}

/* What each has had after so many ticks, all of them wanting the core all the time. */
static void share(struct turn_queue *queue, struct turn_taker *takers, double *had_ns, int ticks)
{
    for (int i = 0; i < ticks; i++) {
        struct turn_taker *current = turn_next(queue);
        had_ns[current - takers] += tick_ns;
        turn_charge(queue, tick_ns);
    }
}

static void test_by_weight(void **state)
{
    (void)state;
    struct turn_queue queue;
    struct turn_taker takers[] = {taker(1, 1e6), taker(2, 1e6), taker(5, 1e6)};
    double had_ns[3] = {0};
    turn_init(&queue, tick_ns);
    for (int i = 0; i < 3; i++)
        turn_join(&queue, &takers[i]);
    share(&queue, takers, had_ns, 8000);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(had_ns[i] / (8000 * tick_ns) - takers[i].weight / 8) < 0.001);
}

/* For a slice the core is one's own; after that whoever wakes takes it. */
static void test_kept_for_a_slice(void **state)
{
    (void)state;
    struct turn_queue queue;
    struct turn_taker first = taker(1, 2e6), second = taker(1, 2e6);
    turn_init(&queue, tick_ns);
    turn_join(&queue, &first);
    assert_ptr_equal(turn_next(&queue), &first);
    turn_charge(&queue, 1e6);
    turn_join(&queue, &second);
    assert_false(turn_takes(&queue, &second));
    assert_false(turn_is_over(&queue));
    turn_charge(&queue, 1.5e6);
    assert_true(turn_is_over(&queue));
    assert_ptr_equal(turn_next(&queue), &second);

    turn_leave(&queue, &second);
    assert_ptr_equal(turn_next(&queue), &first);
    turn_charge(&queue, 3e6);
    turn_join(&queue, &second);
    assert_true(turn_takes(&queue, &second));
}

/* A shorter slice takes it at once, but not again before the others had their part. */
static void test_short_slices(void **state)
{
    (void)state;
    struct turn_queue queue;
    struct turn_taker large = taker(1, 2e6), brief = taker(1, 1e5);
    turn_init(&queue, tick_ns);
    turn_join(&queue, &large);
    turn_next(&queue);
    turn_charge(&queue, 5e5);
    turn_join(&queue, &brief);
    assert_true(turn_takes(&queue, &brief));
    assert_ptr_equal(turn_next(&queue), &brief);
    turn_charge(&queue, 5e4);
    turn_leave(&queue, &brief);
    turn_next(&queue);
    turn_charge(&queue, 1e4);
    turn_join(&queue, &brief);
    assert_false(turn_takes(&queue, &brief));
    turn_leave(&queue, &brief);
    turn_charge(&queue, 1e5);
    turn_join(&queue, &brief);
    assert_true(turn_takes(&queue, &brief));
}

/* A long sleep earns nothing, and with nobody else there nothing is owed. */
static void test_sleep(void **state)
{
    (void)state;
    struct turn_queue queue;
    struct turn_taker first = taker(1, 1e6), second = taker(1, 1e6);
    double had_ns[2] = {0};
    turn_init(&queue, tick_ns);
    turn_join(&queue, &first);
    turn_next(&queue);
    turn_charge(&queue, 1e9);
    turn_join(&queue, &second);
    struct turn_taker *current = turn_next(&queue);
    for (int i = 0; i < 100; i++, current = turn_next(&queue)) {
        had_ns[current == &second] += tick_ns;
        turn_charge(&queue, tick_ns);
    }
    assert_true(fabs(had_ns[0] - had_ns[1]) <= 2 * tick_ns);
    turn_leave(&queue, &first);
    turn_leave(&queue, &second);
    assert_null(turn_next(&queue));
}

static void test_idle_gives_way(void **state)
{
    (void)state;
    struct turn_queue queue;
    struct turn_taker idle = taker(1, 1e6), busy = taker(1, 1e6);
    idle.idle = true;
    turn_init(&queue, tick_ns);
    turn_join(&queue, &idle);
    assert_ptr_equal(turn_next(&queue), &idle);
    turn_join(&queue, &busy);
    assert_true(turn_takes(&queue, &busy));
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(turn_next(&queue), &busy);
        turn_charge(&queue, 4e6);
    }
    turn_leave(&queue, &busy);
    assert_ptr_equal(turn_next(&queue), &idle);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_weight),      cmocka_unit_test(test_kept_for_a_slice),
        cmocka_unit_test(test_short_slices),   cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_idle_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
