/* SPDX-License-Identifier: Apache-2.0 */
/* How the tenants of a running server fare: load, latency against the promise, grants, variants. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "cli/commands.h"
#include "cli/control_client.h"

struct status_options {
    const char *control;
    bool json, watch;
    uint64_t interval_ns;
};

static const struct option status_table[] = {
    {.name = "control",
     .type = OPTION_STRING,
     .offset = offsetof(struct status_options, control),
     .unit = "PATH",
     .help = CONTROL_HELP},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct status_options, json),
     .help = "print the server's answer as it is"},
    {.name = "watch",
     .type = OPTION_FLAG,
     .offset = offsetof(struct status_options, watch),
     .help = "again and again, until interrupted"},
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct status_options, interval_ns),
     .minimum = 5e7,
     .maximum = -1,
     .default_text = "1s",
     .unit = "TIME",
     .help = "with --watch: between two looks"},
};
static const size_t status_option_count = sizeof status_table / sizeof *status_table;

void cmd_status_help(void)
{
    options_help(status_table, status_option_count, stdout);
}

static double number(yyjson_val *object, const char *key)
{
    return yyjson_get_num(yyjson_obj_get(object, key));
}

static char *span(double ns, char *out, unsigned out_bytes)
{
    if (ns <= 0) {
        snprintf(out, out_bytes, "-");
        return out;
    }
    return duration_format((uint64_t)ns, out, out_bytes);
}

/* "large *medium small!": * serves, > starts, + stands by, ! failed. */
static void print_ladder(yyjson_val *variants)
{
    size_t i, count;
    yyjson_val *variant;
    yyjson_arr_foreach(variants, i, count, variant)
    {
        const char *state = control_text(variant, "state");
        const char *mark = strcmp(state, "serving") == 0    ? "*"
                           : strcmp(state, "starting") == 0 ? ">"
                           : strcmp(state, "warm") == 0     ? "+"
                           : strcmp(state, "failed") == 0   ? "!"
                                                            : "";
        printf(" %s%s", mark, control_text(variant, "name"));
    }
}

/* Columns for what this node can divide. */
struct columns {
    bool weight, slice, cache;
};

static bool has_knob(yyjson_val *manager, const char *name)
{
    size_t i, count;
    yyjson_val *knob;
    yyjson_arr_foreach(yyjson_obj_get(manager, "knobs"), i, count, knob)
    {
        if (yyjson_equals_str(knob, name)) {
            return true;
        }
    }
    return false;
}

static void print_knobs(yyjson_val *grant, const struct columns *columns)
{
    char slice[32];
    if (columns->weight) {
        printf("%6.0f ", number(grant, "weight"));
    }
    if (columns->slice) {
        bool idle = strcmp(control_text(grant, "class"), "idle") == 0;
        printf("%6s ", idle ? "idle" : span(number(grant, "slice_ns"), slice, sizeof slice));
    }
    if (columns->cache) {
        printf("%4.0f %4.0f ", number(grant, "ways"), number(grant, "bandwidth"));
    }
}

static void print_lane(yyjson_val *lane, const struct columns *columns)
{
    yyjson_val *window = yyjson_obj_get(lane, "window"), *grant = yyjson_obj_get(lane, "grant");
    char slo[32], tail[32], cores[16] = "shared";
    double percentile = number(lane, "slo_percentile");
    double at_ns = percentile > 0 ? number(window, "slo_latency_us") : number(window, "p95_us");
    if (strcmp(control_text(grant, "mode"), "exclusive") == 0) {
        snprintf(cores, sizeof cores, "%.1f", number(grant, "slots") / 10);
    }
    printf("%-20.20s %-11s %8.1f %7.1f %9s %9s ", control_text(lane, "tenant"),
           control_text(lane, "state"), number(window, "requests_per_s"),
           number(window, "rows_per_request"), span(at_ns * 1e3, tail, sizeof tail),
           span(number(lane, "slo_ns"), slo, sizeof slo));
    if (percentile > 0) {
        printf("%6.1f%% ", 100 * number(window, "attainment"));
    } else {
        printf("%7s ", "-");
    }
    printf("%6.0f %6s %3.0f ", number(lane, "queue_requests"), cores, number(grant, "workers"));
    print_knobs(grant, columns);
    printf("%7.2f %6.0f ", number(window, "cpu_cores"), number(lane, "resident_bytes") / (1 << 20));
    print_ladder(yyjson_obj_get(lane, "variants"));
    const char *reason = control_text(lane, "reason");
    printf("%s%s\n", reason[0] != '\0' ? "  " : "", reason);
}

static void print_status(yyjson_val *root)
{
    yyjson_val *manager = yyjson_obj_get(root, "manager");
    const char *fault = control_text(manager, "last_fault");
    printf("%s, %.0f cores, %.0f of %.0f MiB left; policy %s: %.0f moves, %.0f faults%s%s\n\n",
           yyjson_is_true(yyjson_obj_get(root, "ready")) ? "ready" : "not ready",
           number(root, "cores"), number(root, "memory_left_bytes") / (1 << 20),
           number(root, "memory_bytes") / (1 << 20), control_text(manager, "policy"),
           number(manager, "moves"), number(manager, "faults") + number(manager, "apply_failures"),
           fault[0] != '\0' ? "; last: " : "", fault);
    struct columns columns = {
        .weight = has_knob(manager, "weight"),
        .slice = has_knob(manager, "slice") || has_knob(manager, "class"),
        .cache = has_knob(manager, "ways") || has_knob(manager, "bandwidth"),
    };
    printf("%-20s %-11s %8s %7s %9s %9s %7s %6s %6s %3s %s%s%s%7s %6s  %s\n", "TENANT", "STATE",
           "REQ/S", "ROWS", "TAIL", "SLO", "WITHIN", "QUEUE", "CORES", "WRK",
           columns.weight ? "WEIGHT " : "", columns.slice ? " SLICE " : "",
           columns.cache ? "WAYS  BW% " : "", "CPU", "MIB",
           "VARIANTS (*serves +stands by >starts !failed)");
    size_t i, count;
    yyjson_val *lane;
    yyjson_arr_foreach(yyjson_obj_get(root, "lanes"), i, count, lane)
    {
        print_lane(lane, &columns);
    }
    fflush(stdout);
}

static enum roost_err status_once(const struct status_options *options, struct detail *detail)
{
    yyjson_doc *doc;
    char *text;
    enum roost_err err = control_call(options->control, "GET", "/v2/roost/status", NULL, &doc,
                                      &text, detail);
    if (err != ROOST_OK) {
        return err;
    }
    if (options->json) {
        puts(text);
        fflush(stdout);
    } else {
        if (options->watch && isatty(STDOUT_FILENO)) {
            fputs("\033[H\033[2J", stdout); /* top of an empty screen */
        }
        print_status(yyjson_doc_get_root(doc));
    }
    free(text);
    yyjson_doc_free(doc);
    return ROOST_OK;
}

int cmd_status(int argc, char **argv)
{
    struct status_options options = {0};
    struct detail detail;
    int first;
    enum roost_err err = options_parse(status_table, status_option_count, argc, argv, &options,
                                       &first, &detail);
    if (err == ROOST_OK && first < argc) {
        err = detail_set(&detail, ROOST_INVALID, "unexpected argument '%s'", argv[first]);
    }
    if (err == ROOST_OK) {
        err = status_once(&options, &detail);
    }
    while (err == ROOST_OK && options.watch) {
        struct timespec pause = {.tv_sec = (time_t)(options.interval_ns / NS_PER_S),
                                 .tv_nsec = (long)(options.interval_ns % NS_PER_S)};
        nanosleep(&pause, NULL);
        err = status_once(&options, &detail);
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "roost status: %s\n", detail.text);
    }
    return roost_err_exit_code(err);
}
