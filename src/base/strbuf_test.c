/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static void empty_buffer(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf);
    assert_string_equal(strbuf_text(&buf), "");
    strbuf_append(&buf, NULL, 0);
    strbuf_puts(&buf, "");
    strbuf_reset(&buf);
    assert_int_equal(buf.length, 0);
    char *text = strbuf_take(&buf);
    assert_string_equal(text, "");
    free(text);
    strbuf_fini(&buf);
}

static void pieces_join(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf);
    strbuf_puts(&buf, "one ");
    strbuf_putc(&buf, '2');
    strbuf_printf(&buf, " %s %d", "three", 4);
    strbuf_append(&buf, "\0x", 2);
    assert_int_equal(buf.length, 15);
    assert_memory_equal(strbuf_text(&buf), "one 2 three 4\0x", 16);
    strbuf_reset(&buf);
    assert_string_equal(strbuf_text(&buf), "");
    assert_true(buf.capacity > 0);
    strbuf_puts(&buf, "again");
    char *text = strbuf_take(&buf);
    assert_string_equal(text, "again");
    assert_null(buf.data);
    free(text);
    strbuf_fini(&buf);
}

static void growth_keeps_everything(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf);
    for (int i = 0; i < 20000; i++)
        strbuf_printf(&buf, "%05d", i);
    assert_int_equal(buf.length, 100000);
    for (int i = 0; i < 20000; i += 999) {
        char number[6] = "";
        memcpy(number, buf.data + 5 * (size_t)i, 5);
        assert_int_equal(atoi(number), i);
    }
    strbuf_fini(&buf);
}

static void printf_at_every_fill(void **state)
{
    (void)state;
    for (size_t fill = 0; fill < 300; fill++) {
        struct strbuf buf;
        char text[400];
        strbuf_init(&buf);
        for (size_t i = 0; i < fill; i++)
            strbuf_putc(&buf, 'x');
        memset(text, 'y', fill);
        text[fill] = '\0';
        strbuf_printf(&buf, "%s", text);
        assert_int_equal(buf.length, 2 * fill);
        assert_int_equal(strlen(strbuf_text(&buf)), 2 * fill);
        strbuf_fini(&buf);
    }
}

static void failure_keeps_what_there_was(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf);
    strbuf_puts(&buf, "kept");
    assert_null(strbuf_reserve(&buf, SIZE_MAX / 2));
    assert_true(buf.failed);
    strbuf_puts(&buf, "ignored");
    strbuf_printf(&buf, "%d", 1);
    strbuf_putc(&buf, 'c');
    strbuf_commit(&buf, 1);
    assert_string_equal(strbuf_text(&buf), "kept");
    assert_null(strbuf_take(&buf));
    assert_false(buf.failed);
    strbuf_puts(&buf, "new");
    assert_string_equal(strbuf_text(&buf), "new");
    strbuf_fini(&buf);
}

static void reserve_and_commit(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf);
    for (int i = 0; i < 100; i++) {
        char *end = strbuf_reserve(&buf, 50);
        assert_non_null(end);
        memcpy(end, "abc", 3);
        strbuf_commit(&buf, 3);
    }
    assert_int_equal(buf.length, 300);
    assert_int_equal(strlen(strbuf_text(&buf)), 300);
    strbuf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer),
        cmocka_unit_test(pieces_join),
        cmocka_unit_test(growth_keeps_everything),
        cmocka_unit_test(printf_at_every_fill),
        cmocka_unit_test(failure_keeps_what_there_was),
        cmocka_unit_test(reserve_and_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
