/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/rng.h"
#include "base/test.h"

enum { ITEMS = 300, STEPS = 30000 };

struct item {
    struct heap_node node;
    uint64_t key;
};

static bool item_less(const struct heap_node *a, const struct heap_node *b)
{
    return ((const struct item *)a)->key < ((const struct item *)b)->key;
}

static void empty_heap(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, item_less);
    assert_null(heap_peek(&heap));
    assert_null(heap_pop(&heap));
    heap_fini(&heap);
    assert_null(heap_pop(&heap));
    heap_fini(&heap);
}

static void sorts(void **state)
{
    (void)state;
    struct heap heap;
    struct item items[ITEMS];
    struct rng rng;
    rng_seed(&rng, 3);
    heap_init(&heap, item_less);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){{HEAP_OUT}, rng_below(&rng, 50)};
        assert_true(heap_push(&heap, &items[i].node));
    }
    uint64_t before = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        struct item *item = (struct item *)heap_pop(&heap);
        assert_non_null(item);
        assert_true(item->key >= before);
        assert_true(item->node.index == HEAP_OUT);
        before = item->key;
    }
    assert_null(heap_pop(&heap));
    heap_fini(&heap);
}

/* The model: an array of the items that are in, whose least key is found by looking at all. */
static uint64_t least_key(struct item *const *in, size_t count)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        least = in[i]->key < least ? in[i]->key : least;
    return least;
}

static void check_nodes(const struct heap *heap, struct item *const *in, size_t count)
{
    assert_int_equal(heap->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(heap->nodes[in[i]->node.index], &in[i]->node);
        size_t index = in[i]->node.index;
        if (index > 0)
            assert_false(item_less(heap->nodes[index], heap->nodes[(index - 1) / 2]));
    }
}

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    struct heap heap;
    struct item items[ITEMS];
    struct item *in[ITEMS];
    struct item *out[ITEMS];
    size_t in_count = 0;
    size_t out_count = ITEMS;
    struct rng rng;
    rng_seed(&rng, 4);
    heap_init(&heap, item_less);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].node.index = HEAP_OUT;
        out[i] = &items[i];
    }
    for (size_t step = 0; step < STEPS; step++) {
        uint64_t what = rng_below(&rng, 5);
        size_t at = in_count > 0 ? (size_t)rng_below(&rng, in_count) : 0;
        if (what < 2 && out_count > 0) {
            struct item *item = out[--out_count];
            item->key = rng_below(&rng, 1000);
            assert_true(heap_push(&heap, &item->node));
            in[in_count++] = item;
        } else if (what == 2 && in_count > 0) {
            heap_remove(&heap, &in[at]->node);
            assert_true(in[at]->node.index == HEAP_OUT);
            out[out_count++] = in[at];
            in[at] = in[--in_count];
        } else if (what == 3 && in_count > 0) {
            in[at]->key = rng_below(&rng, 1000);
            heap_update(&heap, &in[at]->node);
        } else if (in_count > 0) {
            struct item *item = (struct item *)heap_pop(&heap);
            assert_int_equal(item->key, least_key(in, in_count));
            for (at = 0; in[at] != item; at++)
                continue;
            out[out_count++] = item;
            in[at] = in[--in_count];
        }
        if (step % 16 == 0)
            check_nodes(&heap, in, in_count);
    }
    heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_heap),
        cmocka_unit_test(sorts),
        cmocka_unit_test(random_operations_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
