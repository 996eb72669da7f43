/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static struct yaml_errors errors;
static struct yaml_doc *doc;

static int begin(void **state)
{
    (void)state;
    yaml_errors_init(&errors, "roost.yaml");
    doc = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    yaml_doc_free(doc);
    yaml_errors_fini(&errors);
    return 0;
}

static const struct yaml_node *parse(const char *text)
{
    enum roost_err err = yaml_parse(text, strlen(text), &errors, &doc);
    if (err != ROOST_OK)
        print_error("%s", strbuf_text(&errors.text));
    assert_int_equal(err, ROOST_OK);
    return yaml_root(doc);
}

static void expect_errors(const char *text, const char *lines)
{
    size_t count = 0;
    for (const char *c = lines; *c != '\0'; c++)
        count += *c == '\n' ? 1 : 0;
    assert_int_equal(yaml_parse(text, strlen(text), &errors, &doc), ROOST_INVALID);
    yaml_doc_free(doc);
    doc = NULL;
    assert_string_equal(strbuf_text(&errors.text), lines);
    assert_int_equal(errors.count, count);
    strbuf_reset(&errors.text);
    errors.count = 0;
}

static void trees_have_positions(void **state)
{
    (void)state;
    const struct yaml_node *root = parse("# first\n"
                                         "a: 1\n"
                                         "list:\n"
                                         "  - x\n"
                                         "  - {k: \"v\", n: }\n"
                                         "empty: ~\n");
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->line, 2);
    assert_null(root->key);
    const struct yaml_node *a = yaml_get(root, "a");
    assert_string_equal(a->text, "1");
    assert_true(a->kind == YAML_SCALAR && !a->quoted);
    assert_int_equal(a->line, 2);
    assert_int_equal(a->column, 4);
    const struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->key_line, 3);
    assert_int_equal(list->line, 4);
    assert_ptr_equal(list->parent, root);
    const struct yaml_node *map = list->child->next;
    assert_null(map->next);
    assert_true(yaml_get(map, "k")->quoted);
    assert_int_equal(yaml_get(map, "n")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "empty")->kind, YAML_NULL);
    assert_null(yaml_get(root, "none"));
    assert_null(yaml_get(a, "none"));
    assert_null(yaml_get(NULL, "none"));
}

static void texts_without_a_document(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "\n\n", "# only a comment\n",
                                        "---\n", "~",    "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(texts[i])->kind, YAML_NULL);
        yaml_doc_free(doc);
        doc = NULL;
    }
}

static void core_tags(void **state)
{
    (void)state;
    const struct yaml_node *root = parse(
        "s: !!str 5\nn: !!int \"5\"\nl: !!seq [1]\nm: !!map {a: 1}\nx: ! 7\nz: !!null ''\n"
        "anchored: &name 1\n");
    assert_true(yaml_get(root, "s")->quoted);
    assert_false(yaml_get(root, "n")->quoted);
    assert_true(yaml_get(root, "x")->quoted);
    assert_int_equal(yaml_get(root, "z")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "m")->kind, YAML_MAP);
}

static void all_duplicates_are_told(void **state)
{
    (void)state;
    expect_errors("a: 1\n"
                  "b: {x: 1, x: 2}\n"
                  "a: 2\n"
                  "list:\n"
                  "  - c: 1\n"
                  "    d: 1\n"
                  "  - c: 1\n"
                  "    'c':\n"
                  "       - 1\n"
                  "a: 3\n",
                  "roost.yaml:2: b.x: duplicate key, first given in line 2\n"
                  "roost.yaml:3: a: duplicate key, first given in line 1\n"
                  "roost.yaml:8: list[1].c: duplicate key, first given in line 7\n"
                  "roost.yaml:10: a: duplicate key, first given in line 1\n");
}

static void what_is_not_supported(void **state)
{
    (void)state;
    expect_errors("a: &x 1\n"
                  "b: *x\n"
                  "c: !custom 1\n"
                  "d: !!binary aGk=\n"
                  "e: !!set {a, b}\n"
                  "f: \"nul \\0 here\"\n"
                  "? [1, 2]\n"
                  ": 3\n"
                  "g: 1\n"
                  "g: 2\n",
                  "roost.yaml:2: b: aliases (*x) are not supported\n"
                  "roost.yaml:3: c: the tag \"!custom\" is not supported here\n"
                  "roost.yaml:4: d: the tag \"tag:yaml.org,2002:binary\" is not supported here\n"
                  "roost.yaml:5: e: the tag \"tag:yaml.org,2002:set\" is not supported here\n"
                  "roost.yaml:6: f: a text must not hold a NUL character\n"
                  "roost.yaml:7: ?: a key must be a word, not a list or a map\n"
                  "roost.yaml:10: g: duplicate key, first given in line 9\n");
    expect_errors("a: 1\n---\nb: 1\n",
                  "roost.yaml:2: a second document begins here; one is wanted\n");
    expect_errors("&x a: 1\n*x : 2\n", "roost.yaml:2: ?: aliases (*x) are not supported\n");
}

static void syntax_errors(void **state)
{
    (void)state;
    expect_errors("a: 1\n b: 2\n",
                  "roost.yaml:2: not YAML: mapping values are not allowed in this context, "
                  "column 3\n");
    expect_errors("a: [1, 2\nb: 3\n",
                  "roost.yaml:2: not YAML: did not find expected ',' or ']' while parsing a flow "
                  "sequence, column 2\n");
    expect_errors("a: 1\na: 2\nb: 3\n\tc: 4\n",
                  "roost.yaml:2: a: duplicate key, first given in line 1\n"
                  "roost.yaml:4: not YAML: found a tab character that violates indentation while "
                  "scanning a plain scalar, column 1\n");
    expect_errors("ok: 1\nbad: \"\xff\"\n",
                  "roost.yaml:2: not YAML: invalid leading UTF-8 octet, byte 12\n");
    expect_errors("a: \"open\n", "roost.yaml:2: not YAML: found unexpected end of stream while "
                                 "scanning a quoted scalar, column 1\n");
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[256] = "";
    memset(text, '[', YAML_DEPTH_MAX);
    memset(text + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    (void)parse(text);
    yaml_doc_free(doc);
    doc = NULL;
    memset(text, '[', 200);
    struct strbuf line;
    strbuf_init(&line);
    strbuf_puts(&line, "roost.yaml:1: ");
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        strbuf_puts(&line, "[0]");
    strbuf_puts(&line, ": more than 32 levels deep\n");
    expect_errors(text, strbuf_text(&line));
    strbuf_fini(&line);
}

static void size_is_limited(void **state)
{
    (void)state;
    struct strbuf text;
    strbuf_init(&text);
    for (int i = 0; i < YAML_NODES_MAX; i++)
        strbuf_puts(&text, "- a\n");
    assert_int_equal(yaml_parse(text.data, text.length, &errors, &doc), ROOST_INVALID);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(strbuf_text(&errors.text), "more than 200000 values in the file"));
    strbuf_fini(&text);
}

static void long_lists_of_errors_end(void **state)
{
    (void)state;
    struct strbuf text;
    strbuf_init(&text);
    for (int i = 0; i < 3001; i++)
        strbuf_puts(&text, "a: 1\n");
    assert_int_equal(yaml_parse(text.data, text.length, &errors, &doc), ROOST_INVALID);
    assert_int_equal(errors.count, 3000);
    size_t lines = 0;
    for (const char *c = strbuf_text(&errors.text); *c != '\0'; c++)
        lines += *c == '\n' ? 1 : 0;
    assert_int_equal(lines, YAML_ERRORS_MAX + 1);
    assert_non_null(strstr(strbuf_text(&errors.text),
                           "roost.yaml: there are more errors, which are not shown\n"));
    strbuf_fini(&text);
}

static void many_keys_stay_fast(void **state)
{
    (void)state;
    struct strbuf text;
    strbuf_init(&text);
    for (int i = 0; i < 50000; i++)
        strbuf_printf(&text, "k%d: 1\n", i);
    assert_string_equal(parse(text.data)->child->next->key, "k1");
    strbuf_fini(&text);
}

static void errors_stay_one_line(void **state)
{
    (void)state;
    const struct yaml_node *root = parse("\"a\\nb\": 1\n");
    yaml_error(&errors, root->child, "bad \x1b[31m %s", "value\nforged.yaml:1: x");
    yaml_error(&errors, NULL, "no place");
    yaml_error(&errors, root, "root");
    assert_string_equal(strbuf_text(&errors.text),
                        "roost.yaml:1: a b: bad  [31m value forged.yaml:1: x\n"
                        "roost.yaml: no place\n"
                        "roost.yaml:1: root\n");
}

struct target {
    const char *name;
    bool on;
    int64_t count;
    double share;
    uint64_t slo_ns;
    uint64_t memory;
    int mode;
    const struct yaml_node *extra;
};

static const char *const modes[] = {"none", "poll", "explicit", NULL};

#define AT(member) offsetof(struct target, member)

static const struct yaml_field fields[] = {
    {.key = "name", .type = YAML_T_STRING, .offset = AT(name), .required = true},
    {.key = "on", .type = YAML_T_BOOL, .offset = AT(on)},
    {.key = "count", .type = YAML_T_INT, .offset = AT(count), .minimum = 1, .maximum = 64},
    {.key = "share", .type = YAML_T_DOUBLE, .offset = AT(share), .minimum = 0, .maximum = 1},
    {.key = "slo", .type = YAML_T_DURATION, .offset = AT(slo_ns), .minimum = 1e6, .required = true},
    {.key = "memory", .type = YAML_T_BYTES, .offset = AT(memory), .maximum = 1 << 30},
    {.key = "mode", .type = YAML_T_ENUM, .offset = AT(mode), .choices = modes},
    {.key = "extra", .type = YAML_T_NODE, .offset = AT(extra)},
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static void maps_read_into_structs(void **state)
{
    (void)state;
    struct target target = {.count = 7};
    yaml_read_map(parse("name: 5\non: true\nshare: 2.5e-1\nslo: 120 ms\nmemory: 512 MiB\n"
                        "mode: poll\nextra: [1, 2]\n"),
                  fields, FIELD_COUNT, &target, &errors);
    assert_string_equal(strbuf_text(&errors.text), "");
    assert_string_equal(target.name, "5");
    assert_true(target.on);
    assert_int_equal(target.count, 7);
    assert_true(target.share > 0.249 && target.share < 0.251);
    assert_int_equal(target.slo_ns, 120000000);
    assert_int_equal(target.memory, 512 << 20);
    assert_int_equal(target.mode, 1);
    assert_int_equal(target.extra->kind, YAML_LIST);
}

static void expect_read(const char *text, const char *lines)
{
    static const struct target untouched = {
        .name = "n", .count = 2, .share = 0.5, .slo_ns = 3, .memory = 4, .mode = 2};
    struct target target = untouched;
    const struct yaml_node *root = parse(text);
    yaml_read_map(root, fields, FIELD_COUNT, &target, &errors);
    assert_string_equal(strbuf_text(&errors.text), lines);
    assert_int_equal(target.count, untouched.count);
    assert_int_equal(target.slo_ns, untouched.slo_ns);
    assert_int_equal(target.memory, untouched.memory);
    assert_int_equal(target.mode, untouched.mode);
    assert_false(target.on);
    strbuf_reset(&errors.text);
    yaml_doc_free(doc);
    doc = NULL;
}

static void every_mistake_is_told(void **state)
{
    (void)state;
    expect_read("nmae: x\n"
                "on: yes\n"
                "count: 65\n"
                "share: \"0.5\"\n"
                "slo: 12\n"
                "memory: 2 GiB\n"
                "mode: polling\n"
                "whatever: 1\n",
                "roost.yaml:1: nmae: unknown key, did you mean \"name\"?\n"
                "roost.yaml:2: on: must be true or false, not \"yes\"\n"
                "roost.yaml:3: count: must be between 1 and 64, not 65\n"
                "roost.yaml:4: share: must be a number, not the text \"0.5\"\n"
                "roost.yaml:5: slo: must be a duration such as 120 ms, not \"12\"\n"
                "roost.yaml:6: memory: must be between 0 B and 1 GiB, not 2 GiB\n"
                "roost.yaml:7: mode: must be one of none, poll, explicit, not \"polling\"\n"
                "roost.yaml:8: whatever: unknown key\n"
                "roost.yaml:1: the key \"name\" is missing\n");
}

static void wrong_kinds(void **state)
{
    (void)state;
    expect_read("name: [a]\n"
                "on: 'true'\n"
                "count: {a: 1}\n"
                "share: .inf\n"
                "slo: 1 us\n"
                "memory:\n"
                "mode: []\n",
                "roost.yaml:1: name: must be a text, not a list\n"
                "roost.yaml:2: on: must be true or false, not the text \"true\"\n"
                "roost.yaml:3: count: must be an integer, not a map\n"
                "roost.yaml:4: share: must be a number, not \".inf\"\n"
                "roost.yaml:5: slo: must be at least 1.00 ms, not 1 us\n"
                "roost.yaml:6: memory: must be a size such as 512 MiB, not empty\n"
                "roost.yaml:7: mode: must be one of none, poll, explicit, not a list\n");
    expect_read("- 1\n", "roost.yaml:1: must be a map of keys, not a list\n");
    expect_read("", "roost.yaml:1: the key \"name\" is missing\n"
                    "roost.yaml:1: the key \"slo\" is missing\n");
    expect_read("count: 1.5\nname: a\nslo: ~\n",
                "roost.yaml:1: count: must be an integer, not \"1.5\"\n"
                "roost.yaml:3: slo: must be a duration such as 120 ms, not empty\n");
}

static void paths_name_list_items(void **state)
{
    (void)state;
    const struct yaml_node *root = parse("tenants:\n  - name: a\n  - nam: b\n    slo: 1s\n");
    const struct yaml_node *tenants = yaml_get(root, "tenants");
    for (const struct yaml_node *item = tenants->child; item != NULL; item = item->next) {
        struct target target = {0};
        yaml_read_map(item, fields, FIELD_COUNT, &target, &errors);
    }
    assert_string_equal(strbuf_text(&errors.text),
                        "roost.yaml:2: tenants[0]: the key \"slo\" is missing\n"
                        "roost.yaml:3: tenants[1].nam: unknown key, did you mean \"name\"?\n"
                        "roost.yaml:3: tenants[1]: the key \"name\" is missing\n");
}

#define YAML_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        YAML_TEST(trees_have_positions),
        YAML_TEST(texts_without_a_document),
        YAML_TEST(core_tags),
        YAML_TEST(all_duplicates_are_told),
        YAML_TEST(what_is_not_supported),
        YAML_TEST(syntax_errors),
        YAML_TEST(depth_is_limited),
        YAML_TEST(size_is_limited),
        YAML_TEST(long_lists_of_errors_end),
        YAML_TEST(many_keys_stay_fast),
        YAML_TEST(errors_stay_one_line),
        YAML_TEST(maps_read_into_structs),
        YAML_TEST(every_mistake_is_told),
        YAML_TEST(wrong_kinds),
        YAML_TEST(paths_name_list_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
