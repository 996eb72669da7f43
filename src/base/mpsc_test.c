/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mpsc.h"

#include <sched.h>
#include <stdlib.h>

#include "base/test.h"

enum { PRODUCERS = 3, ITEMS = 20000, CAPACITY = 7 };

struct item {
    size_t producer;
    size_t number;
};

struct producer {
    pthread_t thread;
    struct mpsc *queue;
    size_t index;
    size_t found_empty;
};

static void bounded_and_in_order(void **state)
{
    (void)state;
    struct mpsc queue;
    int items[CAPACITY];
    assert_true(mpsc_init(&queue, CAPACITY));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CAPACITY; i++) {
            bool was_empty = false;
            assert_true(mpsc_push(&queue, &items[i], &was_empty));
            assert_int_equal(was_empty, i == 0);
        }
        assert_false(mpsc_push(&queue, &items[0], NULL));
        assert_int_equal(mpsc_count(&queue), CAPACITY);
        void *popped[CAPACITY];
        assert_ptr_equal(mpsc_pop(&queue), &items[0]);
        assert_int_equal(mpsc_pop_many(&queue, popped, 0), 0);
        assert_int_equal(mpsc_pop_many(&queue, popped, 3), 3);
        assert_ptr_equal(popped[2], &items[3]);
        assert_int_equal(mpsc_pop_many(&queue, popped, CAPACITY), CAPACITY - 4);
        assert_ptr_equal(popped[0], &items[4]);
        assert_null(mpsc_pop(&queue));
    }
    mpsc_fini(&queue);
    mpsc_fini(&queue);
}

static void closed_refuses_but_drains(void **state)
{
    (void)state;
    struct mpsc queue;
    int item;
    assert_true(mpsc_init(&queue, 2));
    assert_true(mpsc_push(&queue, &item, NULL));
    mpsc_close(&queue);
    bool was_empty = true;
    assert_false(mpsc_push(&queue, &item, &was_empty));
    assert_ptr_equal(mpsc_pop(&queue), &item);
    assert_null(mpsc_pop(&queue));
    mpsc_fini(&queue);
}

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (size_t i = 0; i < ITEMS; i++) {
        struct item *item = malloc(sizeof(*item));
        if (item == NULL)
            abort();
        *item = (struct item){producer->index, i};
        bool was_empty = false;
        while (!mpsc_push(producer->queue, item, &was_empty))
            sched_yield();
        producer->found_empty += was_empty ? 1 : 0;
    }
    return NULL;
}

static void producers_keep_their_order(void **state)
{
    (void)state;
    struct mpsc queue;
    struct producer producers[PRODUCERS] = {0};
    size_t next[PRODUCERS] = {0};
    assert_true(mpsc_init(&queue, CAPACITY));
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i].queue = &queue;
        producers[i].index = i;
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    size_t found_empty = 0;
    for (size_t taken = 0; taken < PRODUCERS * ITEMS;) {
        void *popped[4];
        size_t count = mpsc_pop_many(&queue, popped, taken % 4 + 1);
        for (size_t i = 0; i < count; i++) {
            struct item *item = popped[i];
            assert_int_equal(item->number, next[item->producer]);
            next[item->producer]++;
            free(item);
        }
        taken += count;
        if (count == 0)
            sched_yield();
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        (void)pthread_join(producers[i].thread, NULL);
        assert_int_equal(next[i], ITEMS);
        found_empty += producers[i].found_empty;
    }
    /* Who begins must be told that the consumer may sleep. */
    assert_true(found_empty > 0);
    mpsc_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded_and_in_order),
        cmocka_unit_test(closed_refuses_but_drains),
        cmocka_unit_test(producers_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
