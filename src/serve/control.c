/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/manager.h"
#include "serve/tenant.h"
#include "serve/unit.h"

bool control_default_path(char *out, size_t out_bytes)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int length = 0;
    if (runtime != NULL && runtime[0] == '/') {
        length = snprintf(out, out_bytes, "%s/roost.sock", runtime);
    } else if (geteuid() == 0) {
        length = snprintf(out, out_bytes, "/run/roost.sock");
    }
    return length > 0 && (size_t)length < out_bytes;
}

/* A text member of the call's JSON body; NULL, with the call answered, when it is not there. *doc
 * holds it. */
static const char *control_text(struct call *call, const char *key, yyjson_doc **doc)
{
    struct detail detail;
    size_t length;
    const char *body = http_body(call->http, &length);
    enum roost_err err = json_parse(body, length, doc, &detail);
    const char *text = NULL;
    if (err == ROOST_OK) {
        text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(*doc), key));
        if (text == NULL) {
            detail_set(&detail, ROOST_INVALID, "the body must be an object with the text \"%s\"",
                       key);
            yyjson_doc_free(*doc);
        }
    }
    if (text == NULL) {
        call_respond_error(call, ROOST_INVALID, detail.text, 0);
    }
    return text;
}

static void control_switch_to(struct call *call, struct lane *lane, const char *name)
{
    struct detail detail;
    unsigned variant = lane_find_variant(lane, name);
    if (variant == lane->variant_count) {
        detail_set(&detail, ROOST_NOT_FOUND, "model '%s' has no variant '%s'", lane->tenant->name,
                   name);
        call_respond_error(call, ROOST_NOT_FOUND, detail.text, 0);
        return;
    }
    log_info("model.switch_asked", "tenant=%s version=%s variant=%s by=hand", lane->tenant->name,
             lane->version_text, name);
    enum roost_err err = lane_switch(lane, variant, &detail);
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
        return;
    }
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_field_string(&w, "tenant", lane->tenant->name);
    json_field_string(&w, "variant", name);
    json_field_bool(&w, "serving", lane->active != NULL && lane->active->variant == variant);
    json_end_object(&w);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

void control_switch(struct call *call)
{
    struct lane *lane = call_lane(call);
    if (lane == NULL) {
        return;
    }
    yyjson_doc *doc;
    const char *name = control_text(call, "variant", &doc);
    if (name != NULL) {
        control_switch_to(call, lane, name);
        yyjson_doc_free(doc);
    }
}

void control_policy(struct call *call)
{
    struct strbuf out;
    struct json_writer w;
    strbuf_init(&out);
    json_writer_init(&w, &out);
    manager_write_status(call->server->manager, &w);
    call_respond_json(call, &out);
    strbuf_fini(&out);
}

void control_policy_set(struct call *call)
{
    yyjson_doc *doc;
    struct detail detail;
    const char *name = control_text(call, "policy", &doc);
    if (name == NULL) {
        return;
    }
    const char *options = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "options"));
    enum roost_err err = manager_set_policy(call->server->manager, name, options, &detail);
    yyjson_doc_free(doc);
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
        return;
    }
    control_policy(call);
}
