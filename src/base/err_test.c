/* SPDX-License-Identifier: Apache-2.0 */
#include "roost/err.h"

#include <string.h>

#include "base/test.h"

static void names_are_lower_case(void **state)
{
    (void)state;
    assert_string_equal(roost_err_name(ROOST_OK), "ok");
    assert_string_equal(roost_err_name(ROOST_NOT_FOUND), "not_found");
    assert_string_equal(roost_err_name(ROOST_HEADERS_TOO_LARGE), "headers_too_large");
    assert_string_equal(roost_err_name(ROOST_PERMISSION), "permission");
}

static void every_error_has_all_columns(void **state)
{
    (void)state;
    for (int i = 0; i < ROOST_ERR_COUNT; i++) {
        enum roost_err err = (enum roost_err)i;
        assert_true(strlen(roost_err_name(err)) > 0);
        assert_true(strlen(roost_err_text(err)) > 0);
        assert_in_range(roost_err_http_status(err), 200, 599);
        assert_in_range(roost_err_grpc_code(err), 0, 16);
        assert_in_range(roost_err_exit_code(err), 0, 2);
        assert_int_equal(roost_err_exit_code(err) == 0, err == ROOST_OK);
        for (int other = 0; other < i; other++)
            assert_string_not_equal(roost_err_name(err), roost_err_name((enum roost_err)other));
    }
}

static void overload_and_unavailable_mean_one_thing_each(void **state)
{
    (void)state;
    assert_int_equal(roost_err_http_status(ROOST_OVERLOADED), 429);
    assert_int_equal(roost_err_grpc_code(ROOST_OVERLOADED), 8);
    assert_int_equal(roost_err_http_status(ROOST_UNAVAILABLE), 503);
    assert_int_equal(roost_err_grpc_code(ROOST_UNAVAILABLE), 14);
    assert_int_equal(roost_err_exit_code(ROOST_INVALID), 2);
}

static void a_code_outside_the_table_is_internal(void **state)
{
    (void)state;
    enum roost_err err = ROOST_ERR_COUNT;
    assert_string_equal(roost_err_name(err), "internal");
    assert_string_equal(roost_err_text(err), "internal error");
    assert_int_equal(roost_err_http_status(err), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_lower_case),
        cmocka_unit_test(every_error_has_all_columns),
        cmocka_unit_test(overload_and_unavailable_mean_one_thing_each),
        cmocka_unit_test(a_code_outside_the_table_is_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
