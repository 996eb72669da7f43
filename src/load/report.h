/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load measured: records in, figures out. Pure arithmetic; the writers of the figures are
 * report_text, report_json, report_csv and report_svg below. One thread.
 *
 * Only counted records (intended after the warm-up) enter the figures, with one exception:
 * throughput is what was answered between the end of the warm-up and the end of the sending,
 * whenever it was due, because under overload the answers come later than that. Percentiles are
 * over good answers; what failed or came late counts against the SLO's attainment, so that the
 * two must be read together.
 */
#ifndef ROOST_LOAD_REPORT_H
#define ROOST_LOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/strbuf.h"
#include "load/record.h"
#include "load/slo.h"

enum { REPORT_INTERVALS_MAX = 20000, REPORT_REASON_BYTES_MAX = 200 };

/* What is known of a tenant beforehand; texts are borrowed. */
struct report_tenant_info {
    const char *name;
    const char *version; /* "" or NULL: none named */
    struct slo slo;
    double accuracy_top; /* NAN: not known */
    double rate_wanted;
    const char *note; /* (optional) what the reader should know of the inputs */
};

/* One stretch of time, by when requests were due. */
struct report_interval {
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t hits;
    uint64_t p50_ns, p95_ns, p99_ns, max_ns;
    struct hist *hist; /* until sealed */
};

struct report_tenant {
    struct report_tenant_info info;
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t rows;             /* of good answers */
    uint64_t hits;             /* good answers within the SLO; all good ones without an SLO */
    double accuracy_sum;       /* over hits */
    double accuracy_seen;      /* the highest; NAN: none */
    uint64_t accuracy_missing; /* hits of unknown accuracy */
    uint64_t done, done_rows;  /* good answers within the window */
    struct hist latency;
    struct report_interval *intervals;
    size_t interval_count;
    char reasons[OUTCOME_COUNT][REPORT_REASON_BYTES_MAX]; /* of the first failure of each kind */
};

struct report_options {
    uint64_t warmup_ns;
    uint64_t window_end_ns; /* warm-up and duration; UINT64_MAX: open */
    uint64_t interval_ns;
    const char *url;
    uint64_t seed;
    double multiplier;
};

struct report {
    struct report_options options;
    size_t tenant_count;
    struct report_tenant *tenants;
    struct hist lag;
    /* Set by report_finish. */
    bool is_finished;
    uint64_t duration_ns; /* of the window */
    uint64_t *scheduled;  /* per tenant */
    uint64_t lost;        /* records that found no memory */
    uint64_t crowded;     /* requests that were due while every connection was busy */
    uint64_t cpu_ns;
    bool was_interrupted; /* set by the caller */
};

/* How a run ended. */
struct report_end {
    uint64_t end_ns;           /* when the sending did */
    const uint64_t *scheduled; /* counted requests that were due, per tenant */
    uint64_t lost, crowded, cpu_ns;
};

/* False when memory is short. Safe to fini after that. */
bool report_init(struct report *report, const struct report_options *options,
                 const struct report_tenant_info *tenants, size_t tenant_count);
void report_fini(struct report *report);

/* Forgets all records, for another run of the same tenants. */
void report_reset(struct report *report);

void report_add(struct report *report, const struct load_record *record);

/* Requests due before `until_ns` are not expected any more: their intervals' percentiles are
 * computed and the memory behind them is given back. */
void report_seal(struct report *report, uint64_t until_ns);

/* Closes the report. */
void report_finish(struct report *report, const struct report_end *end);

/* Why requests failed in this way; "" is nothing. Longer texts are cut. */
void report_reason(struct report *report, size_t tenant, enum outcome outcome, const char *text);

/* The figures of a tenant, or of all together. */
struct report_summary {
    const char *name;
    struct slo slo; /* none for the total */
    bool has_slo;   /* the total: any tenant has one */
    uint64_t scheduled, answered, ok, failed;
    uint64_t outcomes[OUTCOME_COUNT];
    double rate;       /* scheduled per second */
    double throughput; /* good answers per second */
    double rows_rate;  /* their rows per second */
    uint64_t p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, max_ns, mean_ns;
    double attainment; /* of requests scheduled by tenants with an SLO */
    bool is_met;       /* every one of them */
    double accuracy;   /* effective accuracy (EA); NAN: n/a */
    double goodput;    /* requests within SLO per second, weighted by relative accuracy */
};
enum { REPORT_TOTAL = -1 };
void report_summarize(const struct report *report, int tenant, struct report_summary *summary);

/* Whether the generator kept its own times: lag p99 within a tenth of the smallest SLO. */
struct report_validity {
    bool is_valid;
    uint64_t lag_p50_ns, lag_p99_ns, lag_max_ns;
    uint64_t bound_ns; /* 0: no tenant has an SLO */
    char reason[240];  /* "" when valid */
};
void report_validate(const struct report *report, struct report_validity *validity);

/* What scheduled says equals what the outcomes add up to, for every tenant. */
bool report_is_conserved(const struct report *report);

/* "roost load" as a table for people. */
void report_text(const struct report *report, bool with_color, struct strbuf *out);

/* One JSON document; `extra` (optional) is a member text such as "\"find_max\":{...}". */
void report_json(const struct report *report, const char *extra, struct strbuf *out);

/* One line per interval and tenant, with a line of names. */
void report_csv(const struct report *report, struct strbuf *out);

/* One line per request, as they come. */
void report_csv_head(struct strbuf *out);
void report_csv_record(const struct report *report, const struct load_record *record,
                       struct strbuf *out);

/* Latency over time against the SLO per tenant, and everybody's distribution. False when memory is
 * short. */
bool report_svg(const struct report *report, struct strbuf *out);

#endif
