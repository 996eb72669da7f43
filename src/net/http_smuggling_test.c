/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that two HTTP implementations may read differently. A proxy in front of the server must
 * not be made to pass on one request that the server takes for two, so whatever is not clear is
 * refused, and nothing behind it is read.
 */
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "net/http_fixture.h"

static struct web web;

#define SMUGGLED "GET /later HTTP/1.1\r\nHost: smuggled\r\n\r\n"
#define POST     "POST /collect HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED  POST "Transfer-Encoding: chunked\r\n\r\n"

struct attempt {
    const char *name;
    int status;
    const char *request;
    size_t length; /* 0: as a text */
};

#define WITH_NUL(text) (text), sizeof(text) - 1

static const struct attempt attempts[] = {
    /* How long is it? */
    {"both", 400, POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"both, turned", 400,
     POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"two lengths", 400, POST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED, 0},
    {"two equal lengths", 400, POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi" SMUGGLED, 0},
    {"list of lengths", 400, POST "Content-Length: 2, 2\r\n\r\nhi" SMUGGLED, 0},
    {"negative", 400, POST "Content-Length: -1\r\n\r\n" SMUGGLED, 0},
    {"signed", 400, POST "Content-Length: +2\r\n\r\nhi" SMUGGLED, 0},
    {"hexadecimal", 400, POST "Content-Length: 0x2\r\n\r\nhi" SMUGGLED, 0},
    {"not a number", 400, POST "Content-Length: two\r\n\r\nhi" SMUGGLED, 0},
    {"empty length", 400, POST "Content-Length:\r\n\r\n" SMUGGLED, 0},
    {"too large for anyone", 400, POST "Content-Length: 99999999999999999999\r\n\r\nhi" SMUGGLED,
     0},
    {"space in the length", 400, POST "Content-Length: 1 2\r\n\r\nhi" SMUGGLED, 0},
    /* Chunked or not? */
    {"unknown coding", 501, POST "Transfer-Encoding: xchunked\r\n\r\n" SMUGGLED, 0},
    {"chunked not last", 400, POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"chunked twice", 400,
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"chunked and identity", 400,
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"gzip, chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"quoted", 501, POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"HTTP/1.0 with a coding", 400,
     "POST /collect HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"vertical tab", 400, POST "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"form feed", 400, POST "Transfer-Encoding: \fchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    /* Where does a chunk end? */
    {"chunk size is no number", 400, CHUNKED "g\r\n\r\n" SMUGGLED, 0},
    {"chunk size negative", 400, CHUNKED "-1\r\n\r\n" SMUGGLED, 0},
    {"chunk size with 0x", 400, CHUNKED "0x2\r\nhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"chunk size empty", 400, CHUNKED "\r\n\r\n" SMUGGLED, 0},
    {"chunk size overflows", 400, CHUNKED "10000000000000002\r\nhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"space behind the size", 400, CHUNKED "2 \r\nhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"chunk longer than said", 400, CHUNKED "2\r\nhix\r\n0\r\n\r\n" SMUGGLED, 0},
    {"chunk without its end", 400, CHUNKED "2\r\nhi0\r\n\r\n" SMUGGLED, 0},
    {"chunk ends in LF", 400, CHUNKED "2\r\nhi\n0\r\n\r\n" SMUGGLED, 0},
    {"size ends in LF", 400, CHUNKED "2\nhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"size ends in CR", 400, CHUNKED "2\rhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"LF in an extension", 400, CHUNKED "2;a\nhi\r\n0\r\n\r\n" SMUGGLED, 0},
    {"last chunk in LF", 400, CHUNKED "0\n\n" SMUGGLED, 0},
    /* What is a header? */
    {"space before the colon", 400, POST "Content-Length : 2\r\n\r\nhi" SMUGGLED, 0},
    {"tab before the colon", 400, POST "Content-Length\t: 2\r\n\r\nhi" SMUGGLED, 0},
    {"folded", 400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"folded value", 400, POST "Value: a\r\n b\r\n\r\n" SMUGGLED, 0},
    {"folded first", 400, "POST /collect HTTP/1.1\r\n Host: a\r\n\r\n" SMUGGLED, 0},
    {"no colon", 400, POST "Content-Length\r\n\r\n" SMUGGLED, 0},
    {"empty name", 400, POST ": 2\r\n\r\n" SMUGGLED, 0},
    {"name of two words", 400, POST "Content Length: 2\r\n\r\nhi" SMUGGLED, 0},
    {"control character in a name", 400, POST "Content\001Length: 2\r\n\r\nhi" SMUGGLED, 0},
    {"control character in a value", 400, POST "Value: a\001b\r\n\r\n" SMUGGLED, 0},
    {"delete in a value", 400, POST "Value: a\177b\r\n\r\n" SMUGGLED, 0},
    {"NUL in a name", 400, WITH_NUL(POST "Va\0lue: a\r\n\r\n" SMUGGLED)},
    {"NUL in a value", 400, WITH_NUL(POST "Value: a\0b\r\n\r\n" SMUGGLED)},
    {"NUL in the length", 400, WITH_NUL(POST "Content-Length: 2\0\r\n\r\nhi" SMUGGLED)},
    {"lines end in LF", 400, "POST /collect HTTP/1.1\nHost: a\n\n" SMUGGLED, 0},
    {"one line ends in LF", 400, POST "Value: a\nContent-Length: 40\r\n\r\n" SMUGGLED, 0},
    {"headers end in LF", 400, POST "Value: a\r\n\n" SMUGGLED, 0},
    {"CR in a value", 400, POST "Value: a\rContent-Length: 40\r\n\r\n" SMUGGLED, 0},
    /* Whom is it for? */
    {"no Host", 400, "GET /collect HTTP/1.1\r\n\r\n" SMUGGLED, 0},
    {"two Hosts", 400, "GET /collect HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" SMUGGLED, 0},
    {"two Hosts in HTTP/1.0", 400, "GET /collect HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n" SMUGGLED,
     0},
    {"CONNECT", 405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" SMUGGLED, 0},
    /* What is a request? */
    {"no version", 400, "GET /collect\r\n\r\n" SMUGGLED, 0},
    {"HTTP/0.9", 400, "GET /collect HTTP/0.9\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"HTTP/1.2", 400, "GET /collect HTTP/1.2\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"HTTP/2.0", 400, "GET /collect HTTP/2.0\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"HTTP/2 preface", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SMUGGLED, 0},
    {"another protocol", 400, "GET /collect HTTQ/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"space in the path", 400, "GET /col lect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"NUL in the path", 400, WITH_NUL("GET /col\0lect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED)},
    {"CR in the path", 400, "GET /col\rlect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"tab in the path", 400, "GET /col\tlect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"small letters", 400, "get /collect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"unknown method", 400, "FETCH /collect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 0},
    {"NUL first", 400, WITH_NUL("\0GET /collect HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED)},
    {"TLS", 400, WITH_NUL("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
    {"an answer", 400, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" SMUGGLED, 0},
};

static void send_attempt(const struct attempt *attempt, size_t cut)
{
    struct peer peer;
    size_t length = attempt->length > 0 ? attempt->length : strlen(attempt->request);
    unsigned begun = web.begun, gone = web.gone;
    uint64_t in = web_counters(&web).bytes_in;
    peer_open(&web, &peer);
    if (cut > 0 && cut < length) {
        peer_send_n(&peer, attempt->request, cut);
        WEB_UNTIL(&web, web_counters(&web).bytes_in == in + cut);
        peer_send_n(&peer, attempt->request + cut, length - cut);
    } else {
        peer_send_n(&peer, attempt->request, length);
    }
    struct web_reply reply;
    if (!peer_reply(&peer, &reply) || reply.status != attempt->status || !peer_ended(&peer)) {
        fail_msg("%s, cut at %zu: %d", attempt->name, cut, reply.status);
    }
    /* Its own headers may have been fine, but nothing else was. */
    assert_true(web.begun <= begun + 1);
    assert_int_equal(web.begun - begun, web.gone - gone);
    peer_close(&peer);
    WEB_UNTIL(&web, web_counters(&web).connections_open == 0);
}

static void refused(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        send_attempt(&attempts[i], 0);
    }
    assert_int_equal(web_counters(&web).bad_requests, sizeof attempts / sizeof *attempts);
    web_fini(&web);
}

/* Nor does it help to send it in two pieces. */
static void refused_in_pieces(void **state)
{
    (void)state;
    web_init(&web);
    web_open(&web);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        for (size_t cut = 1; cut < 100; cut += 7) {
            send_attempt(&attempts[i], cut);
        }
    }
    web_fini(&web);
}

/* An answer that is under way is not spoilt by what follows its request. */
static void rubbish_behind_a_request(void **state)
{
    (void)state;
    struct peer peer;
    web_init(&web);
    web_open(&web);
    peer_open(&web, &peer);
    peer_send(&peer, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\001\002\003");
    WEB_UNTIL(&web, web_counters(&web).bad_requests == 1);
    assert_false(web.calls[0].gone);
    web_answer(&web, 0, "good");
    peer_expect(&peer, 200, "good");
    peer_expect_refusal(&peer, 400);
    peer_close(&peer);
    /* Behind a last request nothing is read at all. */
    peer_open(&web, &peer);
    peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" SMUGGLED);
    WEB_UNTIL(&web, web.begun == 2);
    web_answer(&web, 1, "last");
    peer_expect(&peer, 200, "last");
    assert_true(peer_ended(&peer));
    assert_int_equal(web.begun, 2);
    peer_close(&peer);
    web_fini(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(refused_in_pieces),
        cmocka_unit_test(rubbish_behind_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
