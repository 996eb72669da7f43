/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options (and options of policies) declared once in a table: parsing, help and docs
 * come from it. Long options only (--name VALUE or --name=VALUE), plus -h for an option named
 * "help"; "--" ends them. No state of its own: any thread may call it.
 */
#ifndef ROOST_BASE_OPTIONS_H
#define ROOST_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/detail.h"

enum option_type {
    OPTION_FLAG,     /* bool, set to true; --no-NAME sets it to false */
    OPTION_INT,      /* int64_t */
    OPTION_DOUBLE,   /* double */
    OPTION_DURATION, /* uint64_t ns */
    OPTION_BYTES,    /* uint64_t */
    OPTION_STRING,   /* const char *, points into argv */
    OPTION_ENUM,     /* int, index into choices */
    OPTION_LIST,     /* struct option_list: may be given many times */
};

enum { OPTION_LIST_MAX = 256 };
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option {
    const char *name; /* without dashes */
    enum option_type type;
    size_t offset; /* in the target struct */
    /* Bounds of numbers, durations (ns) and bytes. Both 0: none; maximum below minimum: no upper
     * bound. */
    double minimum, maximum;
    const char *default_text;   /* (optional) shown in help and parsed into the target first */
    const char *const *choices; /* OPTION_ENUM: ended by NULL */
    const char *unit;           /* (optional) "ms", "PATH": shown in help */
    const char *help;
};

/* Fills defaults, parses argv[1..], and stores the first positional's index in *positional (== argc
 * when none; positionals may stand between options and are moved to the end in their order).
 * INVALID with the reason on an unknown option (with a "did you mean"), a missing or bad value.
 * Targets of options without a default keep what they hold. */
enum roost_err options_parse(const struct option *options, size_t count, int argc, char **argv,
                             void *target, int *positional, struct detail *detail);

/* Applies one "name=value" text to the target; for options of policies. OPTION_STRING and
 * OPTION_LIST then point into `assignment`. */
enum roost_err options_set(const struct option *options, size_t count, const char *assignment,
                           void *target, struct detail *detail);
enum roost_err options_defaults(const struct option *options, size_t count, void *target,
                                struct detail *detail);
void options_help(const struct option *options, size_t count, FILE *out);

/* The nearest of `names` to `text` (edit distance <= 2 and less than half the length of `text`), or
 * NULL. */
const char *nearest_name(const char *text, const char *const *names, size_t count);

#endif
