/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/test.h"

static void parse_good(void **state)
{
    (void)state;
    const char *text = " {\"a\": [1, 2.5, \"x\"], \"a\": 2} ";
    yyjson_doc *doc = NULL;
    assert_int_equal(json_parse(text, strlen(text), &doc, NULL), ROOST_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "a")), 3);
    yyjson_doc_free(doc);
}

static void expect_bad(const char *text, size_t length, const char *reason)
{
    struct detail detail = {0};
    yyjson_doc *doc = NULL;
    assert_int_equal(json_parse(text, length, &doc, &detail), ROOST_INVALID);
    assert_null(doc);
    assert_non_null(strstr(detail.text, reason));
}

static void parse_bad(void **state)
{
    (void)state;
    expect_bad("", 0, "JSON: the text is empty");
    expect_bad("  ", 2, "JSON: input data is empty");
    expect_bad("[1,]", 4, "at byte 2");
    expect_bad("[1] x", 5, "at byte 4");
    expect_bad("{\"a\":}", 6, "at byte 5");
    expect_bad("[NaN]", 5, "at byte 1");
    expect_bad("[Infinity]", 10, "at byte 1");
    expect_bad("[1e999]", 7, "at byte 1");
    expect_bad("\"\xff\"", 3, "at byte 1");
    expect_bad("[1", 2, "at byte 2");
    expect_bad("[1]", 2, "at byte 2");
}

static void nested(size_t depth, bool objects, const char *reason)
{
    struct strbuf text;
    strbuf_init(&text);
    /* Brackets in a string do not count, and neighbours add no depth. */
    strbuf_puts(&text, "[\"[[{{\\\"[[\", [[]], {\"a\": []}, ");
    for (size_t i = 1; i < depth; i++)
        strbuf_puts(&text, objects ? "{\"k\":" : "[");
    strbuf_puts(&text, "1");
    for (size_t i = 1; i < depth; i++)
        strbuf_puts(&text, objects ? "}" : "]");
    strbuf_puts(&text, "]");
    yyjson_doc *doc = NULL;
    if (reason == NULL)
        assert_int_equal(json_parse(text.data, text.length, &doc, NULL), ROOST_OK);
    else
        expect_bad(text.data, text.length, reason);
    yyjson_doc_free(doc);
    strbuf_fini(&text);
}

static void depth_is_limited(void **state)
{
    (void)state;
    nested(JSON_DEPTH_MAX, false, NULL);
    nested(JSON_DEPTH_MAX, true, NULL);
    nested(JSON_DEPTH_MAX + 1, false, "JSON: more than 64 levels deep at byte 93");
    nested(JSON_DEPTH_MAX + 1, true, "JSON: more than 64 levels deep at byte 345");
    nested(100000, false, "JSON: more than 64 levels deep");
}

static void writer_structure(void **state)
{
    (void)state;
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_field_string(&w, "s", "a");
    json_field_int(&w, "i", INT64_MIN);
    json_field_uint(&w, "u", UINT64_MAX);
    json_field_double(&w, "d", 0.1);
    json_field_bool(&w, "b", true);
    json_key(&w, "list");
    json_begin_array(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_null(&w);
    json_bool(&w, false);
    json_int(&w, 0);
    json_end_array(&w);
    json_key(&w, "f");
    json_float_array(&w, NULL, 0);
    json_end_object(&w);
    assert_string_equal(strbuf_text(&out),
                        "{\"s\":\"a\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                        "\"d\":0.1,\"b\":true,\"list\":[[],{},null,false,0],\"f\":[]}");
    assert_int_equal(w.depth, 0);
    strbuf_fini(&out);
}

static void check_string(const char *text, size_t length, const char *wanted)
{
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_string_n(&w, text, length);
    assert_string_equal(strbuf_text(&out), wanted);
    strbuf_fini(&out);
}

static void writer_strings(void **state)
{
    (void)state;
    check_string("", 0, "\"\"");
    check_string("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    check_string("\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"");
    check_string("\0\x1f\x7f", 3, "\"\\u0000\\u001f\x7f\"");
    check_string("\xE2\x82\xAC", 3, "\"\xE2\x82\xAC\"");
    check_string("x\xFFy\xC3", 4, "\"x\xEF\xBF\xBDy\xEF\xBF\xBD\"");
}

static void any_bytes_make_valid_json(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 9);
    for (int round = 0; round < 2000; round++) {
        char bytes[24];
        size_t length = (size_t)rng_below(&rng, sizeof(bytes) + 1);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)rng_below(&rng, 256);
        struct strbuf out;
        struct json_writer w;
        strbuf_init(&out);
        json_writer_init(&w, &out);
        json_string_n(&w, bytes, length);
        yyjson_doc *doc = NULL;
        assert_int_equal(json_parse(out.data, out.length, &doc, NULL), ROOST_OK);
        assert_true(yyjson_is_str(yyjson_doc_get_root(doc)));
        yyjson_doc_free(doc);
        strbuf_fini(&out);
    }
}

static void check_text(float value, const char *wanted)
{
    char text[JSON_NUMBER_BYTES_MAX] = "";
    size_t length = json_format_float(value, text);
    text[length] = '\0';
    assert_string_equal(text, wanted);
}

static void float_texts(void **state)
{
    (void)state;
    check_text(0.0F, "0.0");
    check_text(-0.0F, "-0.0");
    check_text(1.0F, "1.0");
    check_text(-1.5F, "-1.5");
    check_text(0.1F, "0.1");
    check_text(0.3F, "0.3");
    check_text(123456.0F, "123456.0");
    check_text(16777216.0F, "16777216.0");
    check_text(3.1415927F, "3.1415927");
    check_text(0.000123F, "0.000123");
    check_text(0.00001F, "0.00001");
    check_text(0.0000012F, "1.2e-6");
    check_text(1e10F, "10000000000.0");
    check_text(1e16F, "1e16");
    check_text(1e20F, "1e20");
    check_text(9.9999998e10F, "100000000000.0");
    check_text(67659900.0F, "67659900.0");
    check_text(0.99999994F, "0.99999994");
    check_text(NAN, "null");
    check_text(INFINITY, "null");
    check_text(-INFINITY, "null");
}

/* Reads back as the same float, directly and by way of a double, in as few digits as %.*g needs. */
static void check_float(float value)
{
    char text[JSON_NUMBER_BYTES_MAX] = "";
    size_t length = json_format_float(value, text);
    assert_true(length > 0 && length < sizeof(text));
    text[length] = '\0';
    float direct = strtof(text, NULL);
    float by_double = (float)strtod(text, NULL);
    assert_memory_equal(&direct, &value, sizeof(value));
    assert_memory_equal(&by_double, &value, sizeof(value));
    yyjson_doc *doc = NULL;
    assert_int_equal(json_parse(text, length, &doc, NULL), ROOST_OK);
    float parsed = (float)yyjson_get_num(yyjson_doc_get_root(doc));
    assert_memory_equal(&parsed, &value, sizeof(value));
    yyjson_doc_free(doc);
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void floats_read_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 10);
    for (int i = 0; i < 100000; i++) {
        float any = float_of_bits((uint32_t)rng_next(&rng));
        if (isfinite(any))
            check_float(any);
        check_float((float)rng_normal(&rng));
        check_float((float)rng_below(&rng, 1000) / 1000.0F);
    }
    check_float(FLT_MAX);
    check_float(-FLT_MAX);
    check_float(FLT_MIN);
    check_float(float_of_bits(1));
    check_float(float_of_bits(0x007FFFFF));
    /* Both sides of every power of ten and of two, where digits and exponents change. */
    for (int exponent = -45; exponent <= 38; exponent++) {
        float power = (float)pow(10.0, exponent);
        check_float(power);
        check_float(nextafterf(power, 0.0F));
        if (exponent < 38)
            check_float(nextafterf(power, INFINITY));
    }
    for (int exponent = -149; exponent < 128; exponent++) {
        check_float(ldexpf(1.0F, exponent));
        check_float(nextafterf(ldexpf(1.0F, exponent), 0.0F));
    }
}

static size_t digit_count(const char *text, size_t length)
{
    size_t first = length;
    size_t last = 0;
    size_t digits = 0;
    for (size_t i = 0; i < length && text[i] != 'e'; i++) {
        if (text[i] < '0' || text[i] > '9')
            continue;
        if (text[i] != '0') {
            first = first == length ? digits : first;
            last = digits;
        }
        digits++;
    }
    return last - first + 1;
}

static void floats_are_short(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 11);
    for (int i = 0; i < 50000; i++) {
        float value = (float)(rng_normal(&rng) * pow(10.0, (double)rng_below(&rng, 20) - 10.0));
        char text[JSON_NUMBER_BYTES_MAX];
        size_t length = json_format_float(value, text);
        char shortest[JSON_NUMBER_BYTES_MAX];
        int digits = 1;
        do {
            (void)snprintf(shortest, sizeof(shortest), "%.*e", digits - 1, (double)value);
        } while (strtof(shortest, NULL) != value && digits++ < 9);
        assert_int_equal(digit_count(text, length), digits);
    }
}

static void doubles(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 12);
    char text[JSON_NUMBER_BYTES_MAX];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        text[json_format_double(value, text)] = '\0';
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof(value));
    }
    static const double values[] = {0.0, -0.0, 0.1, 1.0, 1e300, 5e-324, DBL_MAX, -DBL_MIN};
    static const char *const texts[] = {"0.0",
                                        "-0.0",
                                        "0.1",
                                        "1.0",
                                        "1e300",
                                        "5e-324",
                                        "1.7976931348623157e308",
                                        "-2.2250738585072014e-308"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        text[json_format_double(values[i], text)] = '\0';
        assert_string_equal(text, texts[i]);
    }
    text[json_format_double((double)NAN, text)] = '\0';
    assert_string_equal(text, "null");
}

static void bulk_equals_singles(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    float *values = malloc(COUNT * sizeof(*values));
    struct rng rng;
    rng_seed(&rng, 13);
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (float)rng_normal(&rng);
    values[7] = NAN;
    static const size_t counts[] = {1, 2, 1023, 1024, 1025, COUNT};
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct strbuf bulk, single;
        struct json_writer a, b;
        strbuf_init(&bulk);
        strbuf_init(&single);
        json_writer_init(&a, &bulk);
        json_writer_init(&b, &single);
        json_begin_array(&a);
        json_int(&a, 1);
        json_float_items(&a, values, counts[c]);
        json_float_array(&a, values, counts[c]);
        json_end_array(&a);
        json_begin_array(&b);
        json_int(&b, 1);
        for (size_t i = 0; i < counts[c]; i++)
            json_float(&b, values[i]);
        json_begin_array(&b);
        for (size_t i = 0; i < counts[c]; i++)
            json_float(&b, values[i]);
        json_end_array(&b);
        json_end_array(&b);
        assert_int_equal(bulk.length, single.length);
        assert_memory_equal(bulk.data, single.data, bulk.length);
        strbuf_fini(&bulk);
        strbuf_fini(&single);
    }
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_good),          cmocka_unit_test(parse_bad),
        cmocka_unit_test(depth_is_limited),    cmocka_unit_test(writer_structure),
        cmocka_unit_test(writer_strings),      cmocka_unit_test(any_bytes_make_valid_json),
        cmocka_unit_test(float_texts),         cmocka_unit_test(floats_read_back),
        cmocka_unit_test(floats_are_short),    cmocka_unit_test(doubles),
        cmocka_unit_test(bulk_equals_singles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
