/* SPDX-License-Identifier: Apache-2.0 */
#include "load/batch_sizes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"

enum { DRAWS = 100000 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static void draw_sorted(const char *text, uint32_t *draws)
{
    struct batch_sizes sizes;
    struct detail detail;
    struct rng rng;
    rng_seed(&rng, 4);
    assert_int_equal(batch_sizes_parse(text, &sizes, &detail), ROOST_OK);
    for (int i = 0; i < DRAWS; i++)
        draws[i] = batch_sizes_draw(&sizes, &rng);
    qsort(draws, DRAWS, sizeof(*draws), compare);
    batch_sizes_fini(&sizes);
}

static void a_constant_is_constant(void **state)
{
    (void)state;
    static uint32_t draws[DRAWS];
    draw_sorted("17", draws);
    assert_int_equal(draws[0], 17);
    assert_int_equal(draws[DRAWS - 1], 17);
}

/* ALGORITHMS.md B.3: median 164, p95 228, p99 261. */
static void lognormal_has_its_published_percentiles(void **state)
{
    (void)state;
    static uint32_t draws[DRAWS];
    draw_sorted("lognormal(5.1,0.2)", draws);
    assert_in_range(draws[DRAWS / 2], 163, 165);
    assert_in_range(draws[DRAWS / 100 * 95], 225, 231);
    assert_in_range(draws[DRAWS / 100 * 99], 256, 266);
}

static void lognormal_is_cut_at_its_bounds(void **state)
{
    (void)state;
    static uint32_t draws[DRAWS];
    draw_sorted("lognormal(5.1, 2, 10, 512)", draws);
    assert_int_equal(draws[0], 10);
    assert_int_equal(draws[DRAWS - 1], 512);
    draw_sorted("lognormal(900,1)", draws);
    assert_int_equal(draws[0], 1024);
    draw_sorted("lognormal(-900,1)", draws);
    assert_int_equal(draws[DRAWS - 1], 1);
}

static void a_file_is_drawn_from_uniformly(void **state)
{
    (void)state;
    static const char text[] = "# sizes\n1\n 2 \r\n\n64 # large\n";
    struct batch_sizes sizes;
    struct detail detail;
    struct rng rng;
    unsigned counts[65] = {0};
    rng_seed(&rng, 1);
    assert_int_equal(batch_sizes_parse_file(text, strlen(text), &sizes, &detail), ROOST_OK);
    assert_int_equal(sizes.count, 3);
    assert_int_equal(sizes.low, 1);
    assert_int_equal(sizes.high, 64);
    for (int i = 0; i < 3000; i++)
        counts[batch_sizes_draw(&sizes, &rng)]++;
    assert_in_range(counts[1], 900, 1100);
    assert_in_range(counts[2], 900, 1100);
    assert_in_range(counts[64], 900, 1100);
    assert_true(batch_sizes_limit(&sizes, 8));
    assert_false(batch_sizes_limit(&sizes, 8));
    for (int i = 0; i < 100; i++)
        assert_true(batch_sizes_draw(&sizes, &rng) <= 8);
    batch_sizes_fini(&sizes);
}

static void a_file_is_found_by_its_name(void **state)
{
    (void)state;
    char path[] = "/tmp/roost-sizes-XXXXXX";
    char text[64];
    struct batch_sizes sizes;
    struct detail detail;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "5\n", 2), 2);
    assert_int_equal(close(fd), 0);
    (void)snprintf(text, sizeof(text), "file(%s)", path);
    assert_int_equal(batch_sizes_parse(text, &sizes, &detail), ROOST_OK);
    assert_int_equal(sizes.low, 5);
    batch_sizes_fini(&sizes);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(batch_sizes_parse(text, &sizes, &detail), ROOST_NOT_FOUND);
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "-1",
        "70000",
        "1.5",
        "lognormal",
        "lognormal()",
        "lognormal(5.1)",
        "lognormal(5.1,-1)",
        "lognormal(5.1,0.2,0)",
        "lognormal(5.1,0.2,9,8)",
        "lognormal(5.1,0.2,1,99999999)",
        "lognormal(5.1,0.2,1,8,9)",
        "lognormal(5.1,0.2,1.5,8)",
        "lognormal(a,b)",
        "lognormal(1,2",
        "normal(1,2)",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct batch_sizes sizes;
        struct detail detail;
        if (batch_sizes_parse(texts[i], &sizes, &detail) != ROOST_INVALID)
            fail_msg("\"%s\" was not refused", texts[i]);
        assert_non_null(strstr(detail.text, texts[i]));
    }
}

static void wrong_files_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "holds no batch sizes"}, {"# nothing\n", "holds no batch sizes"},
        {"1\n0\n", "line 2"},         {"1\n2\nx\n", "line 3"},
        {"1 2\n", "line 1"},          {"99999999999999999999999999999999999999999999\n", "line 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct batch_sizes sizes;
        struct detail detail;
        const char *text = cases[i].text;
        assert_int_equal(batch_sizes_parse_file(text, strlen(text), &sizes, &detail),
                         ROOST_INVALID);
        assert_non_null(strstr(detail.text, cases[i].reason));
        assert_null(sizes.values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_is_constant),
        cmocka_unit_test(lognormal_has_its_published_percentiles),
        cmocka_unit_test(lognormal_is_cut_at_its_bounds),
        cmocka_unit_test(a_file_is_drawn_from_uniformly),
        cmocka_unit_test(a_file_is_found_by_its_name),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(wrong_files_name_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
