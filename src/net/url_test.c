/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#include "base/test.h"

/* The segments, each followed by a bar. */
static void expect(const char *target, const char *text)
{
    struct url_path path;
    char joined[2 * URL_PATH_BYTES_MAX] = "";
    size_t at = 0;
    assert_int_equal(url_path_parse(target, &path, NULL), ROOST_OK);
    for (unsigned i = 0; i < path.count; i++)
        at += (size_t)snprintf(joined + at, sizeof(joined) - at, "%s|", path.segments[i]);
    assert_string_equal(joined, text);
}

static void segments(void **state)
{
    (void)state;
    expect("/", "");
    expect("/v2", "v2|");
    expect("/v2/", "v2|");
    expect("/v2?x=/y", "v2|");
    expect("/?x", "");
    expect("/v2/models/a%20b/infer#c", "v2|models|a b|infer|");
    expect("/a%2Fb/%C3%a9", "a/b|\xC3\xA9|");
    expect("/a+b/..", "a+b|..|");
    expect("/a//b", "a||b|");
    expect("/1/2/3/4/5/6/7/8", "1|2|3|4|5|6|7|8|");
}

static void refuse(const char *target, enum roost_err err, const char *text)
{
    struct url_path path;
    struct detail detail;
    assert_int_equal(url_path_parse(target, &path, &detail), err);
    assert_string_equal(detail.text, text);
}

static void refused(void **state)
{
    (void)state;
    refuse("", ROOST_INVALID, "path: must begin with a slash");
    refuse("*", ROOST_INVALID, "path: must begin with a slash");
    refuse("http://h/v2", ROOST_INVALID, "path: must begin with a slash");
    refuse("/a%00", ROOST_INVALID, "path: contains a NUL");
    refuse("/a%", ROOST_INVALID, "path: a % is not followed by two hexadecimal digits");
    refuse("/a%4", ROOST_INVALID, "path: a % is not followed by two hexadecimal digits");
    refuse("/a%4/b", ROOST_INVALID, "path: a % is not followed by two hexadecimal digits");
    refuse("/a%g1", ROOST_INVALID, "path: a % is not followed by two hexadecimal digits");
    refuse("/%FF", ROOST_INVALID, "path: is not UTF-8");
    refuse("/%C0%80", ROOST_INVALID, "path: is not UTF-8");
    refuse("/1/2/3/4/5/6/7/8/9", ROOST_NOT_FOUND, "Not Found");
    char target[URL_PATH_BYTES_MAX + 8];
    (void)snprintf(target, sizeof(target), "/%0*d", URL_PATH_BYTES_MAX, 0);
    refuse(target, ROOST_INVALID, "path: is too long");
    target[URL_PATH_BYTES_MAX] = '\0';
    struct url_path path;
    assert_int_equal(url_path_parse(target, &path, NULL), ROOST_OK);
}

static void matching(void **state)
{
    (void)state;
    const char *values[2] = {NULL, NULL};
    struct url_path path;
    assert_int_equal(url_path_parse("/v2/models/m%7B/versions/3/infer", &path, NULL), ROOST_OK);
    assert_true(url_path_match(&path, "v2/models/{}/versions/{}/infer", values, 2));
    assert_string_equal(values[0], "m{");
    assert_string_equal(values[1], "3");
    assert_false(url_path_match(&path, "v2/models/{}/versions/{}", values, 2));
    assert_false(url_path_match(&path, "v2/models/{}/versions/{}/infer/x", values, 2));
    assert_false(url_path_match(&path, "v2/models/{}/version/{}/infer", values, 2));
    assert_false(url_path_match(&path, "", values, 2));
    assert_int_equal(url_path_parse("/", &path, NULL), ROOST_OK);
    assert_true(url_path_match(&path, "", values, 0));
    assert_false(url_path_match(&path, "v2", values, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(segments), cmocka_unit_test(refused),
                                       cmocka_unit_test(matching)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
