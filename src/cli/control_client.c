/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "net/http_client.h"
#include "serve/control.h"

const char *control_text(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text == NULL ? "" : text;
}

/* The server's own words out of {"error": "..."}. */
static enum roost_err control_refused(int status, yyjson_doc *doc, struct detail *detail)
{
    const char *reason = control_text(yyjson_doc_get_root(doc), "error");
    return reason[0] != '\0'
               ? detail_set(detail, ROOST_UNAVAILABLE, "%s", reason)
               : detail_set(detail, ROOST_UNAVAILABLE, "the server answered %d", status);
}

enum roost_err control_call(const char *socket, const char *method, const char *path,
                            const char *body, yyjson_doc **doc, char **text, struct detail *detail)
{
    char usual[FILE_PATH_BYTES_MAX], host[FILE_PATH_BYTES_MAX + 8];
    if (socket == NULL && !control_default_path(usual, sizeof usual)) {
        return detail_set(detail, ROOST_INVALID,
                          "no control socket: give --control PATH as for `roost serve`");
    }
    snprintf(host, sizeof host, "unix:%s", socket != NULL ? socket : usual);
    int status;
    char *reply;
    size_t length;
    enum roost_err err = http_fetch(host, 0, method, path, body, &status, &reply, &length, detail);
    if (err != ROOST_OK) {
        return err;
    }
    err = json_parse(reply, length, doc, detail);
    if (err == ROOST_OK && status != 200) {
        err = control_refused(status, *doc, detail);
        yyjson_doc_free(*doc);
    }
    if (err == ROOST_OK && text != NULL) {
        *text = reply;
    } else {
        free(reply);
    }
    return err;
}
