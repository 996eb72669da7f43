/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a client sends, cut into pieces, with handlers that answer at once, later, in
 * any order or too early. Every request must end once, and what comes back must be a row of whole
 * HTTP answers (the last one may be cut), no more of them than requests and one refusal.
 *
 * The first three bytes of the input are a seed for the pieces and the handler's choices.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "net/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_BYTES = 3, HELD_MAX = 8, BIG_BYTES = 30000 };

static struct fuzz {
    uv_loop_t loop;
    struct http_server *server;
    struct rng rng;
    struct http_request *held[HELD_MAX]; /* their bodies are whole */
    unsigned begun, ended;
    unsigned answers; /* the client saw */
} fuzz;

static char big[BIG_BYTES];

static void fuzz_answer(struct http_request *request)
{
    uv_buf_t body = {.base = big, .len = (size_t)rng_below(&fuzz.rng, 3) * BIG_BYTES / 2};
    struct http_response response = {
        .status = 200, .body = &body, .body_count = 1, .close = rng_below(&fuzz.rng, 8) == 0};
    free(http_request_user(request));
    fuzz.ended++;
    if (rng_below(&fuzz.rng, 4) == 0) {
        http_respond_error(request, ROOST_OVERLOADED, "\"full\"\n", 1);
    } else {
        http_respond(request, &response);
    }
}

/* Whoever asks for something must be readable to the end. */
static void fuzz_look(const struct http_request *request)
{
    const char *host = http_request_header(request, "host");
    size_t length = strlen(http_request_path(request)) + strlen(http_request_query(request));
    for (unsigned i = 0; i < request->field_count; i++) {
        length += strlen(request->text.data + request->fields[i].name);
        length += strlen(request->text.data + request->fields[i].value);
    }
    roost_assert(length <= request->text.length && (host == NULL || strlen(host) <= length));
}

static void fuzz_headers(void *user, struct http_request *request)
{
    (void)user;
    uint64_t length;
    fuzz.begun++;
    fuzz_look(request);
    http_request_set_user(request, NULL);
    uint64_t choice = rng_below(&fuzz.rng, 4);
    if (choice == 0) {
        fuzz_answer(request);
    } else if (choice == 1 || !http_request_content_length(request, &length)) {
        http_body_collect(request, rng_below(&fuzz.rng, 64));
    } else {
        char *body = malloc(length > 0 ? length : 1); /* exactly: ASan sees a byte beyond */
        http_request_set_user(request, body);
        http_body_into(request, body);
    }
}

static void fuzz_body(void *user, struct http_request *request)
{
    (void)user;
    size_t length;
    const char *body = http_body(request, &length);
    roost_assert(strlen(body) <= length);
    fuzz_look(request);
    for (size_t i = 0; i < HELD_MAX && rng_below(&fuzz.rng, 2) == 0; i++) {
        if (fuzz.held[i] == NULL) {
            fuzz.held[i] = request;
            return;
        }
    }
    fuzz_answer(request);
}

static void fuzz_gone(void *user, struct http_request *request)
{
    (void)user;
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (fuzz.held[i] == request) {
            fuzz.held[i] = NULL;
        }
    }
    free(http_request_user(request));
    fuzz.ended++;
}

/* ---- what comes back ---------------------------------------------------------------- */

static int answer_complete(llhttp_t *parser)
{
    fuzz.answers += parser->status_code != 100;
    return 0;
}

/* A HEAD request's answer has no body where a parser expects one, so such inputs are not read. */
static void answers_read(int fd, llhttp_t *parser, bool readable)
{
    char bytes[64 * 1024];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        roost_assert(!readable || llhttp_execute(parser, bytes, (size_t)got) == HPE_OK);
    }
}

static void fuzz_turn(int fd, llhttp_t *parser, bool readable)
{
    uv_run(&fuzz.loop, UV_RUN_NOWAIT);
    size_t i = (size_t)rng_below(&fuzz.rng, 2 * HELD_MAX);
    if (i < HELD_MAX && fuzz.held[i] != NULL) {
        struct http_request *request = fuzz.held[i];
        fuzz.held[i] = NULL;
        fuzz_answer(request);
    }
    answers_read(fd, parser, readable);
}

static void fuzz_open(void)
{
    struct http_limits limits = {.header_bytes_max = 512,
                                 .body_bytes_max = 40000,
                                 .connections_max = 2,
                                 .pipeline_max = 4,
                                 .idle_timeout_ns = NS_PER_S,
                                 .header_timeout_ns = NS_PER_S,
                                 .body_timeout_ns = NS_PER_S,
                                 .write_timeout_ns = NS_PER_S,
                                 .write_bytes_max = 400000};
    struct http_handler handler = {
        .on_headers = fuzz_headers, .on_body_complete = fuzz_body, .on_gone = fuzz_gone};
    signal(SIGPIPE, SIG_IGN);
    memset(big, 'b', sizeof big);
    roost_assert(uv_loop_init(&fuzz.loop) == 0);
    roost_assert(http_server_open(&fuzz.loop, "127.0.0.1", 0, &handler, &limits, &fuzz.server,
                                  NULL) == ROOST_OK);
}

static void fuzz_send(int fd, const uint8_t *data, size_t size, llhttp_t *parser, bool readable)
{
    uint64_t step_max = 1 + rng_below(&fuzz.rng, 2 * size + 1);
    while (size > 0) {
        size_t step = 1 + (size_t)rng_below(&fuzz.rng, step_max);
        step = step < size ? step : size;
        ssize_t sent = send(fd, data, step, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (fuzz.server->conns == NULL || fuzz.server->conns->closing) {
            return;
        } else if (fuzz.server->conns->paused) {
            for (size_t i = 0; i < 64 * HELD_MAX; i++) {
                fuzz_turn(fd, parser, readable);
            }
        }
        fuzz_turn(fd, parser, readable);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (size < SEED_BYTES) {
        return 0;
    }
    if (fuzz.server == NULL) {
        fuzz_open();
    }
    fuzz.begun = fuzz.ended = fuzz.answers = 0;
    rng_seed(&fuzz.rng, (uint64_t)data[0] << 16 | (uint64_t)data[1] << 8 | data[2]);
    roost_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    http_conn_adopt(fuzz.server, fds[0]);
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_message_complete = answer_complete;
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    bool readable = memmem(data, size, "HEAD", 4) == NULL;
    fuzz_send(fds[1], data + SEED_BYTES, size - SEED_BYTES, &parser, readable);
    fuzz_turn(fds[1], &parser, readable);
    if (rng_below(&fuzz.rng, 4) == 0) {
        http_server_sweep(fuzz.server, clock_now_ns() + 2 * NS_PER_S);
    }
    for (size_t i = 0; i < HELD_MAX; i++) {
        fuzz_turn(fds[1], &parser, readable);
    }
    close(fds[1]);
    while (fuzz.server->conns != NULL) {
        uv_run(&fuzz.loop, UV_RUN_NOWAIT);
        http_server_sweep(fuzz.server, clock_now_ns() + 3600 * NS_PER_S);
        for (size_t i = 0; i < HELD_MAX; i++) {
            if (fuzz.held[i] != NULL) {
                struct http_request *request = fuzz.held[i];
                fuzz.held[i] = NULL;
                fuzz_answer(request);
            }
        }
    }
    roost_assert(fuzz.begun == fuzz.ended && fuzz.answers <= fuzz.begun + 1);
    return 0;
}
