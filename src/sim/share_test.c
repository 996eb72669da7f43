/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/share.h"

#include <math.h>

#include "base/rng.h"
#include "base/test.h"

static struct share sharing(double wants, double weight)
{
    return (struct share){.wants = wants, .weight = weight, .limit = -1};
}

static void check(const struct share *share, double gets)
{
    if (fabs(share->gets - gets) > 1e-9)
        fail_msg("gets %g, not %g", share->gets, gets);
}

static void test_enough_for_all(void **state)
{
    (void)state;
    struct share shares[] = {sharing(3, 100), sharing(1, 100)};
    share_divide(shares, 2, 8);
    check(&shares[0], 3);
    check(&shares[1], 1);
}

static void test_by_weight(void **state)
{
    (void)state;
    struct share shares[] = {sharing(8, 300), sharing(8, 100)};
    share_divide(shares, 2, 4);
    check(&shares[0], 3);
    check(&shares[1], 1);
}

/* What one leaves goes to the others by weight, in several rounds. */
static void test_conserves_work(void **state)
{
    (void)state;
    struct share shares[] = {sharing(1, 100), sharing(3, 100), sharing(9, 100), sharing(9, 200)};
    share_divide(shares, 4, 10);
    check(&shares[0], 1);
    check(&shares[1], 2.25);
    check(&shares[2], 2.25);
    check(&shares[3], 4.5);
}

static void test_exclusive_is_not_lent(void **state)
{
    (void)state;
    struct share shares[] = {sharing(9, 100), {.wants = 1, .weight = 1, .limit = 3}};
    share_divide(shares, 2, 4);
    check(&shares[0], 1);
    check(&shares[1], 1);
    shares[1].wants = 9;
    share_divide(shares, 2, 4);
    check(&shares[1], 3);
}

static void test_too_much_is_held(void **state)
{
    (void)state;
    struct share shares[] = {{.wants = 9, .weight = 1, .limit = 6},
                             {.wants = 9, .weight = 1, .limit = 2},
                             sharing(1, 100)};
    share_divide(shares, 3, 4);
    check(&shares[0], 3);
    check(&shares[1], 1);
    check(&shares[2], 0);
}

static void test_idle_class_gets_the_rest(void **state)
{
    (void)state;
    struct share shares[] = {sharing(3, 1), sharing(4, 10000), sharing(4, 5000)};
    shares[1].idle = shares[2].idle = true;
    share_divide(shares, 3, 4);
    check(&shares[0], 3);
    check(&shares[1], 2.0 / 3);
    check(&shares[2], 1.0 / 3);
    shares[0].wants = 8;
    share_divide(shares, 3, 4);
    check(&shares[1], 0);
    shares[1].floor = 0.1;
    share_divide(shares, 3, 4);
    check(&shares[0], 3.9);
    check(&shares[1], 0.1);
}

/* Nothing is given twice, nobody gets more than it wants, and nothing is left while one wants. */
static void test_random_divisions(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int n = 0; n < 20000; n++) {
        struct share shares[6];
        double cores = 1 + 15 * rng_uniform(&rng), total = 0, held = 0, open = 0;
        for (int i = 0; i < 6; i++) {
            shares[i] = sharing((double)rng_below(&rng, 6), 1 + (double)rng_below(&rng, 10000));
            shares[i].idle = rng_below(&rng, 3) == 0;
            shares[i].limit = rng_below(&rng, 4) == 0 ? (double)rng_below(&rng, 40) / 10 : -1;
            shares[i].floor = rng_below(&rng, 5) == 0 ? 0.1 : 0;
            held += shares[i].limit > 0 ? shares[i].limit : 0;
        }
        share_divide(shares, 6, cores);
        for (int i = 0; i < 6; i++) {
            assert_true(shares[i].gets >= 0 && shares[i].gets <= shares[i].wants + 1e-9);
            total += shares[i].gets;
            if (shares[i].limit < 0)
                open += shares[i].wants - shares[i].gets;
        }
        assert_true(total <= cores + 1e-9);
        double pool = fmax(cores - held, 0), shared = 0;
        for (int i = 0; i < 6; i++)
            shared += shares[i].limit < 0 ? shares[i].gets : 0;
        assert_true(open < 1e-9 || fabs(shared - pool) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enough_for_all),   cmocka_unit_test(test_by_weight),
        cmocka_unit_test(test_conserves_work),   cmocka_unit_test(test_exclusive_is_not_lent),
        cmocka_unit_test(test_too_much_is_held), cmocka_unit_test(test_idle_class_gets_the_rest),
        cmocka_unit_test(test_random_divisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
