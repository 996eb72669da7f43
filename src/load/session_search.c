/* SPDX-License-Identifier: Apache-2.0 */
/* What the search for the highest load found, for people and for programs. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "load/session.h"
#include "load/table.h"

static const char *criterion_name(const struct session_options *options, int criterion)
{
    if (criterion < 0)
        return "-";
    return (size_t)criterion == options->tenants->count ? "the generator's lag"
                                                        : options->tenants->items[criterion].name;
}

static double rate_at(const struct session_options *options, size_t tenant, double multiplier)
{
    struct arrival_options arrivals = tenant_spec_arrivals(options->tenants->items[tenant].spec,
                                                           multiplier);
    return arrival_rate(&arrivals);
}

static void steps_write(const struct session_options *options, const struct findmax *search,
                        struct strbuf *out)
{
    static const char *const heads[] = {"STEP", "LOAD", "RESULT", "TIME", "GOOD", "WORST"};
    struct table table;
    table_init(&table, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&table, TABLE_DIM, "%s", heads[i]);
    for (unsigned i = 0; i < search->step_count; i++) {
        const struct findmax_step *step = &search->history[i];
        table_add(&table, TABLE_PLAIN, "%s", findmax_phase_name(step->phase));
        table_add(&table, TABLE_PLAIN, "x%.4g", step->multiplier);
        table_add(&table, TABLE_PLAIN, "%s%s", step->verdict == FINDMAX_PASS ? "holds" : "fails",
                  step->was_close ? ", close" : "");
        table_add(&table, TABLE_PLAIN, "%.1f s", (double)step->elapsed_ns / (double)NS_PER_S);
        table_add(&table, TABLE_PLAIN, "%.2f %%", 100.0 * step->worst_share);
        table_add(&table, TABLE_PLAIN, "%s", criterion_name(options, step->worst));
    }
    table_write(&table, false, "\n", out);
    table_fini(&table);
}

void session_search_text(const struct session_options *options, const struct session_result *result,
                         struct strbuf *out)
{
    steps_write(options, &result->search, out);
    if (result->found <= 0.0) {
        strbuf_puts(out, "\nfind-max: no load was found at which every SLO is met\n");
        return;
    }
    double total = 0.0;
    strbuf_printf(out, "\nfind-max: rates times %.4g", result->found);
    for (size_t i = 0; i < options->tenants->count; i++) {
        double rate = rate_at(options, i, result->found);
        total += rate;
        strbuf_printf(out, "%s %s %.1f/s", i == 0 ? ":" : ",", options->tenants->items[i].name,
                      rate);
    }
    strbuf_printf(out, "; %.1f/s together", total);
    if (result->note[0] != '\0')
        strbuf_printf(out, "; %s", result->note);
    strbuf_puts(out, "\n\n");
}

void session_search_json(const struct session_options *options, const struct session_result *result,
                         struct strbuf *out)
{
    const struct findmax *search = &result->search;
    struct json_writer json;
    json_writer_init(&json, out);
    strbuf_puts(out, "\"find_max\":");
    json_begin_object(&json);
    json_key(&json, "multiplier");
    if (result->found > 0.0)
        json_double(&json, result->found);
    else
        json_null(&json);
    json_key(&json, "rates");
    json_begin_object(&json);
    for (size_t i = 0; i < options->tenants->count; i++)
        json_field_double(&json, options->tenants->items[i].name,
                          rate_at(options, i, result->found));
    json_end_object(&json);
    json_field_string(&json, "limit", result->note);
    json_key(&json, "steps");
    json_begin_array(&json);
    for (unsigned i = 0; i < search->step_count; i++) {
        const struct findmax_step *step = &search->history[i];
        json_begin_object(&json);
        json_field_string(&json, "phase", findmax_phase_name(step->phase));
        json_field_double(&json, "multiplier", step->multiplier);
        json_field_bool(&json, "holds", step->verdict == FINDMAX_PASS);
        json_field_bool(&json, "close", step->was_close);
        json_field_double(&json, "measured_s", (double)step->elapsed_ns / (double)NS_PER_S);
        json_field_string(&json, "worst", criterion_name(options, step->worst));
        json_field_double(&json, "worst_share", step->worst_share);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}
