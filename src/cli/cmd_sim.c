/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "cli/commands.h"
#include "core/decision_log.h"
#include "policy/registry.h"
#include "sim/replay.h"
#include "sim/sim.h"

enum { SIM_POLICIES_MAX = 32, SIM_LOG_BYTES_MAX = 1 << 30 };

struct sim_arguments {
    const char *policy, *log, *svg, *replay;
    struct option_list set;
    int64_t seed;
    bool json, keys, check;
};

static const struct option sim_table[] = {
    {.name = "policy",
     .type = OPTION_STRING,
     .offset = offsetof(struct sim_arguments, policy),
     .default_text = "static",
     .unit = "NAME[,NAME...]",
     .help = "policies to run, each on the same arrivals; all: every one there is"},
    {.name = "set",
     .type = OPTION_LIST,
     .offset = offsetof(struct sim_arguments, set),
     .unit = "NAME.OPTION=VALUE",
     .help = "an option of a policy; may be given many times"},
    {.name = "seed",
     .type = OPTION_INT,
     .offset = offsetof(struct sim_arguments, seed),
     .default_text = "1",
     .minimum = 0,
     .maximum = -1,
     .help = "of everything random"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct sim_arguments, json),
     .help = "report as JSON"},
    {.name = "svg",
     .type = OPTION_STRING,
     .offset = offsetof(struct sim_arguments, svg),
     .unit = "FILE",
     .help = "draw the time lines; with several policies into FILE-POLICY.svg"},
    {.name = "log",
     .type = OPTION_STRING,
     .offset = offsetof(struct sim_arguments, log),
     .unit = "FILE",
     .help = "write the decision log; of one policy"},
    {.name = "replay",
     .type = OPTION_STRING,
     .offset = offsetof(struct sim_arguments, replay),
     .unit = "LOG",
     .help = "make a log's plans again and compare them byte for byte; needs no scenario"},
    {.name = "check",
     .type = OPTION_FLAG,
     .offset = offsetof(struct sim_arguments, check),
     .help = "only read the scenario and tell its mistakes"},
    {.name = "keys",
     .type = OPTION_FLAG,
     .offset = offsetof(struct sim_arguments, keys),
     .help = "list all keys of a scenario"},
};
static const size_t sim_option_count = sizeof sim_table / sizeof *sim_table;

void cmd_sim_help(void)
{
    size_t count;
    const struct roost_policy *const *policies = policy_list(&count);
    puts("roost sim SCENARIO.yaml     runs the scenario in virtual time and reports");
    puts("roost sim --replay LOG      exits with 1 when a plan differs\n");
    options_help(sim_table, sim_option_count, stdout);
    puts("\nPolicies and their options:");
    for (size_t i = 0; i < count; i++) {
        printf("\n%s: %s\n", policies[i]->name, policies[i]->summary);
        options_help(policies[i]->options, policies[i]->option_count, stdout);
    }
}

static int sim_fail(enum roost_err err, const char *text)
{
    fprintf(stderr, "roost sim: %s\n", text);
    return roost_err_exit_code(err);
}

static int sim_replay(const struct sim_arguments *arguments)
{
    char *log;
    size_t bytes;
    struct detail detail;
    struct replay replay;
    enum roost_err err = file_read(arguments->replay, SIM_LOG_BYTES_MAX, &log, &bytes, &detail);
    if (err != ROOST_OK)
        return sim_fail(err, detail.text);
    err = replay_run(log, bytes, policy_find, &replay, &detail);
    free(log);
    if (err != ROOST_OK)
        return sim_fail(err, detail.text);
    printf("%llu decisions, %llu the same byte for byte%s\n", (unsigned long long)replay.decisions,
           (unsigned long long)replay.same, replay.cut ? "; the log ends within a record" : "");
    if (replay.same == replay.decisions)
        return 0;
    printf("the first that differs: tick %llu\n", (unsigned long long)replay.first_tick);
    return 1;
}

struct sim_log {
    struct strbuf text;
};

static void sim_decided(void *context, const struct roost_view *view, const struct roost_plan *plan,
                        enum policy_outcome outcome)
{
    struct sim_log *log = context;
    decision_log_add_decision(&log->text, view, plan, outcome);
}

static enum roost_err sim_write(const char *path, struct strbuf *text, struct detail *detail)
{
    if (text->failed)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    return file_write_atomic(path, strbuf_text(text), text->length, detail);
}

/* "run.svg" and "hera" make "run-hera.svg". */
static void sim_svg_path(const char *path, const char *policy, char *out, size_t out_bytes)
{
    const char *dot = strrchr(path, '.');
    const char *slash = strrchr(path, '/');
    if (dot == NULL || (slash != NULL && dot < slash))
        dot = path + strlen(path);
    snprintf(out, out_bytes, "%.*s-%s%s", (int)(dot - path), path, policy, dot);
}

static enum roost_err sim_write_svg(const struct sim_arguments *arguments, bool several,
                                    const struct result *result, struct detail *detail)
{
    char path[FILE_PATH_BYTES_MAX];
    struct strbuf svg;
    snprintf(path, sizeof path, "%s", arguments->svg);
    if (several)
        sim_svg_path(arguments->svg, result->policy, path, sizeof path);
    strbuf_init(&svg);
    result_write_svg(result, &svg);
    enum roost_err err = sim_write(path, &svg, detail);
    strbuf_fini(&svg);
    return err;
}

/* One policy; its report is added to `out`. */
static enum roost_err sim_one(const struct sim_arguments *arguments,
                              const struct scenario *scenario, const struct roost_policy *policy,
                              bool several, struct strbuf *out, struct detail *detail)
{
    struct sim_log log;
    struct result result;
    struct decision_log_policy logged = {
        .name = policy->name, .version = policy->version, .tenants_max = scenario->tenant_count};
    size_t name_bytes = strlen(policy->name);
    for (size_t i = 0; i < arguments->set.count; i++) {
        const char *text = arguments->set.items[i];
        if (strncmp(text, policy->name, name_bytes) == 0 && text[name_bytes] == '.' &&
            logged.assignment_count < DECISION_LOG_ASSIGNMENTS_MAX)
            logged.assignments[logged.assignment_count++] = text + name_bytes + 1;
    }
    strbuf_init(&log.text);
    decision_log_begin(&log.text);
    decision_log_add_policy(&log.text, &logged);
    struct sim_options options = {.scenario = scenario,
                                  .policy = policy,
                                  .assignments = logged.assignments,
                                  .assignment_count = logged.assignment_count,
                                  .seed = (uint64_t)arguments->seed,
                                  .decided = arguments->log != NULL ? sim_decided : NULL,
                                  .context = &log};
    enum roost_err err = sim_run(&options, &result, detail);
    if (err == ROOST_OK) {
        if (arguments->json)
            result_write_json(&result, out);
        else
            result_write_table(&result, out);
        if (arguments->log != NULL)
            err = sim_write(arguments->log, &log.text, detail);
        if (err == ROOST_OK && arguments->svg != NULL)
            err = sim_write_svg(arguments, several, &result, detail);
        result_fini(&result);
    }
    strbuf_fini(&log.text);
    return err;
}

/* The policies of a list of names. */
static enum roost_err sim_policies(const char *names, const struct roost_policy **policies,
                                   size_t *count, struct detail *detail)
{
    *count = 0;
    if (strcmp(names, "all") == 0) {
        size_t all;
        const struct roost_policy *const *list = policy_list(&all);
        for (size_t i = 0; i < all && i < SIM_POLICIES_MAX; i++)
            policies[(*count)++] = list[i];
        return ROOST_OK;
    }
    for (const char *at = names; *at != '\0';) {
        char name[64];
        size_t length = strcspn(at, ",");
        if (*count == SIM_POLICIES_MAX)
            return detail_set(detail, ROOST_INVALID, "more than %d policies", SIM_POLICIES_MAX);
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        enum roost_err err = policy_find(name, &policies[*count], detail);
        if (err != ROOST_OK)
            return err;
        (*count)++;
        at += length + (at[length] == ',');
    }
    return *count > 0 ? ROOST_OK : detail_set(detail, ROOST_INVALID, "name a policy");
}

/* Every option must be of a policy that runs, or it would be left out without a word. */
static enum roost_err sim_check_set(const struct sim_arguments *arguments,
                                    const struct roost_policy *const *policies, size_t count,
                                    struct detail *detail)
{
    for (size_t i = 0; i < arguments->set.count; i++) {
        const char *text = arguments->set.items[i];
        bool known = false;
        for (size_t p = 0; p < count; p++) {
            size_t bytes = strlen(policies[p]->name);
            known |= strncmp(text, policies[p]->name, bytes) == 0 && text[bytes] == '.';
        }
        if (!known)
            return detail_set(detail, ROOST_INVALID,
                              "--set %s: must begin with the name of a policy that runs, and a dot",
                              text);
    }
    if (arguments->log != NULL && count > 1)
        return detail_set(detail, ROOST_INVALID, "--log is for one policy");
    return ROOST_OK;
}

static enum roost_err sim_all(const struct sim_arguments *arguments,
                              const struct scenario *scenario, struct detail *detail)
{
    const struct roost_policy *policies[SIM_POLICIES_MAX];
    size_t count;
    struct strbuf out;
    enum roost_err err = sim_policies(arguments->policy, policies, &count, detail);
    if (err == ROOST_OK)
        err = sim_check_set(arguments, policies, count, detail);
    strbuf_init(&out);
    if (arguments->json)
        strbuf_putc(&out, '[');
    for (size_t i = 0; i < count && err == ROOST_OK; i++) {
        if (i > 0)
            strbuf_putc(&out, arguments->json ? ',' : '\n');
        err = sim_one(arguments, scenario, policies[i], count > 1, &out, detail);
    }
    if (arguments->json)
        strbuf_puts(&out, "]\n");
    if (err == ROOST_OK)
        fputs(strbuf_text(&out), stdout);
    strbuf_fini(&out);
    return err;
}

static int sim_scenario(const struct sim_arguments *arguments, const char *path)
{
    struct yaml_errors errors;
    struct scenario scenario;
    struct detail detail;
    yaml_errors_init(&errors, path);
    enum roost_err err = scenario_read(path, &errors, &scenario);
    if (err != ROOST_OK) {
        fputs(strbuf_text(&errors.text), stderr);
        yaml_errors_fini(&errors);
        return 2;
    }
    yaml_errors_fini(&errors);
    if (!arguments->check)
        err = sim_all(arguments, &scenario, &detail);
    scenario_fini(&scenario);
    return err == ROOST_OK ? 0 : sim_fail(err, detail.text);
}

int cmd_sim(int argc, char **argv)
{
    struct sim_arguments arguments = {0};
    struct detail detail;
    int first;
    enum roost_err err = options_parse(sim_table, sim_option_count, argc, argv, &arguments, &first,
                                       &detail);
    if (err != ROOST_OK)
        return sim_fail(err, detail.text);
    if (arguments.keys) {
        struct strbuf out;
        strbuf_init(&out);
        scenario_write_doc(&out);
        fputs(strbuf_text(&out), stdout);
        strbuf_fini(&out);
        return 0;
    }
    if (arguments.replay != NULL && first == argc)
        return sim_replay(&arguments);
    if (arguments.replay != NULL || first + 1 != argc)
        return sim_fail(ROOST_INVALID, "name one scenario, or a log with --replay");
    return sim_scenario(&arguments, argv[first]);
}
