/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of one request of the load: the unit in which the sending thread reports, and from
 * which everything else (report, live table, search for the highest load) is computed. Pure data.
 */
#ifndef ROOST_LOAD_RECORD_H
#define ROOST_LOAD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "roost/err.h"

/* symbol, key in JSON and CSV, words for a person */
#define OUTCOME_TABLE(X)                                                                           \
    X(OK, "ok", "answered")                                                                        \
    X(REFUSED, "refused", "refused (429)")                                                         \
    X(UNAVAILABLE, "unavailable", "unavailable (503)")                                             \
    X(EXPIRED, "expired", "expired (504)")                                                         \
    X(CLIENT_ERROR, "client_error", "wrong request (4xx)")                                         \
    X(SERVER_ERROR, "server_error", "server error (5xx)")                                          \
    X(CONNECTION, "connection", "connection lost")                                                 \
    X(TIMEOUT, "timeout", "never answered")                                                        \
    X(UNSENT, "unsent", "never sent")

enum outcome {
#define OUTCOME_ENUM(symbol, key, text) OUTCOME_##symbol,
    OUTCOME_TABLE(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_COUNT
};

const char *outcome_key(enum outcome outcome);
const char *outcome_text(enum outcome outcome);

/* Whether the server gave an answer of any kind. */
bool outcome_is_answer(enum outcome outcome);

/* What a reply means: `status` 0 means none came, `err` then says why, and `sent` whether the
 * request had left. Only 200 is success, as for the protocol's own clients. */
enum outcome outcome_of_reply(int status, enum roost_err err, bool sent);

struct load_record {
    uint64_t intended_ns; /* since the start of the run */
    uint64_t lag_ns;      /* sent (or given up, unsent) minus intended */
    uint64_t latency_ns;  /* answered (or given up) minus intended */
    uint32_t rows;
    float accuracy; /* of the variant that answered; NAN: not known */
    uint16_t tenant;
    uint8_t outcome;
    bool counted; /* intended after the warm-up */
};

#endif
