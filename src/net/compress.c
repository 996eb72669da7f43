/* SPDX-License-Identifier: Apache-2.0 */
#include "net/compress.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/assert.h"

/* zlib counts in unsigned int, so long data goes through it in pieces. */
enum { PIECE_BYTES = 1 << 30, CHUNK_BYTES = 64 * 1024, WINDOW_BITS = 15, GZIP_BITS = 16 };

static const struct coding {
    const char *name;
    enum compress_coding coding;
} codings[] = {
    {"gzip", COMPRESS_GZIP},
    {"x-gzip", COMPRESS_GZIP},
    {"deflate", COMPRESS_DEFLATE},
    {"identity", COMPRESS_IDENTITY},
};

enum { CODING_NAMES = sizeof(codings) / sizeof(codings[0]) };

const char *compress_coding_name(enum compress_coding coding)
{
    return coding == COMPRESS_GZIP ? "gzip" : coding == COMPRESS_DEFLATE ? "deflate" : "identity";
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Index in `codings` of a name of `length` bytes, or CODING_NAMES. */
static size_t coding_find(const char *name, size_t length)
{
    size_t i = 0;
    while (i < CODING_NAMES &&
           (strlen(codings[i].name) != length || strncasecmp(codings[i].name, name, length) != 0))
        i++;
    return i;
}

enum roost_err compress_coding_parse(const char *content_encoding, enum compress_coding *coding,
                                     struct detail *detail)
{
    const char *begin = content_encoding == NULL ? "" : content_encoding;
    while (is_space(*begin))
        begin++;
    size_t length = strlen(begin);
    while (length > 0 && is_space(begin[length - 1]))
        length--;
    *coding = COMPRESS_IDENTITY;
    if (length == 0)
        return ROOST_OK;
    size_t found = coding_find(begin, length);
    if (found == CODING_NAMES)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "Content-Encoding: \"%.64s\" is not supported; send gzip, deflate or "
                          "neither",
                          content_encoding);
    *coding = codings[found].coding;
    return ROOST_OK;
}

/* A q-value in thousandths, as RFC 9110 writes it: 0 to 1 with up to three decimals. What cannot
 * be read counts as 0: better an answer that everyone can read. */
static unsigned quality_parse(const char *text, size_t length)
{
    unsigned value = 0;
    unsigned scale = 1000;
    if (length == 0 || length > 5 || (text[0] != '0' && text[0] != '1'))
        return 0;
    value = text[0] == '1' ? 1000 : 0;
    if (length > 1 && text[1] != '.')
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        scale /= 10;
        value += (unsigned)(text[i] - '0') * scale;
    }
    return value <= 1000 ? value : 0;
}

/* The q-value among an item's parameters ("gzip ; q=0.5"), 1000 without one. */
static unsigned item_quality(const char *parameters, const char *end)
{
    for (const char *at = parameters; at < end; at++) {
        if (*at != ';')
            continue;
        const char *name = at + 1;
        while (name < end && is_space(*name))
            name++;
        if (end - name < 2 || (*name != 'q' && *name != 'Q') || name[1] != '=')
            continue;
        const char *value = name + 2;
        const char *stop = value;
        while (stop < end && *stop != ';' && !is_space(*stop))
            stop++;
        return quality_parse(value, (size_t)(stop - value));
    }
    return 1000;
}

/* The best of the codings by its q-value; UINT_MAX marks what the header does not name. */
static enum compress_coding coding_choose(unsigned quality[], unsigned any)
{
    static const enum compress_coding order[] = {COMPRESS_GZIP, COMPRESS_DEFLATE,
                                                 COMPRESS_IDENTITY};
    enum compress_coding best = COMPRESS_IDENTITY;
    unsigned best_quality = 0;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        unsigned q = quality[order[i]];
        /* Identity needs no naming, but then anything that is named is liked better. */
        if (q == UINT_MAX && order[i] != COMPRESS_IDENTITY)
            q = any == UINT_MAX ? 0 : any;
        else if (q == UINT_MAX)
            q = 0;
        if (q > best_quality) {
            best = order[i];
            best_quality = q;
        }
    }
    return best;
}

enum compress_coding compress_negotiate(const char *accept_encoding)
{
    unsigned quality[] = {UINT_MAX, UINT_MAX, UINT_MAX};
    unsigned any = UINT_MAX;
    const char *at = accept_encoding == NULL ? "" : accept_encoding;
    while (*at != '\0') {
        at += strspn(at, ", \t");
        const char *end = at + strcspn(at, ",");
        size_t length = strcspn(at, ",; \t");
        unsigned q = item_quality(at + length, end);
        size_t found = coding_find(at, length);
        if (length == 1 && *at == '*')
            any = q;
        else if (found < CODING_NAMES)
            quality[codings[found].coding] = q;
        at = end;
    }
    return coding_choose(quality, any);
}

static int window_bits(enum compress_coding coding)
{
    roost_assert(coding != COMPRESS_IDENTITY);
    return coding == COMPRESS_GZIP ? WINDOW_BITS + GZIP_BITS : WINDOW_BITS;
}

/* Hands the stream more of what is left, once it has none. */
static void input_feed(z_stream *stream, const unsigned char **data, size_t *left)
{
    if (stream->avail_in > 0 || *left == 0)
        return;
    size_t piece = *left < PIECE_BYTES ? *left : PIECE_BYTES;
    stream->next_in = (z_const Bytef *)(uintptr_t)*data;
    stream->avail_in = (uInt)piece;
    *data += piece;
    *left -= piece;
}

/* One call of inflate with as much room as is allowed, and a byte more to see whether that is
 * enough. Adds to *made. */
static int decode_step(z_stream *stream, size_t bytes_max, struct strbuf *out, size_t *made)
{
    size_t allowed = bytes_max - *made < CHUNK_BYTES ? bytes_max - *made + 1 : CHUNK_BYTES;
    char *room = strbuf_reserve(out, allowed);
    if (room == NULL)
        return Z_MEM_ERROR;
    stream->next_out = (Bytef *)room;
    stream->avail_out = (uInt)allowed;
    int status = inflate(stream, Z_NO_FLUSH);
    size_t got = allowed - stream->avail_out;
    strbuf_commit(out, got);
    *made += got;
    return status;
}

static enum roost_err decode_run(z_stream *stream, enum compress_coding coding,
                                 const unsigned char *data, size_t left, size_t bytes_max,
                                 struct strbuf *out, struct detail *detail)
{
    const char *name = compress_coding_name(coding);
    size_t made = 0;
    for (;;) {
        input_feed(stream, &data, &left);
        int status = decode_step(stream, bytes_max, out, &made);
        bool more = stream->avail_in > 0 || left > 0;
        if (made > bytes_max)
            return detail_set(detail, ROOST_TOO_LARGE,
                              "body: is more than %zu bytes when decompressed", bytes_max);
        if (status == Z_STREAM_END && !more)
            return ROOST_OK;
        /* A gzip body may be several files in a row. */
        if (status == Z_STREAM_END && coding == COMPRESS_GZIP) {
            (void)inflateReset(stream);
            continue;
        }
        if (status == Z_STREAM_END)
            return detail_set(detail, ROOST_INVALID, "body: has bytes after its %s data", name);
        if (status == Z_MEM_ERROR)
            return detail_set(detail, ROOST_NO_MEMORY, "body: no memory to decompress it");
        if (status == Z_BUF_ERROR && !more)
            return detail_set(detail, ROOST_INVALID, "body: its %s data ends too early", name);
        if (status != Z_OK && status != Z_BUF_ERROR)
            return detail_set(detail, ROOST_INVALID, "body: its %s data is broken: %s", name,
                              stream->msg != NULL ? stream->msg : "it needs a dictionary");
    }
}

enum roost_err compress_decode(enum compress_coding coding, const void *data, size_t bytes,
                               size_t bytes_max, struct strbuf *out, struct detail *detail)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, window_bits(coding)) != Z_OK)
        return detail_set(detail, ROOST_NO_MEMORY, "body: no memory to decompress it");
    enum roost_err err = decode_run(&stream, coding, data, bytes, bytes_max, out, detail);
    (void)inflateEnd(&stream);
    return err;
}

/* Runs deflate until it has taken all its input, or ended when `flush` says so. */
static bool encode_step(z_stream *stream, int flush, struct strbuf *out)
{
    int status;
    do {
        char *room = strbuf_reserve(out, CHUNK_BYTES);
        if (room == NULL)
            return false;
        stream->next_out = (Bytef *)room;
        stream->avail_out = CHUNK_BYTES;
        status = deflate(stream, flush);
        roost_assert(status != Z_STREAM_ERROR);
        strbuf_commit(out, CHUNK_BYTES - stream->avail_out);
    } while (stream->avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
    return true;
}

enum roost_err compress_encode(enum compress_coding coding, const struct iovec *parts,
                               size_t part_count, struct strbuf *out, struct detail *detail)
{
    z_stream stream = {0};
    bool done = deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_bits(coding), 8,
                             Z_DEFAULT_STRATEGY) == Z_OK;
    if (!done)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory to compress the answer");
    for (size_t i = 0; i < part_count && done; i++) {
        const unsigned char *data = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        while (left > 0 && done) {
            input_feed(&stream, &data, &left);
            done = encode_step(&stream, Z_NO_FLUSH, out);
        }
    }
    done = done && encode_step(&stream, Z_FINISH, out);
    (void)deflateEnd(&stream);
    return done ? ROOST_OK
                : detail_set(detail, ROOST_NO_MEMORY, "no memory to compress the answer");
}
