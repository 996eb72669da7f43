/* SPDX-License-Identifier: Apache-2.0 */
#include "load/record.h"

#include "base/assert.h"

const char *outcome_key(enum outcome outcome)
{
    static const char *const keys[] = {
#define OUTCOME_KEY(symbol, key, text) [OUTCOME_##symbol] = (key),
        OUTCOME_TABLE(OUTCOME_KEY)
#undef OUTCOME_KEY
    };
    roost_assert(outcome < OUTCOME_COUNT);
    return keys[outcome];
}

const char *outcome_text(enum outcome outcome)
{
    static const char *const texts[] = {
#define OUTCOME_WORDS(symbol, key, text) [OUTCOME_##symbol] = (text),
        OUTCOME_TABLE(OUTCOME_WORDS)
#undef OUTCOME_WORDS
    };
    roost_assert(outcome < OUTCOME_COUNT);
    return texts[outcome];
}

bool outcome_is_answer(enum outcome outcome)
{
    return outcome != OUTCOME_CONNECTION && outcome != OUTCOME_TIMEOUT && outcome != OUTCOME_UNSENT;
}

enum outcome outcome_of_reply(int status, enum roost_err err, bool sent)
{
    switch (status) {
    case 200:
        return OUTCOME_OK;
    case 429:
        return OUTCOME_REFUSED;
    case 503:
        return OUTCOME_UNAVAILABLE;
    case 504:
        return OUTCOME_EXPIRED;
    case 0:
        break;
    default:
        return status >= 400 && status < 500 ? OUTCOME_CLIENT_ERROR : OUTCOME_SERVER_ERROR;
    }
    if (err == ROOST_EXPIRED || err == ROOST_CANCELLED)
        return sent ? OUTCOME_TIMEOUT : OUTCOME_UNSENT;
    return OUTCOME_CONNECTION;
}
