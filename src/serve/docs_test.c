/* SPDX-License-Identifier: Apache-2.0 */
/* The tables in docs/ are those that the readers work by, and the example of roost.yaml is valid.
 * `docs_test SOURCE_DIRECTORY --update` writes the tables into the files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/test.h"
#include "serve/model_config.h"
#include "serve/settings.h"

static const char begin_mark[] = ": begin -->\n";
static const char end_mark[] = "<!-- end -->\n";
static const char *source_directory;

struct page {
    char path[FILE_PATH_BYTES_MAX];
    char *text;
    char *begin, *end; /* of the table */
};

static void page_read(struct page *page, const char *name)
{
    size_t length = 0;
    assert_true(path_join(page->path, sizeof(page->path), source_directory, name));
    assert_int_equal(file_read(page->path, 1 << 20, &page->text, &length, NULL), ROOST_OK);
    page->begin = strstr(page->text, begin_mark);
    assert_non_null(page->begin);
    page->begin += strlen(begin_mark);
    page->end = strstr(page->begin, end_mark);
    assert_non_null(page->end);
}

static void page_check(const char *name, const struct strbuf *table)
{
    struct page page;
    page_read(&page, name);
    *page.end = '\0';
    if (strcmp(page.begin, strbuf_text(table)) != 0)
        print_error("%s is out of date; docs_test SOURCE_DIRECTORY --update writes it\n", name);
    assert_string_equal(page.begin, strbuf_text(table));
    free(page.text);
}

static void page_update(const char *name, const struct strbuf *table)
{
    struct page page;
    struct strbuf out;
    strbuf_init(&out);
    page_read(&page, name);
    strbuf_append(&out, page.text, (size_t)(page.begin - page.text));
    strbuf_puts(&out, strbuf_text(table));
    strbuf_puts(&out, page.end);
    assert_int_equal(file_write_atomic(page.path, out.data, out.length, NULL), ROOST_OK);
    strbuf_fini(&out);
    free(page.text);
}

typedef void page_fn(const char *name, const struct strbuf *table);

static void models_page(page_fn *page)
{
    struct strbuf table;
    strbuf_init(&table);
    model_config_write_doc(&table);
    page("docs/MODELS.md", &table);
    strbuf_fini(&table);
}

static void settings_page(page_fn *page)
{
    struct strbuf table;
    strbuf_init(&table);
    settings_write_doc(&table);
    page("docs/roost.yaml.md", &table);
    strbuf_fini(&table);
}

static void models_page_has_the_table(void **state)
{
    (void)state;
    models_page(page_check);
}

static void settings_page_has_the_tables(void **state)
{
    (void)state;
    settings_page(page_check);
}

static void the_example_is_valid(void **state)
{
    static const char fence[] = "```yaml\n";
    struct page page;
    struct settings settings;
    struct yaml_errors errors;
    (void)state;
    page_read(&page, "docs/roost.yaml.md");
    char *text = strstr(page.text, fence);
    assert_non_null(text);
    text += strlen(fence);
    char *end = strstr(text, "```\n");
    assert_non_null(end);
    yaml_errors_init(&errors, "example");
    enum roost_err err = settings_read("/etc/roost.yaml", text, (size_t)(end - text), &errors,
                                       &settings);
    assert_string_equal(strbuf_text(&errors.text), "");
    assert_int_equal(err, ROOST_OK);
    assert_int_equal(settings.tenant_count, 3);
    settings_fini(&settings);
    yaml_errors_fini(&errors);
    free(page.text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_page_has_the_table),
        cmocka_unit_test(settings_page_has_the_tables),
        cmocka_unit_test(the_example_is_valid),
    };
    if (argc < 2) {
        fprintf(stderr, "usage: docs_test SOURCE_DIRECTORY [--update]\n");
        return 2;
    }
    source_directory = argv[1];
    if (argc == 3 && strcmp(argv[2], "--update") == 0) {
        models_page(page_update);
        settings_page(page_update);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
