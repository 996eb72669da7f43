/* SPDX-License-Identifier: Apache-2.0 */
#include "base/schedule.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static struct thread_schedule schedule_now(void)
{
    struct thread_schedule schedule;
    assert_int_equal(thread_schedule_get(0, &schedule, NULL), ROOST_OK);
    return schedule;
}

/* On a thread of its own, since not everybody may come back. */
static void *go_and_return(void *argument)
{
    (void)argument;
    thread_to_batch(0);
    assert_int_equal(schedule_now().policy, SCHED_BATCH);
    thread_to_foreground(0);
    assert_int_equal(schedule_now().policy, SCHED_OTHER);
    thread_to_background(0);
    assert_int_equal(schedule_now().policy, SCHED_BATCH);
    assert_true(schedule_now().nice >= SCHEDULE_BACKGROUND_NICE);
    thread_to_foreground(0); /* without the right to it nothing happens */
    bool back = schedule_now().policy == SCHED_OTHER;
    assert_true(!back || schedule_now().nice == 0);
    return NULL;
}

static void test_to_the_background_and_back(void **state)
{
    (void)state;
    pthread_t thread;
    struct thread_schedule before = schedule_now();
    assert_int_equal(pthread_create(&thread, NULL, go_and_return, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(schedule_now().nice, before.nice);
}

static void *rise_from_idle(void *argument)
{
    thread_to_idle();
    assert_int_equal(schedule_now().policy, SCHED_IDLE);
    void (*rise)(int) = *(void (**)(int))argument;
    rise(0);
    return (void *)(uintptr_t)schedule_now().policy;
}

static void test_to_idle_and_back(void **state)
{
    (void)state;
    void (*rises[])(int) = {thread_to_foreground, thread_to_batch};
    const uintptr_t policies[] = {SCHED_OTHER, SCHED_BATCH};
    bool may_rise = thread_may_rise();
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *policy;
        assert_int_equal(pthread_create(&thread, NULL, rise_from_idle, &rises[i]), 0);
        assert_int_equal(pthread_join(thread, &policy), 0);
        assert_true(!may_rise || (uintptr_t)policy == policies[i]);
    }
}

static void *go_first(void *argument)
{
    (void)argument;
    int before = schedule_now().nice;
    for (int i = 0; i < 2; i++) { /* what it was given is kept */
        thread_go_first();
        struct thread_schedule now = schedule_now();
        assert_true(now.policy == SCHED_FIFO ||
                    (now.policy == SCHED_OTHER && (now.nice == before || now.nice == -10)));
    }
    return NULL;
}

static void test_who_measures_goes_first(void **state)
{
    (void)state;
    pthread_t thread;
    int before = schedule_now().nice;
    assert_int_equal(pthread_create(&thread, NULL, go_first, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(schedule_now().nice, before);
    assert_int_equal(schedule_now().policy, SCHED_OTHER);
}

static void test_who_serves_stays_as_he_is(void **state)
{
    (void)state;
    struct thread_schedule before = schedule_now();
    thread_to_foreground(0);
    assert_int_equal(schedule_now().nice, before.nice);
    assert_int_equal(schedule_now().policy, before.policy);
}

static void test_a_thread_that_has_ended(void **state)
{
    (void)state;
    struct thread_schedule schedule;
    struct detail detail;
    enum { NO_THREAD = 0x7ffffff0 };
    assert_int_equal(thread_schedule_get(NO_THREAD, &schedule, &detail), ROOST_NOT_FOUND);
    thread_to_background(NO_THREAD);
    thread_to_foreground(NO_THREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_background_and_back),
        cmocka_unit_test(test_to_idle_and_back),
        cmocka_unit_test(test_who_measures_goes_first),
        cmocka_unit_test(test_who_serves_stays_as_he_is),
        cmocka_unit_test(test_a_thread_that_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
