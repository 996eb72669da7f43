/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends prepared requests over and over, closed loop over N connections or open loop at a constant
 * rate, and prints one line of JSON: how many, how fast, how late. For comparing two servers in one
 * run; for load that resembles users' there is `roost load`.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hist.h"
#include "base/options.h"
#include "base/schedule.h"
#include "net/http_client.h"

struct drive_options {
    int64_t port, connections, bodies, header_length;
    double rate;
    uint64_t duration_ns, warm_ns;
    const char *path, *body, *samples;
};

static const struct option drive_table[] = {
    {.name = "port",
     .type = OPTION_INT,
     .offset = offsetof(struct drive_options, port),
     .minimum = 1,
     .maximum = 65535,
     .help = "the server's port on 127.0.0.1"},
    {.name = "path",
     .type = OPTION_STRING,
     .offset = offsetof(struct drive_options, path),
     .default_text = "/",
     .help = "path to POST to"},
    {.name = "connections",
     .type = OPTION_INT,
     .offset = offsetof(struct drive_options, connections),
     .minimum = 1,
     .maximum = 4096,
     .default_text = "1",
     .help = "closed loop over so many connections"},
    {.name = "rate",
     .type = OPTION_DOUBLE,
     .offset = offsetof(struct drive_options, rate),
     .minimum = 0,
     .maximum = 1e6,
     .default_text = "0",
     .help = "requests/s of an open loop; 0: closed"},
    {.name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(struct drive_options, duration_ns),
     .default_text = "2s",
     .help = "how long to measure"},
    {.name = "warm",
     .type = OPTION_DURATION,
     .offset = offsetof(struct drive_options, warm_ns),
     .default_text = "300ms",
     .help = "how long to run before"},
    {.name = "body",
     .type = OPTION_STRING,
     .offset = offsetof(struct drive_options, body),
     .help = "file with the requests' bodies"},
    {.name = "bodies",
     .type = OPTION_INT,
     .offset = offsetof(struct drive_options, bodies),
     .minimum = 1,
     .maximum = 1e6,
     .default_text = "1",
     .help = "how many of equal length stand in that file, to be sent in turn"},
    {.name = "samples",
     .type = OPTION_STRING,
     .offset = offsetof(struct drive_options, samples),
     .help = "file to write pairs of intended time and latency to, 64-bit nanoseconds"},
    {.name = "header-length",
     .type = OPTION_INT,
     .offset = offsetof(struct drive_options, header_length),
     .minimum = 0,
     .maximum = 1e9,
     .default_text = "0",
     .help = "Inference-Header-Content-Length; 0: none"},
};
static const size_t drive_count = sizeof drive_table / sizeof *drive_table;

struct drive {
    uv_loop_t loop;
    uv_poll_t pacer; /* a timer of the kernel's: libuv's own count milliseconds */
    int pacer_fd;
    struct http_client *client;
    struct drive_options options;
    uv_buf_t head, *bodies;
    uint64_t measure_ns, end_ns, next_ns;
    uint64_t sent, counted, failed;
    struct hist latency;
    FILE *samples;
    bool closing;
};

static struct drive drive;

static void drive_send(uint64_t intended_ns);

/* Closes once nothing is in flight; called for every answer after the end, and by the pacer. */
static void drive_end(void)
{
    if (!drive.closing && http_client_in_flight(drive.client) == 0) {
        drive.closing = true;
        http_client_close(drive.client, NULL, NULL);
    }
}

static void drive_done(void *user, const struct http_reply *reply)
{
    uint64_t intended_ns = (uint64_t)(uintptr_t)user;
    bool good = reply->err == ROOST_OK && reply->status == 200;
    drive.failed += !good;
    if (intended_ns >= drive.measure_ns && intended_ns < drive.end_ns && good) {
        uint64_t sample[2] = {intended_ns, reply->done_ns - intended_ns};
        drive.counted++;
        hist_record(&drive.latency, sample[1]);
        if (drive.samples != NULL) {
            roost_assert(fwrite(sample, sizeof sample, 1, drive.samples) == 1);
        }
    }
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= drive.end_ns) {
        drive_end();
    } else if (drive.options.rate <= 0) {
        drive_send(now_ns);
    }
}

static void drive_send(uint64_t intended_ns)
{
    const uv_buf_t *body = &drive.bodies[drive.sent++ % (uint64_t)drive.options.bodies];
    http_client_send(drive.client, &drive.head, body, drive_done, (void *)(uintptr_t)intended_ns);
}

static void drive_pace(uv_poll_t *pacer, int status, int events)
{
    (void)status;
    (void)events;
    uint64_t now_ns = clock_now_ns(), times;
    (void)!read(drive.pacer_fd, &times, sizeof times);
    while (drive.next_ns <= now_ns && drive.next_ns < drive.end_ns) {
        drive_send(drive.next_ns);
        drive.next_ns += (uint64_t)(1e9 / drive.options.rate);
    }
    if (now_ns >= drive.end_ns) {
        uv_close((uv_handle_t *)pacer, NULL);
        drive_end();
    }
}

static void drive_begin(void)
{
    uint64_t start_ns = clock_now_ns();
    drive.measure_ns = start_ns + drive.options.warm_ns;
    drive.end_ns = drive.measure_ns + drive.options.duration_ns;
    drive.next_ns = start_ns;
    if (drive.options.rate <= 0) {
        for (int64_t i = 0; i < drive.options.connections; i++) {
            drive_send(start_ns);
        }
        return;
    }
    long interval_ns = (long)(1e9 / drive.options.rate);
    struct itimerspec paced = {
        .it_value = {.tv_nsec = 1},
        .it_interval = {.tv_sec = interval_ns / (long)NS_PER_S,
                        .tv_nsec = interval_ns % (long)NS_PER_S},
    };
    drive.pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    roost_assert(drive.pacer_fd >= 0 && timerfd_settime(drive.pacer_fd, 0, &paced, NULL) == 0);
    roost_assert(uv_poll_init(&drive.loop, &drive.pacer, drive.pacer_fd) == 0);
    roost_assert(uv_poll_start(&drive.pacer, UV_READABLE, drive_pace) == 0);
}

/* One head fits all, since all bodies have the same length. */
static void drive_prepare(char *text, size_t text_bytes, char *bodies, size_t length)
{
    size_t count = (size_t)drive.options.bodies;
    int used = snprintf(text, text_bytes,
                        "POST %s HTTP/1.1\r\nHost: roost\r\nContent-Length: %zu\r\n",
                        drive.options.path, length / count);
    if (drive.options.header_length > 0) {
        used += snprintf(text + used, text_bytes - (size_t)used,
                         "Inference-Header-Content-Length: %" PRId64 "\r\n",
                         drive.options.header_length);
    }
    used += snprintf(text + used, text_bytes - (size_t)used, "\r\n");
    drive.head = uv_buf_init(text, (unsigned)used);
    drive.bodies = calloc(count, sizeof *drive.bodies);
    roost_assert(drive.bodies != NULL);
    for (size_t i = 0; i < count; i++) {
        drive.bodies[i] = uv_buf_init(bodies + i * (length / count), (unsigned)(length / count));
    }
}

static void drive_report(void)
{
    printf("{\"requests\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"per_s\":%.1f,\"p50_us\":%.2f,"
           "\"p99_us\":%.2f}\n",
           drive.sent, drive.failed,
           (double)drive.counted * 1e9 / (double)(drive.end_ns - drive.measure_ns),
           (double)hist_quantile(&drive.latency, 0.5) / 1e3,
           (double)hist_quantile(&drive.latency, 0.99) / 1e3);
}

int main(int argc, char **argv)
{
    struct detail detail;
    int positional;
    char *body = NULL, head[512];
    size_t length = 0;
    enum roost_err err = options_parse(drive_table, drive_count, argc, argv, &drive.options,
                                       &positional, &detail);
    if (err == ROOST_OK && drive.options.body != NULL) {
        err = file_read(drive.options.body, (size_t)1 << 30, &body, &length, &detail);
    }
    struct http_client_options client = {.host = "127.0.0.1",
                                         .port = (unsigned)drive.options.port,
                                         .connections_max = (unsigned)drive.options.connections};
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&drive.loop);
    if (err == ROOST_OK) {
        err = http_client_open(&drive.loop, &client, &drive.client, &detail);
    }
    if (err != ROOST_OK) {
        fprintf(stderr, "http_drive: %s\n", detail.text);
        return 2;
    }
    if (drive.options.samples != NULL) {
        drive.samples = fopen(drive.options.samples, "we");
        roost_assert(drive.samples != NULL);
    }
    drive_prepare(head, sizeof head, body, length);
    hist_reset(&drive.latency);
    if (drive.options.rate > 0) {
        thread_go_first(); /* in a closed loop it would take from the server what it needs */
    }
    drive_begin();
    uv_run(&drive.loop, UV_RUN_DEFAULT);
    drive_report();
    roost_assert(drive.samples == NULL || fclose(drive.samples) == 0);
    free(drive.bodies);
    free(body);
    return drive.failed == 0 ? 0 : 1;
}
