/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"
#include "base/utf8.h"

enum { THREADS = 4, EVENTS = 200, TEXT_BYTES = 1 << 20 };

static char *text;
static FILE *file;

static int begin(void **state)
{
    (void)state;
    text = malloc(TEXT_BYTES);
    file = tmpfile();
    if (text == NULL || file == NULL)
        return -1;
    log_set_fd(fileno(file));
    return 0;
}

static int end(void **state)
{
    (void)state;
    log_set_fd(STDERR_FILENO);
    log_set_level(LOG_INFO);
    log_set_context("");
    free(text);
    return fclose(file);
}

/* All that was logged since the test began. */
static const char *logged(void)
{
    ssize_t got = pread(fileno(file), text, TEXT_BYTES - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* The part after "2026-01-31T12:00:00.123Z ", whose form is checked. */
static const char *after_time(const char *line)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], form[i]);
    }
    return line + sizeof(form) - 1;
}

static void an_event_is_a_line(void **state)
{
    (void)state;
    errno = 42;
    log_warn("model.load", "tenant=%s ms=%u", "bert", 12U);
    assert_int_equal(errno, 42);
    assert_string_equal(after_time(logged()), "warn model.load tenant=bert ms=12\n");
}

static void an_empty_message(void **state)
{
    (void)state;
    log_info("start", "%s", "");
    assert_string_equal(after_time(logged()), "info start\n");
}

static void context_comes_after_the_event(void **state)
{
    (void)state;
    log_set_context("host=bert");
    log_error("host.exit", "status=%d", 1);
    assert_string_equal(after_time(logged()), "error host.exit host=bert status=1\n");
}

static void levels_filter(void **state)
{
    (void)state;
    log_debug("a", "x=%d", 1);
    assert_string_equal(logged(), "");
    log_set_level(LOG_DEBUG);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    log_debug("b", "x=%d", 1);
    assert_string_equal(after_time(logged()), "debug b x=1\n");
    log_set_level(LOG_ERROR);
    log_warn("c", "x=%d", 1);
    assert_null(strstr(logged(), " c "));
}

static void levels_parse(void **state)
{
    (void)state;
    enum log_level level = LOG_WARN;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("Debug", &level), -1);
    assert_int_equal(log_level_parse("", &level), -1);
    assert_int_equal(level, LOG_DEBUG);
}

static void a_long_or_dirty_message_stays_one_line(void **state)
{
    (void)state;
    char *huge = malloc(10000);
    memset(huge, 'x', 9999);
    huge[9999] = '\0';
    log_info("big", "v=%s", huge);
    free(huge);
    const char *line = logged();
    assert_int_equal(strlen(line), 2048);
    assert_ptr_equal(strchr(line, '\n'), line + 2047);
    log_info("dirty", "a=%s", "1\nforged\r\x1b[0m");
    (void)logged();
    assert_string_equal(after_time(text + 2048), "info dirty a=1 forged  [0m\n");
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 3; shift++) {
        char message[3000];
        memset(message, 'x', (size_t)shift);
        for (size_t at = (size_t)shift; at + 3 < sizeof(message); at += 3)
            memcpy(message + at, "\xE2\x82\xAC", 4);
        size_t before = strlen(logged());
        log_info("big", "v=%s", message);
        size_t length = strlen(logged()) - before;
        assert_in_range(length, 2046, 2048);
        assert_true(utf8_valid(text + before, length));
    }
}

static void quoting(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(log_quote("plain", out, sizeof(out)), "\"plain\"");
    assert_string_equal(log_quote("", out, sizeof(out)), "\"\"");
    assert_string_equal(log_quote("a \"b\" \\ \n\t\x01\xff", out, sizeof(out)),
                        "\"a \\\"b\\\" \\\\ \\n\\t\\x01\\xff\"");
    assert_string_equal(log_quote("\xE2\x82\xAC", out, sizeof(out)), "\"\xE2\x82\xAC\"");
    log_info("q", "path=%s and=%s", LOG_Q("a b"), LOG_Q("c\"d"));
    assert_string_equal(after_time(logged()), "info q path=\"a b\" and=\"c\\\"d\"\n");
}

static void quoting_fits_any_buffer(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 40; bytes++) {
        char out[40];
        memset(out, '#', sizeof(out));
        (void)log_quote("\"\xE2\x82\xAC\n\xE2\x82\xAC\x01 and more", out, bytes);
        if (bytes == 0) {
            assert_int_equal(out[0], '#');
            continue;
        }
        size_t length = strlen(out);
        assert_true(length < bytes && utf8_valid(out, length));
        if (bytes >= 3)
            assert_true(length >= 2 && out[0] == '"' && out[length - 1] == '"');
    }
}

static void *log_many(void *name)
{
    for (int i = 0; i < EVENTS; i++) {
        log_info("thread.event", "name=%s i=%d", (const char *)name, i);
        if (i % 50 == 0)
            log_set_context(i % 100 == 0 ? "c=0" : "c=1");
    }
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    /* Appending is what makes writes of several threads to one file atomic. */
    assert_int_equal(fcntl(fileno(file), F_SETFL, O_APPEND), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    size_t lines = 0;
    for (const char *line = logged(); *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_memory_equal(after_time(line), "info thread.event ", 18);
        lines++;
    }
    assert_int_equal(lines, THREADS * EVENTS);
}

#define LOG_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_event_is_a_line),
        LOG_TEST(an_empty_message),
        LOG_TEST(context_comes_after_the_event),
        LOG_TEST(levels_filter),
        LOG_TEST(levels_parse),
        LOG_TEST(a_long_or_dirty_message_stays_one_line),
        LOG_TEST(long_messages_are_cut_between_characters),
        LOG_TEST(quoting),
        LOG_TEST(quoting_fits_any_buffer),
        LOG_TEST(threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
