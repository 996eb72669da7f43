/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "cli/commands.h"
#include "serve/server.h"

/* What the command line says; it outweighs roost.yaml, also after a reload. Targets stay as they
 * are when not given. */
struct serve_options {
    const char *config, *host, *control, *cache, *engine_library, *log_level;
    struct option_list repositories, load_models;
    int64_t http_port, metrics_port;
    int control_mode;
    uint64_t poll_interval_ns, grace_ns, memory_reserve_bytes, tick_ns;
    const char *policy, *decision_log;
    struct option_list policy_options;
    bool sandbox, knobs;
    const char *knob_root;
};

enum { NOT_GIVEN = -1 };

static const char *const control_modes[] = {"none", "poll", "explicit", NULL};

static const struct option serve_table[] = {
    {.name = "config",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, config),
     .unit = "FILE",
     .help = "roost.yaml: tenants with SLOs, variants and limits"},
    {.name = "model-repository",
     .type = OPTION_LIST,
     .offset = offsetof(struct serve_options, repositories),
     .unit = "PATH",
     .help = "a Triton model repository, a directory with an ONNX file, or such a file"},
    {.name = "host",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, host),
     .unit = "ADDRESS",
     .help = "address to listen on (default: all)"},
    {.name = "http-port",
     .type = OPTION_INT,
     .offset = offsetof(struct serve_options, http_port),
     .minimum = 0,
     .maximum = 65535,
     .unit = "PORT",
     .help = "inference port (default: 8000; 0: any free one)"},
    {.name = "metrics-port",
     .type = OPTION_INT,
     .offset = offsetof(struct serve_options, metrics_port),
     .minimum = 0,
     .maximum = 65535,
     .unit = "PORT",
     .help = "a port for metrics and health alone"},
    {.name = "control",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, control),
     .unit = "PATH",
     .help = "Unix socket for Roost's own management (default: $XDG_RUNTIME_DIR/roost.sock, or "
             "/run/roost.sock for root; none: no such socket)"},
    {.name = "model-control-mode",
     .type = OPTION_ENUM,
     .offset = offsetof(struct serve_options, control_mode),
     .choices = control_modes,
     .help =
         "who loads models: none (all, at start), poll (also what changes), explicit (the API)"},
    {.name = "load-model",
     .type = OPTION_LIST,
     .offset = offsetof(struct serve_options, load_models),
     .unit = "NAME",
     .help = "with explicit: load this model at the start; '*': all"},
    {.name = "poll-interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct serve_options, poll_interval_ns),
     .minimum = 1e8,
     .maximum = -1,
     .unit = "TIME",
     .help = "with poll: time between looks at the repository"},
    {.name = "cache",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, cache),
     .unit = "DIR",
     .help = "where optimised models are kept"},
    {.name = "engine-library",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, engine_library),
     .unit = "FILE",
     .help = "ONNX Runtime's shared library (default: looked for)"},
    {.name = "grace",
     .type = OPTION_DURATION,
     .offset = offsetof(struct serve_options, grace_ns),
     .minimum = 1,
     .maximum = -1,
     .unit = "TIME",
     .help = "at SIGTERM: time to finish"},
    {.name = "memory-reserve",
     .type = OPTION_BYTES,
     .offset = offsetof(struct serve_options, memory_reserve_bytes),
     .minimum = 0,
     .maximum = -1,
     .unit = "BYTES",
     .help = "memory that models may not take"},
    {.name = "policy",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, policy),
     .unit = "NAME",
     .help = "who moves grants and variants, see: roost policy list (default: none)"},
    {.name = "policy-option",
     .type = OPTION_LIST,
     .offset = offsetof(struct serve_options, policy_options),
     .unit = "OPTION=VALUE",
     .help = "an option of the policy"},
    {.name = "tick",
     .type = OPTION_DURATION,
     .offset = offsetof(struct serve_options, tick_ns),
     .minimum = 1e7,
     .maximum = -1,
     .unit = "TIME",
     .help = "between two decisions of the policy (default: 250 ms)"},
    {.name = "decision-log",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, decision_log),
     .unit = "FILE",
     .help = "record every decision there, for: roost sim --replay FILE"},
    {.name = "sandbox",
     .type = OPTION_FLAG,
     .offset = offsetof(struct serve_options, sandbox),
     .default_text = "true",
     .help = "confine hosts (--no-sandbox: do not)"},
    {.name = "knobs",
     .type = OPTION_FLAG,
     .offset = offsetof(struct serve_options, knobs),
     .default_text = "true",
     .help = "let policies divide the node, see: roost node (--no-knobs: do not)"},
    {.name = "knob-root",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, knob_root),
     .unit = "DIR",
     .help = "a tree of plain files in place of the machine's, to try policies on"},
    {.name = "log-level",
     .type = OPTION_STRING,
     .offset = offsetof(struct serve_options, log_level),
     .unit = "LEVEL",
     .help = "error, warn, info or debug (default: info)"},
};
static const size_t serve_count = sizeof serve_table / sizeof *serve_table;

void cmd_serve_help(void)
{
    options_help(serve_table, serve_count, stdout);
}

static void replace_text(char **place, const char *text)
{
    if (text != NULL) {
        free(*place);
        *place = strdup(text);
    }
}

static char *join_names(const struct option_list *list, const char *between)
{
    struct strbuf out;
    strbuf_init(&out);
    for (size_t i = 0; i < list->count; i++) {
        strbuf_printf(&out, "%s%s", i > 0 ? between : "", list->items[i]);
    }
    return strbuf_take(&out);
}

/* Puts the command line's words over what roost.yaml says. */
static void serve_override(void *user, struct settings *settings)
{
    const struct serve_options *options = user;
    replace_text(&settings->host, options->host);
    replace_text(&settings->control_socket, options->control);
    replace_text(&settings->cache_directory, options->cache);
    replace_text(&settings->engine_library, options->engine_library);
    replace_text(&settings->decision_log, options->decision_log);
    replace_text(&settings->policy, options->policy);
    if (options->policy != NULL || options->policy_options.count > 0) {
        free(settings->policy_options);
        settings->policy_options = join_names(&options->policy_options, "\n");
    }
    if (options->tick_ns != 0) {
        settings->tick_ns = options->tick_ns;
    }
    if (options->repositories.count > 0) {
        for (unsigned i = 0; i < settings->repository_count; i++) {
            free(settings->repositories[i]);
        }
        settings->repository_count = 0;
        for (size_t i = 0; i < options->repositories.count; i++) {
            settings->repositories[settings->repository_count++] = strdup(
                options->repositories.items[i]);
        }
    }
    if (options->load_models.count > 0) {
        free(settings->load_models);
        settings->load_models = join_names(&options->load_models, ",");
    }
    if (options->http_port != NOT_GIVEN) {
        settings->http_port = (unsigned)options->http_port;
    }
    if (options->metrics_port != NOT_GIVEN) {
        settings->metrics_port = (unsigned)options->metrics_port;
        settings->metrics_port_set = true;
    }
    if (options->control_mode != NOT_GIVEN) {
        settings->control_mode = (enum control_mode)options->control_mode;
    }
    if (options->poll_interval_ns != 0) {
        settings->poll_interval_ns = options->poll_interval_ns;
    }
    if (options->grace_ns != 0) {
        settings->grace_ns = options->grace_ns;
    }
    if (options->memory_reserve_bytes != UINT64_MAX) {
        settings->memory_reserve_bytes = options->memory_reserve_bytes;
    }
    settings->sandbox &= options->sandbox;
    settings->knobs &= options->knobs;
    replace_text(&settings->knob_root, options->knob_root);
}

static int serve_read_config(const struct serve_options *options, struct settings *settings)
{
    if (options->config == NULL) {
        settings_init(settings);
        return 0;
    }
    struct yaml_errors errors;
    yaml_errors_init(&errors, options->config);
    enum roost_err err = settings_read_file(options->config, &errors, settings);
    if (err != ROOST_OK) {
        fprintf(stderr, "%s", strbuf_text(&errors.text));
        fprintf(stderr, "roost serve: %zu mistake%s in %s\n", errors.count,
                errors.count == 1 ? "" : "s", options->config);
        settings_fini(settings);
    }
    yaml_errors_fini(&errors);
    return err == ROOST_OK ? 0 : 2;
}

int cmd_serve(int argc, char **argv)
{
    struct serve_options options = {.http_port = NOT_GIVEN,
                                    .metrics_port = NOT_GIVEN,
                                    .control_mode = NOT_GIVEN,
                                    .memory_reserve_bytes = UINT64_MAX};
    struct detail detail;
    int positional;
    enum log_level level = LOG_INFO;
    enum roost_err err = options_parse(serve_table, serve_count, argc, argv, &options, &positional,
                                       &detail);
    if (err == ROOST_OK && positional < argc) {
        err = detail_set(&detail, ROOST_INVALID,
                         "unexpected argument '%s': give it as --model-repository %s",
                         argv[positional], argv[positional]);
    }
    if (err == ROOST_OK && options.repositories.count > SETTINGS_REPOSITORIES_MAX) {
        err = detail_set(&detail, ROOST_INVALID, "--model-repository: at most %d are possible",
                         SETTINGS_REPOSITORIES_MAX);
    }
    if (err == ROOST_OK && options.log_level != NULL &&
        log_level_parse(options.log_level, &level) != 0) {
        err = detail_set(&detail, ROOST_INVALID,
                         "--log-level %s: must be error, warn, info or debug", options.log_level);
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "roost serve: %s\n", detail.text);
        return 2;
    }
    log_set_level(level);
    struct settings settings;
    int code = serve_read_config(&options, &settings);
    if (code != 0) {
        return code;
    }
    serve_override(&options, &settings);
    if (settings.repository_count == 0 && settings.tenant_count == 0) {
        fprintf(stderr, "roost serve: nothing to serve: give --model-repository PATH or --config "
                        "FILE with tenants\n");
        settings_fini(&settings);
        return 2;
    }
    struct server_options server = {
        .config_path = options.config, .override = serve_override, .user = &options};
    return server_run(&settings, &server);
}
