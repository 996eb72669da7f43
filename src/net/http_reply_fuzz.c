/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a server answers to three requests: each gets one reply, of one kind. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/http_client_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS = 3 };

static char folder[] = "/tmp/roost-fuzz-XXXXXX";
static char host[64];
static int listener = -1;
static uv_loop_t loop;

static void fuzz_close(void)
{
    close(listener);
    unlink(host + strlen("unix:"));
    rmdir(folder);
}

static void fuzz_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    signal(SIGPIPE, SIG_IGN);
    roost_assert(mkdtemp(folder) != NULL && uv_loop_init(&loop) == 0);
    snprintf(host, sizeof host, "unix:%s/socket", folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    roost_assert(bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(listener, REQUESTS) == 0);
    atexit(fuzz_close);
}

static void reply_arrived(void *user, const struct http_reply *reply)
{
    unsigned *replies = user;
    char value[16];
    (*replies)++;
    roost_assert((reply->err == ROOST_OK) == (reply->status != 0));
    roost_assert(strlen(reply->body) <= reply->body_bytes);
    http_reply_header(reply, "a", value, sizeof value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", look[] = "HEAD / HTTP/1.1\r\n\r\n";
    if (listener < 0) {
        fuzz_open();
    }
    struct http_client_options options = {
        .host = host, .connections_max = 1, .reply_bytes_max = 1000};
    struct http_client *client;
    unsigned replies = 0;
    roost_assert(http_client_open(&loop, &options, &client, NULL) == ROOST_OK);
    bool is_head = size > 0 && data[size - 1] == 'H';
    uv_buf_t part = {.base = is_head ? look : head, .len = strlen(is_head ? look : head)};
    for (unsigned i = 0; i < REQUESTS; i++) {
        http_client_send(client, &part, NULL, reply_arrived, &replies);
    }
    while (replies < REQUESTS) {
        uv_run(&loop, UV_RUN_NOWAIT);
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        size_t half = size / 2;
        if (send(fd, data, half, MSG_NOSIGNAL) == (ssize_t)half) {
            uv_run(&loop, UV_RUN_NOWAIT);
            uv_run(&loop, UV_RUN_NOWAIT);
            (void)!send(fd, data + half, size - half, MSG_NOSIGNAL);
        }
        close(fd);
    }
    http_client_close(client, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    roost_assert(replies == REQUESTS);
    return 0;
}
