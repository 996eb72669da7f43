/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/choose.h"

#include <math.h>

#include "base/rng.h"
#include "base/test.h"

enum { LISTS = 5, CHOICES = 5 };

static void pruning_keeps_the_front(void **state)
{
    (void)state;
    struct choice choices[] = {
        {.value = 9, .work = 3, .variant = 0}, {.value = 5, .work = 1, .variant = 1},
        {.value = 5, .work = 2, .variant = 2}, {.value = 4, .work = 1.5, .variant = 3},
        {.value = 9, .work = 3, .variant = 4}, {.value = 7, .work = 2, .variant = 5}};
    struct choice_list list = {.count = 6, .choices = choices};
    choice_list_prune(&list);
    assert_int_equal(list.count, 3);
    assert_int_equal(choices[0].variant, 1);
    assert_int_equal(choices[1].variant, 5);
    assert_int_equal(choices[2].variant, 0);
    /* Less reserve is a virtue too. */
    struct choice modest[] = {{.value = 9, .work = 1, .reserve = 2, .variant = 0},
                              {.value = 4, .work = 1, .reserve = 0, .variant = 1},
                              {.value = 3, .work = 1, .reserve = 1, .variant = 2}};
    list = (struct choice_list){.count = 3, .choices = modest};
    choice_list_prune(&list);
    assert_int_equal(list.count, 2);
}

/* The best of all combinations that fit; -1 when none does. */
static double best_of_all(const struct choice_list *lists, double cores)
{
    uint32_t picked[LISTS] = {0};
    double best = -1;
    for (;;) {
        double value;
        if (choose_fits(lists, LISTS, picked, cores, &value) && value > best) {
            best = value;
        }
        uint32_t i = 0;
        while (i < LISTS && ++picked[i] == lists[i].count) {
            picked[i++] = 0;
        }
        if (i == LISTS) {
            return best;
        }
    }
}

static void choices_are_nearly_the_best(void **state)
{
    (void)state;
    struct rng rng;
    double sum = 0, best_sum = 0, worst = 1;
    unsigned fitted = 0;
    rng_seed(&rng, 4);
    for (int i = 0; i < 1000; i++) {
        struct choice choices[LISTS][CHOICES];
        struct choice_list lists[LISTS];
        uint32_t picked[LISTS];
        double cores = 0.5 + 3 * rng_uniform(&rng), value;
        for (uint32_t l = 0; l < LISTS; l++) {
            lists[l] = (struct choice_list){.count = CHOICES, .choices = choices[l]};
            for (uint32_t c = 0; c < CHOICES; c++) {
                double work = 0.05 + rng_uniform(&rng);
                choices[l][c] = (struct choice){.value = 0.5 + 0.5 * sqrt(work) * rng_uniform(&rng),
                                                .work = work,
                                                .reserve = work * rng_uniform(&rng)};
            }
            choice_list_prune(&lists[l]);
        }
        double best = best_of_all(lists, cores);
        bool fits = choose(lists, LISTS, cores, picked);
        /* What it takes is true, and nearly always it finds something where there is something. */
        assert_true(!fits || choose_fits(lists, LISTS, picked, cores, &value));
        assert_true(fits || best < 0 || cores < 2);
        if (fits) {
            fitted++;
            sum += value;
            best_sum += best;
            worst = value / best < worst ? value / best : worst;
        }
    }
    assert_true(fitted > 500);
    assert_true(sum / best_sum > 0.985);
    assert_true(worst > 0.85);
}

static void nothing_fits_means_the_cheapest(void **state)
{
    (void)state;
    struct choice a[] = {{.value = 1, .work = 2}, {.value = 2, .work = 3}};
    struct choice b[] = {{.value = 1, .work = 1, .reserve = INFINITY}};
    struct choice_list lists[] = {{2, a}, {1, b}};
    uint32_t picked[2] = {9, 9};
    assert_false(choose(lists, 2, 2.5, picked));
    assert_int_equal(picked[0], 0);
    assert_int_equal(picked[1], 0);
    assert_true(choose(lists, 0, 1, picked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pruning_keeps_the_front),
        cmocka_unit_test(choices_are_nearly_the_best),
        cmocka_unit_test(nothing_fits_means_the_cheapest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
