/* SPDX-License-Identifier: Apache-2.0 */
#include "load/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"

enum { LAG_SHARE_OF_SLO = 10 };

bool report_init(struct report *report, const struct report_options *options,
                 const struct report_tenant_info *tenants, size_t tenant_count)
{
    *report = (struct report){.options = *options, .tenant_count = tenant_count};
    report->tenants = calloc(tenant_count, sizeof(*report->tenants));
    report->scheduled = calloc(tenant_count, sizeof(*report->scheduled));
    if (report->tenants == NULL || report->scheduled == NULL) {
        report->tenant_count = 0;
        return false;
    }
    for (size_t i = 0; i < tenant_count; i++)
        report->tenants[i].info = tenants[i];
    report_reset(report);
    return true;
}

static void intervals_free(struct report_tenant *tenant)
{
    for (size_t i = 0; i < tenant->interval_count; i++)
        free(tenant->intervals[i].hist);
    free(tenant->intervals);
    tenant->intervals = NULL;
    tenant->interval_count = 0;
}

void report_fini(struct report *report)
{
    for (size_t i = 0; i < report->tenant_count; i++)
        intervals_free(&report->tenants[i]);
    free(report->tenants);
    free(report->scheduled);
    *report = (struct report){0};
}

void report_reset(struct report *report)
{
    for (size_t i = 0; i < report->tenant_count; i++) {
        struct report_tenant *tenant = &report->tenants[i];
        intervals_free(tenant);
        *tenant = (struct report_tenant){.info = tenant->info, .accuracy_seen = NAN};
        hist_reset(&tenant->latency);
        report->scheduled[i] = 0;
    }
    hist_reset(&report->lag);
    report->is_finished = false;
    report->was_interrupted = false;
    report->duration_ns = 0;
    report->lost = 0;
    report->crowded = 0;
    report->cpu_ns = 0;
}

static bool record_is_hit(const struct report_tenant *tenant, const struct load_record *record)
{
    const struct slo *slo = &tenant->info.slo;
    return record->outcome == OUTCOME_OK &&
           (slo->time_ns == 0 || record->latency_ns <= slo->time_ns);
}

/* The interval of a record, made with all those before it; NULL when memory is short or the run
 * lasts longer than intervals are kept. */
static struct report_interval *interval_of(const struct report *report,
                                           struct report_tenant *tenant,
                                           const struct load_record *record)
{
    size_t index = (size_t)((record->intended_ns - report->options.warmup_ns) /
                            report->options.interval_ns);
    if (index >= REPORT_INTERVALS_MAX)
        return NULL;
    if (index >= tenant->interval_count) {
        void *intervals = realloc(tenant->intervals, (index + 1) * sizeof(*tenant->intervals));
        if (intervals == NULL)
            return NULL;
        tenant->intervals = intervals;
        memset(&tenant->intervals[tenant->interval_count], 0,
               (index + 1 - tenant->interval_count) * sizeof(*tenant->intervals));
        tenant->interval_count = index + 1;
    }
    return &tenant->intervals[index];
}

static void interval_add(const struct report *report, struct report_tenant *tenant,
                         const struct load_record *record, bool is_hit)
{
    struct report_interval *interval = interval_of(report, tenant, record);
    if (interval == NULL)
        return;
    interval->outcomes[record->outcome]++;
    interval->hits += is_hit ? 1 : 0;
    if (record->outcome != OUTCOME_OK)
        return;
    /* One that was sealed already keeps its percentiles. */
    if (interval->hist == NULL && interval->max_ns == 0) {
        interval->hist = malloc(sizeof(*interval->hist));
        if (interval->hist != NULL)
            hist_reset(interval->hist);
    }
    if (interval->hist != NULL)
        hist_record(interval->hist, record->latency_ns);
}

void report_add(struct report *report, const struct load_record *record)
{
    roost_assert(record->tenant < report->tenant_count && record->outcome < OUTCOME_COUNT);
    struct report_tenant *tenant = &report->tenants[record->tenant];
    uint64_t done_ns = record->intended_ns + record->latency_ns;
    bool is_ok = record->outcome == OUTCOME_OK;
    if (is_ok && done_ns >= report->options.warmup_ns && done_ns < report->options.window_end_ns) {
        tenant->done++;
        tenant->done_rows += record->rows;
    }
    if (!record->counted)
        return;
    bool is_hit = record_is_hit(tenant, record);
    tenant->outcomes[record->outcome]++;
    hist_record(&report->lag, record->lag_ns);
    if (is_ok) {
        hist_record(&tenant->latency, record->latency_ns);
        tenant->rows += record->rows;
    }
    if (is_hit) {
        tenant->hits++;
        if (isnan(record->accuracy))
            tenant->accuracy_missing++;
        else
            tenant->accuracy_sum += (double)record->accuracy;
        tenant->accuracy_seen = fmax(tenant->accuracy_seen, (double)record->accuracy);
    }
    interval_add(report, tenant, record, is_hit);
}

static void interval_seal(struct report_interval *interval)
{
    if (interval->hist == NULL)
        return;
    interval->p50_ns = hist_quantile(interval->hist, 0.50);
    interval->p95_ns = hist_quantile(interval->hist, 0.95);
    interval->p99_ns = hist_quantile(interval->hist, 0.99);
    interval->max_ns = interval->hist->max;
    free(interval->hist);
    interval->hist = NULL;
}

void report_seal(struct report *report, uint64_t until_ns)
{
    if (until_ns < report->options.warmup_ns)
        return;
    uint64_t sealed = (until_ns - report->options.warmup_ns) / report->options.interval_ns;
    for (size_t i = 0; i < report->tenant_count; i++) {
        struct report_tenant *tenant = &report->tenants[i];
        for (size_t k = 0; k < tenant->interval_count && k < sealed; k++)
            interval_seal(&tenant->intervals[k]);
    }
}

void report_finish(struct report *report, const struct report_end *end)
{
    uint64_t window_end_ns = report->options.window_end_ns;
    uint64_t end_ns = end->end_ns < window_end_ns ? end->end_ns : window_end_ns;
    report->duration_ns = end_ns > report->options.warmup_ns ? end_ns - report->options.warmup_ns
                                                             : 0;
    memcpy(report->scheduled, end->scheduled, report->tenant_count * sizeof(*end->scheduled));
    report->lost = end->lost;
    report->crowded = end->crowded;
    report->cpu_ns = end->cpu_ns;
    report->is_finished = true;
    report_seal(report, UINT64_MAX);
}

void report_reason(struct report *report, size_t tenant, enum outcome outcome, const char *text)
{
    char *reason = report->tenants[tenant].reasons[outcome];
    size_t length = utf8_cut(text, strlen(text), REPORT_REASON_BYTES_MAX - 1);
    memcpy(reason, text, length);
    reason[length] = '\0';
}

static double per_second(double count, uint64_t duration_ns)
{
    return duration_ns == 0 ? 0.0 : count * (double)NS_PER_S / (double)duration_ns;
}

static void latencies_summarize(const struct hist *latency, struct report_summary *summary)
{
    summary->p50_ns = hist_quantile(latency, 0.50);
    summary->p90_ns = hist_quantile(latency, 0.90);
    summary->p95_ns = hist_quantile(latency, 0.95);
    summary->p99_ns = hist_quantile(latency, 0.99);
    summary->p999_ns = hist_quantile(latency, 0.999);
    summary->max_ns = latency->max;
    summary->mean_ns = (uint64_t)hist_mean(latency);
}

/* Accuracy summed over hits, as a share of the tenant's best variant. Where accuracies are not
 * known every answer is as good as any. */
static double relative_hits(const struct report_tenant *tenant)
{
    /* Records carry floats, so the best is one as well, or it would never be reached. */
    double top = fmax((double)(float)tenant->info.accuracy_top, tenant->accuracy_seen);
    if (isnan(top) || top <= 0.0)
        return (double)tenant->hits;
    return tenant->accuracy_sum / top + (double)tenant->accuracy_missing;
}

static void tenant_summarize(const struct report *report, size_t index,
                             struct report_summary *summary)
{
    const struct report_tenant *tenant = &report->tenants[index];
    double scheduled = (double)report->scheduled[index];
    *summary = (struct report_summary){
        .name = tenant->info.name,
        .slo = tenant->info.slo,
        .has_slo = tenant->info.slo.time_ns > 0,
        .scheduled = report->scheduled[index],
        .accuracy = NAN,
    };
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        summary->outcomes[i] = tenant->outcomes[i];
        summary->answered += outcome_is_answer(i) ? tenant->outcomes[i] : 0;
        summary->failed += i == OUTCOME_OK ? 0 : tenant->outcomes[i];
    }
    summary->ok = tenant->outcomes[OUTCOME_OK];
    summary->rate = per_second(scheduled, report->duration_ns);
    summary->throughput = per_second((double)tenant->done, report->duration_ns);
    summary->rows_rate = per_second((double)tenant->done_rows, report->duration_ns);
    latencies_summarize(&tenant->latency, summary);
    if (scheduled > 0) {
        summary->attainment = (double)tenant->hits / scheduled;
        summary->goodput = relative_hits(tenant) / scheduled * summary->rate;
        bool is_known = tenant->accuracy_missing == 0 &&
                        (tenant->hits > 0 || !isnan(tenant->info.accuracy_top));
        summary->accuracy = is_known ? tenant->accuracy_sum / scheduled : NAN;
    }
    summary->is_met = !summary->has_slo || summary->attainment >= tenant->info.slo.quantile;
}

static void total_summarize(const struct report *report, struct report_summary *total)
{
    struct hist latency;
    double hits = 0;
    double promised = 0;
    double accuracy = 0;
    *total = (struct report_summary){.name = "total", .is_met = true};
    hist_reset(&latency);
    for (size_t i = 0; i < report->tenant_count; i++) {
        struct report_summary one;
        tenant_summarize(report, i, &one);
        for (unsigned k = 0; k < OUTCOME_COUNT; k++)
            total->outcomes[k] += one.outcomes[k];
        total->scheduled += one.scheduled;
        total->answered += one.answered;
        total->ok += one.ok;
        total->failed += one.failed;
        total->rate += one.rate;
        total->throughput += one.throughput;
        total->rows_rate += one.rows_rate;
        total->goodput += one.goodput;
        /* A tenant that nothing was asked of has no say in the effective accuracy. */
        accuracy += one.scheduled == 0 ? 0.0 : one.accuracy * (double)one.scheduled;
        hist_merge(&latency, &report->tenants[i].latency);
        if (one.has_slo) {
            total->has_slo = true;
            total->is_met = total->is_met && one.is_met;
            hits += (double)report->tenants[i].hits;
            promised += (double)one.scheduled;
        }
    }
    latencies_summarize(&latency, total);
    total->attainment = promised > 0 ? hits / promised : 0.0;
    total->accuracy = total->scheduled > 0 ? accuracy / (double)total->scheduled : NAN;
}

void report_summarize(const struct report *report, int tenant, struct report_summary *summary)
{
    roost_assert(tenant >= REPORT_TOTAL && tenant < (int)report->tenant_count);
    if (tenant == REPORT_TOTAL)
        total_summarize(report, summary);
    else
        tenant_summarize(report, (size_t)tenant, summary);
}

static void lag_explain(const struct report *report, struct report_validity *validity)
{
    char lag[24];
    char bound[24];
    int used = snprintf(validity->reason, sizeof(validity->reason),
                        "the generator's own lag (p99 %s) exceeds a tenth of the smallest SLO (%s)",
                        duration_format(validity->lag_p99_ns, lag, sizeof(lag)),
                        duration_format(validity->bound_ns, bound, sizeof(bound)));
    if (report->crowded > 0 && used > 0 && (size_t)used < sizeof(validity->reason))
        (void)snprintf(validity->reason + used, sizeof(validity->reason) - (size_t)used,
                       "; %" PRIu64 " requests found every connection busy: see --connections",
                       report->crowded);
}

void report_validate(const struct report *report, struct report_validity *validity)
{
    *validity = (struct report_validity){
        .is_valid = true,
        .lag_p50_ns = hist_quantile(&report->lag, 0.50),
        .lag_p99_ns = hist_quantile(&report->lag, 0.99),
        .lag_max_ns = report->lag.max,
    };
    for (size_t i = 0; i < report->tenant_count; i++) {
        uint64_t bound_ns = report->tenants[i].info.slo.time_ns / LAG_SHARE_OF_SLO;
        if (report->tenants[i].info.slo.time_ns > 0 &&
            (validity->bound_ns == 0 || bound_ns < validity->bound_ns))
            validity->bound_ns = bound_ns > 0 ? bound_ns : 1;
    }
    if (report->lost > 0) {
        validity->is_valid = false;
        (void)snprintf(validity->reason, sizeof(validity->reason),
                       "%" PRIu64 " records found no memory", report->lost);
    } else if (validity->bound_ns > 0 && validity->lag_p99_ns > validity->bound_ns) {
        validity->is_valid = false;
        lag_explain(report, validity);
    }
}

bool report_is_conserved(const struct report *report)
{
    for (size_t i = 0; i < report->tenant_count; i++) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < OUTCOME_COUNT; k++)
            sum += report->tenants[i].outcomes[k];
        if (sum != report->scheduled[i])
            return false;
    }
    return true;
}
