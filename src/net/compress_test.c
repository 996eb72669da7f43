/* SPDX-License-Identifier: Apache-2.0 */
#include "net/compress.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/test.h"

static const enum compress_coding both[] = {COMPRESS_GZIP, COMPRESS_DEFLATE};

static void encode(enum compress_coding coding, const void *data, size_t bytes, struct strbuf *out)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    assert_int_equal(compress_encode(coding, &part, 1, out, NULL), ROOST_OK);
}

/* The coded data in memory of exactly its size, so that a sanitizer sees reads beyond it. */
static enum roost_err decode(enum compress_coding coding, const void *data, size_t bytes,
                             size_t bytes_max, struct strbuf *out, struct detail *detail)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    strbuf_reset(out);
    enum roost_err err = compress_decode(coding, copy, bytes, bytes_max, out, detail);
    free(copy);
    return err;
}

static void there_and_back(void **state)
{
    (void)state;
    struct rng rng;
    struct strbuf plain;
    struct strbuf coded;
    struct strbuf back;
    strbuf_init(&plain);
    strbuf_init(&coded);
    strbuf_init(&back);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < 2 * 16; i++) {
        enum compress_coding coding = both[i % 2];
        size_t bytes = (size_t)rng_below(&rng, UINT64_C(1) << (2 * (i / 2) + 1) % 20);
        strbuf_reset(&plain);
        strbuf_reset(&coded);
        for (size_t at = 0; at < bytes; at++)
            strbuf_putc(&plain, (char)rng_below(&rng, i % 3 == 0 ? 256 : 3));
        size_t cut = bytes / 3;
        struct iovec parts[] = {{plain.data, cut}, {NULL, 0}, {plain.data + cut, bytes - cut}};
        if (bytes == 0)
            parts[0] = parts[2] = (struct iovec){"", 0};
        assert_int_equal(compress_encode(coding, parts, 3, &coded, NULL), ROOST_OK);
        assert_int_equal(decode(coding, coded.data, coded.length, bytes, &back, NULL), ROOST_OK);
        assert_int_equal(back.length, bytes);
        assert_memory_equal(strbuf_text(&back), strbuf_text(&plain), bytes);
        if (bytes > 0)
            assert_int_equal(decode(coding, coded.data, coded.length, bytes - 1, &back, NULL),
                             ROOST_TOO_LARGE);
    }
    strbuf_fini(&plain);
    strbuf_fini(&coded);
    strbuf_fini(&back);
}

/* A kilobyte that would become a gigabyte costs what the limit says. */
static void bomb(void **state)
{
    (void)state;
    struct strbuf coded;
    struct strbuf back;
    struct detail detail;
    static const char zeros[1 << 16];
    struct iovec parts[64];
    strbuf_init(&coded);
    strbuf_init(&back);
    for (size_t i = 0; i < 64; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)zeros, sizeof(zeros)};
    assert_int_equal(compress_encode(COMPRESS_GZIP, parts, 64, &coded, NULL), ROOST_OK);
    assert_true(coded.length < 32768);
    assert_int_equal(decode(COMPRESS_GZIP, coded.data, coded.length, 100000, &back, &detail),
                     ROOST_TOO_LARGE);
    assert_string_equal(detail.text, "body: is more than 100000 bytes when decompressed");
    assert_true(back.capacity < 4 * 100000);
    assert_int_equal(decode(COMPRESS_GZIP, coded.data, coded.length, 64 << 16, &back, &detail),
                     ROOST_OK);
    strbuf_fini(&coded);
    strbuf_fini(&back);
}

static void refuse(enum compress_coding coding, const void *data, size_t bytes, const char *text)
{
    struct strbuf out;
    struct detail detail;
    strbuf_init(&out);
    assert_int_equal(decode(coding, data, bytes, 1000, &out, &detail), ROOST_INVALID);
    assert_string_equal(detail.text, text);
    strbuf_fini(&out);
}

static void broken(void **state)
{
    (void)state;
    struct strbuf coded;
    strbuf_init(&coded);
    encode(COMPRESS_GZIP, "hello, hello, hello", 19, &coded);
    for (size_t cut = 0; cut < coded.length; cut++)
        refuse(COMPRESS_GZIP, coded.data, cut, "body: its gzip data ends too early");
    refuse(COMPRESS_DEFLATE, coded.data, coded.length,
           "body: its deflate data is broken: incorrect header check");
    coded.data[coded.length - 8] ^= 1;
    refuse(COMPRESS_GZIP, coded.data, coded.length,
           "body: its gzip data is broken: incorrect data check");
    strbuf_reset(&coded);
    encode(COMPRESS_DEFLATE, "hello, hello, hello", 19, &coded);
    strbuf_putc(&coded, 'x');
    refuse(COMPRESS_DEFLATE, coded.data, coded.length, "body: has bytes after its deflate data");
    refuse(COMPRESS_DEFLATE, "", 0, "body: its deflate data ends too early");
    /* A zlib stream that names a preset dictionary. */
    refuse(COMPRESS_DEFLATE, "\x78\xBB\1\2\3\4", 6,
           "body: its deflate data is broken: it needs a dictionary");
    strbuf_fini(&coded);
}

static void several_members(void **state)
{
    (void)state;
    struct strbuf coded;
    struct strbuf back;
    strbuf_init(&coded);
    strbuf_init(&back);
    encode(COMPRESS_GZIP, "ab", 2, &coded);
    encode(COMPRESS_GZIP, "", 0, &coded);
    encode(COMPRESS_GZIP, "cd", 2, &coded);
    assert_int_equal(decode(COMPRESS_GZIP, coded.data, coded.length, 4, &back, NULL), ROOST_OK);
    assert_string_equal(strbuf_text(&back), "abcd");
    assert_int_equal(decode(COMPRESS_GZIP, coded.data, coded.length, 3, &back, NULL),
                     ROOST_TOO_LARGE);
    strbuf_fini(&coded);
    strbuf_fini(&back);
}

static void content_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum compress_coding coding;
    } good[] = {
        {NULL, COMPRESS_IDENTITY},     {"", COMPRESS_IDENTITY},    {"identity", COMPRESS_IDENTITY},
        {"gzip", COMPRESS_GZIP},       {" GZip\t", COMPRESS_GZIP}, {"x-gzip", COMPRESS_GZIP},
        {"deflate", COMPRESS_DEFLATE},
    };
    enum compress_coding coding;
    struct detail detail;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(compress_coding_parse(good[i].text, &coding, NULL), ROOST_OK);
        assert_int_equal(coding, good[i].coding);
    }
    const char *const bad[] = {"gzip, gzip", "gzip;q=1", "zstd", "*", "br"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(compress_coding_parse(bad[i], &coding, &detail), ROOST_UNSUPPORTED);
    assert_string_equal(detail.text,
                        "Content-Encoding: \"br\" is not supported; send gzip, deflate or neither");
    assert_string_equal(compress_coding_name(COMPRESS_GZIP), "gzip");
    assert_string_equal(compress_coding_name(COMPRESS_DEFLATE), "deflate");
    assert_string_equal(compress_coding_name(COMPRESS_IDENTITY), "identity");
}

static void negotiation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum compress_coding coding;
    } cases[] = {
        {NULL, COMPRESS_IDENTITY},
        {"", COMPRESS_IDENTITY},
        {"gzip", COMPRESS_GZIP},
        {"deflate", COMPRESS_DEFLATE},
        {"gzip, deflate", COMPRESS_GZIP},
        {"deflate, gzip", COMPRESS_GZIP},
        {"deflate;q=1, gzip;q=0.5", COMPRESS_DEFLATE},
        {"GZIP ; Q=0.3 , Deflate;q=0.31", COMPRESS_DEFLATE},
        {"gzip;q=0", COMPRESS_IDENTITY},
        {"gzip;q=0.000, deflate;q=0.001", COMPRESS_DEFLATE},
        {"gzip;q=0.5, identity", COMPRESS_IDENTITY},
        {"gzip, identity", COMPRESS_GZIP},
        {"identity;q=0", COMPRESS_IDENTITY},
        {"*", COMPRESS_GZIP},
        {"*;q=0.5, gzip;q=0.1", COMPRESS_DEFLATE},
        {"*;q=0", COMPRESS_IDENTITY},
        {"br, zstd", COMPRESS_IDENTITY},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", COMPRESS_GZIP},
        {"gzip;level=3;q=0.2, deflate;q=0.1", COMPRESS_GZIP},
        {"gzip;q=2, deflate;q=0.1", COMPRESS_DEFLATE},
        {"gzip;q=1.001, deflate;q=0.1", COMPRESS_DEFLATE},
        {"gzip;q=, deflate;q=0.1", COMPRESS_DEFLATE},
        {"gzip;q=0.1234, deflate;q=0.1", COMPRESS_DEFLATE},
        {"gzip;q=-1", COMPRESS_IDENTITY},
        {",,; ,gzip,", COMPRESS_GZIP},
        {"gzipx", COMPRESS_IDENTITY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(compress_negotiate(cases[i].text), cases[i].coding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),   cmocka_unit_test(bomb),
        cmocka_unit_test(broken),           cmocka_unit_test(several_members),
        cmocka_unit_test(content_encoding), cmocka_unit_test(negotiation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
