/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says which coding the rest is in; what can be decoded is coded and decoded
 * again. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "net/compress.h"

enum { PLAIN_BYTES_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(enum compress_coding coding, const struct strbuf *plain)
{
    struct iovec part = {.iov_base = plain->data, .iov_len = plain->length};
    struct strbuf coded;
    struct strbuf back;
    strbuf_init(&coded);
    strbuf_init(&back);
    enum roost_err err = compress_encode(coding, &part, 1, &coded, NULL);
    roost_assert(err == ROOST_OK);
    err = compress_decode(coding, coded.data, coded.length, plain->length, &back, NULL);
    roost_assert(err == ROOST_OK && back.length == plain->length);
    roost_assert(memcmp(strbuf_text(&back), strbuf_text(plain), back.length) == 0);
    strbuf_fini(&coded);
    strbuf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum compress_coding coding = data[0] % 2 == 0 ? COMPRESS_GZIP : COMPRESS_DEFLATE;
    struct strbuf plain;
    struct detail detail;
    strbuf_init(&plain);
    enum roost_err err = compress_decode(coding, data + 1, size - 1, PLAIN_BYTES_MAX, &plain,
                                         &detail);
    roost_assert(err == ROOST_OK || err == ROOST_INVALID || err == ROOST_TOO_LARGE);
    if (err == ROOST_OK)
        again(coding, &plain);
    strbuf_fini(&plain);
    return 0;
}
