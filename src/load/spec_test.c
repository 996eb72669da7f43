/* SPDX-License-Identifier: Apache-2.0 */
#include "load/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"

static struct tenant_spec *defaults_new(void)
{
    struct detail detail;
    struct tenant_spec *defaults = calloc(1, sizeof(*defaults));
    assert_non_null(defaults);
    assert_int_equal(options_defaults(tenant_keys, tenant_key_count, defaults, &detail), ROOST_OK);
    return defaults;
}

static void text_add(struct load_spec *spec, const char *text)
{
    struct detail detail = {""};
    struct tenant_spec *defaults = defaults_new();
    if (load_spec_add_text(spec, text, defaults, &detail) != ROOST_OK)
        fail_msg("%s", detail.text);
    free(defaults);
}

static void a_name_alone_has_the_defaults(void **state)
{
    (void)state;
    struct load_spec spec;
    load_spec_init(&spec);
    text_add(&spec, "wnd");
    text_add(&spec, "wnd@3");
    text_add(&spec, "wnd:");
    assert_int_equal(spec.count, 3);
    const struct tenant_spec *tenant = &spec.tenants[0];
    assert_string_equal(tenant->name, "wnd");
    assert_null(tenant->version);
    assert_true(fabs(tenant->rate - 10) < 1e-12);
    assert_int_equal(tenant->arrivals, ARRIVAL_POISSON);
    assert_int_equal(tenant->sizes.low, 1);
    assert_true(tenant->slo.time_ns == 0 && tenant->slo_text == NULL);
    assert_string_equal(spec.tenants[1].version, "3");
    load_spec_fini(&spec);
}

static void all_keys_are_read(void **state)
{
    (void)state;
    struct load_spec spec;
    load_spec_init(&spec);
    text_add(&spec, "a b@2:rate=200.5, batch=lognormal(5.1,0.2,1,512), arrivals=bursty,burst=4,"
                    "surge=50 ms,calm=2 s,slo=p95 50 ms,deadline=30 s,priority=2,range=x=0:5,"
                    "range=y=1:2,shape=x=3x4");
    const struct tenant_spec *tenant = &spec.tenants[0];
    assert_string_equal(tenant->name, "a b");
    assert_string_equal(tenant->version, "2");
    assert_int_equal(tenant->sizes.kind, BATCH_LOGNORMAL);
    assert_int_equal(tenant->sizes.high, 512);
    assert_true(tenant->slo.time_ns == 50 * NS_PER_MS);
    assert_true(tenant->deadline_ns == 30 * NS_PER_S && tenant->priority == 2);
    assert_int_equal(tenant->ranges.count, 2);
    assert_string_equal(tenant->ranges.items[1], "y=1:2");
    struct arrival_options arrivals = tenant_spec_arrivals(tenant, 3);
    assert_int_equal(arrivals.kind, ARRIVAL_BURSTY);
    assert_true(arrivals.surge_ns == 50 * NS_PER_MS && arrivals.calm_ns == 2 * NS_PER_S);
    assert_true(fabs(arrival_rate(&arrivals) - 601.5) < 1e-9);
    load_spec_fini(&spec);
}

static void wrong_texts_name_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "MODEL"},
        {"@1", "MODEL"},
        {"wnd@", "MODEL"},
        {"wnd:rat=3", "did you mean rate"},
        {"wnd:rate=0", "rate"},
        {"wnd:rate=x", "rate"},
        {"wnd:arrivals=often", "arrivals"},
        {"wnd:arrivals=trace", "trace: arrivals from a trace need its file"},
        {"wnd:trace=/nowhere", "trace: /nowhere"},
        {"wnd:batch=0", "batch: a batch size"},
        {"wnd:batch=lognormal(1,2", "batch: a batch size"},
        {"wnd:slo=fast", "slo: an SLO looks like"},
        {"wnd:range=5", "range: INPUT=LOW:HIGH"},
        {"wnd:range=x=5", "range: a range looks like"},
        {"wnd:shape=x=y", "shape: a shape looks like"},
        {"wnd:burst=0.5", "burst"},
    };
    struct tenant_spec *defaults = defaults_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct load_spec spec;
        struct detail detail = {""};
        load_spec_init(&spec);
        assert_int_not_equal(load_spec_add_text(&spec, cases[i].text, defaults, &detail), ROOST_OK);
        if (strstr(detail.text, cases[i].reason) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", detail.text, cases[i].reason);
        assert_int_equal(spec.count, 0);
        load_spec_fini(&spec);
    }
    free(defaults);
}

static void a_file_has_the_same_keys(void **state)
{
    (void)state;
    static const char yaml[] = "tenants:\n"
                               "  - name: wnd@1\n"
                               "    rate: 200\n"
                               "    batch: lognormal(3, 1)\n"
                               "    slo: p95 25 ms\n"
                               "    range:\n"
                               "      - ids=0:100\n"
                               "      - more=0:5\n"
                               "  - name: resnet\n"
                               "    batch: 4\n"
                               "    arrivals: constant\n"
                               "    range: x=0:1\n";
    struct load_spec spec;
    struct yaml_errors errors;
    struct tenant_spec *defaults = defaults_new();
    load_spec_init(&spec);
    yaml_errors_init(&errors, "load.yaml");
    assert_int_equal(load_spec_add_yaml(&spec, yaml, strlen(yaml), defaults, &errors), ROOST_OK);
    assert_int_equal(spec.count, 2);
    assert_string_equal(spec.tenants[0].name, "wnd");
    assert_string_equal(spec.tenants[0].version, "1");
    assert_true(fabs(spec.tenants[0].rate - 200) < 1e-12);
    assert_int_equal(spec.tenants[0].sizes.kind, BATCH_LOGNORMAL);
    assert_int_equal(spec.tenants[0].ranges.count, 2);
    assert_int_equal(spec.tenants[1].sizes.low, 4);
    assert_int_equal(spec.tenants[1].arrivals, ARRIVAL_CONSTANT);
    assert_string_equal(spec.tenants[1].ranges.items[0], "x=0:1");
    yaml_errors_fini(&errors);
    load_spec_fini(&spec);
    free(defaults);
}

static void all_mistakes_of_a_file_are_told(void **state)
{
    (void)state;
    static const char yaml[] = "tenant: 3\n"
                               "tenants:\n"
                               "  - rate: fast\n"
                               "    batch: 0\n"
                               "    slo: soon\n"
                               "  - name: wnd\n"
                               "    ranges: x=0:1\n"
                               "    range: {x: 1}\n"
                               "    trace: /nowhere/t\n"
                               "  - just text\n";
    static const char *const wanted[] = {
        "load.yaml:1: tenant: unknown key",
        "load.yaml:3: tenants[0].rate: must be a number, not \"fast\"",
        "load.yaml:4: tenants[0].batch: a batch size",
        "load.yaml:5: tenants[0].slo: an SLO looks like",
        "load.yaml:3: tenants[0]: the key \"name\" is missing",
        "load.yaml:7: tenants[1].ranges: unknown key, did you mean \"range\"?",
        "load.yaml:8: tenants[1].range: must be a text",
        "load.yaml:9: tenants[1].trace: /nowhere/t",
        "load.yaml:10: tenants[2]: must be a map",
    };
    struct load_spec spec;
    struct yaml_errors errors;
    struct tenant_spec *defaults = defaults_new();
    load_spec_init(&spec);
    yaml_errors_init(&errors, "load.yaml");
    assert_int_equal(load_spec_add_yaml(&spec, yaml, strlen(yaml), defaults, &errors),
                     ROOST_INVALID);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strstr(strbuf_text(&errors.text), wanted[i]) == NULL)
            fail_msg("\"%s\" is missing in:\n%s", wanted[i], strbuf_text(&errors.text));
    }
    assert_int_equal(errors.count, sizeof(wanted) / sizeof(wanted[0]));
    assert_int_equal(spec.count, 0);
    yaml_errors_fini(&errors);
    load_spec_fini(&spec);
    free(defaults);
}

static void a_trace_makes_the_arrivals_its_own(void **state)
{
    (void)state;
    char path[] = "/tmp/roost-trace-XXXXXX";
    char text[64];
    struct load_spec spec;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0\n0.5,7\n1\n", 10), 10);
    assert_int_equal(close(fd), 0);
    load_spec_init(&spec);
    (void)snprintf(text, sizeof(text), "wnd:trace=%s", path);
    text_add(&spec, text);
    assert_int_equal(unlink(path), 0);
    struct arrival_options arrivals = tenant_spec_arrivals(&spec.tenants[0], 1);
    assert_int_equal(arrivals.kind, ARRIVAL_TRACE);
    assert_int_equal(arrivals.trace->count, 3);
    assert_true(fabs(arrival_rate(&arrivals) - 2) < 1e-9);
    load_spec_fini(&spec);
}

static void a_model_is_added_by_name_as_it_is(void **state)
{
    (void)state;
    struct load_spec spec;
    struct detail detail = {""};
    struct tenant_spec *defaults = defaults_new();
    load_spec_init(&spec);
    assert_int_equal(load_spec_add_name(&spec, "a@b:c", defaults, &detail), ROOST_OK);
    assert_string_equal(spec.tenants[0].name, "a@b:c");
    defaults->slo_text = "p0 1 s";
    assert_int_equal(load_spec_add_name(&spec, "d", defaults, &detail), ROOST_INVALID);
    assert_int_equal(spec.count, 1);
    load_spec_fini(&spec);
    free(defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_alone_has_the_defaults),
        cmocka_unit_test(all_keys_are_read),
        cmocka_unit_test(wrong_texts_name_the_key),
        cmocka_unit_test(a_file_has_the_same_keys),
        cmocka_unit_test(all_mistakes_of_a_file_are_told),
        cmocka_unit_test(a_trace_makes_the_arrivals_its_own),
        cmocka_unit_test(a_model_is_added_by_name_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
