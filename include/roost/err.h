/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roost's error codes.
 *
 * One table gives every error its symbol, its text, and the status it has on
 * the wire, so that the same mistake reads the same over HTTP, over gRPC and on
 * the command line. Functions return an enum roost_err; results leave through
 * out-parameters.
 */
#ifndef ROOST_ERR_H
#define ROOST_ERR_H

/* symbol, text, HTTP status, gRPC code, exit code of a command */
#define ROOST_ERR_TABLE(X)                                                                         \
    X(OK, "ok", 200, 0, 0)                                                                         \
    X(INVALID, "invalid argument", 400, 3, 2)                                                      \
    X(NOT_FOUND, "not found", 404, 5, 1)                                                           \
    X(METHOD, "method not allowed", 405, 12, 1)                                                    \
    X(TOO_LARGE, "too large", 413, 8, 1)                                                           \
    X(HEADERS_TOO_LARGE, "headers too large", 431, 8, 1)                                           \
    X(REQUEST_TIMEOUT, "client too slow", 408, 4, 1)                                               \
    X(OVERLOADED, "overloaded", 429, 8, 1)                                                         \
    X(CANCELLED, "cancelled", 499, 1, 1)                                                           \
    X(INTERNAL, "internal error", 500, 13, 1)                                                      \
    X(UNSUPPORTED, "not supported", 501, 12, 1)                                                    \
    X(UNAVAILABLE, "unavailable", 503, 14, 1)                                                      \
    X(EXPIRED, "deadline exceeded", 504, 4, 1)                                                     \
    X(EXISTS, "already exists", 409, 6, 1)                                                         \
    X(NO_MEMORY, "out of memory", 503, 8, 1)                                                       \
    X(IO, "input/output error", 500, 13, 1)                                                        \
    X(PERMISSION, "permission denied", 403, 7, 1)

enum roost_err {
#define ROOST_ERR_ENUM(symbol, text, http, grpc, code) ROOST_##symbol,
    ROOST_ERR_TABLE(ROOST_ERR_ENUM)
#undef ROOST_ERR_ENUM
        ROOST_ERR_COUNT
};

/* Stable lower-case symbol ("not_found") for logs and metrics. Never NULL. */
const char *roost_err_name(enum roost_err err);

/* One line for a person. Never NULL. */
const char *roost_err_text(enum roost_err err);

int roost_err_http_status(enum roost_err err);
int roost_err_grpc_code(enum roost_err err);
int roost_err_exit_code(enum roost_err err);

#endif
