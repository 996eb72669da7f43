/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/gp.h"

#include <math.h>

#include "base/rng.h"
#include "base/test.h"

static void near(double is, double should_be, double by)
{
    if (!(fabs(is - should_be) <= by)) {
        fail_msg("%.9g instead of %.9g", is, should_be);
    }
}

/* ALGORITHMS N. */
static void formulas_have_the_published_values(void **state)
{
    (void)state;
    near(gp_expected_improvement(.6, .1, .5, .01), 0.100043, 1e-6);
    near(gp_expected_improvement(.4, .2, .5, .01), 0.036561, 1e-6);
    near(gp_expected_improvement(.5, .05, .5, .01), 0.015345, 1e-6);
    near(gp_expected_improvement(.9, 0, .5, .01), 0, 0);
    near(gp_matern32(1), 0.483358, 1e-6);
    near(gp_matern32(0.5), 0.784888, 1e-6);
    near(gp_matern52(1), 0.523994, 1e-6);
    near(gp_matern52(0.5), 0.828649, 1e-6);
    near(gp_matern32(0), 1, 0);
}

static double wave(double x, double y)
{
    return sin(3 * x) + y * y;
}

static void a_fit_knows_what_it_saw_and_guesses_between(void **state)
{
    (void)state;
    enum { POINTS = 30 };
    double points[2 * POINTS], values[POINTS];
    double memory[POINTS * POINTS + 2 * POINTS];
    struct rng rng;
    struct gp gp;
    rng_seed(&rng, 1);
    for (int i = 0; i < POINTS; i++) {
        points[2 * i] = rng_uniform(&rng);
        points[2 * i + 1] = rng_uniform(&rng);
        values[i] = wave(points[2 * i], points[2 * i + 1]);
    }
    assert_true(gp_memory(POINTS) == sizeof memory / sizeof memory[0]);
    assert_true(gp_fit(&gp, memory, points, values, POINTS, 2, 1e-6));
    for (int i = 0; i < POINTS; i++) {
        double mu, sigma;
        gp_predict(&gp, memory, points, &points[2 * i], &mu, &sigma);
        near(mu, values[i], 0.01);
        near(sigma, 0, 0.02);
    }
    double between[2] = {0.5, 0.5}, far[2] = {5, -5}, mu, sigma, sigma_far;
    gp_predict(&gp, memory, points, between, &mu, &sigma);
    near(mu, wave(0.5, 0.5), 0.1);
    gp_predict(&gp, memory, points, far, &mu, &sigma_far);
    assert_true(sigma_far > 5 * sigma);
    /* Far from everything it falls back to the mean. */
    near(mu, gp.mean, 0.3);
}

static void degenerate_fits_do_not_fail_badly(void **state)
{
    (void)state;
    double points[3] = {0.5, 0.5, 0.5}, values[3] = {1, 1, 1};
    double memory[3 * 3 + 2 * 3], mu, sigma;
    struct gp gp;
    assert_false(gp_fit(&gp, memory, points, values, 0, 1, 1e-5));
    assert_true(gp_fit(&gp, memory, points, values, 1, 1, 1e-5));
    gp_predict(&gp, memory, points, points, &mu, &sigma);
    near(mu, 1, 1e-6);
    /* The same point thrice, with the same value and with others. */
    assert_true(gp_fit(&gp, memory, points, values, 3, 1, 1e-5));
    values[1] = 2;
    assert_true(gp_fit(&gp, memory, points, values, 3, 1, 1e-5));
    gp_predict(&gp, memory, points, points, &mu, &sigma);
    near(mu, 4.0 / 3, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_have_the_published_values),
        cmocka_unit_test(a_fit_knows_what_it_saw_and_guesses_between),
        cmocka_unit_test(degenerate_fits_do_not_fail_badly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
