/* SPDX-License-Identifier: Apache-2.0 */
#include "load/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"
#include "base/strbuf.h"
#include "net/http_client.h"

#define WAIT_STEP_NS (100 * NS_PER_MS)

static enum roost_err url_refuse(const char *url, struct detail *detail)
{
    return detail_set(detail, ROOST_INVALID,
                      "a server is given as http://HOST:PORT or unix:PATH, not \"%.120s\"", url);
}

static enum roost_err host_copy(const char *url, const char *host, size_t length,
                                struct target *target, struct detail *detail)
{
    if (length == 0 || length >= sizeof(target->host))
        return url_refuse(url, detail);
    memcpy(target->host, host, length);
    target->host[length] = '\0';
    return ROOST_OK;
}

enum roost_err target_parse(const char *url, struct target *target, struct detail *detail)
{
    *target = (struct target){.port = 80};
    if (strncmp(url, "unix:", 5) == 0) {
        (void)snprintf(target->authority, sizeof(target->authority), "localhost");
        target->port = 0;
        return url[5] == '\0' ? url_refuse(url, detail)
                              : host_copy(url, url, strlen(url), target, detail);
    }
    if (strncmp(url, "https://", 8) == 0)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "%.120s: HTTPS is not supported; use a proxy or a tunnel", url);
    const char *at = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    size_t length = strcspn(at, "/");
    const char *host = at;
    size_t host_length = length;
    const char *port = NULL;
    if (*at == '[') {
        host_length = strcspn(at, "]/");
        if (at[host_length] != ']')
            return url_refuse(url, detail);
        host++;
        port = at[host_length + 1] == ':' ? at + host_length + 2 : NULL;
        host_length--;
    } else if (memchr(at, ':', length) != NULL) {
        port = (const char *)memchr(at, ':', length) + 1;
        host_length = (size_t)(port - 1 - at);
    }
    if (strspn(at + length, "/") != strlen(at + length) || length >= sizeof(target->authority))
        return url_refuse(url, detail);
    if (port != NULL) {
        char digits[8];
        int64_t number;
        size_t port_length = (size_t)(at + length - port);
        if (port_length >= sizeof(digits))
            return url_refuse(url, detail);
        memcpy(digits, port, port_length);
        digits[port_length] = '\0';
        if (number_parse_int(digits, &number) != 0 || number < 1 || number > 65535)
            return url_refuse(url, detail);
        target->port = (unsigned)number;
    }
    memcpy(target->authority, at, length);
    return host_copy(url, host, host_length, target, detail);
}

/* One request whose answer must be 200. *body is the caller's on OK. */
static enum roost_err target_ask(const struct target *target, const char *method, const char *path,
                                 char **body, size_t *bytes, struct detail *detail)
{
    int status = 0;
    *body = NULL;
    bool is_post = strcmp(method, "POST") == 0;
    enum roost_err err = http_fetch(target->host, target->port, method, path, is_post ? "" : NULL,
                                    &status, body, bytes, detail);
    if (err != ROOST_OK || status == 200)
        return err;
    yyjson_doc *doc = NULL;
    const char *text = *body == NULL ? "" : *body;
    if (json_parse(text, *bytes, &doc, NULL) == ROOST_OK) {
        const char *error = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "error"));
        text = error == NULL ? text : error;
    }
    err = detail_set(detail, status == 404 ? ROOST_NOT_FOUND : ROOST_UNAVAILABLE,
                     "%s %s: %d %.200s", method, path, status, text);
    yyjson_doc_free(doc);
    free(*body);
    *body = NULL;
    return err;
}

enum roost_err target_wait(const struct target *target, uint64_t patience_ns, struct detail *detail)
{
    uint64_t give_up_ns = clock_now_ns() + patience_ns;
    for (;;) {
        char *body;
        size_t bytes;
        enum roost_err err = target_ask(target, "GET", "/v2/health/ready", &body, &bytes, detail);
        free(body);
        if (err == ROOST_OK)
            return ROOST_OK;
        if (clock_now_ns() >= give_up_ns) {
            detail_prefix(detail, "the server is not ready");
            return ROOST_UNAVAILABLE;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)WAIT_STEP_NS}, NULL);
    }
}

enum roost_err target_index(const struct target *target, struct load_index *index,
                            struct detail *detail)
{
    char *body;
    size_t bytes;
    enum roost_err err = target_ask(target, "POST", "/v2/repository/index", &body, &bytes, detail);
    if (err == ROOST_NOT_FOUND) {
        err = detail_set(detail, ROOST_UNSUPPORTED,
                         "the server does not list its models: name them with --tenant");
    } else if (err == ROOST_OK) {
        err = load_index_parse(body, bytes, index, detail);
    }
    free(body);
    return err;
}

enum roost_err target_model(const struct target *target, const char *name, const char *version,
                            struct load_model *model, struct detail *detail)
{
    struct strbuf path;
    char *body;
    size_t bytes;
    strbuf_init(&path);
    load_model_path(name, version, "", &path);
    enum roost_err err = target_ask(target, "GET", strbuf_text(&path), &body, &bytes, detail);
    if (err == ROOST_OK)
        err = load_model_parse(name, version, body, bytes, model, detail);
    free(body);
    if (err == ROOST_OK) {
        strbuf_reset(&path);
        load_model_path(name, version, "/config", &path);
        /* An extension: a server without it is driven by its metadata alone. */
        if (target_ask(target, "GET", strbuf_text(&path), &body, &bytes, NULL) == ROOST_OK)
            err = load_model_parse_config(body, bytes, model, detail);
        free(body);
    }
    if (err != ROOST_OK)
        detail_prefix(detail, "model %s", name);
    strbuf_fini(&path);
    return err;
}
