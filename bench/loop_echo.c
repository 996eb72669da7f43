/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which event loop Roost stands on: what does an echo through libuv
 * lose against a bare epoll loop?
 *
 * Both servers are one thread that answers 1 KB messages on loopback TCP. The
 * client, a second thread of this program, keeps one message under way on each
 * connection. The servers take turns, so that a busy machine disturbs both
 * alike; the figures are ratios of medians over the turns.
 *
 *   loop_echo [MILLISECONDS_PER_TURN [TURNS]]
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum {
    message_bytes = 1024,
    connections_max = 64,
    turns_max = 101,
    events_max = 64,
};

/* What a server thread gets, and what it leaves. */
struct server {
    int listen_fd;
    int stop_fd;
    uint64_t cpu_ns;
};

/* One kind of server; run() returns after stop_fd became readable. */
struct kind {
    const char *name;
    void (*run)(struct server *server);
};

struct sample {
    double echoes_per_s;
    double server_cpu_us;
};

static void die(const char *what)
{
    fprintf(stderr, "loop_echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin_to_core(unsigned core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    /* A smaller or restricted machine measures unpinned. */
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void set_nodelay(int fd)
{
    int one = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        die("TCP_NODELAY");
    }
}

/* The bare loop: level-triggered epoll, one read and one write per event. */

struct peer {
    int fd;
    char bytes[4 * message_bytes];
};

static void peer_echo(struct peer *peer, int epoll_fd)
{
    ssize_t got = read(peer->fd, peer->bytes, sizeof peer->bytes);
    if (got <= 0) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, peer->fd, NULL);
        close(peer->fd);
        peer->fd = -1;
        return;
    }
    /* One message is under way per connection, so the socket buffer has room. */
    if (write(peer->fd, peer->bytes, (size_t)got) != got) {
        die("write");
    }
}

static void bare_run(struct server *server)
{
    static struct peer peers[connections_max];
    struct epoll_event events[events_max];
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->stop_fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, server->stop_fd, &event);
    event.data.ptr = &server->listen_fd;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &event);

    size_t count = 0;
    for (bool stop = false; !stop;) {
        int ready = epoll_wait(epoll_fd, events, events_max, -1);
        for (int i = 0; i < ready; i++) {
            void *source = events[i].data.ptr;
            if (source == &server->stop_fd) {
                stop = true;
            } else if (source == &server->listen_fd) {
                struct peer *peer = &peers[count++ % connections_max];
                peer->fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK);
                set_nodelay(peer->fd);
                event.data.ptr = peer;
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peer->fd, &event);
            } else {
                peer_echo(source, epoll_fd);
            }
        }
    }
    close(epoll_fd);
}

/* The same through libuv. */

struct uv_peer {
    uv_tcp_t tcp;
    char bytes[4 * message_bytes];
};

static void uv_peer_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void uv_give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)wanted;
    struct uv_peer *peer = handle->data;
    buffer->base = peer->bytes;
    buffer->len = sizeof peer->bytes;
}

static void uv_echo(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    if (got < 0) {
        uv_close((uv_handle_t *)stream, uv_peer_freed);
        return;
    }
    if (got == 0) {
        return;
    }
    uv_buf_t reply = uv_buf_init(buffer->base, (unsigned)got);
    if (uv_try_write(stream, &reply, 1) != got) {
        die("uv_try_write");
    }
}

static void uv_accepted(uv_stream_t *listener, int status)
{
    if (status != 0) {
        return;
    }
    struct uv_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL || uv_tcp_init(listener->loop, &peer->tcp) != 0) {
        die("connection");
    }
    peer->tcp.data = peer;
    if (uv_accept(listener, (uv_stream_t *)&peer->tcp) != 0) {
        die("uv_accept");
    }
    uv_tcp_nodelay(&peer->tcp, 1);
    uv_read_start((uv_stream_t *)&peer->tcp, uv_give_buffer, uv_echo);
}

static void uv_stop_asked(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_stop(poll->loop);
}

static void uv_close_one(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, handle->type == UV_TCP && handle->data != NULL ? uv_peer_freed : NULL);
    }
}

static void uv_server_run(struct server *server)
{
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_poll_t stop;
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &listener);
    listener.data = NULL;
    uv_tcp_open(&listener, dup(server->listen_fd));
    uv_listen((uv_stream_t *)&listener, connections_max, uv_accepted);
    uv_poll_init(&loop, &stop, server->stop_fd);
    uv_poll_start(&stop, UV_READABLE, uv_stop_asked);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_walk(&loop, uv_close_one, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0) {
        die("uv_loop_close");
    }
}

/* The client and the measurement. */

static const struct kind kinds[] = {
    {"epoll", bare_run},
    {"libuv", uv_server_run},
};

struct server_thread {
    const struct kind *kind;
    struct server server;
};

static void *server_main(void *argument)
{
    struct server_thread *thread = argument;
    pin_to_core(0);
    uint64_t start_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    thread->kind->run(&thread->server);
    thread->server.cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
    return NULL;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        die("connect");
    }
    set_nodelay(fd);
    return fd;
}

/* Keeps every connection busy for the time given; returns the echoes seen. */
static uint64_t client_run(const int *fds, size_t count, uint64_t duration_ns)
{
    char message[message_bytes] = {0};
    size_t missing[connections_max];
    int epoll_fd = epoll_create1(0);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event);
        missing[i] = message_bytes;
        if (write(fds[i], message, message_bytes) != message_bytes) {
            die("write");
        }
    }
    uint64_t echoes = 0;
    uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + duration_ns;
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        struct epoll_event events[events_max];
        int ready = epoll_wait(epoll_fd, events, events_max, 100);
        for (int e = 0; e < ready; e++) {
            size_t i = events[e].data.u64;
            ssize_t got = read(fds[i], message, missing[i]);
            if (got <= 0) {
                die("the server hung up");
            }
            missing[i] -= (size_t)got;
            if (missing[i] > 0) {
                continue;
            }
            echoes++;
            missing[i] = message_bytes;
            if (write(fds[i], message, message_bytes) != message_bytes) {
                die("write");
            }
        }
    }
    close(epoll_fd);
    return echoes;
}

static struct sample turn(const struct kind *kind, size_t connections, uint64_t duration_ns)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct server_thread thread = {.kind = kind};
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listen_fd, connections_max) != 0 ||
        getsockname(listen_fd, (struct sockaddr *)&address, &length) != 0) {
        die("listen");
    }
    thread.server.listen_fd = listen_fd;
    thread.server.stop_fd = eventfd(0, 0);
    pthread_t id;
    if (pthread_create(&id, NULL, server_main, &thread) != 0) {
        die("thread");
    }
    pin_to_core(1);
    int fds[connections_max];
    for (size_t i = 0; i < connections; i++) {
        fds[i] = connect_to(&address);
    }
    uint64_t echoes = client_run(fds, connections, duration_ns);
    uint64_t one = 1;
    if (write(thread.server.stop_fd, &one, sizeof one) != sizeof one) {
        die("eventfd");
    }
    pthread_join(id, NULL);
    for (size_t i = 0; i < connections; i++) {
        close(fds[i]);
    }
    close(listen_fd);
    close(thread.server.stop_fd);
    return (struct sample){
        .echoes_per_s = (double)echoes * 1e9 / (double)duration_ns,
        .server_cpu_us = (double)thread.server.cpu_ns / 1e3 / (double)(echoes > 0 ? echoes : 1),
    };
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void compare(size_t connections, uint64_t duration_ns, size_t turns)
{
    static double rates[2][turns_max];
    static double costs[2][turns_max];
    for (size_t t = 0; t < turns; t++) {
        /* The order alternates too, so that neither always runs on a warm core. */
        for (size_t i = 0; i < 2; i++) {
            size_t k = (t + i) % 2;
            struct sample sample = turn(&kinds[k], connections, duration_ns);
            rates[k][t] = sample.echoes_per_s;
            costs[k][t] = sample.server_cpu_us;
        }
    }
    double rate[2];
    double cost[2];
    for (size_t k = 0; k < 2; k++) {
        rate[k] = median(rates[k], turns);
        cost[k] = median(costs[k], turns);
        printf("%2zu connections, %s: %8.0f echoes/s (%.0f..%.0f), %.2f us of server CPU each\n",
               connections, kinds[k].name, rate[k], rates[k][0], rates[k][turns - 1], cost[k]);
    }
    double rate_ratio = rate[1] / rate[0];
    double cost_ratio = cost[1] / cost[0];
    printf("figure loop_echo_uv_over_epoll_rate_c%zu %.3f >=0.90 %s\n", connections, rate_ratio,
           rate_ratio >= 0.90 ? "ok" : "short");
    printf("figure loop_echo_uv_over_epoll_cpu_c%zu %.3f <=1.10 %s\n", connections, cost_ratio,
           cost_ratio <= 1.10 ? "ok" : "short");
}

int main(int argc, char **argv)
{
    uint64_t duration_ms = argc > 1 ? strtoull(argv[1], NULL, 10) : 500;
    size_t turns = argc > 2 ? strtoul(argv[2], NULL, 10) : 7;
    if (duration_ms == 0 || turns == 0 || turns > turns_max) {
        fprintf(stderr, "usage: loop_echo [MILLISECONDS_PER_TURN [TURNS]]\n");
        return 2;
    }
    static const size_t connections[] = {1, 16, 64};
    for (size_t i = 0; i < sizeof connections / sizeof *connections; i++) {
        compare(connections[i], duration_ms * 1000000u, turns);
    }
    return 0;
}
