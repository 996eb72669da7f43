/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare echo on Roost's HTTP code: the body of each POST is handed to a second thread and answered
 * from there, as a request that an engine answers would be. Benchmarks compare `roost serve` with
 * it, so it does what every such server must do and nothing more.
 *
 *   roost_bench_http_echo [--port P] [--inline]
 *
 * With --inline the loop's thread answers itself, which shows what the hand-off costs. Prints the
 * port, serves until SIGTERM or SIGINT, and then tells the CPU time per request.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mpsc.h"
#include "base/options.h"
#include "base/ring.h"
#include "net/http.h"

enum { JOBS_MAX = 64 * 1024 };

/* One request on its way through the second thread. */
struct job {
    struct job *next;
    struct http_request *request; /* NULL: gone; the loop's thread alone looks at it */
    bool away;                    /* with the second thread, and freed when it comes back */
    char *body;
    size_t capacity, bytes;
};

struct echo {
    uv_loop_t loop;
    struct http_server *server;
    bool answer_inline;
    struct job *spare;
    struct mpsc asked;
    struct ring done;
    int bell; /* rung for the second thread when `asked` was empty */
    uv_async_t done_bell;
    uv_signal_t signals[2];
    pthread_t thread;
    uint64_t thread_cpu_ns;
};

static struct job end; /* tells the second thread to stop */

static void ring_bell(int fd)
{
    uint64_t one = 1;
    roost_assert(write(fd, &one, sizeof one) == sizeof one);
}

static void *echo_thread(void *argument)
{
    struct echo *echo = argument;
    for (;;) {
        struct job *job = mpsc_pop(&echo->asked);
        if (job == NULL) {
            uint64_t count;
            roost_assert(read(echo->bell, &count, sizeof count) == sizeof count);
            continue;
        }
        if (job == &end) {
            echo->thread_cpu_ns = clock_thread_cpu_ns();
            return NULL;
        }
        roost_assert(ring_push(&echo->done, job));
        uv_async_send(&echo->done_bell);
    }
}

/* ---- the loop's thread -------------------------------------------------------------- */

static void job_free(struct echo *echo, struct job *job)
{
    job->next = echo->spare;
    echo->spare = job;
}

static struct job *job_new(struct echo *echo, struct http_request *request, size_t bytes)
{
    struct job *job = echo->spare;
    if (job != NULL) {
        echo->spare = job->next;
    } else {
        job = calloc(1, sizeof *job);
        roost_assert(job != NULL);
    }
    if (job->capacity < bytes) {
        free(job->body);
        job->body = malloc(bytes);
        roost_assert(job->body != NULL);
        job->capacity = bytes;
    }
    job->bytes = bytes;
    job->request = request;
    job->away = false;
    http_request_set_user(request, job);
    return job;
}

static void job_answer(struct echo *echo, struct job *job)
{
    if (job->request != NULL) {
        uv_buf_t body = {.base = job->body, .len = job->bytes};
        struct http_response response = {.status = 200,
                                         .content_type = "application/octet-stream",
                                         .body = &body,
                                         .body_count = 1};
        http_respond(job->request, &response);
    }
    job_free(echo, job);
}

static void echo_headers(void *user, struct http_request *request)
{
    uint64_t length;
    if (!http_request_content_length(request, &length)) {
        http_respond_error(request, ROOST_UNSUPPORTED, "the echo wants a Content-Length", 0);
        return;
    }
    http_body_into(request, job_new(user, request, (size_t)length)->body);
}

static void echo_body(void *user, struct http_request *request)
{
    struct echo *echo = user;
    struct job *job = http_request_user(request);
    if (echo->answer_inline) {
        job_answer(echo, job);
        return;
    }
    bool was_empty;
    job->away = true;
    if (!mpsc_push(&echo->asked, job, &was_empty)) {
        http_respond_error(request, ROOST_OVERLOADED, "too many requests", NS_PER_S);
        job_free(echo, job);
    } else if (was_empty) {
        ring_bell(echo->bell);
    }
}

static void echo_gone(void *user, struct http_request *request)
{
    struct job *job = http_request_user(request);
    job->request = NULL;
    if (!job->away) {
        job_free(user, job);
    }
}

static void echo_done(uv_async_t *async)
{
    struct echo *echo = async->data;
    struct job *job;
    while ((job = ring_pop(&echo->done)) != NULL) {
        job_answer(echo, job);
    }
}

static void echo_stop(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

/* ---- the program -------------------------------------------------------------------- */

struct arguments {
    int64_t port;
    bool answer_inline;
};

static const struct option options[] = {
    {.name = "port",
     .type = OPTION_INT,
     .offset = offsetof(struct arguments, port),
     .maximum = 65535,
     .default_text = "0",
     .help = "where to listen on 127.0.0.1; 0: any free port"},
    {.name = "inline",
     .type = OPTION_FLAG,
     .offset = offsetof(struct arguments, answer_inline),
     .default_text = "false",
     .help = "answer from the loop's thread"},
};

static void echo_report(struct echo *echo)
{
    struct http_counters counters;
    http_server_counters(echo->server, &counters);
    double requests = counters.requests > 0 ? (double)counters.requests : 1;
    printf("%llu requests, %llu gone, %.2f us of CPU each (%.2f in the second thread)\n",
           (unsigned long long)counters.requests, (unsigned long long)counters.gone,
           (double)clock_process_cpu_ns() / 1e3 / requests,
           (double)echo->thread_cpu_ns / 1e3 / requests);
}

static void echo_start(struct echo *echo)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    roost_assert(uv_loop_init(&echo->loop) == 0);
    roost_assert(mpsc_init(&echo->asked, JOBS_MAX) && ring_init(&echo->done, 2 * JOBS_MAX));
    echo->bell = eventfd(0, EFD_CLOEXEC);
    roost_assert(echo->bell >= 0);
    uv_async_init(&echo->loop, &echo->done_bell, echo_done);
    echo->done_bell.data = echo;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&echo->loop, &echo->signals[i]);
        uv_signal_start(&echo->signals[i], echo_stop, numbers[i]);
    }
    roost_assert(pthread_create(&echo->thread, NULL, echo_thread, echo) == 0);
}

static void echo_join(struct echo *echo)
{
    /* Nothing is asked any more, so the queue has room soon. */
    while (!mpsc_push(&echo->asked, &end, NULL)) {
        sched_yield();
    }
    ring_bell(echo->bell);
    pthread_join(echo->thread, NULL);
    echo_done(&echo->done_bell);
}

static void echo_end(struct echo *echo)
{
    http_server_close(echo->server, NULL, NULL);
    uv_close((uv_handle_t *)&echo->done_bell, NULL);
    uv_close((uv_handle_t *)&echo->signals[0], NULL);
    uv_close((uv_handle_t *)&echo->signals[1], NULL);
    uv_run(&echo->loop, UV_RUN_DEFAULT);
    roost_assert(uv_loop_close(&echo->loop) == 0);
    while (echo->spare != NULL) {
        struct job *job = echo->spare;
        echo->spare = job->next;
        free(job->body);
        free(job);
    }
    mpsc_fini(&echo->asked);
    ring_fini(&echo->done);
    close(echo->bell);
}

int main(int argc, char **argv)
{
    static struct echo echo;
    struct arguments arguments = {0};
    struct detail detail;
    int positional;
    if (options_parse(options, sizeof options / sizeof *options, argc, argv, &arguments,
                      &positional, &detail) != ROOST_OK) {
        fprintf(stderr, "http_echo: %s\n", detail.text);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct http_limits limits;
    http_limits_default(&limits);
    struct http_handler handler = {.user = &echo,
                                   .on_headers = echo_headers,
                                   .on_body_complete = echo_body,
                                   .on_gone = echo_gone};
    echo.answer_inline = arguments.answer_inline;
    echo_start(&echo);
    if (http_server_open(&echo.loop, "127.0.0.1", (unsigned)arguments.port, &handler, &limits,
                         &echo.server, &detail) != ROOST_OK) {
        fprintf(stderr, "http_echo: %s\n", detail.text);
        return 1;
    }
    printf("listening http=%u\n", http_server_port(echo.server));
    fflush(stdout);
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    echo_join(&echo);
    echo_report(&echo);
    echo_end(&echo);
    return 0;
}
