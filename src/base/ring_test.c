/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/test.h"

enum { ITEMS = 100000, CAPACITY = 8 };

static void capacity_is_a_power_of_two(void **state)
{
    (void)state;
    static const size_t asked[] = {1, 2, 3, 4, 5, 100};
    static const size_t given[] = {1, 2, 4, 4, 8, 128};
    for (size_t i = 0; i < 6; i++) {
        struct ring ring;
        assert_true(ring_init(&ring, asked[i]));
        assert_int_equal(ring_capacity(&ring), given[i]);
        ring_fini(&ring);
        ring_fini(&ring);
    }
}

static void fills_and_empties_in_order(void **state)
{
    (void)state;
    struct ring ring;
    int items[CAPACITY];
    assert_true(ring_init(&ring, CAPACITY));
    for (int round = 0; round < 20; round++) {
        assert_null(ring_pop(&ring));
        int used = round % CAPACITY + 1;
        for (int i = 0; i < used; i++) {
            assert_true(ring_push(&ring, &items[i]));
            assert_int_equal(ring_count(&ring), i + 1);
        }
        assert_int_equal(ring_push(&ring, &items[0]), used < CAPACITY);
        for (int i = 0; i < used; i++)
            assert_ptr_equal(ring_pop(&ring), &items[i]);
        while (ring_pop(&ring) != NULL)
            continue;
        assert_int_equal(ring_count(&ring), 0);
    }
    ring_fini(&ring);
}

static void *produce(void *argument)
{
    struct ring *ring = argument;
    for (size_t i = 0; i < ITEMS; i++) {
        size_t *item = malloc(sizeof(*item));
        if (item == NULL)
            abort();
        *item = i;
        while (!ring_push(ring, item))
            sched_yield();
    }
    return NULL;
}

static void two_threads_pass_everything_in_order(void **state)
{
    (void)state;
    struct ring ring;
    pthread_t producer;
    assert_true(ring_init(&ring, CAPACITY));
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    for (size_t i = 0; i < ITEMS;) {
        size_t *item = ring_pop(&ring);
        assert_true(ring_count(&ring) <= CAPACITY);
        if (item == NULL) {
            sched_yield();
            continue;
        }
        assert_int_equal(*item, i);
        free(item);
        i++;
    }
    (void)pthread_join(producer, NULL);
    assert_null(ring_pop(&ring));
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_is_a_power_of_two),
        cmocka_unit_test(fills_and_empties_in_order),
        cmocka_unit_test(two_threads_pass_everything_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
