/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a message as the same tree: arrays become several nodes of one name. */
#include "serve/pbtxt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "base/json.h"

struct converter {
    struct pbtxt_doc *doc;
    struct detail *detail;
};

/* protobuf's JSON writes fields in lowerCamelCase and reads both; keys of maps are left alone by
 * the reader of the tree, which therefore gets names as they are. */
static enum roost_err convert_object(const struct converter *converter, yyjson_val *object,
                                     struct pbtxt_node *parent);

static enum roost_err refuse(const struct converter *converter, const char *name, const char *why)
{
    return detail_set(converter->detail, ROOST_INVALID, "%s: %s", name, why);
}

static const char *scalar_text(yyjson_val *value, char out[64])
{
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? "true" : "false";
    if (yyjson_is_uint(value))
        (void)snprintf(out, 64, "%" PRIu64, yyjson_get_uint(value));
    else if (yyjson_is_int(value))
        (void)snprintf(out, 64, "%" PRId64, yyjson_get_sint(value));
    else
        (void)snprintf(out, 64, "%.17g", yyjson_get_real(value));
    return out;
}

static enum roost_err convert_value(const struct converter *converter, yyjson_val *value,
                                    struct pbtxt_node *parent, const char *name, bool listed)
{
    char number[64];
    struct pbtxt_node *node;
    if (yyjson_is_null(value))
        return listed ? refuse(converter, name, "null in a list") : ROOST_OK;
    if (yyjson_is_obj(value)) {
        node = pbtxt_add(converter->doc, parent, PBTXT_MESSAGE, name, NULL);
    } else if (yyjson_is_str(value)) {
        if (strlen(yyjson_get_str(value)) != yyjson_get_len(value))
            return refuse(converter, name, "a string must not contain a zero byte");
        node = pbtxt_add(converter->doc, parent, PBTXT_STRING, name, yyjson_get_str(value));
    } else if (yyjson_is_arr(value)) {
        return refuse(converter, name, "a list within a list");
    } else {
        node = pbtxt_add(converter->doc, parent, PBTXT_WORD, name, scalar_text(value, number));
    }
    if (node == NULL)
        return detail_set(converter->detail, ROOST_NO_MEMORY, "no memory for %u nodes",
                          (unsigned)PBTXT_NODES_MAX);
    node->listed = listed;
    return yyjson_is_obj(value) ? convert_object(converter, value, node) : ROOST_OK;
}

static enum roost_err convert_object(const struct converter *converter, yyjson_val *object,
                                     struct pbtxt_node *parent)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter)) != NULL;) {
        const char *name = yyjson_get_str(key);
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (strlen(name) != yyjson_get_len(key))
            return refuse(converter, name, "a key must not contain a zero byte");
        enum roost_err err = ROOST_OK;
        if (yyjson_is_arr(value)) {
            yyjson_arr_iter items = yyjson_arr_iter_with(value);
            for (yyjson_val *item; (item = yyjson_arr_iter_next(&items)) != NULL;) {
                err = convert_value(converter, item, parent, name, true);
                if (err != ROOST_OK)
                    return err;
            }
        } else {
            err = convert_value(converter, value, parent, name, false);
        }
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

enum roost_err pbtxt_parse_json(const char *text, size_t length, struct pbtxt_doc **doc,
                                struct detail *detail)
{
    yyjson_doc *json = NULL;
    enum roost_err err = json_parse(text, length, &json, detail);
    if (err != ROOST_OK)
        return err;
    struct converter converter = {.doc = pbtxt_doc_new(), .detail = detail};
    yyjson_val *root = yyjson_doc_get_root(json);
    if (converter.doc == NULL)
        err = detail_set(detail, ROOST_NO_MEMORY, "no memory for the configuration");
    else if (!yyjson_is_obj(root))
        err = detail_set(detail, ROOST_INVALID, "the configuration is not a JSON object");
    else
        err = convert_object(&converter, root, pbtxt_root_edit(converter.doc));
    yyjson_doc_free(json);
    if (err == ROOST_OK)
        *doc = converter.doc;
    else
        pbtxt_doc_free(converter.doc);
    return err;
}
