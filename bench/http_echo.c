/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a server with a second thread can do on Roost's HTTP code: a body goes to the other
 * thread, comes back, and is the answer. What Roost costs beyond it is what Roost adds.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mpsc.h"
#include "base/options.h"
#include "net/http.h"

enum { QUEUE_ITEMS = 4096 };

struct echo_options {
    int64_t port;
};

static const struct option echo_table[] = {
    {.name = "port",
     .type = OPTION_INT,
     .offset = offsetof(struct echo_options, port),
     .minimum = 0,
     .maximum = 65535,
     .default_text = "0",
     .help = "port; 0: any free one"},
};

struct echo_call {
    struct http_request *http; /* NULL: the client is gone */
    size_t bytes;
    char *body;
};

struct echo {
    uv_loop_t loop;
    uv_async_t back;
    uv_signal_t stop;
    struct http_server *server;
    struct mpsc there, here;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool ending;
};

/* The second thread: takes what is there, and hands it back. */
static void *echo_work(void *user)
{
    struct echo *echo = user;
    for (;;) {
        struct echo_call *call = mpsc_pop(&echo->there);
        if (call == NULL) {
            pthread_mutex_lock(&echo->lock);
            while (!echo->ending && (call = mpsc_pop(&echo->there)) == NULL) {
                pthread_cond_wait(&echo->work, &echo->lock);
            }
            pthread_mutex_unlock(&echo->lock);
            if (call == NULL) {
                return NULL;
            }
        }
        roost_assert(mpsc_push(&echo->here, call, NULL));
        uv_async_send(&echo->back);
    }
}

static void echo_answer(uv_async_t *back)
{
    struct echo *echo = back->data;
    struct echo_call *call;
    while ((call = mpsc_pop(&echo->here)) != NULL) {
        if (call->http != NULL) {
            uv_buf_t body = uv_buf_init(call->body, (unsigned)call->bytes);
            struct http_response response = {.status = 200,
                                             .content_type = "application/octet-stream",
                                             .body = &body,
                                             .body_count = 1};
            http_respond(call->http, &response);
        }
        free(call->body);
        free(call);
    }
}

static void echo_headers(void *user, struct http_request *http)
{
    (void)user;
    uint64_t length;
    struct echo_call *call = calloc(1, sizeof *call);
    roost_assert(call != NULL);
    if (!http_request_content_length(http, &length)) {
        free(call);
        http_respond_error(http, ROOST_INVALID, "a Content-Length is needed", 0);
        return;
    }
    call->http = http;
    call->bytes = length;
    call->body = malloc(length + 1);
    http_request_set_user(http, call);
    http_body_into(http, call->body);
}

static void echo_body(void *user, struct http_request *http)
{
    struct echo *echo = user;
    bool was_empty;
    roost_assert(mpsc_push(&echo->there, http_request_user(http), &was_empty));
    if (was_empty) {
        pthread_mutex_lock(&echo->lock);
        pthread_cond_signal(&echo->work);
        pthread_mutex_unlock(&echo->lock);
    }
}

static void echo_gone(void *user, struct http_request *http)
{
    (void)user;
    struct echo_call *call = http_request_user(http);
    call->http = NULL; /* freed when it comes back; a body cut short is lost with the process */
}

static void echo_stop(uv_signal_t *signal, int number)
{
    (void)number;
    struct echo *echo = signal->data;
    pthread_mutex_lock(&echo->lock);
    echo->ending = true;
    pthread_cond_signal(&echo->work);
    pthread_mutex_unlock(&echo->lock);
    pthread_join(echo->thread, NULL);
    uv_stop(&echo->loop);
}

int main(int argc, char **argv)
{
    static struct echo echo;
    struct echo_options options = {0};
    struct detail detail;
    int positional;
    if (options_parse(echo_table, 1, argc, argv, &options, &positional, &detail) != ROOST_OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&echo.loop);
    uv_async_init(&echo.loop, &echo.back, echo_answer);
    uv_signal_init(&echo.loop, &echo.stop);
    echo.back.data = echo.stop.data = &echo;
    uv_signal_start(&echo.stop, echo_stop, SIGTERM);
    pthread_mutex_init(&echo.lock, NULL);
    pthread_cond_init(&echo.work, NULL);
    roost_assert(mpsc_init(&echo.there, QUEUE_ITEMS) && mpsc_init(&echo.here, QUEUE_ITEMS));
    struct http_limits limits;
    http_limits_default(&limits);
    struct http_handler handler = {.user = &echo,
                                   .on_headers = echo_headers,
                                   .on_body_complete = echo_body,
                                   .on_gone = echo_gone};
    if (http_server_open(&echo.loop, "127.0.0.1", (unsigned)options.port, &handler, &limits,
                         &echo.server, &detail) != ROOST_OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    roost_assert(pthread_create(&echo.thread, NULL, echo_work, &echo) == 0);
    printf("listening http=%u\n", http_server_port(echo.server));
    fflush(stdout);
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    return 0;
}
