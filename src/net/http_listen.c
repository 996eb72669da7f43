/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "net/http_internal.h"

static const int backlog = 1024;
static const char local_prefix[] = "unix:";

/* A socket that listens, or -1 with errno. */
static int listen_at(const struct sockaddr *address, socklen_t bytes)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, address, bytes) != 0 || listen(fd, backlog) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* ---- TCP ---------------------------------------------------------------------------- */

static enum roost_err tcp_refused(int error, const char *host, unsigned port, struct detail *detail)
{
    switch (error) {
    case EADDRINUSE:
        return detail_set(detail, ROOST_EXISTS,
                          "port %u is in use: stop the other server, or choose another port", port);
    case EACCES:
        return detail_set(detail, ROOST_PERMISSION,
                          "no permission to listen on port %u: choose one above 1023", port);
    case EADDRNOTAVAIL:
        return detail_set(detail, ROOST_INVALID,
                          "cannot listen on %s: this machine has no such address", host);
    default:
        return detail_set(detail, ROOST_IO, "cannot listen on %s port %u: %s", host, port,
                          strerror(error));
    }
}

static int listen_everywhere(unsigned port)
{
    struct sockaddr_in6 any6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};
    int fd = listen_at((const struct sockaddr *)&any6, sizeof any6);
    if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
        return fd;
    }
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return listen_at((const struct sockaddr *)&any4, sizeof any4);
}

/* IPv4 where a name has both, because that is what "localhost" means to most clients. */
static const struct addrinfo *prefer_ipv4(const struct addrinfo *found)
{
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            return a;
        }
    }
    return found;
}

static enum roost_err listen_tcp(const char *host, unsigned port, struct http_listener *listener,
                                 struct detail *detail)
{
    if (port > UINT16_MAX) {
        return detail_set(detail, ROOST_INVALID, "%u is not a port: at most 65535", port);
    }
    if (host == NULL) {
        listener->fd = listen_everywhere(port);
    } else {
        struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
        int status = getaddrinfo(host, NULL, &hints, &found);
        if (status != 0) {
            return detail_set(detail, ROOST_INVALID, "'%s' is not an address to listen on: %s",
                              host, gai_strerror(status));
        }
        const struct addrinfo *chosen = prefer_ipv4(found);
        struct sockaddr_storage address;
        socklen_t bytes = chosen->ai_addrlen;
        memcpy(&address, chosen->ai_addr, bytes);
        freeaddrinfo(found);
        /* The port is at the same place in both. */
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
        listener->fd = listen_at((const struct sockaddr *)&address, bytes);
    }
    if (listener->fd < 0) {
        return tcp_refused(errno, host == NULL ? "all addresses" : host, port, detail);
    }
    struct sockaddr_storage got;
    socklen_t bytes = sizeof got;
    getsockname(listener->fd, (struct sockaddr *)&got, &bytes);
    listener->port = ntohs(((struct sockaddr_in *)&got)->sin_port);
    return ROOST_OK;
}

/* ---- Unix sockets ------------------------------------------------------------------- */

/* Whether the path is a socket on which nobody listens any more. */
static bool socket_is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

static enum roost_err listen_local(const char *path, struct http_listener *listener,
                                   struct detail *detail)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
        return detail_set(detail, ROOST_INVALID, "the socket's path must have 1 to %zu bytes: '%s'",
                          sizeof address.sun_path - 1, path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    listener->local = true;
    listener->path = strdup(path);
    if (listener->path == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    if (socket_is_stale(&address)) {
        unlink(path);
    }
    /* Nobody can connect in between, since the socket is made with the narrow mode. */
    mode_t mask = umask(S_IRWXG | S_IRWXO);
    listener->fd = listen_at((const struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(mask);
    if (listener->fd >= 0) {
        return ROOST_OK;
    }
    free(listener->path);
    listener->path = NULL;
    if (error == EADDRINUSE) {
        return detail_set(detail, ROOST_EXISTS, "the socket %s is in use by another process", path);
    }
    enum roost_err err = errno_translate(error, path, detail);
    detail_prefix(detail, "cannot listen on a socket");
    return err;
}

enum roost_err http_listen(const char *host, unsigned port, struct http_listener *listener,
                           struct detail *detail)
{
    *listener = (struct http_listener){.fd = -1};
    const size_t prefix = sizeof local_prefix - 1;
    if (host != NULL && strncmp(host, local_prefix, prefix) == 0) {
        return listen_local(host + prefix, listener, detail);
    }
    return listen_tcp(host, port, listener, detail);
}
