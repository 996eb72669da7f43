/* SPDX-License-Identifier: Apache-2.0 */
#include "load/findmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    LONG_STEP = 2,      /* verification and challenge, in step lengths */
    EXTENSION = 3,      /* of a step that is undecided, in its lengths */
    EXTENSION_MAX = 10, /* of one that has hardly any requests */
    SAMPLES_LEAST = 20, /* before the estimate may decide, unless the step is as long as that */
    EARLY_SAMPLES = 50, /* before a failure may be called early */
};
static const double z_usual = 1.96; /* 95 % */
static const double z_early = 3.3;  /* many looks at the same data: 99.9 % */
static const double early_share = 0.25;
static const double ramp_factor = 2.0;

const char *findmax_phase_name(enum findmax_phase phase)
{
    static const char *const names[] = {"ramp", "bisect", "verify", "challenge"};
    return names[phase];
}

bool findmax_init(struct findmax *search, const struct findmax_options *options)
{
    roost_assert(options->precision > 0 && options->start > 0 && options->step_ns > 0);
    *search = (struct findmax){
        .options = *options,
        .failed = INFINITY,
        .failed_by = -1,
        .factor = ramp_factor,
    };
    size_t cells = FINDMAX_SLICES_MAX * options->criterion_count;
    search->total = calloc(cells, sizeof(*search->total));
    search->good = calloc(cells, sizeof(*search->good));
    return search->total != NULL && search->good != NULL;
}

void findmax_fini(struct findmax *search)
{
    free(search->total);
    free(search->good);
    *search = (struct findmax){0};
}

static bool is_verified(const struct findmax *search)
{
    return search->verified > 0.0 && search->verified >= search->passed;
}

struct findmax_interval findmax_wilson(uint64_t good, uint64_t total, double dispersion, double z)
{
    if (total == 0)
        return (struct findmax_interval){0.0, 1.0};
    double n = (double)total / fmax(dispersion, 1.0);
    double share = (double)good / (double)total;
    double middle = share + z * z / (2.0 * n);
    double spread = z * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    double scale = 1.0 + z * z / n;
    return (struct findmax_interval){(middle - spread) / scale, (middle + spread) / scale};
}

/* Sums of one criterion over the slices from `first` on, and how much they scatter: Pearson's
 * statistic over its degrees of freedom, 1 for independent requests. */
struct tally {
    uint64_t good, total;
    double dispersion;
};

static struct tally tally_make(const struct findmax *search, size_t criterion, size_t first)
{
    struct tally tally = {.dispersion = 1.0};
    size_t criteria = search->options.criterion_count;
    size_t used = 0;
    for (size_t i = first; i < search->slice_count; i++) {
        tally.good += search->good[i * criteria + criterion];
        tally.total += search->total[i * criteria + criterion];
    }
    if (tally.good == 0 || tally.good == tally.total)
        return tally;
    double share = (double)tally.good / (double)tally.total;
    double sum = 0.0;
    for (size_t i = first; i < search->slice_count; i++) {
        double n = (double)search->total[i * criteria + criterion];
        double off = (double)search->good[i * criteria + criterion] - n * share;
        if (n > 0.0) {
            sum += off * off / (n * share * (1.0 - share));
            used++;
        }
    }
    if (used > 1)
        tally.dispersion = fmax(1.0, sum / (double)(used - 1));
    return tally;
}

/* Slices of the second half begin here. */
static size_t half_find(const struct findmax *search)
{
    uint64_t seen_ns = 0;
    size_t i = 0;
    while (i < search->slice_count && seen_ns + search->slice_ns[i] <= search->step.elapsed_ns / 2)
        seen_ns += search->slice_ns[i++];
    return i;
}

static double tally_share(const struct tally *tally)
{
    return tally->total == 0 ? 1.0 : (double)tally->good / (double)tally->total;
}

static void worst_note(struct findmax *search, size_t criterion, const struct tally *tally)
{
    double share = tally_share(tally);
    double wanted = search->options.quantiles[criterion];
    struct findmax_step *step = &search->step;
    double margin_so_far = step->worst < 0
                               ? INFINITY
                               : step->worst_share - search->options.quantiles[step->worst];
    if (share - wanted < margin_so_far) {
        step->worst = (int)criterion;
        step->worst_share = share;
    }
}

/* What one criterion says: GO_ON when the data do not tell. */
static enum findmax_verdict criterion_judge(struct findmax *search, size_t criterion, bool is_early,
                                            bool is_final)
{
    double wanted = search->options.quantiles[criterion];
    struct tally whole = tally_make(search, criterion, 0);
    struct tally half = tally_make(search, criterion, half_find(search));
    worst_note(search, criterion, &whole);
    if (is_final) {
        /* Nothing asked is nothing shown. */
        bool holds = whole.total > 0;
        holds = holds && tally_share(&whole) >= wanted && tally_share(&half) >= wanted;
        return holds ? FINDMAX_PASS : FINDMAX_FAIL;
    }
    double z = is_early ? z_early : z_usual;
    uint64_t samples_min = is_early ? EARLY_SAMPLES : search->options.samples_min;
    if (whole.total < samples_min)
        return FINDMAX_GO_ON;
    struct findmax_interval all = findmax_wilson(whole.good, whole.total, whole.dispersion, z);
    struct findmax_interval late = findmax_wilson(half.good, half.total, half.dispersion, z);
    if (all.high < wanted || (!is_early && late.high < wanted))
        return FINDMAX_FAIL;
    bool is_sure = all.low >= wanted && tally_share(&half) >= wanted;
    return is_sure && !is_early ? FINDMAX_PASS : FINDMAX_GO_ON;
}

static enum findmax_verdict step_judge(struct findmax *search, bool is_early, bool is_final)
{
    enum findmax_verdict verdict = FINDMAX_PASS;
    search->step.worst = -1;
    for (size_t i = 0; i < search->options.criterion_count; i++) {
        if (search->options.quantiles[i] <= 0.0)
            continue;
        enum findmax_verdict one = criterion_judge(search, i, is_early, is_final);
        if (one == FINDMAX_FAIL)
            verdict = FINDMAX_FAIL;
        else if (one == FINDMAX_GO_ON && verdict == FINDMAX_PASS)
            verdict = FINDMAX_GO_ON;
    }
    return verdict;
}

static void passed_apply(struct findmax *search)
{
    search->passed = search->step.multiplier;
    search->lowered = 0;
    if (search->step.phase == FINDMAX_VERIFY || search->step.phase == FINDMAX_CHALLENGE)
        search->verified = search->passed;
    if (search->step.phase == FINDMAX_CHALLENGE) {
        /* The failure was not the load's: go on upwards, in small steps first. */
        search->failed = INFINITY;
        search->failed_by = -1;
        search->factor = 1.0 + search->options.precision;
    }
}

static void failed_apply(struct findmax *search)
{
    search->failed = search->step.multiplier;
    search->failed_by = search->step.worst;
    /* Whatever failed is asked once more in the end: the machine may have been busy for seconds. */
    search->is_challenged = search->step.phase == FINDMAX_CHALLENGE;
    if (search->step.phase == FINDMAX_VERIFY) {
        search->lowered++;
        search->passed /= pow(1.0 + search->options.precision, (double)search->lowered);
        search->passed = fmax(search->passed, search->verified);
    }
}

static enum findmax_verdict step_end(struct findmax *search, enum findmax_verdict verdict,
                                     bool was_close)
{
    search->step.verdict = verdict;
    search->step.was_close = was_close;
    search->history[search->step_count++] = search->step;
    if (verdict == FINDMAX_PASS)
        passed_apply(search);
    else
        failed_apply(search);
    return verdict;
}

/* While nothing has failed: upwards. */
static bool ramp_choose(struct findmax *search)
{
    struct findmax_step *step = &search->step;
    if (search->passed >= search->options.highest) {
        step->multiplier = search->passed;
        step->phase = FINDMAX_VERIFY;
        return !is_verified(search);
    }
    step->multiplier = search->options.start;
    if (search->passed > 0.0) {
        step->multiplier = fmin(search->passed * search->factor, search->options.highest);
        search->factor = fmin(search->factor * search->factor, ramp_factor);
    }
    return true;
}

/* Where the search stands decides what comes next. */
static bool step_choose(struct findmax *search)
{
    struct findmax_step *step = &search->step;
    double gap = 1.0 + search->options.precision * 1.001;
    *step = (struct findmax_step){.phase = FINDMAX_RAMP, .worst = -1};
    if (!isfinite(search->failed))
        return ramp_choose(search);
    if (search->passed <= 0.0) {
        step->multiplier = search->failed / ramp_factor;
    } else if (search->lowered > 0 && !is_verified(search)) {
        step->multiplier = search->passed;
        step->phase = FINDMAX_VERIFY;
    } else if (search->failed / search->passed > gap) {
        step->multiplier = sqrt(search->failed * search->passed);
        step->phase = FINDMAX_BISECT;
    } else if (!is_verified(search)) {
        step->multiplier = search->passed;
        step->phase = FINDMAX_VERIFY;
    } else if (!search->is_challenged) {
        step->multiplier = search->failed;
        step->phase = FINDMAX_CHALLENGE;
    } else {
        return false;
    }
    return step->multiplier >= search->options.lowest;
}

bool findmax_next(struct findmax *search, double *multiplier)
{
    if (search->is_done)
        return false;
    search->slice_count = 0;
    if (search->step_count == FINDMAX_STEPS_MAX || !step_choose(search)) {
        search->is_done = true;
        return false;
    }
    bool is_long = search->step.phase == FINDMAX_VERIFY || search->step.phase == FINDMAX_CHALLENGE;
    search->length_ns = search->options.step_ns * (is_long ? LONG_STEP : 1);
    *multiplier = search->step.multiplier;
    return true;
}

/* Joins each two neighbours, so that half of the room is free again. */
static void slices_join(struct findmax *search)
{
    size_t criteria = search->options.criterion_count;
    search->slice_count /= 2;
    for (size_t i = 0; i < search->slice_count; i++) {
        search->slice_ns[i] = search->slice_ns[2 * i] + search->slice_ns[2 * i + 1];
        for (size_t k = 0; k < criteria; k++) {
            size_t left = 2 * i * criteria + k;
            size_t right = left + criteria;
            search->total[i * criteria + k] = search->total[left] + search->total[right];
            search->good[i * criteria + k] = search->good[left] + search->good[right];
        }
    }
}

static void slice_add(struct findmax *search, const struct findmax_slice *slice, uint64_t length_ns)
{
    size_t criteria = search->options.criterion_count;
    if (search->slice_count == FINDMAX_SLICES_MAX)
        slices_join(search);
    size_t at = search->slice_count * criteria;
    memcpy(&search->total[at], slice->total, criteria * sizeof(*slice->total));
    memcpy(&search->good[at], slice->good, criteria * sizeof(*slice->good));
    search->slice_ns[search->slice_count++] = length_ns;
    search->step.elapsed_ns += length_ns;
}

/* Whether every criterion has seen something. */
static bool samples_suffice(const struct findmax *search)
{
    for (size_t i = 0; i < search->options.criterion_count; i++) {
        if (search->options.quantiles[i] > 0.0 && tally_make(search, i, 0).total < SAMPLES_LEAST)
            return false;
    }
    return true;
}

enum findmax_verdict findmax_observe(struct findmax *search, const struct findmax_slice *slice,
                                     uint64_t length_ns)
{
    slice_add(search, slice, length_ns);
    uint64_t elapsed_ns = search->step.elapsed_ns;
    if ((double)elapsed_ns < early_share * (double)search->length_ns)
        return FINDMAX_GO_ON;
    if (elapsed_ns < search->length_ns) {
        enum findmax_verdict early = step_judge(search, true, false);
        return early == FINDMAX_FAIL ? step_end(search, early, false) : FINDMAX_GO_ON;
    }
    enum findmax_verdict verdict = step_judge(search, false, false);
    if (verdict != FINDMAX_GO_ON)
        return step_end(search, verdict, false);
    bool is_enough = elapsed_ns >= EXTENSION * search->length_ns && samples_suffice(search);
    if (!is_enough && elapsed_ns < EXTENSION_MAX * search->length_ns)
        return FINDMAX_GO_ON;
    return step_end(search, step_judge(search, false, true), true);
}

enum findmax_verdict findmax_conclude(struct findmax *search)
{
    return step_end(search, step_judge(search, false, true), true);
}

double findmax_result(const struct findmax *search)
{
    return search->verified;
}
