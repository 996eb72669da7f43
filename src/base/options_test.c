/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

struct settings {
    bool help, verbose, cache;
    int64_t cores;
    double rate;
    uint64_t slo_ns;
    uint64_t memory;
    const char *output;
    int mode;
    struct option_list models;
};

static const char *const modes[] = {"fast", "safe", NULL};

#define AT(member) offsetof(struct settings, member)

static const struct option table[] = {
    {.name = "help", .type = OPTION_FLAG, .offset = AT(help), .help = "show this"},
    {.name = "verbose", .type = OPTION_FLAG, .offset = AT(verbose), .help = "say more"},
    {.name = "cache",
     .type = OPTION_FLAG,
     .offset = AT(cache),
     .default_text = "true",
     .help = "keep models"},
    {.name = "cores",
     .type = OPTION_INT,
     .offset = AT(cores),
     .minimum = 1,
     .maximum = 64,
     .default_text = "2",
     .help = "cores to use"},
    {.name = "rate", .type = OPTION_DOUBLE, .offset = AT(rate), .help = "requests/s"},
    {.name = "slo",
     .type = OPTION_DURATION,
     .offset = AT(slo_ns),
     .minimum = 1e6,
     .maximum = 1e10,
     .default_text = "100 ms",
     .help = "latency objective"},
    {.name = "memory", .type = OPTION_BYTES, .offset = AT(memory), .help = "limit"},
    {.name = "output",
     .type = OPTION_STRING,
     .offset = AT(output),
     .unit = "PATH",
     .help = "where the report goes"},
    {.name = "mode",
     .type = OPTION_ENUM,
     .offset = AT(mode),
     .choices = modes,
     .default_text = "safe",
     .help = "how"},
    {.name = "a-model-with-a-long-name",
     .type = OPTION_LIST,
     .offset = AT(models),
     .unit = "NAME",
     .help = "a model"},
};
enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]), ARGS_MAX = 16 };

static struct settings settings;
static struct detail detail;
static char *arguments[ARGS_MAX];
static int argument_count;
static int positional;

/* Splits at '|' and parses. */
static enum roost_err parse(const char *line)
{
    static char text[512];
    (void)snprintf(text, sizeof(text), "roost%s%s", *line == '\0' ? "" : "|", line);
    settings = (struct settings){0};
    detail = (struct detail){0};
    argument_count = 0;
    for (char *rest = text, *word; (word = strsep(&rest, "|")) != NULL;)
        arguments[argument_count++] = word;
    return options_parse(table, TABLE_COUNT, argument_count, arguments, &settings, &positional,
                         &detail);
}

static void expect_error(const char *line, const char *reason)
{
    assert_int_equal(parse(line), ROOST_INVALID);
    assert_string_equal(detail.text, reason);
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(""), ROOST_OK);
    assert_int_equal(positional, 1);
    assert_false(settings.help || settings.verbose);
    assert_true(settings.cache);
    assert_int_equal(settings.cores, 2);
    assert_int_equal(settings.slo_ns, 100000000);
    assert_int_equal(settings.mode, 1);
    assert_null(settings.output);
}

static void every_type(void **state)
{
    (void)state;
    assert_int_equal(parse("--verbose|--no-cache|--cores|4|--rate=1.5e3|--slo|20ms|--memory=2GiB|"
                           "--output|a=b|--mode=fast|--a-model-with-a-long-name|x|"
                           "--a-model-with-a-long-name=y"),
                     ROOST_OK);
    assert_int_equal(positional, argument_count);
    assert_true(settings.verbose && !settings.cache);
    assert_int_equal(settings.cores, 4);
    assert_true(settings.rate > 1499.0 && settings.rate < 1501.0);
    assert_int_equal(settings.slo_ns, 20000000);
    assert_true(settings.memory == UINT64_C(2) << 30);
    assert_string_equal(settings.output, "a=b");
    assert_int_equal(settings.mode, 0);
    assert_int_equal(settings.models.count, 2);
    assert_string_equal(settings.models.items[1], "y");
}

static void flags_take_values_and_the_last_wins(void **state)
{
    (void)state;
    assert_int_equal(parse("--verbose=true|--cache=false|-h|--cores=3|--cores=5"), ROOST_OK);
    assert_true(settings.verbose && settings.help && !settings.cache);
    assert_int_equal(settings.cores, 5);
    assert_int_equal(parse("--output=--odd|--rate|-5"), ROOST_OK);
    assert_string_equal(settings.output, "--odd");
    assert_true(settings.rate < -4.9);
    assert_int_equal(parse("--output="), ROOST_OK);
    assert_string_equal(settings.output, "");
}

static void positionals_move_to_the_end(void **state)
{
    (void)state;
    assert_int_equal(parse("one|--cores|4|two|-|--verbose|--|--mode|-x"), ROOST_OK);
    static const char *const wanted[] = {"--cores", "4", "--verbose", "--", "one",
                                         "two",     "-", "--mode",    "-x"};
    assert_int_equal(positional, 5);
    for (int i = 0; i < 9; i++)
        assert_string_equal(arguments[i + 1], wanted[i]);
    assert_int_equal(settings.cores, 4);
    assert_int_equal(settings.mode, 1);
    assert_int_equal(parse("only"), ROOST_OK);
    assert_int_equal(positional, 1);
    assert_int_equal(parse("--|--cores"), ROOST_OK);
    assert_int_equal(positional, 2);
}

static void no_arguments_at_all(void **state)
{
    (void)state;
    char *none[] = {NULL};
    assert_int_equal(options_parse(table, TABLE_COUNT, 0, none, &settings, &positional, NULL),
                     ROOST_OK);
    assert_int_equal(positional, 0);
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    expect_error("--coers=1", "unknown option --coers: did you mean --cores?");
    expect_error("--zzz", "unknown option --zzz");
    expect_error("--no-cores", "unknown option --no-cores");
    expect_error("--=1", "unknown option --");
    expect_error("-v", "unknown option -v: long options only (--name)");
    expect_error("--cores", "option --cores: a value is missing");
    expect_error("--cores|--verbose", "option --cores: a value is missing");
    expect_error("--cores=x", "option cores: an integer wanted, not \"x\"");
    expect_error("--cores=0", "option cores: must be between 1 and 64, not 0");
    expect_error("--rate=nan", "option rate: a number wanted, not \"nan\"");
    expect_error("--slo=12", "option slo: a duration such as \"120 ms\" wanted, not \"12\"");
    expect_error("--slo=1us", "option slo: must be between 1.00 ms and 10.0 s, not 1us");
    expect_error("--memory=1 mb", "option memory: a size such as \"512 MiB\" wanted, not \"1 mb\"");
    expect_error("--mode=slow", "option mode: one of fast, safe wanted, not \"slow\"");
    expect_error("--verbose=maybe", "option verbose: true or false wanted, not \"maybe\"");
}

static void bad_values_do_not_reach_the_target(void **state)
{
    (void)state;
    assert_int_equal(parse("--cores=65"), ROOST_INVALID);
    assert_int_equal(settings.cores, 2);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    settings = (struct settings){0};
    for (int i = 0; i < OPTION_LIST_MAX; i++)
        assert_int_equal(
            options_set(table, TABLE_COUNT, "a-model-with-a-long-name=m", &settings, NULL),
            ROOST_OK);
    assert_int_equal(
        options_set(table, TABLE_COUNT, "a-model-with-a-long-name=m", &settings, &detail),
        ROOST_INVALID);
    assert_string_equal(detail.text, "option a-model-with-a-long-name: given more than 256 times");
}

static void assignments(void **state)
{
    (void)state;
    assert_int_equal(options_defaults(table, TABLE_COUNT, &settings, NULL), ROOST_OK);
    assert_int_equal(options_set(table, TABLE_COUNT, "cores=7", &settings, NULL), ROOST_OK);
    assert_int_equal(settings.cores, 7);
    assert_int_equal(options_set(table, TABLE_COUNT, "cors=7", &settings, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, "unknown option cors: did you mean cores?");
    assert_int_equal(options_set(table, TABLE_COUNT, "cores", &settings, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, "\"cores\": NAME=VALUE wanted");
}

static void help_text(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    options_help(table, TABLE_COUNT, out);
    (void)fclose(out);
    assert_string_equal(text, "  -h, --help                show this\n"
                              "  --[no-]verbose            say more\n"
                              "  --[no-]cache              keep models (default: on)\n"
                              "  --cores N                 cores to use (default: 2)\n"
                              "  --rate X                  requests/s\n"
                              "  --slo TIME                latency objective (default: 100 ms)\n"
                              "  --memory SIZE             limit\n"
                              "  --output PATH             where the report goes\n"
                              "  --mode fast|safe          how (default: safe)\n"
                              "  --a-model-with-a-long-name NAME\n"
                              "                            a model (may be repeated)\n");
    free(text);
}

static void nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"cores", "mode", "memory", "slo", "model"};
    assert_string_equal(nearest_name("core", names, 5), "cores");
    assert_string_equal(nearest_name("soclre", names, 0) == NULL ? "none" : "some", "none");
    assert_string_equal(nearest_name("memroy", names, 5), "memory");
    assert_string_equal(nearest_name("modell", names, 5), "model");
    assert_string_equal(nearest_name("mode", names, 5), "mode");
    assert_string_equal(nearest_name("sol", names, 5), "slo");
    assert_null(nearest_name("so", names, 5));
    assert_null(nearest_name("", names, 5));
    assert_null(nearest_name("mmmory2x", names, 5));
    char long_name[200];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_null(nearest_name(long_name, names, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_type),
        cmocka_unit_test(flags_take_values_and_the_last_wins),
        cmocka_unit_test(positionals_move_to_the_end),
        cmocka_unit_test(no_arguments_at_all),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(bad_values_do_not_reach_the_target),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(assignments),
        cmocka_unit_test(help_text),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
