/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include <limits.h>

#include "base/rng.h"
#include "base/test.h"

enum { ITEMS = 200, STEPS = 20000 };

static const struct shape wide = {.rank = 2, .dims = {1, 8}};
static const struct shape wide_of_three = {.rank = 2, .dims = {3, 8}};
static const struct shape narrow = {.rank = 2, .dims = {1, 4}};

static struct queue_item item_of(const struct shape *shape, uint64_t priority, uint64_t deadline_ns,
                                 uint64_t rows)
{
    return (struct queue_item){.node = {HEAP_OUT},
                               .priority = priority,
                               .deadline_ns = deadline_ns,
                               .rows = rows,
                               .key = {.input_count = 1, .shapes = shape}};
}

static void sum_rows(void *user, const struct queue_item *item)
{
    *(uint64_t *)user += item->rows;
}

static void order(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue);
    struct queue_item late = item_of(&wide, 2, 900, 1), soon = item_of(&wide, 2, 100, 1);
    struct queue_item important = item_of(&wide, 1, 5000, 1), second = item_of(&wide, 2, 100, 1);
    struct queue_item *expected[] = {&important, &soon, &second, &late};
    assert_true(queue_push(&queue, &late) && queue_push(&queue, &soon));
    assert_true(queue_push(&queue, &important) && queue_push(&queue, &second));
    assert_int_equal(queue_count(&queue), 4);
    assert_int_equal(queue.rows, 4);
    uint64_t rows = 0;
    queue_each(&queue, sum_rows, &rows);
    assert_int_equal(rows, 4);
    for (unsigned i = 0; i < 4; i++) {
        struct queue_item *taken;
        assert_ptr_equal(queue_head(&queue), expected[i]);
        assert_int_equal(queue_take_batch(&queue, 1, 1, &taken), 1);
        assert_ptr_equal(taken, expected[i]);
    }
    assert_null(queue_head(&queue));
    queue_fini(&queue);
}

static void who_comes_back_keeps_its_place(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue);
    struct queue_item first = item_of(&wide, 1, 100, 1), second = item_of(&wide, 1, 100, 1);
    struct queue_item *taken;
    assert_true(queue_push(&queue, &first) && queue_push(&queue, &second));
    assert_int_equal(queue_take_batch(&queue, 1, 1, &taken), 1);
    assert_ptr_equal(taken, &first);
    assert_true(queue_push(&queue, &first));
    assert_ptr_equal(queue_head(&queue), &first);
    queue_remove(&queue, &first);
    queue_remove(&queue, &second);
    assert_int_equal(queue.rows, 0);
    queue_fini(&queue);
}

static void keys(void **state)
{
    (void)state;
    const struct shape absent = {.rank = UINT_MAX}, flat = {.rank = 1, .dims = {1}};
    const struct shape two[] = {wide, absent}, other_two[] = {wide_of_three, absent};
    struct batch_key a = {2, two}, b = {2, other_two}, c = {1, two}, d = {1, &narrow},
                     e = {1, &flat};
    assert_true(batch_key_equal(&a, &b));
    assert_false(batch_key_equal(&a, &c));
    assert_false(batch_key_equal(&c, &d));
    assert_false(batch_key_equal(&c, &e));
    const struct shape present[] = {wide, wide};
    struct batch_key f = {2, present};
    assert_false(batch_key_equal(&a, &f));
}

/* Takes a batch and checks which items it has, by their number in `items`. */
static void take(struct queue *queue, uint64_t rows_max, unsigned items_max,
                 const struct queue_item *items, const char *numbers)
{
    struct queue_item *taken[ITEMS];
    unsigned count = queue_take_batch(queue, rows_max, items_max, taken);
    char text[ITEMS + 1];
    for (unsigned i = 0; i < count; i++)
        text[i] = (char)('0' + (taken[i] - items));
    text[count] = '\0';
    assert_string_equal(text, numbers);
}

static void batches(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue);
    struct queue_item items[] = {
        item_of(&wide, 1, 1, 1),  item_of(&narrow, 1, 1, 1), item_of(&wide_of_three, 1, 1, 3),
        item_of(&wide, 1, 1, 1),  item_of(&wide, 1, 1, 1),   item_of(&narrow, 1, 1, 1),
        item_of(&wide, 1, 1, 99),
    };
    items[4].alone = true;
    for (unsigned i = 0; i < 7; i++)
        assert_true(queue_push(&queue, &items[i]));
    take(&queue, 5, 8, items, "023");
    take(&queue, 5, 8, items, "15");
    take(&queue, 5, 8, items, "4");
    take(&queue, 5, 8, items, "6");
    take(&queue, 5, 8, items, "");
    for (unsigned i = 0; i < 4; i++)
        assert_true(queue_push(&queue, &items[i]));
    take(&queue, 5, 2, items, "02");
    take(&queue, 5, 2, items, "1");
    take(&queue, 1, 2, items, "3");
    queue_fini(&queue);
}

static void looks_past_some_only(void **state)
{
    (void)state;
    struct queue queue;
    struct queue_item items[QUEUE_LOOK_PAST + 3], *taken[ITEMS];
    queue_init(&queue);
    for (unsigned i = 0; i < QUEUE_LOOK_PAST + 3; i++) {
        items[i] = item_of(i == 0 || i == QUEUE_LOOK_PAST + 2 ? &wide : &narrow, 1, 1, 1);
        assert_true(queue_push(&queue, &items[i]));
    }
    assert_int_equal(queue_take_batch(&queue, 100, 100, taken), 1);
    assert_int_equal(queue_count(&queue), QUEUE_LOOK_PAST + 2);
    assert_int_equal(queue_take_batch(&queue, 100, 100, taken), QUEUE_LOOK_PAST + 1);
    assert_int_equal(queue_take_batch(&queue, 100, 100, taken), 1);
    queue_fini(&queue);
}

/* Whatever is done, rows and items are those that are in, and no batch mixes keys or overflows. */
static void random_steps(void **state)
{
    (void)state;
    static struct queue_item items[ITEMS];
    const struct shape *const shapes[] = {&wide, &narrow, &wide_of_three};
    struct queue queue;
    struct rng rng;
    uint64_t rows = 0, count = 0;
    rng_seed(&rng, 11);
    queue_init(&queue);
    for (unsigned i = 0; i < ITEMS; i++)
        items[i].node.index = HEAP_OUT;
    for (unsigned step = 0; step < STEPS; step++) {
        struct queue_item *item = &items[rng_below(&rng, ITEMS)], *taken[ITEMS];
        if (item->node.index == HEAP_OUT) {
            *item = item_of(shapes[rng_below(&rng, 3)], rng_below(&rng, 3), rng_below(&rng, 50),
                            1 + rng_below(&rng, 5));
            assert_true(queue_push(&queue, item));
            rows += item->rows;
            count++;
        } else if (rng_below(&rng, 4) > 0) {
            queue_remove(&queue, item);
            rows -= item->rows;
            count--;
        } else {
            unsigned n = queue_take_batch(&queue, 6, 4, taken);
            uint64_t sum = 0;
            for (unsigned i = 0; i < n; i++) {
                sum += taken[i]->rows;
                assert_true(batch_key_equal(&taken[0]->key, &taken[i]->key));
            }
            assert_true(n >= 1 && n <= 4 && sum <= 6);
            rows -= sum;
            count -= n;
        }
        assert_int_equal(queue.rows, rows);
        assert_int_equal(queue_count(&queue), count);
    }
    while (queue_head(&queue) != NULL)
        queue_remove(&queue, queue_head(&queue));
    queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(who_comes_back_keeps_its_place),
        cmocka_unit_test(keys),
        cmocka_unit_test(batches),
        cmocka_unit_test(looks_past_some_only),
        cmocka_unit_test(random_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
