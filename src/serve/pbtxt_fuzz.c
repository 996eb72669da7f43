/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as config.pbtxt and as its JSON form. What is accepted, written as JSON and read again
 * gives the same JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "serve/model_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct model_config *config, struct model_config *again)
{
    struct strbuf first, second;
    struct detail detail = {""};
    strbuf_init(&first);
    strbuf_init(&second);
    model_config_write_json(config, &first);
    enum roost_err err = model_config_parse_json(first.data, first.length, again, &detail);
    roost_assert(err == ROOST_OK);
    model_config_write_json(again, &second);
    roost_assert(strcmp(strbuf_text(&first), strbuf_text(&second)) == 0);
    strbuf_fini(&first);
    strbuf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct model_config *config = malloc(sizeof(*config)), *again = malloc(sizeof(*again));
    roost_assert(config != NULL && again != NULL);
    for (unsigned json = 0; json < 2; json++) {
        struct detail detail = {""};
        enum roost_err err = json != 0 ? model_config_parse_json(text, size, config, &detail)
                                       : model_config_parse(text, size, config, &detail);
        roost_assert((err == ROOST_OK) == (detail.text[0] == '\0'));
        roost_assert(strlen(config->warnings) < sizeof(config->warnings));
        /* Without max_batch_size the JSON says 0, which what depends on it need not fit. */
        if (err == ROOST_OK && config->max_batch_size >= 0)
            write_and_read(config, again);
    }
    free(config);
    free(again);
    return 0;
}
