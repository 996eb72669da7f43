/* SPDX-License-Identifier: Apache-2.0 */
#include "roost/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { ERR_NAME_BYTES_MAX = 24 };

struct err_entry {
    const char *symbol;
    const char *text;
    int http_status;
    int grpc_code;
    int exit_code;
};

static const struct err_entry err_table[ROOST_ERR_COUNT] = {
#define ROOST_ERR_ENTRY(symbol, text, http, grpc, code) {#symbol, text, http, grpc, code},
    ROOST_ERR_TABLE(ROOST_ERR_ENTRY)
#undef ROOST_ERR_ENTRY
};

/* The preprocessor cannot lower a symbol's case, so the names are made at the first question. */
static char err_names[ROOST_ERR_COUNT][ERR_NAME_BYTES_MAX];
static pthread_once_t err_names_once = PTHREAD_ONCE_INIT;

static void err_names_make(void)
{
    for (size_t i = 0; i < ROOST_ERR_COUNT; i++) {
        const char *symbol = err_table[i].symbol;
        for (size_t c = 0; symbol[c] != '\0' && c + 1 < ERR_NAME_BYTES_MAX; c++) {
            bool upper = symbol[c] >= 'A' && symbol[c] <= 'Z';
            err_names[i][c] = upper ? (char)(symbol[c] - 'A' + 'a') : symbol[c];
        }
    }
}

/* A code from outside (shared memory, a newer peer) must not read beyond the table. */
static size_t err_index(enum roost_err err)
{
    return (unsigned)err < ROOST_ERR_COUNT ? (size_t)err : (size_t)ROOST_INTERNAL;
}

const char *roost_err_name(enum roost_err err)
{
    (void)pthread_once(&err_names_once, err_names_make);
    return err_names[err_index(err)];
}

const char *roost_err_text(enum roost_err err)
{
    return err_table[err_index(err)].text;
}

int roost_err_http_status(enum roost_err err)
{
    return err_table[err_index(err)].http_status;
}

int roost_err_grpc_code(enum roost_err err)
{
    return err_table[err_index(err)].grpc_code;
}

int roost_err_exit_code(enum roost_err err)
{
    return err_table[err_index(err)].exit_code;
}
