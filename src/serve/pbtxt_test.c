/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/pbtxt.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static struct pbtxt_doc *doc;

static int end(void **state)
{
    (void)state;
    pbtxt_doc_free(doc);
    doc = NULL;
    return 0;
}

static const struct pbtxt_node *parse(const char *text)
{
    struct detail detail = {""};
    pbtxt_doc_free(doc);
    doc = NULL;
    enum roost_err err = pbtxt_parse(text, strlen(text), &doc, &detail);
    if (err != ROOST_OK)
        print_error("%s\n", detail.text);
    assert_int_equal(err, ROOST_OK);
    return pbtxt_root(doc)->child;
}

static void expect_error_n(const char *text, size_t length, const char *reason)
{
    struct detail detail = {""};
    struct pbtxt_doc *none = NULL;
    assert_int_equal(pbtxt_parse(text, length, &none, &detail), ROOST_INVALID);
    assert_null(none);
    assert_string_equal(detail.text, reason);
}

static void expect_error(const char *text, const char *reason)
{
    expect_error_n(text, strlen(text), reason);
}

static void expect_json_error(const char *text, const char *reason)
{
    struct detail detail = {""};
    struct pbtxt_doc *none = NULL;
    assert_int_equal(pbtxt_parse_json(text, strlen(text), &none, &detail), ROOST_INVALID);
    assert_null(none);
    assert_string_equal(detail.text, reason);
}

static void expect_node(const struct pbtxt_node *node, enum pbtxt_kind kind, const char *name,
                        const char *text)
{
    assert_non_null(node);
    assert_int_equal(node->kind, kind);
    assert_string_equal(node->name, name);
    assert_string_equal(node->text, text);
}

static void values_of_every_kind(void **state)
{
    (void)state;
    const struct pbtxt_node *node = parse("a: 1 b: -0x1F, c: TYPE_FP32; d: \"x\"\n"
                                          "e: 1.5e+3 f: - 2 g: .5f h: true i: -inf");
    static const char *const texts[] = {"1",  "-0x1F", "TYPE_FP32", "x",   "1.5e+3",
                                        "-2", ".5f",   "true",      "-inf"};
    for (size_t i = 0; i < 9; i++, node = node->next) {
        char name[2] = {(char)('a' + i), '\0'};
        expect_node(node, i == 3 ? PBTXT_STRING : PBTXT_WORD, name, texts[i]);
    }
    assert_null(node);
    assert_null(parse(""));
    assert_null(parse(" # nothing but a comment"));
}

static void strings_are_decoded_and_joined(void **state)
{
    (void)state;
    expect_node(parse("s: 'a' \"b\"  # between\n '\"c\"'"), PBTXT_STRING, "s", "ab\"c\"");
    expect_node(parse("s: \"\\n\\t\\\\\\'\\\"\\?\""), PBTXT_STRING, "s", "\n\t\\'\"?");
    expect_node(parse("s: \"\\101\\x42\\u0043\\U0001f600\\303\\244\""), PBTXT_STRING, "s",
                "ABC\xf0\x9f\x98\x80\xc3\xa4");
    expect_node(parse("s: ''"), PBTXT_STRING, "s", "");
}

static void messages_and_lists(void **state)
{
    (void)state;
    const struct pbtxt_node *m = parse(
        "m { a: 1 } m: < b { } > l: [1, 2] e: [] n [{x: 1}, <y: 2>]");
    expect_node(m, PBTXT_MESSAGE, "m", "");
    expect_node(m->child, PBTXT_WORD, "a", "1");
    m = m->next;
    expect_node(m->child, PBTXT_MESSAGE, "b", "");
    assert_null(m->child->child);
    expect_node(m->next, PBTXT_WORD, "l", "1");
    expect_node(m->next->next, PBTXT_WORD, "l", "2");
    assert_true(m->next->listed);
    m = m->next->next->next;
    expect_node(m, PBTXT_MESSAGE, "n", "");
    expect_node(m->next->child, PBTXT_WORD, "y", "2");
    assert_null(m->next->next);
}

static void nodes_have_positions(void **state)
{
    (void)state;
    const struct pbtxt_node *node = parse("a: 1\n  b {\n\tc: [ 1,\n 2 ]\n}");
    assert_int_equal(node->line, 1);
    assert_int_equal(node->column, 1);
    node = node->next;
    assert_int_equal(node->line, 2);
    assert_int_equal(node->column, 3);
    node = node->child;
    assert_int_equal(node->line, 3);
    assert_int_equal(node->column, 7);
    assert_int_equal(node->next->line, 4);
    assert_int_equal(node->next->column, 2);
}

static void errors_say_where(void **state)
{
    (void)state;
    expect_error("a", "line 1, column 2: expected ':' or '{' after a, not the end of the text");
    expect_error("a 1", "line 1, column 3: expected ':' or '{' after a, not '1'");
    expect_error("a:", "line 1, column 3: expected a value, not the end of the text");
    expect_error("a: -", "line 1, column 5: expected a value, not the end of the text");
    expect_error("a: }", "line 1, column 4: expected a value, not '}'");
    expect_error("1: 2", "line 1, column 1: expected the name of a field, not '1'");
    expect_error("}", "line 1, column 1: expected the name of a field, not '}'");
    expect_error("\x01", "line 1, column 1: expected the name of a field, not byte 0x01");
    expect_error("[a.b]: 1", "line 1, column 1: expected the name of a field, not '['");
    expect_error("m {\n a: 1\n",
                 "line 3, column 1: the message m that begins at line 1 has no closing '}'");
    expect_error("m { a: 1 >", "line 1, column 10: expected the name of a field, not '>'");
    expect_error("a: [1 2]", "line 1, column 7: expected ',' or ']' in a, not '2'");
    expect_error("a: [1,]", "line 1, column 7: expected a value, not ']'");
    expect_error("a: [1", "line 1, column 6: expected ',' or ']' in a, not the end of the text");
    expect_error("a: 'x\n'", "line 1, column 4: a string without its closing '");
    expect_error("a: \"x", "line 1, column 4: a string without its closing \"");
    expect_error("a: '\\q'", "line 1, column 5: unknown escape in a string");
    expect_error("a: '\\x'", "line 1, column 5: \\x without a hexadecimal digit");
    expect_error("a: '\\400'", "line 1, column 5: an octal escape is at most \\377");
    expect_error("a: '\\u12'", "line 1, column 5: \\u needs 4 hexadecimal digits");
    expect_error("a: '\\ud800'", "line 1, column 5: U+D800 is not a character");
    expect_error("a: '\\000'", "line 1, column 4: a string must not contain a zero byte");
    expect_error("a: '\\377'", "line 1, column 4: a string must be UTF-8");
    expect_error_n("a: '\0'", 6, "line 1, column 4: a string must not contain a zero byte");
    expect_error_n("a\0: 1", 5, "line 1, column 2: expected ':' or '{' after a, not byte 0x00");
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    char text[2 * PBTXT_DEPTH_MAX + 1] = "";
    for (unsigned i = 0; i < PBTXT_DEPTH_MAX; i++)
        memcpy(text + (size_t)2 * i, "a{", 2);
    text[2 * PBTXT_DEPTH_MAX - 2] = '\0';
    expect_error(text, "line 1, column 63: the message a that begins at line 1 has no closing '}'");
    text[2 * PBTXT_DEPTH_MAX - 2] = 'a';
    expect_error(text, "line 1, column 65: nested deeper than 32 messages");

    char name[200];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    expect_error(name, "line 1, column 1: the name of a field is longer than 127 bytes");
    expect_error_n("", PBTXT_BYTES_MAX + 1, "1048577 bytes; at most 1048576 are read");
}

static void nodes_are_bounded(void **state)
{
    (void)state;
    size_t length = 4 * (PBTXT_NODES_MAX + 1);
    char *text = malloc(length + 1);
    struct detail detail = {""};
    struct pbtxt_doc *none = NULL;
    assert_non_null(text);
    for (size_t i = 0; i < length; i += 4)
        memcpy(text + i, "a:1 ", 5);
    assert_int_equal(pbtxt_parse(text, length, &none, &detail), ROOST_NO_MEMORY);
    assert_string_equal(detail.text, "no memory for 100000 nodes");
    free(text);
}

static void json_makes_the_same_tree(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1,\"b\":[-2,\"x\"],\"c\":{\"d\":true,\"e\":null},\"f\":[],"
                               "\"g\":0.5,\"h\":18446744073709551615}";
    struct detail detail = {""};
    assert_int_equal(pbtxt_parse_json(text, strlen(text), &doc, &detail), ROOST_OK);
    const struct pbtxt_node *node = pbtxt_root(doc)->child;
    expect_node(node, PBTXT_WORD, "a", "1");
    assert_int_equal(node->line, 0);
    node = node->next;
    expect_node(node, PBTXT_WORD, "b", "-2");
    assert_true(node->listed);
    node = node->next;
    expect_node(node, PBTXT_STRING, "b", "x");
    node = node->next;
    expect_node(node, PBTXT_MESSAGE, "c", "");
    expect_node(node->child, PBTXT_WORD, "d", "true");
    assert_null(node->child->next);
    expect_node(node->next, PBTXT_WORD, "g", "0.5");
    expect_node(node->next->next, PBTXT_WORD, "h", "18446744073709551615");
}

static void json_errors(void **state)
{
    (void)state;
    expect_json_error("[]", "the configuration is not a JSON object");
    expect_json_error("{\"a\":[[1]]}", "a: a list within a list");
    expect_json_error("{\"a\":[null]}", "a: null in a list");
    expect_json_error("{\"a\":\"\\u0000\"}", "a: a string must not contain a zero byte");
    expect_json_error("{\"a\\u0000b\":1}", "a: a key must not contain a zero byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_of_every_kind, end),
        cmocka_unit_test_teardown(strings_are_decoded_and_joined, end),
        cmocka_unit_test_teardown(messages_and_lists, end),
        cmocka_unit_test_teardown(nodes_have_positions, end),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(nodes_are_bounded),
        cmocka_unit_test_teardown(json_makes_the_same_tree, end),
        cmocka_unit_test(json_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
