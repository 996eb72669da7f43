/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batcher.h"

#include "base/test.h"

enum { ITEMS_MAX = 64 };

static const struct shape row = {.rank = 2, .dims = {1, 8}};
static const uint64_t ms = 1000 * 1000;

struct bench {
    struct queue queue;
    struct queue_item items[ITEMS_MAX];
    struct curve curve;
    struct batcher_limits limits;
};

/* So many requests of one row, the first of which came at 100 ms. */
static void bench_init(struct bench *bench, unsigned count)
{
    *bench = (struct bench){
        .limits = {.batching = true, .rows_max = 16, .workers = 2, .slots_per_worker = 2}};
    queue_init(&bench->queue);
    curve_reset(&bench->curve);
    for (unsigned i = 0; i < count; i++) {
        bench->items[i] = (struct queue_item){.node = {HEAP_OUT},
                                              .priority = 1,
                                              .deadline_ns = UINT64_MAX,
                                              .arrival_ns = 100 * ms + i,
                                              .rows = 1,
                                              .key = {.input_count = 1, .shapes = &row}};
        assert_true(queue_push(&bench->queue, &bench->items[i]));
    }
}

static void bench_fini(struct bench *bench)
{
    while (queue_head(&bench->queue) != NULL)
        queue_remove(&bench->queue, queue_head(&bench->queue));
    queue_fini(&bench->queue);
}

static struct batcher_decision decide(struct bench *bench, unsigned busy, uint64_t now_ns)
{
    return batcher_decide(&bench->limits, &bench->curve, &bench->queue, busy, now_ns);
}

static void check(struct bench *bench, unsigned busy, uint64_t now_ns, uint64_t rows)
{
    struct batcher_decision decision = decide(bench, busy, now_ns);
    assert_int_equal(decision.action, rows == 0 ? BATCHER_NOTHING : BATCHER_FORM);
    if (rows > 0)
        assert_int_equal(decision.rows_max, rows);
}

static void check_wait(struct bench *bench, uint64_t now_ns, uint64_t wake_ns)
{
    struct batcher_decision decision = decide(bench, 0, now_ns);
    assert_int_equal(decision.action, BATCHER_WAIT);
    assert_int_equal(decision.wake_ns, wake_ns);
}

static void no_waiting_without_being_asked(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 5);
    check(&bench, 0, 100 * ms, 5);
    check(&bench, 4, 100 * ms, 0);
    bench.limits.batching = false;
    check(&bench, 0, 100 * ms, 1);
    check(&bench, 3, 100 * ms, 1);
    bench_fini(&bench);
    bench_init(&bench, 0);
    check(&bench, 0, 100 * ms, 0);
    bench_fini(&bench);
    bench_init(&bench, 40);
    check(&bench, 0, 100 * ms, 16);
    bench.limits.learned = true;
    check(&bench, 0, 100 * ms, 1);
    bench_fini(&bench);
}

static void waits_as_configured(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 3);
    bench.limits.delay_ns = 10 * ms;
    check_wait(&bench, 100 * ms, 110 * ms);
    check_wait(&bench, 110 * ms - 1, 110 * ms);
    check(&bench, 0, 110 * ms, 3);
    static const int64_t preferred[] = {2, 8};
    bench.limits.preferred = preferred;
    bench.limits.preferred_count = 2;
    check(&bench, 0, 100 * ms, 3);
    bench_fini(&bench);
    bench_init(&bench, 16);
    bench.limits.delay_ns = 10 * ms;
    check(&bench, 0, 100 * ms, 16);
    bench_fini(&bench);
}

static void promises_bound_the_waiting(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 3);
    bench.limits.delay_ns = 1000 * ms;
    curve_observe(&bench.curve, 3, 4 * ms);
    bench.limits.slo_ns = 24 * ms;
    check_wait(&bench, 100 * ms, 110 * ms);
    bench.limits.slo_ns = 3 * ms;
    check(&bench, 0, 100 * ms, 3);
    bench.limits.slo_ns = 0;
    bench.items[0].deadline_ns = 144 * ms;
    check_wait(&bench, 100 * ms, 120 * ms);
    bench.items[0].deadline_ns = 100 * ms;
    check(&bench, 0, 100 * ms, 3);
    bench.items[0].deadline_ns = UINT64_MAX;
    check_wait(&bench, 100 * ms, 1100 * ms);
    bench.items[0].alone = true;
    check(&bench, 0, 100 * ms, 3);
    bench_fini(&bench);
}

/* Behind a busy worker only what would not be larger for waiting is staged. */
static void staging(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 5);
    check(&bench, 2, 100 * ms, 0);
    curve_observe(&bench.curve, 1, 100 * 1000);
    check(&bench, 2, 100 * ms, 5);
    curve_reset(&bench.curve);
    curve_observe(&bench.curve, 1, 5 * ms);
    check(&bench, 2, 100 * ms, 0);
    bench.limits.rows_max = 5;
    check(&bench, 2, 100 * ms, 5);
    check(&bench, 4, 100 * ms, 0);
    bench_fini(&bench);
}

static void predicted_wait(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 0);
    assert_int_equal(batcher_predict_wait_ns(&bench.limits, &bench.curve, 100), 0);
    /* One slow run is no reason to turn anybody away. */
    curve_observe(&bench.curve, 1, 10 * ms);
    assert_int_equal(batcher_predict_wait_ns(&bench.limits, &bench.curve, 100), 0);
    for (int i = 0; i < 7; i++) {
        curve_observe(&bench.curve, 1, 10 * ms);
    }
    assert_int_equal(batcher_predict_wait_ns(&bench.limits, &bench.curve, 0), 0);
    assert_in_range(batcher_predict_wait_ns(&bench.limits, &bench.curve, 100), 499 * ms, 501 * ms);
    curve_observe(&bench.curve, 16, 20 * ms);
    assert_in_range(batcher_predict_wait_ns(&bench.limits, &bench.curve, 160), 99 * ms, 101 * ms);
    bench.limits.batching = false;
    assert_in_range(batcher_predict_wait_ns(&bench.limits, &bench.curve, 100), 499 * ms, 501 * ms);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_waiting_without_being_asked),
        cmocka_unit_test(waits_as_configured),
        cmocka_unit_test(promises_bound_the_waiting),
        cmocka_unit_test(staging),
        cmocka_unit_test(predicted_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
