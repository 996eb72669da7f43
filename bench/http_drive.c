/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one prepared request over and over, closed loop over N connections or open loop at a constant
 * rate, and prints one line of JSON: how many, how fast, how late. For comparing two servers in one
 * run; for load that resembles users' there is `roost load`.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hist.h"
#include "base/options.h"
#include "net/http_client.h"

struct drive_options {
    int64_t port, connections, bytes, header_length;
    double rate;
    uint64_t duration_ns, warm_ns;
    const char *path, *body;
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
     .help = "file with the request's body"},
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
    uv_timer_t pacer;
    struct http_client *client;
    struct drive_options options;
    uv_buf_t head, body;
    uint64_t start_ns, measure_ns, end_ns, next_ns;
    uint64_t sent, counted, failed;
    struct hist latency;
    bool closing;
};

static struct drive drive;

static void drive_send(uint64_t intended_ns);

static void drive_done(void *user, const struct http_reply *reply)
{
    uint64_t intended_ns = (uint64_t)(uintptr_t)user;
    bool good = reply->err == ROOST_OK && reply->status == 200;
    drive.failed += !good;
    if (intended_ns >= drive.measure_ns && intended_ns < drive.end_ns && good) {
        drive.counted++;
        hist_record(&drive.latency, reply->done_ns - intended_ns);
    }
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= drive.end_ns) {
        if (!drive.closing && http_client_in_flight(drive.client) == 0) {
            drive.closing = true;
            http_client_close(drive.client, NULL, NULL);
        }
    } else if (drive.options.rate <= 0) {
        drive_send(now_ns);
    }
}

static void drive_send(uint64_t intended_ns)
{
    drive.sent++;
    http_client_send(drive.client, &drive.head, &drive.body, drive_done,
                     (void *)(uintptr_t)intended_ns);
}

static void drive_pace(uv_timer_t *timer)
{
    uint64_t now_ns = clock_now_ns();
    while (drive.next_ns <= now_ns && drive.next_ns < drive.end_ns) {
        drive_send(drive.next_ns);
        drive.next_ns += (uint64_t)(1e9 / drive.options.rate);
    }
    if (now_ns >= drive.end_ns) {
        uv_timer_stop(timer);
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
    int head_bytes = snprintf(head, sizeof head,
                              "POST %s HTTP/1.1\r\nHost: roost\r\nContent-Length: %zu\r\n",
                              drive.options.path, length);
    if (drive.options.header_length > 0) {
        head_bytes += snprintf(head + head_bytes, sizeof head - (size_t)head_bytes,
                               "Inference-Header-Content-Length: %" PRId64 "\r\n",
                               drive.options.header_length);
    }
    head_bytes += snprintf(head + head_bytes, sizeof head - (size_t)head_bytes, "\r\n");
    drive.head = uv_buf_init(head, (unsigned)head_bytes);
    drive.body = uv_buf_init(body, (unsigned)length);
    hist_reset(&drive.latency);
    drive.start_ns = clock_now_ns();
    drive.measure_ns = drive.start_ns + drive.options.warm_ns;
    drive.end_ns = drive.measure_ns + drive.options.duration_ns;
    drive.next_ns = drive.start_ns;
    if (drive.options.rate > 0) {
        uv_timer_init(&drive.loop, &drive.pacer);
        uv_timer_start(&drive.pacer, drive_pace, 0, 1);
    } else {
        for (int64_t i = 0; i < drive.options.connections; i++) {
            drive_send(clock_now_ns());
        }
    }
    uv_run(&drive.loop, UV_RUN_DEFAULT);
    drive_report();
    free(body);
    return drive.failed == 0 ? 0 : 1;
}
