/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/test.h"

static struct settings settings;
static struct yaml_errors errors;

static int begin(void **state)
{
    (void)state;
    yaml_errors_init(&errors, "roost.yaml");
    settings_init(&settings);
    return 0;
}

static int end(void **state)
{
    (void)state;
    settings_fini(&settings);
    yaml_errors_fini(&errors);
    return 0;
}

static enum roost_err read_text(const char *text)
{
    settings_fini(&settings);
    strbuf_reset(&errors.text);
    errors.count = 0;
    return settings_read("/etc/roost/roost.yaml", text, strlen(text), &errors, &settings);
}

static void take(const char *text)
{
    enum roost_err err = read_text(text);
    if (err != ROOST_OK)
        print_error("%s", strbuf_text(&errors.text));
    assert_int_equal(err, ROOST_OK);
}

static void refuse(const char *text, const char *lines)
{
    enum roost_err err = read_text(text);
    assert_string_equal(strbuf_text(&errors.text), lines);
    assert_int_equal(err, ROOST_INVALID);
}

static void nothing_at_all_is_valid(void **state)
{
    (void)state;
    take("");
    assert_string_equal(settings.path, "/etc/roost/roost.yaml");
    assert_int_equal(settings.http_port, 8000);
    assert_null(settings.host);
    assert_int_equal(settings.control_mode, CONTROL_NONE);
    assert_true(settings.sandbox);
    assert_true(settings.strict_readiness);
    assert_false(settings.strict_config);
    assert_true(settings.limits.body_bytes_max > 0);
    assert_int_equal(settings.tenant_count, 0);
    assert_int_equal(settings.tenant_defaults.queue_max, 1024);
    assert_true(settings.tenant_defaults.batch_delay_ns == UINT64_MAX);
    take("server:\ndefaults:\ntenants:\n");
    take("tenants: []");
}

static void the_server(void **state)
{
    (void)state;
    take("server:\n"
         "  host: 127.0.0.1\n"
         "  http_port: 9000\n"
         "  metrics_port: 0\n"
         "  control_socket: run/roost.sock\n"
         "  repositories: [models, ./more, /srv/models]\n"
         "  control_mode: explicit\n"
         "  poll_interval: 2 s\n"
         "  load_models: [a, b]\n"
         "  repository_api: false\n"
         "  cache_directory: /var/cache/roost\n"
         "  cache_max: 1.5 GiB\n"
         "  engine_library: libonnxruntime.so.1\n"
         "  sandbox: false\n"
         "  strict_readiness: false\n"
         "  strict_config: true\n"
         "  grace: 5 s\n"
         "  default_deadline: 1 m\n"
         "  hang_after: 500 ms\n"
         "  load_timeout: 3 m\n"
         "  memory_reserve: 1GB\n"
         "  limits: {body_max: 16 MiB, connections_max: 10, write_timeout: 1 s}\n");
    assert_string_equal(settings.host, "127.0.0.1");
    assert_int_equal(settings.http_port, 9000);
    assert_true(settings.metrics_port_set);
    assert_int_equal(settings.metrics_port, 0);
    assert_string_equal(settings.control_socket, "/etc/roost/run/roost.sock");
    assert_int_equal(settings.repository_count, 3);
    assert_string_equal(settings.repositories[0], "/etc/roost/models");
    assert_string_equal(settings.repositories[1], "/etc/roost/more");
    assert_string_equal(settings.repositories[2], "/srv/models");
    assert_int_equal(settings.control_mode, CONTROL_EXPLICIT);
    assert_int_equal(settings.poll_interval_ns, 2 * NS_PER_S);
    assert_string_equal(settings.load_models, "a,b");
    assert_false(settings.repository_api);
    assert_string_equal(settings.cache_directory, "/var/cache/roost");
    assert_int_equal(settings.cache_bytes_max, UINT64_C(3) << 29);
    assert_string_equal(settings.engine_library, "libonnxruntime.so.1");
    assert_false(settings.sandbox);
    assert_false(settings.strict_readiness);
    assert_true(settings.strict_config);
    assert_int_equal(settings.grace_ns, 5 * NS_PER_S);
    assert_int_equal(settings.default_deadline_ns, 60 * NS_PER_S);
    assert_int_equal(settings.hang_after_ns, 500 * NS_PER_MS);
    assert_int_equal(settings.load_timeout_ns, 180 * NS_PER_S);
    assert_int_equal(settings.memory_reserve_bytes, 1000000000);
    assert_int_equal(settings.limits.body_bytes_max, 16 << 20);
    assert_int_equal(settings.limits.connections_max, 10);
    assert_int_equal(settings.limits.write_timeout_ns, NS_PER_S);
    take("server: {repositories: models, load_models: '*'}");
    assert_string_equal(settings.repositories[0], "/etc/roost/models");
    assert_string_equal(settings.load_models, "*");
}

static void a_tenant(void **state)
{
    (void)state;
    take("tenants:\n"
         "  - name: t\n"
         "    model: sub/m.onnx\n"
         "    engine: fake\n"
         "    engine_settings: service_us=1,2\n"
         "    slo: p99.9 within 1.5 ms\n"
         "    deadline: 3 ms\n"
         "    shed: slo\n"
         "    workers: 2\n"
         "    workers_max: 4\n"
         "    intra_op_threads: 3\n"
         "    memory_max: 1 GiB\n"
         "    input_memory: 8 MiB\n"
         "    output_max: 4 MiB\n"
         "    queue_max: 7\n"
         "    priority: -3\n"
         "    split: true\n"
         "    park: true\n"
         "    park_after: 20 ms\n"
         "    batching: on\n"
         "    batch_max: 32\n"
         "    batch_delay: 200 us\n"
         "    cpus: 0-1,3\n");
    assert_int_equal(settings.tenant_count, 1);
    const struct tenant_settings *t = &settings.tenants[0];
    assert_string_equal(t->name, "t");
    assert_string_equal(t->model, "/etc/roost/sub/m.onnx");
    assert_string_equal(t->engine, "fake");
    assert_string_equal(t->engine_settings, "service_us=1,2");
    assert_true(t->slo_percentile > 99.89 && t->slo_percentile < 99.91);
    assert_int_equal(t->slo_ns, 1500 * NS_PER_US);
    assert_int_equal(t->deadline_ns, 3 * NS_PER_MS);
    assert_int_equal(t->shed, SHED_SLO);
    assert_int_equal(t->workers, 2);
    assert_int_equal(t->workers_max, 4);
    assert_int_equal(t->intra_op_threads, 3);
    assert_int_equal(t->memory_bytes_max, 1 << 30);
    assert_int_equal(t->input_memory_bytes, 8 << 20);
    assert_int_equal(t->output_bytes_max, 4 << 20);
    assert_int_equal(t->queue_max, 7);
    assert_int_equal(t->priority, -3);
    assert_true(t->split);
    assert_true(t->park);
    assert_int_equal(t->park_after_ns, 20 * NS_PER_MS);
    assert_int_equal(t->batching, BATCH_ON);
    assert_int_equal(t->batch_max, 32);
    assert_true(t->batch_delay_set);
    assert_int_equal(t->batch_delay_ns, 200 * NS_PER_US);
    assert_string_equal(t->cpus, "0-1,3");
    assert_int_equal(t->line, 2);
}

static void defaults_are_inherited(void **state)
{
    (void)state;
    take("tenants: [{name: a}, {name: b, slo: none, queue_max: 5}]\n"
         "defaults: {slo: {percentile: p95, latency: 20 ms}, queue_max: 9, cpus: '1'}\n");
    const struct tenant_settings *a = &settings.tenants[0], *b = &settings.tenants[1];
    assert_int_equal(a->slo_ns, 20 * NS_PER_MS);
    assert_int_equal(a->queue_max, 9);
    assert_string_equal(a->cpus, "1");
    assert_ptr_not_equal(a->cpus, b->cpus);
    assert_int_equal(b->slo_ns, 0);
    assert_int_equal(b->queue_max, 5);
    assert_null(a->model);
    assert_int_equal(a->variant_count, 0);
}

static void variants_and_adapters(void **state)
{
    (void)state;
    take("tenants:\n"
         "  - name: t\n"
         "    variants:\n"
         "      - model: big\n"
         "        accuracy: 0.8\n"
         "        mflops: 4100\n"
         "      - model: ./small/v2.onnx\n"
         "        adapter:\n"
         "          resize: [299, 300]\n"
         "          normalise: {mean: [0.5, 0.25], std: [0.5, 0.25]}\n"
         "          layout: nhwc_to_nchw\n"
         "          input_name: in\n"
         "          output_name: out\n"
         "          output_map: map.txt\n"
         "      - name: third\n"
         "        adapter: {output_map: drop_first, normalise: {mean: [1], scale: [2]}}\n");
    const struct tenant_settings *t = &settings.tenants[0];
    assert_int_equal(t->variant_count, 3);
    assert_string_equal(t->variants[0].name, "big");
    assert_string_equal(t->variants[0].model, "big");
    assert_true(t->variants[0].accuracy > 0.79 && t->variants[0].accuracy < 0.81);
    assert_true(t->variants[0].mflops > 4099);
    assert_false(t->variants[0].adapter.present);
    assert_string_equal(t->variants[1].name, "v2");
    assert_string_equal(t->variants[1].model, "/etc/roost/small/v2.onnx");
    assert_true(t->variants[1].accuracy < 0);
    const struct adapter_settings *adapter = &t->variants[1].adapter;
    assert_true(adapter->present);
    assert_int_equal(adapter->resize_height, 299);
    assert_int_equal(adapter->resize_width, 300);
    assert_true(adapter->normalise);
    assert_int_equal(adapter->channels, 2);
    assert_true(adapter->scale[1] > 3.99 && adapter->scale[1] < 4.01);
    assert_int_equal(adapter->layout, LAYOUT_NHWC_TO_NCHW);
    assert_string_equal(adapter->input_name, "in");
    assert_string_equal(adapter->output_name, "out");
    assert_string_equal(adapter->output_map, "/etc/roost/map.txt");
    assert_string_equal(t->variants[2].name, "third");
    assert_null(t->variants[2].model);
    assert_string_equal(t->variants[2].adapter.output_map, "drop_first");
    assert_int_equal(t->variants[2].adapter.layout, LAYOUT_KEEP);
}

static void all_mistakes_are_told(void **state)
{
    (void)state;
    refuse("server:\n"
           "  http_prot: 80\n"
           "  metrics_port: 8000\n"
           "  repositories: [a, ./a, {}]\n"
           "  limits: 3\n"
           "defaults:\n"
           "  deadline: 5\n"
           "  name: x\n"
           "tenants:\n"
           "  - name: a\n"
           "    workers: 0\n"
           "    slo: p100 5 ms\n"
           "  - name: a\n"
           "    workers: 4\n"
           "    workers_max: 2\n"
           "    cpus: 3-1\n"
           "  - queue_max: 1\n"
           "  - name: b\n"
           "    slo: {percentile: 95, latency: 120ms}\n"
           "    deadline: 100 ms\n"
           "    batch_delay: 120 ms\n"
           "  - name: c d\n"
           "    shed: slo\n"
           "    batching: off\n"
           "    batch_max: 3\n"
           "    variants: {}\n"
           "  - 5\n"
           "  -\n"
           "other: 1\n",
           "roost.yaml:29: other: unknown key\n"
           "roost.yaml:2: server.http_prot: unknown key, did you mean \"http_port\"?\n"
           "roost.yaml:4: server.repositories[1]: ./a is listed twice\n"
           "roost.yaml:4: server.repositories[2]: must be a text that is not empty\n"
           "roost.yaml:5: server.limits: must be a map of keys, not \"3\"\n"
           "roost.yaml:3: server.metrics_port: 8000 is http_port; leave it out to serve metrics "
           "there\n"
           "roost.yaml:7: defaults.deadline: must be a duration such as 120 ms, not \"5\"\n"
           "roost.yaml:8: defaults.name: unknown key\n"
           "roost.yaml:11: tenants[0].workers: must be between 1 and 64, not 0\n"
           "roost.yaml:12: tenants[0].slo: a percentile is above 0 and below 100, not 100\n"
           "roost.yaml:14: tenants[1].workers: 4 is above workers_max (2)\n"
           "roost.yaml:16: tenants[1].cpus: must be a list of cores below 1024 such as "
           "\"0-3,8\", not \"3-1\"\n"
           "roost.yaml:13: tenants[1].name: there is a tenant a already, in line 10\n"
           "roost.yaml:17: tenants[2]: has no name\n"
           "roost.yaml:20: tenants[3].deadline: 100 ms is below the SLO's 120 ms\n"
           "roost.yaml:21: tenants[3].batch_delay: 120 ms is not below the SLO's 120 ms\n"
           "roost.yaml:26: tenants[4].variants: must be a list\n"
           "roost.yaml:22: tenants[4].name: a name has no spaces and no '/', unlike \"c d\"\n"
           "roost.yaml:23: tenants[4].shed: slo needs an slo\n"
           "roost.yaml:25: tenants[4].batch_max: 3 rows, but batching is off\n"
           "roost.yaml:27: tenants[5]: must be a map of keys, not \"5\"\n"
           "roost.yaml:28: tenants[6]: has no name\n");
}

static void wrong_slos(void **state)
{
    (void)state;
    static const struct {
        const char *slo, *message;
    } cases[] = {
        {"95 ms", "must look like \"p95 120 ms\", not \"95 ms\""},
        {"p95", "must look like \"p95 120 ms\", not \"p95\""},
        {"p95 120", "must look like \"p95 120 ms\", not \"p95 120\""},
        {"p0 120 ms", "a percentile is above 0 and below 100, not 0"},
        {"px 120 ms", "a percentile is above 0 and below 100, not x"},
        {"p50 0 ms", "a latency of 0 cannot be promised"},
        {"[1]", "must be \"p95 120 ms\" or a map of percentile and latency"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128], line[256];
        (void)snprintf(text, sizeof(text), "defaults: {slo: %s}", cases[i].slo);
        (void)snprintf(line, sizeof(line), "roost.yaml:1: defaults.slo: %s\n", cases[i].message);
        refuse(text, line);
    }
    refuse("defaults: {slo: {percentile: 101, lateny: 5 ms}}",
           "roost.yaml:1: defaults.slo.lateny: unknown key, did you mean \"latency\"?\n"
           "roost.yaml:1: defaults.slo: the key \"latency\" is missing\n"
           "roost.yaml:1: defaults.slo.percentile: a percentile is above 0 and below 100, not "
           "101\n");
}

static void wrong_variants(void **state)
{
    (void)state;
    refuse("tenants:\n"
           "  - name: t\n"
           "    variants:\n"
           "      - {model: x/y.onnx}\n"
           "      - {model: y}\n"
           "      - {name: z, accuracy: 1.5}\n"
           "      - {name: zero, accuracy: 0}\n"
           "      - name: a\n"
           "        adapter:\n"
           "          resize: [1, 2, 3]\n"
           "          normalise: {mean: [1, 2], scale: [1]}\n"
           "          layout: nchw\n"
           "      - name: b\n"
           "        adapter: {resize: [0.5, 9], normalise: {mean: [1]}, output_map: ''}\n"
           "      - name: c\n"
           "        adapter: {resize: 5, normalise: {mean: [1], std: [0]}}\n",
           "roost.yaml:5: tenants[0].variants[1]: there is a variant y already, in line 4\n"
           "roost.yaml:6: tenants[0].variants[2].accuracy: must be between 0 and 1, not 1.5\n"
           "roost.yaml:7: tenants[0].variants[3].accuracy: an accuracy of 0 cannot be meant\n"
           "roost.yaml:12: tenants[0].variants[4].adapter.layout: must be one of keep, "
           "nchw_to_nhwc, nhwc_to_nchw, not \"nchw\"\n"
           "roost.yaml:10: tenants[0].variants[4].adapter.resize: more than 2 numbers\n"
           "roost.yaml:11: tenants[0].variants[4].adapter.normalise: mean has 2 numbers, scale "
           "has 1\n"
           "roost.yaml:14: tenants[0].variants[5].adapter.resize: must be height and width, "
           "integers from 1 to 16384\n"
           "roost.yaml:14: tenants[0].variants[5].adapter.normalise: needs one of scale and std\n"
           "roost.yaml:14: tenants[0].variants[5].adapter.output_map: must be a text that is not "
           "empty\n"
           "roost.yaml:16: tenants[0].variants[6].adapter.resize: must be a list of numbers\n"
           "roost.yaml:16: tenants[0].variants[6].adapter.normalise.std: a standard deviation "
           "must be above 0\n");
}

static void policies(void **state)
{
    (void)state;
    take("server: {policy: none, policy_options: {rus: measured}}");
    take("server: {policy: faircim, policy_options: {rus: measured}}");
    refuse("server: {policy: faircmi}\ntenants: [{name: a, workers: 0}]\n",
           "roost.yaml:1: server.policy: no policy \"faircmi\"; did you mean \"faircim\"?\n"
           "roost.yaml:2: tenants[0].workers: must be between 1 and 64, not 0\n");
    refuse(
        "server:\n  policy: faircim\n  policy_options:\n    rus: guessed\n    rsu: 3\n",
        "roost.yaml:4: server.policy_options.rus: option rus: one of declared, counted, measured "
        "wanted, not \"guessed\"\n"
        "roost.yaml:5: server.policy_options.rsu: unknown option rsu: did you mean rus?\n");
}

static void syntax_and_files(void **state)
{
    (void)state;
    refuse("server: {http_port: 1, http_port: 2}",
           "roost.yaml:1: server.http_port: duplicate key, first given in line 1\n");
    /* What is wrong besides is told as well; what a duplicate holds is not looked at. */
    refuse("server: {http_port: 1, http_port: 99999}\n"
           "tenants:\n"
           "  - name: a\n"
           "    wokers: 1\n"
           "  - name: a\n"
           "    slo: !ours p95 1 ms\n"
           "tenants: [3]\n",
           "roost.yaml:1: server.http_port: duplicate key, first given in line 1\n"
           "roost.yaml:6: tenants[1].slo: the tag \"!ours\" is not supported here\n"
           "roost.yaml:7: tenants: duplicate key, first given in line 2\n"
           "roost.yaml:4: tenants[0].wokers: unknown key, did you mean \"workers\"?\n"
           "roost.yaml:5: tenants[1].name: there is a tenant a already, in line 3\n");
    refuse("- a", "roost.yaml:1: must be a map of keys, not a list\n");
    settings_fini(&settings);
    strbuf_reset(&errors.text);
    errors.count = 0;
    assert_int_equal(settings_read_file("/nowhere/roost.yaml", &errors, &settings),
                     ROOST_NOT_FOUND);
    assert_string_equal(strbuf_text(&errors.text), "roost.yaml: No such file or directory\n");
}

static void copies_are_deep_and_equal(void **state)
{
    (void)state;
    static const char text[] =
        "tenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 2], output_map: x}}, {model: b}]}]";
    struct tenant_settings copy;
    take(text);
    assert_int_equal(tenant_settings_copy(&copy, &settings.tenants[0]), ROOST_OK);
    assert_true(tenant_settings_equal(&copy, &settings.tenants[0]));
    /* The same text elsewhere in a file is still equal. */
    take("\n\ntenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, variants: [{model: a, "
         "adapter: {resize: [1, 2], output_map: x}}, {model: b}]}]");
    assert_true(tenant_settings_equal(&copy, &settings.tenants[0]));
    static const char *const others[] = {
        "tenants: [{name: u}]",
        "tenants: [{name: t, model: m, cpus: '1', slo: p96 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 2], output_map: x}}, {model: b}]}]",
        "tenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 3], output_map: x}}, {model: b}]}]",
        "tenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 2], output_map: x}}, {model: b, accuracy: 0.5}]}]",
        "tenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, split: true, variants: [{model: a, "
        "adapter: {resize: [1, 2], output_map: x}}, {model: b}]}]",
        "tenants: [{name: t, model: m, slo: p95 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 2], output_map: x}}, {model: b}]}]",
        "tenants: [{name: t, model: m, cpus: '1', slo: p95 1 s, variants: [{model: a, adapter: "
        "{resize: [1, 2], output_map: x}}]}]",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        take(others[i]);
        assert_false(tenant_settings_equal(&copy, &settings.tenants[0]));
    }
    tenant_settings_fini(&copy);
}

static void core_lists(void **state)
{
    (void)state;
    uint64_t mask[SETTINGS_CPUS_MAX / 64];
    assert_int_equal(settings_cpus_parse("0-3, 8,1023", mask), ROOST_OK);
    assert_int_equal(mask[0], 0x10f);
    assert_true(mask[15] == UINT64_C(1) << 63);
    assert_int_equal(settings_cpus_parse(" 5 ", mask), ROOST_OK);
    assert_int_equal(mask[0], 0x20);
    static const char *const wrong[] = {"",  "a",    "1-",  "-1",   "3-1",         "1,",
                                        ",", "1024", "1 2", "1--2", "99999999999", "0-1024"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(settings_cpus_parse(wrong[i], mask), ROOST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_at_all_is_valid, begin, end),
        cmocka_unit_test_setup_teardown(the_server, begin, end),
        cmocka_unit_test_setup_teardown(a_tenant, begin, end),
        cmocka_unit_test_setup_teardown(defaults_are_inherited, begin, end),
        cmocka_unit_test_setup_teardown(variants_and_adapters, begin, end),
        cmocka_unit_test_setup_teardown(all_mistakes_are_told, begin, end),
        cmocka_unit_test_setup_teardown(wrong_slos, begin, end),
        cmocka_unit_test_setup_teardown(wrong_variants, begin, end),
        cmocka_unit_test_setup_teardown(policies, begin, end),
        cmocka_unit_test_setup_teardown(syntax_and_files, begin, end),
        cmocka_unit_test_setup_teardown(copies_are_deep_and_equal, begin, end),
        cmocka_unit_test(core_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
