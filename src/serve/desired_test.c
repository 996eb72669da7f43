/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/test.h"

static char root[64];
static struct settings settings;
static struct desired *desired;
static struct detail detail;

static int begin(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/roost-desired-test-XXXXXX");
    desired = NULL;
    detail.text[0] = '\0';
    settings_init(&settings);
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    desired_free(desired);
    settings_fini(&settings);
    return file_remove_tree(root, NULL) == ROOST_OK ? 0 : -1;
}

/* A path below the test's directory. */
static const char *at(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    char directory[256];
    (void)snprintf(directory, sizeof(directory), "%s", at(name));
    *strrchr(directory, '/') = '\0';
    assert_int_equal(file_make_directory(directory, NULL), ROOST_OK);
    assert_int_equal(file_write_atomic(at(name), text, strlen(text), NULL), ROOST_OK);
}

/* roost.yaml in the test's directory. */
static void configure(const char *text)
{
    struct yaml_errors errors;
    settings_fini(&settings);
    yaml_errors_init(&errors, "roost.yaml");
    enum roost_err err = settings_read(at("roost.yaml"), text, strlen(text), &errors, &settings);
    if (err != ROOST_OK)
        print_error("%s", strbuf_text(&errors.text));
    assert_int_equal(err, ROOST_OK);
    yaml_errors_fini(&errors);
}

static void build_with(const struct load_request *requests, size_t count)
{
    desired_free(desired);
    desired = NULL;
    enum roost_err err = desired_build(&settings, requests, count, &desired, &detail);
    if (err != ROOST_OK)
        print_error("%s\n", detail.text);
    assert_int_equal(err, ROOST_OK);
}

static void build(void)
{
    build_with(NULL, 0);
}

static const struct desired_tenant *tenant(const char *name)
{
    const struct desired_tenant *found = desired_find(desired, name);
    if (found == NULL)
        print_error("no tenant %s\n", name);
    roost_assert(found != NULL);
    return found;
}

/* With the test's directory written as ROOT. */
static const char *plain(const char *text)
{
    static char out[DETAIL_BYTES_MAX];
    char *end_of_out = out;
    while (*text != '\0' && end_of_out < out + sizeof(out) - 5) {
        if (strncmp(text, root, strlen(root)) == 0) {
            memcpy(end_of_out, "ROOT", 4);
            end_of_out += 4;
            text += strlen(root);
        } else {
            *end_of_out++ = *text++;
        }
    }
    *end_of_out = '\0';
    return out;
}

static const struct desired_tenant *good(const char *name)
{
    const struct desired_tenant *found = tenant(name);
    assert_string_equal(plain(found->reason.text), "");
    assert_int_equal(found->err, ROOST_OK);
    return found;
}

static void bad(const char *name, enum roost_err err, const char *reason)
{
    const struct desired_tenant *found = tenant(name);
    assert_string_equal(plain(found->reason.text), reason);
    assert_int_equal(found->err, err);
    assert_int_equal(found->version_count, 0);
}

static void expect_path(const struct desired_tenant *found, const char *path)
{
    const struct desired_version *version = &found->versions[found->version_count - 1];
    assert_string_equal(plain(version->variants[0].model_path), path);
}

static void nothing_to_serve(void **state)
{
    (void)state;
    build();
    assert_int_equal(desired->tenant_count, 0);
    assert_null(desired_find(desired, "x"));
}

static void a_repository_of_models(void **state)
{
    (void)state;
    put("models/b/config.pbtxt", "name: 'b' max_batch_size: 4 instance_group { count: 2 }");
    put("models/b/1/model.onnx", "");
    put("models/b/10/model.onnx", "");
    put("models/b/9/model.onnx", "");
    put("models/a/1/other.onnx", "");
    put("models/c.onnx", "");
    put("models/d.fake", "");
    put("models/plain/model.onnx", "");
    put("models/README.md", "");
    put("models/notes/readme.txt", "");
    put("models/.hidden/1/model.onnx", "");
    put("models/two words/1/model.onnx", "");
    configure("server: {repositories: models}");
    build();
    assert_int_equal(desired->tenant_count, 5);
    static const char *const names[] = {"a", "b", "c", "d", "plain"};
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(desired->tenants[i].name, names[i]);
    const struct desired_tenant *b = good("b");
    assert_true(b->wanted);
    assert_int_equal(b->version_count, 1);
    assert_int_equal(b->versions[0].number, 10);
    assert_int_equal(b->versions[0].variant_count, 1);
    assert_string_equal(b->versions[0].variants[0].name, "b");
    assert_string_equal(plain(b->versions[0].variants[0].model_directory), "ROOT/models/b");
    expect_path(b, "ROOT/models/b/10/model.onnx");
    assert_int_equal(b->config.max_batch_size, 4);
    assert_int_equal(b->config.instance_count, 2);
    assert_string_equal(b->settings.name, "b");
    assert_int_equal(b->settings.queue_max, 1024);
    expect_path(good("a"), "ROOT/models/a/1/other.onnx");
    expect_path(good("c"), "ROOT/models/c.onnx");
    assert_string_equal(tenant("c")->config.name, "c");
    expect_path(good("d"), "ROOT/models/d.fake");
    assert_string_equal(tenant("d")->config.backend, "fake");
    assert_string_equal(tenant("c")->config.backend, "");
    expect_path(good("plain"), "ROOT/models/plain/model.onnx");
    assert_int_equal(tenant("plain")->versions[0].number, 1);
}

static void a_repository_that_is_one_model(void **state)
{
    (void)state;
    put("models/1/model.onnx", "");
    put("models/2/model.onnx", "");
    configure("server: {repositories: models}");
    build();
    assert_int_equal(desired->tenant_count, 1);
    expect_path(good("models"), "ROOT/models/2/model.onnx");
    put("models/config.pbtxt", "name: 'named' version_policy { all { } }");
    configure("server: {repositories: models/}");
    build();
    assert_int_equal(desired->tenant_count, 1);
    assert_int_equal(good("named")->version_count, 2);
    /* As in a model server's pod, where the name comes from elsewhere. */
    configure("tenants: [{name: isvc, model: ./models}]");
    build();
    assert_int_equal(desired->tenant_count, 1);
    expect_path(good("isvc"), "ROOT/models/2/model.onnx");
    assert_string_equal(tenant("isvc")->config.name, "isvc");
}

static void a_repository_that_is_one_file(void **state)
{
    (void)state;
    put("mnt/model.onnx", "");
    configure("server: {repositories: mnt/model.onnx}");
    build();
    expect_path(good("model"), "ROOT/mnt/model.onnx");
    assert_string_equal(plain(tenant("model")->versions[0].variants[0].model_directory),
                        "ROOT/mnt");
    configure("server: {repositories: mnt}");
    build();
    expect_path(good("model"), "ROOT/mnt/model.onnx");
    configure("tenants: [{name: isvc, model: ./mnt}]");
    build();
    expect_path(good("isvc"), "ROOT/mnt/model.onnx");
    put("mnt/text.txt", "");
    configure("server: {repositories: mnt/text.txt}");
    struct desired *none = NULL;
    assert_int_equal(desired_build(&settings, NULL, 0, &none, &detail), ROOST_INVALID);
    assert_null(none);
    assert_string_equal(plain(detail.text),
                        "ROOT/mnt/text.txt: neither a directory nor an .onnx or .fake file");
}

static void repositories_that_cannot_be_read(void **state)
{
    (void)state;
    configure("server: {repositories: nowhere}");
    struct desired *none = NULL;
    assert_int_equal(desired_build(&settings, NULL, 0, &none, &detail), ROOST_NOT_FOUND);
    assert_null(none);
    assert_string_equal(plain(detail.text), "ROOT/nowhere: No such file or directory");
}

static void version_policies(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "");
    put("m/a/2/model.onnx", "");
    put("m/a/5/model.onnx", "");
    put("m/a/05/model.onnx", "");
    put("m/a/0/model.onnx", "");
    put("m/a/v7/model.onnx", "");
    configure("server: {repositories: m}");
    put("m/a/config.pbtxt", "version_policy { all { } }");
    build();
    assert_int_equal(good("a")->version_count, 3);
    assert_int_equal(tenant("a")->versions[0].number, 1);
    assert_int_equal(tenant("a")->versions[2].number, 5);
    put("m/a/config.pbtxt", "version_policy { latest { num_versions: 2 } }");
    build();
    assert_int_equal(good("a")->version_count, 2);
    assert_int_equal(tenant("a")->versions[0].number, 2);
    put("m/a/config.pbtxt", "version_policy { specific { versions: [ 5, 1 ] } }");
    build();
    assert_int_equal(good("a")->version_count, 2);
    assert_int_equal(tenant("a")->versions[0].number, 1);
    put("m/a/config.pbtxt", "version_policy { specific { versions: [ 5, 3 ] } }");
    build();
    bad("a", ROOST_NOT_FOUND, "ROOT/m/a: version_policy names version 3, which is not there");
}

static void model_files(void **state)
{
    (void)state;
    put("m/named/config.pbtxt", "default_model_filename: 'x.onnx'");
    put("m/named/1/x.onnx", "");
    put("m/named/1/model.onnx", "");
    put("m/gone/config.pbtxt", "default_model_filename: 'x.onnx'");
    put("m/gone/1/model.onnx", "");
    put("m/empty/config.pbtxt", "");
    put("m/many/1/a.onnx", "");
    put("m/many/1/b.onnx", "");
    put("m/folder/1/model.onnx/model.onnx", "");
    put("m/folder/1/model.onnx/weights.bin", "");
    put("m/fake/1/model.fake", "");
    configure("server: {repositories: m}");
    build();
    expect_path(good("named"), "ROOT/m/named/1/x.onnx");
    bad("gone", ROOST_NOT_FOUND, "ROOT/m/gone/1: there is no x.onnx (default_model_filename)");
    bad("empty", ROOST_NOT_FOUND, "ROOT/m/empty: there is no model.onnx");
    bad("many", ROOST_INVALID,
        "ROOT/m/many/1: several model files and none is model.onnx; say default_model_filename");
    expect_path(good("folder"), "ROOT/m/folder/1/model.onnx/model.onnx");
    expect_path(good("fake"), "ROOT/m/fake/1/model.fake");
}

static void a_bad_config_is_that_models_own(void **state)
{
    (void)state;
    put("m/a/config.pbtxt", "max_batch_size: x");
    put("m/a/1/model.onnx", "");
    put("m/b/config.pbtxt", "ensemble_scheduling { }");
    put("m/c/config.pbtxt", "name: 'other'");
    put("m/c/1/model.onnx", "");
    put("m/d/1/model.onnx", "");
    configure("server: {repositories: m}");
    build();
    bad("a", ROOST_INVALID,
        "ROOT/m/a/config.pbtxt: line 1, column 1: max_batch_size: expected a 32-bit integer, not "
        "x");
    bad("b", ROOST_UNSUPPORTED,
        "ROOT/m/b/config.pbtxt: line 1, column 1: ensemble_scheduling: ensembles are not "
        "supported");
    bad("c", ROOST_INVALID, "ROOT/m/c: the config's name is other, but the directory's is c");
    good("d");
    configure("server: {repositories: m, strict_config: true}");
    build();
    bad("d", ROOST_INVALID, "the config gives no max_batch_size");
}

static void two_models_of_one_name(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "");
    put("n/a.onnx", "");
    put("n/b.onnx", "");
    configure("server: {repositories: [m, n]}");
    build();
    bad("a", ROOST_EXISTS, "there are two models a: ROOT/m/a and ROOT/n/a.onnx");
    good("b");
}

static void tenants_of_roost_yaml(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "");
    put("m/b/1/model.onnx", "");
    put("m/c/1/model.onnx", "");
    put("else/d.onnx", "");
    configure("server: {repositories: m}\n"
              "defaults: {queue_max: 7}\n"
              "tenants:\n"
              "  - {name: a, workers: 3}\n"
              "  - {name: t, model: b}\n"
              "  - {name: d, model: else/d.onnx}\n"
              "  - {name: gone}\n"
              "  - {name: nowhere, model: x/y.onnx}\n");
    build();
    assert_int_equal(desired->tenant_count, 6);
    assert_int_equal(good("a")->settings.workers, 3);
    assert_int_equal(tenant("a")->settings.queue_max, 7);
    expect_path(good("t"), "ROOT/m/b/1/model.onnx");
    assert_string_equal(tenant("t")->config.name, "t");
    assert_null(desired_find(desired, "b"));
    assert_int_equal(good("c")->settings.queue_max, 7);
    expect_path(good("d"), "ROOT/else/d.onnx");
    bad("gone", ROOST_NOT_FOUND, "there is no model gone in any repository");
    bad("nowhere", ROOST_NOT_FOUND, "ROOT/x/y.onnx: No such file or directory");
    configure("tenants: [{name: gone}]");
    build();
    bad("gone", ROOST_NOT_FOUND, "there is no model gone in the repositories, for none is given");
}

static void paths_must_hold_one_model(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "");
    put("m/b/1/model.onnx", "");
    put("none/readme.txt", "");
    configure("tenants: [{name: t, model: ./m}, {name: u, model: m/b}, {name: v, model: ./none}]");
    build();
    bad("t", ROOST_INVALID, "ROOT/m: there is more than one model: a, b");
    expect_path(good("u"), "ROOT/m/b/1/model.onnx");
    bad("v", ROOST_NOT_FOUND, "ROOT/none: there is no model");
}

static void variants(void **state)
{
    (void)state;
    put("m/big/1/model.onnx", "");
    put("m/big/2/model.onnx", "");
    put("m/big/config.pbtxt", "version_policy { all { } } max_batch_size: 8");
    put("m/small/3/model.onnx", "");
    put("extra/tiny.onnx", "");
    configure("server: {repositories: m}\n"
              "tenants:\n"
              "  - name: t\n"
              "    variants:\n"
              "      - {model: big, accuracy: 0.8, mflops: 4000}\n"
              "      - {model: small, name: cheaper}\n"
              "      - {model: extra/tiny.onnx}\n");
    build();
    assert_int_equal(desired->tenant_count, 1);
    const struct desired_tenant *t = good("t");
    assert_int_equal(t->config.max_batch_size, 8);
    assert_int_equal(t->version_count, 2);
    assert_int_equal(t->versions[0].variant_count, 1);
    assert_string_equal(t->versions[0].variants[0].name, "t");
    const struct desired_version *newest = &t->versions[1];
    assert_int_equal(newest->number, 2);
    assert_int_equal(newest->variant_count, 3);
    assert_string_equal(newest->variants[0].name, "big");
    assert_true(newest->variants[0].accuracy > 0.79);
    assert_true(newest->variants[0].mflops > 3999);
    assert_string_equal(plain(newest->variants[0].model_path), "ROOT/m/big/2/model.onnx");
    assert_string_equal(newest->variants[1].name, "cheaper");
    assert_true(newest->variants[1].accuracy < 0);
    assert_string_equal(plain(newest->variants[1].model_path), "ROOT/m/small/3/model.onnx");
    assert_string_equal(plain(newest->variants[2].model_path), "ROOT/extra/tiny.onnx");
    assert_string_equal(plain(newest->variants[2].model_directory), "ROOT/extra");

    configure("server: {repositories: m}\n"
              "tenants: [{name: small, variants: [{model: big}, {}, {model: gone}]}]\n");
    build();
    bad("small", ROOST_NOT_FOUND, "variant gone: there is no model gone in any repository");
    configure("server: {repositories: m}\n"
              "tenants: [{name: small, variants: [{model: big}, {}]}]\n");
    build();
    assert_int_equal(good("small")->versions[0].number, 3);
    assert_string_equal(good("small")->versions[0].variants[1].name, "small");
    expect_path(good("small"), "ROOT/m/big/2/model.onnx");
    assert_null(desired_find(desired, "big"));
}

static void adapters_are_checked(void **state)
{
    (void)state;
    put("m/big/1/model.onnx", "");
    put("m/big/config.pbtxt", "input { name: 'x' data_type: TYPE_FP32 dims: [3, 4, 4] } "
                              "output { name: 'y' data_type: TYPE_FP32 dims: 3 }");
    put("m/flat/1/model.onnx", "");
    put("m/flat/config.pbtxt", "input { name: 'x' data_type: TYPE_FP32 dims: 3 }");
    put("m/f/1/model.fake", "");
    put("map.txt", "2\n1\n\n0\r\n");
    put("short.txt", "1\n");
    put("wrong.txt", "1\ntwo\n");
    put("blank.txt", "\n");
    static const struct {
        const char *model, *adapter;
        enum roost_err err;
        const char *reason;
    } cases[] = {
        {"big", "{resize: [8, 8], output_map: map.txt}", ROOST_OK, ""},
        {"big", "{output_map: drop_first}", ROOST_OK, ""},
        {"big", "{normalise: {mean: [1, 1, 1], std: [1, 1, 1]}, layout: nchw_to_nhwc}", ROOST_OK,
         ""},
        {"big", "{normalise: {mean: [1], std: [1]}, layout: nchw_to_nhwc}", ROOST_INVALID,
         "variant v: normalise has 1 channels; input x has 3"},
        {"big", "{normalise: {mean: [1], std: [1]}, layout: nhwc_to_nchw}", ROOST_INVALID,
         "variant v: normalise has 1 channels; input x has 4"},
        {"flat", "{resize: [8, 8]}", ROOST_INVALID,
         "variant v: an adapter of images needs three dims; input x has [3]"},
        {"big", "{output_map: short.txt}", ROOST_INVALID,
         "variant v: ROOT/short.txt has 1 indices; output y has 3 classes"},
        {"big", "{output_map: wrong.txt}", ROOST_INVALID,
         "variant v: ROOT/wrong.txt:2: must be one index, not \"two\""},
        {"big", "{output_map: blank.txt}", ROOST_INVALID,
         "variant v: ROOT/blank.txt: no index in it"},
        {"big", "{output_map: gone.txt}", ROOST_NOT_FOUND,
         "variant v: ROOT/gone.txt: No such file or directory"},
        {"f", "{output_map: drop_first}", ROOST_UNSUPPORTED,
         "variant v: models of the fake engine take no adapter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "server: {repositories: m}\n"
                       "tenants: [{name: t, variants: [{name: v, model: %s, adapter: %s}]}]\n",
                       cases[i].model, cases[i].adapter);
        configure(text);
        build();
        assert_string_equal(plain(tenant("t")->reason.text), cases[i].reason);
        assert_int_equal(tenant("t")->err, cases[i].err);
    }
    configure("server: {repositories: m}\n"
              "tenants: [{name: t, variants: [{model: big, adapter: {resize: [8, 9]}}]}]\n");
    build();
    uint64_t stamp = good("t")->versions[0].variants[0].stamp;
    assert_int_equal(good("t")->versions[0].variants[0].adapter.resize_width, 9);
    configure("server: {repositories: m}\n"
              "tenants: [{name: t, variants: [{model: big, adapter: {resize: [9, 8]}}]}]\n");
    build();
    assert_true(good("t")->versions[0].variants[0].stamp != stamp);
}

static void control_modes(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "");
    put("m/b/1/model.onnx", "");
    put("m/c/1/model.onnx", "");
    configure("server: {repositories: m, control_mode: explicit, load_models: [b, ghost]}\n"
              "tenants: [{name: c}]\n");
    build();
    assert_int_equal(desired->tenant_count, 4);
    assert_false(good("a")->wanted);
    assert_true(good("b")->wanted);
    assert_true(good("c")->wanted);
    bad("ghost", ROOST_NOT_FOUND, "there is no model ghost in any repository");
    configure("server: {repositories: m, control_mode: explicit, load_models: '*'}");
    build();
    assert_true(good("a")->wanted);
    configure("server: {repositories: m, control_mode: explicit}");
    struct load_request requests[] = {
        {.name = "a", .wanted = true},  {.name = "b", .wanted = true},
        {.name = "a", .wanted = false}, {.name = "x", .wanted = true},
        {.name = "y", .wanted = false},
    };
    build_with(requests, 5);
    assert_int_equal(desired->tenant_count, 4);
    assert_false(good("a")->wanted);
    assert_true(good("b")->wanted);
    assert_false(good("c")->wanted);
    bad("x", ROOST_NOT_FOUND, "there is no model x in any repository");
    assert_true(tenant("x")->asked);
    assert_false(tenant("b")->asked);
}

static void a_request_may_bring_a_config(void **state)
{
    (void)state;
    char json[] = "{\"name\":\"a\",\"max_batch_size\":3}";
    char wrong[] = "{\"name\":\"b\"}";
    char broken[] = "{\"max_batch\":1}";
    put("m/a/1/model.onnx", "");
    put("m/a/config.pbtxt", "max_batch_size: 8");
    configure("server: {repositories: m}");
    build();
    assert_int_equal(good("a")->config.max_batch_size, 8);
    uint64_t stamp = good("a")->config_stamp;
    struct load_request request = {.name = "a", .wanted = true, .config_json = json};
    build_with(&request, 1);
    assert_int_equal(good("a")->config.max_batch_size, 3);
    assert_true(good("a")->config_stamp != stamp);
    request.config_json = wrong;
    build_with(&request, 1);
    bad("a", ROOST_INVALID, "ROOT/m/a: the config's name is b, but the directory's is a");
    request.config_json = broken;
    build_with(&request, 1);
    bad("a", ROOST_INVALID, "the config of the load request: unknown field max_batch");
}

static void stamps_tell_of_changes(void **state)
{
    (void)state;
    put("m/a/1/model.onnx", "1");
    put("m/a/1/weights.bin", "1");
    put("m/a/config.pbtxt", "output { name: 'y' label_filename: 'l.txt' } model_warmup { "
                            "batch_size: 1 inputs { key: 'x' } }");
    put("m/a/l.txt", "one");
    put("m/b.onnx", "");
    configure("server: {repositories: m}");
    build();
    uint64_t model = good("a")->versions[0].variants[0].stamp, config = good("a")->config_stamp;
    uint64_t bare = good("b")->versions[0].variants[0].stamp;
    build();
    assert_true(model == good("a")->versions[0].variants[0].stamp);
    assert_true(config == good("a")->config_stamp);
    put("m/a/1/weights.bin", "22");
    build();
    assert_true(model != good("a")->versions[0].variants[0].stamp);
    assert_true(config == good("a")->config_stamp);
    model = good("a")->versions[0].variants[0].stamp;
    put("m/a/l.txt", "two ");
    build();
    assert_true(model == good("a")->versions[0].variants[0].stamp);
    assert_true(config != good("a")->config_stamp);
    config = good("a")->config_stamp;
    put("m/a/warmup/x", "raw");
    build();
    assert_true(config != good("a")->config_stamp);
    /* Another model beside a bare file is not its data; another file may be. */
    put("m/c.onnx", "");
    build();
    assert_true(bare == good("b")->versions[0].variants[0].stamp);
    put("m/b.onnx.data", "x");
    build();
    assert_true(bare != good("b")->versions[0].variants[0].stamp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_to_serve, begin, end),
        cmocka_unit_test_setup_teardown(a_repository_of_models, begin, end),
        cmocka_unit_test_setup_teardown(a_repository_that_is_one_model, begin, end),
        cmocka_unit_test_setup_teardown(a_repository_that_is_one_file, begin, end),
        cmocka_unit_test_setup_teardown(repositories_that_cannot_be_read, begin, end),
        cmocka_unit_test_setup_teardown(version_policies, begin, end),
        cmocka_unit_test_setup_teardown(model_files, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_config_is_that_models_own, begin, end),
        cmocka_unit_test_setup_teardown(two_models_of_one_name, begin, end),
        cmocka_unit_test_setup_teardown(tenants_of_roost_yaml, begin, end),
        cmocka_unit_test_setup_teardown(paths_must_hold_one_model, begin, end),
        cmocka_unit_test_setup_teardown(variants, begin, end),
        cmocka_unit_test_setup_teardown(adapters_are_checked, begin, end),
        cmocka_unit_test_setup_teardown(control_modes, begin, end),
        cmocka_unit_test_setup_teardown(a_request_may_bring_a_config, begin, end),
        cmocka_unit_test_setup_teardown(stamps_tell_of_changes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
