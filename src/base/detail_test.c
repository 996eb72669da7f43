/* SPDX-License-Identifier: Apache-2.0 */
#include "base/detail.h"

#include <string.h>

#include "base/test.h"
#include "base/utf8.h"

static void set_returns_the_error(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_int_equal(detail_set(&detail, ROOST_INVALID, "port %d is %s", 80, "taken"),
                     ROOST_INVALID);
    assert_string_equal(detail.text, "port 80 is taken");
    assert_int_equal(detail_set(NULL, ROOST_IO, "nobody listens"), ROOST_IO);
}

static void prefix_goes_before(void **state)
{
    (void)state;
    struct detail detail = {0};
    (void)detail_set(&detail, ROOST_INVALID, "no such file");
    detail_prefix(&detail, "model %s", "bert");
    detail_prefix(&detail, "start");
    assert_string_equal(detail.text, "start: model bert: no such file");
    detail_prefix(NULL, "nothing");
}

static void arguments_may_be_the_text_itself(void **state)
{
    (void)state;
    struct detail detail = {0};
    (void)detail_set(&detail, ROOST_INVALID, "inner");
    (void)detail_set(&detail, ROOST_INVALID, "outer (%s)", detail.text);
    assert_string_equal(detail.text, "outer (inner)");
    detail_prefix(&detail, "%s", detail.text);
    assert_string_equal(detail.text, "outer (inner): outer (inner)");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char text[2 * DETAIL_BYTES_MAX];
        memset(text, 'a', (size_t)shift);
        for (size_t at = (size_t)shift; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xF0\x9F\x90\x94", 5);
        struct detail detail = {0};
        (void)detail_set(&detail, ROOST_INVALID, "%s", text);
        assert_true(strlen(detail.text) >= DETAIL_BYTES_MAX - 4);
        assert_true(utf8_valid(detail.text, strlen(detail.text)));
        detail_prefix(&detail, "%s", text);
        assert_true(strlen(detail.text) >= DETAIL_BYTES_MAX - 8);
        assert_true(utf8_valid(detail.text, strlen(detail.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_the_error),
        cmocka_unit_test(prefix_goes_before),
        cmocka_unit_test(arguments_may_be_the_text_itself),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
