/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs against a server on a thread of this process. What is asserted is that every request
 * is accounted for on both sides, whatever the machine's speed. */
#include "load/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"
#include "load/fake_oip.h"

struct world {
    struct fake_oip *fake;
    struct fake_oip_counts counts; /* after world_stop */
    struct target target;
    char url[64];
    struct tenant_spec *defaults;
    struct load_spec spec;
    struct load_tenants tenants;
    struct load_tenants_options prepare;
    struct session_options options;
    struct session_result result;
    struct detail detail;
};

static struct world *world_start(const struct fake_oip_options *fake)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->fake = fake_oip_start(fake);
    (void)snprintf(world->url, sizeof(world->url), "http://127.0.0.1:%u",
                   fake_oip_port(world->fake));
    assert_int_equal(target_parse(world->url, &world->target, &world->detail), ROOST_OK);
    world->defaults = calloc(1, sizeof(*world->defaults));
    assert_non_null(world->defaults);
    assert_int_equal(
        options_defaults(tenant_keys, tenant_key_count, world->defaults, &world->detail), ROOST_OK);
    world->defaults->rate = 2000;
    world->prepare = (struct load_tenants_options){
        .distinct = 8, .memory_bytes = 1 << 22, .limit_batch = true};
    world->options = (struct session_options){
        .target = &world->target,
        .url = world->url,
        .tenants = &world->tenants,
        .seed = 3,
        .duration_ns = UINT64_MAX,
        .timeout_ns = 60 * NS_PER_S,
        .drain_ns = 60 * NS_PER_S,
        .interval_ns = NS_PER_S,
        .connections_max = 64,
        .outstanding_max = 100000,
        .find_start = 1,
        .find_precision = 0.05,
        .find_lowest = 0.02,
        .find_step_ns = 100 * NS_PER_MS,
        .find_samples = 10,
    };
    load_spec_init(&world->spec);
    return world;
}

static void world_tenant(struct world *world, const char *text)
{
    if (load_spec_add_text(&world->spec, text, world->defaults, &world->detail) != ROOST_OK)
        fail_msg("%s", world->detail.text);
}

static void world_run(struct world *world)
{
    if (load_tenants_prepare(&world->target, &world->spec, &world->prepare, &world->tenants,
                             &world->detail) != ROOST_OK)
        fail_msg("%s", world->detail.text);
    if (session_run(&world->options, &world->result, &world->detail) != ROOST_OK)
        fail_msg("%s", world->detail.text);
    assert_true(report_is_conserved(&world->result.report));
}

static void world_stop(struct world *world)
{
    if (world->fake != NULL)
        fake_oip_stop(world->fake, &world->counts);
    world->fake = NULL;
    if (world->counts.wrong > 0)
        fail_msg("the server found fault: %s", world->counts.reason);
}

static void world_end(struct world *world)
{
    world_stop(world);
    session_result_fini(&world->result);
    load_tenants_fini(&world->tenants);
    load_spec_fini(&world->spec);
    free(world->defaults);
    free(world);
}

static struct report_summary summary_of(const struct world *world, int tenant)
{
    struct report_summary summary;
    report_summarize(&world->result.report, tenant, &summary);
    return summary;
}

static void everything_sent_is_answered_once(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.small_every = 2});
    world_tenant(world, "m:batch=lognormal(2,1),deadline=30 s");
    world_tenant(world, "n:arrivals=constant");
    world->options.requests_max = 400;
    world->prepare.headers = &(struct option_list){.items = {"Token: t"}, .count = 1};
    world_run(world);
    world_stop(world);
    struct report_summary total = summary_of(world, REPORT_TOTAL);
    assert_int_equal(total.scheduled, 400);
    assert_int_equal(total.ok, 400);
    assert_int_equal(world->counts.all, 400);
    assert_int_equal(world->counts.ok, 400);
    assert_int_equal(world->counts.with_token, 400);
    struct report_summary m = summary_of(world, 0);
    struct report_summary n = summary_of(world, 1);
    assert_true(m.scheduled > 0 && n.scheduled > 0);
    assert_int_equal(world->counts.deadlines, m.scheduled);
    assert_int_equal(world->counts.rows, world->result.report.tenants[0].rows + n.scheduled);
    /* The SLO comes from the server, and so do the accuracies. */
    assert_true(m.slo.time_ns == NS_PER_S);
    assert_true(m.accuracy > 0.39 && m.accuracy < 0.81);
    assert_true(isnan(n.accuracy) && !n.has_slo);
    world_end(world);
}

static void json_bodies_are_understood(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    world->prepare.encoding = ENCODING_JSON;
    world_tenant(world, "m:batch=3");
    world_tenant(world, "n");
    world->options.requests_max = 100;
    world_run(world);
    assert_int_equal(summary_of(world, REPORT_TOTAL).ok, 100);
    world_end(world);
}

static void errors_are_counted_by_kind(void **state)
{
    (void)state;
    struct world *world = world_start(
        &(struct fake_oip_options){.refuse_every = 5, .unavailable_every = 7, .hang_up_every = 11});
    world_tenant(world, "m:slo=none");
    world->options.requests_max = 500;
    world_run(world);
    world_stop(world);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.scheduled, 500);
    assert_int_equal(world->counts.all, 500);
    assert_int_equal(total.ok, world->counts.ok);
    assert_int_equal(total.outcomes[OUTCOME_REFUSED], world->counts.refused);
    assert_int_equal(total.outcomes[OUTCOME_UNAVAILABLE], world->counts.unavailable);
    assert_int_equal(total.outcomes[OUTCOME_SERVER_ERROR], world->counts.hung_up);
    assert_false(total.has_slo);
    const struct report_tenant *tenant = &world->result.report.tenants[0];
    assert_string_equal(tenant->reasons[OUTCOME_REFUSED], "429 the queue is full");
    assert_string_equal(tenant->reasons[OUTCOME_UNAVAILABLE], "503 not now");
    world_end(world);
}

/* One connection, which never answers: one request is on its way at most, the others wait for it
 * in vain. */
static void unanswered_and_unsent_differ(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.hold = true});
    world_tenant(world, "m");
    world->options.requests_max = 20;
    world->options.connections_max = 1;
    world->options.drain_ns = 20 * NS_PER_MS;
    world_run(world);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.scheduled, 20);
    assert_int_equal(total.ok, 0);
    assert_true(total.outcomes[OUTCOME_TIMEOUT] <= 1);
    assert_int_equal(total.outcomes[OUTCOME_TIMEOUT] + total.outcomes[OUTCOME_UNSENT], 20);
    world_end(world);
}

static void requests_time_out(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.hold = true});
    world_tenant(world, "m");
    world->options.requests_max = 20;
    world->options.timeout_ns = 20 * NS_PER_MS;
    world_run(world);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.outcomes[OUTCOME_TIMEOUT] + total.outcomes[OUTCOME_UNSENT], 20);
    assert_true(total.attainment <= 0);
    world_end(world);
}

static void what_is_too_much_to_hold_is_not_sent(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.hold = true});
    world_tenant(world, "m");
    world->options.requests_max = 50;
    world->options.outstanding_max = 5;
    world->options.drain_ns = 20 * NS_PER_MS;
    world_run(world);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.scheduled, 50);
    assert_true(total.outcomes[OUTCOME_UNSENT] >= 45);
    world_stop(world);
    assert_true(world->counts.all <= 5);
    world_end(world);
}

static void a_server_that_is_gone_is_a_lost_connection(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    world_tenant(world, "m");
    world->options.requests_max = 30;
    assert_int_equal(load_tenants_prepare(&world->target, &world->spec, &world->prepare,
                                          &world->tenants, &world->detail),
                     ROOST_OK);
    world_stop(world);
    assert_int_equal(session_run(&world->options, &world->result, &world->detail), ROOST_OK);
    assert_true(report_is_conserved(&world->result.report));
    assert_int_equal(summary_of(world, 0).outcomes[OUTCOME_CONNECTION], 30);
    world_end(world);
}

/* A trace says what is sent, to the row. */
static void a_trace_is_sent_as_it_is(void **state)
{
    (void)state;
    char path[] = "/tmp/roost-trace-XXXXXX";
    char text[64];
    struct world *world = world_start(&(struct fake_oip_options){0});
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    uint64_t rows = 0;
    for (unsigned i = 0; i < 60; i++) {
        rows += i % 40 > 31 ? 32 : i % 40 + 1; /* the model takes 32 */
        (void)fprintf(file, "%u us,%u\n", 500 * i, i % 40 + 1);
    }
    assert_int_equal(fclose(file), 0);
    (void)snprintf(text, sizeof(text), "m:trace=%s", path);
    world_tenant(world, text);
    world_run(world);
    assert_int_equal(unlink(path), 0);
    world_stop(world);
    assert_int_equal(summary_of(world, 0).ok, 60);
    assert_int_equal(world->counts.rows, rows);
    assert_non_null(strstr(world->tenants.items[0].note, "cut to the model's maximum, 32"));
    world_end(world);
}

static void the_warm_up_is_sent_and_not_counted(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    world_tenant(world, "m:arrivals=constant,rate=1000");
    world->options.warmup_ns = 100 * NS_PER_MS;
    world->options.requests_max = 50;
    world_run(world);
    world_stop(world);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.scheduled, 50);
    assert_int_equal(total.ok, 50);
    assert_int_equal(world->counts.all, 150);
    world_end(world);
}

static void equal_seeds_schedule_equally(void **state)
{
    (void)state;
    uint64_t scheduled[2];
    for (int i = 0; i < 2; i++) {
        struct world *world = world_start(&(struct fake_oip_options){0});
        world_tenant(world, "m:arrivals=bursty");
        world_tenant(world, "n");
        world->options.duration_ns = 100 * NS_PER_MS;
        world_run(world);
        scheduled[i] = summary_of(world, 0).scheduled * 100000 + summary_of(world, 1).scheduled;
        world_end(world);
    }
    assert_int_equal(scheduled[0], scheduled[1]);
}

static void an_interrupt_ends_the_run_with_a_report(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.interrupt_after = 50});
    world_tenant(world, "m");
    world_run(world);
    assert_true(world->result.report.was_interrupted);
    struct report_summary total = summary_of(world, 0);
    assert_true(total.scheduled >= 50);
    assert_int_equal(total.ok, total.scheduled);
    world_stop(world);
    assert_int_equal(world->counts.all, total.scheduled);
    world_end(world);
}

static void the_table_shows_the_servers_metrics(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    FILE *live = tmpfile();
    char text[8192];
    assert_non_null(live);
    world_tenant(world, "m:rate=100");
    world->options.duration_ns = 1200 * NS_PER_MS;
    world->options.live = live;
    world->options.live_is_terminal = true;
    world_run(world);
    rewind(live);
    size_t length = fread(text, 1, sizeof(text) - 1, live);
    text[length] = '\0';
    assert_non_null(strstr(text, "TENANT"));
    assert_non_null(strstr(text, "\x1b[K\n"));
    assert_int_equal(fclose(live), 0);
    world_end(world);
}

static void one_line_per_request_is_written(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.refuse_every = 2});
    FILE *records = tmpfile();
    char line[256];
    unsigned lines = 0;
    assert_non_null(records);
    world_tenant(world, "m");
    world->options.requests_max = 40;
    world->options.records = records;
    world_run(world);
    rewind(records);
    while (fgets(line, sizeof(line), records) != NULL)
        lines += strstr(line, ",m,1,ok,") != NULL || strstr(line, ",m,1,refused,") != NULL ? 1 : 0;
    assert_int_equal(lines, 40);
    assert_int_equal(fclose(records), 0);
    world_end(world);
}

static void models_of_the_index_are_driven(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    struct load_index *index = malloc(sizeof(*index));
    assert_non_null(index);
    assert_int_equal(target_wait(&world->target, NS_PER_S, &world->detail), ROOST_OK);
    assert_int_equal(target_index(&world->target, index, &world->detail), ROOST_OK);
    assert_int_equal(index->count, 2);
    for (size_t i = 0; i < index->count; i++)
        assert_int_equal(
            load_spec_add_name(&world->spec, index->names[i], world->defaults, &world->detail),
            ROOST_OK);
    world->options.requests_max = 60;
    world_run(world);
    assert_int_equal(summary_of(world, REPORT_TOTAL).ok, 60);
    free(index);
    world_end(world);
}

/* A server of the plain protocol: metadata and inference, nothing else. */
static void a_plain_server_is_enough(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.no_extensions = true});
    struct load_index *index = malloc(sizeof(*index));
    assert_non_null(index);
    assert_int_equal(target_index(&world->target, index, &world->detail), ROOST_UNSUPPORTED);
    free(index);
    world_tenant(world, "m:batch=64");
    world->options.requests_max = 10;
    world->prepare.limit_batch = true;
    assert_int_equal(load_tenants_prepare(&world->target, &world->spec, &world->prepare,
                                          &world->tenants, &world->detail),
                     ROOST_OK);
    /* Without a configuration nobody knows that 64 is too many, and the server says so. */
    assert_int_equal(session_run(&world->options, &world->result, &world->detail), ROOST_OK);
    struct report_summary total = summary_of(world, 0);
    assert_int_equal(total.outcomes[OUTCOME_CLIENT_ERROR], 10);
    assert_true(strlen(world->result.report.tenants[0].reasons[OUTCOME_CLIENT_ERROR]) > 4);
    fake_oip_stop(world->fake, &world->counts);
    world->fake = NULL;
    assert_int_equal(world->counts.wrong, 10);
    world->counts.wrong = 0;
    world_end(world);
}

static void an_unknown_model_is_told(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    world_tenant(world, "nobody");
    assert_int_equal(load_tenants_prepare(&world->target, &world->spec, &world->prepare,
                                          &world->tenants, &world->detail),
                     ROOST_NOT_FOUND);
    assert_non_null(strstr(world->detail.text, "model nobody"));
    assert_non_null(strstr(world->detail.text, "unknown model"));
    world_end(world);
}

static void a_search_where_nothing_holds_ends(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.refuse_every = 1});
    struct strbuf text;
    world_tenant(world, "m:slo=p95 300 ms,rate=1000");
    world->options.find_max = true;
    world_run(world);
    assert_true(world->result.found <= 0);
    assert_true(world->result.search.step_count > 2);
    assert_string_equal(world->result.note, "limited by m");
    strbuf_init(&text);
    session_search_text(&world->options, &world->result, &text);
    assert_non_null(strstr(strbuf_text(&text), "no load was found"));
    strbuf_reset(&text);
    session_search_json(&world->options, &world->result, &text);
    assert_non_null(strstr(strbuf_text(&text), "\"find_max\":{\"multiplier\":null"));
    strbuf_fini(&text);
    world_end(world);
}

static void a_search_needs_an_slo(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){0});
    world_tenant(world, "n");
    world->options.find_max = true;
    assert_int_equal(load_tenants_prepare(&world->target, &world->spec, &world->prepare,
                                          &world->tenants, &world->detail),
                     ROOST_OK);
    assert_int_equal(session_run(&world->options, &world->result, &world->detail), ROOST_INVALID);
    assert_non_null(strstr(world->detail.text, "--slo"));
    world_end(world);
}

static void a_search_can_be_interrupted(void **state)
{
    (void)state;
    struct world *world = world_start(&(struct fake_oip_options){.interrupt_after = 100});
    world_tenant(world, "m:rate=1000");
    world->options.find_max = true;
    world->options.find_step_ns = 100 * NS_PER_S;
    world_run(world);
    assert_true(world->result.report.was_interrupted);
    world_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_sent_is_answered_once),
        cmocka_unit_test(json_bodies_are_understood),
        cmocka_unit_test(errors_are_counted_by_kind),
        cmocka_unit_test(unanswered_and_unsent_differ),
        cmocka_unit_test(requests_time_out),
        cmocka_unit_test(what_is_too_much_to_hold_is_not_sent),
        cmocka_unit_test(a_server_that_is_gone_is_a_lost_connection),
        cmocka_unit_test(a_trace_is_sent_as_it_is),
        cmocka_unit_test(the_warm_up_is_sent_and_not_counted),
        cmocka_unit_test(equal_seeds_schedule_equally),
        cmocka_unit_test(an_interrupt_ends_the_run_with_a_report),
        cmocka_unit_test(the_table_shows_the_servers_metrics),
        cmocka_unit_test(one_line_per_request_is_written),
        cmocka_unit_test(models_of_the_index_are_driven),
        cmocka_unit_test(a_plain_server_is_enough),
        cmocka_unit_test(an_unknown_model_is_told),
        cmocka_unit_test(a_search_where_nothing_holds_ends),
        cmocka_unit_test(a_search_needs_an_slo),
        cmocka_unit_test(a_search_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
