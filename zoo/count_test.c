/* SPDX-License-Identifier: Apache-2.0 */
/* What the graphs weigh and how much work they are, against what is published of the networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "zoo/zoo.h"

enum { MODELS_MAX = 64 };

static struct zoo_count count_of(const char *name, double scale)
{
    struct detail detail = {0};
    struct zoo_count count = {0};
    const struct zoo_model *model = zoo_find(name);
    assert_non_null(model);
    assert_int_equal(zoo_count(model, scale, &count, &detail), ROOST_OK);
    return count;
}

static void near_to(const char *what, double value, double published, double tolerance)
{
    if (value < published * (1.0 - tolerance) || value > published * (1.0 + tolerance))
        fail_msg("%s: %.6g, published %.6g", what, value, published);
}

/* Two percent is what the zoo promises; rounding of the published numbers takes half of it. */
static void parameters_are_the_published_ones(void **state)
{
    (void)state;
    const struct zoo_model *model;
    size_t models = 0;
    for (; (model = zoo_at(models)) != NULL; models++) {
        struct zoo_count count = count_of(model->name, 1.0);
        uint64_t ours = model->params_convention == ZOO_PARAMS_STORED ? count.params_stored
                                                                      : count.params_trainable;
        near_to(model->name, (double)ours, (double)model->params_published, 0.02);
        assert_true(strlen(model->params_source) > 0);
        assert_true(count.params_stored >= count.params_trainable);
        assert_true(count.weight_bytes >= 4 * count.params_stored);
    }
    assert_in_range(models, 8 + 12, MODELS_MAX);
}

/* These are published to the last digit. */
static void parameters_are_exact_where_the_source_is(void **state)
{
    static const struct {
        const char *name;
        bool stored;
        uint64_t parameters;
    } published[] = {
        {"squeezenet_1_1", false, 1235496},         /* torchvision */
        {"resnet_v1_50", false, 25557032},          /* torchvision */
        {"inception_v1", true, 5607184 + 1026025},  /* TF-Slim's test, and the classes */
        {"inception_v2", true, 10173112 + 1026025}, /* the same */
        {"inception_v3", true, 21802784 + 2051049}, /* the same */
        {"resnet_v2_50", true, 25613800 + 2049},    /* Keras, and a class more */
        {"resnet_v2_101", true, 44675560 + 2049},   /* the same */
        {"resnet_v2_152", true, 60380648 + 2049},   /* the same */
        {"dien", false, 976000000 + 67194},         /* tables; layers and recurrences */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        struct zoo_count count = count_of(published[i].name, 1.0);
        assert_int_equal(published[i].stored ? count.params_stored : count.params_trainable,
                         published[i].parameters);
    }
}

/* Millions of multiply-adds per image, and whose count it is. */
static void work_is_the_published_one(void **state)
{
    static const struct {
        const char *name;
        double multiply_adds_million;
    } published
        [] =
            {
                {"mobilenet_v1_025_160", 21}, /* TF-Slim, nets/mobilenet_v1.md, as the next ones */
                {"mobilenet_v1_025", 41},     {"mobilenet_v1_050_160", 77},
                {"mobilenet_v1_050", 150},    {"mobilenet_v1_100", 569},
                {"mobilenet_v2_100", 300}, /* TF-Slim, nets/mobilenet/README.md */
                {"mobilenet_v2_140", 582},    {"squeezenet_1_1", 349}, /* torchvision */
                {"resnet_v1_50", 4089},                                /* torchvision */
                {"inception_v1", 1500},  /* OpenVINO's model zoo: 3.016 GFLOPs with pooling */
                {"inception_v3", 5713},  /* timm, inception_v3 */
                {"inception_v4", 12280}, /* timm, inception_v4 */
                {"resnet_v2_50", 3500},  /* TF-Slim, nets/mobilenet/README.md */
            };
    (void)state;
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        struct zoo_count count = count_of(published[i].name, 1.0);
        near_to(published[i].name, (double)count.flops_per_item / 2e6,
                published[i].multiply_adds_million, 0.02);
    }
}

/* Shapes of models/configs/ in DeepRecSys: tables in bytes, other parameters, FLOPs and gathered
 * bytes per item. */
static void recommendation_models_have_their_shapes(void **state)
{
    static const struct {
        const char *name;
        uint64_t table_bytes, other_parameters, flops, gathered;
    } published[] = {
        {"dlrm_rmc1", 4096000000, 100833, 200832, 81920},
        {"dlrm_rmc2", 4096000000, 319937, 639104, 983040},
        {"dlrm_rmc3", 2560000000, 3205409, 6406656, 25600},
        {"wnd", 3456000000, 2066433, 4129280, 3456},
        {"mt_wnd", 3904000000, 2623360, 5242880, 5504},
        {"ncf", 86016000, 148224, 294912, 1024},
        {"din", 2700800000, 42203, 83776, 1536},
        {"din_251", 5900800000, 82453, 147776, 97536},
        {"dien", 3904000000, 67194, 1570880, 5504},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        struct zoo_count count = count_of(published[i].name, 1.0);
        assert_int_equal(count.embedding_params * 4, published[i].table_bytes);
        assert_int_equal(count.params_trainable - count.embedding_params,
                         published[i].other_parameters);
        assert_int_equal(count.flops_per_item, published[i].flops);
        assert_int_equal(count.gathered_bytes_per_item, published[i].gathered);
        assert_int_equal(zoo_find(published[i].name)->params_published, count.params_trainable);
    }
}

static int flops_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void ladder_is_long_and_has_no_gap(void **state)
{
    static const char *const members[] = {
        "mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v1_100", "mobilenet_v2_100",
        "inception_v1",     "inception_v3",     "inception_v4",     "resnet_v2_50",
        "resnet_v2_101",    "resnet_v2_152",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        assert_int_equal(zoo_find(members[i])->kind, ZOO_CLASSIFIER);

    uint64_t flops[MODELS_MAX];
    size_t rungs = 0;
    const struct zoo_model *model;
    for (size_t i = 0; (model = zoo_at(i)) != NULL; i++) {
        if (model->kind == ZOO_CLASSIFIER)
            flops[rungs++] = count_of(model->name, 1.0).flops_per_item;
    }
    qsort(flops, rungs, sizeof(flops[0]), flops_compare);
    assert_true(flops[rungs - 1] >= 100 * flops[0]);
    for (size_t i = 1; i < rungs; i++)
        assert_true(flops[i] <= 3 * flops[i - 1]);
}

static void scale_shrinks_tables_only(void **state)
{
    (void)state;
    struct zoo_count whole = count_of("dlrm_rmc1", 1.0);
    struct zoo_count part = count_of("dlrm_rmc1", 0.01);
    assert_int_equal(part.embedding_params * 100, whole.embedding_params);
    assert_int_equal(part.params_trainable - part.embedding_params,
                     whole.params_trainable - whole.embedding_params);
    assert_int_equal(part.flops_per_item, whole.flops_per_item);
    assert_int_equal(part.gathered_bytes_per_item, whole.gathered_bytes_per_item);
    /* Eight tables of 32 numbers keep sixteen rows. */
    assert_int_equal(count_of("dlrm_rmc1", 1e-9).embedding_params, 8 * 32 * 16);
    assert_int_equal(count_of("inception_v1", 0.5).weight_bytes,
                     count_of("inception_v1", 1.0).weight_bytes);
}

static void scale_has_limits(void **state)
{
    static const double refused[] = {0.0, -1.0, 1.5};
    (void)state;
    struct zoo_count count;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct detail detail = {0};
        assert_int_equal(zoo_count(zoo_at(0), refused[i], &count, &detail), ROOST_INVALID);
        assert_non_null(strstr(detail.text, "scale"));
    }
}

static void names_are_unique_and_found(void **state)
{
    (void)state;
    const struct zoo_model *model;
    for (size_t i = 0; (model = zoo_at(i)) != NULL; i++) {
        assert_ptr_equal(zoo_find(model->name), model);
        assert_true(strspn(model->name, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
                    strlen(model->name));
        assert_int_equal(model->accuracy >= 0.0, model->kind == ZOO_CLASSIFIER);
        assert_true(model->accuracy_top5 >= model->accuracy && model->accuracy_top5 <= 1.0);
    }
    assert_null(zoo_find("resnet"));
    assert_string_equal(zoo_kind_name(ZOO_CLASSIFIER), "classifier");
    assert_string_equal(zoo_kind_name(ZOO_RECOMMENDATION), "recommendation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_the_published_ones),
        cmocka_unit_test(parameters_are_exact_where_the_source_is),
        cmocka_unit_test(work_is_the_published_one),
        cmocka_unit_test(recommendation_models_have_their_shapes),
        cmocka_unit_test(ladder_is_long_and_has_no_gap),
        cmocka_unit_test(scale_shrinks_tables_only),
        cmocka_unit_test(scale_has_limits),
        cmocka_unit_test(names_are_unique_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
